//! One try of one check: fresh programs on a fresh network, tokens from the
//! seed, and patience.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::causes;
use super::check::{Answer, Finding};
use super::files;
use super::judge::Job;
use super::peer::{Datagrams, Dial, End, Stream};
use super::proc::{Proto, Row, sockets};
use super::program::{Program, Start, has_overrun};
use super::submission::{filled, words};
use super::transcript::{Transcript, shortened, visible};

/// How long a program may sleep before it answers. Counted is only the time in
/// which all its threads sleep: a slow machine makes nobody late.
pub const REPLY: Patience = Patience { idle: Duration::from_secs(4), cpu: Duration::from_secs(8) };

/// How long it may sleep before it listens.
const STARTUP: Patience = Patience { idle: Duration::from_secs(15), cpu: Duration::from_secs(20) };

/// How long it may take to do what needs nobody else: print, close, end.
pub const SETTLE: Patience = Patience { idle: Duration::from_millis(2500), cpu: Duration::from_secs(6) };

/// With a socket open and idle this long, a program has started: what it has
/// not opened by now it will not.
const STARTED: Duration = Duration::from_millis(1500);

/// With some other socket and idle this long, it does not listen any more.
const STUCK: Duration = Duration::from_secs(6);

/// After the last process has gone, for bytes that are still on their way.
const AFTERMATH: Duration = Duration::from_millis(400);

/// A connection that ends abruptly may be the first sign of a program's end:
/// so long it may sleep before it is said to go on.
const ENDING: Patience = Patience { idle: Duration::from_millis(300), cpu: Duration::from_secs(3) };

/// A pause between two things that a server says on its own.
const QUIET: Duration = Duration::from_millis(60);

/// Between two looks at what the programs do: often at first, then less.
const LOOK_EVERY: [Duration; 2] = [Duration::from_millis(40), Duration::from_millis(160)];

/// Whatever it does, no wait is longer.
const LONGEST: Duration = Duration::from_secs(90);

/// How long to wait for a program: so much sleep, so much work.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Time in which all its threads sleep.
    pub idle: Duration,
    /// Processor time it uses meanwhile.
    pub cpu: Duration,
}

impl Patience {
    /// The same, but more sleep is forgiven.
    pub const fn idle(self, idle: Duration) -> Patience {
        Patience { idle, ..self }
    }
}

/// Patience while it runs out.
pub struct Waiting {
    idle: Duration,
    cpu: Duration,
    until: Instant,
    looked: Instant,
    every: Duration,
    used: Option<u64>,
}

impl Waiting {
    fn new(patience: Patience) -> Waiting {
        let now = Instant::now();
        Waiting {
            idle: patience.idle,
            cpu: patience.cpu,
            until: now + LONGEST,
            looked: now,
            every: LOOK_EVERY[0],
            used: None,
        }
    }

    /// Whether to wait on.
    pub fn goes_on(&mut self, programs: &[&Program]) -> bool {
        let passed = self.looked.elapsed();
        if passed < self.every {
            return true;
        }
        // A grader that was kept from running has not waited so long.
        let passed = passed.min(2 * self.every);
        self.every = (self.every * 5 / 4).min(LOOK_EVERY[1]);
        self.looked = Instant::now();
        let (mut busy, mut used, mut over) = (false, 0, true);
        for program in programs {
            let activity = program.activity();
            busy |= activity.busy;
            used += activity.cpu_ns;
            over &= activity.processes == 0 && program.is_over();
        }
        let worked = Duration::from_nanos(used.saturating_sub(self.used.unwrap_or(used)));
        self.used = Some(used);
        self.cpu = self.cpu.saturating_sub(worked);
        if over {
            self.idle = self.idle.min(AFTERMATH);
        }
        if over || (!busy && worked < passed / 2) {
            self.idle = self.idle.saturating_sub(passed);
        }
        !self.idle.is_zero() && !self.cpu.is_zero() && self.looked < self.until
    }
}

/// A server that is ready.
pub struct Server {
    /// The program.
    pub program: Program,
    addr: Cell<SocketAddr>,
    /// Where else, if not there.
    other: Cell<Option<SocketAddr>>,
    /// The port it opened, where it is not the one asked for.
    pub elsewhere: Option<u16>,
}

