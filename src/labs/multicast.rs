//! # multicast: one send, many receivers, who have asked for it
//!
//! A group is an address no host owns: 224.0.0.0 to 239.255.255.255, or
//! ff00::/8. Whoever wants its datagrams joins it, on an interface; whoever
//! sends to it needs not. One `sendto` leaves one packet, and the network copies
//! it where receivers are.
//!
//! ```text
//! receiver A                receiver B                sender
//! socket                    socket                    socket
//! SO_REUSEADDR              SO_REUSEADDR              IP_MULTICAST_TTL 1
//! bind 239.1.1.1:5007       bind 239.1.1.1:5007
//! IP_ADD_MEMBERSHIP         IP_ADD_MEMBERSHIP
//! recvfrom … waits          recvfrom … waits
//!    ◀────────────────────────── "hello" ───────────── sendto 239.1.1.1:5007
//! recvfrom = 5              recvfrom = 5
//! IP_DROP_MEMBERSHIP        recvfrom … waits
//! close                        ◀────── "again" ─────── sendto 239.1.1.1:5007
//! ```
//!
//! What goes wrong in practice: no join, or a join on another interface than
//! the sender's (a laptop has several); no route leads to the group, since the
//! host is offline; a TTL of 1, the default, passes no router; and as with all
//! UDP, nobody says what was lost. So `--count` and `--expect` number the
//! datagrams, and each receiver answers the sender alone.
//!
//! Two things to try: `netlab multicast send --ttl 0 5007 hello` with a receiver
//! on this host and one on another; `--no-loop` with `--interface lo`, and without.

use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::mpsc::channel;

use crate::ask;
use crate::ask::speaker::Manners;
use crate::error::{Attempt, Error, Result, Status};
use crate::net::addr::{Addr, Host as AddrHost};
use crate::net::group::{self, Reach};
use crate::net::host::Host;
use crate::report::Event;
use crate::serve;
use crate::serve::group::{Guards, Listener};

use super::stage::{Part, Seen, Stage};

/// In the block for use inside one organisation (RFC 2365), which no router
/// lets out.
const DEFAULT_GROUP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(239, 1, 1, 1));

/// Of the dynamic kind, and free on most hosts.
const DEFAULT_PORT: u16 = 5007;

/// This link only. A router takes one off, and passes nothing on at 0.
const DEFAULT_TTL: u8 = 1;

/// Arguments of `netlab multicast`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, clap::Subcommand)]
enum Role {
    /// Send messages to all who have joined a group
    #[command(after_help = "Examples:
  netlab multicast send 239.1.1.1:5007 hello
  netlab multicast send --count 100 --expect 3 --retries 5
  netlab multicast send '[ff02::1%eth0]:5007' hello
  netlab multicast send --interface lo --ttl 0 < lines.txt")]
    Send(SendArgs),
    /// Join a group and receive what is sent to it
    #[command(
        alias = "recv",
        after_help = "Examples:
  netlab multicast receive
  netlab multicast receive 239.1.1.1:5007 --interface eth0 --for 30s
  netlab multicast receive 232.1.1.1:5007 --source 10.0.0.7 --trace"
    )]
    Receive(ReceiveArgs),
    /// Two receivers and a sender in one process, on the loopback interface
    #[command(after_help = "Examples:
  netlab multicast demo
  netlab multicast demo --json")]
    Demo,
}

#[derive(Debug, clap::Args)]
struct SendArgs {
    /// The group [default: 239.1.1.1:5007]
    #[arg(value_name = "GROUP:PORT", value_parser = group)]
    group: Option<SocketAddr>,
    /// What to send, each a datagram; without any, the lines of standard input
    #[arg(value_name = "MESSAGE")]
    messages: Vec<String>,
    /// Send by this interface: a name, an address or an index [default: as the routes lead, else loopback]
    #[arg(long, value_name = "NAME|ADDRESS|INDEX")]
    interface: Option<String>,
    /// How many links it may cross: 0 stays on this host, 1 on this link
    #[arg(long, value_name = "N", default_value_t = DEFAULT_TTL)]
    ttl: u8,
    /// No copy for receivers on this host
    #[arg(long)]
    no_loop: bool,
    #[command(flatten)]
    options: ask::group::Options,
}

#[derive(Debug, clap::Args)]
struct ReceiveArgs {
    /// The group [default: 239.1.1.1:5007]
    #[arg(value_name = "GROUP:PORT", value_parser = group)]
    group: Option<SocketAddr>,
    /// Join on this interface: a name, an address or an index [default: as the routes lead, else loopback]
    #[arg(long, value_name = "NAME|ADDRESS|INDEX")]
    interface: Option<String>,
    /// Receive only what this address sends (source-specific multicast)
    #[arg(long, value_name = "ADDR")]
    source: Option<IpAddr>,
    #[command(flatten)]
    options: serve::Options,
}

/// The address grammar of every lab, where the address is a group.
fn group(text: &str) -> std::result::Result<SocketAddr, String> {
    let mut addr: Addr = text.parse().map_err(|error| format!("{error}"))?;
    addr.host.get_or_insert(AddrHost::Ip(DEFAULT_GROUP));
    addr.group(DEFAULT_PORT).map_err(|error| error.to_string())
}

