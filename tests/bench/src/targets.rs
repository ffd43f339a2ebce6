//! What the subject is to reach, and whether it did.

use std::fmt::Write;

use crate::compare::Turns;
use crate::measure::Load;
use crate::program::Program;
use crate::report::{Results, Section};
use crate::server::position;

/// Server CPU beside the better C loop's: a server that is traced, limited and stopped in order is
/// to cost no more than one that is not.
const MOST_CPU: f64 = 1.0;

/// Server memory for one idle connection, outside the kernel.
const MOST_BYTES_EACH: f64 = 2048.0;

const MOST_BINARY_MB: f64 = 12.0;
const MOST_VERSION_MS: f64 = 3.0;
const MOST_IDLE_MIB: f64 = 6.0;

/// One claim that can be met or missed.
pub struct Target {
    pub claim: String,
    pub met: bool,
}

/// `rival` is a peer whose rate, streams and latencies are to be reached.
pub fn targets(results: &Results, subject: &str, rival: Option<&str>) -> Vec<Target> {
    let mut targets = Vec::new();
    for section in &results.sections {
        let Some(subject) = position(&section.peers, subject) else { continue };
        let rival = rival.and_then(|rival| position(&section.peers, rival));
        for turns in &section.loads {
            targets.extend(of_load(section, turns, subject, rival));
        }
    }
    targets.extend(results.program.iter().flat_map(of_program));
    targets
}

fn of_load(section: &Section, turns: &Turns, subject: usize, rival: Option<usize>) -> Vec<Target> {
    let beside = |name, what, is_most| {
        // A rival that failed, as the table says, has no figure to be reached.
        let takes_part = |rival: &usize| section.peers[*rival].takes_part_in(turns.load) && turns.by_peer[*rival].is_ok();
        let rival = rival.filter(takes_part)?;
        Some(beside(section, turns, [subject, rival], (name, what), is_most))
    };
    match turns.load {
        Load::RoundTrips(_) => {
            [Some(cpu(section, turns, subject)), beside("rate", "rate", false), beside("p99_us", "p99", true)]
                .into_iter()
                .flatten()
                .collect()
        }
        Load::Datagrams(..) => vec![cpu(section, turns, subject)],
        Load::Streams(_) => beside("mb_s", "MB/s", false).into_iter().collect(),
        Load::Hold(_) => held(turns, subject),
    }
}

fn place(section: &Section, turns: &Turns) -> String {
    format!("{}, {}", section.title, turns.load.describe())
}

/// The ratio counts as it is printed, with two digits: the third is noise.
fn cpu(section: &Section, turns: &Turns, subject: usize) -> Target {
    let best = turns.best(&section.references);
    let ratio = best.and_then(|best| turns.ratio(subject, best, "cpu_us"));
    let of = best.map_or("C", |best| &section.peers[best].name);
    Target {
        claim: format!(
            "{}: CPU at most {MOST_CPU:.2} of {of}'s: {}",
            place(section, turns),
            ratio.map_or("not measured".into(), |ratio| format!("{ratio:.2}"))
        ),
        met: ratio.is_some_and(|ratio| rounded(ratio.median) <= MOST_CPU),
    }
}

fn rounded(ratio: f64) -> f64 {
    (ratio * 100.0).round() / 100.0
}

/// The subject's figure beside the rival's, turn by turn.
fn beside(
    section: &Section,
    turns: &Turns,
    [subject, rival]: [usize; 2],
    (name, what): (&str, &str),
    is_most: bool,
) -> Target {
    let ratio = turns.ratio(subject, rival, name);
    let (bound, rival) = (if is_most { "at most" } else { "at least" }, &section.peers[rival].name);
    Target {
        claim: format!(
            "{}: {what} {bound} {rival}'s: {} of it",
            place(section, turns),
            ratio.map_or("not measured".into(), |ratio| format!("{ratio:.2}"))
        ),
        met: ratio.is_some_and(|ratio| match rounded(ratio.median) {
            median if is_most => median <= 1.0,
            median => median >= 1.0,
        }),
    }
}

fn held(turns: &Turns, subject: usize) -> Vec<Target> {
    let target = |claim, met| Target { claim, met };
    if let Err(why) = &turns.by_peer[subject] {
        return vec![target(format!("connections are held: {why}"), false)];
    }
    let retransmits = turns.sum(subject, "syn_retransmits");
    let (Some(worst), Some(each)) = (turns.of(subject, "worst_connect_ms"), turns.of(subject, "bytes_each")) else {
        return Vec::new();
    };
    vec![
        target(format!("connecting takes no SYN retry: {retransmits}"), retransmits == 0.0),
        target(format!("no connect takes a second: {:.1} ms at worst", worst.most), worst.most < 1000.0),
        target(format!("at most {MOST_BYTES_EACH} bytes a connection: {each:.0}"), each.most <= MOST_BYTES_EACH),
    ]
}

fn of_program(program: &Program) -> Vec<Target> {
    let (binary, version) = (program.binary_mb, program.version_ms.median);
    let mut targets = vec![
        Target { claim: format!("a binary under {MOST_BINARY_MB} MB: {binary:.2}"), met: binary < MOST_BINARY_MB },
        Target {
            claim: format!("--version under {MOST_VERSION_MS} ms: {:.2}", program.version_ms),
            met: version < MOST_VERSION_MS,
        },
    ];
    targets.extend(program.idle_mib.iter().map(|(command, memory)| Target {
        claim: format!("{command} idle under {MOST_IDLE_MIB} MiB: {memory:.2}"),
        met: memory.most < MOST_IDLE_MIB,
    }));
    targets
}

/// The targets as a Markdown list.
pub fn verdict(subject: &str, targets: &[Target]) -> String {
    let mut text = format!("\n## {subject} against its targets\n\n");
    for target in targets {
        let _ = writeln!(text, "- {}: {}", target.claim, if target.met { "met" } else { "**missed**" });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::tests::{costs, turns};

    fn section(by_peer: Vec<crate::compare::PeerTurns>) -> Section {
        let peers = ["c=x", "batch=y", "netlab=z"].map(|peer| peer.parse().unwrap()).into();
        Section { title: "UDP".into(), peers, references: vec![0, 1], loads: vec![turns(by_peer)] }
    }

    #[test]
    fn cpu_is_measured_by_the_better_reference() {
        let section = section(vec![costs(&[2.0]), costs(&[1.0]), costs(&[1.5])]);
        let target = cpu(&section, &section.loads[0], 2);
        assert!(!target.met && target.claim.contains("batch's: 1.50"), "{}", target.claim);
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        let section = section(vec![costs(&[2.0]), costs(&[1.0]), Err("it closed".into())]);
        assert!(!cpu(&section, &section.loads[0], 2).met);
    }

    #[test]
    fn a_rival_that_failed_sets_no_target_and_a_subject_that_failed_meets_none() {
        let failed = || Err("249 replies did not come".into());
        let of = |subject, rival| {
            let section = section(vec![costs(&[2.0]), rival, subject]);
            of_load(&section, &section.loads[0], 2, Some(1))
        };
        let claims = of(costs(&[1.0]), failed());
        assert!(claims.len() == 1 && claims[0].met, "{} claims", claims.len());
        let claims = of(failed(), costs(&[1.0]));
        assert!(claims.len() == 3 && claims.iter().all(|target| !target.met), "{} claims", claims.len());
    }
}
