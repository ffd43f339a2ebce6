//! What every TCP server of netlab keeps to, whichever model serves: one
//! contract, run for each lab under each of the four models.
//!
//! A claim is a function; the tables at the end say for which labs it holds.
//! `iterative` serves one client at a time, so claims about two at once say
//! there that the second one waits.

#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

mod support;

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::peer::Peer;
use support::{DEADLINE, NETLAB, Running, Server, check_event, check_server_summary, run};

const MODELS: [&str; 4] = ["iterative", "threads", "pool", "events"];

/// The longest message that auto framing takes.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// How long a server may take from SIGTERM to its end: 2 s by the contract.
/// The rest is for a machine that is busy with other tests.
const STOPS_WITHIN: Duration = Duration::from_secs(12);

/// A lab under a model.
#[derive(Clone, Copy)]
struct Subject {
    lab: &'static str,
    model: &'static str,
}

impl Subject {
    fn start(self, args: &[&str]) -> Server {
        Server::start(self.lab, &[&["--model", self.model], args].concat())
    }

    fn is_iterative(self) -> bool {
        self.model == "iterative"
    }

    fn is_info(self) -> bool {
        self.lab == "tcp-info"
    }

    /// What comes back for `message`, which includes its line end.
    fn reply(self, client: u64, message: &[u8]) -> Vec<u8> {
        match self.lab {
            "mt-server" => [format!("client {client}: ").as_bytes(), message].concat(),
            "capitalize-server" => capitals(message),
            _ => message.to_vec(),
        }
    }

    /// Replies to several messages.
    fn replies(self, client: u64, messages: &[&[u8]]) -> Vec<u8> {
        messages.iter().flat_map(|message| self.reply(client, message)).collect()
    }

    /// Says something and gets the right answer.
    #[track_caller]
    fn exchange(self, peer: &mut Peer, client: u64, message: &[u8]) {
        if self.is_info() {
            let local = peer.local();
            peer.expect(format!("you are {} port {} (tcp)\n", local.ip(), local.port()).as_bytes());
            return;
        }
        peer.send(message);
        peer.expect(&self.reply(client, message));
    }

    /// The same for a client whose number is not known: the workers of a pool
    /// accept at once, and number in what order they come to it.
    #[track_caller]
    fn exchange_as_any(self, peer: &mut Peer) {
        let expected = match self.lab {
            "tcp-info" => format!("you are 127.0.0.1 port {} (tcp)\n", peer.local().port()),
            "capitalize-server" => "HELLO\n".to_owned(),
            "mt-server" => ": hello\n".to_owned(),
            _ => "hello\n".to_owned(),
        };
        if !self.is_info() {
            peer.send(b"hello\n");
        }
        let line = peer.read_line();
        assert!(line.ends_with(&expected), "{line:?} should end with {expected:?}");
    }

    /// A new client comes, is served, and leaves.
    #[track_caller]
    fn serves_one(self, server: &Server, client: u64) {
        let mut peer = Peer::connect(server.addr());
        self.exchange(&mut peer, client, b"hello\n");
        peer.half_close();
        assert_eq!(peer.read_to_fin(), b"");
    }
}

/// Unicode capitals; bytes that are not UTF-8 keep their place, and the ASCII
/// letters among them are raised.
fn capitals(message: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(message) {
        Ok(text) => text.to_uppercase().into_bytes(),
        Err(_) => message.to_ascii_uppercase(),
    }
}

// Messages

fn a_message_split_over_two_writes_is_answered_whole(subject: Subject) {
    let mut server = subject.start(&[]);
    let mut peer = Peer::connect(server.addr());
    subject.exchange(&mut peer, 1, b"first\n"); // from now on a line end is awaited
    for (part, total) in [(&b"hel"[..], 9), (b"l", 10)] {
        peer.send(part);
        // The server has it by itself, so the parts did not come joined.
        let mut got = 0;
        server.rewind();
        while got < total {
            got += server.event("received")["bytes"].as_u64().unwrap();
        }
    }
    peer.send(b"o\n");
    peer.expect(&subject.reply(1, b"hello\n"));
}

