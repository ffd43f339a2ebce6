//! Both protocols over an emulated link, in real time: the system's own
//! sockets, on two hosts that are made for it.
//!
//! What TCP sent again is told twice here, by the kernel (TCP_INFO, both ends
//! together) and by the link's log. The two differ where
//!
//! - the kernel sends several short segments again as one: that is one to it,
//!   and several segments to the log, in one packet ([`again`])
//! - the kernel was asked before the connection's end: a FIN that is sent again
//!   after that is in the log alone

use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Duration;

use super::comparison::Comparison;
use super::progress::Progress;
use super::sockets::{self, CONNECT_WITHIN, Far, Route, SILENCE};
use super::stats::{Origin, Samples};
use super::table::grouped;
use super::words::plural;
use super::workload::Workload;
use crate::error::{Error, Result};
use crate::link::again;
use crate::link::kernel::{self, Way};
use crate::link::log::Log;
use crate::link::options::{Kind, Link, Share};
use crate::link::sim::ADDRESSES;
use crate::net::host::Host;

/// How long nothing may come over a link that delivers nothing: some SYNs sent
/// again, and no more.
const HOPELESS: Duration = Duration::from_secs(3);

/// The servers' ports, those of `tcp-echo` and `udp-echo`: on hosts of their
/// own they are always free.
const TCP_PORT: u16 = 5003;
const UDP_PORT: u16 = 5004;

/// What was sampled of one protocol, and its packets' fates.
pub type Sampled = (Samples, Log);

/// Sends the workload by TCP, then by UDP, each over a link and between hosts
/// of its own: neither inherits what the kernel learnt of the way before.
///
/// # Errors
/// The hosts cannot be made.
pub fn both(
    host: &Host,
    link: &Link,
    workload: &Workload,
    kept: usize,
    progress: &Progress,
) -> Result<(Sampled, Sampled)> {
    let patience = match link.loss {
        Share::ALL => [HOPELESS; 2],
        _ => [CONNECT_WITHIN, SILENCE].map(|time| time + 4 * (link.delay + link.jitter)),
    };
    let over = |send: Send, port| {
        kernel::between(link, kept, |way: &dyn Way| {
            let route = Route { server: IpAddr::V4(ADDRESSES[1]), port, way: Some(way), patience };
            let samples = send(host, workload, &Far::Own(&route), progress);
            Samples { failure: samples.failure.map(on_this_link), ..samples }
        })
    };
    Ok((over(sockets::tcp, TCP_PORT)?, over(sockets::udp, UDP_PORT)?))
}

/// What silence means where both ends are ours.
fn on_this_link(error: Error) -> Error {
    match error.kind() {
        ErrorKind::TimedOut => error
            .because("the link lost packet after packet, however often they were sent again")
            .next("a link with less loss, such as --loss 20%"),
        _ => error,
    }
}

/// Where kernel and link count the same thing, or a buffer came between them:
/// what is to be said of it.
pub fn notes(comparison: &Comparison) -> Vec<String> {
    let (Some(Kind::Kernel), Some(logs)) = (comparison.link.as_ref().map(|link| link.kind), &comparison.logs) else {
        return Vec::new();
    };
    let counted = match comparison.tcp.samples.retransmits {
        Some((count, Origin::Kernel)) => agreement(count, again::packets(&logs.tcp)),
        _ => None, // there was no connection to ask about
    };
    let full = match comparison.udp.samples.drops {
        Some((drops @ 1.., Origin::Kernel)) => {
            let datagrams = plural(drops, "datagram");
            Some(format!("{datagrams} arrived and found a socket's buffer full: the kernel lost them, not the link."))
        }
        _ => None,
    };
    counted.into_iter().chain(full).collect()
}

/// What the kernel counted as sent again, and the packets in which the link
/// saw it.
fn agreement(kernel: u64, link: u64) -> Option<String> {
    match (kernel, link) {
        (0, 0) => None,
        _ if kernel == link => {
            Some(format!("Kernel and link count the same of what TCP sent again: {}.", grouped(link)))
        }
        _ => Some(format!(
            "Of what TCP sent again the kernel counts {}, the link {}: the kernel was asked before the connection's \
             last packets.",
            plural(kernel, "segment"),
            plural(link, "packet")
        )),
    }
}

/// [`sockets::tcp`] or [`sockets::udp`].
type Send = fn(&Host, &Workload, &Far<'_>, &Progress) -> Samples;
