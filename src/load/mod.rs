//! `netlab load`: many clients at once, against an echo server.
//!
//! What a server does with one client says little about a thousand. This
//! command is a thousand: each sends a message, awaits it back, and compares
//! every byte.
//!
//! Two ways to ask, and they measure different things:
//!
//! - without `--rate` each client sends its next message once the last one is
//!   back (a closed loop). It finds how fast the server is, but it hides how
//!   long users wait: while the server stalls, nobody asks.
//! - with `--rate` messages leave by the clock, whether the earlier ones are
//!   back or not (an open loop), as users come. A wait is counted from the
//!   moment when the message *should* have left, so a stall is seen by all who
//!   would have come during it. Leaving that out is called coordinated
//!   omission.
//!
//! [`clock`] says when the next message is due, [`client`] what one client has
//! sent and awaits, [`figures`] what was measured; [`run`] is the loop.

mod client;
mod clock;
mod figures;

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use self::client::Client;
use self::clock::Clock;
use self::figures::Figures;
use crate::ask::positive_duration;
use crate::error::{Attempt, Error, Result, Status};
use crate::net::addr::Addr;
use crate::net::descriptors;
use crate::net::host::Host;
use crate::net::polled::{PolledDatagrams, PolledStream};
use crate::net::{tcp, udp};
use crate::report::{Event, Proto, Summary};

/// The port of the labs' echo servers.
const TCP_ECHO_PORT: u16 = 5003;
const UDP_ECHO_PORT: u16 = 5004;

/// How often the live figures are drawn anew.
const DRAW_EVERY: Duration = Duration::from_millis(500);

/// The longest wait for the sockets: the clock and Ctrl-C are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Arguments of `netlab load`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  netlab load 127.0.0.1:5003 --clients 1000 --for 10s
  netlab load 127.0.0.1:5003 --clients 100 --rate 5000
  netlab load 127.0.0.1:5004 --udp --clients 16 --json")]
pub struct Args {
    /// An echo server [default: 127.0.0.1:5003, with --udp 127.0.0.1:5004]
    addr: Option<Addr>,
    /// Datagrams instead of connections
    #[arg(long)]
    udp: bool,
    /// Clients at once
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    clients: u32,
    /// Messages a second, of all clients together; without it each client sends when it has its answer
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// For how long
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = positive_duration)]
    run_for: Duration,
    /// Bytes of each message
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = clap::value_parser!(u32).range(16..=65_507))]
    size: u32,
    /// How long one connect, and one reply, may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = positive_duration)]
    timeout: Duration,
}

fn rate(text: &str) -> std::result::Result<f64, String> {
    match text.strip_suffix("/s").unwrap_or(text).parse() {
        Ok(rate @ 0.01..=1e8) => Ok(rate),
        _ => Err("must be a number of messages a second such as 5000".into()),
    }
}

/// What a client speaks through.
pub enum Wire {
    /// A connection.
    Stream(PolledStream),
    /// A socket that sends to one address.
    Datagrams(PolledDatagrams),
}

/// Loads the server, and tells how it bore it.
pub fn run(host: &Host, args: &Args) -> Result<Status> {
    let mut load = Load::connect(host, args)?;
    let ended = load.ask_all();
    host.report.table(Vec::new());
    ended.map_err(|cause| Error::new(Attempt::Receive, load.subject.clone(), &cause))?;
    let Load { figures, clients, .. } = load;
    let lost: usize = clients.iter().map(Client::awaited).sum();
    let summary = figures.summary(clients.len(), lost as u64);
    let done = summary.lost == 0 && summary.wrong == 0 && summary.failed == 0 && summary.received > 0;
    host.emit(Event::Summary(Summary::Load(summary)));
    Ok(if done { Status::Done } else { Status::No })
}

struct Load<'a> {
    host: &'a Host,
    args: &'a Args,
    subject: String,
    poll: Poll,
    clients: Vec<Client>,
    figures: Figures,
    /// One moment for the end and for the clock, or the last message is not the one before the end.
    started: Instant,
    clock: Option<Clock>,
    buffer: Vec<u8>,
}

/// Where nothing listens: a load has no server of its own.
fn with_server_to_load(error: Error, addr: &Addr) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => error.next(format!("netlab tcp-echo server {addr}").trim_end()),
        _ => error,
    }
}

