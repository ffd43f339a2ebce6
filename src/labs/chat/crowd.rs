//! Who is connected, who is where, and what each is to hear: the fan-out.
//!
//! A line to a room is formatted once and appended to the room's *bundle*. At
//! the end of the turn everyone in the room gets the same bytes, shared. Only
//! who is *touched* in between, because a line was for them alone or was their
//! own, gets a copy: the bundle up to that point, their own lines, the rest.
//!
//! ```text
//! bundle of the room   <bob> hi   <alice> hello   <bob> bye
//! carol, untouched     [────────── shared ────────────────]
//! alice, the speaker   [ copied ]   (not hers)    [ copied ]
//! ```
//!
//! So everyone hears everything once, in the order in which it was said.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use bytes::Bytes;
use slab::Slab;

use super::names::{Keys, Name};
use super::{MAX_LINE_BYTES, wrapped};
use crate::report::Reason;
use crate::serve::post::Post;

/// Where those are who have not said their name.
const DOORWAY: usize = 0;

/// Where everyone comes in.
const LOBBY: usize = 1;

/// What that room is called.
const FIRST_ROOM: &str = "lobby";

/// More comings and goings than this in one turn are told together.
const TOLD_ONE_BY_ONE: usize = 100;

/// From this many on, comings and goings wait a little for others: each telling
/// costs a send to everyone.
const CROWD: usize = 500;

/// How long they wait, for each one who is here: 0.2 s for ten thousand.
const WAIT_PER_HEAD: Duration = Duration::from_micros(20);

/// Everyone who is connected.
pub struct Crowd {
    members: HashMap<u64, Member>,
    rooms: Slab<Room>,
    /// Rooms and people by the keys of their names.
    room_keys: HashMap<String, usize>,
    name_keys: HashMap<String, u64>,
    touched: BTreeSet<u64>,
    news: Vec<(News, String)>,
    news_told: Option<Instant>,
    partings: Vec<(u64, Vec<u8>, Reason)>,
}

/// One client, as the others know it.
#[derive(Default)]
pub struct Member {
    name: Option<Name>,
    room: usize,
    /// What only this client hears of this turn, in its place among the rest.
    draft: Vec<u8>,
    /// How much of its room's bundle is in the draft.
    heard: usize,
}

struct Room {
    name: String,
    keys: Vec<String>,
    members: BTreeSet<u64>,
    bundle: Vec<u8>,
}

/// What everyone is told of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Somebody said their name.
    Joined,
    /// Somebody with a name is gone.
    Left,
}

impl News {
    fn words(self, several: bool) -> &'static str {
        match (self, several) {
            (News::Joined, false) => "has joined",
            (News::Joined, true) => "have joined",
            (News::Left, false) => "has left",
            (News::Left, true) => "have left",
        }
    }
}

impl Crowd {
    /// Nobody, in an empty lobby.
    pub fn new() -> Crowd {
        let mut rooms = Slab::new();
        rooms.insert(Room::new("", Vec::new()));
        rooms.insert(Room::new(FIRST_ROOM, Vec::new()));
        let keys = FIRST_ROOM.parse().map(|name: Name| name.keys()).ok();
        let keys = keys.iter().flat_map(Keys::iter);
        Crowd {
            members: HashMap::new(),
            rooms,
            room_keys: keys.map(|key| (key.to_owned(), LOBBY)).collect(),
            name_keys: HashMap::new(),
            touched: BTreeSet::new(),
            news: Vec::new(),
            news_told: None,
            partings: Vec::new(),
        }
    }

    /// How many are connected.
    pub fn connected(&self) -> usize {
        self.members.len()
    }

    /// How many have said their name.
    pub fn named(&self) -> usize {
        self.members.len() - self.rooms[DOORWAY].members.len()
    }

    /// A client comes to the doorway.
    pub fn connect(&mut self, number: u64) {
        self.members.insert(number, Member::default());
        self.enter(number, DOORWAY);
    }

    /// Whether this client is here.
    pub fn is_here(&self, number: u64) -> bool {
        self.members.contains_key(&number)
    }

    /// A client's name, once it has said it.
    pub fn name(&self, number: u64) -> Option<&Name> {
        self.members.get(&number)?.name.as_ref()
    }

    /// Who goes by this name, or one that looks like it.
    pub fn find(&self, name: &Name) -> Option<u64> {
        name.keys().iter().find_map(|key| self.name_keys.get(key)).copied()
    }