fn messages_joined_in_one_write_are_answered_one_by_one(subject: Subject) {
    let server = subject.start(&[]);
    let mut peer = Peer::connect(server.addr());
    peer.send(b"one\ntwo\r\n\nthree\n");
    peer.expect(&subject.replies(1, &[b"one\n", b"two\r\n", b"\n", b"three\n"]));
}

fn an_empty_line_is_a_message(subject: Subject) {
    let server = subject.start(&[]);
    let mut peer = Peer::connect(server.addr());
    for empty in [&b"\n"[..], b"\r\n", b"\n"] {
        subject.exchange(&mut peer, 1, empty);
    }
}

fn a_client_that_says_nothing_and_leaves_is_served_and_forgotten(subject: Subject) {
    let mut server = subject.start(&[]);
    let mut peer = Peer::connect(server.addr());
    peer.half_close();
    let greeting = if subject.is_info() { peer.read_line() } else { String::new() };
    assert_eq!(peer.read_to_fin(), b"", "{greeting}");
    assert_eq!(server.event("closed")["reason"], "fin");
    subject.serves_one(&server, 2);
}

fn a_half_closed_client_gets_the_rest_and_then_fin(subject: Subject) {
    let server = subject.start(&[]);
    let mut peer = Peer::connect(server.addr());
    let lines: Vec<Vec<u8>> = (0..2000).map(|n| format!("line {n} of many\n").into_bytes()).collect();
    let mut messages: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    messages.push(b"and a last one without a line end");
    peer.send(&messages.concat());
    peer.half_close();
    let got = peer.read_to_fin();
    assert!(got == subject.replies(1, &messages), "{} bytes came", got.len());
}

fn a_burst_of_a_client_that_never_ends_lines_is_answered_as_it_came(subject: Subject) {
    let server = subject.start(&[]);
    let mut peer = Peer::connect(server.addr());
    for burst in [&b"hello"[..], b"again", "gr\u{fc}\u{df} dich".as_bytes()] {
        subject.exchange(&mut peer, 1, burst);
    }
}

fn bytes_that_are_no_text_and_nuls_are_answered(subject: Subject) {
    let server = subject.start(&[]);
    let mut peer = Peer::connect(server.addr());
    for message in [&b"a\xff\xfe\xc3z\n"[..], b"\0\0b\0\n", b"\x1b[2J\x07\n", b"\xff\n"] {
        subject.exchange(&mut peer, 1, message);
    }
}

fn a_flood_of_lines_is_answered_in_order(subject: Subject) {
    let server = subject.start(&["-q"]);
    let mut peer = Peer::connect(server.addr());
    let lines: Vec<Vec<u8>> = (0..20_000).map(|n| format!("{n}\n").into_bytes()).collect();
    let messages: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    let (flood, expected) = (messages.concat(), subject.replies(1, &messages));
    let mut writing = peer.0.try_clone().unwrap();
    let writer = thread::spawn(move || writing.write_all(&flood).unwrap());
    peer.expect(&expected);
    writer.join().unwrap();
}

/// What a client that reads nothing sends, from a thread of its own.
struct Flood {
    taken: Arc<AtomicUsize>,
    writer: thread::JoinHandle<()>,
}

impl Flood {
    /// Each write waits as long as it has to: after one that timed out nobody
    /// knows on Windows what was sent.
    fn start(peer: &Peer, bytes: Vec<u8>) -> Flood {
        let mut stream = peer.0.try_clone().unwrap();
        stream.set_write_timeout(Some(3 * DEADLINE)).unwrap();
        let taken = Arc::new(AtomicUsize::new(0));
        let so_far = taken.clone();
        let writer = thread::spawn(move || {
            for part in bytes.chunks(4 * 1024) {
                if stream.write_all(part).is_err() {
                    return; // the test is over
                }
                so_far.fetch_add(part.len(), Ordering::Relaxed);
            }
        });
        Flood { taken, writer }
    }

