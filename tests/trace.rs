//! `--trace`: the calls that were made, none hidden, none invented, as strace
//! sees them; and words that fit what each of them returned.

// Not on Windows: the calls are held against strace.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

mod support;

use std::net::UdpSocket;

use serde_json::Value;
use support::peer::Peer;
use support::strace::{Strace, assert_same, parse_strace};
use support::{DEADLINE, Running, Server, netlab, run, run_command, run_on};

/// A traced server under strace, once it listens.
fn server(strace: &Strace, lab: &str, args: &[&str]) -> Server {
    Server::of(strace.netlab(&[&[lab, "server", "127.0.0.1:0", "--json", "--trace"], args].concat()))
}

/// Says what fits the lab, and waits for the answer.
fn talk(lab: &str, peer: &mut Peer, client: u64) {
    match lab {
        "tcp-info" => drop(peer.read_line()),
        "mt-server" => {
            peer.send(b"hello\n");
            peer.expect(format!("client {client}: hello\n").as_bytes());
        }
        "capitalize-server" => {
            peer.send(b"hello\n");
            peer.expect(b"HELLO\n");
        }
        _ => {
            peer.send(b"hello\n");
            peer.expect(b"hello\n");
        }
    }
}

/// Two clients, one after the other, then the end by --accept.
fn a_server_of_two_clients(lab: &str, model: &str) {
    let Some(strace) = Strace::new() else { return };
    let mut server = server(&strace, lab, &["--model", model, "--accept", "2"]);
    for client in 1..=2 {
        let mut peer = Peer::connect(server.addr());
        talk(lab, &mut peer, client);
        peer.half_close();
        peer.read_to_fin();
        server.event("closed");
    }
    let run = server.wait().succeeded();
    assert_same(&strace, &run.stderr);
}

/// A stop while one client is connected and another has reset.
fn a_server_that_is_stopped(lab: &str, model: &str) {
    let Some(strace) = Strace::new() else { return };
    let mut server = server(&strace, lab, &["--model", model]);
    let mut peer = Peer::connect(server.addr());
    talk(lab, &mut peer, 1);
    peer.reset();
    server.event("closed");
    let mut peer = Peer::connect(server.addr());
    talk(lab, &mut peer, 2);
    let run = server.stop().succeeded();
    peer.read_to_fin();
    assert_same(&strace, &run.stderr);
}

/// A message too long for one buffer, and a burst without a line end.
fn a_server_of_large_messages(lab: &str, model: &str) {
    let Some(strace) = Strace::new() else { return };
    let mut server = server(&strace, lab, &["--model", model, "--accept", "1"]);
    let mut peer = Peer::connect(server.addr());
    let long = [&vec![b'x'; 50_000][..], b"\n"].concat();
    let before = if lab == "mt-server" { "client 1: ".len() } else { 0 };
    peer.send(b"burst");
    peer.read(before + 5);
    peer.send(&long);
    peer.read(before + long.len());
    peer.half_close();
    peer.read_to_fin();
    server.event("closed");
    let run = server.wait().succeeded();
    assert_same(&strace, &run.stderr);
}

macro_rules! tcp_servers {
    ($($lab:ident $name:literal)*) => { $(mod $lab {
        tcp_servers!(@models $name: iterative threads pool events);
    })* };
    (@models $name:literal: $($model:ident)*) => { $(mod $model {
        #[test]
        fn a_servers_trace_shows_what_strace_sees() {
            crate::a_server_of_two_clients($name, stringify!($model));
        }

        #[test]
        fn a_stopped_servers_trace_shows_what_strace_sees() {
            crate::a_server_that_is_stopped($name, stringify!($model));
        }

        #[test]
        fn with_large_messages_the_trace_shows_what_strace_sees() {
            if $name != "tcp-info" {
                crate::a_server_of_large_messages($name, stringify!($model));
            }
        }
    })* };
}

tcp_servers!(tcp_info "tcp-info" tcp_echo "tcp-echo" mt_server "mt-server" capitalize_server "capitalize-server");

fn a_udp_server(lab: &str) {
    let Some(strace) = Strace::new() else { return };
    let server = server(&strace, lab, &["--accept", "3"]);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(DEADLINE)).unwrap();
    for datagram in [&b"hello"[..], b"", &[b'x'; 40_000]] {
        peer.send_to(datagram, server.addr()).unwrap();
        peer.recv_from(&mut [0; 65_536]).unwrap();
    }
    let run = server.wait().succeeded();
    assert_same(&strace, &run.stderr);
}

