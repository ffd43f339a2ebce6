//! tcp-info: the server tells each client the address and port it sees, in one
//! line, and closes; the client sets that beside its own getsockname.

#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

mod support;

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use support::peer::Peer;
use support::{Running, Server, check_client_summary, check_event, check_server_summary, command, listening_port};
use support::{netlab, python, refusing_port, run, run_command, tool};

const LAB: &str = "tcp-info";

fn server() -> Server {
    Server::start(LAB, &[])
}

#[test]
fn each_client_is_told_its_own_address_and_port_in_one_line_and_then_fin() {
    let server = server();
    for _ in 0..3 {
        let mut peer = Peer::connect(server.addr());
        let expected = format!("you are 127.0.0.1 port {} (tcp)\n", peer.local().port());
        assert_eq!(String::from_utf8(peer.read_to_fin()).unwrap(), expected);
    }
}

#[test]
fn a_client_that_talks_first_gets_its_line_all_the_same() {
    let server = server();
    let mut peer = Peer::connect(server.addr());
    peer.send(&vec![b'x'; 100_000]);
    let line = peer.read_line();
    assert_eq!(line, format!("you are 127.0.0.1 port {} (tcp)\n", peer.local().port()));
    // The server read what we sent, so the line was not lost to an RST.
    assert_eq!(peer.read_to_fin(), b"");
}

#[test]
fn clients_that_reset_at_once_harm_nobody() {
    for model in ["iterative", "threads", "pool", "events"] {
        // Its accept may say there that it would block, on a socket that blocks.
        if model == "pool" && support::wine_lacks("an accept that only waits, where several threads wait in it") {
            continue;
        }
        let mut server = Server::start(LAB, &["--model", model]);
        for client in 1..=10 {
            Peer::connect(server.addr()).reset();
            // There whoever is gone before accept is no client.
            if !cfg!(windows) {
                server.event_where("closed", |event| event["client"] == client);
            }
        }
        let mut peer = Peer::connect(server.addr());
        let expected = format!("you are 127.0.0.1 port {} (tcp)\n", peer.local().port());
        assert_eq!(String::from_utf8(peer.read_to_fin()).unwrap(), expected);
        let run = server.stops_in_order();
        assert_eq!(run.all("error").len(), 0, "{run:#?}");
        assert_eq!(run.all("accepted").len(), run.all("closed").len(), "{run:#?}");
    }
}

#[test]
fn over_ipv6_the_address_is_in_one_line_too() {
    let server = Server::at(LAB, "[::1]:0", &[]);
    let mut peer = Peer::connect(server.addr());
    let expected = format!("you are ::1 port {} (tcp)\n", peer.local().port());
    assert_eq!(String::from_utf8(peer.read_to_fin()).unwrap(), expected);
}

#[test]
fn an_ipv4_client_of_an_ipv6_socket_is_told_its_ipv4_address() {
    let server = Server::at(LAB, "[::]:0", &[]);
    let mut peer = Peer::connect(([127, 0, 0, 1], server.addr().port()).into());
    let expected = format!("you are 127.0.0.1 port {} (tcp)\n", peer.local().port());
    assert_eq!(String::from_utf8(peer.read_to_fin()).unwrap(), expected);
}

#[test]
fn the_server_prints_each_clients_address_and_port() {
    let mut running = Running::start(netlab([LAB, "server", "127.0.0.1:0", "--accept", "2"]));
    let ready = running.next_line().unwrap();
    let addr = ready.strip_prefix("listening on tcp ").unwrap_or_else(|| panic!("{ready}")).parse().unwrap();
    let mut ports = Vec::new();
    for _ in 0..2 {
        let mut peer = Peer::connect(addr);
        ports.push(peer.local().port());
        peer.read_to_fin();
    }
    let run = running.wait().succeeded();
    for (client, port) in (1..).zip(ports) {
        let expected = format!("client {client}: connected from 127.0.0.1 port {port}");
        assert!(run.stdout.contains(&expected), "{run:?}");
    }
}

