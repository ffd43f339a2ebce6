//! One submission, judged in a process of its own: whatever its programs do
//! to this process, the class is graded on.
//!
//! ```text
//! netlab grade ── grade-step room ── grade-step judge ── grade-step launch = python3 server.py
//!  the class      enters a world      init of that world,   becomes the program
//!                 of its own          the checks, the peers
//! ```
//! A job goes in on standard input as JSON, each verdict comes out on standard
//! output as a line of JSON.

use std::io::{self, BufRead, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::check::{Check, Finding, Graded};
use super::isolation::Isolation;
use super::java::Compiled;
use super::launch::Launch;
use super::submission::{Submission, bytes_of_path, words};
use super::trial::{REPEATS, build, work};
use super::{files, network, suites};

/// What is to be judged.
#[derive(Debug, Serialize, Deserialize)]
pub struct Job {
    /// What, and how it is started.
    pub submission: Submission,
    /// Its folder's absolute path.
    #[serde(with = "bytes_of_path")]
    pub dir: PathBuf,
    /// Whether that folder was named, or is just where netlab was called.
    pub dir_named: bool,
    /// What the tokens come from.
    pub seed: u64,
    /// Only these checks.
    pub only: Vec<String>,
    /// How far it is apart.
    pub isolation: Isolation,
    /// Its scratch folder.
    #[serde(with = "bytes_of_path")]
    pub scratch: PathBuf,
    /// How many checks at the same time.
    pub width: usize,
    /// What went wrong at every start.
    #[serde(skip)]
    pub troubles: Troubles,
    /// What need not be compiled at every start.
    #[serde(skip)]
    pub compiled: Compiled,
}

/// A program that never gets ready fails each check in the same way: after
/// three times it is known, and nobody waits again.
#[derive(Debug, Default)]
pub struct Troubles {
    count: AtomicUsize,
    was_ready: AtomicBool,
    finding: Mutex<Option<Finding>>,
}

impl Troubles {
    /// It did get ready.
    pub fn ready(&self) {
        self.was_ready.store(true, Ordering::Relaxed);
    }

    /// It did not.
    pub fn met(&self, finding: Finding) -> Finding {
        self.count.fetch_add(1, Ordering::Relaxed);
        *self.finding.lock().unwrap_or_else(PoisonError::into_inner) = Some(finding.clone());
        finding
    }

    /// Those who tried at the same time have the same experience a moment
    /// later: it counts as a repetition.
    pub fn gather(&self) {
        for _ in 0..50 {
            if self.is_certain() || self.count.load(Ordering::Relaxed) == 0 || self.was_ready.load(Ordering::Relaxed) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether nobody needs to try again.
    pub fn is_certain(&self) -> bool {
        self.count.load(Ordering::Relaxed) > REPEATS && !self.was_ready.load(Ordering::Relaxed)
    }

    /// What is known already.
    pub fn known(&self) -> Result<(), Finding> {
        if !self.is_certain() {
            return Ok(());
        }
        self.finding.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }
}

impl Job {
    /// The copy, built, from which each program gets its own.
    pub fn master(&self) -> PathBuf {
        self.scratch.join("master")
    }

    /// The checks to try.
    pub fn checks(&self) -> Vec<&'static Check> {
        suites::checks(&self.submission, &self.only)
    }

    fn fill(&self, scratch: &Path) -> io::Result<()> {
        let master = scratch.join("master");
        match files::copy_tree(&self.dir, &master) {
            Err(_) if !self.dir_named && !self.names_a_file() => {
                // Called from some large folder that has nothing to do with
                // the programs.
                let _ = std::fs::remove_dir_all(&master);
                std::fs::create_dir_all(&master)
            }
            copied => copied,
        }
    }

    fn names_a_file(&self) -> bool {
        let submission = &self.submission;
        let commands = [&submission.server, &submission.client, &submission.build];
        commands
            .into_iter()
            .flatten()
            .filter_map(|command| words(command))
            .flatten()
            .any(|word| self.dir.join(&word).exists() && !Path::new(&word).is_absolute())
    }

    /// The command that tries one check again.
    pub fn replay(&self, id: &str) -> String {
        let quote = |text: &str| shlex::try_quote(text).map_or_else(|_| text.to_owned(), |quoted| quoted.into_owned());
        let submission = &self.submission;
        let mut command = String::from("netlab grade");
        if submission.from_file {
            command.push_str(&format!(" {}", quote(&submission.dir.to_string_lossy())));
        } else {
            command.push_str(&format!(" {}", submission.lab));
            if self.dir_named {
                command.push_str(&format!(" --dir {}", quote(&submission.dir.to_string_lossy())));
            }
            let texts =
                [("--build", &submission.build), ("--server", &submission.server), ("--client", &submission.client)];
            for (option, text) in texts {
                if let Some(text) = text {
                    command.push_str(&format!(" {option} {}", quote(text)));
                }
            }
            if let Some(port) = submission.port {
                command.push_str(&format!(" --port {port}"));
            }
        }
        format!("{command} --only {id} --seed {}", self.seed)
    }
}

/// What a judge says, a line each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Said {
    /// This world can be had.
    Possible,
    /// A verdict.
    Graded(Box<Graded>),
    /// The grader could not go on.
    Broken(String),
    /// That was all.
    Done,
}

/// One process of the chain.
#[derive(Debug, clap::Args)]
pub struct Step {
    #[command(subcommand)]
    which: Which,
}

#[derive(Debug, clap::Subcommand)]
enum Which {
    /// Enter a world and start the judge in it
    Room {
        isolation: Isolation,
        /// Only try whether it can be had, with this scratch folder
        #[arg(long)]
        probe: Option<PathBuf>,
    },
    /// Judge what standard input says
    Judge {
        isolation: Isolation,
        #[arg(long)]
        probe: Option<PathBuf>,
    },
    /// Become a program
    Launch(Launch),
}

impl Step {
    /// Runs it; the exit status.
    pub fn run(&self, input: impl Read, out: &mut (impl Write + Send)) -> i32 {
        let result = match &self.which {
            Which::Room { isolation, probe } => room(*isolation, probe.as_deref()),
            Which::Judge { isolation, probe: Some(scratch) } => probe(*isolation, scratch, out),
            Which::Judge { .. } => judge(input, out),
            Which::Launch(launch) => return launch.run(out),
        };
        match result {
            Ok(()) => 0,
            Err(cause) => {
                let _ = say(out, &Said::Broken(cause.to_string()));
                2
            }
        }
    }
}

fn say(out: &mut impl Write, said: &Said) -> io::Result<()> {
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}

/// Enters the world, starts the judge in it, and sweeps up what it leaves.
/// Standard input and output pass through.
fn room(isolation: Isolation, probe: Option<&Path>) -> io::Result<()> {
    prctl::set_child_subreaper(true)?;
    let program = std::env::current_exe()?;
    isolation.enter()?;
    // The class asks it to end, and so does the kernel when the class is gone:
    // then all below is ended first. No thread could wait for that: what has
    // unshared its processes can start none.
    let mut news = SigSet::from(Signal::SIGTERM);
    news.add(Signal::SIGCHLD);
    news.thread_block()?;
    prctl::set_pdeathsig(Signal::SIGTERM)?;
    let mut command = Command::new(program);
    command.args(["grade-step", "judge", name(isolation)]);
    if let Some(scratch) = probe {
        command.arg("--probe").arg(scratch);
    }
    let mut judge = command.spawn()?;
    let status = loop {
        if let Some(status) = judge.try_wait()? {
            break status;
        }
        if news.wait()? == Signal::SIGTERM {
            judge.kill()?;
        }
    };
    sweep();
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("the judge ended: {status}"))) }
}

