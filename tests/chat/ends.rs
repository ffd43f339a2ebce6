//! Both ends: netlab's client at netlab's server, on pipes and on a terminal;
//! and at servers that mean it ill.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::Value;

use crate::support::peer::Peer;
use crate::support::{NETLAB, Run, Running, Server, own_loopback, python, run_command, tool};
use crate::users::{ChatServer, chat_in, is_heavy, new_home, noise, sha256};

/// netlab's client in a directory, with `--json`: it reads lines from a pipe.
struct Client {
    running: Running,
}

impl Client {
    fn start(home: &Path, name: &str, addr: SocketAddr, args: &[&str]) -> Client {
        let fixed = ["client", name, &addr.ip().to_string(), &addr.port().to_string()].map(str::to_owned);
        let fixed: Vec<&str> = fixed.iter().map(String::as_str).collect();
        Client { running: Running::start_on(b"", chat_in(home, &[&fixed, args].concat())) }
    }

    /// Once it is in.
    fn joined(home: &Path, name: &str, addr: SocketAddr) -> Client {
        let mut client = Client::start(home, name, addr, &["--json"]);
        client.receives(&format!("* {name} has joined"));
        client
    }

    fn types(&mut self, line: &str) {
        self.running.child.stdin.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// With `--json`: waits for that line from the server.
    #[track_caller]
    fn receives(&mut self, line: &str) {
        self.running.line_where(|event| {
            let event: Value = serde_json::from_str(event).unwrap_or_else(|error| panic!("{error}: {event}"));
            event["event"] == "received" && event["text"].as_str().is_some_and(|text| text.trim_end() == line)
        });
    }

    #[track_caller]
    fn shows(&mut self, part: &str) {
        self.running.line_where(|line| line.contains(part));
    }

    /// Its input ends.
    fn end_of_input(&mut self) {
        self.running.child.stdin = None;
    }
}

/// Runs a program on a terminal of its own, 80 by 24, with what comes in typed
/// there, and what is shown there passed on.
const TERMINAL: &str = r#"
import fcntl, os, pty, select, struct, sys, termios
child, master = pty.fork()
if child == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.environ["TERM"] = "xterm"
    os.execvp(sys.argv[1], sys.argv[1:])
sources = [0, master]
while master in sources:
    for ready in select.select(sources, [], [])[0]:
        try: data = os.read(ready, 65536)
        except OSError: data = b""
        if not data: sources.remove(ready)
        elif ready == 0: os.write(master, data)
        else: os.write(1, data)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#;

/// A person at a terminal. `None` where there is no Python to make one.
struct Person(Running);

impl Person {
    fn at(home: &Path, name: &str, addr: SocketAddr, args: &[&str]) -> Option<Person> {
        if !tool("python3") {
            return None;
        }
        let (host, port) = (addr.ip().to_string(), addr.port().to_string());
        let mut command = python(TERMINAL, &[&[NETLAB, "chat", "client", name, &host, &port], args].concat());
        command.current_dir(home).env("HOME", home).env("XDG_STATE_HOME", home.join("state"));
        Some(Person(Running::start_on(b"", command)))
    }

    /// Types a line and Enter.
    fn types(&mut self, line: &str) {
        self.keys(&format!("{line}\r"));
    }

