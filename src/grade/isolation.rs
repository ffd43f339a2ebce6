//! A world for each submission: its own users, processes, files and network
//! (`namespaces(7)`), made without any right that an ordinary user lacks.
//!
//! - **Network.** Fixed ports are free, whoever else is graded at the same
//!   time; nothing reaches another host; a multicast group has no member but
//!   those of the check.
//! - **Processes.** The grader is their init: with it they all end, daemons
//!   too.
//! - **Files.** Everything is read-only but the scratch folder, which is in
//!   memory and bounded; what is written under the home folder and `/tmp` goes
//!   to a layer above them and vanishes.
//!
//! Where the system forbids it there are two steps down, and the report says
//! what is weaker.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid, sethostname};
use serde::{Deserialize, Serialize};

use super::network;

/// What the scratch folder, all writes included, may hold.
const SCRATCH_BYTES: &str = "size=768m,mode=0755";

/// How far a submission is apart from the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum Isolation {
    /// Users, processes, files and network of its own.
    Full,
    /// A network of its own.
    Network,
    /// None: the network of this host, loopback only.
    None,
}

impl Isolation {
    /// From the strongest down.
    pub const ALL: [Isolation; 3] = [Isolation::Full, Isolation::Network, Isolation::None];

    /// What is weaker than it could be, for the report.
    pub fn weakness(self) -> Option<&'static str> {
        match self {
            Isolation::Full => None,
            Isolation::Network => Some(
                "with no process and file namespaces programs can see and change what you can, \
                 and one that fills the disk is stopped file by file only",
            ),
            Isolation::None => Some(
                "with no namespaces programs share the network of this host, so multicast and \
                 broadcast checks are skipped, fixed ports are graded one after the other, and programs can \
                 change what you can",
            ),
        }
    }

    /// Whether there is a network of its own.
    pub fn has_network(self) -> bool {
        self != Isolation::None
    }

    /// Enters it. To be called while this process has one thread.
    ///
    /// # Errors
    /// What the system forbids.
    pub fn enter(self) -> io::Result<()> {
        let network = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS;
        let flags = match self {
            Isolation::Full => network | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC,
            Isolation::Network => network,
            Isolation::None => return Ok(()),
        };
        let (user, group) = (geteuid(), getegid());
        unshare(flags)?;
        // Before the map of groups: else a user could leave a group that a
        // file denies access to (user_namespaces(7)).
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
        fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
        // A program that asks for its own name's address gets one that this
        // network has.
        let _ = sethostname("localhost");
        Ok(())
    }

    /// Furnishes it: the file systems. To be called by its first process.
    ///
    /// # Errors
    /// What the system forbids.
    pub fn furnish(self, scratch: &Path, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        if self == Isolation::None {
            return fill(scratch);
        }
        if self == Isolation::Network {
            network::keep_tables_small();
            return fill(scratch);
        }
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
        mount(Some("proc"), "/proc", Some("proc"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, None::<&str>)?;
        limit_processes();
        network::keep_tables_small();
        mount(Some("scratch"), scratch, Some("tmpfs"), MsFlags::MS_NOSUID, Some(SCRATCH_BYTES))?;
        fill(scratch)?;
        let held = File::open(scratch)?;
        let layered = layer_over(scratch)?;
        protect(&layered)?;
        bring_back(scratch, &held)
    }
}

/// The most processes and threads in this world, where the kernel counts them
/// for each (since Linux 6.14). Elsewhere this would change the whole system,
/// so it is left alone there; RLIMIT_NPROC holds all users but root.
const MAX_PROCESSES: &str = "3000";

fn limit_processes() {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map(|part| part.trim().parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (6, 14) {
        let _ = fs::write("/proc/sys/kernel/pid_max", MAX_PROCESSES);
    }
}

/// Folders that programs write to, each under a layer that takes the writes.
fn layer_over(scratch: &Path) -> io::Result<Vec<PathBuf>> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let wanted = [home, Some("/tmp".into()), Some("/var/tmp".into()), Some(std::env::temp_dir())];
    let mut done: Vec<PathBuf> = Vec::new();
    let mut layers: Vec<(PathBuf, PathBuf)> = Vec::new();
    for folder in wanted.into_iter().flatten() {
        let Ok(folder) = folder.canonicalize() else { continue };
        if folder == Path::new("/") || layers.iter().any(|(made, _)| *made == folder) {
            continue;
        }
        let layer = scratch.join(".layers").join(layers.len().to_string());
        fs::create_dir_all(layer.join("upper"))?;
        fs::create_dir_all(layer.join("work"))?;
        layers.push((folder, layer));
    }
    for (folder, layer) in layers {
        // The layer may lie under a folder that has just been covered; so its
        // place is held by a descriptor where that matters.
        let options = format!(
            "lowerdir={},upperdir={},workdir={},userxattr",
            folder.display(),
            layer.join("upper").display(),
            layer.join("work").display()
        );
        let mounted = mount(Some("overlay"), &folder, Some("overlay"), MsFlags::MS_NOSUID, Some(options.as_str()));
        if mounted.is_ok() {
            done.push(folder);
        }
    }
    let shm = Path::new("/dev/shm");
    if shm.is_dir() && mount(Some("shm"), shm, Some("tmpfs"), MsFlags::MS_NOSUID, Some("size=64m,mode=1777")).is_ok() {
        done.push(shm.into());
    }
    Ok(done)
}

/// Everything else becomes read-only. A mount can only get stricter, and must
/// keep the strictness it has.
fn protect(layered: &[PathBuf]) -> io::Result<()> {
    for line in fs::read_to_string("/proc/self/mountinfo")?.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (Some(place), Some(options)) = (words.get(4), words.get(5)) else { continue };
        let place = PathBuf::from(place.replace("\\040", " "));
        let stays = layered.contains(&place) || place == Path::new("/proc") || place.starts_with("/dev/pts");
        if stays || options.split(',').any(|option| option == "ro") {
            continue;
        }
        let mut flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        for option in options.split(',') {
            flags |= match option {
                "nosuid" => MsFlags::MS_NOSUID,
                "nodev" => MsFlags::MS_NODEV,
                "noexec" => MsFlags::MS_NOEXEC,
                "noatime" => MsFlags::MS_NOATIME,
                "nodiratime" => MsFlags::MS_NODIRATIME,
                "relatime" => MsFlags::MS_RELATIME,
                _ => MsFlags::empty(),
            };
        }
        // A place that is covered by another mount cannot be reached, nor
        // written to.
        let _ = mount(None::<&str>, &place, None::<&str>, flags, None::<&str>);
    }
    for file in ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"] {
        let bound = mount(Some(file), file, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>);
        if bound.is_ok() {
            let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
            let flags = flags | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
            mount(None::<&str>, file, None::<&str>, flags, None::<&str>)?;
        }
    }
    Ok(())
}

/// The scratch folder may lie under `/tmp`, which a layer now covers: it is
/// mounted there once more, writable.
fn bring_back(scratch: &Path, held: &File) -> io::Result<()> {
    let _ = fs::create_dir_all(scratch);
    let held = format!("/proc/self/fd/{}", held.as_raw_fd());
    mount(Some(held.as_str()), scratch, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    let writable = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_NOSUID;
    mount(None::<&str>, scratch, None::<&str>, writable, None::<&str>)?;
    Ok(())
}