fn a_udp_server_that_is_stopped(lab: &str) {
    let Some(strace) = Strace::new() else { return };
    let mut server = server(&strace, lab, &[]);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.send_to(b"hello", server.addr()).unwrap();
    server.event("sent");
    let run = server.stop().succeeded();
    assert_same(&strace, &run.stderr);
}

/// More at once than are received one by one: many in one call, then.
fn a_udp_server_with_much_to_do(lab: &str) {
    let Some(strace) = Strace::new() else { return };
    let server = server(&strace, lab, &["--accept", "100"]);
    let peers = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    for (number, peer) in (0..50).flat_map(|number| peers.iter().map(move |peer| (number, peer))) {
        peer.send_to(format!("datagram {number}").as_bytes(), server.addr()).unwrap();
    }
    for peer in &peers {
        peer.set_read_timeout(Some(DEADLINE)).unwrap();
        (0..50).for_each(|_| assert!(peer.recv_from(&mut [0; 1000]).is_ok()));
    }
    let run = server.wait().succeeded();
    assert!(run.stderr.contains("recvmmsg"), "{}", run.stderr);
    assert_same(&strace, &run.stderr);
}

#[test]
fn many_datagrams_in_one_call_show_as_strace_sees_them() {
    a_udp_server_with_much_to_do("udp-echo");
    a_udp_server_with_much_to_do("udp-info");
}

#[test]
fn a_udp_echo_servers_trace_shows_what_strace_sees() {
    a_udp_server("udp-echo");
}

#[test]
fn a_udp_info_servers_trace_shows_what_strace_sees() {
    a_udp_server("udp-info");
}

#[test]
fn a_stopped_udp_echo_servers_trace_shows_what_strace_sees() {
    a_udp_server_that_is_stopped("udp-echo");
}

#[test]
fn a_stopped_udp_info_servers_trace_shows_what_strace_sees() {
    a_udp_server_that_is_stopped("udp-info");
}

/// A client's run against netlab's own server.
fn a_client(lab: &str, args: &[&str], status: i32) {
    let Some(strace) = Strace::new() else { return };
    let server = Server::start(lab, &[]);
    let at = server.at_text();
    let args: Vec<&str> = [lab, "client", &at, "--json", "--trace"].into_iter().chain(args.iter().copied()).collect();
    let run = run_command(strace.netlab(&args), b"").ended(status);
    assert_same(&strace, &run.stderr);
}

#[test]
fn a_tcp_info_clients_trace_shows_what_strace_sees() {
    a_client("tcp-info", &[], 0);
}

#[test]
fn a_udp_info_clients_trace_shows_what_strace_sees() {
    a_client("udp-info", &[], 0);
    a_client("udp-info", &["--unconnected"], 0);
}

#[test]
fn a_tcp_echo_clients_trace_shows_what_strace_sees() {
    a_client("tcp-echo", &["hello", "again"], 0);
    a_client("tcp-echo", &["--count", "3", "--size", "1000", "--bind", "127.0.0.1:0"], 0);
}

#[test]
fn a_udp_echo_clients_trace_shows_what_strace_sees() {
    a_client("udp-echo", &["--count", "3"], 0);
    a_client("udp-echo", &["--unconnected", "hello", "again"], 0);
    a_client("udp-echo", &["--count", "3", "--interval", "1ms", "--size", "0"], 0);
}

#[test]
fn an_mt_server_clients_trace_shows_what_strace_sees() {
    a_client("mt-server", &["hello", "QUIT"], 0);
}

#[test]
fn a_capitalize_server_clients_trace_shows_what_strace_sees() {
    a_client("capitalize-server", &["hello", "CLOSE SOCKET"], 0);
}

#[test]
fn a_datagram_too_long_shows_what_strace_sees() {
    a_client("udp-echo", &["--size", "65508"], 1);
}

