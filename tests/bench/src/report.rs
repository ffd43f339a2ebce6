//! The results as Markdown, and as JSON for whoever draws them.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::compare::Turns;
use crate::kernel::machine;
use crate::measure::Load;
use crate::program::Program;
use crate::server::{Peer, position};
use crate::stats::Spread;

/// All that was measured in one run.
pub struct Results {
    pub turns: usize,
    pub message_bytes: usize,
    pub period_s: f64,
    pub sections: Vec<Section>,
    pub program: Option<Program>,
}

/// The loads of one kind that were run under one placement.
pub struct Section {
    pub title: String,
    pub peers: Vec<Peer>,
    /// The peers of which the best is what CPU is divided by.
    pub references: Vec<usize>,
    pub loads: Vec<Turns>,
}

/// A column of a table.
struct Column {
    head: &'static str,
    /// The figure's name in a turn.
    name: &'static str,
    digits: usize,
    shows: Shows,
}

#[derive(Clone, Copy, PartialEq)]
enum Shows {
    /// Median, least and most.
    Spread,
    Median,
    /// All turns together.
    Sum,
    /// Divided by the reference, turn by turn.
    Ratio,
}

const fn column(head: &'static str, name: &'static str, digits: usize, shows: Shows) -> Column {
    Column { head, name, digits, shows }
}

const ROUND_TRIPS: &[Column] = &[
    column("server CPU per round trip, µs", "cpu_us", 2, Shows::Spread),
    column("÷ C", "cpu_us", 2, Shows::Ratio),
    column("of it user, %", "user_percent", 0, Shows::Median),
    column("round trips/s", "rate", 0, Shows::Spread),
    column("p50, µs", "p50_us", 1, Shows::Median),
    column("p99, µs", "p99_us", 1, Shows::Spread),
    column("p99.9, µs", "p999_us", 1, Shows::Median),
    column("memory, KiB", "memory_kib", 0, Shows::Median),
];

const DATAGRAMS: &[Column] = &[
    column("server CPU per datagram, µs", "cpu_us", 2, Shows::Spread),
    column("÷ the better C", "cpu_us", 2, Shows::Ratio),
    column("of it user, %", "user_percent", 0, Shows::Median),
    column("datagrams/s", "rate", 0, Shows::Spread),
    column("p50, µs", "p50_us", 1, Shows::Median),
    column("p99, µs", "p99_us", 1, Shows::Spread),
    column("p99.9, µs", "p999_us", 1, Shows::Median),
    column("lost", "lost", 0, Shows::Sum),
    column("memory, KiB", "memory_kib", 0, Shows::Median),
];

const STREAMS: &[Column] = &[
    column("MB/s", "mb_s", 0, Shows::Spread),
    column("server CPU per MB, µs", "cpu_us", 1, Shows::Spread),
    column("÷ C", "cpu_us", 2, Shows::Ratio),
    column("of it user, %", "user_percent", 0, Shows::Median),
    column("memory, KiB", "memory_kib", 0, Shows::Median),
];

const HOLD: &[Column] = &[
    column("all connected, s", "connect_s", 2, Shows::Spread),
    column("worst connect, ms", "worst_connect_ms", 1, Shows::Spread),
    column("all answered, s", "answered_s", 2, Shows::Spread),
    column("SYN retransmits", "syn_retransmits", 0, Shows::Sum),
    column("listen overflows", "listen_overflows", 0, Shows::Sum),
    column("listen drops", "listen_drops", 0, Shows::Sum),
    column("bytes per connection", "bytes_each", 0, Shows::Spread),
    column("at the peak", "peak_bytes_each", 0, Shows::Median),
    column("resident before, KiB", "before_kib", 0, Shows::Median),
    column("one round trip, p50 µs", "p50_us", 1, Shows::Median),
    column("p99 µs", "p99_us", 1, Shows::Median),
];

fn columns(load: Load) -> &'static [Column] {
    match load {
        Load::RoundTrips(_) => ROUND_TRIPS,
        Load::Streams(_) => STREAMS,
        Load::Datagrams(..) => DATAGRAMS,
        Load::Hold(_) => HOLD,
    }
}

fn first_head(load: Load) -> &'static str {
    if matches!(load, Load::Datagrams(..)) { "sockets × window" } else { "connections" }
}

