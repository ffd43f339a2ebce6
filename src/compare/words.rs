//! What the figures show, in words: a heading, and below the table three
//! sentences, chosen by them.

use std::time::Duration;

use super::comparison::Comparison;
use super::stats::{Column, Figure, Origin, Value};
use super::table::{bits_per_second, grouped, time};
use super::workload::Workload;
use crate::link::Direction;
use crate::report::RoundTrips;
use crate::report::human::duration;

/// Columns of a terminal that nobody has made wider.
const WIDTH: usize = 80;

/// How many times slower one reply must be to be worth a sentence.
const SLOWER: u64 = 4;

/// Medians that differ by no more, in hundredths, are about the same: chance
/// makes them differ as much.
const ABOUT_THE_SAME: u64 = 120;

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
    format!("{messages} of {bytes}, {pace}, {over}")
}

/// Three sentences: on what was lost, on waiting, on what it cost.
pub fn sentences(workload: &Workload, comparison: &Comparison) -> Vec<String> {
    let Comparison { tcp, udp, .. } = comparison;
    vec![loss(comparison), waiting(workload, tcp, udp), cost(tcp, udp)]
}

fn loss(comparison: &Comparison) -> String {
    let Comparison { tcp, udp, .. } = comparison;
    let again = plural(count_of(tcp, "retransmits").unwrap_or(0), "segment");
    let messages = plural(udp.sent, "message");
    match (tcp.received, udp.received, udp.lost) {
        (0, 0, _) => {
            "Nothing came through: TCP never had its connection, and UDP sent without one, into the void.".into()
        }
        (0, ..) => "TCP brought nothing: before its handshake is done no byte may leave, while UDP needs none.".into(),
        (_, 0, _) => {
            format!("UDP brought none of {messages}: whether nobody listens or all were lost, UDP does not say.")
        }
        _ if tcp.lost > 0 => {
            let (received, sent) = (grouped(tcp.received), plural(tcp.sent, "message"));
            format!("TCP was cut short: {received} of {sent} came, in order and without a gap, as far as they go.")
        }
        (.., 0) if again_of(tcp) == 0 && link_lost(tcp) > 0 => {
            "Neither lost a message; the packets of TCP that were lost were ACKs, and the next ACK makes up for one."
                .into()
        }
        (.., 0) if again_of(tcp) == 0 => {
            "Nothing was lost, so TCP had nothing to mend: both brought every message.".into()
        }
        (.., 0) => format!("Both brought every message: UDP by luck, TCP by sending {again} again."),
        (.., lost) => {
            format!("UDP lost {} of {messages}{}; {}", grouped(lost), where_lost(comparison), mended(tcp, &again))
        }
    }
}

fn again_of(tcp: &Column) -> u64 {
    count_of(tcp, "retransmits").unwrap_or(0)
}

/// Packets that an emulated link lost.
fn link_lost(column: &Column) -> u64 {
    match column.figure("drops") {
        Some(Figure { value: Some(Value::Count(lost)), origin: Origin::Link, .. }) => lost,
        _ => 0,
    }
}

/// Where UDP's messages were lost, as far as that is known and worth a word.
fn where_lost(comparison: &Comparison) -> String {
    let udp = &comparison.udp;
    let queue_full = comparison
        .logs
        .as_ref()
        .map_or(0, |logs| Direction::BOTH.iter().map(|direction| logs.udp.counts(*direction).queue_full).sum());
    let (count, place) = match udp.figure("drops") {
        Some(Figure { value: Some(Value::Count(drops @ 1..)), origin: Origin::Kernel, .. }) => {
            (drops, "because the receiver's socket buffer was full")
        }
        _ if queue_full > 0 => (queue_full, "in a full queue, for nothing slows it down"),
        _ => return " and went on".into(),
    };
    let of_them = if count == udp.lost { "all".to_owned() } else { format!("{} of them", grouped(count)) };
    format!(", {of_them} {place}")
}

/// What TCP did about its own losses.
fn mended(tcp: &Column, again: &str) -> String {
    match count_of(tcp, "retransmits") {
        Some(0) => "TCP, which sends no faster than its receiver takes, brought every byte.".into(),
        Some(_) => format!("TCP brought every byte, and sent {again} again for it."),
        None => "TCP brought every byte.".into(),
    }
}

fn waiting(workload: &Workload, tcp: &Column, udp: &Column) -> String {
    if let (Some(tcp), Some(udp)) = (tcp.trips, udp.trips) {
        return round_trips(tcp, udp);
    }
    let rates = [tcp, udp].map(|column| column.throughput.map(bits_per_second));
    let (late, timeout) = (grouped(tcp.late), duration(workload.timeout));
    let again = count_of(tcp, "retransmits") > Some(0);
    match rates {
        [Some(tcp), Some(_)] if late != "0" && again && workload.one_way => format!(
            "TCP carried {tcp}, and {late} of its messages came later than {timeout} after they were sent: what is lost \
             holds up all behind it."
        ),
        [Some(tcp), Some(udp)] if workload.one_way => {
            format!("TCP carried {tcp}, UDP {udp}: TCP sends what the way takes, UDP what it is given.")
        }
        _ => "How long a message takes, there was too little to tell by.".into(),
    }
}

fn round_trips(tcp: RoundTrips, udp: RoundTrips) -> String {
    let [tcp_p50, tcp_max, udp_p50, udp_max] = [tcp.p50, tcp.max, udp.p50, udp.max].map(Option::unwrap_or_default);
    let (shorter, longer) = (tcp_p50.min(udp_p50), tcp_p50.max(udp_p50));
    if tcp_max > SLOWER * udp_max {
        return format!(
            "TCP's slowest reply took {}, UDP's {}: what TCP mends, all behind it has to wait for.",
            time(tcp_max),
            time(udp_max)
        );
    }
    if longer * 100 <= shorter * ABOUT_THE_SAME {
        let (tcp, udp) = (time(tcp_p50), time(udp_p50));
        return format!("A round trip takes both about as long, {tcp} and {udp} in the median.");
    }
    let first = if tcp_p50 < udp_p50 { "TCP" } else { "UDP" };
    format!("{first}'s median round trip is the shorter one, {} against {}.", time(shorter), time(longer))
}

fn cost(tcp: &Column, udp: &Column) -> String {
    let packets = [tcp, udp].map(|column| count_of(column, "packets"));
    let bytes = [tcp, udp].map(|column| count_of(column, "wire_bytes"));
    let ([Some(tcp_packets), Some(udp_packets)], [Some(tcp_bytes), Some(udp_bytes)]) = (packets, bytes) else {
        return match (tcp.samples.calls, udp.samples.calls) {
            (Some(tcp), Some(udp)) => {
                format!("The client made {} by TCP, and {} by UDP.", plural(tcp, "socket call"), grouped(udp))
            }
            _ => "What it cost, there was too little to tell by.".into(),
        };
    };
    let why = match (tcp_packets < udp_packets, tcp_bytes < udp_bytes) {
        _ if tcp.received == 0 => "a connection that is not there yet costs little",
        (true, true) => "TCP puts small messages together, UDP gives each a packet and headers of its own",
        (true, false) => "TCP puts messages together, and its headers are longer",
        (false, _) => "handshake, ACKs and longer headers are TCP's price",
    };
    format!(
        "For that TCP put {} and {} on the wire, UDP {} and {}: {why}.",
        plural(tcp_packets, "packet"),
        plural(tcp_bytes, "byte"),
        grouped(udp_packets),
        grouped(udp_bytes)
    )
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
