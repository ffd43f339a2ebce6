//! Which port a program is given. In a network of its own any is free. In the
//! host's, it is locked among all graders, and lies below the range from which
//! the system takes ports for clients: a port found by binding and closing can
//! be gone a moment later.

use std::fs::{self, File, OpenOptions};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};

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
    if job.isolation.has_network() {
        let port = wanted.unwrap_or(FIRST + (spread % u64::from(COUNT)) as u16);
        return Ok(Held { port, _lock: None });
    }
    match wanted {
        Some(port) => hold_fixed(port),
        None => (0..COUNT)
            .map(|n| FIRST + ((spread.wrapping_add(u64::from(n) * 37)) % u64::from(COUNT)) as u16)
            .find_map(|port| lock(port, FlockArg::LockExclusiveNonblock).filter(|_| !is_used(port)))
            .ok_or_else(|| "no free port was found".to_owned()),
    }
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
