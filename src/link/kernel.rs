//! Two hosts of the system's own TCP and UDP, with the link between them, in
//! real time (Linux).
//!
//! Each host is a network namespace: interfaces, routes and connections of its
//! own, seen by the threads in it. Its one interface is a TUN device: what the
//! kernel sends there comes out of a descriptor, packet by packet, and what is
//! written to that descriptor the kernel receives. One thread carries packets
//! from one host's descriptor to the other's, when the link says so.
//!
//! ```text
//!  namespace "client"                               namespace "server"
//!  socket ─ kernel ─ tun 10.0.0.1 ◀─▶ link ◀─▶ tun 10.0.0.2 ─ kernel ─ socket
//!                                 one thread
//! ```
//!
//! Namespaces take root's rights, or a user namespace, in which everybody is
//! root of what is made there. Only a process with one thread may enter one
//! ([`allow`]), so that comes before all else.

#[cfg(target_os = "linux")]
mod carrier;
#[cfg(target_os = "linux")]
mod hosts;
#[cfg(target_os = "linux")]
mod namespace;
#[cfg(target_os = "linux")]
mod tun;

use super::log::Log;
use super::options::Link;
use crate::error::{Attempt, Error, Result};

/// What it is tried for, as errors have it.
const WHAT: &str = "over --link kernel";

/// What always works.
const INSTEAD: &str = "--link sim, which takes no rights and is the same on every system";

/// The way between both hosts, as the client's thread has it.
pub trait Way {
    /// Runs `act` on the server's host: sockets opened there are that host's,
    /// and so are threads started there.
    fn at_server(&self, act: &mut dyn FnMut());

    /// Whether no packet is under way.
    fn is_idle(&self) -> bool;
}

/// Makes sure that this process may have namespaces. To be called while it has
/// one thread.
///
/// # Errors
/// The system has none, or does not let this user have any: exit status 2.
pub fn allow() -> Result<()> {
    #[cfg(target_os = "linux")]
    return namespace::allow();
    #[cfg(not(target_os = "linux"))]
    Err(elsewhere())
}

/// Makes both hosts and the link, runs `probe` on the client's host, in a
/// thread of its own, and lets all packets under way arrive. With what the
/// probe says come all packets' fates; the log keeps the first `kept` bytes of
/// each.
///
/// # Errors
/// The hosts cannot be made, or the link broke.
pub fn between<T: Send>(link: &Link, kept: usize, probe: impl FnOnce(&dyn Way) -> T + Send) -> Result<(T, Log)> {
    #[cfg(target_os = "linux")]
    return hosts::between(link, kept, probe);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (link, kept, probe);
        Err(elsewhere())
    }
}

#[cfg_attr(target_os = "linux", expect(dead_code, reason = "Linux is where it works"))]
fn elsewhere() -> Error {
    Error::other(Attempt::Compare, WHAT, "this system has no network namespaces")
        .because("hosts inside one process, each with interfaces and routes of its own, are Linux's alone")
        .next(INSTEAD)
        .unasked()
}
