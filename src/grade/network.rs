//! A network for one check: the loopback interface, and `eth0`, one end of a
//! cable whose other end leads nowhere. So there is a broadcast address, a
//! route for groups and a way out, and nothing gets out.
//!
//! Spoken by `rtnetlink(7)`: the tool `ip` is not everywhere.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

/// The address of `eth0`, made up.
pub const OWN: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// Its network's broadcast address.
pub const BROADCAST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 255);

/// Buckets of each new network's table of TCP connections (a power of two):
/// more than a check has connections.
const CONNECTION_BUCKETS: &str = "256";

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
const REQUEST_AND_ACK: u16 = 1 | 4;
const CREATE: u16 = 0x400 | 0x200;
const LO: i32 = 1;
const ETH0: i32 = 2;
const FAR: i32 = 3;
const UP: u32 = 1;

/// Gives this thread, and whatever it starts, a new network.
///
/// # Errors
/// What the system forbids.
pub fn enter_new() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    let kernel = Kernel::open()?;
    kernel.ask(NEW_LINK, 0, &link(LO, UP))?;
    if let Err(cause) = kernel.add_cable() {
        // No such driver: the loopback interface has to do.
        kernel.ask(NEW_ROUTE, CREATE, &default_route(LO))?;
        return if cause.kind() == io::ErrorKind::PermissionDenied { Err(cause) } else { Ok(()) };
    }
    Ok(())
}

/// The networks made from now on get tables of connections of their own, and
/// small ones (since Linux 6.1). Else they share the whole system's, and each
/// look at `/proc/net/tcp` walks its 262,144 buckets: 5 ms, a hundred times as
/// long as the rest of a look. An older kernel is only slower.
pub fn keep_tables_small() {
    let _ = std::fs::write("/proc/sys/net/ipv4/tcp_child_ehash_entries", CONNECTION_BUCKETS);
}

struct Kernel(OwnedFd);

impl Kernel {
    fn open() -> io::Result<Kernel> {
        let flags = SockFlag::SOCK_CLOEXEC;
        Ok(Kernel(socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?))
    }

    fn add_cable(&self) -> io::Result<()> {
        let mut far = link(FAR, 0);
        attribute(&mut far, 3, b"far0\0");
        let (mut data, mut info) = (Vec::new(), Vec::new());
        attribute(&mut data, 1, &far);
        attribute(&mut info, 1, b"veth");
        attribute(&mut info, 2, &data);
        let mut cable = link(ETH0, 0);
        attribute(&mut cable, 3, b"eth0\0");
        attribute(&mut cable, 18, &info);
        self.ask(NEW_LINK, CREATE, &cable)?;
        // An end comes up only when the other is there.
        self.ask(NEW_LINK, 0, &link(FAR, UP))?;
        self.ask(NEW_LINK, 0, &link(ETH0, UP))?;

        let mut address = vec![2, 24, 0, 0];
        address.extend(ETH0.to_ne_bytes());
        attribute(&mut address, 1, &OWN.octets());
        attribute(&mut address, 2, &OWN.octets());
        attribute(&mut address, 4, &BROADCAST.octets());
        self.ask(NEW_ADDRESS, CREATE, &address)?;
        self.ask(NEW_ROUTE, CREATE, &default_route(ETH0))
    }

    /// Sends one request and reads whether it was granted.
    fn ask(&self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        let mut message = Vec::new();
        message.extend((16 + body.len() as u32).to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend((REQUEST_AND_ACK | flags).to_ne_bytes());
        message.extend([0; 8]);
        message.extend(body);
        send(self.0.as_raw_fd(), &message, MsgFlags::empty())?;
        let mut answer = [0; 4096];
        let got = recv(self.0.as_raw_fd(), &mut answer, MsgFlags::empty())?;
        let code = answer[..got].get(16..20).and_then(|bytes| bytes.try_into().ok()).map_or(0, i32::from_ne_bytes);
        if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-code)) }
    }
}

/// `struct ifinfomsg`.
fn link(index: i32, flags: u32) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend(index.to_ne_bytes());
    body.extend(flags.to_ne_bytes());
    body.extend(flags.to_ne_bytes());
    body
}

/// `struct rtmsg` for 0.0.0.0/0: main table, by this interface, no router.
fn default_route(interface: i32) -> Vec<u8> {
    let mut body = vec![2, 0, 0, 0, 254, 3, 253, 1, 0, 0, 0, 0];
    attribute(&mut body, 4, &interface.to_ne_bytes());
    body
}

/// `struct rtattr` and its value, padded to four bytes.
fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend((4 + value.len() as u16).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}