impl Server {
    /// Where it can be reached.
    pub fn addr(&self) -> SocketAddr {
        self.addr.get()
    }
}

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
        let start = Start { name, words, dir, env, confined: self.job.isolation.has_network() };
        Program::start(&start, &self.transcript).map_err(|cause| unable("start the program", &cause))
    }

    /// Starts the server and waits until it is ready.
    pub fn server(&self, proto: Proto) -> Result<Server, Finding> {
        self.job.troubles.known()?;
        let command = self.job.submission.server.as_deref().unwrap_or_default();
        let program =
            self.start("server", command, &[("port", self.port.to_string()), ("host", "127.0.0.1".into())], &[])?;
        self.await_server(program, proto, self.port)
    }

    /// Waits until a server is ready on `port`.
    pub fn await_server(&self, program: Program, proto: Proto, port: u16) -> Result<Server, Finding> {
        let (mut waiting, mut settled) = (Waiting::new(STARTUP), Waiting::new(STARTUP.idle(STARTED)));
        let mut elsewhere: Option<Row> = None;
        let (mut stuck, mut looked) = (Waiting::new(STARTUP.idle(STUCK)), Instant::now());
        loop {
            let open: Vec<Row> = self.open_sockets(&program, proto);
            if let Some(row) = open.iter().find(|row| row.local.port() == port) {
                return self.reached(program, *row, None);
            }
            if elsewhere != open.first().copied() {
                elsewhere = open.first().copied();
                settled = Waiting::new(STARTUP.idle(STARTED));
            }
            if let Some(row) = elsewhere
                && !settled.goes_on(&[&program])
            {
                return self.reached(program, row, Some(row.local.port()));
            }
            if looked.elapsed() > LOOK_EVERY[1] {
                looked = Instant::now();
                if program.count_sockets() == 0 {
                    stuck = Waiting::new(STARTUP.idle(STUCK));
                }
            }
            self.job.troubles.known()?;
            if !waiting.goes_on(&[&program]) || !stuck.goes_on(&[&program]) {
                return Err(self.job.troubles.met(self.never_ready(&program, proto, port)));
            }
            self.transcript.wait(Duration::from_millis(10));
        }
    }

    /// The program's sockets on which it can be reached.
    fn open_sockets(&self, program: &Program, proto: Proto) -> Vec<Row> {
        let all = sockets().into_iter().filter(|row| row.proto == proto && row.is_open());
        if all.clone().next().is_none() {
            return vec![];
        }
        let held = program.sockets();
        all.filter(|row| held.iter().any(|own| own.inode == row.inode)).collect()
    }

    fn reached(&self, program: Program, row: Row, elsewhere: Option<u16>) -> Result<Server, Finding> {
        let ip = match row.local.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            // Java binds ::ffff:127.0.0.1 where 127.0.0.1 is meant.
            ip => ip.to_canonical(),
        };
        let addr = SocketAddr::new(ip, row.local.port());
        if !self.job.isolation.has_network() && !addr.ip().is_loopback() {
            let why =
                format!("the server listens on {}, which only a network of its own could offer safely", row.local);
            return Err(Finding::skip(why));
        }
        self.transcript.word("server", format!("is open on {} {}", row.proto.name(), row.local));
        // `::` takes IPv4 as well, unless it was told not to.
        let other = (row.local.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED))
            .then(|| SocketAddr::new(Ipv6Addr::LOCALHOST.into(), row.local.port()));
        self.job.troubles.ready();
        Ok(Server { program, addr: Cell::new(addr), other: Cell::new(other), elsewhere })
    }

    /// Why it is not there.
    fn never_ready(&self, program: &Program, proto: Proto, port: u16) -> Finding {
        let expected = format!("the server listens on {} port {port}", proto.name());
        if let Some(fate) = program.fate() {
            let said = self.last_words(program);
            return Finding::fail(expected, format!("it {fate} before it listened{said}"))
                .hint(causes::hint(&program.terminal.text()).unwrap_or(causes::DIED));
        }
        let rows = program.sockets();
        if let Some(row) = rows.iter().find(|row| row.is_open()) {
            let actual = format!("it opened {} port {} instead", row.proto.name(), row.local.port());
            return Finding::fail(expected, actual).hint(causes::OTHER_PROTOCOL);
        }
        let said = self.last_words(program);
        if program.count_sockets() > 0 {
            let hint = if proto == Proto::Udp { causes::NO_BIND } else { causes::NO_LISTEN };
            return Finding::fail(expected, format!("it holds a socket, and no port is open{said}")).hint(hint);
        }
        Finding::fail(expected, format!("it runs, and opens no socket{said}")).hint(causes::NO_SOCKET)
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
        if let (Err(_), Some(other)) = (&dialled, server.other.take()) {
            server.addr.set(other);
            let how = Dial { from: None, ..how };
            dialled = Stream::dial(name, "server", other, how, &self.transcript);
        }
        server.other.set(None);
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
            _ if program.activity().busy => {
                (format!("no answer, while the server uses the processor{said}"), causes::SPINS)
            }
            Some(row) if row.unread > 0 => {
                (format!("no answer: {} bytes lie unread at the server{said}", row.unread), causes::NOT_READ)
            }
            _ => (format!("no answer: the server has read it, and waits{said}"), causes::READ_AND_SILENT),
        }
    }

    /// The first check of a lab also asks for the port.
    pub fn on_asked_port(&self, server: &Server) -> Answer {
        let Some(port) = server.elsewhere else { return Ok(()) };
        let asked = self.port;
        let hint = if port == asked.swap_bytes() { causes::BYTE_ORDER } else { causes::PORT_IGNORED };
        Err(Finding::fail(format!("the server opens port {asked}"), format!("it opened port {port}")).hint(hint))
    }
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