#[test]
fn a_raw_clients_trace_shows_what_strace_sees() {
    let Some(strace) = Strace::new() else { return };
    let server = Server::start("tcp-echo", &[]);
    let command = strace.netlab(&["tcp-echo", "client", &server.at_text(), "--raw", "--trace"]);
    let run = run_command(command, b"hello").succeeded();
    assert_eq!(run.stdout, "hello");
    // --raw has no --json: the lines are for people.
    let calls: Vec<String> = text_calls(&run.stderr);
    let mut seen: Vec<String> =
        strace.calls().iter().map(|call| call.text.split(' ').next().unwrap().to_owned()).collect();
    let mut shown: Vec<String> = calls.iter().map(|call| call.split('(').next().unwrap().to_owned()).collect();
    seen.sort();
    shown.sort();
    assert_eq!(seen, shown, "{}\n{}", strace.raw(), run.stderr);
}

#[test]
fn refused_clients_traces_show_what_strace_sees() {
    let Some(strace) = Strace::new() else { return };
    let (_held, addr) = support::refusing_port();
    for lab in ["tcp-info", "tcp-echo", "mt-server", "capitalize-server"] {
        let command = strace.netlab(&[lab, "client", &addr.to_string(), "--json", "--trace"]);
        let run = run_command(command, b"").ended(1);
        assert_same(&strace, &run.stderr);
    }
    for args in [&["udp-echo", "client", "hello"][..], &["udp-info", "client"]] {
        let addr = addr.to_string();
        let mut line = vec![args[0], args[1], &addr, "--json", "--trace", "--timeout", "5s"];
        line.extend(&args[2..]);
        let run = run_command(strace.netlab(&line), b"").ended(1);
        assert_same(&strace, &run.stderr);
    }
}

#[test]
fn a_timeouts_trace_shows_what_strace_sees() {
    let Some(strace) = Strace::new() else { return };
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = silent.local_addr().unwrap().to_string();
    let args = ["udp-echo", "client", &at, "hello", "--timeout", "50ms", "--retries", "1", "--json", "--trace"];
    let run = run_command(strace.netlab(&args), b"").ended(1);
    assert_same(&strace, &run.stderr);
}

fn a_demo(lab: &str) {
    let Some(strace) = Strace::new() else { return };
    let run = run_command(strace.netlab(&[lab, "demo", "--json"]), b"").succeeded();
    assert_same(&strace, &run.stderr);
}

#[test]
fn each_demos_trace_shows_what_strace_sees() {
    for lab in ["tcp-info", "udp-info", "tcp-echo", "udp-echo", "mt-server", "capitalize-server"] {
        a_demo(lab);
    }
}

// The words

/// `connect(3, 127.0.0.1:5003) = -1 ECONNREFUSED | meaning`, without number,
/// thread and time; the numbers must rise by one.
fn text_calls(stderr: &str) -> Vec<String> {
    let lines: Vec<&str> = stderr.lines().filter(|line| line.starts_with('#')).collect();
    for (number, line) in (1..).zip(&lines) {
        assert!(line.starts_with(&format!("#{number} ")), "numbered without a gap: {stderr}");
    }
    lines
        .iter()
        .map(|line| without_time(line.splitn(3, ' ').nth(2).unwrap_or_else(|| panic!("cut: {line:?}"))))
        .collect()
}

/// Takes out ` (0.1 ms)`.
fn without_time(line: &str) -> String {
    let (call, meaning) = line.split_once(" | ").unwrap_or_else(|| panic!("no meaning: {line:?}"));
    let timed = call.strip_suffix(" ms)").or(call.strip_suffix(" s)"));
    let call = match timed.and_then(|call| call.rsplit_once(" (")) {
        Some((call, time)) => {
            time.parse::<f64>().unwrap_or_else(|_| panic!("no time: {line}"));
            call
        }
        None => call,
    };
    format!("{call} | {meaning}")
}

#[test]
fn a_refused_connect_reads_as_the_contract_shows_it() {
    let (_held, addr) = support::refusing_port();
    let run = run(["tcp-echo", "client", &addr.to_string(), "hello", "--trace"]).ended(1);
    let port = addr.port();
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(lines.len(), 6, "{run:#?}");
    assert_eq!(lines[0], "#1 client socket(AF_INET, SOCK_STREAM) = 3 | an endpoint; nothing is sent");
    let time = lines[1].split('(').nth(2).unwrap().split(')').next().unwrap();
    assert!(time.strip_suffix(" ms").unwrap().parse::<f64>().is_ok(), "{time}");
    let timeless = lines[1].replace(time, "0.1 ms");
    let expected = format!(
        "#2 client connect(3, {addr}) = -1 ECONNREFUSED (0.1 ms) | the host answered RST: nothing listens on port {port}"
    );
    assert_eq!(timeless, expected);
    assert_eq!(lines[2], "#3 client close(3) = 0 | send was never reached");
    support::check_error(&lines[3..].join("\n"), &format!("cannot connect to tcp {addr}: connection refused"));
}

