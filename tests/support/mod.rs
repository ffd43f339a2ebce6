//! What every test that drives the real binary needs: servers on port 0 whose
//! `listening` event is read, clients with a deadline, peers written by hand.
//!
//! Nothing here waits for a time to pass: it waits for an event, a byte or an
//! end, and [`DEADLINE`] only says when to give up. So a slow machine makes a
//! test slow, never red.

#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part, and a helper's failure is the test's")]

#[cfg(windows)]
mod console;
pub mod peer;
pub mod strace;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

/// When to give up. Generous: only a test that fails waits so long. More so
/// where Wine may be, which has one process that all others wait for.
pub const DEADLINE: Duration = Duration::from_secs(if cfg!(windows) { 120 } else { 30 });

/// The binary under test.
pub const NETLAB: &str = env!("CARGO_BIN_EXE_netlab");

/// The binary, with nothing of the tester's terminal in its environment.
pub fn netlab<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(args: I) -> Command {
    let mut command = Command::new(NETLAB);
    command.args(args);
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
    #[cfg(windows)]
    console::of_its_own(&mut command);
    command
}

/// Collects what a child writes, in a thread of its own.
struct Collected(Arc<Mutex<Vec<u8>>>, Option<JoinHandle<()>>);

impl Collected {
    fn of(mut pipe: impl Read + Send + 'static) -> Collected {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let into = kept.clone();
        let reader = thread::spawn(move || {
            let mut buffer = [0; 64 * 1024];
            while let Ok(got @ 1..) = pipe.read(&mut buffer) {
                into.lock().unwrap().extend_from_slice(&buffer[..got]);
            }
        });
        Collected(kept, Some(reader))
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    fn finish(mut self) -> Vec<u8> {
        self.1.take().unwrap().join().unwrap();
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Starts a program. Wine says now and then, on a busy machine once in some hundred times, that it
/// had an internal error, and starts nothing: then it is asked again.
pub fn spawn(command: &mut Command) -> Child {
    const ERROR_INTERNAL_ERROR: i32 = 1359;
    let is_wines = |error: &std::io::Error| cfg!(windows) && error.raw_os_error() == Some(ERROR_INTERNAL_ERROR);
    let mut asked = 1;
    loop {
        match command.spawn() {
            Err(error) if is_wines(&error) && asked < 5 => asked += 1,
            child => return child.unwrap_or_else(|error| panic!("{command:?}: {error}")),
        }
    }
}

/// Waits for a child's end, and ends it when that takes too long.
pub fn wait(child: &mut Child) -> ExitStatus {
    wait_within(DEADLINE, child)
}

/// The same, for what may take longer.
pub fn wait_within(patience: Duration, child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the program did not end within {patience:?}");
        }
        thread::sleep(Duration::from_millis(1)); // waitpid(2) has no timeout
    }
}

/// What a program that has ended wrote, and how it ended.
pub struct Run {
    pub status: ExitStatus,
    pub bytes: Vec<u8>,
    pub stdout: String,
    pub stderr: String,
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (stdout, stderr) = (cut_lines(&self.stdout), cut_lines(&self.stderr));
        write!(f, "{}\nstdout:\n{stdout}\nstderr:\n{stderr}", self.status)
    }
}

impl Run {
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("ended by a signal: {self:?}"))
    }

    /// Its events (`--json`), each line one.
    pub fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(parse).collect()
    }

    /// The only event of this name.
    pub fn event(&self, name: &str) -> Value {
        let mut found: Vec<Value> = self.events().into_iter().filter(|event| event["event"] == name).collect();
        assert_eq!(found.len(), 1, "one {name} event: {self:#?}");
        found.remove(0)
    }

    pub fn all(&self, name: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["event"] == name).collect()
    }

    #[track_caller]
    pub fn succeeded(self) -> Run {
        assert_eq!(self.code(), 0, "{self:#?}");
        self
    }

    #[track_caller]
    pub fn ended(self, code: i32) -> Run {
        assert_eq!(self.code(), code, "{self:#?}");
        self
    }
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: not an object of JSON: {line:?}"))
}

