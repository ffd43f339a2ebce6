//! Where to listen and whom to call: the one address grammar of every lab.
//!
//! | written | host | port |
//! |---|---|---|
//! | `5003`, `:5003`, `:http` | the lab's default | as written |
//! | `example.org`, `10.0.0.7`, `::1` | as written | the lab's default |
//! | `localhost:5003`, `10.0.0.7:http` | as written | as written |
//! | `[::1]:5003` | an IPv6 address | as written |
//! | `[fe80::1%eth0]:5003` | an IPv6 address, on the link of one interface | as written |
//!
//! A socket knows no names: `bind(2)` and `connect(2)` take an address of 4 or 16 bytes and a port
//! of 2. So an [`Addr`] is what a person wrote, and [`Addr::resolve`] turns it into the addresses
//! there are to try, in order.
//!
//! What goes wrong:
//!
//! - `::1:5003` is an address, all of it. The brackets say where it ends (RFC 3986, section 3.2.2).
//! - `fe80::1` exists on every link, so it needs an interface: its *zone* (RFC 4007, section 11).
//! - One name may have several addresses. `localhost` is often `::1` and `127.0.0.1`, while the
//!   server listens on one.
//! - A port is 16 bits. C's `htons(99999)` quietly gives 34463; here it is refused.
//!
//! Try: a server on port 0, twice, and look which ports the system chose. Then `localhost:echo`:
//! who knows that it is 7?

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

use super::interface;

/// An address as written: either part may be left to the lab.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Addr {
    /// None: the lab's own default, often the loopback address.
    pub host: Option<Host>,
    /// None: the lab's own default. 0: whichever free port the system chooses.
    pub port: Option<u16>,
}

/// The host part of an [`Addr`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// To be looked up: `localhost`, `example.org`.
    Name(String),
    /// To be used as it is.
    Ip(IpAddr),
    /// An IPv6 address and the interface on whose link it is meant, by name or by index.
    Scoped(Ipv6Addr, String),
}

impl Addr {
    /// A port of this host that no other host can reach.
    pub fn loopback(port: u16) -> Addr {
        Addr { host: Some(Host::Ip(Ipv4Addr::LOCALHOST.into())), port: Some(port) }
    }

    /// The addresses this stands for, in the order in which to try them, each once; never none.
    ///
    /// An address in figures, and no host at all, never reach the resolver. The resolver may open
    /// sockets of its own, to ask a name server; they belong to the C library, and no trace shows
    /// them.
    ///
    /// # Errors
    /// `NotFound` for a name with no address and for an interface this host does not have; the
    /// message names it.
    pub fn resolve(&self, default_host: IpAddr, default_port: u16) -> io::Result<Vec<SocketAddr>> {
        let port = self.port.unwrap_or(default_port);
        match &self.host {
            None => Ok(vec![SocketAddr::new(default_host, port)]),
            Some(Host::Ip(ip)) => Ok(vec![SocketAddr::new(*ip, port)]),
            Some(Host::Scoped(ip, interface)) => Ok(vec![scoped(*ip, interface, port)?]),
            Some(Host::Name(name)) => look_up(name, port),
        }
    }

    /// The host alone, as for a message about it; empty where it is left to the lab.
    pub fn host_text(&self) -> String {
        self.host.as_ref().map(Host::to_string).unwrap_or_default()
    }

    /// The multicast group this stands for. A group is always written in figures: names are
    /// refused, not looked up.
    ///
    /// # Errors
    /// [`AddrError::NotMulticast`], or [`AddrError::UnknownInterface`] for the interface of
    /// `[ff02::1%eth0]:5007`.
    pub fn group(&self, default_port: u16) -> Result<SocketAddr, AddrError> {
        let port = self.port.unwrap_or(default_port);
        match &self.host {
            Some(Host::Ip(ip)) if ip.is_multicast() => Ok(SocketAddr::new(*ip, port)),
            Some(Host::Scoped(ip, interface)) if ip.is_multicast() => {
                scoped(*ip, interface, port).map_err(|error| AddrError::UnknownInterface(error.to_string()))
            }
            Some(host) => Err(AddrError::NotMulticast(host.to_string())),
            None => Err(AddrError::NotMulticast(self.to_string())),
        }
    }
}

