//! From samples to figures; pure.
//!
//! What each figure means, for TCP and UDP alike. A message *comes* when its
//! reply reaches the client whole, or with `--one-way`, when it reaches the
//! receiver whole.
//!
//! - `sent`: messages handed to the system
//! - `received`: of those, how many came, each counted once
//! - `lost`: `sent` less `received`: those that never came
//! - `duplicate`: how often one came that had come before
//! - `reordered`: messages whose first coming was after that of one with a
//!   higher number ([`numbered::Books`](crate::framing::numbered::Books))
//! - `late`: of the received, those that came later than `--timeout` after
//!   they were sent
//! - `setup`: how long `connect(2)` took
//! - `first_byte`: from the start of the set-up to the first byte that came
//! - `rtt`: from before `send(2)` to the whole reply, each message's first one
//! - `throughput`: bits of the messages received, over the time from the first
//!   sending to the last first coming
//! - `calls`: socket calls of the client (those that ask for these figures are
//!   not among them)
//! - `packets`, `wire_bytes`: IP packets of both directions and their length;
//!   of a link, also those it lost
//! - `retransmits`: TCP segments sent again, by both ends where both are ours
//! - `drops`: packets the kernel threw away because a socket's buffer was
//!   full; on a link, packets that the link lost

use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::workload::Workload;
use crate::error::Error;
use crate::framing::numbered::Books;
use crate::link::log::Log;
use crate::link::{Direction, again};
use crate::net::kernel::TcpInfo;
use crate::report::RoundTrips;

/// Where a figure is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Counted or clocked by the probe itself.
    Measured,
    /// Asked of the kernel.
    Kernel,
    /// From the emulated link's log.
    Link,
    /// Nobody here knows.
    Unavailable,
}

impl Origin {
    /// As `--json` has it.
    pub fn name(self) -> &'static str {
        match self {
            Origin::Measured => "measured",
            Origin::Kernel => "kernel",
            Origin::Link => "link",
            Origin::Unavailable => "unavailable",
        }
    }
}

/// What a probe saw of one protocol. Times count from the start of its set-up.
#[derive(Debug, Default)]
pub struct Samples {
    /// When the connection was there.
    pub setup: Option<Duration>,
    /// When each message was handed over, by number.
    pub sent: Vec<Duration>,
    /// When the first byte came.
    pub first_byte: Option<Duration>,
    /// Messages as they came: number and time.
    pub arrivals: Vec<(u32, Duration)>,
    /// Socket calls the client made.
    pub calls: Option<u64>,
    /// Packets both ways.
    pub packets: Known,
    /// Their bytes.
    pub wire_bytes: Known,
    /// Segments sent again.
    pub retransmits: Known,
    /// Packets thrown away.
    pub drops: Known,
    /// What else the kernel tells of the client's connection.
    pub kernel: Option<TcpInfo>,
    /// TCP's congestion window whenever it changed, in bytes, where it was
    /// watched.
    pub windows: Vec<(Duration, u64)>,
    /// Why it ended before its end.
    pub failure: Option<Error>,
}

impl Samples {
    /// Adds what the link saw.
    pub fn with_log(self, log: &Log) -> Samples {
        let [forward, backward] = Direction::BOTH.map(|direction| log.counts(direction));
        let known = |count: u64| Some((count, Origin::Link));
        Samples {
            packets: known(forward.packets + backward.packets),
            wire_bytes: known(forward.bytes + backward.bytes),
            retransmits: self.retransmits.or(known(again::total(log))),
            drops: self.drops.or(known(forward.lost + backward.lost)),
            ..self
        }
    }
}

/// A count and who told it, if anybody did.
pub type Known = Option<(u64, Origin)>;

/// A figure's value.
#[derive(Clone, Copy, Debug, serde::Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A count.
    Count(u64),
    /// A time, in microseconds.
    Micros(u64),
    /// Bits per second.
    BitsPerSecond(u64),
    /// Round trips.
    Trips(RoundTrips),
}

/// One figure: its name in `--json`, its value and where that is from.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// Such as `setup_us`.
    pub name: &'static str,
    /// `None` where it is unavailable.
    pub value: Option<Value>,
    /// Who told.
    pub origin: Origin,
}

/// One protocol's column.
#[derive(Debug)]
pub struct Column {
    /// Messages sent.
    pub sent: u64,
    /// Of those, how many came.
    pub received: u64,
    /// Of those, how many never came.
    pub lost: u64,
    /// Comings after the first.
    pub duplicate: u64,
    /// First comings after a later message's.
    pub reordered: u64,
    /// Of the received, how many came too late.
    pub late: u64,
    /// How long each message took that came, in the order in which they came.
    pub times: Vec<Duration>,
    /// Round trips of those that came.
    pub trips: Option<RoundTrips>,
    /// Bits of messages per second.
    pub throughput: Option<u64>,
    /// What it was made of.
    pub samples: Samples,
}

