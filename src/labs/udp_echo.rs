//! # udp-echo: datagrams, and what becomes of them
//!
//! The server sends each datagram back, whole, to its sender (RFC 862).
//! Boundaries are kept: one `sendto` is one `recvfrom`. But a datagram may be
//! lost, doubled or overtaken, and nobody tells; so the client counts.
//!
//! ```text
//! server 127.0.0.1:5004                   client
//! socket, bind                            socket, connect (nothing is sent)
//! recvfrom … waits
//!            ◀───────────── "one" ─────────────── send
//! recvfrom = 3
//! sendto     ────────────── "one" ──────────────▶ recv = 3
//!            ◀─────── "two"     ✗ lost ────────── send
//!                                                 recv … time over: lost,
//!            ◀───────────── "two" ─────────────── or, with --retries, again
//! ```
//!
//! What goes wrong in practice: a client without a timeout waits for ever; one
//! that takes any reply for the last message's books a late reply as the next
//! one's, and every reply after it is off by one; a buffer too small cuts a
//! datagram, and the rest is gone.
//!
//! Two things to try: `netlab udp-echo client --count 100 --interval 10ms` while
//! you stop the server for a second (Ctrl-Z, then fg), and `--size 65508`.

use std::borrow::Cow;
use std::net::SocketAddr;

use crate::ask;
use crate::ask::datagrams::Match;
use crate::error::{Result, Status};
use crate::net::addr::Addr;
use crate::net::host::Host;
use crate::serve;

use super::stage::{Seen, Stage};

/// Port 7 is echo's own (RFC 862), but ports under 1024 are privileged.
const DEFAULT_PORT: u16 = 5004;

/// Arguments of `netlab udp-echo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, clap::Subcommand)]
enum Role {
    /// Send each datagram back to its sender (RFC 862)
    #[command(after_help = "Examples:
  netlab udp-echo server
  netlab udp-echo server 0.0.0.0:5004 --trace")]
    Server(ServerArgs),
    /// Send datagrams, and count what comes back
    #[command(after_help = "Examples:
  netlab udp-echo client 127.0.0.1:5004 hello
  netlab udp-echo client --count 100 --interval 10ms --timeout 200ms
  netlab udp-echo client --count 10 --retries 3")]
    Client(ClientArgs),
    /// Both ends in one process, every socket call on one timeline
    #[command(after_help = "Examples:
  netlab udp-echo demo
  netlab udp-echo demo --json")]
    Demo,
}

#[derive(Debug, clap::Args)]
struct ServerArgs {
    /// Where to listen [default: 127.0.0.1:5004]
    addr: Option<Addr>,
    #[command(flatten)]
    options: serve::Options,
}

#[derive(Debug, clap::Args)]
struct ClientArgs {
    /// The server [default: 127.0.0.1:5004]
    addr: Option<Addr>,
    /// What to send; without any, the lines of standard input
    #[arg(value_name = "MESSAGE")]
    messages: Vec<String>,
    /// Use sendto and recvfrom on a socket that is not connected
    #[arg(long)]
    unconnected: bool,
    /// Send a message again this many times where no reply comes
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
fn reply(datagram: &[u8], _from: SocketAddr) -> Option<Cow<'_, [u8]>> {
    Some(datagram.into())
}

fn client(host: &Host, addr: &Addr, args: &ClientArgs) -> Result<Status> {
    let client = ask::datagrams::client(host, addr, DEFAULT_PORT, &args.options, !args.unconnected)?;
    ask::datagrams::ask(host, client, &args.options, args.retries, &args.messages, Match::Echo, &|_, _| None)
}

/// Both ends at work.
pub fn demo(stage: &Stage) -> Result<Seen> {
    let options = serve::Options::plain();
    let asking = ask::Options { count: Some(5), ..ask::Options::plain() };
    let args = ClientArgs { addr: None, messages: vec![], unconnected: false, retries: 0, options: asking };
    let acts = stage.play(|host| server(host, &Addr::loopback(0), &options), |host, addr| client(host, addr, &args))?;
    let replies = acts.replies().len();
    Ok(Seen::new(replies == 5 && acts.all_done(), format!("{replies} of 5 datagrams came back, none cut or joined")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_comes_back_as_it_is_even_an_empty_one() {
        for datagram in [&b""[..], b"hello", b"\0\xff"] {
            let from = ([127, 0, 0, 1], 54321).into();
            assert_eq!(reply(datagram, from).unwrap(), datagram);
        }
    }
}
