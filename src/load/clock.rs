//! When messages are due: the n-th at n / rate seconds, whatever became of
//! those before.

use std::time::{Duration, Instant};

/// A schedule of messages, evenly spaced.
pub struct Clock {
    started: Instant,
    rate: f64,
    given: u64,
}

impl Clock {
    /// `rate` messages a second, from now on.
    pub fn new(rate: f64, started: Instant) -> Clock {
        Clock { started, rate, given: 0 }
    }

    fn due(&self, number: u64) -> Instant {
        self.started + Duration::from_secs_f64(number as f64 / self.rate)
    }

    /// The next message that is due by `now`: its number, and when it was due.
    pub fn next_due(&mut self, now: Instant) -> Option<(u64, Instant)> {
        let (number, due) = (self.given, self.due(self.given));
        (due < now).then(|| {
            self.given += 1;
            (number, due)
        })
    }

    /// How long until the next one is due.
    pub fn wait(&self, now: Instant) -> Duration {
        self.due(self.given).saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_by_the_clock_also_when_nobody_looked() {
        let started = Instant::now();
        let mut clock = Clock::new(1000.0, started);
        let ms = |ms| started + Duration::from_millis(ms);
        assert_eq!(clock.next_due(started), None);
        let late = ms(3) + Duration::from_micros(500);
        let due: Vec<_> = std::iter::from_fn(|| clock.next_due(late)).collect();
        assert_eq!(due, [(0, ms(0)), (1, ms(1)), (2, ms(2)), (3, ms(3))]);
        assert_eq!(clock.wait(late), Duration::from_micros(500));
    }
}
