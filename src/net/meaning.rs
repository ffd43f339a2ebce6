//! What the result of a socket call means: the words after `|` in a trace.
//!
//! They fit the *result*, not only the call, and what happened on the socket
//! before: `close` after a refused `connect` is another story than `close`
//! after the peer's FIN. Everything here is pure, so each sentence is tested.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use super::trace::{Call, Fd};
use crate::error;
use crate::report::Proto;
use crate::report::human::duration;

/// What is known of a socket from the calls made on it so far.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    proto: Option<Proto>,
    listens: bool,
    accepted: bool,
    connected: bool,
    refused: bool,
    bound: Option<SocketAddr>,
    peer: Option<SocketAddr>,
    sent: u64,
    received: u64,
    sends: u64,
    recvs: u64,
    fin_sent: bool,
    fin_received: bool,
    /// We said first that we send no more: TIME_WAIT is ours.
    closes_first: bool,
    /// Our own shutdown ended the reading: a recv that returns 0 is no FIN.
    shut_for_reading: bool,
    /// Another of our threads ended the wait, where no shutdown does: no FIN either.
    wait_ended: bool,
    reset: bool,
    broadcast: bool,
    wait: Option<String>,
    group: Option<String>,
}

impl Facts {
    /// Takes in a call that returned `value`, or failed.
    pub fn learn(&mut self, call: &Call<'_>, value: Result<i64, ErrorKind>) {
        if let Err(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::NotConnected) = value {
            self.reset = self.connected;
        }
        match (call, value.ok()) {
            (Call::Socket { proto, .. }, Some(_)) => *self = Facts { proto: Some(*proto), ..Facts::default() },
            (Call::Accept { peer, .. }, Some(_)) => {
                *self =
                    Facts { proto: Some(Proto::Tcp), accepted: true, connected: true, peer: *peer, ..Facts::default() };
            }
            (Call::Bind { addr, .. }, Some(_)) => self.bound = Some(*addr),
            (Call::Listen { .. }, Some(_)) => self.listens = true,
            (Call::Connect { addr, .. }, Some(_)) => (self.connected, self.peer) = (true, Some(*addr)),
            (Call::Connect { .. }, None) => self.refused = true,
            (Call::Send { .. } | Call::SendMsg { .. } | Call::SendFile { .. } | Call::SendTo { .. }, Some(sent)) => {
                self.sent += sent as u64;
                self.sends += 1;
            }
            (Call::Recv { .. } | Call::RecvFrom { .. }, Some(got)) => self.learn_received(got),
            (Call::RecvMmsg { datagrams, .. }, Some(_)) => {
                datagrams.iter().for_each(|(bytes, _)| self.learn_received(bytes.len() as i64));
            }
            (Call::SendSegments { segments, .. }, Some(sent)) => {
                self.sent += sent as u64;
                self.sends += segments.len() as u64;
            }
            (Call::Shutdown { how, .. }, Some(_)) => {
                self.closes_first |= *how != "SHUT_RD" && !self.fin_received && !self.fin_sent;
                self.fin_sent |= *how != "SHUT_RD";
                self.shut_for_reading |= *how != "SHUT_WR";
            }
            (Call::SetOption { name, value, .. }, Some(_)) => self.learn_option(name, value),
            _ => {}
        }
    }

    fn learn_received(&mut self, got: i64) {
        let ends_by_us = self.shut_for_reading || self.wait_ended;
        self.received += got as u64;
        self.recvs += 1;
        self.fin_received |= got == 0 && self.proto == Some(Proto::Tcp) && !ends_by_us;
    }

    /// A receive returns 0, for its wait was ended by us, and by no call.
    pub fn learn_wait_ended(&mut self) {
        self.wait_ended = true;
    }

