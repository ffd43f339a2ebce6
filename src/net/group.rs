//! One datagram, many receivers: multicast groups and broadcast.
//!
//! A *group* is an address that no host owns (224.0.0.0/4, ff00::/8). Who wants
//! its datagrams **joins** it, and a join is always *on an interface*: that
//! network card takes the group's frames from now on, and the routers of that
//! link are told (IGMP for IPv4, MLD for IPv6). A *broadcast* needs no join:
//! every host of the network gets it, and pays for it.
//!
//! ```text
//! receiver                                       sender
//! socket                                         socket
//! setsockopt SO_REUSEADDR                        setsockopt IP_MULTICAST_TTL
//! bind 239.1.1.1:5007                            setsockopt IP_MULTICAST_IF
//! setsockopt IP_MULTICAST_ALL = 0
//! setsockopt IP_ADD_MEMBERSHIP, on eth0
//! recvfrom … waits    ◀────── 239.1.1.1 ──────── sendto, once for them all
//! setsockopt IP_DROP_MEMBERSHIP
//! ```
//!
//! What goes wrong: the join lands on another interface than the sender's, and
//! nobody hears anything; a host without a default route has no interface for
//! the group at all (ENODEV, ENETUNREACH); a socket bound to the host's own
//! address hears neither groups nor broadcasts.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;

use socket2::InterfaceIndexOrAddress;

use super::addr::{Addr, Host as AddrHost};
use super::host::Host;
use super::interface::{self, Interface};
use super::options;
use super::resolve;
use super::socket::Socket;
use crate::error::{Attempt, Error, Result};
use crate::report::Proto;

/// What reaches every host of the loopback network, which is this host alone.
const LOOPBACK_BROADCAST: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 255);

/// A socket that hears what is sent to many.
pub struct Receiver {
    /// The socket, which stops waiting when the host is asked to stop.
    pub socket: Arc<Socket>,
    /// What it listens on: the group or the address, with the real port.
    pub addr: SocketAddr,
    /// The group joined; none for broadcasts.
    pub group: Option<IpAddr>,
    /// The interface it hears on, by name.
    pub interface: String,
    /// Which interface was taken, and why; where netlab chose, also which there are.
    pub notices: Vec<String>,
    membership: Option<Membership>,
    /// Only what this host says to itself is for this receiver.
    from_loopback: bool,
}

/// A socket that speaks to many.
pub struct Sender {
    /// The socket. Who was reached answers to it.
    pub socket: Arc<Socket>,
    /// Where each message goes: one group, or one broadcast address a network.
    pub targets: Vec<SocketAddr>,
    /// Which interface was taken, and why; where netlab chose, also which there are.
    pub notices: Vec<String>,
}

/// How a group is sent to.
#[derive(Debug, Default)]
pub struct Reach<'a> {
    /// `--interface`.
    pub interface: Option<&'a str>,
    /// How many links it may cross; a router takes one off.
    pub ttl: u8,
    /// No copy for members on this host.
    pub no_loop: bool,
    /// An address of our own to send from.
    pub bind: Option<&'a Addr>,
}

/// How a group is reached: by which interface, and why that one.
struct Way {
    interface: Interface,
    why: String,
    /// The routes lead there by themselves: a sender need not say anything.
    by_route: bool,
}

/// One membership: what was joined is what must be left.
struct Membership {
    group: IpAddr,
    source: Option<IpAddr>,
    interface: Interface,
}

/// Opens a socket, joins `group` on an interface, and hears only what comes to
/// it; only what `source` sends, where one is given.
pub fn join(host: &Host, group: SocketAddr, source: Option<IpAddr>, wanted: Option<&str>) -> Result<Receiver> {
    let failed = |attempt| move |cause| Error::new(attempt, format!("udp {group}"), &cause);
    let socket = Socket::open(host, Proto::Udp, &group).map_err(failed(Attempt::Open))?;
    let known = interfaces(&socket)?;
    let (way, mut notices) = way_to(host, &known, group, wanted)?;
    let group = on_link(group, way.interface.index);
    let addr = bind_to_group(&socket, group).map_err(failed(Attempt::Bind))?;
    notices.push(format!("joined {} on {}: {}", group.ip(), way.interface.name, way.why));
    let interface = way.interface.name.clone();
    let membership = Membership { group: group.ip(), source, interface: way.interface };
    membership.join(&socket).map_err(|cause| join_refused(&membership, group, &cause, &known))?;
    let socket = Arc::new(socket);
    host.stop.wakes(&socket);
    let membership = Some(membership);
    Ok(Receiver { socket, addr, group: Some(group.ip()), interface, notices, membership, from_loopback: false })
}

