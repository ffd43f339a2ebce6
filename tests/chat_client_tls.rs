//! The chat's client and secrets: whom it trusts, and what it tells them.

#![allow(clippy::unwrap_used, reason = "a failure of the set-up is the test's")]

mod support;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Run, Running, Server, check_error, netlab, run_command, slashed};

/// A state directory, in which a server or a client remembers.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        Home(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn server(&self, addr: &str, args: &[&str]) -> Server {
        let mut command = netlab([&["chat", "server", addr, "--json"], args].concat());
        command.env("XDG_STATE_HOME", self.0.path()).env("LOCALAPPDATA", self.0.path()).current_dir(self.0.path());
        // Its first lines may tell the fingerprint before it listens.
        let mut running = Running::start(command);
        let mut line = running.next_line().unwrap();
        while !line.contains("\"listening\"") {
            line = running.next_line().unwrap();
        }
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        Server::ready(running, event)
    }

    fn client(&self, server: &Server, args: &[&str]) -> Command {
        let mut command = netlab([&["chat", "client", "alice", &server.at_text()], args].concat());
        command.env("XDG_STATE_HOME", self.0.path()).env("LOCALAPPDATA", self.0.path()).current_dir(self.0.path());
        command
    }

    fn known(&self) -> String {
        fs::read_to_string(self.path("netlab/known_servers")).unwrap_or_default()
    }
}

fn greet(command: Command) -> Run {
    run_command(command, b"hello\n")
}

/// What the server showed: the fingerprint behind the server's name.
fn fingerprint(known: &str) -> String {
    known.trim().split_once(' ').unwrap().1.to_owned()
}

#[test]
fn a_server_is_met_once_and_known_from_then_on() {
    let (there, here) = (Home::new(), Home::new());
    let server = there.server("127.0.0.1:0", &["--tls"]);
    let first = greet(here.client(&server, &["--tls"])).succeeded();
    assert!(first.stderr.contains("is met for the first time; its fingerprint is "), "{first:?}");
    let known = here.known();
    assert!(known.starts_with(&format!("{} ", server.addr())) && known.lines().count() == 1, "{known}");
    let again = greet(here.client(&server, &["--tls"])).succeeded();
    assert_eq!(again.stderr, "");
    assert!(again.stdout.contains("* alice has joined\n* goodbye\n"), "{again:?}");
    assert_eq!(here.known(), known);
}

#[test]
fn a_changed_certificate_is_refused_and_nothing_is_said_to_it() {
    let (there, here) = (Home::new(), Home::new());
    let server = there.server("127.0.0.1:0", &["--tls"]);
    greet(here.client(&server, &["--tls"])).succeeded();
    let (addr, before) = (server.at_text(), fingerprint(&here.known()));
    server.stops_in_order();
    let server = Home::new().server(&addr, &["--tls"]);
    let refused = greet(here.client(&server, &["--tls"])).ended(1);
    let message = format!("cannot connect to tls {addr}: its certificate has changed since it was met first");
    check_error(&refused.stderr, &message);
    assert!(refused.stderr.contains(&before) && refused.stderr.contains("delete line 1 of "), "{refused:?}");
    assert_eq!(refused.stdout, "");
    let run = server.stops_in_order();
    assert_eq!(run.all("received").len(), 0, "{run:?}");
    assert_eq!(fingerprint(&here.known()), before);
}

#[test]
fn a_pinned_fingerprint_is_the_only_one_trusted_and_leaves_no_memory() {
    let (there, here, other) = (Home::new(), Home::new(), Home::new());
    let server = there.server("127.0.0.1:0", &["--tls"]);
    greet(other.client(&server, &["--tls"])).succeeded();
    let right = fingerprint(&other.known());
    let bare = right.replace(':', "").to_lowercase();
    for spelling in [&right, &bare, &format!("SHA256:{right}")] {
        greet(here.client(&server, &["--fingerprint", spelling])).succeeded();
    }
    let wrong = right.replace('0', "1").replace('A', "B");
    let refused = greet(here.client(&server, &["--tls", "--fingerprint", &wrong])).ended(1);
    assert!(refused.stderr.contains("another certificate than was asked for"), "{refused:?}");
    assert_eq!(here.known(), "");
    assert_eq!(greet(here.client(&server, &["--fingerprint", "12:34"])).code(), 2);
}

/// A certificate that was good for a day, long ago or far ahead.
fn certificate(home: &Home, year: i32) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    params.not_before = rcgen::date_time_ymd(year, 1, 1);
    params.not_after = rcgen::date_time_ymd(year, 1, 2);
    let (cert_file, key_file) = (home.path("cert.pem"), home.path("key.pem"));
    fs::write(&cert_file, params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(&key_file, key.serialize_pem()).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    (text(&cert_file), text(&key_file))
}

