//! The socket options that the crate socket2 has not got.
//!
//! An option is set by `setsockopt(2)`: a *level* (which protocol), a *name*, and a value whose
//! layout depends on both and on the system. Each function here is one call, as socket2's own
//! `set_...` are, so a trace shows it as one line.
//!
//! | function | option | Linux | macOS | Windows |
//! |---|---|---|---|---|
//! | [`join_ssm_v6`] | MCAST_JOIN_SOURCE_GROUP | yes | yes | yes |
//! | [`leave_ssm_v6`] | MCAST_LEAVE_SOURCE_GROUP | yes | yes | yes |
//! | [`set_multicast_if_v4_n`] | IP_MULTICAST_IF | yes | yes | yes |
//! | `set_unicast_if_v4` | IP_UNICAST_IF, IP_BOUND_IF | - | yes | yes |
//! | [`set_exclusive_address_use`] | SO_EXCLUSIVEADDRUSE | - | - | yes |
//! | [`report_no_resets`] | SIO_UDP_CONNRESET | - | - | yes |
//! | `force_recv_buffer` | SO_RCVBUFFORCE | yes | - | - |
//!
//! "-": the system has no such option and needs none. What such a system answers instead is said at
//! each function; systems outside the table answer `Unsupported`.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6};

use socket2::{SockAddr, SockAddrStorage, Socket};

/// MCAST_JOIN_SOURCE_GROUP: receive from an IPv6 group, but only what `source` sends to it
/// (source-specific multicast, RFC 4607).
///
/// `interface` is an index, 0 for the one the system prefers. Further sources of the same group
/// take further calls. For IPv4 socket2 has `join_ssm_v4`. Source: RFC 3678, section 5.1.2.
///
/// # Errors
/// On Linux EINVAL for a group that is none, EADDRNOTAVAIL for a pair joined already, ENODEV for an
/// interface that is not there.
pub fn join_ssm_v6(socket: &Socket, group: &Ipv6Addr, source: &Ipv6Addr, interface: u32) -> io::Result<()> {
    system::join_source(socket, &GroupSource::new(group, source, interface))
}

/// MCAST_LEAVE_SOURCE_GROUP: the end of [`join_ssm_v6`]. Closing the socket does as much.
///
/// # Errors
/// On Linux EADDRNOTAVAIL for a pair that was not joined, EINVAL for such a group.
pub fn leave_ssm_v6(socket: &Socket, group: &Ipv6Addr, source: &Ipv6Addr, interface: u32) -> io::Result<()> {
    system::leave_source(socket, &GroupSource::new(group, source, interface))
}

/// IP_MULTICAST_IF by index: the interface through which IPv4 datagrams to groups leave, and the
/// address of ours they carry.
///
/// socket2's `set_multicast_if_v4` takes an address of the interface instead, so it cannot tell two
/// interfaces with one address apart, nor name one that has none. 0 leaves it to the routes again.
/// Without `source` (0.0.0.0) Linux may take the address of another interface: by `lo` that of
/// `eth0`. Source: ip(7), `struct ip_mreqn`.
///
/// # Errors
/// On Linux EADDRNOTAVAIL for an interface that is not there. On Windows, where `source` names the
/// interface and the index does only without it, `InvalidInput` for an index over 24 bits, which the
/// option has no room for.
pub fn set_multicast_if_v4_n(socket: &Socket, interface: u32, source: Ipv4Addr) -> io::Result<()> {
    system::set_multicast_if_v4_n(socket, interface, source)
}

/// IP_UNICAST_IF on Windows, IP_BOUND_IF on macOS: the interface through which IPv4 datagrams leave
/// that go to no group, 255.255.255.255 among them. On macOS what comes in by others is not heard.
/// Linux has SO_BINDTODEVICE, by name.
///
/// # Errors
/// `Unsupported` on other systems.
#[cfg(not(target_os = "linux"))]
pub fn set_unicast_if_v4(socket: &Socket, interface: u32) -> io::Result<()> {
    system::set_unicast_if_v4(socket, interface)
}

