//! broadcast: one send, everyone on the network; and the guards against what
//! anybody may do to everyone.
//!
//! Traffic stays on the loopback interface, or in network namespaces that the
//! tests make.

#![cfg(any(target_os = "linux", windows))]
#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

#[path = "support/group.rs"]
mod group;
mod support;

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use group::{
    Net, count, cut_after_the_ready_line, default_interface, dropped, numbered, on_lo, peer, receive, texts, two_hosts,
};
use serde_json::Value;
use support::strace::{Strace, assert_same};
use support::{Run, Running, Server, check_event, command, python, run, run_command, tool};

const LAB: &str = "broadcast";

/// `netlab broadcast receive PORT ARGS… --interface lo --json`, once it listens.
fn receiver_of(port: &str, args: &[&str]) -> Server {
    Server::of(on_lo(&[&[LAB, "receive", port, "--json"], args].concat()))
}

/// On a port of its own.
fn receiver(args: &[&str]) -> Server {
    receiver_of("0", args)
}

fn port_of(server: &Server) -> String {
    server.addr().port().to_string()
}

/// Where a peer written in the test sends to.
fn everyone(server: &Server) -> SocketAddr {
    SocketAddr::from(([127, 255, 255, 255], server.addr().port()))
}

fn send(port: &str, args: &[&str]) -> Run {
    send_lines(port, args, b"")
}

fn send_lines(port: &str, args: &[&str], input: &[u8]) -> Run {
    run_command(on_lo(&[&[LAB, "send", port, "--json"], args].concat()), input)
}

/// A member who types what the test types.
fn member_of(port: &str, name: &str, args: &[&str]) -> Server {
    let command = on_lo(&[&[LAB, "join", port, "--name", name, "--json"], args].concat());
    Server::when_ready(Running::start_on(b"", command))
}

fn types(member: &mut Server, text: &str) {
    member.running.child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
}

/// A key file, gone with the folder.
fn key_file(bytes: &[u8]) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("class.key");
    fs::write(&file, bytes).unwrap();
    (dir, file.to_str().unwrap().to_owned())
}

// Sending and receiving

#[test]
fn one_datagram_reaches_every_receiver_on_this_host() {
    let first = receiver(&["--accept", "1"]);
    let port = port_of(&first);
    let second = receiver_of(&port, &["--accept", "1"]);
    let run = send(&port, &["hello"]).succeeded();
    let sent = run.event("sent");
    check_event(&sent, LAB);
    assert_eq!(sent["peer"], format!("127.255.255.255:{port}"));
    for receiver in [first, second] {
        let run = receiver.wait().succeeded();
        let event = run.event("received");
        check_event(&event, LAB);
        assert_eq!((event["text"].as_str(), event["bytes"].as_u64()), (Some("hello"), Some(5)));
    }
}

#[test]
fn the_listening_event_names_the_interface() {
    let mut one = receiver(&[]);
    one.rewind();
    let event = one.event("listening");
    check_event(&event, LAB);
    assert_eq!((event["proto"].as_str(), event["interface"].as_str()), (Some("udp"), Some("lo")));
    let mut all = Server::of(support::netlab([LAB, "receive", "0", "--json"]));
    all.rewind();
    assert_eq!(all.event("listening")["interface"], "all");
    one.stops_in_order();
    all.stops_in_order();
}

#[test]
fn the_ready_line_comes_first() {
    let mut running = Running::start(on_lo(&[LAB, "recv", "0"]));
    let line = running.next_line().unwrap();
    assert!(line.starts_with("listening on udp 0.0.0.0:"), "{line}");
    let heard = running.next_line().unwrap();
    assert_eq!(heard, "broadcasts come to 127.255.255.255 and 255.255.255.255, by lo alone");
}

#[test]
fn the_payload_is_the_message_and_no_more() {
    let own = peer();
    let at = own.local_addr().unwrap().to_string();
    send(&at, &["hello", "two words"]).succeeded();
    assert_eq!(receive(&own).0, b"hello");
    assert_eq!(receive(&own).0, b"two words");
}

