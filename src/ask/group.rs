//! Sending to many: a group, or everyone on a network.
//!
//! A datagram to a group leaves once, and nobody says who got it. To find out,
//! the datagrams are *numbered*, and netlab's receivers answer each of them to
//! the sender alone:
//!
//! ```text
//! sender                                         receivers
//! sendto 239.1.1.1:5007 "netlab RUN 1/10 …" ────▶ A, B, C: one sendto, three copies
//! recvfrom = "netlab-ack RUN 1"            ◀───── A
//! recvfrom = "netlab-ack RUN 1"            ◀───── B      C's copy was lost:
//! sendto 239.1.1.1:5007 "netlab RUN 1/10 …" ────▶ again, to all (--retries)
//! ```
//!
//! So [`send`] knows receiver by receiver what arrived.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::messages::Messages;
use super::speaker::{Manners, Speaker, fresh_run, now_unix, since_1970};
use crate::error::{Attempt, Error, Result, Status};
use crate::framing::numbered::{self, MAX_COUNT};
use crate::framing::{self, Ack, Arrival, Header, Key, Opener, Run};
use crate::net::group::Sender;
use crate::net::host::Host;
use crate::net::socket::is_timeout;
use crate::net::udp;
use crate::report::{self, Event, Receiver, RoundTrips, Summary, View};

/// A message that receivers have not all acknowledged holds the next one back
/// this long: a window of one, so that no receiver's buffer overflows. Longer
/// than a round trip on one link; whoever has not answered by then is waited
/// for beside the others.
const HOLD_BACK: Duration = Duration::from_millis(20);

/// How long one looks for a first answer between two messages.
const LOOK: Duration = Duration::from_millis(1);

/// How long answers are awaited after the last message where nobody said how
/// many receivers there are.
const LISTEN_FOR: Duration = Duration::from_millis(500);

/// How long the answers of receivers beyond those expected are awaited.
const STRAGGLERS: Duration = Duration::from_millis(100);

/// Receivers that are told apart. Anybody can send acknowledgements.
const MAX_RECEIVERS: usize = 1024;

/// Options of every sender to many.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)] // clap names a group after its struct, and two here are Options
pub struct Options {
    #[command(flatten)]
    common: super::Options,
    /// Number the messages, and expect this many receivers to get them all
    #[arg(long, value_name = "N")]
    expect: Option<NonZeroU32>,
    /// Send again what not all have acknowledged, so many times
    #[arg(long, value_name = "N", default_value_t = 0)]
    retries: u32,
}

impl Options {
    /// `count` messages that so many receivers should get.
    pub fn expecting(receivers: NonZeroU32, count: u64) -> Options {
        let common = super::Options { count: Some(count), ..super::Options::plain() };
        Options { common, expect: Some(receivers), retries: 3 }
    }

    /// The address of our own to send from.
    pub fn bind(&self) -> Option<&crate::net::addr::Addr> {
        self.common.bind.as_ref()
    }

    fn is_numbered(&self) -> bool {
        self.expect.is_some() || self.common.count.is_some_and(|count| count > 1)
    }

    /// What cannot be done.
    fn check(&self) -> Result<()> {
        let refused = |cause: String| Error::other(Attempt::Send, "the group", cause).unasked();
        if self.retries > 0 && !self.is_numbered() {
            return Err(refused("--retries needs to know who received it".into())
                .because("only numbered messages are acknowledged, and only what is not acknowledged is sent again")
                .next("--expect N, the number of receivers, or --count over 1"));
        }
        if self.is_numbered() && self.common.count.is_some_and(|count| count > MAX_COUNT.into()) {
            return Err(refused(format!("--count over {MAX_COUNT}"))
                .because("receivers keep books on every number, so there is a limit")
                .next(format!("--count {MAX_COUNT}, several times")));
        }
        Ok(())
    }
}