#[test]
fn a_servers_events_are_the_contracts() {
    let server = Server::start(LAB, &["--accept", "1"]);
    let mut peer = Peer::connect(server.addr());
    let own = peer.local().to_string();
    let line = peer.read_to_fin();
    drop(peer);
    let run = server.wait().succeeded();
    let events = run.events();
    events.iter().for_each(|event| check_event(event, LAB));
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["listening", "accepted", "sent", "closed", "summary"]);
    assert_eq!((&events[1]["client"], &events[1]["peer"]), (&1.into(), &own.into()));
    assert_eq!(support::payload(&events[2]), line);
    assert_eq!(events[3]["reason"], "fin");
    check_server_summary(&events[4]);
    assert_eq!(events[4]["bytes_out"], line.len());
}

#[test]
fn the_client_prints_what_the_server_saw_and_that_it_sees_the_same() {
    let server = server();
    let run = run([LAB, "client", &server.at_text(), "--json"]).succeeded();
    let events = run.events();
    events.iter().for_each(|event| check_event(event, LAB));
    let local = run.event("connected")["local"].as_str().unwrap().to_owned();
    let port = local.rsplit(':').next().unwrap();
    assert_eq!(run.event("replied")["text"], format!("you are 127.0.0.1 port {port} (tcp)\n"));
    check_client_summary(&run.event("summary"));
    assert_eq!(run.event("closed")["reason"], "fin");
    let text = support::run([LAB, "client", &server.at_text()]).succeeded().stdout;
    assert!(text.contains("you are 127.0.0.1 port "), "{text}");
    assert!(text.contains("no address is translated"), "{text}");
}

#[test]
fn a_client_whose_address_was_translated_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let served = thread::spawn(move || Peer::accept(&listener).send(b"you are 203.0.113.7 port 40000 (tcp)\n"));
    let run = run([LAB, "client", &addr]).succeeded();
    assert!(run.stdout.contains("203.0.113.7:40000") && run.stdout.contains("NAT"), "{run:?}");
    served.join().unwrap();
}

/// A server of the test's own: its first client is given to `serve`.
fn own_server(serve: impl FnOnce(Peer) + Send + 'static) -> (String, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    (addr, thread::spawn(move || serve(Peer::accept(&listener))))
}

#[test]
fn an_answer_that_tells_no_address_is_shown_and_remarked_on() {
    let answers: [&[u8]; 5] =
        [b"hello\n", b"\n", b"\xff\xfe", b"you are who port 1 (tcp)\n", b"you are 127.0.0.1 port 99999 (tcp)\n"];
    for answer in answers {
        for more in [&["--json"][..], &[]] {
            let (addr, served) = own_server(move |mut peer| {
                peer.send(answer);
                peer.half_close();
                let _ = peer.read_to_any_end();
            });
            let run = run([&[LAB, "client", &addr, "--timeout", "25s"], more].concat()).succeeded();
            assert!(run.stdout.contains("the answer tells no address: "), "{answer:?}: {run:?}");
            assert!(!run.stdout.contains("no address is translated"), "{answer:?}: {run:?}");
            served.join().unwrap();
        }
    }
}

#[test]
fn a_server_that_drips_is_given_up_after_the_timeout_all_the_same() {
    let (addr, served) = own_server(|mut peer| {
        for _ in 0..100 {
            if std::io::Write::write_all(&mut peer.0, b"x").is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(100)); // so slow are the drops
        }
    });
    let started = Instant::now();
    let run = run([LAB, "client", &addr, "--timeout", "500ms", "--json"]).ended(1);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}: {run:?}", started.elapsed());
    assert_eq!(run.event("error")["message"], format!("cannot receive from tcp {addr}: timed out"));
    assert_eq!(run.event("summary")["lost"], 1);
    served.join().unwrap();
}

#[test]
fn ctrl_c_while_the_answer_is_due_blames_nobody() {
    for more in [&["--json"][..], &["--trace"]] {
        let (addr, served) = own_server(|mut peer| drop(peer.read_to_any_end()));
        let mut waiting = Running::start(netlab([&[LAB, "client", &addr, "--timeout", "1h"], more].concat()));
        waiting.line_where(|line| line.contains("connected"));
        waiting.signal("INT");
        let run = waiting.wait();
        served.join().unwrap();
        if more == ["--json"] {
            assert!(run.all("closed").iter().all(|event| event["reason"] == "asked"), "{run:?}");
            assert_eq!(run.events().last().unwrap()["event"], "summary", "{run:?}");
        }
        for blame in ["the peer sent FIN", "reset", "sent RST", "timed out"] {
            assert!(!run.stdout.contains(blame) && !run.stderr.contains(blame), "{blame}: {run:?}");
        }
    }
}

