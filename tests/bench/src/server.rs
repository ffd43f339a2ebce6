//! One server under measurement: start it, ask the kernel what it costs, end it.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::mpsc;
use std::time::Duration;
use std::{fs, io, thread};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::measure::Load;
use crate::processes::family;

/// How long a server may take to its ready line. Generous: a slow machine is no fault.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// A named server command, written `NAME=COMMAND ARG...`; arguments hold no blanks. `NAME:64=...`
/// takes part only where there are at most 64 clients.
///
/// The command listens on a port of the system's choice and says so in its first line on
/// stdout: `listening on tcp 127.0.0.1:PORT`, or udp.
#[derive(Clone, Debug)]
pub struct Peer {
    pub name: String,
    command: Vec<String>,
    /// More clients than this it does not take, or not before the end of the day.
    most_clients: Option<usize>,
}

impl FromStr for Peer {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, command) = text.split_once('=').context("a peer is written NAME=COMMAND")?;
        let (name, most_clients) = match name.split_once(':') {
            Some((name, most)) => (name, Some(most.parse().context("behind a peer's colon is a number of clients")?)),
            None => (name, None),
        };
        let command: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        if name.is_empty() || command.is_empty() {
            bail!("a peer is written NAME=COMMAND");
        }
        Ok(Self { name: name.to_owned(), command, most_clients })
    }
}

/// Where among the peers one of this name is.
pub fn position(peers: &[Peer], name: &str) -> Option<usize> {
    peers.iter().position(|peer| peer.name == name)
}

impl Peer {
    pub fn takes_part_in(&self, load: Load) -> bool {
        self.most_clients.is_none_or(|most| load.clients() <= most)
    }

    /// The command, without the folder of its program.
    pub fn command_line(&self) -> String {
        let program = self.command[0].rsplit('/').next().unwrap_or_default();
        [&[program.to_owned()], &self.command[1..]].concat().join(" ")
    }

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
    let ready = line.trim_end().strip_prefix("listening on ");
    let addr = ready.and_then(|ready| ready.strip_prefix("tcp ").or(ready.strip_prefix("udp ")));
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
    /// Of the server and all that it started, such as a child for each client.
    pub fn cpu(&self) -> Result<Cpu> {
        let mut sum = Cpu { total_ns: 0.0, user_ticks: 0.0, system_ticks: 0.0 };
        for process in family(self.child.id()) {
            // One that ended just now took part in nothing that is measured.
            let Ok(cpu) = cpu_of(process) else { continue };
            sum.total_ns += cpu.total_ns;
            sum.user_ticks += cpu.user_ticks;
            sum.system_ticks += cpu.system_ticks;
        }
        Ok(sum)
    }

    /// Of the server and all that it started; what they share counts for each of them.
    pub fn memory(&self) -> Result<Memory> {
        let mut sum = Memory { resident: 0.0, peak: 0.0 };
        for process in family(self.child.id()) {
            // VmRSS in `status` is a sum of per-core counters that lag; smaps_rollup counts pages.
            let (Ok(resident), Ok(peak)) = (kib(process, "smaps_rollup", "Rss:"), kib(process, "status", "VmHWM:"))
            else {
                continue;
            };
            sum.resident += resident;
            sum.peak += peak;
        }
        Ok(sum)
    }
}

/// Reads the process's own clock, which counts nanoseconds. `/proc/PID/stat` counts
/// ticks of 10 ms; `/proc/PID/task/*/schedstat` forgets threads that have ended and
/// lags behind for those that run now.
fn cpu_of(process: u32) -> Result<Cpu> {
    let time = clock_gettime(clock_getcpuclockid(Pid::from_raw(process as i32))?)?;
    let (user_ticks, system_ticks) = ticks(process).context("cannot read the server's ticks")?;
    let total_ns = time.tv_sec() as f64 * 1e9 + time.tv_nsec() as f64;
    Ok(Cpu { total_ns, user_ticks, system_ticks })
}

/// Fields 14 and 15 of proc_pid_stat(5), counted from behind the command's name, which
/// may itself hold blanks and parentheses.
fn ticks(process: u32) -> Option<(f64, f64)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn kib(process: u32, file: &str, label: &str) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/{file}"))?;
    let value = text.lines().find_map(|line| line.strip_prefix(label));
    let kib = value.and_then(|value| value.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    Ok(kib.with_context(|| format!("no {label} in {file}"))? * 1024.0)
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way there is nothing left to do.
        for process in family(self.child.id()) {
            let _ = kill(Pid::from_raw(process as i32), Signal::SIGKILL);
        }
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
        assert!("netlab:many=x".parse::<Peer>().is_err());
        let peer: Peer = "forks:64=/usr/bin/forks :0".parse().unwrap();
        assert!(peer.takes_part_in(Load::RoundTrips(64)) && !peer.takes_part_in(Load::RoundTrips(65)));
        assert_eq!(peer.command_line(), "forks :0");
    }

    #[test]
    fn the_ready_line_is_taken_whole_or_refused() {
        let ready = ready_address("listening on tcp 127.0.0.1:5003\nmore\n".as_bytes()).unwrap();
        assert_eq!(ready, "127.0.0.1:5003".parse().unwrap());
        let ready = ready_address("listening on udp 127.0.0.1:5004\n".as_bytes()).unwrap();
        assert_eq!(ready, "127.0.0.1:5004".parse().unwrap());
        assert!(ready_address("usage: server\n".as_bytes()).is_err());
        assert!(ready_address("".as_bytes()).is_err());
    }
}
