//! The last step before a student's program: a process that takes a terminal,
//! gives up what it must not keep, and starts the program on it.
//!
//! It stays, as a shell does. Were the program itself the first process of its
//! session, its end would hang up the terminal (SIGHUP), and a program that
//! forks into the background would be killed before it got there.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use caps::{CapSet, Capability};
use nix::sys::prctl;
use nix::sys::signal::SigSet;
use nix::unistd::setsid;
use rlimit::Resource;

/// How a launch that failed exits, as a shell's: no such program.
pub const NOT_STARTED: i32 = 127;

/// Seconds on a processor, for each process. A right program uses a few.
const CPU_SECONDS: u64 = 120;

/// The longest file, and no memory is left in a file of a crash.
const FILE_BYTES: u64 = 256 << 20;

/// Private memory. Virtual address space is not limited: Java and Node.js
/// reserve far more of it than they use.
const DATA_BYTES: u64 = 6 << 30;

/// Processes and threads of one user: a server with a thread for each of a
/// hundred clients fits, and Java with all its own. Counted in a user
/// namespace alone; outside one, all that the user runs would count.
const PROCESSES: u64 = 1500;

/// What to become, and where.
#[derive(Debug, clap::Args)]
pub struct Launch {
    /// The terminal
    terminal: PathBuf,
    /// In a user namespace of its own
    #[arg(long)]
    confined: bool,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    words: Vec<String>,
}

impl Launch {
    /// Starts the program, tells `out` how it ended (its wait status, four
    /// bytes), and waits to be ended.
    pub fn run(&self, out: &mut impl Write) -> i32 {
        let status = self.start_and_wait().unwrap_or_else(|cause| self.complain(&cause));
        let told = out.write_all(&status.to_ne_bytes()).and_then(|()| out.flush());
        while told.is_ok() {
            thread::park();
        }
        0
    }

    fn start_and_wait(&self) -> io::Result<i32> {
        setsid()?;
        // The first terminal that the leader of a session opens becomes its
        // controlling terminal.
        let terminal = OpenOptions::new().read(true).write(true).open(&self.terminal)?;
        self.restrict()?;
        // The class leaves signals to one thread of its own, and its children
        // inherit that.
        SigSet::empty().thread_set_mask()?;
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]);
        let again = |terminal: &File| terminal.try_clone();
        command.stdin(again(&terminal)?).stdout(again(&terminal)?).stderr(terminal);
        Ok(command.spawn()?.wait()?.into_raw())
    }

    fn restrict(&self) -> io::Result<()> {
        limit(Resource::CPU, CPU_SECONDS)?;
        limit(Resource::FSIZE, FILE_BYTES)?;
        limit(Resource::DATA, DATA_BYTES)?;
        limit(Resource::CORE, 0)?;
        if self.confined {
            limit(Resource::NPROC, PROCESSES)?;
            keep_no_rights()?;
        }
        Ok(prctl::set_no_new_privs()?)
    }

    /// On the terminal, where the program's own words would be.
    fn complain(&self, cause: &io::Error) -> i32 {
        if let Ok(mut terminal) = OpenOptions::new().write(true).open(&self.terminal) {
            let _ = writeln!(terminal, "cannot start {}: {cause}", self.words[0]);
        }
        NOT_STARTED << 8
    }
}

fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let (_, hard) = resource.get()?;
    resource.set(most.min(hard), most.min(hard))
}

/// Root of a namespace may do there what the grader has done: mount, set up
/// interfaces. The program may not, but for ports under 1024.
fn keep_no_rights() -> io::Result<()> {
    for right in caps::all() {
        if right != Capability::CAP_NET_BIND_SERVICE && caps::has_cap(None, CapSet::Bounding, right).unwrap_or(false) {
            caps::drop(None, CapSet::Bounding, right).map_err(io::Error::other)?;
        }
    }
    Ok(())
}
