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

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::ask::stream::{Expected, Protocol};
use crate::ask::{self, LineEnding};
use crate::error::{Result, Status};
use crate::framing::LineEnd;
use crate::net::addr::Addr;
use crate::net::host::Host;
use crate::report::Event;
use crate::serve::{self, Answer, Answers, Client, Entry, Framed, Model, Roster, TcpOptions};

use super::stage::{Seen, Stage};

const DEFAULT_PORT: u16 = 5009;

/// The longest `SLEEP`: a client cannot hold a thread for a week.
const MAX_SLEEP: Duration = Duration::from_secs(3600);

/// What lies between reading and writing the unlocked counter in `--racy`:
/// long enough for every client that comes at the same time to read the same.
const RACE_WINDOW: Duration = Duration::from_millis(2);

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
    let (roster, unlocked) = (Arc::new(Roster::default()), Arc::new(AtomicU64::new(0)));
    roster.show(host);
    serve::tcp(host, addr, DEFAULT_PORT, &options, move |client: &Client| {
        let entry = roster.enter(client);
        let counter = racy.then(|| unlocked.clone());
        Framed::new(Handler { number: client.number, entry, roster: roster.clone(), counter })
    })?;
    Ok(Status::Done)
}

/// Read, wait, write: two threads that read the same write the same. A real
/// race has no sleep in it; the window is merely smaller.
fn number_without_lock(counter: &AtomicU64) -> u64 {
    let number = counter.load(Ordering::Relaxed) + 1;
    thread::sleep(RACE_WINDOW);
    counter.store(number, Ordering::Relaxed);
    number
}

/// The server's side of one connection.
struct Handler {
    number: u64,
    entry: Entry,
    roster: Arc<Roster>,
    /// With `--racy`: where its number comes from.
    counter: Option<Arc<AtomicU64>>,
}

impl Handler {
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
        if let Some(counter) = &self.counter {
            self.number = number_without_lock(counter);
        }
    }

    fn answer(&mut self, message: &[u8]) -> Answer {
        self.entry.count_message();
        match std::str::from_utf8(message) {
            Ok("QUIT") => Answer::Close,
            Ok("CLIENTS") => Answer::Say(self.say(self.roster.count().to_string())),
            Ok(text) if text.starts_with("SLEEP ") => self.sleep(&text["SLEEP ".len()..]),
            _ => Answer::Say(self.say(message)),
        }
    }
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

    fn handler(number: u64, roster: &Arc<Roster>) -> Handler {
        let addr = ([127, 0, 0, 1], 5009).into();
        let entry = roster.enter(&Client { number, peer: addr, local: addr });
        Handler { number, entry, roster: roster.clone(), counter: None }
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
        let roster = Arc::default();
        let (mut first, second) = (handler(1, &roster), handler(2, &roster));
        assert_eq!(first.answer(b"CLIENTS"), Answer::Say(b"client 1: 2".into()));
        drop(second);
        assert_eq!(first.answer(b"CLIENTS"), Answer::Say(b"client 1: 1".into()));
    }

    #[test]
    fn without_a_lock_clients_that_come_together_get_the_same_number() {
        let counter = AtomicU64::new(0);
        let numbers: Vec<u64> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| number_without_lock(&counter))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(numbers.iter().max().unwrap() < &8, "{numbers:?}");
    }
}
