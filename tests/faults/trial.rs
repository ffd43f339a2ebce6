//! One run of a program in which one socket call fails, and all such runs:
//! first the calls of a run without faults are counted, then each of them is
//! made to fail in every way it can.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use super::support::say;

/// Calls of one name that are made to fail: what comes later in a run comes
/// again and again in the same way.
const MOST_OF_ONE_CALL: u64 = 24;

/// Runs at the same time.
const AT_ONCE: usize = 4;

/// What each call can fail with, by its page of the manual; `short` takes or
/// gives one byte.
const FAULTS: [(&str, &[&str]); 23] = [
    ("socket", &["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]),
    ("setsockopt", &["ENOBUFS", "ENOMEM"]),
    ("getsockopt", &["ENOBUFS"]),
    ("getsockname", &["ENOBUFS"]),
    ("bind", &["EADDRINUSE", "ENOMEM"]),
    ("listen", &["EADDRINUSE"]),
    ("accept", &["EINTR", "EAGAIN", "EMFILE", "ENFILE", "ECONNABORTED", "ENOBUFS", "ENOMEM", "EPROTO"]),
    ("connect", &["EINTR", "ECONNREFUSED", "ETIMEDOUT", "EADDRNOTAVAIL", "ENOBUFS"]),
    ("send", &["short", "EINTR", "EAGAIN", "ENOBUFS", "ENOMEM", "ECONNRESET", "EPIPE"]),
    ("recv", &["short", "EINTR", "EAGAIN", "ENOMEM", "ECONNRESET"]),
    ("sendto", &["EINTR", "EAGAIN", "ENOBUFS", "ENOMEM", "EPERM", "ECONNREFUSED"]),
    ("recvfrom", &["EINTR", "EAGAIN", "ENOMEM", "ECONNREFUSED"]),
    ("sendmsg", &["EINTR", "EAGAIN", "ENOBUFS", "ENOMEM", "ECONNRESET", "EPIPE"]),
    ("recvmmsg", &["EINTR", "EAGAIN", "ENOMEM"]),
    ("sendfile", &["short", "EINTR", "EAGAIN", "ENOMEM", "ECONNRESET", "EPIPE"]),
    ("getpeername", &["ENOBUFS", "ENOTCONN"]),
    ("shutdown", &["ENOTCONN"]),
    ("close", &["EINTR"]),
    ("epoll_create", &["EMFILE", "ENOMEM"]),
    ("epoll_ctl", &["ENOMEM", "ENOSPC"]),
    ("epoll_wait", &["EINTR"]),
    ("eventfd", &["EMFILE", "ENOMEM"]),
    ("spawn", &["EAGAIN"]),
];

/// The call that fails, its number among those of its name, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub call: String,
    pub number: u64,
    pub how: &'static str,
}

impl Fault {
    /// Whether a program can go on as if nothing had been: the call is made
    /// again, now or when epoll says so, and gives all that it had to give.
    pub fn passes(&self) -> bool {
        matches!((self.call.as_str(), self.how), (_, "short" | "EINTR") | ("accept", _))
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.call, self.number, self.how)
    }
}

/// A run, with the fault in it if any.
pub struct Trial {
    pub fault: Option<Fault>,
    /// What the library is told: that fault, or several.
    plan: String,
    log: tempfile::TempDir,
}

impl Trial {
    /// A run of its own, with this fault or without any.
    pub fn new(fault: Option<Fault>) -> Trial {
        let plan = fault.as_ref().map(Fault::to_string).unwrap_or_default();
        Trial { fault, plan, log: tempfile::tempdir().unwrap() }
    }

    /// A run in which no thread is to be had for these, of all that are asked for.
    pub fn without_threads(numbers: std::ops::RangeInclusive<u64>) -> Trial {
        let plan: Vec<String> = numbers.map(|number| format!("spawn:{number}:EAGAIN")).collect();
        Trial { plan: plan.join(","), ..Trial::new(None) }
    }

    fn log(&self) -> PathBuf {
        self.log.path().join("calls")
    }

    /// The command, its calls counted and one of them failing.
    pub fn on(&self, mut command: Command) -> Command {
        command.env("LD_PRELOAD", shim()).env("FAULTS_LOG", self.log()).env("FAULTS", &self.plan);
        command
    }

    /// Whether the program must not show that anything was.
    pub fn passes(&self) -> bool {
        self.fault.as_ref().is_none_or(Fault::passes)
    }

    /// Whether this call may fail in this way without harm to this end.
    pub fn is(&self, call: &str, how: &str) -> bool {
        self.fault.as_ref().is_some_and(|fault| (fault.call.as_str(), fault.how) == (call, how))
    }