    fn keys(&mut self, keys: &str) {
        self.0.child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the terminal was sent that, in one line.
    #[track_caller]
    fn sees(&mut self, part: &str) -> String {
        self.0.line_where(|line| plain(line).contains(part))
    }
}

/// A terminal's line without what moves the cursor and changes colours.
fn plain(line: &str) -> String {
    let mut shown = String::new();
    let mut rest = line.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\x1b' if rest.next_if_eq(&'[').is_some() => drop(rest.by_ref().find(|c| ('\x40'..='\x7e').contains(c))),
            '\x1b' => drop(rest.next()),
            '\r' => {}
            other => shown.push(other),
        }
    }
    shown
}

// A session

#[test]
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
    assert!(run.stdout.contains("saved alice/a.txt, 4 bytes"), "{run:#?}");
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

// Downloads

/// What is in a folder, by name.
fn files_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

#[test]
fn a_download_is_saved_byte_for_byte_in_a_folder_named_after_the_user() {
    let server = ChatServer::start(&[]);
    let home = server.home.path();
    let files = [("film.avi", noise("film.avi", 700_001)), ("read me.txt", b"hello\n".to_vec()), ("empty", Vec::new())];
    let mut alice = Client::start(home, "alice", server.addr(), &[]);
    for (name, bytes) in &files {
        fs::write(server.shared().join(name), bytes).unwrap();
        alice.types(&format!("/get {name}"));
        alice.shows(&format!("saved alice/{name}, {} bytes", bytes.len()));
        assert!(fs::read(home.join("alice").join(name)).unwrap() == *bytes, "{name}");
    }
    assert_eq!(files_in(&home.join("alice")), ["empty", "film.avi", "read me.txt"], "and nothing unfinished");
    alice.types("/quit");
    assert_eq!(alice.running.wait().code(), 0);
}

#[test]
fn a_download_at_a_terminal_is_saved_too() {
    let server = ChatServer::start(&[]);
    let home = server.home.path();
    let film = noise("film.avi", 3_000_000);
    fs::write(server.shared().join("film.avi"), &film).unwrap();
    let Some(mut alice) = Person::at(home, "alice", server.addr(), &[]) else { return };
    alice.sees("alice has joined");
    alice.types("/files");
    alice.sees("3000000");
    alice.types("/get film.avi");
    alice.sees("saved alice/film.avi, 3000000 bytes");
    assert!(fs::read(home.join("alice/film.avi")).unwrap() == film);
}

#[test]
fn a_second_download_does_not_overwrite_the_first() {
    let server = ChatServer::start(&[]);
    let home = server.home.path();
    fs::write(server.shared().join("notes.txt"), "the server's\n").unwrap();
    fs::create_dir(home.join("alice")).unwrap();
    fs::write(home.join("alice/notes.txt"), "my own\n").unwrap();
    let mut alice = Client::start(home, "alice", server.addr(), &[]);
    alice.types("/get notes.txt");
    alice.shows("saved alice/");
    assert_eq!(fs::read(home.join("alice/notes.txt")).unwrap(), b"my own\n");
    let others: Vec<String> = files_in(&home.join("alice")).into_iter().filter(|name| name != "notes.txt").collect();
    assert_eq!(others.len(), 1, "{others:?}");
    assert_eq!(fs::read(home.join("alice").join(&others[0])).unwrap(), b"the server's\n");
}

#[test]
fn a_download_directory_of_ones_own_choice() {
    let server = ChatServer::start(&[]);
    let home = server.home.path();
    fs::write(server.shared().join("a.txt"), "abc\n").unwrap();
    let mut alice = Client::start(home, "alice", server.addr(), &["--download-dir", "else/where"]);
    alice.types("/get a.txt");
    alice.shows("saved else/where/a.txt, 4 bytes");
    assert_eq!(fs::read(home.join("else/where/a.txt")).unwrap(), b"abc\n");
    assert!(!home.join("alice").exists());
}

#[test]
fn twenty_clients_download_at_once_byte_for_byte() {
    let server = ChatServer::start(&[]);
    let home = server.home.path();
    let film = noise("film.avi", if is_heavy() { 30_000_000 } else { 1_000_000 });
    fs::write(server.shared().join("film.avi"), &film).unwrap();
    let names: Vec<String> = (1..=20).map(|n| format!("user{n}")).collect();
    let mut clients: Vec<Client> =
        names.iter().map(|name| Client::start(home, name, server.addr(), &["--quiet"])).collect();
    clients.iter_mut().for_each(|client| client.types("/get film.avi"));
    for (mut client, name) in clients.into_iter().zip(&names) {
        client.end_of_input();
        let run = client.running.wait().succeeded();
        let saved =
            fs::read(home.join(name).join("film.avi")).unwrap_or_else(|error| panic!("{name}: {error} {run:#?}"));
        assert!(saved == film, "{name}'s differs");
    }
}

/// A way to a server on which everything stops after so many bytes from it,
/// and what was asked on the way is kept.
struct Way {
    addr: SocketAddr,
    stopped: Receiver<()>,
    asked: Receiver<String>,
}

fn way_to(server: SocketAddr, bytes: u64) -> Way {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopped) = channel();
    let (ask, asked) = channel();
    thread::spawn(move || {
        let client = Peer::accept(&listener).0;
        let there = std::net::TcpStream::connect(server).unwrap();
        let (up, down) = (client.try_clone().unwrap(), there.try_clone().unwrap());
        thread::spawn(move || {
            use std::io::BufRead;
            for line in std::io::BufReader::new(up).lines().map_while(Result::ok) {
                let _ = (&there).write_all(format!("{line}\n").as_bytes());
                let _ = ask.send(line);
            }
        });
        let _ = std::io::copy(&mut std::io::Read::take(&down, bytes), &mut &client);
        let _ = stop.send(());
        // Nothing more comes, and no end either, until the client is gone.
        let _ = std::io::copy(&mut &down, &mut std::io::sink());
        let _ = client.shutdown(std::net::Shutdown::Both);
    });
    Way { addr, stopped, asked }
}