/// Sends `given`, or lines of standard input, as `options` say; and says at the
/// end who got what, where that can be known.
pub fn send(host: &Host, sender: &Sender, options: &Options, manners: &Manners, given: &[String]) -> Result<Status> {
    options.check()?;
    for notice in &sender.notices {
        host.notice(notice);
    }
    let gap = manners.gap.max(options.common.interval.unwrap_or_default());
    let equally_long = options.common.size.is_some();
    let speaker = Speaker::new(host, sender, &Manners { gap, equally_long, ..manners.clone() })?;
    let messages = Messages::new(host, given, &options.common);
    if options.is_numbered() {
        return Series::new(host, speaker, options, manners.key.clone(), &messages)?.send(messages);
    }
    send_plain(host, speaker, messages)
}

/// The payload is the message, no more; so nobody can say what arrived.
fn send_plain(host: &Host, mut speaker: Speaker<'_>, mut messages: Messages) -> Result<Status> {
    let (mut sent, mut refused) = (0, 0);
    let mut send_all = || -> Result<()> {
        while let Some(message) = messages.next_message()? {
            if !speaker.allows(&message)? {
                refused += 1;
            } else if !speaker.wait_turn() {
                break;
            } else if speaker.say(&message, &message, None)? {
                sent += 1;
            } else {
                refused += 1;
            }
        }
        Ok(())
    };
    let failure = send_all().err();
    if let Some(error) = &failure {
        host.emit_error(error);
    }
    let view = View::Sender { numbered: false };
    host.emit(Event::Summary(Summary::Messages(report::Messages { sent, view, ..report::Messages::default() })));
    Ok(status(failure, refused))
}

fn status(failure: Option<Error>, refused: u64) -> Status {
    match failure {
        Some(error) => error.status(),
        None if refused > 0 => Status::No,
        None => Status::Done,
    }
}

/// Who has acknowledged what, apart from any socket.
struct Books {
    expected: usize,
    messages: Vec<Message>,
    /// Numbers that not all have acknowledged, and whose time is not over.
    awaited: BTreeSet<u32>,
    receivers: BTreeMap<SocketAddr, framing::Books>,
}

struct Message {
    first_sent: Instant,
    last_sent: Instant,
    tries: u32,
    acks: usize,
}

impl Books {
    fn new(expected: usize) -> Books {
        Books { expected, messages: Vec::new(), awaited: BTreeSet::new(), receivers: BTreeMap::new() }
    }

    /// All: as many as were expected, and whoever else has answered.
    fn all(&self) -> usize {
        self.expected.max(self.receivers.len()).max(1)
    }

    /// The number of the next message, from 1.
    fn next_seq(&self) -> u32 {
        self.messages.len() as u32 + 1
    }

    fn sent(&mut self, at: Instant) {
        let seq = self.next_seq();
        self.messages.push(Message { first_sent: at, last_sent: at, tries: 1, acks: 0 });
        self.awaited.insert(seq);
    }

    fn sent_again(&mut self, seq: u32, now: Instant) {
        let message = self.message(seq);
        message.tries += 1;
        message.last_sent = now;
    }

    fn message(&mut self, seq: u32) -> &mut Message {
        &mut self.messages[seq as usize - 1]
    }

    /// Books an answer; the round trip, if it is this receiver's first to this
    /// message. `None` also for a message that was never sent.
    fn acknowledged(&mut self, seq: u32, from: SocketAddr, now: Instant) -> Option<Duration> {
        if seq >= self.next_seq() || (self.receivers.len() >= MAX_RECEIVERS && !self.receivers.contains_key(&from)) {
            return None;
        }
        if self.receivers.entry(from).or_default().note(seq) == Arrival::Duplicate {
            return None;
        }
        let all = self.all();
        let message = self.message(seq);
        message.acks += 1;
        let rtt = now - message.first_sent;
        if message.acks >= all {
            self.awaited.remove(&seq);
        }
        Some(rtt)
    }

    /// Until when the latest message holds back the next one.
    fn held_until(&self) -> Option<Instant> {
        let somebody = self.expected > 0 || !self.receivers.is_empty();
        let latest = self.awaited.last().filter(|_| somebody)?;
        Some(self.messages[*latest as usize - 1].last_sent + HOLD_BACK)
    }

