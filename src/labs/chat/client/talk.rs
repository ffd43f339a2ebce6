//! The conversation: what comes in is shown, learnt from and saved; what is
//! typed goes out.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::super::MAX_LINE_BYTES;
use super::super::protocol::{Line, Meaning};
use super::console::Console;
use super::download::{Downloads, Effect};
use super::ending::Ending;
use super::learnt::Learnt;
use super::link::{Heard, Link, Outgoing, Reader};
use super::secret;
use crate::error::{Attempt, Error, no_thread};
use crate::net::host::Host;
use crate::net::stop::Interrupt;
use crate::report::keyboard::Happening;
use crate::report::{Event, Look, Messages, Payload, View};

/// What may wait for the main thread.
const HAPPENINGS_AHEAD: usize = 16;

/// What the main thread waits for.
pub enum Happened {
    /// A line of standard input.
    Typed(Vec<u8>),
    /// Standard input has no more.
    InputEnded,
    /// Standard input cannot be read.
    InputFailed(Error),
    /// Something at the keyboard.
    Key(Happening),
    /// The last download has ended, or one speaks to somebody else.
    Changed,
    /// The connection has.
    Gone(io::Result<()>),
    /// Ctrl-C, SIGTERM.
    Stopped,
}

/// One connection to a chat server.
pub struct Talk {
    /// Where events go.
    pub host: Host,
    /// The connection.
    pub link: Arc<Link>,
    /// The server.
    pub peer: SocketAddr,
    outgoing: Outgoing,
    state: Mutex<State>,
}

/// What is known so far.
pub struct State {
    /// Files on their way.
    pub downloads: Downloads,
    /// Names heard of.
    pub learnt: Learnt,
    /// To whom one speaks, if to one person.
    pub partner: Option<String>,
    partner_asked: Option<Option<String>>,
    /// The server has taken the name.
    pub named: bool,
    /// A person sits before it.
    pub typed: bool,
    /// We said `/quit`.
    pub left: bool,
    /// The server said `* goodbye`.
    pub goodbye: bool,
    /// It said that it stops.
    pub going_down: bool,
    /// It said that it reads more slowly than we send.
    pub slowed: bool,
    /// The text of the last line, if that was an error.
    pub last_error: Option<String>,
    sent: u64,
    received: u64,
}

impl State {
    /// Lines sent and received.
    pub fn counters(&self) -> Messages {
        Messages { sent: self.sent, received: self.received, view: View::Talker, ..Messages::default() }
    }
}

impl Talk {
    /// Talks over `link`; downloads go into `dir`.
    pub fn new(host: &Host, link: Arc<Link>, peer: SocketAddr, dir: PathBuf) -> Arc<Talk> {
        let state = State {
            downloads: Downloads::into_dir(dir),
            learnt: Learnt::default(),
            partner: None,
            partner_asked: None,
            named: false,
            typed: false,
            left: false,
            goodbye: false,
            going_down: false,
            slowed: false,
            last_error: None,
            sent: 0,
            received: 0,
        };
        let outgoing = Outgoing::default();
        Arc::new(Talk { host: host.clone(), link, peer, outgoing, state: Mutex::new(state) })
    }

    /// What is known so far.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the server said that it stops.
    pub fn is_going_down(&self) -> bool {
        self.state().going_down
    }

    /// A line came: it is shown, and taken notice of.
    pub fn hear(&self, line: &Line) {
        let meaning = line.meaning();
        let payload = Payload(line.bytes.clone());
        let mut state = self.state();
        state.received += 1;
        state.learnt.learn(&meaning);
        state.last_error = None;
        let effects = state.take_notice(&meaning);
        drop(state);
        // Who sees it may count on it.
        self.host.emit(Event::Spoken { peer: self.peer, payload, look: look_of(&meaning) });
        self.carry_out(effects);
    }

    fn carry_out(&self, effects: Vec<Effect>) {
        if effects.is_empty() {
            return;
        }
        for effect in effects {
            match effect {
                Effect::Send(line) => self.outgoing.add(line),
                Effect::Tell(event) => self.host.emit(event),
                Effect::Wrong(error) => self.host.emit_error(&error),
            }
        }
        if self.host.report.shows_tables() {
            let bars = self.state().downloads.progress().map(|part| part.bar()).collect();
            self.host.report.table(bars);
        }
    }