#[test]
fn with_json_each_traced_call_is_an_event_on_stderr() {
    let (_held, addr) = support::refusing_port();
    let run = run(["tcp-echo", "client", &addr.to_string(), "hello", "--trace", "--json"]).ended(1);
    let calls: Vec<Value> = run
        .stderr
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .collect();
    assert_eq!(calls.len(), 3, "{run:#?}");
    for (number, call) in (1..).zip(&calls) {
        assert_eq!((&call["event"], &call["lab"], &call["n"]), (&"call".into(), &"tcp-echo".into(), &number.into()));
        assert_eq!(call["who"], "client");
        for field in ["call", "args", "meaning"] {
            assert!(call[field].is_string(), "{field}: {call}");
        }
        assert!(call["result"].is_i64() && call["elapsed_us"].is_u64() && call["t"].is_f64(), "{call}");
        assert!(call["errno"].is_string() || call["errno"].is_null(), "{call}");
    }
    assert_eq!(calls[1]["call"], "connect");
    assert_eq!(calls[1]["args"], format!("3, {addr}"));
    assert_eq!((&calls[1]["result"], &calls[1]["errno"]), (&(-1).into(), &"ECONNREFUSED".into()));
    // The events of the lab itself stay on stdout.
    assert!(run.events().iter().all(|event| event["event"] != "call"), "{run:#?}");
}

/// A server that shows its calls to people, and the address it listens on.
fn shown(lab: &str, args: &[&str]) -> (Running, std::net::SocketAddr) {
    let mut running = Running::start(netlab([&[lab, "server", "127.0.0.1:0", "--trace"], args].concat()));
    let line = running.next_line().unwrap();
    let addr = line.rsplit_once(' ').unwrap().1.parse().unwrap();
    (running, addr)
}

#[test]
fn a_call_that_blocks_for_three_seconds_is_mentioned() {
    let (running, _) = shown("tcp-echo", &["--model", "iterative", "--for", "3500ms"]);
    let run = running.wait().succeeded();
    let line = run.stderr.lines().find(|line| line.contains("blocked in accept, 3 s"));
    let line = line.unwrap_or_else(|| panic!("{run:#?}"));
    assert!(line.contains("server"), "who: {line}");
    assert!(!line.trim_start().starts_with('#'), "it has not returned, so it has no number: {line}");
}

#[test]
fn a_blocked_call_is_an_event_too() {
    let run = run(["udp-echo", "server", "127.0.0.1:0", "--trace", "--json", "--for", "3500ms"]).succeeded();
    let lines = run.stderr.lines().filter(|line| line.starts_with('{'));
    let mut events = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let blocked = events.find(|event| event["event"] == "blocked").unwrap_or_else(|| panic!("{run:#?}"));
    assert_eq!(blocked["call"], "recvfrom");
    assert!(blocked["elapsed_us"].as_u64().unwrap() >= 3_000_000, "{blocked}");
}

/// The meaning of the only traced call that begins so.
#[track_caller]
fn meaning_of<'a>(calls: &'a [String], call: &str) -> &'a str {
    let found: Vec<&String> = calls.iter().filter(|line| line.starts_with(call)).collect();
    assert_eq!(found.len(), 1, "one {call}: {calls:#?}");
    found[0].split_once(" | ").unwrap().1
}

#[test]
fn close_after_the_peers_fin_and_close_before_it_mean_different_things() {
    // The client closes first.
    let (running, addr) = shown("tcp-echo", &["--accept", "1", "--model", "threads"]);
    let mut peer = Peer::connect(addr);
    talk("tcp-echo", &mut peer, 1);
    peer.half_close();
    peer.read_to_fin();
    let calls = text_calls(&running.wait().succeeded().stderr);
    let accepted = calls.iter().find(|line| line.starts_with("accept(3")).unwrap();
    let fd = accepted.split(" = ").nth(1).unwrap().split(' ').next().unwrap();
    assert!(meaning_of(&calls, &format!("close({fd})")).contains("the peer's side keeps TIME_WAIT"), "{calls:#?}");
    // The server closes first.
    let (running, addr) = shown("tcp-info", &["--accept", "1", "--model", "iterative"]);
    let mut peer = Peer::connect(addr);
    peer.read_to_fin();
    drop(peer);
    let calls = text_calls(&running.wait().succeeded().stderr);
    assert!(calls.iter().any(|line| line.starts_with("shutdown(") && line.contains("FIN")), "{calls:#?}");
}

