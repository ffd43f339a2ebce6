//! The rules of the chat: what each line of a client brings about. State
//! without sockets: lines come in, and lines for whoever is to hear them go
//! into the [`Crowd`].

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Instant;

use zeroize::Zeroizing;

use super::command::{self, Command, HELP, Misunderstood, OPERATOR_HELP};
use super::crowd::Crowd;
use super::lockouts::Lockouts;
use super::names::Name;
use super::shared::SharedFile;
use super::transfer::{MAX_AT_ONCE, Order, Slab, Source, Transfers};
use super::{MAX_LINE_BYTES, wrapped};
use crate::framing::visible;
use crate::report::Reason;
use crate::serve::post::Post;

/// The operator at the server's own terminal.
pub const CONSOLE: u64 = 0;

/// What the operator is called.
const SERVER: &str = "server";

/// What a server allows.
#[derive(Debug, Default)]
pub struct Rules {
    /// Names must be proved by a password.
    pub has_users: bool,
    /// What is said is not to be overheard.
    pub is_private: bool,
    /// Who may kick and mute.
    pub operators: Vec<Name>,
    /// How many may be connected.
    pub max_clients: Option<usize>,
}

/// What a client does next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Its next line is heard.
    Go,
    /// Its next line waits for the answer to this.
    Wait(Order),
    /// It leaves.
    Leave,
}

/// Everyone connected, and the rules.
pub struct Hub {
    rules: Rules,
    crowd: Crowd,
    people: HashMap<u64, Person>,
    muted: HashSet<String>,
    lockouts: Lockouts,
    /// What the operator's terminal is to show.
    console: Vec<String>,
    /// Who need not wait any more.
    resumed: Vec<u64>,
    /// Whose downloads may go on.
    hungry: Vec<u64>,
    /// Files whose end is to be looked at, and for whom.
    unread: Vec<(u64, Source)>,
    /// Whose connections are to be closed, and what they are told before.
    partings: Vec<(u64, Option<&'static str>, Reason)>,
}

struct Person {
    peer: SocketAddr,
    mode: Mode,
    transfers: Transfers,
    /// It only waits for its files; what it is told then.
    leaving: Option<(Option<&'static str>, Reason)>,
}

/// To whom text goes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mode {
    Everyone,
    /// By number, so that who comes later under the same name hears nothing.
    One(u64, String),
}

impl Hub {
    /// A hub with nobody there.
    pub fn new(rules: Rules) -> Hub {
        Hub {
            rules,
            crowd: Crowd::default(),
            people: HashMap::new(),
            muted: HashSet::new(),
            lockouts: Lockouts::default(),
            console: Vec::new(),
            resumed: Vec::new(),
            hungry: Vec::new(),
            unread: Vec::new(),
            partings: Vec::new(),
        }
    }

    /// A client is there. Whether there is room for it; it is told in any case.
    pub fn connected(&mut self, number: u64, peer: SocketAddr) -> bool {
        self.crowd.connect(number);
        self.people
            .insert(number, Person { peer, mode: Mode::Everyone, transfers: Transfers::default(), leaving: None });
        if let Some(most) = self.rules.max_clients.filter(|most| self.crowd.connected() > *most) {
            self.refuse(number, &format!("this server is full ({most} clients): come back later"));
            self.left(number, Reason::Error);
            return false;
        }
        let how = if self.rules.has_users { "/login NAME PASSWORD" } else { "/name NAME" };
        self.crowd.greet(number, &format!("* netlab chat 1: {how} brings you in, /help lists the commands\n"));
        true
    }

    /// A client is gone, or is to go at once: the others are told.
    pub fn left(&mut self, number: u64, reason: Reason) {
        self.crowd.leave(number);
        if self.people.remove(&number).is_some() {
            self.partings.push((number, None, reason));
        }
    }

    /// A client has said its last word: the others are told, and it may still
    /// get the files it asked for, and then `last`.
    pub fn leaves(&mut self, number: u64, last: Option<&'static str>, reason: Reason) {
        self.crowd.leave(number);
        let Some(person) = self.people.get_mut(&number) else { return };
        if person.transfers.is_empty() {
            self.people.remove(&number);
            self.partings.push((number, last, reason));
        } else {
            person.leaving = Some((last, reason));
        }
    }

