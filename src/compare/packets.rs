//! Every packet of a run, told apart from its bytes: what the ladder draws,
//! what `--json` lists with `--ladder`, and what the page plots.

use std::time::Duration;

use serde::ser::{Serialize, Serializer};

use super::workload::Workload;
use crate::link::headers::{Flags, Headers, read};
use crate::link::log::{Fate, Log, Loss};
use crate::link::{Direction, again};

/// One packet's way.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Packet {
    /// Which way.
    #[serde(serialize_with = "direction")]
    pub direction: Direction,
    /// When it was sent.
    #[serde(rename = "sent_us", serialize_with = "micros")]
    pub sent: Duration,
    /// When it arrived, and its copies did; empty where it was lost.
    #[serde(rename = "arrived_us", serialize_with = "all_micros")]
    pub arrived: Vec<Duration>,
    /// Why it was lost, if it was.
    #[serde(serialize_with = "loss")]
    pub lost: Option<Loss>,
    /// A packet sent later arrived before it.
    pub reordered: bool,
    /// How many segments sent before it carries again.
    pub again: u32,
    /// Its length from the IP header on.
    pub bytes: usize,
    /// What it says of itself.
    #[serde(flatten)]
    pub says: Says,
}

/// What a packet says of itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum Says {
    /// A TCP segment; sequence numbers count from its sender's SYN.
    Segment {
        /// Such as `SYN,ACK`.
        #[serde(serialize_with = "as_text")]
        flags: Flags,
        /// Number of its first byte.
        seq: u32,
        /// The next byte its sender expects.
        #[serde(skip_serializing_if = "Option::is_none")]
        ack: Option<u32>,
        /// Bytes of data.
        length: usize,
    },
    /// A UDP datagram.
    Datagram {
        /// Its message's number.
        message: Option<u32>,
        /// Bytes of data.
        length: usize,
    },
    /// Neither.
    Other {},
}

impl Packet {
    /// How far apart sending and arriving were; `None` where it was lost.
    pub fn took(&self) -> Option<Duration> {
        self.arrived.first().map(|at| at.saturating_sub(self.sent))
    }
}

/// The packets of a log, in the order in which they were sent.
pub fn packets(log: &Log, workload: &Workload) -> Vec<Packet> {
    let headers: Vec<Headers> = log.packets().iter().map(|packet| read(&packet.bytes)).collect();
    let first = Direction::BOTH.map(|direction| {
        let of_it = log.packets().iter().zip(&headers).filter(|(packet, _)| packet.direction == direction);
        of_it.map(|(_, headers)| headers).find_map(|headers| match headers {
            Headers::Tcp(segment) if segment.flags.syn => Some(segment.seq),
            _ => None,
        })
    });
    let packet = |((packet, headers), again): ((&crate::link::log::Packet, &Headers), u32)| {
        let [own, others] = match packet.direction {
            Direction::Forward => first,
            Direction::Backward => [first[1], first[0]],
        };
        let (arrived, lost, reordered) = fate(&packet.fate);
        Packet {
            direction: packet.direction,
            sent: packet.sent_at,
            arrived,
            lost,
            reordered,
            again,
            bytes: packet.length,
            says: says(headers, &packet.bytes, [own, others], workload),
        }
    };
    log.packets().iter().zip(&headers).zip(again::again(log)).map(packet).collect()
}

fn fate(fate: &Fate) -> (Vec<Duration>, Option<Loss>, bool) {
    match fate {
        Fate::OnItsWay => (Vec::new(), None, false),
        Fate::Lost(loss) => (Vec::new(), Some(*loss), false),
        Fate::Delivered { at, copies, reordered } => {
            ([*at].into_iter().chain(copies.iter().copied()).collect(), None, *reordered)
        }
    }
}

fn says(headers: &Headers, bytes: &[u8], [own, others]: [Option<u32>; 2], workload: &Workload) -> Says {
    let relative = |number: u32, first: Option<u32>| number.wrapping_sub(first.unwrap_or_default());
    match headers {
        Headers::Tcp(segment) => Says::Segment {
            flags: segment.flags,
            seq: relative(segment.seq, own),
            ack: segment.flags.ack.then(|| relative(segment.ack, others)),
            length: segment.length,
        },
        Headers::Udp { length, begins } => {
            let message = bytes.get(*begins..).and_then(|kept| workload.number_of_start(kept));
            Says::Datagram { message, length: *length }
        }
        Headers::Other => Says::Other {},
    }
}

fn direction<S: Serializer>(direction: &Direction, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match direction {
        Direction::Forward => "forward",
        Direction::Backward => "backward",
    })
}

fn micros<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(time.as_micros() as u64)
}

fn all_micros<S: Serializer>(times: &[Duration], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(times.iter().map(|time| time.as_micros() as u64))
}

fn as_text<S: Serializer>(flags: &Flags, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(flags)
}

fn loss<S: Serializer>(loss: &Option<Loss>, serializer: S) -> Result<S::Ok, S::Error> {
    loss.map(Loss::name).serialize(serializer)
}