/// SO_RCVBUFFORCE: room for what waits to be received, beyond what the system
/// lets everybody have (`net.core.rmem_max`). Source: socket(7).
///
/// # Errors
/// EPERM without CAP_NET_ADMIN, and in a user namespace whatever its rights.
#[cfg(target_os = "linux")]
pub fn force_recv_buffer(socket: &Socket, bytes: usize) -> io::Result<()> {
    Ok(nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::RcvBufForce, &bytes)?)
}

/// SO_EXCLUSIVEADDRUSE, on Windows: while this socket is bound, no other may bind its port.
///
/// SO_REUSEADDR means something else there than on Unix: it lets *any* program bind a port in use
/// and take its clients. So a server wants this option, set before `bind`, and never both
/// (WSAEINVAL). A restart through TIME_WAIT needs no option there. Source: Microsoft, "Using
/// SO_REUSEADDR and SO_EXCLUSIVEADDRUSE".
///
/// # Errors
/// `Unsupported` on other systems.
pub fn set_exclusive_address_use(socket: &Socket) -> io::Result<()> {
    system::set_exclusive_address_use(socket)
}

/// SIO_UDP_CONNRESET off, on Windows: no `recvfrom` fails with WSAECONNRESET because an *earlier*
/// datagram found no listener at its destination.
///
/// A UDP server that answers a client already gone would meet that error in its next receive, which
/// has nothing to do with that client. The standard library 1.96, mio 1.2 and socket2 0.6.5 all
/// leave it on. It is a `WSAIoctl`, not a `setsockopt`. On other systems unconnected sockets never
/// report it, so there is nothing to call and this succeeds. Source: Microsoft, "Winsock IOCTLs".
///
/// # Errors
/// What `WSAIoctl` says.
pub fn report_no_resets(socket: &Socket) -> io::Result<()> {
    system::report_no_resets(socket)
}

/// RFC 3678's `struct group_source_req`: the same everywhere, but for padding that Apple leaves
/// out.
#[cfg_attr(not(target_vendor = "apple"), repr(C))]
#[cfg_attr(target_vendor = "apple", repr(C, packed(4)))]
#[allow(dead_code)] // It is written here and read by the kernel.
struct GroupSource {
    interface: u32,
    group: SockAddrStorage,
    source: SockAddrStorage,
}

impl GroupSource {
    fn new(group: &Ipv6Addr, source: &Ipv6Addr, interface: u32) -> GroupSource {
        let storage = |ip: &Ipv6Addr| SockAddr::from(SocketAddrV6::new(*ip, 0, 0, 0)).as_storage();
        GroupSource { interface, group: storage(group), source: storage(source) }
    }
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
mod system {
    use std::io;
    use std::net::Ipv4Addr;
    use std::os::fd::AsRawFd;

    use libc::{IP_MULTICAST_IF, IPPROTO_IP, IPPROTO_IPV6, c_int};
    use libc::{MCAST_JOIN_SOURCE_GROUP, MCAST_LEAVE_SOURCE_GROUP};
    use socket2::Socket;

    use super::GroupSource;

    const _: () = assert!(size_of::<GroupSource>() == size_of::<libc::group_source_req>());

    pub(super) fn join_source(socket: &Socket, pair: &GroupSource) -> io::Result<()> {
        set(socket, IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, pair)
    }

    pub(super) fn leave_source(socket: &Socket, pair: &GroupSource) -> io::Result<()> {
        set(socket, IPPROTO_IPV6, MCAST_LEAVE_SOURCE_GROUP, pair)
    }

    pub(super) fn set_multicast_if_v4_n(socket: &Socket, interface: u32, source: Ipv4Addr) -> io::Result<()> {
        let imr_multiaddr = libc::in_addr { s_addr: libc::INADDR_ANY };
        let imr_address = libc::in_addr { s_addr: source.to_bits().to_be() };
        let value = libc::ip_mreqn { imr_multiaddr, imr_address, imr_ifindex: interface as c_int };
        set(socket, IPPROTO_IP, IP_MULTICAST_IF, &value)
    }

    #[cfg(target_os = "macos")]
    pub(super) fn set_unicast_if_v4(socket: &Socket, interface: u32) -> io::Result<()> {
        socket.bind_device_by_index_v4(std::num::NonZeroU32::new(interface))
    }

    pub(super) fn set_exclusive_address_use(_: &Socket) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn report_no_resets(_: &Socket) -> io::Result<()> {
        Ok(())
    }