    /// Whether a client is still here.
    pub fn is_here(&self, number: u64) -> bool {
        self.crowd.is_here(number)
    }

    /// A client's name, once it has said it.
    pub fn name(&self, number: u64) -> Option<String> {
        self.crowd.name(number).map(Name::to_string)
    }

    /// One line of a client, without its end.
    pub fn line(&mut self, number: u64, line: &[u8]) -> Next {
        if line.is_empty() {
            return Next::Go;
        }
        if line.len() > MAX_LINE_BYTES {
            let text =
                format!("this line has {} bytes, and {MAX_LINE_BYTES} are the most: say it in parts", line.len());
            return self.refuse(number, &text);
        }
        let Ok(line) = std::str::from_utf8(line) else {
            return self.refuse(number, "this line is not UTF-8: set your terminal or program to UTF-8");
        };
        match command::parse(line) {
            Ok(command) => self.obey(number, command),
            Err(_) if !self.is_known(number) => self.ask_name(number),
            Err(Misunderstood::Usage(how)) => self.refuse(number, &format!("type {how}")),
            Err(Misunderstood::Unknown(word)) => {
                let text = format!(
                    "there is no command {}: /help lists them, /say TEXT says anything",
                    visible(word.as_bytes())
                );
                self.refuse(number, &text)
            }
        }
    }

    fn is_known(&self, number: u64) -> bool {
        number == CONSOLE || self.crowd.name(number).is_some()
    }

    fn ask_name(&mut self, number: u64) -> Next {
        let how = if self.rules.has_users { "/login NAME PASSWORD" } else { "/name NAME" };
        self.refuse(number, &format!("say first who you are: {how}"))
    }

    fn obey(&mut self, number: u64, command: Command) -> Next {
        match command {
            Command::Name(name) => return self.take_name(number, &name),
            Command::Login(name, password) => return self.log_in(number, &name, password),
            _ if !self.is_known(number) => return self.ask_name(number),
            Command::Text(text) => self.say_by_mode(number, &visible(text.as_bytes())),
            Command::Me(text) => self.say_by_mode(number, &format!("* {}", visible(text.as_bytes()))),
            Command::Say(text) => self.say(number, &visible(text.as_bytes())),
            Command::Msg(name, text) => self.say_to_name(number, &name, &visible(text.as_bytes())),
            Command::All => self.speak_to_all(number),
            Command::To(name) => self.speak_to(number, &name),
            Command::Who => self.tell_who(number),
            Command::Rooms => self.tell_rooms(number),
            Command::Join(room) => self.change_room(number, &room),
            Command::Files if number != CONSOLE => return Next::Wait(Order::List),
            Command::Get(rest) if number != CONSOLE => return Next::Wait(Order::Open(command::wanted(&rest))),
            Command::Files | Command::Get(_) => return self.refuse(number, "the files are in your own directory"),
            Command::Kick(name, reason) => self.kick(number, &name, &reason),
            Command::Mute(name) => self.mute(number, &name, true),
            Command::Unmute(name) => self.mute(number, &name, false),
            Command::Help => self.help(number),
            Command::Quit(text) => return self.quit(number, &text),
        }
        Next::Go
    }

    fn take_name(&mut self, number: u64, name: &str) -> Next {
        if self.rules.has_users {
            return self.refuse(number, "this server wants proof of who you are: /login NAME PASSWORD");
        }
        if let Some(name) = self.free_name(number, name) {
            self.crowd.join(number, name);
        }
        Next::Go
    }

    /// The name, if this client may have it; else it is told why not.
    fn free_name(&mut self, number: u64, name: &str) -> Option<Name> {
        if number == CONSOLE {
            self.refuse(number, "here you are the server");
            return None;
        }
        if let Some(present) = self.crowd.name(number) {
            let text = format!("you are {present} already");
            self.refuse(number, &text);
            return None;
        }
        let name = match name.parse::<Name>() {
            Ok(name) => name,
            Err(why) => {
                self.refuse(number, &format!("this name cannot be taken: {why}"));
                return None;
            }
        };
        if self.crowd.find(&name).is_some() {
            self.refuse(number, &format!("the name {name}, or one that looks like it, is taken: choose another"));
            return None;
        }
        Some(name)
    }

