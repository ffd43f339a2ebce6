//! Asking by datagrams: any of them may be lost, doubled, overtaken or late.
//!
//! [`Books`] decides what each reply is, apart from any socket. A message is
//! in one of these states, and leaves `Awaited` once:
//!
//! ```text
//!            reply in time                   reply again
//! Awaited ───────────────────▶ Answered ──────────────────▶ duplicate
//!    │  time over, no tries left             reply all the same
//!    └───────────────────────▶ Lost ──────────────────────▶ late (once)
//! ```

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use super::Options;
use super::messages::Messages;
use crate::error::{Attempt, Result, Status};
use crate::net::addr::Addr;
use crate::net::host::Host;
use crate::net::socket::is_timeout;
use crate::net::udp::{self, Client};
use crate::report::{self, Event, LostReason, Payload, Proto, RoundTrips, Summary};

/// How long the last replies' doubles are awaited at the end of a series.
const STRAGGLERS: Duration = Duration::from_millis(100);

/// Which reply belongs to which message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// The reply is the message itself (echo).
    Echo,
    /// Whatever comes answers the message that has waited longest.
    Order,
}

/// What a reply turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    InTime { seq: u64, reordered: bool },
    Late { seq: u64 },
    Duplicate { seq: u64 },
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Awaited,
    Answered,
    Lost,
    Late,
}

struct Message {
    state: State,
    sent_at: Instant,
    /// After the last sending.
    deadline: Instant,
    tries: u32,
    /// What is to be told if no reply comes.
    loss: LostReason,
}

/// Messages of one content: they can only be told apart by their order.
#[derive(Default)]
struct Alike {
    /// Neither answered nor late, in the order in which they were sent.
    open: VecDeque<u64>,
    last: u64,
}

/// All messages of a run, by number from 1.
struct Books {
    matching: Match,
    messages: Vec<Message>,
    awaited: BTreeSet<u64>,
    alike: HashMap<u64, Alike>,
    highest_answered: u64,
}

impl Books {
    fn new(matching: Match) -> Books {
        Books { matching, messages: Vec::new(), awaited: BTreeSet::new(), alike: HashMap::new(), highest_answered: 0 }
    }

    /// Books a message sent for the first time; returns its number.
    fn sent(&mut self, content: &[u8], now: Instant, timeout: Duration) -> u64 {
        self.messages.push(Message {
            state: State::Awaited,
            sent_at: now,
            deadline: now + timeout,
            tries: 1,
            loss: LostReason::Timeout,
        });
        let seq = self.messages.len() as u64;
        self.awaited.insert(seq);
        let alike = self.alike.entry(self.key(content)).or_default();
        alike.open.push_back(seq);
        alike.last = seq;
        seq
    }

    fn key(&self, content: &[u8]) -> u64 {
        let mut hasher = DefaultHasher::new();
        match self.matching {
            Match::Echo => content.hash(&mut hasher),
            Match::Order => {}
        }
        hasher.finish()
    }

    fn message(&mut self, seq: u64) -> &mut Message {
        &mut self.messages[seq as usize - 1]
    }

    /// Books a reply.
    fn replied(&mut self, content: &[u8]) -> Verdict {
        let key = self.key(content);
        let Some(alike) = self.alike.get_mut(&key) else { return Verdict::Unknown };
        let awaited = alike.open.iter().position(|seq| self.messages[*seq as usize - 1].state == State::Awaited);
        // None is awaited: then whatever is open is lost, and this is late.
        match alike.open.remove(awaited.unwrap_or(0)) {
            None => Verdict::Duplicate { seq: alike.last },
            Some(seq) if awaited.is_none() => {
                self.message(seq).state = State::Late;
                Verdict::Late { seq }
            }
            Some(seq) => {
                self.awaited.remove(&seq);
                self.message(seq).state = State::Answered;
                let reordered = seq < self.highest_answered;
                self.highest_answered = self.highest_answered.max(seq);
                Verdict::InTime { seq, reordered }
            }
        }
    }

    /// Gives a message up.
    fn lose(&mut self, seq: u64) {
        self.awaited.remove(&seq);
        self.message(seq).state = State::Lost;
    }

    /// Messages still awaited whose time is over.
    fn overdue(&self, now: Instant) -> Vec<u64> {
        self.awaited().filter(|(_, message)| message.deadline <= now).map(|(seq, _)| seq).collect()
    }

