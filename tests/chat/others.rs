//! Programs that somebody else wrote, at netlab's chat server: nc, ncat, socat,
//! Python's socket module, openssl.

use std::io::Write;
use std::process::Command;

use crate::support::{Running, command, python, run_command, tool};
use crate::users::{ChatServer, User, chat_in, new_home};

/// Another program as a user: what is typed is its input, what it shows its lines.
struct Program(Running);

impl Program {
    fn start(command: Command) -> Program {
        Program(Running::start_on(b"", command))
    }

    fn types(&mut self, text: &str) {
        self.0.child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[track_caller]
    fn shows(&mut self, line: &str) {
        let shown = self.0.next_line();
        let shown = shown.as_deref().map(|shown| shown.strip_suffix('\r').unwrap_or(shown));
        assert!(shown.is_some_and(|shown| crate::users::fits(line, shown)), "expected {line}, got {shown:?}");
    }
}

/// A conversation with bob, who is a bare socket, up to alice's farewell.
fn converse(server: &ChatServer, mut alice: Program, mut bob: User) {
    alice.shows("* netlab chat 1…");
    alice.types("/name alice\n");
    alice.shows("* alice has joined");
    bob.expect("* alice has joined");
    alice.types("grüß dich, bob\n");
    bob.expect("<alice> grüß dich, bob");
    bob.say("and you");
    alice.shows("<bob> and you");
    alice.types("/msg bob psst\n");
    bob.expect("<alice -> bob> psst");
    alice.shows("<alice -> bob> psst");
    alice.types("/files\n");
    alice.shows("* 2 files in SharedFiles");
    alice.shows("= 4 a.txt");
    alice.shows("= 2 b.txt");
    alice.types("/get a.txt\n");
    alice.shows("# 1 4 a.txt");
    alice.shows("+ 1 4");
    alice.shows("abc");
    alice.shows(&format!(". 1 {}", crate::users::sha256(b"abc\n")));
    alice.types("/quit bye\n");
    bob.expect("<alice> bye");
    bob.expect("* alice has left");
    alice.shows("* goodbye…");
    drop(alice);
    let mut carol = server.user("carol");
    carol.expect_nothing();
}

fn shared_server(args: &[&str]) -> ChatServer {
    let home = new_home();
    std::fs::write(home.path().join("shared/a.txt"), "abc\n").unwrap();
    std::fs::write(home.path().join("shared/b.txt"), "b\n").unwrap();
    ChatServer::in_home(home, args)
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn nc_is_a_client() {
    if !tool("nc") {
        return;
    }
    let server = shared_server(&[]);
    let bob = server.user("bob");
    converse(&server, Program::start(command("nc", &["127.0.0.1", &server.port()])), bob);
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn ncat_is_a_client() {
    if !tool("ncat") {
        return;
    }
    let server = shared_server(&[]);
    let bob = server.user("bob");
    converse(&server, Program::start(command("ncat", &["127.0.0.1", &server.port()])), bob);
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn socat_is_a_client_that_ends_lines_as_windows_does() {
    if !tool("socat") {
        return;
    }
    let server = shared_server(&[]);
    let bob = server.user("bob");
    let to = format!("TCP:127.0.0.1:{},crlf", server.port());
    converse(&server, Program::start(command("socat", &["-", &to])), bob);
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn socat_reads_through_a_socket_of_its_own_over_tls() {
    if !tool("socat") {
        return;
    }
    let server = shared_server(&["--tls"]);
    let mut bob = User::connect_tls(server.addr());
    bob.expect("* netlab chat 1…");
    let to = format!("OPENSSL:127.0.0.1:{},verify=0", server.port());
    let mut alice = Program::start(command("socat", &["-", &to]));
    alice.shows("* netlab chat 1…");
    alice.types("/name alice\n");
    alice.shows("* alice has joined");
    bob.expect("* alice has joined");
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn openssl_s_client_is_a_client_over_tls() {
    if !tool("openssl") {
        return;
    }
    let server = shared_server(&["--tls"]);
    let mut bob = User::connect_tls(server.addr());
    bob.expect("* netlab chat 1…");
    bob.say("/name bob");
    bob.expect("* bob has joined");
    for version in ["-tls1_3", "-tls1_2"] {
        let args = ["s_client", "-quiet", version, "-connect", &format!("127.0.0.1:{}", server.port())];
        let mut alice = Program::start(command("openssl", &args));
        alice.shows("* netlab chat 1…");
        alice.types("/name alice\n");
        alice.shows("* alice has joined");
        bob.expect("* alice has joined");
        alice.types("over TLS\n");
        bob.expect("<alice> over TLS");
        bob.say("here too");
        alice.shows("<bob> here too");
        alice.types("/quit\n");
        alice.shows("* goodbye…");
        bob.expect("* alice has left");
        // A close_notify and a FIN: openssl ends by itself, and is content.
        assert_eq!(alice.0.wait().code(), 0);
    }
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn a_printf_through_nc_gets_a_whole_session() {
    if !tool("nc") {
        return;
    }
    let server = shared_server(&[]);
    let mut bob = server.user("bob");
    let typed = b"/name alice\nhello\n/get a.txt\n/quit\n";
    let run = run_command(command("nc", &["-N", "127.0.0.1", &server.port()]), typed).succeeded();
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines[1..5], ["* alice has joined", "# 1 4 a.txt", "+ 1 4", "abc"], "{run:#?}");
    assert_eq!(lines[5], format!(". 1 {}", crate::users::sha256(b"abc\n")));
    bob.expect("* alice has joined");
    bob.expect("<alice> hello");
    bob.expect("* alice has left");
}

/// Ten lines, as a student writes them: no line's end, and recv for a message.
const NO_NEWLINE: &str = r#"
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print(s.recv(4096).decode(), end="")
s.send(b"/name alice")
print(s.recv(4096).decode(), end="")
s.send(b"hello, bob")
print(s.recv(4096).decode(), end="")
s.send(b"/quit")
print(s.recv(4096).decode(), end="")
assert s.recv(4096) == b"", "the server closes"
"#;

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn a_python_client_that_never_sends_a_line_end_is_understood() {
    if !tool("python3") {
        return;
    }
    let server = shared_server(&[]);
    let mut bob = server.user("bob");
    let mut alice = Program::start(python(NO_NEWLINE, &[&server.port()]));
    bob.expect("* alice has joined");
    bob.expect("<alice> hello, bob");
    bob.say("hello, alice");
    bob.expect("* alice has left");
    for line in ["* netlab chat 1…", "* alice has joined", "<bob> hello, alice", "* goodbye…"] {
        alice.shows(line);
    }
    assert_eq!(alice.0.wait().succeeded().code(), 0);
}

/// A download as a student writes it: a file object for lines, read for bytes.
const DOWNLOAD: &str = r##"
import hashlib, socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
f = s.makefile("rwb")
f.write(b"/name alice\n/get film.avi\n"); f.flush()
data = b""
while True:
    line = f.readline().decode().rstrip("\n")
    if line.startswith("# "): _, ident, size, name = line.split(" ", 3)
    elif line.startswith("+ "): data += f.read(int(line.split()[2]))
    elif line.startswith(". "): break
assert len(data) == int(size) and line.split()[2] == hashlib.sha256(data).hexdigest()
open(sys.argv[2], "wb").write(data)
"##;

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn a_python_client_downloads_a_file_whole() {
    if !tool("python3") {
        return;
    }
    let server = shared_server(&[]);
    let film = crate::users::noise("film.avi", 1_500_000);
    std::fs::write(server.shared().join("film.avi"), &film).unwrap();
    let target = server.home.path().join("got");
    run_command(python(DOWNLOAD, &[&server.port(), target.to_str().unwrap()]), b"").succeeded();
    assert!(std::fs::read(target).unwrap() == film);
}

/// SHA-256 fingerprints of what stands in the text, as openssl prints one: `AA:BB:…`.
fn fingerprint_in(text: &str) -> Option<&str> {
    text.split(|c: char| c.is_whitespace() || "\"',;()=".contains(c)).find(|word| {
        let pairs: Vec<&str> = word.split(':').collect();
        pairs.len() == 32 && pairs.iter().all(|pair| pair.len() == 2 && u8::from_str_radix(pair, 16).is_ok())
    })
}

#[test]
#[cfg_attr(windows, ignore = "driven by a Unix shell")]
fn the_fingerprint_is_the_one_that_openssl_prints() {
    if !tool("openssl") || !tool("sh") {
        return;
    }
    let mut command_line = chat_in(new_home().path(), &["server", "127.0.0.1:0", "--tls", "--shared", "."]);
    let home = new_home();
    command_line.current_dir(home.path()).env("XDG_STATE_HOME", home.path());
    let mut server = Running::start(command_line);
    let ready = server.line_where(|line| line.starts_with("listening on tcp"));
    let address = ready.split(' ').nth(3).unwrap().to_owned();
    let script = format!(
        "openssl s_client -connect {address} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256"
    );
    let run = run_command(command("sh", &["-c", &script]), b"").succeeded();
    let of_openssl = run.stdout.trim().split_once('=').unwrap().1.to_owned();
    server.signal("TERM");
    let run = server.wait();
    let printed = format!("{}{}", run.stdout, run.stderr);
    assert_eq!(fingerprint_in(&printed), Some(of_openssl.as_str()), "{run:#?}");
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn the_certificate_is_made_once() {
    if !tool("openssl") {
        return;
    }
    let home = new_home();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let args = ["server", "127.0.0.1:0", "--tls", "--shared", "shared", "--accept", "1"];
        let mut server = Running::start(chat_in(home.path(), &args));
        server.line_where(|line| line.starts_with("listening on tcp"));
        server.signal("TERM");
        let run = server.wait();
        let printed = format!("{}{}", run.stdout, run.stderr);
        seen.push(fingerprint_in(&printed).unwrap_or_else(|| panic!("no fingerprint: {run:#?}")).to_owned());
    }
    assert_eq!(seen[0], seen[1]);
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn a_certificate_of_ones_own_is_shown() {
    if !tool("openssl") {
        return;
    }
    let home = new_home();
    let args = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost";
    let files = ["-keyout", "key.pem", "-out", "cert.pem"];
    let mut make = command("openssl", &args.split(' ').chain(files).collect::<Vec<_>>());
    make.current_dir(home.path());
    run_command(make, b"").succeeded();
    let mut show = command("openssl", &["x509", "-in", "cert.pem", "-noout", "-fingerprint", "-sha256"]);
    show.current_dir(home.path());
    let of_openssl = run_command(show, b"").succeeded().stdout;
    let args = ["server", "127.0.0.1:0", "--tls", "--cert", "cert.pem", "--key", "key.pem", "--shared", "shared"];
    let mut server = Running::start(chat_in(home.path(), &args));
    server.line_where(|line| line.starts_with("listening on tcp"));
    server.signal("TERM");
    let run = server.wait();
    let printed = format!("{}{}", run.stdout, run.stderr);
    assert_eq!(fingerprint_in(&printed), of_openssl.trim().split_once('=').map(|(_, hex)| hex), "{run:#?}");
}
