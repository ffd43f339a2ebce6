//! tcp-info: the server tells who has connected. Clients come from addresses
//! of their own in 127.0.0.0/8, so that the server's own cannot be taken for
//! theirs.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::info::{says_ip, says_port, wrong_ip, wrong_port};
use super::stream::after_reset;
use crate::grade::causes;
use crate::grade::check::{Answer, Check, Finding};
use crate::grade::exam::{Exam, Patience, REPLY, SETTLE, Server};
use crate::grade::peer::{Dial, Stream};
use crate::grade::proc::Proto;

pub const CHECKS: [Check; 5] = [
    Check::server("tcp-info/listens-on-port", listens_on_port),
    Check::server("tcp-info/prints-ip", prints_ip),
    Check::server("tcp-info/prints-port", prints_port),
    Check::server("tcp-info/serves-many", serves_many),
    Check::server("tcp-info/survives-reset", survives_reset),
];

fn listens_on_port(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    exam.on_asked_port(&server)?;
    exam.dial(&server, "client").map(|_| ())
}

/// A client, and the place on the terminal from which on it must be named.
struct Visit {
    stream: Stream,
    from: SocketAddr,
    mark: usize,
}

fn visit(exam: &Exam<'_>, server: &Server, name: &str) -> Result<Visit, Finding> {
    let mark = server.program.terminal.mark();
    // Neither the server's address nor one of its parts.
    let own = IpAddr::from(Ipv4Addr::new(
        127,
        20 + (exam.random() % 80) as u8,
        100 + (exam.random() % 90) as u8,
        2 + (exam.random() % 90) as u8,
    ));
    let is_loopback_4 = matches!(server.addr().ip(), IpAddr::V4(ip) if ip.is_loopback());
    let how = Dial { from: is_loopback_4.then_some(own), ..Dial::default() };
    let stream = exam.dial_how(server, name, how)?;
    let from = stream.local().map_err(|cause| crate::grade::exam::unable("know its own address", &cause))?;
    Ok(Visit { stream, from, mark })
}

/// Waits until the terminal shows what `fits`; a server may wait for a first
/// message before it prints.
fn shown(exam: &Exam<'_>, server: &Server, visit: &Visit, fits: impl Fn(&str) -> bool) -> bool {
    let program = &server.program;
    let printed = || fits(&program.terminal.since(visit.mark));
    let brief = Patience { idle: std::time::Duration::from_millis(500), ..SETTLE };
    if exam.holds(brief, &[program], printed) {
        return true;
    }
    visit.stream.send(format!("{}\n", exam.token()).as_bytes());
    if exam.holds(brief, &[program], printed) {
        return true;
    }
    visit.stream.finish();
    exam.holds(REPLY, &[program], printed)
}

fn prints_ip(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    let visit = visit(exam, &server, "client")?;
    if shown(exam, &server, &visit, |text| says_ip(text, visit.from.ip())) {
        return Ok(());
    }
    Err(wrong_ip(exam, &server, visit.from, &server.program.terminal.since(visit.mark)))
}

fn prints_port(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    let visit = visit(exam, &server, "client")?;
    if shown(exam, &server, &visit, |text| says_port(text, visit.from.port())) {
        return Ok(());
    }
    Err(wrong_port(exam, &server, visit.from, &server.program.terminal.since(visit.mark)))
}

/// Names the client, by port or by address: which of them is right is for
/// other checks.
fn named(exam: &Exam<'_>, server: &Server, name: &str) -> Answer {
    let visit = visit(exam, server, name)?;
    let fits = |text: &str| says_ip(text, visit.from.ip()) || says_port(text, visit.from.port());
    if shown(exam, server, &visit, fits) {
        return Ok(());
    }
    let (silence, hint) = exam.silence(server, None);
    let hint = if server.program.fate().is_some() && hint == causes::ENDED {
        "the server ends after its first client: accept, print and close in a loop"
    } else if hint == causes::READ_AND_SILENT {
        "only the first client is taken: accept must stand inside the loop, so that a second one is accepted and printed"
    } else {
        hint
    };
    let expected = format!("the terminal names {name}, {}", visit.from);
    Err(Finding::fail(
        expected,
        silence.replace("no answer: the server has read it, and waits", "nothing of it is printed"),
    )
    .hint(hint))
}

fn serves_many(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    for n in 1..=3 {
        named(exam, &server, &format!("client {n}")).map_err(|finding| {
            let hint = if n > 1 && finding.hint == causes::ENDED {
                "the server ends after its first client: accept, print and close in a loop".to_owned()
            } else if n > 1 && finding.hint == causes::NOT_ACCEPTING {
                "nobody accepts a second client: accept must stand inside the loop, and the listening socket stays open"
                    .to_owned()
            } else {
                finding.hint
            };
            Finding { hint, ..finding }
        })?;
    }
    Ok(())
}

fn survives_reset(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    named(exam, &server, "client 1")?;
    for n in 2..=4 {
        let stream = exam.dial(&server, &format!("client {n}")).map_err(after_reset)?;
        if n > 2 {
            stream.send(format!("{}\n", exam.token()).as_bytes());
        }
        stream.reset();
    }
    named(exam, &server, "client 5").map_err(after_reset)
}
