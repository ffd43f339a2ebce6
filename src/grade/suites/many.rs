//! multicast and broadcast: one sends, all who listen hear it. On a network of
//! the check's own, where a group has no other members and a broadcast nobody
//! else's ears. The grader sends on every interface, and listens on every one.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::client;
use super::line::Line;
use crate::grade::causes;
use crate::grade::check::{Answer, Check, Finding};
use crate::grade::exam::{Exam, REPLY, SETTLE, Server, unable};
use crate::grade::network;
use crate::grade::peer::{Datagrams, End};
use crate::grade::proc::{Proto, memberships};
use crate::grade::program::Program;
use crate::grade::wire::Wire;

/// The checks of multicast.
pub const MULTICAST: [Check; 4] = [
    Check::server("multicast/joins-group", joins_group),
    Check::server("multicast/receives", multicast_receives),
    Check::server("multicast/two-receivers", multicast_two),
    Check::client("multicast/sends-to-group", sends_to_group),
];

/// The checks of broadcast.
pub const BROADCAST: [Check; 3] = [
    Check::server("broadcast/receives", broadcast_receives),
    Check::server("broadcast/two-receivers", broadcast_two),
    Check::client("broadcast/sends-broadcast", sends_broadcast),
];

/// Without a name in its command, a program has the lab's own group.
const DEFAULT_GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);

/// The group of all hosts, which the kernel joins itself (RFC 1112, section 4).
const ALL_HOSTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);

const LIMITED_BROADCAST: Ipv4Addr = Ipv4Addr::BROADCAST;
const LOOPBACK_BROADCAST: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 255);

/// Where a check sends to.
struct Target {
    /// What `{group}` stands for.
    named: Ipv4Addr,
    /// Addresses that mean everyone.
    all: Vec<Ipv4Addr>,
}

fn group(exam: &Exam<'_>, command: Option<&str>) -> Result<Target, Finding> {
    on_own_network(exam)?;
    let named = match command.is_some_and(|command| command.contains("{group}")) {
        true => Ipv4Addr::new(
            239,
            10 + (exam.random() % 200) as u8,
            (exam.random() % 250) as u8,
            1 + (exam.random() % 250) as u8,
        ),
        false => DEFAULT_GROUP,
    };
    Ok(Target { named, all: vec![named] })
}

fn everyone(exam: &Exam<'_>) -> Result<Target, Finding> {
    on_own_network(exam)?;
    Ok(Target { named: LIMITED_BROADCAST, all: vec![LIMITED_BROADCAST, network::BROADCAST, LOOPBACK_BROADCAST] })
}

fn on_own_network(exam: &Exam<'_>) -> Answer {
    match exam.job.isolation.has_network() {
        true => Ok(()),
        false => Err(Finding::skip(
            "multicast and broadcast are tried on a network of the check's own, which is not to be had here",
        )),
    }
}

fn values(exam: &Exam<'_>, target: &Target) -> [(&'static str, String); 3] {
    [("group", target.named.to_string()), ("port", exam.port.to_string()), ("host", target.named.to_string())]
}

fn receiver(exam: &Exam<'_>, name: &str, target: &Target) -> Result<Server, Finding> {
    exam.job.troubles.known()?;
    let before = members(target.named);
    let command = exam.job.submission.server.as_deref().unwrap_or_default();
    let program = exam.start(name, command, &values(exam, target), &[])?;
    let server = exam.await_server(program, Proto::Udp, exam.port)?;
    if target.named.is_multicast() {
        // Bound comes before joined; and what another receiver has joined is
        // delivered to this one only where its runtime lets the kernel do so
        // (IP_MULTICAST_ALL, ip(7); Java does not).
        exam.holds(SETTLE, &[&server.program], || members(target.named) > before);
    }
    Ok(server)
}

/// One datagram to each address, by each interface.
fn send_to_all(exam: &Exam<'_>, target: &Target, text: &str) -> Answer {
    let open = || -> std::io::Result<()> {
        for interface in [network::OWN, Ipv4Addr::LOCALHOST] {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_broadcast(true)?;
            socket.set_multicast_if_v4(&interface)?;
            socket.bind(&SockAddr::from(SocketAddrV4::new(interface, 0)))?;
            let sender = Datagrams::over(socket.into(), "grader", &exam.transcript)?;
            for to in &target.all {
                // Not every address can be reached by every interface.
                let _ = sender.send(text.as_bytes(), SocketAddr::from((*to, exam.port)));
            }
        }
        Ok(())
    };
    open().map_err(|cause| unable("send", &cause))
}

