//! The chat's client, driven from outside, against servers that are written
//! here: what a well-behaved server never does, these do.

#![allow(clippy::unwrap_used, reason = "a failure of the set-up is the test's")]

mod support;

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use sha2::{Digest, Sha256};
use support::peer::Peer;
use support::{Run, Running, check_error, netlab, refusing_port, run, run_command, slashed};

const WELCOME: &[u8] = b"* netlab chat 1: /name NAME brings you in, /help lists the commands\n";

/// A server of the test, and a folder in which the client runs.
struct Stage {
    listener: TcpListener,
    dir: tempfile::TempDir,
}

impl Stage {
    fn new() -> Stage {
        Stage { listener: TcpListener::bind("127.0.0.1:0").unwrap(), dir: tempfile::tempdir().unwrap() }
    }

    fn addr(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    fn client(&self, args: &[&str]) -> Command {
        let addr = self.addr().to_string();
        let mut command = netlab([&["chat", "client", "alice", &addr], args].concat());
        command.current_dir(self.dir.path()).env("XDG_STATE_HOME", self.dir.path().join("state"));
        command
    }

    /// Runs the client on `input`, while `serve` serves it.
    fn play(&self, input: &str, serve: impl FnOnce(&mut Peer) + Send) -> Run {
        self.play_with(&[], input, serve)
    }

    fn play_with(&self, args: &[&str], input: &str, serve: impl FnOnce(&mut Peer) + Send) -> Run {
        thread::scope(|scope| {
            let client = scope.spawn(|| run_command(self.client(args), input.as_bytes()));
            serve(&mut Peer::accept(&self.listener));
            client.join().unwrap()
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}; there is {:?}", self.files()))
    }

    /// Every file below the folder.
    fn files(&self) -> Vec<String> {
        fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { walk(&path, found) } else { found.push(path) }
            }
        }
        let mut found = Vec::new();
        walk(self.dir.path(), &mut found);
        let name = |path: &PathBuf| slashed(path.strip_prefix(self.dir.path()).unwrap().to_str().unwrap());
        let mut names: Vec<String> = found.iter().map(name).collect();
        names.sort();
        names
    }
}

/// The welcome, and alice comes in.
fn let_in(peer: &mut Peer) {
    peer.send(WELCOME);
    peer.expect(b"/name alice\n");
    peer.send(b"* alice has joined\n");
}

fn say_goodbye(peer: &mut Peer) {
    peer.expect(b"/quit\n");
    peer.send(b"* goodbye\n");
    peer.half_close();
    peer.read_to_fin();
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn chunk(id: u32, bytes: &[u8]) -> Vec<u8> {
    [format!("+ {id} {}\n", bytes.len()).as_bytes(), bytes].concat()
}

/// A whole transfer from `offset` on.
fn transfer(id: u32, name: &str, bytes: &[u8], offset: usize) -> Vec<u8> {
    let begin = format!("# {id} {} {name}\n", bytes.len()).into_bytes();
    let chunks = bytes[offset..].chunks(1000).flat_map(|bytes| chunk(id, bytes));
    let end = format!(". {id} {}\n", hash(bytes)).into_bytes();
    begin.into_iter().chain(chunks).chain(end).collect()
}

/// Bytes in which every place differs from its neighbours.
fn song(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 256 * 7) as u8).collect()
}

#[test]
fn what_is_piped_in_is_said_and_what_comes_is_printed_as_it_came() {
    let stage = Stage::new();
    let run = stage.play("hello\n/who\n", |peer| {
        let_in(peer);
        peer.expect(b"hello\n/who\n");
        peer.send("* 2 in lobby: alice, bob\n<bob> grüß dich\n<bob -> alice> psst\r\n= 12 a b.txt\n".as_bytes());
        say_goodbye(peer);
    });
    let expected = [
        "* netlab chat 1: /name NAME brings you in, /help lists the commands",
        "* alice has joined",
        "* 2 in lobby: alice, bob",
        "<bob> grüß dich",
        "<bob -> alice> psst",
        "= 12 a b.txt",
        "* goodbye",
    ];
    assert_eq!(run.stdout.lines().collect::<Vec<_>>(), expected);
    assert_eq!(run.stderr, "");
    assert_eq!(run.code(), 0);
}