#[test]
fn count_asks_that_often_each_time_on_a_new_connection() {
    let mut server = server();
    let own = support::own_loopback().to_string();
    let line = [LAB, "client", &server.at_text(), "--count", "3", "--bind", &own, "--json"];
    let run = run(line).succeeded();
    assert_eq!(run.all("connected").len(), 3, "{run:?}");
    assert_eq!(run.event("summary")["received"], 3);
    for client in 1..=3 {
        let event = server.event("accepted");
        assert_eq!(event["client"], client);
        assert!(event["peer"].as_str().unwrap().starts_with(&format!("{own}:")), "{event}");
    }
}

#[test]
fn failures_are_told_in_three_parts() {
    let (_held, addr) = refusing_port();
    let refused = run([LAB, "client", &addr.to_string()]).ended(1);
    support::check_error(&refused.stderr, &format!("cannot connect to tcp {addr}: connection refused"));
    assert!(refused.stderr.ends_with(&format!("try: netlab tcp-info server {addr}\n")), "{refused:?}");
    for (says, cause) in [(None, "timed out"), (Some(&b""[..]), "the peer closed before its reply was whole")] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let served = thread::spawn(move || {
            let mut peer = Peer::accept(&listener);
            match says {
                Some(_) => peer.half_close(),
                None => drop(peer.read_to_any_end()),
            }
        });
        let run = run([LAB, "client", &addr.to_string(), "--timeout", "200ms", "--json"]).ended(1);
        assert_eq!(run.event("error")["message"], format!("cannot receive from tcp {addr}: {cause}"));
        assert_eq!(run.event("summary")["lost"], 1);
        served.join().unwrap();
    }
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn nc_ncat_socat_and_python_are_told() {
    let server = server();
    let (at, port) = (server.at_text(), server.addr().port().to_string());
    let script = "import socket,sys; s=socket.create_connection(('127.0.0.1',int(sys.argv[1]))); print(s.recv(100).decode(), end='')";
    let others = [
        command("nc.openbsd", &["127.0.0.1", &port]),
        command("ncat", &["--recv-only", "127.0.0.1", &port]),
        command("socat", &["-u", &format!("TCP:{at}"), "-"]),
        python(script, &[&port]),
    ];
    for other in others {
        if tool(other.get_program().to_str().unwrap()) {
            let run = run_command(other, b"").succeeded();
            let port =
                run.stdout.strip_prefix("you are 127.0.0.1 port ").and_then(|rest| rest.strip_suffix(" (tcp)\n"));
            assert!(port.is_some_and(|port| port.parse::<u16>().is_ok()), "{run:?}");
        }
    }
}

#[test]
#[cfg_attr(windows, ignore = "driven by a Unix shell")]
fn netlabs_client_asks_programs_of_others() {
    let line = "you are 127.0.0.1 port 1 (tcp)";
    let scripts = [
        ("nc.openbsd", format!("echo '{line}' | exec nc.openbsd -v -N -l 127.0.0.1 0 2>&1")),
        ("ncat", format!("exec ncat -v -l 127.0.0.1 0 --sh-exec \"echo '{line}'\" 2>&1")),
    ];
    for (program, script) in scripts {
        if !tool(program) {
            continue;
        }
        let mut running = Running::start(command("bash", &["-c", &script]));
        running.line_where(|line| line.contains("Listening on"));
        // nc is the last of a pipe: with bash's exec it would be a child.
        let port = if program == "ncat" { listening_port(&running) } else { nc_port(&running) };
        let run = run([LAB, "client", &format!("127.0.0.1:{port}"), "--json"]).succeeded();
        assert_eq!(run.event("replied")["text"], format!("{line}\n"));
    }
}

/// nc.openbsd tells the real port itself.
fn nc_port(running: &Running) -> u16 {
    running.seen.last().unwrap().rsplit(' ').next().unwrap().trim().parse().unwrap()
}

#[test]
fn the_demo_shows_that_both_see_the_same_address() {
    let run = run([LAB, "demo"]).succeeded();
    assert!(run.stdout.contains("you are 127.0.0.1 port "), "{run:?}");
}