    /// A client is now known as `name`, which is free, and comes in.
    pub fn join(&mut self, number: u64, name: Name) {
        for key in name.keys().iter() {
            self.name_keys.insert(key.to_owned(), number);
        }
        self.news.push((News::Joined, name.to_string()));
        if let Some(member) = self.members.get_mut(&number) {
            member.name = Some(name);
        }
        self.go(number, LOBBY);
    }

    /// A client is gone, or is told to go: whatever it was to hear, it hears
    /// last. Its name is free from now on.
    pub fn leave(&mut self, number: u64, reason: Reason) {
        if !self.is_here(number) {
            return;
        }
        self.touch(number);
        self.touched.remove(&number);
        let Some(member) = self.members.remove(&number) else { return };
        self.quit_room(number, member.room);
        if let Some(name) = &member.name {
            for key in name.keys().iter() {
                self.name_keys.remove(key);
            }
            self.news.push((News::Left, name.to_string()));
        }
        self.partings.push((number, member.draft, reason));
    }

    /// To another room, which is made if there is none of that name. Answers
    /// what it is called, or `None` if the client is there already.
    pub fn change_room(&mut self, number: u64, name: &Name) -> Option<String> {
        let keys = name.keys();
        let found = keys.iter().find_map(|key| self.room_keys.get(key)).copied();
        let room = found.unwrap_or_else(|| {
            let keys: Vec<String> = keys.iter().map(str::to_owned).collect();
            let index = self.rooms.insert(Room::new(name.as_str(), keys.clone()));
            self.room_keys.extend(keys.into_iter().map(|key| (key, index)));
            index
        });
        let old = self.members.get(&number)?.room;
        if room == old {
            return None;
        }
        let title = self.rooms[room].name.clone();
        let line = format!("* {} is now in {title}\n", self.name(number)?);
        self.say(old, &line, None);
        self.go(number, room);
        self.say(room, &line, Some(number));
        Some(title)
    }

    /// A line for one client alone.
    pub fn tell(&mut self, number: u64, line: &str) {
        self.tell_news();
        self.touch(number);
        if let Some(member) = self.members.get_mut(&number) {
            member.draft.extend_from_slice(line.as_bytes());
        }
    }

    /// A line for all others in a client's room.
    pub fn say_in_room_of(&mut self, number: u64, line: &str) {
        if let Some(room) = self.members.get(&number).map(|member| member.room) {
            self.say(room, line, Some(number));
        }
    }

    /// A line for everyone who has a name, in every room.
    pub fn say_everywhere(&mut self, line: &str) {
        let rooms: Vec<usize> = self.rooms.iter().map(|(index, _)| index).filter(|index| *index != DOORWAY).collect();
        for room in rooms {
            self.say(room, line, None);
        }
    }

    fn say(&mut self, room: usize, line: &str, except: Option<u64>) {
        self.tell_news();
        if let Some(speaker) = except {
            self.touch(speaker);
        }
        let room = &mut self.rooms[room];
        room.bundle.extend_from_slice(line.as_bytes());
        let heard = room.bundle.len();
        if let Some(member) = except.and_then(|speaker| self.members.get_mut(&speaker)) {
            member.heard = heard;
        }
    }

    /// Who is in a client's room, by name, and what the room is called.
    pub fn company(&self, number: u64) -> Option<(&str, Vec<String>)> {
        let room = &self.rooms[self.members.get(&number)?.room];
        Some((&room.name, self.names_in(room)))
    }

    /// Everyone who has a name.
    pub fn everyone(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.members.values().filter_map(|member| member.name.as_ref()).map(Name::to_string).collect();
        names.sort_unstable();
        names
    }

    fn names_in(&self, room: &Room) -> Vec<String> {
        let mut names: Vec<String> =
            room.members.iter().filter_map(|number| self.name(*number)).map(Name::to_string).collect();
        names.sort_unstable();
        names
    }

    /// The rooms, and how many are in each.
    pub fn rooms(&self) -> Vec<(String, usize)> {
        let inner = self.rooms.iter().filter(|(index, _)| *index != DOORWAY);
        let mut rooms: Vec<_> = inner.map(|(_, room)| (room.name.clone(), room.members.len())).collect();
        rooms.sort_unstable();
        rooms
    }

