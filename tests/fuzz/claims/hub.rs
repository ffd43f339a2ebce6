//! The chat hub beside a model of who must have heard what: the plainest there
//! can be, a list of lines for each client, with none of the hub's bundles,
//! drafts and deliveries.
//!
//! Comings and goings are told together with what comes next, so the two are
//! compared apart: what was said must be the same in the same order, and so
//! must the comings and goings, but for the last ones of who has gone.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Instant;

use netlab::framing::visible;
use netlab::labs::chat::command::HELP;
use netlab::labs::chat::hub::{CONSOLE, Hub, Next, Rules};
use netlab::report::Reason;
use netlab::serve::post::{Letter, Post};

use super::choices::Choices;
use super::framing::is_harmless;

const NAMES: [&str; 12] = ["alice", "bob", "1", "op", "Alice", "al1ce", "SERVER", "", "a b", "<x>", "22", "nobody"];
const ROOMS: [&str; 7] = ["lobby", "red", "RED", "#blue", "server", "", "2"];
const OPERATOR: &str = "op";
const MOST_CLIENTS: usize = 7;

/// Enough for everyone to come, speak and go several times.
const MOST_STEPS: usize = 150;

/// What one client is to hear.
#[derive(Clone, Debug, PartialEq)]
enum Line {
    Exactly(String),
    /// A notice, in whatever words.
    Notice,
    /// An error, in whatever words.
    Error,
}

#[derive(Default)]
struct Client {
    name: Option<String>,
    room: String,
    /// By number, and the name it had.
    speaks_to: Option<(u64, String)>,
    is_muted: bool,
}

/// What a client has heard, or is to hear.
struct Heard<T> {
    said: Vec<T>,
    news: Vec<String>,
}

impl<T> Default for Heard<T> {
    fn default() -> Heard<T> {
        Heard { said: Vec::new(), news: Vec::new() }
    }
}

#[derive(Default)]
struct Model {
    clients: BTreeMap<u64, Client>,
    heard: BTreeMap<u64, Heard<Line>>,
    muted: Vec<String>,
    rooms: BTreeMap<String, String>,
}

impl Model {
    fn tell(&mut self, number: u64, line: Line) {
        if self.clients.contains_key(&number) {
            self.heard.entry(number).or_default().said.push(line);
        }
    }

    fn tell_exactly(&mut self, number: u64, line: &str) {
        self.tell(number, Line::Exactly(line.to_owned()));
    }

    /// All who are connected, named or not.
    fn news(&mut self, line: &str) {
        for number in self.clients.keys() {
            self.heard.entry(*number).or_default().news.push(line.to_owned());
        }
    }

    fn in_room(&self, room: &str) -> Vec<u64> {
        let inside = self.clients.iter().filter(|(_, client)| client.name.is_some() && client.room == room);
        inside.map(|(number, _)| *number).collect()
    }

    fn named(&self) -> Vec<u64> {
        self.clients.iter().filter(|(_, client)| client.name.is_some()).map(|(number, _)| *number).collect()
    }

    /// Who goes by this name, or one that looks like it.
    fn find(&self, name: &str) -> Option<u64> {
        self.clients.iter().find(|(_, it)| it.name.as_deref().is_some_and(|own| alike(own, name))).map(|(n, _)| *n)
    }

    fn name(&self, number: u64) -> String {
        self.clients.get(&number).and_then(|client| client.name.clone()).unwrap_or("server".to_owned())
    }

    fn left(&mut self, number: u64) {
        let Some(client) = self.clients.remove(&number) else { return };
        if let Some(name) = client.name {
            self.news(&format!("* {name} has left"));
        }
        self.forget_empty_rooms();
    }

    fn forget_empty_rooms(&mut self) {
        let rooms: Vec<String> = self.clients.values().map(|client| client.room.clone()).collect();
        self.rooms.retain(|room, _| room == "lobby" || rooms.contains(room));
    }
}

/// What those of the names above have in common that look alike: AL1CE is ALICE.
fn key(name: &str) -> String {
    name.to_lowercase().replace('1', "i")
}

fn alike(one: &str, other: &str) -> bool {
    key(one) == key(other)
}

fn may_be_taken(name: &str) -> bool {
    !["", "a b", "<x>", "SERVER", "server"].contains(&name)
}

