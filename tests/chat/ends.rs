//! Both ends: netlab's client at netlab's server, on pipes and on a terminal.

use std::fs;

use serde_json::Value;

use crate::client::{Client, Person, TERMINAL, lost, own_server, way_to};
use crate::support::{NETLAB, Running, Server, python, run_command, slashed, tool};
use crate::users::{ChatServer, chat_in, new_home, noise};

// A session

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn three_talk_one_at_a_terminal_one_on_a_pipe_one_a_bare_socket() {
    let server = ChatServer::start(&[]);
    let home = server.home.path();
    let mut carol = server.user("carol");
    let Some(mut alice) = Person::at(home, "alice", server.addr(), &[]) else { return };
    carol.expect("* alice has joined");
    alice.sees("alice has joined");
    let mut bob = Client::joined(home, "bob", server.addr());
    carol.expect("* bob has joined");
    alice.sees("bob has joined");

    alice.types("hello, all of you");
    bob.receives("<alice> hello, all of you");
    carol.expect("<alice> hello, all of you");
    bob.types("hello, alice");
    alice.sees("hello, alice");
    carol.expect("<bob> hello, alice");

    alice.types("/to bob");
    alice.sees("bob");
    alice.types("between us");
    bob.receives("<alice -> bob> between us");
    alice.types("/all");
    alice.types("back");
    bob.receives("<alice> back");
    // The private word was not for her.
    carol.expect("<alice> back");

    alice.types("/quit");
    bob.receives("* alice has left");
    carol.expect("* alice has left");
    assert_eq!(alice.0.wait().code(), 0);
    bob.types("/quit bye");
    carol.expect("<bob> bye");
    carol.expect("* bob has left");
    let run = bob.running.wait().succeeded();
    assert_eq!(run.events().last().unwrap()["event"], "summary", "{run:#?}");
}

