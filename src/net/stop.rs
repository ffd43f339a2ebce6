//! Stopping in order: Ctrl-C, SIGTERM, `--for`, a closed stdout.
//!
//! A thread that waits in `accept(2)` or `recv(2)` cannot look at a flag. So
//! whoever may wait registers what wakes it, and [`Stop::ask`] wakes them all.

use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::Duration;

/// Exit status after a second Ctrl-C: 128 + SIGINT, as shells have it.
pub(super) const KILLED_BY_SIGINT: i32 = 130;

/// Why a server stops that a signal told to.
const STOPPED_BY_OPERATOR: &str = "it was stopped by its operator";

/// The longest time that can be asked for: a year, after which nobody waits
/// any more, and which every clock can add.
const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 3600);

/// A time as people write it: `250ms`, `2s`, `1m30s`.
pub fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time <= MAX_DURATION => Ok(time),
        Ok(_) => Err("is longer than a year".into()),
        Err(error) => Err(format!("{error}: write a time such as 250ms, 30s or 1m30s")),
    }
}

/// Ends the process at once: the second Ctrl-C, where it came as a key.
pub fn exit_as_killed() -> ! {
    process::exit(KILLED_BY_SIGINT)
}

/// How often a thread is asked for to wait for signals, on a host that has none
/// to spare, and the pause between: half a second in all.
const HANDLER_TRIES: u32 = 10;
const HANDLER_PAUSE: Duration = Duration::from_millis(50);

/// Something that waits and can be woken.
pub trait Interrupt: Send + Sync {
    /// Ends the wait. Called once, from another thread.
    fn interrupt(&self);

    /// Ends also what the first call left to end in order. Called once, some
    /// time later.
    fn force(&self) {}
}

/// How long those who were woken may take to end in order.
const FORCE_AFTER: Duration = Duration::from_millis(1400);

/// A request to stop, shared by all who have to heed it.
#[derive(Clone, Default)]
pub struct Stop(Arc<Inner>);

#[derive(Default)]
struct Inner {
    asked: AtomicBool,
    by_signals: AtomicBool,
    /// Signals are looked for by the server itself.
    looks_itself: AtomicBool,
    reason: OnceLock<String>,
    waiters: Mutex<Waiters>,
    changed: Condvar,
    /// Held while the waiters are woken.
    waking: Mutex<()>,
}

#[derive(Default)]
struct Waiters {
    list: Vec<Weak<dyn Interrupt>>,
    sweep_at: usize,
}

impl Stop {
    /// Nobody has asked yet.
    pub fn new() -> Stop {
        Stop::default()
    }

