//! Both protocols over real sockets: the system's own.
//!
//! The client runs in the calling thread; where messages go at intervals, or
//! one way, another thread sends them. The answering end ([`peer`]) is a
//! thread of its own, unless it is elsewhere.

mod pace;
mod peer;
mod tcp;
mod udp;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use self::peer::Peer;
use self::tcp::Patience;
use self::udp::OnWay;
use super::progress::Progress;
use super::stats::{Origin, Samples};
use super::workload::Workload;
use crate::error::{Attempt, Error, Result};
use crate::link::kernel::Way;
use crate::net::addr::{Addr, Host as AddrHost};
use crate::net::host::Host;
use crate::net::trace::Counter;

/// How long a connection may take: SYNs go after 0, 1, 3, 7 and 15 s.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(16);

/// How long a connection may bring nothing at all before it is given up: eight
/// segments sent again, each after twice the time of the one before.
pub const SILENCE: Duration = Duration::from_secs(60);

/// How long the last datagrams' doubles are awaited.
const STRAGGLERS: Duration = Duration::from_millis(100);

/// IPv4 and TCP headers without options, and the timestamps most systems add.
const TCP_HEADERS: u64 = 40;
const TIMESTAMPS: u64 = 12;

/// What a SYN's options have beyond timestamps: MSS, SACK, window scale (RFC
/// 9293, 2018, 7323), as Linux sets them.
const SYN_OPTIONS: u64 = 8;

/// IPv4 and UDP headers.
const UDP_HEADERS: u64 = 28;

/// Where our own answering end is, and how the client reaches it.
pub struct Route<'a> {
    /// The address it listens on, and by which a packet gets there.
    pub server: IpAddr,
    /// The port it listens on; 0 for any.
    pub port: u16,
    /// The emulated link on the way to it; `None`: it is on this same host.
    pub way: Option<&'a dyn Way>,
    /// When a connection is given up: one that is not there yet, and one that
    /// brings nothing.
    pub patience: [Duration; 2],
}

impl Route<'_> {
    /// Whether no packet is on its way.
    fn is_idle(&self) -> bool {
        self.way.is_none_or(|way| way.is_idle())
    }

    /// Opens the answering end where it is.
    fn open(&self, open: impl Fn(&Addr) -> Result<Peer>) -> Result<Peer> {
        let at = at(self.server, self.port);
        let Some(way) = self.way else { return open(&at) };
        let mut opened = None;
        way.at_server(&mut || opened = Some(open(&at)));
        opened.unwrap_or_else(|| Err(Error::other(Attempt::Bind, "the server's host", "it is gone")))
    }
}

/// Who answers.
pub enum Far<'a> {
    /// Threads of our own.
    Own(&'a Route<'a>),
    /// Servers elsewhere.
    Elsewhere {
        /// A TCP echo server.
        tcp: &'a Addr,
        /// A UDP echo server.
        udp: &'a Addr,
    },
}

/// One probe: what it has to do, and from when it counts.
struct Probe<'a> {
    host: Host,
    workload: &'a Workload,
    progress: &'a Progress,
    calls: Counter,
    started: Instant,
}

impl<'a> Probe<'a> {
    fn new(host: &Host, lab: &'static str, workload: &'a Workload, progress: &'a Progress) -> Probe<'a> {
        let calls = Counter::default();
        let host = Host { lab, trace: host.trace.counted(&calls), ..host.clone() };
        Probe { host, workload, progress, calls, started: Instant::now() }
    }

    fn since(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.started)
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Sends the workload by TCP.
pub fn tcp(host: &Host, workload: &Workload, far: &Far<'_>, progress: &Progress) -> Samples {
    let sampled = match far {
        Far::Elsewhere { tcp, .. } => {
            let patience = Patience { connect: CONNECT_WITHIN, silence: SILENCE, moved: &|| 0 };
            Ok(tcp::ask(Probe::new(host, "tcp-echo", workload, progress), tcp, &patience).0)
        }
        Far::Own(route) => own_tcp(host, workload, route, progress),
    };
    unless_stopped(host, workload, "by tcp", sampled.unwrap_or_else(failed))
}

/// Sends the workload by UDP.
pub fn udp(host: &Host, workload: &Workload, far: &Far<'_>, progress: &Progress) -> Samples {
    let sampled = match far {
        Far::Elsewhere { udp, .. } => {
            let on_way = OnWay { is_loopback: false, is_emulated: false, is_idle: &|| true };
            Ok(udp::ask(Probe::new(host, "udp-echo", workload, progress), udp, &on_way).0)
        }
        Far::Own(route) => own_udp(host, workload, route, progress),
    };
    unless_stopped(host, workload, "by udp", sampled.unwrap_or_else(failed))
}

/// What a stop cut off ends as a failure would; it was none of the peer's.
fn unless_stopped(host: &Host, workload: &Workload, how: &str, mut samples: Samples) -> Samples {
    let (sent, count) = (samples.sent.len(), workload.count as usize);
    if host.stop.is_asked() && (1..count).contains(&sent) {
        let cause = format!("it was stopped after {sent} of {count} messages");
        let stopped = Error::other(Attempt::Compare, how, cause);
        samples.failure = Some(stopped.because("it was asked to end, by Ctrl-C for example").next("a smaller --count"));
    }
    samples
}

fn failed(error: Error) -> Samples {
    Samples { failure: Some(error), ..Samples::default() }
}

fn at(ip: IpAddr, port: u16) -> Addr {
    Addr { host: Some(AddrHost::Ip(ip)), port: Some(port) }
}

fn own_tcp(host: &Host, workload: &Workload, route: &Route, progress: &Progress) -> Result<Samples> {
    let peer = route.open(|at| peer::tcp(host, workload, at))?;
    let probe = Probe::new(host, "compare", workload, progress);
    let [connect, silence] = route.patience;
    let patience = Patience { connect, silence, moved: &|| peer.received() };
    let (mut samples, started) = tcp::ask(probe, &at(route.server, peer.port), &patience);
    let seen = peer.finish();
    if workload.one_way {
        seen.fill(&mut samples, started);
    }
    if let (Some((count, _)), Some(peers)) = (&mut samples.retransmits, seen.retransmits) {
        *count += peers;
    }
    samples.failure = samples.failure.or(seen.failure);
    Ok(samples)
}

fn own_udp(host: &Host, workload: &Workload, route: &Route, progress: &Progress) -> Result<Samples> {
    let peer = route.open(|at| peer::udp(host, workload, at, route.way.map(|_| udp::ROOM)))?;
    let probe = Probe::new(host, "compare", workload, progress);
    let is_idle = || route.is_idle();
    let on_way = OnWay { is_loopback: route.way.is_none(), is_emulated: route.way.is_some(), is_idle: &is_idle };
    let (mut samples, started) = udp::ask(probe, &at(route.server, peer.port), &on_way);
    if workload.one_way {
        peer.wait_until_quiet(&is_idle);
    }
    let seen = peer.finish();
    if workload.one_way {
        seen.fill(&mut samples, started);
    }
    if let (Some((count, _)), Some(peers)) = (&mut samples.drops, seen.drops) {
        *count += peers;
    }
    // Each datagram is one packet here: loopback carries the longest.
    let packets = seen.received + if workload.one_way { 0 } else { samples.arrivals.len() as u64 };
    let packets = packets.max(samples.sent.len() as u64);
    samples.packets = Some((packets, Origin::Measured));
    samples.wire_bytes = Some((packets * (workload.size as u64 + UDP_HEADERS), Origin::Measured));
    Ok(samples)
}
