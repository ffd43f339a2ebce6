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
//! Two things to try: `netlab broadcast send --without-option --trace hello`,
//! and `netlab broadcast receive 127.0.0.1:5008`, and find out why it is deaf.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver as Channel, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::ask;
use crate::ask::group::{Manners, Speaker};
use crate::ask::messages::Messages;
use crate::error::{Attempt, Error, Result, Status};
use crate::framing::Key;
use crate::net::addr::Addr;
use crate::net::group;
use crate::net::host::Host;
use crate::net::stop::Stop;
use crate::report::{Event, Payload, View};
use crate::serve;
use crate::serve::group::{Guards, Listener, RateLimit};

use super::stage::{Part, Seen, Stage};

/// Of the dynamic kind, and free on most hosts.
const DEFAULT_PORT: u16 = 5008;

/// Fits into one packet of any network that people use, with all its headers:
/// nothing is cut into fragments.
const MAX_MESSAGE_BYTES: usize = 1200;

/// No person types as fast; a few hosts at this rate disturb nobody.
const DEFAULT_RATE: &str = "100/s";

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
    /// Use this interface alone: a name, an address or an index
    #[arg(long, value_name = "NAME|ADDRESS|INDEX")]
    interface: Option<String>,
    /// Send no faster; drop what one source sends faster
    #[arg(long, value_name = "N/s|off", default_value = DEFAULT_RATE)]
    rate_limit: RateLimit,
    /// Send no longer message; drop longer ones
    #[arg(long, value_name = "BYTES", default_value_t = MAX_MESSAGE_BYTES)]
    max_size: usize,
    /// Prove by this file, at both ends, that a message is new and from one who has it
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

impl Common {
    fn guards(&self) -> Result<Guards> {
        let key = self.key.as_deref().map(read_key).transpose()?;
        Ok(Guards { rate: self.rate_limit.0, max_bytes: Some(self.max_size), key })
    }
}

/// A sender keeps what receivers guard: then nothing of his is dropped.
fn manners(guards: &Guards) -> Manners {
    let gap = guards.rate.map_or(Duration::ZERO, |rate| rate.gap());
    Manners { gap, max_bytes: guards.max_bytes, key: guards.key.clone() }
}

fn read_key(file: &Path) -> Result<Key> {
    let subject = format!("the key file {}", file.display());
    let bytes = std::fs::read(file).map_err(|cause| {
        Error::new(Attempt::Read, &subject, &cause).next("the file that all members share: its bytes are the key").unasked()
    })?;
    Key::from_bytes(&bytes).map_err(|cause| {
        Error::other(Attempt::Read, &subject, cause.to_string())
            .because("whoever hears one datagram can try keys at home, as fast as the machine computes")
            .next("head -c 32 /dev/urandom | base64 > class.key")
            .unasked()
    })
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
            Role::Join(args) => {
                let mut typed = Messages::new(host, &[], &ask::Options::plain());
                join(host, args, |_| {}, move || typed.next_message())
            }
            Role::Demo => super::stage::play(host, demo),
        }
    }
}

fn receive(host: &Host, args: &ReceiveArgs) -> Result<Status> {
    let (addr, guards) = (args.addr.clone().unwrap_or_default(), args.common.guards()?);
    let receiver = group::broadcast_receiver(host, &addr, DEFAULT_PORT, args.common.interface.as_deref())?;
    let listener = Listener::new(host, &receiver, &guards);
    listener.ready();
    Ok(listener.listen(&args.options).conclude(host, &args.options))
}

fn send(host: &Host, args: &SendArgs) -> Result<Status> {
    let (addr, guards) = (args.addr.clone().unwrap_or_default(), args.common.guards()?);
    let (interface, bind) = (args.common.interface.as_deref(), args.options.bind());
    let sender = group::broadcast_sender(host, &addr, DEFAULT_PORT, interface, bind, !args.without_option)?;
    ask::group::send(host, &sender, &args.options, &manners(&guards), &args.messages)
}