/// The isolation's name on the command line.
pub fn name(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::Full => "full",
        Isolation::Network => "network",
        Isolation::None => "none",
    }
}

/// Ends every process that became this one's child because its own parents
/// are gone.
fn sweep() {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        let children = super::proc::children();
        if children.is_empty() {
            return;
        }
        for pid in children {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            let _ = nix::sys::wait::waitpid(Pid::from_raw(pid), None);
        }
    }
}

fn probe(isolation: Isolation, scratch: &Path, out: &mut impl Write) -> io::Result<()> {
    isolation.furnish(scratch, |_| Ok(()))?;
    if isolation.has_network() {
        network::enter_new()?;
    }
    say(out, &Said::Possible)
}

fn judge(mut input: impl Read, out: &mut (impl Write + Send)) -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    prctl::set_child_subreaper(true)?;
    let mut text = String::new();
    input.read_to_string(&mut text)?;
    let mut job: Job = serde_json::from_str(&text)?;
    job.isolation.furnish(&job.scratch, |scratch| job.fill(scratch))?;
    std::env::set_current_dir(&job.scratch)?;
    let broken = build(&job)?;
    if broken.is_none() {
        job.compiled = Compiled::of(&job)?;
    }
    // The last ones of a lab take longest (downloads, outages, how a client
    // ends): begun first, none of them is waited for alone.
    let checks: Vec<_> = job.checks().into_iter().rev().collect();
    let (sender, verdicts) = channel();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..job.width.clamp(1, checks.len().max(1)) {
            let (job, checks, next, sender, broken) = (&job, &checks, &next, sender.clone(), &broken);
            scope.spawn(move || work(job, checks, next, broken.as_ref(), &sender));
        }
        drop(sender);
        for graded in verdicts {
            say(out, &Said::Graded(Box::new(graded)))?;
        }
        io::Result::Ok(())
    })?;
    say(out, &Said::Done)
}

/// Reads what a judge says.
pub fn listen(output: impl BufRead, mut heard: impl FnMut(Said)) {
    for line in output.lines().map_while(Result::ok) {
        heard(serde_json::from_str(&line).unwrap_or(Said::Broken(line)));
    }
}

/// The command that judges in this world, or only tries whether it can be had.
pub fn command(isolation: Isolation, probe: Option<&Path>) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["grade-step", "room", name(isolation)]);
    if let Some(scratch) = probe {
        command.arg("--probe").arg(scratch);
    }
    // Ctrl-C is for the class, which ends its judges in order.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    Ok(command)
}
