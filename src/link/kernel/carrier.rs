//! The thread that carries packets, when the link says so.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll, ppoll};
use nix::sys::time::TimeSpec;

use super::super::Direction;
use super::super::impairment::Emulated;
use super::super::log::Log;
use super::super::options::Link;
use super::tun::Tun;

/// Packets taken at once before those that are due are looked at, and
/// delivered at once before who receives them has a moment to read: else its
/// buffer could be full, and a datagram lost beside the link.
const AT_ONCE: usize = 64;
const MOMENT: Duration = Duration::from_micros(50);

/// How late a wait may end: no later than the clock has it. (50 µs is what the
/// system takes the liberty of, prctl(2), to save power.)
const SLACK_NANOS: u64 = 1;

/// Which IP version a packet's first byte tells.
const IPV4: u8 = 4;

/// The link at work between two devices, the client's first.
pub struct Carrier {
    tuns: [Tun; 2],
    link: Mutex<Emulated>,
    started: Instant,
}

impl Carrier {
    /// Nothing has been sent yet.
    pub fn new(link: &Link, kept: usize, tuns: [Tun; 2]) -> Carrier {
        Carrier { tuns, link: Mutex::new(Emulated::new(link, kept)), started: Instant::now() }
    }

    /// Carries packets until the other end of `stop` is closed.
    pub fn carry(&self, stop: &UnixStream) -> io::Result<()> {
        let _ = nix::sys::prctl::set_timerslack(SLACK_NANOS); // else waits end a little late
        let mut buffer = vec![0; usize::from(u16::MAX)];
        while self.wait(stop)? {
            // Held over reading and sending: else a packet could be in neither
            // the device nor the link, and `is_idle` be wrong.
            let mut link = self.link();
            for (tun, direction) in self.tuns.iter().zip(Direction::BOTH) {
                self.take(tun, direction, &mut link, &mut buffer)?;
            }
            self.deliver(&mut link)?;
        }
        Ok(())
    }

    fn deliver(&self, link: &mut Emulated) -> io::Result<()> {
        let (now, mut delivered) = (self.started.elapsed(), 0);
        while let Some((direction, packet)) = link.arrive(now) {
            self.tuns[direction.other().index()].write(&packet)?;
            delivered += 1;
            if delivered % AT_ONCE == 0 {
                thread::sleep(MOMENT);
            }
        }
        Ok(())
    }

    /// Waits for a packet to be sent, or one to arrive. Says whether to go on.
    fn wait(&self, stop: &UnixStream) -> io::Result<bool> {
        let next = self.link().next_arrival();
        let wait = next.map(|at| TimeSpec::from(at.saturating_sub(self.started.elapsed())));
        let [client, server] = &self.tuns;
        let mut waited = [client.as_fd(), server.as_fd(), stop.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match ppoll(&mut waited, wait, None) {
            Ok(_) | Err(Errno::EINTR) => Ok(waited[2].any() != Some(true)),
            Err(errno) => Err(errno.into()),
        }
    }

    fn take(&self, tun: &Tun, direction: Direction, link: &mut Emulated, buffer: &mut [u8]) -> io::Result<()> {
        for _ in 0..AT_ONCE {
            let Some(length) = tun.read(buffer)? else { break };
            let packet = &buffer[..length];
            // An interface that comes up asks for IPv6 routers, of which there
            // are none: that is not what the link is watched for.
            if packet.first().is_some_and(|first| first >> 4 == IPV4) {
                link.send(direction, self.started.elapsed(), packet.to_vec());
            }
        }
        Ok(())
    }

    /// Whether no packet is under way: neither on the link nor waiting for it.
    pub fn is_idle(&self) -> bool {
        let link = self.link();
        let mut devices = self.tuns.each_ref().map(|tun| PollFd::new(tun.as_fd(), PollFlags::POLLIN));
        link.is_idle() && poll(&mut devices, PollTimeout::ZERO) == Ok(0)
    }

    /// Every packet's fate.
    pub fn into_log(self) -> Log {
        self.link.into_inner().unwrap_or_else(PoisonError::into_inner).into_log()
    }

    fn link(&self) -> MutexGuard<'_, Emulated> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
