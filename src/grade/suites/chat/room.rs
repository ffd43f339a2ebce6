//! A chat in progress: a server with planted files, and users, each a client
//! on a network of its own behind a relay.

use std::cell::Cell;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::grade::causes;
use crate::grade::check::{Answer, Finding};
use crate::grade::exam::{Exam, REPLY, SETTLE, Server, unable};
use crate::grade::proc::Proto;
use crate::grade::program::Program;
use crate::grade::relay::{Place, Relay, Way};
use crate::grade::submission::{Lines, filled, words};
use crate::grade::suites::stream::contains;
use crate::grade::transcript::quoted;

/// With all programs asleep this long, what was typed has had its effect.
pub const SETTLED: Duration = Duration::from_millis(450);

/// So long a client may sleep before it says its name.
const NAMED: Duration = Duration::from_secs(2);

/// With both asleep this long after the name came by, the server knows it, and
/// has told it to whom it wants.
const AFTER_NAME: Duration = Duration::from_millis(250);

/// With both asleep this long after the name came by, the server has read it,
/// and the next may come.
const BEFORE_NEXT: Duration = Duration::from_millis(100);

/// Whether names cannot be read on the wire. A judge grades one submission, so
/// what was found once holds for all its checks.
static UNREADABLE: AtomicBool = AtomicBool::new(false);

/// With the client asleep this long it has dealt with what was typed, and may
/// ask for more.
const BETWEEN_LINES: Duration = Duration::from_millis(120);

/// A file that the server is to share.
pub struct Planted {
    pub name: String,
    pub content: Vec<u8>,
}

/// The server and what it shares.
pub struct Room<'a> {
    pub exam: &'a Exam<'a>,
    pub server: Server,
    pub files: Vec<Planted>,
    /// The server's network.
    here: Option<Arc<Place>>,
}

/// Somebody in the room.
pub struct User {
    pub name: String,
    pub program: Program,
    pub relay: Relay,
    has_typed: Cell<bool>,
}

/// The folder that servers share, by its usual name.
const SHARED: &str = "SharedFiles";

/// The variables that may name it.
const VARIABLES: [&str; 2] = ["SERVER_SHARED_FILES", "SERVERSHAREDFILES"];

/// Removes every folder of shared files from a copy.
fn strip(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().eq_ignore_ascii_case(SHARED) {
            let _ = fs::remove_dir_all(entry.path());
        } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            strip(&entry.path());
        }
    }
}

/// Replaces the shared files of a copy by planted ones; their folder.
fn plant(dir: &Path, files: &[Planted]) -> io::Result<PathBuf> {
    let mut places = Vec::new();
    find_shared(dir, &mut places);
    if places.is_empty() {
        places.push(dir.join(SHARED));
    }
    for place in &places {
        let _ = fs::remove_dir_all(place);
        fs::create_dir_all(place)?;
        for file in files {
            fs::write(place.join(&file.name), &file.content)?;
        }
    }
    Ok(places.swap_remove(0))
}

fn find_shared(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            match entry.file_name().eq_ignore_ascii_case(SHARED) {
                true => found.push(entry.path()),
                false => find_shared(&entry.path(), found),
            }
        }
    }
}

