//! # tcp-info: who is who on a connection
//!
//! A connection is named by four things: the addresses and ports of both its
//! ends. The server learns the client's from `accept`; the client learns its
//! own from `getsockname`. Set side by side they agree, unless a router on the
//! way translates addresses (NAT).
//!
//! ```text
//! server 127.0.0.1:5001                   client 127.0.0.1:54321
//! socket, bind, listen
//! accept … waits                          socket
//!            ◀──────── SYN, SYN+ACK, ACK ─────── connect
//! accept = a new socket, 127.0.0.1:54321  getsockname = 127.0.0.1:54321
//! send       ─ "you are 127.0.0.1 port 54321 (tcp)\n" ─▶ recv
//! shutdown   ─────────────── FIN ───────────────▶ recv = 0
//! recv = 0   ◀────────────── FIN ──────────────── close
//! close
//! ```
//!
//! What goes wrong in practice: the listening socket is taken for the
//! connection (it never carries a byte); a client binds to a port of its own
//! (no need: the system chooses one); a server bound to 127.0.0.1 is looked
//! for from another host.
//!
//! Two things to try: `netlab tcp-info client --count 3` (which numbers
//! change?), and a server on 0.0.0.0, asked by each address of the host.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Instant;

use crate::ask;
use crate::error::{Attempt, Error, Result, Status};
use crate::framing::you_are;
use crate::net::addr::Addr;
use crate::net::host::Host;
use crate::net::tcp::{self, Connection};
use crate::report::{Event, Messages, Payload, Proto, Reason, RoundTrips, Summary, View};
use crate::serve::{self, Client, Model, Outbox, Session, TcpOptions, Then};

use super::stage::{Seen, Stage};

/// The first port of the course; no service is registered there that a
/// student's machine would run.
const DEFAULT_PORT: u16 = 5001;

/// Room for the line, several times over.
const ANSWER_ROOM: usize = 512;

/// The longest answer a client reads: a server that never stops is not ours.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Arguments of `netlab tcp-info`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, clap::Subcommand)]
enum Role {
    /// Tell each client its address and port, as the server sees them
    #[command(after_help = "Examples:
  netlab tcp-info server
  netlab tcp-info server 0.0.0.0:5001 --trace")]
    Server(ServerArgs),
    /// Ask, and compare with what this host says
    #[command(after_help = "Examples:
  netlab tcp-info client
  netlab tcp-info client 127.0.0.1:5001 --count 3")]
    Client(ClientArgs),
    /// Both ends in one process, every socket call on one timeline
    #[command(after_help = "Examples:
  netlab tcp-info demo
  netlab tcp-info demo --json")]
    Demo,
}

#[derive(Debug, clap::Args)]
struct ServerArgs {
    /// Where to listen [default: 127.0.0.1:5001]
    addr: Option<Addr>,
    #[command(flatten)]
    options: TcpOptions,
}

#[derive(Debug, clap::Args)]
struct ClientArgs {
    /// The server [default: 127.0.0.1:5001]
    addr: Option<Addr>,
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
            Role::Client(args) => client(host, &args.addr.clone().unwrap_or_default(), &args.options),
            Role::Demo => super::stage::play(host, demo),
        }
    }
}

fn server(host: &Host, addr: &Addr, options: &TcpOptions) -> Result<Status> {
    serve::tcp(host, addr, DEFAULT_PORT, options, |client: &Client| YouAre(*client))?;
    Ok(Status::Done)
}

/// The server's side of one connection.
struct YouAre(Client);

impl Session for YouAre {
    fn opened(&mut self, out: &mut Outbox) -> Then {
        out.put(you_are::encode(self.0.peer, "tcp").as_bytes());
        Then::Close(Reason::Fin)
    }

    /// Whatever the client says, the answer is on its way already.
    fn received(&mut self, _bytes: &[u8], _out: &mut Outbox) -> Then {
        Then::Continue
    }
}

