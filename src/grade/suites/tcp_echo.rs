//! tcp-echo: all bytes come back, in order (RFC 862). A server may serve one
//! client after the other, so no two are ever open at once.

use std::time::Duration;

use super::client;
use super::line::{Line, Tcp};
use super::stream::{ask, contains, until_read, vanish, without_line_ends};
use crate::grade::causes;
use crate::grade::check::{Answer, Check, Finding};
use crate::grade::exam::{Exam, Patience, REPLY, Server};
use crate::grade::peer::Stream;
use crate::grade::proc::Proto;
use crate::grade::transcript::quoted;

/// What the large check sends: far more than one recv, and than the buffers of
/// a connection whose reader waits.
const LARGE: usize = 1 << 20;

/// Closing takes next to no work: who works longer runs in circles.
const ENOUGH: Duration = Duration::from_secs(3);

/// With the server asleep this long nobody reads on: it waits in send, or has
/// lost what did not fit. Who works longer than this has a buffer without end.
const FULL: Patience = Patience { idle: Duration::from_millis(150), cpu: Duration::from_secs(1) };

pub const CHECKS: [Check; 12] = [
    Check::server("tcp-echo/echoes", echoes),
    Check::server("tcp-echo/echoes-again", echoes_again),
    Check::server("tcp-echo/echoes-split", echoes_split),
    Check::server("tcp-echo/echoes-large", echoes_large),
    Check::server("tcp-echo/echoes-binary", echoes_binary),
    Check::server("tcp-echo/serves-next-client", serves_next_client),
    Check::server("tcp-echo/survives-reset", survives_reset),
    Check::server("tcp-echo/closes-after-client", closes_after_client),
    Check::client("tcp-echo/client-sends", client_sends),
    Check::client("tcp-echo/client-prints-echo", client_prints_echo),
    Check::client("tcp-echo/client-ends", client_ends),
    Check::client("tcp-echo/client-reports-refused", client_reports_refused),
];

fn say(exam: &Exam<'_>, server: &Server, stream: &Stream) -> Answer {
    let token = exam.token();
    ask(exam, server, stream, &token, &token).map(|_| ())
}

fn echoes(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    exam.on_asked_port(&server)?;
    let client = exam.dial(&server, "client")?;
    let Err(finding) = say(exam, &server, &client) else { return Ok(()) };
    // Some answer only when they have read to the end.
    let (token, mark) = (exam.token(), client.count());
    client.send(token.as_bytes());
    client.finish();
    let late = exam.holds(REPLY, &[&server.program], || {
        contains(client.received().get(mark..).unwrap_or_default(), token.as_bytes())
    });
    if late { Ok(()) } else { Err(finding) }
}

/// An earlier message was answered.
const ONLY_FIRST: &str = "only the first message is answered, and nothing comes back for this one: recv and send belong together into \
                          one loop, so that a second is answered again";

fn echoes_again(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    let client = exam.dial(&server, "client")?;
    for n in 1..=5 {
        say(exam, &server, &client).map_err(|finding| {
            let expected = format!("message {n} of 5 on one connection: {}", finding.expected);
            let hint = match finding.hint.as_str() {
                causes::READ_AND_SILENT if n > 1 => ONLY_FIRST,
                other => other,
            };
            Finding { expected, hint: hint.to_owned(), ..finding }
        })?;
    }
    // A short one after a long one: what was in the buffer must not come back.
    let (long, short, mark) = (exam.token().repeat(6), exam.token(), client.count());
    ask(exam, &server, &client, &long, &long)?;
    let reply = ask(exam, &server, &client, &short, &short)?;
    if contains(&reply, &long.as_bytes()[20..40]) && mark > 0 {
        let actual = format!("the reply is {}", quoted(&reply));
        let hint =
            "what an earlier message left in the buffer comes back too: send only as many bytes as recv returned";
        return Err(Finding::fail(format!("{short:?} comes back alone"), actual).hint(hint));
    }
    Ok(())
}

fn echoes_split(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    let client = exam.dial(&server, "client")?;
    let added = decoration(exam, &server, &client)?;
    let (token, mark) = (exam.token(), client.count());
    let (first, second) = token.split_at(token.len() / 2);
    client.send(first.as_bytes());
    until_read(exam, &server, &client);
    client.send(format!("{second}\n").as_bytes());
    comes_back(exam, &server, &client, mark, token.as_bytes(), &added, "a message sent in two parts")?;
    let (one, two, mark) = (exam.token(), exam.token(), client.count());
    client.send(format!("{one}\n{two}\n").as_bytes());
    comes_back(exam, &server, &client, mark, format!("{one}\n{two}\n").as_bytes(), &added, "two messages sent at once")
}

/// What a server adds before each reply (`Echo: `): learnt from one message,
/// so that a longer text can be compared without it.
fn decoration(exam: &Exam<'_>, server: &Server, client: &Stream) -> Result<Vec<u8>, Finding> {
    let token = exam.token();
    let reply = ask(exam, server, client, &token, &token)?;
    let at = reply.windows(token.len()).position(|window| window == token.as_bytes()).unwrap_or(0);
    exam.quiet(client);
    let line = reply[..at].rsplit(|byte| *byte == b'\n').next().unwrap_or_default().to_vec();
    Ok(line)
}