#[test]
fn nothing_is_said_before_the_welcome_nor_before_the_name_is_taken() {
    let stage = Stage::new();
    let run = stage.play("hello\n", |peer| {
        // Had it said anything, this would be the first of it.
        peer.send(&WELCOME[..10]);
        peer.send(&WELCOME[10..]);
        peer.expect(b"/name alice\n");
        peer.send(b"* bob has joined\n<bob> hi\n");
        peer.send(b"* carol, alice, dave have joined\n");
        peer.expect(b"hello\n");
        say_goodbye(peer);
    });
    run.succeeded();
}

#[test]
fn a_quit_with_a_text_is_passed_on_and_ends_the_input() {
    let stage = Stage::new();
    let run = stage.play("/quit see you\nnever said\n", |peer| {
        let_in(peer);
        peer.expect(b"/quit see you\n");
        peer.send(b"* goodbye\n");
        peer.half_close();
        assert_eq!(peer.read_to_fin(), b"");
    });
    run.succeeded();
}

#[test]
fn a_servers_escape_sequences_and_disguises_are_shown_and_not_obeyed() {
    let stage = Stage::new();
    let run = stage.play("", |peer| {
        let_in(peer);
        peer.send(b"<bob> \x1b[2Jgone\x07 \xff\n* a\rb\n");
        peer.send("<bob> \u{202e}exe.txt \u{9b}2J\n".as_bytes());
        say_goodbye(peer);
    });
    assert!(run.stdout.contains("<bob> \\x1b[2Jgone\\x07 \\xff\n* a\\rb\n"), "{run:?}");
    assert!(run.stdout.contains("<bob> \\u{202e}exe.txt \\u{9b}2J\n"), "{run:?}");
}

#[test]
fn a_line_without_end_takes_no_memory_and_ends_nothing() {
    let stage = Stage::new();
    let run = stage.play("", |peer| {
        let_in(peer);
        peer.send(&vec![b'x'; 3_000_000]);
        peer.send(b"\n* next\n");
        say_goodbye(peer);
    });
    assert!(run.stdout.contains("\n* next\n"));
    assert!(run.stdout.len() < 40_000, "{}", run.stdout.len());
}

#[test]
fn a_line_too_long_or_no_text_is_not_said_and_the_next_one_is() {
    let stage = Stage::new();
    let input = [&[b'x'; 4097][..], b"\n\xff\xfe\nnext\n"].concat();
    let run = thread::scope(|scope| {
        let client = scope.spawn(|| run_command(stage.client(&[]), &input));
        let mut peer = Peer::accept(&stage.listener);
        let_in(&mut peer);
        peer.expect(b"next\n");
        say_goodbye(&mut peer);
        client.join().unwrap()
    });
    assert!(run.stderr.contains("the line is 4097 bytes long") && run.stderr.contains("not UTF-8"), "{run:?}");
}

// Names and servers that are not there.

#[test]
fn a_username_that_is_none_is_a_usage_error() {
    for name in ["", "a b", "../x", "-", &"x".repeat(33)] {
        assert_eq!(run(["chat", "client", "--", name]).code(), 2, "{name:?}");
    }
}

#[test]
fn host_and_port_may_stand_together_or_apart() {
    let (_socket, addr) = refusing_port();
    let port = addr.port().to_string();
    for args in [&[&addr.to_string()[..]][..], &["127.0.0.1", &port], &[&port], &[&format!(":{port}")]] {
        let run = run([&["chat", "client", "alice"], args].concat());
        assert_eq!(run.code(), 1);
        check_error(&run.stderr, &format!("cannot connect to tcp {addr}: connection refused"));
        assert!(run.stderr.contains(&format!("try: netlab chat server {addr}")), "{run:?}");
    }
    assert_eq!(run(["chat", "client", "alice", "127.0.0.1:1", "1"]).code(), 2);
    assert_eq!(run(["chat", "client", "alice", "127.0.0.1", "65536"]).code(), 2);
}

#[test]
fn an_unknown_host_is_named() {
    let run = run(["chat", "client", "alice", "nosuch.invalid", "2000"]).ended(1);
    check_error(&run.stderr, "cannot find the address of nosuch.invalid: unknown name");
}

