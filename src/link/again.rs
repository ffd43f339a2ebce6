//! Which parts of a TCP stream were sent before.
//!
//! A retransmission need not have the borders of what it repeats: a stack may
//! send two small segments again as one. So what counts is how many of the
//! segments *as they were first sent* a packet carries again. Counted that
//! way, each lost segment is matched by at least one sent again, once the
//! stream has arrived.

use std::collections::BTreeMap;

use super::Direction;
use super::headers::{Headers, Segment, read};
use super::log::Log;

/// For each packet of a log: how many segments sent before it carries again.
pub fn again(log: &Log) -> Vec<u32> {
    let mut streams = [Stream::default(), Stream::default()];
    let count = |packet: &super::log::Packet| match read(&packet.bytes) {
        Headers::Tcp(segment) => streams[packet.direction.index()].take(&segment),
        _ => 0,
    };
    log.packets().iter().map(count).collect()
}

/// The same for both directions in all.
pub fn total(log: &Log) -> u64 {
    again(log).into_iter().map(u64::from).sum()
}

/// Packets that carry anything again: fewer, where one carries several
/// segments. So counts Linux (TCP_INFO).
pub fn packets(log: &Log) -> u64 {
    again(log).into_iter().filter(|again| *again > 0).count() as u64
}

/// Segments lost that took part of the sequence: data, SYN and FIN.
pub fn lost_segments(log: &Log, direction: Direction) -> u64 {
    let is_lost = |packet: &&super::log::Packet| {
        packet.direction == direction
            && matches!(packet.fate, super::log::Fate::Lost(_))
            && matches!(read(&packet.bytes), Headers::Tcp(segment) if segment.takes() > 0)
    };
    log.packets().iter().filter(is_lost).count() as u64
}

/// One direction's sequence, each segment as it was first sent.
#[derive(Default)]
struct Stream {
    /// First number and the one after the last, counted on where the wire's 32
    /// bits begin anew.
    sent: BTreeMap<u64, u64>,
    next: u64,
}

impl Stream {
    fn take(&mut self, segment: &Segment) -> u32 {
        let begins = self.counted_on(segment.seq);
        let ends = begins + segment.takes();
        if ends == begins {
            return 0; // a pure ACK
        }
        // Segments do not overlap each other: only the last one before
        // `begins` may reach beyond it.
        let before = self.sent.range(..begins).next_back().filter(|(_, end)| **end > begins).iter().count();
        let again = before + self.sent.range(begins..ends).count();
        if ends > self.next {
            self.sent.insert(begins.max(self.next), ends);
            self.next = ends;
        }
        again as u32
    }

    /// The number nearest to the next one expected.
    fn counted_on(&mut self, seq: u32) -> u64 {
        if self.sent.is_empty() {
            // Room below, should the first segment seen not be the first sent.
            self.next = (1 << 32) + u64::from(seq);
        }
        let ahead = seq.wrapping_sub(self.next as u32) as i32;
        self.next.wrapping_add_signed(i64::from(ahead))
    }
}

#[cfg(test)]
mod tests {
    use super::super::headers::Flags;
    use super::*;

    fn segment(seq: u32, length: usize) -> Segment {
        Segment { flags: Flags::default(), seq, ack: 0, length, window: 0 }
    }

    #[test]
    fn what_is_sent_again_is_counted_by_its_first_borders() {
        let table = [
            (0, 10, 0),
            (10, 10, 0),
            (20, 10, 0),
            (10, 10, 1),
            (0, 30, 3),
            (5, 10, 2),
            (25, 10, 1),
            (30, 5, 1),
            (40, 0, 0),
        ];
        let mut stream = Stream::default();
        for (seq, length, again) in table {
            assert_eq!(stream.take(&segment(seq, length)), again, "{seq}+{length}");
        }
    }

    #[test]
    fn a_sequence_that_begins_anew_goes_on() {
        let mut stream = Stream::default();
        assert_eq!(stream.take(&segment(u32::MAX - 4, 10)), 0);
        assert_eq!(stream.take(&segment(5, 10)), 0);
        assert_eq!(stream.take(&segment(u32::MAX - 4, 20)), 2);
    }
}
