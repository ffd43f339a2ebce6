//! The server's own side: its options, its events, its end.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;

use serde_json::Value;

use crate::files::stalled_in_a_download;
use crate::support::peer::Peer;
use crate::support::{Running, check_error, check_event, check_server_summary, command, run_command, tool};
use crate::users::{ChatServer, Item, User, chat_in, new_home, noise};

// Events and lines

#[test]
fn its_events_have_the_fields_of_the_contract() {
    if crate::support::wine_lacks(crate::support::RESETS) {
        return;
    }
    let server = ChatServer::start(&[]);
    let mut alice = server.user("alice");
    alice.say("hello");
    let bob = server.user("bob");
    alice.expect("* bob has joined");
    bob.reset();
    alice.expect("* bob has left");
    alice.say("/quit");
    alice.expect("* …");
    alice.expect_close();
    let carol = server.user("carol");
    let run = server.server.stops_in_order();
    drop(carol);
    run.events().iter().for_each(|event| check_event(event, "chat"));
    assert_eq!(run.all("accepted").len(), 3, "{run:#?}");
    let received: Vec<Value> = run.all("received").into_iter().filter(|event| event["client"] == 1).collect();
    let texts: Vec<&str> = received.iter().map(|event| event["text"].as_str().unwrap().trim_end()).collect();
    assert_eq!(texts, ["/name alice", "hello", "/quit"]);
    let reason = |client: u64| {
        let closed: Vec<Value> = run.all("closed").into_iter().filter(|event| event["client"] == client).collect();
        assert_eq!(closed.len(), 1, "one end each: {run:#?}");
        closed[0]["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!([reason(1), reason(2), reason(3)], ["asked", "reset", "server-stop"]);
    let summary = run.event("summary");
    check_server_summary(&summary);
    assert_eq!(summary["clients"], 3);
}

#[test]
fn it_prints_each_connections_address_and_port() {
    let home = new_home();
    let mut server = Running::start(chat_in(home.path(), &["server", "127.0.0.1:0", "--shared", "shared"]));
    let ready = server.line_where(|line| line.starts_with("listening on tcp 127.0.0.1:"));
    let addr: SocketAddr = ready.split(' ').nth(3).unwrap().parse().unwrap();
    for _ in 0..3 {
        let user = User::connect(addr);
        let line = server.line_where(|line| line.contains(&user.local().port().to_string()));
        assert!(line.contains("127.0.0.1"), "{line}");
    }
}

#[test]
fn quiet_is_the_ready_line_and_the_summary() {
    let home = new_home();
    let mut server = Running::start(chat_in(home.path(), &["server", "127.0.0.1:0", "--shared", "shared", "-q"]));
    let ready = server.line_where(|_| true);
    assert!(ready.starts_with("listening on tcp"), "{ready}");
    let mut user = User::connect(ready.split(' ').nth(3).unwrap().parse().unwrap());
    user.expect("* netlab chat 1…");
    user.say("/name alice");
    user.expect("* alice has joined");
    server.signal("TERM");
    let run = server.wait().succeeded();
    assert!(!run.stdout.contains("alice"), "{run:#?}");
}

#[test]
fn accept_ends_it_after_so_many_clients() {
    let mut server = ChatServer::start(&["--accept", "2"]);
    let mut alice = server.user("alice");
    let mut bob = server.user("bob");
    alice.expect("* bob has joined");
    alice.say("/quit");
    alice.expect("* goodbye");
    alice.expect_close();
    drop(alice);
    bob.expect("* alice has left");
    bob.say("/quit");
    bob.expect("* goodbye…");
    bob.expect_close();
    drop(bob);
    server.server.event("summary");
    assert_eq!(server.server.wait().code(), 0);
}

#[test]
fn a_port_in_use_is_an_error_in_three_parts() {
    let server = ChatServer::start(&[]);
    let addr = server.server.at_text();
    let run = run_command(chat_in(server.home.path(), &["server", &addr, "--shared", "shared"]), b"").ended(1);
    assert!(run.stderr.starts_with(&format!("error: cannot listen on tcp {addr}: ")), "{run:#?}");
    assert_eq!(run.stderr.lines().count(), 3, "{run:#?}");
}

#[test]
fn what_cannot_be_asked_is_refused_before_anything_is_opened() {
    let home = new_home();
    for args in [
        "server 127.0.0.1:65536",
        "server 0 --users nothing-there",
        "server 0 --shared nothing-there",
        "server 0 --rate-limit fast",
        "server 0 --rate-limit 0/s",
        "server 0 --max-clients none",
        "server 0 --tls --cert nothing-there --key nothing-there",
        "server 0 --operator no/name",
        "adduser users no/name",
        "adduser users server",
        "adduser users",
        "client",
        "client alice 127.0.0.1 65536",
        "client al/ice 127.0.0.1 2000",
    ] {
        let args: Vec<&str> = args.split(' ').collect();
        let run = run_command(chat_in(home.path(), &args), b"secret").ended(2);
        assert!(!run.stdout.contains("listening"), "{args:?}: {run:#?}");
        assert!(!run.stderr.is_empty(), "{args:?}: nothing is said");
    }
    run_command(chat_in(home.path(), &["client", "", "127.0.0.1", "2000"]), b"").ended(2);
}

// Who does not read, and who is many

#[test]
fn who_does_not_read_is_dropped_and_the_others_never_wait() {
    let server = ChatServer::start(&["--rate-limit", "off"]);
    let [mut alice, mut bob] = server.users(["alice", "bob"]);
    let mut sleeper = Peer::connect_small(server.addr());
    sleeper.send(b"/name sleeper\n");
    alice.expect("* sleeper has joined");
    bob.expect("* sleeper has joined");
    // More than 4 MiB and what the system keeps for both ends.
    let line = "x".repeat(4000);
    let mut gone = false;
    for round in 0.. {
        assert!(round < 40, "a reader with 40 MB unread is still there");
        for _ in 0..250 {
            alice.say(&line);
        }
        for _ in 0..250 {
            let next = bob.line();
            if next == "* sleeper has left" { gone = true } else { assert_eq!(next, format!("<alice> {line}")) }
        }
        alice.say("/rooms");
        let mut answer = alice.line();
        if answer == "* sleeper has left" {
            answer = alice.line();
        }
        assert!(answer.starts_with("* 1 room"), "{answer}");
        if gone {
            break;
        }
    }
    // What was on its way is whole to the last line: that one says why, if there was room for it.
    let bytes = sleeper.read_to_any_end().unwrap_or_default();
    if bytes.ends_with(b"\n") {
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.lines().last().unwrap().starts_with("! "), "{:?}", text.lines().last());
    }
}

#[test]
fn a_crowd_that_joins_and_leaves_at_once_is_told_of_by_name() {
    let server = ChatServer::start(&[]);
    let mut alice = server.user("alice");
    let names: Vec<String> = (0..300).map(|n| format!("user-{n:03}")).collect();
    let mut crowd: Vec<User> = names.iter().map(|_| server.connect()).collect();
    crowd.iter_mut().zip(&names).for_each(|(user, name)| user.say(&format!("/name {name}")));
    assert_eq!(told(&mut alice, 300, "has joined"), names);
    // Each of them was told, too.
    for (user, name) in crowd.iter_mut().zip(&names) {
        while user.line() != format!("* {name} has joined") {}
    }
    crowd.into_iter().for_each(User::reset);
    assert_eq!(told(&mut alice, 300, "has left"), names);
    alice.expect_nothing();
}

/// The names of so many notices of one kind, sorted.
fn told(user: &mut User, count: usize, end: &str) -> Vec<String> {
    let told = |line: String| {
        let name = line.strip_prefix("* ").and_then(|rest| rest.strip_suffix(end)?.strip_suffix(' '));
        name.unwrap_or_else(|| panic!("no such notice: {line}")).to_owned()
    };
    let mut names: Vec<_> = (0..count).map(|_| told(user.line())).collect();
    names.sort();
    names
}

#[test]
fn a_room_of_hundreds_is_listed_in_lines_of_the_allowed_length() {
    let server = ChatServer::start(&[]);
    let long: Vec<String> = (0..300).map(|n| format!("{}-{n:03}", "x".repeat(28))).collect();
    let mut crowd: Vec<User> = long.iter().map(|_| server.connect()).collect();
    crowd.iter_mut().zip(&long).for_each(|(user, name)| user.say(&format!("/name {name}")));
    // All have joined when the last of them has been told so.
    for (user, name) in crowd.iter_mut().zip(&long) {
        while !user.line().contains(name.as_str()) {}
    }
    let mut alice = server.user("alice");
    alice.say("/who");
    alice.say("/nothing-more");
    let mut listed = String::new();
    loop {
        match alice.line() {
            line if line.starts_with("! ") => break,
            line => listed += &line,
        }
    }
    assert!(listed.starts_with("* 301 in lobby: "), "{}", &listed[..60]);
    long.iter().for_each(|name| assert!(listed.contains(name.as_str()), "{name} is not in the list"));
}

// Its end

#[test]
fn it_stops_in_order_on_an_interrupt_too() {
    let server = ChatServer::start(&[]);
    let mut alice = server.user("alice");
    let mut unnamed = server.connect();
    server.server.running.signal("INT");
    for user in [&mut alice, &mut unnamed] {
        user.expect("! server is going down: …");
        user.expect_close();
    }
    assert_eq!(server.server.wait().code(), 0);
}

#[test]
#[cfg_attr(windows, ignore = "Windows has no such signals")]
fn whatever_signal_it_dies_of_everyone_is_told() {
    const SIGNALS: [(&str, u32); 11] = [
        ("HUP", 1),
        ("QUIT", 3),
        ("ILL", 4),
        ("ABRT", 6),
        ("BUS", 7),
        ("FPE", 8),
        ("USR1", 10),
        ("SEGV", 11),
        ("USR2", 12),
        ("ALRM", 14),
        ("XCPU", 24),
    ];
    for (signal, number) in SIGNALS {
        if is_ignored(number) {
            continue; // as in a script's background job: then the server ignores it, too
        }
        let server = ChatServer::start(&[]);
        let mut users = server.users(["alice", "bob"]);
        let mut unnamed = server.connect();
        server.server.running.signal(signal);
        for user in users.iter_mut().chain([&mut unnamed]) {
            user.expect("! server is going down: …");
            user.expect_close();
        }
    }
}

/// Whether this process ignores a signal, and so those it starts.
fn is_ignored(signal: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[test]
#[cfg_attr(windows, ignore = "Windows has no such signals")]
fn it_dies_of_a_signal_over_tls_and_the_client_says_so() {
    let server = ChatServer::start(&["--tls"]);
    let mut alice = server.connect_either(true);
    alice.say("/name alice");
    alice.expect("* alice has joined");
    server.server.running.signal("SEGV");
    alice.expect_gone();
}

#[test]
fn a_closed_stdout_ends_it_quietly_and_the_users_are_told() {
    let home = new_home();
    let command = chat_in(home.path(), &["server", "127.0.0.1:0", "--shared", "shared"]);
    let mut users = Vec::new();
    let (status, stderr) = crate::group::cut_after_the_ready_line(command, |addr| {
        users.extend(std::net::TcpStream::connect(addr)); // refused, when it has ended
    });
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
    for mut user in users {
        let mut heard = String::new();
        let _ = user.read_to_string(&mut heard);
        // Who was still in the backlog hears nothing.
        assert!(heard.is_empty() || heard.contains("! server is going down: "), "{heard}");
    }
}

#[test]
fn a_user_in_a_download_is_told_of_the_end_between_two_pieces() {
    let server = ChatServer::start(&[]);
    let mut alice = stalled_in_a_download(&server);
    server.server.running.signal("TERM");
    loop {
        match alice.next() {
            Item::Chunk { .. } => {}
            Item::Line(line) if line.starts_with("! 1 ") => {}
            Item::Line(line) => {
                assert!(line.starts_with("! server is going down: "), "{line}");
                break;
            }
            end => panic!("{end:?} without a word"),
        }
    }
    alice.expect_close();
    assert_eq!(server.server.wait().code(), 0);
}

#[test]
fn one_who_never_reads_does_not_hold_up_its_end() {
    let server = ChatServer::start(&["--rate-limit", "off"]);
    let mut alice = server.user("alice");
    let mut sleeper = Peer::connect_small(server.addr());
    sleeper.send(b"/name sleeper\n");
    alice.expect("* sleeper has joined");
    for _ in 0..500 {
        alice.say(&"x".repeat(4000));
    }
    alice.expect_nothing();
    let run = server.server.stops_in_order();
    alice.expect("! server is going down: …");
    assert!(!run.all("closed").is_empty());
    drop(sleeper);
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn without_a_free_descriptor_those_who_are_in_go_on_and_the_next_is_told() {
    if !tool("prlimit") {
        return;
    }
    let server = ChatServer::start(&[]);
    let [mut alice, mut bob] = server.users(["alice", "bob"]);
    let open = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count() + 8;
    run_command(command("prlimit", &["--pid", &server.pid().to_string(), &format!("--nofile={open}:{open}")]), b"")
        .succeeded();
    let mut crowd: Vec<User> = (0..40).map(|_| User::connect(server.addr())).collect();
    alice.say("still here");
    bob.expect("<alice> still here");
    // Some got in; the rest wait in the queue or were told; none of it ends the server.
    crowd.drain(..).for_each(User::reset);
    let mut carol = server.user("carol");
    carol.say("hello");
    bob.expect("* carol has joined");
    bob.expect("<carol> hello");
}

#[test]
fn the_demo_shows_what_the_lab_is_about() {
    let run = run_command(chat_in(new_home().path(), &["demo"]), b"").succeeded();
    for part in ["alice has joined", "->", "has left", "! "] {
        assert!(run.stdout.contains(part), "{part}: {run:#?}");
    }
}

#[test]
fn an_error_of_the_client_names_the_server_and_the_cause() {
    let (_held, addr) = crate::support::refusing_port();
    let port = addr.port().to_string();
    let run = run_command(chat_in(new_home().path(), &["client", "alice", "127.0.0.1", &port]), b"").ended(1);
    check_error(&run.stderr, &format!("cannot connect to tcp 127.0.0.1:{port}: connection refused"));
    let unknown = ["client", "alice", "no-such-host.invalid", &port];
    let run = run_command(chat_in(new_home().path(), &unknown), b"").ended(1);
    assert!(run.stderr.contains("no-such-host.invalid") && run.stderr.lines().count() == 3, "{run:#?}");
}

#[test]
fn bytes_of_no_protocol_harm_nobody() {
    let server = ChatServer::start(&[]);
    let [mut alice, mut bob] = server.users(["alice", "bob"]);
    for seed in 0..30 {
        let mut peer = Peer::connect(server.addr());
        let _ = peer.0.write_all(&noise(&format!("garbage {seed}"), 2000 * (seed + 1)));
        match seed % 3 {
            0 => peer.reset(),
            1 => peer.half_close(),
            _ => drop(peer.0.set_nonblocking(true).and_then(|()| peer.0.read(&mut [0; 4096]))),
        }
    }
    alice.say("still here");
    bob.expect("<alice> still here");
}

#[test]
fn its_help_tells_every_option_of_the_contract() {
    let help = run_command(chat_in(new_home().path(), &["server", "--help"]), b"").succeeded().stdout;
    let options = ["--shared", "--tls", "--cert", "--key", "--users", "--operator", "--rate-limit", "--max-clients"];
    for option in options.iter().chain(&["--console", "--for", "--accept", "--backlog", "--trace", "--json"]) {
        assert!(help.contains(option), "{option}");
    }
}