    fn overdue(&self, now: Instant, timeout: Duration) -> Vec<u32> {
        self.awaited.iter().copied().filter(|seq| self.deadline(*seq, timeout) <= now).collect()
    }

    fn next_deadline(&self, timeout: Duration) -> Option<Instant> {
        self.awaited.iter().map(|seq| self.deadline(*seq, timeout)).min()
    }

    fn deadline(&self, seq: u32, timeout: Duration) -> Instant {
        self.messages[seq as usize - 1].last_sent + timeout
    }

    /// Receivers that got every message.
    fn complete(&self) -> usize {
        let sent = self.messages.len() as u64;
        self.receivers.values().filter(|books| books.received() == sent).count()
    }

    /// Messages were sent, and nobody said that one came.
    fn is_unanswered(&self) -> bool {
        !self.messages.is_empty() && self.receivers.is_empty()
    }

    fn counts(&self) -> report::Messages {
        let (sent, all) = (self.messages.len() as u64, self.all());
        let received = self.messages.iter().filter(|message| message.acks >= all).count() as u64;
        let receivers = self.receivers.iter();
        let receivers = receivers.map(|(peer, books)| Receiver { peer: *peer, received: books.received() });
        report::Messages {
            sent,
            received,
            lost: sent - received,
            duplicate: self.receivers.values().map(framing::Books::duplicate).sum(),
            reordered: self.receivers.values().map(framing::Books::reordered).sum(),
            receivers: receivers.collect(),
            view: View::Sender { numbered: true },
            ..report::Messages::default()
        }
    }
}

/// Numbered messages under way.
struct Series<'a> {
    host: &'a Host,
    speaker: Speaker<'a>,
    options: &'a Options,
    opener: Option<Opener>,
    books: Books,
    run: Run,
    count: u32,
    /// What may have to be sent again.
    contents: HashMap<u32, Vec<u8>>,
    retried: u64,
    refused: u64,
    trips: Vec<Duration>,
    buffer: Vec<u8>,
}

