//! # broadcast: one send, everyone on the network
//!
//! Every IPv4 network has an address that means all of its hosts: the one with
//! every host bit set, 10.0.0.255 on 10.0.0.0/24. Nobody joins; every host gets
//! it, and looks whether a socket is bound to the port. Since that disturbs
//! everyone, a sender has to ask for it: `SO_BROADCAST`.
//!
//! ```text
//! member alice               member bob                 a host without a member
//! bind 0.0.0.0:5008          bind 0.0.0.0:5008
//! recvfrom … waits           recvfrom … waits
//! SO_BROADCAST
//! sendto 10.0.0.255:5008 ──▶ "alice: hello" ──────────▶ is received, and thrown away
//! recvfrom = 12 (her own)    recvfrom = 12
//! ```
//!
//! What goes wrong in practice: `sendto` without SO_BROADCAST (EACCES); a
//! receiver bound to 127.0.0.1 or its own address, which is deaf to broadcasts;
//! 255.255.255.255 without a default route; everyone hears himself. And since
//! everyone hears everyone, anybody can flood, forge or send what a terminal
//! obeys: hence a rate limit, a size limit, escapes, and `--key`.
//!
//! Two things to try: `netlab broadcast send --without-option --trace 5008
//! hello`, and `netlab broadcast receive 127.0.0.1:5008`, and find out why it is deaf.

mod demo;

use std::net::IpAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::ask;
use crate::ask::messages::Messages;
use crate::ask::speaker::{Manners, Speaker};
use crate::error::{Attempt, Error, Result, Status, no_thread};
use crate::net::addr::Addr;
use crate::net::group::{self, Receiver, Sender};
use crate::net::host::Host;
use crate::net::stop::Stop;
use crate::report::View;
use crate::serve;
use crate::serve::group::{GuardOptions, Guards, Listener};

pub use self::demo::demo;

/// Of the dynamic kind, and free on most hosts.
const DEFAULT_PORT: u16 = 5008;

/// As in the chat lab: it fits on a line with what is said.
const MAX_NAME_CHARS: usize = 32;

/// Who has said all he wanted stays this long, to hear an answer.
const PARTING: Duration = Duration::from_millis(500);

/// Arguments of `netlab broadcast`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, clap::Subcommand)]
enum Role {
    /// Send messages to everyone on each network this host is attached to
    #[command(after_help = "Examples:
  netlab broadcast send --interface lo 5008 hello
  netlab broadcast send 10.0.0.255:5008 hello --count 10 --expect 3
  netlab broadcast send --without-option --trace 127.255.255.255 hello")]
    Send(SendArgs),
    /// Receive broadcasts
    #[command(
        alias = "recv",
        after_help = "Examples:
  netlab broadcast receive
  netlab broadcast receive 5008 --for 30s --accept 10 --key class.key"
    )]
    Receive(ReceiveArgs),
    /// Say what you type to all others, and hear what they say
    #[command(after_help = "Examples:
  netlab broadcast join --name alice
  netlab broadcast join 5008 --name bob --interface lo --key class.key")]
    Join(JoinArgs),
    /// Three members in one process, on the loopback interface
    #[command(after_help = "Examples:
  netlab broadcast demo
  netlab broadcast demo --json")]
    Demo,
}