/// Bytes without what a server adds.
fn undecorated(bytes: &[u8], added: &[u8]) -> Vec<u8> {
    let (mut kept, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        if !added.is_empty() && bytes[at..].starts_with(added) {
            at += added.len();
        } else {
            kept.push(bytes[at]);
            at += 1;
        }
    }
    kept
}

/// How far `got` is what was sent. Where a line ended, the reply may have
/// another line end or none; elsewhere it may not have any that was not sent.
struct Compared {
    /// Bytes of what was sent that have come back.
    same: usize,
    /// Where in `got` the comparison stands.
    at: usize,
    whole: bool,
}

fn compare(sent: &[u8], got: &[u8]) -> Compared {
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let (mut i, mut j) = (0, 0);
    while i < sent.len() {
        if sent.get(i) == got.get(j) {
            (i, j) = (i + 1, j + 1);
        } else if got.get(j).is_some_and(is_end) && (i == 0 || is_end(&sent[i - 1])) {
            j += 1;
        } else if is_end(&sent[i]) && got.get(j).is_some() {
            i += 1;
        } else {
            return Compared { same: i, at: j, whole: sent[i..].iter().all(is_end) && got.get(j).is_none() };
        }
    }
    Compared { same: i, at: j, whole: true }
}

/// Waits until `sent` has come back, line ends and additions aside.
fn comes_back(
    exam: &Exam<'_>,
    server: &Server,
    client: &Stream,
    mark: usize,
    sent: &[u8],
    added: &[u8],
    what: &str,
) -> Answer {
    let got = || undecorated(client.received().get(mark..).unwrap_or_default(), added);
    let least = without_line_ends(sent).len();
    loop {
        let before = client.count();
        if before.saturating_sub(mark) >= least && compare(sent, &got()).whole {
            return Ok(());
        }
        // As long as something comes there is hope.
        let more = || (client.count() > before).then_some(true).or(client.end().map(|_| false));
        if exam.until(REPLY, &[&server.program], more) == Some(true) {
            continue;
        }
        let (silence, hint) = exam.silence(server, Some(client));
        let got = got();
        let Compared { same, at, .. } = compare(sent, &got);
        let around = |bytes: &[u8], at: usize| {
            let from = at.saturating_sub(8).min(bytes.len());
            quoted(&bytes[from..bytes.len().min(from + 32)])
        };
        let actual = format!(
            "{} bytes come back; the first difference is at byte {same}: {} where {} was sent; {silence}",
            got.len(),
            around(&got, at),
            around(sent, same)
        );
        let expected = format!("{what}: all {} bytes come back in order", sent.len());
        return Err(Finding::fail(expected, actual).hint(fault(&got, sent, at, hint)));
    }
}

fn occurrences(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len().max(1)).filter(|window| *window == what).count()
}

