//! TCP sockets, ready to listen or connected.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::addr::Addr;
use super::host::Host;
use super::socket::Socket;
use super::{failed, resolve};
use crate::error::{Attempt, Error, Result};
use crate::report::Proto;

/// Connections that the system completes ahead of `accept(2)`. Linux allows
/// 4096 since 5.4 (`net.core.somaxconn`); a class that starts at once stays
/// within it, and nobody's SYN has to be sent again a second later.
pub const BACKLOG: i32 = 4096;

/// A listening socket on the first of `addr`'s addresses that can be bound,
/// and the address it really has.
pub fn listen(host: &Host, addr: &Addr, default_port: u16, backlog: i32) -> Result<(Socket, SocketAddr)> {
    let addrs = resolve(addr, Ipv4Addr::LOCALHOST.into(), default_port)?;
    super::first_of(Proto::Tcp, addr, &addrs, |at| {
        let socket = Socket::open(host, Proto::Tcp, &at).map_err(failed(Attempt::Open))?;
        prepare(socket, at, backlog).map_err(failed(Attempt::Bind))
    })
}

fn prepare(mut socket: Socket, at: SocketAddr, backlog: i32) -> io::Result<(Socket, SocketAddr)> {
    super::allow_restart(&socket)?;
    if at.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        // Systems differ in their default; here [::] serves IPv4 as well.
        socket.set_option("IPPROTO_IPV6", "IPV6_V6ONLY", 0, |socket| socket.set_only_v6(false))?;
    }
    // Set once on the listener, inherited by every accepted socket.
    socket.set_option("IPPROTO_TCP", "TCP_NODELAY", 1, |socket| socket.set_tcp_nodelay(true))?;
    socket.bind(at)?;
    socket.listen(backlog)?;
    let local = socket.local_addr()?;
    Ok((socket, local))
}

/// A connection, who it is with, and our own address on it.
pub struct Connection {
    /// The connected socket.
    pub socket: Arc<Socket>,
    /// The server's address: of those its name has, the one that answered.
    pub peer: SocketAddr,
    /// Our own.
    pub local: SocketAddr,
    /// When `connect(2)` was called, and when it returned.
    pub handshake: [Instant; 2],
}

/// Connects to the first of `addr`'s addresses that answers, from `bind`'s
/// address where one is given; each may take `timeout`.
pub fn connect(
    host: &Host,
    addr: &Addr,
    default_port: u16,
    bind: Option<&Addr>,
    timeout: Duration,
) -> Result<Connection> {
    let addrs = resolve(addr, Ipv4Addr::LOCALHOST.into(), default_port)?;
    let connected = super::first_of(Proto::Tcp, addr, &addrs, |peer| {
        let socket = Arc::new(Socket::open(host, Proto::Tcp, &peer).map_err(failed(Attempt::Open))?);
        if let Some(bind) = bind {
            super::bind_client(&socket, bind, &peer)?;
        }
        host.stop.wakes(&socket);
        let connected = socket.connect_within(peer, timeout);
        let connected = connected.and_then(|handshake| Ok((socket.local_addr()?, handshake)));
        let (local, handshake) = connected.map_err(failed(Attempt::Connect))?;
        Ok(Connection { socket, peer, local, handshake })
    });
    connected.map_err(|error| with_server_hint(host, error, addrs[0]))
}

/// Notices within half a minute that the peer's host is gone: a pulled cable
/// sends neither FIN nor RST, and who only listens would wait for ever.
///
/// Two clocks are needed. Keep-alive asks a silent peer whether it is there;
/// the user timeout is for bytes of ours that nobody acknowledges, which else
/// are sent again for a quarter of an hour (RFC 1122, section 4.2.3.6; RFC
/// 5482).
pub fn notice_silence(socket: &Socket) -> io::Result<()> {
    socket.set_option("SOL_SOCKET", "SO_KEEPALIVE", 1, |socket| socket.set_keepalive(true))?;
    #[cfg(target_os = "linux")]
    {
        use nix::sys::socket::setsockopt;
        use nix::sys::socket::sockopt::{TcpKeepCount, TcpKeepIdle, TcpKeepInterval, TcpUserTimeout};
        let set = |name, value: u32, set: fn(&socket2::Socket, u32) -> nix::Result<()>| {
            socket.set_option("IPPROTO_TCP", name, value, |socket| set(socket, value).map_err(io::Error::from))
        };
        set("TCP_KEEPIDLE", 15, |socket, value| setsockopt(socket, TcpKeepIdle, &value))?;
        set("TCP_KEEPINTVL", 5, |socket, value| setsockopt(socket, TcpKeepInterval, &value))?;
        set("TCP_KEEPCNT", 3, |socket, value| setsockopt(socket, TcpKeepCount, &value))?;
        set("TCP_USER_TIMEOUT", 30_000, |socket, value| setsockopt(socket, TcpUserTimeout, &value))?;
    }
    #[cfg(not(target_os = "linux"))]
    {
        let times = socket2::TcpKeepalive::new().with_time(Duration::from_secs(15));
        socket.set_option("IPPROTO_TCP", "TCP_KEEPALIVE", 15, |socket| socket.set_tcp_keepalive(&times))?;
    }
    Ok(())
}

/// Where nothing listens, says how to start what should.
pub(super) fn with_server_hint(host: &Host, error: Error, addr: SocketAddr) -> Error {
    match error.kind() {
        ErrorKind::ConnectionRefused => error.next(format!("netlab {} server {addr}", host.lab)),
        _ => error,
    }
}
