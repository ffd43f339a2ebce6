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
use crate::serve::post::Post;

/// Where those are who have not said their name.
const DOORWAY: usize = 0;

/// Where everyone comes in.
const LOBBY: usize = 1;

/// As much as is said before it is delivered: the system's own buffer for a
/// client takes it at once.
const MUCH_BYTES: usize = 128 * 1024;

/// What that room is called.
const FIRST_ROOM: &str = "lobby";

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
    partings: Vec<(u64, Vec<u8>)>,
    /// Bytes in all bundles.
    said: usize,
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
    fn words(self) -> &'static str {
        match self {
            News::Joined => "has joined",
            News::Left => "has left",
        }
    }
}

impl Default for Crowd {
    /// Nobody, in an empty lobby.
    fn default() -> Crowd {
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
            said: 0,
        }
    }
}

impl Crowd {
    /// Whether so much was said that it should be delivered now.
    pub fn has_much(&self) -> bool {
        self.said > MUCH_BYTES
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
        if self.members.len() < CROWD {
            self.tell_news(); // it is no news to who comes now
        }
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
    pub fn leave(&mut self, number: u64) {
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
        self.partings.push((number, member.draft));
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

    /// The first line for a client that has just come: what happened before
    /// comes after it.
    pub fn greet(&mut self, number: u64, line: &str) {
        self.touched.insert(number);
        if let Some(member) = self.members.get_mut(&number) {
            member.draft.extend_from_slice(line.as_bytes());
        }
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
        self.said += line.len();
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
        rooms[1..].sort_unstable(); // the first room stays first
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
        self.said = 0;
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
        for (number, last) in self.partings.drain(..) {
            if !last.is_empty() {
                post.say(number, last.into());
            }
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

/// A line each, also of a crowd: whoever waits for one name looks for its line.
fn lines_of(news: &[(News, String)]) -> String {
    news.iter().map(|(news, name)| format!("* {name} {}\n", news.words())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::collections::btree_map::Entry;

    use proptest::prelude::*;

    use super::*;
    use crate::serve::post::Letter;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    /// A crowd, and all that each client got so far.
    struct Room {
        crowd: Crowd,
        got: BTreeMap<u64, String>,
    }

    impl Room {
        fn of(people: u64) -> Room {
            let mut room = Room { crowd: Crowd::default(), got: BTreeMap::new() };
            for number in 1..=people {
                room.crowd.connect(number);
                room.crowd.join(number, name(&format!("p{number}")));
            }
            room.turn();
            room.got.clear();
            room
        }

        fn turn(&mut self) {
            let mut post = Post::default();
            self.crowd.deliver(&mut post, Instant::now());
            let mut once = BTreeSet::new();
            for (to, letter) in post.take() {
                if let Letter::Say(lines) = letter {
                    assert!(once.insert(to), "one send for all of a turn");
                    self.got.entry(to).or_default().push_str(std::str::from_utf8(&lines).unwrap());
                }
            }
        }

        fn got(&self, number: u64) -> &str {
            self.got.get(&number).map_or("", String::as_str)
        }
    }

    #[test]
    fn all_others_hear_a_line_and_share_its_bytes() {
        let mut room = Room::of(3);
        room.crowd.say_in_room_of(1, "<p1> hi\n");
        let mut post = Post::default();
        room.crowd.deliver(&mut post, Instant::now());
        let letters = post.take();
        let [(2, Letter::Say(one)), (3, Letter::Say(other))] = &letters[..] else { panic!("{letters:?}") };
        assert_eq!(one.as_ptr(), other.as_ptr());
    }

    #[test]
    fn who_speaks_hears_the_others_in_their_order() {
        let mut room = Room::of(3);
        room.crowd.say_in_room_of(1, "1\n");
        room.crowd.say_in_room_of(2, "2\n");
        room.crowd.tell(1, "only 1\n");
        room.crowd.say_in_room_of(3, "3\n");
        room.turn();
        assert_eq!((room.got(1), room.got(2), room.got(3)), ("2\nonly 1\n3\n", "1\n3\n", "1\n2\n"));
    }

    #[test]
    fn who_leaves_hears_what_was_said_before_and_the_others_are_told() {
        let mut room = Room::of(2);
        room.crowd.say_in_room_of(2, "bye?\n");
        room.crowd.leave(1);
        room.crowd.say_in_room_of(2, "too late\n");
        room.turn();
        assert_eq!((room.got(1), room.got(2)), ("bye?\n", "* p1 has left\n"));
        assert_eq!(room.crowd.find(&name("p1")), None);
    }

    #[test]
    fn a_room_hears_only_itself_and_goes_when_the_last_one_does() {
        let mut room = Room::of(3);
        assert_eq!(room.crowd.change_room(1, &name("Games")).as_deref(), Some("Games"));
        assert_eq!(room.crowd.change_room(2, &name("games")).as_deref(), Some("Games"));
        assert_eq!(room.crowd.change_room(2, &name("games")), None);
        room.turn();
        room.got.clear();
        room.crowd.say_in_room_of(1, "here\n");
        room.turn();
        assert_eq!((room.got(2), room.got(3)), ("here\n", ""));
        assert_eq!(room.crowd.rooms(), [("lobby".to_owned(), 1), ("Games".to_owned(), 2)]);
        for number in [1, 2] {
            room.crowd.change_room(number, &name("lobby"));
        }
        assert_eq!(room.crowd.rooms(), [("lobby".to_owned(), 3)]);
    }

    #[test]
    fn a_crowd_that_comes_at_once_is_told_in_one_send_and_each_in_a_line() {
        let mut room = Room::of(1);
        (2..=1000).for_each(|number| room.crowd.connect(number));
        for number in 2..=1000 {
            room.crowd.join(number, name(&format!("p{number}")));
        }
        room.turn();
        let told: String = (2..=1000).map(|number| format!("* p{number} has joined\n")).collect();
        assert!(room.got(1) == told, "{}", room.got(1));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Say(u64),
        Tell(u64),
        Go(u64, usize),
        Leave(u64),
        Come(u64),
        Turn,
    }

    fn step() -> impl Strategy<Value = Step> {
        let who = 1..6u64;
        prop_oneof![
            5 => who.clone().prop_map(Step::Say),
            2 => who.clone().prop_map(Step::Tell),
            2 => (who.clone(), 0..3usize).prop_map(|(who, room)| Step::Go(who, room)),
            1 => who.clone().prop_map(Step::Leave),
            1 => who.prop_map(Step::Come),
            2 => Just(Step::Turn),
        ]
    }

    /// The same with nothing shared: each line is written to everyone at once.
    #[derive(Default)]
    struct Model {
        rooms: BTreeMap<u64, usize>,
        got: BTreeMap<u64, String>,
    }

    impl Model {
        fn say(&mut self, room: usize, line: &str, except: u64) {
            for (&number, _) in self.rooms.iter().filter(|(number, place)| **number != except && **place == room) {
                self.got.entry(number).or_default().push_str(line);
            }
        }

        fn tell_all(&mut self, line: &str) {
            for number in self.rooms.keys() {
                self.got.entry(*number).or_default().push_str(line);
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_the_order_everyone_gets_each_line_once(steps in proptest::collection::vec(step(), 1..80)) {
            const ROOMS: [&str; 3] = ["lobby", "games", "quiet"];
            let (mut room, mut model) = (Room::of(0), Model::default());
            for (count, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Say(who) => if let Some(&place) = model.rooms.get(&who) {
                        let line = format!("<p{who}> {count}\n");
                        room.crowd.say_in_room_of(who, &line);
                        model.say(place, &line, who);
                    }
                    Step::Tell(who) => if model.rooms.contains_key(&who) {
                        let line = format!("! {count}\n");
                        room.crowd.tell(who, &line);
                        model.got.entry(who).or_default().push_str(&line);
                    }
                    Step::Go(who, to) => if let Some(&place) = model.rooms.get(&who) && place != to {
                        room.crowd.change_room(who, &name(ROOMS[to]));
                        let line = format!("* p{who} is now in {}\n", ROOMS[to]);
                        model.say(place, &line, 0);
                        model.rooms.insert(who, to);
                        model.say(to, &line, who);
                    }
                    Step::Leave(who) => if model.rooms.remove(&who).is_some() {
                        room.crowd.leave(who);
                        model.tell_all(&format!("* p{who} has left\n"));
                        room.turn();
                    }
                    Step::Come(who) => if let Entry::Vacant(place) = model.rooms.entry(who) {
                        place.insert(0);
                        room.crowd.connect(who);
                        room.crowd.join(who, name(&format!("p{who}")));
                        model.tell_all(&format!("* p{who} has joined\n"));
                        // Who comes in the same turn is told as well.
                        room.turn();
                    }
                    Step::Turn => room.turn(),
                }
            }
            room.turn();
            prop_assert_eq!(room.got, model.got);
        }
    }
}
