//! On which cores client and server run.

use std::sync::OnceLock;

use anyhow::{Context, Result};
use clap::ValueEnum;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::server::{Peer, Server};

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Placement {
    /// Wherever the scheduler puts them
    Free,
    /// Client and server on one core
    Together,
    /// The server on the first core, the client on the last
    Apart,
}

/// This process, in sched_setaffinity(2).
const SELF: Pid = Pid::from_raw(0);

impl Placement {
    /// Starts the server on its cores, then moves the client to its own.
    pub fn start(self, peer: &Peer) -> Result<Server> {
        let all = cores()?;
        let first = only((0..CpuSet::count()).find(|&core| on(&all, core)))?;
        let last = only((0..CpuSet::count()).rfind(|&core| on(&all, core)))?;
        let (servers, clients) = match self {
            Self::Free => (all, all),
            Self::Together => (first, first),
            Self::Apart => (first, last),
        };
        // A child starts with its parent's cores, so that it can count them as its own.
        sched_setaffinity(SELF, &servers)?;
        let server = peer.start();
        sched_setaffinity(SELF, &clients)?;
        server
    }

    pub fn describe(self) -> &'static str {
        match self {
            Self::Free => "placed by the scheduler",
            Self::Together => "client and server on one core",
            Self::Apart => "the server on one core, the client on another",
        }
    }
}

/// The cores that were allowed before the first turn changed that.
fn cores() -> Result<CpuSet> {
    static CORES: OnceLock<CpuSet> = OnceLock::new();
    let now = sched_getaffinity(SELF).context("cannot tell which cores are allowed")?;
    Ok(*CORES.get_or_init(|| now))
}

fn on(set: &CpuSet, core: usize) -> bool {
    set.is_set(core).unwrap_or(false)
}

fn only(core: Option<usize>) -> Result<CpuSet> {
    let mut set = CpuSet::new();
    set.set(core.context("no core is allowed")?)?;
    Ok(set)
}