    fn learn_option(&mut self, name: &str, value: &str) {
        match name {
            "SO_RCVTIMEO" => self.wait = Some(value.to_owned()),
            "SO_BROADCAST" => self.broadcast = value == "1",
            "IP_ADD_MEMBERSHIP" | "IP_ADD_SOURCE_MEMBERSHIP" | "IPV6_ADD_MEMBERSHIP" | "MCAST_JOIN_SOURCE_GROUP" => {
                self.group = Some(value.to_owned());
            }
            _ => {}
        }
    }

    fn is_udp(&self) -> bool {
        self.proto == Some(Proto::Udp)
    }
}

/// Which descriptor a call's facts belong to: for `socket` and `accept`, the
/// new one that it returned.
pub fn fd_of(call: &Call<'_>, value: Option<i64>) -> Option<Fd> {
    match call {
        Call::Socket { .. } => value,
        Call::Accept { fd, .. } => Some(value.unwrap_or(*fd)),
        Call::SetOption { fd, .. }
        | Call::GetOption { fd, .. }
        | Call::Bind { fd, .. }
        | Call::Listen { fd, .. }
        | Call::Connect { fd, .. }
        | Call::GetSockName { fd, .. }
        | Call::Send { fd, .. }
        | Call::SendMsg { fd, .. }
        | Call::SendFile { fd, .. }
        | Call::Recv { fd, .. }
        | Call::SendTo { fd, .. }
        | Call::RecvFrom { fd, .. }
        | Call::RecvMmsg { fd, .. }
        | Call::SendSegments { fd, .. }
        | Call::Shutdown { fd, .. }
        | Call::Close { fd } => Some(*fd),
        Call::Sleep { .. } => None,
    }
}

/// The meaning of a call's result. `facts` already include this call.
pub fn of(call: &Call<'_>, value: Result<i64, &io::Error>, facts: &Facts, elapsed: Duration) -> String {
    match value {
        Ok(value) => of_success(call, value, facts, elapsed),
        Err(error) => of_failure(call, error, facts, elapsed),
    }
}

fn of_success(call: &Call<'_>, value: i64, facts: &Facts, elapsed: Duration) -> String {
    match call {
        Call::Socket { proto: Proto::Tcp, .. } => "an endpoint; nothing is sent".into(),
        Call::Socket { proto: Proto::Udp, .. } => "an endpoint for datagrams; nothing is sent".into(),
        Call::SetOption { name, value, .. } => option_meaning(name, value, facts),
        Call::GetOption { name: "TCP_INFO", .. } => "what the kernel has counted on this connection".into(),
        Call::GetOption { .. } => "what the kernel has counted on this socket".into(),
        Call::Bind { addr, .. } => bound(addr, facts),
        Call::Listen { backlog, .. } => format!(
            "the system now completes handshakes by itself, up to {backlog} ahead of accept (SYNs beyond are dropped)"
        ),
        Call::Accept { fd, peer } => accepted(*fd, value, *peer),
        Call::Connect { addr, .. } => connected(addr, facts),
        Call::GetSockName { addr, .. } => own_address(*addr, facts),
        Call::Send { bytes, more, .. } if *more && value as usize == bytes.len() => {
            format!("the system took {} and waits for what follows, to fill the segment", self::bytes(value))
        }
        Call::Send { bytes, .. } => sent(value, bytes.len(), facts),
        Call::SendMsg { lengths, .. } => sent(value, lengths.iter().sum(), facts),
        Call::SendFile { count, .. } => file_sent(value, *count),
        Call::Recv { room, .. } => received(value, *room, facts),
        Call::SendTo { to, .. } => sent_to(value, to, facts),
        Call::RecvFrom { from: None, .. } if facts.wait_ended => {
            "no datagram: we ended the wait ourselves, for we stop".into()
        }
        Call::RecvFrom { from: None, .. } if value == 0 => {
            "no datagram: another thread has ended the wait by shutdown".into()
        }
        Call::RecvFrom { from, .. } => received_from(value, *from),
        Call::RecvMmsg { datagrams, .. } if datagrams.is_empty() => {
            "no datagram: another thread has ended the wait by shutdown".into()
        }
        Call::RecvMmsg { most, .. } => received_many(value, *most),
        Call::SendSegments { segments, .. } => format!(
            "{} datagrams on their way: handed over in one piece, cut apart at the network's edge",
            segments.len()
        ),
        Call::Shutdown { how, .. } => shut(how, facts),
        Call::Close { .. } => closed(facts),
        Call::Sleep { time } if elapsed < *time => {
            format!("woken after {} of {}: the server stops", duration(elapsed), duration(*time))
        }
        Call::Sleep { time } if elapsed < *time => {
            format!("woken after {} of {}: the server stops", duration(elapsed), duration(*time))
        }
        Call::Sleep { .. } => {
            "only this thread slept, using no CPU; what arrived meanwhile waits in the socket's buffer".into()
        }
    }
}

