//! What the kernel tells of a program from outside (`proc(5)`): its
//! processes, what they are doing, and which sockets they hold. So it is known
//! that a server listens without a connection it would notice.

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The variable that marks a program's processes: children inherit it.
pub const MARK: &str = "NETLAB_GRADED";

/// A process, told from a later one with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Process {
    pid: i32,
    born: u64,
}

/// A program's processes: its own, its children's, and those that went away
/// to become daemons.
pub struct Tree {
    mark: String,
    root: i32,
    known: HashSet<Process>,
    /// Looked at, and not of this tree.
    strangers: HashSet<Process>,
}

/// What a tree is doing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Activity {
    /// Processes alive.
    pub processes: usize,
    /// Whether any thread runs, or would if it got a processor.
    pub busy: bool,
    /// Processor time used so far, in nanoseconds, by those alive now.
    pub cpu_ns: u64,
}

/// Bytes in a page of memory.
const PAGE: u64 = 4096;

/// How old a look at all processes may be that several programs share: each of
/// them looking for itself costs the square of their number.
const SHARED_FOR: Duration = Duration::from_millis(15);

#[derive(Clone, Copy)]
struct Stat {
    state: u8,
    parent: i32,
    born: u64,
    pages: u64,
}

/// `/proc/PID/stat`. The name in it may hold anything, brackets too, so what
/// counts stands after the last one.
fn stat(path: &str) -> Option<Stat> {
    let text = fs::read_to_string(path).ok()?;
    let after: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Stat {
        state: *after.first()?.as_bytes().first()?,
        parent: after.get(1)?.parse().ok()?,
        born: after.get(19)?.parse().ok()?,
        pages: after.get(21)?.parse().ok()?,
    })
}

fn pids() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// How many processes there are in this world, dead ones too: one call tells,
/// however many they are.
pub fn count() -> usize {
    pids().count()
}

/// This process's children, dead ones too.
pub fn children() -> Vec<i32> {
    let own = std::process::id().cast_signed();
    pids().filter(|pid| stat(&format!("/proc/{pid}/stat")).is_some_and(|stat| stat.parent == own)).collect()
}

/// All processes but this one, parents before their children, without the
/// dead.
fn look() -> Vec<(i32, Stat)> {
    let own = std::process::id().cast_signed();
    let mut stats: Vec<(i32, Stat)> = pids()
        .filter(|pid| *pid != own)
        .filter_map(|pid| Some((pid, stat(&format!("/proc/{pid}/stat"))?)))
        .filter(|(_, stat)| stat.state != b'Z' && stat.state != b'X')
        .collect();
    stats.sort_by_key(|(_, stat)| stat.born);
    stats
}

/// A look at all processes and when it was taken.
type Look = (Instant, Arc<Vec<(i32, Stat)>>);

/// The same, taken a moment ago, if somebody has.
fn recent_look() -> Arc<Vec<(i32, Stat)>> {
    static LAST: Mutex<Option<Look>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    match &*last {
        Some((taken, look)) if taken.elapsed() < SHARED_FOR => look.clone(),
        _ => {
            let taken = Arc::new(look());
            *last = Some((Instant::now(), taken.clone()));
            taken
        }
    }
}

impl Tree {
    /// The processes that descend from `root`, which itself is not counted.
    pub fn new(mark: String, root: i32) -> Tree {
        Tree { mark, root, known: HashSet::new(), strangers: HashSet::new() }
    }

    /// Those that are alive now.
    pub fn alive(&mut self) -> Vec<i32> {
        self.members(&look()).into_iter().map(|(pid, _)| pid).collect()
    }

    /// Those of this tree among the processes of a look.
    fn members(&mut self, look: &[(i32, Stat)]) -> Vec<(i32, Stat)> {
        let mut ids: HashSet<i32> = HashSet::new();
        let mut members = Vec::new();
        for (pid, stat) in look {
            let process = Process { pid: *pid, born: stat.born };
            let is_member = self.known.contains(&process)
                || *pid == self.root
                || ids.contains(&stat.parent)
                || self.bears_mark(*pid, process);
            if is_member {
                self.known.insert(process);
                ids.insert(*pid);
                members.push((*pid, *stat));
            }
        }
        members.retain(|(pid, _)| *pid != self.root);
        members
    }

    fn bears_mark(&mut self, pid: i32, process: Process) -> bool {
        if self.strangers.contains(&process) {
            return false;
        }
        let wanted = format!("{MARK}={}", self.mark);
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let bears = environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes());
        // In the middle of execve it has none: it is looked at again.
        if !bears && !environment.is_empty() {
            self.strangers.insert(process);
        }
        bears
    }

    /// How large the tree is: processes, and bytes of memory.
    pub fn size(&mut self) -> (usize, u64) {
        let members = self.members(&recent_look());
        (members.len(), members.iter().map(|(_, stat)| stat.pages * PAGE).sum())
    }

    /// What the tree is doing.
    pub fn activity(&mut self) -> Activity {
        let members = self.members(&recent_look());
        let mut activity = Activity { processes: members.len(), ..Activity::default() };
        for (pid, _) in members {
            for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
                let task = task.path();
                let Some(stat) = stat(&task.join("stat").to_string_lossy()) else { continue };
                activity.busy |= matches!(stat.state, b'R' | b'D');
                activity.cpu_ns += cpu_ns(&task.join("schedstat").to_string_lossy());
            }
        }
        activity
    }

    /// The numbers of the sockets its processes hold.
    pub fn sockets(&mut self) -> HashSet<u64> {
        let mut inodes = HashSet::new();
        for pid in self.alive() {
            for fd in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
                let Ok(target) = fs::read_link(fd.path()) else { continue };
                let number = target.to_str().and_then(|name| name.strip_prefix("socket:[")?.strip_suffix(']'));
                inodes.extend(number.and_then(|number| number.parse::<u64>().ok()));
            }
        }
        inodes
    }
}