impl<'a> Load<'a> {
    fn connect(host: &'a Host, args: &'a Args) -> Result<Load<'a>> {
        descriptors::raise_limit();
        let addr = args.addr.clone().unwrap_or_default();
        let opened = |cause: io::Error| Error::new(Attempt::Open, "the clients", &cause);
        let poll = Poll::new().map_err(opened)?;
        let mut clients = Vec::new();
        let mut subject = String::new();
        for number in 0..args.clients {
            if host.stop.is_asked() {
                break;
            }
            let both = Interest::READABLE | Interest::WRITABLE;
            let token = Token(number as usize);
            let (wire, peer) = if args.udp {
                let client = udp::client(host, &addr, UDP_ECHO_PORT, None, true)?;
                let peer = client.peer;
                let mut socket = PolledDatagrams::new(client.socket).map_err(opened)?;
                poll.registry().register(&mut socket, token, both).map_err(opened)?;
                (Wire::Datagrams(socket), peer)
            } else {
                let connection = tcp::connect(host, &addr, TCP_ECHO_PORT, None, args.timeout)
                    .map_err(|error| with_server_to_load(error, &addr))?;
                let mut stream = PolledStream::of(connection.socket).map_err(opened)?;
                poll.registry().register(&mut stream, token, both).map_err(opened)?;
                (Wire::Stream(stream), connection.peer)
            };
            if number == 0 {
                let proto = if args.udp { Proto::Udp } else { Proto::Tcp };
                subject = format!("{proto} {peer}");
                host.notice(format!("asking {subject} with {} clients for {:?}", args.clients, args.run_for));
            }
            clients.push(Client::new(number, wire, args.size as usize));
        }
        let (figures, started) = (Figures::begin(), Instant::now());
        let clock = args.rate.map(|rate| Clock::new(rate, started));
        Ok(Load { host, args, subject, poll, clients, figures, started, clock, buffer: vec![0; 64 * 1024] })
    }

    fn ask_all(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let started = self.started;
        let end = started + self.args.run_for;
        let mut draw_at = started + DRAW_EVERY;
        if self.clock.is_none() {
            self.clients.iter_mut().for_each(|client| client.ask(started));
            (0..self.clients.len()).for_each(|number| self.turn(number, end));
        }
        loop {
            let now = Instant::now();
            let is_over = now >= end || self.host.stop.is_asked();
            if is_over && (self.is_idle() || now >= end + self.args.timeout || self.host.stop.is_asked()) {
                return Ok(());
            }
            self.ask_due(now.min(end));
            let wait = self.clock.as_ref().filter(|_| !is_over).map_or(LOOK_EVERY, |clock| clock.wait(now));
            match self.poll.poll(&mut events, Some(wait.min(LOOK_EVERY))) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                self.turn(event.token().0, end);
            }
            self.give_up_late();
            if now >= draw_at && self.host.report.shows_tables() {
                draw_at = now + DRAW_EVERY;
                self.host.report.table(self.figures.live(started));
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.clients.iter().all(|client| client.awaited() == 0)
    }

    /// Messages that are due by the clock.
    fn ask_due(&mut self, now: Instant) {
        let Some(clock) = &mut self.clock else { return };
        while let Some((number, due)) = clock.next_due(now) {
            let client = (number % self.clients.len() as u64) as usize;
            self.clients[client].ask(due);
            self.clients[client].send(&mut self.figures);
        }
    }

    /// Sends and receives what one client can.
    fn turn(&mut self, number: usize, end: Instant) {
        let Some(client) = self.clients.get_mut(number) else { return };
        loop {
            client.send(&mut self.figures);
            let answered = client.receive(&mut self.buffer, &mut self.figures);
            // In a closed loop an answer is the leave to ask again.
            if answered == 0 || self.clock.is_some() {
                return;
            }
            let now = Instant::now();
            if now < end && !self.host.stop.is_asked() {
                (0..answered).for_each(|_| client.ask(now));
            }
        }
    }

    /// Datagrams whose answer will not come any more; in a closed loop their
    /// clients ask again.
    fn give_up_late(&mut self) {
        if !self.args.udp {
            return;
        }
        let now = Instant::now();
        for client in &mut self.clients {
            let lost = client.give_up(now, self.args.timeout);
            self.figures.lost += lost;
            if self.clock.is_none() && lost > 0 {
                client.ask(now);
                client.send(&mut self.figures);
            }
        }
    }
}
