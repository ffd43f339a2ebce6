//! All peers, turn by turn in one run, so that whatever disturbs the machine disturbs all.

use anyhow::{Result, bail};

use crate::measure::{self, Hold, RoundTrips, Workload};
use crate::server::Peer;

/// Every peer's turns under one condition, in the order of the peers.
pub struct Turns<T> {
    pub connections: usize,
    /// The turns `t` of all peers lie side by side in time.
    pub by_peer: Vec<PeerTurns<T>>,
}

/// One peer's turns: all of them, or why there are none.
pub type PeerTurns<T> = Result<Vec<T>, String>;

pub fn round_trips(peers: &[Peer], turns: usize, workload: Workload) -> Turns<RoundTrips> {
    take_turns(peers, turns, workload.connections, |peer| {
        let turn = measure::round_trips(peer, workload)?;
        eprintln!(
            "{:>6} connections  {:<14} {:6.2} µs CPU  {:8.0} /s",
            workload.connections, peer.name, turn.cpu_us, turn.rate
        );
        Ok(turn)
    })
}

pub fn hold(peers: &[Peer], turns: usize, connections: usize, message_bytes: usize) -> Turns<Hold> {
    take_turns(peers, turns, connections, |peer| {
        let turn = measure::hold(peer, connections, message_bytes)?;
        eprintln!(
            "{connections:>6} held         {:<14} {:6.2} s to connect  {:5.0} bytes each",
            peer.name,
            turn.connect_s,
            turn.bytes_each(connections)
        );
        Ok(turn)
    })
}

/// Whoever goes first in one turn goes last in the next: no peer always follows the same other.
/// A peer that fails a turn takes no more of them, and the others go on.
fn take_turns<T>(peers: &[Peer], turns: usize, connections: usize, measure: impl Fn(&Peer) -> Result<T>) -> Turns<T> {
    let mut by_peer: Vec<PeerTurns<T>> = peers.iter().map(|_| Ok(Vec::new())).collect();
    for turn in 0..turns {
        for step in 0..peers.len() {
            let which = (turn + step) % peers.len();
            let Ok(taken) = &mut by_peer[which] else {
                continue;
            };
            match measure(&peers[which]) {
                Ok(turn) => taken.push(turn),
                Err(error) => by_peer[which] = Err(failure(&peers[which], connections, &error)),
            }
        }
    }
    Turns { connections, by_peer }
}

fn failure(peer: &Peer, connections: usize, error: &anyhow::Error) -> String {
    eprintln!("{connections:>6} connections  {:<14} failed: {error:#}", peer.name);
    format!("{error:#}")
}

pub fn position(peers: &[Peer], name: &str) -> Result<usize> {
    match peers.iter().position(|peer| peer.name == name) {
        Some(position) => Ok(position),
        None => bail!("no peer is named {name}"),
    }
}
