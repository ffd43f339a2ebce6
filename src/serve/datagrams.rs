//! Serving datagrams: one socket, one loop, no connections. Each datagram says
//! by itself where it came from, and the answer goes there, from the same
//! port.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};

use super::books::canonical;
use super::loops::Loops;
use super::{EXHAUSTED_PAUSE, Options};
use crate::error::{Attempt, Error, Result};
use crate::net::addr::Addr;
use crate::net::host::Host;
use crate::net::socket::is_timeout;
use crate::net::udp;
use crate::report::{Event, Payload, Proto};

/// Senders that are remembered by number. Addresses of datagrams can be
/// forged, so without a bound a flood would use up the memory.
const MAX_SENDERS: usize = 65_536;

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
    let (socket, local) = udp::listen(host, addr, Ipv4Addr::LOCALHOST.into(), default_port)?;
    super::ready(host, Proto::Udp, local);
    super::begin(host, options);
    let tells = host.report.wants_messages();
    let mut buffer = vec![0; udp::MAX_DATAGRAM_ROOM];
    let (mut senders, mut datagrams, mut bytes_in, mut bytes_out) = (Senders::default(), 0, 0, 0);
    let mut loops = Loops::new(local.port());
    while !host.stop.is_asked() && options.accept.is_none_or(|limit| datagrams < limit.get()) {
        let (got, from) = match socket.recv_from(&mut buffer) {
            Ok(received) => received,
            Err(error) => {
                heed_failure(host, local, &error);
                continue;
            }
        };
        // The stop ends the wait on some systems by an empty datagram from
        // nowhere.
        if host.stop.is_asked() && got == 0 {
            break;
        }
        let (client, peer) = (senders.number(from), canonical(from));
        datagrams += 1;
        bytes_in += got as u64;
        let datagram = &buffer[..got];
        if tells {
            host.emit(Event::Received { peer, client: Some(client), payload: Payload(datagram.to_vec()) });
        }
        if loops.is_one(from, datagram) {
            host.notice(format!("{peer} gets no answer: a server speaks there, and the two would never stop"));
            continue;
        }
        let Some(answer) = reply(datagram, peer) else { continue };
        match socket.send_to(&answer, from) {
            Ok(sent) => {
                bytes_out += sent as u64;
                loops.answered(from, &answer);
            }
            Err(cause) => {
                host.emit_error(&Error::new(Attempt::Send, format!("udp {peer}"), &cause));
                continue;
            }
        }
        if tells {
            let payload = Payload(answer.into_owned());
            host.emit(Event::Sent { peer, client: Some(client), seq: None, payload });
        }
    }
    host.emit(Event::Summary(super::served(senders.last, bytes_in, bytes_out)));
    Ok(())
}

/// A failed receive concerns one datagram, or passes: the server goes on.
fn heed_failure(host: &Host, local: SocketAddr, error: &io::Error) {
    // Windows tells of an answer that reached a closed port as WSAECONNRESET
    // of the next receive; it concerns that client alone.
    let passes = matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused);
    if host.stop.is_asked() || is_timeout(error) || passes {
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