    /// Whether to stop.
    pub fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::Acquire)
    }

    /// Why it was asked for, for those who are told.
    pub fn reason(&self) -> &str {
        self.0.reason.get().map_or("it was stopped", String::as_str)
    }

    /// Asks everyone to stop, and says why.
    pub fn ask_because(&self, reason: impl Into<String>) {
        let _ = self.0.reason.set(reason.into()); // whoever was first is the reason
        self.ask();
    }

    /// Asks everyone to stop, and wakes those who wait.
    pub fn ask(&self) {
        if self.is_asked() {
            return;
        }
        // Before it is known that somebody asked: see `settle`.
        let _waking = self.0.waking.lock().unwrap_or_else(PoisonError::into_inner);
        if self.0.asked.swap(true, Ordering::AcqRel) {
            return;
        }
        let waiters = std::mem::take(&mut self.waiters().list);
        self.0.changed.notify_all();
        for waiter in waiters.iter().filter_map(Weak::upgrade) {
            waiter.interrupt();
        }
        let force = move || {
            thread::sleep(FORCE_AFTER);
            waiters.iter().filter_map(Weak::upgrade).for_each(|waiter| waiter.force());
        };
        // Without this thread, who does not end in order ends with the process.
        let _ = thread::Builder::new().name("force".into()).spawn(force);
    }

    /// Waits until all who had to be woken are. Who was woken first might else
    /// end the process while another thread is still at it, with a socket call
    /// made and not yet traced.
    pub fn settle(&self) {
        drop(self.0.waking.lock());
    }

    /// Wakes `waiter` when the stop comes; at once if it has come already.
    /// Who is dropped before is forgotten.
    pub fn wakes<T: Interrupt + 'static>(&self, waiter: &Arc<T>) {
        self.arm();
        let waiter: Weak<dyn Interrupt> = Arc::downgrade(waiter) as Weak<dyn Interrupt>;
        self.waiters().add(waiter.clone());
        // Asked between a look at the flag and the addition: nobody else
        // would wake this one.
        if self.is_asked()
            && let Some(waiter) = waiter.upgrade()
        {
            waiter.interrupt();
        }
    }

    /// Stops after `time` (`--for`).
    ///
    /// # Errors
    /// There is no thread to be had that waits so long: nobody would stop then.
    pub fn ask_after(&self, time: Duration) -> io::Result<()> {
        let stop = Arc::downgrade(&self.0);
        let timer = move || {
            thread::sleep(time);
            if let Some(inner) = stop.upgrade() {
                Stop(inner).ask_because("its time is over");
            }
        };
        thread::Builder::new().name("timer".into()).spawn(timer).map(drop)
    }

    /// A stop that is asked for by the first Ctrl-C, SIGTERM or SIGHUP; a
    /// second one ends the process at once.
    pub fn on_signals() -> Stop {
        let stop = Stop::new();
        stop.0.by_signals.store(true, Ordering::Release);
        stop
    }

    /// Sets the signal handlers, if this stop has them and once there is
    /// something to stop: until then a signal may just end the process. (And
    /// the handler's pipe comes after the first socket, which then is 3 in a
    /// trace, as in every book.)
    pub fn arm(&self) {
        if !self.0.by_signals.swap(false, Ordering::AcqRel) {
            return;
        }
        #[cfg(target_os = "linux")]
        if self.looks_itself() && super::signals::handle() {
            return;
        }
        for _ in 0..HANDLER_TRIES {
            match self.set_handler() {
                // No thread to be had for it just now.
                Err(ctrlc::Error::System(_)) => thread::sleep(HANDLER_PAUSE),
                // Or one is set already: then that one serves.
                _ => return leave_signals_to_that_thread(),
            }
        }
        end_by_signals();
    }

    fn set_handler(&self) -> Result<(), ctrlc::Error> {
        let stop = self.clone();
        ctrlc::set_handler(move || {
            if stop.is_asked() {
                process::exit(KILLED_BY_SIGINT);
            }
            stop.ask_because(STOPPED_BY_OPERATOR);
        })
    }

    /// Tells, before there is anything to stop, that the server looks itself
    /// whether a signal came, by [`Stop::heed_signals`], each time its wait
    /// ends ([`signals`](super::signals)): no thread is needed for them then.
    pub fn look_itself(&self) {
        let by_signals = self.0.by_signals.load(Ordering::Acquire);
        self.0.looks_itself.store(by_signals && cfg!(target_os = "linux"), Ordering::Release);
    }

    /// Whether it does.
    pub fn looks_itself(&self) -> bool {
        self.0.looks_itself.load(Ordering::Acquire)
    }

    /// Asks to stop if a signal came.
    pub fn heed_signals(&self) {
        #[cfg(target_os = "linux")]
        if super::signals::came() && self.looks_itself() {
            self.ask_because(STOPPED_BY_OPERATOR);
        }
    }

    /// Sleeps for `time`, or until asked to stop. Says whether it was asked.
    pub fn wait(&self, time: Duration) -> bool {
        let waiters = self.waiters();
        let asked = |_: &mut Waiters| !self.is_asked();
        let _ = self.0.changed.wait_timeout_while(waiters, time, asked);
        self.is_asked()
    }

    fn waiters(&self) -> MutexGuard<'_, Waiters> {
        self.0.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From now on this thread, and those it starts, take no signal: the handler's
/// own thread does. A call that a signal interrupts is made twice, and a trace
/// would have to show it twice.
fn leave_signals_to_that_thread() {
    #[cfg(unix)]
    {
        use nix::sys::signal::{SigSet, Signal};
        let mut signals = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            signals.add(signal);
        }
        let _ = signals.thread_block(); // else it is as it was
    }
}

/// The handler is in place, and no thread waits for what it tells: without
/// this, nothing but SIGKILL would end the process.
#[cfg_attr(unix, allow(unsafe_code))]
fn end_by_signals() {
    #[cfg(unix)]
    {
        use nix::sys::signal::{SigHandler, Signal, signal};
        for number in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            // SAFETY: the default action calls no code of ours.
            let _ = unsafe { signal(number, SigHandler::SigDfl) };
        }
    }
}

impl Interrupt for Stop {
    fn interrupt(&self) {
        self.ask();
    }
}

impl Waiters {
    /// Sweeps out the dead whenever the list has doubled, so that a server
    /// that has seen a million clients remembers only the present ones.
    fn add(&mut self, waiter: Weak<dyn Interrupt>) {
        if self.list.len() >= self.sweep_at.max(16) {
            self.list.retain(|waiter| waiter.strong_count() > 0);
            self.sweep_at = 2 * self.list.len();
        }
        self.list.push(waiter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Interrupt for Counter {
        fn interrupt(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn everyone_who_waits_is_woken_once_and_latecomers_at_once() {
        let stop = Stop::new();
        let (early, late) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
        stop.wakes(&early);
        stop.ask();
        stop.ask();
        stop.wakes(&late);
        assert_eq!(early.0.load(Ordering::SeqCst), 1);
        assert_eq!(late.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn those_who_are_gone_are_forgotten() {
        let stop = Stop::new();
        for _ in 0..10_000 {
            stop.wakes(&Arc::new(Counter::default()));
        }
        assert!(stop.waiters().list.len() <= 16);
    }
}