#[test]
fn a_download_killed_anywhere_is_resumed_and_whole() {
    let server = ChatServer::start(&["--rate-limit", "off"]);
    let home = server.home.path();
    let film = noise("film.avi", 1_500_000);
    fs::write(server.shared().join("film.avi"), &film).unwrap();
    let rounds = if is_heavy() { 100 } else { 4 };
    let mut resumed = 0;
    for round in 0..rounds {
        let at = u64::from_le_bytes(noise(&format!("kill {round}"), 8).try_into().unwrap()) % 1_500_000;
        let folder = format!("round{round}");
        let way = way_to(server.addr(), at);
        let mut first = Client::start(home, &format!("first{round}"), way.addr, &["-q", "--download-dir", &folder]);
        first.types("/get film.avi");
        way.stopped.recv().unwrap();
        // SIGKILL, at whatever it is doing with what it has.
        drop(first);
        assert!(!home.join(&folder).join("film.avi").exists(), "killed at {at}: what is not whole has another name");

        let way = way_to(server.addr(), u64::MAX);
        let mut second = Client::start(home, &format!("second{round}"), way.addr, &["-q", "--download-dir", &folder]);
        second.types("/get film.avi");
        second.end_of_input();
        let run = second.running.wait().succeeded();
        assert!(fs::read(home.join(&folder).join("film.avi")).unwrap() == film, "killed at {at}: {run:#?}");
        assert_eq!(files_in(&home.join(&folder)), ["film.avi"], "killed at {at}");
        let asked = way.asked.try_iter().find(|line| line.starts_with("/get ")).unwrap();
        resumed += usize::from(asked.rsplit(' ').next().unwrap().parse::<u64>().is_ok_and(|offset| offset > 0));
    }
    if is_heavy() {
        crate::support::say(&format!("{resumed} of {rounds} killed downloads went on where they had been"));
        assert!(resumed * 2 > rounds, "only {resumed} of {rounds} went on where they had been");
    }
}

