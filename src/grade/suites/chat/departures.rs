//! Who goes, with a word or without one: the others are told, and the chat
//! goes on.

use nix::sys::signal::Signal;

use super::room;
use super::room::User;
use crate::grade::check::{Answer, Finding};
use crate::grade::exam::Exam;

pub fn announces_leave(exam: &Exam<'_>) -> Answer {
    let room = room(exam)?;
    let users = room.enter_all(3)?;
    let [first, leaves, last] = users.as_slice() else { return Ok(()) };
    room.settle(&[first, leaves, last]);
    let marks = [first.mark(), last.mark()];
    room.types(leaves, "leave", &[]);
    for (user, mark) in [first, last].into_iter().zip(marks) {
        if !room.shows(user, mark, &leaves.name) {
            let expected = format!("{} leaves, and {} is told", leaves.name, user.name);
            return Err(room.not_told(user, mark, expected, "nobody is told that a user left: tell the others before, or after, the user is taken off the list, also where the leave command ends the loop"));
        }
    }
    Ok(())
}

pub fn announces_vanished(exam: &Exam<'_>) -> Answer {
    let room = room(exam)?;
    let users = room.enter_all(2)?;
    let [stays, goes] = users.as_slice() else { return Ok(()) };
    room.settle(&[stays, goes]);
    let mark = stays.mark();
    vanish(exam, goes);
    if room.shows(stays, mark, &goes.name) {
        return Ok(());
    }
    let expected = format!("{} vanishes (killed, RST), and {} is told", goes.name, stays.name);
    Err(room.not_told(stays, mark, expected, "a client that goes without the leave command is not announced: recv returns 0 bytes or an error then, and the others must be told there too"))
}

/// Killed, and its connection reset.
fn vanish(exam: &Exam<'_>, user: &User) {
    exam.transcript.word(&user.name, "is killed; RST to the server");
    user.relay.cut();
    user.program.signal(Signal::SIGKILL);
}

pub fn survives_vanished(exam: &Exam<'_>) -> Answer {
    let room = room(exam)?;
    let users = room.enter_all(4)?;
    let [alice, bob, resets, ends] = users.as_slice() else { return Ok(()) };
    room.settle(&[alice, bob, resets, ends]);
    vanish(exam, resets);
    exam.transcript.word(&ends.name, "is killed");
    ends.program.signal(Signal::SIGKILL);
    room.settle(&[alice, bob]);
    let hint = "one client's end ended the server, or left a dead client in its list: catch the error of recv and of send for this client only, take it off the list, and go on. Where broadcasts-to-others fails as well, begin there: then it is not for those who vanished";
    room.all_hear(alice, &[bob], "after two clients have vanished", hint)?;
    let new = room.enter(&room.new_name()).map_err(|finding| Finding {
        expected: format!("after two clients have vanished {}", finding.expected),
        hint: hint.to_owned(),
        ..finding
    })?;
    room.all_hear(bob, &[alice, &new], "after two clients have vanished and one has come", hint)
}
