//! What came of a comparison, as `--json` has it.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::packets::Packet;
use super::page::Page;
use super::stats::Column;
use super::sweep::Point;
use super::workload::Workload;
use crate::error::{Error, Status};
use crate::link::log::{Counts, Log};
use crate::link::options::Link;
use crate::link::{Direction, again};

/// What came of it.
#[derive(Debug, serde::Serialize)]
pub struct Comparison {
    /// What was sent.
    pub workload: Sent,
    /// The emulated link; none over real ones.
    pub link: Option<Link>,
    /// By TCP.
    pub tcp: Column,
    /// By UDP.
    pub udp: Column,
    /// What became of each packet, where a link was emulated.
    #[serde(rename = "log", skip_serializing_if = "Option::is_none")]
    pub logs: Option<Logs>,
    /// Each packet, with `--ladder` or `--html`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packets: Option<Packets>,
    /// The same over other links, with `--sweep`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Vec<Point>>,
    /// What the page says and plots beyond that, with `--html`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<Page>,
}

/// Each protocol's packets.
#[derive(Debug, serde::Serialize)]
pub struct Packets {
    /// TCP's.
    pub tcp: Vec<Packet>,
    /// UDP's.
    pub udp: Vec<Packet>,
}

/// The workload, as `--json` has it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Sent {
    /// How many messages.
    pub count: u32,
    /// Bytes of each.
    pub size: usize,
    /// From one to the next, in microseconds.
    pub interval_us: u64,
    /// What the link's fates were drawn from.
    pub seed: u64,
    /// Whether nobody answered.
    pub one_way: bool,
}

/// The link's logs, one for each protocol.
#[derive(Debug)]
pub struct Logs {
    /// Of TCP's packets.
    pub tcp: Log,
    /// Of UDP's.
    pub udp: Log,
}

impl Sent {
    /// `workload`, with the seed.
    pub fn new(workload: &Workload, seed: u64) -> Sent {
        let Workload { count, size, interval, one_way, .. } = *workload;
        Sent { count, size, interval_us: interval.as_micros() as u64, seed, one_way }
    }
}

impl Serialize for Logs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("tcp", &Ways::of(&self.tcp))?;
        map.serialize_entry("udp", &Ways::of(&self.udp))?;
        map.end()
    }
}

/// A log's counts.
#[derive(serde::Serialize)]
struct Ways {
    forward: Counts,
    backward: Counts,
    /// Segments that were sent again, as the packets show it.
    sent_again: u64,
    /// Packets in which they were.
    again_in_packets: u64,
}

impl Ways {
    fn of(log: &Log) -> Ways {
        let [forward, backward] = Direction::BOTH.map(|direction| log.counts(direction));
        Ways { forward, backward, sent_again: again::total(log), again_in_packets: again::packets(log) }
    }
}

impl Comparison {
    /// What failed, each protocol for itself.
    pub fn failures(&self) -> impl Iterator<Item = &Error> {
        [&self.tcp, &self.udp].into_iter().filter_map(|column| column.samples.failure.as_ref())
    }

    /// Lost datagrams are a result. The answer is no where one protocol
    /// brought nothing at all, or TCP not everything.
    pub fn status(&self) -> Status {
        let Comparison { workload, tcp, udp, .. } = self;
        let whole = tcp.received == u64::from(workload.count) && udp.received > 0;
        if whole && self.failures().next().is_none() { Status::Done } else { Status::No }
    }
}
