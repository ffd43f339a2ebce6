//! Where a loop gets its clients from: newly accepted ones, and those that
//! another loop moves to it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::Waker;

use super::connection::Connection;
use crate::net::stop::Interrupt;

/// Whether an overloaded loop is known by [`load`](super::load); where it is not, clients
/// are dealt out evenly as they come.
pub const LOAD_IS_KNOWN: bool = cfg!(target_os = "linux");

/// Where a loop gets its clients from.
pub struct Inbox<S> {
    pub arrivals: Mutex<Arrivals<S>>,
    pub waker: Waker,
    /// Clients the loop has, those in the inbox included.
    pub load: AtomicUsize,
    /// No more clients will be accepted.
    pub closed: AtomicBool,
}

pub struct Arrivals<S> {
    pub connections: Vec<Connection<S>>,
    /// The loop has ended, and looks in here no more.
    pub gone: bool,
}

impl<S> Inbox<S> {
    pub fn new(waker: Waker) -> Arc<Inbox<S>> {
        let arrivals = Mutex::new(Arrivals { connections: Vec::new(), gone: false });
        Arc::new(Inbox { arrivals, waker, load: AtomicUsize::new(0), closed: AtomicBool::new(false) })
    }

    pub fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Takes a connection; gives it back where the loop has ended.
    pub fn put(&self, connection: Connection<S>) -> Option<Connection<S>> {
        let mut arrivals = lock(&self.arrivals);
        if arrivals.gone {
            return Some(connection);
        }
        self.load.fetch_add(1, Ordering::Relaxed);
        arrivals.connections.push(connection);
        None
    }

    pub fn wake(&self) {
        let _ = self.waker.wake(); // fails only for a loop that is gone
    }
}

impl<S: Send> Interrupt for Inbox<S> {
    fn interrupt(&self) {
        self.wake();
    }
}

/// Hands a new client to the accepting loop, the first, which looks into its
/// inbox anyway; or, where load is not known, to the loop that has fewest.
pub fn deal<S>(connection: Connection<S>, inboxes: &[Arc<Inbox<S>>]) {
    let fewest = inboxes.iter().min_by_key(|inbox| inbox.load());
    let inbox = if LOAD_IS_KNOWN { inboxes.first() } else { fewest };
    if let Some(inbox) = inbox {
        let refused = inbox.put(connection);
        if !Arc::ptr_eq(inbox, &inboxes[0]) {
            inbox.wake();
        }
        let _ = refused.and_then(|connection| inboxes[0].put(connection));
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
