//! udp-echo: each datagram comes back once, whole, to its sender, from the
//! port it was sent to. The grader's sockets are never connected, so they see
//! answers from any address.

use std::time::Duration;

use super::client;
use super::datagram::silence;
use super::line::{Line, Udp};
use super::stream::{contains, without_line_ends};
use crate::grade::check::{Answer, Check, Finding};
use crate::grade::exam::{Exam, Patience, REPLY, SETTLE, Server};
use crate::grade::peer::{Datagram, Datagrams};
use crate::grade::proc::Proto;
use crate::grade::transcript::quoted;

/// The payload of one Ethernet frame: 1500 less the headers of IPv4 and UDP.
const FRAME: usize = 1472;

pub const CHECKS: [Check; 9] = [
    Check::server("udp-echo/echoes", echoes),
    Check::server("udp-echo/replies-to-sender", replies_to_sender),
    Check::server("udp-echo/replies-from-port", replies_from_port),
    Check::server("udp-echo/keeps-boundaries", keeps_boundaries),
    Check::server("udp-echo/echoes-1472", echoes_1472),
    Check::server("udp-echo/keeps-serving", keeps_serving),
    Check::client("udp-echo/client-sends", client_sends),
    Check::client("udp-echo/client-prints-echo", client_prints_echo),
    Check::client("udp-echo/client-survives-loss", client_survives_loss),
];

/// Sends one, and waits for a reply that `fits`.
fn ask(
    exam: &Exam<'_>,
    server: &Server,
    client: &Datagrams,
    bytes: &[u8],
    fits: impl Fn(&[u8]) -> bool,
) -> Result<Datagram, Option<Datagram>> {
    let before = client.came().len();
    let _ = client.send(bytes, server.addr());
    let came =
        |fits: &dyn Fn(&[u8]) -> bool| client.came().into_iter().skip(before).find(|datagram| fits(&datagram.bytes));
    exam.until(REPLY, &[&server.program], || came(&fits)).ok_or_else(|| came(&|_| true))
}

fn is_same(sent: &[u8], reply: &[u8]) -> bool {
    sent == reply || without_line_ends(sent) == without_line_ends(reply)
}

fn echo(exam: &Exam<'_>, server: &Server, client: &Datagrams, sent: &[u8]) -> Answer {
    match ask(exam, server, client, sent, |reply| is_same(sent, reply)) {
        Ok(_) => Ok(()),
        Err(reply) => Err(not_the_same(exam, server, sent, reply.as_ref())),
    }
}

const TOO_LONG: &str =
    "the reply is longer than the message: send as many bytes as recvfrom returned (its length), not the whole buffer";

fn not_the_same(exam: &Exam<'_>, server: &Server, sent: &[u8], reply: Option<&Datagram>) -> Finding {
    let expected = format!("{} bytes, {}, come back", sent.len(), quoted(sent));
    let Some(reply) = reply else {
        let (actual, hint, _) = silence(exam, server);
        return Finding::fail(expected, actual).hint(hint);
    };
    let got = &reply.bytes;
    let hint = if got.len() < sent.len() && sent.starts_with(got) {
        "the reply is cut: recvfrom's buffer is too small, and what does not fit into it is lost (truncated) for ever"
    } else if got.starts_with(sent) {
        TOO_LONG
    } else if contains(got, sent) {
        "more comes back than was sent: echo the datagram's own bytes, without earlier ones and without words around it"
    } else {
        "the bytes differ: send back the same, unchanged bytes that recvfrom gave"
    };
    Finding::fail(expected, format!("{} bytes come back: {}", got.len(), quoted(got))).hint(hint)
}

fn echoes(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Udp)?;
    exam.on_asked_port(&server)?;
    let client = exam.datagrams("client", &server)?;
    echo(exam, &server, &client, exam.token().as_bytes())
}

fn replies_to_sender(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Udp)?;
    let clients = [exam.datagrams("client 1", &server)?, exam.datagrams("client 2", &server)?];
    for n in [0, 1, 0, 1] {
        let token = exam.token();
        let reply = ask(exam, &server, &clients[n], token.as_bytes(), |reply| contains(reply, token.as_bytes()));
        let other = &clients[1 - n];
        if other.came().iter().any(|datagram| contains(&datagram.bytes, token.as_bytes())) {
            let actual = format!("client {} sent {token:?}, and client {} received the answer", n + 1, 2 - n);
            return Err(Finding::fail("each answer goes to the client that sent", actual).hint(
                "the answer must go to the address that recvfrom gave for this datagram, not to the first client's",
            ));
        }
        if let Err(reply) = reply {
            if reply.is_some() {
                // Some reply, to the right client: what is in it is for
                // other checks.
                continue;
            }
            let (actual, hint, _) = silence(exam, &server);
            let hint = if n == 1 {
                "the second client gets no answer: connect makes a UDP socket deaf to all but one sender; use sendto with the address that recvfrom gave, for every other client too"
            } else {
                hint
            };
            return Err(
                Finding::fail(format!("client {} sends {token:?} and gets an answer", n + 1), actual).hint(hint)
            );
        }
    }
    Ok(())
}