#[test]
fn a_name_that_is_refused_ends_the_client_with_the_servers_reason() {
    let stage = Stage::new();
    let run = stage.play("hello\n", |peer| {
        peer.send(WELCOME);
        peer.expect(b"/name alice\n");
        peer.send(b"! alice is taken: choose another name\n");
        assert_eq!(peer.read_to_fin(), b"");
    });
    assert_eq!(run.code(), 1);
    let message = format!("cannot join tcp {} as alice: alice is taken: choose another name", stage.addr());
    check_error(&run.stderr, &message);
}

#[test]
fn a_server_that_is_none_of_ours_is_told_apart() {
    let first_lines: [(&[u8], &str); 3] = [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "the first line was \"SSH-2.0-OpenSSH_9.6\""),
        (b"! this server speaks TLS: connect with --tls\n", "this server speaks TLS: connect with --tls"),
        (b"", "nothing came"),
    ];
    for (line, cause) in first_lines {
        let stage = Stage::new();
        let run = stage.play_with(&["--timeout", "300ms"], "", |peer| {
            peer.send(line);
            let _ = peer.read_to_any_end();
        });
        assert_eq!(run.code(), 1);
        check_error(&run.stderr, &format!("cannot receive from tcp {}: {cause}", stage.addr()));
    }
}

// How a server can go.

#[test]
fn every_way_in_which_a_server_goes_is_explained() {
    type End = fn(&mut Peer);
    let silent: End = |peer| peer.half_close();
    let ends: [(&str, End, &str); 4] = [
        ("", silent, "the server closed without a word"),
        ("! server is going down: SIGTERM\n", silent, "the server is going down: SIGTERM"),
        ("! you were kicked by op: noise\n", silent, "the server closed: you were kicked by op: noise"),
        ("! server is going down: \x1b[2J\n", silent, "the server is going down: \\x1b[2J"),
    ];
    for (last, end, cause) in ends {
        let stage = Stage::new();
        let mut client = Running::start_on(b"hello\n", stage.client(&[]));
        let mut peer = Peer::accept(&stage.listener);
        let_in(&mut peer);
        peer.expect(b"hello\n");
        peer.send(last.as_bytes());
        end(&mut peer);
        while client.next_line().is_some() {}
        let run = client.wait();
        assert_eq!(run.code(), 1, "{run:?}");
        check_error(&run.stderr, &format!("cannot receive from tcp {}: {cause}", stage.addr()));
    }
}

#[test]
fn a_reset_is_explained() {
    if support::wine_lacks(support::RESETS) {
        return;
    }
    let stage = Stage::new();
    let client = Running::start_on(b"hello\n", stage.client(&[]));
    let mut peer = Peer::accept(&stage.listener);
    let_in(&mut peer);
    peer.expect(b"hello\n");
    peer.reset();
    let run = client.wait().ended(1);
    check_error(&run.stderr, &format!("cannot receive from tcp {}: connection reset by the peer", stage.addr()));
}

#[test]
fn the_end_is_an_event_too() {
    let stage = Stage::new();
    let client = Running::start_on(b"hello\n", stage.client(&["--json"]));
    let mut peer = Peer::accept(&stage.listener);
    let_in(&mut peer);
    peer.expect(b"hello\n");
    peer.send(b"! server is going down: SIGTERM\n");
    peer.half_close();
    let run = client.wait().ended(1);
    assert_eq!(run.event("closed")["reason"], "server-stop");
    assert!(run.event("error")["message"].as_str().unwrap().ends_with("the server is going down: SIGTERM"));
    let summary = run.event("summary");
    assert_eq!(run.events().last(), Some(&summary));
    assert_eq!((&summary["sent"], &summary["received"]), (&2.into(), &3.into()));
    let texts: Vec<_> = run.all("received").iter().map(|event| event["text"].clone()).collect();
    assert_eq!(texts[1..], ["* alice has joined", "! server is going down: SIGTERM"]);
}

#[test]
fn a_signal_says_goodbye_to_the_server_and_is_no_failure() {
    let stage = Stage::new();
    let mut client = Running::start_on(b"hello\n", stage.client(&[]));
    let mut peer = Peer::accept(&stage.listener);
    let_in(&mut peer);
    peer.expect(b"hello\n");
    client.line_where(|line| line.contains("joined"));
    client.signal("TERM");
    assert_eq!(peer.read_to_fin(), b"/quit\n");
    client.wait().ended(0);
}

