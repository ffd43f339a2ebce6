//! One turn of each measurement, on one freshly started server.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::clients::{Clients, Latencies};
use crate::connect::{Connected, connect_all};
use crate::datagrams::Datagrams;
use crate::kernel::Handshakes;
use crate::placement::Placement;
use crate::report::thousands;
use crate::server::{Cpu, Peer, Server};
use crate::stats::percentile;
use crate::stream::Streams;

/// Left to a server that has just accepted or answered everybody, before its memory is read:
/// allocators and event loops may still be settling.
const SETTLE: Duration = Duration::from_millis(300);

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * KIB;

/// What one turn gave, each figure by its name; the names are those of `results.json`.
pub type Figures = BTreeMap<&'static str, f64>;

/// How a turn is run.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    pub placement: Placement,
    pub message_bytes: usize,
    pub warm_up: Duration,
    pub period: Duration,
}

/// What a server is put to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// One message under way on each of so many connections.
    RoundTrips(usize),
    /// As much as goes, on so many connections.
    Streams(usize),
    /// So many sockets, each with so many datagrams under way.
    Datagrams(usize, usize),
    /// So many connections at once, most of them idle.
    Hold(usize),
}

impl Load {
    /// How many clients that is.
    pub fn clients(self) -> usize {
        match self {
            Self::RoundTrips(count) | Self::Streams(count) | Self::Datagrams(count, _) | Self::Hold(count) => count,
        }
    }

    pub fn describe(self) -> String {
        match self {
            Self::Datagrams(sockets, window) => format!("{sockets} × {window}"),
            _ => thousands(self.clients()),
        }
    }

    pub fn run(self, peer: &Peer, conditions: &Conditions) -> Result<Figures> {
        match self {
            Self::RoundTrips(connections) => round_trips(peer, connections, conditions),
            Self::Streams(connections) => streams(peer, connections, conditions),
            Self::Datagrams(sockets, window) => datagrams(peer, sockets, window, conditions),
            Self::Hold(connections) => hold(peer, connections, conditions.message_bytes),
        }
    }
}

fn round_trips(peer: &Peer, connections: usize, conditions: &Conditions) -> Result<Figures> {
    let server = conditions.placement.start(peer)?;
    let streams = connect_all(server.addr, connections)?.streams;
    let mut clients = Clients::new(streams, conditions.message_bytes)?;
    clients.run(conditions.warm_up)?;
    let (latencies, elapsed, cpu) = timed(&server, || clients.run(conditions.period))?;
    clients.finish()?;
    let memory = server.memory()?.peak;
    // Before the clients go, or it would have a reset from each of them to report.
    drop(server);
    let mut figures = of_latencies(latencies, elapsed, cpu);
    figures.insert("memory_kib", memory / KIB);
    Ok(figures)
}

fn datagrams(peer: &Peer, sockets: usize, window: usize, conditions: &Conditions) -> Result<Figures> {
    let server = conditions.placement.start(peer)?;
    let mut clients = Datagrams::new(server.addr, sockets, window, conditions.message_bytes)?;
    clients.run(conditions.warm_up)?;
    let ((latencies, lost), elapsed, cpu) = timed(&server, || clients.run(conditions.period))?;
    let mut figures = of_latencies(latencies, elapsed, cpu);
    figures.insert("lost", lost as f64);
    figures.insert("memory_kib", server.memory()?.peak / KIB);
    Ok(figures)
}

fn streams(peer: &Peer, connections: usize, conditions: &Conditions) -> Result<Figures> {
    let server = conditions.placement.start(peer)?;
    let mut clients = Streams::new(connect_all(server.addr, connections)?.streams)?;
    clients.run(conditions.warm_up)?;
    let (bytes, elapsed, cpu) = timed(&server, || clients.run(conditions.period))?;
    let memory = server.memory()?.peak;
    drop(server);
    let megabytes = bytes as f64 / 1e6;
    Ok(Figures::from([
        ("mb_s", megabytes / elapsed.as_secs_f64()),
        ("cpu_us", cpu.total_ns / 1e3 / megabytes),
        ("user_percent", 100.0 * cpu.user_share()),
        ("memory_kib", memory / KIB),
    ]))
}

/// Runs a load, and tells how long it took and what it cost the server.
fn timed<T>(server: &Server, run: impl FnOnce() -> Result<T>) -> Result<(T, Duration, Cpu)> {
    let before = server.cpu()?;
    let began = Instant::now();
    let result = run()?;
    let elapsed = began.elapsed();
    Ok((result, elapsed, server.cpu()?.since(before)))
}

fn of_latencies(mut latencies: Latencies, elapsed: Duration, cpu: Cpu) -> Figures {
    latencies.sort_unstable();
    Figures::from([
        ("cpu_us", cpu.total_ns / 1e3 / latencies.len() as f64),
        ("user_percent", 100.0 * cpu.user_share()),
        ("rate", latencies.len() as f64 / elapsed.as_secs_f64()),
        ("p50_us", microseconds(&latencies, 0.5)),
        ("p99_us", microseconds(&latencies, 0.99)),
        ("p999_us", microseconds(&latencies, 0.999)),
    ])
}

fn hold(peer: &Peer, connections: usize, message_bytes: usize) -> Result<Figures> {
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
    Ok(Figures::from([
        ("connect_s", took.as_secs_f64()),
        ("worst_connect_ms", worst.as_secs_f64() * 1e3),
        // From the first message to the last reply, all connections sending at once.
        ("answered_s", microseconds(&answers, 1.0) / 1e6),
        ("syn_retransmits", handshakes.syn_retransmits as f64),
        ("listen_overflows", handshakes.listen_overflows as f64),
        ("listen_drops", handshakes.listen_drops as f64),
        ("before_kib", before / KIB),
        ("bytes_each", (idle - before) / connections as f64),
        ("peak_bytes_each", (peak - before) / connections as f64),
        // Round trips one at a time, on each connection in turn, all others held.
        ("p50_us", microseconds(&latencies, 0.5)),
        ("p99_us", microseconds(&latencies, 0.99)),
    ]))
}

/// The memory of a server that has served nobody, in MiB.
pub fn idle(peer: &Peer) -> Result<f64> {
    let server = Placement::Free.start(peer)?;
    thread::sleep(SETTLE);
    Ok(server.memory()?.peak / MIB)
}

fn microseconds(sorted: &Latencies, share: f64) -> f64 {
    f64::from(percentile(sorted, share)) / 1e3
}
