//! multicast: one send, many receivers; the join explained, the books exact.
//!
//! Traffic stays on the loopback interface, or in network namespaces that the
//! tests make.

#![cfg(any(target_os = "linux", windows))]
#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

#[path = "support/group.rs"]
mod group;
mod support;

use std::net::SocketAddr;

use group::{
    Net, count, cut_after_the_ready_line, default_interface, member, numbered, on_lo, peer, receive, texts, two_hosts,
};
use serde_json::Value;
use support::strace::{Strace, assert_same};
use support::{Running, Server, check_event, command, python, run, run_command, tool};

const LAB: &str = "multicast";
const ANY_PORT: &str = "239.1.1.1:0";

/// `netlab multicast receive GROUP ARGS… --interface lo --json`, once it listens.
fn receiver_of(group: &str, args: &[&str]) -> Server {
    Server::of(on_lo(&[&[LAB, "receive", group, "--json"], args].concat()))
}

/// So many receivers on one host, of one group and port.
fn receivers(how_many: usize, args: &[&str]) -> Vec<Server> {
    let first = receiver_of(ANY_PORT, args);
    let group = first.at_text();
    let mut all = vec![first];
    all.extend((1..how_many).map(|_| receiver_of(&group, args)));
    all
}

fn send(group: &str, args: &[&str]) -> support::Run {
    run_command(on_lo(&[&[LAB, "send", group, "--json"], args].concat()), b"")
}

fn got(receiver: &Value) -> u64 {
    count(receiver, "received")
}

// Receiving

#[test]
fn one_datagram_reaches_every_receiver_on_this_host() {
    let receivers = receivers(3, &["--accept", "1"]);
    let run = send(&receivers[0].at_text(), &["hello"]).succeeded();
    assert_eq!(run.all("sent").len(), 1);
    for receiver in receivers {
        let run = receiver.wait().succeeded();
        let event = run.event("received");
        check_event(&event, LAB);
        assert_eq!((event["text"].as_str(), event["bytes"].as_u64()), (Some("hello"), Some(5)));
        assert_eq!(count(&run.event("summary"), "received"), 1);
    }
}

#[test]
fn the_listening_event_names_group_and_interface() {
    let mut receiver = receiver_of(ANY_PORT, &[]);
    receiver.rewind();
    let event = receiver.event("listening");
    check_event(&event, LAB);
    assert_eq!(
        (&event["proto"], &event["group"], &event["interface"]),
        (&"udp".into(), &"239.1.1.1".into(), &"lo".into())
    );
    assert!(receiver.at_text().starts_with("239.1.1.1:"));
    receiver.stops_in_order();
}

