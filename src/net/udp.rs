//! UDP sockets, bound or connected.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use super::addr::Addr;
use super::host::Host;
use super::socket::Socket;
use super::{failed, resolve};
use crate::error::{Attempt, Error, Result};
use crate::report::Proto;

/// Room for any datagram: IPv4's largest has 65,507 bytes, IPv6's 65,527. A
/// smaller buffer would cut a datagram, and the rest of it be gone.
pub const MAX_DATAGRAM_ROOM: usize = 65_536;

/// A socket that receives on the first of `addr`'s addresses that can be
/// bound, and the address it really has.
pub fn listen(host: &Host, addr: &Addr, default_host: IpAddr, default_port: u16) -> Result<(Arc<Socket>, SocketAddr)> {
    let addrs = resolve(addr, default_host, default_port)?;
    let (socket, local) = super::first_of(Proto::Udp, addr, &addrs, |at| {
        let socket = Socket::open(host, Proto::Udp, &at).map_err(failed(Attempt::Open))?;
        let local = prepare(&socket, at).map_err(failed(Attempt::Bind))?;
        Ok((socket, local))
    })?;
    let socket = Arc::new(socket);
    host.stop.wakes(&socket);
    Ok((socket, local))
}

fn prepare(socket: &Socket, at: SocketAddr) -> io::Result<SocketAddr> {
    super::options::report_no_resets(socket.inner())?;
    if cfg!(windows) {
        // There any program might else bind the port as well, and take what comes to it.
        super::allow_restart(socket)?;
    }
    if at.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_option("IPPROTO_IPV6", "IPV6_V6ONLY", 0, |socket| socket.set_only_v6(false))?;
    }
    socket.bind(at)?;
    socket.local_addr()
}

/// Lets so many bytes wait to be received, or as many as the system grants:
/// root may have more than `net.core.rmem_max` on Linux.
pub fn give_room(socket: &Socket, bytes: usize) {
    #[cfg(target_os = "linux")]
    if socket
        .set_option("SOL_SOCKET", "SO_RCVBUFFORCE", bytes, |socket| super::options::force_recv_buffer(socket, bytes))
        .is_ok()
    {
        return;
    }
    // Too much is no error: the system gives what it can.
    let _ = socket.set_option("SOL_SOCKET", "SO_RCVBUF", bytes, |socket| socket.set_recv_buffer_size(bytes));
}

/// A socket to ask one server with.
pub struct Client {
    /// The socket.
    pub socket: Arc<Socket>,
    /// The server.
    pub peer: SocketAddr,
    /// Our own address; unspecified where the socket is not connected.
    pub local: SocketAddr,
    /// When `connect(2)` was called, and when it returned; about the same
    /// where it was not.
    pub handshake: [Instant; 2],
    /// Whether `connect(2)` tied the socket to the peer.
    connected: bool,
    addr: Addr,
    addrs: Vec<SocketAddr>,
    bind: Option<Addr>,
}

/// Opens a socket to ask `addr` with. `connected`: only that peer's datagrams
/// reach the socket, and the system tells of ICMP errors.
pub fn client(host: &Host, addr: &Addr, default_port: u16, bind: Option<&Addr>, connected: bool) -> Result<Client> {
    let addrs = resolve(addr, Ipv4Addr::LOCALHOST.into(), default_port)?;
    let (socket, peer, local, handshake) =
        super::first_of(Proto::Udp, addr, &addrs, |peer| open_client(host, peer, bind, connected))?;
    Ok(Client { socket, peer, local, handshake, connected, addr: addr.clone(), addrs, bind: bind.cloned() })
}

type Opened = (Arc<Socket>, SocketAddr, SocketAddr, [Instant; 2]);

fn open_client(
    host: &Host,
    peer: SocketAddr,
    bind: Option<&Addr>,
    connected: bool,
) -> std::result::Result<Opened, super::Failure> {
    let socket = Arc::new(Socket::open(host, Proto::Udp, &peer).map_err(failed(Attempt::Open))?);
    if let Some(bind) = bind {
        super::bind_client(&socket, bind, &peer)?;
    }
    let called = Instant::now();
    if connected {
        socket.connect(peer).map_err(failed(Attempt::Connect))?;
    }
    let handshake = [called, Instant::now()];
    let local = local_of(&socket, &peer, connected).map_err(failed(Attempt::Connect))?;
    host.stop.wakes(&socket);
    Ok((socket, peer, local, handshake))
}

/// Before connect or the first sendto there is no address to ask for.
fn local_of(socket: &Socket, peer: &SocketAddr, connected: bool) -> io::Result<SocketAddr> {
    if connected {
        return socket.local_addr();
    }
    let unspecified: IpAddr = if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    Ok(SocketAddr::new(unspecified, 0))
}

impl Client {
    /// Sends one datagram to the peer.
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.connected { self.socket.send(bytes) } else { self.socket.send_to(bytes, self.peer) }
    }

    /// Receives one datagram; `None` where it is not the peer's.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        if self.connected {
            return self.socket.recv(buffer).map(Some);
        }
        let (got, from) = self.socket.recv_from(buffer)?;
        let same = |addr: SocketAddr| (addr.ip().to_canonical(), addr.port());
        Ok((same(from) == same(self.peer)).then_some(got))
    }

    /// Nothing listens at the peer: turns to the next of its name's addresses.
    /// Says whether there was one. (A connection would have been refused, and
    /// the next address tried, before anything was sent.)
    pub fn turn_to_next(&mut self, host: &Host) -> bool {
        let tried = self.addrs.iter().position(|addr| *addr == self.peer).unwrap_or_default();
        for peer in &self.addrs[tried + 1..] {
            if let Ok(opened) = open_client(host, *peer, self.bind.as_ref(), self.connected) {
                (self.socket, self.peer, self.local, self.handshake) = opened;
                return true;
            }
        }
        false
    }

    /// A failed send or receive, in three parts. A refusal concerns all the
    /// addresses of the name: they were tried in order.
    pub fn error(&self, host: &Host, attempt: Attempt, cause: &io::Error) -> Error {
        // There are no connections here to be reset: it is Windows' word for
        // a port on which nothing listens.
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let cause = if cause.kind() == io::ErrorKind::ConnectionReset { &refused } else { cause };
        let subject = match cause.kind() {
            io::ErrorKind::ConnectionRefused => super::all_of(Proto::Udp, &self.addr, &self.addrs),
            _ => format!("udp {}", self.peer),
        };
        super::tcp::with_server_hint(host, Error::new(attempt, subject, cause), self.peer)
    }
}
