//! What one peer is to reach, and whether it did.

use std::fmt::Write;

use crate::compare::Turns;
use crate::measure::{Hold, RoundTrips};
use crate::placement::Placement;
use crate::report::{Results, cpu_ratio, thousands};
use crate::stats::Spread;

/// Server CPU beside the reference's, for code that is traced, limited and stopped in order.
const MOST_CPU: f64 = 1.10;

/// Server memory for one idle connection, outside the kernel.
const MOST_BYTES_EACH: f64 = 2048.0;

/// One claim that can be met or missed.
pub struct Target {
    pub claim: String,
    pub met: bool,
}

pub fn targets(results: &Results, subject: usize) -> Vec<Target> {
    let mut targets = Vec::new();
    for section in &results.sections {
        // One connection alone measures how the machine wakes a sleeper, not the server.
        let busy = section.loads.iter().filter(|turns| turns.connections > 1);
        targets.extend(busy.map(|turns| cpu(results, section.placement, turns, subject)));
    }
    if let Some(hold) = &results.hold {
        match &hold.by_peer[subject] {
            Ok(rows) => targets.extend(held(rows, hold.connections)),
            Err(why) => targets.push(Target { claim: format!("connections are held: {why}"), met: false }),
        }
    }
    targets
}

fn cpu(results: &Results, placement: Placement, turns: &Turns<RoundTrips>, subject: usize) -> Target {
    let rows = turns.by_peer[subject].as_deref().unwrap_or_default();
    let ratio = cpu_ratio(rows, &turns.by_peer[results.reference]);
    Target {
        claim: format!(
            "CPU per round trip at {} connections, {}, at most {MOST_CPU:.2} of {}'s: {}",
            thousands(turns.connections),
            placement.describe(),
            results.peers[results.reference].name,
            ratio.map_or("not measured".into(), |ratio| format!("{ratio:.2}"))
        ),
        met: ratio.is_some_and(|ratio| ratio.median <= MOST_CPU),
    }
}

fn held(rows: &[Hold], connections: usize) -> Vec<Target> {
    let retransmits: u64 = rows.iter().map(|row| row.handshakes.syn_retransmits).sum();
    let worst = Spread::of(rows.iter().map(|row| row.worst_connect_ms));
    let each = Spread::of(rows.iter().map(|row| row.bytes_each(connections)));
    let (Some(worst), Some(each)) = (worst, each) else {
        return Vec::new();
    };
    let target = |claim, met| Target { claim, met };
    vec![
        target(format!("connecting takes no SYN retry: {retransmits}"), retransmits == 0),
        target(format!("no connect takes a second: {:.1} ms at worst", worst.most), worst.most < 1000.0),
        target(format!("at most {MOST_BYTES_EACH} bytes a connection: {each:.0}"), each.most <= MOST_BYTES_EACH),
    ]
}

/// The targets as a Markdown list.
pub fn verdict(subject: &str, targets: &[Target]) -> String {
    let mut text = format!("\n## {subject} against its targets\n\n");
    for target in targets {
        let _ = writeln!(text, "- {}: {}", target.claim, if target.met { "met" } else { "**missed**" });
    }
    text
}
