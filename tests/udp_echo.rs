//! udp-echo: each datagram comes back once, to its sender, from the server's
//! port (RFC 862); and the client's books of what did not.

#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

mod support;

use std::net::{SocketAddr, UdpSocket};
use std::thread;

use serde_json::Value;
use support::{DEADLINE, Running, Server, check_client_summary, check_event, check_server_summary, command, netlab};
use support::{payload, python, run, run_on, skipped, tool};

const LAB: &str = "udp-echo";

/// The largest that fits into one IPv4 datagram.
const MAX_PAYLOAD: usize = 65_507;

fn server() -> Server {
    Server::start(LAB, &[])
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

#[track_caller]
fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 65_536];
    let (got, from) = socket.recv_from(&mut buffer).expect("a datagram was due");
    buffer.truncate(got);
    (buffer, from)
}

// The server

#[test]
fn each_datagram_comes_back_once_to_its_sender_from_the_servers_port() {
    let server = server();
    let (one, other) = (socket(), socket());
    one.send_to(b"one", server.addr()).unwrap();
    other.send_to(b"other", server.addr()).unwrap();
    assert_eq!(receive(&one), (b"one".to_vec(), server.addr()));
    assert_eq!(receive(&other), (b"other".to_vec(), server.addr()));
    // Had anything come twice, it would be before this.
    for (socket, last) in [(&one, &b"last of one"[..]), (&other, b"of the other")] {
        socket.send_to(last, server.addr()).unwrap();
        assert_eq!(receive(socket), (last.to_vec(), server.addr()));
    }
}

/// What a socket receives, until it has got so many.
fn receive_all(socket: &UdpSocket, count: usize, server: SocketAddr) -> Vec<Vec<u8>> {
    let received = (0..count).map(|_| {
        let (datagram, from) = receive(socket);
        assert_eq!(from, server);
        datagram
    });
    let mut received: Vec<_> = received.collect();
    received.sort(); // no network keeps datagrams in order, though this one mostly does
    received
}

/// A server that is stopped while they are sent finds them all waiting, and takes
/// many in one call.
#[test]
fn datagrams_that_wait_together_come_back_each_to_its_own_sender() {
    let server = Server::start(LAB, &["--trace"]);
    let sockets = [(); 4].map(|()| socket());
    #[cfg(unix)] // on Windows it takes what comes as it comes
    server.signal("STOP");
    // Equal lengths and others, an empty one, long ones: 160 fit into the queue.
    let datagrams = |sender: usize| {
        let lengths = (0..40).map(|number| [64, 64, 64, 100, 0, 1300][number % 6]);
        let mut datagrams: Vec<Vec<u8>> = lengths.map(|length| vec![b'a' + sender as u8; length]).collect();
        for (number, datagram) in datagrams.iter_mut().enumerate().filter(|(_, datagram)| !datagram.is_empty()) {
            datagram[0] = number as u8;
        }
        datagrams
    };
    for number in 0..40 {
        for (sender, socket) in sockets.iter().enumerate() {
            socket.send_to(&datagrams(sender)[number], server.addr()).unwrap();
        }
    }
    #[cfg(unix)]
    server.signal("CONT");
    for (sender, socket) in sockets.iter().enumerate() {
        let mut sent = datagrams(sender);
        sent.sort();
        assert_eq!(receive_all(socket, 40, server.addr()), sent);
    }
    let run = server.stops_in_order();
    if cfg!(target_os = "linux") {
        let made = |call: &str| run.stderr.contains(&format!("\"call\":\"{call}\""));
        assert!(made("recvmmsg") && made("sendmsg"), "{}", run.stderr);
    }
    assert_eq!(run.event("summary")["clients"], 4);
}

#[test]
fn every_size_from_0_to_65507_comes_back_whole() {
    let server = server();
    let socket = socket();
    for size in [0, 1, 2, 1472, 1473, 9000, 16_384, MAX_PAYLOAD - 1, MAX_PAYLOAD] {
        let datagram: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        socket.send_to(&datagram, server.addr()).unwrap();
        let (got, from) = receive(&socket);
        assert!(got == datagram, "{size}: {} bytes came", got.len());
        assert_eq!(from, server.addr());
    }
}

