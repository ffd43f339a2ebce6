//! When a second loop is worth its while.
//!
//! Two loops that are both half busy do more work than one that is busy: each
//! finds fewer clients ready when it looks, and a look, `epoll_wait(2)`, costs
//! a system call. So all clients stay with one loop, until it uses a whole
//! core *and* another core has nothing to do.

use std::time::{Duration, Instant};

/// Turns between two looks at the clock.
const TURNS_PER_LOOK: u32 = 32;

/// The time over which use is measured: several of the 10 ms ticks in which
/// the system counts idle time.
const WINDOW: Duration = Duration::from_millis(250);

/// The share of a core's time from which a loop is overloaded.
const OVERLOADED: f64 = 0.85;

/// How much of a core must have been idle to be worth using.
const IDLE_CORES: f64 = 0.7;

/// Measures one loop.
pub struct Meter {
    turns: u32,
    since: Instant,
    used: Duration,
    idle: Duration,
}

impl Meter {
    /// Begins to measure the loop of this thread.
    pub fn new() -> Meter {
        Meter { turns: 0, since: Instant::now(), used: Duration::ZERO, idle: Duration::ZERO }
    }

    /// Called each turn: whether this loop should give clients away.
    pub fn is_overloaded(&mut self) -> bool {
        self.turns += 1;
        if self.turns < TURNS_PER_LOOK {
            return false;
        }
        self.turns = 0;
        let window = self.since.elapsed();
        window >= WINDOW && self.look(window)
    }

    fn look(&mut self, window: Duration) -> bool {
        let (Some(used), Some(idle)) = (thread_time(), idle_time()) else { return false };
        let (share, idle_cores) = (ratio(used, self.used, window), ratio(idle, self.idle, window));
        let is_first_look = self.used.is_zero();
        (self.since, self.used, self.idle) = (Instant::now(), used, idle);
        !is_first_look && share > OVERLOADED && idle_cores > IDLE_CORES
    }
}

fn ratio(now: Duration, before: Duration, window: Duration) -> f64 {
    now.saturating_sub(before).as_secs_f64() / window.as_secs_f64()
}

/// The processor time that this thread has used.
#[cfg(target_os = "linux")]
fn thread_time() -> Option<Duration> {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok().map(Duration::from)
}

/// The time that all cores together had nothing to do (proc(5), `/proc/stat`).
#[cfg(target_os = "linux")]
fn idle_time() -> Option<Duration> {
    idle_of(&std::fs::read_to_string("/proc/stat").ok()?)
}

/// The fourth figure of the first line, in hundredths of a second.
#[cfg(target_os = "linux")]
fn idle_of(stat: &str) -> Option<Duration> {
    let ticks: u64 = stat.lines().next()?.split_ascii_whitespace().nth(4)?.parse().ok()?;
    Some(Duration::from_millis(10 * ticks))
}

// Elsewhere clients are dealt out as they come, and stay where they are.
#[cfg(not(target_os = "linux"))]
fn thread_time() -> Option<Duration> {
    None
}

#[cfg(not(target_os = "linux"))]
fn idle_time() -> Option<Duration> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn idle_time_is_the_fourth_figure_of_the_first_line() {
        let stat = "cpu  10 20 30 400 50 0 0 0 0 0\ncpu0 1 2 3 4\n";
        assert_eq!(idle_of(stat), Some(Duration::from_secs(4)));
        assert_eq!(idle_of("cpu"), None);
        assert_eq!(idle_of(""), None);
    }

    #[test]
    fn a_thread_that_works_uses_time() {
        let before = thread_time().unwrap();
        let since = Instant::now();
        while since.elapsed() < Duration::from_millis(20) {}
        assert!(thread_time().unwrap() > before);
    }
}