    fn log_in(&mut self, number: u64, name: &str, password: String) -> Next {
        let password = Zeroizing::new(password);
        if !self.rules.has_users {
            return self.refuse(number, "this server has no passwords: /name NAME is enough");
        }
        let Some(peer) = self.people.get(&number).map(|person| person.peer) else { return Next::Go };
        if !self.rules.is_private && !peer.ip().is_loopback() {
            let text = "a password in plain text could be read on the way here: connect by TLS, and choose a new one";
            return self.refuse(number, text);
        }
        if let Some(wait) = self.lockouts.locked(peer.ip(), name, Instant::now()) {
            return self.lock_out(number, wait.as_secs() + 1);
        }
        match self.crowd.name(number) {
            None => Next::Wait(Order::Verify(name.to_owned(), password)),
            Some(present) => {
                let text = format!("you are {present} already");
                self.refuse(number, &text)
            }
        }
    }

    fn lock_out(&mut self, number: u64, seconds: u64) -> Next {
        self.refuse(number, &format!("too many wrong passwords: come back in {seconds} s"));
        self.left(number, Reason::Error);
        Next::Leave
    }

    /// The answer to a login under `name`: the user it is, if the password was
    /// right.
    pub fn verified(&mut self, number: u64, name: &str, user: Option<Name>) {
        self.resumed.push(number);
        let Some(peer) = self.people.get(&number).map(|person| person.peer) else { return };
        if let Some(user) = user {
            self.lockouts.proven(peer.ip(), name);
            if let Some(user) = self.free_name(number, user.as_str()) {
                self.crowd.join(number, user);
            }
            return;
        }
        match self.lockouts.failed(peer.ip(), name, Instant::now()) {
            Some(wait) => {
                self.lock_out(number, wait.as_secs());
            }
            None => {
                self.refuse(number, "wrong name or password");
            }
        }
    }

    fn say_by_mode(&mut self, number: u64, text: &str) {
        match self.people.get(&number).map(|person| person.mode.clone()) {
            Some(Mode::One(to, name)) => self.say_to(number, to, &name, text),
            _ => self.say(number, text),
        }
    }

    fn say(&mut self, number: u64, text: &str) {
        if number == CONSOLE {
            let line = format!("<{SERVER}> {text}");
            self.crowd.say_everywhere(&format!("{line}\n"));
            return self.console.push(line);
        }
        if self.may_speak(number)
            && let Some(name) = self.name(number)
        {
            self.crowd.say_in_room_of(number, &format!("<{name}> {text}\n"));
        }
    }

    fn say_to_name(&mut self, number: u64, name: &str, text: &str) {
        if let Some((to, name)) = self.somebody(number, name) {
            self.say_to(number, to, &name, text);
        }
    }

    fn say_to(&mut self, number: u64, to: u64, name: &str, text: &str) {
        if to != CONSOLE && !self.crowd.is_here(to) {
            self.refuse(number, &format!("gone is {name}: /all speaks to everyone again, /to NAME to another"));
            return;
        }
        if self.may_speak(number) {
            let from = self.name(number).unwrap_or(SERVER.to_owned());
            let line = format!("<{from} -> {name}> {text}\n");
            self.tell(to, &line);
            if to != number {
                self.tell(number, &line);
            }
        }
    }

    fn may_speak(&mut self, number: u64) -> bool {
        let muted = self.crowd.name(number).is_some_and(|name| name.keys().iter().any(|key| self.muted.contains(key)));
        if muted {
            self.refuse(number, "an operator has muted you: what you say is not passed on");
        }
        !muted
    }

    /// Who goes by a name; who asked is told if nobody does.
    fn somebody(&mut self, number: u64, name: &str) -> Option<(u64, String)> {
        if name.eq_ignore_ascii_case(SERVER) {
            return Some((CONSOLE, SERVER.to_owned()));
        }
        let found = name.parse::<Name>().ok().and_then(|name| self.crowd.find(&name));
        let Some(person) = found else {
            self.refuse(number, &format!("nobody here is called {}: /who lists who is", visible(name.as_bytes())));
            return None;
        };
        Some((person, self.name(person)?))
    }

    fn speak_to_all(&mut self, number: u64) {
        if let Some(person) = self.people.get_mut(&number) {
            person.mode = Mode::Everyone;
        }
        self.notice(number, "you speak to everyone in the room now");
    }

