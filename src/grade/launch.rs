//! The last step before a student's program: a process that takes a terminal,
//! gives up what it must not keep, and becomes the program (`execve(2)`).
//!
//! Between `fork(2)` and `execve(2)` little is allowed, and nothing of it in
//! safe Rust. So this is a process of its own, which is netlab once more.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use caps::{CapSet, Capability};
use nix::sys::prctl;
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, setsid};
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
    /// Becomes the program; returns only when that fails.
    pub fn run(&self) -> i32 {
        let Err(cause) = self.prepare() else {
            let cause = Command::new(&self.words[0]).args(&self.words[1..]).exec();
            return self.complain(&cause);
        };
        self.complain(&cause)
    }

    fn prepare(&self) -> std::io::Result<()> {
        setsid()?;
        // The first terminal that the leader of a session opens becomes its
        // controlling terminal.
        let terminal = OpenOptions::new().read(true).write(true).open(&self.terminal)?;
        dup2_stdin(&terminal)?;
        dup2_stdout(&terminal)?;
        dup2_stderr(&terminal)?;
        drop(terminal);
        limit(Resource::CPU, CPU_SECONDS)?;
        limit(Resource::FSIZE, FILE_BYTES)?;
        limit(Resource::DATA, DATA_BYTES)?;
        limit(Resource::CORE, 0)?;
        if self.confined {
            limit(Resource::NPROC, PROCESSES)?;
            keep_no_rights()?;
        }
        prctl::set_no_new_privs()?;
        Ok(())
    }

    /// On the terminal, where the program's own words would be.
    fn complain(&self, cause: &std::io::Error) -> i32 {
        if let Ok(mut terminal) = OpenOptions::new().write(true).open(&self.terminal) {
            let _ = writeln!(terminal, "cannot start {}: {cause}", self.words[0]);
        }
        NOT_STARTED
    }
}

fn limit(resource: Resource, most: u64) -> std::io::Result<()> {
    let (_, hard) = resource.get()?;
    resource.set(most.min(hard), most.min(hard))
}

/// Root of a namespace may do there what the grader has done: mount, set up
/// interfaces. The program may not, but for ports under 1024.
fn keep_no_rights() -> std::io::Result<()> {
    for right in caps::all() {
        if right != Capability::CAP_NET_BIND_SERVICE && caps::has_cap(None, CapSet::Bounding, right).unwrap_or(false) {
            caps::drop(None, CapSet::Bounding, right).map_err(std::io::Error::other)?;
        }
    }
    Ok(())
}