#[test]
fn a_file_that_changed_since_is_fetched_anew() {
    let server = ChatServer::start(&[]);
    let home = server.home.path();
    fs::write(server.shared().join("film.avi"), noise("the first film", 1_000_000)).unwrap();
    let way = way_to(server.addr(), 500_000);
    let mut first = Client::start(home, "first", way.addr, &["-q", "--download-dir", "here"]);
    first.types("/get film.avi");
    way.stopped.recv().unwrap();
    drop(first);
    let film = noise("another film", 1_000_000);
    fs::write(server.shared().join("film.avi"), &film).unwrap();
    let mut second = Client::start(home, "second", server.addr(), &["-q", "--download-dir", "here"]);
    second.types("/get film.avi");
    second.end_of_input();
    let run = second.running.wait();
    let saved: Vec<Vec<u8>> =
        files_in(&home.join("here")).iter().map(|name| fs::read(home.join("here").join(name)).unwrap()).collect();
    // Half of one and half of the other is the one thing it may not be.
    assert!(run.code() == 1 || saved.contains(&film), "{run:#?}");
    assert!(fs::read(home.join("here/film.avi")).map_or(true, |bytes| bytes == film), "{run:#?}");
}

// The end of a server

fn lost(run: &Run) {
    assert_eq!(run.code(), 1, "{run:#?}");
    let said = format!("{}{}", plain(&run.stdout), plain(&run.stderr));
    assert!(said.contains("error: "), "{run:#?}");
}

#[test]
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

// Servers that mean it ill

/// A server of the test's own: its first client is given to `serve`.
fn own_server(serve: impl FnOnce(Peer) + Send + 'static) -> (SocketAddr, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (addr, thread::spawn(move || serve(Peer::accept(&listener))))
}

/// Lets alice in, and waits for her line that begins so.
fn welcome(peer: &mut Peer, until: &str) -> String {
    peer.send(b"* netlab chat 1: welcome\n");
    assert_eq!(peer.read_line(), "/name alice\n");
    peer.send(b"* alice has joined\n");
    loop {
        let line = peer.read_line();
        if line.starts_with(until) {
            return line;
        }
    }
}

/// A transfer of `hello\n` under any name, hash and announced size.
fn transfer(peer: &mut Peer, name: &str, size: usize, hash: &str) {
    peer.send(format!("# 1 {size} {name}\n+ 1 6\nhello\n. 1 {hash}\n").as_bytes());
}

fn everything_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(everything_below(&entry.path()))
        } else {
            found.push(entry.path())
        }
    }
    found.sort();
    found
}

#[test]
fn a_name_from_the_server_never_leaves_the_download_folder() {
    let names = [
        "../evil",
        "../../evil",
        "/tmp/netlab-evil",
        "alice/../../evil",
        "..",
        ".",
        ".bashrc",
        "a/b",
        "a\\b",
        "..\\evil",
        "C:\\evil",
        "evil\x1b[2J",
        "evil\r",
        "",
        " ",
        "con",
        "nul",
        "~/evil",
        "photo\u{202e}gnp.exe",
        "another.txt",
    ];
    let server = |name: &'static str| {
        own_server(move |mut peer| {
            welcome(&mut peer, "/get");
            transfer(&mut peer, name, 6, &sha256(b"hello\n"));
            peer.send(b"<bob> that was all\n");
            let _ = peer.read_to_any_end();
        })
    };
    for name in names {
        let home = new_home();
        let inside = home.path().join("a/b");
        fs::create_dir_all(&inside).unwrap();
        let (addr, served) = server(name);
        let mut client = Client::start(&inside, "alice", addr, &[]);
        client.types("/get wanted.txt");
        client.shows("that was all");
        drop(client);
        served.join().unwrap();
        let found = everything_below(home.path());
        let outside: Vec<&PathBuf> = found
            .iter()
            .filter(|path| !path.starts_with(inside.join("alice")) && !path.starts_with(inside.join("state")))
            .collect();
        assert!(outside.is_empty(), "{name:?} made {outside:?}");
        assert!(!Path::new("/tmp/netlab-evil").exists());
        let odd = found.iter().find(|path| {
            path.starts_with(inside.join("alice"))
                && path.file_name().unwrap().to_str().is_none_or(|name| {
                    name.starts_with('.') && !name.contains("part") || name.contains(char::is_control)
                })
        });
        assert!(odd.is_none(), "{name:?} made {odd:?}");
    }
}

