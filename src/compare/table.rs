//! The two columns, for people: at most 80 wide.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use super::comparison::Comparison;
use super::stats::{Column, Figure, Value};
use crate::report::RoundTrips;

const HEAD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Counters that are bad news where they are not 0.
const LOSSES: [&str; 6] = ["lost", "duplicate", "reordered", "late", "retransmits", "drops"];

/// The longest origin's name.
const ORIGIN_WIDTH: usize = 11;

/// Each line's words, and the figure it shows.
pub const LINES: [(&str, &str); 18] = [
    ("set-up", "setup_us"),
    ("first byte", "first_byte_us"),
    ("round trip, min", "rtt_us"),
    ("    median", "rtt_us"),
    ("    p99", "rtt_us"),
    ("    max", "rtt_us"),
    ("throughput", "throughput_bps"),
    ("messages sent", "sent"),
    ("    received", "received"),
    ("    lost", "lost"),
    ("    duplicate", "duplicate"),
    ("    reordered", "reordered"),
    ("    late", "late"),
    ("socket calls", "calls"),
    ("packets", "packets"),
    ("    bytes", "wire_bytes"),
    ("retransmissions", "retransmits"),
    ("packets dropped", "drops"),
];

/// The table.
pub fn table(comparison: &Comparison) -> String {
    let mut text = format!("{HEAD}{:<20}{:>14}{:<15}{:>14}{HEAD:#}\n", "", "TCP", "", "UDP");
    for (label, name) in LINES {
        let cell = |column: &Column, width| column.figure(name).map(|figure| cell(label, &figure, width));
        let (tcp, udp) = (cell(&comparison.tcp, ORIGIN_WIDTH), cell(&comparison.udp, 0));
        let _ = writeln!(text, "{label:<20}{}  {}", tcp.unwrap_or_default(), udp.unwrap_or_default());
    }
    text
}

/// `      0.09 ms  measured   `, the origin padded to `width`.
fn cell(label: &str, figure: &Figure, width: usize) -> String {
    let value = figure.value.map_or("-".into(), |value| shown(label, value));
    let style = if is_bad(figure) { BAD } else { Style::new() };
    format!("{style}{value:>14}{style:#}  {DIM}{:<width$}{DIM:#}", figure.origin.name())
}

/// Whether a figure is bad news.
pub fn is_bad(figure: &Figure) -> bool {
    LOSSES.contains(&figure.name) && matches!(figure.value, Some(Value::Count(1..)))
}

/// A value of the line with this label, in words.
pub fn shown(label: &str, value: Value) -> String {
    match value {
        Value::Count(count) => grouped(count),
        Value::Micros(us) => time(us),
        Value::BitsPerSecond(rate) => bits_per_second(rate),
        Value::Trips(trips) => trip(label, &trips).1.map_or("-".into(), time),
    }
}

/// Which round trip the line with this label shows.
pub fn trip(label: &str, trips: &RoundTrips) -> (&'static str, Option<u64>) {
    match label.trim() {
        "median" => ("p50", trips.p50),
        "p99" => ("p99", trips.p99),
        "max" => ("max", trips.max),
        _ => ("min", trips.min),
    }
}

/// In one unit, so that two columns can be compared at a glance; only what
/// would be 0.00 ms is in microseconds. Whole numbers round the same
/// everywhere.
pub fn time(us: u64) -> String {
    match us {
        0..10 => format!("{us} us"),
        10..995 => format!("0.{:02} ms", (us + 5) / 10),
        _ => format!("{}.{} ms", grouped((us + 50) / 1_000), (us + 50) % 1_000 / 100),
    }
}

/// `1,234,567`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1.23 Mbit/s`: three figures, whatever the size.
pub fn bits_per_second(rate: u64) -> String {
    let (unit, name) = match rate {
        0..1_000 => return format!("{rate} bit/s"),
        1_000..1_000_000 => (1_000, "kbit/s"),
        1_000_000..1_000_000_000 => (1_000_000, "Mbit/s"),
        _ => (1_000_000_000, "Gbit/s"),
    };
    let hundredths = u128::from(rate) * 100 / unit;
    match hundredths {
        ..1_000 => format!("{}.{:02} {name}", hundredths / 100, hundredths % 100),
        1_000..10_000 => format!("{}.{} {name}", hundredths / 100, hundredths % 100 / 10),
        _ => format!("{} {name}", hundredths / 100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_by_three() {
        let table = [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")];
        for (count, text) in table {
            assert_eq!(grouped(count), text);
        }
    }

    #[test]
    fn a_time_is_in_milliseconds() {
        let table = [
            (0, "0 us"),
            (9, "9 us"),
            (10, "0.01 ms"),
            (994, "0.99 ms"),
            (995, "1.0 ms"),
            (20_000, "20.0 ms"),
            (1_234_567, "1,234.6 ms"),
        ];
        for (us, text) in table {
            assert_eq!(time(us), text);
        }
    }

    #[test]
    fn a_rate_has_three_figures() {
        let table = [
            (999, "999 bit/s"),
            (1_000, "1.00 kbit/s"),
            (12_345_678, "12.3 Mbit/s"),
            (999_999_999, "999 Mbit/s"),
            (41_000_000_000, "41.0 Gbit/s"),
        ];
        for (rate, text) in table {
            assert_eq!(bits_per_second(rate), text);
        }
    }
}
