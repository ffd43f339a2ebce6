//! The system's own TCP and UDP over the link: in a network namespace of this
//! process alone, through a TUN device whose other end is the link (Linux).
//!
//! ```text
//! client 10.0.0.1:p ──▶ 10.0.0.2:5003        10.0.0.2:p ──▶ 10.0.0.1:5003 server
//!                │ netlab0                        ▲ netlab0
//!                └──▶ recv ─▶ the link ─▶ addresses changed ─▶ send
//! ```
//!
//! Both ends are in the one namespace. What is sent to 10.0.0.2 leaves through
//! the device, and comes back from there with its two addresses exchanged: so
//! each end sees a peer at 10.0.0.2, and the system cannot take the short way
//! from one of its sockets to another. (Exchanging them changes no checksum:
//! that is a sum.) The log has the packets as if two hosts were there, the
//! client 10.0.0.1 and the server 10.0.0.2, as in [`sim`](super::sim).
//!
//! Packets of neither end, such as IPv6's of the device itself or an ICMP
//! message about a port that is closed again, are neither carried nor counted.

use std::net::Ipv4Addr;

/// Both ends' own address.
pub const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// Where each end sees the other.
pub const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

#[cfg(target_os = "linux")]
pub use self::system::{Lane, Namespace};

#[cfg(target_os = "linux")]
mod system {
    use std::fs;
    use std::io::{self, ErrorKind, Read};
    use std::os::fd::{AsRawFd, BorrowedFd};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread::{self, JoinHandle};
    use std::time::{Duration, Instant};

    use nix::poll::{PollFd, PollFlags, ppoll};
    use nix::sched::{CloneFlags, unshare};
    use nix::sys::time::TimeSpec;
    use tun::Device;

    use super::super::Direction;
    use super::super::headers::{Headers, ports, read};
    use super::super::impairment::Emulated;
    use super::super::log::Log;
    use super::super::options::Link;
    use super::{OTHER, OWN};
    use crate::error::{Attempt, Error, Result};
    use crate::report::Proto;

    /// The device's name, as `ip link` in the namespace has it.
    const DEVICE: &str = "netlab0";

    /// Packets that the device holds until the link takes them. With the
    /// system's 500 a sender in a hurry would lose some before the link, and
    /// in no log.
    const HELD_BY_DEVICE: u32 = 100_000;

    /// How often the link looks whether it is to end.
    const LOOK_EVERY: Duration = Duration::from_millis(10);

    /// How long nothing may have come before the link counts as quiet: the
    /// system answers a packet in microseconds.
    const QUIET: Duration = Duration::from_millis(30);

    /// After so many packets in one go the link waits a moment, so that who
    /// receives them can take them out of a small buffer. (That is 1.5 Gbit/s.)
    const AT_ONCE: u32 = 32;
    const MOMENT: Duration = Duration::from_micros(100);

    /// A network namespace with one device.
    pub struct Namespace {
        device: Arc<Device>,
    }

    impl Namespace {
        /// Moves this process into a network namespace of its own. It must
        /// have only one thread as yet: others would stay where they are.
        ///
        /// # Errors
        /// Where the system allows no namespace or no TUN device.
        pub fn enter(link: &Link) -> Result<Namespace> {
            unshare_network().map_err(|cause| not_allowed("a network namespace", &cause.into()))?;
            let device = open(link.mtu).map_err(|cause| not_allowed("/dev/net/tun", &cause))?;
            Ok(Namespace { device: Arc::new(device) })
        }

        /// Starts carrying packets of `proto` to and from the server's `port`.
        pub fn carry(&self, link: &Link, proto: Proto, port: u16, kept: usize) -> Result<Lane> {
            let (device, link) = (self.device.clone(), Emulated::new(link, kept));
            let (idle, ends) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
            let carrier = Carrier { device, link, proto, port, idle: idle.clone(), ends: ends.clone() };
            let thread = thread::Builder::new().name("link".into()).spawn(move || carrier.run());
            let thread = thread.map_err(|cause| Error::new(Attempt::Open, "a thread for the link", &cause))?;
            Ok(Lane { thread, idle, ends })
        }
    }