#[test]
fn without_the_option_the_system_refuses_and_the_error_names_it() {
    let run = run_command(on_lo(&[LAB, "send", "127.255.255.255:5008", "hello", "--without-option", "--trace"]), b"");
    let run = run.ended(1);
    assert!(run.stderr.contains("error: cannot send to udp 127.255.255.255:5008: permission denied"), "{}", run.stderr);
    assert!(run.stderr.contains("why: it is a broadcast address, and SO_BROADCAST was not set"), "{}", run.stderr);
    assert!(run.stderr.contains("try: "), "{}", run.stderr);
    assert!(run.stderr.contains("EACCES") && !run.stderr.contains("SOL_SOCKET, SO_BROADCAST"), "{}", run.stderr);
}

#[test]
fn expect_met_is_exit_0_and_missed_is_exit_1_and_each_receiver_is_named() {
    let first = receiver(&[]);
    let port = port_of(&first);
    let second = receiver_of(&port, &[]);
    let run = send(&port, &["--expect", "2", "--count", "5"]).succeeded();
    let named = run.event("summary")["receivers"].as_array().unwrap().clone();
    assert_eq!(named.iter().map(|it| count(it, "received")).collect::<Vec<_>>(), [5, 5]);
    let run = send(&port, &["--expect", "3", "--timeout", "200ms", "hello"]).ended(1);
    assert!(run.event("error")["message"].as_str().unwrap().ends_with("2 of 3 receivers got everything"));
    for receiver in [first, second] {
        let summary = receiver.stops_in_order().event("summary");
        assert_eq!(["received", "lost", "duplicate"].map(|field| count(&summary, field)), [6, 0, 0]);
    }
}

#[test]
fn lost_duplicate_and_reordered_are_booked_by_the_numbers() {
    let receiver = receiver(&[]);
    let peer = peer();
    for seq in [1, 3, 2, 3] {
        peer.send_to(&numbered("run", seq, 5, ""), everyone(&receiver)).unwrap();
        let (ack, from) = receive(&peer);
        assert_eq!(ack, format!("netlab-ack run {seq}\n").as_bytes());
        assert_ne!(from.port(), receiver.addr().port());
    }
    let summary = receiver.stops_in_order().event("summary");
    let counted = ["received", "lost", "duplicate", "reordered"].map(|field| count(&summary, field));
    assert_eq!(counted, [3, 2, 1, 1]);
}

#[test]
fn nothing_received_in_time_is_exit_1_and_a_signal_is_exit_0() {
    let run = run_command(on_lo(&[LAB, "receive", "0", "--json", "--for", "100ms"]), b"").ended(1);
    assert!(run.event("error")["message"].as_str().unwrap().ends_with("nothing came within 100ms"));
    let receiver = receiver(&["--for", "3s", "--accept", "2"]);
    peer().send_to(b"one", everyone(&receiver)).unwrap();
    receiver.wait().ended(1);
    for signal in ["TERM", "INT"] {
        let receiver = self::receiver(&["--accept", "2"]);
        receiver.running.signal(signal);
        assert_eq!(receiver.wait().ended(0).events().last().unwrap()["event"], "summary");
    }
}

#[test]
#[cfg_attr(windows, ignore = "a socket bound to one address hears broadcasts there")]
fn a_receiver_bound_to_one_address_is_told_that_it_is_deaf() {
    let mut receiver = receiver_of("127.0.0.1:0", &["--for", "1s"]);
    receiver.event_where("notice", |event| event["text"].as_str().unwrap().contains("is deaf to broadcasts"));
    peer().send_to(b"hello?", everyone(&receiver)).unwrap();
    receiver.wait().ended(1);
}

#[test]
fn ipv6_has_no_broadcast_and_unknown_interfaces_are_listed() {
    for args in [["send", "[::1]:5008"], ["receive", "[::]:5008"]] {
        let run = run_command(on_lo(&[&[LAB], &args[..]].concat()), b"").ended(2);
        assert!(run.stderr.contains("IPv6 has no broadcast") && run.stderr.contains("try: "), "{}", run.stderr);
    }
    for role in [&["send", "5008"][..], &["receive", "5008"], &["join", "5008", "--name", "x"]] {
        let run = run([&[LAB], role, &["--interface", "nosuch0"]].concat()).ended(2);
        assert!(run.stderr.contains("lo (1, 127.0.0.1"), "{}", run.stderr);
    }
}

// The broadcast addresses of a host

