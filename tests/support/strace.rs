//! `strace` beside `--trace`: both brought to one form, so that they can be
//! compared call by call.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{DEADLINE, NETLAB, tool};

/// A socket call of some thread: `connect 3 port 5003 = -1 ECONNREFUSED`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub thread: String,
    pub text: String,
}

impl Call {
    fn new(thread: &str, name: &str, fd: &str, detail: &str, result: &str) -> Call {
        let detail = if detail.is_empty() { String::new() } else { format!(" {detail}") };
        Call { thread: thread.to_owned(), text: format!("{name} {fd}{detail} = {result}") }
    }
}

/// Where one run of strace writes.
pub struct Strace {
    dir: tempfile::TempDir,
}

impl Strace {
    /// `None`, said loudly, where strace is not installed.
    pub fn new() -> Option<Strace> {
        tool("strace").then(|| Strace { dir: tempfile::tempdir().unwrap() })
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("calls")
    }

    /// `netlab ARGS…` as strace sees it. `-D` makes the tracer the grandchild,
    /// so that the child is netlab itself: its id, its status, its signals.
    pub fn netlab(&self, args: &[&str]) -> Command {
        let mut command = Command::new("strace");
        command.args(["-D", "-f", "-qq", "-e", "signal=none", "-e", "trace=network,close,exit_group", "-o"]);
        command.arg(self.file()).arg(NETLAB).args(args);
        command
    }

    /// The calls on sockets of the process that had this id, once strace has
    /// written all of them.
    pub fn calls(&self) -> Vec<Call> {
        parse_strace(&finished(&self.file()))
    }

    /// As strace wrote it, for a failure's report.
    pub fn raw(&self) -> String {
        fs::read_to_string(self.file()).unwrap_or_default()
    }
}

/// The tracer outlives what it traces by a moment: its last word is exit_group.
fn finished(file: &Path) -> String {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let text = fs::read_to_string(file).unwrap_or_default();
        if text.lines().any(|line| line.contains("exit_group(")) && is_idle(file) {
            return fs::read_to_string(file).unwrap();
        }
        assert!(Instant::now() < deadline, "strace did not come to its end: {text}");
        thread::sleep(Duration::from_millis(1)); // it is no child of ours to wait for
    }
}

/// Whether no process has the file open any more.
fn is_idle(file: &Path) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else { return true };
    let descriptors = processes.flatten().filter_map(|process| fs::read_dir(process.path().join("fd")).ok());
    !descriptors.flatten().flatten().any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == file))
}

/// What strace wrote, as calls on Internet sockets.
pub fn parse_strace(text: &str) -> Vec<Call> {
    let mut unfinished: BTreeMap<String, String> = BTreeMap::new();
    let mut sockets: HashSet<String> = HashSet::new();
    let mut closing: BTreeMap<String, bool> = BTreeMap::new();
    let mut calls = Vec::new();
    for line in text.lines() {
        let (thread, rest) = line.split_once(' ').unwrap();
        let rest = rest.trim_start();
        // A call during which another thread made one is on two lines.
        let whole = if let Some(start) = rest.strip_suffix(" <unfinished ...>") {
            let start = start.trim_end();
            // The descriptor is free from here on: before this line is whole,
            // another thread's socket may have got its number. So what is
            // closed is known now, not then.
            if let Some(fd) = start.strip_prefix("close(") {
                let is_socket = sockets.remove(fd.trim_end_matches(')'));
                closing.insert(thread.to_owned(), is_socket);
            }
            unfinished.insert(thread.to_owned(), start.to_owned());
            continue;
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let end = resumed.split_once(" resumed>").unwrap().1;
            unfinished.remove(thread).unwrap_or_default() + end
        } else {
            rest.to_owned()
        };
        match closing.remove(thread) {
            Some(false) => {}
            Some(true) => {
                let fd = whole.trim_start_matches("close(").split(')').next().unwrap();
                calls.extend(strace_call(thread, &whole, &mut HashSet::from([fd.to_owned()])));
            }
            None => calls.extend(strace_call(thread, &whole, &mut sockets)),
        }
    }
    calls
}

