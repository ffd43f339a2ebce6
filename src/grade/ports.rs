//! Which port a program is given. In a network of its own any is free. In the
//! host's, it is locked among all graders, and lies below the range from which
//! the system takes ports for clients: a port found by binding and closing can
//! be gone a moment later.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use socket2::{Domain, Protocol, Socket, Type};

use super::judge::Job;
use super::proc::sockets;
use super::suites;

/// Below Linux's 32768 and above what services commonly use.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// TIME_WAIT lasts 60 s: a program with a port of its own and without
/// SO_REUSEADDR has to wait for it.
const TIME_WAIT: Duration = Duration::from_secs(70);

/// A port, held as long as this is.
pub struct Held {
    port: u16,
    _lock: Option<Flock<File>>,
}

impl Held {
    /// Which.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// The port of one check.
///
/// # Errors
/// Why there is none.
pub fn hold(job: &Job, id: &str) -> Result<Held, String> {
    let spread = id.bytes().fold(job.seed, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let wanted = job.submission.port.or_else(|| fixed(job));
    let mut candidates = candidates(spread);
    let held = match (wanted, job.isolation.has_network()) {
        (Some(port), true) => Some(Held { port, _lock: None }),
        (None, true) => candidates.next().map(|port| Held { port, _lock: None }),
        (Some(port), false) => return hold_fixed(port),
        (None, false) => {
            candidates.find_map(|port| lock(port, FlockArg::LockExclusiveNonblock).filter(|_| !is_used(port)))
        }
    };
    held.ok_or_else(|| "no free port was found".to_owned())
}

/// All ports there are to give, each once, from one that `spread` decides.
fn candidates(spread: u64) -> impl Iterator<Item = u16> {
    let (first, count) = (spread % u64::from(COUNT), u64::from(COUNT));
    let all = (0..count).map(move |n| FIRST + ((first + n * 37) % count) as u16);
    all.filter(|port| is_telling(*port))
}

/// Whether the port is another one without `htons`: of a number with two equal
/// bytes nobody can tell whether they were swapped.
fn is_telling(port: u16) -> bool {
    port.swap_bytes() != port
}

/// A socket of the grader's own on a port that the system chooses, for the same
/// reason another one where it chose such a port.
pub fn open_telling<T>(open: impl Fn() -> io::Result<T>, addr: impl Fn(&T) -> io::Result<SocketAddr>) -> io::Result<T> {
    let mut passed_over = Vec::new(); // open until then, so that theirs are not chosen again
    loop {
        let socket = open()?;
        if is_telling(addr(&socket)?.port()) {
            return Ok(socket);
        }
        passed_over.push(socket);
    }
}

/// A TCP socket to connect from such a port, and from this address if it matters.
pub fn bound_for(to: SocketAddr, from: Option<IpAddr>) -> io::Result<Socket> {
    let any = if to.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let open = || {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.bind(&SocketAddr::new(from.unwrap_or(any), 0).into())?;
        Ok(socket)
    };
    open_telling(open, |socket| socket.local_addr()?.as_socket().ok_or_else(|| ErrorKind::Unsupported.into()))
}

/// Without `{port}` in its command a program has its lab's port.
fn fixed(job: &Job) -> Option<u16> {
    let commands = [&job.submission.server, &job.submission.client];
    let asks = commands.into_iter().flatten().any(|command| command.contains("{port}"));
    (!asks).then(|| suites::default_port(&job.submission.lab))
}

fn hold_fixed(port: u16) -> Result<Held, String> {
    let held = lock(port, FlockArg::LockExclusive).ok_or("the lock of the port cannot be had")?;
    let until = Instant::now() + TIME_WAIT;
    while is_used(port) {
        if Instant::now() > until {
            return Err(format!("port {port} is in use on this host"));
        }
        std::thread::sleep(Duration::from_millis(100)); // the kernel tells nobody when TIME_WAIT ends
    }
    Ok(held)
}

fn lock(port: u16, how: FlockArg) -> Option<Held> {
    let folder = std::env::temp_dir().join(format!("netlab-ports-{}", nix::unistd::geteuid()));
    fs::create_dir_all(&folder).ok()?;
    let file = OpenOptions::new().create(true).append(true).open(folder.join(port.to_string())).ok()?;
    let lock = Flock::lock(file, how).ok()?;
    Some(Held { port, _lock: Some(lock) })
}

fn is_used(port: u16) -> bool {
    sockets().iter().any(|row| row.local.port() == port)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_port_is_given_once_but_those_whose_bytes_are_equal() {
        for spread in [0, 46, 5_000, u64::MAX] {
            let given: Vec<u16> = candidates(spread).collect();
            let different: HashSet<u16> = given.iter().copied().collect();
            assert_eq!(given.len(), different.len(), "{spread}");
            assert!(!given.contains(&0x4e4e) && !given.contains(&0x7474));
            assert_eq!(given.len(), usize::from(COUNT) - (0x4e..=0x74).count(), "{spread}");
        }
    }
}
