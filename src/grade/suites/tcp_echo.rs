//! tcp-echo: all bytes come back, in order (RFC 862). A server may serve one
//! client after the other, so no two are ever open at once.

use super::stream::{ask, contains, until_read, vanish, without_line_ends};
use crate::grade::check::{Answer, Check, Finding, Side};
use crate::grade::exam::{Exam, REPLY, Server};
use crate::grade::peer::Stream;
use crate::grade::proc::Proto;
use crate::grade::transcript::{shortened, visible};

/// What the large check sends: far more than one recv, and than the buffers of
/// a connection whose reader waits.
const LARGE: usize = 1 << 20;

/// Ticks of 20 ms after which a blocked sender lets the reader begin.
const STALLED: usize = 15;

pub const CHECKS: [Check; 8] = [
    Check {
        id: "tcp-echo/echoes",
        requirement: "what a client sends comes back to it",
        points: 20,
        side: Side::Server,
        run: echoes,
    },
    Check {
        id: "tcp-echo/echoes-again",
        requirement: "many messages on one connection come back, each of them",
        points: 10,
        side: Side::Server,
        run: echoes_again,
    },
    Check {
        id: "tcp-echo/echoes-split",
        requirement: "a message comes back whole however TCP divides the stream",
        points: 10,
        side: Side::Server,
        run: echoes_split,
    },
    Check {
        id: "tcp-echo/echoes-large",
        requirement: "1 MiB comes back without a byte lost, also to a client that reads slowly",
        points: 10,
        side: Side::Server,
        run: echoes_large,
    },
    Check {
        id: "tcp-echo/echoes-binary",
        requirement: "bytes of every value come back unchanged",
        points: 10,
        side: Side::Server,
        run: echoes_binary,
    },
    Check {
        id: "tcp-echo/serves-next-client",
        requirement: "when a client has gone, the next one is served",
        points: 10,
        side: Side::Server,
        run: serves_next_client,
    },
    Check {
        id: "tcp-echo/survives-reset",
        requirement: "a client that vanishes does not end the server",
        points: 10,
        side: Side::Server,
        run: survives_reset,
    },
    Check {
        id: "tcp-echo/closes-after-client",
        requirement: "when a client has finished, the server closes its connection",
        points: 10,
        side: Side::Server,
        run: closes_after_client,
    },
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

fn echoes_again(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    let client = exam.dial(&server, "client")?;
    for n in 1..=5 {
        say(exam, &server, &client).map_err(|finding| {
            let expected = format!("message {n} of 5 on one connection: {}", finding.expected);
            Finding { expected, ..finding }
        })?;
    }
    // A short one after a long one: what was in the buffer must not come back.
    let (long, short, mark) = (exam.token().repeat(6), exam.token(), client.count());
    ask(exam, &server, &client, &long, &long)?;
    let reply = ask(exam, &server, &client, &short, &short)?;
    if contains(&reply, &long.as_bytes()[20..40]) && mark > 0 {
        let actual = format!("the reply is {:?}", shortened(&visible(&reply), 200));
        let hint = "what an earlier message left in the buffer comes back too: send only as many bytes as recv returned";
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
    comes_back(exam, &server, &client, mark, format!("{one}\n{two}").as_bytes(), &added, "two messages sent at once")
}

/// What a server adds before each reply (`Echo: `): learnt from one message,
/// so that a longer text can be compared without it.
fn decoration(exam: &Exam<'_>, server: &Server, client: &Stream) -> Result<Vec<u8>, Finding> {
    let token = exam.token();
    let reply = ask(exam, server, client, &token, &token)?;
    let at = reply.windows(token.len()).position(|window| window == token.as_bytes()).unwrap_or(0);
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

/// Waits until `sent` has come back, line ends and additions aside.
fn comes_back(exam: &Exam<'_>, server: &Server, client: &Stream, mark: usize, sent: &[u8], added: &[u8], what: &str) -> Answer {
    let wanted = without_line_ends(sent);
    let got = || without_line_ends(&undecorated(client.received().get(mark..).unwrap_or_default(), added));
    loop {
        let before = client.count();
        let enough = before.saturating_sub(mark) >= wanted.len();
        if enough && contains(&got(), &wanted) {
            return Ok(());
        }
        // As long as something comes there is hope.
        let more = || (client.count() > before).then_some(true).or(client.end().map(|_| false));
        if exam.until(REPLY, &[&server.program], more) == Some(true) {
            continue;
        }
        let (silence, hint) = exam.silence(server, Some(client));
        let got = got();
        let same = got.iter().zip(&wanted).take_while(|(a, b)| a == b).count();
        let shown = |bytes: &[u8]| shortened(&visible(bytes.get(same.saturating_sub(8)..).unwrap_or_default().get(..32).unwrap_or(bytes.get(same.saturating_sub(8)..).unwrap_or_default())), 80);
        let actual = format!(
            "{} of {} bytes come back; the first difference is at byte {same}: {:?} where {:?} was sent; then {silence}",
            got.len(), wanted.len(), shown(&got), shown(&wanted)
        );
        return Err(Finding::fail(format!("{what}: all {} bytes come back in order", wanted.len()), actual).hint(fault(&got, &wanted, same, hint)));
    }
}

fn fault(got: &[u8], wanted: &[u8], same: usize, otherwise: &'static str) -> &'static str {
    if otherwise != crate::grade::causes::READ_AND_SILENT {
        return otherwise;
    }
    if got.is_empty() {
        return otherwise;
    }
    if same == got.len() {
        return "the end is missing: one recv is not one message, and one send may take only a part. Loop over both until all is done";
    }
    if got.len() < wanted.len() {
        return "bytes are missing in the middle: send may take only a part of what it is given (use sendall, or a loop), and a buffer must be sent as long as what recv returned";
    }
    "bytes are changed on the way: pass on exactly what recv returned, without decoding, trimming or replacing"
}

fn echoes_large(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    let client = exam.dial(&server, "client")?;
    let added = decoration(exam, &server, &client)?;
    let mut text = Vec::with_capacity(LARGE);
    while text.len() < LARGE {
        text.extend(format!("{:08x}-{}{}{}{}\n", text.len(), exam.token(), exam.token(), exam.token(), exam.token()).bytes());
    }
    let mark = client.count();
    client.pause();
    let (mut stalled, mut taken) = (0, exam.patience(REPLY));
    let all = client.send_while(&text, || {
        stalled += 1;
        if stalled == STALLED {
            client.resume();
        }
        stalled < STALLED || client.moved() || taken.goes_on(&[&server.program])
    });
    client.resume();
    let answer = comes_back(exam, &server, &client, mark, &text, &added, "1 MiB in lines");
    if all { answer } else { answer.map_err(|finding| Finding { actual: format!("the server stopped reading before all was sent; {}", finding.actual), ..finding }) }
}

fn echoes_binary(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    let client = exam.dial(&server, "client")?;
    let added = decoration(exam, &server, &client)?;
    let mut bytes: Vec<u8> = (0..=255).collect();
    bytes.extend(exam.token().bytes());
    let mark = client.count();
    client.send(&[&bytes[..], b"\n"].concat());
    comes_back(exam, &server, &client, mark, &bytes, &added, "the bytes 0 to 255 and a word")
}

fn serves_next_client(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    for n in 1..=3 {
        let client = exam.dial(&server, &format!("client {n}"))?;
        say(exam, &server, &client)?;
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
    if exam.holds(REPLY, &[&server.program], || client.end().is_some()) {
        return Ok(());
    }
    let (_, hint) = exam.silence(&server, Some(&client));
    let hint = if hint == crate::grade::causes::SPINS { hint } else { "when recv returns 0 bytes the client has finished: close the client's socket then" };
    Err(Finding::fail("after the client's FIN the server closes too (FIN)", "the connection stays open at the server").hint(hint))
}
