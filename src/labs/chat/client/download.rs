//! Downloads: what `/get` asks for becomes a file, or nothing does.
//!
//! ```text
//! /get song.ogg            nothing of it is here:    alice/song.ogg.part grows
//! (interrupted)                                      and stays
//! /get "song.ogg" 45056    so much of it is here:    it goes on from there
//! . 1 5ac1...              size and SHA-256 fit:     alice/song.ogg
//! ```
//!
//! The hash is always the whole file's. Where it does not fit a file that was
//! put together, the first part was of another file: it is thrown away, and
//! all is fetched once more.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;

use super::file_name;
use super::part::{Part, Spoiled};
use crate::error::{Attempt, Error};
use crate::framing::quoted;
use crate::report::Event;

/// Transfers that a server makes for a client at once.
const MOST_AT_ONCE: usize = 4;

/// Requests remembered after an answer that may have been another's.
const MOST_REMEMBERED: usize = 16;

/// What a step of a download leads to.
#[derive(Debug)]
pub enum Effect {
    /// This line is to be sent.
    Send(String),
    /// This is to be told.
    Tell(Event),
    /// So is this, which went wrong.
    Wrong(Error),
}

/// All downloads of a client.
pub struct Downloads {
    dir: PathBuf,
    /// Asked for, and not answered.
    asked: VecDeque<Asked>,
    /// Answered with an error that may have been another command's.
    refused: VecDeque<Asked>,
    running: HashMap<u64, Running>,
    /// To be asked for when others are done.
    held: VecDeque<String>,
    /// How many came to nothing.
    failed: u64,
}

#[derive(Clone, Debug)]
struct Asked {
    name: String,
    offset: u64,
    /// `year 1999` may also be the file `year` from byte 1999 on.
    otherwise: Option<(String, u64)>,
    /// It went wrong once already.
    again: bool,
}

struct Running {
    part: Part,
    again: bool,
}

impl Downloads {
    /// Downloads into `dir`, which is made when there is something to put in.
    pub fn into_dir(dir: PathBuf) -> Downloads {
        Downloads {
            dir,
            asked: VecDeque::new(),
            refused: VecDeque::new(),
            running: HashMap::new(),
            held: VecDeque::new(),
            failed: 0,
        }
    }

    /// Whether a file is on its way.
    pub fn is_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// Whether the server has not said yet whether there is such a file.
    pub fn is_unanswered(&self) -> bool {
        !self.asked.is_empty() || !self.held.is_empty()
    }

    /// How many came to nothing.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Every file on its way: its name, how much of it is here, its size.
    pub fn progress(&self) -> impl Iterator<Item = &Part> {
        self.running.values().map(|running| &running.part)
    }

    /// The user typed `/get`, and this after it.
    pub fn ask(&mut self, rest: &str) -> Vec<Effect> {
        if self.asked.len() + self.running.len() >= MOST_AT_ONCE {
            self.held.push_back(rest.to_owned());
            return vec![];
        }
        let (name, offset) = reading(rest);
        if self.asked.iter().any(|asked| asked.name == name) || self.progress().any(|part| part.name() == name) {
            let error = Error::other(Attempt::Download, quoted(name.as_bytes(), 80), "it is on its way already");
            return vec![Effect::Wrong(error.because("it was asked for before").next("wait for it"))];
        }
        let here = file_name::check(&name).map_or(0, |()| Part::length(&self.dir, &name));
        let from = match offset {
            Some(offset) if offset > here => {
                self.failed += 1;
                let why = format!("only {here} bytes of it are here, so the bytes up to {offset} would be missing");
                let error = Error::other(Attempt::Download, quoted(name.as_bytes(), 80), "it would have a hole");
                return vec![Effect::Wrong(error.because(why).next(format!("/get {name}")))];
            }
            Some(offset) => offset,
            None => here,
        };
        let otherwise = name.rsplit_once(' ').and_then(|(name, number)| Some((name.to_owned(), number.parse().ok()?)));
        let line = if from > 0 || offset.is_some() { ask_from(&name, from) } else { format!("/get {rest}") };
        self.asked.push_back(Asked { name, offset: from, otherwise, again: false });
        vec![Effect::Send(line)]
    }