    /// Waits until the server takes no more: no byte three times in a row,
    /// since a busy machine may do that once.
    #[track_caller]
    fn stalls(&self, within: Duration) {
        let deadline = Instant::now() + within;
        let (mut before, mut pauses) = (0, 0);
        while pauses < 3 {
            thread::sleep(Duration::from_millis(200));
            let taken = self.taken.load(Ordering::Relaxed);
            pauses = if taken == before { pauses + 1 } else { 0 };
            before = taken;
            assert!(!self.writer.is_finished(), "the server took all of it, while nobody read its replies");
            assert!(Instant::now() < deadline, "the server must stop reading while nobody reads its replies");
        }
    }
}

fn a_client_that_sends_all_before_it_reads_gets_all_and_holds_up_nobody(subject: Subject) {
    // Three times what all buffers on the way can hold.
    let sent: Vec<u8> = (0..32 * 1024 * 1024_u32).map(|n| (n % 251) as u8).collect();
    let server = subject.start(&["-q"]);
    let mut peer = Peer::connect_small(server.addr());
    let flood = Flood::start(&peer, sent.clone());
    flood.stalls(DEADLINE);
    if !subject.is_iterative() {
        subject.serves_one(&server, 2);
    }
    assert!(peer.read(sent.len()) == sent);
    flood.writer.join().unwrap();
}

fn an_overlong_message_gets_one_line_of_error_and_a_close(subject: Subject) {
    let mut server = subject.start(&[]);
    for rest in [&b""[..], b"\n", b"y and more\nand more\n"] {
        let mut peer = Peer::connect(server.addr());
        peer.send(&vec![b'x'; MAX_MESSAGE_BYTES + 1]);
        // The server may have closed by now, and its RST may be here.
        let _ = peer.0.write_all(rest);
        let _ = peer.0.shutdown(std::net::Shutdown::Write);
        let answer = String::from_utf8(peer.read_to_fin()).unwrap();
        assert!(answer.len() > 1 && answer.find('\n') == Some(answer.len() - 1), "one line: {answer:?}");
        assert!(answer.contains("65536") || answer.contains("64 KiB"), "it names the limit: {answer:?}");
        assert_eq!(server.event("closed")["reason"], "error");
    }
    let mut peer = Peer::connect(server.addr());
    let longest = [&vec![b'x'; MAX_MESSAGE_BYTES][..], b"\n"].concat();
    subject.exchange(&mut peer, 4, &longest);
}

// Clients

fn a_reset_harms_nobody_else(subject: Subject) {
    if support::wine_lacks(support::RESETS) {
        return;
    }
    let mut server = subject.start(&[]);
    let mut other = (!subject.is_iterative()).then(|| Peer::connect(server.addr()));
    let first = if other.is_some() { 2 } else { 1 };
    if other.is_some() {
        server.event("accepted");
    }
    let mut peer = Peer::connect(server.addr());
    subject.exchange(&mut peer, first, b"hello\n");
    peer.reset();
    assert_eq!(server.event_where("closed", |event| event["client"] == first)["reason"], "reset");
    // In the middle of a reply.
    let mut peer = Peer::connect_small(server.addr());
    let _ = peer.0.write_all(&b"x\n".repeat(100_000)[..60_000]);
    peer.reset();
    server.event_where("closed", |event| event["client"] == first + 1);
    if let Some(other) = &mut other {
        subject.exchange(other, 1, b"still here\n");
    }
    subject.serves_one(&server, first + 2);
}

