//! How far a long run has come: one line on a terminal, and none elsewhere.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::report::Report;

/// Shorter runs need no line; and nobody reads faster.
const TOLD_EVERY: Duration = Duration::from_millis(250);

/// Tells how far a run has come.
pub struct Progress {
    report: Arc<dyn Report>,
    count: u32,
    told: Mutex<Instant>,
    shown: bool,
    /// Whether TCP's congestion window is watched meanwhile.
    pub watches_window: bool,
}

impl Progress {
    /// Of `count` messages.
    pub fn new(report: &Arc<dyn Report>, count: u32) -> Progress {
        Progress {
            report: report.clone(),
            count,
            told: Mutex::new(Instant::now()),
            shown: report.shows_tables(),
            watches_window: false,
        }
    }

    /// `done` messages of `what` have gone their way.
    pub fn tell(&self, what: &str, done: u32) {
        if !self.shown {
            return;
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() >= TOLD_EVERY {
            *told = Instant::now();
            self.report.table(vec![format!("{what}: {done} of {} messages", self.count)]);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            self.report.table(Vec::new());
        }
    }
}