#[test]
#[cfg_attr(windows, ignore = "makes network namespaces")]
fn without_a_host_each_networks_broadcast_address_is_found_and_named() {
    let Some((west, east)) = two_hosts() else { return };
    west.cable("north", &["10.8.4.1/22"], &east, "south", &["10.8.4.2/22"]);
    let receiver = east.receiver(&[LAB, "receive", "--accept", "2"]);
    let run = run_command(west.netlab(&[LAB, "send", "5008", "hello", "--json"]), b"").succeeded();
    let sent: Vec<Value> = run.all("sent").iter().map(|event| event["peer"].clone()).collect();
    assert_eq!(sent, ["10.9.0.255:5008", "10.8.7.255:5008"]);
    let notices: Vec<String> = run.all("notice").iter().map(|it| it["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(notices[0], "10.9.0.255 is the broadcast address of west, 10.9.0.1/255.255.255.0");
    assert_eq!(notices[1], "10.8.7.255 is the broadcast address of north, 10.8.4.1/255.255.252.0");
    assert_eq!(count(&run.event("summary"), "sent"), 1, "one message, to two networks");
    assert_eq!(texts(&receiver.wait().succeeded().events()), ["hello", "hello"]);

    for interface in ["north", "10.8.4.1"] {
        let args = [LAB, "send", "5008", "hello", "--json", "--interface", interface];
        let run = run_command(west.netlab(&args), b"").succeeded();
        assert_eq!(run.event("sent")["peer"], "10.8.7.255:5008");
    }
}

#[test]
#[cfg_attr(windows, ignore = "makes network namespaces")]
fn a_receiver_on_one_interface_does_not_hear_the_others() {
    let Some((west, east)) = two_hosts() else { return };
    west.cable("north", &["10.8.4.1/22"], &east, "south", &["10.8.4.2/22"]);
    let receiver = east.receiver(&[LAB, "receive", "--interface", "south", "--accept", "1"]);
    for (interface, text) in [("west", "by west"), ("north", "by north")] {
        run_command(west.netlab(&[LAB, "send", "5008", text, "--interface", interface]), b"").succeeded();
    }
    assert_eq!(texts(&receiver.wait().succeeded().events()), ["by north"]);
}

#[test]
#[cfg_attr(windows, ignore = "makes network namespaces")]
fn where_there_is_no_other_the_loopback_address_is_taken_with_a_word() {
    let Some(net) = Net::new() else { return };
    let receiver = net.receiver(&[LAB, "receive", "--accept", "1"]);
    let run = run_command(net.netlab(&[LAB, "send", "5008", "hello", "--json"]), b"").succeeded();
    assert_eq!(run.event("sent")["peer"], "127.255.255.255:5008");
    assert!(run.all("notice")[0]["text"].as_str().unwrap().contains("it reaches this host alone"));
    assert_eq!(texts(&receiver.wait().succeeded().events()), ["hello"]);
}

#[test]
#[cfg_attr(windows, ignore = "makes network namespaces")]
fn the_limited_broadcast_needs_a_route_or_an_interface() {
    let Some((west, east)) = two_hosts() else { return };
    let receiver = east.receiver(&[LAB, "receive", "--accept", "1"]);
    let run = run_command(west.netlab(&[LAB, "send", "255.255.255.255", "hello"]), b"").ended(1);
    assert!(run.stderr.contains("no route") && run.stderr.contains("--interface"), "{}", run.stderr);
    let args = [LAB, "send", "255.255.255.255", "hello", "--interface", "west"];
    run_command(west.netlab(&args), b"").succeeded();
    assert_eq!(texts(&receiver.wait().succeeded().events()), ["hello"]);
}

#[test]
#[cfg_attr(windows, ignore = "makes network namespaces")]
fn members_on_two_hosts_hear_each_other() {
    let Some((west, east)) = two_hosts() else { return };
    let join = |net: &Net, name: &str| {
        let command = net.netlab(&[LAB, "join", "--name", name, "--json"]);
        Server::when_ready(Running::start_on(b"", command))
    };
    let (mut alice, mut bob) = (join(&west, "alice"), join(&east, "bob"));
    types(&mut alice, "from west\n");
    types(&mut bob, "from east\n");
    alice.event("received");
    bob.event("received");
    assert_eq!(texts(&alice.stops_in_order().events()), ["bob: from east"]);
    assert_eq!(texts(&bob.stops_in_order().events()), ["alice: from west"]);
}

// Joining

#[test]
fn what_anyone_types_all_others_receive_and_nobody_hears_himself() {
    let alice = member_of("0", "alice", &[]);
    let port = port_of(&alice);
    let mut members = [alice, member_of(&port, "bob", &[]), member_of(&port, "carol", &[])];
    for round in 1..=3 {
        for (speaker, name) in ["alice", "bob", "carol"].into_iter().enumerate() {
            types(&mut members[speaker], &format!("round {round}\n"));
            let expected = format!("{name}: round {round}");
            for (listener, member) in members.iter_mut().enumerate() {
                if listener != speaker {
                    member.event_where("received", |event| event["text"] == expected.as_str());
                }
            }
        }
    }
    for (member, name) in members.into_iter().zip(["alice", "bob", "carol"]) {
        let run = member.stops_in_order();
        let heard = texts(&run.events());
        assert_eq!(heard.len(), 6, "{name}: {heard:?}");
        assert!(heard.iter().all(|text| !text.starts_with(name)), "{name}: {heard:?}");
        let summary = run.event("summary");
        assert_eq!(["sent", "received"].map(|field| count(&summary, field)), [3, 6]);
    }
}

#[test]
fn two_members_of_one_name_are_told_apart_by_their_addresses() {
    let mut one = member_of("0", "twin", &[]);
    let port = port_of(&one);
    let mut other = member_of(&port, "twin", &["--accept", "1"]);
    types(&mut other, "I am other\n");
    one.event("received");
    types(&mut one, "I am one\n");
    // One who has heard enough leaves, though more could be typed.
    assert_eq!(texts(&other.wait().succeeded().events()), ["twin: I am one"]);
    assert_eq!(texts(&one.stops_in_order().events()), ["twin: I am other"]);
}

#[test]
fn a_member_whose_input_ends_leaves_in_order_and_one_who_never_spoke_stays() {
    let mut silent = Server::of(on_lo(&[LAB, "join", "0", "--name", "silent", "--json"]));
    let port = port_of(&silent);
    let run = run_command(on_lo(&[LAB, "join", &port, "--name", "brief", "--json"]), b"one\ntwo\n").succeeded();
    assert_eq!(count(&run.event("summary"), "sent"), 2);
    silent.event_where("received", |event| event["text"] == "brief: two");
    silent.stops_in_order();
}

#[test]
fn a_member_answers_a_numbered_datagram_and_counts_as_a_receiver() {
    let member = member_of("0", "alice", &[]);
    let port = port_of(&member);
    let one = receiver_of(&port, &[]);
    send(&port, &["--expect", "2", "hello"]).succeeded();
    member.stops_in_order();
    one.stops_in_order();
}

#[test]
fn a_name_that_could_mislead_is_a_usage_error() {
    let long = "x".repeat(33);
    for name in ["", " ", "a:b", "a\nb", "\x1b[2J", "a\u{202e}b", &long] {
        let run = run_command(on_lo(&[LAB, "join", "--name", name]), b"").ended(2);
        assert!(run.stderr.contains("--name") && run.stdout.is_empty(), "{name:?}: {run:?}");
    }
    run_command(on_lo(&[LAB, "join"]), b"").ended(2);
    member_of("0", &"x".repeat(32), &[]).stops_in_order();
    member_of("0", "J\u{fc}rgen M.", &[]).stops_in_order();
}

#[test]
fn a_closed_stdout_ends_receivers_and_members_quietly() {
    for role in [&["receive", "0"][..], &["join", "0", "--name", "alice"]] {
        for options in [&[][..], &["--trace"]] {
            let peer = peer();
            let command = on_lo(&[&[LAB], role, options].concat());
            let (status, stderr) = cut_after_the_ready_line(command, |at| {
                peer.send_to(b"bob: hello", ("127.255.255.255", at.port())).unwrap();
            });
            assert_eq!(status.code(), Some(0), "{role:?} {options:?}: {stderr}");
            assert!(!stderr.contains("error:") && !stderr.contains("panicked"), "{stderr}");
        }
    }
}

#[test]
fn a_size_over_the_longest_is_told_once_and_nothing_is_counted_as_sent() {
    for args in [&["--count", "3"][..], &["--count", "3", "--max-size", "70000"], &["hello", "--expect", "1"]] {
        let run = send("5008", &[&["--size", "66000"], args].concat()).ended(1);
        assert_eq!((run.all("error").len(), run.all("sent").len()), (1, 0), "{run:?}");
        assert_eq!(count(&run.event("summary"), "sent"), 0);
    }
}

#[test]
#[cfg_attr(windows, ignore = "makes network namespaces")]
fn a_member_whom_no_route_leads_to_the_others_is_told_why_and_exits_1() {
    let Some(net) = Net::new() else { return };
    let run = run_command(net.netlab(&[LAB, "join", "10.55.0.255", "--name", "alice"]), b"hello\n").ended(1);
    assert!(run.stderr.contains("error: cannot send to udp 10.55.0.255:5008: no route to it"), "{}", run.stderr);
}

// The guards

#[test]
fn what_one_source_sends_over_the_rate_is_dropped_and_counted() {
    let receiver = receiver(&["--rate-limit", "10/s"]);
    let (flooder, polite) = (peer(), peer());
    let started = Instant::now();
    for _ in 0..100 {
        flooder.send_to(b"flood", everyone(&receiver)).unwrap();
    }
    polite.send_to(b"polite", everyone(&receiver)).unwrap();
    let mut receiver = receiver;
    receiver.event_where("received", |event| event["text"] == "polite");
    let at_most = 10 + started.elapsed().as_millis() as u64 / 100 + 1;
    let run = receiver.stops_in_order();
    let summary = run.event("summary");
    let (passed, thrown) = (count(&summary, "received") - 1, dropped(&summary));
    assert!((10..=at_most).contains(&passed), "{summary}");
    assert_eq!(thrown, [("too-fast".to_owned(), 100 - passed)]);
    // Told once, and not a hundred times.
    assert_eq!(run.all("notice").iter().filter(|it| it["text"].as_str().unwrap().contains("dropped")).count(), 1);
}

#[test]
#[cfg_attr(windows, ignore = "makes network namespaces")]
fn a_host_that_sends_from_several_ports_has_one_rate() {
    let Some((west, east)) = two_hosts() else { return };
    let receiver = east.receiver(&[LAB, "receive", "--rate-limit", "10/s"]);
    let started = Instant::now();
    let lines = "flood\n".repeat(20);
    for _ in 0..3 {
        let args = [LAB, "send", "5008", "--interface", "west", "--rate-limit", "off"];
        run_command(west.netlab(&args), lines.as_bytes()).succeeded();
    }
    let mut receiver = receiver;
    receiver.event_where("notice", |event| event["text"].as_str().unwrap().contains("dropped"));
    let summary = receiver.stops_in_order().event("summary");
    let at_most = 10 + started.elapsed().as_millis() as u64 / 100 + 1;
    assert!((10..=at_most).contains(&count(&summary, "received")), "{summary}");
}

#[test]
fn rate_limit_off_lets_everything_through() {
    let receiver = receiver(&["--rate-limit", "off", "--accept", "150"]);
    let flooder = peer();
    for _ in 0..150 {
        flooder.send_to(b"flood", everyone(&receiver)).unwrap();
    }
    let summary = receiver.wait().succeeded().event("summary");
    assert_eq!((count(&summary, "received"), dropped(&summary)), (150, vec![]));
    for text in ["0/s", "fast", "-1", "1/m"] {
        let argument = format!("--rate-limit={text}");
        let run = run_command(on_lo(&[LAB, "receive", "0", &argument]), b"").ended(2);
        assert!(run.stderr.contains("--rate-limit"), "{}", run.stderr);
    }
}

#[test]
fn ones_own_messages_are_paced_and_none_is_lost() {
    let receiver = receiver(&["--rate-limit", "50/s", "--accept", "20"]);
    let lines: String = (1..=20).map(|number| format!("line {number}\n")).collect();
    let started = Instant::now();
    send_lines(&port_of(&receiver), &["--rate-limit", "50/s"], lines.as_bytes()).succeeded();
    assert!(started.elapsed() >= Duration::from_millis(19 * 20), "{:?}", started.elapsed());
    let heard = texts(&receiver.wait().succeeded().events());
    assert_eq!(heard.join("\n") + "\n", lines);
}

#[test]
fn a_message_over_the_size_is_refused_and_loses_nothing_else() {
    let receiver = receiver(&["--accept", "2"]);
    let (fits, too_long) = ("x".repeat(1200), "y".repeat(1201));
    let input = format!("{fits}\n{too_long}\nlast\n");
    let run = send_lines(&port_of(&receiver), &[], input.as_bytes()).ended(1);
    let error = run.event("error");
    assert!(error["message"].as_str().unwrap().ends_with("1201 bytes, and 1200 are allowed"), "{error}");
    assert!(error["try"].as_str().unwrap().contains("--max-size 1201"), "{error}");
    assert_eq!(count(&run.event("summary"), "sent"), 2);
    assert_eq!(texts(&receiver.wait().succeeded().events()), [fits.as_str(), "last"]);
}

#[test]
fn a_member_who_types_too_much_is_told_and_stays() {
    let mut listener = receiver(&[]);
    let mut alice = member_of(&port_of(&listener), "alice", &["--max-size", "20"]);
    types(&mut alice, "twenty with my name\nshort\n");
    let error = alice.event("error");
    assert!(error["message"].as_str().unwrap().ends_with("26 bytes, and 20 are allowed"), "{error}");
    listener.event_where("received", |event| event["text"] == "alice: short");
    let run = alice.stops_in_order();
    assert_eq!(count(&run.event("summary"), "sent"), 1);
}

#[test]
fn a_longer_datagram_received_is_dropped_and_counted() {
    let receiver = receiver(&["--max-size", "10", "--accept", "2"]);
    let peer = peer();
    for text in ["0123456789", "0123456789a", "0123456789ab", "last"] {
        peer.send_to(text.as_bytes(), everyone(&receiver)).unwrap();
    }
    let run = receiver.wait().succeeded();
    assert_eq!(texts(&run.events()), ["0123456789", "last"]);
    assert_eq!(dropped(&run.event("summary")), [("too-long".to_owned(), 2)]);
}

#[test]
fn what_a_terminal_obeys_is_shown_as_escapes() {
    let mut running = Running::start(on_lo(&[LAB, "receive", "0", "--accept", "1"]));
    let ready = running.next_line().unwrap();
    let port: u16 = ready.rsplit(':').next().unwrap().parse().unwrap();
    peer().send_to(b"\x1b]0;owned\x07\r\n", ("127.255.255.255", port)).unwrap();
    let line = running.line_where(|line| line.starts_with("received"));
    assert!(line.contains(r#""\x1b]0;owned\x07\r\n""#), "{line}");
    let run = running.wait().succeeded();
    assert!(!run.stdout.contains('\x1b'), "{run:?}");
}

#[test]
fn with_a_key_strangers_forgeries_and_replays_are_dropped_and_counted() {
    let (_dir, key) = key_file(b"correct horse battery\n");
    let (_other_dir, other_key) = key_file(b"another horse battery\n");
    let mut receiver = receiver(&["--key", &key]);
    let port = port_of(&receiver);
    // An eavesdropper: everyone hears everything.
    let eavesdropper = {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&SocketAddr::from(([0, 0, 0, 0], receiver.addr().port())).into()).unwrap();
        let socket = std::net::UdpSocket::from(socket);
        socket.set_read_timeout(Some(support::DEADLINE)).unwrap();
        socket
    };
    send(&port, &["--key", &key, "genuine"]).succeeded();
    let (sealed, _) = receive(&eavesdropper);
    assert!(sealed.starts_with(b"netlab-key ") && sealed.ends_with(b"\ngenuine"));
    let mut tampered = sealed.clone();
    *tampered.last_mut().unwrap() = b'E';
    let peer = peer();
    for datagram in [&b"no key at all"[..], &tampered, &sealed, &sealed] {
        peer.send_to(datagram, everyone(&receiver)).unwrap();
    }
    send(&port, &["--key", &other_key, "another class"]).succeeded();
    send(&port, &["--key", &key, "genuine too"]).succeeded();
    receiver.event_where("received", |event| event["text"] == "genuine too");
    let run = receiver.stops_in_order();
    assert_eq!(texts(&run.events()), ["genuine", "genuine too"]);
    let expected = [("unsealed", 1), ("forged", 2), ("replayed", 2)].map(|(reason, count)| (reason.to_owned(), count));
    assert_eq!(dropped(&run.event("summary")), expected);
}

#[test]
fn with_a_key_answers_are_sealed_too_and_a_strangers_prove_nothing() {
    let (_dir, key) = key_file(b"correct horse battery\n");
    let receiver = receiver(&["--key", &key]);
    let port = port_of(&receiver);
    let options = ["--expect", "1", "--count", "3", "--timeout", "300ms"];
    let run = send(&port, &[&["--key", &key], &options[..]].concat()).succeeded();
    assert_eq!(run.event("summary")["receivers"].as_array().unwrap().len(), 1);
    // Without the key the sender is a stranger to it, and gets no answer.
    send(&port, &options).ended(1);
    let summary = receiver.stops_in_order().event("summary");
    assert_eq!((count(&summary, "received"), dropped(&summary)), (3, vec![("unsealed".to_owned(), 3)]));
    // A receiver without the key answers, and is not believed.
    let keyless = self::receiver(&[]);
    send(&port_of(&keyless), &[&["--key", &key], &options[..]].concat()).ended(1);
}

#[test]
fn members_with_a_key_hear_each_other_and_no_one_else() {
    let (_dir, key) = key_file(b"correct horse battery\n");
    let mut alice = member_of("0", "alice", &["--key", &key]);
    let port = port_of(&alice);
    let mut bob = member_of(&port, "bob", &["--key", &key]);
    let mut mallory = member_of(&port, "alice", &[]);
    types(&mut mallory, "I am alice, believe me\n");
    mallory.event("sent");
    types(&mut alice, "hello\n");
    bob.event_where("received", |event| event["text"] == "alice: hello");
    types(&mut bob, "hello alice\n");
    alice.event_where("received", |event| event["text"] == "bob: hello alice");
    let run = bob.stops_in_order();
    assert_eq!(texts(&run.events()), ["alice: hello"]);
    assert_eq!(dropped(&run.event("summary")), [("unsealed".to_owned(), 1)]);
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn python_seals_what_netlab_opens() {
    if !tool("python3") {
        return;
    }
    let script = "
import hmac, socket, sys, time
key, port = sys.argv[1].encode(), int(sys.argv[2])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
before, after = b'netlab-key python 1 %d ' % time.time(), b'\\nhello from python'
mac = hmac.new(key, before + after, 'sha256').hexdigest().encode()
s.sendto(before + mac + after, ('127.255.255.255', port))
";
    let (_dir, key) = key_file(b"correct horse battery\n");
    let receiver = receiver(&["--key", &key, "--accept", "1"]);
    run_command(python(script, &["correct horse battery", &port_of(&receiver)]), b"").succeeded();
    assert_eq!(texts(&receiver.wait().succeeded().events()), ["hello from python"]);
}

#[test]
fn a_key_file_that_is_none_is_exit_2() {
    let (_dir, short) = key_file(b"1234567\n");
    for file in ["/nosuch/class.key", "/", &short] {
        for role in [&["send", "5008", "x"][..], &["receive", "0"], &["join", "0", "--name", "x"]] {
            let run = run_command(on_lo(&[&[LAB], role, &["--key", file]].concat()), b"").ended(2);
            let named = run.stderr.starts_with(&format!("error: cannot read the key file {file}: "));
            assert!(named && run.stdout.is_empty(), "{run:?}");
        }
    }
}

// With programs that others wrote

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn python_hears_netlab_and_netlab_hears_python() {
    if !tool("python3") {
        return;
    }
    let script = "
import socket, sys
port = int(sys.argv[1])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.bind(('', port))
print('ready')
print('got', s.recvfrom(65536)[0].decode())
s.sendto(b'hello from python', ('127.255.255.255', port))
";
    let receiver = receiver(&["--accept", "2"]);
    let port = port_of(&receiver);
    let mut other = Running::start(python(script, &[&port]));
    other.line_where(|line| line == "ready");
    send(&port, &["hello from netlab"]).succeeded();
    other.line_where(|line| line == "got hello from netlab");
    other.wait().succeeded();
    assert_eq!(texts(&receiver.wait().succeeded().events()), ["hello from netlab", "hello from python"]);
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn socat_hears_netlab_and_netlab_hears_socat() {
    if !tool("socat") {
        return;
    }
    let receiver = receiver(&["--accept", "2"]);
    let port = port_of(&receiver);
    let mut other =
        Running::start(command("socat", &["-d", "-d", "-u", &format!("UDP4-RECV:{port},reuseaddr"), "STDOUT"]));
    while !other.stderr_so_far().contains("starting data transfer") {
        std::thread::sleep(Duration::from_millis(1)); // socat's ready line is on stderr
        assert!(other.child.try_wait().unwrap().is_none(), "{}", other.stderr_so_far());
    }
    send(&port, &["hello from netlab\n"]).succeeded();
    other.line_where(|line| line == "hello from netlab");
    let address = format!("UDP4-DATAGRAM:127.255.255.255:{port},broadcast");
    run_command(command("socat", &["-u", "STDIN", &address]), b"hello from socat").succeeded();
    assert_eq!(texts(&receiver.wait().succeeded().events()), ["hello from netlab\n", "hello from socat"]);
}

// --trace

#[test]
#[cfg_attr(windows, ignore = "held against strace")]
fn a_receivers_trace_shows_what_strace_sees() {
    let Some(strace) = Strace::new() else { return };
    let args = [LAB, "receive", "0", "--interface", "lo", "--json", "--trace", "--accept", "2"];
    let receiver = Server::of(strace.netlab(&args));
    let peer = peer();
    peer.send_to(b"plain", everyone(&receiver)).unwrap();
    peer.send_to(&numbered("run", 1, 1, "numbered"), everyone(&receiver)).unwrap();
    receive(&peer);
    let run = receiver.wait().succeeded();
    assert_same(&strace, &run.stderr);
}

#[test]
#[cfg_attr(windows, ignore = "held against strace")]
fn a_senders_trace_shows_what_strace_sees() {
    let table: [(&[&str], i32); 3] = [
        (&["hello", "again"], 0),
        (&["--expect", "1", "--count", "3", "--bind", "127.0.0.1:0"], 0),
        (&["--without-option", "hello"], 1),
    ];
    for (args, status) in table {
        let Some(strace) = Strace::new() else { return };
        let receiver = receiver(&[]);
        let port = port_of(&receiver);
        let all = [&[LAB, "send", &port, "--interface", "lo", "--json", "--trace"], args].concat();
        let run = run_command(strace.netlab(&all), b"").ended(status);
        assert_same(&strace, &run.stderr);
        assert_eq!(run.stderr.contains("SO_BROADCAST, 1"), status == 0, "{}", run.stderr);
    }
}

#[test]
#[cfg_attr(windows, ignore = "held against strace")]
fn a_members_trace_shows_what_strace_sees() {
    for stopped in [false, true] {
        let Some(strace) = Strace::new() else { return };
        let args = [LAB, "join", "0", "--name", "alice", "--interface", "lo", "--json", "--trace"];
        let mut member = Server::when_ready(Running::start_on(b"", strace.netlab(&args)));
        types(&mut member, "one\ntwo\n");
        member.event_where("sent", |event| event["text"] == "alice: two");
        peer().send_to(b"hello alice", everyone(&member)).unwrap();
        member.event("received");
        let run = if stopped {
            member.stop().succeeded()
        } else {
            drop(member.running.child.stdin.take());
            member.wait().succeeded()
        };
        assert_same(&strace, &run.stderr);
    }
}

// The demo

#[test]
fn the_demo_shows_three_members_and_exits_0() {
    let run = run([LAB, "demo", "--json"]).succeeded();
    assert_eq!(
        run.event("shown")["seen"],
        "three members said hello; each heard the two others, and threw his own away"
    );
    assert!(run.stderr.contains("\"bob-types\""), "{}", run.stderr);
}

#[test]
fn help_says_which_interfaces_are_used_without_one() {
    for role in ["send", "receive", "join"] {
        let run = run([LAB, role, "--help"]).succeeded();
        assert_eq!(default_interface(&run.stdout), "all; loopback is sent to only where there is no other");
    }
}

#[test]
fn every_role_has_two_examples() {
    for role in ["send", "receive", "join", "demo"] {
        let run = run([LAB, role, "--help"]).succeeded();
        let examples = run.stdout.split("Examples:").nth(1).unwrap_or_else(|| panic!("{role}: {}", run.stdout));
        assert!(examples.matches("netlab broadcast").count() >= 2, "{role}: {}", run.stdout);
    }
}
