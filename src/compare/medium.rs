//! What the messages go over: real sockets, or an emulated link under a stack
//! of our own or the system's.

use std::net::{IpAddr, Ipv4Addr};

use super::comparison::Logs;
use super::progress::Progress;
use super::sockets::{self, Far, Route};
use super::stats::Column;
use super::virtual_time;
use super::workload::Workload;
use crate::error::Result;
use crate::link::options::{Kind, Link};
use crate::net::addr::Addr;
use crate::net::host::Host;

/// Under whose stack the link is.
pub enum Medium {
    /// Our own, in virtual time.
    Sim,
    /// The system's, in a namespace of this process alone.
    #[cfg(target_os = "linux")]
    Kernel(crate::link::kernel::Namespace),
}

impl Medium {
    /// Makes it ready. For the system's stack this process must have only one
    /// thread as yet.
    ///
    /// # Errors
    /// Where the system has no namespaces, or allows none.
    pub fn prepare(link: &Link) -> Result<Medium> {
        match link.kind {
            Kind::Sim => Ok(Medium::Sim),
            #[cfg(target_os = "linux")]
            Kind::Kernel => crate::link::kernel::Namespace::enter(link).map(Medium::Kernel),
            #[cfg(not(target_os = "linux"))]
            Kind::Kernel => Err(no_namespaces()),
        }
    }

    /// Both protocols over the same link, each with all of it to itself. The
    /// logs keep the first `kept` bytes of each packet.
    ///
    /// # Errors
    /// Where the link itself fails.
    pub fn carry(
        &self,
        host: &Host,
        workload: &Workload,
        link: &Link,
        kept: usize,
        progress: &Progress,
    ) -> Result<(Column, Column, Logs)> {
        let ((tcp, tcp_log), (udp, udp_log)) = match self {
            Medium::Sim => {
                (virtual_time::tcp(link, workload, kept, progress), virtual_time::udp(link, workload, kept, progress))
            }
            #[cfg(target_os = "linux")]
            Medium::Kernel(namespace) => kernel::both(namespace, host, workload, link, kept, progress)?,
        };
        let _ = host; // not needed where there is no such system
        let tcp = Column::of(workload, tcp.with_log(&tcp_log));
        let udp = Column::of(workload, udp.with_log(&udp_log));
        Ok((tcp, udp, Logs { tcp: tcp_log, udp: udp_log }))
    }
}

#[cfg(not(target_os = "linux"))]
fn no_namespaces() -> crate::error::Error {
    use crate::error::{Attempt, Error};
    Error::other(Attempt::Compare, "over --link kernel", "this system has no network namespaces")
        .because("the system's own TCP and UDP can be put over an emulated link on Linux alone")
        .next("--link sim, which is the same on every system")
        .unasked()
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
    let route =
        Route { listen_at: loopback, port: 0, reach_at: loopback, is_loopback: true, is_idle: Box::new(|| true) };
    let far = match elsewhere {
        Some((tcp, udp)) => Far::Elsewhere { tcp, udp },
        None => Far::Own(&route),
    };
    let tcp = sockets::tcp(host, workload, &far, progress);
    let udp = sockets::udp(host, workload, &far, progress);
    (Column::of(workload, tcp), Column::of(workload, udp))
}

#[cfg(target_os = "linux")]
mod kernel {
    use super::{Far, Host, Link, Progress, Result, Route, Workload, sockets};
    use crate::compare::stats::Samples;
    use crate::link::kernel::{Lane, Namespace, OTHER, OWN};
    use crate::link::log::Log;
    use crate::report::Proto;

    /// The servers' ports, those of `tcp-echo` and `udp-echo`: in a namespace
    /// of their own they are always free.
    const TCP_PORT: u16 = 5003;
    const UDP_PORT: u16 = 5004;

    /// What a protocol's samples and its log are.
    type Carried = (Samples, Log);

    pub fn both(
        namespace: &Namespace,
        host: &Host,
        workload: &Workload,
        link: &Link,
        kept: usize,
        progress: &Progress,
    ) -> Result<(Carried, Carried)> {
        let lane = namespace.carry(link, Proto::Tcp, TCP_PORT, kept)?;
        let tcp = sockets::tcp(host, workload, &Far::Own(&route(&lane, TCP_PORT)), progress);
        let tcp = (tcp, lane.finish()?);
        let lane = namespace.carry(link, Proto::Udp, UDP_PORT, kept)?;
        let udp = sockets::udp(host, workload, &Far::Own(&route(&lane, UDP_PORT)), progress);
        Ok((tcp, (udp, lane.finish()?)))
    }

    fn route(lane: &Lane, port: u16) -> Route {
        let is_idle = Box::new(lane.watch());
        Route { listen_at: OWN.into(), port, reach_at: OTHER.into(), is_loopback: false, is_idle }
    }
}
