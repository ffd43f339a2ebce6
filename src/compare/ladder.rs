//! A sequence diagram in the terminal: two lifelines, and each packet's way
//! between them.
//!
//! ```text
//!   client                                                      server
//!   0.0 ms │── SYN seq 0 ────────────────────────────────────────▶│ 10.0 ms
//!  20.0 ms │◀──────────────────────────────── SYN,ACK seq 0 ack 1 ──│ 10.0 ms
//!  20.0 ms │── seq 1, 100 bytes ──────────────✗ lost                │
//! ```
//!
//! A line is a packet, in the order in which they were sent; at each end
//! stands when it left there, or when it arrived. Copies have lines of their
//! own.

use std::time::Duration;

use anstyle::{AnsiColor, Style};

use super::packets::{Packet, Says};
use crate::link::Direction;
use crate::link::log::Loss;

/// Columns of a ladder: a terminal that nobody has made wider.
pub const WIDTH: usize = 80;

/// Columns of a time and its unit, beside each lifeline.
const TIME_WIDTH: usize = 11;

/// Columns between the lifelines.
const BETWEEN: usize = WIDTH - 2 * (TIME_WIDTH + 2);

const HEAD: Style = Style::new().bold();
const LOST: Style = AnsiColor::Red.on_default().bold();
const AGAIN: Style = AnsiColor::Yellow.on_default();
const COPY: Style = AnsiColor::Cyan.on_default();
const PLAIN: Style = Style::new();

/// The ladder of one protocol, in lines of 80 columns.
pub fn ladder(name: &str, packets: &[Packet]) -> Vec<String> {
    let title = format!("{name}: {} sent", super::words::plural(packets.len() as u64, "packet"));
    let rest = " ".repeat(WIDTH.saturating_sub(title.len()));
    let mut lines = vec![format!("{HEAD}{title}{HEAD:#}{rest}")];
    lines.push(format!("{:>TIME_WIDTH$} │{:BETWEEN$}│ {:<TIME_WIDTH$}", "client", "", "server"));
    for packet in packets {
        lines.push(way(packet));
        lines.extend(packet.arrived.iter().skip(1).map(|at| copy(packet, *at)));
    }
    lines
}

/// Two ladders beside each other.
pub fn beside(left: Vec<String>, right: Vec<String>) -> Vec<String> {
    let lines = left.len().max(right.len());
    let mut right = right.into_iter();
    let mut left = left.into_iter();
    let empty = || " ".repeat(WIDTH);
    (0..lines).map(|_| format!("{}  {}", left.next().unwrap_or_else(empty), right.next().unwrap_or_default())).collect()
}

/// A packet's line.
fn way(packet: &Packet) -> String {
    let mut label = label(&packet.says);
    match packet.again {
        0 => {}
        1 => label += ", again",
        many => label += &format!(", {many} again"),
    }
    if packet.reordered {
        label += ", overtaken";
    }
    let style = match (packet.lost, packet.again) {
        (Some(_), _) => LOST,
        (None, 1..) => AGAIN,
        _ if packet.reordered => AGAIN,
        _ => PLAIN,
    };
    let arrow = match packet.lost {
        Some(loss) => stopped(&label, packet.direction, loss.words()),
        None => arrow(&label, packet.direction, '─'),
    };
    line(packet.direction, Some(packet.sent), packet.arrived.first().copied(), style, &arrow)
}

/// A copy's line: only its arrival is news.
fn copy(packet: &Packet, at: Duration) -> String {
    let arrow = arrow(&format!("{}, a copy", label(&packet.says)), packet.direction, '╌');
    line(packet.direction, None, Some(at), COPY, &arrow)
}

/// What a packet says of itself, in a few words.
pub fn label(says: &Says) -> String {
    match says {
        Says::Segment { flags, seq, ack, length } => {
            let ack = ack.map(|ack| format!(" ack {ack}")).unwrap_or_default();
            let names = flags.to_string();
            match (names.as_str(), length) {
                ("ACK", 0) => format!("ACK{}", ack.trim_start_matches(" ack")),
                ("ACK", length) => format!("seq {seq}, {}{}", bytes(*length), ack.replace(" ack", ", ack")),
                (names, 0) => format!("{names} seq {seq}{ack}"),
                (names, length) => format!("{names} seq {seq}, {}{}", bytes(*length), ack.replace(" ack", ", ack")),
            }
        }
        Says::Datagram { message: Some(number), length } => format!("message {number}, {}", bytes(*length)),
        Says::Datagram { message: None, length } => format!("datagram, {}", bytes(*length)),
        Says::Other {} => "another protocol's".into(),
    }
}

