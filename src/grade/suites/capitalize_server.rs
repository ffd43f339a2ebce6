//! capitalize-server: each message comes back in capitals; CLOSE SOCKET ends
//! one connection and no more. Whether ids are shown, which side closes first
//! and what a farewell says is left to the program.

use std::time::Duration;

use super::client;
use super::ids;
use super::line::{Line, Tcp};
use super::mt_server::{crowd, last_first};
use super::stream::{ask, contains, vanish};
use crate::grade::causes;
use crate::grade::check::{Answer, Check, Finding};
use crate::grade::exam::{Exam, Patience, REPLY, SETTLE, Server};
use crate::grade::peer::Stream;
use crate::grade::proc::Proto;

/// A server that sleeps this long has done what there was to do.
const NOTICED: Duration = Duration::from_millis(150);

/// Clients that come at the same moment, so that a counter without a lock
/// shows.
const BURST: usize = 8;

pub const CHECKS: [Check; 11] = [
    Check::server("capitalize-server/capitalizes", capitalizes),
    Check::server("capitalize-server/keeps-connection", keeps_connection),
    Check::server("capitalize-server/serves-at-once", serves_at_once),
    Check::server("capitalize-server/unique-ids", unique_ids),
    Check::server("capitalize-server/close-socket-closes", close_socket_closes),
    Check::server("capitalize-server/close-spares-others", close_spares_others),
    Check::server("capitalize-server/never-terminates", never_terminates),
    Check::server("capitalize-server/survives-reset", survives_reset),
    Check::client("capitalize-server/client-sends", client_sends),
    Check::client("capitalize-server/client-prints-reply", client_prints_reply),
    Check::client("capitalize-server/client-closes", client_closes),
];

/// A word with small letters, capitals and digits in all places.
pub fn mixed(exam: &Exam<'_>) -> String {
    let random = exam.random();
    let letters = exam.token();
    let cased: String =
        letters.chars().enumerate().map(|(at, c)| if at % 3 == 1 { c.to_ascii_uppercase() } else { c }).collect();
    format!("{}{}-{}", &cased[..5], random % 90 + 10, &cased[5..])
}

fn say(exam: &Exam<'_>, server: &Server, stream: &Stream, word: &str) -> Answer {
    ask(exam, server, stream, word, &word.to_uppercase()).map(|_| ()).map_err(|finding| why_not_raised(finding, word))
}

fn why_not_raised(finding: Finding, word: &str) -> Finding {
    let hint = if finding.actual.contains(word) {
        "the message comes back as it was: raise its letters with upper(), toUpperCase(), toupper() for each byte"
    } else if finding.actual.contains(&word.to_lowercase())
        || finding.actual.to_uppercase().contains(&word.to_uppercase())
    {
        "not every letter is a capital: upper() raises all of them; capitalize() only the first letter, swapcase() lowers some, and a loop must reach the last one"
    } else {
        return finding;
    };
    Finding { hint: hint.to_owned(), ..finding }
}

fn capitalizes(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    exam.on_asked_port(&server)?;
    let client = exam.dial(&server, "client")?;
    say(exam, &server, &client, &format!("{}-{}", mixed(exam), alphabet(exam)))
}

/// Every small letter, in an order that nobody can know.
fn alphabet(exam: &Exam<'_>) -> String {
    let mut letters: Vec<char> = ('a'..='z').collect();
    for at in (1..letters.len()).rev() {
        letters.swap(at, (exam.random() % (at as u64 + 1)) as usize);
    }
    letters.into_iter().collect()
}

/// For the checks that are about something else: any reply with the word in
/// it, whatever became of its case.
fn answered(exam: &Exam<'_>, server: &Server, stream: &Stream) -> Answer {
    let (word, mark) = (mixed(exam), stream.count());
    stream.send(format!("{word}\n").as_bytes());
    let shape = word.to_uppercase();
    // The last letter may be wrong as well: enough of it is proof.
    let shape = &shape[..shape.len() - 3];
    let fits = || {
        let reply = stream.received().get(mark..).unwrap_or_default().to_ascii_uppercase();
        contains(&reply, shape.as_bytes())
    };
    let done = exam.until(REPLY, &[&server.program], || if fits() { Some(true) } else { stream.end().map(|_| false) });
    if done == Some(true) {
        return Ok(());
    }
    let (actual, hint) = exam.silence(server, Some(stream));
    Err(Finding::fail(format!("{} sends {word:?} and gets it back in capitals", stream.name()), actual).hint(hint))
}

