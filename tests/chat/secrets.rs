//! Who one is, and who the server is: passwords, the users file, TLS.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::thread;

use crate::client::{Client, lost};
use crate::group::Net;
use crate::support::peer::Peer;
use crate::support::{NETLAB, Run, Running, Server, own_loopback, run_command, tool};
use crate::users::{ChatServer, User, chat_in, new_home, noise};

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
        eve.say("/who"); // answered once all of these are heard
        while eve.line() != "* 1 in lobby: alice" {}
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
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(home.path().join("users")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
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
#[cfg_attr(windows, ignore = "drives programs of Unix")]
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

// Over TLS

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
#[cfg_attr(windows, ignore = "driven by a Unix shell")]
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
        let run = client.running.wait();
        lost(&run);
        assert!(run.stderr.contains("a record was damaged or forged on the way"), "{run:#?}");
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
