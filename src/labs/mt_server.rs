//! # mt-server: many clients at once
//!
//! `accept` hands out one client, and `recv` waits for that one alone. To talk
//! with several at once, the server gives each a thread: a thread that waits
//! in `recv` holds up nobody but its own client.
//!
//! ```text
//! main thread           thread-1 (client 1)      thread-2 (client 2)
//! accept = 4
//! spawn ──────────────▶ recv = "SLEEP 2s\n"
//! accept = 5            sleep …
//! spawn ─────────────────────────────────────▶ recv = "hello\n"
//! accept … waits                               send "client 2: hello\n"
//!                       … 2 s later
//!                       send "client 1: slept 2s\n"
//! ```
//!
//! `SLEEP 2s` makes that client's handler sleep, `CLIENTS` tells how many are
//! connected, `QUIT` closes. Everything else comes back as `client N: …`.
//!
//! What goes wrong in practice: one client after the other is served
//! (`--model iterative`: the second connects at once, and is answered when the
//! first has left); threads share a counter without a lock (`--racy`: clients
//! that come together get the same number).
//!
//! Two things to try: two clients, the first of which says `SLEEP 4s`, under
//! each `--model`; and twenty clients at once with `--racy`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::ask::stream::{Expected, Protocol};
use crate::ask::{self, LineEnding};
use crate::error::{Result, Status};
use crate::framing::LineEnd;
use crate::net::addr::Addr;
use crate::net::host::Host;
use crate::report::Event;
use crate::serve::{self, Answer, Answers, Client, Framed, Model, TcpOptions};

use super::stage::{Seen, Stage};

const DEFAULT_PORT: u16 = 5009;

/// The longest `SLEEP`: a client cannot hold a thread for a week.
const MAX_SLEEP: Duration = Duration::from_secs(3600);

/// What lies between reading and writing the unlocked counter in `--racy`:
/// long enough for every client that comes at the same time to read the same.
const RACE_WINDOW: Duration = Duration::from_millis(2);

/// How often the live table is drawn anew.
const TABLE_EVERY: Duration = Duration::from_millis(250);

/// Rows of the live table: more would push all else off the screen.
const TABLE_ROWS: usize = 12;

/// Arguments of `netlab mt-server`.
#[derive(Debug, clap::Args)]
#[command(
    subcommand_precedence_over_arg = true,
    after_help = "Examples:
  netlab mt-server
  netlab mt-server 5009 --model iterative
  netlab mt-server client 127.0.0.1:5009 hello \"SLEEP 2s\" CLIENTS QUIT"
)]
pub struct Args {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Role {
    /// Answer each message, every client on a thread of its own
    #[command(after_help = "Examples:
  netlab mt-server server --trace
  netlab mt-server server 0.0.0.0:5009 --racy")]
    Server(ServerArgs),
    /// Send messages, and see the answers
    #[command(after_help = "Examples:
  netlab mt-server client 127.0.0.1:5009 hello CLIENTS QUIT
  netlab mt-server client 127.0.0.1:5009 \"SLEEP 2s\"")]
    Client(ClientArgs),
    /// Both ends in one process, every socket call on one timeline
    #[command(after_help = "Examples:
  netlab mt-server demo
  netlab mt-server demo --json")]
    Demo,
}

#[derive(Debug, clap::Args)]
struct ServerArgs {
    /// Where to listen [default: 127.0.0.1:5009]
    addr: Option<Addr>,
    /// Number clients by a counter that no lock guards, to see why one should
    #[arg(long)]
    racy: bool,
    #[command(flatten)]
    options: TcpOptions,
}

#[derive(Debug, clap::Args)]
struct ClientArgs {
    /// The server [default: 127.0.0.1:5009]
    addr: Option<Addr>,
    /// What to send; without any, the lines of standard input
    #[arg(value_name = "MESSAGE")]
    messages: Vec<String>,
    #[command(flatten)]
    options: ask::Options,
    #[command(flatten)]
    ending: LineEnding,
}

impl super::Lab for Args {
    fn role(&self) -> super::Role {
        match self.role {
            None | Some(Role::Server(_)) => super::Role::Server,
            Some(Role::Client(_)) => super::Role::Client,
            Some(Role::Demo) => super::Role::Demo,
        }
    }

