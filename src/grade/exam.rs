//! One try of one check: fresh programs on a fresh network, tokens from the
//! seed, and patience.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

pub use super::patience::{Patience, REPLY, SETTLE, Waiting};
pub use super::ready::Server;

use super::causes;
use super::check::Finding;
use super::files;
use super::judge::Job;
use super::peer::{Datagrams, Dial, End, Stream};
use super::proc::sockets;
use super::program::{Program, Start, has_overrun};
use super::submission::{filled, words};
use super::transcript::{Transcript, shortened, visible};

/// A connection that ends abruptly may be the first sign of a program's end:
/// so long it may sleep before it is said to go on.
const ENDING: Patience = Patience { idle: Duration::from_millis(300), cpu: Duration::from_secs(3) };

/// A pause between two things that a server says on its own.
const QUIET: Duration = Duration::from_millis(60);

/// One try of one check.
pub struct Exam<'a> {
    /// What is graded.
    pub job: &'a Job,
    /// What is seen.
    pub transcript: Arc<Transcript>,
    /// The port that the server is to listen on.
    pub port: u16,
    /// This try's own folder.
    room: PathBuf,
    random: Cell<u64>,
    copies: Cell<usize>,
}

impl<'a> Exam<'a> {
    /// A try of `id`, whose scratch is `room`.
    pub fn new(job: &'a Job, id: &str, room: PathBuf, port: u16) -> Exam<'a> {
        // FNV-1a: each check has tokens of its own, the same for a seed.
        let mixed = id
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        Exam {
            job,
            transcript: Arc::default(),
            port,
            room,
            random: Cell::new(mixed ^ job.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            copies: Cell::new(0),
        }
    }

    /// The next random number (SplitMix64).
    pub fn random(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A word that nobody can have known: no constant reply passes for it.
    pub fn token(&self) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz";
        (0..10).map(|_| LETTERS[(self.random() % LETTERS.len() as u64) as usize] as char).collect()
    }

    /// Waits until `done` has a result; None when patience has run out.
    pub fn until<T>(
        &self,
        patience: Patience,
        programs: &[&Program],
        mut done: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let mut waiting = Waiting::new(patience);
        loop {
            if let Some(result) = done() {
                return Some(result);
            }
            if !waiting.goes_on(programs) {
                return done();
            }
            self.transcript.wait(Duration::from_millis(10));
        }
    }

    /// Patience that runs out from now on.
    pub fn patience(&self, patience: Patience) -> Waiting {
        Waiting::new(patience)
    }

    /// The same, for a fact.
    pub fn holds(&self, patience: Patience, programs: &[&Program], mut fact: impl FnMut() -> bool) -> bool {
        self.until(patience, programs, || fact().then_some(())).is_some()
    }

    /// Starts a program in a scratch copy of its own.
    pub fn start(
        &self,
        name: &str,
        command: &str,
        values: &[(&str, String)],
        env: &[(String, String)],
    ) -> Result<Program, Finding> {
        let split = words(command).unwrap_or_default();
        let dir = self.copy()?;
        self.start_in(name, &filled(&split, values), &dir, env)
    }

    /// A scratch copy of the folder, for one program.
    pub fn copy(&self) -> Result<PathBuf, Finding> {
        let copy = self.copies.get();
        self.copies.set(copy + 1);
        let dir = self.room.join(copy.to_string());
        files::copy_tree(&self.job.master(), &dir).map_err(|cause| unable("copy the folder", &cause))?;
        Ok(dir)
    }

    /// Starts a program in a folder that is there.
    pub fn start_in(
        &self,
        name: &str,
        words: &[String],
        dir: &Path,
        env: &[(String, String)],
    ) -> Result<Program, Finding> {
        if has_overrun() {
            return Err(Finding::fail("the program runs with a few processes", "it started hundreds of them, and was ended")
                .hint("fork (or starting a process) stands in a loop that every child runs on in: a child must leave the loop"));
        }
        let started = self.job.compiled.started(words);
        let confined = self.job.isolation.has_network();
        let start = Start { name, words, started: &started, dir, env, confined };
        Program::start(&start, &self.transcript).map_err(|cause| unable("start the program", &cause))
    }

    /// What it printed last, as the end of a sentence.
    pub fn last_words(&self, program: &Program) -> String {
        let text = program.terminal.text();
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        match lines.len() {
            0 => "; it printed nothing".to_owned(),
            count => {
                let tail = lines[count.saturating_sub(3)..].join(" | ");
                format!("; its last words: {}", shortened(&visible(tail.as_bytes()), 300))
            }
        }
    }

    /// Connects to a server.
    pub fn dial(&self, server: &Server, name: &str) -> Result<Stream, Finding> {
        self.dial_how(server, name, Dial::default())
    }

    /// Connects to a server in a way of its own.
    pub fn dial_how(&self, server: &Server, name: &str, how: Dial) -> Result<Stream, Finding> {
        let mut dialled = Stream::dial(name, "server", server.addr(), how, &self.transcript);
        if dialled.is_err()
            && let Some(other) = server.turn()
        {
            let how = Dial { from: None, ..how };
            dialled = Stream::dial(name, "server", other, how, &self.transcript);
        }
        server.stay();
        dialled.map_err(|cause| {
            self.await_ending(&server.program);
            let said = self.last_words(&server.program);
            let fate = server.program.fate().map(|fate| format!("; the server {fate}")).unwrap_or_default();
            let hint = causes::hint(&server.program.terminal.text()).unwrap_or(if fate.is_empty() {
                causes::NOT_ACCEPTING
            } else {
                causes::ENDED
            });
            Finding::fail(format!("{name} can connect"), format!("connecting fails: {}{fate}{said}", plain(&cause)))
                .hint(hint)
        })
    }

    /// A UDP socket of the grader's, in the server's family.
    pub fn datagrams(&self, name: &str, server: &Server) -> Result<Datagrams, Finding> {
        let ip: IpAddr = match server.addr() {
            SocketAddr::V4(addr) if addr.ip().is_loopback() => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        Datagrams::open(name, SocketAddr::new(ip, 0), &self.transcript).map_err(|cause| unable("open a socket", &cause))
    }

    /// Waits until nothing more comes on a connection for a moment: greetings
    /// and prompts. Nothing hangs on how long that is.
    pub fn quiet(&self, stream: &Stream) {
        let mut last = (stream.count(), Instant::now());
        while last.1.elapsed() < QUIET {
            self.transcript.wait(QUIET / 4);
            if stream.count() != last.0 {
                last = (stream.count(), Instant::now());
            }
        }
    }

    /// Starts the client against the grader's own server.
    pub fn client(&self) -> Result<Program, Finding> {
        let command = self.job.submission.client.as_deref().unwrap_or_default();
        self.start("client", command, &[("port", self.port.to_string()), ("host", "127.0.0.1".into())], &[])
    }

    /// Waits until a program does nothing of its own accord: it waits for the
    /// keyboard or for the network. True if it still runs.
    pub fn settles(&self, program: &Program, idle: Duration) -> bool {
        self.holds(SETTLE.idle(idle), &[program], || program.is_over());
        !program.is_over()
    }

    /// The kernel closes an ended program's sockets before anybody is told of
    /// its end: what looks like a closed connection is looked at once more.
    fn await_ending(&self, program: &Program) {
        self.holds(ENDING, &[program], || program.is_over());
    }

    /// Says how a server that owes an answer looks from outside, and why.
    pub fn silence(&self, server: &Server, stream: Option<&Stream>) -> (String, &'static str) {
        let program = &server.program;
        if stream.is_some_and(|stream| stream.end().is_some()) {
            self.await_ending(program);
        }
        let said = self.last_words(program);
        if let Some(fate) = program.fate() {
            return (
                format!("the server {fate}{said}"),
                causes::hint(&program.terminal.text()).unwrap_or(causes::ENDED),
            );
        }
        if let Some(hint) = causes::hint(&program.terminal.text()) {
            let end = stream.and_then(Stream::end).map_or("no answer", end_words);
            return (format!("{end}{said}"), hint);
        }
        if let Some(end) = stream.and_then(Stream::end) {
            return (format!("{}{said}", end_words(end)), causes::CLOSED_EARLY);
        }
        let local = stream.and_then(|stream| stream.local().ok());
        let rows = sockets();
        let own = rows.iter().find(|row| {
            Some(row.remote.port()) == local.map(|local| local.port()) && row.local.port() == server.addr().port()
        });
        match own {
            _ if is_busy_on_and_on(program) => {
                (format!("no answer, while the server uses the processor{said}"), causes::SPINS)
            }
            Some(row) if row.unread > 0 => {
                (format!("no answer: {} bytes lie unread at the server{said}", row.unread), causes::NOT_READ)
            }
            _ => (format!("no answer: the server has read it, and waits{said}"), causes::READ_AND_SILENT),
        }
    }
}

/// Whether it runs in circles: one look may meet a program that has just been
/// woken, or a virtual machine that tidies up.
fn is_busy_on_and_on(program: &Program) -> bool {
    let looks = (0..3).map(|look| {
        if look > 0 {
            thread::sleep(Duration::from_millis(50)); // between two looks, not until something is so
        }
        program.activity().busy
    });
    looks.filter(|busy| *busy).count() >= 2
}

fn end_words(end: End) -> &'static str {
    match end {
        End::Fin => "the server closed the connection (FIN)",
        End::Reset => "the server reset the connection (RST)",
    }
}

fn plain(cause: &io::Error) -> String {
    let text = cause.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// What the grader itself could not do.
pub fn unable(what: &str, cause: &io::Error) -> Finding {
    Finding::broken(format_args!("it cannot {what}: {}", plain(cause)))
}
