//! Serving datagrams: one socket, one loop, no connections. Each datagram says
//! by itself where it came from, and the answer goes there, from the same
//! port. Where many wait, many are received and sent in one call
//! ([`pace`](super::pace), `many`).

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};

use super::books::canonical;
use super::loops::Loops;
#[cfg(target_os = "linux")]
use super::many::Many;
use super::pace::Pace;
use super::{EXHAUSTED_PAUSE, Options};
use crate::error::{Attempt, Error, Result};
use crate::net::addr::Addr;
use crate::net::calls::Origin;
use crate::net::host::Host;
#[cfg(target_os = "linux")]
use crate::net::signals::Waiting;
use crate::net::socket::{Socket, is_timeout};
use crate::net::udp;
use crate::report::{Event, Payload, Proto};

/// Senders that are remembered by number. Addresses of datagrams can be
/// forged, so without a bound a flood would use up the memory.
const MAX_SENDERS: usize = 65_536;

/// A sender, as people are told of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sender {
    /// From 1, in the order in which they were first heard from.
    pub client: u64,
    /// Its address.
    pub peer: SocketAddr,
}

/// Numbers senders from 1 as they are first heard from.
#[derive(Default)]
struct Senders {
    numbers: HashMap<SocketAddr, u64>,
    last: u64,
}

impl Senders {
    fn number(&mut self, from: SocketAddr) -> u64 {
        if self.numbers.len() >= MAX_SENDERS {
            self.numbers.clear(); // forgotten senders come back as new ones
        }
        *self.numbers.entry(from).or_insert_with(|| {
            self.last += 1;
            self.last
        })
    }
}

/// Answers each datagram with what `reply` makes of it, until told to stop.
pub fn serve<F>(host: &Host, addr: &Addr, default_port: u16, options: &Options, reply: F) -> Result<()>
where
    F: for<'d> Fn(&'d [u8], SocketAddr) -> Option<Cow<'d, [u8]>>,
{
    super::look_for_signals(host);
    let (socket, local) = udp::listen(host, addr, Ipv4Addr::LOCALHOST.into(), default_port)?;
    super::begin(host, options)?;
    super::ready(host, Proto::Udp, local);
    #[cfg(target_os = "linux")]
    let _waiting = Waiting::on(&socket.inner());
    let limit = options.accept.map_or(u64::MAX, |limit| limit.get());
    let (mut desk, mut pace, mut room) =
        (Desk::new(host, &socket, local), Pace::new(), vec![0; udp::MAX_DATAGRAM_ROOM]);
    #[cfg(target_os = "linux")]
    let mut many = Many::default();
    while !is_asked(host) && desk.datagrams < limit {
        let left = usize::try_from(limit - desk.datagrams).unwrap_or(usize::MAX);
        let served = match pace.asks_for().min(left) {
            #[cfg(target_os = "linux")]
            most @ 2.. => many.serve(&mut desk, most, &reply),
            _ => desk.serve_one(&mut room, &reply),
        };
        match served {
            Ok(got) => pace.learn(got),
            Err(error) => heed_failure(host, local, &error),
        }
    }
    host.emit(Event::Summary(super::served(desk.senders.last, desk.bytes_in, desk.bytes_out)));
    Ok(())
}

/// Whether to stop, for a signal or for another reason.
fn is_asked(host: &Host) -> bool {
    host.stop.heed_signals();
    host.stop.is_asked()
}

/// Where datagrams are answered, and counted.
pub struct Desk<'a> {
    host: &'a Host,
    /// Where they come from, and answers leave.
    pub socket: &'a Socket,
    tells: bool,
    origin: Origin,
    /// Who was heard from last, and most likely will be next.
    latest: Option<(Origin, Sender)>,
    senders: Senders,
    loops: Loops,
    datagrams: u64,
    bytes_in: u64,
    bytes_out: u64,
}