fn bound(addr: &SocketAddr, facts: &Facts) -> String {
    let port = match (addr.port(), facts.is_udp()) {
        (0, _) => "the system chose a free port; getsockname tells which".to_owned(),
        (port, true) => format!("datagrams to port {port} of it now come to this socket"),
        (port, false) => format!("port {port} is now this socket's; nobody can connect before listen"),
    };
    let scope = match addr.ip().to_canonical() {
        ip if ip.is_unspecified() => "every interface of this host",
        ip if ip.is_loopback() => "this host alone (the loopback interface)",
        ip if ip.is_multicast() => "datagrams to this group only",
        _ => "this one address of this host",
    };
    format!("bound for {scope}: {port}")
}

fn accepted(listener: Fd, new: i64, peer: Option<SocketAddr>) -> String {
    let peer = peer.map(|peer| peer.to_string()).unwrap_or_else(|| "a client".into());
    format!(
        "{new} is a new socket for {peer} alone, its handshake done by the system before; {listener} goes on listening"
    )
}

fn connected(addr: &SocketAddr, facts: &Facts) -> String {
    if addr.ip().is_multicast() {
        return "no packet is sent: the routing table is asked by which interface this group is reached".into();
    }
    if facts.is_udp() {
        return format!(
            "no packet is sent: the system notes {addr} as the only peer, and picks our address by the route"
        );
    }
    "SYN, SYN+ACK, ACK: the handshake is done (by the server's system; its program need not have called accept yet)"
        .into()
}

fn own_address(addr: Option<SocketAddr>, facts: &Facts) -> String {
    let Some(addr) = addr else { return "our own address".into() };
    if facts.peer.is_some_and(|peer| peer.ip().is_multicast()) {
        return format!(
            "the answer: datagrams to the group would leave from {}, by the interface that has it",
            addr.ip()
        );
    }
    match (facts.listens, facts.accepted) {
        (true, _) => format!("the address that clients connect to: port {}", addr.port()),
        (_, true) => format!(
            "our end of this connection: the listener's port {} again, told apart by the peer's address",
            addr.port()
        ),
        _ if facts.bound.is_some() => format!("the address this socket was bound to: port {}", addr.port()),
        _ => format!("our own address: the system chose port {} (an ephemeral port), no bind was needed", addr.port()),
    }
}

fn sent(value: i64, asked: usize, facts: &Facts) -> String {
    if facts.is_udp() {
        return datagram_sent(value);
    }
    if (value as usize) < asked {
        return format!(
            "short: the system took {value} of {asked} bytes, its buffer is full; the rest must be sent again, in a loop"
        );
    }
    let closed = if facts.fin_received { "; the peer sends no more, but may still read" } else { "" };
    format!(
        "the system took {} to deliver in order{closed}; that the peer has read it, only its answer can tell",
        bytes(value)
    )
}

fn file_sent(value: i64, asked: usize) -> String {
    match value {
        0 => "the file has become shorter: there is nothing at this offset any more".into(),
        _ if (value as usize) < asked => format!(
            "short: the system took {value} of {asked} bytes of the file, its buffer is full; the rest must be sent again, in a loop"
        ),
        _ => format!("the system sends {} of the file from its own memory: no copy of them came here", bytes(value)),
    }
}

