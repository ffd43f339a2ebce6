//! A student's program: started in a folder and on a terminal of its own,
//! watched from outside, and ended with all that it started.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::launch::NOT_STARTED;
use super::proc::{self, Activity, MARK, Tree};
use super::terminal::Terminal;
use super::transcript::Transcript;

/// How often a program's size is looked at: what fills memory at full speed
/// gets some hundred megabytes further.
const WATCH_EVERY: Duration = Duration::from_millis(100);

/// Between looks that have to agree.
const BETWEEN_LOOKS: Duration = Duration::from_millis(3);

/// The most memory of all its processes: Java needs a fifth of it, and a
/// failure is repeated three times at once.
const MAX_MEMORY: u64 = 1 << 30;

/// The most processes. A process for each of 20 clients is far under it.
const MAX_PROCESSES: usize = 300;

/// A process for each client and some more.
const MANY_PROCESSES: usize = 40;

/// The most that it may print: a server that prints all that it echoes, each
/// byte as an escape, is under it.
const MAX_OUTPUT: u64 = 16 << 20;

/// What is said of a program whose check is over.
const ENDED: &str = "is ended by the grader";

/// How long the processes of an ended program may take to vanish.
const SWEEP: Duration = Duration::from_secs(10);

/// What to start, and how.
pub struct Start<'a> {
    /// `server`, `client`, `client 2`: its name in the transcript.
    pub name: &'a str,
    /// The program and its arguments, as the command says it.
    pub words: &'a [String],
    /// What is started for that.
    pub started: &'a [String],
    /// Its folder: a scratch copy.
    pub dir: &'a Path,
    /// Further variables of its environment.
    pub env: &'a [(String, String)],
    /// Whether it runs in a user namespace of its own.
    pub confined: bool,
}

/// A program that runs.
pub struct Program {
    /// Its name in the transcript.
    pub name: String,
    /// Its folder.
    pub dir: PathBuf,
    /// Its terminal.
    pub terminal: Terminal,
    tree: Arc<Mutex<Tree>>,
    child: Mutex<Child>,
    ended: Arc<Mutex<Option<ExitStatus>>>,
    watch: Arc<Watch>,
}

#[derive(Default)]
struct Watch {
    over: AtomicBool,
    /// Why the watch ended it.
    broke: Mutex<Option<String>>,
}

impl Program {
    /// Starts it.
    pub fn start(start: &Start<'_>, transcript: &Arc<Transcript>) -> std::io::Result<Program> {
        let terminal = Terminal::open(start.name, transcript.clone())?;
        let mark = format!("{:016x}", getrandom::u64().map_err(std::io::Error::other)?);
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["grade-step", "launch"]).arg(terminal.path());
        if start.confined {
            command.arg("--confined");
        }
        command.arg("--").args(start.started).current_dir(start.dir);
        command.env(MARK, &mark).env("TERM", "xterm").envs(start.env.iter().map(|(name, value)| (name, value)));
        if ["LANG", "LC_ALL", "LC_CTYPE"].iter().all(|name| std::env::var_os(name).is_none()) {
            command.env("LANG", "C.UTF-8");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        transcript.word(start.name, format!("started: {}", start.words.join(" ")));
        let mut child = command.spawn()?;
        let (ended, watch) = (Arc::new(Mutex::new(None)), Arc::<Watch>::default());
        if let Some(output) = child.stdout.take() {
            let (ended, name, transcript) = (ended.clone(), start.name.to_owned(), transcript.clone());
            let watch = watch.clone();
            thread::Builder::new().name("ending".into()).spawn(move || {
                let status = await_ending(output);
                let by_grader = watch.over.load(Ordering::Acquire);
                transcript.word(&name, if by_grader { ENDED.to_owned() } else { ending(status) });
                *locked(&ended) = Some(status);
            })?;
        }
        let tree = Arc::new(Mutex::new(Tree::new(mark, child.id().cast_signed())));
        let program = Program {
            name: start.name.to_owned(),
            dir: start.dir.to_owned(),
            terminal,
            tree,
            child: Mutex::new(child),
            ended,
            watch,
        };
        program.start_watch()?;
        Ok(program)
    }

    fn start_watch(&self) -> std::io::Result<()> {
        let (watch, tree) = (self.watch.clone(), self.tree.clone());
        let total = self.terminal.counter();
        let body = move || {
            while !watch.over.load(Ordering::Acquire) {
                if has_overrun() {
                    *locked(&watch.broke) = Some(OVERRUN_WORDS.to_owned());
                    return;
                }
                let (processes, memory) = locked(&tree).size();
                if let Some(why) = too_much(processes, memory, total()) {
                    *locked(&watch.broke) = Some(why);
                    end_tree(&tree);
                    return;
                }
                thread::park_timeout(WATCH_EVERY);
            }
        };
        thread::Builder::new().name("watch".into()).spawn(body)?;
        Ok(())
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        locked(&self.tree)
    }