#[test]
fn boundaries_are_kept() {
    let server = server();
    let socket = socket();
    for part in [&b"hel"[..], b"", b"lo\n", b"a\nb\n"] {
        socket.send_to(part, server.addr()).unwrap();
    }
    for part in [&b"hel"[..], b"", b"lo\n", b"a\nb\n"] {
        assert_eq!(receive(&socket).0, part);
    }
}

#[test]
fn a_sender_that_is_gone_harms_nobody() {
    let server = server();
    for _ in 0..20 {
        socket().send_to(b"and away", server.addr()).unwrap();
    }
    let socket = socket();
    socket.send_to(b"still there?", server.addr()).unwrap();
    assert_eq!(receive(&socket).0, b"still there?");
}

#[test]
fn two_servers_do_not_answer_each_other_for_ever() {
    if support::wine_lacks(support::DATAGRAM_ADDRESSES) {
        return;
    }
    let server = server();
    // As another echo server's: the same port, at another address of this host.
    let other = UdpSocket::bind(("127.0.0.2", server.addr().port())).unwrap();
    other.set_read_timeout(Some(DEADLINE)).unwrap();
    other.send_to(b"forged", server.addr()).unwrap();
    let (answer, _) = receive(&other);
    other.send_to(&answer, server.addr()).unwrap(); // its echo of our answer
    other.send_to(b"a question of its own", server.addr()).unwrap();
    assert_eq!(receive(&other).0, b"a question of its own", "and nothing before it");
}

#[test]
fn a_servers_events_are_the_contracts() {
    let server = Server::start(LAB, &["--accept", "3"]);
    let addr = server.at_text();
    let (one, other) = (socket(), socket());
    for (socket, datagram) in [(&one, &b"hello"[..]), (&other, b"\xff"), (&one, b"")] {
        socket.send_to(datagram, server.addr()).unwrap();
        receive(socket);
    }
    let run = server.wait().succeeded();
    let events = run.events();
    events.iter().for_each(|event| check_event(event, LAB));
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["listening", "received", "sent", "received", "sent", "received", "sent", "summary"]);
    assert_eq!((&events[0]["proto"], &events[0]["addr"]), (&"udp".into(), &addr.into()));
    let clients: Vec<u64> = events[1..7].iter().map(|event| event["client"].as_u64().unwrap()).collect();
    assert_eq!(clients, [1, 1, 2, 2, 1, 1]);
    assert_eq!(events[1]["peer"], one.local_addr().unwrap().to_string());
    assert_eq!((&events[3]["bytes"], &events[3]["base64"]), (&1.into(), &"/w==".into()));
    assert_eq!((&events[5]["bytes"], &events[5]["text"]), (&0.into(), &"".into()));
    let summary = &events[7];
    check_server_summary(summary);
    assert_eq!((&summary["clients"], &summary["bytes_in"], &summary["bytes_out"]), (&2.into(), &6.into(), &6.into()));
}

#[test]
fn the_ready_line_comes_first_and_the_summary_last() {
    let mut running = Running::start(netlab([LAB, "server", "127.0.0.1:0", "--accept", "1"]));
    let line = running.next_line().unwrap();
    let addr: SocketAddr = line.strip_prefix("listening on udp ").unwrap_or_else(|| panic!("{line}")).parse().unwrap();
    let socket = socket();
    socket.send_to(b"hello\n", addr).unwrap();
    receive(&socket);
    let run = running.wait().succeeded();
    assert!(run.stdout.contains("client 1: received 6 bytes \"hello\\n\""), "{run:?}");
    assert!(run.stdout.ends_with("served 1 client: 6 bytes in, 6 bytes out\n"), "{run:?}");
}

