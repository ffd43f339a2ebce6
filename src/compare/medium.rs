//! What the messages go over: real sockets, or an emulated link under a stack
//! of our own or the system's.

use std::net::{IpAddr, Ipv4Addr};

use super::comparison::Logs;
use super::progress::Progress;
use super::sockets::{self, CONNECT_WITHIN, Far, Route, SILENCE};
use super::stats::Column;
use super::workload::Workload;
use super::{real_time, virtual_time};
use crate::error::Result;
use crate::link;
use crate::link::options::{Kind, Link};
use crate::net::addr::Addr;
use crate::net::host::Host;

/// Makes ready what a link needs. For the system's stack this process must
/// have only one thread as yet.
///
/// # Errors
/// Where the system has no namespaces, or allows none.
pub fn prepare(link: &Link) -> Result<()> {
    match link.kind {
        Kind::Sim => Ok(()),
        Kind::Kernel => link::kernel::allow(),
    }
}

/// Both protocols over the same link, each with all of it to itself. The logs
/// keep the first `kept` bytes of each packet.
///
/// # Errors
/// Where the link itself fails.
pub fn carry(
    host: &Host,
    workload: &Workload,
    link: &Link,
    kept: usize,
    progress: &Progress,
) -> Result<(Column, Column, Logs)> {
    let ((tcp, tcp_log), (udp, udp_log)) = match link.kind {
        Kind::Sim => {
            (virtual_time::tcp(link, workload, kept, progress), virtual_time::udp(link, workload, kept, progress))
        }
        Kind::Kernel => real_time::both(host, link, workload, kept, progress)?,
    };
    let tcp = Column::of(workload, tcp.with_log(&tcp_log));
    let udp = Column::of(workload, udp.with_log(&udp_log));
    Ok((tcp, udp, Logs { tcp: tcp_log, udp: udp_log }))
}

/// Over the system's own interfaces: to our own servers by loopback, or to
/// those elsewhere.
pub fn real_sockets(
    host: &Host,
    workload: &Workload,
    elsewhere: Option<(&Addr, &Addr)>,
    progress: &Progress,
) -> (Column, Column) {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let route = Route { server: loopback, port: 0, way: None, patience: [CONNECT_WITHIN, SILENCE] };
    let far = match elsewhere {
        Some((tcp, udp)) => Far::Elsewhere { tcp, udp },
        None => Far::Own(&route),
    };
    let tcp = sockets::tcp(host, workload, &far, progress);
    let udp = sockets::udp(host, workload, &far, progress);
    (Column::of(workload, tcp), Column::of(workload, udp))
}