fn two_at_once_are_each_answered(subject: Subject) {
    let mut server = subject.start(&[]);
    let mut first = Peer::connect(server.addr());
    subject.exchange(&mut first, 1, b"first\n");
    let mut second = Peer::connect(server.addr());
    if subject.is_iterative() {
        if !subject.is_info() {
            second.send(b"second\n");
        }
        // Only once the first has left is the second one accepted.
        first.half_close();
        first.read_to_fin();
        assert_eq!(server.event_where("accepted", |event| event["client"] == 2)["client"], 2);
        let expected = match subject.is_info() {
            true => format!("you are 127.0.0.1 port {} (tcp)\n", second.local().port()).into_bytes(),
            false => subject.reply(2, b"second\n"),
        };
        second.expect(&expected);
        let run = server.stops_in_order();
        let order: Vec<_> = run.events();
        let at = |name: &str, client: u64| order.iter().position(|e| e["event"] == name && e["client"] == client);
        assert!(at("closed", 1) < at("accepted", 2), "{order:#?}");
        return;
    }
    subject.exchange(&mut second, 2, b"second\n");
    if !subject.is_info() {
        subject.exchange(&mut first, 1, b"first again\n");
        subject.exchange(&mut second, 2, b"second again\n");
    }
}

fn ten_silent_clients_hold_up_nobody(subject: Subject) {
    let server = subject.start(&[]);
    let silent: Vec<Peer> = (0..10).map(|_| Peer::connect(server.addr())).collect();
    let mut peer = Peer::connect(server.addr());
    subject.exchange_as_any(&mut peer);
    drop(silent);
}

fn a_clients_number_is_never_reused(subject: Subject) {
    let mut server = subject.start(&[]);
    for client in 1..=5 {
        subject.serves_one(&server, client);
        let event = server.event("accepted");
        assert_eq!(event["client"], client);
        assert!(event["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{event}");
        assert_eq!(event["local"], server.at_text());
        assert_eq!(server.event("closed")["client"], client);
    }
}

// Servers

fn it_restarts_through_time_wait(subject: Subject) {
    let addr = format!("{}:0", support::own_loopback());
    let server = Server::at(subject.lab, &addr, &["--model", subject.model]);
    let addr = server.at_text();
    let mut peer = Peer::connect(server.addr());
    subject.exchange(&mut peer, 1, b"hello\n");
    // The server closes first, so its port is in TIME_WAIT afterwards.
    server.running.signal("TERM");
    peer.read_to_fin();
    drop(peer);
    server.wait().succeeded();
    let again = Server::at(subject.lab, &addr, &["--model", subject.model]);
    assert_eq!(again.at_text(), addr);
    subject.serves_one(&again, 1);
}

fn after_accept_n_clients_it_stops_with_a_summary(subject: Subject) {
    let server = subject.start(&["--accept", "3"]);
    let addr = server.addr();
    for client in 1..=3 {
        subject.serves_one(&server, client);
    }
    let run = server.wait().succeeded();
    let events = run.events();
    let summary = events.last().unwrap();
    assert_eq!((&summary["event"], &summary["clients"]), (&"summary".into(), &3.into()), "{run:#?}");
    check_server_summary(summary);
    assert!(TcpStream::connect(addr).is_err(), "nobody listens there any more");
}

fn after_the_last_of_accept_n_clients_whoever_comes_is_refused(subject: Subject) {
    let mut server = subject.start(&["--accept", "2"]);
    subject.serves_one(&server, 1);
    let mut second = Peer::connect(server.addr());
    subject.exchange(&mut second, 2, b"hello\n");
    server.event_where("accepted", |event| event["client"] == 2);
    // Until the listening socket is closed, a client may still get into the
    // backlog; it is not accepted.
    let deadline = Instant::now() + DEADLINE / 2;
    loop {
        match TcpStream::connect_timeout(&server.addr(), DEADLINE) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => break,
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
            Ok(_) => {}
        }
        assert!(Instant::now() < deadline, "a third client is still let in while the second is served");
        thread::sleep(Duration::from_millis(10)); // a backlog has no room for thousands
    }
    if !subject.is_info() {
        subject.exchange(&mut second, 2, b"still served\n");
    }
    second.half_close();
    assert_eq!(second.read_to_fin(), b"");
    drop(second);
    let run = server.wait().succeeded();
    assert_eq!(run.event("summary")["clients"], 2, "{run:#?}");
}