    /// Whether the call was made, and failed.
    pub fn has_struck(&self) -> bool {
        self.lines().iter().any(|line| !line.ends_with(" -"))
    }

    /// How many calls of each name were made.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        let mut calls = BTreeMap::new();
        for line in self.lines() {
            *calls.entry(line.split(' ').next().unwrap().to_owned()).or_default() += 1;
        }
        calls
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// Runs `trial` once as it is, and then once for each way in which each call of
/// that run can fail. Each must have been met.
pub fn every_call_fails_once(what: &str, trial: impl Fn(&Trial) + Sync) {
    if let Some(fault) = only() {
        return trial(&Trial::new(Some(fault)));
    }
    let plain = Trial::new(None);
    trial(&plain);
    let calls = plain.calls();
    let (mut struck, mut missed, mut failed) = (0, Vec::new(), Vec::new());
    let (mut ways, mut failing) = (BTreeSet::new(), BTreeSet::new());
    for (fault, holds, was_met) in tried(faults(&calls), &trial) {
        // All are tried, so that one failure shows what others have in common with it.
        if !holds {
            failed.push(format!("{fault}{}", if was_met { "" } else { " (not met)" }));
        }
        if was_met {
            struck += 1;
            failing.insert((fault.call.clone(), fault.number));
            ways.insert((fault.call, fault.how));
        } else {
            missed.push(fault);
        }
    }
    // Threads do not make the same number of calls each time, so that the last
    // ones of a name may be missed; but no name, and no way to fail, may be.
    missed.retain(|fault| !ways.contains(&(fault.call.clone(), fault.how)));
    assert!(failed.is_empty(), "{what}: {} of {struck} failed: {failed:#?}", failed.len());
    assert!(missed.is_empty(), "{what}: never met: {missed:?}");
    say(&format!("{what}: {struck} faults met; calls made to fail, of those in a run: {}", shares(&calls, &failing)));
}

/// Each fault in a run of its own, some runs at the same time, since most of
/// one is waiting: whether all held that must, and whether the fault was met.
fn tried(faults: Vec<Fault>, trial: &(impl Fn(&Trial) + Sync)) -> Vec<(Fault, bool, bool)> {
    let (next, tried) = (Mutex::new(faults.into_iter()), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let Some(fault) = next.lock().unwrap().next() else { return };
            let one = Trial::new(Some(fault.clone()));
            let holds = catch_unwind(AssertUnwindSafe(|| trial(&one))).is_ok();
            tried.lock().unwrap().push((fault, holds, one.has_struck()));
        }
    };
    std::thread::scope(|scope| {
        (0..AT_ONCE).for_each(|_| {
            scope.spawn(work);
        });
    });
    tried.into_inner().unwrap()
}

/// `accept 9 of 9, send 24 of 31`, and all together.
fn shares(calls: &BTreeMap<String, u64>, failing: &BTreeSet<(String, u64)>) -> String {
    let of = |call: &str| failing.iter().filter(|(name, _)| name == call).count();
    let shares: Vec<_> = calls.iter().map(|(call, count)| format!("{call} {} of {count}", of(call))).collect();
    let total: u64 = calls.values().sum();
    format!("{} of {total} ({})", failing.len(), shares.join(", "))
}

/// Every way in which each of these calls can fail.
fn faults(calls: &BTreeMap<String, u64>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (call, count) in calls {
        let Some((_, ways)) = FAULTS.iter().find(|(name, _)| name == call) else { continue };
        for number in 1..=(*count).min(MOST_OF_ONE_CALL) {
            faults.extend(ways.iter().map(|how| Fault { call: call.clone(), number, how }));
        }
    }
    faults
}

/// One fault alone, such as `FAULTS_ONLY=recv:3:EINTR`, to look at it closely.
fn only() -> Option<Fault> {
    let text = std::env::var("FAULTS_ONLY").ok()?;
    let [call, number, how] = text.split(':').collect::<Vec<_>>()[..] else { panic!("FAULTS_ONLY={text}") };
    let (_, ways) = FAULTS.iter().find(|(name, _)| *name == call)?;
    let how = ways.iter().find(|way| **way == how)?;
    Some(Fault { call: call.to_owned(), number: number.parse().unwrap(), how })
}

/// The library that makes calls fail: built once, by the C compiler with which
/// Rust links.
fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("faults-{}.so", std::process::id()));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/shim.c");
        let built = Command::new("cc")
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread", "-o"])
            .args([library.as_os_str(), source.as_ref(), "-ldl".as_ref()])
            .status();
        assert!(built.is_ok_and(|status| status.success()), "cc could not build {source}");
        library
    })
}
