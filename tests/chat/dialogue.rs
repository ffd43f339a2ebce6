//! Dialogues of several users, written as text and run against the server.
//!
//! ```text
//! # What this dialogue shows.
//! options: --operator alice
//! shared: read me.txt = hello\n
//!
//! alice: /name alice
//! alice> * alice has joined
//! ```
//!
//! The header ends at the first empty line. In it:
//!
//! | line | meaning |
//! |---|---|
//! | `options: --tls` | what the server is started with besides |
//! | `shared: NAME = TEXT` | a file in its shared directory; `(N bytes)` for N bytes of noise, `(folder)`, `(fifo)`, `(link to TARGET)` |
//! | `outside: NAME = TEXT` | a file in the directory above |
//! | `user: NAME = PASSWORD` | a line of its users file |
//! | `plain only: WHY` | not run again over TLS and byte by byte |
//! | `not on Windows: WHY` | not run there |
//!
//! Then `alice: …` is what alice does, `alice> …` what she reads next. Who is
//! mentioned for the first time connects, and has read the welcome.
//!
//! | step | meaning |
//! |---|---|
//! | `alice: TEXT` | sends it, and LF; `\n \r \t \\ \xHH \u{…}` are escapes, `{90*x}` is x ninety times, `{lines 9: t{n}}` nine lines, `{above}` the directory above the shared one |
//! | `alice/crlf: TEXT` `alice/raw: TEXT` `alice/bytes: TEXT` | ends in CRLF; in nothing; goes byte by byte |
//! | `alice/flood: TEXT` | as raw, to a server that may close meanwhile |
//! | `alice: (connects)` `(connects in plain)` | under that name; whatever the port speaks |
//! | `alice: (half-closes)` `(closes)` `(resets)` | FIN, still reading; FIN, gone; RST |
//! | `server: TEXT` `server: (stops)` | typed at the console; SIGTERM |
//! | `alice> TEXT` | the next line, whole; `…` is any text, `{sha256 NAME}` the hash of a shared file; nothing is an escape here |
//! | `alice> nothing` | proved by an answer to a later command |
//! | `alice> (gets NAME as ID)` `… from OFFSET` | a whole transfer, its bytes and hash compared; lines between wait |
//! | `alice> (lines 9: t{n})` | nine lines |
//! | `alice> (notices)` | one `* …` or more, as `/help` answers |
//! | `alice> (closed)` `(gone)` | FIN; FIN or RST |
//!
//! At the end all who are left have nothing more to read; then the server is
//! stopped, each is told so and closed, and it ends in order.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use crate::support::{run_command, say, skipped};
use crate::users::{ChatServer, Download, Item, User, chat_in, fits, new_home, noise, sha256};

/// Where the dialogues are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chat/dialogues")
}

/// How all that is said in a dialogue travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As the dialogue has it.
    Plain,
    /// Each byte in a segment of its own.
    ByteByByte,
    /// Over TLS.
    Tls,
}

/// Runs the dialogue in the file of that name.
pub fn play_file(name: &str, way: Way) {
    let text = fs::read_to_string(folder().join(format!("{name}.txt"))).unwrap();
    play(&format!("tests/chat/dialogues/{name}.txt"), &text, way);
}

/// Runs a dialogue; a failure tells the line.
pub fn play(place: &str, text: &str, way: Way) {
    let lines = || (1..).zip(text.lines());
    let header_ends = lines().find(|(_, line)| line.is_empty()).map_or(0, |(number, _)| number);
    let header = Header::read(lines().take_while(|(number, _)| *number < header_ends).map(|(_, line)| line));
    if way != Way::Plain && header.plain_only {
        return;
    }
    if let Some(why) = header.not_on_windows.as_ref().filter(|_| cfg!(windows)) {
        return skipped(why);
    }
    let mut stage = header.stage(way);
    for (number, line) in lines().skip(header_ends).filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let step = catch_unwind(AssertUnwindSafe(|| stage.step(line)));
        if let Err(failure) = step {
            say(&format!("{place}:{number} ({way:?}): {line}"));
            resume_unwind(failure);
        }
    }
    stage.end();
}

#[derive(Default)]
struct Header {
    options: Vec<String>,
    files: Vec<(PathBuf, String)>,
    passwords: Vec<(String, String)>,
    plain_only: bool,
    not_on_windows: Option<String>,
}

