//! mt-server: many clients at once. A backlog looks like concurrency as long
//! as every client asks at once and leaves; so earlier clients stay and are
//! silent, and the last is asked first.

use super::stream::{ask, contains, vanish};
use crate::grade::causes;
use crate::grade::check::{Answer, Check, Finding};
use crate::grade::exam::{Exam, REPLY, SETTLE, Server};
use crate::grade::peer::Stream;
use crate::grade::proc::Proto;
use crate::grade::transcript::quoted;

/// Clients in the check of that name.
const MANY: usize = 20;

/// Clients that talk at the same time, and what each says.
const TALKERS: usize = 6;
const ROUNDS: usize = 8;

const SHARED: &str = "a variable that all clients share (global, static, a field) holds the message, the buffer or the socket, \
                      and another client's thread overwrites it: each client needs its own, or a lock; or the answer is sent \
                      to all clients";

pub const CHECKS: [Check; 5] = [
    Check::server("mt-server/answers", answers),
    Check::server("mt-server/serves-at-once", serves_at_once),
    Check::server("mt-server/twenty-clients", twenty_clients),
    Check::server("mt-server/no-cross-talk", no_cross_talk),
    Check::server("mt-server/survives-reset", survives_reset),
];

fn say(exam: &Exam<'_>, server: &Server, stream: &Stream) -> Answer {
    let token = exam.token();
    ask(exam, server, stream, &token, &token).map(|_| ())
}

fn answers(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    exam.on_asked_port(&server)?;
    let client = exam.dial(&server, "client")?;
    say(exam, &server, &client)?;
    say(exam, &server, &client)?;
    say(exam, &server, &client)
}

/// Connects `count` clients, none of which says anything.
pub fn crowd(exam: &Exam<'_>, server: &Server, count: usize) -> Result<Vec<Stream>, Finding> {
    (1..=count).map(|n| exam.dial(server, &format!("client {n}"))).collect()
}

fn serves_at_once(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    last_first(exam, &server, 5, say)
}

fn twenty_clients(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    last_first(exam, &server, MANY, say)
}

/// All connect, then the last asks first; all stay to the end.
pub fn last_first(
    exam: &Exam<'_>,
    server: &Server,
    count: usize,
    say: fn(&Exam<'_>, &Server, &Stream) -> Answer,
) -> Answer {
    let clients = crowd(exam, server, count)?;
    for (at, client) in clients.iter().enumerate().rev() {
        say(exam, server, client).map_err(|finding| {
            let expected = format!("with {count} clients connected, {}", finding.expected);
            let waits_for_first = at + 1 == count && !is_answered(exam, server, &clients[1]);
            let hint = match finding.hint.as_str() {
                causes::NOT_READ | causes::READ_AND_SILENT if waits_for_first => {
                    "the server waits for an earlier client, which is connected and idle: serve each in a thread of its own \
                     (start it, neither call run nor the handler itself, nor join it at once), or let one loop wait for all"
                }
                causes::NOT_READ | causes::READ_AND_SILENT => {
                    "this client waits while others are served: a pool or a table with a limit (ten, twelve?) is full, or the answer \
                     went to another client's socket (a shared, global variable)"
                }
                causes::CLOSED_EARLY => "the server closed this client's connection: is there a limit, a table of clients that is full?",
                other => other,
            };
            Finding { expected, hint: hint.to_owned(), ..finding }
        })?;
    }
    Ok(())
}

/// Whether this one gets anything: then the server does serve several at once,
/// up to a limit.
fn is_answered(exam: &Exam<'_>, server: &Server, client: &Stream) -> bool {
    exam.quiet(client);
    let before = client.count();
    client.send(format!("{}\n", exam.token()).as_bytes());
    exam.holds(SETTLE, &[&server.program], || client.count() > before)
}

/// All talk at the same time, several rounds. Another client's word is proof;
/// the server having answered each later message, none is still to come.
fn no_cross_talk(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    let clients = crowd(exam, &server, TALKERS)?;
    for (at, client) in clients.iter().enumerate() {
        let token = exam.token();
        ask(exam, &server, client, &token, &token).map_err(|finding| astray(finding, &clients, at, &token))?;
    }
    let words: Vec<Vec<String>> = clients.iter().map(|_| (0..ROUNDS).map(|_| exam.token()).collect()).collect();
    for round in 0..ROUNDS {
        for (client, words) in clients.iter().zip(&words) {
            client.send(format!("{}\n", words[round]).as_bytes());
        }
        let all = || {
            let has = |(client, words): (&Stream, &Vec<String>)| contains(&client.received(), words[round].as_bytes());
            clients.iter().zip(&words).all(has)
        };
        let answered = exam.holds(REPLY, &[&server.program], || all() || mixed(&clients, &words).is_some());
        if let Some((to, from, word)) = mixed(&clients, &words) {
            let actual = format!("client {to} received {word:?}, which client {from} had sent");
            return Err(Finding::fail("each client receives only the answers to its own messages", actual).hint(SHARED));
        }
        if !answered {
            let missing = clients
                .iter()
                .zip(&words)
                .position(|(client, words)| !contains(&client.received(), words[round].as_bytes()));
            let at = missing.unwrap_or(0);
            let (silence, _) = exam.silence(&server, Some(&clients[at]));
            let tail = clients[at].received();
            let actual = format!(
                "client {} sent {:?} and got {}; {silence}",
                at + 1,
                words[at][round],
                quoted(&tail[tail.len().saturating_sub(60)..])
            );
            return Err(Finding::fail("clients that talk at the same time are all answered", actual).hint(
                "when all talk at once an answer is lost: a shared buffer, field or socket is overwritten by another client's thread, or needs a lock",
            ));
        }
    }
    Ok(())
}

/// An answer that did not come to the one who asked may have come to another.
fn astray(finding: Finding, clients: &[Stream], asked: usize, token: &str) -> Finding {
    let to = clients.iter().position(|client| contains(&client.received(), token.as_bytes()));
    let Some(to) = to.filter(|to| *to != asked) else { return finding };
    let actual = format!("client {} sent {token:?}, and client {} received the answer", asked + 1, to + 1);
    Finding { actual, hint: SHARED.to_owned(), ..finding }
}

/// Who received whose word.
fn mixed(clients: &[Stream], words: &[Vec<String>]) -> Option<(usize, usize, String)> {
    for (to, client) in clients.iter().enumerate() {
        let received = client.received();
        for (from, words) in words.iter().enumerate().filter(|(from, _)| *from != to) {
            if let Some(word) = words.iter().find(|word| contains(&received, word.as_bytes())) {
                return Some((to + 1, from + 1, word.clone()));
            }
        }
    }
    None
}

fn survives_reset(exam: &Exam<'_>) -> Answer {
    let server = exam.server(Proto::Tcp)?;
    let stays = exam.dial(&server, "client 0")?;
    say(exam, &server, &stays)?;
    vanish(exam, &server, say)?;
    say(exam, &server, &stays).map_err(|finding| {
        let expected = format!("a client that was there before is served on: {}", finding.expected);
        Finding { expected, ..finding }
    })
}
