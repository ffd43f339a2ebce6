//! The network interfaces of this host: what `ip address` and `ipconfig` list.
//!
//! Multicast and broadcast need one by name. A group is joined *on an interface*; without one the
//! system takes whichever its routes prefer, and a laptop with no network has no such route and
//! answers ENODEV. A directed broadcast, `10.0.0.255` on `10.0.0.0/24`, is made from an interface's
//! address and netmask:
//!
//! ```text
//! address      10.  0.  0.  7     00001010 00000000 00000000 00000111
//! netmask     255.255.255.  0     11111111 11111111 11111111 00000000
//! broadcast    10.  0.  0.255     00001010 00000000 00000000 11111111   every host bit set
//! ```
//!
//! # How Linux is asked, and why
//!
//! The usual calls open sockets behind the caller's back: getifaddrs(3) a netlink one,
//! if_nametoindex(3) a datagram one. A trace that promises to show each socket call would then lie.
//! So here the caller lends a socket it has opened anyway, for the `ioctl(2)` requests of
//! netdevice(7), and the rest is read from `/proc/thread-self/net`. (`/sys/class/net` shows the
//! network namespace in which `/sys` was mounted, which need not be the caller's.)
//!
//! What goes wrong: an interface may have several addresses, or none; one that is down still has
//! its own; and names, unlike indices, may change while the program runs.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use socket2::Socket;

/// What Linux calls the loopback interface, and may be said of every system's.
const LOOPBACK: &str = "lo";

/// One network interface with all its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// `eth0`, `en0`, `Ethernet 2`.
    pub name: String,
    /// The system's number for it, from 1; the scope of an IPv6 address on it.
    pub index: u32,
    /// Its IPv4 addresses, in the system's order.
    pub v4: Vec<V4>,
    /// Its IPv6 addresses, in the system's order.
    pub v6: Vec<Ipv6Addr>,
    /// Switched on, though perhaps with no cable.
    pub up: bool,
    /// Leads back to this host.
    pub loopback: bool,
    /// One datagram can reach every host on its link.
    pub broadcast: bool,
    /// It takes part in multicast. Linux denies it of `lo`, on which IPv4 groups work all the same.
    pub multicast: bool,
}

/// An IPv4 address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct V4 {
    /// The host's own address there.
    pub address: Ipv4Addr,
    /// Which bits of it name the network. 255.255.255.255 also where the system would not say.
    pub netmask: Ipv4Addr,
    /// As somebody configured it; often nobody did.
    pub broadcast: Option<Ipv4Addr>,
}

impl V4 {
    /// The netmask to assume where the system tells none. 127.0.0.0/8 is loopback by definition
    /// (RFC 1122, section 3.2.1.3); of any other network nothing is known.
    fn assumed_netmask(address: Ipv4Addr) -> Ipv4Addr {
        if address.is_loopback() { Ipv4Addr::new(255, 0, 0, 0) } else { Ipv4Addr::BROADCAST }
    }

    /// The address that reaches every host of this network: the configured one, else the network
    /// with every host bit set. On loopback `127.255.255.255`, which works offline. None on networks
    /// of two addresses or one, which have no room for it (RFC 3021).
    pub fn directed_broadcast(&self) -> Option<Ipv4Addr> {
        let host_bits = !self.netmask;
        let computed = (host_bits.to_bits() > 1).then(|| self.address | host_bits);
        self.broadcast.or(computed)
    }
}

impl Interface {
    /// Whether `ip` is this host's address here.
    pub fn has(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(ip) => self.v4.iter().any(|v4| v4.address == ip),
            IpAddr::V6(ip) => self.v6.contains(&ip),
        }
    }
}

/// `eth0 (2, 10.0.0.7, fe80::1)`: each of the three ways to name it.
impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.name, self.index)?;
        for v4 in &self.v4 {
            write!(f, ", {}", v4.address)?;
        }
        for v6 in &self.v6 {
            write!(f, ", {v6}")?;
        }
        f.write_str(")")
    }
}

