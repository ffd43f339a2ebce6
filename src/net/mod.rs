//! Sockets, opened call by call.
//!
//! - [`addr`]: the address grammar of every command, [`interface`]: what this
//!   host is attached to
//! - [`socket`]: one socket and its calls, each traced by [`trace`], whose
//!   words are in [`meaning`]; [`options`]: what socket2 has no method for;
//!   `readiness`: waits that another thread can end, on every system
//! - [`tcp`], [`udp`], [`group`]: sockets made ready for a lab; [`batch`]: many
//!   datagrams in one call, [`calls`]: those that carry bytes; [`polled`]:
//!   for the events model; [`sendfile`]: files, sent as they lie;
//!   [`tls`]: what makes a connection secret;
//!   [`kernel`]: what the kernel counts on a socket
//! - [`host`], [`stop`]: what a lab's end has from the machine it runs on;
//!   [`signals`]: Ctrl-C without a thread; [`last_words`]: what clients hear when it dies of a signal

pub mod addr;
#[cfg(target_os = "linux")]
pub mod batch;
pub mod calls;
pub mod descriptors;
pub mod group;
pub mod host;
pub mod interface;
pub mod kernel;
pub mod last_words;
pub mod meaning;
pub mod options;
pub mod polled;
mod readiness;
pub mod sendfile;
#[cfg(target_os = "linux")]
pub mod signals;
pub mod socket;
pub mod stop;
pub mod tcp;
pub mod tls;
pub mod trace;
pub mod udp;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use self::addr::Addr;
use self::socket::Socket;
use crate::error::{Attempt, Error, Result};
use crate::report::Proto;

/// All addresses that `addr` stands for, in the resolver's order; at least one.
pub fn resolve(addr: &Addr, default_host: IpAddr, default_port: u16) -> Result<Vec<SocketAddr>> {
    let cause = match addr.resolve(default_host, default_port) {
        Ok(addrs) if !addrs.is_empty() => return Ok(addrs),
        Ok(_) => io::ErrorKind::NotFound.into(),
        Err(cause) => cause,
    };
    if let Some(addr::Host::Scoped(_, zone)) = &addr.host {
        return Err(Error::other(Attempt::Interface, zone, "no such interface")
            .because(format!("what stands after % in {addr} names the link on which the address is meant"))
            .next("the name or number of an interface that has IPv6; netlab multicast receive lists those there are"));
    }
    // Resolvers have a dozen codes for "unknown"; all of them mean this.
    let cause = io::Error::new(io::ErrorKind::NotFound, cause);
    Err(Error::new(Attempt::Resolve, addr.host_text(), &cause))
}

/// A call that failed: what it was made for, on what if not on the address
/// tried, and the cause.
type Failure = (Attempt, Option<String>, io::Error);

/// Marks the failure of a call by what it was made for.
fn failed(attempt: Attempt) -> impl Fn(io::Error) -> Failure {
    move |cause| (attempt, None, cause)
}

/// Tries one address after the other. An error names all that were tried, and
/// the last one's cause.
fn first_of<T>(
    proto: Proto,
    addr: &Addr,
    addrs: &[SocketAddr],
    mut open: impl FnMut(SocketAddr) -> std::result::Result<T, Failure>,
) -> Result<T> {
    let mut last = failed(Attempt::Resolve)(io::ErrorKind::NotFound.into());
    for at in addrs {
        match open(*at) {
            Ok(opened) => return Ok(opened),
            Err(failure) => last = failure,
        }
    }
    let (attempt, subject, cause) = last;
    let tried = || all_of(proto, addr, addrs);
    let error = Error::new(attempt, subject.unwrap_or_else(tried), &cause);
    Err(match addrs.iter().find(|at| lacks_zone(at)) {
        Some(at) if cause.kind() == io::ErrorKind::InvalidInput => error
            .because("an address that begins with fe80 exists on every link, and none is named")
            .next(format!("[{}%eth0]:{}, with an interface of this host", at.ip(), at.port())),
        _ => error,
    })
}

/// `tcp 127.0.0.1:5003`; where a name has several addresses, all of them.
fn all_of(proto: Proto, addr: &Addr, addrs: &[SocketAddr]) -> String {
    match addrs {
        [only] => format!("{proto} {only}"),
        many => format!("{proto} {addr} ({})", many.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// Whether an address is of one link only, and does not say of which.
fn lacks_zone(addr: &SocketAddr) -> bool {
    matches!(addr, SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() && v6.scope_id() == 0)
}

/// Lets a server restart through TIME_WAIT. On Windows SO_REUSEADDR would let
/// any program take over the port, and TIME_WAIT does not block it anyway.
fn allow_restart(socket: &Socket) -> io::Result<()> {
    if cfg!(windows) {
        return socket.set_option("SOL_SOCKET", "SO_EXCLUSIVEADDRUSE", 1, options::set_exclusive_address_use);
    }
    socket.set_option("SOL_SOCKET", "SO_REUSEADDR", 1, |socket| socket.set_reuse_address(true))
}

/// `--bind`: a client's own address, of the peer's family where it says none.
fn bind_client(socket: &Socket, bind: &Addr, peer: &SocketAddr) -> std::result::Result<(), Failure> {
    let any: IpAddr = if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let bound = bind.resolve(any, 0).and_then(|addrs| {
        let fits = addrs.iter().find(|addr| addr.is_ipv4() == peer.is_ipv4());
        let other = || io::Error::new(io::ErrorKind::InvalidInput, format!("{} is of the other IP version", peer.ip()));
        socket.bind(*fits.ok_or_else(other)?)
    });
    bound.map_err(|cause| (Attempt::SendFrom, Some(bind.to_string()), cause))
}

/// The same in three parts, where no other address is to be tried.
fn error_of_bind((attempt, subject, cause): Failure) -> Error {
    Error::new(attempt, subject.unwrap_or_default(), &cause)
}