/// The events of an ended server, added up: bytes received, bytes sent.
fn bytes_in_events(run: &support::Run) -> (u64, u64) {
    let total = |name: &str| run.all(name).iter().map(|event| event["bytes"].as_u64().unwrap()).sum();
    (total("received"), total("sent"))
}

/// What the system took and gave, as the calls of `--trace` returned it.
fn bytes_in_calls(run: &support::Run) -> (u64, u64) {
    let calls: Vec<Value> = run.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let total =
        |name: &str| calls.iter().filter(|call| call["call"] == name).filter_map(|call| call["result"].as_u64()).sum();
    (total("recv"), total("send"))
}

#[track_caller]
fn calls_events_and_summary_agree(run: &support::Run) {
    let summary = run.event("summary");
    let booked = (summary["bytes_in"].as_u64().unwrap(), summary["bytes_out"].as_u64().unwrap());
    assert_eq!(bytes_in_events(run), booked, "bytes in and out, by the events and by the summary");
    assert_eq!(bytes_in_calls(run), booked, "bytes in and out, by the calls and by the summary");
}

fn the_events_bytes_are_the_summarys_and_those_of_the_calls(subject: Subject) {
    let server = subject.start(&["--accept", "2", "--trace"]);
    let mut peer = Peer::connect(server.addr());
    if !subject.is_info() {
        peer.send(b"one\ntwo\r\n\n\xff\nlast");
    }
    peer.half_close();
    let came = peer.read_to_fin().len() as u64;
    subject.serves_one(&server, 2);
    let run = server.wait().succeeded();
    calls_events_and_summary_agree(&run);
    assert!(bytes_in_events(&run).1 > came, "the first one's reply and the second one's");
}

/// How long a stop takes while a client does not read, with room for a busy
/// machine, and for Wine; 2 s by the contract.
const FORCED_STOP_WITHIN: Duration = Duration::from_secs(if cfg!(windows) { 20 } else { 5 });

fn only_what_was_sent_is_booked_when_a_client_does_not_read_and_the_server_stops(subject: Subject) {
    let server = subject.start(&["--trace"]);
    let mut peer = Peer::connect_small(server.addr());
    let lines = [&vec![b'x'; 4_000][..], b"\n"].concat().repeat(6_000);
    Flood::start(&peer, lines).stalls(2 * DEADLINE);
    let asked = Instant::now();
    server.running.signal("TERM");
    let run = server.wait().succeeded();
    let took = asked.elapsed();
    calls_events_and_summary_agree(&run);
    assert!(took < FORCED_STOP_WITHIN, "{took:?}");
    // What the client got, at the most, is what the server says it sent.
    let mut got = 0;
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = std::io::Read::read(&mut peer.0, &mut buffer) {
        got += count as u64;
    }
    assert!(got <= bytes_in_events(&run).1, "{got} bytes came");
}

fn a_client_that_takes_its_line_and_resets_is_booked_as_reset(subject: Subject) {
    if support::wine_lacks(support::RESETS) {
        return;
    }
    let mut server = subject.start(&[]);
    for client in 1..=3 {
        let mut peer = Peer::connect(server.addr());
        subject.exchange(&mut peer, client, b"hello\n");
        peer.reset();
        let closed = server.event_where("closed", |event| event["client"] == client);
        assert_eq!(closed["reason"], "reset", "{closed}");
    }
}

fn after_its_time_it_stops_with_a_summary(subject: Subject) {
    let server = subject.start(&["--for", "150ms"]);
    let mut peer = Peer::connect(server.addr());
    let _ = peer.read_to_any_end();
    drop(peer);
    let run = server.wait().succeeded();
    assert_eq!(run.events().last().unwrap()["event"], "summary", "{run:#?}");
}

