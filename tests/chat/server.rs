//! The server's own side: its options, its events, its secrets, its end.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::group::Net;
use crate::support::peer::Peer;
use crate::support::{NETLAB, Run, Running, Server, check_error, check_event, check_server_summary, command};
use crate::support::{run_command, tool};
use crate::users::{ChatServer, Item, User, chat_in, new_home, noise};

// Events and lines

#[test]
fn its_events_have_the_fields_of_the_contract() {
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

// The shared directory

/// The one file that is listed.
fn listed(server: &ChatServer) -> String {
    let mut alice = server.user("alice");
    alice.say("/files");
    alice.expect("* 1 file… in SharedFiles");
    alice.line()
}

#[test]
fn the_shared_directory_is_the_options_or_the_environments_or_the_one_here() {
    let started = |change: &dyn Fn(&mut Command)| {
        let home = new_home();
        for name in ["option", "first", "second", "SharedFiles"] {
            fs::create_dir(home.path().join(name)).unwrap();
            fs::write(home.path().join(name).join(format!("{name}.txt")), "x").unwrap();
        }
        let mut command = chat_in(home.path(), &["server", "127.0.0.1:0", "--json"]);
        change(&mut command);
        listed(&ChatServer { server: Server::of(command), home })
    };
    assert_eq!(started(&|_| {}), "= 1 SharedFiles.txt");
    let one = |command: &mut Command| _ = command.env("SERVERSHAREDFILES", "second");
    assert_eq!(started(&one), "= 1 second.txt");
    let both = |command: &mut Command| {
        command.env("SERVERSHAREDFILES", "second").env("SERVER_SHARED_FILES", "first");
    };
    assert_eq!(started(&both), "= 1 first.txt");
    let all = |command: &mut Command| {
        both(command);
        command.args(["--shared", "option"]);
    };
    assert_eq!(started(&all), "= 1 option.txt");
}

#[test]
fn a_file_put_there_later_is_listed_and_given() {
    let server = ChatServer::start(&[]);
    let mut alice = server.user("alice");
    alice.say("/files");
    alice.expect("* 0 files in SharedFiles");
    fs::write(server.shared().join("late.txt"), "late\n").unwrap();
    alice.say("/files");
    alice.expect("* 1 file… in SharedFiles");
    alice.expect("= 5 late.txt");
    alice.say("/get late.txt");
    assert_eq!(alice.download().bytes, b"late\n");
}

/// A user who reads so little at once that a transfer stays in its middle.
fn stalled_in_a_download(server: &ChatServer) -> User {
    fs::write(server.shared().join("film.avi"), noise("film.avi", 40_000_000)).unwrap();
    let mut alice = server.user("alice");
    alice.say("/get film.avi");
    alice.expect("# 1 40000000 film.avi");
    alice
}

/// How the transfer ended: its last line.
fn end_of_transfer(user: &mut User) -> String {
    loop {
        match user.next() {
            Item::Line(line) => return line,
            Item::Chunk { .. } => {}
            end => panic!("{end:?} in the middle of a transfer"),
        }
    }
}

#[test]
fn a_file_cut_short_while_it_is_sent_ends_in_an_error() {
    let server = ChatServer::start(&[]);
    let mut alice = stalled_in_a_download(&server);
    fs::File::options().write(true).open(server.shared().join("film.avi")).unwrap().set_len(1000).unwrap();
    let end = end_of_transfer(&mut alice);
    assert!(end.starts_with("! 1 "), "{end}");
    alice.expect_nothing();
}

#[test]
fn a_file_overwritten_while_it_is_sent_ends_in_an_error() {
    let server = ChatServer::start(&[]);
    let mut alice = stalled_in_a_download(&server);
    let mut file = fs::File::options().write(true).open(server.shared().join("film.avi")).unwrap();
    file.write_all(&noise("another film", 1_000_000)).unwrap();
    drop(file);
    let end = end_of_transfer(&mut alice);
    assert!(end.starts_with("! 1 "), "{end}");
    alice.expect_nothing();
}

#[test]
fn a_file_replaced_while_it_is_sent_arrives_as_it_was_or_not_at_all() {
    let server = ChatServer::start(&[]);
    let path = server.shared().join("film.avi");
    let mut alice = stalled_in_a_download(&server);
    fs::write(server.shared().join("new"), "new").unwrap();
    fs::rename(server.shared().join("new"), &path).unwrap();
    let end = end_of_transfer(&mut alice);
    let whole = format!(". 1 {}", crate::users::sha256(&noise("film.avi", 40_000_000)));
    assert!(end == whole || end.starts_with("! 1 "), "{end}");
    alice.say("/get film.avi");
    assert_eq!(alice.download().bytes, b"new");
    fs::remove_file(path).unwrap();
    alice.say("/get film.avi");
    alice.expect("! …");
}

#[test]
fn a_file_that_may_not_be_read_is_refused() {
    if run_command(command("id", &["-u"]), b"").stdout.trim() == "0" {
        return crate::support::skipped("root may read every file");
    }
    let server = ChatServer::start(&[]);
    let path = server.shared().join("locked.txt");
    fs::write(&path, "x").unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).unwrap();
    let mut alice = server.user("alice");
    alice.say("/get locked.txt");
    alice.expect("! …");
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
    assert_eq!(told(&mut alice, 300, ["has joined", "have joined"]), names);
    // Each of them was told, too: of its own name first of all.
    for (user, name) in crowd.iter_mut().zip(&names) {
        while !user.line().contains(name.as_str()) {}
    }
    crowd.into_iter().for_each(User::reset);
    assert_eq!(told(&mut alice, 300, ["has left", "have left"]), names);
    alice.expect_nothing();
}