/// One whole call, if it is one on an Internet socket that returned.
fn strace_call(thread: &str, line: &str, sockets: &mut HashSet<String>) -> Option<Call> {
    let (call, result) = line.rsplit_once(" = ")?;
    let (name, args) = call.trim_end().strip_suffix(')')?.split_once('(')?;
    let result = plain_result(result)?;
    let first = args.split(',').next().unwrap().trim();
    match name {
        "socket" if !args.starts_with("AF_INET") => return None, // the C library's own
        "socket" => {
            sockets.insert(result.clone());
            let family = if args.starts_with("AF_INET6") { "AF_INET6" } else { "AF_INET" };
            let kind = if args.contains("SOCK_STREAM") { "SOCK_STREAM" } else { "SOCK_DGRAM" };
            return Some(Call::new(thread, "socket", family, kind, &result));
        }
        "close" if !sockets.remove(first) => return None,
        "sendfile" if !sockets.contains(first) => return None, // a file read into the system's memory
        "accept" | "accept4" if !result.starts_with('-') => drop(sockets.insert(result.clone())),
        _ => {}
    }
    let own_name = match name {
        "accept4" => "accept",
        "sendto" if args.ends_with("NULL, 0") => "send",
        "recvfrom" if args.ends_with("NULL, NULL") => "recv",
        name => name,
    };
    let detail = match own_name {
        "setsockopt" => args.split(", ").nth(2).unwrap().trim_end_matches("_OLD").to_owned(),
        "shutdown" => args.split(", ").nth(1).unwrap().to_owned(),
        "listen" => args.split(", ").nth(1).unwrap().to_owned(),
        // Of many senders the first: strace shows no more than 32.
        "recvmmsg" => {
            port_in(args.split("msg_len=").next().unwrap()).map(|port| format!("port {port}")).unwrap_or_default()
        }
        _ => port_in(args).map(|port| format!("port {port}")).unwrap_or_default(),
    };
    // A failed call's address is none that anybody was told.
    let detail =
        if result.starts_with('-') && !matches!(own_name, "connect" | "bind" | "sendto" | "setsockopt" | "shutdown") {
            String::new()
        } else {
            detail
        };
    Some(Call::new(thread, own_name, first, &detail, &result))
}

/// `-1 ECONNREFUSED`, `6`; `None` where the call never returned to the
/// program: it was cut off by the end, or is made again after a signal.
fn plain_result(result: &str) -> Option<String> {
    let mut words = result.split_whitespace();
    match (words.next()?, words.next()) {
        ("?", _) => None,
        ("-1", Some(errno)) => Some(format!("-1 {errno}")),
        (value, _) => Some(value.to_owned()),
    }
}

fn port_in(args: &str) -> Option<u16> {
    let at = args.rfind("_port=htons(")? + "_port=htons(".len();
    args[at..].split(')').next()?.parse().ok()
}

/// The calls of `--trace --json`, from stderr, in the order of their numbers.
pub fn traced_calls(stderr: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    for line in stderr.lines().filter(|line| line.starts_with('{')) {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?} in\n{stderr}"));
        if event["event"] != "call" {
            continue;
        }
        calls.push(event);
    }
    for (number, event) in (1..).zip(&calls) {
        assert_eq!(event["n"].as_u64(), Some(number), "numbered without a gap, in order: {stderr}");
    }
    calls.iter().filter(|event| event["call"] != "sleep").map(traced_call).collect()
}

fn traced_call(event: &Value) -> Call {
    let text = |field: &str| event[field].as_str().unwrap_or_else(|| panic!("{field}: {event}"));
    let (name, args) = (text("call"), text("args"));
    let result = match event["errno"].as_str() {
        Some(errno) => format!("-1 {errno}"),
        None => event["result"].as_i64().unwrap().to_string(),
    };
    let words: Vec<&str> = args.split(", ").collect();
    let detail = match name {
        "socket" | "listen" | "shutdown" => words[1].to_owned(),
        "setsockopt" => words[2].to_owned(),
        "recvmmsg" => {
            let addr = args.split([' ', ',', ']']).find_map(|word| word.parse::<SocketAddr>().ok());
            addr.map(|addr| format!("port {}", addr.port())).unwrap_or_default()
        }
        _ => {
            let addr = words.last().and_then(|last| last.parse::<SocketAddr>().ok());
            addr.map(|addr| format!("port {}", addr.port())).unwrap_or_default()
        }
    };
    Call::new(text("who"), name, words[0], &detail, &result)
}

/// Both must show the same calls, in number and order: overall where one
/// thread made them all, else thread by thread. Threads have ids here and
/// names there. One name may stand for several threads, one after the other
/// (an iterative server's work is the `server`'s, whoever does it): their calls
/// are then taken together, in the order in which they returned.
#[track_caller]
pub fn assert_same(strace: &Strace, stderr: &str) {
    let (seen, traced) = (strace.calls(), traced_calls(stderr));
    let shown = || format!("strace saw\n{}\n--trace showed\n{stderr}", strace.raw());
    assert!(!traced.is_empty(), "{}", shown());
    let mut named = by_thread(&traced);
    let mut rest = seen.clone();
    for calls in by_thread(&seen).values() {
        let same = named.iter().find(|(_, others)| texts(others) == texts(calls)).map(|(name, _)| name.clone());
        if let Some(name) = same {
            named.remove(&name);
            rest.retain(|call| call.thread != calls[0].thread);
        }
    }
    if named.len() <= 1 {
        let left = named.into_values().next().unwrap_or_default();
        assert_eq!(texts(&rest), texts(&left), "{}", shown());
        return;
    }
    panic!("these threads differ: {:#?}\nand {named:#?}\n{}", by_thread(&rest), shown());
}

fn texts(calls: &[Call]) -> Vec<&str> {
    calls.iter().map(|call| call.text.as_str()).collect()
}

fn by_thread(calls: &[Call]) -> BTreeMap<String, Vec<Call>> {
    let mut threads: BTreeMap<String, Vec<Call>> = BTreeMap::new();
    for call in calls {
        threads.entry(call.thread.clone()).or_default().push(call.clone());
    }
    threads
}
