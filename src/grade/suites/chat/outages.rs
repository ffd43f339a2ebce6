//! No server: gone, never there, or one too many.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::room;
use super::room::{Room, SETTLED, User, start_client};
use crate::grade::causes;
use crate::grade::check::{Answer, Finding};
use crate::grade::exam::{Exam, Patience, REPLY, unable};
use crate::grade::program::Program;
use crate::grade::relay::Place;
use crate::grade::suites::client::says_failure;
use crate::grade::transcript::quoted;

pub fn reports_server_loss(exam: &Exam<'_>) -> Answer {
    let room = room(exam)?;
    let users = room.enter_all(2)?;
    let mut own: Vec<String> = users.iter().map(|user| user.name.clone()).collect();
    // What a client shows when all is well is no report of a failure: prompts,
    // and what it says about a line that was typed.
    // Twice, so that whatever stands between two lines has stood there.
    own.extend(users.iter().flat_map(|user| [says_a_word(&room, user), says_a_word(&room, user)]));
    room.settle(&users.iter().collect::<Vec<_>>());
    let marks: Vec<(usize, String)> = users.iter().map(|user| (user.mark(), user.program.terminal.text())).collect();
    exam.transcript.word("server", "is killed");
    room.server.program.signal(Signal::SIGKILL);
    for (user, (mark, before)) in users.iter().zip(&marks) {
        let patience = REPLY.idle(Duration::from_secs(5));
        if exam.holds(patience, &[&user.program], || says_otherwise(&user.since(*mark), before, &own)) {
            continue;
        }
        // Some find out only when they send.
        if !user.program.is_over() {
            // The first is answered by RST, the next one fails.
            own.extend((0..2).map(|_| says_a_word(&room, user)));
            if exam.holds(REPLY, &[&user.program], || says_otherwise(&user.since(*mark), before, &own)) {
                continue;
            }
        }
        let actual = match user.program.fate() {
            Some(fate) => {
                format!("{}'s client {fate}, and shows {}", user.name, quoted(user.since(*mark).trim().as_bytes()))
            }
            None => {
                format!("{}'s client goes on, and shows {}", user.name, quoted(user.since(*mark).trim().as_bytes()))
            }
        };
        return Err(Finding::fail("the server is killed, and the client says that it is gone", actual).hint(
            "when recv returns 0 bytes (or fails) the server has gone: the client must print that, in the thread that reads, and end; silence leaves its user in the dark",
        ));
    }
    Ok(())
}

fn says_a_word(room: &Room<'_>, user: &User) -> String {
    let word = room.exam.token();
    room.says(user, &word);
    word
}

/// The words of a text but for the grader's own.
fn words(text: &str, own: &[String]) -> Vec<String> {
    let text = own.iter().fold(text.to_lowercase(), |text, own| text.replace(own.as_str(), " "));
    let words = text.split(|c: char| !c.is_alphabetic());
    words.filter(|word| word.chars().count() > 1).map(str::to_owned).collect()
}

/// Whether a text holds a word that another one does not. In whatever language
/// a client reports a failure, it uses other words than when all is well.
fn says_more(text: &str, well: &str, own: &[String]) -> bool {
    let well = words(well, own);
    words(text, own).iter().any(|word| !well.contains(word))
}

/// The same, or known words in another order: "connection lost", where a help
/// page has said "you are told if the connection is lost".
fn says_otherwise(text: &str, well: &str, own: &[String]) -> bool {
    let (said, known) = (words(text, own), words(well, own));
    let is_known = |pair: &[String]| known.windows(2).any(|known| known == pair);
    says_more(text, well, own) || !said.windows(2).all(is_known)
}

pub fn reports_no_server(exam: &Exam<'_>) -> Answer {
    let name = exam.token()[..8].to_owned();
    // What it says when all is well is no report of a failure.
    let well = {
        let room = room(exam)?;
        let user = room.enter(&name)?;
        user.program.terminal.text()
    };
    let place = match exam.job.isolation.has_network() {
        true => Some(Place::new().map_err(|cause| unable("make a network", &cause))?),
        false => None,
    };
    let program: Program = start_client(exam, &name, exam.port, place.as_ref())?;
    let mut own = vec![name];
    let text = || program.terminal.text();
    if exam.holds(REPLY.idle(Duration::from_secs(6)), &[&program], || says_more(&text(), &well, &own)) {
        return Ok(());
    }
    if !program.is_over() {
        own.push(exam.token());
        program.terminal.type_line(own.last().map_or("", String::as_str));
        if exam.holds(REPLY, &[&program], || says_more(&text(), &well, &own)) {
            return Ok(());
        }
    }
    let actual = match program.fate() {
        Some(fate) => format!("the client {fate}{}", exam.last_words(&program)),
        None => format!("the client goes on{}", exam.last_words(&program)),
    };
    Err(Finding::fail("without a server the client says that it cannot connect", actual).hint(
        "connect fails when no server listens (connection refused): print a message that says so, and end; who tries again says that, too",
    ))
}

/// Costs nothing: some systems let both listen.
pub fn two_servers(exam: &Exam<'_>) -> Answer {
    let room = room(exam)?;
    let second = room.second_server()?;
    let refused =
        || second.is_over() || !second.terminal.text().is_empty() && causes::hint(&second.terminal.text()).is_some();
    if exam.holds(REPLY, &[&second], refused) {
        return Ok(());
    }
    exam.holds(Patience { idle: SETTLED, ..REPLY }, &[&second], || false);
    let shares = second.sockets().iter().any(|row| row.is_open() && row.local.port() == room.server.addr().port());
    if shares {
        return Err(Finding::note(
            "a second server listens on the same port (SO_REUSEPORT): clients are divided between the two, and cannot talk to each other",
        ));
    }
    if says_failure(&second.terminal.text(), &room.server.program.terminal.text()) {
        return Ok(());
    }
    Err(Finding::note("a second server on the same port does not listen, and does not say so"))
}

#[cfg(test)]
mod tests {
    use super::{says_more, says_otherwise};

    #[test]
    fn a_report_uses_other_words_than_a_client_to_which_nothing_has_happened() {
        let well = "bhtrw> Hi bhtrw, welcome to the server!\nbhtrw> [you] kpmgd\nbhtrw> ";
        let own = ["bhtrw", "kpmgd", "xldpp"].map(String::from);
        for (text, is_more) in [
            ("", false),
            ("bhtrw> bhtrw> ", false),
            ("[you] xldpp\nbhtrw> ", false),
            ("12:30 welcome", false),
            ("bhtrw> The server has gone", true),
            ("no server", true),
            ("Verbindung verloren", true),
            ("接続が切れました", true),
        ] {
            assert_eq!(says_more(text, well, &own), is_more, "{text:?}");
            assert_eq!(says_otherwise(text, well, &own), is_more, "{text:?}");
        }
    }

    #[test]
    fn known_words_in_another_order_are_a_report_and_prompts_in_a_row_are_none() {
        let well = "You are told if the connection is lost.\nMessage: Message: ann joined\nMessage: ";
        assert!(says_otherwise("connection lost", well, &[]));
        assert!(!says_otherwise("Message: Message: Message: ", well, &[]));
    }
}