/// Time on a processor: the first figure of `schedstat`.
fn cpu_ns(path: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().next().and_then(|figure| figure.parse().ok()).unwrap_or(0)
}

/// One row of `/proc/net/{tcp,tcp6,udp,udp6}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which table.
    pub proto: Proto,
    /// Its own address.
    pub local: SocketAddr,
    /// The other end, unspecified where there is none.
    pub remote: SocketAddr,
    /// TCP's state as the kernel numbers it.
    pub state: u8,
    /// Bytes received and not yet read.
    pub unread: u64,
    /// The socket's number.
    pub inode: u64,
}

/// TCP or UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proto {
    /// A stream.
    Tcp,
    /// Datagrams.
    Udp,
}

impl Proto {
    /// `tcp` or `udp`.
    pub fn name(self) -> &'static str {
        match self {
            Proto::Tcp => "tcp",
            Proto::Udp => "udp",
        }
    }
}

impl Row {
    /// A TCP socket that awaits connections (state 0A), a UDP socket that is
    /// bound to a port and to no peer.
    pub fn is_open(&self) -> bool {
        match self.proto {
            Proto::Tcp => self.state == 0x0a,
            Proto::Udp => self.state == 7,
        }
    }
}

/// All sockets of the network this thread is in.
pub fn sockets() -> Vec<Row> {
    let tables = [(Proto::Tcp, "tcp"), (Proto::Tcp, "tcp6"), (Proto::Udp, "udp"), (Proto::Udp, "udp6")];
    let mut rows = Vec::new();
    for (proto, table) in tables {
        // Not /proc/net, which shows the network of the first thread.
        let text = fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap_or_default();
        rows.extend(text.lines().skip(1).filter_map(|line| row(proto, line)));
    }
    rows
}

fn row(proto: Proto, line: &str) -> Option<Row> {
    let words: Vec<&str> = line.split_whitespace().collect();
    Some(Row {
        proto,
        local: address(words.get(1)?)?,
        remote: address(words.get(2)?)?,
        state: u8::from_str_radix(words.get(3)?, 16).ok()?,
        unread: u64::from_str_radix(words.get(4)?.split_once(':')?.1, 16).ok()?,
        inode: words.get(9)?.parse().ok()?,
    })
}

/// `0100007F:1389`: words of 32 bits in the machine's order, the port as it is.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::new();
    for at in (0..ip.len()).step_by(8) {
        bytes.extend(u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    }
    let ip: IpAddr = match bytes.len() {
        4 => Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into(),
        _ => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into(),
    };
    Some(SocketAddr::new(ip, port))
}

/// A multicast group that sockets of this network have joined.
#[derive(Clone, Debug)]
pub struct Membership {
    /// On this interface.
    pub interface: String,
    /// The group's address.
    pub group: Ipv4Addr,
    /// How many sockets.
    pub members: u32,
}

/// All groups that are joined here (`/proc/net/igmp`).
pub fn memberships() -> Vec<Membership> {
    let text = fs::read_to_string("/proc/thread-self/net/igmp").unwrap_or_default();
    let (mut found, mut interface) = (Vec::new(), String::new());
    for line in text.lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if !line.starts_with('\t') && !line.starts_with("    ") {
            interface = words.get(1).map_or_else(String::new, |name| name.trim_end_matches(':').to_owned());
        } else if let Some(group) = words.first().and_then(|word| u32::from_str_radix(word, 16).ok()) {
            let members = words.get(1).and_then(|word| word.parse().ok()).unwrap_or(0);
            found.push(Membership { interface: interface.clone(), group: group.to_ne_bytes().into(), members });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_the_kernels_table_is_read() {
        let line = "   0: 0100007F:1389 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 12345 1 0 100 0 0 10 0";
        let row = row(Proto::Tcp, line).unwrap();
        assert_eq!(row.local, "127.0.0.1:5001".parse().unwrap());
        assert_eq!((row.state, row.unread, row.inode, row.is_open()), (10, 3, 12345, true));
        let ip6 = address("00000000000000000000000001000000:1389").unwrap();
        assert_eq!(ip6, "[::1]:5001".parse().unwrap());
    }

    #[test]
    fn a_listener_of_this_process_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        assert!(sockets().iter().any(|row| row.local == local && row.is_open()));
    }
}
