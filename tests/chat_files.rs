//! Downloads of files large enough for the system to send them by itself
//! (`sendfile(2)`): what arrives is the file, whoever changes it meanwhile, and
//! the trace shows the calls.

#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

mod support;

#[path = "support/chat.rs"]
mod users;

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Instant;

use support::DEADLINE;
use users::{ChatServer, Item, User, noise, sha256};

/// Not a whole number of chunks.
const SIZE: usize = 3_000_001;

/// As much as no socket takes at once: the transfer waits for its reader.
const LONG: usize = 24 << 20;

fn enter(server: &ChatServer, over_tls: bool) -> User {
    let mut user = server.connect_either(over_tls);
    user.say("/name alice");
    user.expect("* alice has joined");
    user
}

/// The rest of the file from there on, in the transfer that comes next.
#[track_caller]
fn fetch(user: &mut User, file: &[u8], offset: usize) {
    user.say(&format!("/get \"film.avi\" {offset}"));
    let download = user.download();
    assert_eq!((download.name.as_str(), download.size), ("film.avi", file.len() as u64));
    assert!(download.bytes == file[offset..], "{} bytes from {offset} on are not the file's", download.bytes.len());
    assert_eq!(download.hash, sha256(file));
}

/// Three times: the first one tells the server the hash.
fn comes_whole(over_tls: bool) {
    let server = ChatServer::start(if over_tls { &["--tls"] } else { &[] });
    let file = noise("film", SIZE);
    fs::write(server.shared().join("film.avi"), &file).unwrap();
    let mut user = enter(&server, over_tls);
    for offset in [0, 0, 1, 65_536, SIZE - 1, SIZE, 0] {
        fetch(&mut user, &file, offset);
    }
    let changed = noise("another film", SIZE);
    fs::write(server.shared().join("film.avi"), &changed).unwrap();
    fetch(&mut user, &changed, 70_000);
    fetch(&mut user, &changed, 0);
}

#[test]
fn a_large_file_comes_whole_each_time_and_from_any_offset() {
    comes_whole(false);
}

#[test]
fn a_large_file_comes_whole_over_tls_each_time_and_from_any_offset() {
    comes_whole(true);
}

#[test]
fn four_downloads_at_once_come_whole_with_the_chat_between_them() {
    let server = ChatServer::start(&[]);
    let names = ["a.avi", "b.avi", "c.avi", "d.avi"];
    let files = names.map(|name| noise(name, SIZE));
    for (name, file) in names.iter().zip(&files) {
        fs::write(server.shared().join(name), file).unwrap();
    }
    let mut user = enter(&server, false);
    let mut other = server.user("bob");
    user.expect("* bob has joined");
    for _ in 0..2 {
        names.iter().for_each(|name| user.say(&format!("/get {name}")));
        other.say("still here");
        for _ in names {
            let download = user.download();
            let at = names.iter().position(|name| *name == download.name).unwrap();
            assert!(download.bytes == files[at] && download.hash == sha256(&files[at]), "{}", download.name);
        }
        user.expect("<bob> still here");
    }
}

/// Reads so many bytes as fast as they come, and looks at none.
fn take(taker: &mut TcpStream, mut bytes: u64) {
    let (mut buffer, until) = (vec![0; 256 * 1024], Instant::now() + 4 * DEADLINE);
    while bytes > 0 {
        let got = taker.read(&mut buffer).unwrap();
        assert!(got > 0 && Instant::now() < until, "{bytes} bytes did not come");
        bytes = bytes.saturating_sub(got as u64);
    }
}

#[test]
fn who_takes_a_film_as_fast_as_it_comes_leaves_room_for_what_others_say() {
    const FILM: u64 = 512 << 20;
    const TIMES: usize = 4; // more at once are refused
    let server = ChatServer::start(&[]);
    let film = File::create(server.shared().join("film.avi")).unwrap();
    film.set_len(FILM).unwrap();
    let [mut bob, mut carol] = server.users(["bob", "carol"]);
    let mut taker = TcpStream::connect(server.addr()).unwrap();
    taker.set_read_timeout(Some(DEADLINE)).unwrap();
    // Once its hash is known nothing holds the server up any more.
    taker.write_all(b"/name alice\n/get film.avi\n").unwrap();
    take(&mut taker, FILM);
    taker.write_all(&b"/get film.avi\n".repeat(TIMES)).unwrap();
    let taking = thread::spawn(move || take(&mut taker, FILM * TIMES as u64));
    let mut heard = 0;
    while !taking.is_finished() {
        bob.say(&format!("line {heard}"));
        let line = format!("<bob> line {heard}");
        while carol.line() != line {}
        heard += 1;
    }
    taking.join().unwrap();
    assert!(heard > 3 * TIMES, "{heard} lines were heard beside {TIMES} films");
}

/// A transfer of a long file, of which the first chunk has come.
fn half_way(server: &ChatServer, known: bool) -> User {
    let file = server.shared().join("film.avi");
    fs::write(&file, noise("film", LONG)).unwrap();
    let mut user = enter(server, false);
    if known {
        user.say("/get film.avi");
        user.download();
    }
    user.say("/get film.avi");
    user.expect("# …");
    assert!(matches!(user.next(), Item::Chunk { .. }));
    user
}

/// The chunks end where they should, and the transfer in an error.
#[track_caller]
fn ends_in_an_error(user: &mut User) {
    loop {
        match user.next() {
            Item::Chunk { .. } => {}
            Item::Line(line) => {
                assert!(line.starts_with("! ") && line.ends_with("was changed meanwhile; ask for it again"), "{line}");
                return;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_file_that_becomes_shorter_or_other_while_it_is_sent_ends_in_an_error_and_the_chat_goes_on() {
    for known in [false, true] {
        for cut in [0, 100_000, LONG as u64 - 1] {
            let server = ChatServer::start(&[]);
            let mut user = half_way(&server, known);
            OpenOptions::new().write(true).open(server.shared().join("film.avi")).unwrap().set_len(cut).unwrap();
            ends_in_an_error(&mut user);
            user.say("/who");
            user.expect("* 1 in lobby: alice");
        }
        let server = ChatServer::start(&[]);
        let mut user = half_way(&server, known);
        let mut file = OpenOptions::new().write(true).open(server.shared().join("film.avi")).unwrap();
        file.write_all(b"other").unwrap();
        ends_in_an_error(&mut user);
    }
}

/// What the trace says is what strace saw, the system's own sending included.
// Not on Windows: the calls are held against strace.
#[test]
#[cfg(target_os = "linux")]
fn the_trace_shows_the_files_that_the_system_sends() {
    use support::Server;
    use support::strace::{Strace, assert_same};

    let Some(strace) = Strace::new() else { return };
    let shared = tempfile::tempdir().unwrap();
    let file = noise("film", SIZE);
    fs::write(shared.path().join("film.avi"), &file).unwrap();
    let folder = shared.path().to_str().unwrap();
    let arguments = ["chat", "server", "127.0.0.1:0", "--json", "--trace", "--shared", folder];
    let server = Server::of(strace.netlab(&arguments));
    let mut user = User::connect(server.addr());
    user.expect("* netlab chat 1…");
    user.say("/name alice");
    user.expect("* alice has joined");
    fetch(&mut user, &file, 0);
    fetch(&mut user, &file, 0);
    user.say("/quit");
    user.expect("* goodbye");
    user.expect_close();
    drop(user);
    let run = server.stop().succeeded();
    assert!(run.stderr.contains("\"sendfile\""), "{}", run.stderr);
    assert_same(&strace, &run.stderr);
}