    /// The next moment at which a message's time is over.
    fn next_deadline(&self) -> Option<Instant> {
        self.awaited().map(|(_, message)| message.deadline).min()
    }

    fn awaited(&self) -> impl Iterator<Item = (u64, &Message)> {
        self.awaited.iter().map(|seq| (*seq, &self.messages[*seq as usize - 1]))
    }
}

/// Asks the peer of `client`: each message a datagram, and a reply to each.
/// `remark` has something to say on a reply, or nothing.
pub fn ask(
    host: &Host,
    client: Client,
    options: &Options,
    retries: u32,
    given: &[String],
    matching: Match,
    remark: &dyn Fn(&Client, &[u8]) -> Option<String>,
) -> Result<Status> {
    host.emit(Event::Connected { proto: Proto::Udp, peer: client.peer, local: client.local });
    let mut asker = Asker {
        host,
        client,
        options,
        retries,
        books: Books::new(matching),
        contents: HashMap::new(),
        counts: report::Messages::default(),
        trips: Vec::new(),
        buffer: vec![0; udp::MAX_DATAGRAM_ROOM],
        next_at: None,
        refused: false,
        one_at_a_time: false,
        unsent: false,
        remark,
    };
    let mut messages = Messages::new(host, given, options);
    asker.one_at_a_time = retries > 0 || messages.are_lines();
    let asked = asker.run(&mut messages);
    asker.finish(asked)
}

/// Opens the socket for [`ask`].
pub fn client(host: &Host, addr: &Addr, default_port: u16, options: &Options, connected: bool) -> Result<Client> {
    udp::client(host, addr, default_port, options.bind.as_ref(), connected)
}

struct Asker<'a> {
    host: &'a Host,
    client: Client,
    options: &'a Options,
    retries: u32,
    books: Books,
    /// What may have to be sent again.
    contents: HashMap<u64, Vec<u8>>,
    counts: report::Messages,
    trips: Vec<Duration>,
    buffer: Vec<u8>,
    /// With an interval: when the next message is due.
    next_at: Option<Instant>,
    refused: bool,
    /// The next message waits for the reply to this one: lines may be long in
    /// coming, and a retry is no new message.
    one_at_a_time: bool,
    /// A message could not be sent at all.
    unsent: bool,
    remark: &'a dyn Fn(&Client, &[u8]) -> Option<String>,
}

