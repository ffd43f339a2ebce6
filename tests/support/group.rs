//! What tests of multicast and broadcast need: receivers on the loopback
//! interface, and hosts of their own, made of network namespaces and joined by
//! virtual cables. Nothing here sends to any network that the machine is on.

#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part, and a helper's failure is the test's")]

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::support::{DEADLINE, NETLAB, Server, netlab, run_command, skipped, spawn, tool};

/// `netlab ARGS… --interface lo`: on this host alone.
pub fn on_lo(args: &[&str]) -> Command {
    netlab([args, &["--interface", "lo"]].concat())
}

/// A host of its own: a network namespace with `lo` up, gone when dropped.
pub struct Net {
    keeper: Child,
    is_root: bool,
}

impl Net {
    /// `None`, said loudly, where this system lets us make none.
    pub fn new() -> Option<Net> {
        if !tool("unshare") || !tool("nsenter") || !tool("ip") {
            return None;
        }
        let is_root = run_command(Command::new("id"), b"").stdout.starts_with("uid=0(");
        let mut unshare = Command::new("unshare");
        unshare.arg(if is_root { "-n" } else { "-Urn" });
        Net::kept_by(unshare, is_root)
    }

    /// Another host, which cables can lead to.
    pub fn beside(&self) -> Option<Net> {
        let mut unshare = self.enter(false);
        unshare.args(["unshare", "-n"]);
        Net::kept_by(unshare, self.is_root)
    }

    fn kept_by(mut command: Command, is_root: bool) -> Option<Net> {
        // It lives as long as its input, so as long as this test at most.
        command.args(["sh", "-c", "ip link set lo up && echo ready && exec cat"]);
        let mut keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(keeper.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        if line != "ready\n" {
            let _ = keeper.wait();
            skipped("this system does not allow network namespaces");
            return None;
        }
        Some(Net { keeper, is_root })
    }

    fn enter(&self, with_net: bool) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.keeper.id().to_string()]);
        if !self.is_root {
            command.args(["-U", "--preserve-credentials"]);
        }
        if with_net {
            command.arg("-n");
        }
        command
    }

    /// A program on this host.
    pub fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = self.enter(true);
        command.arg(program).args(args);
        command
    }

    pub fn netlab(&self, args: &[&str]) -> Command {
        self.command(NETLAB, args)
    }

    /// `netlab ARGS… --json`, once it listens.
    pub fn receiver(&self, args: &[&str]) -> Server {
        Server::of(self.netlab(&[args, &["--json"]].concat()))
    }

    pub fn ip(&self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        run_command(self.command("ip", &words), b"").succeeded();
    }

    /// A cable between two hosts, plugged in at both ends, with an address each.
    /// (No duplicate address detection: it would take a second or two.)
    pub fn cable(&self, name: &str, addrs: &[&str], other: &Net, other_name: &str, other_addrs: &[&str]) {
        let peer = other.keeper.id();
        self.ip(&format!("link add {name} type veth peer name {other_name} netns {peer}"));
        for (net, name, addrs) in [(self, name, addrs), (other, other_name, other_addrs)] {
            net.ip(&format!("link set {name} addrgenmode none"));
            for addr in addrs {
                let option = if addr.contains(':') { " nodad" } else { "" };
                net.ip(&format!("addr add {addr} dev {name}{option}"));
            }
        }
        self.ip(&format!("link set {name} up"));
        other.ip(&format!("link set {other_name} up"));
        self.await_link(name);
        other.await_link(other_name);
    }

    /// Until the system has noticed that the cable is in, IPv6 sends nothing.
    fn await_link(&self, name: &str) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let link = run_command(self.command("ip", &["link", "show", "dev", name]), b"").succeeded().stdout;
            if link.contains("state UP") {
                return;
            }
            assert!(Instant::now() < deadline, "no carrier within {DEADLINE:?}: {link}");
        }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// Two hosts on one cable: 10.9.0.1 and 10.9.0.2, fe80::1 and fe80::2, and
/// their interfaces `west` and `east`.
pub fn two_hosts() -> Option<(Net, Net)> {
    let west = Net::new()?;
    let east = west.beside()?;
    west.cable("west", &["10.9.0.1/24", "fe80::1/64"], &east, "east", &["10.9.0.2/24", "fe80::2/64"]);
    Some((west, east))
}

/// A socket of the test's own on the loopback interface, which may send
/// broadcasts and to groups.
pub fn peer() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.set_broadcast(true).unwrap();
    socket2::SockRef::from(&socket).set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    socket
}

/// A socket of the test's own that has joined `group` on loopback.
pub fn member(group: SocketAddr) -> UdpSocket {
    let SocketAddr::V4(group) = group else { panic!("{group}") };
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    // Windows binds no socket to a group.
    let bound_to = if cfg!(windows) { Ipv4Addr::UNSPECIFIED } else { *group.ip() };
    socket.bind(&SocketAddr::from((bound_to, group.port())).into()).unwrap();
    socket.join_multicast_v4(group.ip(), &Ipv4Addr::LOCALHOST).unwrap();
    let socket = UdpSocket::from(socket);
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

/// The next datagram, and who sent it.
#[track_caller]
pub fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 65_536];
    let (got, from) = socket.recv_from(&mut buffer).expect("a datagram was due");
    buffer.truncate(got);
    (buffer, from)
}

/// A datagram as netlab numbers it.
pub fn numbered(run: &str, seq: u32, count: u32, message: &str) -> Vec<u8> {
    format!("netlab {run} {seq}/{count} 1712345678000000\n{message}").into_bytes()
}

/// A counter of a summary.
#[track_caller]
pub fn count(summary: &Value, field: &str) -> u64 {
    summary[field].as_u64().unwrap_or_else(|| panic!("{field}: {summary}"))
}

/// How many datagrams a receiver threw away, and why.
pub fn dropped(summary: &Value) -> Vec<(String, u64)> {
    let dropped = summary["dropped"].as_array().cloned().unwrap_or_default();
    dropped.iter().map(|it| (it["reason"].as_str().unwrap().to_owned(), count(it, "count"))).collect()
}

/// The texts of all `received` events.
pub fn texts(events: &[Value]) -> Vec<String> {
    let received = events.iter().filter(|event| event["event"] == "received");
    received.map(|event| event["text"].as_str().unwrap().to_owned()).collect()
}

/// `COMMAND | head -1`: reads its ready line, closes its stdout, and has `more`
/// sent to the address it listens on until it has ended. How it ended, and what
/// it wrote to stderr.
#[track_caller]
pub fn cut_after_the_ready_line(mut command: Command, mut more: impl FnMut(SocketAddr)) -> (ExitStatus, String) {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(&mut command);
    let mut stderr = child.stderr.take().unwrap();
    let stderr = thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap(); // and closes it
    let addr: SocketAddr = ready.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
    let deadline = Instant::now() + DEADLINE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("{command:?}: has not ended {DEADLINE:?} after its stdout: {}", stderr.join().unwrap());
        }
        more(addr);
        thread::sleep(Duration::from_millis(5)); // between two tries to make it write
    }
    (child.wait().unwrap(), stderr.join().unwrap())
}

/// The default of `--interface`, as `--help` tells it.
#[track_caller]
pub fn default_interface(help: &str) -> String {
    let option = help.split("--interface").nth(1).unwrap_or_else(|| panic!("no --interface: {help}"));
    let default = option.split("[default: ").nth(1).unwrap_or_else(|| panic!("no default: {help}"));
    default.split(']').next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}