fn datagram_sent(value: i64) -> String {
    format!("one datagram of {} is on its way; nobody says whether it arrives", bytes(value))
}

/// `1 byte`, `2 bytes`.
fn bytes(count: i64) -> String {
    format!("{count} {}", if count == 1 { "byte" } else { "bytes" })
}

fn sent_to(value: i64, to: &SocketAddr, facts: &Facts) -> String {
    match to.ip().to_canonical() {
        ip if ip.is_multicast() => format!(
            "one datagram of {} to the group: each host that joined gets a copy, and one sendto was enough",
            bytes(value)
        ),
        ip if facts.broadcast && ip.is_loopback() => {
            format!("one datagram of {} to everyone on this host who listens on that port", bytes(value))
        }
        _ if facts.broadcast => format!(
            "one datagram of {} to everyone on that network: every host there receives it, asked or not",
            bytes(value)
        ),
        _ => datagram_sent(value),
    }
}

fn received(value: i64, room: usize, facts: &Facts) -> String {
    if facts.is_udp() {
        return received_from(value, None);
    }
    match value {
        0 if facts.shut_for_reading && !facts.fin_received => {
            "no FIN: our own shutdown in another thread ended the wait, for we stop".into()
        }
        0 if facts.wait_ended && !facts.fin_received => "no FIN: we ended the wait ourselves, for we stop".into(),
        0 => fin(facts),
        _ if value as usize == room => {
            format!("the buffer of {room} is full and there may be more: TCP keeps no message boundaries")
        }
        _ if facts.fin_sent => format!("{}: the peer may still send after our FIN", bytes(value)),
        _ => format!("{}: all that had arrived, be it a part of a message or several", bytes(value)),
    }
}

fn fin(facts: &Facts) -> String {
    let answer = if facts.fin_sent { "both directions are now closed" } else { "we may still send" };
    format!("0 is not an error: the peer sent FIN, no more bytes will come; {answer}")
}

fn received_from(value: i64, from: Option<SocketAddr>) -> String {
    let from = from.map(|from| format!(" from {from}")).unwrap_or_default();
    match value {
        0 => format!("an empty datagram{from}: a message too, and no end (UDP has none)"),
        _ => format!("one whole datagram of {}{from}: boundaries are kept", bytes(value)),
    }
}

fn received_many(value: i64, most: usize) -> String {
    match value {
        1 => format!("one whole datagram: up to {most} were asked for in one call, no more was there"),
        _ => format!("{value} whole datagrams with their senders, in one call instead of {value}"),
    }
}

fn shut(how: &str, facts: &Facts) -> String {
    match how {
        _ if facts.listens => "no new clients: an accept that waits in another thread returns".into(),
        "SHUT_WR" if facts.fin_received => "FIN: both sides have now said that they send no more".into(),
        "SHUT_WR" => "FIN: we send no more, and can still receive (half-close)".into(),
        "SHUT_RD" => "nothing is sent: a recv that waits in another thread returns 0".into(),
        _ => "the wait on this socket is over: calls that block on it return".into(),
    }
}

fn closed(facts: &Facts) -> String {
    if facts.is_udp() {
        return "the port is free at once; nobody is told, since there was no connection".into();
    }
    match facts {
        Facts { listens: true, .. } => "nobody listens on this port any more; accepted connections live on".into(),
        Facts { refused: true, connected: false, .. } => "send was never reached".into(),
        Facts { connected: false, .. } => "it was never connected; nothing is sent".into(),
        Facts { reset: true, .. } => "the connection was gone already".into(),
        Facts { fin_received: true, closes_first: true, .. } => {
            "both FINs are exchanged, ours came first: the port pair stays in TIME_WAIT here for 60 s".into()
        }
        Facts { fin_received: true, .. } => "FIN: the peer closed first, so the peer's side keeps TIME_WAIT".into(),
        _ => "FIN (or RST, if bytes came that were never read): we close first, so the port pair stays in TIME_WAIT here for 60 s".into(),
    }
}

