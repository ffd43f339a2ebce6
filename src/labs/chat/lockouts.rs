//! Wrong passwords are counted: whoever guesses has to wait.
//!
//! Counted is by address *and* name. By name alone, anyone could lock alice
//! out; by address alone, one who mistypes would lock out a whole class behind
//! one router.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::names::folded;

/// Wrong passwords in a row that are taken for mistyping.
pub const MAX_WRONG: u32 = 5;

/// How long after that nothing is taken.
pub const LOCKED_FOR: Duration = Duration::from_secs(60);

/// After this long without another wrong one, the earlier ones are forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15 * 60);

/// More than a class can mistype; what a guesser adds beyond pushes out the
/// oldest.
const MAX_ENTRIES: usize = 10_000;

/// Who has given wrong passwords, and how often.
#[derive(Debug, Default)]
pub struct Lockouts {
    wrong: HashMap<(IpAddr, String), Wrong>,
}

#[derive(Clone, Copy, Debug)]
struct Wrong {
    times: u32,
    last: Instant,
}

impl Wrong {
    fn locked_for(&self, now: Instant) -> Option<Duration> {
        let left = LOCKED_FOR.checked_sub(now.saturating_duration_since(self.last))?;
        (self.times >= MAX_WRONG && !left.is_zero()).then_some(left)
    }

    /// Whether the count begins anew: the lock is over, or all is long ago.
    fn is_over(&self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.last);
        since >= if self.times >= MAX_WRONG { LOCKED_FOR } else { FORGOTTEN_AFTER }
    }
}

impl Lockouts {
    /// How much longer nothing is taken from there for this name; to be asked
    /// before the password is looked at.
    pub fn locked(&self, from: IpAddr, name: &str, now: Instant) -> Option<Duration> {
        self.wrong.get(&key(from, name))?.locked_for(now)
    }

    /// Counts a wrong password. `Some` when that locks: how long.
    pub fn failed(&mut self, from: IpAddr, name: &str, now: Instant) -> Option<Duration> {
        self.make_room(now);
        let wrong = self.wrong.entry(key(from, name)).or_insert(Wrong { times: 0, last: now });
        if wrong.is_over(now) {
            wrong.times = 0;
        }
        *wrong = Wrong { times: wrong.times + 1, last: now };
        wrong.locked_for(now)
    }

    /// The right password: the wrong ones were mistyped.
    pub fn proven(&mut self, from: IpAddr, name: &str) {
        self.wrong.remove(&key(from, name));
    }

    fn make_room(&mut self, now: Instant) {
        if self.wrong.len() < MAX_ENTRIES {
            return;
        }
        self.wrong.retain(|_, wrong| !wrong.is_over(now));
        // Half at a time, so that it is not done for each entry.
        let mut ages: Vec<Instant> = self.wrong.values().map(|wrong| wrong.last).collect();
        if ages.len() >= MAX_ENTRIES {
            let (_, middle, _) = ages.select_nth_unstable(MAX_ENTRIES / 2);
            let middle = *middle;
            self.wrong.retain(|_, wrong| wrong.last > middle);
        }
    }
}

/// Capitals make no new name; nor does an IPv4 address written as IPv6 make a
/// new address.
fn key(from: IpAddr, name: &str) -> (IpAddr, String) {
    (from.to_canonical(), folded(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn other(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(0x7f00_0100 + number).into()
    }

    #[test]
    fn the_fifth_wrong_password_locks_for_a_minute() {
        let (mut book, start) = (Lockouts::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for second in 0..4 {
            assert_eq!(book.failed(HERE, "alice", at(second)), None);
            assert_eq!(book.locked(HERE, "alice", at(second)), None);
        }
        assert_eq!(book.failed(HERE, "ALICE", at(4)), Some(LOCKED_FOR));
        assert_eq!(book.locked(HERE, "Alice", at(14)), Some(Duration::from_secs(50)));
        assert_eq!(book.locked("::ffff:127.0.0.1".parse().unwrap(), "alice", at(14)), Some(Duration::from_secs(50)));
        assert_eq!(book.locked(HERE, "alice", at(64)), None);
        assert_eq!(book.failed(HERE, "alice", at(64)), None);
    }

    #[test]
    fn a_lock_is_of_one_name_from_one_address() {
        let (mut book, now) = (Lockouts::default(), Instant::now());
        for _ in 0..MAX_WRONG {
            book.failed(HERE, "alice", now);
        }
        assert!(book.locked(HERE, "alice", now).is_some());
        assert_eq!(book.locked(HERE, "bob", now), None);
        assert_eq!(book.locked(other(1), "alice", now), None);
    }

    #[test]
    fn the_right_password_and_a_quarter_of_an_hour_wipe_the_slate() {
        let (mut book, now) = (Lockouts::default(), Instant::now());
        for _ in 1..MAX_WRONG {
            book.failed(HERE, "alice", now);
        }
        book.proven(HERE, "alice");
        for _ in 1..MAX_WRONG {
            assert_eq!(book.failed(HERE, "alice", now), None);
        }
        assert_eq!(book.failed(HERE, "alice", now + FORGOTTEN_AFTER), None);
        assert!(book.failed(HERE, "bob", now).is_none());
    }

    #[test]
    fn a_guesser_of_many_names_fills_no_memory() {
        let (mut book, start) = (Lockouts::default(), Instant::now());
        for number in 0..30_000 {
            book.failed(other(number), "alice", start + Duration::from_micros(number.into()));
            assert!(book.wrong.len() <= MAX_ENTRIES);
        }
        assert!(book.wrong.contains_key(&key(other(29_999), "alice")));
    }
}