fn replies_from_port(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Udp)?;
    let client = exam.datagrams("client", &server)?;
    let reply = ask(exam, &server, &client, exam.token().as_bytes(), |_| true).map_err(|_| {
        let (actual, hint, _) = silence(exam, &server);
        Finding::fail("a datagram is answered", actual).hint(hint)
    })?;
    let port = server.addr().port();
    if reply.from.port() == port {
        return Ok(());
    }
    let actual = format!("it comes from port {}", reply.from.port());
    Err(Finding::fail(format!("the answer comes from port {port}, which was asked"), actual).hint(
        "the answer is sent by another socket, which has a port of its own: send with the same socket that received, or the client's connected socket and its firewall throw it away",
    ))
}

fn keeps_boundaries(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Udp)?;
    let client = exam.datagrams("client", &server)?;
    let sent: Vec<String> = (0..4).map(|n| exam.token().repeat(n + 1)).collect();
    for text in &sent {
        let _ = client.send(text.as_bytes(), server.addr());
    }
    let missing =
        || sent.iter().find(|text| !client.came().iter().any(|datagram| is_same(text.as_bytes(), &datagram.bytes)));
    if exam.holds(REPLY, &[&server.program], || missing().is_none()) {
        return Ok(());
    }
    let came = client.came();
    let lengths: Vec<String> = came.iter().map(|datagram| datagram.bytes.len().to_string()).collect();
    let expected = "four datagrams of 10, 20, 30 and 40 bytes come back as four, each whole";
    if came.is_empty() {
        let (actual, hint, _) = silence(exam, &server);
        return Err(Finding::fail(expected, actual).hint(hint));
    }
    let actual = format!("datagrams of these lengths come back: {}", lengths.join(", "));
    if !came.iter().any(|datagram| sent.iter().any(|text| contains(&datagram.bytes, text.as_bytes()))) {
        return Err(Finding::fail(expected, format!("{actual}; none of them is the same as one that was sent"))
            .hint("the bytes differ: send back the same, unchanged bytes that recvfrom gave"));
    }
    if sent.iter().all(|text| came.iter().any(|datagram| datagram.bytes.starts_with(text.as_bytes())))
        && came.len() == sent.len()
    {
        return Err(Finding::fail(expected, actual).hint(TOO_LONG));
    }
    Err(Finding::fail(expected, actual).hint(
        "boundaries are lost: each recvfrom is one datagram and each sendto another; answer each at once, with its own bytes alone, not joined with earlier or later ones",
    ))
}

fn echoes_1472(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Udp)?;
    let client = exam.datagrams("client", &server)?;
    let text: String = std::iter::repeat_with(|| exam.token()).take(FRAME / 10 + 1).collect();
    echo(exam, &server, &client, &text.as_bytes()[..FRAME])
}

fn keeps_serving(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Udp)?;
    let gone = exam.datagrams("client 1", &server)?;
    let _ = gone.send(exam.token().as_bytes(), server.addr());
    drop(gone);
    let client = exam.datagrams("client 2", &server)?;
    let _ = client.send(b"", server.addr());
    exam.holds(SETTLE.idle(Duration::from_millis(200)), &[&server.program], || !client.came().is_empty());
    for n in 1..=5 {
        let token = exam.token();
        let reply = ask(exam, &server, &client, token.as_bytes(), |reply| contains(reply, token.as_bytes()));
        if let Err(None) = reply {
            let (actual, hint, _) = silence(exam, &server);
            let expected = format!("after a client that vanished and an empty datagram, datagram {n} of 5 is answered");
            return Err(Finding::fail(expected, actual).hint(hint));
        }
    }
    Ok(())
}

fn client_sends(exam: &Exam<'_>) -> Answer {
    client::sends(exam, &mut Udp::open(exam)?, || exam.token())
}

fn client_prints_echo(exam: &Exam<'_>) -> Answer {
    let open = || Ok(Box::new(Udp::open(exam)?) as Box<dyn Line>);
    client::prints(exam, open, &|| exam.token(), client::unchanged, client::altered)
}

/// Nothing is answered. Who ends, says something, sends again, or takes the
/// next line has not been stopped by the loss.
fn client_survives_loss(exam: &Exam<'_>) -> Answer {
    let mut line = Udp::open(exam)?;
    let program = exam.client()?;
    client::first_words(exam, &program, &mut line, || exam.token())?;
    exam.settles(&program, Duration::from_millis(400));
    let (mark, sent) = (program.terminal.mark(), line.count());
    let word = exam.token();
    if !program.is_over() {
        program.terminal.type_line(&word);
    }
    let patience = Patience { idle: Duration::from_secs(16), ..REPLY };
    let goes_on = exam.holds(patience, &[&program], || {
        // A client that edits lines itself shows what is typed, letter by
        // letter.
        let said = program.terminal.since(mark);
        let says =
            said.lines().map(str::trim).any(|line| line.chars().any(char::is_alphanumeric) && !word.contains(line));
        program.is_over() || line.count() > sent || says
    });
    if goes_on {
        return Ok(());
    }
    let actual = format!(
        "for 16 s it neither sends again, nor says anything, nor takes the next line, nor ends{}",
        exam.last_words(&program)
    );
    Err(Finding::fail("after a lost datagram the client goes on or gives up", actual).hint(
        "the reply may be lost, and recvfrom waits for ever: set a timeout (settimeout, SO_RCVTIMEO, setSoTimeout, setTimeout), then try again or say that it is lost",
    ))
}