#[test]
fn a_certificate_out_of_its_time_is_refused_and_explained() {
    for (year, cause) in [(2001, "expired on 2001-01-02"), (2999, "not valid before 2999-01-01")] {
        let (there, here) = (Home::new(), Home::new());
        let (cert, key) = certificate(&there, year);
        let server = there.server("127.0.0.1:0", &["--tls", "--cert", &cert, "--key", &key]);
        let refused = greet(here.client(&server, &["--tls"])).ended(1);
        assert!(refused.stderr.contains(cause), "{refused:?}");
        assert_eq!(here.known(), "");
    }
}

#[test]
fn tls_to_a_plain_port_and_plain_text_to_a_tls_port_are_explained() {
    let (there, here) = (Home::new(), Home::new());
    let plain = there.server("127.0.0.1:0", &[]);
    let run = greet(here.client(&plain, &["--tls"])).ended(1);
    assert!(run.stderr.contains("TLS"), "{run:?}");
    let secret = there.server("127.0.0.1:0", &["--tls"]);
    let run = greet(here.client(&secret, &["--timeout", "20s"])).ended(1);
    assert!(run.stderr.contains("this server speaks TLS"), "{run:?}");
}

#[test]
fn a_memory_that_cannot_be_read_is_no_reason_to_trust() {
    let (there, here) = (Home::new(), Home::new());
    let server = there.server("127.0.0.1:0", &["--tls"]);
    fs::create_dir_all(here.path("netlab/known_servers")).unwrap();
    let run = greet(here.client(&server, &["--tls"])).ended(1);
    assert!(run.stderr.contains("known_servers") && run.stderr.contains("--fingerprint"), "{run:?}");
    assert_eq!(run.stdout, "");
}

#[test]
fn a_user_with_a_password_comes_in_and_it_is_nowhere_to_be_seen() {
    let (there, here) = (Home::new(), Home::new());
    fs::write(here.path("right"), "correct horse\n").unwrap();
    fs::write(here.path("wrong"), "battery staple\n").unwrap();
    let (users, right) = (there.path("users"), here.path("right"));
    let args = ["chat", "adduser", users.to_str().unwrap(), "alice", "--password-file", right.to_str().unwrap()];
    run_command(netlab(args), b"").succeeded();
    let server = there.server("127.0.0.1:0", &["--tls", "--users", users.to_str().unwrap()]);
    for more in [&[][..], &["--json"], &["--trace"], &["--json", "--trace"]] {
        let run = greet(here.client(&server, &[&["--tls", "--password-file", "right"], more].concat())).succeeded();
        assert!(run.stdout.contains("* alice has joined"), "{run:?}");
        assert!(!format!("{run:?}").contains("horse"), "{run:?}");
    }
    let refused = greet(here.client(&server, &["--tls", "--password-file", "wrong"])).ended(1);
    assert!(refused.stderr.contains("wrong name or password"), "{refused:?}");
    assert!(!format!("{refused:?}").contains("staple"), "{refused:?}");
    let without = greet(here.client(&server, &["--tls"])).ended(1);
    assert!(without.stderr.contains("--password-file"), "{without:?}");
}

#[test]
fn a_file_comes_whole_through_tls() {
    let (there, here) = (Home::new(), Home::new());
    fs::create_dir(there.path("SharedFiles")).unwrap();
    let film: Vec<u8> = (0..3_000_000u32).map(|at| (at * 31 + at / 256 * 7) as u8).collect();
    fs::File::create(there.path("SharedFiles/a film.bin")).unwrap().write_all(&film).unwrap();
    let server = there.server("127.0.0.1:0", &["--tls"]);
    let run = run_command(here.client(&server, &["--tls"]), b"/files\n/get a film.bin\n").succeeded();
    assert!(run.stdout.contains("= 3000000 a film.bin\n"), "{run:?}");
    assert!(slashed(&run.stdout).contains("saved alice/a film.bin, 3000000 bytes\n"), "{run:?}");
    assert!(fs::read(here.path("alice/a film.bin")).unwrap() == film);
}

#[test]
fn a_killed_server_is_explained_through_tls_too() {
    if support::wine_lacks(support::ENDS_OF_THE_KILLED) {
        return;
    }
    let (there, here) = (Home::new(), Home::new());
    let server = there.server("127.0.0.1:0", &["--tls"]);
    let mut client = Running::start_on(b"hello\n", here.client(&server, &["--tls"]));
    client.line_where(|line| line.contains("* alice has joined"));
    let addr = server.addr();
    drop(server); // which kills it
    let run = client.wait().ended(1);
    assert!(run.stderr.contains(&format!("cannot receive from tcp {addr}: ")), "{run:?}");
    assert!(run.stderr.contains("killed"), "{run:?}");
}