impl Asker<'_> {
    fn run(&mut self, messages: &mut Messages) -> Result<()> {
        let mut more = true;
        while !self.host.stop.is_asked() {
            self.give_up_overdue();
            if more && self.may_send() {
                match messages.next_message()? {
                    Some(message) => self.send_new(message)?,
                    None => more = false,
                }
                continue;
            }
            let deadline = self.books.next_deadline();
            let next = [deadline, self.next_at.filter(|_| more)].into_iter().flatten().min();
            match next {
                Some(next) => self.receive_until(next)?,
                None => break,
            }
        }
        self.await_stragglers()
    }

    /// One at a time, each after the reply to the one before; with an
    /// interval, when it is time, as ping does: a reply that is slow then
    /// delays no message, and may be overtaken.
    fn may_send(&mut self) -> bool {
        let free = self.books.next_deadline().is_none();
        match self.next_at {
            Some(at) if !self.one_at_a_time => Instant::now() >= at,
            Some(at) => free && Instant::now() >= at,
            None => free,
        }
    }

    fn send_new(&mut self, content: Vec<u8>) -> Result<()> {
        let now = Instant::now();
        self.next_at = self.options.interval.map(|time| now + time);
        if let Err(cause) = self.send(&content) {
            // This message cannot be sent; the next ones perhaps can.
            self.unsent = true;
            self.host.emit_error(&self.client.error(self.host, Attempt::Send, &cause));
            return Ok(());
        }
        let seq = self.books.sent(&content, now, self.options.timeout);
        self.counts.sent += 1;
        let payload = Payload(content.clone());
        self.host.emit(Event::Sent { peer: self.client.peer, client: None, seq: Some(seq), payload });
        self.contents.insert(seq, content);
        Ok(())
    }

    fn send(&mut self, content: &[u8]) -> io::Result<()> {
        loop {
            match self.client.send(content) {
                // The answer to an earlier datagram: this one was not sent.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => self.take_refusal(&error),
                result => return result.map(|_| ()),
            }
        }
    }

    fn give_up_overdue(&mut self) {
        let now = Instant::now();
        for seq in self.books.overdue(now) {
            let message = self.books.message(seq);
            if message.tries <= self.retries {
                message.tries += 1;
                message.deadline = now + self.options.timeout;
                self.counts.retried += 1;
                if let Some(content) = self.contents.get(&seq).cloned() {
                    let _ = self.send(&content); // the time runs, whatever becomes of it
                }
                continue;
            }
            let (waited, tries, reason) = (now - message.sent_at, message.tries, message.loss);
            self.books.lose(seq);
            self.contents.remove(&seq);
            self.counts.lost += 1;
            self.host.emit(Event::Lost { seq, waited, tries, reason });
        }
    }

    fn receive_until(&mut self, moment: Instant) -> Result<()> {
        let left = moment.saturating_duration_since(Instant::now());
        let waits = self.client.socket.wait_at_most(Some(round_up(left)));
        waits.map_err(|error| self.client.error(self.host, Attempt::Receive, &error))?;
        match self.client.recv(&mut self.buffer) {
            Ok(Some(got)) if got > 0 || !self.host.stop.is_asked() => self.take_reply(got),
            Ok(_) => {} // a stranger's; or the stop ended the wait
            Err(error) if is_timeout(&error) || self.host.stop.is_asked() => {}
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset) => {
                self.take_refusal(&error);
            }
            Err(error) => return Err(self.client.error(self.host, Attempt::Receive, &error)),
        }
        Ok(())
    }

    fn take_reply(&mut self, got: usize) {
        let content = self.buffer[..got].to_vec();
        let verdict = self.books.replied(&content);
        let (seq, note) = match verdict {
            Verdict::InTime { seq, reordered } => (seq, reordered.then_some("reordered")),
            Verdict::Late { seq } => (seq, Some("late")),
            Verdict::Duplicate { seq } => (seq, Some("duplicate")),
            Verdict::Unknown => {
                let payload = Payload(content);
                return self.host.emit(Event::Received { peer: self.client.peer, client: None, payload });
            }
        };
        let rtt = self.books.message(seq).sent_at.elapsed();
        self.count(verdict, rtt);
        let remark = (self.remark)(&self.client, &content);
        self.host.emit(Event::Replied { seq, rtt, note, payload: Payload(content) });
        if let Some(remark) = remark {
            self.host.notice(remark);
        }
    }

    fn count(&mut self, verdict: Verdict, rtt: Duration) {
        match verdict {
            Verdict::InTime { seq, reordered } => {
                self.counts.received += 1;
                self.counts.reordered += u64::from(reordered);
                self.trips.push(rtt);
                self.contents.remove(&seq);
            }
            Verdict::Late { .. } => self.counts.late += 1,
            Verdict::Duplicate { .. } => self.counts.duplicate += 1,
            Verdict::Unknown => {}
        }
    }

    /// Nothing listens there. While no reply has come, the next address of the
    /// server's name is asked instead; else the series goes on, for the server
    /// may come back.
    fn take_refusal(&mut self, cause: &io::Error) {
        if self.counts.received == 0 && self.client.turn_to_next(self.host) {
            let Client { peer, local, .. } = self.client;
            self.host.emit(Event::Connected { proto: Proto::Udp, peer, local });
            for seq in self.books.awaited.clone() {
                if let Some(content) = self.contents.get(&seq) {
                    let _ = self.client.send(content); // refused as well: that will be told
                }
            }
            return;
        }
        if !std::mem::replace(&mut self.refused, true) {
            self.host.emit_error(&self.client.error(self.host, Attempt::Send, cause));
        }
        self.give_up_refused();
    }

    /// An ICMP refusal is an answer: no need to wait for another one, unless
    /// the message is to be tried again later.
    fn give_up_refused(&mut self) {
        let now = Instant::now();
        for seq in self.books.awaited.clone() {
            let message = self.books.message(seq);
            if message.tries > self.retries {
                (message.loss, message.deadline) = (LostReason::Refused, now);
            }
        }
    }

    /// After a series: the last reply's doubles, and what was late.
    fn await_stragglers(&mut self) -> Result<()> {
        if self.counts.sent < 2 {
            return Ok(());
        }
        let end = Instant::now() + STRAGGLERS.min(self.options.timeout);
        while !self.host.stop.is_asked() && Instant::now() < end {
            self.receive_until(end)?;
        }
        Ok(())
    }

    /// Whether nothing at all came back, not even a refusal.
    fn is_unanswered(&self) -> bool {
        let report::Messages { sent, received, late, .. } = self.counts;
        sent > 0 && received + late == 0 && !self.refused && !self.host.stop.is_asked()
    }

    fn finish(mut self, asked: Result<()>) -> Result<Status> {
        if let Err(error) = &asked {
            self.host.emit_error(error);
        } else if self.is_unanswered() {
            let silence = io::Error::from(ErrorKind::TimedOut);
            self.host.emit_error(&self.client.error(self.host, Attempt::Receive, &silence));
        }
        // Whoever is still awaited was cut off by a stop.
        self.counts.lost = self.counts.sent - self.counts.received;
        self.counts.rtt_us = RoundTrips::of(self.trips);
        let short = self.counts.received < self.counts.sent || self.unsent;
        self.host.emit(Event::Summary(Summary::Messages(self.counts)));
        match asked {
            Err(error) => Ok(error.status()),
            Ok(()) if short => Ok(Status::No),
            Ok(()) => Ok(Status::Done),
        }
    }
}

