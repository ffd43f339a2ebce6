//! capitalize-server: many clients at once, each answered in capitals; CLOSE
//! SOCKET closes the connection it came on, and nothing ends the server.
//! What it shares with the other TCP servers is in `tcp_contract.rs`.

#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

mod support;

use std::net::TcpListener;
use std::thread;

use serde_json::Value;
use support::peer::Peer;
use support::{Running, Server, check_client_summary, check_event, check_server_summary, command, netlab, payload};
use support::{python, run, run_command, run_on, tool};

const LAB: &str = "capitalize-server";
const MODELS: [&str; 4] = ["iterative", "threads", "pool", "events"];

fn server() -> Server {
    Server::start(LAB, &[])
}

#[track_caller]
fn says(peer: &mut Peer, message: &[u8], answer: &[u8]) {
    peer.send(message);
    peer.expect(answer);
}

#[test]
fn without_a_role_it_is_the_server_and_capitalize_is_its_other_name() {
    for line in [&[LAB, "127.0.0.1:0"][..], &["capitalize", "127.0.0.1:0"], &["capitalize", "server", "127.0.0.1:0"]] {
        let server = Server::of(netlab([line, &["--json"]].concat()));
        says(&mut Peer::connect(server.addr()), b"hello\n", b"HELLO\n");
        let events = server.stops_in_order().events();
        assert!(events.iter().all(|event| event["lab"] == LAB), "{events:?}");
    }
}

#[test]
fn the_capitals_are_unicodes() {
    let server = server();
    let mut peer = Peer::connect(server.addr());
    let table = [
        ("hello, World 42!", "HELLO, WORLD 42!"),
        ("stra\u{df}e", "STRASSE"),
        ("\u{e9}\u{e8}\u{fc} \u{3b1}\u{3c9} \u{436}", "\u{c9}\u{c8}\u{dc} \u{391}\u{3a9} \u{416}"),
        ("\u{fb01}n", "FIN"),
        ("\u{1f44b} \u{5e9}\u{5dc}\u{5d5}\u{5dd}", "\u{1f44b} \u{5e9}\u{5dc}\u{5d5}\u{5dd}"),
    ];
    for (message, capitals) in table {
        says(&mut peer, format!("{message}\n").as_bytes(), format!("{capitals}\n").as_bytes());
    }
}

#[test]
fn bytes_that_are_no_text_pass_with_their_ascii_raised() {
    let server = server();
    let mut peer = Peer::connect(server.addr());
    says(&mut peer, b"ab\xff\xc3(z\0\n", b"AB\xff\xc3(Z\0\n");
}

#[test]
fn close_socket_closes_that_connection_unanswered_and_spares_the_others() {
    for model in MODELS {
        let mut server = Server::start(LAB, &["--model", model]);
        let mut other = (model != "iterative").then(|| Peer::connect(server.addr()));
        if let Some(other) = &mut other {
            says(other, b"first\n", b"FIRST\n");
        }
        let messages: [&[u8]; 5] = [
            b"CLOSE SOCKET\n",
            b"please CLOSE SOCKET now\r\n",
            b"xCLOSE SOCKETx\nnever answered\n",
            b"CLOSE SOCKET",
            b"\xff CLOSE SOCKET\n",
        ];
        for (client, message) in (2..).zip(messages) {
            let client = if other.is_some() { client } else { client - 1 };
            let mut peer = Peer::connect(server.addr());
            says(&mut peer, b"hello\n", b"HELLO\n");
            // The client that sends no line end has sent one before: so FIN
            // ends its message.
            peer.send(message);
            peer.half_close();
            assert_eq!(peer.read_to_fin(), b"", "{model} {message:?}");
            let closed = server.event_where("closed", |event| event["client"] == client);
            assert_eq!(closed["reason"], "asked", "{model} {message:?}");
        }
        if let Some(other) = &mut other {
            says(other, b"still here\n", b"STILL HERE\n");
        }
    }
}

#[test]
fn close_socket_in_small_letters_or_over_two_messages_is_text() {
    let server = server();
    let mut peer = Peer::connect(server.addr());
    says(&mut peer, b"close socket\n", b"CLOSE SOCKET\n");
    says(&mut peer, b"CLOSE\nSOCKET\n", b"CLOSE\nSOCKET\n");
    says(&mut peer, b"CLOSE  SOCKET\n", b"CLOSE  SOCKET\n");
}

#[test]
fn close_socket_split_over_two_writes_closes() {
    let mut server = server();
    let mut peer = Peer::connect(server.addr());
    says(&mut peer, b"hello\n", b"HELLO\n");
    peer.send(b"CLOSE SO");
    server.event_where("received", |event| event["text"] == "CLOSE SO");
    peer.send(b"CKET\n");
    assert_eq!(peer.read_to_fin(), b"");
}