fn default_group() -> SocketAddr {
    SocketAddr::new(DEFAULT_GROUP, DEFAULT_PORT)
}

impl super::Lab for Args {
    fn role(&self) -> super::Role {
        match self.role {
            Role::Send(_) => super::Role::Sender,
            Role::Receive(_) => super::Role::Receiver,
            Role::Demo => super::Role::Demo,
        }
    }

    fn run(&self, host: &Host) -> Result<Status> {
        match &self.role {
            Role::Send(args) => send(host, args),
            Role::Receive(args) => receive(host, args, |_| {}),
            Role::Demo => super::stage::play(host, demo),
        }
    }
}

/// Joins, hears, leaves. `joined` is told the port.
fn receive(host: &Host, args: &ReceiveArgs, joined: impl FnOnce(u16)) -> Result<Status> {
    let group = args.group.unwrap_or_else(default_group);
    if args.source.is_some_and(|source| source.is_ipv4() != group.is_ipv4()) {
        return Err(source_of_other_family(group));
    }
    let receiver = group::join(host, group, args.source, args.interface.as_deref())?;
    joined(receiver.addr.port());
    let listener = Listener::new(host, &receiver, &Guards::default());
    listener.ready(&args.options)?;
    Ok(listener.listen(&args.options).conclude(host, &args.options))
}

fn source_of_other_family(group: SocketAddr) -> Error {
    Error::other(Attempt::Join, format!("udp {group}"), "--source is an address of the other IP version")
        .because("IPv4 groups have IPv4 senders, IPv6 groups IPv6 senders")
        .next("an address as the sender's packets carry it")
        .unasked()
}

/// Needs no join: who only speaks need not listen.
fn send(host: &Host, args: &SendArgs) -> Result<Status> {
    let reach =
        Reach { interface: args.interface.as_deref(), ttl: args.ttl, no_loop: args.no_loop, bind: args.options.bind() };
    let sender = group::sender(host, args.group.unwrap_or_else(default_group), &reach)?;
    ask::group::send(host, &sender, &args.options, &Manners::default(), &args.messages)
}

/// Two receivers share a group and its port; the first one's port is the
/// system's choice, so that two demos at once do not hear each other.
pub fn demo(stage: &Stage) -> Result<Seen> {
    const MESSAGES: u64 = 3;
    let (tell_port, port) = channel();
    let first = move |host: &Host| {
        receive(host, &on_loopback(0, MESSAGES), |port| {
            let _ = tell_port.send(port); // the second one has gone
        })
    };
    let second = move |host: &Host| {
        let port = port.recv().unwrap_or(DEFAULT_PORT);
        receive(host, &on_loopback(port, MESSAGES), |_| {})
    };
    let receivers: Vec<Part> = vec![("receiver-1", Box::new(first)), ("receiver-2", Box::new(second))];
    let acts = stage.play_all(receivers, "sender", |host, addr| {
        let group = SocketAddr::new(DEFAULT_GROUP, addr.port.unwrap_or(DEFAULT_PORT));
        let reach = Reach { interface: Some("127.0.0.1"), ttl: DEFAULT_TTL, ..Reach::default() };
        let sender = group::sender(host, group, &reach)?;
        let options = ask::group::Options::expecting(NonZeroU32::MIN.saturating_add(1), MESSAGES);
        ask::group::send(host, &sender, &options, &Manners::default(), &[])
    })?;
    let sent = acts.events.iter().filter(|event| matches!(event, Event::Sent { .. })).count();
    let received = acts.events.iter().filter(|event| matches!(event, Event::Numbered { .. })).count();
    Ok(Seen::new(
        acts.all_done() && received as u64 == 2 * MESSAGES,
        format!("{sent} datagrams to {DEFAULT_GROUP} were received {received} times, by two members"),
    ))
}

fn on_loopback(port: u16, accept: u64) -> ReceiveArgs {
    ReceiveArgs {
        group: Some(SocketAddr::new(DEFAULT_GROUP, port)),
        interface: Some("127.0.0.1".into()),
        source: None,
        options: serve::Options { run_for: None, accept: NonZeroU64::new(accept) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_read_by_the_address_grammar() {
        let table = [
            ("239.1.1.1:5007", Ok("239.1.1.1:5007")),
            ("224.0.0.251", Ok("224.0.0.251:5007")),
            ("6000", Ok("239.1.1.1:6000")),
            ("[ff15::1]:6000", Ok("[ff15::1]:6000")),
            ("10.0.0.1:5007", Err("10.0.0.1 is not a multicast address")),
            ("hello", Err("hello is not a multicast address")),
            ("239.1.1.1:99999", Err("port 99999 is over 65535")),
        ];
        for (text, expected) in table {
            match (group(text), expected) {
                (Ok(group), Ok(expected)) => assert_eq!(group.to_string(), expected),
                (Err(error), Err(expected)) => assert!(error.starts_with(expected), "{error}"),
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
    }

    #[test]
    fn a_source_of_the_other_ip_version_cannot_be_asked_for() {
        let error = source_of_other_family(default_group());
        assert_eq!(error.status(), Status::CannotAsk);
    }
}
