//! Two hosts on a user-space stack (the crate smoltcp), with the link between
//! them, in virtual time.
//!
//! Nothing here looks at a clock: the next moment is the one at which a packet
//! arrives or a timer of TCP's runs out, so a minute takes as long as the
//! packets in it take to compute, and always the same.
//!
//! ```text
//! client 10.0.0.1 ──▶ link forward ──▶ server 10.0.0.2
//!                 ◀── link backward ◀──
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, Ipv4Address};

use super::Direction;
use super::impairment::Emulated;
use super::log::Log;
use super::options::Link;
use super::snd_nxt::SndNxt;

/// The hosts' addresses, the client's first.
pub const ADDRESSES: [Ipv4Address; 2] = [Ipv4Address::new(10, 0, 0, 1), Ipv4Address::new(10, 0, 0, 2)];

/// The client's port: the first of those the system would choose from (RFC
/// 6335, section 6).
const CLIENT_PORT: u16 = 49152;

/// The servers', those of `tcp-echo` and `udp-echo`.
const TCP_PORT: u16 = 5003;
const UDP_PORT: u16 = 5004;

/// Room in TCP's buffers, each way: the most that a window tells without
/// scaling (RFC 7323), so that it reads in Wireshark as it is.
const STREAM_BYTES: usize = 65_535;

/// Datagrams and bytes that may wait in a socket. Both are emptied at once:
/// nothing is ever lost here.
const DATAGRAMS: usize = 256;
const DATAGRAM_BYTES: usize = 256 * 1024;

/// An end of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Who asks.
    Client,
    /// Who answers.
    Server,
}

impl End {
    /// Where its packets go.
    fn direction(self) -> Direction {
        match self {
            End::Client => Direction::Forward,
            End::Server => Direction::Backward,
        }
    }

    fn other(self) -> End {
        match self {
            End::Client => End::Server,
            End::Server => End::Client,
        }
    }
}

/// Both hosts, and the link.
struct World {
    now: Duration,
    link: Emulated,
    hosts: [Station; 2],
}

/// One host with one socket.
struct Station {
    end: End,
    interface: Interface,
    port: Port,
    sockets: SocketSet<'static>,
    snd_nxt: SndNxt,
}

impl Station {
    fn new(end: End, link: &Link) -> Station {
        let mut port = Port { mtu: usize::from(link.mtu), ..Port::default() };
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = link.seed.wrapping_mul(2).wrapping_add(end as u64); // its TCP's first sequence number
        let mut interface = Interface::new(config, &mut port, Instant::ZERO);
        let own = IpCidr::new(IpAddress::Ipv4(ADDRESSES[end as usize]), 24);
        interface.update_ip_addrs(|addresses| {
            let _ = addresses.push(own); // there is room for two
        });
        Station { end, interface, port, sockets: SocketSet::new(Vec::new()), snd_nxt: SndNxt::default() }
    }
}

impl World {
    fn new(link: &Link, kept: usize) -> World {
        let hosts = [End::Client, End::Server].map(|end| Station::new(end, link));
        World { now: Duration::ZERO, link: Emulated::new(link, kept), hosts }
    }

    fn host(&mut self, end: End) -> &mut Station {
        &mut self.hosts[end as usize]
    }

    /// Lets both hosts do all they can without time passing.
    fn settle(&mut self) {
        loop {
            while let Some((direction, bytes)) = self.link.arrive(self.now) {
                let to = match direction {
                    Direction::Forward => End::Server,
                    Direction::Backward => End::Client,
                };
                self.host(to).port.inbox.push_back(bytes);
            }
            let mut sent = false;
            for host in &mut self.hosts {
                host.interface.poll(instant(self.now), &mut host.port, &mut host.sockets);
                for mut bytes in host.port.outbox.drain(..) {
                    host.snd_nxt.put_right(&mut bytes);
                    self.link.send(host.end.direction(), self.now, bytes);
                    sent = true;
                }
            }
            let arrives_now = self.link.next_arrival().is_some_and(|at| at <= self.now);
            if !sent && !arrives_now {
                return;
            }
        }
    }

