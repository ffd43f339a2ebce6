//! What the figures show, in words: a heading, and below the table three
//! sentences, chosen by them.

use std::time::Duration;

use super::Comparison;
use super::stats::{Column, Figure, Value};
use super::table::{grouped, time};
use super::workload::Workload;
use crate::report::human::duration;

/// Columns of a terminal that nobody has made wider.
const WIDTH: usize = 80;

/// What was sent, and over what.
pub fn heading(workload: &Workload, over: &str) -> String {
    let Workload { count, size, interval, one_way, .. } = *workload;
    let messages = plural(u64::from(count), "message");
    let bytes = plural(size as u64, "byte");
    let pace = match (one_way, interval) {
        (true, Duration::ZERO) => "one way, as fast as they go".to_owned(),
        (true, interval) => format!("one way, every {}", humantime::format_duration(interval)),
        (false, Duration::ZERO) => "each answered before the next".to_owned(),
        (false, interval) => format!("every {}, each answered", humantime::format_duration(interval)),
    };
    wrapped(&format!("{messages} of {bytes}, {pace}, {over}"))
}

/// Three sentences: on what was lost, on waiting, on what it cost.
pub fn sentences(workload: &Workload, comparison: &Comparison) -> String {
    let Comparison { tcp, udp, .. } = comparison;
    let sentences = [loss(tcp, udp), waiting(workload, tcp, udp), cost(tcp, udp)];
    sentences.iter().map(|sentence| format!("{}\n", wrapped(sentence))).collect()
}

fn loss(tcp: &Column, udp: &Column) -> String {
    let again = count_of(tcp, "retransmits").unwrap_or(0);
    match (tcp.received, udp.received, udp.lost) {
        (0, 0, _) => {
            "Nothing came through: TCP never had its connection, and UDP sent into the void all the same.".into()
        }
        (0, _, _) => "TCP brought nothing: without its handshake no byte may leave, while UDP needs none.".into(),
        (_, 0, _) => format!(
            "UDP brought none of {}: nobody listens there, or every one was lost, and UDP itself tells neither.",
            plural(udp.sent, "message")
        ),
        _ if tcp.lost > 0 => {
            format!(
                "TCP came to an end early: {} of {} arrived, in order and without a gap.",
                grouped(tcp.received),
                plural(tcp.sent, "message")
            )
        }
        (_, _, 0) if again > 0 => format!(
            "Both brought every message; TCP had to send {} again, and UDP was lucky.",
            plural(again, "segment")
        ),
        (_, _, 0) => "Nothing was lost, so TCP had nothing to mend: both brought every message.".into(),
        (_, _, lost) => format!(
            "UDP lost {} of {} and went on; TCP brought every byte, and sent {} again for it.",
            grouped(lost),
            plural(udp.sent, "message"),
            plural(again, "segment")
        ),
    }
}

fn waiting(workload: &Workload, tcp: &Column, udp: &Column) -> String {
    if let (Some(tcp), Some(udp)) = (&tcp.trips, &udp.trips)
        && let (Some(tcp_max), Some(udp_max), Some(tcp_p50), Some(udp_p50)) = (tcp.max, udp.max, tcp.p50, udp.p50)
    {
        if tcp_max > 4 * udp_max {
            return format!(
                "TCP's slowest reply took {}, UDP's {}: what TCP mends, all behind it has to wait for.",
                time(tcp_max),
                time(udp_max)
            );
        }
        let (first, other, ratio) = ratio(tcp_p50, udp_p50);
        return match ratio {
            ..=120 => {
                format!("A round trip takes both about as long: {} and {} in the median.", time(tcp_p50), time(udp_p50))
            }
            _ => format!(
                "{first}'s median round trip is the shorter one: {} against {}.",
                time(tcp_p50.min(udp_p50)),
                time(tcp_p50.max(udp_p50))
            )
            .replace("{other}", other),
        };
    }
    match (tcp.throughput, udp.throughput) {
        (Some(tcp_rate), Some(udp_rate)) if workload.one_way => format!(
            "TCP carried {}, at the pace its receiver and the way allow; UDP's {} is what arrived, at the pace it was sent.",
            super::table::bits_per_second(tcp_rate),
            super::table::bits_per_second(udp_rate)
        ),
        _ => {
            format!("A message later than {} counts as late; none came to be measured by.", duration(workload.timeout))
        }
    }
}

/// The smaller one's name, the other's, and how many hundredths of it the
/// larger one is.
fn ratio(tcp: u64, udp: u64) -> (&'static str, &'static str, u64) {
    let (small, large) = (tcp.min(udp).max(1), tcp.max(udp));
    let (first, other) = if tcp <= udp { ("TCP", "UDP") } else { ("UDP", "TCP") };
    (first, other, large * 100 / small)
}

fn cost(tcp: &Column, udp: &Column) -> String {
    let packets = (count_of(tcp, "packets"), count_of(udp, "packets"));
    let bytes = (count_of(tcp, "wire_bytes"), count_of(udp, "wire_bytes"));
    match (packets, bytes) {
        ((Some(tcp), Some(udp)), (Some(tcp_bytes), Some(udp_bytes))) => format!(
            "For that TCP put {} and {} on the wire, UDP {} and {}: handshake, ACKs and longer headers are TCP's price.",
            plural(tcp, "packet"),
            plural(tcp_bytes, "byte"),
            grouped(udp),
            grouped(udp_bytes)
        ),
        _ => match (tcp.samples.calls, udp.samples.calls) {
            (Some(tcp), Some(udp)) => {
                format!("It took {} by TCP and {} by UDP.", plural(tcp, "socket call"), grouped(udp))
            }
            _ => "What it cost on the wire, nobody here could tell.".into(),
        },
    }
}

fn count_of(column: &Column, name: &str) -> Option<u64> {
    match column.figure(name) {
        Some(Figure { value: Some(Value::Count(count)), .. }) => Some(count),
        _ => None,
    }
}

/// `1 message`, `2,000 messages`.
pub fn plural(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// The text in lines of a terminal's width.
pub fn wrapped(text: &str) -> String {
    let (mut lines, mut line) = (String::new(), String::new());
    for word in text.split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines += &line;
            lines.push('\n');
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    lines + &line
}