/// Runs the binary to its end, with no input.
pub fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(args: I) -> Run {
    run_command(netlab(args), b"")
}

/// Runs the binary to its end on `input`.
pub fn run_on<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(input: &[u8], args: I) -> Run {
    run_command(netlab(args), input)
}

/// Runs any program to its end on `input`, both its outputs read meanwhile.
pub fn run_command(command: Command, input: &[u8]) -> Run {
    run_within(DEADLINE, command, input)
}

/// The same, for what may take longer.
pub fn run_within(patience: Duration, mut command: Command, input: &[u8]) -> Run {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(&mut command);
    let stdout = Collected::of(child.stdout.take().unwrap());
    let stderr = Collected::of(child.stderr.take().unwrap());
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A program may end without reading all its input.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let status = wait_within(patience, &mut child);
    writer.join().unwrap();
    let bytes = stdout.finish();
    let stdout = String::from_utf8_lossy(&bytes).into_owned();
    Run { status, bytes, stdout, stderr: String::from_utf8_lossy(&stderr.finish()).into_owned() }
}

/// A program that runs beside the test: killed when dropped, and what it wrote
/// is shown if the test fails.
pub struct Running {
    name: String,
    pub child: Child,
    lines: Receiver<String>,
    /// Lines of stdout, as far as they have been looked at.
    pub seen: Vec<String>,
    stderr: Collected,
}

impl Running {
    /// With no input.
    pub fn start(mut command: Command) -> Running {
        command.stdin(Stdio::null());
        Running::spawn(command)
    }

    /// With this input, whose end does not come: a program that would end with
    /// its input goes on until it is dropped.
    pub fn start_on(input: &[u8], mut command: Command) -> Running {
        command.stdin(Stdio::piped());
        let mut running = Running::spawn(command);
        running.child.stdin.as_mut().unwrap().write_all(input).unwrap();
        running
    }

    fn spawn(mut command: Command) -> Running {
        let name = format!("{command:?}");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn(&mut command);
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stdout.split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        let stderr = Collected::of(child.stderr.take().unwrap());
        Running { name, child, lines, seen: Vec::new(), stderr }
    }

    /// The next line of stdout; `None` at its end.
    pub fn next_line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(DEADLINE) {
            Ok(line) => {
                self.seen.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("{}: wrote no further line within {DEADLINE:?}", self.name),
        }
    }

    /// Reads on until a line that `fits`.
    pub fn line_where(&mut self, fits: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.next_line().unwrap_or_else(|| panic!("{}: ended before the line came", self.name));
            if fits(&line) {
                return line;
            }
        }
    }

    pub fn stderr_so_far(&self) -> String {
        self.stderr.so_far()
    }

    /// Sends a signal to this child and no other process.
    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill -s {name}");
    }

    /// Ctrl-C, in whose place Windows has no other.
    #[cfg(windows)]
    pub fn signal(&self, _: &str) {
        console::press_ctrl_c(self.child.id());
    }

    /// Waits for its end by itself.
    pub fn wait(mut self) -> Run {
        let status = wait(&mut self.child);
        while self.next_line().is_some() {}
        let stdout = self.seen.iter().map(|line| format!("{line}\n")).collect::<String>();
        let stderr = std::mem::replace(&mut self.stderr, Collected(Arc::default(), None));
        let stderr = String::from_utf8_lossy(&stderr.finish()).into_owned();
        Run { status, bytes: stdout.clone().into_bytes(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            while let Ok(line) = self.lines.recv_timeout(Duration::from_millis(200)) {
                self.seen.push(line);
            }
            let from = self.seen.len().saturating_sub(40);
            let shown: String = self.seen[from..].iter().map(|line| format!("  {}\n", cut(line))).collect();
            let stderr: String =
                self.stderr.so_far().lines().take(200).map(|line| format!("  {}\n", cut(line))).collect();
            say(&format!("{}\n stdout (last lines):\n{shown} stderr:\n{stderr}", self.name));
        }
    }
}