    /// The next moment at which something happens by itself.
    fn next(&mut self) -> Option<Duration> {
        let now = instant(self.now);
        let mut next = self.link.next_arrival();
        for host in &mut self.hosts {
            let timer = host.interface.poll_at(now, &host.sockets);
            let timer = timer.map(|at| Duration::from_micros(at.total_micros().max(0) as u64));
            next = next.into_iter().chain(timer).min();
        }
        next
    }

    /// Goes on to `moment`, by one microsecond at least.
    fn go_on_to(&mut self, moment: Duration) {
        self.now = moment.max(self.now + Duration::from_micros(1));
    }

    /// Goes on to what happens next, by itself or because it is `due`. Says
    /// whether there is anything.
    fn go_on(&mut self, due: Option<Duration>) -> bool {
        let next = self.next().into_iter().chain(due).min();
        next.map(|moment| self.go_on_to(moment)).is_some()
    }

    /// Lets all packets under way arrive.
    fn drain(&mut self) {
        self.settle();
        while let Some(at) = self.link.next_arrival() {
            self.go_on_to(at);
            self.settle();
        }
    }
}

fn instant(time: Duration) -> Instant {
    Instant::from_micros(time.as_micros() as i64)
}

/// A TCP connection over the link.
pub struct Stream {
    world: World,
    handles: [SocketHandle; 2],
}

impl Stream {
    /// A server that listens, and a client that has just called `connect`.
    pub fn connect(link: &Link, kept: usize) -> Stream {
        let mut world = World::new(link, kept);
        let mut add = |end: End| world.host(end).sockets.add(stream_socket());
        let handles = [add(End::Client), add(End::Server)];
        let mut stream = Stream { world, handles };
        // Neither fails: both sockets are new, and the ports are not 0.
        let listening = stream.socket(End::Server).listen(TCP_PORT);
        debug_assert!(listening.is_ok());
        let client = stream.world.host(End::Client);
        let socket = client.sockets.get_mut::<tcp::Socket<'_>>(handles[0]);
        let server = (IpAddress::Ipv4(ADDRESSES[1]), TCP_PORT);
        let connecting = socket.connect(client.interface.context(), server, CLIENT_PORT);
        debug_assert!(connecting.is_ok());
        stream
    }

    fn socket(&mut self, end: End) -> &mut tcp::Socket<'static> {
        let handle = self.handles[end as usize];
        self.world.host(end).sockets.get_mut(handle)
    }

    /// What the clock shows.
    pub fn now(&self) -> Duration {
        self.world.now
    }

    /// Lets the stack do all it can without time passing.
    pub fn settle(&mut self) {
        self.world.settle();
    }

    /// Goes on to the next moment at which something happens, or is `due`.
    /// Says whether there is one.
    pub fn go_on(&mut self, due: Option<Duration>) -> bool {
        self.world.go_on(due)
    }

    /// Whether the client's handshake is done.
    pub fn is_connected(&mut self) -> bool {
        self.socket(End::Client).may_send()
    }

    /// Hands over as many bytes as there is room for.
    pub fn send(&mut self, end: End, bytes: &[u8]) -> usize {
        self.socket(end).send_slice(bytes).unwrap_or(0)
    }

    /// What has come in order.
    pub fn recv(&mut self, end: End, buffer: &mut [u8]) -> usize {
        self.socket(end).recv_slice(buffer).unwrap_or(0)
    }

    /// Whether the other end's FIN has come, after all its bytes.
    pub fn has_ended(&mut self, end: End) -> bool {
        let socket = self.socket(end);
        let fin = matches!(
            socket.state(),
            tcp::State::CloseWait
                | tcp::State::LastAck
                | tcp::State::Closing
                | tcp::State::TimeWait
                | tcp::State::Closed
        );
        fin && socket.recv_queue() == 0
    }

    /// FIN, after all that was handed over.
    pub fn close(&mut self, end: End) {
        self.socket(end).close();
    }

    /// RST.
    pub fn abort(&mut self, end: End) {
        self.socket(end).abort();
    }

    /// Whether nothing is on its way, and all that was handed over has been
    /// acknowledged.
    pub fn is_idle(&mut self) -> bool {
        let queued = [End::Client, End::Server].map(|end| self.socket(end).send_queue());
        self.world.link.is_idle() && queued == [0; 2]
    }

    /// Whether neither end has anything left to say.
    pub fn is_over(&mut self) -> bool {
        !self.socket(End::Client).is_open() && !self.socket(End::Server).is_open()
    }

    /// Lets all packets under way arrive; every packet's fate.
    pub fn into_log(mut self) -> Log {
        self.world.drain();
        self.world.link.into_log()
    }
}