    #[allow(unsafe_code)]
    fn set<T>(socket: &Socket, level: c_int, name: c_int, value: &T) -> io::Result<()> {
        let (start, length) = (std::ptr::from_ref(value).cast(), size_of::<T>());
        // SAFETY: the kernel reads `length` bytes at `start`, which is what `value` has, and keeps
        // none of them. Whatever they say, it checks. The descriptor is open while borrowed.
        let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, start, length as libc::socklen_t) };
        if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

#[cfg(windows)]
mod system {
    use std::io;
    use std::net::Ipv4Addr;
    use std::os::windows::io::AsRawSocket;
    use std::ptr::{from_ref, null_mut};

    use socket2::Socket;
    use windows_sys::Win32::Networking::WinSock::{
        GROUP_SOURCE_REQ, IP_UNICAST_IF, IPPROTO_IP, IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, MCAST_LEAVE_SOURCE_GROUP,
        SIO_UDP_CONNRESET, SO_EXCLUSIVEADDRUSE, SOCKET, SOL_SOCKET, WSAIoctl, setsockopt,
    };

    use super::GroupSource;

    const _: () = assert!(size_of::<GroupSource>() == size_of::<GROUP_SOURCE_REQ>());

    pub(super) fn join_source(socket: &Socket, pair: &GroupSource) -> io::Result<()> {
        set(socket, IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP as i32, pair)
    }

    pub(super) fn leave_source(socket: &Socket, pair: &GroupSource) -> io::Result<()> {
        set(socket, IPPROTO_IPV6, MCAST_LEAVE_SOURCE_GROUP as i32, pair)
    }

