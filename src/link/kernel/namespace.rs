//! Network namespaces: `unshare(2)`, `setns(2)`, `user_namespaces(7)`.

use std::fs::{self, File};
use std::io;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{getegid, geteuid};

use super::{INSTEAD, WHAT};
use crate::error::{Attempt, Error, Result};

/// The calling thread's own. (`/proc/self` is the first thread's.)
const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace, which is there as long as this is.
pub struct Namespace(File);

impl Namespace {
    /// A new one, in which the calling thread is from now on.
    pub fn fresh() -> io::Result<Namespace> {
        unshare(CloneFlags::CLONE_NEWNET)?;
        File::open(OWN).map(Namespace)
    }

    /// Puts the calling thread into it, and with it those it will start.
    pub fn enter(&self) -> io::Result<()> {
        Ok(setns(&self.0, CloneFlags::CLONE_NEWNET)?)
    }
}

/// Root may have network namespaces. Others may in a user namespace of theirs,
/// where the system lets them.
pub fn allow() -> Result<()> {
    if unshare(CloneFlags::CLONE_NEWNET).is_ok() {
        return Ok(());
    }
    own_users().map_err(|cause| {
        // The cause would mislead: ENOSPC means that there may be none, EINVAL
        // that the kernel was built without.
        let why = format!(
            "it takes root's rights, or a system that lets everybody have user namespaces (unshare: {}); the sysctls \
             user.max_user_namespaces, kernel.unprivileged_userns_clone and \
             kernel.apparmor_restrict_unprivileged_userns decide, as far as there are any",
            Errno::from_raw(cause.raw_os_error().unwrap_or_default())
        );
        Error::other(Attempt::Compare, WHAT, "no network namespace may be made here")
            .because(why)
            .next(format!("sudo netlab compare --link kernel, or {INSTEAD}"))
            .unasked()
    })
}

/// A user namespace in which this user, and no other, is known by the same
/// number: files stay as readable and writable as they were. Root's rights
/// over what is made in it come with it.
fn own_users() -> io::Result<()> {
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    // Else a group that takes rights away could be left (CVE-2014-8989).
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}