fn stream_socket() -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; STREAM_BYTES]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    // Whole numbers only, where CUBIC has a cube root.
    socket.set_congestion_control(tcp::CongestionControl::Reno);
    // As the real sockets of this comparison have it (TCP_NODELAY).
    socket.set_nagle_enabled(false);
    socket
}

/// Datagrams over the link.
pub struct Datagrams {
    world: World,
    handles: [SocketHandle; 2],
}

impl Datagrams {
    /// A socket at each end.
    pub fn open(link: &Link, kept: usize) -> Datagrams {
        let mut world = World::new(link, kept);
        let mut add = |end: End| world.host(end).sockets.add(datagram_socket(port_of(end)));
        let handles = [add(End::Client), add(End::Server)];
        Datagrams { world, handles }
    }

    fn socket(&mut self, end: End) -> &mut udp::Socket<'static> {
        let handle = self.handles[end as usize];
        self.world.host(end).sockets.get_mut(handle)
    }

    /// What the clock shows.
    pub fn now(&self) -> Duration {
        self.world.now
    }

    /// Lets the stack do all it can without time passing.
    pub fn settle(&mut self) {
        self.world.settle();
    }

    /// Goes on to the next moment at which something happens, or is `due`.
    /// Says whether there is one.
    pub fn go_on(&mut self, due: Option<Duration>) -> bool {
        self.world.go_on(due)
    }

    /// Sends one datagram to the other end.
    pub fn send(&mut self, end: End, bytes: &[u8]) {
        let to = (IpAddress::Ipv4(ADDRESSES[end.other() as usize]), port_of(end.other()));
        let sent = self.socket(end).send_slice(bytes, to);
        debug_assert!(sent.is_ok(), "the buffer is emptied each time");
        self.world.settle();
    }

    /// The next datagram that has come.
    pub fn recv(&mut self, end: End) -> Option<Vec<u8>> {
        self.socket(end).recv().ok().map(|(bytes, _)| bytes.to_vec())
    }

    /// Whether nothing is on its way.
    pub fn is_idle(&self) -> bool {
        self.world.link.is_idle()
    }

    /// Every packet's fate.
    pub fn into_log(mut self) -> Log {
        self.world.drain();
        self.world.link.into_log()
    }
}

fn port_of(end: End) -> u16 {
    match end {
        End::Client => CLIENT_PORT,
        End::Server => UDP_PORT,
    }
}

fn datagram_socket(port: u16) -> udp::Socket<'static> {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; DATAGRAMS], vec![0; DATAGRAM_BYTES]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    let bound = socket.bind(port);
    debug_assert!(bound.is_ok(), "it is new, and the port is not 0");
    socket
}

/// Where a host meets the link: packets that have come, and those to go.
#[derive(Default)]
struct Port {
    mtu: usize,
    inbox: VecDeque<Vec<u8>>,
    outbox: VecDeque<Vec<u8>>,
}

struct Incoming(Vec<u8>);

struct Outgoing<'a>(&'a mut VecDeque<Vec<u8>>);

impl Device for Port {
    type RxToken<'a> = Incoming;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Incoming, Outgoing<'_>)> {
        let bytes = self.inbox.pop_front()?;
        Some((Incoming(bytes), Outgoing(&mut self.outbox)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Outgoing<'_>> {
        Some(Outgoing(&mut self.outbox))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        capabilities
    }
}

impl phy::RxToken for Incoming {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl phy::TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut bytes = vec![0; length];
        let result = write(&mut bytes);
        self.0.push_back(bytes);
        result
    }
}