/// Every interface of this host: up or down, with addresses or without (outside Linux, only those
/// with).
///
/// `socket` is any IPv4 socket, lent for the questions; nothing about it changes. On Linux another
/// kind of socket gets every answer but netmasks and broadcast addresses; other systems ignore it.
///
/// # Errors
/// What the system says when asked; on Linux also where `/proc` is not mounted.
pub fn interfaces(socket: &Socket) -> io::Result<Vec<Interface>> {
    system::interfaces(socket)
}

/// The interface that a person means by `wanted`: a name, one of its addresses, or its index, tried
/// in that order; and `lo`, as Linux calls it, is the loopback interface of every system.
///
/// # Errors
/// `NotFound`, with a message that lists those there are.
pub fn find<'a>(among: &'a [Interface], wanted: &str) -> io::Result<&'a Interface> {
    let by_name = || among.iter().find(|it| it.name == wanted);
    let by_address = || wanted.parse().ok().and_then(|ip| among.iter().find(|it| it.has(ip)));
    let by_index = || wanted.parse().ok().and_then(|index: u32| among.iter().find(|it| it.index == index));
    let loopback = || among.iter().find(|it| wanted == LOOPBACK && it.loopback);
    by_name()
        .or_else(by_address)
        .or_else(by_index)
        .or_else(loopback)
        .ok_or_else(|| none_such("interface", wanted, among))
}

/// The index of an interface that has an IPv6 address: the number that goes with `fe80::1%eth0`.
/// `lo` is that of every system's loopback interface. Needs no socket.
///
/// # Errors
/// `NotFound`, with a message that lists those there are.
pub fn index_of(interface: &str) -> io::Result<u32> {
    let known = system::with_v6()?;
    let by_name = known.iter().find(|it| it.name == interface);
    let by_index = || known.iter().find(|it| interface.parse() == Ok(it.index));
    let loopback = || known.iter().find(|it| interface == LOOPBACK && it.loopback);
    match by_name.or_else(by_index).or_else(loopback) {
        Some(found) => Ok(found.index),
        None => Err(none_such("interface with IPv6", interface, &known)),
    }
}