impl Results {
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "# Echo, side by side\n\n\
             {}, loopback; {} turns of {} s each, the servers taking turns, each turn a fresh server.\n\
             Figures are medians, with (least–most) of the turns. Every byte of every reply was compared.\n",
            machine(),
            self.turns,
            self.period_s
        );
        for section in &self.sections {
            text += &section.table();
        }
        text + &self.program.as_ref().map_or_else(String::new, Program::table)
    }

    /// Every turn's figures, by the names they have in `measure`.
    pub fn json(&self) -> Value {
        json!({
            "machine": machine(),
            "turns": self.turns,
            "message_bytes": self.message_bytes,
            "period_s": self.period_s,
            "sections": self.sections.iter().map(Section::json).collect::<Vec<_>>(),
            "program": self.program.as_ref().map(Program::json),
        })
    }

    /// Whether the subject and its references came through all their turns with every byte right.
    /// Another peer may fail: the table says so, and it is part of what is to be known of it.
    pub fn whole(&self, subject: Option<&str>) -> bool {
        self.sections.iter().all(|section| {
            let subject = subject.and_then(|subject| position(&section.peers, subject));
            let counts = |peer: &usize| subject == Some(*peer) || section.references.contains(peer);
            let mut judged = (0..section.peers.len()).filter(counts);
            judged.all(|peer| section.loads.iter().all(|turns| turns.by_peer[peer].is_ok()))
        })
    }
}

impl Section {
    fn table(&self) -> String {
        let Some(first) = self.loads.first() else { return String::new() };
        let columns = columns(first.load);
        let heads: Vec<&str> = columns.iter().map(|column| column.head).collect();
        let mut text =
            format!("\n## {}\n\n| {} | server | {} |\n", self.title, first_head(first.load), heads.join(" | "));
        let _ = writeln!(text, "|--:|---|{}", "--:|".repeat(columns.len()));
        for turns in &self.loads {
            for (number, peer) in self.peers.iter().enumerate().filter(|(_, peer)| peer.takes_part_in(turns.load)) {
                let cells = match &turns.by_peer[number] {
                    Ok(_) => self.cells(turns, number, columns).join(" | "),
                    Err(why) => format!("**failed**: {}{}", why.replace('|', "/"), " |".repeat(columns.len() - 1)),
                };
                let _ = writeln!(text, "| {} | {} | {cells} |", turns.load.describe(), peer.name);
            }
        }
        if matches!(first.load, Load::Hold(_)) {
            text += "\nSYN retransmits, overflows and drops are the kernel's, summed over all turns. \
                     Memory is the process's own; what the kernel keeps for each socket is the same for all.\n";
        }
        text
    }

    fn cells(&self, turns: &Turns, peer: usize, columns: &[Column]) -> Vec<String> {
        let cell = |column: &Column| {
            let digits = column.digits;
            let spread = match column.shows {
                Shows::Sum => return format!("{:.0}", turns.sum(peer, column.name)),
                Shows::Ratio => turns.best(&self.references).and_then(|best| turns.ratio(peer, best, column.name)),
                Shows::Spread | Shows::Median => turns.of(peer, column.name),
            };
            match spread {
                Some(Spread { median, .. }) if column.shows == Shows::Median => format!("{median:.digits$}"),
                Some(spread) => format!("{spread:.digits$}"),
                None => "–".to_owned(),
            }
        };
        columns.iter().map(cell).collect()
    }

    fn json(&self) -> Value {
        let loads = self.loads.iter().map(|turns| {
            let by_peer = self.peers.iter().zip(&turns.by_peer).map(|(peer, taken)| match taken {
                Ok(taken) => json!({ "server": peer.name, "turns": taken }),
                Err(why) => json!({ "server": peer.name, "failed": why }),
            });
            json!({
                "load": turns.load.describe(),
                "clients": turns.load.clients(),
                "reference": turns.best(&self.references).map(|best| &self.peers[best].name),
                "servers": by_peer.collect::<Vec<_>>(),
            })
        });
        json!({ "title": self.title, "loads": loads.collect::<Vec<_>>() })
    }
}

pub fn thousands(number: usize) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", thousands(number / 1_000), number % 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::{costs, turns};

    fn section() -> Section {
        let peers = ["c=x", "netlab=y", "broken=z"].map(|peer| peer.parse().unwrap()).into();
        let loads = vec![turns(vec![costs(&[2.0]), costs(&[1.0]), Err("it | closed".into())])];
        Section { title: "Round trips".into(), peers, references: vec![0], loads }
    }

    #[test]
    fn a_row_has_a_cell_for_each_column() {
        let table = section().table();
        let rows: Vec<&str> = table.lines().filter(|line| line.starts_with('|')).collect();
        assert!(rows[3].starts_with("| 64 | netlab | 1.00 (1.00–1.00) | 0.50 (0.50–0.50) | – |"), "{table}");
        assert!(rows.iter().all(|row| row.matches('|').count() == rows[0].matches('|').count()), "{table}");
    }

    #[test]
    fn each_turn_is_in_the_json() {
        let json = section().json();
        assert_eq!(json["loads"][0]["servers"][1]["turns"][0]["cpu_us"], 1.0);
        assert_eq!(json["loads"][0]["reference"], "c");
        assert_eq!(json["loads"][0]["servers"][2]["failed"], "it | closed");
    }

    #[test]
    fn thousands_are_set_apart() {
        let written = [0, 64, 1_000, 10_000, 1_002_003].map(thousands);
        assert_eq!(written, ["0", "64", "1,000", "10,000", "1,002,003"]);
    }
}
