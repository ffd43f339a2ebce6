//! The chat, whose server's or client's calls fail: at most the two who are
//! talking just then are let go, and whoever comes next is served; who was told
//! that a word has arrived was told the truth.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::clients::ends_well_or_says_why;
use super::servers::{ends_in_order, start};
use super::support::run_command;
use super::trial::{Trial, every_call_fails_once};
use super::users::{Item, User, chat_in, fits, new_home, noise, sha256};

const FILE: &str = "song.ogg";
const FILE_BYTES: usize = 100_000;

/// So much that the system sends it by itself (`sendfile(2)`), where it can.
const LARGE: &str = "film.ogv";
const LARGE_BYTES: usize = 1_100_000;

/// Every call of the server, in plain text or over TLS.
pub fn serves(args: &[&str]) {
    let is_tls = args.contains(&"--tls");
    every_call_fails_once(&format!("chat server {}", args.join(" ")), |trial| {
        let home = new_home();
        share(home.path());
        let args = [&["server", "127.0.0.1:0", "--json", "--shared", "shared"], args].concat();
        let Some(server) = start(trial, chat_in(home.path(), &args)) else { return };
        let passes = trial.passes() || trial.is("recv", "EAGAIN") || trial.is("send", "EAGAIN");
        let connect = || {
            let user = if is_tls { User::connect_tls(server.addr()) } else { User::connect(server.addr()) };
            if passes { user } else { user.ill_served() }
        };
        let file = if is_tls { (FILE, FILE_BYTES) } else { (LARGE, LARGE_BYTES) };
        let let_go = (0..3).filter(|round| talk(*round, connect(), connect(), file).is_none()).count();
        assert!(let_go <= usize::from(!passes), "{let_go} of three pairs were let go");
        assert!(let_go == 0 || trial.has_struck());
        ends_in_order(server);
    });
}

/// No thread for files, nor a second try to have one: then there is one. The
/// first thread of all waits for signals.
pub fn finds_a_thread_later() {
    let home = new_home();
    share(home.path());
    let trial = Trial::without_threads(2..=8);
    let serve = ["server", "127.0.0.1:0", "--json", "--shared", "shared"];
    let server = start(&trial, chat_in(home.path(), &serve)).unwrap();
    let mut bob = User::connect(server.addr());
    let until = |bob: &mut User, pattern: &str| until(bob, pattern, [""; 2]).unwrap();
    says(&mut bob, "/name bob\n/files").unwrap();
    until(&mut bob, "* bob has joined");
    until(&mut bob, "! the server has no thread to spare…");
    assert!(trial.has_struck());
    says(&mut bob, "/files").unwrap();
    until(&mut bob, "* 2 files in SharedFiles");
    until(&mut bob, &format!("= {LARGE_BYTES} {LARGE}"));
    until(&mut bob, &format!("= {FILE_BYTES} {FILE}"));
    gets(&mut bob, (FILE, FILE_BYTES)).unwrap();
    ends_in_order(server);
}

fn share(home: &Path) {
    for (name, bytes) in [(FILE, FILE_BYTES), (LARGE, LARGE_BYTES)] {
        std::fs::write(home.join("shared").join(name), noise(name, bytes)).unwrap();
    }
}

/// Alice and Bob talk, and Bob gets a file. `None`: one of them was let go.
fn talk(round: usize, mut alice: User, mut bob: User, file: (&str, usize)) -> Option<()> {
    let [a, b] = [format!("alice{round}"), format!("bob{round}")];
    let until = |user: &mut User, pattern: &str| until(user, pattern, [&a, &b]);
    for (user, name) in [(&mut alice, &a), (&mut bob, &b)] {
        says(user, &format!("/name {name}"))?;
        until(user, &format!("* {name} has joined"))?;
    }
    until(&mut alice, &format!("* {b} has joined"))?;
    says(&mut alice, "hello")?;
    until(&mut bob, &format!("<{a}> hello"))?;
    says(&mut alice, &format!("/msg {b} psst"))?;
    let psst = format!("<{a} -> {b}> psst");
    let told = until(&mut alice, &psst);
    let heard = until(&mut bob, &psst);
    told.and(heard)?;
    gets(&mut bob, file)?;
    says(&mut bob, "/quit")?;
    until(&mut bob, "* goodbye")?;
    until(&mut alice, &format!("* {b} has left"))?;
    says(&mut alice, "/quit")?;
    while !matches!(alice.next(), Item::Fin | Item::Reset) {}
    Some(())
}

fn says(user: &mut User, line: &str) -> Option<()> {
    user.try_send(format!("{line}\n").as_bytes()).ok()
}

/// Reads until that line; `None` if the end comes first, its own or the
/// other one's.
fn until(user: &mut User, pattern: &str, pair: [&str; 2]) -> Option<()> {
    loop {
        match user.next() {
            Item::Line(line) if fits(pattern, &line) => return Some(()),
            Item::Line(line) if pair.iter().any(|name| line == format!("* {name} has left")) => return None,
            // Notices of a pair that was let go, and nothing else, may come between.
            Item::Line(line) => assert!(line.starts_with("* "), "{line:?} instead of {pattern:?}"),
            Item::Chunk { .. } => panic!("a chunk instead of {pattern:?}"),
            Item::Fin | Item::Reset => return None,
        }
    }
}

fn gets(bob: &mut User, (name, size): (&str, usize)) -> Option<()> {
    says(bob, &format!("/get {name}"))?;
    let begins = format!("# 1 {size} {name}");
    until(bob, &begins, [""; 2])?;
    let (mut bytes, expected) = (Vec::new(), noise(name, size));
    let ends = format!(". 1 {}", sha256(&expected));
    loop {
        match bob.next() {
            Item::Chunk { bytes: more, .. } => bytes.extend_from_slice(&more),
            Item::Line(line) if line == ends => break,
            // The file could not be read: said, and not cut short in silence.
            Item::Line(line) if line.starts_with("! 1 ") => return None,
            Item::Line(line) => assert!(line.starts_with("* "), "{line:?} in the middle of a transfer"),
            Item::Fin | Item::Reset => return None,
        }
    }
    assert!(bytes == expected, "{} bytes came, and not those of the file", bytes.len());
    Some(())
}

/// Every call of the client: it says, hears and downloads, or says why not.
pub fn asks(args: &[&str]) {
    let home = new_home();
    share(home.path());
    let serve = [&["server", "127.0.0.1:0", "--json", "--shared", "shared"], args].concat();
    let server = start(&Trial::new(None), chat_in(home.path(), &serve)).expect("nothing fails there");
    let (address, present) = (server.at_text(), AtomicUsize::new(0));
    every_call_fails_once(&format!("chat client {}", args.join(" ")), |trial| {
        let home = new_home();
        let carol = &format!("carol{}", present.fetch_add(1, Ordering::Relaxed));
        let args = [&["client", carol, &address][..], args].concat();
        let input = format!("hello\n/msg {carol} psst\n/get {FILE}\n");
        let run = run_command(trial.on(chat_in(home.path(), &args)), input.as_bytes());
        ends_well_or_says_why(trial, &run);
        let saved = std::fs::read(home.path().join(carol).join(FILE));
        assert!(run.code() != 0 || saved.is_ok_and(|saved| saved == noise(FILE, FILE_BYTES)), "{run:#?}");
        assert!(run.code() != 0 || run.stdout.matches(&format!("<{carol} -> {carol}> psst")).count() == 1, "{run:#?}");
    });
}
