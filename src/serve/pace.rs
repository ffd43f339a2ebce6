//! How many datagrams to ask for in one call.
//!
//! To ask for many costs a little more than to ask for one, and is wasted where
//! only one ever waits. So a server asks for one; now and then it asks for
//! several, and goes on so while several are there.

#[cfg(target_os = "linux")]
use crate::net::batch::MOST;
/// Elsewhere no call takes more.
#[cfg(not(target_os = "linux"))]
const MOST: usize = 1;

/// Single datagrams between two looks at whether more of them wait. A look
/// that finds none doubles it: a client that awaits each answer is left alone.
const LOOK_EVERY: [u32; 2] = [32, 1024];

/// What a look asks for, and the least that is asked for while many wait.
const SEVERAL: usize = if MOST < 8 { MOST } else { 8 };

/// So many calls that got one datagram, and the server asks for one again.
const LONELY: u32 = 4;

/// Chooses between one datagram a call and many.
pub struct Pace {
    /// Asked for in one call while many wait; 1 while they do not.
    most: usize,
    singles: u32,
    look_every: u32,
    lonely: u32,
}

impl Pace {
    /// Nobody has sent anything yet.
    pub fn new() -> Pace {
        Pace { most: 1, singles: 0, look_every: LOOK_EVERY[0], lonely: 0 }
    }

    /// How many to ask for now.
    pub fn asks_for(&self) -> usize {
        if self.most == 1 && self.singles >= self.look_every { SEVERAL } else { self.most }
    }

    /// Takes in how many came.
    pub fn learn(&mut self, got: usize) {
        if got > 1 {
            // Twice what came has room for a queue that grows.
            (self.most, self.lonely) = ((2 * got).clamp(SEVERAL, MOST), 0);
            (self.singles, self.look_every) = (0, LOOK_EVERY[0]);
        } else if self.most > 1 {
            self.lonely += 1;
            if self.lonely >= LONELY {
                (self.most, self.lonely) = (1, 0);
            }
        } else if self.singles >= self.look_every {
            (self.singles, self.look_every) = (0, (2 * self.look_every).min(LOOK_EVERY[1]));
        } else {
            self.singles += 1;
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn after(counts: impl IntoIterator<Item = usize>) -> Pace {
        let mut pace = Pace::new();
        counts.into_iter().for_each(|count| pace.learn(count));
        pace
    }

    #[test]
    fn one_is_asked_for_until_it_is_time_to_look() {
        assert_eq!(after([]).asks_for(), 1);
        assert_eq!(after([1; 31]).asks_for(), 1);
        assert_eq!(after([1; 32]).asks_for(), SEVERAL);
        assert_eq!(after([1; 33]).asks_for(), 1);
    }

    #[test]
    fn looks_that_find_nobody_become_rare() {
        let mut pace = Pace::new();
        let looks = (0..100_000).filter(|_| {
            let looks = pace.asks_for() > 1;
            pace.learn(1);
            looks
        });
        assert!(looks.count() <= 105);
    }

    #[test]
    fn a_batch_grows_while_it_comes_back_full_and_ends_when_nobody_queues() {
        let grown = (0..10).fold(after([1; 32]), |mut pace, _| {
            pace.learn(pace.asks_for());
            pace
        });
        assert_eq!(grown.asks_for(), MOST);
        assert_eq!(after([5]).asks_for(), 10.min(MOST));
        assert_eq!(after([5, 1, 1, 1]).asks_for(), 10.min(MOST));
        assert_eq!(after([5, 1, 1, 1, 1]).asks_for(), 1);
    }
}