/// Opens a socket that sends to `group`.
pub fn sender(host: &Host, group: SocketAddr, reach: &Reach<'_>) -> Result<Sender> {
    let failed = |attempt| move |cause| Error::new(attempt, format!("udp {group}"), &cause);
    let socket = Socket::open(host, Proto::Udp, &group).map_err(failed(Attempt::Open))?;
    let bound_to = reach.bind.and_then(interface_of);
    let known = interfaces(&socket)?;
    let (way, mut notices) = way_to(host, &known, group, reach.interface.or(bound_to.as_deref()))?;
    let group = on_link(group, way.interface.index);
    set_reach(&socket, group, &way, reach).map_err(failed(Attempt::Send))?;
    if let Some(bind) = reach.bind {
        super::bind_client(&socket, bind, &group).map_err(super::error_of_bind)?;
    }
    notices.push(format!("sending to {group} by {}: {}", way.interface.name, way.why));
    if cfg!(windows) && reach.no_loop {
        notices.push("receivers on this host get their copy all the same: Windows lets each receiver choose".into());
    }
    let socket = Arc::new(socket);
    host.stop.wakes(&socket);
    Ok(Sender { socket, targets: vec![group], notices })
}

/// Opens a socket that hears broadcasts to `addr`'s port, on all interfaces or
/// on one of them.
pub fn broadcast_receiver(host: &Host, addr: &Addr, default_port: u16, wanted: Option<&str>) -> Result<Receiver> {
    let at = v4_of(addr, default_port)?;
    let failed = |cause| Error::new(Attempt::Bind, format!("udp {at}"), &cause);
    let socket = Socket::open(host, Proto::Udp, &at).map_err(failed)?;
    let known = interfaces(&socket)?;
    let only = wanted.map(|wanted| find(&known, wanted)).transpose()?;
    share_port(&socket).map_err(failed)?;
    let bind_to = match only {
        Some(only) => {
            hear_only(&socket, only, at).map_err(|cause| Error::new(Attempt::Interface, only.name.clone(), &cause))?
        }
        None => at,
    };
    socket.bind(bind_to).map_err(failed)?;
    let addr = socket.local_addr().map_err(failed)?;
    let notices = heard_notices(&known, only, at);
    let socket = Arc::new(socket);
    host.stop.wakes(&socket);
    let interface = only.map_or("all", |only| &only.name).to_owned();
    let from_loopback = cfg!(windows) && only.is_some_and(|only| only.loopback);
    Ok(Receiver { socket, addr, group: None, interface, notices, membership: None, from_loopback })
}

/// Opens a socket that may send broadcasts (`allowed`: SO_BROADCAST is set): to
/// `addr`, or to the broadcast address of each interface that has one.
pub fn broadcast_sender(
    host: &Host,
    addr: &Addr,
    default_port: u16,
    wanted: Option<&str>,
    bind: Option<&Addr>,
    allowed: bool,
) -> Result<Sender> {
    let at = v4_of(addr, default_port)?;
    let failed = |attempt| move |cause| Error::new(attempt, format!("udp {at}"), &cause);
    let socket = Socket::open(host, Proto::Udp, &at).map_err(failed(Attempt::Open))?;
    let known = interfaces(&socket)?;
    let only = wanted.map(|wanted| find(&known, wanted)).transpose()?;
    let (targets, notices) =
        if at.ip().is_unspecified() { broadcast_addresses(&known, only, at.port())? } else { (vec![at], vec![]) };
    if allowed {
        let set = |socket: &socket2::Socket| socket.set_broadcast(true);
        socket.set_option("SOL_SOCKET", "SO_BROADCAST", 1, set).map_err(failed(Attempt::Open))?;
    }
    if let Some(only) = only.filter(|_| !at.ip().is_unspecified()) {
        // 255.255.255.255 belongs to no network: only the device says where.
        leave_by(&socket, only).map_err(failed(Attempt::Interface))?;
    }
    if let Some(bind) = bind {
        super::bind_client(&socket, bind, &at).map_err(super::error_of_bind)?;
    }
    let socket = Arc::new(socket);
    host.stop.wakes(&socket);
    Ok(Sender { socket, targets, notices })
}

