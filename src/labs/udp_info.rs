//! # udp-info: who is who without a connection
//!
//! A datagram carries its sender's address and port, and `recvfrom` hands them
//! over with it. There is nothing to accept: the server has one socket for all
//! its clients, and answers each to where its datagram came from.
//!
//! ```text
//! server 127.0.0.1:5002                   client
//! socket, bind                            socket
//! recvfrom … waits                        connect (nothing is sent)
//!            ◀───────────── "who …" ───────────── send
//! recvfrom = 127.0.0.1:54321
//! sendto     ─ "you are 127.0.0.1 port 54321 (udp)\n" ─▶ recv
//! ```
//!
//! What goes wrong in practice: an empty datagram is taken for an end (it is a
//! message of no bytes, and answered too); a client waits for ever for an
//! answer that was lost; a server that is not there is not noticed, for
//! sending works all the same.
//!
//! Two things to try: the client before its server, with and without
//! `--unconnected` (who tells it that nobody is there?), and
//! `printf '' | nc -u -w1 127.0.0.1 5002`.

use std::borrow::Cow;
use std::net::SocketAddr;

use crate::ask;
use crate::ask::datagrams::Match;
use crate::error::{Result, Status};
use crate::framing::you_are;
use crate::net::addr::Addr;
use crate::net::host::Host;
use crate::net::udp::Client;
use crate::serve;

use super::stage::{Seen, Stage};

/// The port after tcp-info's. It need not differ: TCP and UDP ports are
/// counted apart.
const DEFAULT_PORT: u16 = 5002;

/// What the client sends. Any datagram will do; this one is longer than its
/// answer mostly is, so that a forged sender's address would gain nobody a
/// larger flood than was sent.
const QUESTION: &str = "who am I? please tell me the address and port that you see";

/// Arguments of `netlab udp-info`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, clap::Subcommand)]
enum Role {
    /// Answer each datagram with its sender's address and port
    #[command(after_help = "Examples:
  netlab udp-info server
  netlab udp-info server 0.0.0.0:5002 --trace")]
    Server(ServerArgs),
    /// Ask, and compare with what this host says
    #[command(after_help = "Examples:
  netlab udp-info client
  netlab udp-info client 127.0.0.1:5002 --unconnected --trace")]
    Client(ClientArgs),
    /// Both ends in one process, every socket call on one timeline
    #[command(after_help = "Examples:
  netlab udp-info demo
  netlab udp-info demo --json")]
    Demo,
}

#[derive(Debug, clap::Args)]
struct ServerArgs {
    /// Where to listen [default: 127.0.0.1:5002]
    addr: Option<Addr>,
    #[command(flatten)]
    options: serve::Options,
}

#[derive(Debug, clap::Args)]
struct ClientArgs {
    /// The server [default: 127.0.0.1:5002]
    addr: Option<Addr>,
    /// Use sendto and recvfrom on a socket that is not connected
    #[arg(long)]
    unconnected: bool,
    /// Ask again this many times where no answer comes
    #[arg(long, value_name = "N", default_value_t = 0)]
    retries: u32,
    #[command(flatten)]
    options: ask::Options,
}

impl super::Lab for Args {
    fn role(&self) -> super::Role {
        match self.role {
            Role::Server(_) => super::Role::Server,
            Role::Client(_) => super::Role::Client,
            Role::Demo => super::Role::Demo,
        }
    }

    fn run(&self, host: &Host) -> Result<Status> {
        match &self.role {
            Role::Server(args) => server(host, &args.addr.clone().unwrap_or_default(), &args.options),
            Role::Client(args) => client(host, &args.addr.clone().unwrap_or_default(), args),
            Role::Demo => super::stage::play(host, demo),
        }
    }
}

fn server(host: &Host, addr: &Addr, options: &serve::Options) -> Result<Status> {
    serve::datagrams::serve(host, addr, DEFAULT_PORT, options, reply)?;
    Ok(Status::Done)
}

/// The server's whole protocol.
fn reply(datagram: &[u8], from: SocketAddr) -> Option<Cow<'_, [u8]>> {
    // Another udp-info's answer: who asked us in its name would have the two
    // of us tell each other who we are for ever.
    if you_are::decode(datagram).is_some_and(|addr| you_are::encode(addr, "udp").as_bytes() == datagram) {
        return None;
    }
    Some(you_are::encode(from, "udp").into_bytes().into())
}

fn client(host: &Host, addr: &Addr, args: &ClientArgs) -> Result<Status> {
    let client = ask::datagrams::client(host, addr, DEFAULT_PORT, &args.options, !args.unconnected)?;
    // Whatever its size: any datagram is a question here.
    let question = [QUESTION.to_owned()];
    ask::datagrams::ask(host, client, &args.options, args.retries, &question, Match::Order, &compare)
}

/// Sets what the server saw beside what this host says.
fn compare(client: &Client, answer: &[u8]) -> Option<String> {
    let local = client.socket.local_addr().ok()?;
    let Some(seen) = you_are::decode(answer).or(you_are::tells(answer, local).then_some(local)) else {
        return Some(format!(
            "the answer tells no address: \"you are ADDRESS port PORT\" was due; our own getsockname says {local}"
        ));
    };
    Some(match local {
        local if local == seen => format!("our own getsockname says {local} too: no address is translated on the way"),
        local if local.ip().is_unspecified() => {
            format!(
                "our own getsockname says {local}: a socket that is not connected has a port, and any of our addresses"
            )
        }
        local => {
            format!("our own getsockname says {local}, the server saw {seen}: a router translates addresses (NAT)")
        }
    })
}

/// Both ends at work.
pub fn demo(stage: &Stage) -> Result<Seen> {
    let options = serve::Options::plain();
    let args = ClientArgs { addr: None, unconnected: false, retries: 0, options: ask::Options::plain() };
    let acts = stage.play(|host| server(host, &Addr::loopback(0), &options), |host, addr| client(host, addr, &args))?;
    let seen = acts.replies().first().and_then(|line| you_are::decode(line.as_bytes()));
    let text = seen.map_or("no answer".into(), |seen| format!("one datagram asked, one told: you are {seen}"));
    Ok(Seen::new(seen.is_some() && acts.all_done(), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_datagram_is_answered_with_its_senders_address_even_an_empty_one() {
        for datagram in [&b""[..], b"hello", b"\xff"] {
            let answer = reply(datagram, ([127, 0, 0, 1], 54321).into()).unwrap();
            assert_eq!(&*answer, b"you are 127.0.0.1 port 54321 (udp)\n");
        }
    }

    #[test]
    fn an_answer_is_no_question() {
        let addr = ([127, 0, 0, 1], 54321).into();
        let answer = reply(b"who am I?", addr).unwrap();
        assert_eq!(reply(&answer, addr), None);
        assert!(reply(b"you are 127.0.0.1 port 54321, I think", addr).is_some());
    }

    #[test]
    fn the_question_is_no_shorter_than_an_answer_by_ipv4() {
        let longest = ([255, 255, 255, 255], 65535).into();
        assert!(QUESTION.len() >= reply(b"", longest).unwrap().len());
    }
}