#[test]
fn messages_that_are_too_many_for_the_screen_are_counted_before_the_summary() {
    let mut running = Running::start(netlab([LAB, "server", "127.0.0.1:0", "--accept", "1000"]));
    let ready = running.next_line().unwrap();
    let addr = ready.strip_prefix("listening on udp ").unwrap().to_owned();
    run([LAB, "client", &addr, "--count", "1000", "-q", "--timeout", "25s"]).succeeded();
    let run = running.wait().succeeded();
    let lines: Vec<&str> = run.stdout.lines().collect();
    let shown =
        lines.iter().filter(|line| line.starts_with("client 1: received ") || line.starts_with("client 1: sent "));
    let hidden = |line: &&str| line.strip_prefix('(')?.split_once(" messages more ")?.0.parse::<usize>().ok();
    let counted: usize = lines.iter().filter_map(hidden).sum();
    assert!(counted > 0, "{run:?}");
    assert_eq!(shown.count() + counted, 2000, "each is shown or counted: {run:?}");
    assert!(lines.last().unwrap().starts_with("served 1 client"), "{run:?}");
}

#[test]
fn sigterm_and_for_stop_it_with_a_summary() {
    let run = server().stops_in_order();
    check_server_summary(run.events().last().unwrap());
    let run = Server::start(LAB, &["--for", "100ms"]).wait().succeeded();
    check_server_summary(run.events().last().unwrap());
}

#[test]
fn it_serves_ipv6() {
    let server = Server::at(LAB, "[::1]:0", &[]);
    let run = run([LAB, "client", &server.at_text(), "hello", "--json"]).succeeded();
    assert_eq!(run.event("replied")["text"], "hello");
    assert!(run.event("connected")["peer"].as_str().unwrap().starts_with("[::1]:"));
}

// The client

#[test]
fn a_clients_events_are_the_contracts() {
    let server = server();
    let run = run([LAB, "client", &server.at_text(), "hello", "again", "--json"]).succeeded();
    let events = run.events();
    events.iter().for_each(|event| check_event(event, LAB));
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["connected", "sent", "replied", "sent", "replied", "summary"]);
    assert_eq!((&events[2]["seq"], &events[2]["bytes"], &events[2]["text"]), (&1.into(), &5.into(), &"hello".into()));
    check_client_summary(&events[5]);
    assert_eq!(events[5]["received"], 2);
}

#[test]
fn a_series_prints_each_round_trip_and_a_summary_like_pings() {
    let server = server();
    let run = run([LAB, "client", &server.at_text(), "--count", "100"]).succeeded();
    for seq in 1..=100 {
        let line = run.stdout.lines().find(|line| line.starts_with(&format!("reply {seq}: ")));
        assert!(line.is_some_and(|line| line.ends_with(" ms") || line.ends_with(" s")), "{seq}: {run:?}");
    }
    assert!(run.stdout.contains("100 sent, 100 received, 0 lost, 0 duplicate, 0 reordered"), "{run:?}");
    assert!(run.stdout.contains("round trip min "), "{run:?}");
}

#[test]
fn the_client_sends_every_size_and_gets_it_back() {
    let server = server();
    for size in [0, 1, 1472, MAX_PAYLOAD] {
        for how in [&[][..], &["--unconnected"]] {
            let size_text = size.to_string();
            let at = server.at_text();
            let line = [&[LAB, "client", &at, "--count", "3", "--size", &size_text, "--json"], how].concat();
            let run = run(line).succeeded();
            let replies = run.all("replied");
            assert_eq!(replies.len(), 3, "{size}: {run:?}");
            assert!(replies.iter().all(|event| event["bytes"] == size), "{size}: {run:?}");
        }
    }
}