/// Every IPv4 address of this host: a datagram from one of them was sent here.
pub fn own_addresses(socket: &Socket) -> Result<Vec<IpAddr>> {
    let known = interfaces(socket)?;
    Ok(known.iter().flat_map(|it| it.v4.iter().map(|v4| IpAddr::V4(v4.address))).collect())
}

impl Receiver {
    /// Waits for a datagram to this receiver, and says who sent it.
    pub fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        loop {
            let (got, from) = self.socket.recv_from(buffer)?;
            if !self.from_loopback || from.ip().is_loopback() {
                return Ok((got, from));
            }
        }
    }

    /// Leaves the group, if one was joined. (Closing the socket would do as
    /// much; said aloud, it can be seen.)
    pub fn leave(&self) {
        if let Some(membership) = &self.membership {
            let _ = membership.leave(&self.socket); // the interface may be gone by now
        }
    }
}

impl Membership {
    fn join(&self, socket: &Socket) -> io::Result<()> {
        use IpAddr::{V4, V6};
        let index = self.interface.index;
        match (self.group, self.source) {
            (V4(group), None) => socket.set_option("IPPROTO_IP", "IP_ADD_MEMBERSHIP", self.text(), |socket| {
                socket.join_multicast_v4_n(&group, &self.which())
            }),
            (V4(group), Some(V4(source))) => {
                let at = self.v4();
                socket.set_option("IPPROTO_IP", "IP_ADD_SOURCE_MEMBERSHIP", self.text(), |socket| {
                    socket.join_ssm_v4(&source, &group, &at)
                })
            }
            (V6(group), None) => socket.set_option("IPPROTO_IPV6", "IPV6_ADD_MEMBERSHIP", self.text(), |socket| {
                socket.join_multicast_v6(&group, index)
            }),
            (V6(group), Some(V6(source))) => {
                socket.set_option("IPPROTO_IPV6", "MCAST_JOIN_SOURCE_GROUP", self.text(), |socket| {
                    options::join_ssm_v6(socket, &group, &source, index)
                })
            }
            _ => Err(ErrorKind::InvalidInput.into()), // the commands refuse a source of the other family
        }
    }

    /// By its number, which is the interface's alone; elsewhere than on Linux
    /// by its address, which every system takes.
    fn which(&self) -> InterfaceIndexOrAddress {
        if cfg!(target_os = "linux") {
            return InterfaceIndexOrAddress::Index(self.interface.index);
        }
        InterfaceIndexOrAddress::Address(self.v4())
    }

    fn leave(&self, socket: &Socket) -> io::Result<()> {
        use IpAddr::{V4, V6};
        let index = self.interface.index;
        match (self.group, self.source) {
            (V4(group), None) => socket.set_option("IPPROTO_IP", "IP_DROP_MEMBERSHIP", self.text(), |socket| {
                socket.leave_multicast_v4_n(&group, &self.which())
            }),
            (V4(group), Some(V4(source))) => {
                let at = self.v4();
                socket.set_option("IPPROTO_IP", "IP_DROP_SOURCE_MEMBERSHIP", self.text(), |socket| {
                    socket.leave_ssm_v4(&source, &group, &at)
                })
            }
            (V6(group), None) => socket.set_option("IPPROTO_IPV6", "IPV6_DROP_MEMBERSHIP", self.text(), |socket| {
                socket.leave_multicast_v6(&group, index)
            }),
            (V6(group), Some(V6(source))) => {
                socket.set_option("IPPROTO_IPV6", "MCAST_LEAVE_SOURCE_GROUP", self.text(), |socket| {
                    options::leave_ssm_v6(socket, &group, &source, index)
                })
            }
            _ => Err(ErrorKind::InvalidInput.into()),
        }
    }

