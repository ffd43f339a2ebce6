//! chat: several users, one server, shared files. Nothing is known of the
//! protocol: what is typed into one client has to appear on another's
//! terminal, and a relay counts what passes.

mod files;
mod room;

use std::time::Duration;

use nix::sys::signal::Signal;

use self::room::{Room, SETTLED, User, start_client};
use crate::grade::causes;
use crate::grade::check::{Answer, Check, Finding};
use crate::grade::exam::{Exam, Patience, REPLY, unable};
use crate::grade::program::Program;
use crate::grade::relay::Place;
use crate::grade::suites::client::says_failure;
use crate::grade::suites::info::{says_ip, says_port, wrong_ip, wrong_port};
use crate::grade::transcript::quoted;

pub const CHECKS: [Check; 23] = [
    Check::both("chat/prints-client-address", prints_client_address),
    Check::both("chat/welcomes", welcomes),
    Check::both("chat/welcome-crosses-network", welcome_crosses),
    Check::both("chat/announces-join", announces_join),
    Check::both("chat/announces-leave", announces_leave),
    Check::both("chat/announces-vanished", announces_vanished),
    Check::both("chat/survives-vanished", survives_vanished),
    Check::both("chat/sends-many", sends_many),
    Check::both("chat/broadcasts-to-others", broadcasts),
    Check::both("chat/not-to-sender", not_to_sender),
    Check::both("chat/unicasts", unicasts),
    Check::both("chat/unicast-stays-private", stays_private),
    Check::both("chat/switches-mode", switches_mode),
    Check::both("chat/lists-files", files::lists),
    Check::both("chat/counts-files", files::counts),
    Check::both("chat/downloads-exact", files::downloads_exact),
    Check::both("chat/saves-in-user-folder", files::saves_in_user_folder),
    Check::both("chat/reports-size", files::reports_size),
    Check::both("chat/file-crosses-network", files::crosses_network),
    Check::both("chat/chats-while-downloading", files::chats_while_downloading),
    Check::both("chat/reports-server-loss", reports_server_loss),
    Check::both("chat/reports-no-server", reports_no_server),
    Check::both("chat/two-servers-refused", two_servers),
];

fn room<'a>(exam: &'a Exam<'a>) -> Result<Room<'a>, Finding> {
    Room::open(exam, files::few(exam))
}

fn prints_client_address(exam: &Exam<'_>) -> Answer {
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
    let (relay, place) = room.way(&name)?;
    relay.hold();
    let user = room.enter_by(&name, relay, place)?;
    let (before, mark) = (user.program.terminal.text(), user.mark());
    user.relay.release();
    let moment = Patience { idle: Duration::from_millis(1500), ..REPLY };
    room.exam.holds(moment, &[&room.server.program, &user.program], || has_words(&user.since(mark)));
    room.settle(&[&user]);
    let after = user.since(mark);
    Ok(Newcomer { user, before, after })
}

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

fn welcomes(exam: &Exam<'_>) -> Answer {
    let room = room(exam)?;
    let new = newcomer(&room)?;
    if has_words(&new.after) || greets(&new.before) {
        return Ok(());
    }
    let expected = format!("{} connects, and is welcomed on its terminal", new.user.name);
    let hint = match new.user.relay.down_total() {
        0 => "the server sends the newcomer nothing: when it accepts a client it greets this one (not only the others)",
        _ => "the server's first words reach the client, and it does not show them: print what comes first, too",
    };
    Err(room.not_told(&new.user, 0, expected, hint))
}

fn welcome_crosses(exam: &Exam<'_>) -> Answer {
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
    Err(room.not_told(&new.user, 0, expected.to_owned(), "no welcome comes from the server"))
}

fn announces_join(exam: &Exam<'_>) -> Answer {
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

fn announces_leave(exam: &Exam<'_>) -> Answer {
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

fn announces_vanished(exam: &Exam<'_>) -> Answer {
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

fn survives_vanished(exam: &Exam<'_>) -> Answer {
    let room = room(exam)?;
    let users = room.enter_all(4)?;
    let [alice, bob, resets, ends] = users.as_slice() else { return Ok(()) };
    room.settle(&[alice, bob, resets, ends]);
    vanish(exam, resets);
    exam.transcript.word(&ends.name, "is killed");
    ends.program.signal(Signal::SIGKILL);
    room.settle(&[alice, bob]);
    let hint = "one client's end ended the server, or left a dead client in its list: catch the error of recv and of send for this client only, take it off the list, and go on";
    room.all_hear(alice, &[bob], "after two clients have vanished", hint)?;
    let new = room.enter(&room.new_name()).map_err(|finding| Finding {
        expected: format!("after two clients have vanished {}", finding.expected),
        hint: hint.to_owned(),
        ..finding
    })?;
    room.all_hear(bob, &[alice, &new], "after two clients have vanished and one has come", hint)
}

fn sends_many(exam: &Exam<'_>) -> Answer {
    let room = room(exam)?;
    let users = room.enter_all(2)?;
    let [alice, bob] = users.as_slice() else { return Ok(()) };
    for n in 1..=5 {
        room.all_hear(alice, &[bob], &format!("message {n} of 5"), "one message gets through and later ones do not: read the keyboard in a loop, and pass on each message, without a limit and without waiting for others")?;
    }
    Ok(())
}

fn broadcasts(exam: &Exam<'_>) -> Answer {
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

fn not_to_sender(exam: &Exam<'_>) -> Answer {
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

fn unicasts(exam: &Exam<'_>) -> Answer {
    let room = room(exam)?;
    let users = room.enter_all(3)?;
    let [alice, bob, carol] = users.as_slice() else { return Ok(()) };
    private(exam, &room, alice, bob)?;
    private(exam, &room, carol, bob)?;
    private(exam, &room, bob, alice).map(|_| ())
}

fn stays_private(exam: &Exam<'_>) -> Answer {
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

fn switches_mode(exam: &Exam<'_>) -> Answer {
    let room = room(exam)?;
    let users = room.enter_all(3)?;
    let [alice, bob, carol] = users.as_slice() else { return Ok(()) };
    let hint = "after a private message the way back to everyone is not found: the command that switches back (/all) must be recognised, and reset the recipient";
    room.all_hear(alice, &[bob, carol], "at first", "a message to everyone does not reach the others")?;
    private(exam, &room, alice, bob)?;
    room.all_hear(alice, &[bob, carol], "after a private message", hint)?;
    private(exam, &room, alice, carol)?;
    room.all_hear(alice, &[bob, carol], "after another one", hint)
}

fn reports_server_loss(exam: &Exam<'_>) -> Answer {
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

fn reports_no_server(exam: &Exam<'_>) -> Answer {
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
fn two_servers(exam: &Exam<'_>) -> Answer {
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