    /// `# ID SIZE NAME`
    pub fn begin(&mut self, id: u64, size: u64, name: &str) -> Vec<Effect> {
        let fits = |asked: &Asked| asked.reads_as(name).is_some();
        let asked = match self.asked.iter().position(fits) {
            Some(at) => self.asked.remove(at),
            None => self.recall(fits),
        };
        let Some((asked, offset)) = asked.and_then(|asked| asked.reads_as(name).map(|offset| (asked, offset))) else {
            // Most likely the answer to the oldest request, and a wrong one.
            self.asked.pop_front();
            return self.wrong(unasked(name));
        };
        if self.running.contains_key(&id) || self.progress().any(|part| part.name() == name) {
            return self.wrong(unasked(name));
        }
        let part = file_name::check(name).map_err(|why| refused(name, why));
        match part.and_then(|()| Part::open(&self.dir, name, size, offset)) {
            Ok(part) => {
                let event = part.progress();
                self.running.insert(id, Running { part, again: asked.again });
                vec![Effect::Tell(event)]
            }
            Err(error) => self.wrong(error),
        }
    }

    /// A request whose answer seemed to be an error that was another one's: of
    /// the next request, or of some other command.
    fn recall(&mut self, fits: impl Fn(&Asked) -> bool) -> Option<Asked> {
        let asked = self.refused.iter().position(fits).and_then(|at| self.refused.remove(at))?;
        match self.asked.pop_front() {
            Some(next) => self.refused.push_back(next),
            None => self.failed = self.failed.saturating_sub(1),
        }
        Some(asked)
    }

    /// Bytes of a transfer. Those of one that is not ours to keep are dropped.
    pub fn bytes(&mut self, id: u64, bytes: &[u8]) -> Vec<Effect> {
        let Some(running) = self.running.get_mut(&id) else { return vec![] };
        match running.part.add(bytes) {
            Ok(progress) => progress.into_iter().map(Effect::Tell).collect(),
            Err(error) => {
                self.running.remove(&id);
                let mut effects = self.wrong(error);
                effects.extend(self.next_held());
                effects
            }
        }
    }

    /// `. ID SHA256-HEX`
    pub fn end(&mut self, id: u64, sha256: [u8; 32]) -> Vec<Effect> {
        let Some(Running { part, again }) = self.running.remove(&id) else { return vec![] };
        let (name, resumed) = (part.name().to_owned(), part.is_resumed());
        let mut effects = vec![Effect::Tell(part.progress())];
        match part.save(sha256) {
            Ok(event) => effects.push(Effect::Tell(event)),
            Err(Spoiled::Bytes(_)) if resumed && !again => {
                let text =
                    format!("what was here of {} is of another file; it is fetched anew", quoted(name.as_bytes(), 80));
                effects.push(Effect::Tell(Event::Notice { text }));
                effects.push(self.ask_again(name));
            }
            Err(Spoiled::Bytes(error) | Spoiled::Disk(error)) => effects.extend(self.wrong(error)),
        }
        effects.extend(self.next_held());
        effects
    }

    /// `! ID REASON`. Whether it was about a transfer at all.
    pub fn fail(&mut self, id: u64, reason: &str) -> Option<Vec<Effect>> {
        let Running { part, .. } = self.running.remove(&id)?;
        let error = Error::other(Attempt::Download, part.path_text(), framed(reason))
            .because("the server could not send all of it")
            .next(format!("/get {}", part.name()));
        part.keep();
        let mut effects = self.wrong(error);
        effects.extend(self.next_held());
        Some(effects)
    }

