//! The results as Markdown.

use std::fmt::Write;

use crate::compare::{PeerTurns, Turns};
use crate::kernel::machine;
use crate::measure::{Hold, RoundTrips};
use crate::placement::Placement;
use crate::server::Peer;
use crate::stats::Spread;

const KIB: f64 = 1024.0;

/// All that was measured in one run.
pub struct Results<'a> {
    pub peers: &'a [Peer],
    /// The peer that the others' CPU is divided by.
    pub reference: usize,
    pub turns: usize,
    pub message_bytes: usize,
    pub period_s: f64,
    pub sections: Vec<Section>,
    pub hold: Option<Turns<Hold>>,
}

/// The loads that were run under one placement.
pub struct Section {
    pub placement: Placement,
    pub loads: Vec<Turns<RoundTrips>>,
}

impl Results<'_> {
    pub fn markdown(&self) -> String {
        let mut text = self.header();
        for section in &self.sections {
            text += &self.round_trip_table(section);
        }
        if let Some(hold) = &self.hold {
            text += &self.hold_table(hold);
        }
        text
    }

    /// Whether every peer came through all its turns with every byte right.
    pub fn whole(&self) -> bool {
        let loads = self.sections.iter().flat_map(|section| &section.loads);
        let mut rows = loads.flat_map(|turns| &turns.by_peer);
        let mut held = self.hold.iter().flat_map(|turns| &turns.by_peer);
        rows.all(|turns| turns.is_ok()) && held.all(|turns| turns.is_ok())
    }

    fn header(&self) -> String {
        format!(
            "# TCP echo, side by side\n\n\
             {}, loopback; {} turns of {} s each, the servers taking turns, each turn a fresh server.\n\
             Figures are medians, with (least–most) of the turns. Every byte of every reply was compared.\n",
            machine(),
            self.turns,
            self.period_s
        )
    }

    fn round_trip_table(&self, section: &Section) -> String {
        let mut text = format!(
            "\n## Round trips of {} bytes, {}\n\n\
             | connections | server | server CPU per round trip, µs | ÷ {} | of it user | round trips/s | p50, µs | p99, µs |\n\
             |--:|---|--:|--:|--:|--:|--:|--:|\n",
            self.message_bytes,
            section.placement.describe(),
            self.peers[self.reference].name
        );
        for turns in &section.loads {
            let reference = &turns.by_peer[self.reference];
            for (peer, rows) in self.peers.iter().zip(&turns.by_peer) {
                let cells = match rows {
                    Ok(rows) => round_trip_cells(rows, cpu_ratio(rows, reference)),
                    Err(why) => failed(why, 6),
                };
                let connections = thousands(turns.connections);
                let _ = writeln!(text, "| {connections} | {} | {cells} |", peer.name);
            }
        }
        text
    }

    fn hold_table(&self, hold: &Turns<Hold>) -> String {
        let mut text = format!(
            "\n## {} connections held at once\n\n\
             | server | all connected, s | worst connect, ms | all answered, s | SYN retransmits | listen overflows / drops | \
             bytes per connection | at the peak | resident before, KiB | one round trip, p50 µs | p99 µs |\n\
             |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
            thousands(hold.connections)
        );
        for (peer, rows) in self.peers.iter().zip(&hold.by_peer) {
            let cells = match rows {
                Ok(rows) => hold_cells(rows, hold.connections),
                Err(why) => failed(why, 10),
            };
            let _ = writeln!(text, "| {} | {cells} |", peer.name);
        }
        text += "\nSYN retransmits, overflows and drops are the kernel's, summed over all turns. \
                 Memory is the process's own; what the kernel keeps for each socket is the same for all.\n";
        text
    }
}

fn round_trip_cells(rows: &[RoundTrips], ratio: Option<Spread>) -> String {
    let of = |field: fn(&RoundTrips) -> f64| Cell(Spread::of(rows.iter().map(field)));
    format!(
        "{:.2} | {:.2} | {:.0} % | {:.0} | {:.1} | {:.1}",
        of(|row| row.cpu_us),
        Cell(ratio),
        of(|row| row.user_share * 100.0).median(),
        of(|row| row.rate),
        of(|row| row.p50_us),
        of(|row| row.p99_us),
    )
}

fn hold_cells(rows: &[Hold], connections: usize) -> String {
    let of = |field: &dyn Fn(&Hold) -> f64| Cell(Spread::of(rows.iter().map(field)));
    let sum = |field: fn(&Hold) -> u64| rows.iter().map(field).sum::<u64>();
    format!(
        "{:.2} | {:.1} | {:.2} | {} | {} / {} | {:.0} | {:.0} | {:.0} | {:.1} | {:.1}",
        of(&|row| row.connect_s),
        of(&|row| row.worst_connect_ms),
        of(&|row| row.answered_s),
        sum(|row| row.handshakes.syn_retransmits),
        sum(|row| row.handshakes.listen_overflows),
        sum(|row| row.handshakes.listen_drops),
        of(&|row| row.bytes_each(connections)),
        of(&|row| row.peak_bytes_each(connections)).median(),
        of(&|row| row.before / KIB).median(),
        of(&|row| row.p50_us).median(),
        of(&|row| row.p99_us).median(),
    )
}

fn failed(why: &str, columns: usize) -> String {
    format!("**failed**: {}{}", why.replace('|', "/"), " |".repeat(columns - 1))
}

/// A spread, or a dash where there is none.
struct Cell(Option<Spread>);

impl Cell {
    fn median(&self) -> f64 {
        self.0.map_or(f64::NAN, |spread| spread.median)
    }
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(spread) => spread.fmt(f),
            None => f.write_str("–"),
        }
    }
}

/// The ratio within each turn, then its spread: what slows one turn slows both sides of it.
pub fn cpu_ratio(rows: &[RoundTrips], reference: &PeerTurns<RoundTrips>) -> Option<Spread> {
    let pairs = rows.iter().zip(reference.as_ref().ok()?);
    Spread::of(pairs.map(|(row, reference)| row.cpu_us / reference.cpu_us))
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

    fn turn(cpu_us: f64) -> RoundTrips {
        RoundTrips { cpu_us, user_share: 0.1, rate: 1.0, p50_us: 1.0, p99_us: 2.0 }
    }

    #[test]
    fn ratios_pair_the_turns_that_lay_side_by_side() {
        let reference = Ok(vec![turn(1.0), turn(10.0)]);
        let ratio = cpu_ratio(&[turn(2.0), turn(20.0)], &reference).unwrap();
        assert_eq!((ratio.least, ratio.most), (2.0, 2.0));
    }

    #[test]
    fn a_failed_reference_leaves_no_ratio() {
        assert!(cpu_ratio(&[turn(2.0)], &Err("it closed".into())).is_none());
    }

    #[test]
    fn thousands_are_set_apart() {
        let written = [0, 64, 1_000, 10_000, 1_002_003].map(thousands);
        assert_eq!(written, ["0", "64", "1,000", "10,000", "1,002,003"]);
    }
}