fn scoped(ip: Ipv6Addr, interface: &str, port: u16) -> io::Result<SocketAddr> {
    let scope_id = interface::index_of(interface)?;
    Ok(SocketAddrV6::new(ip, port, 0, scope_id).into())
}

fn look_up(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found = (name, port).to_socket_addrs().map_err(|error| unknown_host(name, &error))?;
    let mut addresses = Vec::new();
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("host '{name}' has no address")));
    }
    Ok(addresses)
}

/// getaddrinfo(3) has error codes of its own, for which std has no [`io::ErrorKind`]. Those with an
/// errno keep its kind.
fn unknown_host(name: &str, error: &io::Error) -> io::Error {
    let has_errno = cfg!(unix) && error.raw_os_error().is_some();
    let kind = if has_errno { error.kind() } else { io::ErrorKind::NotFound };
    let text = error.to_string();
    let cause = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    io::Error::new(kind, format!("host '{name}' is unknown: {}", cause.to_lowercase()))
}

impl FromStr for Addr {
    type Err = AddrError;

    fn from_str(text: &str) -> Result<Self, AddrError> {
        if text.is_empty() {
            return Err(AddrError::Empty);
        }
        if is_number(text) {
            return Ok(Addr { host: None, port: Some(port_number(text)?) });
        }
        if let Some(rest) = text.strip_prefix('[') {
            return bracketed(text, rest);
        }
        match text.split_once(':') {
            None => Ok(Addr { host: Some(host(text)?), port: None }),
            Some((_, more)) if more.contains(':') => Ok(Addr { host: Some(v6(text)?), port: None }),
            Some((_, "")) => Err(AddrError::MissingPort(text.to_owned())),
            Some(("", after)) => Ok(Addr { host: None, port: Some(port(after)?) }),
            Some((before, after)) => Ok(Addr { host: Some(host(before)?), port: Some(port(after)?) }),
        }
    }
}

/// `rest` is `text` without its opening bracket.
fn bracketed(text: &str, rest: &str) -> Result<Addr, AddrError> {
    let malformed = || AddrError::Brackets(text.to_owned());
    let (inside, after) = rest.split_once(']').ok_or_else(malformed)?;
    let host = Some(v6(inside)?);
    match after.strip_prefix(':') {
        None if after.is_empty() => Ok(Addr { host, port: None }),
        None => Err(malformed()),
        Some("") => Err(AddrError::MissingPort(text.to_owned())),
        Some(after) => Ok(Addr { host, port: Some(port(after)?) }),
    }
}

fn v6(text: &str) -> Result<Host, AddrError> {
    let (address, interface) = text.split_once('%').map_or((text, None), |(ip, zone)| (ip, Some(zone)));
    let ip: Ipv6Addr = address.parse().map_err(|_| AddrError::NotV6(text.to_owned()))?;
    match interface {
        None => Ok(Host::Ip(ip.into())),
        Some("") => Err(AddrError::MissingInterface(text.to_owned())),
        // A name with a bracket could not be written back.
        Some(interface) if interface.contains([':', '[', ']']) => Err(AddrError::NotV6(text.to_owned())),
        Some(interface) => Ok(Host::Scoped(ip, interface.to_owned())),
    }
}

fn host(text: &str) -> Result<Host, AddrError> {
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Ip(ip.into()));
    }
    // No name of four numbers exists (no top-level domain is a number): it is a mistyped address,
    // and asking a name server for it would only hide that. `127.1` is left to the resolver, which
    // reads it as ping and curl do.
    if text.split('.').count() >= 4 && text.split('.').all(is_number) {
        return Err(AddrError::NotV4(text.to_owned()));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c) || !(c.is_ascii() || c.is_whitespace());
    if !text.chars().all(fits) {
        return Err(AddrError::NotAHost(text.to_owned()));
    }
    Ok(Host::Name(text.to_owned()))
}

fn port(text: &str) -> Result<u16, AddrError> {
    if is_number(text) {
        return port_number(text);
    }
    service_port(text).ok_or_else(|| AddrError::UnknownService(text.to_owned()))
}