fn option_meaning(name: &str, value: &str, facts: &Facts) -> String {
    match name {
        "SO_REUSEADDR" | "SO_REUSEPORT" if facts.is_udp() => "several sockets may share the port: each gets its copy of what is sent to many".into(),
        "SO_BINDTODEVICE" => format!("only what comes in by {value}, and all that is sent leaves by it"),
        "IP_UNICAST_IF" | "IP_BOUND_IF" => format!("what is sent leaves by {value}, whatever the routes say"),
        "SO_REUSEADDR" => "the port may be bound again while old connections are still in TIME_WAIT".into(),
        "SO_EXCLUSIVEADDRUSE" => "no other program may bind this port, whatever options it sets".into(),
        "IPV6_V6ONLY" => "0: this socket serves IPv4 too, as addresses ::ffff:a.b.c.d".into(),
        "TCP_NODELAY" => "small replies leave at once instead of waiting for an ACK (Nagle's algorithm, RFC 896); accepted sockets inherit it".into(),
        "SO_KEEPALIVE" => "a peer that says nothing is asked, now and then, whether it is still there".into(),
        "TCP_KEEPIDLE" | "TCP_KEEPALIVE" => format!("it is first asked after {value} s of silence"),
        "TCP_KEEPINTVL" => format!("and once more every {value} s while it does not answer"),
        "TCP_KEEPCNT" => format!("after {value} questions without an answer the connection is over: ETIMEDOUT"),
        "TCP_USER_TIMEOUT" => format!("so it is when bytes of ours are not acknowledged for {value} ms"),
        "SO_RCVTIMEO" if value == "0" => "recv waits without limit again".into(),
        "SO_RCVTIMEO" => format!("a recv that gets nothing gives up after {value}"),
        "SO_SNDTIMEO" => format!("a send that finds no room gives up after {value}"),
        "SO_BROADCAST" => "sending to broadcast addresses is allowed now: it is opt-in, since every host there is disturbed".into(),
        "SO_RCVBUF" | "SO_RCVBUFFORCE" => "asks for that much room for what arrives before it is read".into(),
        "IP_ADD_MEMBERSHIP" => "the join: the interface now takes this group's datagrams, and routers on its network are told (IGMP)".into(),
        "IPV6_ADD_MEMBERSHIP" => "the join: the interface now takes this group's datagrams, and routers on its network are told (MLD)".into(),
        "IP_ADD_SOURCE_MEMBERSHIP" | "MCAST_JOIN_SOURCE_GROUP" => "the join, for one source only: others who send to the group are not heard".into(),
        "IP_DROP_MEMBERSHIP" | "IPV6_DROP_MEMBERSHIP" | "IP_DROP_SOURCE_MEMBERSHIP" | "MCAST_LEAVE_SOURCE_GROUP" => {
            "left: the group's datagrams no longer come to this socket".into()
        }
        "IP_MULTICAST_ALL" | "IPV6_MULTICAST_ALL" => "0: only groups that this socket joined; by default Linux delivers those of any socket on the host".into(),
        "IP_MULTICAST_IF" | "IPV6_MULTICAST_IF" => format!("group datagrams leave by {value}, whatever the routes say"),
        "IP_MULTICAST_TTL" | "IPV6_MULTICAST_HOPS" => ttl_meaning(value),
        "IP_MULTICAST_LOOP" | "IPV6_MULTICAST_LOOP" if value == "0" => "no copy for members on this host (the loopback interface itself delivers all the same)".into(),
        "IP_MULTICAST_LOOP" | "IPV6_MULTICAST_LOOP" => "members on this host get a copy too".into(),
        _ => format!("{name} is now {value}"),
    }
}

fn ttl_meaning(value: &str) -> String {
    match value {
        "0" => "0: never leaves this host".into(),
        "1" => "1: this link only, no router passes it on".into(),
        _ => format!("{value}: at most {value} links, each router takes one off"),
    }
}

