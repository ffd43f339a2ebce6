//! chat with many users, large files and people who mean it ill. In the
//! ordinary suite with modest sizes and without time limits, since a slow
//! machine must not make it red; with `NETLAB_TEST_HEAVY=1`, and best with
//! `--release`, with full sizes, and the limits hold. The figures are printed:
//!
//! ```sh
//! NETLAB_TEST_HEAVY=1 cargo test --release --test chat_heavy -- --test-threads 1
//! ```

// Not on Windows: memory is read from /proc, limits are set by prlimit.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

mod support;

#[path = "chat/crowd.rs"]
mod crowd;
#[path = "support/group.rs"]
mod group;
#[path = "chat/hostile.rs"]
mod hostile;
#[path = "support/chat.rs"]
mod users;

use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crowd::Crowd;
use support::peer::Peer;
use support::say;
use users::{ChatServer, Item, MAX_CHUNK_BYTES, User, is_heavy, noise, sha256};

/// A size for the ordinary suite, and the full one.
fn sized<T>(modest: T, full: T) -> T {
    if is_heavy() { full } else { modest }
}

/// Says a figure; in the heavy suite it must be under its limit.
#[track_caller]
fn figure(what: &str, value: f64, limit: f64, unit: &str) {
    say(&format!("{what}: {value:.1} {unit} (limit {limit} {unit})"));
    assert!(!is_heavy() || value <= limit, "{what}: {value:.1} {unit}, and the limit is {limit} {unit}");
}

/// The value under which so many per cent of them are.
fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() * percent / 100).min(values.len() - 1)]
}

// A large file

/// Of this size, with noise every few MiB and holes between.
fn sparse_file(path: &Path, size: u64) {
    let file = File::create(path).unwrap();
    file.set_len(size).unwrap();
    let block = noise("block", 64 * 1024);
    for (number, offset) in (0..size - block.len() as u64).step_by(4 << 20).enumerate() {
        file.write_all_at(&block[number % 1000..], offset + number as u64 % 5000).unwrap();
    }
    file.write_all_at(b"the very end", size - 12).unwrap();
}

/// Fetches it, comparing each piece with the file as it comes.
fn fetch(server: &ChatServer, name: &str) -> Duration {
    let file = File::open(server.shared().join(name)).unwrap();
    let size = file.metadata().unwrap().len();
    let mut reader = server.user("reader");
    let begun = Instant::now();
    reader.say(&format!("/get {name}"));
    let (mut offset, mut expected) = (0, vec![0; MAX_CHUNK_BYTES]);
    loop {
        match reader.next() {
            Item::Chunk { id: 1, bytes } => {
                let expected = &mut expected[..bytes.len()];
                file.read_exact_at(expected, offset).unwrap();
                assert!(bytes == expected, "not the file's bytes after {offset}");
                offset += bytes.len() as u64;
            }
            Item::Line(line) if line.starts_with("# ") => assert_eq!(line, format!("# 1 {size} {name}")),
            Item::Line(line) if line.starts_with(['*', '<']) => {}
            Item::Line(line) => {
                assert_eq!((offset, line.starts_with(". 1 ")), (size, true), "{line}");
                let took = begun.elapsed();
                assert_eq!(line, format!(". 1 {}", hash_of(&file, size)));
                return took;
            }
            other => panic!("{other:?} after {offset} of {size} bytes"),
        }
    }
}