fn keeps_connection(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    let client = exam.dial(&server, "client")?;
    for n in 1..=5 {
        answered(exam, &server, &client).map_err(|finding| {
            let hint = match finding.hint.as_str() {
                causes::CLOSED_EARLY => "the connection is closed after one message: recv and send belong into a loop, until the client closes or sends CLOSE SOCKET; the second message finds nobody".to_owned(),
                _ => finding.hint,
            };
            Finding { expected: format!("message {n} of 5 on one connection: {}", finding.expected), hint, ..finding }
        })?;
    }
    Ok(())
}

fn serves_at_once(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    last_first(exam, &server, 4, answered)
}

fn unique_ids(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    let mut seen = ids::Seen::default();
    let mut clients = Vec::new();
    for n in 1..=3 {
        clients.push(arrives(exam, &server, &mut seen, n)?);
    }
    // Who counts the clients that are present gives the next one an id again.
    leaves(exam, &server, clients.remove(0));
    clients.push(arrives(exam, &server, &mut seen, 4)?);
    seen.judge("one after the other, the first having left before the last came")?;
    drop(clients);
    at_once(exam, &server)
}

/// A client goes, and the server has seen it: closed its end, and done what it
/// does then.
fn leaves(exam: &Exam<'_>, server: &Server, client: Stream) {
    client.finish();
    exam.holds(SETTLE, &[&server.program], || client.end().is_some());
    exam.holds(SETTLE.idle(NOTICED), &[&server.program], || false);
}

/// A client comes and says a word: what appears meanwhile is about it.
fn arrives(exam: &Exam<'_>, server: &Server, seen: &mut ids::Seen, n: usize) -> Result<Stream, Finding> {
    let mark = server.program.terminal.mark();
    let stream = exam.dial(server, &format!("client {n}"))?;
    answered(exam, server, &stream)?;
    exam.quiet(&stream);
    let own = stream.local().map(|local| local.port()).unwrap_or_default();
    let said = String::from_utf8_lossy(&stream.received()).into_owned();
    seen.add(n, &said, &server.program.terminal.since(mark), own);
    Ok(stream)
}

/// Several come at the same moment.
fn at_once(exam: &Exam<'_>, server: &Server) -> Answer {
    let mark = server.program.terminal.mark();
    let clients = crowd(exam, server, BURST)?;
    for client in &clients {
        client.send(format!("{}\n", mixed(exam)).as_bytes());
    }
    let all = || clients.iter().all(|client| client.count() > 0);
    exam.holds(REPLY, &[&server.program], all);
    exam.holds(SETTLE.idle(NOTICED), &[&server.program], || false);
    let mut seen = ids::Seen::default();
    let terminal = server.program.terminal.since(mark);
    for (at, client) in clients.iter().enumerate() {
        let own = client.local().map(|local| local.port()).unwrap_or_default();
        let lines: Vec<&str> = terminal.lines().filter(|line| super::info::says_port(line, own)).collect();
        let said = String::from_utf8_lossy(&client.received()).into_owned();
        seen.add(at + 1, &said, &lines.join("\n"), own);
    }
    seen.judge("at the same moment")
}

/// How a program wants CLOSE SOCKET ended: by a line end, or alone.
const ENDINGS: [&str; 3] = ["\n", "\r\n", ""];