    /// `! TEXT`, which may be the answer to a request: to the one it names, or
    /// to the oldest.
    pub fn refuse(&mut self, text: &str) -> Vec<Effect> {
        let named = self.asked.iter().position(|asked| text.contains(&asked.name));
        let Some(asked) = self.asked.remove(named.unwrap_or(0)) else { return vec![] };
        if asked.offset > 0 && !asked.again {
            return vec![self.ask_again(asked.name)];
        }
        self.failed += 1;
        self.refused.push_back(asked);
        if self.refused.len() > MOST_REMEMBERED {
            self.refused.pop_front();
        }
        self.next_held()
    }

    /// No answer came in time to what was asked for.
    pub fn give_up_asking(&mut self) -> Vec<Effect> {
        let mut asked: Vec<String> = self.asked.drain(..).map(|asked| asked.name).collect();
        asked.extend(self.held.drain(..));
        let wrong = |name: String| {
            let error = Error::other(Attempt::Download, quoted(name.as_bytes(), 80), "the server did not answer");
            error.because("neither a file nor an error came").next("/files, which lists what there is")
        };
        asked.into_iter().flat_map(|name| self.wrong(wrong(name))).collect()
    }

    /// The connection is at its end: what is here of the files stays.
    pub fn interrupt(&mut self) -> Vec<Event> {
        self.failed += (self.asked.len() + self.held.len() + self.running.len()) as u64;
        let running = std::mem::take(&mut self.running);
        running.into_values().filter_map(|running| running.part.keep()).collect()
    }

    fn ask_again(&mut self, name: String) -> Effect {
        let line = ask_from(&name, 0);
        self.asked.push_back(Asked { name, offset: 0, otherwise: None, again: true });
        Effect::Send(line)
    }

    fn next_held(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        while self.asked.len() + self.running.len() < MOST_AT_ONCE
            && let Some(rest) = self.held.pop_front()
        {
            effects.extend(self.ask(&rest));
        }
        effects
    }

    fn wrong(&mut self, error: Error) -> Vec<Effect> {
        self.failed += 1;
        vec![Effect::Wrong(error)]
    }
}

impl Asked {
    /// The offset it was asked from, if a file of this name answers it.
    fn reads_as(&self, name: &str) -> Option<u64> {
        match &self.otherwise {
            _ if self.name == name => Some(self.offset),
            Some((other, offset)) if other == name => Some(*offset),
            _ => None,
        }
    }
}

fn ask_from(name: &str, offset: u64) -> String {
    format!("/get \"{name}\" {offset}")
}

/// `song.ogg`; `"song.ogg" 45056`.
fn reading(rest: &str) -> (String, Option<u64>) {
    let quoted = rest.trim().strip_prefix('"').and_then(|inner| inner.rsplit_once('"'));
    match quoted.map(|(name, after)| (name, after.trim())) {
        Some((name, "")) => (name.to_owned(), None),
        Some((name, number)) if let Ok(offset) = number.parse() => (name.to_owned(), Some(offset)),
        _ => (rest.trim().to_owned(), None),
    }
}

fn framed(reason: &str) -> String {
    crate::framing::visible(reason.as_bytes())
}

fn unasked(name: &str) -> Error {
    Error::other(Attempt::Download, quoted(name.as_bytes(), 80), "nobody asked for it")
        .because("a server sends the files that were asked for, under their own names; this one is dropped")
        .next("/files, which lists what there is")
}