/// What a command says of its own accord, in order.
fn notices(run: &support::Run) -> Vec<String> {
    run.all("notice").iter().map(|event| event["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn who_names_the_interface_is_told_of_the_join_and_no_more() {
    let mut running = Running::start(on_lo(&[LAB, "receive", ANY_PORT, "--for", "100ms"]));
    let ready = running.next_line().unwrap();
    assert!(ready.starts_with("listening on udp 239.1.1.1:"), "{ready}");
    assert_eq!(running.next_line().unwrap(), "joined 239.1.1.1 on lo: as asked");
    assert!(running.next_line().unwrap().starts_with("0 received"));
    let run = send(&ready[ready.rfind(' ').unwrap() + 1..], &["hello"]).succeeded();
    let told = notices(&run);
    assert!(told.len() == 1 && told[0].starts_with("sending to 239.1.1.1:"), "{told:?}");
}

#[test]
#[cfg_attr(windows, ignore = "makes network namespaces")]
fn a_choice_that_netlab_makes_is_told_after_the_interfaces_that_are_up() {
    let Some((west, east)) = two_hosts() else { return };
    west.ip("link add down0 type veth peer name down1");
    west.ip("route add 224.0.0.0/4 dev west");
    let by_west = "by west: the routes lead to the group from 10.9.0.1, its address";
    let run = run_command(west.netlab(&[LAB, "send", "239.1.1.1:5007", "--json", "hello"]), b"").succeeded();
    let told = notices(&run);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("interface 1: lo, 127.0.0.1") && told[1].contains(": west, 10.9.0.1"), "{told:?}");
    assert_eq!(told[2], format!("sending to 239.1.1.1:5007 {by_west}"));
    drop(east);
}

#[test]
#[cfg_attr(windows, ignore = "makes network namespaces")]
fn a_choice_that_fails_is_told_with_the_interfaces_that_are_up() {
    let Some(net) = Net::new() else { return };
    net.ip("link add down0 type veth peer name down1");
    for args in [&["[ff15::1]:5007"][..], &["[ff02::1]:5007"], &["239.1.1.1:5007", "--interface", "nosuch0"]] {
        let run = run_command(net.netlab(&[&[LAB, "receive"], args].concat()), b"");
        assert!(run.stderr.contains("this host has: lo (1, 127.0.0.1, ::1)\n"), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn an_interface_is_chosen_by_name_address_or_index() {
    for interface in ["lo", "127.0.0.1", "1"] {
        let mut receiver = Server::of(support::netlab([LAB, "recv", ANY_PORT, "--json", "--interface", interface]));
        receiver.rewind();
        assert_eq!(receiver.event("listening")["interface"], "lo", "{interface}");
    }
}

#[test]
fn what_a_terminal_obeys_is_shown_as_escapes() {
    let mut running = Running::start(on_lo(&[LAB, "receive", ANY_PORT, "--accept", "1"]));
    let ready = running.next_line().unwrap();
    let group: SocketAddr = ready.rsplit(' ').next().unwrap().parse().unwrap();
    peer().send_to(b"\x1b[2Jhi\n", group).unwrap();
    let line = running.line_where(|line| line.starts_with("received"));
    assert!(line.starts_with(r#"received 7 bytes "\x1b[2Jhi\n" from 127.0.0.1:"#), "{line}");
    running.wait().succeeded();
}

#[test]
fn bytes_that_are_no_text_come_as_base64_and_an_empty_datagram_counts() {
    let receiver = receiver_of(ANY_PORT, &["--accept", "2"]);
    let peer = peer();
    peer.send_to(b"\xff\xfe", receiver.addr()).unwrap();
    peer.send_to(b"", receiver.addr()).unwrap();
    let run = receiver.wait().succeeded();
    let received = run.all("received");
    assert_eq!(received[0]["base64"], "//4=");
    assert_eq!(received[1]["bytes"], 0);
}

#[test]
fn another_group_on_the_same_port_is_not_heard() {
    // It hears every group that its host has joined, and so whatever any socket joined.
    if support::wine_lacks("a socket's own groups") {
        return;
    }
    let receiver = receiver_of(ANY_PORT, &["--accept", "1"]);
    let other = SocketAddr::from(([239, 1, 1, 2], receiver.addr().port()));
    let neighbour = member(other); // joined by a socket of this host: IP_MULTICAST_ALL would let us hear it
    let peer = peer();
    peer.send_to(b"to the neighbours", other).unwrap();
    peer.send_to(b"to us", receiver.addr()).unwrap();
    assert_eq!(receive(&neighbour).0, b"to the neighbours");
    assert_eq!(texts(&receiver.wait().succeeded().events()), ["to us"]);
}

#[test]
fn nothing_received_in_time_is_exit_1_and_so_is_less_than_asked_for() {
    let run = run_command(on_lo(&[LAB, "receive", ANY_PORT, "--json", "--for", "100ms"]), b"").ended(1);
    assert!(run.event("error")["message"].as_str().unwrap().ends_with("nothing came within 100ms"), "{run:?}");
    assert_eq!(run.events().last().unwrap()["event"], "summary");

    let receiver = receiver_of(ANY_PORT, &["--for", "3s", "--accept", "2"]);
    peer().send_to(b"one", receiver.addr()).unwrap();
    let run = receiver.wait().ended(1);
    assert!(run.event("error")["message"].as_str().unwrap().ends_with("1 of 2 came within 3s"), "{run:?}");

    let receiver = receiver_of(ANY_PORT, &["--for", "3s"]);
    peer().send_to(b"one", receiver.addr()).unwrap();
    receiver.wait().ended(0);
}

#[test]
fn sigterm_and_ctrl_c_end_it_in_order_with_exit_0() {
    for signal in ["TERM", "INT"] {
        let receiver = receiver_of(ANY_PORT, &["--for", "1h"]);
        receiver.running.signal(signal);
        let run = receiver.wait().ended(0);
        assert_eq!(run.events().last().unwrap()["event"], "summary");
    }
}

#[test]
fn lost_duplicate_and_reordered_are_booked_by_the_numbers() {
    let receiver = receiver_of(ANY_PORT, &[]);
    let peer = peer();
    for seq in [1, 2, 4, 3, 4, 4, 7] {
        peer.send_to(&numbered("run1", seq, 10, "hi"), receiver.addr()).unwrap();
        // Each is answered to its sender alone, from a port of its own.
        let (ack, from) = receive(&peer);
        assert_eq!(ack, format!("netlab-ack run1 {seq}\n").as_bytes());
        assert_ne!(from.port(), receiver.addr().port());
    }
    let run = receiver.stops_in_order();
    let summary = run.event("summary");
    let counted = ["received", "lost", "duplicate", "reordered"].map(|field| count(&summary, field));
    assert_eq!(counted, [5, 5, 2, 1]);
    let seqs: Vec<u64> = run.all("received").iter().map(|event| count(event, "seq")).collect();
    assert_eq!(seqs, [1, 2, 4, 3, 7]);
    assert_eq!(run.all("received")[3]["note"], "reordered");
    assert_eq!(run.all("duplicate").len(), 2);
    assert_eq!(texts(&run.events()), ["hi"; 5]);
}

#[test]
fn each_sender_and_each_run_has_its_own_books() {
    let receiver = receiver_of(ANY_PORT, &[]);
    let (one, other) = (peer(), peer());
    for (peer, run, seq) in [(&one, "a", 1), (&one, "b", 1), (&other, "a", 1), (&other, "a", 3)] {
        peer.send_to(&numbered(run, seq, 3, ""), receiver.addr()).unwrap();
        receive(peer);
    }
    let summary = receiver.stops_in_order().event("summary");
    assert_eq!(["received", "lost", "duplicate"].map(|field| count(&summary, field)), [4, 5, 0]);
}

#[test]
fn what_only_looks_like_a_number_is_a_plain_message() {
    let receiver = receiver_of(ANY_PORT, &["--accept", "1"]);
    peer().send_to(b"netlab run 0/1 5\nhello", receiver.addr()).unwrap();
    assert_eq!(texts(&receiver.wait().succeeded().events()), ["netlab run 0/1 5\nhello"]);
}

// Sending

#[test]
fn the_payload_is_the_message_and_no_more() {
    let group = SocketAddr::from(([239, 1, 1, 1], receiver_of(ANY_PORT, &[]).addr().port()));
    let member = member(group);
    let run = send(&group.to_string(), &["hello", "two words"]).succeeded();
    assert_eq!(receive(&member).0, b"hello");
    assert_eq!(receive(&member).0, b"two words");
    assert_eq!(count(&run.event("summary"), "sent"), 2);
    for event in run.all("sent") {
        check_event(&event, LAB);
        assert_eq!(event["peer"], group.to_string());
    }
}

#[test]
fn each_line_of_stdin_is_a_datagram() {
    let receiver = receiver_of(ANY_PORT, &["--accept", "3"]);
    let group = receiver.at_text();
    run_command(on_lo(&[LAB, "send", &group]), b"one\n\nthree").succeeded();
    assert_eq!(texts(&receiver.wait().succeeded().events()), ["one", "", "three"]);
}

#[test]
fn count_numbers_the_datagrams_and_names_who_answered() {
    let receivers = receivers(2, &["--accept", "5"]);
    let run = send(&receivers[0].at_text(), &["--count", "5", "--size", "20"]).succeeded();
    let summary = run.event("summary");
    assert!(!notices(&run).iter().any(|told| told.contains("nobody")), "{run:?}");
    let named = summary["receivers"].as_array().unwrap();
    assert_eq!(named.iter().map(got).collect::<Vec<_>>(), [5, 5]);
    assert_ne!(named[0]["peer"], named[1]["peer"]);
    assert_eq!(["sent", "received", "lost"].map(|field| count(&summary, field)), [5, 5, 0]);
    assert!(count(&summary["rtt_us"], "min") > 0);
    for receiver in receivers {
        let summary = receiver.wait().succeeded().event("summary");
        assert_eq!(["received", "lost", "duplicate"].map(|field| count(&summary, field)), [5, 0, 0]);
    }
}

#[test]
fn count_without_a_receiver_is_exit_0_and_names_nobody() {
    let group = receiver_of(ANY_PORT, &[]).at_text();
    let run = send(&group, &["--count", "3", "--timeout", "100ms"]).succeeded();
    let summary = run.event("summary");
    assert_eq!(summary["receivers"], Value::Null);
    assert_eq!(["sent", "lost"].map(|field| count(&summary, field)), [3, 3]);
    assert_eq!(run.all("sent").len(), 3);
    let told = notices(&run).pop().unwrap();
    assert!(told.starts_with("nobody answered") && told.contains("--expect N"), "{told}");
}

#[test]
fn expect_that_is_met_names_each_receiver_and_is_exit_0() {
    let receivers = receivers(3, &[]);
    let run = send(&receivers[0].at_text(), &["--expect", "3", "--count", "20"]).succeeded();
    let summary = run.event("summary");
    assert_eq!(summary["receivers"].as_array().unwrap().iter().map(got).collect::<Vec<_>>(), [20; 3]);
    assert_eq!(run.all("acknowledged").len(), 60);
    for receiver in receivers {
        let summary = receiver.stops_in_order().event("summary");
        assert_eq!(["received", "lost"].map(|field| count(&summary, field)), [20, 0]);
    }
}

#[test]
fn expect_that_is_missed_is_exit_1_and_still_names_who_got_what() {
    let receivers = receivers(2, &[]);
    let run = send(&receivers[0].at_text(), &["--expect", "3", "--timeout", "200ms", "hello"]).ended(1);
    let message = run.event("error")["message"].as_str().unwrap().to_owned();
    assert!(message.ends_with("2 of 3 receivers got everything"), "{message}");
    let summary = run.event("summary");
    assert_eq!(summary["receivers"].as_array().unwrap().len(), 2);
    assert_eq!(["sent", "received", "lost"].map(|field| count(&summary, field)), [1, 0, 1]);
    assert_eq!(run.event("missed")["expected"], 3);
}

#[test]
fn lines_of_stdin_are_numbered_without_a_count() {
    let receiver = receiver_of(ANY_PORT, &["--accept", "2"]);
    let group = receiver.at_text();
    run_command(on_lo(&[LAB, "send", &group, "--expect", "1"]), b"one\ntwo\n").succeeded();
    let received = receiver.wait().succeeded().all("received");
    assert_eq!(
        received.iter().map(|event| (count(event, "seq"), count(event, "count"))).collect::<Vec<_>>(),
        [(1, 0), (2, 0)]
    );
}

/// Joins, and answers only the second copy of each datagram: the first is lost
/// on the way, for all that the sender can tell.
const DEAF_AT_FIRST: &str = "
import socket, sys
group, port = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((group, port))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton('127.0.0.1'))
print('ready')
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
seen = set()
while True:
    data, peer = s.recvfrom(65536)
    _, run, place, _ = data.split(b'\\n', 1)[0].split(b' ')
    seq = place.split(b'/')[0]
    if seq in seen:
        own.sendto(b'netlab-ack ' + run + b' ' + seq + b'\\n', peer)
    seen.add(seq)
";

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn retries_reach_a_receiver_that_missed_the_first_copy() {
    if !tool("python3") {
        return;
    }
    let receiver = receiver_of(ANY_PORT, &[]);
    let port = receiver.addr().port().to_string();
    let mut deaf = Running::start(python(DEAF_AT_FIRST, &["239.1.1.1", &port]));
    deaf.line_where(|line| line == "ready");
    let options = ["--expect", "2", "--count", "3", "--timeout", "150ms"];
    let run = send(&receiver.at_text(), &[&options[..], &["--retries", "5"]].concat()).succeeded();
    let summary = run.event("summary");
    assert_eq!(["received", "retried"].map(|field| count(&summary, field)), [3, 3]);
    // The other receiver got each of them twice, and its books say so.
    let books = receiver.stops_in_order().event("summary");
    assert_eq!(["received", "duplicate", "lost"].map(|field| count(&books, field)), [3, 3, 0]);

    let receiver = receiver_of(ANY_PORT, &[]);
    let port = receiver.addr().port().to_string();
    let mut deaf = Running::start(python(DEAF_AT_FIRST, &["239.1.1.1", &port]));
    deaf.line_where(|line| line == "ready");
    send(&receiver.at_text(), &options).ended(1);
}

#[test]
fn answers_to_another_run_or_from_a_stranger_prove_nothing() {
    let group = receiver_of(ANY_PORT, &[]).at_text();
    let member = member(group.parse().unwrap());
    let mut sender =
        Running::start(on_lo(&[LAB, "send", &group, "--json", "--expect", "1", "--timeout", "500ms", "hi"]));
    let (datagram, from) = receive(&member);
    let header = String::from_utf8(datagram).unwrap();
    let run = header.split(' ').nth(1).unwrap().to_owned();
    let answers = peer();
    for lie in [
        "netlab-ack other 1\n".to_owned(),
        format!("netlab-ack {run} 2\n"),
        format!("netlab-ack {run} 1"),
        String::new(),
    ] {
        answers.send_to(lie.as_bytes(), from).unwrap();
    }
    sender.line_where(|line| line.contains("\"missed\""));
    sender.wait().ended(1);
}

// What cannot be asked

#[test]
fn what_is_no_group_is_a_usage_error() {
    for role in ["send", "receive"] {
        for group in ["10.0.0.1:5007", "255.255.255.255", "localhost:5007", "[fe80::1]:5007", "239.1.1.1:99999", ""] {
            let run = run([LAB, role, group, "--interface", "lo"]).ended(2);
            assert!(run.stderr.contains("GROUP:PORT") && run.stdout.is_empty(), "{run:?}");
        }
    }
    run([LAB, "send", "239.1.1.1", "--ttl", "256", "--interface", "lo", "x"]).ended(2);
    run([LAB, "send", "239.1.1.1", "--expect", "0", "--interface", "lo", "x"]).ended(2);
}

#[test]
fn an_unknown_interface_is_exit_2_with_a_list_of_those_there_are() {
    for role in ["send", "receive"] {
        let run = run([LAB, role, "239.1.1.1", "--interface", "nosuch0"]).ended(2);
        assert!(run.stderr.starts_with("error: cannot use interface nosuch0: "), "{}", run.stderr);
        assert!(run.stderr.contains("lo (1, 127.0.0.1"), "{}", run.stderr);
        assert!(run.stdout.is_empty(), "{}", run.stdout);
    }
}

#[test]
fn options_that_contradict_each_other_are_exit_2() {
    let table: [&[&str]; 3] = [
        &["receive", "239.1.1.1", "--source", "::1"],
        &["send", "239.1.1.1", "hello", "--retries", "3"],
        &["send", "239.1.1.1", "--count", "1000001"],
    ];
    for args in table {
        let run = run_command(on_lo(&[&[LAB], args].concat()), b"").ended(2);
        assert!(run.stderr.contains("why:") && run.stderr.contains("try:"), "{run:?}");
    }
}

#[test]
fn a_message_too_long_for_a_datagram_is_told_and_the_others_are_sent() {
    let receiver = receiver_of(ANY_PORT, &["--accept", "2"]);
    let long = "x".repeat(65_508);
    let group = receiver.at_text();
    let input = format!("one\n{long}\ntwo\n");
    let run = run_command(on_lo(&[LAB, "send", &group, "--json"]), input.as_bytes()).ended(1);
    assert!(run.event("error")["why"].as_str().unwrap().contains("65,507"));
    assert_eq!(texts(&receiver.wait().succeeded().events()), ["one", "two"]);
}

#[test]
fn a_size_too_long_for_a_datagram_is_told_once_and_nothing_is_counted_as_sent() {
    let table: [(&[&str], &str); 4] = [
        (&[], "by IPv4"),
        (&["--count", "3"], "of them here netlab's header"),
        (&["--count", "3", "--expect", "1"], "of them here netlab's header"),
        (&["--expect", "1", "--retries", "2", "hello"], "of them here netlab's header"),
    ];
    for (args, why) in table {
        let run = send("239.1.1.1:5007", &[&["--size", "65508"], args].concat()).ended(1);
        let errors = run.all("error");
        assert_eq!(errors.len(), 1, "{args:?}: {errors:?}");
        assert_eq!(errors[0]["message"], "cannot send to udp 239.1.1.1:5007: message too long");
        assert!(errors[0]["why"].as_str().unwrap().ends_with(why), "{args:?}: {errors:?}");
        assert!(!errors[0]["try"].as_str().unwrap().is_empty());
        let summary = run.event("summary");
        assert_eq!((run.all("sent").len(), count(&summary, "sent"), count(&summary, "lost")), (0, 0, 0), "{args:?}");
    }
}

#[test]
fn a_numbered_line_too_long_for_a_datagram_is_not_counted_as_sent_nor_as_lost() {
    let receiver = receiver_of(ANY_PORT, &["--accept", "2"]);
    let input = format!("one\n{}\ntwo\n", "x".repeat(65_500)); // with its header it is too long
    let args = [LAB, "send", &receiver.at_text(), "--json", "--expect", "1"];
    let run = run_command(on_lo(&args), input.as_bytes()).ended(1);
    let summary = run.event("summary");
    assert_eq!(["sent", "received", "lost"].map(|field| count(&summary, field)), [2, 2, 0]);
    let run = receiver.wait().succeeded();
    assert_eq!(texts(&run.events()), ["one", "two"]);
    assert_eq!(count(&run.event("summary"), "lost"), 0);
}

#[test]
fn a_closed_stdout_ends_a_receiver_quietly_and_in_order() {
    for options in [&[][..], &["--trace"], &["--for", "1h"]] {
        let peer = peer();
        let command = on_lo(&[&[LAB, "receive", ANY_PORT], options].concat());
        let (status, stderr) = cut_after_the_ready_line(command, |group| {
            peer.send_to(b"hello", group).unwrap();
        });
        assert_eq!(status.code(), Some(0), "{options:?}: {stderr}");
        assert!(!stderr.contains("error:") && !stderr.contains("panicked"), "{stderr}");
        assert!(stderr.is_empty() || stderr.contains("IP_DROP_MEMBERSHIP"), "{stderr}");
    }
}

// Without a route, and on several hosts

#[test]
#[cfg_attr(windows, ignore = "makes network namespaces")]
fn where_no_route_leads_to_the_group_the_loopback_interface_is_taken_with_a_word() {
    let Some(net) = Net::new() else { return };
    let mut receiver = net.receiver(&[LAB, "receive", ANY_PORT, "--accept", "1"]);
    let notice = receiver.event_where("notice", |event| event["text"].as_str().unwrap().starts_with("joined"));
    assert_eq!(notice["text"], "joined 239.1.1.1 on lo: no route leads to 239.1.1.1, so this host alone takes part");
    let group = receiver.at_text();
    let run = run_command(net.netlab(&[LAB, "send", &group, "hello"]), b"").succeeded();
    assert!(run.stdout.contains("no route leads to 239.1.1.1, so this host alone takes part"), "{}", run.stdout);
    assert_eq!(texts(&receiver.wait().succeeded().events()), ["hello"]);
}

#[test]
#[cfg_attr(windows, ignore = "makes network namespaces")]
fn a_group_crosses_a_cable_by_the_route_or_by_the_interface_asked_for() {
    let Some((west, east)) = two_hosts() else { return };
    let receiver = east.receiver(&[LAB, "receive", "239.1.1.1:5007", "--interface", "10.9.0.2", "--accept", "1"]);
    run_command(west.netlab(&[LAB, "send", "239.1.1.1:5007", "--interface", "west", "by interface"]), b"").succeeded();
    let events = receiver.wait().succeeded().events();
    assert_eq!(texts(&events), ["by interface"]);
    assert!(events.iter().any(|event| event["peer"].as_str().is_some_and(|peer| peer.starts_with("10.9.0.1:"))));

    for (net, name) in [(&west, "west"), (&east, "east")] {
        net.ip(&format!("route add 224.0.0.0/4 dev {name}"));
    }
    let mut receiver = east.receiver(&[LAB, "receive", "239.1.1.1:5007", "--accept", "1"]);
    let notice = receiver.event_where("notice", |event| event["text"].as_str().unwrap().starts_with("joined"));
    assert_eq!(notice["text"], "joined 239.1.1.1 on east: the routes lead to the group from 10.9.0.2, its address");
    run_command(west.netlab(&[LAB, "send", "239.1.1.1:5007", "by route"]), b"").succeeded();
    assert_eq!(texts(&receiver.wait().succeeded().events()), ["by route"]);
}

#[test]
#[cfg_attr(windows, ignore = "makes network namespaces")]
fn three_hosts_on_a_switch_get_everything() {
    let Some(switch) = Net::new() else { return };
    switch.ip("link add br0 type bridge mcast_snooping 0");
    switch.ip("addr add 10.9.0.1/24 dev br0");
    switch.ip("link set br0 up");
    let hosts: Vec<Net> = (2..=4).map_while(|_| switch.beside()).collect();
    for (number, host) in (2..).zip(&hosts) {
        switch.cable(&format!("port{number}"), &[], host, "net0", &[&format!("10.9.0.{number}/24")]);
        switch.ip(&format!("link set port{number} master br0"));
    }
    let receivers: Vec<Server> =
        hosts.iter().map(|host| host.receiver(&[LAB, "receive", "239.1.1.1:5007", "--interface", "net0"])).collect();
    let args = [LAB, "send", "239.1.1.1:5007", "--json", "--interface", "br0", "--expect", "3", "--count", "10"];
    let run = run_command(switch.netlab(&args), b"").succeeded();
    let summary = run.event("summary");
    let peers: Vec<&str> =
        summary["receivers"].as_array().unwrap().iter().map(|it| it["peer"].as_str().unwrap()).collect();
    for (number, peer) in (2..).zip(&peers) {
        assert!(peer.starts_with(&format!("10.9.0.{number}:")), "{peers:?}");
    }
    for receiver in receivers {
        let summary = receiver.stops_in_order().event("summary");
        assert_eq!(["received", "lost"].map(|field| count(&summary, field)), [10, 0]);
    }
}

#[test]
#[cfg_attr(windows, ignore = "makes network namespaces")]
fn a_join_on_the_wrong_interface_hears_nothing_from_the_cable() {
    let Some((west, east)) = two_hosts() else { return };
    let wrong = east.receiver(&[LAB, "receive", "239.1.1.1:5007", "--interface", "lo", "--for", "2s"]);
    let right = east.receiver(&[LAB, "receive", "239.1.1.1:5007", "--interface", "east", "--accept", "1"]);
    run_command(west.netlab(&[LAB, "send", "239.1.1.1:5007", "--interface", "west", "hello"]), b"").succeeded();
    right.wait().succeeded();
    assert_eq!(count(&wrong.wait().ended(1).event("summary"), "received"), 0);
}

#[test]
#[cfg_attr(windows, ignore = "makes network namespaces")]
fn ipv6_groups_cross_a_cable_and_each_number_is_answered() {
    let Some((west, east)) = two_hosts() else { return };
    for net in [&west, &east] {
        let name = if std::ptr::eq(net, &west) { "west" } else { "east" };
        net.ip(&format!("-6 route replace ff00::/8 dev {name} table local"));
    }
    let table = [
        ("[ff02::4242%east]:5007", "[ff02::4242%west]:5007", None),
        ("[ff02::4242]:5007", "[ff02::4242]:5007", Some(("east", "west"))),
        ("[ff15::4242]:5007", "[ff15::4242]:5007", Some(("east", "west"))),
        ("[ff15::4242]:5007", "[ff15::4242]:5007", None),
    ];
    for (at_east, at_west, named) in table {
        let mut receive = vec![LAB, "receive", at_east];
        let mut send = vec![LAB, "send", at_west, "--expect", "1", "--count", "3"];
        if let Some((east, west)) = named {
            receive.extend(["--interface", east]);
            send.extend(["--interface", west]);
        }
        let mut receiver = east.receiver(&receive);
        run_command(west.netlab(&send), b"").succeeded();
        receiver.rewind();
        let event = receiver.event("listening");
        assert_eq!(
            (event["interface"].as_str(), event["group"].as_str()),
            (Some("east"), at_east[1..].split(['%', ']']).next())
        );
        let summary = receiver.stops_in_order().event("summary");
        assert_eq!(["received", "lost"].map(|field| count(&summary, field)), [3, 0]);
    }
}

#[test]
#[cfg_attr(windows, ignore = "makes network namespaces")]
fn an_ipv6_group_that_does_not_say_on_which_link_is_explained() {
    let Some(net) = Net::new() else { return };
    let run = run_command(net.netlab(&[LAB, "receive", "[ff02::1]:5007"]), b"").ended(2);
    assert!(run.stderr.contains("it does not say on which link") && run.stderr.contains('%'), "{}", run.stderr);
    let run = run_command(net.netlab(&[LAB, "receive", "[ff15::1]:5007"]), b"").ended(1);
    assert!(run.stderr.contains("no route"), "{}", run.stderr);
    let run = run_command(net.netlab(&[LAB, "receive", "[ff02::1%nosuch0]:5007"]), b"").ended(2);
    assert!(run.stderr.contains("nosuch0"), "{}", run.stderr);
}

#[test]
#[cfg_attr(windows, ignore = "makes network namespaces")]
fn with_a_source_only_its_datagrams_are_heard() {
    let Some((west, east)) = two_hosts() else { return };
    west.ip("addr add 10.9.0.3/24 dev west");
    west.ip("addr add fe80::3/64 dev west nodad");
    let table = [("232.1.1.1:5007", "10.9.0.1", "10.9.0.3"), ("[ff32::1]:5007", "fe80::1", "fe80::3")];
    for (group, source, stranger) in table {
        let args = [LAB, "receive", group, "--interface", "east", "--source", source, "--accept", "1", "--trace"];
        let receiver = east.receiver(&args);
        for (from, text) in [(stranger, "a stranger's"), (source, "the source's")] {
            let from = if from.contains(':') { format!("[{from}%west]:0") } else { format!("{from}:0") };
            let args = [LAB, "send", group, "--bind", &from, text]; // an address of west means west
            run_command(west.netlab(&args), b"").succeeded();
        }
        let run = receiver.wait().succeeded();
        assert_eq!(texts(&run.events()), ["the source's"], "{group}");
        let joined = if group.starts_with('[') { "MCAST_JOIN_SOURCE_GROUP" } else { "IP_ADD_SOURCE_MEMBERSHIP" };
        let left = if group.starts_with('[') { "MCAST_LEAVE_SOURCE_GROUP" } else { "IP_DROP_SOURCE_MEMBERSHIP" };
        assert!(run.stderr.contains(joined) && run.stderr.contains(left), "{}", run.stderr);
    }
}

#[test]
#[cfg_attr(windows, ignore = "makes network namespaces")]
fn no_loop_spares_this_host_but_reaches_others() {
    let Some((west, east)) = two_hosts() else { return };
    let here = west.receiver(&[LAB, "receive", "239.1.1.1:5007", "--interface", "west", "--accept", "1"]);
    let there = east.receiver(&[LAB, "receive", "239.1.1.1:5007", "--interface", "east", "--accept", "2"]);
    let send = [LAB, "send", "239.1.1.1:5007", "--interface", "west"];
    run_command(west.netlab(&[&send[..], &["--no-loop", "others only"]].concat()), b"").succeeded();
    run_command(west.netlab(&[&send[..], &["everyone"]].concat()), b"").succeeded();
    assert_eq!(texts(&there.wait().succeeded().events()), ["others only", "everyone"]);
    assert_eq!(texts(&here.wait().succeeded().events()), ["everyone"]);
}

#[test]
#[cfg_attr(windows, ignore = "makes network namespaces")]
fn a_ttl_of_0_stays_on_this_host() {
    let Some((west, east)) = two_hosts() else { return };
    let here = west.receiver(&[LAB, "receive", "239.1.1.1:5007", "--interface", "west", "--accept", "2"]);
    let there = east.receiver(&[LAB, "receive", "239.1.1.1:5007", "--interface", "east", "--accept", "1"]);
    let send = [LAB, "send", "239.1.1.1:5007", "--interface", "west"];
    run_command(west.netlab(&[&send[..], &["--ttl", "0", "this host"]].concat()), b"").succeeded();
    run_command(west.netlab(&[&send[..], &["--ttl", "1", "this link"]].concat()), b"").succeeded();
    assert_eq!(texts(&here.wait().succeeded().events()), ["this host", "this link"]);
    assert_eq!(texts(&there.wait().succeeded().events()), ["this link"]);
}

#[test]
#[cfg_attr(windows, ignore = "makes network namespaces")]
fn sending_by_an_interface_that_is_down_is_exit_1() {
    let Some(net) = Net::new() else { return };
    net.ip("link add down0 type veth peer name down1");
    let run = run_command(net.netlab(&[LAB, "send", "239.1.1.1", "--interface", "down0", "x"]), b"").ended(1);
    assert!(run.stderr.starts_with("error: cannot send to udp 239.1.1.1:5007: "), "{}", run.stderr);
}

// With programs that others wrote

const PYTHON_RECEIVER: &str = "
import socket, sys
group, port = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', port))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton('127.0.0.1'))
print('ready')
print('got', s.recvfrom(65536)[0].decode())
";

const PYTHON_SENDER: &str = "
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton('127.0.0.1'))
s.sendto(b'hello from python', (sys.argv[1], int(sys.argv[2])))
";

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn python_hears_netlab_and_netlab_hears_python() {
    if !tool("python3") {
        return;
    }
    let receiver = receiver_of(ANY_PORT, &["--accept", "2"]);
    let (group, port) = (receiver.at_text(), receiver.addr().port().to_string());
    let mut other = Running::start(python(PYTHON_RECEIVER, &["239.1.1.1", &port]));
    other.line_where(|line| line == "ready");
    send(&group, &["hello from netlab"]).succeeded();
    other.line_where(|line| line == "got hello from netlab");
    run_command(python(PYTHON_SENDER, &["239.1.1.1", &port]), b"").succeeded();
    assert_eq!(texts(&receiver.wait().succeeded().events()), ["hello from netlab", "hello from python"]);
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn socat_hears_netlab_and_netlab_hears_socat() {
    if !tool("socat") {
        return;
    }
    let receiver = receiver_of(ANY_PORT, &["--accept", "2"]);
    let (group, port) = (receiver.at_text(), receiver.addr().port());
    let address = format!("UDP4-RECVFROM:{port},bind=239.1.1.1,ip-add-membership=239.1.1.1:127.0.0.1,reuseaddr");
    let mut other = Running::start(command("socat", &["-d", "-d", "-u", &address, "STDOUT"]));
    while !other.stderr_so_far().contains("receiving on") {
        std::thread::sleep(std::time::Duration::from_millis(1)); // socat's ready line is on stderr
        assert!(other.child.try_wait().unwrap().is_none(), "{}", other.stderr_so_far());
    }
    send(&group, &["hello from netlab\n"]).succeeded();
    other.line_where(|line| line == "hello from netlab");
    let address = format!("UDP4-DATAGRAM:239.1.1.1:{port},ip-multicast-if=127.0.0.1");
    run_command(command("socat", &["-u", "STDIN", &address]), b"hello from socat").succeeded();
    assert_eq!(texts(&receiver.wait().succeeded().events()), ["hello from netlab\n", "hello from socat"]);
}

// --trace

#[test]
#[cfg_attr(windows, ignore = "held against strace")]
fn a_receivers_trace_shows_what_strace_sees_and_the_leave_before_the_close() {
    let Some(strace) = Strace::new() else { return };
    let args = [LAB, "receive", ANY_PORT, "--interface", "lo", "--json", "--trace", "--accept", "2"];
    let receiver = Server::of(strace.netlab(&args));
    let peer = peer();
    peer.send_to(b"plain", receiver.addr()).unwrap();
    peer.send_to(&numbered("run", 1, 1, "numbered"), receiver.addr()).unwrap();
    receive(&peer);
    let run = receiver.wait().succeeded();
    assert_same(&strace, &run.stderr);
    let place = |text: &str| run.stderr.find(text).unwrap_or_else(|| panic!("{text}: {}", run.stderr));
    assert!(place("IP_MULTICAST_ALL") < place("IP_ADD_MEMBERSHIP"));
    assert!(place("IP_ADD_MEMBERSHIP") < place("IP_DROP_MEMBERSHIP"));
    assert!(place("IP_DROP_MEMBERSHIP") < run.stderr.rfind("\"close\"").unwrap());
}

#[test]
#[cfg_attr(windows, ignore = "held against strace")]
fn a_stopped_receivers_trace_shows_what_strace_sees() {
    let Some(strace) = Strace::new() else { return };
    let receiver = Server::of(strace.netlab(&[LAB, "receive", ANY_PORT, "--interface", "lo", "--json", "--trace"]));
    let run = receiver.stop().succeeded();
    assert_same(&strace, &run.stderr);
    assert!(run.stderr.contains("IP_DROP_MEMBERSHIP"));
}

#[test]
#[cfg_attr(windows, ignore = "held against strace")]
fn a_senders_trace_shows_what_strace_sees() {
    let table: [(&[&str], i32); 4] = [
        (&["hello", "again"], 0),
        (&["--no-loop", "--ttl", "0", "--bind", "127.0.0.1:0", "hello"], 0),
        (&["--expect", "1", "--count", "3"], 0),
        (&["--expect", "2", "--timeout", "100ms", "--retries", "1", "hello"], 1),
    ];
    for (args, status) in table {
        let Some(strace) = Strace::new() else { return };
        let receiver = receiver_of(ANY_PORT, &[]);
        let group = receiver.at_text();
        let all = [&[LAB, "send", &group, "--interface", "lo", "--json", "--trace"], args].concat();
        let run = run_command(strace.netlab(&all), b"").ended(status);
        assert_same(&strace, &run.stderr);
    }
}

#[test]
#[cfg_attr(windows, ignore = "held against strace")]
fn without_an_interface_the_question_to_the_routes_is_in_the_trace_too() {
    let Some(net) = Net::new() else { return };
    if !tool("strace") {
        return;
    }
    let strace = Strace::new().unwrap();
    let traced = strace.netlab(&[LAB, "send", "239.1.1.1:5007", "hello", "--json", "--trace"]);
    let args: Vec<&str> = traced.get_args().map(|arg| arg.to_str().unwrap()).collect();
    let run = run_command(net.command("strace", &args), b"").succeeded();
    assert_same(&strace, &run.stderr);
    assert!(run.stderr.contains("ENETUNREACH"), "{}", run.stderr);
}

// The demo

#[test]
fn the_demo_shows_both_ends_and_exits_0() {
    let run = run([LAB, "demo", "--json"]).succeeded();
    assert_eq!(run.event("shown")["seen"], "3 datagrams to 239.1.1.1 were received 6 times, by two members");
    assert!(run.stderr.contains("\"receiver-2\"") && run.stderr.contains("\"sender\""));
}

#[test]
fn help_says_which_interface_is_taken_without_one() {
    for role in ["send", "receive"] {
        let run = run([LAB, role, "--help"]).succeeded();
        assert_eq!(default_interface(&run.stdout), "as the routes lead, else loopback");
    }
}

#[test]
fn every_role_has_two_examples() {
    for role in ["send", "receive", "demo"] {
        let run = run([LAB, role, "--help"]).succeeded();
        let examples = run.stdout.split("Examples:").nth(1).unwrap_or_else(|| panic!("{role}: {}", run.stdout));
        assert!(examples.matches("netlab multicast").count() >= 2, "{role}: {}", run.stdout);
    }
}