    /// Windows has no `ip_mreqn`: either an address of the interface, or its index, written as an
    /// address of the form 0.x.x.x. The address is the older way, which Wine knows, too.
    pub(super) fn set_multicast_if_v4_n(socket: &Socket, interface: u32, source: Ipv4Addr) -> io::Result<()> {
        if !source.is_unspecified() {
            return socket.set_multicast_if_v4(&source);
        }
        let as_address = Ipv4Addr::from_bits(interface);
        if as_address.octets()[0] != 0 {
            let reason = format!("interface index {interface} has more than 24 bits");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        socket.set_multicast_if_v4(&as_address)
    }

    /// Unlike IPV6_UNICAST_IF's, the index is in network byte order.
    pub(super) fn set_unicast_if_v4(socket: &Socket, interface: u32) -> io::Result<()> {
        set(socket, IPPROTO_IP, IP_UNICAST_IF, &interface.to_be())
    }

    pub(super) fn set_exclusive_address_use(socket: &Socket) -> io::Result<()> {
        const ON: i32 = 1;
        set(socket, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, &ON)
    }

    #[allow(unsafe_code)]
    pub(super) fn report_no_resets(socket: &Socket) -> io::Result<()> {
        const OFF: i32 = 0;
        let (start, length) = (from_ref(&OFF).cast(), size_of_val(&OFF) as u32);
        let mut written = 0;
        let handle = socket.as_raw_socket() as SOCKET;
        // SAFETY: `start` and `length` describe OFF, the Windows BOOL that this request reads.
        // It writes no output, and without OVERLAPPED it is over when it returns, so `written`
        // outlives it. The handle is open while `socket` is borrowed.
        let done = unsafe {
            let request = SIO_UDP_CONNRESET;
            WSAIoctl(handle, request, start, length, null_mut(), 0, &mut written, null_mut(), None)
        };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    #[allow(unsafe_code)]
    fn set<T>(socket: &Socket, level: i32, name: i32, value: &T) -> io::Result<()> {
        let (start, length) = (from_ref(value).cast(), size_of::<T>() as i32);
        // SAFETY: Winsock reads `length` bytes at `start`, which is what `value` has, and keeps
        // none of them. Whatever they say, it checks. The handle is open while `socket` is
        // borrowed.
        let done = unsafe { setsockopt(socket.as_raw_socket() as SOCKET, level, name, start, length) };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
mod system {
    use std::io;
    use std::net::Ipv4Addr;

    use socket2::Socket;

    use super::GroupSource;

    pub(super) fn join_source(_: &Socket, _: &GroupSource) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn leave_source(_: &Socket, _: &GroupSource) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn set_multicast_if_v4_n(_: &Socket, _: u32, _: Ipv4Addr) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn set_unicast_if_v4(_: &Socket, _: u32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn set_exclusive_address_use(_: &Socket) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn report_no_resets(_: &Socket) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use socket2::{Domain, Type};

    use super::*;

    /// The index of the loopback interface on every Linux, so one that is sure to be there.
    const LOOPBACK: u32 = 1;
    const GROUP: &str = "ff35::8000:1";
    const SOURCE: &str = "2001:db8::7";

    fn ip(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    fn errno(result: io::Result<()>) -> Option<i32> {
        result.err().and_then(|error| error.raw_os_error())
    }

    #[test]
    fn a_source_is_joined_once_and_left_once() {
        let socket = Socket::new(Domain::IPV6, Type::DGRAM, None).unwrap();
        let (group, source) = (ip(GROUP), ip(SOURCE));
        assert_eq!(errno(join_ssm_v6(&socket, &group, &source, LOOPBACK)), None);
        let again = join_ssm_v6(&socket, &group, &source, LOOPBACK);
        assert_eq!(errno(again), Some(libc::EADDRNOTAVAIL));
        assert_eq!(errno(join_ssm_v6(&socket, &group, &ip("2001:db8::8"), LOOPBACK)), None);
        assert_eq!(errno(leave_ssm_v6(&socket, &group, &source, LOOPBACK)), None);
        assert_eq!(errno(leave_ssm_v6(&socket, &group, &source, LOOPBACK)), Some(libc::EADDRNOTAVAIL));
    }

    #[test]
    fn a_join_that_cannot_be_says_why() {
        let socket = Socket::new(Domain::IPV6, Type::DGRAM, None).unwrap();
        let no_group = join_ssm_v6(&socket, &ip("2001:db8::1"), &ip(SOURCE), LOOPBACK);
        assert_eq!(errno(no_group), Some(libc::EINVAL));
        let no_interface = join_ssm_v6(&socket, &ip(GROUP), &ip(SOURCE), 4_000_000);
        assert_eq!(errno(no_interface), Some(libc::ENODEV));
    }

    #[test]
    fn groups_leave_by_the_interface_with_the_index() {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        let any = Ipv4Addr::UNSPECIFIED;
        assert_eq!(errno(set_multicast_if_v4_n(&socket, LOOPBACK, Ipv4Addr::LOCALHOST)), None);
        assert_eq!(errno(set_multicast_if_v4_n(&socket, 0, any)), None);
        let no_interface = set_multicast_if_v4_n(&socket, 4_000_000, any);
        assert_eq!(errno(no_interface), Some(libc::EADDRNOTAVAIL));
    }
}

#[cfg(test)]
#[cfg(windows)]
mod tests {
    use std::net::{SocketAddr, UdpSocket};

    use socket2::{Domain, Type};

    use super::*;

    #[test]
    fn an_index_over_24_bits_is_refused() {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        let error = set_multicast_if_v4_n(&socket, 1 << 24, Ipv4Addr::UNSPECIFIED).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn an_exclusive_port_is_nobody_elses() {
        let any = "127.0.0.1:0".parse::<SocketAddr>().unwrap();
        let first = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        set_exclusive_address_use(&first).unwrap();
        first.bind(&any.into()).unwrap();
        let second = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        second.set_reuse_address(true).unwrap();
        assert!(second.bind(&first.local_addr().unwrap()).is_err());
    }

    #[test]
    fn a_datagram_to_a_closed_port_fails_no_later_receive() {
        let any = "127.0.0.1:0".parse::<SocketAddr>().unwrap();
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        report_no_resets(&socket).unwrap();
        socket.bind(&any.into()).unwrap();
        let closed = UdpSocket::bind(any).unwrap().local_addr().unwrap();
        socket.send_to(b"anybody?", &closed.into()).unwrap();
        let own = socket.local_addr().unwrap();
        socket.send_to(b"me", &own).unwrap();
        let socket = UdpSocket::from(socket);
        let mut buffer = [0; 16];
        assert_eq!(socket.recv_from(&mut buffer).unwrap().0, 2);
    }
}
