//! A TUN device: an interface whose cable is a descriptor.
//!
//! It has no offloads, unless asked for: what is read from it is a packet as
//! on a wire, no longer than the MTU and with its checksum, however much the
//! kernel does at once elsewhere.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use socket2::{Domain, Protocol, Socket, Type};

/// Where TUN devices come from.
pub const PATH: &str = "/dev/net/tun";

/// The interface's name: each host has but one.
const NAME: &[u8; 5] = b"link0";

/// Both hosts are of the network 10.0.0.0/24.
const MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);

/// Packets that may wait for the link to take them: half a second of as many
/// as a processor can send, and about as many as a device may keep (its queue
/// is one piece of 4 MiB at most). What is beyond is [`dropped`].
const WAITING: u32 = 500_000;

/// `struct nlmsghdr`, in bytes.
const MESSAGE_HEADER: usize = 16;

/// What the system tells of the calling thread's interfaces, and where in a
/// line stands how many packets to be sent were dropped (`proc_net(5)`).
const COUNTERS: &str = "/proc/thread-self/net/dev";
const SENT_DROPPED: usize = 11;

/// A TUN device, up, of the namespace in which it was opened.
pub struct Tun(File);

impl Tun {
    /// Makes one with this address; `mtu` bytes is its longest packet.
    pub fn open(address: Ipv4Addr, mtu: u16) -> io::Result<Tun> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(PATH)?;
        // IFF_NO_PI: packets begin with their IP header.
        let kind = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
        ioctl(&file, libc::TUNSETIFF as libc::Ioctl, libc::__c_anonymous_ifr_ifru { ifru_flags: kind })?;
        // Any socket will do to configure interfaces by (netdevice(7)).
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let set = |request: libc::c_ulong, value| ioctl(&socket, request as libc::Ioctl, value);
        set(libc::SIOCSIFADDR, libc::__c_anonymous_ifr_ifru { ifru_addr: sockaddr(address) })?;
        set(libc::SIOCSIFNETMASK, libc::__c_anonymous_ifr_ifru { ifru_netmask: sockaddr(MASK) })?;
        bring_up(mtu)?;
        Ok(Tun(file))
    }

    /// The next packet that the kernel has sent; `None` where there is none.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match (&self.0).read(buffer) {
            Ok(length) => Ok(Some(length)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lets the kernel receive a packet. When this returns, it has.
    pub fn write(&self, packet: &[u8]) -> io::Result<()> {
        (&self.0).write(packet).map(|_| ()) // packets are written whole or not at all
    }
}

/// How many packets of the calling thread's host never reached the link.
pub fn dropped() -> u64 {
    let counters = std::fs::read_to_string(COUNTERS).unwrap_or_default();
    let own = counters.lines().find_map(|line| line.trim_start().strip_prefix("link0:"));
    own.and_then(|counts| counts.split_whitespace().nth(SENT_DROPPED)?.parse().ok()).unwrap_or(0)
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sets the longest packet and the queue's length, and brings the device up, by
/// `rtnetlink(7)`: of a queue, `ioctl(2)` lets nobody but root decide.
///
/// ```text
/// length type     flags seq pid │ family, kind, index │ flags change │ attributes
///   16   SETLINK  ACK    1   0  │   0      0      0   │  UP    UP    │ name, MTU, queue
/// ```
fn bring_up(mtu: u16) -> io::Result<()> {
    const UP: u32 = libc::IFF_UP as u32;
    let link = [[0; 8].as_slice(), &UP.to_ne_bytes(), &UP.to_ne_bytes()].concat();
    let name = attribute(libc::IFLA_IFNAME, &[&NAME[..], b"\0"].concat());
    let mtu = attribute(libc::IFLA_MTU, &u32::from(mtu).to_ne_bytes());
    let queue = attribute(libc::IFLA_TXQLEN, &WAITING.to_ne_bytes());
    let body = [link, name, mtu, queue].concat();
    let header = [
        (MESSAGE_HEADER as u32 + body.len() as u32).to_ne_bytes().to_vec(),
        libc::RTM_SETLINK.to_ne_bytes().to_vec(),
        ((libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16).to_ne_bytes().to_vec(),
        1_u32.to_ne_bytes().to_vec(),
        0_u32.to_ne_bytes().to_vec(),
    ];
    let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(Protocol::from(libc::NETLINK_ROUTE)))?;
    // The kernel is at address 0, where a socket that is tied to none sends.
    (&socket).write_all(&[header.concat(), body].concat())?;
    let mut answer = [0; 1024];
    let got = (&socket).read(&mut answer)?;
    // The answer to ACK: a header, and 0 or an error's number below it.
    match answer[..got].get(MESSAGE_HEADER..MESSAGE_HEADER + 4).map(|code| [code[0], code[1], code[2], code[3]]) {
        Some([0, 0, 0, 0]) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(-i32::from_ne_bytes(code))),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// `struct rtattr`: length and kind, the value, and zeros up to four bytes.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = 4 + value.len() as u16;
    let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// `ioctl(2)` with a `struct ifreq` for [`NAME`].
#[allow(unsafe_code)]
fn ioctl(on: &impl AsRawFd, request: libc::Ioctl, value: libc::__c_anonymous_ifr_ifru) -> io::Result<()> {
    let mut name = [0; libc::IFNAMSIZ];
    for (to, from) in name.iter_mut().zip(NAME) {
        *to = *from as libc::c_char;
    }
    let mut asked = libc::ifreq { ifr_name: name, ifr_ifru: value };
    // SAFETY: the kernel reads and writes no more than one `ifreq`, all that
    // these requests take, and the descriptor is open as long as `on` is.
    let result = unsafe { libc::ioctl(on.as_raw_fd(), request, &raw mut asked) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `struct sockaddr_in` in the place of a `struct sockaddr`: family, port, and
/// the address in network order.
fn sockaddr(address: Ipv4Addr) -> libc::sockaddr {
    let mut data = [0; 14];
    for (to, from) in data[2..6].iter_mut().zip(address.octets()) {
        *to = from as libc::c_char;
    }
    libc::sockaddr { sa_family: libc::AF_INET as libc::sa_family_t, sa_data: data }
}
