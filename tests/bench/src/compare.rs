//! All peers, turn by turn in one run, so that whatever disturbs the machine disturbs all.

use anyhow::Result;

use crate::measure::{Conditions, Figures, Load};
use crate::server::Peer;
use crate::stats::Spread;

/// Every peer's turns under one load, in the order of the peers.
pub struct Turns {
    pub load: Load,
    /// The turns `t` of all peers lie side by side in time.
    pub by_peer: Vec<PeerTurns>,
}

/// One peer's turns: all of them, or why there are none.
pub type PeerTurns = Result<Vec<Figures>, String>;

/// Whoever goes first in one turn goes last in the next: no peer always follows the same other.
/// A peer that fails a turn takes no more of them, and the others go on.
pub fn take_turns(peers: &[Peer], turns: usize, load: Load, conditions: &Conditions) -> Turns {
    let mut by_peer: Vec<PeerTurns> = peers.iter().map(|_| Ok(Vec::new())).collect();
    for turn in 0..turns {
        for step in 0..peers.len() {
            let which = (turn + step) % peers.len();
            let (peer, Ok(taken)) = (&peers[which], &mut by_peer[which]) else {
                continue;
            };
            if peer.takes_part_in(load) {
                match load.run(peer, conditions).inspect(|figures| tell(load, peer, figures)) {
                    Ok(figures) => taken.push(figures),
                    Err(error) => by_peer[which] = Err(failure(load, peer, &error)),
                }
            }
        }
    }
    Turns { load, by_peer }
}

fn tell(load: Load, peer: &Peer, figures: &Figures) {
    let shown = ["cpu_us", "rate", "mb_s", "p99_us", "connect_s", "bytes_each", "lost"];
    let shown = shown.iter().filter_map(|name| Some(format!("{name} {:.2}", figures.get(name)?)));
    eprintln!("{:>8}  {:<14} {}", load.describe(), peer.name, shown.collect::<Vec<_>>().join("  "));
}

fn failure(load: Load, peer: &Peer, error: &anyhow::Error) -> String {
    eprintln!("{:>8}  {:<14} failed: {error:#}", load.describe(), peer.name);
    format!("{error:#}")
}

impl Turns {
    /// The spread of one figure over a peer's turns.
    pub fn of(&self, peer: usize, name: &str) -> Option<Spread> {
        Spread::of(self.by_peer[peer].as_ref().ok()?.iter().filter_map(|figures| figures.get(name).copied()))
    }

    /// The sum of one figure over a peer's turns.
    pub fn sum(&self, peer: usize, name: &str) -> f64 {
        let turns = self.by_peer[peer].iter().flatten();
        turns.filter_map(|figures| figures.get(name)).sum()
    }

    /// The ratio within each turn, then its spread: what slows one turn slows both sides of it.
    pub fn ratio(&self, peer: usize, reference: usize, name: &str) -> Option<Spread> {
        let pairs = self.by_peer[peer].as_ref().ok()?.iter().zip(self.by_peer[reference].as_ref().ok()?);
        Spread::of(pairs.filter_map(|(figures, reference)| Some(figures.get(name)? / reference.get(name)?)))
    }

    /// Of several peers the one that costs least CPU, by the median.
    pub fn best(&self, peers: &[usize]) -> Option<usize> {
        let median = |peer: &usize| Some((self.of(*peer, "cpu_us")?.median, *peer));
        peers.iter().filter_map(median).min_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, peer)| peer)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn turns(by_peer: Vec<PeerTurns>) -> Turns {
        Turns { load: Load::RoundTrips(64), by_peer }
    }

    pub fn costs(costs: &[f64]) -> PeerTurns {
        Ok(costs.iter().map(|&cost| Figures::from([("cpu_us", cost)])).collect())
    }

    #[test]
    fn ratios_pair_the_turns_that_lay_side_by_side() {
        let turns = turns(vec![costs(&[1.0, 10.0]), costs(&[2.0, 20.0])]);
        let ratio = turns.ratio(1, 0, "cpu_us").unwrap();
        assert_eq!((ratio.least, ratio.most), (2.0, 2.0));
    }

    #[test]
    fn a_failed_reference_leaves_no_ratio() {
        let turns = turns(vec![Err("it closed".into()), costs(&[2.0])]);
        assert!(turns.ratio(1, 0, "cpu_us").is_none());
    }

    #[test]
    fn the_better_of_two_references_is_the_one_whose_median_is_less() {
        let turns = turns(vec![costs(&[3.0, 3.0]), costs(&[2.0, 2.5]), Err("it closed".into())]);
        assert_eq!(turns.best(&[0, 1, 2]), Some(1));
        assert_eq!(turns.best(&[2]), None);
    }
}