#[test]
fn after_a_quit_a_fin_is_the_goodbye_and_a_reset_is_none() {
    if support::wine_lacks(support::RESETS) {
        return;
    }
    for (reset, code) in [(false, 0), (true, 1)] {
        let stage = Stage::new();
        let run = thread::scope(|scope| {
            let client = scope.spawn(|| run_command(stage.client(&[]), b""));
            let mut peer = Peer::accept(&stage.listener);
            let_in(&mut peer);
            peer.expect(b"/quit\n");
            if reset {
                peer.reset();
            } else {
                drop(peer);
            }
            client.join().unwrap()
        });
        assert_eq!(run.code(), code, "{run:?}");
    }
}

#[test]
fn a_server_that_neither_answers_a_quit_nor_closes_is_left_all_the_same() {
    let stage = Stage::new();
    thread::scope(|scope| {
        let client = scope.spawn(|| run_command(stage.client(&["--timeout", "300ms"]), b""));
        let mut peer = Peer::accept(&stage.listener);
        let_in(&mut peer);
        assert_eq!(peer.read_to_fin(), b"/quit\n");
        client.join().unwrap().succeeded(); // while the peer still has its half open
    });
}

// Downloads.

#[test]
fn a_file_is_saved_in_the_users_folder_and_chat_goes_on_meanwhile() {
    let (stage, bytes) = (Stage::new(), song(150_000));
    let run = stage.play("/get song.ogg\n", |peer| {
        let_in(peer);
        peer.expect(b"/get song.ogg\n");
        peer.send(format!("# 1 {} song.ogg\n", bytes.len()).as_bytes());
        for part in bytes.chunks(65_536) {
            peer.send(&chunk(1, part));
            peer.send(b"<bob> hello\n");
        }
        peer.send(format!(". 1 {}\n", hash(&bytes)).as_bytes());
        say_goodbye(peer);
    });
    assert!(slashed(&run.stdout).contains("\nsaved alice/song.ogg, 150000 bytes\n"), "{run:?}");
    assert_eq!(run.stdout.lines().filter(|line| *line == "<bob> hello").count(), 3);
    assert_eq!(run.code(), 0);
    assert_eq!(stage.file("alice/song.ogg"), bytes);
    assert_eq!(stage.files(), ["alice/song.ogg"]);
}

#[test]
fn a_quit_waits_for_the_downloads_before_it() {
    let (stage, bytes) = (Stage::new(), song(5000));
    let run = stage.play("/get a\n/get b\n/quit\n", |peer| {
        let_in(peer);
        peer.expect(b"/get a\n/get b\n");
        peer.send(&transfer(2, "b", &bytes, 0));
        peer.send(&transfer(1, "a", &bytes, 0));
        say_goodbye(peer);
    });
    run.succeeded();
    assert_eq!(stage.files(), ["alice/a", "alice/b"]);
}

#[test]
fn more_files_than_a_server_sends_at_once_are_asked_for_one_after_the_other() {
    let (stage, bytes) = (Stage::new(), song(3000));
    let input: String = (1..=7).map(|number| format!("/get {number}.bin\n")).collect();
    let run = stage.play(&input, |peer| {
        let_in(peer);
        for number in 1..=4 {
            peer.expect(format!("/get {number}.bin\n").as_bytes());
        }
        for number in 1..=7 {
            peer.send(&transfer(number, &format!("{number}.bin"), &bytes, 0));
            if number < 4 {
                peer.expect(format!("/get {}.bin\n", number + 4).as_bytes());
            }
        }
        say_goodbye(peer);
    });
    run.succeeded();
    assert_eq!(stage.files().len(), 7);
}

#[test]
fn a_file_that_is_there_is_not_overwritten() {
    let (stage, bytes) = (Stage::new(), song(10));
    fs::create_dir(stage.path("alice")).unwrap();
    fs::write(stage.path("alice/a.txt"), "precious").unwrap();
    let run = stage.play("/get a.txt\n", |peer| {
        let_in(peer);
        peer.expect(b"/get a.txt\n");
        peer.send(&transfer(1, "a.txt", &bytes, 0));
        say_goodbye(peer);
    });
    assert!(slashed(&run.stdout).contains("saved alice/a (2).txt, 10 bytes"), "{run:?}");
    assert_eq!(stage.file("alice/a.txt"), b"precious");
    assert_eq!(stage.file("alice/a (2).txt"), bytes);
}