    /// What it is doing.
    pub fn activity(&self) -> Activity {
        self.tree().activity()
    }

    /// The sockets it holds.
    pub fn sockets(&self) -> Vec<proc::Row> {
        let held = self.tree().sockets();
        proc::sockets().into_iter().filter(|row| held.contains(&row.inode)).collect()
    }

    /// How many sockets it holds, with or without an address.
    pub fn count_sockets(&self) -> usize {
        self.tree().sockets().len()
    }

    /// How its first process ended; what it started may go on.
    pub fn exited(&self) -> Option<ExitStatus> {
        *locked(&self.ended)
    }

    /// Whether nothing of it runs any more.
    pub fn is_over(&self) -> bool {
        // What forks to become a daemon may slip through one look at the
        // processes, between its parent's end and its own beginning.
        self.exited().is_some()
            && (0..3).all(|look| {
                if look > 0 {
                    thread::sleep(BETWEEN_LOOKS);
                }
                self.tree().alive().is_empty()
            })
    }

    /// Why the grader ended it, if it grew too large.
    pub fn broke(&self) -> Option<String> {
        locked(&self.watch.broke).clone()
    }

    /// How it ended, in words; None while it runs.
    pub fn fate(&self) -> Option<String> {
        if let Some(why) = self.broke() {
            return Some(why);
        }
        self.is_over().then(|| self.exited().map(ending)).flatten()
    }

    /// Sends a signal to every process of it.
    pub fn signal(&self, signal: Signal) {
        for pid in self.tree().alive() {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Ends it, with all that it started.
    pub fn end(&self) {
        self.watch.over.store(true, Ordering::Release);
        end_tree(&self.tree);
        let mut child = locked(&self.child);
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}

/// The launcher tells how the program ended; if it cannot, it was killed, and
/// the program with it.
fn await_ending(mut output: impl Read) -> ExitStatus {
    let mut status = [0; 4];
    let raw = output.read_exact(&mut status).map_or(Signal::SIGKILL as i32, |()| i32::from_ne_bytes(status));
    ExitStatus::from_raw(raw)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn too_much(processes: usize, memory: u64, printed: u64) -> Option<String> {
    if memory > MAX_MEMORY {
        let who = match processes {
            0..=MANY_PROCESSES => "used".to_owned(),
            many => format!("started {many} processes, which used"),
        };
        return Some(format!("{who} more than {} MiB of memory, and was ended", MAX_MEMORY >> 20));
    }
    if processes > MAX_PROCESSES {
        return Some(format!("started more than {MAX_PROCESSES} processes, and was ended"));
    }
    (printed > MAX_OUTPUT).then(|| format!("printed more than {} MiB, and was ended", MAX_OUTPUT >> 20))
}

/// More processes than all programs of a submission, in all checks that run at
/// the same time, have a use for.
const MAX_ALL: usize = 700;

/// What is said of a program that multiplies.
const OVERRUN_WORDS: &str = "started hundreds of processes, and was ended";

static OVERRUN: AtomicBool = AtomicBool::new(false);

/// Whether a program has multiplied without end. What does that cannot be
/// ended one by one; as the first process of its world this one may end all
/// others in one call, which none can escape by forking. Nothing more is
/// started then.
pub fn has_overrun() -> bool {
    if std::process::id() == 1 && proc::count() > MAX_ALL {
        OVERRUN.store(true, Ordering::Release);
    }
    let has = OVERRUN.load(Ordering::Acquire);
    if has {
        let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
    }
    has
}

/// Until none is left: while one is killed, another may be born. Those that
/// are stopped first cannot bear any.
fn end_tree(tree: &Mutex<Tree>) {
    let deadline = Instant::now() + SWEEP;
    loop {
        let alive = locked(tree).alive();
        if alive.is_empty() || Instant::now() > deadline {
            return;
        }
        for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
            for pid in &alive {
                let _ = kill(Pid::from_raw(*pid), signal);
            }
        }
        thread::sleep(Duration::from_millis(1)); // their end is nobody's event but their parent's
    }
}

/// An ending in words.
pub fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(NOT_STARTED), _) => "could not be started".to_owned(),
        (Some(code), _) => format!("exited with status {code}"),
        (_, Some(signal)) => {
            let name = Signal::try_from(signal).map_or_else(|_| signal.to_string(), |signal| signal.to_string());
            format!("was ended by {name}")
        }
        _ => "ended".to_owned(),
    }
}