fn of_failure(call: &Call<'_>, error: &io::Error, facts: &Facts, elapsed: Duration) -> String {
    use ErrorKind::*;
    match (call, error.kind()) {
        (_, Interrupted) => "a signal came while it waited; the call is made again".into(),
        (Call::Connect { addr, .. }, InvalidInput) if addr.ip().is_multicast() => "such a group exists on every link: it needs an interface, as in [ff02::1%eth0]".into(),
        (Call::Connect { addr, .. }, kind) => not_connected(addr, kind, elapsed),
        (Call::Accept { .. }, WouldBlock) => "no handshake is waiting; this socket does not block, so the loop goes on".into(),
        (Call::Accept { .. }, InvalidInput) => "the listener was shut down: the server stops".into(),
        (Call::Accept { .. }, ConnectionAborted | ConnectionReset | NotConnected) => "the client gave up before it was accepted; the next one, please".into(),
        (Call::Accept { .. }, _) if is_too_many_files(error) => "no descriptor is left: the client waits in the backlog until one is free".into(),
        (Call::SendSegments { .. }, _) => "this way cannot take datagrams together: they are sent one by one".into(),
        (Call::Recv { .. } | Call::RecvFrom { .. }, WouldBlock | TimedOut) => nothing_came(facts, elapsed),
        (Call::Recv { .. } | Call::RecvFrom { .. }, ConnectionReset) if facts.is_udp() => "an ICMP answer to an earlier datagram: its host has no socket on that port (Windows says so)".into(),
        (Call::Recv { .. } | Call::RecvFrom { .. }, ConnectionRefused) => "an ICMP answer to an earlier datagram: its host has no socket on that port (told to connected UDP sockets only)".into(),
        (Call::Recv { .. } | Call::RecvFrom { .. }, ConnectionReset) => "the peer sent RST: it crashed, was killed, or closed with bytes of ours unread".into(),
        (Call::Send { .. }, ConnectionRefused) => "an ICMP answer to the datagram before: nothing listens there; this one was not sent".into(),
        (Call::Send { .. } | Call::SendMsg { .. } | Call::SendFile { .. }, BrokenPipe | ConnectionReset) => "the peer is gone: an earlier send still worked, since only its answer, RST, told us".into(),
        (Call::Send { .. } | Call::SendMsg { .. } | Call::SendFile { .. } | Call::SendTo { .. }, WouldBlock | TimedOut) => "the buffer is full: the peer does not read; this socket does not block, so the rest waits".into(),
        (Call::SendTo { .. }, PermissionDenied) => "a broadcast address, and SO_BROADCAST was not set: the system refuses".into(),
        (Call::Send { .. } | Call::SendTo { .. }, NetworkUnreachable) => "no route leads there".into(),
        (Call::Send { bytes, .. } | Call::SendTo { bytes, .. }, _) if error::is_message_too_long(error) => {
            format!("{} bytes do not fit into one datagram (65,507 at most by IPv4): nothing was sent", bytes.len())
        }
        (Call::Bind { addr, .. }, AddrInUse) => format!("another socket has port {}; without SO_REUSEADDR on both, TIME_WAIT counts too", addr.port()),
        (Call::Bind { addr, .. }, PermissionDenied) if cfg!(windows) => format!("another program has port {} for itself alone, or Windows keeps it back", addr.port()),
        (Call::Bind { addr, .. }, PermissionDenied) => format!("port {} is privileged (under 1024)", addr.port()),
        (Call::Bind { addr, .. }, AddrNotAvailable) => format!("no interface of this host has the address {}", addr.ip()),
        (Call::Shutdown { .. }, NotConnected) if facts.is_udp() => "not connected, so no FIN; a recvfrom that waits in another thread returns all the same".into(),
        (Call::Shutdown { .. }, NotConnected) => "the connection is gone already".into(),
        (Call::SetOption { name, .. }, _) => option_refused(name),
        _ => "the system refused".into(),
    }
}