#[test]
fn a_datagram_too_long_for_udp_is_told_of() {
    let server = server();
    let run = run([LAB, "client", &server.at_text(), "--size", "65508", "--json"]).ended(1);
    let message = run.event("error")["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with(&format!("cannot send to udp {}: ", server.at_text())), "{message}");
    check_client_summary(&run.event("summary"));
    // Nothing was sent, so nothing is booked as sent, or as lost on its way.
    assert_eq!(run.all("sent").len(), 0, "{run:?}");
    assert_eq!((&run.event("summary")["sent"], &run.event("summary")["lost"]), (&0.into(), &0.into()), "{run:?}");
}

#[test]
fn a_datagram_that_cannot_be_sent_does_not_spoil_the_books_of_the_others() {
    let server = server();
    let input = format!("one\n{}\nthree\n", "x".repeat(MAX_PAYLOAD + 1)); // more than a command line holds
    let run = run_on(input.as_bytes(), [LAB, "client", &server.at_text(), "--json"]).ended(1);
    let summary = run.event("summary");
    assert_eq!(
        (&summary["sent"], &summary["received"], &summary["lost"]),
        (&2.into(), &2.into(), &0.into()),
        "{run:?}"
    );
    assert_eq!(run.all("sent").len(), 2, "{run:?}");
    let texts: Vec<Value> = run.all("replied").iter().map(|event| event["text"].clone()).collect();
    assert_eq!(texts, ["one", "three"]);
}

#[test]
fn a_reply_that_comes_while_the_keyboard_is_silent_is_in_time() {
    for more in [&["--interval", "10ms"][..], &["--interval", "1s"], &[]] {
        let own = socket();
        let at = own.local_addr().unwrap().to_string();
        let served = thread::spawn(move || {
            for _ in 0..2 {
                let (datagram, from) = receive(&own);
                thread::sleep(std::time::Duration::from_millis(200)); // the round trip is this long
                own.send_to(&datagram, from).unwrap();
            }
        });
        let line = [&[LAB, "client", &at, "--json", "--timeout", "25s"], more].concat();
        let mut typing = Running::start_on(b"hello\n", netlab(line));
        // It is told of as it comes, though nobody types.
        typing.line_where(|line| line.contains("\"replied\""));
        std::io::Write::write_all(typing.child.stdin.as_mut().unwrap(), b"again\n").unwrap();
        typing.line_where(|line| line.contains("\"replied\""));
        drop(typing.child.stdin.take());
        let run = typing.wait().succeeded();
        served.join().unwrap();
        for replied in run.all("replied") {
            assert!(replied["note"].is_null(), "{more:?}: {run:?}");
            assert!(replied["rtt_us"].as_u64().unwrap() >= 200_000, "{more:?}: {run:?}");
        }
        let summary = run.event("summary");
        assert_eq!((&summary["received"], &summary["lost"], &summary["late"]), (&2.into(), &0.into(), &0.into()));
    }
}

#[test]
fn piped_lines_are_datagrams_without_their_line_ends() {
    let mut server = server();
    let run = run_on(b"one\n\ntwo\r\nthree", [LAB, "client", &server.at_text(), "--json"]).succeeded();
    let texts: Vec<Value> = run.all("replied").iter().map(|event| event["text"].clone()).collect();
    assert_eq!(texts, ["one", "", "two", "three"]);
    assert_eq!(payload(&server.event("received")), b"one");
}

#[test]
fn bind_is_where_the_datagrams_come_from() {
    if support::wine_lacks(support::DATAGRAM_ADDRESSES) {
        return;
    }
    let mut server = server();
    let own = support::own_loopback().to_string();
    run([LAB, "client", &server.at_text(), "hello", "--bind", &own]).succeeded();
    let peer = server.event("received")["peer"].as_str().unwrap().to_owned();
    assert!(peer.starts_with(&format!("{own}:")), "{peer}");
}

#[test]
fn a_port_where_nothing_listens_is_told_of_at_once() {
    if support::wine_lacks("refusals of datagrams") {
        return;
    }
    // A socket connected elsewhere: its port is taken, and refuses us.
    let (taken, elsewhere) = (socket(), socket());
    taken.connect(elsewhere.local_addr().unwrap()).unwrap();
    let at = taken.local_addr().unwrap();
    let run = run([LAB, "client", &at.to_string(), "hello", "--json", "--timeout", "20s"]).ended(1);
    let error = run.event("error");
    assert_eq!(error["message"], format!("cannot send to udp {at}: connection refused"));
    assert_eq!(error["why"], "the host answered, and nothing listens on that port");
    assert_eq!(error["try"], format!("netlab udp-echo server {at}"));
    let summary = run.event("summary");
    check_client_summary(&summary);
    assert_eq!((&summary["sent"], &summary["lost"]), (&1.into(), &1.into()));
    let lost = run.event("lost");
    assert!(lost["waited_us"].as_u64().unwrap() < 15_000_000, "it did not wait for its timeout: {lost}");
}

#[test]
fn silence_is_a_loss_and_exit_1() {
    let silent = socket();
    let at = silent.local_addr().unwrap().to_string();
    let run = run([LAB, "client", &at, "--count", "2", "--timeout", "100ms", "--json"]).ended(1);
    let summary = run.event("summary");
    check_client_summary(&summary);
    assert_eq!((&summary["sent"], &summary["received"], &summary["lost"]), (&2.into(), &0.into(), &2.into()));
    assert_eq!(receive(&silent).0.len(), 56, "a made-up message has ping's length");
}

#[test]
fn a_stranger_who_answers_is_not_taken_for_the_server() {
    for how in [&[][..], &["--unconnected"]] {
        let (own, stranger) = (socket(), socket());
        let at = own.local_addr().unwrap().to_string();
        let served = thread::spawn(move || {
            let (datagram, from) = receive(&own);
            stranger.send_to(&datagram, from).unwrap();
            stranger.send_to(b"forged", from).unwrap();
            own.send_to(&datagram, from).unwrap();
        });
        let line = [&[LAB, "client", &at, "hello", "--json", "--timeout", "20s"], how].concat();
        let run = run(line).succeeded();
        let summary = run.event("summary");
        assert_eq!((&summary["received"], &summary["duplicate"]), (&1.into(), &0.into()), "{run:?}");
        served.join().unwrap();
    }
}

// Losses

/// What the relay does with one datagram of the client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Pass,
    LoseRequest,
    LoseReply,
    DuplicateRequest,
    DuplicateReply,
    /// Answered only when the next message has come: the client sends that
    /// once it has given this one up.
    Late,
    LateTwice,
    /// Answered after the next message's answer.
    AfterNext,
}
use Fate::*;

