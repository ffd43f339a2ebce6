//! What the kernel counts: handshakes that went wrong, and the machine it runs on.

use std::sync::OnceLock;
use std::{fs, thread};

use anyhow::{Context, Result};

/// The counters of `TcpExt` that tell of connections which did not come about at once.
///
/// They are the whole machine's (its network namespace's), not one process's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Handshakes {
    /// SYNs and SYN-ACKs sent again.
    pub syn_retransmits: u64,
    /// Handshakes that found the accept queue full.
    pub listen_overflows: u64,
    /// SYNs and last ACKs dropped by a listener, for whatever reason.
    pub listen_drops: u64,
}

impl Handshakes {
    pub fn now() -> Result<Self> {
        let text = fs::read_to_string("/proc/net/netstat").context("cannot read /proc/net/netstat")?;
        Self::parse(&text).context("no TcpExt counters in /proc/net/netstat")
    }

    /// The file has two lines a group: names, then values in the same columns.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("TcpExt: "));
        let (names, values) = (lines.next()?, lines.next()?);
        let counter = |wanted: &str| {
            let column = names.split(' ').position(|name| name == wanted)?;
            values.split(' ').nth(column)?.parse().ok()
        };
        Some(Self {
            syn_retransmits: counter("TCPSynRetrans")?,
            listen_overflows: counter("ListenOverflows")?,
            listen_drops: counter("ListenDrops")?,
        })
    }

    pub fn since(self, before: Self) -> Self {
        Self {
            syn_retransmits: self.syn_retransmits - before.syn_retransmits,
            listen_overflows: self.listen_overflows - before.listen_overflows,
            listen_drops: self.listen_drops - before.listen_drops,
        }
    }
}

/// Cores and kernel version, without what would name the machine. Cores are those of the first call:
/// a placement may leave this process fewer.
pub fn machine() -> &'static str {
    static MACHINE: OnceLock<String> = OnceLock::new();
    MACHINE.get_or_init(describe)
}

fn describe() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version = release.trim().split('-').next().unwrap_or("unknown");
    format!("{cores} cores, Linux {version}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_name_whatever_their_column() {
        let text = "TcpExt: ListenDrops X TCPSynRetrans ListenOverflows\nTcpExt: 1 9 2 3\nIpExt: A\nIpExt: 5\n";
        let expected = Handshakes { syn_retransmits: 2, listen_overflows: 3, listen_drops: 1 };
        assert_eq!(Handshakes::parse(text), Some(expected));
    }

    #[test]
    fn a_kernel_without_these_counters_is_told_from_one_that_counted_nothing() {
        assert_eq!(Handshakes::parse("TcpExt: A\nTcpExt: 1\n"), None);
    }
}