impl<'a> Series<'a> {
    fn new(
        host: &'a Host,
        speaker: Speaker<'a>,
        options: &'a Options,
        key: Option<Key>,
        messages: &Messages,
    ) -> Result<Series<'a>> {
        Ok(Series {
            host,
            speaker,
            options,
            opener: key.map(Opener::new),
            books: Books::new(options.expect.map_or(0, |expect| expect.get() as usize)),
            run: fresh_run()?,
            count: messages.count().unwrap_or(0) as u32, // of lines, nobody knows how many will come
            contents: HashMap::new(),
            retried: 0,
            refused: 0,
            trips: Vec::new(),
            buffer: vec![0; udp::MAX_DATAGRAM_ROOM],
        })
    }

    fn send(mut self, mut messages: Messages) -> Result<Status> {
        let sent = self.send_all(&mut messages);
        self.conclude(sent)
    }

    fn send_all(&mut self, messages: &mut Messages) -> Result<()> {
        while let Some(message) = messages.next_message()? {
            if !self.speaker.allows(&message)? {
                self.refused += 1;
                continue;
            }
            self.await_turn()?;
            if self.host.stop.is_asked() || self.books.next_seq() > MAX_COUNT {
                break;
            }
            self.send_new(message)?;
            // While a line is typed nobody looks at answers.
            if messages.are_lines() {
                self.await_all()?;
            }
        }
        self.await_all()?;
        let patience = if self.books.expected == 0 { LISTEN_FOR } else { STRAGGLERS };
        self.listen_until(Instant::now() + patience.min(self.options.common.timeout), |_| false)
    }

    fn send_new(&mut self, message: Vec<u8>) -> Result<()> {
        let (seq, at) = (self.books.next_seq(), Instant::now());
        if !self.say(seq, &message)? {
            self.refused += 1; // its number is the next one's
            return Ok(());
        }
        self.books.sent(at);
        if self.options.retries > 0 {
            self.contents.insert(seq, message);
        }
        Ok(())
    }

    fn say(&mut self, seq: u32, message: &[u8]) -> Result<bool> {
        let sent_us = since_1970().as_micros() as u64;
        let header = Header { run: self.run.clone(), seq, count: self.count, sent_us };
        self.speaker.say(&numbered::encode(&header, message), message, Some(seq.into()))
    }

    /// Waits for the pace, and for the answers to the message before.
    fn await_turn(&mut self) -> Result<()> {
        match self.books.held_until() {
            _ if self.books.messages.is_empty() => {}
            Some(held) => self.listen_until(held, |books| books.held_until().is_none())?,
            // Nobody has answered yet: looks whether somebody has by now.
            None if self.books.receivers.is_empty() => self.listen_until(Instant::now() + LOOK, |_| false)?,
            None => {}
        }
        self.listen_until(self.speaker.due.unwrap_or_else(Instant::now), |_| false)
    }

    /// Waits until everything is acknowledged by all, or its time is over.
    fn await_all(&mut self) -> Result<()> {
        if self.books.expected == 0 && self.options.retries == 0 {
            return Ok(());
        }
        while let Some(deadline) = self.books.next_deadline(self.options.common.timeout) {
            if self.host.stop.is_asked() {
                break;
            }
            self.listen_until(deadline, |books| books.awaited.is_empty())?;
            self.heed_overdue()?;
        }
        Ok(())
    }

    /// Takes answers until `moment`, or until `done`.
    fn listen_until(&mut self, moment: Instant, done: impl Fn(&Books) -> bool) -> Result<()> {
        while !self.host.stop.is_asked() && !done(&self.books) {
            let left = moment.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.take_answer(left)?;
            self.heed_overdue()?;
        }
        Ok(())
    }

    fn take_answer(&mut self, wait: Duration) -> Result<()> {
        let socket = &self.speaker.sender.socket;
        let failed = |cause: io::Error| Error::new(Attempt::Receive, "the receivers", &cause);
        socket.wait_at_most(Some(super::datagrams::round_up(wait))).map_err(failed)?;
        let (got, from) = match socket.recv_from(&mut self.buffer) {
            Ok(received) => received,
            Err(error) if is_timeout(&error) || self.host.stop.is_asked() => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        let answer = match &mut self.opener {
            Some(opener) => opener.open(&self.buffer[..got], now_unix()).ok(),
            None => Some(&self.buffer[..got]),
        };
        // Whatever else comes is no answer to this run, and nothing to us.
        let Some(ack) = answer.and_then(Ack::decode).filter(|ack| ack.run == self.run) else { return Ok(()) };
        if let Some(rtt) = self.books.acknowledged(ack.seq, from, Instant::now()) {
            self.trips.push(rtt);
            self.host.emit(Event::Acknowledged { peer: from, seq: ack.seq, rtt });
        }
        if !self.books.awaited.contains(&ack.seq) {
            self.contents.remove(&ack.seq);
        }
        Ok(())
    }

    /// What not all have acknowledged in time is sent again, or given up.
    fn heed_overdue(&mut self) -> Result<()> {
        for seq in self.books.overdue(Instant::now(), self.options.common.timeout) {
            let tries = self.books.message(seq).tries;
            match self.contents.get(&seq).cloned() {
                Some(message) if tries <= self.options.retries => {
                    self.books.sent_again(seq, Instant::now());
                    self.retried += u64::from(self.say(seq, &message)?);
                }
                _ => self.give_up(seq),
            }
        }
        Ok(())
    }

    fn give_up(&mut self, seq: u32) {
        self.books.awaited.remove(&seq);
        self.contents.remove(&seq);
        let Message { acks, tries, .. } = *self.books.message(seq);
        if self.books.expected > 0 {
            self.host.emit(Event::Missed { seq, receivers: acks, expected: self.books.all(), tries });
        }
    }

    fn conclude(self, sent: Result<()>) -> Result<Status> {
        let (complete, expected) = (self.books.complete(), self.books.expected);
        let failure = match sent {
            Err(error) => Some(error),
            Ok(()) if complete < expected || self.books.messages.is_empty() && expected > 0 => {
                Some(too_few(self.speaker.subject(), complete, expected))
            }
            Ok(()) => None,
        };
        if self.host.stop.is_asked() {
            // Cut short: what is missing, the summary says.
        } else if let Some(error) = &failure {
            self.host.emit_error(error);
        } else if self.books.is_unanswered() {
            self.host.notice(
                "nobody answered: no netlab receiver is there, or all was lost; only with --expect N is that a failure",
            );
        }
        let rtt_us = RoundTrips::of(self.trips);
        let counts = report::Messages { retried: self.retried, rtt_us, ..self.books.counts() };
        self.host.emit(Event::Summary(Summary::Messages(counts)));
        Ok(status(failure, self.refused))
    }
}

