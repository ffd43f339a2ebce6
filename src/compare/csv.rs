//! The figures as comma-separated values (RFC 4180): a line for each, TCP's
//! and UDP's value beside each other, each with its origin.

use super::comparison::Comparison;
use super::stats::{Figure, Value};

/// The whole file.
pub fn csv(comparison: &Comparison) -> String {
    let mut text = String::from("figure,tcp,tcp_origin,udp,udp_origin\n");
    for (tcp, udp) in comparison.tcp.figures().iter().zip(&comparison.udp.figures()) {
        for ((name, tcp_value), (_, udp_value)) in cells(tcp).into_iter().zip(cells(udp)) {
            text += &format!("{name},{tcp_value},{},{udp_value},{}\n", tcp.origin.name(), udp.origin.name());
        }
    }
    text
}

/// A figure's name and value; of round trips, four of each.
fn cells(figure: &Figure) -> Vec<(String, String)> {
    let name = figure.name;
    let text = |count: Option<u64>| count.map(|count| count.to_string()).unwrap_or_default();
    let trips = |min, p50, p99, max| {
        let named = [("min", min), ("p50", p50), ("p99", p99), ("max", max)];
        named.map(|(which, value)| (format!("rtt_{which}_us"), text(value))).to_vec()
    };
    match figure.value {
        Some(Value::Trips(rtt)) => trips(rtt.min, rtt.p50, rtt.p99, rtt.max),
        None if name == "rtt_us" => trips(None, None, None, None),
        Some(Value::Count(value) | Value::Micros(value) | Value::BitsPerSecond(value)) => {
            vec![(name.to_owned(), text(Some(value)))]
        }
        None => vec![(name.to_owned(), String::new())],
    }
}