    /// The source-specific options of IPv4 name an interface by its address.
    fn v4(&self) -> Ipv4Addr {
        self.interface.v4.first().map_or(Ipv4Addr::UNSPECIFIED, |v4| v4.address)
    }

    fn text(&self) -> String {
        let source = self.source.map(|source| format!(" from {source}")).unwrap_or_default();
        format!("{}{source} on {}", self.group, self.interface.name)
    }
}

/// Which interface leads to `group`. Where nobody named one, a notice for each
/// there is: who wonders at the choice sees what it was made from.
fn way_to(host: &Host, known: &[Interface], group: SocketAddr, wanted: Option<&str>) -> Result<(Way, Vec<String>)> {
    match (wanted, scope_of(&group)) {
        (Some(wanted), scope) => Ok((asked_for(known, wanted, scope)?, vec![])),
        (None, 0) => Ok((by_route(host, known, group)?, usable(known).into_iter().map(describe).collect())),
        (None, scope) => {
            let interface = find(known, &scope.to_string())?.clone();
            let why = "the group's address names it after the %".into();
            Ok((Way { interface, why, by_route: true }, vec![]))
        }
    }
}

/// The interfaces that are up; where none is, all.
fn usable(known: &[Interface]) -> Vec<&Interface> {
    let up: Vec<&Interface> = known.iter().filter(|it| it.up).collect();
    if up.is_empty() { known.iter().collect() } else { up }
}

/// `this host has: lo (1, 127.0.0.1), eth0 (2, 10.0.0.7)`
fn those_there_are(known: &[Interface]) -> String {
    let names: Vec<String> = usable(known).into_iter().map(Interface::to_string).collect();
    format!("this host has: {}", names.join(", "))
}

fn asked_for(known: &[Interface], wanted: &str, scope: u32) -> Result<Way> {
    let interface = find(known, wanted)?.clone();
    if scope != 0 && scope != interface.index {
        return Err(Error::other(Attempt::Interface, wanted, format!("the group names interface {scope} after its %"))
            .because("a group is joined on one interface, and two were named")
            .next("name it once")
            .unasked());
    }
    Ok(Way { interface, why: "as asked".into(), by_route: false })
}

/// The routing table is asked: connect(2) on a datagram socket sends nothing,
/// and getsockname(2) then tells from which address a datagram would leave.
fn by_route(host: &Host, known: &[Interface], group: SocketAddr) -> Result<Way> {
    let no_way = |cause: &io::Error| no_way_to(group, known, cause);
    let probe = Socket::open(host, Proto::Udp, &group).map_err(|cause| no_way(&cause))?;
    let source = probe.connect(group).and_then(|()| probe.local_addr());
    drop(probe);
    match source {
        Ok(source) => {
            let interface = known.iter().find(|it| it.has(source.ip()));
            let interface = interface.ok_or_else(|| no_way(&ErrorKind::NetworkUnreachable.into()))?.clone();
            let why = format!("the routes lead to the group from {}, its address", source.ip());
            Ok(Way { interface, why, by_route: true })
        }
        // Where no route leads to a group, IPv4 groups still work on the
        // loopback interface. (IPv6 ones do not.)
        Err(cause) if group.is_ipv4() => match known.iter().find(|it| it.loopback) {
            Some(lo) => {
                let why = format!("no route leads to {}, so this host alone takes part", group.ip());
                Ok(Way { interface: lo.clone(), why, by_route: false })
            }
            None => Err(no_way(&cause)),
        },
        Err(cause) => Err(no_way(&cause)),
    }
}

fn no_way_to(group: SocketAddr, known: &[Interface], cause: &io::Error) -> Error {
    let error = Error::new(Attempt::Join, format!("udp {group}"), cause);
    let fit = known.iter().find(|it| it.multicast && !it.v6.is_empty()).map_or("eth0", |it| &it.name);
    let named = format!("name the interface: [{}%{fit}]:{}", group.ip(), group.port());
    match cause.kind() {
        // EINVAL: ff02:: groups exist on each link anew (RFC 4291, 2.7).
        ErrorKind::InvalidInput => Error::other(Attempt::Join, format!("udp {group}"), "it does not say on which link")
            .because(format!(
                "there is such a group on every link, so it needs an interface; {}",
                those_there_are(known)
            ))
            .next(named)
            .unasked(),
        _ if group.is_ipv6() => error
            .because(format!(
                "no route leads to this group, and IPv6 groups do not work on the loopback interface; {}",
                those_there_are(known)
            ))
            .next(named),
        _ => error.because(format!("no route leads to this group; {}", those_there_are(known))),
    }
}

