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

use self::udp::OnWay;
use super::progress::Progress;
use super::stats::{Origin, Samples};
use super::workload::Workload;
use crate::error::Result;
use crate::net::addr::{Addr, Host as AddrHost};
use crate::net::host::Host;
use crate::net::socket::Socket;
use crate::net::trace::Counter;

/// How long a connection may take: SYNs go after 0, 1, 3, 7 and 15 s.
const CONNECT_WITHIN: Duration = Duration::from_secs(16);

/// How long a connection may bring nothing at all before it is given up: eight
/// segments sent again, each after twice the time of the one before.
const SILENCE: Duration = Duration::from_secs(60);

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
pub struct Route {
    /// The address it listens on.
    pub listen_at: IpAddr,
    /// The port it listens on; 0 for any.
    pub port: u16,
    /// The address by which a packet gets there.
    pub reach_at: IpAddr,
    /// Whether that is the loopback interface.
    pub is_loopback: bool,
    /// Whether no packet is on its way.
    pub is_idle: Box<dyn Fn() -> bool + Send + Sync>,
}

/// Room for what a link may bring at once: no datagram that comes over it is
/// to be lost beside it, where its log would not have it.
const ROOM: usize = 256 * 1024 * 1024;

/// Over an emulated link, makes a datagram socket hold all that comes.
fn hold_all(socket: &Socket, is_loopback: bool) -> Result<()> {
    #[cfg(target_os = "linux")]
    if !is_loopback {
        use crate::error::{Attempt, Error};
        let room = crate::net::kernel::make_room(socket, ROOM);
        return room.map_err(|cause| Error::new(Attempt::Open, "datagrams over the link", &cause));
    }
    let _ = (socket, is_loopback, ROOM);
    Ok(())
}

/// Who answers.
pub enum Far<'a> {
    /// Threads of our own.
    Own(&'a Route),
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
        Far::Elsewhere { tcp, .. } => Ok(tcp::ask(Probe::new(host, "tcp-echo", workload, progress), tcp, &|| 0).0),
        Far::Own(route) => own_tcp(host, workload, route, progress),
    };
    sampled.unwrap_or_else(failed)
}

/// Sends the workload by UDP.
pub fn udp(host: &Host, workload: &Workload, far: &Far<'_>, progress: &Progress) -> Samples {
    let sampled = match far {
        Far::Elsewhere { udp, .. } => {
            let on_way = OnWay { is_loopback: false, is_ours: false, is_idle: &|| true };
            Ok(udp::ask(Probe::new(host, "udp-echo", workload, progress), udp, &on_way).0)
        }
        Far::Own(route) => own_udp(host, workload, route, progress),
    };
    sampled.unwrap_or_else(failed)
}

fn failed(error: crate::error::Error) -> Samples {
    Samples { failure: Some(error), ..Samples::default() }
}

fn at(ip: IpAddr, port: u16) -> Addr {
    Addr { host: Some(AddrHost::Ip(ip)), port: Some(port) }
}

fn own_tcp(host: &Host, workload: &Workload, route: &Route, progress: &Progress) -> Result<Samples> {
    let peer = peer::tcp(host, workload, &at(route.listen_at, route.port))?;
    let probe = Probe::new(host, "compare", workload, progress);
    let (mut samples, started) = tcp::ask(probe, &at(route.reach_at, peer.port), &|| peer.received());
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
    let peer = peer::udp(host, workload, &at(route.listen_at, route.port), route.is_loopback)?;
    let probe = Probe::new(host, "compare", workload, progress);
    let on_way = OnWay { is_loopback: route.is_loopback, is_ours: true, is_idle: &*route.is_idle };
    let (mut samples, started) = udp::ask(probe, &at(route.reach_at, peer.port), &on_way);
    if workload.one_way {
        peer.wait_until_quiet(&*route.is_idle);
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