/// Connects `--count` times, and reads each time what the server saw.
fn client(host: &Host, addr: &Addr, options: &ask::Options) -> Result<Status> {
    let (mut counts, mut trips, mut failure) = (Messages::default(), Vec::new(), None);
    for seq in 1..=options.count.unwrap_or(1) {
        if host.stop.is_asked() || (seq > 1 && options.interval.is_some_and(|time| host.stop.wait(time))) {
            break;
        }
        let started = Instant::now();
        let connection = match tcp::connect(host, addr, DEFAULT_PORT, options.bind.as_ref(), options.timeout) {
            Ok(connection) => connection,
            Err(error) if counts.sent == 0 => return Err(error),
            Err(error) => {
                if !host.stop.is_asked() {
                    host.emit_error(&error);
                }
                failure = Some(error.status());
                break;
            }
        };
        let Connection { peer, local, .. } = connection;
        host.emit(Event::Connected { proto: Proto::Tcp, peer, local });
        counts.sent += 1;
        match read_answer(&connection, options) {
            Ok(answer) => {
                counts.received += 1;
                let rtt = started.elapsed();
                trips.push(rtt);
                host.emit(Event::Replied { seq, rtt, note: None, payload: Payload(answer.clone()) });
                compare(host, &connection, &answer);
                if counts.received == 1 && peer.ip().to_canonical().is_loopback() {
                    explain_localhost(host, peer.ip());
                }
                host.emit(Event::Closed { peer, client: None, reason: Reason::Fin });
            }
            Err(_) if host.stop.is_asked() => counts.lost += 1,
            Err(cause) => {
                counts.lost += 1;
                host.emit_error(&Error::new(Attempt::Receive, format!("tcp {peer}"), &cause));
            }
        }
    }
    let status = if counts.lost == 0 { Status::Done } else { Status::No };
    (counts.rtt_us, counts.view) = (RoundTrips::of(trips), View::Stream);
    host.emit(Event::Summary(Summary::Messages(counts)));
    Ok(failure.unwrap_or(status))
}

/// Everything up to the server's FIN: its end is the answer's end.
fn read_answer(connection: &Connection, options: &ask::Options) -> std::io::Result<Vec<u8>> {
    connection.socket.wait_at_most(Some(options.timeout))?;
    let deadline = Instant::now() + options.timeout;
    let (mut answer, mut buffer) = (Vec::new(), [0; ANSWER_ROOM]);
    loop {
        match connection.socket.recv(&mut buffer)? {
            0 if answer.is_empty() => return Err(ErrorKind::UnexpectedEof.into()),
            0 => return Ok(answer),
            got => answer.extend_from_slice(&buffer[..got]),
        }
        // Bytes that trickle in, or never end, would start each wait anew.
        if answer.len() > MAX_ANSWER_BYTES || Instant::now() > deadline {
            return Err(ErrorKind::TimedOut.into());
        }
    }
}

/// Sets what the server saw beside what this host says.
fn compare(host: &Host, connection: &Connection, answer: &[u8]) {
    let local = connection.local;
    host.notice(match you_are::decode(answer).or(you_are::tells(answer, local).then_some(local)) {
        Some(seen) if seen == local => {
            format!("our own getsockname says {local} too: no address is translated on the way")
        }
        Some(seen) => {
            format!("our own getsockname says {local}, the server saw {seen}: a router translates addresses (NAT)")
        }
        None => format!(
            "the answer tells no address: \"you are ADDRESS port PORT\" was due; our own getsockname says {local}"
        ),
    });
}

/// What an address such as 127.0.0.1 is good for.
fn explain_localhost(host: &Host, ip: IpAddr) {
    host.notice(format!(
        "{ip} is localhost: both programs run on this host and no packet leaves it, \
         so they can be written and tried on one machine, then run on two by giving another address"
    ));
}

/// Both ends at work.
pub fn demo(stage: &Stage) -> Result<Seen> {
    // A thread each: the calls are those of the diagram above.
    let options = TcpOptions::plain(Model::Threads);
    let asking = ask::Options::plain();
    let acts =
        stage.play(|host| server(host, &Addr::loopback(0), &options), |host, addr| client(host, addr, &asking))?;
    let own = acts.events.iter().find_map(|event| match event {
        Event::Connected { local, .. } => Some(*local),
        _ => None,
    });
    let seen = acts.replies().first().and_then(|line| you_are::decode(line.as_bytes()));
    let ok = own.is_some() && own == seen && acts.all_done();
    let text = seen
        .map_or("the server saw nobody".into(), |seen| format!("the server saw {seen}, and so does the client itself"));
    Ok(Seen::new(ok, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_told_its_address_at_once_and_then_fin() {
        let peer = ([127, 0, 0, 1], 54321).into();
        let client = Client { number: 1, peer, local: ([127, 0, 0, 1], 5001).into() };
        let mut out = Outbox::new();
        assert_eq!(YouAre(client).opened(&mut out), Then::Close(Reason::Fin));
        assert_eq!(out.bytes(), b"you are 127.0.0.1 port 54321 (tcp)\n");
    }
}