fn joins_group(exam: &Exam<'_>) -> Answer {
    let target = group(exam, exam.job.submission.server.as_deref())?;
    let server = receiver(exam, "receiver", &target)?;
    exam.on_asked_port(&server)?;
    if exam.holds(REPLY, &[&server.program], || is_joined(target.named)) {
        return Ok(());
    }
    let (actual, hint) = not_joined(exam, &server.program);
    Err(Finding::fail(format!("the receiver joins {} (/proc/net/igmp)", target.named), actual).hint(hint))
}

/// How many sockets have joined a group, an interface each.
fn members(wanted: Ipv4Addr) -> u32 {
    memberships().iter().filter(|joined| joined.group == wanted).map(|joined| joined.members).sum()
}

fn is_joined(wanted: Ipv4Addr) -> bool {
    members(wanted) > 0
}

/// What was joined instead, and what that means.
fn not_joined(exam: &Exam<'_>, program: &Program) -> (String, &'static str) {
    let others: Vec<String> = memberships()
        .iter()
        .filter(|joined| joined.group != ALL_HOSTS)
        .map(|joined| format!("{} on {}", joined.group, joined.interface))
        .collect();
    if others.is_empty() {
        return (
            format!("no group is joined{}", exam.last_words(program)),
            "the receiver is no member: setsockopt IP_ADD_MEMBERSHIP (joinGroup, addMembership) joins the group, with its address in the request, and its result tells whether it did",
        );
    }
    (
        format!("joined is {}", others.join(", ")),
        "another group was joined than the one it is told: use the argument, the group's address",
    )
}

fn hears(exam: &Exam<'_>, receivers: &[Server], target: &Target) -> Answer {
    let token = exam.token();
    let marks: Vec<usize> = receivers.iter().map(|receiver| receiver.program.terminal.mark()).collect();
    send_to_all(exam, target, &token)?;
    for (receiver, mark) in receivers.iter().zip(marks) {
        if !exam.holds(REPLY, &[&receiver.program], || receiver.program.terminal.text().contains(&token)) {
            let (actual, hint) = unheard(exam, receiver, target, mark);
            return Err(Finding::fail(format!("{} prints {token:?}", receiver.program.name), actual).hint(hint));
        }
    }
    Ok(())
}

/// What became of a message that a receiver does not print.
fn unheard(exam: &Exam<'_>, receiver: &Server, target: &Target, mark: usize) -> (String, &'static str) {
    let program = &receiver.program;
    let said = exam.last_words(program);
    if let Some(fate) = program.fate() {
        let hint = causes::hint(&program.terminal.text()).unwrap_or(causes::UDP_ENDED);
        return (format!("{} {fate}{said}", program.name), hint);
    }
    let socket = program.sockets().into_iter().find(|row| row.local.port() == receiver.addr().port());
    let is_group = target.named.is_multicast();
    match socket {
        None => (format!("nothing is printed: its socket is closed{said}"), causes::UDP_CLOSED),
        Some(row) if row.local.ip().is_loopback() => (
            format!("nothing is printed: its socket is bound to {}{said}", row.local),
            "bound to 127.0.0.1 a socket gets only what is addressed to 127.0.0.1: bind to 0.0.0.0 (all addresses), or to the group",
        ),
        Some(row) if row.unread > 0 => {
            (format!("nothing is printed: the datagram lies unread in its socket{said}"), causes::UDP_UNREAD)
        }
        Some(_) if is_group && !is_joined(target.named) => not_joined(exam, program),
        Some(_) if !program.terminal.since(mark).trim().is_empty() => (
            format!("the message is not printed{said}"),
            "something was received and its text is not shown: print the message itself, not only its size or sender",
        ),
        Some(_) => (
            format!("nothing is printed{said}"),
            "the datagram was delivered to this port: is it received in a loop, and its text printed (and flushed, where output is kept back)?",
        ),
    }
}

fn two(exam: &Exam<'_>, target: &Target) -> Answer {
    let first = receiver(exam, "receiver 1", target)?;
    let second = receiver(exam, "receiver 2", target).map_err(|finding| {
        let expected = format!("a second receiver starts beside the first: {}", finding.expected);
        let hint = "two sockets on one port: each sets SO_REUSEADDR (reuseAddr; SO_REUSEPORT does as well) before bind, or the second finds the address in use".to_owned();
        Finding { expected, hint, ..finding }
    })?;
    hears(exam, &[first, second], target)
}

fn multicast_receives(exam: &Exam<'_>) -> Answer {
    let target = group(exam, exam.job.submission.server.as_deref())?;
    hears(exam, &[receiver(exam, "receiver", &target)?], &target)
}