impl<'a> Room<'a> {
    /// Starts the server, with files to share.
    pub fn open(exam: &'a Exam<'a>, files: Vec<Planted>) -> Result<Room<'a>, Finding> {
        exam.job.troubles.known()?;
        let server = start_server(exam, "server", &files)?;
        let server = exam.await_server(server, Proto::Tcp, exam.port)?;
        let here = match exam.job.isolation.has_network() {
            true => Some(Arc::new(Place::here().map_err(|cause| unable("find its network", &cause))?)),
            false => None,
        };
        Ok(Room { exam, server, files, here })
    }

    /// A second server on the same port.
    pub fn second_server(&self) -> Result<Program, Finding> {
        start_server(self.exam, "server 2", &self.files)
    }

    /// A name nobody can have guessed, that every server takes.
    pub fn new_name(&self) -> String {
        self.exam.token()[..8].to_owned()
    }

    /// The way for a client of this name; nobody walks it yet.
    pub fn way(&self, name: &str) -> Result<(Relay, Option<Arc<Place>>), Finding> {
        let exam = self.exam;
        let client = match self.here {
            Some(_) => Some(Arc::new(Place::new().map_err(|cause| unable("make a network", &cause))?)),
            None => None,
        };
        let is_given = exam.job.submission.client.as_deref().is_some_and(|command| command.contains("{port}"));
        let port = match (&client, is_given) {
            (Some(_), _) => exam.port,
            (None, true) => 0,
            (None, false) => {
                return Err(Finding::skip(
                    "the client's port is fixed, and without a network of its own nothing can be put between it and the server",
                ));
            }
        };
        let own = IpAddr::from(Ipv4Addr::new(
            127,
            20 + (exam.random() % 80) as u8,
            100 + (exam.random() % 90) as u8,
            2 + (exam.random() % 90) as u8,
        ));
        let from = matches!(self.server.addr().ip(), IpAddr::V4(ip) if ip.is_loopback()).then_some(own);
        let way = Way { name, client: client.clone(), server: self.here.clone(), port, to: self.server.addr(), from };
        let relay = Relay::open(&way, &exam.transcript)
            .map_err(|cause| unable("put a relay between client and server", &cause))?;
        Ok((relay, client))
    }

    /// Starts a client, and waits until it is in.
    pub fn enter(&self, name: &str) -> Result<User, Finding> {
        let user = self.start(name, self.way(name)?)?;
        self.await_connection(&user)?;
        self.await_entry(&user, AFTER_NAME);
        Ok(user)
    }

    /// Starts a client by a way that is there.
    pub fn start(&self, name: &str, (relay, place): (Relay, Option<Arc<Place>>)) -> Result<User, Finding> {
        let program = start_client(self.exam, name, relay.port, place.as_deref())?;
        Ok(User { name: name.to_owned(), program, relay, has_typed: Cell::new(false) })
    }

    /// Waits until a client has connected.
    pub fn await_connection(&self, user: &User) -> Answer {
        let name = &user.name;
        let patience = REPLY.idle(Duration::from_secs(8));
        let connected = self.exam.holds(patience, &[&user.program], || user.relay.is_used() || user.program.is_over());
        if !connected || user.program.is_over() {
            let said = self.exam.last_words(&user.program);
            let actual = match user.program.fate() {
                Some(fate) => format!("the client {fate}{said}"),
                None => format!("the client does not connect{said}"),
            };
            let hint = causes::hint(&user.program.terminal.text())
                .unwrap_or("the client must connect to the host and port it is given, and stay");
            return Err(Finding::fail(format!("{name} enters the chat"), actual).hint(hint));
        }
        Ok(())
    }

    /// Waits until a newcomer is in. Its name on the wire tells that the client
    /// has said who it is; where that cannot be read (it is encrypted, say),
    /// nothing tells, and what has not happened for a while is waited for no
    /// longer.
    fn await_entry(&self, user: &User, after_name: Duration) {
        let idle = if UNREADABLE.load(Ordering::Relaxed) { SETTLED } else { NAMED };
        let programs = [&self.server.program, &user.program];
        let is_named = || contains(&user.relay.up(), user.name.as_bytes());
        if self.exam.holds(SETTLE.idle(idle), &programs, is_named) {
            self.exam.holds(SETTLE.idle(after_name), &programs, || false);
        } else {
            UNREADABLE.store(true, Ordering::Relaxed);
        }
    }

    /// Several users. Their programs start at the same time; the server meets
    /// them one after the other, so that a fault which hangs on who came first
    /// is seen each time or never.
    pub fn enter_all(&self, count: usize) -> Result<Vec<User>, Finding> {
        let users = (0..count).map(|_| self.start_detained()).collect::<Result<Vec<User>, Finding>>()?;
        for (at, user) in users.iter().enumerate() {
            user.relay.admit();
            self.await_connection(user)?;
            self.await_entry(user, if at + 1 < count { BEFORE_NEXT } else { AFTER_NAME });
        }
        Ok(users)
    }

    fn start_detained(&self) -> Result<User, Finding> {
        let name = self.new_name();
        let way = self.way(&name)?;
        way.0.detain();
        self.start(&name, way)
    }

    /// Waits until the server and these clients have nothing to do.
    pub fn settle(&self, users: &[&User]) {
        let mut programs = vec![&self.server.program];
        programs.extend(users.iter().map(|user| &user.program));
        self.exam.holds(SETTLE.idle(SETTLED), &programs, || false);
    }

    /// Waits for something that concerns the server and a client.
    pub fn sees(&self, user: &User, fact: impl FnMut() -> bool) -> bool {
        self.exam.holds(REPLY, &[&self.server.program, &user.program], fact)
    }

    /// Waits for a text on a user's terminal.
    pub fn shows(&self, user: &User, mark: usize, text: &str) -> bool {
        self.sees(user, || user.since(mark).contains(text))
    }

    /// The lines that a person types for a command.
    pub fn command(&self, name: &str, values: &[(&str, String)]) -> Vec<String> {
        let lines = self.exam.job.submission.commands.get(name).map_or_else(|| default_command(name), Lines::each);
        filled(&lines, values)
    }

    /// Types a command's lines.
    pub fn types(&self, user: &User, name: &str, values: &[(&str, String)]) {
        for line in self.command(name, values) {
            if user.has_typed.replace(true) {
                // A menu asks before the next line; a person waits for that,
                // and types no two lines in one segment.
                self.exam.holds(REPLY.idle(BETWEEN_LINES), &[&user.program], || false);
            }
            user.program.terminal.type_line(&line);
        }
    }

    /// A word for everyone.
    pub fn says(&self, user: &User, text: &str) {
        self.types(user, "broadcast", &[("text", text.to_owned())]);
    }

    /// A word for one.
    pub fn tells(&self, user: &User, to: &User, text: &str) {
        self.types(user, "unicast", &[("user", to.name.clone()), ("text", text.to_owned())]);
    }

    /// What stands against a user having been told something.
    pub fn not_told(&self, user: &User, mark: usize, expected: String, hint: &str) -> Finding {
        let new = user.since(mark);
        let shown = match new.trim() {
            "" => "nothing new".to_owned(),
            text => quoted(text.as_bytes()),
        };
        let mut actual = format!("{}'s terminal shows {shown}", user.name);
        if let Some(fate) = user.program.fate() {
            actual.push_str(&format!("; this client {fate}"));
        }
        let server = &self.server.program;
        let mut hint = hint.to_owned();
        if let Some(fate) = server.fate() {
            actual.push_str(&format!("; the server {fate}{}", self.exam.last_words(server)));
            hint = causes::hint(&server.terminal.text()).unwrap_or(causes::ENDED).to_owned();
        } else if let Some(found) = causes::hint(&server.terminal.text()).or_else(|| causes::hint(&new)) {
            hint = format!("{hint} ({found})");
        }
        Finding::fail(expected, actual).hint(hint)
    }

    /// One tells all, the others hear it.
    pub fn all_hear(&self, from: &User, others: &[&User], what: &str, hint: &str) -> Answer {
        let text = self.exam.token();
        let marks: Vec<usize> = others.iter().map(|other| other.mark()).collect();
        self.says(from, &text);
        for (other, mark) in others.iter().zip(marks) {
            if !self.shows(other, mark, &text) {
                let expected = format!("{what}: {} says {text:?} to everyone, and {} sees it", from.name, other.name);
                return Err(self.not_told(other, mark, expected, hint));
            }
        }
        Ok(())
    }
}