/// The names of so many notices of one kind, one or several a line, sorted.
fn told(user: &mut User, count: usize, ends: [&str; 2]) -> Vec<String> {
    let mut names = Vec::new();
    while names.len() < count {
        let line = user.line();
        let list = ends.iter().find_map(|end| line.strip_prefix("* ")?.strip_suffix(end)?.strip_suffix(' '));
        let list = list.unwrap_or_else(|| panic!("no such notice: {line}"));
        names.extend(list.split(", ").map(str::to_owned));
    }
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

// Secrets

const SECRET: &str = "Tr0ub4dor-and-3";

fn add_user(home: &Path, name: &str, password: &str) -> Run {
    run_command(chat_in(home, &["adduser", "users", name]), password.as_bytes())
}

#[test]
fn a_password_is_in_no_output() {
    for format in [&["--json"][..], &[], &["--trace"], &["--json", "--trace"]] {
        let home = new_home();
        add_user(home.path(), "alice", SECRET).succeeded();
        let mut args = vec!["server", "127.0.0.1:0", "--shared", "shared", "--users", "users"];
        args.extend(format);
        let mut server = Running::start(chat_in(home.path(), &args));
        let ready = server.line_where(|line| line.contains("listening"));
        let addr = ready.split([' ', '"']).find_map(|word| word.parse::<SocketAddr>().ok()).unwrap();
        let mut alice = User::connect(addr);
        let mut eve = User::connect(addr);
        for user in [&mut alice, &mut eve] {
            user.expect("* netlab chat 1…");
        }
        for typed in [
            format!("/login eve {SECRET}"),
            format!("/login alice {SECRET}x"),
            format!("/login  alice {SECRET}"),
            format!("/LOGIN alice {SECRET}"),
            format!(" /login alice {SECRET}"),
            format!("/login alice\t{SECRET}"),
            format!("/login {SECRET}"),
            format!("/login alice {SECRET}\r"),
        ] {
            eve.say(&typed);
        }
        // In two pieces, as it may come over a slow line.
        alice.send(format!("/login alice {}", &SECRET[..6]).as_bytes());
        alice.send(format!("{}\n", &SECRET[6..]).as_bytes());
        while alice.line() != "* alice has joined" {}
        alice.say(&format!("/login alice {SECRET}"));
        alice.expect("! …");
        drop((alice, eve));
        server.signal("TERM");
        let run = server.wait();
        for output in [&run.stdout, &run.stderr] {
            let found = output.lines().find(|line| line.contains(&SECRET[..6]) || line.contains(&SECRET[6..]));
            assert!(found.is_none(), "{format:?}: {found:?}");
        }
        if !format.contains(&"--trace") {
            assert!(run.stdout.contains("/login alice ***"), "{run:#?}");
        }
    }
}

#[test]
fn a_password_is_hidden_where_there_is_no_users_file() {
    let server = ChatServer::start(&[]);
    let mut alice = server.connect();
    alice.say(&format!("/login alice {SECRET}"));
    alice.expect("! …");
    let run = server.server.stop();
    assert!(!run.stdout.contains(SECRET), "{run:#?}");
    assert!(run.stdout.contains("/login alice ***"), "{run:#?}");
}

#[test]
fn a_password_is_never_seen_by_the_other_users() {
    let server = ChatServer::start(&[]);
    let [mut alice, mut bob] = server.users(["alice", "bob"]);
    alice.say(&format!("/login alice {SECRET}"));
    alice.expect("! …");
    bob.expect_nothing();
}

#[test]
fn the_users_file_keeps_hashes_and_is_its_owners() {
    let home = new_home();
    let run = add_user(home.path(), "alice", &format!("{SECRET}\n")).succeeded();
    assert!(!run.stdout.contains(SECRET) && !run.stderr.contains(SECRET), "{run:#?}");
    fs::write(home.path().join("password"), "pass word\n").unwrap();
    run_command(chat_in(home.path(), &["adduser", "users", "bob", "--password-file", "password"]), b"").succeeded();
    let users = fs::read_to_string(home.path().join("users")).unwrap();
    assert!(users.contains("$argon2id$") && users.contains("alice") && users.contains("bob"), "{users}");
    assert!(!users.contains(SECRET) && !users.contains("pass word"), "{users}");
    let mode = fs::metadata(home.path().join("users")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let left: Vec<_> = fs::read_dir(home.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), 3, "shared, password and users, and no temporary file: {left:?}");

    let server = ChatServer::in_home(home, &["--users", "users"]);
    for (name, password) in [("alice", SECRET), ("bob", "pass word")] {
        let mut user = server.connect();
        user.say(&format!("/login {name} {password}"));
        user.expect(&format!("* {name} has joined"));
    }
}

#[test]
fn an_empty_password_is_refused() {
    let home = new_home();
    for input in ["", "\n"] {
        let run = add_user(home.path(), "alice", input).ended(2);
        assert!(!run.stderr.is_empty());
    }
    assert!(!home.path().join("users").exists());
}

#[test]
fn a_users_file_that_is_none_is_refused() {
    let home = new_home();
    fs::write(home.path().join("users"), "alice: secret\n").unwrap();
    let run = run_command(chat_in(home.path(), &["server", "127.0.0.1:0", "--users", "users"]), b"").ended(2);
    assert!(run.stderr.contains("users") && !run.stderr.contains("secret"), "{run:#?}");
}

#[test]
fn logging_in_over_plain_text_from_elsewhere_is_refused() {
    let Some(net) = Net::new() else { return };
    let home = new_home();
    add_user(home.path(), "alice", SECRET).succeeded();
    // An address that is not loopback, in a network with nobody else in it.
    run_command(net.command("ip", &["addr", "add", "192.0.2.7/32", "dev", "lo"]), b"").succeeded();
    let mut inside = net.command(NETLAB, &["chat", "server", "0.0.0.0:2000", "--json", "--users", "users"]);
    inside.args(["--shared", "shared"]).current_dir(home.path()).env("XDG_STATE_HOME", home.path());
    let _server = Server::of(inside);
    let typed = format!("/login alice {SECRET}\n/quit\n");
    let said = |host: &str| {
        let script = r#"
import socket, sys
s = socket.create_connection((sys.argv[1], 2000), source_address=(sys.argv[1], 0))
s.sendall(sys.argv[2].encode())
s.shutdown(socket.SHUT_WR)
sys.stdout.write(s.makefile().read())
"#;
        run_command(net.command("python3", &["-c", script, host, &typed]), b"").succeeded().stdout
    };
    if !tool("python3") {
        return;
    }
    let elsewhere = said("192.0.2.7");
    assert!(!elsewhere.contains("alice has joined"), "{elsewhere}");
    assert!(elsewhere.lines().nth(1).is_some_and(|line| line.starts_with("! ") && line.contains("TLS")), "{elsewhere}");
    assert!(said("127.0.0.1").contains("* alice has joined"));
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
fn whatever_signal_it_dies_of_everyone_is_told() {
    for signal in ["HUP", "QUIT", "ABRT", "SEGV", "BUS", "FPE", "ILL", "USR1", "USR2", "ALRM", "XCPU"] {
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

#[test]
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
        users.extend(std::net::TcpStream::connect(addr).ok().map(|_| User::connect(addr)));
    });
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
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
