//! Both hosts, from their making to their end.

use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use super::super::log::Log;
use super::super::options::Link;
use super::carrier::Carrier;
use super::namespace::Namespace;
use super::tun::{self, Tun};
use super::{INSTEAD, WHAT, Way};
use crate::error::{Attempt, Error, Result};
use crate::link::sim::ADDRESSES;

/// How often to see whether the last packets have arrived.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// The way between both hosts, as the client's thread has it.
struct Between<'a> {
    client: &'a Namespace,
    server: &'a Namespace,
    carrier: &'a Carrier,
}

impl Between<'_> {
    /// Packets of both hosts that never reached the link.
    fn dropped(&self) -> u64 {
        let mut dropped = tun::dropped();
        self.at_server(&mut || dropped += tun::dropped());
        dropped
    }
}

impl Way for Between<'_> {
    fn at_server(&self, act: &mut dyn FnMut()) {
        // A thread that may make a namespace may enter it. Should it not, the
        // server's socket cannot be bound, which is then told of.
        let _ = self.server.enter();
        act();
        let _ = self.client.enter();
    }

    fn is_idle(&self) -> bool {
        self.carrier.is_idle()
    }
}

/// See [`between`](super::between).
pub fn between<T: Send>(link: &Link, kept: usize, probe: impl FnOnce(&dyn Way) -> T + Send) -> Result<(T, Log)> {
    let run = || {
        let (client, server, carrier) = made(link, kept)?;
        let way = Between { client: &client, server: &server, carrier: &carrier };
        let probed = carried(&carrier, || probe(&way)).map_err(|cause| Error::new(Attempt::Compare, WHAT, &cause))?;
        match way.dropped() {
            0 => Ok((probed, carrier.into_log())),
            dropped => Err(too_fast(dropped)),
        }
    };
    thread::scope(|scope| {
        // The namespace of a thread ends with it: the caller stays where it is.
        let host = thread::Builder::new().name("client".into()).spawn_scoped(scope, run);
        let host = host.map_err(|cause| Error::new(Attempt::Open, "a thread for the client", &cause))?;
        host.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Both hosts with their devices; the calling thread is on the client's.
fn made(link: &Link, kept: usize) -> Result<(Namespace, Namespace, Carrier)> {
    let host = |address: Ipv4Addr| -> Result<(Namespace, Tun)> {
        let namespace = Namespace::fresh().map_err(|cause| Error::new(Attempt::Compare, WHAT, &cause).unasked())?;
        Ok((namespace, Tun::open(address, link.mtu).map_err(|cause| without_device(&cause))?))
    };
    let (server, server_tun) = host(ADDRESSES[1])?;
    let (client, client_tun) = host(ADDRESSES[0])?;
    Ok((client, server, Carrier::new(link, kept, [client_tun, server_tun])))
}

fn without_device(cause: &io::Error) -> Error {
    let error = Error::new(Attempt::Compare, format!("{WHAT}, by {}", tun::PATH), cause).unasked();
    match cause.kind() {
        ErrorKind::PermissionDenied => error
            .because("the device of TUN interfaces is root's here; most systems let everybody open it")
            .next(format!("sudo chmod 666 {}, or sudo netlab compare --link kernel, or {INSTEAD}", tun::PATH)),
        _ => error
            .because("this kernel has no TUN interfaces, or their module is not loaded")
            .next(format!("sudo modprobe tun, or {INSTEAD}")),
    }
}

/// The books would not be exact.
fn too_fast(dropped: u64) -> Error {
    Error::other(Attempt::Compare, WHAT, format!("{dropped} packets never reached the link"))
        .because("they were sent faster than this machine can carry them, so no log has them")
        .next("an --interval between messages, or fewer of them")
}

/// Runs `act` while packets are carried, and lets the last ones arrive.
fn carried<T>(carrier: &Carrier, act: impl FnOnce() -> T) -> io::Result<T> {
    let (stop, stopped) = UnixStream::pair()?;
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("link".into()).spawn_scoped(scope, move || carrier.carry(&stopped))?;
        let result = act();
        while !thread.is_finished() && !carrier.is_idle() {
            thread::sleep(LOOK_EVERY);
        }
        drop(stop);
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(result)
    })
}
