//! udp-info: each datagram, an empty one too, is answered by one datagram that
//! tells its sender's address and port.

#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

mod support;

use std::net::UdpSocket;
use std::thread;

use support::{DEADLINE, Running, Server, check_client_summary, check_event, check_server_summary, command, netlab};
use support::{python, run, run_command, tool};

const LAB: &str = "udp-info";

fn server() -> Server {
    Server::start(LAB, &[])
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

fn line_for(socket: &UdpSocket) -> String {
    format!("you are 127.0.0.1 port {} (udp)\n", socket.local_addr().unwrap().port())
}

#[track_caller]
fn expect_line(socket: &UdpSocket, server: &Server) {
    let mut buffer = [0; 2048];
    let (got, from) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!(String::from_utf8_lossy(&buffer[..got]), line_for(socket));
    assert_eq!(from, server.addr(), "from the server's port");
}

#[test]
fn each_datagram_is_answered_by_one_line_for_its_sender() {
    let server = server();
    let (one, other) = (socket(), socket());
    for datagram in [&b"hello"[..], b"", b"\xff\0", &[b'x'; 65_507]] {
        for socket in [&one, &other] {
            socket.send_to(datagram, server.addr()).unwrap();
            expect_line(socket, &server);
        }
    }
    // One datagram each, and no more: the next answer is the next question's.
    one.send_to(b"", server.addr()).unwrap();
    expect_line(&one, &server);
}

#[test]
fn a_sender_that_is_gone_harms_nobody() {
    let server = server();
    for _ in 0..20 {
        socket().send_to(b"", server.addr()).unwrap();
    }
    let socket = socket();
    socket.send_to(b"", server.addr()).unwrap();
    expect_line(&socket, &server);
}

#[test]
fn over_ipv6_the_address_is_told_without_brackets() {
    let server = Server::at(LAB, "[::1]:0", &[]);
    let socket = UdpSocket::bind("[::1]:0").unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.send_to(b"?", server.addr()).unwrap();
    let mut buffer = [0; 2048];
    let got = socket.recv(&mut buffer).unwrap();
    let port = socket.local_addr().unwrap().port();
    assert_eq!(String::from_utf8_lossy(&buffer[..got]), format!("you are ::1 port {port} (udp)\n"));
}

#[test]
fn the_server_prints_each_senders_address_and_port() {
    let mut running = Running::start(netlab([LAB, "server", "127.0.0.1:0", "--accept", "1"]));
    let ready = running.next_line().unwrap();
    let addr = ready.strip_prefix("listening on udp ").unwrap_or_else(|| panic!("{ready}")).to_owned();
    let socket = socket();
    socket.send_to(b"hello", &addr).unwrap();
    let run = running.wait().succeeded();
    let port = socket.local_addr().unwrap().port();
    assert!(
        run.stdout.contains(&format!("127.0.0.1:{port}")) || run.stdout.contains(&format!("127.0.0.1 port {port}")),
        "{run:?}"
    );
}

#[test]
fn a_servers_events_are_the_contracts() {
    let server = Server::start(LAB, &["--accept", "2"]);
    let socket = socket();
    for datagram in [&b"hello"[..], b""] {
        socket.send_to(datagram, server.addr()).unwrap();
        expect_line(&socket, &server);
    }
    let run = server.wait().succeeded();
    let events = run.events();
    events.iter().for_each(|event| check_event(event, LAB));
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["listening", "received", "sent", "received", "sent", "summary"]);
    assert_eq!(events[0]["proto"], "udp");
    assert_eq!(events[2]["text"], line_for(&socket));
    check_server_summary(&events[5]);
    assert_eq!((&events[5]["clients"], &events[5]["bytes_in"]), (&1.into(), &5.into()));
}

#[test]
fn sigterm_and_for_stop_it_with_a_summary() {
    check_server_summary(server().stops_in_order().events().last().unwrap());
    let run = Server::start(LAB, &["--for", "100ms"]).wait().succeeded();
    check_server_summary(run.events().last().unwrap());
}

#[test]
fn an_answer_that_tells_no_address_is_shown_and_remarked_on() {
    let echo = Server::start("udp-echo", &[]);
    for more in [&["--json"][..], &[]] {
        let run = run([&[LAB, "client", &echo.at_text(), "--timeout", "20s"], more].concat()).succeeded();
        assert!(run.stdout.contains("the answer tells no address: "), "{run:?}");
        assert!(!run.stdout.contains("no address is translated"), "{run:?}");
    }
}

