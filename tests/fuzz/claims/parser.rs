//! What the chat's client makes of a server's bytes, the server of a client's
//! lines, and both of names.

use netlab::labs::chat::client::file_name;
use netlab::labs::chat::command::{self, Command};
use netlab::labs::chat::names::Name;
use netlab::labs::chat::protocol::{MAX_LINE_BYTES, Meaning, Parser, Step};

use super::choices::Choices;
use super::framing::is_harmless;

/// A line, whole or cut; or the raw bytes of one transfer that came without a
/// line between.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Line { is_cut: bool },
    Raw(u64),
}

/// What was heard, one after the other, and where each stops: few pieces of
/// memory, so that a fuzzer gets on.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    bytes: Vec<u8>,
    stops: Vec<(Kind, usize)>,
}

pub fn a_servers_bytes_mean_the_same_however_they_are_cut(bytes: &[u8]) {
    let stream = Choices::of(bytes).stream_in_pieces();
    assert!(parsed(&stream.pieces()) == parsed(&[&stream.bytes]), "cut, it is something else");
    if let Ok(text) = std::str::from_utf8(bytes) {
        a_line_is_text_or_a_command(text);
        a_name_is_safe(text);
        a_file_stays_in_its_folder(text);
    }
}

fn parsed(pieces: &[&[u8]]) -> Heard {
    let (mut parser, mut heard) = (Parser::default(), Heard::default());
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let (taken, step) = parser.step(rest);
            assert!(taken > 0, "it goes on");
            match step {
                Step::More => {}
                Step::Line(line) => {
                    assert!(line.bytes.len() <= MAX_LINE_BYTES && !line.bytes.contains(&b'\n'));
                    assert!(line.meaning() == Meaning::Other || !line.cut);
                    heard.add(Kind::Line { is_cut: line.cut }, &line.bytes);
                }
                Step::Bytes { id, count } => {
                    assert!(0 < count && count <= taken);
                    heard.add(Kind::Raw(id), &rest[..count]);
                }
            }
            rest = &rest[taken..];
        }
    }
    heard
}

impl Heard {
    fn add(&mut self, kind: Kind, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        match self.stops.last_mut() {
            Some((Kind::Raw(last), stop)) if kind == Kind::Raw(*last) => *stop = self.bytes.len(),
            _ => self.stops.push((kind, self.bytes.len())),
        }
    }
}

fn a_line_is_text_or_a_command(line: &str) {
    match command::parse(line) {
        Ok(Command::Text(text)) => assert!(text == line && !line.starts_with('/')),
        Ok(Command::Login(name, password)) => assert!(!name.is_empty() && !password.is_empty()),
        Ok(Command::Get(rest)) => assert!(!command::wanted(&rest).is_empty()),
        Ok(_) => assert!(line.starts_with('/')),
        Err(_) => assert!(line.trim_start().starts_with('/')),
    }
}

fn a_name_is_safe(text: &str) {
    let Ok(name) = text.parse::<Name>() else { return };
    is_harmless(name.as_str());
    assert!(!name.as_str().contains(char::is_whitespace) && !name.as_str().contains(['<', '>', '/', '\\', ':']));
    assert!(name.looks_like(&name) && name.as_str().parse() == Ok(name.clone()));
    assert!(!["server", "SERVER", "Server"].iter().any(|own| name.as_str().eq_ignore_ascii_case(own)));
}

fn a_file_stays_in_its_folder(name: &str) {
    if file_name::check(name).is_err() {
        return;
    }
    is_harmless(name);
    let dir = std::path::Path::new("folder");
    for number in [1, 2, 999] {
        let path = file_name::numbered(dir, name, number);
        let parts: Vec<_> = path.components().collect();
        assert!(parts.len() == 2 && matches!(parts[1], std::path::Component::Normal(_)), "{path:?}");
    }
}