    fn run(&self, host: &Host) -> Result<Status> {
        if self.role.is_some() && !self.server.is_unset() {
            return Err(serve::misplaced_options("mt-server"));
        }
        match &self.role {
            None => server(host, &self.server.addr.clone().unwrap_or_default(), self.server.racy, &self.server.options),
            Some(Role::Server(args)) => server(host, &args.addr.clone().unwrap_or_default(), args.racy, &args.options),
            Some(Role::Client(args)) => {
                let addr = args.addr.clone().unwrap_or_default();
                ask::stream::ask(host, &addr, DEFAULT_PORT, &args.options, args.ending, &args.messages, &Commands)
            }
            Some(Role::Demo) => super::stage::play(host, demo),
        }
    }
}

impl ServerArgs {
    fn is_unset(&self) -> bool {
        self.addr.is_none() && !self.racy && self.options.is_unset()
    }
}

fn server(host: &Host, addr: &Addr, racy: bool, options: &TcpOptions) -> Result<Status> {
    let options = options.clone().or_model(Model::Threads);
    let present = Arc::new(Present { racy, ..Present::default() });
    if host.report.shows_tables() {
        show_table(host.clone(), present.clone());
    }
    serve::tcp(host, addr, DEFAULT_PORT, &options, move |client: &Client| {
        Framed::new(Handler::new(client, present.clone()))
    })?;
    Ok(Status::Done)
}

/// What the clients' handlers share.
#[derive(Default)]
struct Present {
    racy: bool,
    /// Clients counted without a lock (`--racy`).
    unlocked: AtomicU64,
    rows: Mutex<BTreeMap<u64, Row>>,
}

/// A connected client, as the live table shows it.
struct Row {
    peer: SocketAddr,
    thread: String,
    since: Instant,
    messages: u64,
}

impl Present {
    /// The lock makes threads take turns. Without it, what one writes another
    /// may overwrite.
    fn rows(&self) -> MutexGuard<'_, BTreeMap<u64, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Read, wait, write: two threads that read the same write the same. A
    /// real race has no sleep in it; the window is merely smaller.
    fn number_without_lock(&self) -> u64 {
        let number = self.unlocked.load(Ordering::Relaxed) + 1;
        thread::sleep(RACE_WINDOW);
        self.unlocked.store(number, Ordering::Relaxed);
        number
    }
}

/// The server's side of one connection.
struct Handler {
    /// The key of its row: never the same twice, even with `--racy`.
    key: u64,
    number: u64,
    present: Arc<Present>,
}

impl Handler {
    fn new(client: &Client, present: Arc<Present>) -> Handler {
        let thread = thread::current().name().unwrap_or("main").to_owned();
        let row = Row { peer: client.peer, thread, since: Instant::now(), messages: 0 };
        present.rows().insert(client.number, row);
        Handler { key: client.number, number: client.number, present }
    }

    fn say(&self, text: impl AsRef<[u8]>) -> Vec<u8> {
        [format!("client {}: ", self.number).as_bytes(), text.as_ref()].concat()
    }

    fn sleep(&self, time: &str) -> Answer {
        match humantime::parse_duration(time.trim()) {
            Ok(time) if time <= MAX_SLEEP => {
                Answer::SleepThenSay(time, self.say(format!("slept {}", humantime::format_duration(time))))
            }
            Ok(_) => Answer::Say(self.say("cannot sleep longer than 1h")),
            Err(_) => Answer::Say(self.say("cannot sleep: give a time such as SLEEP 2s")),
        }
    }
}

impl Answers for Handler {
    fn opened(&mut self) {
        if self.present.racy {
            self.number = self.present.number_without_lock();
        }
    }

    fn answer(&mut self, message: &[u8]) -> Answer {
        if let Some(row) = self.present.rows().get_mut(&self.key) {
            row.messages += 1;
        }
        match std::str::from_utf8(message) {
            Ok("QUIT") => Answer::Close,
            Ok("CLIENTS") => {
                let count = self.present.rows().len();
                Answer::Say(self.say(count.to_string()))
            }
            Ok(text) if text.starts_with("SLEEP ") => self.sleep(&text["SLEEP ".len()..]),
            _ => Answer::Say(self.say(message)),
        }
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.present.rows().remove(&self.key);
    }
}

/// Keeps the live table below what the server tells.
fn show_table(host: Host, present: Arc<Present>) {
    let draw = move || {
        while !host.stop.wait(TABLE_EVERY) {
            let lines = table(&present.rows());
            host.report.table(lines);
        }
        host.report.table(Vec::new());
    };
    // Without this thread there is no table, and the server serves all the same.
    let _ = thread::Builder::new().name("table".into()).spawn(draw);
}

