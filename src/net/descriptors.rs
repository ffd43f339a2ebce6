//! How many sockets a process may have at once.

/// A process starts with room for perhaps a thousand descriptors, and may
/// raise that itself up to a limit of the system: who serves or asks
/// thousands wants them all.
pub fn raise_limit() {
    #[cfg(unix)]
    if let Ok(limit) = rlimit::increase_nofile_limit(u64::MAX) {
        widen_descriptor_table(limit);
    } // else there are fewer clients, then
}

/// Descriptors for which the system makes room at once: a class's, and ten
/// thousand more. It costs the system 8 bytes each.
#[cfg(unix)]
const ROOM_AT_ONCE: u64 = 32_768;

/// Linux doubles a process's table of descriptors as it fills, and in a process
/// of several threads each doubling waits until no core can be reading the old
/// one (`synchronize_rcu`): some 20 ms, in which accept stands still and a burst
/// of clients fills the backlog. So the table is made wide now, while there is
/// one thread, by using a high number once.
#[cfg(unix)]
fn widen_descriptor_table(limit: u64) {
    use nix::fcntl::{FcntlArg, fcntl};
    let highest = limit.min(ROOM_AT_ONCE).saturating_sub(1) as i32;
    // Where it fails, the table grows as it always did.
    let Ok(any) = std::fs::File::open("/dev/null") else { return };
    if let Ok(copy) = fcntl(&any, FcntlArg::F_DUPFD_CLOEXEC(highest)) {
        let _ = nix::unistd::close(copy);
    }
}
