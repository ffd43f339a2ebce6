//! What a client says: lines, some of them commands.

/// One line of a client, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `/name NAME`: who it is.
    Name(String),
    /// `/login NAME PASSWORD`: who it is, with proof.
    Login(String, String),
    /// Text, to whom the present mode says.
    Text(String),
    /// `/all`: from now on to everyone in the room.
    All,
    /// `/to NAME`: from now on to one person.
    To(String),
    /// `/msg NAME TEXT`: this once to one person.
    Msg(String, String),
    /// `/say TEXT`: this once to everyone in the room.
    Say(String),
    /// `/me TEXT`: what the user does.
    Me(String),
    /// `/who`: who is in the room.
    Who,
    /// `/rooms`: which rooms there are.
    Rooms,
    /// `/join ROOM`: to another room.
    Join(String),
    /// `/files`: which files are shared.
    Files,
    /// `/get NAME [OFFSET]`: what followed the command.
    Get(String),
    /// `/kick NAME [REASON]`: an operator closes a connection.
    Kick(String, String),
    /// `/mute NAME`: an operator silences somebody.
    Mute(String),
    /// `/unmute NAME`: and lets them speak again.
    Unmute(String),
    /// `/help`.
    Help,
    /// `/quit [TEXT]`.
    Quit(String),
}

/// Why a line is no command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misunderstood {
    /// There is no such command.
    Unknown(String),
    /// Something is missing, or too much; this is how to type it.
    Usage(&'static str),
}

/// What `/help` answers, a line each.
pub const HELP: &[&str] = &[
    "TEXT: to everyone in the room, or to whom the last /to said",
    "/to NAME: speak to one person from now on · /all: to everyone again",
    "/msg NAME TEXT: once to one person · /say TEXT: once to everyone",
    "/me TEXT: what you do · /who: who is here · /rooms · /join ROOM",
    "/files: the shared files · /get NAME [OFFSET]: download one",
    "/quit [TEXT]: leave",
];

/// What `/help` answers operators besides.
pub const OPERATOR_HELP: &str = "/kick NAME [REASON] · /mute NAME · /unmute NAME";

/// Reads one line, without its end.
///
/// # Errors
/// An unknown command, or one with something missing: what to say to that.
pub fn parse(line: &str) -> Result<Command, Misunderstood> {
    // A space too many before it must not make a password something to say.
    let is_login = |text: &str| text.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("/login"));
    let line = Some(line.trim_start()).filter(|text| is_login(text)).unwrap_or(line);
    let Some(rest) = line.strip_prefix('/') else { return Ok(Command::Text(line.to_owned())) };
    let (word, rest) = split(rest);
    let usage = |how| Err(Misunderstood::Usage(how));
    let needed = |how, make: fn(String) -> Command| match rest {
        "" => usage(how),
        text => Ok(make(text.to_owned())),
    };
    let one_name = |how, make: fn(String) -> Command| match rest.trim() {
        name if name.is_empty() || name.contains(char::is_whitespace) => usage(how),
        name => Ok(make(name.to_owned())),
    };
    match word.to_ascii_lowercase().as_str() {
        "name" => one_name("/name NAME, a name without spaces", Command::Name),
        "login" => match split(rest.trim_start()) {
            ("", _) | (_, "") => usage("/login NAME PASSWORD"),
            (name, password) => Ok(Command::Login(name.to_owned(), password.to_owned())),
        },
        "all" => Ok(Command::All),
        "to" => one_name("/to NAME", Command::To),
        "msg" => match split(rest.trim_start()) {
            ("", _) | (_, "") => usage("/msg NAME TEXT"),
            (name, text) => Ok(Command::Msg(name.to_owned(), text.to_owned())),
        },
        "say" => needed("/say TEXT", Command::Say),
        "me" => needed("/me TEXT", Command::Me),
        "who" => Ok(Command::Who),
        "rooms" => Ok(Command::Rooms),
        "join" => one_name("/join ROOM", Command::Join),
        "files" => Ok(Command::Files),
        "get" => needed("/get NAME [OFFSET]", Command::Get),
        "kick" => match split(rest.trim_start()) {
            ("", _) => usage("/kick NAME [REASON]"),
            (name, reason) => Ok(Command::Kick(name.to_owned(), reason.to_owned())),
        },
        "mute" => one_name("/mute NAME", Command::Mute),
        "unmute" => one_name("/unmute NAME", Command::Unmute),
        "help" => Ok(Command::Help),
        "quit" => Ok(Command::Quit(rest.to_owned())),
        _ => Err(Misunderstood::Unknown(format!("/{word}"))),
    }
}