    /// From now on the client's own draft says what it hears: it gets what the
    /// others have heard so far.
    fn touch(&mut self, number: u64) {
        let Some(member) = self.members.get_mut(&number) else { return };
        if let Some(news) = self.rooms[member.room].bundle.get(member.heard..) {
            member.draft.extend_from_slice(news);
            member.heard += news.len();
        }
        self.touched.insert(number);
    }

    fn go(&mut self, number: u64, room: usize) {
        self.touch(number);
        if let Some(old) = self.members.get(&number).map(|member| member.room) {
            self.quit_room(number, old);
        }
        self.enter(number, room);
    }

    fn enter(&mut self, number: u64, room: usize) {
        let heard = self.rooms[room].bundle.len();
        self.rooms[room].members.insert(number);
        if let Some(member) = self.members.get_mut(&number) {
            (member.room, member.heard) = (room, heard);
        }
        self.touched.insert(number);
    }

    fn quit_room(&mut self, number: u64, room: usize) {
        self.rooms[room].members.remove(&number);
        if room > LOBBY && self.rooms[room].members.is_empty() {
            for key in self.rooms.remove(room).keys {
                self.room_keys.remove(&key);
            }
        }
    }

    /// Puts the comings and goings into everyone's bundle.
    fn tell_news(&mut self) {
        if self.news.is_empty() {
            return;
        }
        let lines = lines_of(&std::mem::take(&mut self.news));
        for (_, room) in &mut self.rooms {
            if !room.members.is_empty() {
                room.bundle.extend_from_slice(lines.as_bytes());
            }
        }
    }

    /// What was said since the last time, to everyone who is to hear it. When
    /// to come back at the latest, if some of it waits for more.
    pub fn deliver(&mut self, post: &mut Post, now: Instant) -> Option<Instant> {
        let again = self.hold_news(now);
        if again.is_none() && !self.news.is_empty() {
            self.tell_news();
            self.news_told = Some(now);
        }
        let touched = std::mem::take(&mut self.touched);
        for &number in &touched {
            self.touch(number);
        }
        self.touched.clear();
        for &number in &touched {
            let Some(member) = self.members.get_mut(&number) else { continue };
            member.heard = 0;
            let draft = std::mem::take(&mut member.draft);
            if !draft.is_empty() {
                post.say(number, draft.into());
            }
        }
        for (_, room) in &mut self.rooms {
            room.deliver(&touched, post);
        }
        for (number, last, reason) in self.partings.drain(..) {
            if !last.is_empty() {
                post.say(number, last.into());
            }
            post.close(number, reason);
        }
        again
    }

    /// Whether the news of a large crowd waits a little for more.
    fn hold_news(&self, now: Instant) -> Option<Instant> {
        if self.news.is_empty() || self.members.len() < CROWD {
            return None;
        }
        let next = self.news_told? + WAIT_PER_HEAD * self.members.len() as u32;
        (next > now).then_some(next)
    }
}

impl Room {
    fn new(name: &str, keys: Vec<String>) -> Room {
        Room { name: name.to_owned(), keys, members: BTreeSet::new(), bundle: Vec::new() }
    }

    fn deliver(&mut self, touched: &BTreeSet<u64>, post: &mut Post) {
        if self.bundle.is_empty() {
            return;
        }
        let bundle = Bytes::from(std::mem::take(&mut self.bundle));
        // Both are in order, so one walk finds who is in both.
        let mut touched = touched.iter().peekable();
        for &number in &self.members {
            while touched.next_if(|other| **other < number).is_some() {}
            if touched.peek() != Some(&&number) {
                post.say(number, bundle.clone());
            }
        }
    }
}

/// A line each; or, of a crowd, all names of those who came and those who went
/// after each other.
fn lines_of(news: &[(News, String)]) -> String {
    if news.len() <= TOLD_ONE_BY_ONE {
        return news.iter().map(|(news, name)| format!("* {name} {}\n", news.words(false))).collect();
    }
    let mut lines = String::new();
    for run in news.chunk_by(|(one, _), (other, _)| one == other) {
        let names: Vec<&str> = run.iter().map(|(_, name)| name.as_str()).collect();
        let words = run[0].0.words(names.len() > 1);
        let room = MAX_LINE_BYTES - "*  ".len() - words.len();
        for some in wrapped(&names, room) {
            lines += &format!("* {some} {words}\n");
        }
    }
    lines
}