impl Fate {
    fn is_lost(self) -> bool {
        matches!(self, LoseRequest | LoseReply | Late | LateTwice)
    }
}

/// A relay between the client and a server of netlab's: it does with each
/// datagram what `fates` say, and then lets everything pass. No clock is in
/// it: what is late or overtaken is so because of what came before.
fn relay(server: SocketAddr, fates: &'static [Fate]) -> SocketAddr {
    let (front, back) = (socket(), socket());
    let addr = front.local_addr().unwrap();
    let answer = move |datagram: &[u8]| {
        back.send_to(datagram, server).unwrap();
        receive(&back).0
    };
    thread::spawn(move || {
        let mut held: Vec<Vec<u8>> = Vec::new();
        let mut buffer = vec![0; 65_536];
        let mut fates = fates.iter();
        while let Ok((got, client)) = front.recv_from(&mut buffer) {
            let datagram = &buffer[..got];
            let fate = fates.next().copied().unwrap_or(Pass);
            let reply = if fate == LoseRequest { Vec::new() } else { answer(datagram) };
            let send = |reply: &[u8]| drop(front.send_to(reply, client));
            let due = std::mem::take(&mut held);
            let overtakes = !matches!(fate, Late | LateTwice);
            let send_held = || due.iter().for_each(|reply| send(reply));
            if !overtakes {
                send_held();
            }
            match fate {
                Pass => send(&reply),
                LoseRequest | LoseReply => {}
                DuplicateRequest => {
                    send(&reply);
                    send(&answer(datagram));
                }
                DuplicateReply => [&reply, &reply].into_iter().for_each(|reply| send(reply)),
                Late | AfterNext => held.push(reply),
                LateTwice => held.extend([reply.clone(), reply]),
            }
            if overtakes {
                send_held();
            }
        }
    });
    addr
}

