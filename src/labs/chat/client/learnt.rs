//! What the client has heard of, for Tab: who is here, which rooms and files
//! there are, which commands.

use std::collections::BTreeSet;

use super::super::protocol::Meaning;

/// The commands that everyone may give.
const COMMANDS: [&str; 13] = [
    "/all", "/files", "/get ", "/help", "/join ", "/login ", "/me ", "/msg ", "/quit", "/rooms", "/say ", "/to ",
    "/who",
];

/// Names kept of each kind: a server may announce any number.
const MOST: usize = 10_000;

/// Names heard of.
#[derive(Debug, Default)]
pub struct Learnt {
    people: BTreeSet<String>,
    rooms: BTreeSet<String>,
    files: BTreeSet<String>,
    /// Questions that Tab has put to the server.
    asked: BTreeSet<&'static str>,
}

/// What may stand where the cursor is.
#[derive(Debug, PartialEq, Eq)]
pub struct Candidates {
    /// Where the word begins, in bytes from the beginning of the line.
    pub from: usize,
    /// Whole words, sorted.
    pub words: Vec<String>,
}

impl Learnt {
    /// Learns from a server's line.
    pub fn learn(&mut self, meaning: &Meaning<'_>) {
        match meaning {
            Meaning::Said { from, .. } => self.add_person(from),
            Meaning::File { name, .. } | Meaning::Begin { name, .. } => add(&mut self.files, name),
            Meaning::Notice(text) => self.learn_notice(text),
            _ => {}
        }
    }

    /// `a, b have joined`, `a has left`, `2 in lobby: a, b`,
    /// `2 rooms: lobby (3), games (1)`, `a is now in games`.
    fn learn_notice(&mut self, text: &str) {
        let names = |list: &str| list.split(", ").map(str::to_owned).collect::<Vec<_>>();
        let ended = |ends: [&str; 2]| ends.iter().find_map(|end| text.strip_suffix(end)).map(names);
        if let Some(joined) = ended([" has joined", " have joined"]) {
            joined.iter().for_each(|name| self.add_person(name));
        } else if let Some(left) = ended([" has left", " have left"]) {
            self.people.retain(|name| !left.contains(name));
        } else if let Some((name, room)) = text.split_once(" is now in ") {
            self.add_person(name);
            add(&mut self.rooms, room);
        } else if let Some((about, list)) = text.split_once(": ") {
            match about.split(' ').collect::<Vec<_>>()[..] {
                [_, "in", room] => {
                    names(list).iter().for_each(|name| self.add_person(name));
                    add(&mut self.rooms, room);
                }
                [_, "rooms" | "room"] => {
                    names(list)
                        .iter()
                        .filter_map(|room| room.split(" (").next())
                        .for_each(|room| add(&mut self.rooms, room));
                }
                _ => {}
            }
        }
    }

    fn add_person(&mut self, name: &str) {
        if name != "server" {
            add(&mut self.people, name);
        }
    }

    /// What to ask the server where nothing is known that could stand at the
    /// end of `line`: each question once.
    pub fn question(&mut self, line: &str) -> Option<&'static str> {
        let question = match line.split_once(' ')?.0 {
            "/to" | "/msg" | "/kick" | "/mute" | "/unmute" => "/who",
            "/join" => "/rooms",
            "/get" => "/files",
            _ => return None,
        };
        self.asked.insert(question).then_some(question)
    }

    /// What may stand at the end of `line`, which ends at the cursor.
    pub fn candidates(&self, line: &str) -> Candidates {
        let starting = |from: usize, words: &mut dyn Iterator<Item = &str>| {
            let begun = line[from..].to_lowercase();
            let fit = words.filter(|word| word.to_lowercase().starts_with(&begun)).map(str::to_owned);
            Candidates { from, words: fit.collect() }
        };
        let names = |set: &BTreeSet<String>, from: usize, after: &str| {
            let with_end: Vec<String> = set.iter().map(|name| format!("{name}{after}")).collect();
            starting(from, &mut with_end.iter().map(String::as_str))
        };
        match line.split_once(' ') {
            None if line.starts_with('/') => starting(0, &mut COMMANDS.into_iter()),
            Some(("/to" | "/kick" | "/mute" | "/unmute", _)) => names(&self.people, after_space(line), ""),
            Some(("/msg", rest)) if !rest.contains(' ') => names(&self.people, after_space(line), " "),
            Some(("/join", _)) => names(&self.rooms, after_space(line), ""),
            // Names of files may have spaces.
            Some(("/get", _)) => names(&self.files, "/get ".len(), ""),
            // At the beginning of a line one speaks to somebody.
            None => names(&self.people, 0, ": "),
            Some(_) => names(&self.people, after_space(line), " "),
        }
    }
}

