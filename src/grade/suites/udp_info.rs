//! udp-info: the receiver tells who has sent. There is no connection: the
//! address comes with each datagram.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::datagram::silence;
use super::info::{says_ip, says_port, wrong_ip, wrong_port};
use crate::grade::check::{Answer, Check, Finding};
use crate::grade::exam::{Exam, REPLY, Server, unable};
use crate::grade::peer::Datagrams;
use crate::grade::proc::Proto;

pub const CHECKS: [Check; 5] = [
    Check::server("udp-info/receives", receives),
    Check::server("udp-info/prints-ip", prints_ip),
    Check::server("udp-info/prints-port", prints_port),
    Check::server("udp-info/serves-many", serves_many),
    Check::server("udp-info/survives-empty-datagram", survives_empty),
];

/// A sender with an address of its own, and the place on the terminal from
/// which on it must be named.
struct Sender {
    socket: Datagrams,
    from: SocketAddr,
    mark: usize,
}

fn sender(exam: &Exam<'_>, server: &Server, name: &str) -> Result<Sender, Finding> {
    let own = Ipv4Addr::new(
        127,
        20 + (exam.random() % 80) as u8,
        100 + (exam.random() % 90) as u8,
        2 + (exam.random() % 90) as u8,
    );
    let socket = match server.addr().ip() {
        IpAddr::V4(ip) if ip.is_loopback() => Datagrams::open(name, SocketAddr::new(own.into(), 0), &exam.transcript)
            .map_err(|cause| unable("open a socket", &cause))?,
        _ => exam.datagrams(name, server)?,
    };
    let mark = server.program.terminal.mark();
    let from = socket.local().map_err(|cause| unable("know its own address", &cause))?;
    Ok(Sender { socket, from, mark })
}

impl Sender {
    fn send(&self, exam: &Exam<'_>, server: &Server) {
        // A failure is in the transcript, and nothing will be printed.
        let _ = self.socket.send(exam.token().as_bytes(), server.addr());
    }

    fn shown(&self, exam: &Exam<'_>, server: &Server, fits: impl Fn(&str) -> bool) -> bool {
        exam.holds(REPLY, &[&server.program], || fits(&server.program.terminal.since(self.mark)))
    }

    fn text(&self, server: &Server) -> String {
        server.program.terminal.since(self.mark)
    }
}

fn receives(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Udp)?;
    exam.on_asked_port(&server)?;
    let sender = sender(exam, &server, "sender")?;
    sender.send(exam, &server);
    let noticed = exam.holds(REPLY, &[&server.program], || {
        !sender.text(&server).trim().is_empty() || !sender.socket.came().is_empty()
    });
    let (actual, hint, was_read) = silence(exam, &server);
    if noticed || was_read {
        return Ok(());
    }
    Err(Finding::fail("a datagram sent to the server's port is received", actual).hint(hint))
}

fn prints_ip(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Udp)?;
    let sender = sender(exam, &server, "sender")?;
    sender.send(exam, &server);
    if sender.shown(exam, &server, |text| says_ip(text, sender.from.ip())) {
        return Ok(());
    }
    Err(wrong_ip(exam, &server, sender.from, &sender.text(&server)))
}

fn prints_port(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Udp)?;
    let sender = sender(exam, &server, "sender")?;
    sender.send(exam, &server);
    if sender.shown(exam, &server, |text| says_port(text, sender.from.port())) {
        return Ok(());
    }
    Err(wrong_port(exam, &server, sender.from, &sender.text(&server)))
}

fn named(exam: &Exam<'_>, server: &Server, name: &str, hint: &str) -> Answer {
    let sender = sender(exam, server, name)?;
    sender.send(exam, server);
    if sender.shown(exam, server, |text| says_ip(text, sender.from.ip()) || says_port(text, sender.from.port())) {
        return Ok(());
    }
    let (actual, cause, _) = silence(exam, server);
    let hint = if hint.is_empty() { cause } else { hint };
    Err(Finding::fail(format!("the terminal names {name}, {}", sender.from), actual).hint(hint))
}

fn serves_many(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Udp)?;
    named(exam, &server, "sender 1", "")?;
    for n in 2..=3 {
        let hint = "only the first sender is heard: recvfrom belongs into a loop, and connect makes a UDP socket deaf to every other sender";
        named(exam, &server, &format!("sender {n}"), hint)?;
    }
    Ok(())
}

fn survives_empty(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Udp)?;
    let empty = sender(exam, &server, "sender 1")?;
    let _ = empty.socket.send(b"", server.addr());
    let hint = "an empty datagram is a datagram: over UDP 0 bytes are not the end, and text of length 0 has no first character";
    named(exam, &server, "sender 2", hint).map_err(|finding| {
        let expected = format!("after an empty datagram {}", finding.expected);
        Finding { expected, ..finding }
    })
}