/// The hub, the model, and what the hub's clients have heard.
struct Stage {
    hub: Hub,
    model: Model,
    next: u64,
    heard: BTreeMap<u64, Heard<String>>,
    closed: Vec<u64>,
    seen: BTreeMap<u64, Vec<String>>,
}

pub fn everyone_hears_what_the_model_says(bytes: &[u8]) {
    let rules = Rules { operators: vec![OPERATOR.parse().unwrap()], ..Rules::default() };
    let model = Model { rooms: BTreeMap::from([("lobby".into(), "lobby".into())]), ..Model::default() };
    let (heard, closed, seen) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
    let mut stage = Stage { hub: Hub::new(rules), model, next: 1, heard, closed, seen };
    let mut choices = Choices::of(bytes);
    let mut steps = 0;
    while !choices.is_over() && steps < MOST_STEPS {
        stage.step(&mut choices);
        steps += 1;
        // More comings and goings than a hundred at once are told in other words.
        if steps % 50 == 0 {
            stage.deliver();
        }
    }
    stage.deliver();
    stage.compare();
}

impl Stage {
    fn step(&mut self, choices: &mut Choices<'_>) {
        let Some(number) = self.somebody(choices) else { return self.connect() };
        match choices.below(24) {
            0 => self.connect(),
            1 => self.deliver(),
            2 => {
                self.hub.left(number, Reason::Reset);
                self.model.left(number);
            }
            3..=6 => self.take_name(number, choices.one::<&str>(&NAMES)),
            7 | 8 => self.say_by_mode(number, choices),
            9 => self.say(number, choices),
            10 => self.message(number, choices),
            11 => self.speak_to(number, choices.one::<&str>(&NAMES)),
            12 => self.ask(number, "/all"),
            13 => self.ask(number, ["/who", "/rooms", "/help"][choices.below(3)]),
            14 | 15 => self.change_room(number, choices.one::<&str>(&ROOMS)),
            16 => self.files(number, choices),
            17 => self.kick(number, choices.one::<&str>(&NAMES)),
            18 => self.mute(number, choices.one::<&str>(&NAMES), choices.below(2) == 0),
            19 => self.quit(number, choices),
            20 => self.console(choices),
            21 => self.mistake(number, choices),
            _ => self.say_by_mode(number, choices),
        }
    }

    fn somebody(&self, choices: &mut Choices<'_>) -> Option<u64> {
        let here: Vec<u64> = self.model.clients.keys().copied().collect();
        here.get(choices.below(MOST_CLIENTS)).copied()
    }

    fn connect(&mut self) {
        if self.model.clients.len() >= MOST_CLIENTS {
            return;
        }
        let number = self.next;
        self.next += 1;
        assert!(self.hub.connected(number, SocketAddr::from(([127, 0, 0, 1], 5))));
        self.model.clients.insert(number, Client::default());
        self.model.tell(number, Line::Notice);
    }

    /// One line to the hub, from one who need not wait for an answer.
    fn line(&mut self, number: u64, line: &str) {
        assert_eq!(self.hub.line(number, line.as_bytes()), Next::Go, "{line:?}");
    }

    /// Whether it has a name; else the hub says that it needs one.
    fn is_known(&mut self, number: u64) -> bool {
        let known = number == CONSOLE || self.model.clients[&number].name.is_some();
        if !known {
            self.model.tell(number, Line::Error);
        }
        known
    }

    fn take_name(&mut self, number: u64, name: &str) {
        self.line(number, &format!("/name {name}"));
        let is_free = self.model.find(name).is_none() && may_be_taken(name);
        let client = self.model.clients.get_mut(&number).unwrap();
        if client.name.is_some() || !is_free {
            return self.model.tell(number, Line::Error);
        }
        client.name = Some(name.to_owned());
        client.room = "lobby".to_owned();
        client.is_muted = self.model.muted.contains(&key(name));
        self.model.news(&format!("* {name} has joined"));
    }

    /// Something to say that is no command: of all kinds of characters.
    fn words(choices: &mut Choices<'_>) -> String {
        let letters = ["x", " ", "> ", "* ", "! 1 ", "\u{1b}", "é", "\u{202e}", "/", "has joined"];
        let count = 1 + choices.below(4);
        let words: String = (0..count).map(|_| *choices.one(&letters)).collect();
        format!("w{words}")
    }