fn after_space(line: &str) -> usize {
    line.rfind(' ').map_or(0, |at| at + 1)
}

fn add(set: &mut BTreeSet<String>, name: &str) {
    // One that would be shown in escapes cannot be typed either.
    if set.len() < MOST && !name.is_empty() && crate::framing::visible(name.as_bytes()) == name {
        set.insert(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(lines: &[&str]) -> Learnt {
        let mut learnt = Learnt::default();
        for line in lines {
            let line = super::super::super::protocol::Line { bytes: line.as_bytes().to_vec(), cut: false };
            learnt.learn(&line.meaning());
        }
        learnt
    }

    #[test]
    fn names_come_from_joins_lists_and_talk_and_go_with_those_who_leave() {
        let learnt = learnt(&[
            "* alice has joined",
            "* bob, carol have joined",
            "* 2 in lobby: alice, dave",
            "<erin> hi",
            "<server> hello",
            "* bob has left",
            "* 2 rooms: lobby (3), games (1)",
            "* alice is now in chess",
            "= 12 a b.txt",
        ]);
        assert_eq!(learnt.people.iter().collect::<Vec<_>>(), ["alice", "carol", "dave", "erin"]);
        assert_eq!(learnt.rooms.iter().collect::<Vec<_>>(), ["chess", "games", "lobby"]);
        assert_eq!(learnt.files.iter().collect::<Vec<_>>(), ["a b.txt"]);
    }

    #[test]
    fn tab_completes_what_fits_where_the_cursor_is() {
        let learnt =
            learnt(&["* alice, Albert, bob have joined", "= 1 a b.txt", "= 1 a c.txt", "* 1 rooms: lobby (3)"]);
        let table: [(&str, usize, &[&str]); 9] = [
            ("/m", 0, &["/me ", "/msg "]),
            ("/to al", 4, &["Albert", "alice"]),
            ("/msg b", 5, &["bob "]),
            ("/msg bob a", 9, &["Albert ", "alice "]),
            ("/get a ", 5, &["a b.txt", "a c.txt"]),
            ("/join ", 6, &["lobby"]),
            ("bo", 0, &["bob: "]),
            ("hi bo", 3, &["bob "]),
            ("/xyz", 0, &[]),
        ];
        for (line, from, words) in table {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(learnt.candidates(line), Candidates { from, words }, "{line:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_asked_for_once() {
        let mut learnt = Learnt::default();
        assert_eq!(learnt.question("/get b"), Some("/files"));
        assert_eq!(learnt.question("/get b"), None);
        assert_eq!(learnt.question("/to al"), Some("/who"));
        assert_eq!(learnt.question("hello"), None);
    }

    #[test]
    fn a_server_cannot_fill_the_memory_nor_the_line() {
        let mut learnt = Learnt::default();
        for number in 0..2 * MOST {
            learnt.learn(&Meaning::File { size: 0, name: &number.to_string() });
        }
        assert_eq!(learnt.files.len(), MOST);
        let mut learnt = Learnt::default();
        learnt.learn(&Meaning::File { size: 0, name: "\x1b[2J" });
        assert!(learnt.files.is_empty());
    }
}