#[test]
fn an_empty_file_is_a_file() {
    let stage = Stage::new();
    let run = stage.play_with(&["--download-dir", "here/there"], "/get none\n", |peer| {
        let_in(peer);
        peer.expect(b"/get none\n");
        peer.send(&transfer(1, "none", b"", 0));
        say_goodbye(peer);
    });
    assert!(slashed(&run.stdout).contains("saved here/there/none, 0 bytes"), "{run:?}");
    assert_eq!(stage.file("here/there/none"), b"");
}

#[test]
fn a_file_that_is_not_there_fails_the_run_and_no_more() {
    let stage = Stage::new();
    let run = stage.play("/get nosuch\nhello\n", |peer| {
        let_in(peer);
        peer.expect(b"/get nosuch\nhello\n");
        peer.send(b"! there is no such file\n");
        say_goodbye(peer);
    });
    assert_eq!(run.code(), 1);
    assert_eq!(stage.files(), Vec::<String>::new());
}

/// Sends the first `so_many` bytes of a transfer, line by line and chunk by
/// chunk cut at that byte, then is gone.
fn break_off(stage: &Stage, bytes: &[u8], offset: usize, so_many: usize) {
    let run = stage.play("/get song.ogg\n", |peer| {
        let_in(peer);
        let asked = if offset > 0 { format!("/get \"song.ogg\" {offset}\n") } else { "/get song.ogg\n".into() };
        peer.expect(asked.as_bytes());
        let all = transfer(1, "song.ogg", bytes, offset);
        peer.send(&all[..so_many.min(all.len())]);
        peer.half_close();
        let _ = peer.read_to_any_end();
    });
    assert_eq!(run.code(), 1, "{run:?}");
}

#[test]
fn a_download_broken_off_at_any_byte_is_gone_on_with_and_is_exact() {
    let bytes = song(20_000);
    let mut random = 1u64;
    for _ in 0..34 {
        let stage = Stage::new();
        let mut here = 0;
        for _ in 0..3 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let whole = transfer(1, "song.ogg", &bytes, here).len();
            break_off(&stage, &bytes, here, (random >> 33) as usize % (whole - 70));
            here = fs::metadata(stage.path("alice/song.ogg.part")).map_or(0, |part| part.len() as usize);
        }
        let run = stage.play("/get song.ogg\n", |peer| {
            let_in(peer);
            let asked = if here > 0 { format!("/get \"song.ogg\" {here}\n") } else { "/get song.ogg\n".into() };
            peer.expect(asked.as_bytes());
            peer.send(&transfer(1, "song.ogg", &bytes, here));
            say_goodbye(peer);
        });
        run.succeeded();
        assert_eq!(stage.files(), ["alice/song.ogg"]);
        assert!(stage.file("alice/song.ogg") == bytes);
    }
}

#[test]
fn an_interrupted_download_says_what_is_here() {
    let (stage, bytes) = (Stage::new(), song(20_000));
    let run = stage.play("/get song.ogg\n", |peer| {
        let_in(peer);
        peer.expect(b"/get song.ogg\n");
        peer.send(b"# 1 20000 song.ogg\n");
        peer.send(&chunk(1, &bytes[..5000]));
        peer.half_close();
    });
    let said = "alice/song.ogg.part has 5000 of 20000 bytes; /get song.ogg goes on from there";
    assert!(slashed(&run.stderr).contains(said), "{run:?}");
}

#[test]
fn a_part_of_another_file_is_thrown_away_and_all_is_fetched_once_more() {
    let (stage, bytes) = (Stage::new(), song(5000));
    fs::create_dir(stage.path("alice")).unwrap();
    fs::write(stage.path("alice/song.ogg.part"), "something else").unwrap();
    let run = stage.play("/get song.ogg\n", |peer| {
        let_in(peer);
        peer.expect(b"/get \"song.ogg\" 14\n");
        peer.send(&transfer(1, "song.ogg", &bytes, 14));
        peer.expect(b"/get \"song.ogg\" 0\n");
        peer.send(&transfer(2, "song.ogg", &bytes, 0));
        say_goodbye(peer);
    });
    assert_eq!(run.code(), 0, "{run:?}");
    assert_eq!(stage.file("alice/song.ogg"), bytes);
    assert_eq!(stage.files(), ["alice/song.ogg"]);
}