fn sigterm_stops_it_in_order_while_clients_are_connected(subject: Subject) {
    let mut server = subject.start(&[]);
    let mut talker = Peer::connect(server.addr());
    subject.exchange(&mut talker, 1, b"hello\n");
    let mut silent = (!subject.is_iterative()).then(|| Peer::connect(server.addr()));
    if silent.is_some() {
        server.event_where("accepted", |event| event["client"] == 2);
    }
    let asked = Instant::now();
    server.running.signal("TERM");
    assert_eq!(talker.read_to_fin(), b"");
    if let Some(silent) = &mut silent {
        let said = silent.read_to_fin();
        assert_eq!(said.is_empty(), !subject.is_info());
    }
    // Neither client closes its own end: the server does not wait for them.
    let run = server.wait().succeeded();
    assert!(asked.elapsed() < STOPS_WITHIN, "{:?}", asked.elapsed());
    let events = run.events();
    events.iter().for_each(|event| check_event(event, subject.lab));
    assert_eq!(events.last().unwrap()["event"], "summary", "{run:#?}");
    check_server_summary(events.last().unwrap());
    if !subject.is_info() {
        let closed = run.all("closed");
        assert_eq!(closed.len(), if subject.is_iterative() { 1 } else { 2 }, "{run:#?}");
        assert!(closed.iter().all(|event| event["reason"] == "server-stop"), "{run:#?}");
    }
}

fn a_stop_waits_for_a_client_that_does_not_read_only_two_seconds(subject: Subject) {
    let server = subject.start(&["-q"]);
    let peer = Peer::connect_small(server.addr());
    Flood::start(&peer, vec![b'x'; 64 * 1024 * 1024]).stalls(DEADLINE);
    let asked = Instant::now();
    server.running.signal("TERM");
    let run = server.wait().succeeded();
    assert!(asked.elapsed() < STOPS_WITHIN, "{:?}", asked.elapsed());
    assert_eq!(run.events().last().unwrap()["event"], "summary");
}

fn without_a_descriptor_left_it_survives_and_serves_again(subject: Subject) {
    if support::not_on_windows("driven by a Unix shell") {
        return;
    }
    // Each loop of the events model needs two, the rest a dozen.
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let limit = 24 + 3 * cores;
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {limit}; exec \"$@\""), "sh", NETLAB]);
    command.args([subject.lab, "server", "127.0.0.1:0", "--json", "--model", subject.model, "--workers", "100"]);
    let mut server = Server::of(command);
    let crowd: Vec<Peer> = (0..limit + 5).map(|_| Peer::connect(server.addr())).collect();
    let error = server.event("error");
    assert!(error["message"].as_str().unwrap().starts_with("cannot accept on tcp 127.0.0.1:"), "{error}");
    drop(crowd);
    // All of the crowd, those in the backlog too, are accepted by and by.
    let mut peer = Peer::connect(server.addr());
    subject.exchange_as_any(&mut peer);
    drop(peer);
    let run = server.stops_in_order();
    let (errors, accepted) = (run.all("error").len(), run.all("accepted").len());
    assert!(errors <= accepted, "told once until a client can be accepted again: {errors} times, {accepted} clients");
}

fn ready_line_and_errors_and_summary_are_all_that_quiet_shows(subject: Subject) {
    let mut command = support::netlab([subject.lab, "server", "127.0.0.1:0", "-q", "--accept", "1"]);
    command.args(["--model", subject.model]);
    let mut running = Running::start(command);
    let line = running.next_line().unwrap();
    let addr = line.strip_prefix("listening on tcp ").unwrap_or_else(|| panic!("{line}")).parse().unwrap();
    let mut peer = Peer::connect(addr);
    subject.exchange(&mut peer, 1, b"hello\n");
    peer.half_close();
    peer.read_to_fin();
    let run = running.wait().succeeded();
    assert_eq!(run.stdout.lines().count(), 2, "{run:#?}");
    assert!(run.stdout.lines().last().unwrap().starts_with("served 1 client"), "{run:#?}");
    assert_eq!(run.stderr, "");
}