impl Column {
    /// Counts.
    pub fn of(workload: &Workload, samples: Samples) -> Column {
        let (mut books, mut late, mut trips) = (Books::default(), 0, Vec::new());
        let mut last = Duration::ZERO;
        for (number, at) in &samples.arrivals {
            let (before, sent_at) = (books.received(), samples.sent.get(*number as usize - 1));
            books.note(*number);
            if let Some(sent_at) = sent_at
                && books.received() > before
            {
                let trip = at.saturating_sub(*sent_at);
                late += u64::from(trip > workload.timeout);
                trips.push(trip);
                last = last.max(*at);
            }
        }
        let sent = samples.sent.len() as u64;
        let received = books.received();
        let first = samples.sent.first().copied().unwrap_or_default();
        Column {
            sent,
            received,
            lost: sent - received,
            duplicate: books.duplicate(),
            reordered: books.reordered(),
            late,
            trips: (!workload.one_way && received > 0).then(|| RoundTrips::of(trips.clone())),
            times: trips,
            throughput: throughput(received * workload.size as u64, last.saturating_sub(first)),
            samples,
        }
    }

    /// All figures, in the contract's order.
    pub fn figures(&self) -> Vec<Figure> {
        let samples = &self.samples;
        let count = |name, value| measured(name, Some(Value::Count(value)));
        let time = |name, time: Option<Duration>| measured(name, time.map(|time| Value::Micros(micros(time))));
        vec![
            count("sent", self.sent),
            count("received", self.received),
            count("lost", self.lost),
            count("duplicate", self.duplicate),
            count("reordered", self.reordered),
            count("late", self.late),
            time("setup_us", samples.setup),
            time("first_byte_us", samples.first_byte),
            measured("rtt_us", self.trips.map(Value::Trips)),
            measured("throughput_bps", self.throughput.map(Value::BitsPerSecond)),
            measured("calls", samples.calls.map(Value::Count)),
            known("packets", samples.packets),
            known("wire_bytes", samples.wire_bytes),
            known("retransmits", samples.retransmits),
            known("drops", samples.drops),
        ]
    }

    /// The figure of this name.
    pub fn figure(&self, name: &str) -> Option<Figure> {
        self.figures().into_iter().find(|figure| figure.name == name)
    }
}

fn measured(name: &'static str, value: Option<Value>) -> Figure {
    let origin = if value.is_some() { Origin::Measured } else { Origin::Unavailable };
    Figure { name, value, origin }
}

fn known(name: &'static str, known: Known) -> Figure {
    let (value, origin) = match known {
        Some((count, origin)) => (Some(Value::Count(count)), origin),
        None => (None, Origin::Unavailable),
    };
    Figure { name, value, origin }
}

fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}

/// In whole bits per second; none where no time has passed.
fn throughput(bytes: u64, time: Duration) -> Option<u64> {
    let bits = u128::from(bytes) * 8 * 1_000_000_000;
    bits.checked_div(time.as_nanos()).filter(|_| bytes > 0).map(|rate| rate as u64)
}

impl Serialize for Column {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let figures = self.figures();
        for Figure { name, value, .. } in &figures {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("origin", &Origins(&figures))?;
        if let Some(kernel) = &self.samples.kernel {
            map.serialize_entry("kernel", kernel)?;
        }
        if let Some(error) = &self.samples.failure {
            map.serialize_entry("error", &error.message())?;
        }
        map.end()
    }
}

struct Origins<'a>(&'a [Figure]);

impl Serialize for Origins<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|figure| (figure.name, figure.origin)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(count: u32) -> Workload {
        Workload::new(count, 100, Duration::ZERO, false, ms(100))
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn each_message_is_booked_once() {
        let arrivals = vec![(1, ms(10)), (3, ms(30)), (2, ms(40)), (3, ms(50)), (5, ms(300))];
        let samples = Samples { sent: vec![ms(0); 5], arrivals, ..Samples::default() };
        let column = Column::of(&workload(5), samples);
        let Column { sent, received, lost, duplicate, reordered, late, .. } = column;
        assert_eq!((sent, received, lost, duplicate, reordered, late), (5, 4, 1, 1, 1, 1));
        assert_eq!(column.throughput, Some(4 * 800 * 1000 / 300));
    }

    #[test]
    fn what_nobody_knows_is_null_and_unavailable() {
        let column = Column::of(&workload(1), Samples::default());
        for figure in column.figures() {
            assert_eq!(figure.value.is_none(), figure.origin == Origin::Unavailable, "{}", figure.name);
        }
        let json = serde_json::to_value(&column).unwrap();
        assert!(json["rtt_us"].is_null() && json["origin"]["rtt_us"] == "unavailable", "{json}");
    }
}