    /// The administrator may have a network namespace as it is; others need a
    /// user namespace around it, in which they may.
    fn unshare_network() -> nix::Result<()> {
        let alone = unshare(CloneFlags::CLONE_NEWNET);
        if alone.is_ok() {
            return alone;
        }
        let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
        // Ourselves as before, so that files we write are ours. Not needed for
        // the network: without it we would merely be nobody.
        let _ = fs::write("/proc/self/setgroups", "deny");
        let _ = fs::write("/proc/self/uid_map", format!("{user} {user} 1"));
        let _ = fs::write("/proc/self/gid_map", format!("{group} {group} 1"));
        Ok(())
    }

    fn open(mtu: u16) -> io::Result<Device> {
        let mut wanted = tun::Configuration::default();
        wanted.tun_name(DEVICE).address(OWN).destination(OTHER).netmask("255.255.255.252").mtu(mtu).up();
        let device = tun::create(&wanted).map_err(|error| match error {
            tun::Error::Io(cause) => cause,
            other => io::Error::other(other.to_string()),
        })?;
        hold_more()?;
        device.set_nonblock()?;
        Ok(device)
    }

    /// The device's queue, by netlink (rtnetlink(7)): the older ioctl
    /// (SIOCSIFTXQLEN) would ask for the administrator of the whole system.
    fn hold_more() -> io::Result<()> {
        const RTM_NEWLINK: u16 = libc::RTM_NEWLINK;
        const REQUEST_AND_ACK: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
        const HEADER_BYTES: usize = 16;
        let index = nix::net::if_::if_nametoindex(DEVICE)?;
        let body = [
            &[0; 4][..], // family, type: as they are
            &index.to_ne_bytes(),
            &[0; 8], // flags: as they are
            &8_u16.to_ne_bytes(),
            &libc::IFLA_TXQLEN.to_ne_bytes(),
            &HELD_BY_DEVICE.to_ne_bytes(),
        ]
        .concat();
        let length = (HEADER_BYTES + body.len()) as u32;
        let header = [&length.to_ne_bytes()[..], &RTM_NEWLINK.to_ne_bytes(), &REQUEST_AND_ACK.to_ne_bytes(), &[0; 8]];
        let domain = socket2::Domain::from(libc::AF_NETLINK);
        let routes = socket2::Protocol::from(libc::NETLINK_ROUTE);
        let socket = socket2::Socket::new(domain, socket2::Type::RAW, Some(routes))?;
        socket.send(&[&header.concat()[..], &body].concat())?;
        let mut answer = [0; 256];
        let got = (&socket).read(&mut answer)?;
        // An answer is a header and an errno, negative, or 0.
        match answer[..got].get(HEADER_BYTES..HEADER_BYTES + 4).and_then(|code| code.try_into().ok()) {
            Some(code) if i32::from_ne_bytes(code) != 0 => Err(io::Error::from_raw_os_error(-i32::from_ne_bytes(code))),
            Some(_) => Ok(()),
            None => Err(ErrorKind::UnexpectedEof.into()),
        }
    }

    /// What to do where the system does not let us.
    fn not_allowed(what: &str, cause: &io::Error) -> Error {
        let error = Error::new(Attempt::Compare, format!("over --link kernel, which needs {what}"), cause);
        match cause.kind() {
            ErrorKind::PermissionDenied => error
                .because("this system lets only its administrator do so (Ubuntu: kernel.apparmor_restrict_unprivileged_userns)")
                .next("sudo netlab compare --link kernel, or --link sim, which needs no permission"),
            ErrorKind::NotFound => error
                .because("the system has no driver for such devices loaded, or hides it in this container")
                .next("sudo modprobe tun, or --link sim, which needs no device"),
            _ => error.next("--link sim, which asks nothing of the system"),
        }
    }

    /// A link at work.
    pub struct Lane {
        thread: JoinHandle<Emulated>,
        idle: Arc<AtomicBool>,
        ends: Arc<AtomicBool>,
    }

    impl Lane {
        /// Whether no packet is on its way.
        pub fn watch(&self) -> impl Fn() -> bool + Send + Sync + 'static {
            let idle = self.idle.clone();
            move || idle.load(Ordering::Acquire)
        }