    fn say_by_mode(&mut self, number: u64, choices: &mut Choices<'_>) {
        let words = Stage::words(choices);
        let is_me = choices.below(4) == 0;
        self.line(number, &if is_me { format!("/me {words}") } else { words.clone() });
        if !self.is_known(number) {
            return;
        }
        let text = if is_me { format!("* {}", visible(words.as_bytes())) } else { visible(words.as_bytes()) };
        match self.model.clients[&number].speaks_to.clone() {
            None => self.hears_room(number, &text),
            Some((to, name)) => self.hears_one(number, to, &name, &text),
        }
    }

    fn say(&mut self, number: u64, choices: &mut Choices<'_>) {
        let words = Stage::words(choices);
        self.line(number, &format!("/say {words}"));
        if self.is_known(number) {
            self.hears_room(number, &visible(words.as_bytes()));
        }
    }

    fn hears_room(&mut self, number: u64, text: &str) {
        let Client { is_muted, room, .. } = &self.model.clients[&number];
        if *is_muted {
            return self.model.tell(number, Line::Error);
        }
        let line = format!("<{}> {text}", self.model.name(number));
        for other in self.model.in_room(room) {
            if other != number {
                self.model.tell_exactly(other, &line);
            }
        }
    }

    fn hears_one(&mut self, number: u64, to: u64, name: &str, text: &str) {
        let is_gone = to != CONSOLE && !self.model.clients.contains_key(&to);
        if is_gone || self.model.clients[&number].is_muted {
            return self.model.tell(number, Line::Error);
        }
        let line = format!("<{} -> {name}> {text}", self.model.name(number));
        self.model.tell_exactly(to, &line);
        if to != number {
            self.model.tell_exactly(number, &line);
        }
    }

    /// Whom a name means; whoever used it is told if nobody.
    fn meant(&mut self, number: u64, name: &str) -> Option<(u64, String)> {
        if name.eq_ignore_ascii_case("server") {
            return Some((CONSOLE, "server".to_owned()));
        }
        let found = self.model.find(name).filter(|_| may_be_taken(name));
        if found.is_none() {
            self.model.tell(number, Line::Error);
        }
        found.map(|found| (found, self.model.name(found)))
    }

    fn message(&mut self, number: u64, choices: &mut Choices<'_>) {
        let name = *choices.one(&["alice", "bob", "1", "SERVER", "nobody", "ALICE"]);
        let words = Stage::words(choices);
        self.line(number, &format!("/msg {name} {words}"));
        if self.is_known(number)
            && let Some((to, name)) = self.meant(number, name)
        {
            self.hears_one(number, to, &name, &visible(words.as_bytes()));
        }
    }

    fn speak_to(&mut self, number: u64, name: &str) {
        self.line(number, &format!("/to {name}"));
        if !self.is_known(number) {
            return;
        }
        if name.is_empty() || name.contains(' ') {
            return self.model.tell(number, Line::Error);
        }
        if let Some(whom) = self.meant(number, name) {
            self.model.tell(number, Line::Notice);
            self.model.clients.get_mut(&number).unwrap().speaks_to = Some(whom);
        }
    }

    fn ask(&mut self, number: u64, command: &str) {
        self.line(number, command);
        if !self.is_known(number) {
            return;
        }
        match command {
            "/all" => {
                self.model.clients.get_mut(&number).unwrap().speaks_to = None;
                self.model.tell(number, Line::Notice);
            }
            "/help" => HELP.iter().for_each(|_| self.model.tell(number, Line::Notice)),
            "/who" => {
                let room = self.model.clients[&number].room.clone();
                let mut names: Vec<String> =
                    self.model.in_room(&room).into_iter().map(|one| self.model.name(one)).collect();
                names.sort_unstable();
                let title = &self.model.rooms[&room];
                let line = format!("* {} in {title}: {}", names.len(), names.join(", "));
                self.model.tell_exactly(number, &line);
            }
            _ => self.model.tell(number, Line::Notice),
        }
    }

    fn change_room(&mut self, number: u64, room: &str) {
        self.line(number, &format!("/join {room}"));
        if !self.is_known(number) {
            return;
        }
        let title = room.trim_start_matches('#');
        if !may_be_taken(title) {
            return self.model.tell(number, Line::Error);
        }
        let (old, new) = (self.model.clients[&number].room.clone(), key(title));
        if old == new {
            return self.model.tell(number, Line::Notice);
        }
        let title = self.model.rooms.entry(new.clone()).or_insert(title.to_owned()).clone();
        let line = format!("* {} is now in {title}", self.model.name(number));
        for one in self.model.in_room(&old).into_iter().chain(self.model.in_room(&new)) {
            self.model.tell_exactly(one, &line);
        }
        self.model.clients.get_mut(&number).unwrap().room = new;
        self.model.forget_empty_rooms();
    }