    fn speak_to(&mut self, number: u64, name: &str) {
        if let Some((to, name)) = self.somebody(number, name) {
            self.notice(number, &format!("you speak to {name} alone now; /all speaks to everyone again"));
            if let Some(person) = self.people.get_mut(&number) {
                person.mode = Mode::One(to, name);
            }
        }
    }

    fn tell_who(&mut self, number: u64) {
        let (place, names) = match self.crowd.company(number) {
            Some((room, names)) => (format!("in {room}"), names),
            None => ("here".to_owned(), self.crowd.everyone()),
        };
        self.list(number, &format!("{} {place}: ", names.len()), &names);
    }

    fn tell_rooms(&mut self, number: u64) {
        let rooms = self.crowd.rooms();
        let names: Vec<String> = rooms.iter().map(|(name, people)| format!("{name} ({people})")).collect();
        let noun = if rooms.len() == 1 { "room" } else { "rooms" };
        self.list(number, &format!("{} {noun}: ", rooms.len()), &names);
    }

    fn list(&mut self, number: u64, head: &str, names: &[String]) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for some in wrapped(&names, MAX_LINE_BYTES - "* ".len() - head.len()) {
            self.notice(number, &format!("{head}{some}"));
        }
    }

    fn change_room(&mut self, number: u64, room: &str) {
        if number == CONSOLE {
            self.refuse(number, "what you say is heard in every room");
            return;
        }
        match room.strip_prefix('#').unwrap_or(room).parse::<Name>() {
            Err(why) => {
                self.refuse(number, &format!("a room cannot be called so: {why}"));
            }
            Ok(name) if self.crowd.change_room(number, &name).is_none() => {
                self.notice(number, &format!("you are in {name} already"));
            }
            Ok(_) => {}
        }
    }

    fn is_operator(&mut self, number: u64) -> bool {
        let may = number == CONSOLE
            || self.crowd.name(number).is_some_and(|name| self.rules.operators.iter().any(|one| one.looks_like(name)));
        if !may {
            self.refuse(number, "only an operator may do that");
        }
        may
    }

    fn kick(&mut self, number: u64, name: &str, reason: &str) {
        if !self.is_operator(number) {
            return;
        }
        let Some((whom, name)) = self.somebody(number, name) else { return };
        if whom == CONSOLE {
            self.refuse(number, "the server cannot be kicked");
            return;
        }
        let by = self.name(number).unwrap_or(SERVER.to_owned());
        let why = if reason.is_empty() { String::new() } else { format!(": {}", visible(reason.as_bytes())) };
        self.refuse(whom, &format!("you were kicked by {by}{why}"));
        self.left(whom, Reason::Asked);
        self.notice_all(&format!("{name} was kicked by {by}{why}"));
    }

    fn mute(&mut self, number: u64, name: &str, is_muted: bool) {
        if !self.is_operator(number) {
            return;
        }
        let Some((whom, name)) = self.somebody(number, name) else { return };
        let Some(keys) = self.crowd.name(whom).map(Name::keys) else {
            self.refuse(number, "the server cannot be muted");
            return;
        };
        let by = self.name(number).unwrap_or(SERVER.to_owned());
        if is_muted {
            self.muted.extend(keys.iter().map(str::to_owned));
            self.notice_all(&format!("{name} was muted by {by}"));
        } else {
            keys.iter().for_each(|key| drop(self.muted.take(key)));
            self.notice_all(&format!("{name} may speak again, says {by}"));
        }
    }

    /// To everyone: who rules does so in the open.
    fn notice_all(&mut self, text: &str) {
        self.crowd.say_everywhere(&format!("* {text}\n"));
        self.console.push(format!("* {text}"));
    }

    fn help(&mut self, number: u64) {
        for line in HELP {
            self.notice(number, line);
        }
        if number == CONSOLE {
            self.notice(number, OPERATOR_HELP);
        }
    }

    fn quit(&mut self, number: u64, text: &str) -> Next {
        if number == CONSOLE {
            return Next::Leave;
        }
        if !text.is_empty() {
            self.say(number, &visible(text.as_bytes()));
        }
        self.leaves(number, Some("* goodbye\n"), Reason::Asked);
        Next::Leave
    }

    /// A notice for one client.
    pub fn notice(&mut self, number: u64, text: &str) {
        self.tell(number, &format!("* {text}\n"));
    }

