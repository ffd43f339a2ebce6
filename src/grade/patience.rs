//! How long to wait for a program. What counts is the time in which it sleeps,
//! and the work that it does meanwhile: a slow or loaded machine makes nobody
//! late.

use std::time::{Duration, Instant};

use super::program::Program;

/// How long a program may sleep before it answers. Counted is only the time in
/// which all its threads sleep: a slow machine makes nobody late.
pub const REPLY: Patience = Patience { idle: Duration::from_secs(4), cpu: Duration::from_secs(8) };

/// How long it may take to do what needs nobody else: print, close, end.
pub const SETTLE: Patience = Patience { idle: Duration::from_millis(2500), cpu: Duration::from_secs(6) };

/// After the last process has gone, for bytes that are still on their way.
const AFTERMATH: Duration = Duration::from_millis(400);

/// Between two looks at what the programs do: often at first, then less.
const LOOK_EVERY: [Duration; 2] = [Duration::from_millis(40), Duration::from_millis(160)];

/// Whatever it does, no wait is longer, but for the time in which it is kept
/// from running.
const LONGEST: Duration = Duration::from_secs(90);

/// However busy the machine is, no wait is longer.
const LATEST: Duration = Duration::from_secs(480);

/// How long to wait for a program: so much sleep, so much work.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Time in which all its threads sleep.
    pub idle: Duration,
    /// Processor time it uses meanwhile.
    pub cpu: Duration,
}

impl Patience {
    /// The same, but more sleep is forgiven.
    pub const fn idle(self, idle: Duration) -> Patience {
        Patience { idle, ..self }
    }
}

/// Patience while it runs out.
pub struct Waiting {
    idle: Duration,
    cpu: Duration,
    until: Instant,
    /// No later, however busy the machine is.
    latest: Instant,
    looked: Instant,
    every: Duration,
    used: Option<u64>,
}

impl Waiting {
    /// Patience that runs out from now on.
    pub fn new(patience: Patience) -> Waiting {
        let now = Instant::now();
        Waiting {
            idle: patience.idle,
            cpu: patience.cpu,
            until: now + LONGEST,
            latest: now + LATEST,
            looked: now,
            every: LOOK_EVERY[0],
            used: None,
        }
    }

    /// Whether to wait on.
    pub fn goes_on(&mut self, programs: &[&Program]) -> bool {
        let passed = self.looked.elapsed();
        if passed < self.every {
            return true;
        }
        // A grader that was kept from running has not waited so long.
        let passed = passed.min(2 * self.every);
        self.every = (self.every * 5 / 4).min(LOOK_EVERY[1]);
        self.looked = Instant::now();
        let (mut busy, mut used, mut over) = (false, 0, true);
        for program in programs {
            let activity = program.activity();
            busy |= activity.busy;
            used += activity.cpu_ns;
            over &= activity.processes == 0 && program.is_over();
        }
        let worked = Duration::from_nanos(used.saturating_sub(self.used.unwrap_or(used)));
        self.used = Some(used);
        self.cpu = self.cpu.saturating_sub(worked);
        if over {
            self.idle = self.idle.min(AFTERMATH);
        }
        if over || (!busy && worked < passed / 2) {
            self.idle = self.idle.saturating_sub(passed);
        }
        if busy && worked < passed / 2 {
            // It wants to run, and the machine has others to serve.
            self.until = self.latest.min(self.until + (passed - worked));
        }
        !self.idle.is_zero() && !self.cpu.is_zero() && self.looked < self.until
    }
}
