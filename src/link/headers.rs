//! What a packet says of itself: IPv4, and TCP or UDP in it.

use std::fmt::{self, Write};

use smoltcp::wire::{IpProtocol, Ipv4Packet, TcpPacket, UdpPacket};

/// A packet's headers, as far as they matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Headers {
    /// A TCP segment.
    Tcp(Segment),
    /// A UDP datagram with so many bytes of payload.
    Udp {
        /// Bytes of payload.
        length: usize,
        /// Where the payload begins in the packet.
        begins: usize,
    },
    /// Something else, such as ICMP.
    Other,
}

/// A TCP segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Which flags are set.
    pub flags: Flags,
    /// Number of its first byte, as on the wire.
    pub seq: u32,
    /// The next byte its sender expects; meaningful with ACK.
    pub ack: u32,
    /// Bytes of data.
    pub length: usize,
    /// Bytes its sender may be sent, not scaled.
    pub window: u16,
}

/// A segment's flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as on the wire")]
pub struct Flags {
    pub syn: bool,
    pub ack: bool,
    pub fin: bool,
    pub rst: bool,
    pub psh: bool,
}

impl fmt::Display for Flags {
    /// `SYN,ACK`; PSH says nothing to a reader and is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [(self.syn, "SYN"), (self.fin, "FIN"), (self.rst, "RST"), (self.ack, "ACK")];
        for (at, (_, name)) in named.iter().filter(|(set, _)| *set).enumerate() {
            if at > 0 {
                f.write_char(',')?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl Segment {
    /// How much of the sequence it takes: its data, and one each for SYN and
    /// FIN (RFC 9293, section 3.4).
    pub fn takes(&self) -> u64 {
        self.length as u64 + u64::from(self.flags.syn) + u64::from(self.flags.fin)
    }
}

/// Reads a packet whose first bytes these are; lengths are read from the
/// headers, so the rest need not be there.
pub fn read(bytes: &[u8]) -> Headers {
    let Some((header, length)) = ip_lengths(bytes) else { return Headers::Other };
    let transport = &bytes[header..];
    match Ipv4Packet::new_unchecked(bytes).next_header() {
        IpProtocol::Tcp if transport.len() >= 20 => tcp(transport, length - header),
        IpProtocol::Udp if transport.len() >= 8 => {
            let length = usize::from(UdpPacket::new_unchecked(transport).len()).saturating_sub(8);
            Headers::Udp { length, begins: header + 8 }
        }
        _ => Headers::Other,
    }
}

/// The length of the IP header and of the whole packet.
fn ip_lengths(bytes: &[u8]) -> Option<(usize, usize)> {
    if bytes.len() < 20 || bytes[0] >> 4 != 4 {
        return None;
    }
    let packet = Ipv4Packet::new_unchecked(bytes);
    let (header, length) = (usize::from(packet.header_len()), usize::from(packet.total_len()));
    (header >= 20 && header <= length && header <= bytes.len()).then_some((header, length))
}

fn tcp(bytes: &[u8], length: usize) -> Headers {
    let segment = TcpPacket::new_unchecked(bytes);
    let header = usize::from(segment.header_len());
    if header > length {
        return Headers::Other;
    }
    let flags =
        Flags { syn: segment.syn(), ack: segment.ack(), fin: segment.fin(), rst: segment.rst(), psh: segment.psh() };
    Headers::Tcp(Segment {
        flags,
        seq: segment.seq_number().0 as u32,
        ack: segment.ack_number().0 as u32,
        length: length - header,
        window: segment.window_len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_packet_is_something_else() {
        let table: [&[u8]; 5] = [
            b"",
            &[0x45; 19],
            &[0x60; 60],
            &[0x4f; 60],
            &[0x45, 0, 0, 1, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ];
        for bytes in table {
            assert_eq!(read(bytes), Headers::Other, "{bytes:?}");
        }
    }
}