#[test]
fn a_received_zero_is_explained_as_fin_and_not_as_an_error() {
    let (running, addr) = shown("tcp-echo", &["--accept", "1", "--model", "threads"]);
    let mut peer = Peer::connect(addr);
    talk("tcp-echo", &mut peer, 1);
    peer.half_close();
    peer.read_to_fin();
    let calls = text_calls(&running.wait().succeeded().stderr);
    let end = calls.iter().find(|line| line.starts_with("recv(") && line.contains(" = 0 |")).unwrap();
    assert!(end.contains("FIN"), "{end}");
    assert!(calls.iter().any(|line| line.contains("\"hello\\n\"")), "payloads are shown escaped: {calls:#?}");
}

#[test]
fn an_empty_datagram_is_explained_as_a_message_and_not_as_an_end() {
    let (running, addr) = shown("udp-echo", &["--accept", "1"]);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.send_to(b"", addr).unwrap();
    let calls = text_calls(&running.wait().succeeded().stderr);
    let got = calls.iter().find(|line| line.starts_with("recvfrom(")).unwrap();
    assert!(got.contains(" = 0 |") && got.contains("empty datagram") && !got.contains("FIN"), "{got}");
}

#[test]
fn a_reset_is_explained_where_it_is_seen() {
    let (mut running, addr) = shown("tcp-echo", &["--accept", "1", "--model", "threads"]);
    let mut peer = Peer::connect(addr);
    talk("tcp-echo", &mut peer, 1);
    running.line_where(|line| line.starts_with("client 1: sent"));
    peer.reset();
    let calls = text_calls(&running.wait().succeeded().stderr);
    let reset = calls.iter().find(|line| line.contains("ECONNRESET")).unwrap_or_else(|| panic!("{calls:#?}"));
    assert!(reset.contains("RST"), "{reset}");
}

#[test]
fn what_the_stop_ended_is_not_blamed_on_the_peer() {
    for model in ["iterative", "threads", "pool", "events"] {
        let (mut running, addr) = shown("tcp-echo", &["--model", model]);
        let mut peer = Peer::connect(addr);
        talk("tcp-echo", &mut peer, 1);
        running.line_where(|line| line.starts_with("client 1: sent"));
        running.signal("TERM");
        peer.read_to_fin();
        let calls = text_calls(&running.wait().succeeded().stderr);
        // The peer has sent no FIN: its recv was ended by our own shutdown.
        let ended = calls.iter().filter(|line| line.starts_with("recv(") && line.contains(" = 0"));
        for end in ended {
            assert!(!end.contains("the peer sent FIN"), "{model}: {end}");
        }
        for close in calls.iter().filter(|line| line.starts_with("close(")) {
            assert!(!close.contains("the peer closed first"), "{model}: {close}");
        }
    }
}

#[test]
fn a_connection_found_gone_is_not_said_to_be_closed_by_us_first() {
    // The reset may come before or after our line and our FIN.
    for _ in 0..5 {
        let (running, addr) = shown("tcp-info", &["--accept", "1", "--model", "threads"]);
        Peer::connect(addr).reset();
        let calls = text_calls(&running.wait().succeeded().stderr);
        if calls.iter().any(|line| line.contains("ENOTCONN") || line.contains("ECONNRESET") || line.contains("EPIPE")) {
            for close in calls.iter().filter(|line| line.starts_with("close(")) {
                assert!(!close.contains("TIME_WAIT here"), "{calls:#?}");
            }
        }
    }
}

#[test]
fn so_reuseaddr_is_shown() {
    let (running, _) = shown("tcp-echo", &["--for", "50ms"]);
    let calls = text_calls(&running.wait().succeeded().stderr);
    assert!(meaning_of(&calls, "setsockopt(3, SOL_SOCKET, SO_REUSEADDR, 1) = 0").contains("TIME_WAIT"));
    assert!(calls[0].starts_with("socket(AF_INET, SOCK_STREAM) = 3 | "), "{calls:#?}");
    assert!(calls.iter().any(|line| line.starts_with("listen(3, 4096) = 0")), "the backlog: {calls:#?}");
}