fn not_connected(addr: &SocketAddr, kind: ErrorKind, elapsed: Duration) -> String {
    match kind {
        ErrorKind::ConnectionRefused => format!("the host answered RST: nothing listens on port {}", addr.port()),
        // Linux says ECONNRESET where shutdown(2) ended the wait.
        ErrorKind::TimedOut | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::WouldBlock => {
            format!(
                "no answer in {}: neither SYN+ACK nor RST came (refusal would have been an answer)",
                duration(elapsed)
            )
        }
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => "no route leads there: no packet was sent".into(),
        _ => "no connection".into(),
    }
}

fn nothing_came(facts: &Facts, elapsed: Duration) -> String {
    match &facts.wait {
        Some(_) => format!("nothing came within {}: lost on the way, or not sent", duration(elapsed)),
        None => "nothing has arrived; this socket does not block, so the loop goes on".into(),
    }
}

fn option_refused(name: &str) -> String {
    match name {
        "IP_ADD_MEMBERSHIP" | "IP_ADD_SOURCE_MEMBERSHIP" | "IPV6_ADD_MEMBERSHIP" | "MCAST_JOIN_SOURCE_GROUP" => {
            "not joined: no interface fits (no route leads to the group), or it is not a group".into()
        }
        "IP_MULTICAST_IF" | "IPV6_MULTICAST_IF" | "SO_BINDTODEVICE" => {
            "no such interface, or it may not be chosen".into()
        }
        "IP_DROP_MEMBERSHIP" | "IPV6_DROP_MEMBERSHIP" => {
            "not left: the interface is gone, and the membership with it".into()
        }
        _ => "this system does not take that option here".into(),
    }
}

/// What a call waits for, while it waits.
pub fn of_waiting(call: &str) -> &'static str {
    match call {
        "accept" => "no client has come: the thread sleeps in the system, using no CPU",
        "recv" => "the peer has sent nothing: the thread sleeps in the system, using no CPU",
        "recvfrom" | "recvmmsg" => "no datagram has come: the thread sleeps in the system, using no CPU",
        "connect" => "SYN was sent and nobody answers; the system sends it again, ever more rarely",
        "send" | "sendto" => "the peer does not read, and the buffers on the way are full",
        "sleep" => "asleep as asked; messages meanwhile wait in the socket's buffer",
        "poll" => "none of its sockets has anything: one thread waits for all of them at once, using no CPU",
        _ => "the call has not returned",
    }
}

#[cfg(unix)]
fn is_too_many_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