impl Header {
    fn read<'a>(lines: impl Iterator<Item = &'a str>) -> Header {
        let mut header = Header::default();
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("in the header: {line}"));
            let pair = || value.split_once(" = ").unwrap_or_else(|| panic!("no ` = ` in: {line}"));
            match key {
                "options" => header.options.extend(value.split(' ').map(str::to_owned)),
                "shared" => header.files.push((path_of("shared", pair().0), pair().1.to_owned())),
                "outside" => header.files.push((path_of("", pair().0), pair().1.to_owned())),
                "user" => header.passwords.push((pair().0.to_owned(), pair().1.to_owned())),
                "plain only" => header.plain_only = true,
                "not on Windows" => header.not_on_windows = Some(value.to_owned()),
                _ => panic!("in the header: {line}"),
            }
        }
        header
    }

    fn stage(&self, way: Way) -> Stage {
        let home = new_home();
        for (path, content) in &self.files {
            plant(&home.path().join(path), content);
        }
        for (name, password) in &self.passwords {
            let added = run_command(chat_in(home.path(), &["adduser", "users", name]), password.as_bytes());
            added.succeeded();
        }
        let mut options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        if !self.passwords.is_empty() {
            options.extend(["--users", "users"]);
        }
        if way == Way::Tls && !options.contains(&"--tls") {
            options.push("--tls");
        }
        let over_tls = options.contains(&"--tls");
        let server = ChatServer::in_home(home, &options);
        Stage { server, is_stopping: false, users: BTreeMap::new(), over_tls, byte_by_byte: way == Way::ByteByByte }
    }
}

/// The name's escapes may stand for bytes that are not UTF-8.
fn path_of(folder: &str, name: &str) -> PathBuf {
    Path::new(folder).join(system::file_name(unescaped(name)))
}

#[cfg(unix)]
mod system {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    use std::path::Path;

    use crate::support::{command, run_command};

    pub fn file_name(bytes: Vec<u8>) -> OsString {
        OsString::from_vec(bytes)
    }

    pub fn link(target: &str, path: &Path) {
        std::os::unix::fs::symlink(target, path).unwrap();
    }

    pub fn fifo(path: &Path) {
        run_command(command("mkfifo", &[path.to_str().unwrap()]), b"").succeeded();
    }
}

/// Windows has FIFOs elsewhere, lets few users make links, and names that are
/// text only.
#[cfg(windows)]
mod system {
    use std::ffi::OsString;
    use std::path::Path;

    pub fn file_name(bytes: Vec<u8>) -> OsString {
        String::from_utf8_lossy(&bytes).into_owned().into()
    }

    pub fn link(_: &str, _: &Path) {
        panic!("the dialogue wants what is not on Windows")
    }

    pub fn fifo(_: &Path) {
        panic!("the dialogue wants what is not on Windows")
    }
}

fn plant(path: &Path, content: &str) {
    let words: Vec<&str> = content.trim_matches(['(', ')']).split(' ').collect();
    match (content.starts_with('('), &words[..]) {
        (true, [count, "bytes"]) => {
            let name = path.file_name().unwrap().to_str().unwrap();
            fs::write(path, noise(name, count.parse().unwrap())).unwrap();
        }
        (true, ["folder"]) => fs::create_dir(path).unwrap(),
        (true, ["link", "to", target]) => system::link(target, path),
        (true, ["fifo"]) => system::fifo(path),
        _ => fs::write(path, unescaped(content)).unwrap(),
    }
}

struct Stage {
    server: ChatServer,
    is_stopping: bool,
    users: BTreeMap<String, User>,
    over_tls: bool,
    byte_by_byte: bool,
}

impl Stage {
    fn step(&mut self, line: &str) {
        let at = line.find([':', '>']).unwrap_or_else(|| panic!("no step: {line}"));
        let (who, rest) = (&line[..at], &line[at + 1..]);
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        let (who, how) = who.split_once('/').unwrap_or((who, ""));
        match (&line[at..=at], who) {
            (":", "server") => self.console(rest),
            (":", _) => self.act(who, how, rest),
            (_, _) => self.expect(who, rest),
        }
    }