impl<'a> Desk<'a> {
    fn new(host: &'a Host, socket: &'a Socket, local: SocketAddr) -> Desk<'a> {
        Desk {
            host,
            socket,
            tells: host.report.wants_messages(),
            origin: Origin::none(),
            latest: None,
            senders: Senders::default(),
            loops: Loops::new(local.port()),
            datagrams: 0,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// Waits for a datagram, and answers it. Says that it was one.
    fn serve_one<F>(&mut self, room: &mut [u8], reply: &F) -> io::Result<usize>
    where
        F: for<'d> Fn(&'d [u8], SocketAddr) -> Option<Cow<'d, [u8]>>,
    {
        let got = self.socket.receive(room, &mut self.origin)?;
        let sender = match &self.latest {
            Some((latest, sender)) if *latest == self.origin => *sender,
            _ => self.meet(got)?,
        };
        let datagram = &room[..got];
        if !self.received(sender, datagram) {
            return Ok(1);
        }
        if let Some(answer) = reply(datagram, sender.peer) {
            let sent = self.socket.answer(&answer, &self.origin);
            self.sent(sender, &answer, sent);
        }
        Ok(1)
    }

    /// Another sender than before; or none, where the stop ended the wait: on
    /// some systems by an empty datagram from nowhere.
    #[cold]
    fn meet(&mut self, got: usize) -> io::Result<Sender> {
        let nobody = got == 0 && is_asked(self.host);
        let from = self.origin.addr().filter(|_| !nobody).ok_or(ErrorKind::ConnectionAborted)?;
        let sender = self.sender(from);
        self.latest = Some((self.origin, sender));
        Ok(sender)
    }

    /// Who sends from this address.
    pub fn sender(&mut self, from: SocketAddr) -> Sender {
        Sender { client: self.senders.number(from), peer: canonical(from) }
    }

    /// Books a datagram. Says whether it may be answered.
    #[inline]
    pub fn received(&mut self, sender: Sender, datagram: &[u8]) -> bool {
        self.datagrams += 1;
        self.bytes_in += datagram.len() as u64;
        if self.tells {
            let payload = Payload(datagram.to_vec());
            self.host.emit(Event::Received { peer: sender.peer, client: Some(sender.client), payload });
        }
        let is_loop = self.loops.is_one(sender.peer, datagram);
        if is_loop {
            self.tell_of_loop(sender.peer);
        }
        !is_loop
    }

    #[cold]
    fn tell_of_loop(&self, peer: SocketAddr) {
        self.host.notice(format!("{peer} gets no answer: a server speaks there, and the two would never stop"));
    }

    /// Books an answer, sent or not.
    #[inline]
    pub fn sent(&mut self, sender: Sender, answer: &[u8], sent: io::Result<usize>) {
        match sent {
            Ok(sent) => {
                self.bytes_out += sent as u64;
                self.loops.answered(sender.peer, answer);
            }
            Err(cause) => return self.tell_of_failure(sender.peer, &cause),
        }
        if self.tells {
            let payload = Payload(answer.to_vec());
            self.host.emit(Event::Sent { peer: sender.peer, client: Some(sender.client), seq: None, payload });
        }
    }

    #[cold]
    fn tell_of_failure(&self, peer: SocketAddr, cause: &io::Error) {
        self.host.emit_error(&Error::new(Attempt::Send, format!("udp {peer}"), cause));
    }
}

/// A failed receive concerns one datagram, or passes: the server goes on.
fn heed_failure(host: &Host, local: SocketAddr, error: &io::Error) {
    // Windows tells of an answer that reached a closed port as WSAECONNRESET
    // of the next receive; it concerns that client alone.
    let passes = matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused);
    if is_asked(host) || is_timeout(error) || passes {
        return;
    }
    host.emit_error(&Error::new(Attempt::Receive, format!("udp {local}"), error));
    host.stop.wait(EXHAUSTED_PAUSE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_keeps_its_number_and_no_number_is_used_twice() {
        let mut senders = Senders::default();
        let addr = |port| SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!([1, 2, 1].map(|port| senders.number(addr(port))), [1, 2, 1]);
        for port in 0..=u16::MAX {
            senders.number(addr(port));
        }
        let last = senders.last;
        assert_eq!(senders.number(SocketAddr::from(([127, 0, 0, 2], 1))), last + 1);
        assert!(senders.numbers.len() <= MAX_SENDERS);
    }
}