/// The same conversation with each model: the same bytes come back.
fn same_bytes_under_every_model(lab: &'static str) {
    let script = b"one\ntwo\r\n\nSTRASSE stra\xc3\x9fe\n\0\xff\xfe\nlast".to_vec();
    let answers: Vec<Vec<u8>> = MODELS
        .iter()
        .map(|model| {
            let server = Subject { lab, model }.start(&[]);
            let mut peer = Peer::connect(server.addr());
            peer.send(&script);
            peer.half_close();
            let answer = peer.read_to_fin();
            server.stops_in_order();
            answer
        })
        .collect();
    assert!(!answers[0].is_empty());
    for (answer, model) in answers.iter().zip(MODELS) {
        assert_eq!(answer, &answers[0], "{model} differs from {}", MODELS[0]);
    }
}

/// One test for each claim, lab and model.
macro_rules! claims {
    ($lab:ident, $name:literal: $($claim:ident)*; but for iterative: $($at_once:ident)*) => {
        mod $lab {
            claims!(@model iterative, $name: $($claim)*);
            claims!(@model threads, $name: $($claim)* $($at_once)*);
            claims!(@model pool, $name: $($claim)* $($at_once)*);
            claims!(@model events, $name: $($claim)* $($at_once)*);
        }
    };
    (@model $model:ident, $name:literal: $($claim:ident)*) => {
        mod $model {
            $(#[test]
            fn $claim() {
                crate::$claim(crate::Subject { lab: $name, model: stringify!($model) });
            })*
        }
    };
}

claims!(tcp_echo, "tcp-echo":
    a_message_split_over_two_writes_is_answered_whole
    messages_joined_in_one_write_are_answered_one_by_one
    an_empty_line_is_a_message
    a_client_that_says_nothing_and_leaves_is_served_and_forgotten
    a_half_closed_client_gets_the_rest_and_then_fin
    a_burst_of_a_client_that_never_ends_lines_is_answered_as_it_came
    bytes_that_are_no_text_and_nuls_are_answered
    a_flood_of_lines_is_answered_in_order
    a_client_that_sends_all_before_it_reads_gets_all_and_holds_up_nobody
    a_reset_harms_nobody_else
    two_at_once_are_each_answered
    a_clients_number_is_never_reused
    it_restarts_through_time_wait
    after_accept_n_clients_it_stops_with_a_summary
    after_the_last_of_accept_n_clients_whoever_comes_is_refused
    the_events_bytes_are_the_summarys_and_those_of_the_calls
    a_client_that_takes_its_line_and_resets_is_booked_as_reset
    after_its_time_it_stops_with_a_summary
    sigterm_stops_it_in_order_while_clients_are_connected
    a_stop_waits_for_a_client_that_does_not_read_only_two_seconds
    only_what_was_sent_is_booked_when_a_client_does_not_read_and_the_server_stops
    ready_line_and_errors_and_summary_are_all_that_quiet_shows;
    but for iterative:
    ten_silent_clients_hold_up_nobody
    without_a_descriptor_left_it_survives_and_serves_again);

claims!(mt_server, "mt-server":
    a_message_split_over_two_writes_is_answered_whole
    messages_joined_in_one_write_are_answered_one_by_one
    an_empty_line_is_a_message
    a_client_that_says_nothing_and_leaves_is_served_and_forgotten
    a_half_closed_client_gets_the_rest_and_then_fin
    a_burst_of_a_client_that_never_ends_lines_is_answered_as_it_came
    bytes_that_are_no_text_and_nuls_are_answered
    a_flood_of_lines_is_answered_in_order
    an_overlong_message_gets_one_line_of_error_and_a_close
    a_reset_harms_nobody_else
    two_at_once_are_each_answered
    a_clients_number_is_never_reused
    it_restarts_through_time_wait
    after_accept_n_clients_it_stops_with_a_summary
    after_the_last_of_accept_n_clients_whoever_comes_is_refused
    the_events_bytes_are_the_summarys_and_those_of_the_calls
    a_client_that_takes_its_line_and_resets_is_booked_as_reset
    after_its_time_it_stops_with_a_summary
    sigterm_stops_it_in_order_while_clients_are_connected
    only_what_was_sent_is_booked_when_a_client_does_not_read_and_the_server_stops
    ready_line_and_errors_and_summary_are_all_that_quiet_shows;
    but for iterative:
    ten_silent_clients_hold_up_nobody
    without_a_descriptor_left_it_survives_and_serves_again);