fn join_refused(membership: &Membership, group: SocketAddr, cause: &io::Error, known: &[Interface]) -> Error {
    let error = Error::new(Attempt::Join, format!("udp {group} on {}", membership.interface.name), cause);
    if is_no_room(cause) {
        return error
            .because("this system allows no more groups on one socket")
            .next("sysctl net.ipv4.igmp_max_memberships, or leave another group first");
    }
    if !membership.interface.up {
        return error
            .because(format!("the interface is down; {}", those_there_are(known)))
            .next("another interface, or switch it on");
    }
    error
}

/// `ENOBUFS`: of a join, too many memberships; of a send, a full queue.
pub fn is_no_room(cause: &io::Error) -> bool {
    #[cfg(unix)]
    return cause.raw_os_error() == Some(libc::ENOBUFS);
    #[cfg(not(unix))]
    return cause.raw_os_error() == Some(10055);
}

fn interfaces(socket: &Socket) -> Result<Vec<Interface>> {
    interface::interfaces(socket.inner())
        .map_err(|cause| Error::new(Attempt::Interface, "any (the system would not list them)", &cause))
}

fn find<'a>(known: &'a [Interface], wanted: &str) -> Result<&'a Interface> {
    interface::find(known, wanted).map_err(|_| {
        Error::other(Attempt::Interface, wanted, "there is none of that name, address or index")
            .because(those_there_are(known))
            .next("--interface with a name, an address or an index of those")
            .unasked()
    })
}

/// `interface 1: lo, 127.0.0.1, ::1, up, loopback, without the multicast flag`
fn describe(interface: &Interface) -> String {
    let Interface { name, index, v4, v6, up, loopback, multicast, .. } = interface;
    let mut text = format!("interface {index}: {name}");
    for ip in v4.iter().map(|v4| IpAddr::V4(v4.address)).chain(v6.iter().map(|v6| IpAddr::V6(*v6))) {
        text += &format!(", {ip}");
    }
    text += if *up { ", up" } else { ", down" };
    text += if *loopback { ", loopback" } else { "" };
    text += if *multicast { ", multicast" } else { ", without the multicast flag" };
    text
}

fn scope_of(addr: &SocketAddr) -> u32 {
    match addr {
        SocketAddr::V6(v6) => v6.scope_id(),
        SocketAddr::V4(_) => 0,
    }
}

/// The group on the link of this interface: only ff01:: and ff02:: addresses
/// exist on each link anew, and need it said.
fn on_link(group: SocketAddr, index: u32) -> SocketAddr {
    match group {
        SocketAddr::V6(v6) if v6.ip().segments()[0] & 0xf <= 2 => {
            SocketAddrV6::new(*v6.ip(), v6.port(), 0, index).into()
        }
        group => group,
    }
}

/// Who sends from an address of an interface means that interface.
fn interface_of(bind: &Addr) -> Option<String> {
    match &bind.host {
        Some(AddrHost::Ip(ip)) if !ip.is_unspecified() => Some(ip.to_string()),
        Some(AddrHost::Scoped(_, interface)) => Some(interface.clone()),
        _ => None,
    }
}

/// Several receivers on one host share the group's port.
///
/// On Windows SO_REUSEADDR lets a stranger take a port over, which is why no
/// server here sets it there; but for groups there is no other way to share.
fn share_port(socket: &Socket) -> io::Result<()> {
    socket.set_option("SOL_SOCKET", "SO_REUSEADDR", 1, |socket| socket.set_reuse_address(true))?;
    // The BSDs share a port for groups by this one.
    #[cfg(all(unix, not(target_os = "linux")))]
    socket.set_option("SOL_SOCKET", "SO_REUSEPORT", 1, |socket| socket.set_reuse_port(true))?;
    Ok(())
}