fn port_number(digits: &str) -> Result<u16, AddrError> {
    digits.parse().map_err(|_| AddrError::PortTooBig(digits.to_owned()))
}

/// Digits alone: `str::parse` would take `+80` as well.
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Names that work where the system has no services file: a small container, some Windows. Source:
/// IANA's registry.
const WELL_KNOWN: [(&str, u16); 24] = [
    ("echo", 7),
    ("discard", 9),
    ("daytime", 13),
    ("chargen", 19),
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("time", 37),
    ("domain", 53),
    ("tftp", 69),
    ("finger", 79),
    ("http", 80),
    ("pop3", 110),
    ("ntp", 123),
    ("imap", 143),
    ("imap2", 143),
    ("snmp", 161),
    ("irc", 194),
    ("https", 443),
    ("imaps", 993),
    ("pop3s", 995),
    ("mdns", 5353),
];

fn service_port(name: &str) -> Option<u16> {
    let well_known = || WELL_KNOWN.iter().find(|(known, _)| *known == name).map(|(_, port)| *port);
    let file = fs::read(services_file()).unwrap_or_default();
    listed_port(&String::from_utf8_lossy(&file), name).or_else(well_known)
}

fn services_file() -> PathBuf {
    if cfg!(windows) {
        let system_root = std::env::var_os("SystemRoot").unwrap_or_else(|| r"C:\Windows".into());
        return PathBuf::from(system_root).join(r"System32\drivers\etc\services");
    }
    PathBuf::from("/etc/services")
}

/// A line of services(5): `http  80/tcp  www  # WorldWideWeb HTTP`. tcp and udp agree on the
/// number, so the first will do.
fn listed_port(services: &str, wanted: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let name = words.next()?;
        let port = words.next()?.split('/').next()?;
        let named = name == wanted || words.any(|alias| alias == wanted);
        if named { port.parse().ok() } else { None }
    })
}

/// The shortest form that reads back as the same address. IPv6 is always in brackets, so that a
/// port may be added.
impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host @ (Host::Ip(IpAddr::V6(_)) | Host::Scoped(..))) => write!(f, "[{host}]")?,
            Some(host) => write!(f, "{host}")?,
            None => {}
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Ip(ip) => write!(f, "{ip}"),
            Host::Scoped(ip, interface) => write!(f, "{ip}%{interface}"),
        }
    }
}

/// Why a text is no address. Each holds the part at fault, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddrError {
    /// Nothing at all.
    Empty,
    /// A colon with nothing after it.
    MissingPort(String),
    /// Over 65535, the most that the 16 bits of a TCP or UDP header hold.
    PortTooBig(String),
    /// Not a number, and in no services file.
    UnknownService(String),
    /// With a character that no host name has.
    NotAHost(String),
    /// Four numbers, but not an IPv4 address.
    NotV4(String),
    /// In brackets, or with several colons, but not an IPv6 address.
    NotV6(String),
    /// A bracket left open, or something other than a port after it.
    Brackets(String),
    /// A `%` with nothing after it.
    MissingInterface(String),
    /// What [`interface::index_of`] said.
    UnknownInterface(String),
    /// Where a group was asked for.
    NotMulticast(String),
}