fn bytes(count: usize) -> String {
    super::words::plural(count as u64, "byte")
}

/// `── label ────▶`, or `◀──── label ──`.
fn arrow(label: &str, direction: Direction, shaft: char) -> String {
    let rest = BETWEEN.saturating_sub(label.chars().count() + 5);
    let (short, long) = (String::from_iter([shaft; 2]), shaft.to_string().repeat(rest));
    match direction {
        Direction::Forward => format!("{short} {label} {long}▶"),
        Direction::Backward => format!("◀{long} {label} {short}"),
    }
}

/// The same, stopping short.
fn stopped(label: &str, direction: Direction, why: &str) -> String {
    let taken = label.chars().count() + why.chars().count() + 6;
    let rest = BETWEEN.saturating_sub(taken);
    let (way, void) = ("─".repeat(rest / 2), " ".repeat(rest - rest / 2));
    match direction {
        Direction::Forward => format!("── {label} {way}✗ {why}{void}"),
        Direction::Backward => format!("{void}{why} ✗{way} {label} ──"),
    }
}

/// Both times, both lifelines, and what is between them.
fn line(
    direction: Direction,
    sent: Option<Duration>,
    arrived: Option<Duration>,
    style: Style,
    between: &str,
) -> String {
    let (client, server) = match direction {
        Direction::Forward => (sent, arrived),
        Direction::Backward => (arrived, sent),
    };
    let [client, server] = [client, server].map(|time| time.map(clock).unwrap_or_default());
    format!("{client:>TIME_WIDTH$} │{style}{between:<BETWEEN$}{style:#}│ {server:<TIME_WIDTH$}")
}

/// `20.0 ms`, `1234.5 ms`: in one unit, so that times can be subtracted by eye,
/// until it would not fit. In whole numbers, which round the same everywhere.
pub fn clock(time: Duration) -> String {
    const FITS: u128 = 1_000_000_000;
    let (tenths, unit) = match time.as_micros() {
        micros @ ..FITS => ((micros + 50) / 100, "ms"),
        micros => ((micros + 50_000) / 100_000, "s"),
    };
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

impl Loss {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Loss::Chance => "lost",
            Loss::QueueFull => "lost: queue full",
            Loss::TooLong => "lost: too long",
        }
    }

    /// As `--json` has it.
    pub fn name(self) -> &'static str {
        match self {
            Loss::Chance => "chance",
            Loss::QueueFull => "queue-full",
            Loss::TooLong => "too-long",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(direction: Direction, arrived: Vec<u64>, lost: Option<Loss>) -> Packet {
        let arrived = arrived.into_iter().map(Duration::from_millis).collect();
        let says = Says::Datagram { message: Some(3), length: 100 };
        Packet { direction, sent: Duration::ZERO, arrived, lost, reordered: false, again: 0, bytes: 128, says }
    }

    fn plain(lines: &[String]) -> Vec<String> {
        let bare = |line: &String| anstream::adapter::strip_str(line).to_string();
        lines.iter().map(bare).collect()
    }

    #[test]
    fn each_line_is_80_columns() {
        let packets = [
            datagram(Direction::Forward, vec![10, 12], None),
            datagram(Direction::Backward, vec![10_000_000], None),
            datagram(Direction::Forward, vec![], Some(Loss::QueueFull)),
            datagram(Direction::Backward, vec![], Some(Loss::Chance)),
        ];
        let lines = plain(&ladder("UDP", &packets));
        assert_eq!(lines.len(), 2 + 5);
        for line in &lines {
            assert_eq!(line.chars().count(), WIDTH, "{line}");
        }
        assert!(lines[2].contains("── message 3, 100 bytes ─") && lines[2].contains("▶│ 10.0 ms"), "{}", lines[2]);
        assert!(lines[3].contains("a copy") && lines[3].starts_with("            │"), "{}", lines[3]);
        assert!(lines[5].contains("✗ lost: queue full") && !lines[5].contains('▶'), "{}", lines[5]);
        assert!(lines[6].contains("lost ✗") && !lines[6].contains('◀'), "{}", lines[6]);
    }
}