    /// What was wrong, for one client. Never begins with a number: that ends
    /// the transfer of that number.
    pub fn refuse(&mut self, number: u64, text: &str) -> Next {
        self.tell(number, &format!("! {text}\n"));
        Next::Go
    }

    fn tell(&mut self, number: u64, line: &str) {
        match number {
            CONSOLE => self.console.push(line.trim_end().to_owned()),
            number => self.crowd.tell(number, line),
        }
    }

    /// The list of shared files, or why there is none.
    pub fn listed(&mut self, number: u64, files: Result<Vec<(String, u64)>, String>) {
        self.resumed.push(number);
        match files {
            Ok(files) => {
                self.notice(number, &format!("{} files in SharedFiles", files.len()));
                let lines: String = files.iter().map(|(name, size)| format!("= {size} {name}\n")).collect();
                self.tell(number, &lines);
            }
            Err(why) => {
                self.refuse(number, &why);
            }
        }
    }

    /// Nobody could carry out what was asked.
    pub fn undone(&mut self, number: u64, why: &str) {
        self.resumed.push(number);
        self.refuse(number, why);
    }

    /// A file is open, or is not to be had. What is to be read first.
    pub fn opened(&mut self, number: u64, file: Result<SharedFile, String>) -> Option<Source> {
        self.resumed.push(number);
        let file = match file {
            Ok(file) => file,
            Err(why) => {
                self.refuse(number, &why);
                return None;
            }
        };
        let transfers = &mut self.people.get_mut(&number)?.transfers;
        if transfers.is_full() {
            self.refuse(number, &format!("too many downloads: {MAX_AT_ONCE} are under way, wait for one to end"));
            return None;
        }
        let (line, source) = transfers.begin(file);
        self.tell(number, &line);
        Some(source)
    }

    /// More of a file is read.
    pub fn is_read(&mut self, number: u64, id: u64, slab: Slab) {
        if let Some(transfers) = self.transfers(number) {
            transfers.is_read(id, slab);
            self.hungry.push(number);
        }
    }

    /// All that was handed over is sent: more of the files, if there is any.
    pub fn is_sent(&mut self, number: u64) {
        if let Some(transfers) = self.transfers(number) {
            let last = transfers.is_sent();
            self.unread.extend(last.map(|source| (number, source)));
            self.hungry.push(number);
        }
    }

    /// Hands over what is read of files; `read` is to read on.
    pub fn hand_over(&mut self, post: &mut Post, read: impl Fn(u64, Source)) {
        self.unread.drain(..).for_each(|(number, source)| read(number, source));
        for number in std::mem::take(&mut self.hungry) {
            let next = self.transfers(number).and_then(Transfers::hand_over);
            if let Some(slab) = next {
                slab.parts.into_iter().for_each(|(head, part)| post.send_file(number, head, part));
                post.say(number, slab.bytes);
                post.tell_when_sent(number);
                if let Some(rest) = slab.rest {
                    read(number, rest);
                }
            }
            let done = self.people.get(&number).filter(|person| person.transfers.is_empty());
            if let Some((last, reason)) = done.and_then(|person| person.leaving) {
                self.people.remove(&number);
                part(post, number, last, reason);
            }
        }
    }

    /// The downloads of one client.
    fn transfers(&mut self, number: u64) -> Option<&mut Transfers> {
        self.people.get_mut(&number).map(|person| &mut person.transfers)
    }

    /// What the operator's terminal is to show.
    pub fn take_console(&mut self) -> Vec<String> {
        std::mem::take(&mut self.console)
    }

    /// Whether so much was said that it should be delivered now.
    pub fn has_much(&self) -> bool {
        self.crowd.has_much()
    }

    /// What everyone is to hear of this turn.
    pub fn deliver(&mut self, post: &mut Post, now: Instant) -> Option<Instant> {
        let again = self.crowd.deliver(post, now);
        for number in self.resumed.drain(..) {
            post.resume(number);
        }
        for (number, last, reason) in self.partings.drain(..) {
            part(post, number, last, reason);
        }
        again
    }
}

/// The end of a connection.
fn part(post: &mut Post, number: u64, last: Option<&'static str>, reason: Reason) {
    if let Some(last) = last {
        post.say(number, last.into());
    }
    post.close(number, reason);
}