fn none_such(what: &str, wanted: &str, among: &[Interface]) -> io::Error {
    let known: Vec<String> = among.iter().map(Interface::to_string).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    io::Error::new(io::ErrorKind::NotFound, format!("no {what} is '{wanted}'; there are: {known}"))
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs;
    use std::io;
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::os::fd::AsRawFd;
    use std::ptr::from_mut;

    use libc::{IFF_BROADCAST, IFF_LOOPBACK, IFF_MULTICAST, IFF_UP, IFNAMSIZ};
    use libc::{SIOCGIFBRDADDR, SIOCGIFCONF, SIOCGIFFLAGS, SIOCGIFINDEX, SIOCGIFNETMASK};
    use socket2::Socket;

    use super::{Interface, V4};

    pub(super) fn interfaces(socket: &Socket) -> io::Result<Vec<Interface>> {
        let mut interfaces = Vec::new();
        for name in names(&read("dev")?) {
            match flags_and_index(socket, &name) {
                Ok((flags, index)) => interfaces.push(without_addresses(name, flags, index)),
                // It was listed and is gone by now: a VPN just closed, say.
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {}
                Err(error) => return Err(error),
            }
        }
        add_v4(&mut interfaces, socket)?;
        for entry in v6_entries(&read_v6()?) {
            if let Some(it) = interfaces.iter_mut().find(|it| it.index == entry.index) {
                it.v6.push(entry.address);
            }
        }
        Ok(interfaces)
    }

    /// Of each interface with an IPv6 address its name, index and those addresses; no flags.
    pub(super) fn with_v6() -> io::Result<Vec<Interface>> {
        let mut interfaces: Vec<Interface> = Vec::new();
        for V6Entry { address, index, name } in v6_entries(&read_v6()?) {
            match interfaces.iter_mut().find(|it| it.index == index) {
                Some(it) => it.v6.push(address),
                None => {
                    interfaces.push(Interface { v6: vec![address], ..without_addresses(name, 0, index) });
                }
            }
        }
        // The kernel lists addresses in the order of a hash table.
        interfaces.sort_by_key(|it| it.index);
        Ok(interfaces)
    }

    fn without_addresses(name: String, flags: libc::c_int, index: u32) -> Interface {
        Interface {
            name,
            index,
            v4: Vec::new(),
            v6: Vec::new(),
            up: flags & IFF_UP != 0,
            loopback: flags & IFF_LOOPBACK != 0,
            broadcast: flags & IFF_BROADCAST != 0,
            multicast: flags & IFF_MULTICAST != 0,
        }
    }

    fn flags_and_index(socket: &Socket, name: &str) -> io::Result<(libc::c_int, u32)> {
        let mut request = Request::about(name);
        ask(socket, Ask::Flags, &mut request)?;
        let flags = request.flags();
        ask(socket, Ask::Index, &mut request)?;
        Ok((flags, request.index()))
    }

    fn add_v4(interfaces: &mut [Interface], socket: &Socket) -> io::Result<()> {
        for entry in v4_entries(socket)? {
            // An address with a label of its own is listed under that: `eth0:1`.
            let label = entry.name();
            let name = label.split(':').next().unwrap_or(&label);
            if let Some(it) = interfaces.iter_mut().find(|it| it.name == name) {
                it.v4.push(v4(socket, entry));
            }
        }
        Ok(())
    }

    /// An interface may have many addresses. Since `entry` holds a label *and* an address, the
    /// kernel answers for that one.
    fn v4(socket: &Socket, entry: Request) -> V4 {
        let asked = |what| {
            let mut request = entry;
            ask(socket, what, &mut request).ok().map(|()| request.v4())
        };
        let address = entry.v4();
        V4 {
            address,
            netmask: asked(Ask::Netmask).unwrap_or_else(|| V4::assumed_netmask(address)),
            broadcast: asked(Ask::Broadcast).filter(|it| !it.is_unspecified()),
        }
    }

    /// Every IPv4 address, each with its interface.
    fn v4_entries(socket: &Socket) -> io::Result<Vec<Request>> {
        let mut room = 32;
        loop {
            let mut entries = vec![Request::EMPTY; room];
            let filled = fill_in(socket, &mut entries)?;
            // A full buffer may have cut the list short; the kernel does not say (netdevice(7)).
            if filled < room {
                entries.truncate(filled);
                return Ok(entries);
            }
            room *= 2;
        }
    }

    /// The kernel's `struct ifreq`: a name, and then a union of what may be asked about it. Bytes,
    /// since reading a field of a union is unsafe and taking two bytes is not.
    #[repr(C, align(8))]
    #[derive(Clone, Copy)]
    struct Request {
        name: [u8; IFNAMSIZ],
        value: [u8; size_of::<libc::ifreq>() - IFNAMSIZ],
    }

    const _: () = assert!(size_of::<Request>() == size_of::<libc::ifreq>());

    impl Request {
        const EMPTY: Request = Request { name: [0; IFNAMSIZ], value: [0; size_of::<libc::ifreq>() - IFNAMSIZ] };

        /// Names have at most 15 bytes and a zero: the kernel gave this one.
        fn about(name: &str) -> Request {
            let mut request = Request::EMPTY;
            for (to, from) in request.name[..IFNAMSIZ - 1].iter_mut().zip(name.bytes()) {
                *to = from;
            }
            request
        }

        fn name(&self) -> String {
            let end = self.name.iter().position(|byte| *byte == 0).unwrap_or(IFNAMSIZ);
            String::from_utf8_lossy(&self.name[..end]).into_owned()
        }

        fn flags(&self) -> libc::c_int {
            i16::from_ne_bytes([self.value[0], self.value[1]]).into()
        }

        fn index(&self) -> u32 {
            u32::from_ne_bytes([self.value[0], self.value[1], self.value[2], self.value[3]])
        }

        /// In a `struct sockaddr_in` the address comes after two bytes of family and two of port.
        fn v4(&self) -> Ipv4Addr {
            Ipv4Addr::new(self.value[4], self.value[5], self.value[6], self.value[7])
        }
    }

    /// The requests of netdevice(7) that take one ifreq and fill it in.
    #[derive(Clone, Copy)]
    enum Ask {
        Flags = SIOCGIFFLAGS as isize,
        Index = SIOCGIFINDEX as isize,
        Netmask = SIOCGIFNETMASK as isize,
        Broadcast = SIOCGIFBRDADDR as isize,
    }

    // The two calls below are `unsafe` since no crate here wraps them: nix and if-addrs list
    // interfaces through getifaddrs(3), which opens a socket.

    #[allow(unsafe_code)]
    fn ask(socket: &Socket, what: Ask, about: &mut Request) -> io::Result<()> {
        // SAFETY: each request of Ask reads and writes one ifreq, and a Request has its size. The
        // descriptor is open while `socket` is borrowed.
        let done = unsafe { libc::ioctl(socket.as_raw_fd(), what as libc::Ioctl, from_mut(about)) };
        if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// SIOCGIFCONF: how many of `entries` the kernel filled in, one for each IPv4 address.
    #[allow(unsafe_code)]
    fn fill_in(socket: &Socket, entries: &mut [Request]) -> io::Result<usize> {
        let ifc_len = size_of_val(entries) as libc::c_int;
        let ifc_ifcu = libc::__c_anonymous_ifc_ifcu { ifcu_buf: entries.as_mut_ptr().cast() };
        let mut list = libc::ifconf { ifc_len, ifc_ifcu };
        // SAFETY: the request reads and writes one ifconf, and the buffer to which that points: the
        // `ifc_len` bytes of `entries`, borrowed until the end. The descriptor is open, as above.
        let done = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCGIFCONF as libc::Ioctl, from_mut(&mut list)) };
        if done == -1 { Err(io::Error::last_os_error()) } else { Ok(list.ifc_len as usize / size_of::<Request>()) }
    }

    /// A file about this thread's network namespace; `/proc/net` is about the first thread's.
    fn read(file: &str) -> io::Result<String> {
        let path = format!("/proc/thread-self/net/{file}");
        fs::read_to_string(&path).map_err(|error| io::Error::new(error.kind(), format!("cannot read {path}: {error}")))
    }

    /// There is no such file where the kernel has no IPv6.
    fn read_v6() -> io::Result<String> {
        match read("if_inet6") {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            read => read,
        }
    }

    /// Of `/proc/net/dev`: two lines of headings, then `  eth0: 1296 12 ...`.
    fn names(dev: &str) -> impl Iterator<Item = String> {
        let names = dev.lines().skip(2).filter_map(|line| line.split_once(':'));
        names.map(|(name, _)| name.trim().to_owned())
    }

    #[derive(Debug, PartialEq)]
    struct V6Entry {
        address: Ipv6Addr,
        index: u32,
        name: String,
    }

    /// Of `/proc/net/if_inet6`: address, index, prefix length, scope and flags, all in hexadecimal,
    /// and the name.
    fn v6_entries(if_inet6: &str) -> Vec<V6Entry> {
        let entry = |line: &str| {
            let mut words = line.split_whitespace();
            let address = u128::from_str_radix(words.next()?, 16).ok()?;
            let index = u32::from_str_radix(words.next()?, 16).ok()?;
            let name = words.nth(3)?.to_owned();
            Some(V6Entry { address: Ipv6Addr::from_bits(address), index, name })
        };
        if_inet6.lines().filter_map(entry).collect()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn proc_net_dev_gives_every_name() {
            let dev = "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes packets\n    lo:  840 10 840 10\n\
                       averylongname15:1296 12 0 0\n";
            assert_eq!(names(dev).collect::<Vec<_>>(), ["lo", "averylongname15"]);
        }

        #[test]
        fn proc_net_if_inet6_gives_address_index_and_name() {
            let table = "fe80000000000000003fabfffe010203 0a 40 20 80     eth0\n\
                         00000000000000000000000000000001 01 80 10 80       lo\nbroken line\n";
            let entry = |address: &str, index, name: &str| V6Entry {
                address: address.parse().unwrap(),
                index,
                name: name.to_owned(),
            };
            let expected = [entry("fe80::3f:abff:fe01:203", 10, "eth0"), entry("::1", 1, "lo")];
            assert_eq!(v6_entries(table), expected);
        }

        #[test]
        fn a_name_survives_the_way_to_the_kernel_and_back() {
            for name in ["lo", "averylongname15", ""] {
                assert_eq!(Request::about(name).name(), name);
            }
        }
    }
}