/// The client's summary must be the relay's own books.
#[track_caller]
fn check_books(summary: &Value, fates: &[Fate], passed: u64) {
    let count = |fits: &dyn Fn(Fate) -> bool| fates.iter().filter(|fate| fits(**fate)).count() as u64;
    let lost = count(&|fate| fate.is_lost());
    let sent = fates.len() as u64 + passed;
    let expected = [
        ("sent", sent),
        ("received", sent - lost),
        ("lost", lost),
        ("duplicate", count(&|fate| matches!(fate, DuplicateRequest | DuplicateReply | LateTwice))),
        ("reordered", count(&|fate| fate == AfterNext)),
        ("late", count(&|fate| matches!(fate, Late | LateTwice))),
    ];
    for (field, value) in expected {
        assert_eq!(summary[field], value, "{field}: {summary}");
    }
    check_client_summary(summary);
}

#[test]
fn the_books_of_losses_duplicates_and_late_replies_equal_the_relays() {
    const FATES: &[Fate] = &[
        Pass,
        LoseRequest,
        DuplicateReply,
        Late,
        Pass,
        DuplicateRequest,
        LoseReply,
        LateTwice,
        Pass,
        Late,
        DuplicateReply,
    ];
    let server = server();
    let at = relay(server.addr(), FATES).to_string();
    // One at a time: each message is sent once the one before is answered or
    // given up, so the order of all that happens is certain.
    let run = run([LAB, "client", &at, "--count", "15", "--timeout", "1s", "--json"]).ended(1);
    check_books(&run.event("summary"), FATES, 4);
    let late: Vec<u64> =
        run.all("replied").iter().filter(|e| e["note"] == "late").map(|e| e["seq"].as_u64().unwrap()).collect();
    assert_eq!(late, [4, 8, 10], "{run:?}");
}

#[test]
fn the_books_of_overtaken_replies_equal_the_relays() {
    const FATES: &[Fate] = &[Pass, AfterNext, Pass, DuplicateReply, AfterNext, DuplicateRequest, AfterNext];
    for how in [&[][..], &["--unconnected"]] {
        let server = server();
        let at = relay(server.addr(), FATES).to_string();
        let line = [LAB, "client", &at, "--count", "10", "--interval", "5ms", "--timeout", "25s", "--json"];
        let run = run([&line, how].concat()).succeeded();
        check_books(&run.event("summary"), FATES, 3);
    }
}

#[test]
fn the_books_in_words_are_those_in_json() {
    const FATES: &[Fate] = &[DuplicateReply, Late, Pass, LoseReply];
    let server = server();
    let at = relay(server.addr(), FATES).to_string();
    let run = run([LAB, "client", &at, "--count", "5", "--timeout", "1s"]).ended(1);
    let expected =
        "5 sent, 3 received, 2 lost (1 of them late: the reply came after its time), 1 duplicate, 0 reordered";
    assert!(run.stdout.contains(expected), "{run:?}");
}

#[test]
fn a_retry_that_is_answered_is_no_loss() {
    const FATES: &[Fate] = &[LoseRequest, Pass, LoseReply, LoseRequest, Pass];
    let mut server = server();
    let at = relay(server.addr(), FATES).to_string();
    let line = [LAB, "client", &at, "one", "two", "--retries", "2", "--timeout", "700ms", "--json"];
    let run = run(line).succeeded();
    let summary = run.event("summary");
    let expected = [("sent", 2), ("received", 2), ("lost", 0), ("duplicate", 0), ("late", 0), ("retried", 3)];
    for (field, value) in expected {
        assert_eq!(summary[field], value, "{field}: {run:?}");
    }
    // One passed, one's reply was lost, one passed.
    for text in ["one", "two", "two"] {
        assert_eq!(server.event("received")["text"], text);
    }
}

#[test]
fn retries_are_tried_as_often_as_asked_and_then_given_up() {
    let silent = socket();
    let at = silent.local_addr().unwrap().to_string();
    let run = run([LAB, "client", &at, "hello", "--retries", "2", "--timeout", "50ms", "--json"]).ended(1);
    assert_eq!(run.event("lost")["tries"], 3);
    for _ in 0..3 {
        assert_eq!(receive(&silent).0, b"hello");
    }
    assert_eq!(run.event("summary")["retried"], 2);
}