fn hash_of(file: &File, size: u64) -> String {
    use sha2::{Digest, Sha256};
    let (mut hash, mut block) = (Sha256::new(), vec![0; 1 << 20]);
    for offset in (0..size).step_by(block.len()) {
        let block = &mut block[..((size - offset) as usize).min(1 << 20)];
        file.read_exact_at(block, offset).unwrap();
        hash.update(block);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Each says the time now and then, until told; how late others read it, in ms.
fn chat_until(talkers: Vec<User>, done: &AtomicBool) -> Vec<f64> {
    let epoch = Instant::now();
    let count = talkers.len();
    let speakers: Vec<_> = talkers.iter().map(|talker| talker.tcp().try_clone().unwrap()).collect();
    thread::scope(|scope| {
        let listeners: Vec<_> = talkers.into_iter().map(|talker| scope.spawn(move || delays(talker, epoch))).collect();
        for turn in (0..).take_while(|_| !done.load(Ordering::Relaxed)) {
            let text = format!("{}\n", epoch.elapsed().as_micros());
            (&speakers[turn % count]).write_all(text.as_bytes()).unwrap();
            thread::sleep(Duration::from_millis(10)); // the pace of the talk, not a wait for anything
        }
        speakers.iter().for_each(|mut speaker| speaker.write_all(b"/quit\n").unwrap());
        listeners.into_iter().flat_map(|listener| listener.join().unwrap()).collect()
    })
}

fn delays(mut talker: User, epoch: Instant) -> Vec<f64> {
    let mut delays = Vec::new();
    loop {
        match talker.next() {
            Item::Line(line) => match line.split_once("> ").and_then(|(_, sent)| sent.parse::<u64>().ok()) {
                Some(sent) => delays.push((epoch.elapsed().as_micros() as f64 - sent as f64) / 1000.0),
                None => assert!(line.starts_with("* "), "{line}"),
            },
            Item::Fin => return delays,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_large_file_arrives_exact_while_fifty_talk() {
    let server = ChatServer::start(&["-q"]);
    sparse_file(&server.shared().join("film.avi"), sized(64 << 20, 2 << 30));
    let done = AtomicBool::new(false);
    let talkers: Vec<User> = (0..50).map(|n| server.user(&format!("talker{n}"))).collect();
    let (took, mut delays, growth) = thread::scope(|scope| {
        let talk = scope.spawn(|| chat_until(talkers, &done));
        let before = server.memory_kib();
        let took = fetch(&server, "film.avi");
        let growth = server.memory_kib().saturating_sub(before);
        done.store(true, Ordering::Relaxed);
        (took, talk.join().unwrap(), growth)
    });
    say(&format!("the file in {took:.1?}, {} lines read meanwhile", delays.len()));
    figure("99th percentile of a line's delay", percentile(&mut delays, 99), 50.0, "ms");
    figure("growth of the server's memory", growth as f64 / 1024.0, 20.0, "MiB");
}

// Those who hold others up

/// Connections that are open and say nothing.
fn silent(addr: SocketAddr, count: usize) -> Vec<Peer> {
    (0..count).map(|_| Peer::connect(addr)).collect()
}

/// Writes again and again, a new connection when the server has had enough,
/// until told.
fn nuisance(addr: SocketAddr, done: &AtomicBool, pause: Duration, what: impl Fn(usize) -> Vec<u8>) {
    let mut peer = Peer::connect(addr);
    peer.0.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    for turn in (0..).take_while(|_| !done.load(Ordering::Relaxed)) {
        let closed = |error: std::io::Error| !matches!(error.kind(), std::io::ErrorKind::WouldBlock);
        if peer.0.write_all(&what(turn)).is_err_and(closed) {
            peer = Peer::connect(addr);
            peer.0.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        }
        thread::sleep(pause); // how fast this one is
    }
}

#[test]
fn nobody_is_held_up_by_the_silent_the_deaf_and_the_loud() {
    let server = ChatServer::start(&["-q"]);
    let addr = server.addr();
    let [mut alice, mut bob] = server.users(["alice", "bob"]);
    let quiet = silent(addr, sized(200, 1000));
    let deaf = Peer::connect_small(addr);
    (&deaf.0).write_all(b"/name deaf\n").unwrap();
    let done = AtomicBool::new(false);
    let moment = Duration::from_millis(5);
    let mut gaps = thread::scope(|scope| {
        scope.spawn(|| {
            let flood = |turn| if turn == 0 { b"/name flood\n".to_vec() } else { b"flood flood flood\n".repeat(50) };
            nuisance(addr, &done, Duration::ZERO, flood);
        });
        scope.spawn(|| nuisance(addr, &done, moment, |turn| noise(&format!("garbage {turn}"), 3000)));
        scope.spawn(|| nuisance(addr, &done, moment, |_| b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()));
        scope.spawn(|| nuisance(addr, &done, moment, |_| [&b"\x16\x03\x01\x02\x00\x01"[..], &[0; 500]].concat()));
        let word = b"/name slowly\nbyte by byte\n";
        scope.spawn(|| nuisance(addr, &done, moment, |turn| vec![word[turn % word.len()]]));
        scope.spawn(|| nuisance(addr, &done, moment, |_| vec![b'x'; 40_000]));
        let gaps = gaps_of(&mut alice, &mut bob, sized(100, 400));
        done.store(true, Ordering::Relaxed);
        gaps
    });
    drop((quiet, deaf));
    figure("99th percentile of a healthy line's delay", percentile(&mut gaps, 99), 100.0, "ms");
    figure("worst delay of a healthy line", percentile(&mut gaps, 100), 100.0, "ms");
}

/// alice speaks and bob waits for it, at a pace under the rate limit; each delay in ms.
fn gaps_of(alice: &mut User, bob: &mut User, count: usize) -> Vec<f64> {
    let gap = |n| {
        let begun = Instant::now();
        alice.say(&format!("ping {n}"));
        let expected = format!("<alice> ping {n}");
        while bob.line() != expected {}
        let gap = begun.elapsed();
        thread::sleep(Duration::from_millis(25).saturating_sub(gap)); // alice's pace
        gap.as_secs_f64() * 1000.0
    };
    (0..count).map(gap).collect()
}

/// It takes as long as the system takes to give up on who does not answer.
#[test]
fn a_pulled_cable_is_told_of() {
    if !is_heavy() || !support::tool("nc") {
        return;
    }
    let Some((here, there)) = group::two_hosts() else { return };
    let home = users::new_home();
    let mut command = here.netlab(&["chat", "server", "0.0.0.0:2000", "--json", "--shared", "shared"]);
    command.current_dir(home.path());
    let mut server = support::Server::of(command);
    let typed = b"/name alice\n";
    let _alice = support::Running::start_on(typed, there.command("nc", &["10.9.0.1", "2000"]));
    server.event_where("received", |event| event["text"] == "/name alice");
    let mut bob = support::Running::start_on(b"/name bob\n", here.command("nc", &["127.0.0.1", "2000"]));
    bob.line_where(|line| line == "* bob has joined");
    there.ip("link set east down");
    let begun = Instant::now();
    loop {
        // bob's own talk shows that only alice is cut off.
        bob.child.stdin.as_mut().unwrap().write_all(b"/rooms\n").unwrap();
        if bob.line_where(|line| line.starts_with("* ") && !line.contains("joined")) == "* alice has left" {
            break;
        }
        thread::sleep(Duration::from_millis(500)); // between two looks
    }
    server.event_where("closed", |event| event["client"] == 1 && event["reason"] == "timeout");
    figure("a pulled cable is noticed after", begun.elapsed().as_secs_f64(), 60.0, "s");
}

// A full room

/// All in one room; ten of them say twenty lines each, and the lines are counted.
fn full_room(count: usize, tls: bool, kib_each: f64) {
    let what = if tls { "over TLS" } else { "in plain text" };
    let args: &[&str] = if tls { &["-q", "--rate-limit", "off", "--tls"] } else { &["-q", "--rate-limit", "off"] };
    let server = ChatServer::start(args);
    drop(server.connect_either(tls));
    let before = server.memory_kib();
    let begun = Instant::now();
    let mut crowd = Crowd::gather(server.addr(), count, tls);
    say(&format!("{count} users in one room {what} after {:.1?}", begun.elapsed()));
    let after = server.memory_kib();
    let begun = Instant::now();
    let delivered = crowd.hear_each_other(10, 20);
    let took = begun.elapsed();
    let rate = delivered as f64 / took.as_secs_f64();
    say(&format!("{delivered} lines, each once and in order, in {took:.1?}: {rate:.0} a second"));
    let peak = server.memory_kib();
    say(&format!("the server's memory: {before} KiB alone, {after} KiB with all in, {peak} KiB after they spoke"));
    figure(
        &format!("memory for each user {what}"),
        (after.saturating_sub(before)) as f64 / count as f64,
        kib_each,
        "KiB",
    );
}

#[test]
fn everyone_in_a_full_room_hears_each_line_once_and_in_order() {
    full_room(sized(300, 10_000), false, 10.0);
}

#[test]
fn everyone_in_a_full_room_hears_each_line_once_and_in_order_over_tls() {
    full_room(sized(100, 10_000), true, 20.0);
}

// Names

#[test]
fn two_hundred_hostile_file_names_reach_nothing() {
    let server = ChatServer::start(&["--rate-limit", "off"]);
    let home = server.home.path();
    fs::write(home.join("secret.txt"), "SECRET").unwrap();
    fs::create_dir(home.join("shared/folder")).unwrap();
    fs::write(home.join("shared/folder/secret.txt"), "SECRET").unwrap();
    fs::write(home.join("shared/.secret.txt"), "SECRET").unwrap();
    std::os::unix::fs::symlink("../secret.txt", home.join("shared/link")).unwrap();
    fs::write(home.join("shared/fine.txt"), "fine").unwrap();
    let names = hostile::file_names(&home.canonicalize().unwrap());
    assert!(names.len() >= 200, "{}", names.len());
    let mut alice = server.user("alice");
    for name in &names {
        alice.send(&[b"/get ", &name[..], b"\n"].concat());
        match alice.next() {
            Item::Line(line) if line.starts_with("! ") => {}
            other => panic!("{other:?} for /get {}", String::from_utf8_lossy(name)),
        }
    }
    alice.say("/get fine.txt");
    assert_eq!(alice.download().hash, sha256(b"fine"));
}

#[test]
fn two_hundred_hostile_user_names_harm_nobody() {
    let server = ChatServer::start(&["--rate-limit", "off"]);
    let mut alice = server.user("alice");
    let mut eve = server.connect();
    let names = hostile::user_names();
    assert!(names.len() >= 200, "{}", names.len());
    for name in &names {
        eve.send(&[b"/name ", &name[..], b"\n"].concat());
        match eve.next() {
            Item::Line(line) if line.starts_with("! ") => {}
            other => panic!("{other:?} for /name {}", String::from_utf8_lossy(name)),
        }
    }
    alice.expect_nothing();
}

#[test]
fn two_hundred_hostile_names_from_a_server_reach_nothing() {
    hostile::server_of_hostile_names();
}