    fn console(&mut self, what: &str) {
        use std::io::Write;
        if what == "(stops)" {
            self.is_stopping = true;
            return self.server.server.running.signal("TERM");
        }
        let console = self.server.server.running.child.stdin.as_mut().unwrap();
        console.write_all(&[&unescaped(what)[..], b"\n"].concat()).unwrap();
    }

    fn connect(&mut self, who: &str) {
        let addr = self.server.addr();
        let mut user = if self.over_tls { User::connect_tls(addr) } else { User::connect(addr) };
        match user.next() {
            // Kept: the dialogue may want to show it.
            Item::Line(line) if line.starts_with("* netlab chat 1") => user.give_back(Item::Line(line)),
            other => user.give_back(other),
        }
        if self.byte_by_byte {
            // An empty line is nothing; but who has sent one is known to end lines.
            user.send(b"\n");
        }
        assert!(self.users.insert(who.to_owned(), user).is_none(), "{who} is connected already");
    }

    fn user(&mut self, who: &str) -> &mut User {
        if !self.users.contains_key(who) {
            self.connect(who);
        }
        self.users.get_mut(who).unwrap()
    }

    fn act(&mut self, who: &str, how: &str, what: &str) {
        match what {
            "(connects)" => self.connect(who),
            "(connects in plain)" => {
                let user = User::connect(self.server.addr());
                self.users.insert(who.to_owned(), user);
            }
            "(half-closes)" => self.user(who).half_close(),
            "(closes)" => drop(self.users.remove(who).unwrap()),
            "(resets)" => self.users.remove(who).unwrap().reset(),
            _ => self.send(who, how, what),
        }
    }

    fn send(&mut self, who: &str, how: &str, what: &str) {
        let above = self.server.home.path().to_str().unwrap().replace('\\', r"\\");
        let what = what.replace("{above}", &above);
        let bytes = unescaped(&expanded(&what));
        let byte_by_byte = self.byte_by_byte;
        let user = self.user(who);
        if byte_by_byte {
            let end = [("", "\n"), ("bytes", "\n"), ("crlf", "\r\n")].iter().find(|(name, _)| *name == how);
            let end = end.map_or("", |(_, end)| end).as_bytes();
            // To one who may close on the way.
            return drop(bytes.iter().chain(end).try_for_each(|byte| user.try_send(&[*byte])));
        }
        match how {
            "" => user.send(&[&bytes[..], b"\n"].concat()),
            "crlf" => user.send(&[&bytes[..], b"\r\n"].concat()),
            "raw" => user.send(&bytes),
            // As long as the server answers; it may close on the way.
            "flood" => drop(user.try_send(&bytes)),
            "bytes" => bytes.iter().chain(b"\n").for_each(|byte| user.send(&[*byte])),
            _ => panic!("how is /{how}?"),
        }
    }

    fn expect(&mut self, who: &str, what: &str) {
        let shared = self.server.shared();
        let user = self.user(who);
        if !what.starts_with("* netlab chat 1") {
            skip_welcome(user);
        }
        match what.strip_prefix('(').and_then(|what| what.strip_suffix(')')) {
            None if what == "nothing" => user.expect_nothing(),
            None => expect_line(user, &with_hash(what, &shared)),
            Some("closed") => user.expect_close(),
            Some("gone") => user.expect_gone(),
            Some("notices") => user.expect_notices(),
            Some(other) if other.starts_with("lines ") => {
                let lines = expanded(&format!("{{{other}}}"));
                lines.split("\\n").filter(|line| !line.is_empty()).for_each(|line| user.expect(line));
            }
            Some(other) => expect_download(
                user,
                &shared,
                other.strip_prefix("gets ").unwrap_or_else(|| panic!("no step: ({other})")),
            ),
        }
        if ["(closed)", "(gone)"].contains(&what) {
            self.users.remove(who);
        }
    }

    /// All that came was told of; each is told of the end.
    fn end(mut self) {
        for user in self.users.values_mut() {
            skip_welcome(user);
            if !self.is_stopping {
                user.expect_nothing();
            }
        }
        if !self.is_stopping {
            self.server.server.running.signal("TERM");
        }
        for user in self.users.values_mut() {
            user.expect("! server is going down: …");
            user.expect_close();
        }
        drop(self.users);
        let run = self.server.server.wait();
        assert_eq!(run.code(), 0, "{run:#?}");
    }
}

