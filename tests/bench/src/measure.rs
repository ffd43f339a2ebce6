//! One turn of each measurement, on one freshly started server.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::clients::{Clients, Latencies};
use crate::connect::{Connected, connect_all};
use crate::kernel::Handshakes;
use crate::placement::Placement;
use crate::server::Peer;
use crate::stats::percentile;

/// Left to a server that has just accepted or answered everybody, before its memory is read:
/// allocators and event loops may still be settling.
const SETTLE: Duration = Duration::from_millis(300);

/// How a turn of round trips is run.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    pub placement: Placement,
    pub connections: usize,
    pub message_bytes: usize,
    pub warm_up: Duration,
    pub period: Duration,
}

/// What one turn of round trips gave. Times in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct RoundTrips {
    pub cpu_us: f64,
    pub user_share: f64,
    pub rate: f64,
    pub p50_us: f64,
    pub p99_us: f64,
}

pub fn round_trips(peer: &Peer, workload: Workload) -> Result<RoundTrips> {
    let server = workload.placement.start(peer)?;
    let streams = connect_all(server.addr, workload.connections)?.streams;
    let mut clients = Clients::new(streams, workload.message_bytes)?;
    clients.run(workload.warm_up)?;

    let before = server.cpu()?;
    let began = Instant::now();
    let mut latencies = clients.run(workload.period)?;
    let elapsed = began.elapsed();
    let cpu = server.cpu()?.since(before);
    clients.finish()?;
    // Before the clients go, or it would have a reset from each of them to report.
    drop(server);

    latencies.sort_unstable();
    Ok(RoundTrips {
        cpu_us: cpu.total_ns / 1e3 / latencies.len() as f64,
        user_share: cpu.user_share(),
        rate: latencies.len() as f64 / elapsed.as_secs_f64(),
        p50_us: microseconds(&latencies, 0.5),
        p99_us: microseconds(&latencies, 0.99),
    })
}

/// What holding many connections at once gave.
#[derive(Clone, Copy, Debug)]
pub struct Hold {
    pub connect_s: f64,
    pub worst_connect_ms: f64,
    /// From the first message to the last reply, all connections sending at once.
    pub answered_s: f64,
    pub handshakes: Handshakes,
    /// Server memory, in bytes: before the first connection, with all of them idle, at most.
    pub before: f64,
    pub idle: f64,
    pub peak: f64,
    /// Round trips one at a time, on each connection in turn, all others held.
    pub p50_us: f64,
    pub p99_us: f64,
}

pub fn hold(peer: &Peer, connections: usize, message_bytes: usize) -> Result<Hold> {
    let server = Placement::Free.start(peer)?;
    thread::sleep(SETTLE);
    let before = server.memory()?.resident;
    let handshakes = Handshakes::now()?;

    let Connected { streams, took, worst } = connect_all(server.addr, connections)?;
    let mut clients = Clients::new(streams, message_bytes)?;
    let mut answers = clients.all_at_once()?;
    answers.sort_unstable();
    thread::sleep(SETTLE);
    let idle = server.memory()?.resident;

    let mut latencies = clients.one_by_one()?;
    latencies.sort_unstable();
    let handshakes = Handshakes::now()?.since(handshakes);
    let peak = server.memory()?.peak;
    drop(server);
    Ok(Hold {
        connect_s: took.as_secs_f64(),
        worst_connect_ms: worst.as_secs_f64() * 1e3,
        answered_s: microseconds(&answers, 1.0) / 1e6,
        handshakes,
        before,
        idle,
        peak,
        p50_us: microseconds(&latencies, 0.5),
        p99_us: microseconds(&latencies, 0.99),
    })
}

impl Hold {
    pub fn bytes_each(&self, connections: usize) -> f64 {
        (self.idle - self.before) / connections as f64
    }

    pub fn peak_bytes_each(&self, connections: usize) -> f64 {
        (self.peak - self.before) / connections as f64
    }
}

fn microseconds(sorted: &Latencies, share: f64) -> f64 {
    f64::from(percentile(sorted, share)) / 1e3
}
