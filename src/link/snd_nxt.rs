//! An ACK carries SND.NXT, the number after the last one sent (RFC 9293,
//! section 3.10.7.4).
//!
//! After a timeout smoltcp 0.14 goes back to the first byte not acknowledged,
//! and sends from there again; its ACKs then carry that older number as well.
//! If both ends do so at once, each takes the other's ACKs for old segments,
//! drops them, and the connection stands still for ever. So the number is put
//! right on the way out.

use smoltcp::wire::{Ipv4Packet, TcpPacket, TcpSeqNumber};

use super::headers::{Headers, Segment, read};

/// What one host has sent on its connection.
#[derive(Debug, Default)]
pub struct SndNxt(Option<u32>);

impl SndNxt {
    /// Notes a packet that leaves; one that is an ACK and nothing else leaves
    /// with the number it should have.
    pub fn put_right(&mut self, packet: &mut [u8]) {
        let Headers::Tcp(segment) = read(packet) else { return };
        let ends = segment.seq.wrapping_add(segment.takes() as u32);
        match self.0 {
            Some(next) if is_after(next, ends) => {
                if is_pure_ack(&segment) {
                    renumber(packet, next);
                }
            }
            _ => self.0 = Some(ends),
        }
    }
}

fn is_pure_ack(segment: &Segment) -> bool {
    segment.takes() == 0 && segment.flags.ack && !segment.flags.rst
}

/// Whether `a` comes after `b`, where numbers begin anew after 2^32.
fn is_after(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) as i32 > 0
}

fn renumber(packet: &mut [u8], seq: u32) {
    let mut ip = Ipv4Packet::new_unchecked(packet);
    let (from, to) = (ip.src_addr().into(), ip.dst_addr().into());
    let mut tcp = TcpPacket::new_unchecked(ip.payload_mut());
    tcp.set_seq_number(TcpSeqNumber(seq as i32));
    tcp.fill_checksum(&from, &to);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_across_their_end() {
        assert!(is_after(1, 0) && is_after(0, u32::MAX) && !is_after(5, 5) && !is_after(u32::MAX, 0));
    }
}