fn cut_lines(text: &str) -> String {
    text.lines().take(100).map(|line| format!("  {}\n", cut(line))).collect()
}

fn cut(line: &str) -> String {
    line.chars().take(400).collect()
}

/// Says something whatever the test harness captures.
pub fn say(text: &str) {
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// A server of netlab's under test, with `--json`.
pub struct Server {
    pub running: Running,
    addr: SocketAddr,
    events: Vec<Value>,
    looked_at: usize,
}

impl Server {
    /// `netlab LAB server 127.0.0.1:0 --json ARGS…`, once it listens.
    pub fn start(lab: &str, args: &[&str]) -> Server {
        Server::at(lab, "127.0.0.1:0", args)
    }

    pub fn at(lab: &str, addr: &str, args: &[&str]) -> Server {
        Server::of(netlab([&[lab, "server", addr, "--json"], args].concat()))
    }

    /// Any command line that is a server's, with `--json`.
    pub fn of(command: Command) -> Server {
        Server::when_ready(Running::start(command))
    }

    /// A server that was started by hand, once it listens.
    pub fn when_ready(mut running: Running) -> Server {
        let line = running.next_line().unwrap_or_else(|| panic!("{}: ended before it listened", running.name));
        let event = parse(&line);
        assert_eq!(event["event"], "listening", "the first event of {}: {line}", running.name);
        Server::ready(running, event)
    }

    /// A server whose `listening` event was read already.
    pub fn ready(running: Running, listening: Value) -> Server {
        let addr = listening["addr"].as_str().unwrap().parse().unwrap();
        Server { running, addr, events: vec![listening], looked_at: 1 }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `127.0.0.1:PORT`, for an argument.
    pub fn at_text(&self) -> String {
        self.addr.to_string()
    }

    /// Waits for the next event of this name, skipping others; they are kept.
    pub fn event(&mut self, name: &str) -> Value {
        self.event_where(name, |_| true)
    }

    pub fn event_where(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let event = match self.events.get(self.looked_at) {
                Some(event) => event.clone(),
                None => {
                    let Some(line) = self.running.next_line() else {
                        panic!("ended without the {name} event; stderr: {}", self.running.stderr_so_far())
                    };
                    let event = parse(&line);
                    self.events.push(event.clone());
                    event
                }
            };
            self.looked_at += 1;
            if event["event"] == name && fits(&event) {
                return event;
            }
        }
    }

    /// Looks at all events from the first one again.
    pub fn rewind(&mut self) {
        self.looked_at = 0;
    }

    /// A signal, by its name without SIG.
    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        self.running.signal(name);
    }

    /// SIGTERM, as `kill` and every service manager send it; on Windows Ctrl-C.
    pub fn stop(self) -> Run {
        self.running.signal("TERM");
        self.wait()
    }

    /// Waits for its end by itself.
    pub fn wait(self) -> Run {
        self.running.wait()
    }

    /// SIGTERM; it must have ended in order.
    pub fn stops_in_order(self) -> Run {
        let run = self.stop();
        assert_eq!(run.code(), 0, "{run:#?}");
        assert_eq!(run.events().last().unwrap()["event"], "summary", "{run:#?}");
        run
    }
}

/// Whether a program that somebody else wrote is here. Where it is not, this
/// says so loudly; with NETLAB_TEST_ALL set, as in CI, that fails the test.
pub fn tool(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|dir| dir.join(name).is_file());
    if !found {
        skipped(&format!("{name} is not installed"));
    }
    found
}

/// A part of a test that cannot be tried here.
pub fn skipped(why: &str) {
    let test = thread::current().name().unwrap_or("?").to_owned();
    assert!(std::env::var_os("NETLAB_TEST_ALL").is_none(), "{test} may not be skipped here: {why}");
    say(&format!("SKIPPED {test}: {why}"));
}