#[test]
fn a_part_longer_than_the_file_is_no_obstacle() {
    let (stage, bytes) = (Stage::new(), song(10));
    fs::create_dir(stage.path("alice")).unwrap();
    fs::write(stage.path("alice/a.part"), "longer than the file").unwrap();
    let run = stage.play("/get a\n", |peer| {
        let_in(peer);
        peer.expect(b"/get \"a\" 20\n");
        peer.send(b"! a has only 10 bytes\n");
        peer.expect(b"/get \"a\" 0\n");
        peer.send(&transfer(1, "a", &bytes, 0));
        say_goodbye(peer);
    });
    assert_eq!(run.code(), 0, "{run:?}");
    assert_eq!(stage.file("alice/a"), bytes);
}

#[test]
fn wrong_bytes_become_no_file() {
    let bytes = song(3000);
    let mut flipped = transfer(1, "a", &bytes, 0);
    flipped[100] ^= 1;
    let short =
        [&b"# 1 3000 a\n"[..], &chunk(1, &bytes[..2999]), format!(". 1 {}\n", hash(&bytes)).as_bytes()].concat();
    let long = [&b"# 1 2000 a\n"[..], &chunk(1, &bytes), format!(". 1 {}\n", hash(&bytes)).as_bytes()].concat();
    let broken = [&b"# 1 3000 a\n"[..], b"! 1 the file changed while it was sent\n"].concat();
    let causes = [
        (flipped, "its SHA-256 is not the one that the server told"),
        (short, "2999 of its 3000 bytes came"),
        (long, "more bytes came than the 2000 it was said to have"),
        (broken, "the file changed while it was sent"),
    ];
    for (sent, cause) in causes {
        let stage = Stage::new();
        let run = stage.play("/get a\n", |peer| {
            let_in(peer);
            peer.expect(b"/get a\n");
            peer.send(&sent);
            say_goodbye(peer);
        });
        assert_eq!(run.code(), 1, "{run:?}");
        check_error(&slashed(&run.stderr), &format!("cannot download alice/a: {cause}"));
        assert_eq!(stage.files(), Vec::<String>::new());
    }
}

#[test]
fn a_transfer_that_nobody_asked_for_is_dropped() {
    let (stage, bytes) = (Stage::new(), song(100));
    let run = stage.play("/get wanted\n", |peer| {
        let_in(peer);
        peer.expect(b"/get wanted\n");
        peer.send(&transfer(1, "wanted", &bytes, 0));
        peer.send(&transfer(2, "unwanted", &bytes, 0));
        peer.send(b"+ 99 5\nhello. 99 00\n. 7 zz\n! 55 what\n+ 99 0\n");
        peer.send(b"<bob> still here\n");
        say_goodbye(peer);
    });
    assert!(run.stderr.contains("nobody asked for it") && run.stdout.contains("<bob> still here"), "{run:?}");
    assert_eq!(stage.files(), ["alice/wanted"]);
}