#[derive(Debug, clap::Args)]
struct SendArgs {
    /// Where to send [default: port 5008 of each network's broadcast address]
    addr: Option<Addr>,
    /// What to send, each a datagram; without any, the lines of standard input
    #[arg(value_name = "MESSAGE")]
    messages: Vec<String>,
    /// Leave SO_BROADCAST out, to see what the system says
    #[arg(long)]
    without_option: bool,
    #[command(flatten)]
    options: ask::group::Options,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct ReceiveArgs {
    /// Where to listen [default: 0.0.0.0:5008]
    addr: Option<Addr>,
    #[command(flatten)]
    options: serve::Options,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct JoinArgs {
    /// Where all members are [default: port 5008 of each network's broadcast address]
    addr: Option<Addr>,
    /// What the others call you
    #[arg(long, value_parser = name)]
    name: String,
    #[command(flatten)]
    options: serve::Options,
    #[command(flatten)]
    common: Common,
}

/// The interface, and the guards against what anybody may do to everyone.
#[derive(Debug, clap::Args)]
struct Common {
    /// Use this interface alone: a name, an address or an index [default: all; loopback is sent to only where there is no other]
    #[arg(long, value_name = "NAME|ADDRESS|INDEX")]
    interface: Option<String>,
    #[command(flatten)]
    guards: GuardOptions,
}

/// A sender keeps what receivers guard: then nothing of his is dropped.
fn manners(guards: &Guards) -> Manners {
    let gap = guards.rate.map_or(Duration::ZERO, |rate| rate.gap());
    Manners { gap, max_bytes: guards.max_bytes, key: guards.key.clone(), ..Manners::default() }
}

/// What stands before each message must not look like a message, or like two.
fn name(text: &str) -> std::result::Result<String, String> {
    match text {
        _ if text.trim().is_empty() => Err("it is empty".into()),
        _ if text.contains(':') => Err("it has a colon, which ends the name in each message".into()),
        _ if crate::framing::visible(text.as_bytes()) != text => Err("it has control characters".into()),
        _ if text.chars().count() > MAX_NAME_CHARS => Err(format!("it has over {MAX_NAME_CHARS} characters")),
        _ => Ok(text.to_owned()),
    }
}

impl super::Lab for Args {
    fn role(&self) -> super::Role {
        match self.role {
            Role::Send(_) => super::Role::Sender,
            Role::Receive(_) => super::Role::Receiver,
            Role::Join(_) => super::Role::Member,
            Role::Demo => super::Role::Demo,
        }
    }

    fn run(&self, host: &Host) -> Result<Status> {
        match &self.role {
            Role::Send(args) => send(host, args),
            Role::Receive(args) => receive(host, args),
            Role::Join(args) => join(host, args, |_| {}, keyboard),
            Role::Demo => super::stage::play(host, demo),
        }
    }
}

fn receive(host: &Host, args: &ReceiveArgs) -> Result<Status> {
    let (addr, guards) = (args.addr.clone().unwrap_or_default(), args.common.guards.guards()?);
    let receiver = group::broadcast_receiver(host, &addr, DEFAULT_PORT, args.common.interface.as_deref())?;
    let listener = Listener::new(host, &receiver, &guards);
    listener.ready(&args.options)?;
    Ok(listener.listen(&args.options).conclude(host, &args.options))
}

fn send(host: &Host, args: &SendArgs) -> Result<Status> {
    let (addr, guards) = (args.addr.clone().unwrap_or_default(), args.common.guards.guards()?);
    let (interface, bind) = (args.common.interface.as_deref(), args.options.bind());
    let sender = group::broadcast_sender(host, &addr, DEFAULT_PORT, interface, bind, !args.without_option)?;
    ask::group::send(host, &sender, &args.options, &manners(&guards), &args.messages)
}

/// A member hears on one socket and speaks on another. Members on one host
/// share port 5008 to hear on; only by the port that each speaks from can they
/// be told apart, and each knows himself.
struct Member {
    receiver: Receiver,
    sender: Sender,
    own_port: u16,
    own_addresses: Vec<IpAddr>,
}

impl Member {
    fn open(host: &Host, args: &JoinArgs) -> Result<Member> {
        let (addr, interface) = (args.addr.clone().unwrap_or_default(), args.common.interface.as_deref());
        let anywhere = |port| Addr { host: None, port };
        let receiver = group::broadcast_receiver(host, &anywhere(addr.port), DEFAULT_PORT, interface)?;
        let others = Addr { port: Some(receiver.addr.port()), ..addr };
        // Bound before the first sendto, so that its port is known by then.
        let bind = Some(anywhere(Some(0)));
        let sender = group::broadcast_sender(host, &others, DEFAULT_PORT, interface, bind.as_ref(), true)?;
        let opened = |cause| Error::new(Attempt::Open, "udp 0.0.0.0", &cause);
        let own_port = sender.socket.local_addr().map_err(opened)?.port();
        let own_addresses = group::own_addresses(&sender.socket)?;
        Ok(Member { receiver, sender, own_port, own_addresses })
    }
}

/// Hears in this thread, speaks in another. `ready` is told the port to hear
/// on; `lines` gives what is to be said, one after the other.
fn join<N: FnMut() -> Result<Option<Vec<u8>>> + Send>(
    host: &Host,
    args: &JoinArgs,
    ready: impl FnOnce(u16),
    lines: impl FnOnce(&Host) -> N,
) -> Result<Status> {
    let guards = args.common.guards.guards()?;
    // A stop of one's own: who has heard enough leaves alone.
    let stop = Arc::new(Stop::new());
    let own = &Host { stop: (*stop).clone(), ..host.clone() };
    let member = Member::open(own, args)?;
    host.stop.wakes(&stop);
    let Member { receiver, sender, own_port, own_addresses } = &member;
    let listener = Listener::new(own, receiver, &guards);
    let listener = listener.deaf_to(sender.socket.clone(), *own_port, own_addresses.clone());
    listener.ready(&args.options)?;
    sender.notices.iter().for_each(|notice| host.notice(notice));
    ready(receiver.addr.port());
    let speaker = Speaker::new(own, sender, &manners(&guards))?;
    let next = lines(own);
    let (mut ended, (said, typed)) = thread::scope(|scope| {
        let typist = thread::Builder::new().name(format!("{}-types", args.name.replace(' ', "-")));
        let typist = typist
            .spawn_scoped(scope, || talk(own, &args.name, speaker, next))
            .map_err(|cause| Error::new(Attempt::Send, "the others", &no_thread(cause)))?;
        let ended = listener.listen(&args.options);
        own.stop.ask();
        let panicked = || Err(Error::other(Attempt::Send, "what was typed", "it panicked"));
        Ok::<_, Error>((ended, typist.join().unwrap_or_else(|_| (0, panicked()))))
    })?;
    (ended.counts.sent, ended.counts.view) = (said, View::Member);
    let typed = typed.inspect_err(|error| host.emit_error(error));
    let heard = ended.conclude(own, &args.options);
    Ok(typed.map_or_else(|error| error.status(), |()| heard))
}

/// The lines of standard input.
fn keyboard(host: &Host) -> impl FnMut() -> Result<Option<Vec<u8>>> + Send + use<> {
    let mut lines = Messages::new(host, &[], &ask::Options::plain());
    move || lines.next_message()
}

/// Says what is typed until there is no more of it; tells how much was said,
/// and how it ended.
fn talk(
    host: &Host,
    name: &str,
    mut speaker: Speaker<'_>,
    mut next: impl FnMut() -> Result<Option<Vec<u8>>>,
) -> (u64, Result<()>) {
    let (mut typed, mut said) = (0, 0);
    let mut say_all = || {
        while let Some(line) = next()? {
            typed += 1;
            let message = [name.as_bytes(), b": ", &line].concat();
            if speaker.allows(&message)? {
                speaker.wait_turn(); // a stop cuts it short: what is typed is said
                said += u64::from(speaker.say(&message, &message, None)?);
            }
        }
        Ok(())
    };
    let ended = say_all();
    // Who never said a word may have no keyboard: he goes on listening.
    if typed > 0 {
        host.stop.wait(if ended.is_ok() { PARTING } else { Duration::ZERO });
        host.stop.ask();
    }
    (said, ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_cannot_be_mistaken_for_a_message() {
        for good in ["alice", "Jürgen M.", "x", &"é".repeat(32)] {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        for bad in ["", "  ", "a:b", "a\tb", "\u{202e}ecila", &"x".repeat(33)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }
}