/// Whether this is Wine, of which the reason is said: what Windows has and it
/// has not is no failure.
pub fn wine_lacks(what: &str) -> bool {
    let is_wine = cfg!(windows) && std::env::var_os("WINEPREFIX").is_some();
    if is_wine {
        skipped(&format!("Wine lacks {what}"));
    }
    is_wine
}

/// What Wine lacks of a socket's end: it shuts each down before it closes it,
/// and so sends FIN whatever was asked for.
pub const RESETS: &str = "resets";

/// It binds each socket of datagrams to all addresses, so that none is refused, two share no port
/// on two addresses, and what is sent comes from where the route leads.
pub const DATAGRAM_ADDRESSES: &str = "sockets of datagrams that are bound to one address alone";

/// Names of several addresses cannot be made there either.
pub const SECOND_LOCALHOST: &str = "a second address of localhost";

/// Of connections: those of a program that is killed just when bytes come to it may stay open, held
/// by Wine's server for ever, so that no FIN tells the other end. Seen in Wine 8 with 2 of 100 kills
/// of a program that does nothing but accept and recv.
pub const ENDS_OF_THE_KILLED: &str = "an end of connections whose program was killed while bytes came to it";

/// Of interfaces it names the addresses of IPv4 alone, and so has no link that
/// `%lo` could stand for.
pub const V6_OF_INTERFACES: &str = "the IPv6 addresses of interfaces";

/// Whether this is Windows, where what a test wants cannot be had.
pub fn not_on_windows(why: &str) -> bool {
    if cfg!(windows) {
        skipped(why);
    }
    cfg!(windows)
}

/// Paths in a text as they are written here, with slashes as everywhere but on Windows.
pub fn slashed(text: &str) -> String {
    text.replace(std::path::MAIN_SEPARATOR, "/")
}

/// A command line of some program.
pub fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args);
    command
}

/// `python3 -c SCRIPT ARGS…`, output unbuffered.
pub fn python(script: &str, args: &[&str]) -> Command {
    let mut command = command("python3", &["-u", "-c", script]);
    command.args(args);
    command
}