    /// Sends a line at once, while nobody else sends.
    pub fn say_now(&self, line: &str) -> io::Result<()> {
        self.state().sent += 1;
        let shown = secret::masked(line).unwrap_or_else(|| line.to_owned());
        self.host.emit(Event::Said { peer: self.peer, payload: Payload(shown.into_bytes()) });
        self.link.send_all(format!("{line}\n").as_bytes())
    }

    /// What the user typed. Commands that concern the client too are looked
    /// at; every line goes to the server.
    pub fn say(&self, line: &str) {
        if line.len() > MAX_LINE_BYTES {
            let cause = format!("the line is {} bytes long", line.len());
            return self
                .host
                .emit_error(&unsaid(self, cause).because("a line has at most 4,096 bytes").next("several lines"));
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let effects = match word.to_ascii_lowercase().as_str() {
            "/get" if !rest.trim().is_empty() => self.state().downloads.ask(rest),
            "/login" if !self.may_tell_secrets() => {
                let error = unsaid(self, "it is no secret on this connection".into());
                return self.host.emit_error(&error.because(NO_SECRETS).next("the same client with --tls"));
            }
            "/to" => self.ask_for_partner(Some(rest.trim().to_owned()), line),
            "/all" => self.ask_for_partner(None, line),
            _ => vec![Effect::Send(line.to_owned())],
        };
        self.carry_out(effects);
    }

    fn ask_for_partner(&self, partner: Option<String>, line: &str) -> Vec<Effect> {
        self.state().partner_asked = Some(partner);
        vec![Effect::Send(line.to_owned())]
    }

    /// Whether a password may be told: nobody else can read along.
    pub fn may_tell_secrets(&self) -> bool {
        self.link.is_secret() || self.peer.ip().to_canonical().is_loopback()
    }

    /// Leaves, with this line.
    pub fn leave(&self, line: String) {
        self.state().left = true;
        self.outgoing.add(line);
    }

    /// Whether the server takes lines as fast as they are typed.
    pub fn has_room(&self) -> bool {
        self.outgoing.has_room()
    }

    /// Waits until it does.
    pub fn wait_for_room(&self) {
        self.outgoing.wait_for_room();
    }

    /// No answer came to a `/get`.
    pub fn give_up_asking(&self) {
        let effects = self.state().downloads.give_up_asking();
        self.carry_out(effects);
    }

    /// Talks until one side leaves.
    pub fn run(self: &Arc<Talk>, reader: Reader, timeout: Duration) -> Ending {
        self.state().named = true;
        let (sender, happened) = sync_channel(HAPPENINGS_AHEAD);
        let wake = Arc::new(Wake(sender.clone()));
        self.host.stop.wakes(&wake);
        let threads = [
            self.start("receiver", {
                let (talk, sender) = (self.clone(), sender.clone());
                move || talk.receive(reader, &sender)
            }),
            self.start("sender", {
                let talk = self.clone();
                move || talk.send()
            }),
        ];
        for cause in threads.iter().filter_map(|thread| thread.as_ref().err()) {
            let error = Error::new(Attempt::Open, format!("tcp {}", self.peer), cause);
            let _ = sender.try_send(Happened::InputFailed(error)); // there is room for both
        }
        let console = Console::open(self, sender);
        let ending = self.attend(console, &happened, timeout);
        self.outgoing.close();
        self.link.finish();
        self.link.cut();
        drop(happened);
        for thread in threads.into_iter().flatten() {
            let _ = thread.join(); // a panic has been told
        }
        let interrupted = self.state().downloads.interrupt();
        interrupted.into_iter().for_each(|event| self.host.emit(event));
        ending
    }

    fn start(&self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<thread::JoinHandle<()>> {
        thread::Builder::new().name(name.into()).spawn(run).map_err(no_thread)
    }

    /// The main thread: waits for the keyboard and for the end.
    fn attend(&self, mut console: Console, happened: &Receiver<Happened>, timeout: Duration) -> Ending {
        loop {
            console.leave_if_due(timeout);
            let next = match console.deadline() {
                None => happened.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(deadline) => happened.recv_timeout(deadline.saturating_duration_since(Instant::now())),
            };
            match next {
                _ if self.host.stop.is_asked() => return self.stopped(),
                Ok(Happened::Gone(how)) => return self.gone(how),
                Ok(Happened::InputFailed(error)) => return Ending::wrong(error),
                Ok(happening) => console.take(happening),
                // It still has lines of ours to read: its answer is late, not lost.
                Err(RecvTimeoutError::Timeout) if self.state().slowed => {}
                Err(RecvTimeoutError::Timeout) if self.state().left => return self.gone(Ok(())),
                Err(RecvTimeoutError::Timeout) => self.give_up_asking(),
                Err(RecvTimeoutError::Disconnected) => return self.gone(Ok(())),
            }
        }
    }

    /// Asked to stop: a word to the server, if it takes one.
    fn stopped(&self) -> Ending {
        let _ = self.say_now("/quit"); // the server may be gone, or not read
        self.gone(Ok(()))
    }

    /// The receiver's thread.
    fn receive(&self, mut reader: Reader, happened: &SyncSender<Happened>) {
        let ended = loop {
            match reader.next() {
                Ok(Heard::Line(line)) => {
                    let partner = self.state().partner.clone();
                    self.hear(&line);
                    if self.state().partner != partner {
                        let _ = happened.try_send(Happened::Changed); // or it looks up anyway
                    }
                }
                Ok(Heard::Bytes(id, range)) => {
                    let effects = self.state().downloads.bytes(id, reader.bytes(range));
                    self.carry_out(effects);
                }
                Ok(Heard::End) => break Ok(()),
                Err(error) => break Err(error),
            }
            if !self.state().downloads.is_running() {
                let _ = happened.try_send(Happened::Changed); // where there is no room, nobody waits
            }
        };
        self.outgoing.close();
        let _ = happened.send(Happened::Gone(ended)); // nobody waits any more
    }

    /// The sender's thread. A failure is for the receiver to see: what the
    /// server said last is still to be read.
    fn send(&self) {
        while let Some(line) = self.outgoing.next() {
            if self.say_now(&line).is_err() {
                return self.outgoing.close();
            }
        }
    }
}

/// What a user is told who would give a password away.
pub const NO_SECRETS: &str = "in plain text everyone on the way can read a password";

fn unsaid(talk: &Talk, cause: String) -> Error {
    Error::other(Attempt::Send, format!("tcp {}", talk.peer), cause)
}

impl State {
    fn take_notice(&mut self, meaning: &Meaning<'_>) -> Vec<Effect> {
        match meaning {
            Meaning::Notice(text) => {
                self.goodbye |= text.starts_with("goodbye");
                self.confirm_partner(text);
                vec![]
            }
            Meaning::Begin { id, size, name } => self.downloads.begin(*id, *size, name),
            Meaning::End { id, sha256 } => self.downloads.end(*id, *sha256),
            Meaning::Error { id, text } => self.take_error(*id, text),
            Meaning::Senseless { id } => self.downloads.fail(*id, "a line of it makes no sense").unwrap_or_default(),
            _ => vec![],
        }
    }

    fn confirm_partner(&mut self, text: &str) {
        let confirms = match &self.partner_asked {
            Some(Some(name)) => text.to_lowercase().contains(&name.to_lowercase()),
            Some(None) => text.contains("everyone"),
            None => false,
        };
        if confirms && let Some(partner) = self.partner_asked.take() {
            self.partner = partner;
        }
    }

    fn take_error(&mut self, id: Option<u64>, text: &str) -> Vec<Effect> {
        self.last_error = Some(text.to_owned());
        self.going_down |= text.starts_with("server is going down");
        if text.starts_with("slow down") {
            self.slowed = true;
            return vec![]; // answers nothing
        }
        self.partner_asked = None;
        let reason = text.split_once(' ').map_or("", |(_, reason)| reason);
        let failed = id.and_then(|id| self.downloads.fail(id, reason));
        failed.unwrap_or_else(|| self.downloads.refuse(text))
    }
}

fn look_of(meaning: &Meaning<'_>) -> Look {
    match meaning {
        Meaning::Notice(_) | Meaning::Begin { .. } => Look::Notice,
        Meaning::Said { from, to, .. } => Look::Said { from: (*from).to_owned(), private: to.is_some() },
        Meaning::Error { .. } => Look::Error,
        Meaning::File { .. } => Look::Listed,
        Meaning::End { .. } | Meaning::Senseless { .. } => Look::Mechanics,
        Meaning::Other => Look::Plain,
    }
}

/// Ends the main thread's wait.
struct Wake(SyncSender<Happened>);

impl Interrupt for Wake {
    fn interrupt(&self) {
        let _ = self.0.try_send(Happened::Stopped); // where there is no room, nobody waits
    }
}
