//! Servers whose calls fail: one client may be let go, never the next one; and
//! what is said is said whole.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use super::support::peer::Peer;
use super::support::{DEADLINE, Run, Running, Server, netlab};
use super::trial::{Trial, every_call_fails_once};

/// How long an answer to a datagram is awaited before it is asked for again:
/// the datagram, or its answer, may be the one that failed.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// What a client says to a lab's server, and what it is answered.
struct Dialogue {
    says: &'static [&'static str],
    /// Each client's number is told in it as `N`.
    hears: &'static str,
}

fn dialogue(lab: &str) -> Dialogue {
    match lab {
        "tcp-info" => Dialogue { says: &[], hears: "you are 127.0.0.1 port P (tcp)\n" },
        "mt-server" => Dialogue { says: &["one\n", "two\r\n"], hears: "client N: one\nclient N: two\r\n" },
        "capitalize-server" => Dialogue { says: &["one\n", "two\r\n"], hears: "ONE\nTWO\r\n" },
        _ => Dialogue { says: &["one\n", "two\r\n"], hears: "one\ntwo\r\n" },
    }
}

/// Every call of a TCP server fails once.
pub fn tcp(lab: &str, model: &str) {
    every_call_fails_once(&format!("{lab} server, {model}"), |trial| {
        let args = [lab, "server", "127.0.0.1:0", "--json", "--model", model, "--workers", "3"];
        let Some(server) = start(trial, netlab(args)) else { return };
        // EAGAIN means "later" to a socket that does not block, and to one
        // that does that its patience is over.
        let passes = trial.passes() || trial.is("recv", "EAGAIN") || (model == "events" && trial.is("send", "EAGAIN"));
        let let_go = (0..3).filter(|_| !is_served(server.addr(), &dialogue(lab))).count();
        assert!(let_go <= usize::from(!passes), "{let_go} of three clients were let go");
        assert!(let_go == 0 || trial.has_struck());
        ends_in_order(server);
    });
}

/// Every call of a UDP server fails once.
pub fn udp(lab: &str) {
    every_call_fails_once(&format!("{lab} server"), |trial| {
        let Some(server) = start(trial, netlab([lab, "server", "127.0.0.1:0", "--json"])) else { return };
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let you_are = format!("you are 127.0.0.1 port {} (udp)\n", client.local_addr().unwrap().port());
        for question in ["one", "two", "three"] {
            let answer = if lab == "udp-info" { &you_are } else { question };
            // Where nothing may be lost, it is asked once.
            let again = if trial.passes() { DEADLINE } else { ASK_AGAIN_AFTER };
            ask(&client, server.addr(), question, answer, again);
        }
        ends_in_order(server);
    });
}

/// Servers and receivers that are to stop by themselves, each of whose threads
/// cannot be had once.
pub fn serve_for_a_time() {
    let listens: [&[&str]; 5] = [
        &["tcp-echo", "server", "127.0.0.1:0"],
        &["mt-server", "127.0.0.1:0", "--model", "threads"],
        &["udp-echo", "server", "127.0.0.1:0"],
        &["chat", "server", "127.0.0.1:0"],
        &["broadcast", "receive", "127.0.0.1:0", "--interface", "lo"],
    ];
    for args in listens {
        let has_a_say = (1..=4).filter(|number| {
            let trial = Trial::without_threads(*number..=*number);
            let run = Running::start(trial.on(netlab([args, &["--for", "1ms", "--json"]].concat()))).wait();
            assert!([0, 1].contains(&run.code()) && !run.stderr.contains("panicked"), "{run:#?}");
            let is_refused = run.stderr.contains("cannot serve for 1ms alone");
            if is_refused {
                says_why_not(&run);
                assert!(!run.stdout.contains("listening"), "it is ready, and is not: {run:#?}");
            }
            is_refused
        });
        assert_eq!(has_a_say.count(), 1, "{args:?}");
    }
}

/// Asks, and asks again after that time, until it is answered.
fn ask(client: &UdpSocket, server: SocketAddr, question: &str, answer: &str, again: Duration) {
    let deadline = Instant::now() + DEADLINE;
    client.set_read_timeout(Some(again)).unwrap();
    loop {
        client.send_to(question.as_bytes(), server).unwrap();
        let mut buffer = [0; 1000];
        while let Ok((got, from)) = client.recv_from(&mut buffer) {
            assert_eq!(from, server);
            if &buffer[..got] == answer.as_bytes() {
                return;
            }
        }
        assert!(Instant::now() < deadline, "{question}: no answer within {DEADLINE:?}");
    }
}

/// The server once it listens; `None` where it said why it cannot.
pub fn start(trial: &Trial, command: std::process::Command) -> Option<Server> {
    ready(trial, Running::start(trial.on(command)))
}

/// The same for one that was started by hand.
pub fn ready(trial: &Trial, mut running: Running) -> Option<Server> {
    if let Some(line) = running.next_line() {
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        if event["event"] == "listening" {
            return Some(Server::ready(running, event));
        }
    }
    assert!(!trial.passes() && trial.has_struck(), "it does not listen: {}", running.stderr_so_far());
    says_why_not(&running.wait());
    None
}

/// Exit 1, or 2 where its input could not be read, and an error in its three parts.
pub fn says_why_not(run: &Run) {
    assert!([1, 2].contains(&run.code()), "{run:#?}");
    assert!(run.stderr.lines().any(|line| line.starts_with("error: cannot ")), "{run:#?}");
    assert!(run.stderr.contains("\n  why: ") && run.stderr.contains("\n  try: "), "{run:#?}");
}

/// SIGTERM ends it with a summary, and nothing in it has panicked.
pub fn ends_in_order(server: Server) {
    let run = server.stops_in_order();
    assert!(!run.stderr.contains("panicked"), "{run:#?}");
}

/// Whether a client was served to its end. Else it was let go, and what it had
/// heard by then was right.
fn is_served(server: SocketAddr, dialogue: &Dialogue) -> bool {
    let mut peer = Peer::connect(server);
    let expected = dialogue.hears.replace('P', &peer.local().port().to_string());
    let heard = without_numbers(&converse(&mut peer.0, dialogue.says));
    assert!(expected.starts_with(&heard), "heard {heard:?} of {expected:?}");
    heard == expected
}

/// Says one thing after the other, each once the one before is answered. All
/// that is heard, until the server ends it.
fn converse(stream: &mut TcpStream, says: &[&str]) -> String {
    let mut heard = Vec::new();
    for words in says {
        let before = heard.len();
        let answered = stream.write_all(words.as_bytes()).is_ok();
        while answered && !heard[before..].contains(&b'\n') && hear(stream, &mut heard) {}
    }
    let _ = stream.shutdown(Shutdown::Write); // it may be let go by now
    while hear(stream, &mut heard) {}
    String::from_utf8(heard).unwrap()
}

/// Whether more came, and no end of any kind.
fn hear(stream: &mut TcpStream, heard: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 1000];
    match stream.read(&mut buffer) {
        Ok(got) => {
            heard.extend_from_slice(&buffer[..got]);
            got > 0
        }
        Err(error) => {
            assert!(error.kind() != ErrorKind::WouldBlock, "neither served nor let go within {DEADLINE:?}");
            false
        }
    }
}

/// `client 12: hello` as `client N: hello`.
fn without_numbers(text: &str) -> String {
    let mut parts = text.split("client ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "client N" + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}