fn skip_welcome(user: &mut User) {
    user.skip_given_back(|item| matches!(item, Item::Line(line) if line.starts_with("* netlab chat 1")));
}

/// A chunk's line is followed by its bytes, which here are lines.
fn expect_line(user: &mut User, pattern: &str) {
    let Some(chunk) = pattern.strip_prefix("+ ") else { return user.expect(&expanded(pattern)) };
    let item = user.next();
    let Item::Chunk { id, bytes } = item else { panic!("expected {pattern}, got {item:?}") };
    assert_eq!(format!("{id} {}", bytes.len()), chunk);
    let text = String::from_utf8(bytes).unwrap();
    text.lines().rev().for_each(|line| user.give_back(Item::Line(line.to_owned())));
}

fn with_hash(pattern: &str, shared: &Path) -> String {
    let Some((before, rest)) = pattern.split_once("{sha256 ") else { return pattern.to_owned() };
    let (name, after) = rest.split_once('}').unwrap();
    format!("{before}{}{after}", sha256(&fs::read(shared.join(name)).unwrap()))
}

/// `NAME as ID`, `NAME as ID from OFFSET`.
fn expect_download(user: &mut User, shared: &Path, what: &str) {
    let (name, rest) = what.rsplit_once(" as ").unwrap();
    let (id, offset) = rest.split_once(" from ").unwrap_or((rest, "0"));
    let expected = fs::read(shared.join(name)).unwrap();
    let Download { id: got_id, size, name: got_name, bytes, hash } = user.download();
    assert_eq!((got_id, size, got_name.as_str()), (id.parse().unwrap(), expected.len() as u64, name));
    let offset: usize = offset.parse().unwrap();
    assert!(bytes == expected[offset..], "{} bytes, which are not those of {name} from {offset} on", bytes.len());
    assert_eq!(hash, sha256(&expected), "the hash of the whole file");
}

/// `{90*x}` and `{lines 9: text {n}}` written out; the lines end in `\n`.
fn expanded(text: &str) -> String {
    if let Some((before, rest)) = text.split_once("{lines ") {
        let (count, line) = rest.split_once(": ").unwrap();
        let line = line.strip_suffix('}').unwrap();
        let lines = (1..=count.parse::<u32>().unwrap()).map(|n| line.replace("{n}", &n.to_string()) + "\\n");
        return before.to_owned() + &lines.collect::<String>();
    }
    let mut whole = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let repeated = after.split_once('}').and_then(|(inner, after)| {
            let (count, what) = inner.split_once('*')?;
            Some((what.repeat(count.parse().ok()?), after))
        });
        whole += before;
        match repeated {
            Some((repeated, after)) => (whole, rest) = (whole + &repeated, after),
            None => (whole, rest) = (whole + "{", after),
        }
    }
    whole + rest
}

/// Bytes with `\n \r \t \\ \xHH \u{…}` taken for what they stand for.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let kind = escape.chars().next().unwrap_or_else(|| panic!("a lone backslash at the end of {text}"));
        rest = &escape[1..];
        match kind {
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            '\\' => bytes.push(b'\\'),
            'x' => {
                bytes.push(u8::from_str_radix(&rest[..2], 16).unwrap());
                rest = &rest[2..];
            }
            'u' => {
                let (code, after) = rest.strip_prefix('{').unwrap().split_once('}').unwrap();
                let character = char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap();
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = after;
            }
            other => panic!("no escape: \\{other}"),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

#[test]
fn a_pattern_fits_what_it_names_and_nothing_else() {
    assert!(fits("! …", "! no such user"));
    assert!(fits("* … bob …", "* you talk to bob now"));
    assert!(fits("<alice> hi", "<alice> hi"));
    assert!(!fits("<alice> hi", "<alice> hi there"));
    assert!(!fits("* … bob …", "* you talk to alice now"));
    assert!(!fits("a…a", "a"));
}

#[test]
fn what_is_written_short_is_sent_whole() {
    assert_eq!(expanded("<{3*ab}> {n}"), "<ababab> {n}");
    assert_eq!(expanded("{lines 2: line {n}}"), "line 1\\nline 2\\n");
    assert_eq!(unescaped(r"a\n\x1b[\u{202e}\\"), [b"a\n\x1b[", "\u{202e}".as_bytes(), b"\\"].concat());
}