/// Names that lead out of the folder, are devices, hidden, or no names.
fn hostile_names() -> Vec<String> {
    let mut names: Vec<String> = [
        ".",
        "..",
        "../x",
        "../../x",
        "/etc/cron.d/x",
        "/tmp/x",
        "a/b",
        "a/../../x",
        "./x",
        "x/.",
        "x/..",
        "~/../x",
        "\\x",
        "..\\x",
        "..\\..\\x",
        "a\\b",
        "C:x",
        "C:\\x",
        "z:/x",
        "\\\\host\\share\\x",
        "\\\\?\\C:\\x",
        "//host/share",
        ".x",
        ".bashrc",
        ".ssh/authorized_keys",
        "...",
        ". .",
        "a\0b",
        "\0",
        "x\0.txt",
        "\u{202e}txt.exe",
        "a\u{2028}b",
        "\u{9b}2J",
        "\x1b[2J",
        "\x1b]0;x\x07",
        "a\rb",
        "\x7f",
        "a\tb",
        "con",
        "CON",
        "nul",
        "NUL.txt",
        "Aux.c",
        "prn",
        "com1",
        "COM9.log",
        "lpt1",
        "LPT\u{b9}.x",
        "conin$",
        "CONOUT$",
        "con .txt",
        "nul.tar.gz",
    ]
    .map(String::from)
    .to_vec();
    names.extend((1..=20).map(|depth| format!("{}x", "../".repeat(depth))));
    names.extend((0..=9).flat_map(|port| [format!("com{port}.txt"), format!("LPT{port}")]));
    names.extend((1..32).filter(|code| *code != 10).map(|code| format!("a{}b", char::from(code))));
    names.push("x".repeat(300));
    names
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let names = hostile_names();
    assert!(names.len() >= 100, "{}", names.len());
    let stage = Stage::new();
    fs::write(stage.path("x"), "untouched").unwrap();
    // Each as the answer to a request for just that name, and as another's.
    let askable = |name: &&String| !name.contains(['\r', '\n']) && name.trim() == *name;
    for name in names.iter().filter(askable) {
        let run = stage.play(&format!("/get {name}\n/get other\n"), |peer| {
            let_in(peer);
            peer.expect(format!("/get {name}\n/get other\n").as_bytes());
            peer.send(&transfer(1, name, b"evil", 0));
            peer.send(&transfer(2, name, b"evil", 0));
            say_goodbye(peer);
        });
        assert_eq!(run.code(), 1, "{name:?}: {run:?}");
        assert_eq!(stage.files(), ["x"], "{name:?}");
    }
    assert_eq!(stage.file("x"), b"untouched");
}

// Secrets.

#[test]
fn a_password_is_sent_and_nowhere_else_to_be_seen() {
    let stage = Stage::new();
    fs::write(stage.path("secret"), "hunter2\n").unwrap();
    for args in [&["--password-file", "secret"][..], &["--password-file", "secret", "--json"]] {
        let run = stage.play_with(args, "/login bob hunter2\n", |peer| {
            peer.send(b"* netlab chat 1: /login NAME PASSWORD brings you in\n");
            peer.expect(b"/login alice hunter2\n");
            peer.send(b"* alice has joined\n");
            peer.expect(b"/login bob hunter2\n");
            peer.send(b"! you are alice already\n");
            say_goodbye(peer);
        });
        assert_eq!(run.code(), 0, "{run:?}");
        assert!(!format!("{}{}", run.stdout, run.stderr).contains("hunter2"), "{run:?}");
    }
}

#[test]
fn a_server_that_wants_a_password_gets_none_from_a_pipe() {
    let stage = Stage::new();
    let run = stage.play("hunter2\n", |peer| {
        peer.send(b"* netlab chat 1: /login NAME PASSWORD brings you in\n");
        assert_eq!(peer.read_to_fin(), b"");
    });
    assert_eq!(run.code(), 1);
    assert!(run.stderr.contains("--password-file"), "{run:?}");
}

#[test]
fn a_password_file_that_cannot_be_read_opens_nothing() {
    let run = run(["chat", "client", "alice", "127.0.0.1:1", "--password-file", "/nonexistent/secret"]);
    assert_eq!(run.code(), 2, "{run:?}");
}

#[test]
fn lines_of_a_flood_all_arrive_in_order() {
    let stage = Stage::new();
    let run = stage.play("", |peer| {
        let_in(peer);
        let lines: String = (0..5000).map(|number| format!("<bob> {number}\n")).collect();
        peer.0.write_all(lines.as_bytes()).unwrap();
        say_goodbye(peer);
    });
    let numbers: Vec<usize> = run.stdout.lines().filter_map(|line| line.strip_prefix("<bob> ")?.parse().ok()).collect();
    assert_eq!(numbers, (0..5000).collect::<Vec<_>>());
}

#[test]
fn a_server_that_reads_slowly_gets_every_line_however_long_it_takes() {
    let mut server = support::Server::start("chat", &["--rate-limit", "20/s"]);
    let client = netlab(["chat", "client", "alice", &server.at_text(), "--timeout", "500ms"]);
    let input: String = (0..70).map(|number| format!("{number}\n")).collect();
    let run = run_command(client, input.as_bytes()).succeeded();
    assert!(run.stdout.contains("! slow down") && run.stdout.ends_with("* goodbye\n"), "{run:?}");
    for number in (0..70).map(|number| number.to_string()) {
        server.event_where("received", |event| event["text"] == number);
    }
}