        /// Ends it once nothing is on its way any more; every packet's fate.
        ///
        /// # Errors
        /// Packets that never reached the link.
        pub fn finish(self) -> Result<Log> {
            self.ends.store(true, Ordering::Release);
            let carried = self.thread.join();
            let emulated = carried.map_err(|_| Error::other(Attempt::Serve, "the link", "its thread panicked"))?;
            match dropped_by_device() {
                0 => Ok(emulated.into_log()),
                lost => {
                    Err(Error::other(Attempt::Compare, "over the link", format!("{lost} packets never reached it"))
                        .because(
                            "they were sent faster than this machine hands them to the link, so its log is not whole",
                        )
                        .next("a longer --interval, or fewer messages"))
                }
            }
        }
    }

    /// Packets that the device threw away before the link took them. (Nothing
    /// is known where /proc is not mounted; then none were.)
    fn dropped_by_device() -> u64 {
        let table = fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
        let line = table.lines().find_map(|line| line.trim_start().strip_prefix(DEVICE)?.strip_prefix(':'));
        // Eight columns for receiving, then bytes, packets, errs, drop.
        line.and_then(|line| line.split_whitespace().nth(11)?.parse().ok()).unwrap_or(0)
    }

    /// The thread that carries packets.
    struct Carrier {
        device: Arc<Device>,
        link: Emulated,
        proto: Proto,
        port: u16,
        idle: Arc<AtomicBool>,
        ends: Arc<AtomicBool>,
    }

    impl Carrier {
        fn run(mut self) -> Emulated {
            let started = Instant::now();
            let mut buffer = vec![0; usize::from(u16::MAX)];
            let mut quiet_since = Instant::now();
            loop {
                self.wait(started);
                while let Ok(got) = self.device.recv(&mut buffer) {
                    quiet_since = Instant::now();
                    self.take(started.elapsed(), &mut buffer[..got]);
                }
                let mut at_once = 0;
                while let Some((direction, mut packet)) = self.link.arrive(started.elapsed()) {
                    quiet_since = Instant::now();
                    at_once += 1;
                    if at_once % AT_ONCE == 0 {
                        thread::sleep(MOMENT);
                    }
                    if direction == Direction::Forward {
                        exchange_addresses(&mut packet); // the other way it was done when it came
                    }
                    let _ = self.device.send(&packet); // who it is for may be gone
                }
                self.idle.store(self.link.is_idle(), Ordering::Release);
                if self.ends.load(Ordering::Acquire) && self.link.is_idle() && quiet_since.elapsed() > QUIET {
                    return self.link;
                }
            }
        }

        /// Until a packet comes, or one is due.
        fn wait(&self, started: Instant) {
            let due = self.link.next_arrival().map(|at| at.saturating_sub(started.elapsed()));
            let time = due.map_or(LOOK_EVERY, |due| due.min(LOOK_EVERY));
            // SAFETY: the device is open as long as `self` is.
            #[allow(unsafe_code)]
            let descriptor = unsafe { BorrowedFd::borrow_raw(self.device.as_raw_fd()) };
            let mut waits = [PollFd::new(descriptor, PollFlags::POLLIN)];
            let _ = ppoll(&mut waits, Some(TimeSpec::from_duration(time)), None); // a signal ends it as well
        }

        /// Hands a packet of the workload to the link; leaves out all others.
        fn take(&mut self, now: Duration, packet: &mut [u8]) {
            let ours = match read(packet) {
                Headers::Tcp(_) => self.proto == Proto::Tcp,
                Headers::Udp { .. } => self.proto == Proto::Udp,
                Headers::Other => false,
            };
            let direction = match ports(packet) {
                Some([_, to]) if to == self.port => Direction::Forward,
                Some([from, _]) if from == self.port => Direction::Backward,
                _ => return,
            };
            if !ours {
                return;
            }
            if direction == Direction::Backward {
                exchange_addresses(packet); // as from the server's own host
            }
            self.idle.store(false, Ordering::Release);
            self.link.send(direction, now, packet.to_vec());
        }
    }

    /// Source and destination of an IPv4 packet.
    fn exchange_addresses(packet: &mut [u8]) {
        if let Some(addresses) = packet.get_mut(12..20) {
            addresses.rotate_left(4);
        }
    }
}