#[test]
fn the_welcome_came_over_the_socket() {
    let (addr, _served) = own_server(|mut peer| {
        peer.send(b"* netlab chat 1: a welcome of this server's own\n");
        assert_eq!(peer.read_line(), "/name alice\n");
        peer.send(b"* alice has joined\n* that is all\n! server is going down: end of the test\n");
    });
    let home = new_home();
    let mut client = Client::start(home.path(), "alice", addr, &[]);
    client.shows("a welcome of this server's own");
    client.shows("that is all");
    assert_eq!(client.running.wait().code(), 1);
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn what_is_being_typed_survives_what_others_say() {
    let server = ChatServer::start(&[]);
    let mut bob = server.user("bob");
    let Some(mut alice) = Person::at(server.home.path(), "alice", server.addr(), &[]) else { return };
    bob.expect("* alice has joined");
    alice.sees("alice has joined");
    for n in 0..20 {
        alice.keys("word ");
        bob.say(&format!("interrupting, {n}"));
        alice.sees(&format!("interrupting, {n}"));
    }
    alice.types("end");
    bob.expect(&format!("<alice> {}end", "word ".repeat(20)));
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn arrow_up_brings_the_last_line_back_and_tab_completes_a_name() {
    let server = ChatServer::start(&[]);
    let mut bob = server.user("bartholomew");
    let Some(mut alice) = Person::at(server.home.path(), "alice", server.addr(), &[]) else { return };
    bob.expect("* alice has joined");
    alice.sees("alice has joined");
    alice.types("say it again");
    bob.expect("<alice> say it again");
    alice.keys("\x1b[A");
    alice.types("");
    bob.expect("<alice> say it again");
    bob.say("hello");
    alice.sees("hello");
    alice.keys("/msg barth\t");
    alice.types(" found you");
    match bob.line().as_str() {
        "<alice -> bartholomew> found you" | "<alice -> bartholomew>  found you" => {}
        other => panic!("{other}"),
    }
}

#[test]
fn a_client_on_pipes_shows_no_escapes_and_keeps_its_prompt_to_itself() {
    let server = ChatServer::start(&[]);
    let mut bob = server.user("bob");
    let mut client = Client::start(server.home.path(), "alice", server.addr(), &[]);
    bob.expect("* alice has joined");
    bob.say("hello");
    client.shows("hello");
    client.types("/quit");
    let run = client.running.wait().succeeded();
    assert!(!run.stdout.contains('\x1b') && !run.stderr.contains('\x1b'), "{run:#?}");
    assert!(run.stdout.lines().any(|line| line.contains("bob") && line.contains("hello")), "{run:#?}");
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn no_color_is_honoured_on_a_terminal() {
    let server = ChatServer::start(&[]);
    let mut bob = server.user("bob");
    let Some(mut alice) = Person::at(server.home.path(), "alice", server.addr(), &["--color", "never"]) else { return };
    bob.expect("* alice has joined");
    bob.say("hello");
    let line = alice.sees("hello");
    let is_colour = |sequence: &str| {
        sequence.split_once('m').is_some_and(|(codes, _)| codes.bytes().all(|c| c.is_ascii_digit() || c == b';'))
    };
    let coloured = line
        .split("\x1b[")
        .skip(1)
        .any(|sequence| is_colour(sequence) && !["m", "0m"].iter().any(|reset| sequence.starts_with(reset)));
    assert!(!coloured, "{line:?}");
}

#[test]
fn the_end_of_input_is_a_farewell() {
    let server = ChatServer::start(&[]);
    let mut bob = server.user("bob");
    let mut alice = Client::joined(server.home.path(), "alice", server.addr());
    bob.expect("* alice has joined");
    alice.types("that was all");
    alice.end_of_input();
    bob.expect("<alice> that was all");
    bob.expect("* alice has left");
    assert_eq!(alice.running.wait().code(), 0);
}

#[test]
fn a_script_of_a_session_runs_to_its_end() {
    let server = ChatServer::start(&[]);
    fs::write(server.shared().join("a.txt"), "abc\n").unwrap();
    let port = server.port();
    let command = chat_in(server.home.path(), &["client", "alice", "127.0.0.1", &port]);
    let run = run_command(command, b"hello\n/get a.txt\n").succeeded();
    assert!(slashed(&run.stdout).contains("saved alice/a.txt, 4 bytes"), "{run:#?}");
    assert_eq!(fs::read(server.home.path().join("alice/a.txt")).unwrap(), b"abc\n");
}

#[test]
fn its_events_have_the_fields_of_the_contract() {
    let server = ChatServer::start(&[]);
    let mut alice = Client::joined(server.home.path(), "alice", server.addr());
    alice.types("hello");
    alice.types("/quit");
    let run = alice.running.wait().succeeded();
    run.events().iter().for_each(|event| crate::support::check_event(event, "chat"));
    let sent: Vec<Value> = run.all("sent");
    let sent: Vec<&str> = sent.iter().map(|event| event["text"].as_str().unwrap().trim_end()).collect();
    assert_eq!(sent, ["/name alice", "hello", "/quit"]);
    for name in ["connected", "closed", "summary"] {
        run.event(name);
    }
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn a_closed_window_and_a_killed_client_are_told_to_the_others() {
    let server = ChatServer::start(&[]);
    let home = server.home.path();
    let mut carol = server.user("carol");
    let Some(mut alice) = Person::at(home, "alice", server.addr(), &[]) else { return };
    carol.expect("* alice has joined");
    alice.sees("alice has joined");
    let bob = Client::joined(home, "bob", server.addr());
    carol.expect("* bob has joined");
    // The terminal is gone, and its system hangs up on who was there.
    drop(alice);
    carol.expect("* alice has left");
    drop(bob);
    carol.expect("* bob has left");
    carol.expect_nothing();
}

#[test]
fn the_server_may_be_named_in_every_way() {
    let server = ChatServer::start(&[]);
    let port = server.port();
    let joins = |args: &[&str]| {
        let args = [&["client", "alice"], args].concat();
        let run = run_command(chat_in(server.home.path(), &args), b"/quit\n").succeeded();
        assert!(run.stdout.contains("alice has joined"), "{args:?}: {run:#?}");
    };
    joins(&["127.0.0.1", &port]);
    joins(&["localhost", &port]);
    joins(&[&format!("127.0.0.1:{port}")]);
    joins(&[&format!("localhost:{port}")]);
    joins(&[&format!(":{port}")]);
    let over_v6 = Server::at("chat", "[::1]:0", &[]);
    let port = over_v6.addr().port().to_string();
    let joins = |args: &[&str]| {
        let run =
            run_command(chat_in(server.home.path(), &[&["client", "alice"], args].concat()), b"/quit\n").succeeded();
        assert!(run.stdout.contains("alice has joined"), "{args:?}: {run:#?}");
    };
    joins(&["::1", &port]);
    joins(&[&format!("[::1]:{port}")]);
}

#[test]
fn a_name_that_is_refused_is_an_error_and_says_why() {
    let server = ChatServer::start(&[]);
    let _alice = server.user("alice");
    let port = server.port();
    let run = run_command(chat_in(server.home.path(), &["client", "Alice", "127.0.0.1", &port]), b"hello\n").ended(1);
    assert!(run.stderr.starts_with("error: ") && run.stderr.to_lowercase().contains("alice"), "{run:#?}");
}

#[test]
fn a_user_who_is_kicked_is_told_and_ends_in_failure() {
    let server = ChatServer::start(&["--operator", "bob"]);
    let mut bob = server.user("bob");
    let alice = Client::start(server.home.path(), "alice", server.addr(), &[]);
    bob.expect("* alice has joined");
    bob.say("/kick alice too loud");
    bob.expect("* alice has left");
    let run = alice.running.wait().ended(1);
    assert!(run.stderr.contains("kicked by bob"), "{run:#?}");
}

// The end of a server

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn a_stopped_server_is_an_error_on_every_terminal() {
    for args in [&[][..], &["--tls"]] {
        let server = ChatServer::start(args);
        let home = server.home.path();
        let mut piped = Client::start(home, "piped", server.addr(), args);
        piped.shows("piped has joined");
        let mut silent = Client::start(home, "silent", server.addr(), &[args, &["--json"]].concat());
        silent.receives("* silent has joined");
        let Some(mut person) = Person::at(home, "person", server.addr(), args) else { return };
        person.sees("person has joined");
        person.keys("in the middle of a wor");
        server.server.running.signal("TERM");
        let runs = [piped.running.wait(), silent.running.wait(), person.0.wait()];
        for run in &runs {
            lost(run);
            assert!(format!("{}{}", run.stdout, run.stderr).contains("going down"), "{run:#?}");
        }
        assert_eq!(server.server.wait().code(), 0);
    }
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn a_killed_server_is_an_error_on_every_terminal() {
    for args in [&[][..], &["--tls"]] {
        let mut server = ChatServer::start(args);
        let home = server.home.path();
        let mut piped = Client::start(home, "piped", server.addr(), args);
        piped.shows("piped has joined");
        let Some(mut person) = Person::at(home, "person", server.addr(), args) else { return };
        person.sees("person has joined");
        server.server.running.child.kill().unwrap();
        lost(&piped.running.wait());
        lost(&person.0.wait());
    }
}

#[test]
fn a_server_killed_during_a_download_leaves_nothing_that_looks_whole() {
    let mut server = ChatServer::start(&[]);
    fs::write(server.shared().join("film.avi"), noise("film.avi", 1_000_000)).unwrap();
    let way = way_to(server.addr(), 300_000);
    let mut client = Client::start(server.home.path(), "alice", way.addr, &[]);
    client.types("/get film.avi");
    way.stopped.recv().unwrap();
    server.server.running.child.kill().unwrap();
    lost(&client.running.wait());
    assert!(!server.home.path().join("alice/film.avi").exists());
}

#[test]
#[cfg_attr(windows, ignore = "driven by a Unix shell")]
fn the_end_of_a_server_leaves_the_terminal_as_it_was() {
    if !tool("python3") {
        return;
    }
    let mut server = ChatServer::start(&[]);
    let (home, port) = (server.home.path(), server.port());
    let client = format!("{NETLAB} chat client alice 127.0.0.1 {port}; echo status $?; stty -a");
    let mut command = python(TERMINAL, &["sh", "-c", &client]);
    command.current_dir(home).env("HOME", home).env("XDG_STATE_HOME", home.join("state"));
    let mut person = Person(Running::start_on(b"", command));
    person.sees("alice has joined");
    server.server.running.child.kill().unwrap();
    person.sees("status 1");
    person.sees("icanon");
    let shown = person.0.wait().stdout;
    assert!(shown.contains(" icanon") && shown.contains(" echo ") && !shown.contains("-icanon"), "{shown}");
}
