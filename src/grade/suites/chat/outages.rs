//! No server: gone, never there, or one too many.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::room::{SETTLED, start_client};
use super::{has_words, room};
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
    room.settle(&users.iter().collect::<Vec<_>>());
    let marks: Vec<(usize, String)> = users.iter().map(|user| (user.mark(), user.program.terminal.text())).collect();
    exam.transcript.word("server", "is killed");
    room.server.program.signal(Signal::SIGKILL);
    for (user, (mark, before)) in users.iter().zip(&marks) {
        let says = || {
            let new = user.since(*mark);
            has_words(&new) && says_failure(&new, before)
        };
        let patience = REPLY.idle(Duration::from_secs(5));
        if exam.holds(patience, &[&user.program], says) {
            continue;
        }
        // Some find out only when they send.
        if !user.program.is_over() {
            room.says(user, &exam.token());
            room.says(user, &exam.token());
            if exam.holds(REPLY, &[&user.program], says) {
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

pub fn reports_no_server(exam: &Exam<'_>) -> Answer {
    // What it says when all is well is no report of a failure.
    let good = {
        let room = room(exam)?;
        let user = room.enter(&room.new_name())?;
        user.program.terminal.text()
    };
    let place = match exam.job.isolation.has_network() {
        true => Some(Place::new().map_err(|cause| unable("make a network", &cause))?),
        false => None,
    };
    let name = exam.token()[..8].to_owned();
    let program: Program = start_client(exam, &name, exam.port, place.as_ref())?;
    let says = || says_failure(&program.terminal.text(), &good);
    if exam.holds(REPLY.idle(Duration::from_secs(6)), &[&program], says) {
        return Ok(());
    }
    if !program.is_over() {
        program.terminal.type_line(&exam.token());
        if exam.holds(REPLY, &[&program], says) {
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
