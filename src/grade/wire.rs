//! Where a program's datagrams go, whoever they are addressed to: read from the
//! wire of the check's own network (`packet(7)`). So a sender that misses is
//! told where it sent to.

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// How long one read lasts at most: then its thread looks whether it is still
/// wanted.
const TICK: Duration = Duration::from_millis(20);

/// The protocol number of UDP in an IPv4 header (RFC 791, RFC 768).
const UDP: u8 = 17;

/// Ears on every interface of the network this thread is in.
pub struct Wire {
    seen: Arc<Mutex<Vec<SocketAddrV4>>>,
    closed: Arc<AtomicBool>,
}

impl Wire {
    /// Listens from now on.
    ///
    /// # Errors
    /// A kernel without packet sockets, or no right to have one.
    pub fn open() -> io::Result<Wire> {
        // What goes out is shown only to those who ask for all protocols. With
        // SOCK_DGRAM a packet begins with its IP header.
        let all = Protocol::from(i32::from((libc::ETH_P_ALL as u16).to_be()));
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(all))?;
        socket.set_read_timeout(Some(TICK))?;
        let wire = Wire { seen: Arc::default(), closed: Arc::default() };
        let (seen, closed) = (wire.seen.clone(), wire.closed.clone());
        thread::Builder::new().name("wire".into()).spawn(move || {
            let mut packet = vec![0; 1 << 16];
            while !closed.load(Ordering::Acquire) {
                let Ok(got) = (&socket).read(&mut packet) else { continue };
                let Some(to) = destination(&packet[..got]) else { continue };
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                if !seen.contains(&to) {
                    seen.push(to);
                }
            }
        })?;
        Ok(wire)
    }

    /// Where datagrams went so far, each address once.
    pub fn destinations(&self) -> Vec<SocketAddrV4> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
    }
}

/// Where an IPv4 packet goes, if it is a UDP datagram, or the first fragment of
/// one: the others have no UDP header.
fn destination(packet: &[u8]) -> Option<SocketAddrV4> {
    let first = *packet.first()?;
    let is_first_fragment = packet.get(6..8)? == [packet[6] & 0xe0, 0];
    if first >> 4 != 4 || *packet.get(9)? != UDP || !is_first_fragment {
        return None;
    }
    let ip = Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(16..20)?).ok()?);
    let udp = packet.get(usize::from(first & 0x0f) * 4..)?;
    Some(SocketAddrV4::new(ip, u16::from_be_bytes(udp.get(2..4)?.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An IPv4 header of 20 bytes, a UDP header, no payload.
    fn packet(change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0x40, 0, 1, UDP, 0, 0, 10, 77, 0, 2, 239, 1, 1, 1];
        packet.extend([0xc3, 0x50, 0x13, 0x8f, 0, 8, 0, 0]);
        change(&mut packet);
        packet
    }

    #[test]
    fn a_datagrams_destination_is_read_and_nothing_else_is_taken_for_one() {
        assert_eq!(destination(&packet(|_| ())), Some("239.1.1.1:5007".parse().unwrap()));
        assert_eq!(destination(&packet(|packet| packet[9] = 6)), None, "TCP");
        assert_eq!(destination(&packet(|packet| packet[0] = 0x60)), None, "IPv6");
        assert_eq!(destination(&packet(|packet| packet[7] = 3)), None, "a later fragment");
        assert_eq!(destination(&packet(|packet| packet.truncate(21))), None, "cut short");
        assert_eq!(destination(&[]), None);
    }
}