#[test]
fn nothing_a_client_does_ends_the_server() {
    let mut server = server();
    let deeds: [fn(Peer); 6] = [
        drop,
        Peer::reset,
        |mut peer| peer.send(b"CLOSE SOCKET\n"),
        |mut peer| peer.send(b"\xff\0\xfe no line end"),
        |mut peer| drop(std::io::Write::write_all(&mut peer.0, &vec![b'x'; 200_000])),
        |mut peer| {
            peer.send(b"QUIT\nEXIT\nSHUTDOWN\n\x03\x04\n");
            peer.reset();
        },
    ];
    for (client, deed) in (1..).zip(deeds) {
        let peer = Peer::connect(server.addr());
        // There whoever is gone before accept is no client.
        if cfg!(windows) {
            server.event_where("accepted", |event| event["client"] == client);
        }
        deed(peer);
        server.event_where("closed", |event| event["client"] == client);
        server.rewind();
    }
    says(&mut Peer::connect(server.addr()), b"hello\n", b"HELLO\n");
}

#[test]
fn many_clients_at_once_have_ids_of_their_own_and_no_cross_talk() {
    let mut server = server();
    let addr = server.addr();
    let clients: Vec<_> = (0..20)
        .map(|client| {
            thread::spawn(move || {
                let mut peer = Peer::connect(addr);
                for round in 0..20 {
                    let (message, answer) =
                        (format!("client{client} round{round}\n"), format!("CLIENT{client} ROUND{round}\n"));
                    says(&mut peer, message.as_bytes(), answer.as_bytes());
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    let mut ids: Vec<u64> = (0..20).map(|_| server.event("accepted")["client"].as_u64().unwrap()).collect();
    ids.sort();
    assert_eq!(ids, (1..=20).collect::<Vec<u64>>());
}

#[test]
fn the_events_of_both_ends_are_the_contracts() {
    let server = Server::start(LAB, &["--accept", "1"]);
    let run = run([LAB, "client", &server.at_text(), "hello", "again", "--json"]).succeeded();
    run.events().iter().for_each(|event| check_event(event, LAB));
    let texts: Vec<Value> = run.all("replied").iter().map(|event| event["text"].clone()).collect();
    assert_eq!(texts, ["HELLO\n", "AGAIN\n"]);
    check_client_summary(&run.event("summary"));
    let run = server.wait().succeeded();
    let events = run.events();
    events.iter().for_each(|event| check_event(event, LAB));
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    let expected = ["listening", "accepted", "received", "sent", "received", "sent", "closed", "summary"];
    assert_eq!(names, expected);
    assert_eq!((payload(&events[2]), payload(&events[3])), (b"hello\n".to_vec(), b"HELLO\n".to_vec()));
    check_server_summary(&events[7]);
}

#[test]
fn the_client_that_asks_to_be_closed_exits_0() {
    let server = server();
    for ending in ["lf", "crlf", "none"] {
        let at = server.at_text();
        let run = run([LAB, "client", &at, "hello", "CLOSE SOCKET", "--line-ending", ending, "--json"]).succeeded();
        assert_eq!(run.all("replied").len(), 1, "{ending}: {run:?}");
        assert_eq!(run.event("closed")["reason"], "asked");
        // Both were sent; a reply was due to one of them.
        let (sent, summary) = (run.all("sent").len(), run.event("summary"));
        assert_eq!((sent, &summary["sent"]), (2, &2.into()), "{ending}: {run:?}");
        assert_eq!((&summary["received"], &summary["lost"]), (&1.into(), &0.into()), "{ending}: {run:?}");
    }
    let run = support::run([LAB, "client", &server.at_text(), "CLOSE SOCKET", "--json"]).succeeded();
    let sent = run.all("sent").len();
    assert_eq!((sent, &run.event("summary")["sent"]), (1, &1.into()), "{run:?}");
    let text = support::run([LAB, "client", &server.at_text(), "hello"]).succeeded();
    assert!(text.stdout.contains("HELLO"), "{text:?}");
}

#[test]
fn the_client_takes_piped_lines() {
    let server = server();
    let run = run_on(b"one\n\nthree", [LAB, "client", &server.at_text(), "--json"]).succeeded();
    let texts: Vec<Value> = run.all("replied").iter().map(|event| event["text"].clone()).collect();
    assert_eq!(texts, ["ONE\n", "\n", "THREE\n"]);
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn nc_ncat_socat_and_python_without_a_newline_are_served() {
    let server = server();
    let (at, port) = (server.at_text(), server.addr().port().to_string());
    let others = [
        command("nc.openbsd", &["-N", "127.0.0.1", &port]),
        command("ncat", &["127.0.0.1", &port]),
        command("socat", &["-t30", "-", &format!("TCP:{at}")]),
    ];
    for other in others {
        if tool(other.get_program().to_str().unwrap()) {
            assert_eq!(run_command(other, b"one\r\ntwo").succeeded().stdout, "ONE\r\nTWO");
        }
    }
    if tool("python3") {
        let script = r#"
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for word in ("hello", "again"):
    s.send(word.encode())
    print(s.recv(1024).decode())
s.send(b"CLOSE SOCKET")
print(s.recv(1024))
"#;
        assert_eq!(run_command(python(script, &[&port]), b"").succeeded().stdout, "HELLO\nAGAIN\nb''\n");
    }
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn netlabs_client_asks_servers_of_others() {
    if tool("python3") {
        let script = r#"
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
print(s.getsockname()[1])
while True:
    c, _ = s.accept()
    while (data := c.recv(1024)) and b"CLOSE SOCKET" not in data:
        c.sendall(data.upper())
    c.close()
"#;
        let mut running = Running::start(python(script, &[]));
        let at = format!("127.0.0.1:{}", running.next_line().unwrap());
        for ending in ["lf", "none"] {
            let run = run([LAB, "client", &at, "hello", "CLOSE SOCKET", "--line-ending", ending, "--json"]).succeeded();
            assert_eq!(payload(&run.event("replied")).to_ascii_lowercase()[..5], *b"hello");
        }
    }
    if tool("socat") {
        let args = ["-d", "-d", "-lf/dev/stdout", "TCP-LISTEN:0,bind=127.0.0.1", "SYSTEM:stdbuf -oL tr a-z A-Z"];
        let mut running = Running::start(command("socat", &args));
        let line = running.line_where(|line| line.contains("listening on"));
        let at = format!("127.0.0.1:{}", line.rsplit(':').next().unwrap());
        let run = run([LAB, "client", &at, "hello", "again", "--json", "--timeout", "25s"]).succeeded();
        assert_eq!(run.all("replied")[1]["text"], "AGAIN\n");
    }
}

/// A server of the test's own: its first client is given to `serve`.
fn own_server(serve: impl FnOnce(Peer) + Send + 'static) -> (String, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    (addr, thread::spawn(move || serve(Peer::accept(&listener))))
}

#[test]
fn a_reply_that_is_not_the_message_in_capitals_is_told_of_and_the_status_is_1() {
    let echo = Server::start("tcp-echo", &[]);
    let at = echo.at_text();
    for (message, is_right) in
        [("hello", false), ("HELLO", true), ("stra\u{df}e", false), ("", true), ("42 \u{3a9}", true)]
    {
        let run = run([LAB, "client", &at, message, "--json"]).ended(i32::from(!is_right));
        assert_eq!(run.all("replied").len(), 1, "{message:?}: {run:?}");
        if !is_right {
            let error = run.event("error");
            check_event(&error, LAB);
            let told = error["message"].as_str().unwrap();
            assert!(told.starts_with(&format!("cannot receive from tcp {at}: ")), "{message:?}: {told}");
            assert!(told.contains("capital"), "it says what was due: {told}");
        }
    }
    let text = run([LAB, "client", &at, "hello"]).ended(1);
    assert_eq!(text.stderr.lines().count(), 3, "{text:?}");
}

#[test]
fn a_message_too_long_for_the_server_gets_its_line_of_error_and_exit_1() {
    for model in MODELS {
        let server = Server::start(LAB, &["--model", model, "-q"]);
        let run = run([LAB, "client", &server.at_text(), "--size", "70000", "--json", "--timeout", "25s"]).ended(1);
        assert!(run.stdout.contains("error: message longer than 65536 bytes"), "{model}: {run:?}");
        assert!(!run.all("error").is_empty(), "{model}: {run:?}");
    }
}

/// Capitals without the line's end, as a program of ten lines sends them:
/// strip, upper, send; for each client in turn.
const STRIPS_LINE_ENDS: &str = r#"
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
print(s.getsockname()[1])
while True:
    c, _ = s.accept()
    while d := c.recv(1024):
        c.send(d.strip().upper())
    c.close()
"#;

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn replies_without_a_line_end_are_received_one_after_the_other() {
    if !tool("python3") {
        return;
    }
    let mut running = Running::start(python(STRIPS_LINE_ENDS, &[]));
    let at = format!("127.0.0.1:{}", running.next_line().unwrap());
    for ending in ["lf", "crlf", "none"] {
        let line = [LAB, "client", &at, "hello", "again", "and again", "--line-ending", ending, "--json"];
        let run = run([&line[..], &["--timeout", "25s"]].concat()).succeeded();
        let texts: Vec<Value> = run.all("replied").iter().map(|event| event["text"].clone()).collect();
        assert_eq!(texts, ["HELLO", "AGAIN", "AND AGAIN"], "{ending}: {run:?}");
        check_client_summary(&run.event("summary"));
    }
}

#[test]
fn bytes_without_a_line_end_and_then_fin_are_a_reply() {
    for ending in ["lf", "none"] {
        let (addr, served) = own_server(|mut peer| {
            peer.expect(b"hello");
            peer.send(b"HELLO");
            peer.half_close();
            peer.read_to_fin();
        });
        let run = run([LAB, "client", &addr, "hello", "--line-ending", ending, "--json"]).succeeded();
        assert_eq!(run.event("replied")["text"], "HELLO", "{ending}: {run:?}");
        assert_eq!(run.event("closed")["reason"], "fin", "{ending}: {run:?}");
        served.join().unwrap();
    }
}

#[test]
fn the_demo_shows_capitals() {
    let run = run([LAB, "demo", "--json"]).succeeded();
    assert!(run.all("replied").iter().any(|event| event["text"] == "HELLO\n"), "{run:?}");
}