    /// A list or a download: the hub waits for an answer, and meanwhile others go on.
    fn files(&mut self, number: u64, choices: &mut Choices<'_>) {
        let is_list = choices.below(2) == 0;
        let next = self.hub.line(number, if is_list { b"/files" } else { b"/get 1 2" });
        if !self.is_known(number) {
            return assert_eq!(next, Next::Go);
        }
        assert!(matches!(next, Next::Wait(_)));
        let is_there = choices.below(3) > 0;
        match (is_list, is_there) {
            (true, true) => {
                self.hub.listed(number, Ok(vec![("1 has left".to_owned(), 7)]));
                self.model.tell(number, Line::Notice);
                self.model.tell_exactly(number, "= 7 1 has left");
            }
            (true, false) => {
                self.hub.listed(number, Err("the shared files cannot be read".to_owned()));
                self.model.tell(number, Line::Error);
            }
            _ => {
                assert!(self.hub.opened(number, Err("there is no such file".to_owned())).is_none());
                self.model.tell(number, Line::Error);
            }
        }
    }

    fn is_operator(&mut self, number: u64) -> bool {
        let may = self.model.name(number) == OPERATOR;
        if !may {
            self.model.tell(number, Line::Error);
        }
        may
    }

    fn kick(&mut self, number: u64, name: &str) {
        self.line(number, &format!("/kick {name}"));
        let name = name.split(' ').next().unwrap();
        if !self.is_known(number) {
            return;
        }
        if name.is_empty() {
            return self.model.tell(number, Line::Error);
        }
        if !self.is_operator(number) {
            return;
        }
        let Some((whom, name)) = self.meant(number, name) else { return };
        if whom == CONSOLE {
            return self.model.tell(number, Line::Error);
        }
        self.model.tell(whom, Line::Error);
        self.model.left(whom);
        for one in self.model.named() {
            self.model.tell(one, Line::Notice);
        }
        let _ = name;
    }

    fn mute(&mut self, number: u64, name: &str, is_muted: bool) {
        self.line(number, &format!("/{} {name}", if is_muted { "mute" } else { "unmute" }));
        if !self.is_known(number) {
            return;
        }
        if name.is_empty() || name.contains(' ') {
            return self.model.tell(number, Line::Error);
        }
        if !self.is_operator(number) {
            return;
        }
        let Some((whom, name)) = self.meant(number, name) else { return };
        if whom == CONSOLE {
            return self.model.tell(number, Line::Error);
        }
        self.model.muted.retain(|one| *one != key(&name));
        if is_muted {
            self.model.muted.push(key(&name));
        }
        self.model.clients.get_mut(&whom).unwrap().is_muted = is_muted;
        for one in self.model.named() {
            self.model.tell(one, Line::Notice);
        }
    }

    fn quit(&mut self, number: u64, choices: &mut Choices<'_>) {
        let words = if choices.below(2) == 0 { String::new() } else { Stage::words(choices) };
        let next = self.hub.line(number, format!("/quit {words}").as_bytes());
        if !self.is_known(number) {
            return assert_eq!(next, Next::Go);
        }
        assert_eq!(next, Next::Leave);
        if !words.is_empty() {
            self.hears_room(number, &visible(words.as_bytes()));
        }
        self.model.tell_exactly(number, "* goodbye");
        self.model.left(number);
    }

    /// The operator at the server's own terminal speaks to everyone with a name.
    fn console(&mut self, choices: &mut Choices<'_>) {
        let words = Stage::words(choices);
        self.line(CONSOLE, &words);
        for one in self.model.named() {
            self.model.tell_exactly(one, &format!("<server> {}", visible(words.as_bytes())));
        }
        self.hub.take_console().iter().for_each(|line| is_harmless(line));
    }