/// To whole milliseconds: else each wait would differ from the last by a few
/// microseconds, and need a setsockopt of its own.
pub(super) fn round_up(time: Duration) -> Duration {
    Duration::from_millis(time.as_micros().div_ceil(1000).max(1) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(1);

    fn three() -> (Books, Instant) {
        let mut books = Books::new(Match::Echo);
        let now = Instant::now();
        for content in [b"a", b"b", b"c"] {
            books.sent(content, now, TIMEOUT);
        }
        (books, now)
    }

    #[test]
    fn replies_in_order_are_just_that() {
        let (mut books, _) = three();
        for (content, seq) in [(b"a", 1), (b"b", 2), (b"c", 3)] {
            assert_eq!(books.replied(content), Verdict::InTime { seq, reordered: false });
        }
    }

    #[test]
    fn a_reply_after_a_later_ones_is_reordered_and_counts_as_received() {
        let (mut books, _) = three();
        assert_eq!(books.replied(b"c"), Verdict::InTime { seq: 3, reordered: false });
        assert_eq!(books.replied(b"a"), Verdict::InTime { seq: 1, reordered: true });
    }

    #[test]
    fn a_second_reply_is_a_duplicate_and_neither_late_nor_reordered() {
        let (mut books, _) = three();
        books.replied(b"a");
        books.replied(b"b");
        assert_eq!(books.replied(b"a"), Verdict::Duplicate { seq: 1 });
    }

    #[test]
    fn a_reply_after_its_time_is_late_once_and_then_a_duplicate() {
        let (mut books, now) = three();
        for seq in books.overdue(now + TIMEOUT) {
            books.lose(seq);
        }
        assert_eq!(books.replied(b"b"), Verdict::Late { seq: 2 });
        assert_eq!(books.replied(b"b"), Verdict::Duplicate { seq: 2 });
    }

    #[test]
    fn a_reply_nobody_asked_for_is_unknown() {
        let (mut books, _) = three();
        assert_eq!(books.replied(b"z"), Verdict::Unknown);
    }

    #[test]
    fn messages_alike_are_answered_in_the_order_they_were_sent() {
        let mut books = Books::new(Match::Echo);
        let now = Instant::now();
        books.sent(b"same", now, TIMEOUT);
        books.sent(b"same", now, TIMEOUT);
        assert_eq!(books.replied(b"same"), Verdict::InTime { seq: 1, reordered: false });
        assert_eq!(books.replied(b"same"), Verdict::InTime { seq: 2, reordered: false });
        assert_eq!(books.replied(b"same"), Verdict::Duplicate { seq: 2 });
    }

    #[test]
    fn waits_are_whole_milliseconds_and_never_zero() {
        let table = [(0, 1), (1, 1), (999, 1), (1000, 1), (1001, 2), (4_999_950, 5000)];
        for (micros, millis) in table {
            assert_eq!(round_up(Duration::from_micros(micros)), Duration::from_millis(millis));
        }
    }
}