/// Every field that CONTRACT section 2 names for this event, with its type.
pub fn check_event(event: &Value, lab: &str) {
    let name = event["event"].as_str().unwrap_or_else(|| panic!("no event name: {event}"));
    assert!(event["t"].as_f64().is_some_and(|t| t >= 0.0), "t is seconds: {event}");
    assert_eq!(event["lab"], lab, "{event}");
    let addr = |field: &str| {
        let text = event[field].as_str().unwrap_or_else(|| panic!("{field} is no string: {event}"));
        text.parse::<SocketAddr>().unwrap_or_else(|_| panic!("{field} is no address: {event}"))
    };
    let number = |field: &str| event[field].as_u64().unwrap_or_else(|| panic!("{field} is no number: {event}"));
    match name {
        "listening" => {
            assert!(["tcp", "udp"].contains(&event["proto"].as_str().unwrap()), "{event}");
            assert_ne!(addr("addr").port(), 0, "the real port: {event}");
        }
        "accepted" => {
            assert!(number("client") >= 1);
            addr("peer");
            addr("local");
        }
        "connected" => {
            addr("peer");
            addr("local");
        }
        "sent" | "received" => {
            addr("peer");
            check_payload(event);
        }
        "replied" => {
            assert!(number("seq") >= 1);
            number("rtt_us");
            check_payload(event);
        }
        "closed" => {
            addr("peer");
            let reasons = ["fin", "reset", "timeout", "asked", "server-stop", "error"];
            assert!(reasons.contains(&event["reason"].as_str().unwrap()), "{event}");
        }
        "error" => {
            for field in ["message", "why", "try"] {
                assert!(event[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {event}");
            }
        }
        _ => {}
    }
}

fn check_payload(event: &Value) {
    let bytes = event["bytes"].as_u64().unwrap_or_else(|| panic!("bytes is a count: {event}"));
    assert_eq!(payload(event).len() as u64, bytes, "{event}");
    assert!(event.get("text").is_some() != event.get("base64").is_some(), "text or else base64: {event}");
}

/// The bytes an event tells of.
pub fn payload(event: &Value) -> Vec<u8> {
    use base64::Engine;
    match event["text"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => base64::engine::general_purpose::STANDARD.decode(event["base64"].as_str().unwrap()).unwrap(),
    }
}

/// A client's summary, with every counter the contract names; `sent` is
/// `received`, `lost` and those that asked to close together.
pub fn check_client_summary(summary: &Value) {
    let number = |field: &str| summary[field].as_u64().unwrap_or_else(|| panic!("{field}: {summary}"));
    let asked = summary["asked"].as_u64().unwrap_or(0);
    assert_eq!(number("sent"), number("received") + number("lost") + asked, "{summary}");
    for field in ["duplicate", "reordered"] {
        number(field);
    }
    for field in ["min", "p50", "p99", "max"] {
        let value = &summary["rtt_us"][field];
        assert!(value.is_u64() || value.is_null() && number("received") == 0, "rtt_us.{field}: {summary}");
    }
}

/// A server's summary, with every counter the contract names.
pub fn check_server_summary(summary: &Value) {
    for field in ["clients", "bytes_in", "bytes_out"] {
        assert!(summary[field].is_u64(), "{field}: {summary}");
    }
}

/// An error on stderr: three lines exactly, and in lower case.
#[track_caller]
pub fn check_error(stderr: &str, message: &str) {
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 3, "three lines: {stderr}");
    assert_eq!(lines[0], format!("error: {message}"));
    assert!(lines[1].strip_prefix("  why: ").is_some_and(|why| !why.is_empty() && !why.ends_with('.')), "{stderr}");
    assert!(lines[2].strip_prefix("  try: ").is_some_and(|next| !next.is_empty() && !next.ends_with('.')), "{stderr}");
}

/// A port of 127.0.0.1 where nothing listens, and nothing can until the
/// returned socket is dropped.
pub fn refusing_port() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, addr)
}

/// An IPv4 loopback address that no other test of this run uses: so a port of
/// it that was free stays free.
pub fn own_loopback() -> std::net::Ipv4Addr {
    use std::sync::atomic::{AtomicU8, Ordering};
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    std::net::Ipv4Addr::new(127, high.max(1), low, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The port on which a program of others' listens, whatever it says of it: the
/// kernel knows which sockets are its own.
#[cfg(target_os = "linux")]
pub fn listening_port(running: &Running) -> u16 {
    let own = std::fs::read_dir(format!("/proc/{}/fd", running.child.id())).unwrap();
    let own: Vec<String> = own
        .flatten()
        .filter_map(|fd| std::fs::read_link(fd.path()).ok())
        .filter_map(|target| Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let sockets = ["tcp", "udp"].map(|proto| std::fs::read_to_string(format!("/proc/net/{proto}")).unwrap()).concat();
    let port = sockets.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let waits = matches!(words[3], "0A" | "07"); // LISTEN; or UDP, not connected
        let is_own = own.iter().any(|inode| words.get(9) == Some(&inode.as_str()));
        if waits && is_own { u16::from_str_radix(words[1].rsplit(':').next()?, 16).ok() } else { None }
    });
    port.unwrap_or_else(|| panic!("{} listens nowhere; sockets: {own:?}", running.name))
}

/// The same by `lsof`, which comes with macOS.
#[cfg(not(target_os = "linux"))]
pub fn listening_port(running: &Running) -> u16 {
    let pid = running.child.id().to_string();
    let names = run_command(command("lsof", &["-nP", "-a", "-p", &pid, "-i", "-Fn"]), b"").stdout;
    let port = names.lines().find_map(|line| line.strip_prefix('n')?.rsplit(':').next()?.parse().ok());
    port.unwrap_or_else(|| panic!("{} listens nowhere: {names}", running.name))
}