/// Hears on one socket, speaks on another. Members on one host share port 5008
/// to hear on; only by the port that each speaks from can they be told apart,
/// and each knows himself. `ready` is told the port to hear on; `next` gives
/// what is to be said.
fn join(
    host: &Host,
    args: &JoinArgs,
    ready: impl FnOnce(u16),
    next: impl FnMut() -> Result<Option<Vec<u8>>> + Send,
) -> Result<Status> {
    let guards = args.common.guards()?;
    // A stop of one's own: on the demo's stage, one member may leave alone.
    let (stop, outer) = (Arc::new(Stop::new()), host);
    outer.stop.wakes(&stop);
    let host = &Host { stop: (*stop).clone(), ..outer.clone() };

    let interface = args.common.interface.as_deref();
    let addr = args.addr.clone().unwrap_or_default();
    let here = Addr { host: None, port: addr.port };
    let receiver = group::broadcast_receiver(host, &here, DEFAULT_PORT, interface)?;
    let there = Addr { port: Some(receiver.addr.port()), ..addr };
    let any_port = Addr { host: None, port: Some(0) };
    let sender = group::broadcast_sender(host, &there, DEFAULT_PORT, interface, Some(&any_port), true)?;
    let opened = |cause| Error::new(Attempt::Open, "udp 0.0.0.0", &cause);
    let own_port = sender.socket.local_addr().map_err(opened)?.port();
    let own_addresses = group::own_addresses(&sender.socket)?;

    let listener = Listener::new(host, &receiver, &guards);
    let listener = listener.deaf_to(sender.socket.clone(), own_port, own_addresses);
    listener.ready();
    sender.notices.iter().for_each(|notice| host.notice(notice));
    ready(receiver.addr.port());
    let speaker = Speaker::new(host, &sender, &manners(&guards))?;
    let (mut ended, said) = thread::scope(|scope| {
        let typist = thread::Builder::new().name(format!("{}-types", args.name.replace(' ', "-")));
        let typist = typist
            .spawn_scoped(scope, || talk(host, &args.name, speaker, next))
            .map_err(|cause| Error::new(Attempt::Open, "a thread to type in", &cause))?;
        let ended = listener.listen(&args.options);
        host.stop.ask();
        let said = typist.join().unwrap_or_else(|_| Err(Error::other(Attempt::Send, "what was typed", "it panicked")));
        Ok::<_, Error>((ended, said))
    })?;
    let said = said.inspect_err(|error| host.emit_error(error));
    (ended.counts.sent, ended.counts.view) = (*said.as_ref().unwrap_or(&0), View::Member);
    let heard = ended.conclude(host, &args.options);
    Ok(said.map_or_else(|error| error.status(), |_| heard))
}

/// Says what is typed until there is no more of it; says how much that was.
fn talk(
    host: &Host,
    name: &str,
    mut speaker: Speaker<'_>,
    mut next: impl FnMut() -> Result<Option<Vec<u8>>>,
) -> Result<u64> {
    let (mut typed, mut said) = (0, 0);
    let stays = |error: Error| {
        host.stop.ask();
        Err(error)
    };
    loop {
        let line = match next() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(error) => return stays(error),
        };
        typed += 1;
        let message = [name.as_bytes(), b": ", &line].concat();
        if !speaker.allows(&message) || !speaker.wait_turn() {
            continue;
        }
        match speaker.say(&message, &message, None) {
            Ok(sent) => said += u64::from(sent),
            Err(error) => return stays(error),
        }
    }
    // Who never said a word may have no keyboard: he goes on listening.
    if typed > 0 {
        host.stop.wait(PARTING);
        host.stop.ask();
    }
    Ok(said)
}

/// Three members each say hello once all three are there; each is to hear the
/// two others, and not himself.
pub fn demo(stage: &Stage) -> Result<Seen> {
    let (tell_port, port) = channel();
    let (alice_may_speak, alice_waits) = channel();
    let (bob_may_speak, bob_waits) = channel();
    let (tell_port, port) = (Mutex::new(tell_port), Mutex::new(port));
    let alice = |host: &Host| {
        let tell = |port| drop(tell_port.lock().map(|tell| tell.send(port)));
        join(host, &member("alice", 0), tell, hello_after(alice_waits))
    };
    let bob = |host: &Host| {
        let port = port.lock().ok().and_then(|port| port.recv().ok()).unwrap_or(DEFAULT_PORT);
        join(host, &member("bob", port), |_| {}, hello_after(bob_waits))
    };
    let members: Vec<Part> = vec![("alice", Box::new(alice)), ("bob", Box::new(bob))];
    let acts = stage.play_all(members, "carol", move |host, addr| {
        let all_are_here = move |_| {
            for tell in [alice_may_speak, bob_may_speak] {
                let _ = tell.send(()); // a member who has gone says nothing
            }
        };
        let (now, at_once) = channel();
        let _ = now.send(());
        drop(now);
        join(host, &member("carol", addr.port.unwrap_or(DEFAULT_PORT)), all_are_here, hello_after(at_once))
    })?;
    let heard: Vec<&[u8]> = acts
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Received { payload: Payload(bytes), .. } => Some(&bytes[..]),
            _ => None,
        })
        .collect();
    let each_twice = ["alice", "bob", "carol"].iter().all(|name| {
        let hello = format!("{name}: hello");
        heard.iter().filter(|message| **message == hello.as_bytes()).count() == 2
    });
    Ok(Seen::new(
        acts.all_done() && each_twice && heard.len() == 6,
        "three members said hello, each heard the two others, nobody heard himself",
    ))
}

/// Says hello once, when told that all are there.
fn hello_after(told: Channel<()>) -> impl FnMut() -> Result<Option<Vec<u8>>> + Send {
    move || Ok(told.recv().ok().map(|()| b"hello".to_vec()))
}

fn member(name: &str, port: u16) -> JoinArgs {
    let (interface, rate_limit) = (Some("127.0.0.1".to_owned()), RateLimit(None));
    JoinArgs {
        addr: Some(Addr { host: None, port: Some(port) }),
        name: name.to_owned(),
        options: serve::Options { run_for: None, accept: NonZeroU64::new(2) },
        common: Common { interface, rate_limit, max_size: MAX_MESSAGE_BYTES, key: None },
    }
}