fn fault(got: &[u8], sent: &[u8], same: usize, otherwise: &'static str) -> &'static str {
    if got.is_empty() && otherwise == causes::READ_AND_SILENT {
        return ONLY_FIRST;
    }
    if got.is_empty() || (otherwise != causes::READ_AND_SILENT && otherwise != causes::CLOSED_EARLY) {
        return otherwise;
    }
    if same == got.len() && otherwise == causes::CLOSED_EARLY {
        return "the connection was closed before all had come back: is there a limit, or does a piece without a line end count as the last? recv until it returns 0 bytes";
    }
    if same == got.len() {
        return "the end is missing: one recv is not one message, one send may take only a part, and strlen stops at a zero byte. Send exactly the bytes that recv returned, in a loop";
    }
    if matches!(got[same], b'\n' | b'\r') {
        return "a line end that nobody sent stands between two pieces: TCP splits a stream anywhere, so add and strip nothing to what recv returned";
    }
    // Counted, not looked for behind the first difference: the pieces may begin
    // with the same letter.
    let beginning = &sent[..sent.len().min(5)];
    if occurrences(got, beginning) > occurrences(sent, beginning) && got.len() >= sent.len() {
        return "an earlier piece comes back twice: the buffer is sent again with each piece. Send only what this recv returned";
    }
    if got.len() < sent.len() {
        return "bytes are missing in the middle: non-blocking send may take only a part of what it is given (use sendall, or a loop), and bytes that are no UTF-8 vanish when they are decoded";
    }
    "bytes are changed on the way: pass on exactly what recv returned, without decoding to a string (utf-8), trimming or replacing"
}

fn echoes_large(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    let client = exam.dial(&server, "client")?;
    let added = decoration(exam, &server, &client)?;
    let mut text = Vec::with_capacity(LARGE);
    while text.len() < LARGE {
        text.extend(
            format!("{:08x}-{}{}{}{}\n", text.len(), exam.token(), exam.token(), exam.token(), exam.token()).bytes(),
        );
    }
    let mark = client.count();
    client.pause();
    let (mut filling, mut is_full, mut taken) = (exam.patience(FULL), false, exam.patience(REPLY));
    let all = client.send_while(&text, || {
        if !is_full && !filling.goes_on(&[&server.program]) {
            is_full = true;
            client.resume();
        }
        !is_full || client.moved() || taken.goes_on(&[&server.program])
    });
    if !is_full {
        // The system has taken it all; the server may not have seen it yet.
        exam.holds(FULL, &[&server.program], || false);
    }
    client.resume();
    let answer = comes_back(exam, &server, &client, mark, &text, &added, "1 MiB in lines");
    if all {
        answer
    } else {
        answer.map_err(|finding| Finding {
            actual: format!("the server stopped reading before all was sent; {}", finding.actual),
            ..finding
        })
    }
}

fn echoes_binary(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    let client = exam.dial(&server, "client")?;
    let added = decoration(exam, &server, &client)?;
    let mut bytes: Vec<u8> = (0..=255).collect();
    bytes.extend(exam.token().bytes());
    let mark = client.count();
    client.send(&[&bytes[..], b"\n"].concat());
    comes_back(exam, &server, &client, mark, &bytes, &added, "the bytes 0 to 255 and a word").map_err(|finding| {
        if server.program.fate().is_some() || causes::hint(&server.program.terminal.text()).is_some() {
            return finding;
        }
        let hint = "bytes are no text: strlen stops at a zero byte, and decoding to a string (utf-8) and back loses or changes what is no \
                    UTF-8. Pass on the bytes (Buffer) that recv returned, as many as it returned";
        Finding { hint: hint.to_owned(), ..finding }
    })
}

fn serves_next_client(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    for n in 1..=3 {
        let served = exam.dial(&server, &format!("client {n}")).and_then(|client| say(exam, &server, &client));
        served.map_err(|finding| {
            let hint = match finding.hint.as_str() {
                causes::CLOSED_EARLY | causes::NOT_ACCEPTING | causes::ENDED if n > 1 => causes::NO_NEXT.to_owned(),
                _ => finding.hint,
            };
            Finding { hint, ..finding }
        })?;
    }
    Ok(())
}

fn survives_reset(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    vanish(exam, &server, say)
}

fn closes_after_client(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    let client = exam.dial(&server, "client")?;
    say(exam, &server, &client)?;
    client.finish();
    if exam.holds(Patience { cpu: ENOUGH, ..REPLY }, &[&server.program], || client.end().is_some()) {
        return Ok(());
    }
    let (_, hint) = exam.silence(&server, Some(&client));
    let spins = hint == causes::SPINS;
    let hint = if spins {
        hint
    } else {
        "when recv returns 0 bytes the client has finished: close the client's socket then, every copy of it (after fork the parent has one too)"
    };
    let actual =
        format!("the connection stays open at the server{}", if spins { ", which uses the processor" } else { "" });
    Err(Finding::fail("after the client's FIN the server closes too (FIN)", actual).hint(hint))
}

fn client_sends(exam: &Exam<'_>) -> Answer {
    client::sends(exam, &mut Tcp::open(exam)?, || exam.token())
}

fn client_prints_echo(exam: &Exam<'_>) -> Answer {
    let open = || Ok(Box::new(Tcp::open(exam)?) as Box<dyn Line>);
    client::prints(exam, open, &|| exam.token(), client::unchanged, client::altered)
}

fn client_ends(exam: &Exam<'_>) -> Answer {
    let mut line = Tcp::open(exam)?;
    let program = exam.client()?;
    let said = client::first_words(exam, &program, &mut line, || exam.token())?;
    line.answer(&said.bytes);
    if client::ends(exam, &mut line, &program) {
        return Ok(());
    }
    let spins = program.activity().busy;
    let actual = format!(
        "it goes on after Ctrl-D, quit, exit, an empty line and bye{}{}",
        if spins { ", using the processor" } else { "" },
        exam.last_words(&program)
    );
    let hint = if spins {
        "the client's loop never ends: when reading the keyboard returns the end (EOF: fgets NULL, input raises EOFError) or recv returns 0, leave it"
    } else {
        "the client hangs: it waits for the server to close (recv until the end) without saying that it has finished itself (shutdown, half-close), or does not see the end of its input (EOF)"
    };
    Err(Finding::fail("the client ends when its input ends (Ctrl-D), or it is told to (quit)", actual).hint(hint))
}

fn client_reports_refused(exam: &Exam<'_>) -> Answer {
    let good = {
        let mut line = Tcp::open(exam)?;
        let program = exam.client()?;
        if let Ok(said) = client::first_words(exam, &program, &mut line, || exam.token()) {
            line.answer(&said.bytes);
            exam.settles(&program, Duration::from_millis(400));
        }
        program.terminal.text()
    };
    client::reports_refused(exam, &good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_that_comes_twice_is_seen_although_the_next_begins_with_the_same_letter() {
        let (sent, got) = (b"lxbjrljwvn\n", b"lxbjrlxbjrljwvn\n");
        assert!(fault(got, sent, 6, causes::READ_AND_SILENT).contains("twice"));
    }
}