/// Sends CLOSE SOCKET in each form until the connection is closed.
fn closes(exam: &Exam<'_>, server: &Server) -> Result<bool, Finding> {
    for (at, ending) in ENDINGS.iter().enumerate() {
        let client = exam.dial(server, &format!("closing client {}", at + 1))?;
        client.send(format!("CLOSE SOCKET{ending}").as_bytes());
        let patience = if at == 0 { REPLY } else { Patience { idle: Duration::from_millis(1500), ..REPLY } };
        let done = exam.until(patience, &[&server.program], || {
            // Answered in capitals, it was taken for a message: no need to
            // wait for more.
            let is_message = contains(&client.received(), b"CLOSE SOCKET") && at + 1 < ENDINGS.len();
            client.end().map(|_| true).or(is_message.then_some(false))
        });
        if done == Some(true) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn close_socket_closes(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    if closes(exam, &server)? {
        return Ok(());
    }
    let (actual, _) = exam.silence(&server, None);
    let actual = actual.replace("no answer: the server has read it, and waits", "the connection stays open");
    Err(Finding::fail("after CLOSE SOCKET (with LF, CRLF or no line end) the server closes the connection (FIN)", actual).hint(
        "the command must be recognised (mind the line end, and compare with the text before it is changed), the loop left, and the client's socket closed: as long as it is open anywhere (a list, the parent process) no FIN is sent",
    ))
}

fn close_spares_others(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    let others = crowd(exam, &server, 2)?;
    for other in &others {
        answered(exam, &server, other)?;
    }
    closes(exam, &server).map_err(about_others)?;
    for other in &others {
        answered(exam, &server, other).map_err(about_others)?;
    }
    // Some look at what all share only with the next message.
    for other in &others {
        answered(exam, &server, other).map_err(about_others)?;
    }
    Ok(())
}

fn about_others(finding: Finding) -> Finding {
    let hint = match finding.hint.as_str() {
        causes::CLOSED_EARLY => "CLOSE SOCKET of one client closed the others too: close only the socket it came by, and keep whether to close in a variable of that client, not in a shared (static, global) flag".to_owned(),
        causes::ENDED => "CLOSE SOCKET ended the server process, and with it every other client: leave this client's loop, do not exit".to_owned(),
        _ => finding.hint.clone(),
    };
    Finding { expected: format!("after another client's CLOSE SOCKET: {}", finding.expected), hint, ..finding }
}

fn never_terminates(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    let client = exam.dial(&server, "client 1")?;
    answered(exam, &server, &client)?;
    leaves(exam, &server, client);
    closes(exam, &server).map_err(about_end)?;
    // All have left, the last by CLOSE SOCKET.
    exam.holds(SETTLE.idle(NOTICED), &[&server.program], || false);
    let new = exam.dial(&server, "new client").map_err(about_end)?;
    answered(exam, &server, &new).map_err(about_end)
}

fn about_end(finding: Finding) -> Finding {
    let hint = match finding.hint.as_str() {
        causes::ENDED => "the server ended after CLOSE SOCKET: the process must not exit or terminate, and a new client must be served".to_owned(),
        causes::NOT_ACCEPTING => "after CLOSE SOCKET no new client gets in: close the client's socket, not the listening one, and go on calling accept in the server".to_owned(),
        _ => finding.hint.clone(),
    };
    Finding { expected: format!("after CLOSE SOCKET: {}", finding.expected), hint, ..finding }
}

fn survives_reset(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    vanish(exam, &server, answered)
}

fn client_sends(exam: &Exam<'_>) -> Answer {
    client::sends(exam, &mut Tcp::open(exam)?, || mixed(exam))
}

fn raised(_: &Exam<'_>, bytes: &[u8]) -> Vec<u8> {
    bytes.to_ascii_uppercase()
}

fn raised_otherwise(exam: &Exam<'_>, bytes: &[u8]) -> Vec<u8> {
    client::altered(exam, bytes).to_ascii_uppercase()
}

fn client_prints_reply(exam: &Exam<'_>) -> Answer {
    let open = || Ok(Box::new(Tcp::open(exam)?) as Box<dyn Line>);
    client::prints(exam, open, &|| mixed(exam), raised, raised_otherwise)
}

fn client_closes(exam: &Exam<'_>) -> Answer {
    let mut line = Tcp::open(exam)?;
    let program = exam.client()?;
    let said = client::first_words(exam, &program, &mut line, || mixed(exam))?;
    line.answer(&raised(exam, &said.bytes));
    // A client may have a list of messages of its own; CLOSE SOCKET may be the
    // last of them.
    let mut next = |patience: Patience| {
        exam.until(patience, &[&program], || match line.heard() {
            Some(bytes) if contains(&bytes, b"CLOSE SOCKET") => Some(true),
            Some(bytes) => {
                line.answer(&raised(exam, &bytes));
                None
            }
            None => (line.end().is_some() || program.is_over()).then_some(false),
        })
    };
    let mut asked = next(Patience { idle: Duration::from_millis(500), ..REPLY });
    if asked.is_none() {
        program.terminal.type_line("CLOSE SOCKET");
        asked = next(REPLY);
    }
    if asked == Some(false) {
        return Ok(()); // it closes without asking
    }
    if asked.is_none() {
        let actual = format!("CLOSE SOCKET is typed, and does not come{}", exam.last_words(&program));
        return Err(Finding::fail("what is typed into the client reaches the server", actual)
            .hint("the client sends one message only, or waits for something else"));
    }
    line.finish();
    if exam.holds(REPLY, &[&program], || line.end().is_some() || program.is_over()) {
        return Ok(());
    }
    let actual = format!("the client's end stays open{}", exam.last_words(&program));
    Err(Finding::fail("after CLOSE SOCKET and the server's FIN the client closes its socket, or ends", actual).hint(
        "the server has closed: recv (read) returns 0 bytes, b'' or null, which is empty for ever; leave the loop then, and close the socket",
    ))
}