#[test]
fn a_backlog_asked_for_is_the_one_that_listen_gets() {
    let (running, _) = shown("tcp-echo", &["--for", "1ms", "--backlog", "7"]);
    let calls = text_calls(&running.wait().succeeded().stderr);
    assert!(calls.iter().any(|line| line.starts_with("listen(3, 7) = 0")), "{calls:#?}");
}

#[test]
fn without_trace_nothing_is_on_stderr() {
    let server = Server::start("tcp-echo", &[]);
    let run = run_on(b"hello\n", ["tcp-echo", "client", &server.at_text()]).succeeded();
    assert_eq!(run.stderr, "");
    assert_eq!(server.stops_in_order().stderr, "");
}

#[test]
fn a_trace_is_on_stderr_alone() {
    let server = Server::start("tcp-echo", &[]);
    let run = run(["tcp-echo", "client", &server.at_text(), "hello", "--trace"]).succeeded();
    assert!(!run.stdout.contains("socket("), "{run:#?}");
    assert!(run.stderr.lines().all(|line| line.starts_with('#')), "{run:#?}");
}

#[test]
fn lines_of_strace_are_read() {
    let text = r#"7 close(3)                          = 0
7 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP) = 3
7 accept4(3,  <unfinished ...>
8 shutdown(3, SHUT_RD <unfinished ...>
7 <... accept4 resumed>{sa_family=AF_INET, sin_port=htons(55), sin_addr=inet_addr("127.0.0.1")}, [128 => 16], SOCK_CLOEXEC) = 4
8 <... shutdown resumed>)           = 0
7 recvfrom(4, "a) = 5, \"", 16384, 0, NULL, NULL) = 9
7 sendto(4, "x", 1, MSG_NOSIGNAL, NULL, 0) = 1
7 setsockopt(4, SOL_SOCKET, SO_RCVTIMEO_OLD, "..", 16) = 0
7 accept4(3, 0x7ffd, [128], SOCK_CLOEXEC) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)
7 recvfrom(4, 0x7f, 16384, 0, NULL, NULL) = -1 ECONNRESET (Connection reset by peer)
7 close(4) = 0
7 socket(AF_UNIX, SOCK_STREAM, 0) = 4
7 close(4) = 0
7 exit_group(0) = ?
"#;
    let calls: Vec<String> =
        parse_strace(text).into_iter().map(|call| format!("{} {}", call.thread, call.text)).collect();
    let expected = [
        "7 socket AF_INET SOCK_STREAM = 3",
        "7 accept 3 port 55 = 4",
        "8 shutdown 3 SHUT_RD = 0",
        "7 recv 4 = 9",
        "7 send 4 = 1",
        "7 setsockopt 4 SO_RCVTIMEO = 0",
        "7 recv 4 = -1 ECONNRESET",
        "7 close 4 = 0",
    ];
    assert_eq!(calls, expected);
}

#[test]
fn a_number_that_one_thread_closes_while_another_gets_it_is_read_right() {
    let text = "\
1 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP) = 3
1 accept4(3, {sin_port=htons(5)}, [128 => 16], SOCK_CLOEXEC) = 4
1 close(4 <unfinished ...>
2 accept4(3, {sin_port=htons(6)}, [128 => 16], SOCK_CLOEXEC) = 4
1 <... close resumed>)              = 0
2 close(4)                          = 0
";
    let calls: Vec<String> = support::strace::parse_strace(text).iter().map(|call| call.text.clone()).collect();
    assert_eq!(calls.iter().filter(|call| call.starts_with("close 4")).count(), 2, "{calls:?}");
    // A file of that number, whose close another thread's socket overtakes.
    let text = "\
1 close(4 <unfinished ...>
2 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP) = 4
1 <... close resumed>)              = 0
2 close(4)                          = 0
";
    let calls: Vec<String> = support::strace::parse_strace(text).iter().map(|call| call.text.clone()).collect();
    assert_eq!(calls, ["socket AF_INET SOCK_STREAM = 4", "close 4 = 0"]);
}