impl fmt::Display for AddrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PORTS: &str = "a port is a number from 0 to 65535, or a service name such as http";
        const GROUPS: &str = "groups are 224.0.0.0 to 239.255.255.255, or begin with ff";
        const FORMS: &str = "write PORT, :PORT, HOST, HOST:PORT, [V6]:PORT or [V6%IFACE]:PORT";
        match self {
            AddrError::Empty => write!(f, "the address is empty: {FORMS}"),
            AddrError::MissingPort(text) => {
                write!(f, "no port after the colon in '{text}': {PORTS}")
            }
            AddrError::PortTooBig(port) => write!(f, "port {port} is over 65535: {PORTS}"),
            AddrError::UnknownService(port) => write!(f, "'{port}' is not a port: {PORTS}"),
            AddrError::NotAHost(host) => write!(f, "'{host}' is not a host: {FORMS}"),
            AddrError::NotV4(host) => {
                write!(
                    f,
                    "'{host}' is not an IPv4 address: it has four numbers from 0 to 255, with no zeros before them"
                )
            }
            AddrError::NotV6(host) => {
                write!(f, "'{host}' is not an IPv6 address: with a port write [V6]:PORT, such as [::1]:5003")
            }
            AddrError::Brackets(text) => {
                write!(f, "'{text}' is not an address: brackets hold an IPv6 address, as in [::1] or [::1]:5003")
            }
            AddrError::MissingInterface(text) => {
                write!(f, "no interface after the % in '{text}': write [V6%IFACE]:PORT, such as [fe80::1%eth0]:5003")
            }
            AddrError::UnknownInterface(why) => f.write_str(why),
            AddrError::NotMulticast(host) => {
                write!(f, "{host} is not a multicast address: {GROUPS}")
            }
        }
    }
}

impl std::error::Error for AddrError {}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn addr(text: &str) -> Addr {
        text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    fn refusal(text: &str) -> AddrError {
        match text.parse::<Addr>() {
            Ok(addr) => panic!("{text:?} was taken as {addr:?}"),
            Err(error) => error,
        }
    }

    const DEFAULT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn every_form_is_read() {
        let name = |name: &str| Some(Host::Name(name.to_owned()));
        let ip = |ip: &str| Some(Host::Ip(ip.parse().unwrap()));
        let scoped = |ip: &str, interface: &str| Some(Host::Scoped(ip.parse().unwrap(), interface.to_owned()));
        let table = [
            ("0", None, Some(0)),
            ("5003", None, Some(5003)),
            ("65535", None, Some(65535)),
            ("0080", None, Some(80)),
            (":5003", None, Some(5003)),
            (":http", None, Some(80)),
            ("localhost", name("localhost"), None),
            ("http", name("http"), None),
            ("7up.example", name("7up.example"), None),
            ("my_host-2.example.", name("my_host-2.example."), None),
            ("bücher.example:80", name("bücher.example"), Some(80)),
            ("localhost:5003", name("localhost"), Some(5003)),
            ("localhost:0", name("localhost"), Some(0)),
            ("localhost:echo", name("localhost"), Some(7)),
            ("127.1:80", name("127.1"), Some(80)),
            ("10.0.0.7", ip("10.0.0.7"), None),
            ("10.0.0.7:5003", ip("10.0.0.7"), Some(5003)),
            ("0.0.0.0:5003", ip("0.0.0.0"), Some(5003)),
            ("::", ip("::"), None),
            ("::1", ip("::1"), None),
            ("::1:5003", ip("::1:5003"), None),
            ("[::1]", ip("::1"), None),
            ("[::1]:5003", ip("::1"), Some(5003)),
            ("[::1]:http", ip("::1"), Some(80)),
            ("[::ffff:10.0.0.7]:1", ip("::ffff:10.0.0.7"), Some(1)),
            ("[fe80::1%eth0]:5003", scoped("fe80::1", "eth0"), Some(5003)),
            ("[fe80::1%2]:5003", scoped("fe80::1", "2"), Some(5003)),
            ("[fe80::1%eth0]", scoped("fe80::1", "eth0"), None),
            ("fe80::1%eth0", scoped("fe80::1", "eth0"), None),
            ("[fe80::1%Ethernet 2]:1", scoped("fe80::1", "Ethernet 2"), Some(1)),
        ];
        for (text, host, port) in table {
            assert_eq!(addr(text), Addr { host, port }, "{text:?}");
        }
    }