/// Bound to the group itself, a socket gets nothing else that comes to the
/// port. Windows cannot do so (WSAEADDRNOTAVAIL).
fn bind_to_group(socket: &Socket, group: SocketAddr) -> io::Result<SocketAddr> {
    share_port(socket)?;
    let any: IpAddr = if group.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    socket.bind(if cfg!(windows) { SocketAddr::new(any, group.port()) } else { group })?;
    let port = socket.local_addr()?.port();
    hear_own_groups_only(socket, group)?;
    let mut addr = group;
    addr.set_port(port);
    Ok(addr)
}

/// By default Linux gives a socket the datagrams of every group that *any*
/// socket of the host has joined.
#[cfg(target_os = "linux")]
fn hear_own_groups_only(socket: &Socket, group: SocketAddr) -> io::Result<()> {
    match group {
        SocketAddr::V4(_) => {
            socket.set_option("IPPROTO_IP", "IP_MULTICAST_ALL", 0, |socket| socket.set_multicast_all_v4(false))
        }
        SocketAddr::V6(_) => {
            socket.set_option("IPPROTO_IPV6", "IPV6_MULTICAST_ALL", 0, |socket| socket.set_multicast_all_v6(false))
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn hear_own_groups_only(_: &Socket, _: SocketAddr) -> io::Result<()> {
    Ok(())
}

/// By which interface, how far, and whether back to this host.
fn set_reach(socket: &Socket, group: SocketAddr, way: &Way, reach: &Reach<'_>) -> io::Result<()> {
    let (index, name, hops) = (way.interface.index, &way.interface.name, reach.ttl.into());
    if group.is_ipv4() {
        if !way.by_route {
            let source = way.interface.v4.first().map_or(Ipv4Addr::UNSPECIFIED, |v4| v4.address);
            let set = |socket: &socket2::Socket| options::set_multicast_if_v4_n(socket, index, source);
            socket.set_option("IPPROTO_IP", "IP_MULTICAST_IF", format!("{name} ({source})"), set)?;
        }
        socket.set_option("IPPROTO_IP", "IP_MULTICAST_TTL", hops, |socket| socket.set_multicast_ttl_v4(hops))?;
        if reach.no_loop {
            socket.set_option("IPPROTO_IP", "IP_MULTICAST_LOOP", 0, |socket| socket.set_multicast_loop_v4(false))?;
        }
        return Ok(());
    }
    if !way.by_route {
        socket.set_option("IPPROTO_IPV6", "IPV6_MULTICAST_IF", name, |socket| socket.set_multicast_if_v6(index))?;
    }
    socket.set_option("IPPROTO_IPV6", "IPV6_MULTICAST_HOPS", hops, |socket| socket.set_multicast_hops_v6(hops))?;
    if reach.no_loop {
        socket.set_option("IPPROTO_IPV6", "IPV6_MULTICAST_LOOP", 0, |socket| socket.set_multicast_loop_v6(false))?;
    }
    Ok(())
}

/// IPv6 has no broadcast: what it was good for, groups such as ff02::1 do.
fn v4_of(addr: &Addr, default_port: u16) -> Result<SocketAddr> {
    let addrs = resolve(addr, Ipv4Addr::UNSPECIFIED.into(), default_port)?;
    addrs.into_iter().find(SocketAddr::is_ipv4).ok_or_else(|| {
        Error::other(Attempt::Open, format!("udp {addr}"), "IPv6 has no broadcast")
            .because("in IPv6 a group does its work: ff02::1 reaches every host of a link")
            .next("an IPv4 address, or netlab multicast send '[ff02::1%eth0]:5007'")
            .unasked()
    })
}

/// From now on the socket hears only what comes in by this interface, once it
/// is bound to the address this returns.
#[cfg(not(windows))]
fn hear_only(socket: &Socket, only: &Interface, at: SocketAddr) -> io::Result<SocketAddr> {
    leave_by(socket, only).map(|()| at)
}

/// On Windows a socket that is bound to an interface's own address gets the
/// broadcasts that come in there. (On Unix it gets none.) The loopback
/// interface needs no more than a look at the sender: an address 127.x.y.z
/// comes by no other.
#[cfg(windows)]
fn hear_only(_: &Socket, only: &Interface, at: SocketAddr) -> io::Result<SocketAddr> {
    match only.v4.first() {
        Some(v4) if at.ip().is_unspecified() && !only.loopback => Ok((v4.address, at.port()).into()),
        Some(_) => Ok(at),
        None => Err(io::Error::new(ErrorKind::AddrNotAvailable, "it has no IPv4 address")),
    }
}

/// What is sent leaves by this interface.
fn leave_by(socket: &Socket, only: &Interface) -> io::Result<()> {
    let name = &only.name;
    #[cfg(target_os = "linux")]
    return socket.set_option("SOL_SOCKET", "SO_BINDTODEVICE", name, |it| it.bind_device(Some(name.as_bytes())));
    #[cfg(not(target_os = "linux"))]
    {
        let option = if cfg!(windows) { "IP_UNICAST_IF" } else { "IP_BOUND_IF" };
        socket.set_option("IPPROTO_IP", option, name, |socket| options::set_unicast_if_v4(socket, only.index))
    }
}

/// The broadcast address of each network that this host is attached to, or of
/// the one interface asked for, and a notice on each.
fn broadcast_addresses(
    known: &[Interface],
    only: Option<&Interface>,
    port: u16,
) -> Result<(Vec<SocketAddr>, Vec<String>)> {
    let fits = |it: &&Interface| match only {
        Some(only) => only.index == it.index,
        None => it.up && it.broadcast && !it.loopback,
    };
    let (mut targets, mut notices) = (Vec::new(), Vec::new());
    for it in known.iter().filter(fits) {
        for (v4, broadcast) in it.v4.iter().filter_map(|v4| Some((v4, v4.directed_broadcast()?))) {
            notices.push(format!("{broadcast} is the broadcast address of {}, {}/{}", it.name, v4.address, v4.netmask));
            let target = SocketAddr::from((broadcast, port));
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
    }
    match (targets.is_empty(), only) {
        (true, Some(only)) => Err(Error::other(Attempt::Interface, &only.name, "it has no broadcast address")
            .because("it has no IPv4 address, or is a network of two hosts, which needs none")
            .next("another interface, or an address to send to")
            .unasked()),
        (true, None) => {
            notices.push(format!(
                "no interface but loopback has a broadcast address, so {LOOPBACK_BROADCAST}: it reaches this host alone"
            ));
            Ok((vec![SocketAddr::from((LOOPBACK_BROADCAST, port))], notices))
        }
        _ => Ok((targets, notices)),
    }
}

/// What a receiver at `at` will hear of broadcasts.
fn heard_notices(known: &[Interface], only: Option<&Interface>, at: SocketAddr) -> Vec<String> {
    let heard = match only {
        Some(only) => heard_by(only),
        None => heard_by_all(known),
    };
    let mut notices = vec![format!("broadcasts come to {heard}")];
    if !cfg!(windows) && known.iter().any(|it| it.has(at.ip())) {
        notices.push(format!(
            "bound to {}, this socket is deaf to broadcasts: they are sent to another address; 0.0.0.0 hears them all",
            at.ip()
        ));
    }
    notices
}

/// `127.255.255.255 and 255.255.255.255, by lo alone`
fn heard_by(only: &Interface) -> String {
    let mut own: Vec<String> = broadcast_addresses_of(only).map(|address| address.to_string()).collect();
    own.dedup(); // of several addresses on one network
    let own = if own.is_empty() { String::new() } else { format!("{} and ", own.join(", ")) };
    format!("{own}{}, by {} alone", Ipv4Addr::BROADCAST, only.name)
}

/// `10.0.0.255 by eth0, 127.255.255.255 by lo, 255.255.255.255 by any`
fn heard_by_all(known: &[Interface]) -> String {
    let mut heard = String::new();
    for it in known.iter().filter(|it| it.up) {
        for address in broadcast_addresses_of(it) {
            heard += &format!("{address} by {}, ", it.name);
        }
    }
    heard + &format!("{} by any", Ipv4Addr::BROADCAST)
}

fn broadcast_addresses_of(interface: &Interface) -> impl Iterator<Item = Ipv4Addr> {
    interface.v4.iter().filter_map(|v4| v4.directed_broadcast())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::interface::V4;

    fn interface(name: &str, index: u32, v4: &str) -> Interface {
        let v4 = V4 { address: v4.parse().unwrap(), netmask: [255, 255, 255, 0].into(), broadcast: None };
        let (up, broadcast, multicast) = (true, true, true);
        Interface { name: name.into(), index, v4: vec![v4], v6: vec![], up, loopback: false, broadcast, multicast }
    }

    fn lo() -> Interface {
        Interface { loopback: true, broadcast: false, multicast: false, ..interface("lo", 1, "127.0.0.1") }
    }

    fn targets(known: &[Interface], only: Option<&Interface>) -> Vec<String> {
        let (targets, _) = broadcast_addresses(known, only, 5008).unwrap();
        targets.iter().map(SocketAddr::to_string).collect()
    }

    #[test]
    fn each_network_has_its_broadcast_address_and_loopback_is_the_last_resort() {
        let down = Interface { up: false, ..interface("eth1", 3, "10.1.0.1") };
        let known = [lo(), interface("eth0", 2, "10.0.0.7"), down, interface("wlan0", 4, "192.168.1.9")];
        assert_eq!(targets(&known, None), ["10.0.0.255:5008", "192.168.1.255:5008"]);
        assert_eq!(targets(&known, Some(&known[3])), ["192.168.1.255:5008"]);
        assert_eq!(targets(&known[..1], None), ["127.255.255.255:5008"]);
    }

    #[test]
    fn two_addresses_on_one_network_make_one_target() {
        let known = [interface("eth0", 2, "10.0.0.7"), interface("eth1", 3, "10.0.0.8")];
        assert_eq!(targets(&known, None), ["10.0.0.255:5008"]);
    }

    #[test]
    fn only_link_local_groups_need_their_interface_in_the_address() {
        let table = [
            ("[ff02::1]:5007", "[ff02::1%3]:5007"),
            ("[ff15::1]:5007", "[ff15::1]:5007"),
            ("239.1.1.1:5007", "239.1.1.1:5007"),
        ];
        for (group, expected) in table {
            assert_eq!(on_link(group.parse().unwrap(), 3).to_string(), expected);
        }
    }

    #[test]
    fn a_group_that_names_one_interface_is_not_joined_on_another() {
        let known = [lo(), interface("eth0", 2, "10.0.0.7")];
        assert!(asked_for(&known, "eth0", 2).is_ok());
        assert!(asked_for(&known, "eth0", 0).is_ok());
        let error = asked_for(&known, "eth0", 1).err().unwrap();
        assert_eq!(error.status(), crate::error::Status::CannotAsk);
    }

    #[test]
    fn errors_list_the_interfaces_that_are_up_or_all_where_none_is() {
        let down = Interface { up: false, ..interface("eth0", 2, "10.0.0.7") };
        let why = |known: &[Interface]| find(known, "nosuch0").err().unwrap().why();
        assert_eq!(why(&[lo(), down.clone()]), "this host has: lo (1, 127.0.0.1)");
        assert_eq!(why(&[down]), "this host has: eth0 (2, 10.0.0.7)");
    }

    #[test]
    fn a_receiver_is_told_which_addresses_it_hears_and_by_which_interface() {
        let down = Interface { up: false, ..interface("eth1", 3, "10.1.0.1") };
        let known = [lo(), interface("eth0", 2, "10.0.0.7"), down];
        let table = [
            (None, "127.0.0.255 by lo, 10.0.0.255 by eth0, 255.255.255.255 by any"),
            (Some(&known[1]), "10.0.0.255 and 255.255.255.255, by eth0 alone"),
            (Some(&Interface { v4: vec![], ..lo() }), "255.255.255.255, by lo alone"),
        ];
        for (only, heard) in table {
            let notices = heard_notices(&known, only, ([0, 0, 0, 0], 5008).into());
            assert_eq!(notices, [format!("broadcasts come to {heard}")]);
        }
    }

    #[test]
    fn an_interface_is_described_by_all_that_decides() {
        let text = "interface 1: lo, 127.0.0.1, up, loopback, without the multicast flag";
        assert_eq!(describe(&lo()), text);
    }
}