#[test]
fn a_file_that_is_not_what_was_announced_is_not_saved() {
    for (size, hash) in
        [(6, sha256(b"other\n")), (7, sha256(b"hello\n")), (5, sha256(b"hello\n")), (6, "no hash".to_owned())]
    {
        let (addr, served) = own_server(move |mut peer| {
            welcome(&mut peer, "/get");
            transfer(&mut peer, "wanted.txt", size, &hash);
            peer.send(b"<bob> that was all\n");
            let _ = peer.read_to_any_end();
        });
        let home = new_home();
        let mut client = Client::start(home.path(), "alice", addr, &[]);
        client.types("/get wanted.txt");
        client.shows("that was all");
        let run = {
            client.end_of_input();
            client.running.wait()
        };
        served.join().unwrap();
        assert!(!home.path().join("alice/wanted.txt").exists(), "{run:#?}");
        assert!(!run.stdout.contains("saved"), "{run:#?}");
    }
}

#[test]
fn what_a_server_sends_never_reaches_the_terminal_as_a_command() {
    let (addr, _served) = own_server(|mut peer| {
        welcome(&mut peer, "go");
        peer.send(
            b"<bob> \x1b[2Jcleared\n* \x1b]0;title\x07\n! \xff\xfe\n<bob> photo\xe2\x80\xaegnp.exe\nnothing known\n",
        );
        peer.send(b"= 5 \x1b[31mred.txt\n! server is going down: \x1b[5mblink\n");
    });
    let home = new_home();
    let mut client = Client::start(home.path(), "alice", addr, &[]);
    client.types("go");
    let run = client.running.wait().ended(1);
    for output in [&run.stdout, &run.stderr] {
        assert!(!output.contains(['\x1b', '\x07', '\u{202e}']), "{run:#?}");
    }
    assert!(run.stdout.contains("cleared") && run.stdout.contains("gnp.exe"), "{run:#?}");
}

#[test]
fn a_line_without_end_from_a_server_is_an_error_and_not_all_memory() {
    let (addr, served) = own_server(|mut peer| {
        welcome(&mut peer, "go");
        let _ = (0..1000).try_for_each(|_| peer.0.write_all(&[b'x'; 100_000]));
    });
    let home = new_home();
    let mut client = Client::start(home.path(), "alice", addr, &[]);
    client.types("go");
    lost(&client.running.wait());
    served.join().unwrap();
}

// Secrets

#[test]
fn a_changed_certificate_is_refused_and_explained() {
    let server = |addr: &str| {
        let home = new_home();
        let command = chat_in(home.path(), &["server", addr, "--json", "--tls", "--shared", "shared"]);
        ChatServer { server: Server::of(command), home }
    };
    let first = server(&format!("{}:0", own_loopback()));
    let addr = first.server.at_text();
    let clients = new_home();
    let client = |addr: &str| {
        let (host, port) = addr.rsplit_once(':').unwrap();
        chat_in(clients.path(), &["client", "alice", host, port, "--tls"])
    };
    run_command(client(&addr), b"/quit\n").succeeded();
    run_command(client(&addr), b"/quit\n").succeeded();
    assert_eq!(first.server.stop().code(), 0);
    // The same address, another key.
    let _second = server(&addr);
    let run = run_command(client(&addr), b"/quit\n").ended(1);
    assert!(run.stderr.contains("fingerprint") && run.stderr.contains(&addr), "{run:#?}");
    assert!(!run.stdout.contains("has joined"), "{run:#?}");
}