#[cfg(not(unix))]
fn is_too_many_files(error: &io::Error) -> bool {
    error.raw_os_error() == Some(10024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr() -> SocketAddr {
        ([127, 0, 0, 1], 5003).into()
    }

    fn after(calls: &[(Call<'_>, Option<i64>)]) -> Facts {
        let mut facts = Facts::default();
        for (call, value) in calls {
            facts.learn(call, value.ok_or(ErrorKind::ConnectionRefused));
        }
        facts
    }

    fn socket(proto: Proto) -> (Call<'static>, Option<i64>) {
        (Call::Socket { v6: false, proto }, Some(3))
    }

    fn recv(bytes: &'static [u8]) -> Call<'static> {
        Call::Recv { fd: 3, bytes, room: 8 }
    }

    #[test]
    fn a_refused_connect_and_the_close_after_it_tell_one_story() {
        let connect = Call::Connect { fd: 3, addr: addr() };
        let facts = after(&[socket(Proto::Tcp), (connect.clone(), None)]);
        let refused = io::Error::from(ErrorKind::ConnectionRefused);
        let text = of(&connect, Err(&refused), &facts, Duration::ZERO);
        assert_eq!(text, "the host answered RST: nothing listens on port 5003");
        assert_eq!(of(&Call::Close { fd: 3 }, Ok(0), &facts, Duration::ZERO), "send was never reached");
    }

    #[test]
    fn zero_means_fin_on_a_stream_and_an_empty_message_on_a_datagram_socket() {
        let stream = after(&[socket(Proto::Tcp), (recv(b""), Some(0))]);
        assert!(of(&recv(b""), Ok(0), &stream, Duration::ZERO).contains("FIN"));
        let datagram = after(&[socket(Proto::Udp), (recv(b""), Some(0))]);
        assert!(of(&recv(b""), Ok(0), &datagram, Duration::ZERO).contains("an empty datagram"));
    }

    #[test]
    fn who_closes_first_keeps_time_wait() {
        let open = (Call::Accept { fd: 3, peer: Some(addr()) }, Some(4));
        let first = after(std::slice::from_ref(&open));
        assert!(closed(&first).contains("TIME_WAIT here"));
        let second = after(&[open, (recv(b""), Some(0))]);
        assert!(closed(&second).contains("peer's side keeps TIME_WAIT"));
    }

    #[test]
    fn a_short_send_says_that_a_loop_is_needed() {
        let facts = after(&[socket(Proto::Tcp)]);
        let send = Call::Send { fd: 3, bytes: b"hello", more: false };
        assert!(of(&send, Ok(2), &facts, Duration::ZERO).contains("2 of 5 bytes"));
        assert!(!of(&send, Ok(5), &facts, Duration::ZERO).contains("short"));
    }

    #[test]
    fn the_question_to_the_routes_is_told_as_one() {
        let group = SocketAddr::from(([239, 1, 1, 1], 5007));
        let connect = Call::Connect { fd: 3, addr: group };
        let facts = after(&[socket(Proto::Udp), (connect.clone(), Some(0))]);
        assert!(of(&connect, Ok(0), &facts, Duration::ZERO).contains("the routing table is asked"));
        let name = Call::GetSockName { fd: 3, addr: Some(addr()) };
        assert!(of(&name, Ok(0), &facts, Duration::ZERO).contains("would leave from 127.0.0.1"));
        let unreachable = io::Error::from(ErrorKind::NetworkUnreachable);
        let text = of(&connect, Err(&unreachable), &facts, Duration::ZERO);
        assert_eq!(text, "no route leads there: no packet was sent");
    }

    #[test]
    fn sharing_a_port_means_another_thing_for_groups_than_for_connections() {
        let option = Call::SetOption { fd: 3, level: "SOL_SOCKET", name: "SO_REUSEADDR", value: "1".into() };
        let told = |proto| of(&option, Ok(0), &after(&[socket(proto)]), Duration::ZERO);
        assert!(told(Proto::Tcp).contains("TIME_WAIT"));
        assert!(told(Proto::Udp).contains("each gets its copy"));
    }

    #[test]
    fn a_wait_ended_by_a_stop_is_no_empty_datagram() {
        let facts = after(&[socket(Proto::Udp)]);
        let call = |from| Call::RecvFrom { fd: 3, bytes: b"", room: 8, from };
        assert!(of(&call(None), Ok(0), &facts, Duration::ZERO).starts_with("no datagram"));
        assert!(of(&call(Some(addr())), Ok(0), &facts, Duration::ZERO).starts_with("an empty datagram"));
    }

    #[test]
    fn a_timeout_and_a_socket_that_does_not_block_are_told_apart() {
        let empty = io::Error::from(ErrorKind::WouldBlock);
        let plain = after(&[socket(Proto::Tcp)]);
        assert!(of(&recv(b""), Err(&empty), &plain, Duration::ZERO).contains("does not block"));
        let option = Call::SetOption { fd: 3, level: "SOL_SOCKET", name: "SO_RCVTIMEO", value: "1 s".into() };
        let timed = after(&[socket(Proto::Tcp), (option, Some(0))]);
        let text = of(&recv(b""), Err(&empty), &timed, Duration::from_secs(1));
        assert_eq!(text, "nothing came within 1.0 s: lost on the way, or not sent");
    }
}
