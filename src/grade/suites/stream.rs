//! What the checks of all TCP servers do: ask, compare, vanish.

use crate::grade::causes;
use crate::grade::check::{Answer, Finding};
use crate::grade::exam::{Exam, Patience, REPLY, SETTLE, Server};
use crate::grade::peer::{Dial, Stream};
use crate::grade::proc::sockets;
use crate::grade::transcript::quoted;

/// Whether `needle` is in there.
pub fn contains(hay: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return true };
    let mut rest = hay;
    // Only where it can begin: both may be a megabyte.
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        if rest[at..].starts_with(needle) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// Bytes without line ends: whether a reply has one is nobody's fault.
pub fn without_line_ends(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect()
}

/// Sends a line, and waits for a reply that `fits`. A server may need its
/// lines ended by LF or by CRLF; either is tried. `expected` is what the reply
/// has to contain.
pub fn ask(exam: &Exam<'_>, server: &Server, stream: &Stream, line: &str, expected: &str) -> Result<Vec<u8>, Finding> {
    let mark = stream.count();
    let fits = || {
        let reply = stream.received().get(mark..).unwrap_or_default().to_vec();
        contains(&reply, expected.as_bytes()).then_some(reply)
    };
    stream.send(format!("{line}\n").as_bytes());
    if let Some(reply) = exam.until(REPLY, &[&server.program], || fits().or_else(|| stream.end().map(|_| vec![])))
        && !reply.is_empty()
    {
        return Ok(reply);
    }
    let (mut actual, mut hint) = exam.silence(server, Some(stream));
    let so_far = stream.received().get(mark..).unwrap_or_default().to_vec();
    if so_far.is_empty() && stream.end().is_none() {
        stream.send(b"\r\n");
        if let Some(reply) = exam.until(SETTLE, &[&server.program], fits) {
            return Ok(reply);
        }
    } else if !so_far.is_empty() {
        actual = format!("the reply is {}; {actual}", quoted(&so_far));
        hint = difference(expected.as_bytes(), &so_far);
    }
    let name = stream.name();
    Err(Finding::fail(format!("{name} sends {line:?} and gets a reply with {expected:?}"), actual).hint(hint))
}

/// What a reply that is not the right one looks like.
fn difference(expected: &[u8], reply: &[u8]) -> &'static str {
    let reply = without_line_ends(reply);
    if reply.eq_ignore_ascii_case(expected) {
        return "the letters are right, their case is not: is the text changed (upper, lower) that should come back unchanged?";
    }
    if !reply.is_empty() && (expected.starts_with(&reply) || expected.ends_with(&reply)) {
        return "a part of the message is missing: use the number of bytes that recv returned, and send them all";
    }
    if contains(&reply, &expected[..expected.len() / 2]) {
        return "the reply begins rightly and ends wrongly: use the number of bytes that recv returned";
    }
    "the reply must hold the message that this client has just sent, the same bytes unchanged, not a fixed text, a count or somebody else's"
}

/// Waits until the server has taken all that was sent on this connection.
pub fn until_read(exam: &Exam<'_>, server: &Server, stream: &Stream) {
    let Ok(local) = stream.local() else { return };
    let brief = Patience { idle: std::time::Duration::from_millis(600), ..SETTLE };
    exam.holds(brief, &[&server.program], || {
        let rows = sockets();
        let theirs =
            rows.iter().find(|row| row.remote.port() == local.port() && row.local.port() == server.addr().port());
        theirs.is_some_and(|row| row.unread == 0)
    });
}

/// Three clients that vanish: with a reply unread, without a word, and with
/// the server in the middle of sending. Then another is served.
pub fn vanish(exam: &Exam<'_>, server: &Server, how: fn(&Exam<'_>, &Server, &Stream) -> Answer) -> Answer {
    let unread = exam.dial_how(server, "client 1", Dial { paused: true, ..Dial::default() })?;
    unread.send(format!("{}\n", exam.token()).as_bytes());
    until_read(exam, server, &unread);
    unread.reset();
    exam.dial(server, "client 2").map_err(after_reset)?.reset();
    let paused = Dial { paused: true, ..Dial::default() };
    let flood = exam.dial_how(server, "client 3", paused).map_err(after_reset)?;
    let lines = format!("{}\n", exam.token()).repeat(200_000);
    let mut ticks = 0;
    flood.send_while(lines.as_bytes(), || {
        ticks += 1;
        ticks < 15
    });
    flood.reset();
    let next = exam.dial(server, "client 4").map_err(after_reset)?;
    how(exam, server, &next).map_err(after_reset)
}

pub fn after_reset(finding: Finding) -> Finding {
    let expected = format!("after clients that vanished (RST): {}", finding.expected);
    let hint = match finding.hint.as_str() {
        causes::ENDED | causes::NOT_ACCEPTING | causes::CLOSED_EARLY => causes::VANISHED.to_owned(),
        _ => finding.hint,
    };
    Finding { expected, hint, ..finding }
}