    #[test]
    fn a_port_over_65535_is_refused() {
        for text in ["65536", ":65536", "99999", "localhost:99999", "[::1]:70000", "99999999999999999999"] {
            assert!(matches!(refusal(text), AddrError::PortTooBig(_)), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_for_the_right_reason() {
        let table = [
            ("", AddrError::Empty),
            (":", AddrError::MissingPort(":".into())),
            ("localhost:", AddrError::MissingPort("localhost:".into())),
            ("[::1]:", AddrError::MissingPort("[::1]:".into())),
            ("localhost:+80", AddrError::UnknownService("+80".into())),
            ("localhost:-1", AddrError::UnknownService("-1".into())),
            ("localhost:80 ", AddrError::UnknownService("80 ".into())),
            ("localhost:nosuchservice", AddrError::UnknownService("nosuchservice".into())),
            ("http://example.org", AddrError::UnknownService("//example.org".into())),
            (" ", AddrError::NotAHost(" ".into())),
            ("two words:80", AddrError::NotAHost("two words".into())),
            ("user@example.org", AddrError::NotAHost("user@example.org".into())),
            ("example.org/x", AddrError::NotAHost("example.org/x".into())),
            ("a\0b", AddrError::NotAHost("a\0b".into())),
            ("10.0.0.1%eth0", AddrError::NotAHost("10.0.0.1%eth0".into())),
            ("256.1.1.1:80", AddrError::NotV4("256.1.1.1".into())),
            ("10.0.0.010", AddrError::NotV4("10.0.0.010".into())),
            ("1.2.3.4.5", AddrError::NotV4("1.2.3.4.5".into())),
            ("localhost:80:90", AddrError::NotV6("localhost:80:90".into())),
            ("::1::2", AddrError::NotV6("::1::2".into())),
            ("fe80::1%eth0:5003", AddrError::NotV6("fe80::1%eth0:5003".into())),
            ("fe80::1%eth0]", AddrError::NotV6("fe80::1%eth0]".into())),
            ("[]:5003", AddrError::NotV6("".into())),
            ("[localhost]:5003", AddrError::NotV6("localhost".into())),
            ("[127.0.0.1]:5003", AddrError::NotV6("127.0.0.1".into())),
            ("[", AddrError::Brackets("[".into())),
            ("[::1", AddrError::Brackets("[::1".into())),
            ("[::1]5003", AddrError::Brackets("[::1]5003".into())),
            ("fe80::1%", AddrError::MissingInterface("fe80::1%".into())),
            ("[fe80::1%]:80", AddrError::MissingInterface("fe80::1%".into())),
        ];
        for (text, reason) in table {
            assert_eq!(refusal(text), reason, "{text:?}");
        }
    }

    #[test]
    fn a_refusal_says_what_is_accepted() {
        let table = [
            ("", "the address is empty: write PORT, :PORT, HOST, HOST:PORT, [V6]:PORT or [V6%IFACE]:PORT"),
            ("99999", "port 99999 is over 65535: a port is a number from 0 to 65535, or a service name such as http"),
            ("::1::2", "'::1::2' is not an IPv6 address: with a port write [V6]:PORT, such as [::1]:5003"),
        ];
        for (text, message) in table {
            assert_eq!(refusal(text).to_string(), message);
        }
    }

    #[test]
    fn the_canonical_form_reads_back_as_the_same_address() {
        let table = [
            ("5003", ":5003"),
            (":http", ":80"),
            ("localhost", "localhost"),
            ("10.0.0.7:0080", "10.0.0.7:80"),
            ("0:0:0:0:0:0:0:1", "[::1]"),
            ("[::1]:5003", "[::1]:5003"),
            ("[FE80::1%eth0]:5003", "[fe80::1%eth0]:5003"),
        ];
        for (text, canonical) in table {
            assert_eq!(addr(text).to_string(), canonical);
            assert_eq!(addr(canonical), addr(text));
        }
    }

    #[test]
    fn what_is_left_out_comes_from_the_lab() {
        let table = [
            ("6000", "127.0.0.1:6000"),
            (":0", "127.0.0.1:0"),
            ("10.0.0.7", "10.0.0.7:5003"),
            ("10.0.0.7:6000", "10.0.0.7:6000"),
            ("::1", "[::1]:5003"),
        ];
        for (text, address) in table {
            assert_eq!(addr(text).resolve(DEFAULT, 5003).unwrap(), [address.parse().unwrap()], "{text:?}");
        }
    }

    #[test]
    fn localhost_is_loopback_each_address_once() {
        let addresses = addr("localhost:6000").resolve(DEFAULT, 5003).unwrap();
        assert!(!addresses.is_empty());
        for (place, address) in addresses.iter().enumerate() {
            assert!(address.ip().is_loopback() && address.port() == 6000, "{address}");
            assert!(!addresses[..place].contains(address), "{address} twice");
        }
    }

    #[test]
    fn an_unknown_name_is_not_found_and_named() {
        // A label of 64 bytes, one over the limit (RFC 1035, section 2.3.4): the resolver refuses
        // it without asking anybody.
        let name = "a".repeat(64);
        let error = addr(&name).resolve(DEFAULT, 5003).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains(&name), "{error}");
    }

    #[test]
    fn an_unknown_interface_is_not_found_and_named() {
        for interface in ["nosuch0", "4000000000"] {
            let error = addr(&format!("[fe80::1%{interface}]:80")).resolve(DEFAULT, 5003).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
            assert!(error.to_string().contains(interface), "{error}");
        }
        assert!(matches!(addr("[ff02::1%nosuch0]").group(5007), Err(AddrError::UnknownInterface(_))));
    }

    #[test]
    fn a_group_is_a_multicast_address() {
        let table = [
            ("239.1.1.1", Ok("239.1.1.1:5007")),
            ("239.1.1.1:6000", Ok("239.1.1.1:6000")),
            ("224.0.0.0", Ok("224.0.0.0:5007")),
            ("239.255.255.255", Ok("239.255.255.255:5007")),
            ("[ff02::1]:6000", Ok("[ff02::1]:6000")),
            ("223.255.255.255", Err("223.255.255.255")),
            ("240.0.0.0:5007", Err("240.0.0.0")),
            ("10.0.0.1", Err("10.0.0.1")),
            ("[fe80::1%nosuch0]:5007", Err("fe80::1%nosuch0")),
            ("localhost", Err("localhost")),
            ("5007", Err(":5007")),
        ];
        for (text, group) in table {
            let group = group.map(|it| it.parse().unwrap()).map_err(|it: &str| AddrError::NotMulticast(it.to_owned()));
            assert_eq!(addr(text).group(5007), group, "{text:?}");
        }
        assert_eq!(
            addr("10.0.0.1").group(5007).unwrap_err().to_string(),
            "10.0.0.1 is not a multicast address: groups are 224.0.0.0 to 239.255.255.255, or begin with ff"
        );
    }

    #[test]
    fn a_service_is_found_by_name_or_alias() {
        let services = "# comment\n\nhttp\t\t80/tcp\t\twww  # WorldWideWeb HTTP\ndomain 53/udp\r\nbroken\nodd x/tcp\n";
        let table = [
            ("http", Some(80)),
            ("www", Some(80)),
            ("domain", Some(53)),
            ("HTTP", None),
            ("broken", None),
            ("odd", None),
        ];
        for (name, port) in table {
            assert_eq!(listed_port(services, name), port, "{name}");
        }
    }

    #[test]
    fn well_known_services_need_no_file() {
        assert_eq!(listed_port("", "echo"), None);
        assert_eq!(service_port("echo"), Some(7));
        assert_eq!(service_port("https"), Some(443));
        assert_eq!(service_port(""), None);
    }

    fn any_host() -> impl Strategy<Value = Host> {
        prop_oneof![
            "[a-z][a-z0-9_.-]{0,20}".prop_map(Host::Name),
            any::<IpAddr>().prop_map(Host::Ip),
            (any::<Ipv6Addr>(), "[a-z][a-z0-9 .-]{0,14}").prop_map(|(ip, interface)| Host::Scoped(ip, interface)),
        ]
    }

    proptest! {
        #[test]
        fn every_address_reads_back_from_its_canonical_form(host in option::of(any_host()), port in option::of(any::<u16>())) {
            prop_assume!(host.is_some() || port.is_some());
            let written = Addr { host, port };
            prop_assert_eq!(written.to_string().parse(), Ok(written));
        }

        #[test]
        fn any_text_is_an_address_or_refused(text in "[0-9a-f:%.\\[\\]\\PC]{0,12}") {
            if let Ok(read) = text.parse::<Addr>() {
                prop_assert_eq!(read.to_string().parse(), Ok(read));
            }
        }
    }
}