// Programs that others wrote

/// Sends a line by a program of others', and waits for it to come back.
fn asked_by(command: std::process::Command) {
    let mut running = Running::start_on(b"hello\n", command);
    running.line_where(|line| line == "hello");
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn openbsd_nc_is_answered() {
    if !tool("nc.openbsd") {
        return;
    }
    let server = server();
    asked_by(command("nc.openbsd", &["-u", "127.0.0.1", &server.addr().port().to_string()]));
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn ncat_is_answered() {
    if !tool("ncat") {
        return;
    }
    let server = server();
    asked_by(command("ncat", &["-u", "127.0.0.1", &server.addr().port().to_string()]));
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn socat_is_answered() {
    if !tool("socat") {
        return;
    }
    let server = server();
    asked_by(command("socat", &["-", &format!("UDP:{}", server.at_text())]));
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn ten_lines_of_python_are_answered() {
    if !tool("python3") {
        return;
    }
    let server = server();
    let script = r#"
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(30)
for word in (b"hello", b"", b"again"):
    s.sendto(word, ("127.0.0.1", int(sys.argv[1])))
    print(s.recvfrom(2048))
"#;
    let port = server.addr().port();
    let run = support::run_command(python(script, &[&port.to_string()]), b"").succeeded();
    let from = format!("('127.0.0.1', {port})");
    assert_eq!(run.stdout, format!("(b'hello', {from})\n(b'', {from})\n(b'again', {from})\n"));
}

fn asks(addr: &str) {
    for how in [&[][..], &["--unconnected"]] {
        let run =
            run([&[LAB, "client", addr, "hello", "again", "--json", "--timeout", "25s"], how].concat()).succeeded();
        assert_eq!(run.event("summary")["received"], 2, "{run:?}");
    }
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn a_python_echo_server_is_asked() {
    if !tool("python3") {
        return;
    }
    let script = r#"
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])
while True:
    data, addr = s.recvfrom(2048)
    s.sendto(data, addr)
"#;
    let mut running = Running::start(python(script, &[]));
    let port = running.next_line().unwrap();
    asks(&format!("127.0.0.1:{port}"));
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn socats_echo_is_asked() {
    if !tool("socat") {
        return;
    }
    // socat's UDP-LISTEN serves the first who comes.
    let args = ["-d", "-d", "-lf/dev/stdout", "UDP4-LISTEN:0,bind=127.0.0.1", "PIPE"];
    let mut running = Running::start(command("socat", &args));
    let line = running.line_where(|line| line.contains("listening on"));
    let at = format!("127.0.0.1:{}", line.rsplit(':').next().unwrap());
    let run = run([LAB, "client", &at, "hello", "again", "--json", "--timeout", "25s"]).succeeded();
    assert_eq!(run.event("summary")["received"], 2, "{run:?}");
}

#[test]
#[cfg_attr(windows, ignore = "driven by a Unix shell")]
fn ncats_echo_is_asked() {
    if !tool("ncat") {
        return;
    }
    if !cfg!(target_os = "linux") {
        return skipped("the port that ncat got can be found on Linux only");
    }
    let script = "exec ncat -v -u -l 127.0.0.1 0 --exec /bin/cat 2>&1";
    let mut running = Running::start(command("sh", &["-c", script]));
    running.line_where(|line| line.contains("Listening on 127.0.0.1:"));
    let at = format!("127.0.0.1:{}", support::listening_port(&running));
    let run = run([LAB, "client", &at, "hello", "again", "--json", "--timeout", "25s"]).succeeded();
    assert_eq!(run.event("summary")["received"], 2, "{run:?}");
}

#[test]
fn the_demo_shows_both_ends() {
    let run = run([LAB, "demo", "--json"]).succeeded();
    assert_eq!(run.all("replied").len(), 5, "{run:?}");
    assert!(!support::strace::traced_calls(&run.stderr).is_empty());
}
