//! Who comes: the server prints from where, the newcomer is welcomed, the
//! others are told.

use std::time::Duration;

use super::room;
use super::room::{Room, User};
use crate::grade::check::{Answer, Finding};
use crate::grade::exam::{Exam, Patience, REPLY};
use crate::grade::suites::info::{says_ip, says_port, wrong_ip, wrong_port};
use crate::grade::transcript::quoted;

pub fn prints_client_address(exam: &Exam<'_>) -> Answer {
    let room = room(exam)?;
    exam.on_asked_port(&room.server)?;
    let terminal = &room.server.program.terminal;
    let mark = terminal.mark();
    let user = room.enter(&room.new_name())?;
    let Some(from) = user.relay.sources().first().copied() else {
        return Err(Finding::skip("the client did not connect"));
    };
    let both = || says_ip(&terminal.since(mark), from.ip()) && says_port(&terminal.since(mark), from.port());
    if room.sees(&user, both) {
        return Ok(());
    }
    let text = terminal.since(mark);
    let finding = if says_ip(&text, from.ip()) {
        wrong_port(exam, &room.server, from, &text)
    } else {
        wrong_ip(exam, &room.server, from, &text)
    };
    Err(Finding { expected: format!("the server's terminal shows the client's address and port, {from}"), ..finding })
}

/// A user whose server's words are held back until all it says of its own
/// accord is on its terminal.
struct Newcomer {
    user: User,
    /// Before the server's first word.
    before: String,
    /// After it.
    after: String,
}

fn newcomer(room: &Room<'_>) -> Result<Newcomer, Finding> {
    let name = room.new_name();
    let way = room.way(&name)?;
    way.0.hold();
    let user = room.start(&name, way)?;
    room.await_connection(&user)?;
    room.settle(&[&user]);
    let (before, mark) = (user.program.terminal.text(), user.mark());
    user.relay.release();
    let moment = Patience { idle: Duration::from_millis(1500), ..REPLY };
    room.exam.holds(moment, &[&room.server.program, &user.program], || has_words(&user.since(mark)));
    room.settle(&[&user]);
    let after = user.since(mark);
    Ok(Newcomer { user, before, after })
}

/// Whether a text says anything, beside prompts and frames.
fn has_words(text: &str) -> bool {
    text.chars().filter(|c| c.is_alphabetic()).count() >= 2
}

/// Whether a text greets, in some languages.
fn greets(text: &str) -> bool {
    const WORDS: [&str; 12] = [
        "welcome",
        "hello",
        "willkommen",
        "hallo",
        "bienvenid",
        "bienvenue",
        "bonjour",
        "hola",
        "benvenut",
        "ciao",
        "bem-vind",
        "greetings",
    ];
    let lower = text.to_lowercase();
    WORDS.iter().any(|word| lower.contains(word))
}

pub fn welcomes(exam: &Exam<'_>) -> Answer {
    let room = room(exam)?;
    let new = newcomer(&room)?;
    if has_words(&new.after) || greets(&new.before) {
        return Ok(());
    }
    let expected = format!("{} connects, and is welcomed on its terminal", new.user.name);
    Err(room.not_told(&new.user, 0, expected, unwelcomed(&new.user)))
}

/// Why no welcome is shown.
fn unwelcomed(user: &User) -> &'static str {
    match user.relay.down_total() {
        0 => {
            "the server sends the newcomer no welcome, nor anything else: when it accepts a client it greets this one (not only the others)"
        }
        _ => "the server's first words reach the client, and no welcome is shown: print what comes first, too",
    }
}

pub fn welcome_crosses(exam: &Exam<'_>) -> Answer {
    let room = room(exam)?;
    let new = newcomer(&room)?;
    let crosses = has_words(&new.after) && (greets(&new.after) || !greets(&new.before));
    if crosses {
        return Ok(());
    }
    let expected = "nothing of the welcome is shown before the server's words come through";
    if greets(&new.before) {
        let actual =
            format!("with the server's words held back the client shows {}", quoted(new.before.trim().as_bytes()));
        return Err(Finding::fail(expected, actual).hint("the welcome is made by the client itself: the server has to send it, and the client to print what it received"));
    }
    Err(room.not_told(&new.user, 0, expected.to_owned(), unwelcomed(&new.user)))
}

pub fn announces_join(exam: &Exam<'_>) -> Answer {
    let room = room(exam)?;
    let here = room.enter_all(2)?;
    let marks: Vec<usize> = here.iter().map(User::mark).collect();
    let new = room.enter(&room.new_name())?;
    for (user, mark) in here.iter().zip(marks) {
        if !room.shows(user, mark, &new.name) {
            let expected = format!("{} joins, and {} is told", new.name, user.name);
            return Err(room.not_told(user, mark, expected, "the others hear nothing of a newcomer: when one joins, send its name to all other clients, not only to itself"));
        }
    }
    Ok(())
}