fn table(rows: &BTreeMap<u64, Row>) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let mut lines =
        vec![format!("{:>7}  {:<22} {:<12} {:>9} {:>9}", "client", "address", "thread", "messages", "since")];
    for (number, row) in rows.iter().take(TABLE_ROWS) {
        let (peer, since) = (row.peer.to_string(), row.since.elapsed().as_secs());
        lines.push(format!("{number:>7}  {peer:<22} {:<12} {:>9} {since:>7} s", row.thread, row.messages));
    }
    if rows.len() > TABLE_ROWS {
        lines.push(format!("         and {} more", rows.len() - TABLE_ROWS));
    }
    lines
}

/// What the client knows: an answer for each line, and none to `QUIT`.
struct Commands;

impl Protocol for Commands {
    fn expected(&self, sent: &[u8], end: LineEnd) -> Expected {
        match sent.strip_suffix(end.bytes()) {
            Some(b"QUIT") => Expected::Fin,
            _ => Expected::answer_to(sent, end),
        }
    }

    /// Other servers of this kind word their answers as they like.
    fn complaint(&self, sent: &[u8], reply: &[u8]) -> Option<String> {
        let sent = sent.trim_ascii();
        let right = reply.starts_with(b"client ") || reply.windows(sent.len().max(1)).any(|part| part == sent);
        (!right).then(|| "the reply neither names a client nor contains the message".into())
    }
}

/// Both ends at work: a client that makes its handler sleep, and one that does
/// not have to wait for it.
pub fn demo(stage: &Stage) -> Result<Seen> {
    let options = TcpOptions::plain(Model::Threads);
    let asking = ask::Options::plain();
    let ask = |host: &Host, addr: &Addr, message: &str| {
        let messages = [message.to_owned()];
        ask::stream::ask(host, addr, DEFAULT_PORT, &asking, LineEnding::default(), &messages, &Commands)
    };
    let acts = stage.play(
        |host| server(host, &Addr::loopback(0), false, &options),
        |host, addr| {
            thread::scope(|scope| {
                let sleeper = thread::Builder::new().name("sleeper".into());
                let sleeper = sleeper.spawn_scoped(scope, || ask(host, addr, "SLEEP 500ms"));
                let quick = ask(host, addr, "hello")?;
                let slept = sleeper.ok().and_then(|sleeper| sleeper.join().ok()).unwrap_or(Ok(Status::No))?;
                Ok(if slept == Status::Done { quick } else { slept })
            })
        },
    )?;
    let replies = acts.replies();
    let quick_first =
        replies.len() == 2 && replies[0].ends_with(": hello\n") && replies[1].ends_with(": slept 500ms\n");
    let threads = acts.events.iter().filter(|event| matches!(event, Event::Accepted { thread: Some(_), .. })).count();
    Ok(Seen::new(
        quick_first && threads == 2 && acts.all_done(),
        "one client's thread slept 500ms; the other client was answered meanwhile",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handler(number: u64, present: &Arc<Present>) -> Handler {
        let addr = ([127, 0, 0, 1], 5009).into();
        Handler::new(&Client { number, peer: addr, local: addr }, present.clone())
    }

    #[test]
    fn each_message_is_answered_under_the_clients_number() {
        let mut handler = handler(3, &Arc::default());
        assert_eq!(handler.answer(b"hello"), Answer::Say(b"client 3: hello".into()));
        assert_eq!(handler.answer(b""), Answer::Say(b"client 3: ".into()));
        assert_eq!(handler.answer(b"\xff"), Answer::Say(b"client 3: \xff".into()));
        assert_eq!(handler.answer(b"QUIT"), Answer::Close);
    }

    #[test]
    fn sleep_takes_a_time_and_says_it_again() {
        let handler = handler(3, &Arc::default());
        let slept = Answer::SleepThenSay(Duration::from_secs(2), b"client 3: slept 2s".into());
        assert_eq!(handler.sleep("2s"), slept);
        for bad in ["", "2", "-1s", "soon", "2h"] {
            assert!(matches!(handler.sleep(bad), Answer::Say(_)), "{bad}");
        }
    }

    #[test]
    fn clients_counts_those_who_are_here_now() {
        let present = Arc::default();
        let (mut first, second) = (handler(1, &present), handler(2, &present));
        assert_eq!(first.answer(b"CLIENTS"), Answer::Say(b"client 1: 2".into()));
        drop(second);
        assert_eq!(first.answer(b"CLIENTS"), Answer::Say(b"client 1: 1".into()));
    }

    #[test]
    fn without_a_lock_clients_that_come_together_get_the_same_number() {
        let present = Present::default();
        let numbers: Vec<u64> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| present.number_without_lock())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(numbers.iter().max().unwrap() < &8, "{numbers:?}");
    }
}
