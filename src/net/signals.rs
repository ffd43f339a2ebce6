//! Ctrl-C, SIGTERM and SIGHUP without a thread that waits for them.
//!
//! A thread for signals may do whatever it takes to stop a server
//! ([`Stop::arm`](super::stop::Stop::arm)). But in a process of two threads
//! each call on a socket makes sure that the other does not close it
//! meanwhile, and each switch of processes takes longer: measured, a tenth of
//! a round trip. A server that waits in one place can do without: the handler
//! notes that a signal came and ends that wait, and the server looks.
//!
//! A handler may make only calls that are safe in the middle of anything
//! (signal-safety(7)): `shutdown`, `write` and `_exit` are.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use super::stop::KILLED_BY_SIGINT;

/// Signals that came.
static CAME: AtomicU32 = AtomicU32::new(0);

/// What the server waits for; -1 while it does not.
static WAITS_FOR: AtomicI32 = AtomicI32::new(-1);

/// Handles signals from now on. Says whether it could be done.
#[allow(unsafe_code)]
pub(super) fn handle() -> bool {
    let action = SigAction::new(SigHandler::Handler(on_signal), SaFlags::SA_RESTART, SigSet::empty());
    let handle = |signal| {
        // SAFETY: the handler touches two atomics and makes three calls, each
        // of which signal-safety(7) allows.
        unsafe { sigaction(signal, &action) }
    };
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().all(|signal| handle(signal).is_ok())
}

/// Whether one came.
pub(super) fn came() -> bool {
    CAME.load(Ordering::Acquire) > 0
}

/// While it lives, a signal ends the wait on a descriptor.
pub struct Waiting(());

impl Waiting {
    /// For a datagram socket: its `recvfrom` returns. For the writing end of a
    /// pipe: there is something to read at the other.
    pub fn on(fd: &impl AsFd) -> Waiting {
        WAITS_FOR.store(fd.as_fd().as_raw_fd(), Ordering::Release);
        if came() {
            end_wait(); // between the look at the flag and the wait
        }
        Waiting(())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // The number may soon be another file's.
        WAITS_FOR.store(-1, Ordering::Release);
    }
}

extern "C" fn on_signal(_: libc::c_int) {
    match CAME.fetch_add(1, Ordering::AcqRel) {
        0 => end_wait(),
        _ => exit(),
    }
}

/// Each call means something to one kind of descriptor, and nothing to the
/// other: a datagram socket that is not connected cannot be written to, and
/// what is no socket cannot be shut down.
#[allow(unsafe_code)]
fn end_wait() {
    let fd = WAITS_FOR.load(Ordering::Acquire);
    if fd < 0 {
        return;
    }
    // SAFETY: `Waiting` is dropped before its descriptor; errno, which belongs
    // to whatever was interrupted, is put back.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        libc::shutdown(fd, libc::SHUT_RD);
        libc::write(fd, [0_u8].as_ptr().cast(), 1);
        *errno = before;
    }
}

/// The second signal ends the process at once.
#[allow(unsafe_code)]
fn exit() {
    // SAFETY: it does not return, and runs nothing on its way out.
    unsafe { libc::_exit(KILLED_BY_SIGINT) }
}