fn multicast_two(exam: &Exam<'_>) -> Answer {
    two(exam, &group(exam, exam.job.submission.server.as_deref())?)
}

fn broadcast_receives(exam: &Exam<'_>) -> Answer {
    let target = everyone(exam)?;
    let server = receiver(exam, "receiver", &target)?;
    exam.on_asked_port(&server)?;
    hears(exam, &[server], &target)
}

fn broadcast_two(exam: &Exam<'_>) -> Answer {
    two(exam, &everyone(exam)?)
}

/// Ears for what a sender sends: those that hear it rightly, and the wire, on
/// which everything is seen.
struct Ears {
    right: Vec<Datagrams>,
    wire: Option<Wire>,
}

impl Ears {
    fn open(exam: &Exam<'_>, target: &Target) -> Result<Ears, Finding> {
        let ear = |on: Ipv4Addr| -> std::io::Result<Datagrams> {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_reuse_address(true)?;
            socket.bind(&SockAddr::from(SocketAddrV4::new(on, exam.port)))?;
            if on.is_multicast() {
                for interface in [network::OWN, Ipv4Addr::LOCALHOST] {
                    // Without eth0 there is only the loopback interface.
                    let _ = socket.join_multicast_v4(&on, &interface);
                }
            }
            Datagrams::over(socket.into(), &format!("ear on {on}"), &exam.transcript)
        };
        let right = target.all.iter().map(|on| ear(*on)).collect::<std::io::Result<Vec<_>>>();
        // A kernel without packet sockets: the failure is the same, its text
        // says less.
        Ok(Ears { right: right.map_err(|cause| unable("listen", &cause))?, wire: Wire::open().ok() })
    }
}

impl Line for Ears {
    fn heard(&mut self) -> Option<Vec<u8>> {
        self.right.iter().find_map(|ear| Some(ear.came().first()?.bytes.clone()))
    }

    fn answer(&mut self, _: &[u8]) {}

    fn end(&self) -> Option<End> {
        None
    }
}

fn sends(exam: &Exam<'_>, target: &Target, what: &str, hint: &str) -> Answer {
    let mut ears = Ears::open(exam, target)?;
    let command = exam.job.submission.client.as_deref().unwrap_or_default();
    let program = exam.start("sender", command, &values(exam, target), &[])?;
    let finding = match client::first_words(exam, &program, &mut ears, || exam.token()) {
        Ok(said) => return client::is_a_message(&said),
        Err(finding) => finding,
    };
    let expected = format!("a datagram to {what}, port {}", exam.port);
    let sent = ears.wire.as_ref().map(Wire::destinations).unwrap_or_default();
    let Some(to) = sent.last() else {
        let own = causes::hint(&program.terminal.text()).unwrap_or(hint);
        return Err(Finding::fail(expected, finding.actual).hint(own));
    };
    let said = exam.last_words(&program);
    let actual = format!("the datagram went to {}, port {}{said}", to.ip(), to.port());
    Err(Finding::fail(expected, actual).hint(missed(exam, target, what, *to)))
}

/// What is wrong with the address that a datagram was sent to.
fn missed(exam: &Exam<'_>, target: &Target, what: &str, to: SocketAddrV4) -> String {
    let (ip, port) = (*to.ip(), to.port());
    if target.all.contains(&ip) {
        return match port == exam.port.swap_bytes() {
            true => causes::BYTE_ORDER.to_owned(),
            false => {
                format!("it is sent to another port: {port}, where the receivers listen on {}", exam.port)
            }
        };
    }
    if ip.is_multicast() && target.named.is_multicast() {
        return format!(
            "another group than the one it is told, {}: use the argument, the group's address",
            target.named
        );
    }
    format!("this is unicast, to one host alone (localhost, say): send to {what}")
}

fn sends_to_group(exam: &Exam<'_>) -> Answer {
    let target = group(exam, exam.job.submission.client.as_deref())?;
    let what = format!("the group's address, {}", target.named);
    sends(
        exam,
        &target,
        &what,
        "nothing was sent at all: is the line that is typed read, and does the call that sends it fail (its result says so)?",
    )
}

fn sends_broadcast(exam: &Exam<'_>) -> Answer {
    let target = everyone(exam)?;
    sends(
        exam,
        &target,
        "the broadcast address (255.255.255.255, or the network's own)",
        "nothing was sent at all: is SO_BROADCAST set (at SOL_SOCKET) before sending, and does the call that sends fail (its result says so)?",
    )
}