impl User {
    /// A place on the terminal.
    pub fn mark(&self) -> usize {
        self.program.terminal.mark()
    }

    /// What it shows since then.
    pub fn since(&self, mark: usize) -> String {
        self.program.terminal.since(mark)
    }

    /// Whether the server has sent this text to it.
    pub fn was_sent(&self, text: &str) -> bool {
        contains(&self.relay.down(), text.as_bytes())
    }
}

fn start_server(exam: &Exam<'_>, name: &str, files: &[Planted]) -> Result<Program, Finding> {
    let dir = exam.copy()?;
    let shared = plant(&dir, files).map_err(|cause| unable("plant files", &cause))?;
    let env: Vec<(String, String)> =
        VARIABLES.iter().map(|variable| ((*variable).to_owned(), shared.display().to_string())).collect();
    let command = words(exam.job.submission.server.as_deref().unwrap_or_default()).unwrap_or_default();
    exam.start_in(name, &filled(&command, &[("port", exam.port.to_string()), ("host", "127.0.0.1".into())]), &dir, &env)
}

/// Starts a client in its place.
pub fn start_client(exam: &Exam<'_>, name: &str, port: u16, place: Option<&Place>) -> Result<Program, Finding> {
    let dir = exam.copy()?;
    strip(&dir);
    let command = words(exam.job.submission.client.as_deref().unwrap_or_default()).unwrap_or_default();
    let values = [("user", name.to_owned()), ("port", port.to_string()), ("host", "127.0.0.1".to_owned())];
    let command = filled(&command, &values);
    let start = crate::grade::program::Start {
        name,
        words: &command,
        started: &exam.job.compiled.started(&command),
        dir: &dir,
        env: &[],
        confined: exam.job.isolation.has_network(),
    };
    let transcript = &exam.transcript;
    let started = match place {
        Some(place) => place.inside(|| Program::start(&start, transcript)).and_then(|started| started),
        None => Program::start(&start, transcript),
    };
    started.map_err(|cause| unable("start the client", &cause))
}

/// netlab's own commands, and what many clients have.
fn default_command(name: &str) -> Vec<String> {
    let lines: &[&str] = match name {
        "unicast" => &["/to {user}", "{text}", "/all"],
        "files" => &["/files"],
        "get" => &["/get {file}"],
        "leave" => &["/quit"],
        _ => &["{text}"],
    };
    lines.iter().map(|line| (*line).to_owned()).collect()
}
