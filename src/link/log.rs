//! What became of every packet.
//!
//! The words, the same ones as the probe's
//! ([`numbered::Books`](crate::framing::numbered::Books)), for the packets of
//! one direction, numbered as they were handed over:
//!
//! - *lost*: no copy of it ever arrived
//! - *delivered*: at least one did: `packets` = `delivered` + `lost`
//! - *duplicated*: a copy arrived after the first; two of them count twice
//! - *reordered*: its first copy arrived after the first copy of a packet with
//!   a higher number
//!
//! So over a link that carries UDP messages one way, each a packet, these are
//! the receiver's own counts of messages.

use std::time::Duration;

use super::Direction;

/// Every packet, in the order in which they were handed over.
#[derive(Debug)]
pub struct Log {
    kept: usize,
    packets: Vec<Packet>,
    /// The highest packet delivered, in each direction.
    highest: [Option<usize>; 2],
}

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Which way.
    pub direction: Direction,
    /// When it was handed to the link.
    pub sent_at: Duration,
    /// Its length, from the IP header on.
    pub length: usize,
    /// Its first bytes, as many as the log keeps.
    pub bytes: Vec<u8>,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing yet.
    OnItsWay,
    /// No copy arrived.
    Lost(Loss),
    /// It arrived.
    Delivered {
        /// When its first copy did.
        at: Duration,
        /// When further copies did.
        copies: Vec<Duration>,
        /// A packet handed over later had arrived before.
        reordered: bool,
    },
}

/// Why a packet got lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// As the link's chances had it.
    Chance,
    /// As many as the queue holds were waiting.
    QueueFull,
    /// Longer than the MTU.
    TooLong,
}

/// One direction's counts, as `--json` has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Handed over.
    pub packets: u64,
    /// Of those, how many arrived.
    pub delivered: u64,
    /// Of those, how many did not.
    pub lost: u64,
    /// Copies that arrived after the first.
    pub duplicated: u64,
    /// First copies that arrived after a later packet's.
    pub reordered: u64,
    /// Of the lost, how many because the queue was full.
    pub queue_full: u64,
    /// Bytes handed over.
    pub bytes: u64,
}

impl Log {
    /// Keeps the first `kept` bytes of each packet.
    pub fn new(kept: usize) -> Log {
        Log { kept, packets: Vec::new(), highest: [None; 2] }
    }

    /// All packets so far.
    pub fn packets(&self) -> &[Packet] {
        &self.packets
    }

    /// Books a packet that was handed over; its place in the log.
    pub(super) fn sent(&mut self, direction: Direction, sent_at: Duration, bytes: &[u8]) -> usize {
        let kept = bytes[..bytes.len().min(self.kept)].to_vec();
        self.packets.push(Packet { direction, sent_at, length: bytes.len(), bytes: kept, fate: Fate::OnItsWay });
        self.packets.len() - 1
    }

    pub(super) fn lost(&mut self, entry: usize, loss: Loss) {
        self.packets[entry].fate = Fate::Lost(loss);
    }

    pub(super) fn arrived(&mut self, entry: usize, at: Duration) {
        let packet = &mut self.packets[entry];
        match &mut packet.fate {
            Fate::Delivered { copies, .. } => copies.push(at),
            fate => {
                let highest = &mut self.highest[packet.direction.index()];
                let reordered = highest.is_some_and(|highest| entry < highest);
                *highest = (*highest).max(Some(entry));
                *fate = Fate::Delivered { at, copies: Vec::new(), reordered };
            }
        }
    }

    /// The counts of one direction.
    pub fn counts(&self, direction: Direction) -> Counts {
        let mut counts = Counts::default();
        for packet in self.packets.iter().filter(|packet| packet.direction == direction) {
            counts.packets += 1;
            counts.bytes += packet.length as u64;
            match &packet.fate {
                Fate::OnItsWay => {}
                Fate::Lost(loss) => {
                    counts.lost += 1;
                    counts.queue_full += u64::from(*loss == Loss::QueueFull);
                }
                Fate::Delivered { copies, reordered, .. } => {
                    counts.delivered += 1;
                    counts.duplicated += copies.len() as u64;
                    counts.reordered += u64::from(*reordered);
                }
            }
        }
        counts
    }
}
