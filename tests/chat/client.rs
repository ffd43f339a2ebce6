//! netlab's client under test: on pipes, and with a person at a terminal; and
//! what stands between it and a server.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::Value;

use crate::support::peer::Peer;
use crate::support::{NETLAB, Run, Running, python, slashed, tool};
use crate::users::chat_in;

/// netlab's client in a directory, with `--json`: it reads lines from a pipe.
pub struct Client {
    pub running: Running,
}

impl Client {
    pub fn start(home: &Path, name: &str, addr: SocketAddr, args: &[&str]) -> Client {
        let fixed = ["client", name, &addr.ip().to_string(), &addr.port().to_string()].map(str::to_owned);
        let fixed: Vec<&str> = fixed.iter().map(String::as_str).collect();
        Client { running: Running::start_on(b"", chat_in(home, &[&fixed, args].concat())) }
    }

    /// Once it is in.
    pub fn joined(home: &Path, name: &str, addr: SocketAddr) -> Client {
        let mut client = Client::start(home, name, addr, &["--json"]);
        client.receives(&format!("* {name} has joined"));
        client
    }

    pub fn types(&mut self, line: &str) {
        self.running.child.stdin.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// With `--json`: waits for that line from the server.
    #[track_caller]
    pub fn receives(&mut self, line: &str) {
        self.running.line_where(|event| {
            let event: Value = serde_json::from_str(event).unwrap_or_else(|error| panic!("{error}: {event}"));
            event["event"] == "received" && event["text"].as_str().is_some_and(|text| text.trim_end() == line)
        });
    }

    #[track_caller]
    pub fn shows(&mut self, part: &str) {
        self.running.line_where(|line| slashed(line).contains(part));
    }

    /// Its input ends.
    pub fn end_of_input(&mut self) {
        self.running.child.stdin = None;
    }
}

/// Runs a program on a terminal of its own, 80 by 24, with what comes in typed
/// there, and what is shown there passed on.
pub const TERMINAL: &str = r#"
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
pub struct Person(pub Running);

impl Person {
    pub fn at(home: &Path, name: &str, addr: SocketAddr, args: &[&str]) -> Option<Person> {
        if !tool("python3") {
            return None;
        }
        let (host, port) = (addr.ip().to_string(), addr.port().to_string());
        let mut command = python(TERMINAL, &[&[NETLAB, "chat", "client", name, &host, &port], args].concat());
        command.current_dir(home).env("HOME", home).env("XDG_STATE_HOME", home.join("state"));
        Some(Person(Running::start_on(b"", command)))
    }

    /// Types a line and Enter.
    pub fn types(&mut self, line: &str) {
        self.keys(&format!("{line}\r"));
    }

    pub fn keys(&mut self, keys: &str) {
        self.0.child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the terminal was sent that, in one line.
    #[track_caller]
    pub fn sees(&mut self, part: &str) -> String {
        self.0.line_where(|line| plain(line).contains(part))
    }
}

/// A terminal's line without what moves the cursor and changes colours.
pub fn plain(line: &str) -> String {
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

pub fn lost(run: &Run) {
    assert_eq!(run.code(), 1, "{run:#?}");
    let said = format!("{}{}", plain(&run.stdout), plain(&run.stderr));
    assert!(said.contains("error: "), "{run:#?}");
}

/// What is in a folder, by name.
pub fn files_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

pub fn everything_below(folder: &Path) -> Vec<PathBuf> {
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

/// A server of the test's own: its first client is given to `serve`.
pub fn own_server(serve: impl FnOnce(Peer) + Send + 'static) -> (SocketAddr, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (addr, thread::spawn(move || serve(Peer::accept(&listener))))
}

/// A way to a server on which everything stops after so many bytes from it,
/// and what was asked on the way is kept.
pub struct Way {
    pub addr: SocketAddr,
    pub stopped: Receiver<()>,
    pub asked: Receiver<String>,
}

pub fn way_to(server: SocketAddr, bytes: u64) -> Way {
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