#[test]
fn a_fingerprint_is_taken_in_every_form_and_held_to() {
    let server = ChatServer::start(&["--tls"]);
    let addr = server.server.at_text();
    let script = "openssl s_client -connect $0 </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256";
    if !tool("openssl") {
        return;
    }
    let printed = run_command(crate::support::command("sh", &["-c", script, &addr]), b"").succeeded().stdout;
    let colons = printed.trim().split_once('=').unwrap().1.to_owned();
    let bare = colons.replace(':', "");
    let port = server.port();
    let client = |fingerprint: &str| {
        let home = new_home();
        let args = ["client", "alice", "127.0.0.1", &port, "--tls", "--fingerprint", fingerprint];
        run_command(chat_in(home.path(), &args), b"/quit\n")
    };
    for form in [&colons, &bare, &bare.to_lowercase(), &format!("SHA256:{colons}"), &format!("SHA256:{bare}")] {
        client(form).succeeded();
    }
    let other = format!("{}{}", if bare.starts_with('0') { '1' } else { '0' }, &bare[1..]);
    let run = client(&other).ended(1);
    assert!(run.stderr.contains("fingerprint"), "{run:#?}");
    client("12:34").ended(2);
}

#[test]
fn one_end_speaks_tls_and_the_other_does_not() {
    let secure = ChatServer::start(&["--tls"]);
    let port = secure.port();
    let run = run_command(chat_in(secure.home.path(), &["client", "alice", "127.0.0.1", &port]), b"hello\n").ended(1);
    assert!(run.stderr.contains("TLS"), "{run:#?}");
    let open = ChatServer::start(&[]);
    let port = open.port();
    let run =
        run_command(chat_in(open.home.path(), &["client", "alice", "127.0.0.1", &port, "--tls"]), b"hello\n").ended(1);
    assert!(run.stderr.contains("TLS"), "{run:#?}");
}

/// Passes bytes on both ways, and flips one bit of what the server sends after so many.
fn way_that_flips(server: SocketAddr, at: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let client = Peer::accept(&listener).0;
        let there = std::net::TcpStream::connect(server).unwrap();
        let (up, down) = (client.try_clone().unwrap(), there.try_clone().unwrap());
        thread::spawn(move || drop(std::io::copy(&mut &up, &mut &there)));
        let mut passed = 0;
        let mut bytes = [0; 4096];
        while let Ok(got @ 1..) = std::io::Read::read(&mut &down, &mut bytes) {
            if (passed..passed + got).contains(&at) {
                bytes[at - passed] ^= 1;
            }
            passed += got;
            let _ = (&client).write_all(&bytes[..got]);
        }
    });
    addr
}

#[test]
fn a_flipped_bit_ends_a_secure_connection() {
    let server = ChatServer::start(&["--tls"]);
    fs::write(server.shared().join("film.avi"), noise("film.avi", 200_000)).unwrap();
    for at in [20, 700, 50_000, 150_000] {
        let home = new_home();
        let mut client = Client::start(home.path(), "alice", way_that_flips(server.addr(), at), &["--tls"]);
        client.types("/get film.avi");
        lost(&client.running.wait());
        assert!(!home.path().join("alice/film.avi").exists());
    }
}

#[test]
fn a_user_logs_in_over_tls_and_the_password_is_nowhere() {
    const SECRET: &str = "Tr0ub4dor-and-3";
    let home = new_home();
    run_command(chat_in(home.path(), &["adduser", "users", "alice"]), SECRET.as_bytes()).succeeded();
    fs::write(home.path().join("password"), format!("{SECRET}\n")).unwrap();
    fs::write(home.path().join("wrong"), "another\n").unwrap();
    let server = ChatServer::in_home(home, &["--tls", "--users", "users"]);
    let port = server.port();
    let client = |file: &str, more: &[&str]| {
        let args = ["client", "alice", "127.0.0.1", &port, "--tls", "--password-file", file];
        run_command(chat_in(server.home.path(), &[&args, more].concat()), b"/quit\n")
    };
    for more in [&[][..], &["--json"], &["--trace"], &["--json", "--trace"]] {
        let run = client("password", more).succeeded();
        assert!(!run.stdout.contains(SECRET) && !run.stderr.contains(SECRET), "{run:#?}");
        assert!(run.stdout.contains("alice has joined"), "{run:#?}");
    }
    let run = client("wrong", &[]).ended(1);
    assert!(run.stderr.contains("wrong name or password"), "{run:#?}");
    client("no-such-file", &[]).ended(2);
}