fn refused(name: &str, why: &str) -> Error {
    Error::other(Attempt::Download, quoted(name.as_bytes(), 80), "no file may have this name here")
        .because(format!("{why}; what a server sends stays in the folder for it"))
        .next("ask for it under another name at the server")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    fn downloads() -> (tempfile::TempDir, Downloads) {
        let dir = tempfile::tempdir().unwrap();
        let downloads = Downloads::into_dir(dir.path().join("alice"));
        (dir, downloads)
    }

    /// The lines that are to be sent.
    fn sent(effects: Vec<Effect>) -> Vec<String> {
        let line = |effect| if let Effect::Send(line) = effect { Some(line) } else { None };
        effects.into_iter().filter_map(line).collect()
    }

    fn receive(downloads: &mut Downloads, id: u64, name: &str, bytes: &[u8]) {
        downloads.begin(id, bytes.len() as u64, name);
        downloads.bytes(id, bytes);
        downloads.end(id, Sha256::digest(bytes).into());
    }

    #[test]
    fn what_follows_get_is_a_name_or_a_name_in_quotes_and_an_offset() {
        let table = [
            ("song.ogg", ("song.ogg", None)),
            ("year 1999", ("year 1999", None)),
            ("\"year 1999\"", ("year 1999", None)),
            ("\"year 1999\" 7", ("year 1999", Some(7))),
            ("\"a \"b\" c\" 7", ("a \"b\" c", Some(7))),
            ("\"a\" b", ("\"a\" b", None)),
            (" a ", ("a", None)),
        ];
        for (rest, (name, offset)) in table {
            assert_eq!(reading(rest), (name.to_owned(), offset), "{rest:?}");
        }
    }

    #[test]
    fn an_offset_beyond_what_is_here_would_leave_a_hole() {
        let (_dir, mut downloads) = downloads();
        assert!(matches!(downloads.ask("\"a\" 7")[..], [Effect::Wrong(_)]));
        assert_eq!(sent(downloads.ask("\"a\" 0")), ["/get \"a\" 0"]);
    }

    #[test]
    fn a_last_number_may_be_an_offset_if_the_server_says_so() {
        let (dir, mut downloads) = downloads();
        assert_eq!(sent(downloads.ask("year 3")), ["/get year 3"]);
        assert!(matches!(downloads.begin(1, 5, "year")[..], [Effect::Wrong(_)]), "nothing of it is here");
        std::fs::create_dir_all(dir.path().join("alice")).unwrap();
        std::fs::write(dir.path().join("alice/year.part"), "hello").unwrap();
        downloads.ask("year 3");
        downloads.begin(2, 5, "year");
        downloads.bytes(2, b"lo");
        downloads.end(2, Sha256::digest("hello").into());
        assert_eq!(std::fs::read(dir.path().join("alice/year")).unwrap(), b"hello");
    }

    #[test]
    fn an_error_that_answered_another_request_costs_no_file() {
        let (dir, mut downloads) = downloads();
        downloads.ask("one");
        downloads.ask("nosuch");
        downloads.refuse("there is no such file");
        receive(&mut downloads, 1, "one", b"1");
        assert!(!downloads.is_running() && !downloads.is_unanswered(), "the error was the other one's");
        assert_eq!(downloads.failed(), 1);
        assert!(dir.path().join("alice/one").exists());
        downloads.ask("two");
        downloads.refuse("nobody here is called bob");
        receive(&mut downloads, 2, "two", b"2");
        assert_eq!(downloads.failed(), 1);
    }

    #[test]
    fn the_same_file_is_not_asked_for_twice_at_once() {
        let (_dir, mut downloads) = downloads();
        downloads.ask("a");
        assert!(matches!(downloads.ask("a")[..], [Effect::Wrong(_)]));
        downloads.begin(1, 5, "a");
        assert!(matches!(downloads.ask("a")[..], [Effect::Wrong(_)]));
    }

    #[test]
    fn a_server_cannot_begin_more_than_was_asked_for() {
        let (dir, mut downloads) = downloads();
        for id in 0..1000 {
            assert!(matches!(downloads.begin(id, 5, "a")[..], [Effect::Wrong(_)]));
            assert!(downloads.bytes(id, b"hello").is_empty());
        }
        assert!(!downloads.is_running() && !downloads.is_unanswered() && !dir.path().join("alice").exists());
    }
}