    fn mistake(&mut self, number: u64, choices: &mut Choices<'_>) {
        let count = choices.below(30);
        let mut line = b"/zz".to_vec();
        line.extend(choices.bytes(count).iter().filter(|byte| **byte != b'\n'));
        assert_eq!(self.hub.line(number, &line), Next::Go);
        self.model.tell(number, Line::Error);
        assert_eq!(self.hub.line(number, b""), Next::Go);
        assert_eq!(self.hub.line(number, &[b'x'; 4097]), Next::Go);
        self.model.tell(number, Line::Error);
    }

    fn deliver(&mut self) {
        let mut post = Post::default();
        self.hub.deliver(&mut post, Instant::now());
        for (number, letter) in post.take() {
            assert!((1..self.next).contains(&number), "a letter to nobody");
            assert!(!self.closed.contains(&number), "a letter after the end");
            match letter {
                Letter::Say(bytes) | Letter::SendFile(bytes, _) => self.hears(number, &bytes),
                Letter::Close(_) => self.closed.push(number),
                Letter::TellWhenSent | Letter::Resume => {}
            }
        }
    }

    fn hears(&mut self, number: u64, bytes: &[u8]) {
        let text = std::str::from_utf8(bytes).expect("lines are UTF-8");
        assert!(text.ends_with('\n'), "whole lines: {text:?}");
        for line in text.lines() {
            is_harmless(line);
            let heard = self.heard.entry(number).or_default();
            let is_news = line.starts_with("* ") && (line.ends_with(" has joined") || line.ends_with(" has left"));
            if is_news {
                heard.news.push(line.to_owned())
            } else {
                heard.said.push(line.to_owned())
            }
            self.seen.entry(number).or_default().push(line.to_owned());
        }
    }

    fn compare(&self) {
        let nothing = Heard::default();
        for number in 1..self.next {
            let expected = &self.model.heard[&number];
            let heard = self.heard.get(&number).unwrap_or(&nothing);
            let fits = heard.said.len() == expected.said.len()
                && heard.said.iter().zip(&expected.said).all(|(line, expected)| fits(line, expected));
            assert!(fits, "client {number} heard {:#?}\nand should have {:#?}", heard.said, expected.said);
            let is_here = self.model.clients.contains_key(&number);
            assert_eq!(self.closed.contains(&number), !is_here);
            let whole = heard.news == expected.news;
            let begins = !is_here && expected.news.starts_with(&heard.news);
            assert!(whole || begins, "client {number} was told {:#?}\nand not {:#?}", heard.news, expected.news);
            self.nobody_speaks_before_joining(number);
        }
    }

    /// Who came after this client was announced to it before it said anything.
    fn nobody_speaks_before_joining(&self, number: u64) {
        let Some(seen) = self.seen.get(&number) else { return };
        let mut first = HashMap::<&str, Firsts>::new();
        for (at, line) in seen.iter().enumerate() {
            if let Some((name, of)) = first_of(line) {
                of(first.entry(name).or_default()).get_or_insert(at);
            }
        }
        let own = self.model.heard[&number].news.iter();
        for name in own.filter_map(|line| line.strip_prefix("* ")?.strip_suffix(" has joined")) {
            let Firsts { joined, spoke, left } = first.get(name).copied().unwrap_or_default();
            let is_late = spoke.is_some() && joined > spoke && left.is_none_or(|left| Some(left) > spoke);
            assert!(!is_late || left < joined, "{name} spoke before joining: {seen:#?}");
        }
    }
}

/// The first lines that tell something of one name.
#[derive(Clone, Copy, Default)]
struct Firsts {
    joined: Option<usize>,
    spoke: Option<usize>,
    left: Option<usize>,
}

/// Which of them.
type First = fn(&mut Firsts) -> &mut Option<usize>;

/// Of whom a line tells, and what.
fn first_of(line: &str) -> Option<(&str, First)> {
    if let Some(said) = line.strip_prefix('<') {
        return Some((said.split_once("> ")?.0, |of| &mut of.spoke));
    }
    let news = line.strip_prefix("* ")?;
    match news.strip_suffix(" has joined") {
        Some(name) => Some((name, |of| &mut of.joined)),
        None => Some((news.strip_suffix(" has left")?, |of| &mut of.left)),
    }
}

fn fits(line: &str, expected: &Line) -> bool {
    match expected {
        Line::Exactly(text) => line == text,
        Line::Notice => line.starts_with("* "),
        // With a number after it, it would end the transfer of that number.
        Line::Error => {
            line.strip_prefix("! ").is_some_and(|text| !text.starts_with(|first: char| first.is_ascii_digit()))
        }
    }
}