fn too_few(subject: String, complete: usize, expected: usize) -> Error {
    let receivers = if expected == 1 { "receiver" } else { "receivers" };
    Error::other(Attempt::Send, subject, format!("{complete} of {expected} {receivers} got everything"))
        .because("the others do not listen there, or some of their copies were lost")
        .next("start netlab receivers on the same interface, or send again what is lost: --retries 3")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(1);

    fn from(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn three_sent(expected: usize) -> (Books, Instant) {
        let (mut books, now) = (Books::new(expected), Instant::now());
        for _ in 0..3 {
            books.sent(now);
        }
        (books, now)
    }

    #[test]
    fn a_message_is_awaited_until_all_expected_have_it() {
        let (mut books, now) = three_sent(2);
        assert!(books.acknowledged(1, from(1), now).is_some());
        assert!(books.awaited.contains(&1));
        assert!(books.acknowledged(1, from(2), now).is_some());
        assert!(!books.awaited.contains(&1));
    }

    #[test]
    fn one_more_receiver_than_expected_is_awaited_too() {
        let (mut books, now) = three_sent(1);
        for port in [1, 2] {
            books.acknowledged(1, from(port), now);
        }
        books.acknowledged(2, from(1), now);
        assert!(books.awaited.contains(&2));
    }

    #[test]
    fn an_answer_counts_once_and_only_to_what_was_sent() {
        let (mut books, now) = three_sent(1);
        assert!(books.acknowledged(3, from(1), now).is_some());
        assert!(books.acknowledged(3, from(1), now).is_none());
        assert!(books.acknowledged(4, from(1), now).is_none());
        let counts = books.counts();
        assert_eq!([counts.sent, counts.received, counts.lost, counts.duplicate], [3, 1, 2, 1]);
    }

    #[test]
    fn only_who_got_everything_is_complete() {
        let (mut books, now) = three_sent(2);
        for seq in 1..=3 {
            books.acknowledged(seq, from(1), now);
        }
        books.acknowledged(2, from(2), now);
        assert_eq!(books.complete(), 1);
        let counts = books.counts();
        let got: Vec<u64> = counts.receivers.iter().map(|receiver| receiver.received).collect();
        assert_eq!(got, [3, 1]);
    }

    #[test]
    fn forged_receivers_fill_no_memory() {
        let (mut books, now) = three_sent(1);
        for port in 0..u16::MAX {
            books.acknowledged(1, from(port), now);
        }
        assert_eq!(books.receivers.len(), MAX_RECEIVERS);
    }

    #[test]
    fn what_is_not_acknowledged_in_time_is_overdue_and_a_resend_starts_its_time_anew() {
        let (mut books, now) = three_sent(1);
        books.acknowledged(2, from(1), now);
        assert!(books.overdue(now, TIMEOUT).is_empty());
        assert_eq!(books.overdue(now + TIMEOUT, TIMEOUT), [1, 3]);
        books.sent_again(1, now + TIMEOUT);
        assert_eq!(books.overdue(now + TIMEOUT, TIMEOUT), [3]);
    }

    #[test]
    fn nobody_holds_anything_back_where_nobody_is_known_to_listen() {
        let (mut books, now) = three_sent(0);
        assert_eq!(books.held_until(), None);
        books.acknowledged(1, from(1), now);
        assert_eq!(books.held_until(), Some(now + HOLD_BACK));
    }
}