claims!(capitalize_server, "capitalize-server":
    a_message_split_over_two_writes_is_answered_whole
    messages_joined_in_one_write_are_answered_one_by_one
    an_empty_line_is_a_message
    a_client_that_says_nothing_and_leaves_is_served_and_forgotten
    a_half_closed_client_gets_the_rest_and_then_fin
    a_burst_of_a_client_that_never_ends_lines_is_answered_as_it_came
    bytes_that_are_no_text_and_nuls_are_answered
    a_flood_of_lines_is_answered_in_order
    an_overlong_message_gets_one_line_of_error_and_a_close
    a_reset_harms_nobody_else
    two_at_once_are_each_answered
    a_clients_number_is_never_reused
    it_restarts_through_time_wait
    after_accept_n_clients_it_stops_with_a_summary
    after_the_last_of_accept_n_clients_whoever_comes_is_refused
    the_events_bytes_are_the_summarys_and_those_of_the_calls
    a_client_that_takes_its_line_and_resets_is_booked_as_reset
    after_its_time_it_stops_with_a_summary
    sigterm_stops_it_in_order_while_clients_are_connected
    only_what_was_sent_is_booked_when_a_client_does_not_read_and_the_server_stops
    ready_line_and_errors_and_summary_are_all_that_quiet_shows;
    but for iterative:
    ten_silent_clients_hold_up_nobody
    without_a_descriptor_left_it_survives_and_serves_again);

claims!(tcp_info, "tcp-info":
    a_client_that_says_nothing_and_leaves_is_served_and_forgotten
    two_at_once_are_each_answered
    a_clients_number_is_never_reused
    it_restarts_through_time_wait
    after_accept_n_clients_it_stops_with_a_summary
    after_the_last_of_accept_n_clients_whoever_comes_is_refused
    the_events_bytes_are_the_summarys_and_those_of_the_calls
    a_client_that_takes_its_line_and_resets_is_booked_as_reset
    after_its_time_it_stops_with_a_summary
    sigterm_stops_it_in_order_while_clients_are_connected
    ready_line_and_errors_and_summary_are_all_that_quiet_shows;
    but for iterative:
    ten_silent_clients_hold_up_nobody
    without_a_descriptor_left_it_survives_and_serves_again);

#[test]
fn tcp_echo_puts_the_same_bytes_on_the_wire_under_every_model() {
    same_bytes_under_every_model("tcp-echo");
}

#[test]
fn mt_server_puts_the_same_bytes_on_the_wire_under_every_model() {
    same_bytes_under_every_model("mt-server");
}

#[test]
fn capitalize_server_puts_the_same_bytes_on_the_wire_under_every_model() {
    same_bytes_under_every_model("capitalize-server");
}

#[test]
fn mt_server_runs_threads_by_default_and_the_others_events() {
    for lab in ["tcp-echo", "capitalize-server", "tcp-info", "mt-server"] {
        let mut server = Server::start(lab, &[]);
        let _peer = Peer::connect(server.addr());
        let accepted = server.event("accepted");
        let is_thread = accepted["thread"].as_str().is_some_and(|name| name.starts_with("thread-"));
        assert_eq!(is_thread, lab == "mt-server", "{accepted}");
    }
}

#[test]
fn a_model_that_is_none_is_a_usage_error() {
    for lab in ["tcp-echo", "mt-server", "capitalize-server", "tcp-info"] {
        let run = run([lab, "server", "127.0.0.1:0", "--model", "fork"]).ended(2);
        assert!(run.stderr.contains("--model"), "{run:#?}");
    }
}