#[test]
fn the_client_prints_what_the_server_saw_and_that_it_sees_the_same() {
    let server = server();
    let run = run([LAB, "client", &server.at_text(), "--json"]).succeeded();
    run.events().iter().for_each(|event| check_event(event, LAB));
    let local = run.event("connected")["local"].as_str().unwrap().to_owned();
    let port = local.rsplit(':').next().unwrap();
    assert_eq!(run.event("replied")["text"], format!("you are 127.0.0.1 port {port} (udp)\n"));
    check_client_summary(&run.event("summary"));
    for how in [&[][..], &["--unconnected"]] {
        let at = server.at_text();
        let text = support::run([&[LAB, "client", &at], how].concat()).succeeded().stdout;
        assert!(text.contains("you are 127.0.0.1 port "), "{text}");
        assert!(text.contains("getsockname says"), "{text}");
    }
}

#[test]
fn count_interval_and_bind_are_heeded() {
    if support::wine_lacks(support::DATAGRAM_ADDRESSES) {
        return;
    }
    let mut server = server();
    let own = support::own_loopback().to_string();
    let line = [LAB, "client", &server.at_text(), "--count", "3", "--interval", "5ms", "--bind", &own, "--json"];
    let run = run(line).succeeded();
    assert_eq!(run.event("summary")["received"], 3, "{run:?}");
    for _ in 0..3 {
        let event = server.event("received");
        assert!(event["peer"].as_str().unwrap().starts_with(&format!("{own}:")), "{event}");
    }
}

#[test]
fn silence_is_told_as_a_loss_after_as_many_tries_as_asked() {
    let silent = socket();
    let at = silent.local_addr().unwrap().to_string();
    let run = run([LAB, "client", &at, "--timeout", "50ms", "--retries", "2", "--json"]).ended(1);
    assert_eq!(run.event("lost")["tries"], 3);
    assert_eq!(run.event("summary")["lost"], 1);
    let mut buffer = [0; 2048];
    for _ in 0..3 {
        silent.recv_from(&mut buffer).unwrap();
    }
}

#[test]
fn a_port_where_nothing_listens_is_told_in_three_parts() {
    if support::wine_lacks("refusals of datagrams") {
        return;
    }
    let (taken, elsewhere) = (socket(), socket());
    taken.connect(elsewhere.local_addr().unwrap()).unwrap();
    let at = taken.local_addr().unwrap();
    let run = run([LAB, "client", &at.to_string(), "--timeout", "20s"]).ended(1);
    support::check_error(&run.stderr, &format!("cannot send to udp {at}: connection refused"));
    assert!(run.stderr.ends_with(&format!("try: netlab udp-info server {at}\n")), "{run:?}");
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn nc_ncat_socat_and_python_are_told() {
    let server = server();
    let (at, port) = (server.at_text(), server.addr().port().to_string());
    let others = [
        command("nc.openbsd", &["-u", "127.0.0.1", &port]),
        command("ncat", &["-u", "127.0.0.1", &port]),
        command("socat", &["-", &format!("UDP:{at}")]),
    ];
    for other in others {
        if tool(other.get_program().to_str().unwrap()) {
            let mut running = Running::start_on(b"who am I?\n", other);
            running.line_where(|line| line.starts_with("you are 127.0.0.1 port ") && line.ends_with(" (udp)"));
        }
    }
    if tool("python3") {
        let script = r#"
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(30)
s.sendto(b"", ("127.0.0.1", int(sys.argv[1])))
print(s.recv(2048).decode() == "you are 127.0.0.1 port %d (udp)\n" % s.getsockname()[1])
"#;
        assert_eq!(run_command(python(script, &[&port]), b"").succeeded().stdout, "True\n");
    }
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn a_server_in_python_is_asked() {
    let own = socket();
    let at = own.local_addr().unwrap().to_string();
    let served = thread::spawn(move || {
        let (_, from) = own.recv_from(&mut [0; 2048]).unwrap();
        own.send_to(b"something else", from).unwrap();
    });
    let run = run([LAB, "client", &at, "--json"]).succeeded();
    assert_eq!(run.event("replied")["text"], "something else", "any answer is shown");
    served.join().unwrap();
    if !tool("python3") {
        return;
    }
    let script = r#"
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])
data, (host, port) = s.recvfrom(2048)
s.sendto(b"you are %s port %d (udp)\n" % (host.encode(), port), (host, port))
"#;
    let mut running = Running::start(python(script, &[]));
    let port = running.next_line().unwrap();
    let run = support::run([LAB, "client", &format!("127.0.0.1:{port}")]).succeeded();
    assert!(run.stdout.contains("no address is translated"), "{run:?}");
}

#[test]
fn the_demo_shows_the_answer() {
    let run = run([LAB, "demo"]).succeeded();
    assert!(run.stdout.contains("you are 127.0.0.1"), "{run:?}");
}
