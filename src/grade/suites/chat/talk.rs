//! What is said: to everyone, to one, and back to everyone.

use super::room;
use super::room::{Room, User};
use crate::grade::check::{Answer, Finding};
use crate::grade::exam::Exam;

pub fn sends_many(exam: &Exam<'_>) -> Answer {
    let room = room(exam)?;
    let users = room.enter_all(2)?;
    let [alice, bob] = users.as_slice() else { return Ok(()) };
    for n in 1..=5 {
        let hint = match n {
            1 => "a message to everyone does not reach the others".to_owned(),
            _ => format!(
                "after {} the next message is lost: a user sends many, more than one in a row, so read the keyboard in a loop, and pass on each message, without a limit and without waiting for others",
                n - 1
            ),
        };
        room.all_hear(alice, &[bob], &format!("message {n} of 5"), &hint)?;
    }
    Ok(())
}

pub fn broadcasts(exam: &Exam<'_>) -> Answer {
    let room = room(exam)?;
    let users = room.enter_all(4)?;
    let hint = "not all others get a message to everyone: send it to each client in the list but the sender, from the first to the last";
    for at in [0, 3] {
        let others: Vec<&User> =
            users.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, user)| user).collect();
        room.all_hear(&users[at], &others, "four users", hint)?;
    }
    Ok(())
}

pub fn not_to_sender(exam: &Exam<'_>) -> Answer {
    let room = room(exam)?;
    let users = room.enter_all(2)?;
    let [alice, bob] = users.as_slice() else { return Ok(()) };
    let text = exam.token();
    // What the client shows of its own is on the terminal before the server's
    // words come through.
    alice.relay.hold();
    let mark = bob.mark();
    room.says(alice, &text);
    if !room.shows(bob, mark, &text) {
        return Err(room.not_told(
            bob,
            mark,
            format!("{} sees {text:?}", bob.name),
            "a message to everyone does not reach the others",
        ));
    }
    room.settle(&[alice, bob]);
    let own = alice.program.terminal.text().matches(&text).count();
    alice.relay.release();
    // What bob says comes after whatever the server sent alice before.
    room.all_hear(bob, &[alice], "a later message", "messages must go on reaching this user")?;
    let shown = alice.program.terminal.text().matches(&text).count();
    if shown <= own && !alice.was_sent(&text) {
        return Ok(());
    }
    let actual = format!("the server sent {text:?} back to {}, who wrote it", alice.name);
    Err(Finding::fail("the sender does not get its own message", actual)
        .hint("leave out the sender when a message goes to all: compare the sockets, not the names"))
}

fn private(exam: &Exam<'_>, room: &Room<'_>, from: &User, to: &User) -> Result<String, Finding> {
    let (text, mark) = (exam.token(), to.mark());
    room.tells(from, to, &text);
    if room.shows(to, mark, &text) {
        return Ok(text);
    }
    let expected = format!("{} tells {} {text:?} in private, and {} sees it", from.name, to.name, to.name);
    let came_back = if from.was_sent(&text) { " It went back to its sender." } else { "" };
    let hint = format!(
        "a private message does not reach its recipient: find the name in the list of users as it was given (== or equals, not `is`; same case), and send to that user's socket.{came_back}"
    );
    Err(room.not_told(to, mark, expected, &hint))
}

pub fn unicasts(exam: &Exam<'_>) -> Answer {
    let room = room(exam)?;
    let users = room.enter_all(3)?;
    let [alice, bob, carol] = users.as_slice() else { return Ok(()) };
    private(exam, &room, alice, bob)?;
    private(exam, &room, carol, bob)?;
    private(exam, &room, bob, alice).map(|_| ())
}

pub fn stays_private(exam: &Exam<'_>) -> Answer {
    let room = room(exam)?;
    let users = room.enter_all(4)?;
    let [alice, bob, carol, dave] = users.as_slice() else { return Ok(()) };
    // Private words that reach nobody are private; `unicasts` says so.
    let text = private(exam, &room, alice, bob).unwrap_or_else(|_| exam.token());
    let hint = "a message to everyone has to reach the others after a private one";
    room.all_hear(bob, &[alice, carol, dave], "after a private message", hint)?;
    for other in [carol, dave] {
        let is_shown = other.program.terminal.text().contains(&text);
        if is_shown || other.was_sent(&text) {
            let how = if is_shown { "sees it" } else { "is sent it (its client hides it)" };
            let actual = format!("{} told {} {text:?}, and {} {how}", alice.name, bob.name, other.name);
            return Err(Finding::fail("a private message goes to one person only", actual).hint("private words are sent to everybody: send them to the recipient's socket alone; a client that hides them does not make them private"));
        }
    }
    Ok(())
}

pub fn switches_mode(exam: &Exam<'_>) -> Answer {
    let room = room(exam)?;
    let users = room.enter_all(3)?;
    let [alice, bob, carol] = users.as_slice() else { return Ok(()) };
    let hint = "after a private message the way back to everyone is not found: the command that switches back (/all) must be recognised, and reset the recipient. Where sends-many fails as well, begin there: then it is the number of messages";
    let at_first =
        "a message to everyone does not reach the others, before any private one: begin with broadcasts-to-others";
    let in_private = |to: &User| {
        private(exam, &room, alice, to).map_err(|finding| Finding {
            hint: format!("{} Where unicasts fails as well, begin there", finding.hint),
            ..finding
        })
    };
    room.all_hear(alice, &[bob, carol], "at first", at_first)?;
    in_private(bob)?;
    room.all_hear(alice, &[bob, carol], "after a private message", hint)?;
    in_private(carol)?;
    room.all_hear(alice, &[bob, carol], "after another one", hint)
}