/// The crate if-addrs asks getifaddrs(3) or GetAdaptersAddresses, and has one entry for each
/// address.
#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;

    use if_addrs::{IfAddr, get_if_addrs};
    use socket2::Socket;

    use super::{Interface, V4};

    pub(super) fn interfaces(_: &Socket) -> io::Result<Vec<Interface>> {
        all()
    }

    pub(super) fn with_v6() -> io::Result<Vec<Interface>> {
        Ok(all()?.into_iter().filter(|it| !it.v6.is_empty()).collect())
    }

    fn all() -> io::Result<Vec<Interface>> {
        let mut interfaces: Vec<Interface> = Vec::new();
        for entry in get_if_addrs()? {
            // None: it is gone by now.
            let Some(index) = entry.index else { continue };
            match interfaces.iter_mut().find(|it| it.index == index) {
                Some(it) => it.add(entry.addr),
                None => interfaces.push(interface(entry, index)),
            }
        }
        Ok(interfaces)
    }

    /// if-addrs tells no multicast flag. Yes is the useful guess: a system that disagrees refuses
    /// the join and says why.
    fn interface(entry: if_addrs::Interface, index: u32) -> Interface {
        let up = entry.is_oper_up();
        let mut interface = Interface {
            name: entry.name,
            index,
            v4: Vec::new(),
            v6: Vec::new(),
            up,
            loopback: false,
            broadcast: false,
            multicast: true,
        };
        interface.add(entry.addr);
        interface
    }

    impl Interface {
        fn add(&mut self, address: IfAddr) {
            self.loopback |= address.is_loopback();
            match address {
                IfAddr::V6(v6) => self.v6.push(v6.ip),
                IfAddr::V4(v4) => {
                    self.broadcast |= v4.broadcast.is_some() && !v4.is_loopback();
                    // if-addrs has 0.0.0.0 for a netmask that it could not learn.
                    let known = Some(v4.netmask).filter(|it| !it.is_unspecified());
                    let netmask = known.unwrap_or_else(|| V4::assumed_netmask(v4.ip));
                    self.v4.push(V4 { address: v4.ip, netmask, broadcast: v4.broadcast });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(address: &str, netmask: &str, broadcast: Option<&str>) -> V4 {
        let ip = |text: &str| text.parse().unwrap();
        V4 { address: ip(address), netmask: ip(netmask), broadcast: broadcast.map(ip) }
    }

    fn two_interfaces() -> [Interface; 2] {
        let lo = Interface {
            name: "lo".to_owned(),
            index: 1,
            v4: vec![v4("127.0.0.1", "255.0.0.0", None)],
            v6: vec![Ipv6Addr::LOCALHOST],
            up: true,
            loopback: true,
            broadcast: false,
            multicast: false,
        };
        let eth0 = Interface {
            name: "eth0".to_owned(),
            index: 12,
            v4: vec![v4("10.0.0.7", "255.255.255.0", None), v4("10.0.1.7", "255.255.255.0", None)],
            v6: vec!["fe80::7".parse().unwrap()],
            ..lo.clone()
        };
        [lo, eth0]
    }

    #[test]
    fn an_interface_is_found_by_name_address_or_index() {
        let table = [
            ("lo", "lo"),
            ("127.0.0.1", "lo"),
            ("::1", "lo"),
            ("1", "lo"),
            ("eth0", "eth0"),
            ("10.0.0.7", "eth0"),
            ("10.0.1.7", "eth0"),
            ("fe80::7", "eth0"),
            ("12", "eth0"),
        ];
        for (wanted, name) in table {
            assert_eq!(find(&two_interfaces(), wanted).unwrap().name, name, "{wanted}");
        }
    }

    #[test]
    fn a_name_made_of_digits_is_a_name_first() {
        let [mut lo, eth0] = two_interfaces();
        lo.name = "12".to_owned();
        assert_eq!(find(&[eth0, lo], "12").unwrap().index, 1);
    }

    #[test]
    fn an_unknown_interface_is_refused_with_a_list_of_those_there_are() {
        for wanted in ["eth9", "10.0.0.8", "2", "", "-1", "LO"] {
            let error = find(&two_interfaces(), wanted).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            let known = "lo (1, 127.0.0.1, ::1), eth0 (12, 10.0.0.7, 10.0.1.7, fe80::7)";
            assert_eq!(error.to_string(), format!("no interface is '{wanted}'; there are: {known}"));
        }
        let error = find(&[], "eth0").unwrap_err();
        assert_eq!(error.to_string(), "no interface is 'eth0'; there are: none");
    }

    #[test]
    fn a_directed_broadcast_sets_every_host_bit() {
        let table = [
            (v4("127.0.0.1", "255.0.0.0", None), Some("127.255.255.255")),
            (v4("10.77.1.2", "255.255.255.0", None), Some("10.77.1.255")),
            (v4("10.77.1.130", "255.255.255.128", None), Some("10.77.1.255")),
            (v4("10.77.1.1", "255.255.255.252", None), Some("10.77.1.3")),
            (v4("10.77.1.2", "255.255.255.0", Some("10.77.255.255")), Some("10.77.255.255")),
            (v4("10.77.1.2", "255.255.255.254", None), None),
            (v4("10.77.1.2", "255.255.255.255", None), None),
        ];
        for (v4, expected) in table {
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(v4.directed_broadcast(), expected, "{v4:?}");
        }
    }

    fn an_ipv4_socket() -> Socket {
        Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap()
    }

    #[test]
    fn this_host_lists_its_loopback_interface() {
        let interfaces = interfaces(&an_ipv4_socket()).unwrap();
        let loopback = find(&interfaces, "127.0.0.1").unwrap();
        assert!(loopback.loopback && loopback.up && loopback.index > 0, "{loopback:?}");
        let v4 = loopback.v4.iter().find(|it| it.address == Ipv4Addr::LOCALHOST).unwrap();
        assert_eq!(v4.directed_broadcast(), Some(Ipv4Addr::new(127, 255, 255, 255)));
    }

    #[test]
    fn an_interface_with_ipv6_has_the_same_index_with_and_without_a_socket() {
        for it in interfaces(&an_ipv4_socket()).unwrap() {
            if !it.v6.is_empty() {
                assert_eq!(index_of(&it.name).unwrap(), it.index);
                assert_eq!(index_of(&it.index.to_string()).unwrap(), it.index);
            }
        }
    }

    #[test]
    fn lo_is_the_loopback_interface_whatever_the_system_calls_it() {
        let [mut lo, mut eth0] = two_interfaces();
        (lo.name, eth0.loopback) = ("Loopback Pseudo-Interface 1".to_owned(), false);
        assert_eq!(find(&[eth0, lo.clone()], "lo").unwrap(), &lo);
    }

    #[test]
    fn an_unknown_interface_has_no_index() {
        for wanted in ["nosuch0", "", "0", "4000000000"] {
            assert_eq!(index_of(wanted).unwrap_err().kind(), io::ErrorKind::NotFound, "{wanted:?}");
        }
    }
}
