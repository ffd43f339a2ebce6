//! One server under measurement: start it, ask the kernel what it costs, end it.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::mpsc;
use std::time::Duration;
use std::{fs, io, thread};

use anyhow::{Context, Result, bail};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// How long a server may take to its ready line. Generous: a slow machine is no fault.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// A named server command, written `NAME=COMMAND ARG...`; arguments hold no blanks.
///
/// The command listens on a port of the system's choice and says so in its first line on
/// stdout: `listening on tcp 127.0.0.1:PORT`.
#[derive(Clone, Debug)]
pub struct Peer {
    pub name: String,
    command: Vec<String>,
}

impl FromStr for Peer {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, command) = text.split_once('=').context("a peer is written NAME=COMMAND")?;
        let command: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        if name.is_empty() || command.is_empty() {
            bail!("a peer is written NAME=COMMAND");
        }
        Ok(Self { name: name.to_owned(), command })
    }
}

impl Peer {
    pub fn start(&self) -> Result<Server> {
        let mut child = Command::new(&self.command[0])
            .args(&self.command[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))?;
        let stdout = child.stdout.take().context("stdout was not piped")?;
        // From here on the child is ended on every path, by Server's drop.
        let mut server = Server { child, addr: SocketAddr::from(([0, 0, 0, 0], 0)) };
        server.addr = ready_address(stdout).with_context(|| format!("{} is not ready", self.name))?;
        Ok(server)
    }
}

fn ready_address(stdout: impl Read + Send + 'static) -> Result<SocketAddr> {
    let (send, first_line) = mpsc::channel();
    thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        let read = stdout.read_line(&mut line);
        let _ = send.send(read.map(|_| line));
        // Read on, or a talkative server would block on a full pipe.
        io::copy(&mut stdout, &mut io::sink())
    });
    let line = first_line.recv_timeout(READY_WITHIN).context("no line on stdout")??;
    let addr = line.trim_end().strip_prefix("listening on tcp ");
    addr.and_then(|addr| addr.parse().ok()).with_context(|| format!("unexpected first line {line:?}"))
}

/// A running server; dropping it kills it.
pub struct Server {
    child: Child,
    pub addr: SocketAddr,
}

impl Server {
    /// One that was started in another way, as the first of a process group of its own.
    pub fn of(child: Child, addr: SocketAddr) -> Self {
        Self { child, addr }
    }
}

/// Processor time since the start of a process.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    /// User and system, all threads, those that have ended included, in nanoseconds.
    pub total_ns: f64,
    /// In clock ticks, as coarse as they are: only good for a share.
    user_ticks: f64,
    system_ticks: f64,
}

impl Cpu {
    pub fn since(self, before: Self) -> Self {
        Self {
            total_ns: self.total_ns - before.total_ns,
            user_ticks: self.user_ticks - before.user_ticks,
            system_ticks: self.system_ticks - before.system_ticks,
        }
    }

    /// The part spent outside the kernel, 0 to 1: all that a server's author can change
    /// without making fewer or other system calls.
    pub fn user_share(self) -> f64 {
        self.user_ticks / (self.user_ticks + self.system_ticks).max(1.0)
    }
}

/// Resident memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub resident: f64,
    pub peak: f64,
}

impl Server {
    /// Reads the process's own clock, which counts nanoseconds. `/proc/PID/stat` counts
    /// ticks of 10 ms; `/proc/PID/task/*/schedstat` forgets threads that have ended and
    /// lags behind for those that run now.
    pub fn cpu(&self) -> Result<Cpu> {
        let clock = clock_getcpuclockid(Pid::from_raw(self.child.id() as i32))?;
        let time = clock_gettime(clock)?;
        let (user_ticks, system_ticks) = self.ticks().context("cannot read the server's ticks")?;
        let total_ns = time.tv_sec() as f64 * 1e9 + time.tv_nsec() as f64;
        Ok(Cpu { total_ns, user_ticks, system_ticks })
    }

    /// Fields 14 and 15 of proc_pid_stat(5), counted from behind the command's name, which
    /// may itself hold blanks and parentheses.
    fn ticks(&self) -> Option<(f64, f64)> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    }

    pub fn memory(&self) -> Result<Memory> {
        // VmRSS in `status` is a sum of per-core counters that lag; smaps_rollup counts pages.
        Ok(Memory { resident: self.kib("smaps_rollup", "Rss:")?, peak: self.kib("status", "VmHWM:")? })
    }

    fn kib(&self, file: &str, label: &str) -> Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.child.id()))?;
        let value = text.lines().find_map(|line| line.strip_prefix(label));
        let kib = value.and_then(|value| value.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        Ok(kib.with_context(|| format!("no {label} in {file}"))? * 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way there is nothing left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_name_and_a_command() {
        let peer: Peer = "netlab=target/netlab tcp-echo server :0".parse().unwrap();
        assert_eq!(peer.name, "netlab");
        assert_eq!(peer.command, ["target/netlab", "tcp-echo", "server", ":0"]);
        assert!("netlab".parse::<Peer>().is_err());
        assert!("netlab=".parse::<Peer>().is_err());
    }

    #[test]
    fn the_ready_line_is_taken_whole_or_refused() {
        let ready = ready_address("listening on tcp 127.0.0.1:5003\nmore\n".as_bytes()).unwrap();
        assert_eq!(ready, "127.0.0.1:5003".parse().unwrap());
        assert!(ready_address("usage: server\n".as_bytes()).is_err());
        assert!(ready_address("".as_bytes()).is_err());
    }
}
