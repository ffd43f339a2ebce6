//! chat: what its users hear when the server dies of a signal.

// Not on Windows: a process that dies of a signal is what they are about.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use support::{DEADLINE, NETLAB, Running, Server, netlab, run_command};

struct Talker(BufReader<TcpStream>);

impl Talker {
    fn named(server: &Server, name: &str) -> Talker {
        let stream = TcpStream::connect(server.addr()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut talker = Talker(BufReader::new(stream));
        talker.0.get_mut().write_all(format!("/name {name}\n").as_bytes()).unwrap();
        talker.until(&format!("* {name} has joined\n"));
        talker
    }

    fn until(&mut self, wanted: &str) {
        let mut line = String::new();
        while line != wanted {
            line.clear();
            assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "ended before {wanted:?}");
        }
    }

    /// All that comes until the end, which has to be FIN.
    fn rest(mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).expect("FIN, not a reset");
        rest
    }
}

/// A server that leaves no core file where the test was started.
fn mortal(args: &[&str]) -> Server {
    let dir = std::env::temp_dir();
    let fixed = ["-c", "ulimit -c 0; exec \"$0\" \"$@\"", NETLAB, "chat", "server", "127.0.0.1:0", "--json"];
    let mut command = Command::new("sh");
    command.args(fixed).args(args).current_dir(dir);
    Server::of(command)
}

#[test]
fn every_user_is_told_of_what_the_server_died() {
    // Not QUIT: a shell that runs this in the background has it ignored.
    for signal in ["SEGV", "BUS", "ABRT", "FPE", "ILL", "XCPU"] {
        let server = mortal(&[]);
        let talkers: Vec<Talker> = ["alice", "bob", "carol"].iter().map(|name| Talker::named(&server, name)).collect();
        server.running.signal(signal);
        for talker in talkers {
            let rest = talker.rest();
            let last = rest.lines().last().unwrap_or_default();
            assert_eq!(last, format!("! server is going down: killed by SIG{signal}"), "{rest}");
        }
        let run = server.running.wait();
        let number: i32 = run.status.signal().expect("the signal still kills");
        assert_eq!(nix::sys::signal::Signal::try_from(number).unwrap().as_str(), format!("SIG{signal}"));
    }
}

#[test]
fn netlabs_client_shows_it_and_fails() {
    let server = mortal(&[]);
    let port = server.addr().port().to_string();
    let mut client = Running::start_on(b"", netlab(["chat", "client", "alice", "127.0.0.1", &port]));
    client.line_where(|line| line.contains("alice has joined"));
    server.running.signal("SEGV");
    let run = client.wait();
    assert_eq!(run.code(), 1, "{run:#?}");
    assert!(format!("{}{}", run.stdout, run.stderr).contains("killed by SIGSEGV"), "{run:#?}");
}

#[test]
fn over_tls_the_connection_ends_and_the_client_says_what_it_knows() {
    let state = tempfile::tempdir().unwrap();
    let home = state.path().to_str().unwrap();
    let file = certificate(state.path(), -1, 1);
    let server = mortal(&["--tls", "--cert", &file, "--key", &file]);
    let at_home = |args: &[&str]| {
        let mut command = netlab(args);
        command.env("XDG_STATE_HOME", home).env("HOME", home).current_dir(home);
        command
    };
    let port = server.addr().port().to_string();
    let mut client = Running::start_on(b"", at_home(&["chat", "client", "alice", "127.0.0.1", &port, "--tls"]));
    client.line_where(|line| line.contains("alice has joined"));
    server.running.signal("SEGV");
    let run = client.wait();
    assert_eq!(run.code(), 1, "{run:#?}");
    assert!(run.stderr.contains("error: "), "{run:#?}");
}

/// A certificate and its key in one file, valid from and to so many days from
/// now.
fn certificate(dir: &std::path::Path, from: i64, to: i64) -> String {
    let at = |days: i64| {
        let now = std::time::SystemTime::now();
        let distance = std::time::Duration::from_secs(days.unsigned_abs() * 24 * 3600);
        if days < 0 { now - distance } else { now + distance }
    };
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (at(from).into(), at(to).into());
    let key = rcgen::KeyPair::generate().unwrap();
    let file = dir.join(format!("{from}-{to}.pem"));
    std::fs::write(&file, format!("{}{}", params.self_signed(&key).unwrap().pem(), key.serialize_pem())).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_certificate_out_of_its_time_is_refused_and_explained() {
    let home = tempfile::tempdir().unwrap();
    for (from, to, reason) in [(-20, -10, "its certificate expired on 20"), (10, 20, "is not valid before 20")] {
        let file = certificate(home.path(), from, to);
        let server = Server::start("chat", &["--tls", "--cert", &file, "--key", &file]);
        let mut client = netlab(["chat", "client", "alice", &server.at_text(), "--tls"]);
        client.env("XDG_STATE_HOME", home.path()).env("HOME", home.path()).current_dir(home.path());
        let run = run_command(client, b"hello\n");
        assert_eq!(run.code(), 1, "{run:#?}");
        assert!(run.stderr.contains(reason) && run.stderr.contains("try: "), "{run:#?}");
    }
}
