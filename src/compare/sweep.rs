//! The same workload over links that differ in one thing (`--sweep
//! loss=0,1%,2%`).

use std::fmt::Write;
use std::str::FromStr;

use anstyle::Style;

use super::stats::{Column, Value};
use super::table::{bits_per_second, grouped};
use crate::link::options::Share;

const HEAD: Style = Style::new().bold();

/// Points of a sweep, at most: each is a run of its own.
const MAX_POINTS: usize = 50;

/// The shares of losses to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep(pub Vec<Share>);

impl FromStr for Sweep {
    type Err = String;

    fn from_str(text: &str) -> Result<Sweep, String> {
        const EXAMPLE: &str = "a sweep is loss and its values, such as loss=0,1%,2%";
        let values = text.strip_prefix("loss=").ok_or(EXAMPLE)?;
        let shares: Vec<Share> = values.split(',').map(str::parse).collect::<Result<_, String>>()?;
        if shares.len() > MAX_POINTS {
            return Err(format!("has more than {MAX_POINTS} values"));
        }
        Ok(Sweep(shares))
    }
}

/// What came of one of its links.
#[derive(Debug, serde::Serialize)]
pub struct Point {
    /// The share of losses.
    pub loss: Share,
    /// By TCP.
    pub tcp: Column,
    /// By UDP.
    pub udp: Column,
}

/// A line for each link.
pub fn table(points: &[Point]) -> String {
    let mut text = format!(
        "{HEAD}{:<10}{:>16}{:>18}{:>18}{:>18}{HEAD:#}\n",
        "loss", "TCP throughput", "retransmissions", "UDP throughput", "messages lost"
    );
    for Point { loss, tcp, udp } in points {
        let _ = writeln!(
            text,
            "{:<10}{:>16}{:>18}{:>18}{:>18}",
            loss.to_string(),
            throughput(tcp),
            count(tcp, "retransmits"),
            throughput(udp),
            count(udp, "lost"),
        );
    }
    text
}

fn throughput(column: &Column) -> String {
    column.throughput.map_or("-".into(), bits_per_second)
}

fn count(column: &Column, name: &str) -> String {
    match column.figure(name).and_then(|figure| figure.value) {
        Some(Value::Count(count)) => grouped(count),
        _ => "-".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_is_loss_and_its_values() {
        let Sweep(shares) = "loss=0,1%,2.5%".parse().unwrap();
        assert_eq!(shares.iter().map(Share::to_string).collect::<Vec<_>>(), ["0%", "1%", "2.5%"]);
        for text in ["", "loss", "loss=", "loss=1", "loss=150%", "delay=1ms", "loss=1%,", "1%,2%"] {
            assert!(text.parse::<Sweep>().is_err(), "{text}");
        }
    }
}