/// The first word, and what follows the space after it.
fn split(text: &str) -> (&str, &str) {
    text.split_once([' ', '\t']).unwrap_or((text, ""))
}

/// What `/get` may mean, the likeliest first: the whole rest is a name; a name
/// in quotes with an offset; a name and a last number.
pub fn wanted(rest: &str) -> Vec<(String, u64)> {
    let mut readings = vec![(rest.to_owned(), 0)];
    if let Some((name, after)) = rest.strip_prefix('"').and_then(|inner| inner.rsplit_once('"')) {
        match after.trim() {
            "" => readings.push((name.to_owned(), 0)),
            number => readings.extend(number.parse().map(|offset| (name.to_owned(), offset))),
        }
    }
    if let Some((name, number)) = rest.trim_end().rsplit_once(' ')
        && let Ok(offset) = number.parse()
    {
        readings.push((name.trim_end().to_owned(), offset));
    }
    let trimmed = rest.trim();
    if trimmed != rest {
        readings.push((trimmed.to_owned(), 0));
    }
    readings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_text_or_a_command() {
        let text = |text: &str| text.to_owned();
        let table = [
            ("hello", Ok(Command::Text(text("hello")))),
            (" /who", Ok(Command::Text(text(" /who")))),
            (" /login a b", Ok(Command::Login(text("a"), text("b")))),
            ("/name alice", Ok(Command::Name(text("alice")))),
            ("/name  alice ", Ok(Command::Name(text("alice")))),
            ("/name", Err(Misunderstood::Usage("/name NAME, a name without spaces"))),
            ("/name a b", Err(Misunderstood::Usage("/name NAME, a name without spaces"))),
            ("/login alice a b ", Ok(Command::Login(text("alice"), text("a b ")))),
            ("/login alice", Err(Misunderstood::Usage("/login NAME PASSWORD"))),
            ("/msg bob  hi", Ok(Command::Msg(text("bob"), text(" hi")))),
            ("/msg bob", Err(Misunderstood::Usage("/msg NAME TEXT"))),
            ("/say /who", Ok(Command::Say(text("/who")))),
            ("/WHO", Ok(Command::Who)),
            ("/who now", Ok(Command::Who)),
            ("/quit", Ok(Command::Quit(text("")))),
            ("/quit see you", Ok(Command::Quit(text("see you")))),
            ("/kick bob", Ok(Command::Kick(text("bob"), text("")))),
            ("/dance", Err(Misunderstood::Unknown(text("/dance")))),
            ("/", Err(Misunderstood::Unknown(text("/")))),
        ];
        for (line, command) in table {
            assert_eq!(parse(line), command, "{line:?}");
        }
    }

    #[test]
    fn what_get_may_mean() {
        let of = |rest: &str| wanted(rest);
        let name = |name: &str, offset| (name.to_owned(), offset);
        assert_eq!(of("film.avi"), [name("film.avi", 0)]);
        assert_eq!(of("film.avi 12"), [name("film.avi 12", 0), name("film.avi", 12)]);
        assert_eq!(of("year 1999 7"), [name("year 1999 7", 0), name("year 1999", 7)]);
        assert_eq!(of("\"year 1999\" 7"), [name("\"year 1999\" 7", 0), name("year 1999", 7), name("\"year 1999\"", 7)]);
        assert_eq!(of("\"a b\""), [name("\"a b\"", 0), name("a b", 0)]);
        assert_eq!(of("\"a\" x"), [name("\"a\" x", 0)]);
        assert_eq!(of("a "), [name("a ", 0), name("a", 0)]);
    }
}
