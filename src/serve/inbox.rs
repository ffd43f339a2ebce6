//! What a receiver of anybody's datagrams lets through, and its books.
//!
//! Anybody may send to a group or a broadcast address, so each datagram passes
//! a row of guards before it counts, each of which may be off:
//!
//! ```text
//! datagram ─▶ too long? ─▶ sealed with our key, and new? ─▶ too fast? ─▶ booked
//!                 └──────────────────┴───────────────────────┴─▶ dropped, counted
//! ```
//!
//! A *numbered* datagram is booked by its number: lost, duplicate, reordered.
//! There is no socket and no clock here; the time comes in with the datagram.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::error::{Attempt, Error, Result};
use crate::framing::sealed::MAX_SEAL_BYTES;
use crate::framing::{self, Arrival, Header, Key, Opener, Refused, Run, numbered};
use crate::net::udp;
use crate::report::{self, Dropped, View};

/// Fits into one packet of any network that people use, with all its headers:
/// nothing is cut into fragments.
const MAX_MESSAGE_BYTES: usize = 1200;

/// No person types as fast; a few hosts at this rate disturb nobody.
const DEFAULT_RATE: &str = "100/s";

/// Runs on which books are kept. One may take half a megabyte, if its sender
/// does all it can; the one silent the longest is closed for a new one.
const MAX_RUNS: usize = 256;

/// Sources whose rate is watched at once.
const MAX_SOURCES: usize = 1024;

/// What a receiver lets through.
#[derive(Clone, Debug, Default)]
pub struct Guards {
    /// Datagrams a second from one [`Source`]; without, as many as come.
    pub rate: Option<Rate>,
    /// The longest message; without, as long as a datagram can be.
    pub max_bytes: Option<usize>,
    /// Who does not hold this key is not heard.
    pub key: Option<Key>,
}

/// Options of those who hear anybody: the same at both ends.
#[derive(Clone, Debug, clap::Args)]
pub struct GuardOptions {
    /// Send no faster; drop what one host sends faster (on loopback: one port)
    #[arg(long, value_name = "N/s|off", default_value = DEFAULT_RATE)]
    pub rate_limit: RateLimit,
    /// Send no longer message; drop longer ones
    #[arg(long, value_name = "BYTES", default_value_t = MAX_MESSAGE_BYTES)]
    pub max_size: usize,
    /// Prove by this file, at both ends, that a message is new and from one who has it
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
}

impl GuardOptions {
    /// Options a user gave none of.
    pub fn plain() -> GuardOptions {
        GuardOptions { rate_limit: RateLimit(None), max_size: MAX_MESSAGE_BYTES, key: None }
    }

    /// The guards they ask for; reads the key file.
    pub fn guards(&self) -> Result<Guards> {
        let key = self.key.as_deref().map(read_key).transpose()?;
        Ok(Guards { rate: self.rate_limit.0, max_bytes: Some(self.max_size), key })
    }
}

fn read_key(file: &Path) -> Result<Key> {
    let subject = format!("the key file {}", file.display());
    let bytes = std::fs::read(file).map_err(|cause| {
        Error::new(Attempt::Read, &subject, &cause)
            .next("the file that all members share: its bytes are the key")
            .unasked()
    })?;
    Key::from_bytes(&bytes).map_err(|cause| {
        Error::other(Attempt::Read, &subject, cause.to_string())
            .because("whoever hears one datagram can try keys at home, as fast as the machine computes")
            .next("head -c 32 /dev/urandom | base64 > class.key")
            .unasked()
    })
}

/// So many datagrams a second: `100/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(NonZeroU32);

impl Rate {
    /// The pause between two datagrams of one who keeps to it.
    pub fn gap(self) -> Duration {
        Duration::from_secs(1) / self.0.get()
    }
}

/// `--rate-limit 100/s|off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit(pub Option<Rate>);

impl FromStr for RateLimit {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<RateLimit, String> {
        if text == "off" {
            return Ok(RateLimit(None));
        }
        let rate = text.strip_suffix("/s").unwrap_or(text).parse().map(Rate);
        rate.map(|rate| RateLimit(Some(rate))).map_err(|_| "write so many a second, such as 100/s, or off".into())
    }
}

/// Why a datagram was thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    TooLong,
    TooFast,
    Unsealed,
    Forged,
    Replayed,
    Stale,
}

impl Reason {
    const ALL: [Reason; 6] =
        [Reason::TooLong, Reason::TooFast, Reason::Unsealed, Reason::Forged, Reason::Replayed, Reason::Stale];

    fn name(self) -> &'static str {
        match self {
            Reason::TooLong => "too-long",
            Reason::TooFast => "too-fast",
            Reason::Unsealed => "unsealed",
            Reason::Forged => "forged",
            Reason::Replayed => "replayed",
            Reason::Stale => "stale",
        }
    }

    /// For people.
    pub fn why(self) -> &'static str {
        match self {
            Reason::TooLong => "longer than --max-size allows",
            Reason::TooFast => "its source sends more than --rate-limit allows",
            Reason::Unsealed => "its sender shows no --key",
            Reason::Forged => "sealed with another key, or changed on the way",
            Reason::Replayed => "received before: somebody recorded it and sent it again",
            Reason::Stale => "sealed more than a minute before or after this clock's time",
        }
    }
}

impl From<Refused> for Reason {
    fn from(refused: Refused) -> Reason {
        match refused {
            Refused::Unsealed => Reason::Unsealed,
            Refused::Forged => Reason::Forged,
            Refused::Replayed => Reason::Replayed,
            Refused::Stale => Reason::Stale,
        }
    }
}

/// A message that passed all guards.
#[derive(Debug, PartialEq, Eq)]
pub struct Heard<'d> {
    /// Of a numbered datagram: its header, and what its number means.
    pub numbered: Option<(Header, Arrival)>,
    /// Without its headers.
    pub message: &'d [u8],
}

/// The guards and the books, apart from any socket.
pub struct Inbox {
    rate: Option<Rate>,
    max_bytes: usize,
    opener: Option<Opener>,
    buckets: HashMap<Source, Bucket>,
    runs: Runs,
    /// Different messages; of them without a number: `plain`.
    received: u64,
    plain: u64,
    dropped: HashMap<Reason, u64>,
}

impl Inbox {
    /// Nothing has come yet.
    pub fn new(guards: &Guards) -> Inbox {
        Inbox {
            rate: guards.rate,
            max_bytes: guards.max_bytes.unwrap_or(udp::MAX_DATAGRAM_ROOM),
            opener: guards.key.clone().map(Opener::new),
            buckets: HashMap::new(),
            runs: Runs::default(),
            received: 0,
            plain: 0,
            dropped: HashMap::new(),
        }
    }

    /// Books a datagram; the error is why it was dropped.
    pub fn take<'d>(
        &mut self,
        datagram: &'d [u8],
        from: SocketAddr,
        now: Moment,
    ) -> std::result::Result<Heard<'d>, Reason> {
        let heard = self.admit(datagram, from, now);
        match &heard {
            Err(reason) => *self.dropped.entry(*reason).or_default() += 1,
            Ok(Heard { numbered: Some((_, Arrival::Duplicate)), .. }) => {}
            Ok(Heard { numbered, .. }) => {
                self.received += 1;
                self.plain += u64::from(numbered.is_none());
            }
        }
        heard
    }

    fn admit<'d>(
        &mut self,
        datagram: &'d [u8],
        from: SocketAddr,
        now: Moment,
    ) -> std::result::Result<Heard<'d>, Reason> {
        // Before the HMAC, which would be computed over all of it.
        if datagram.len() > self.max_bytes.saturating_add(MAX_SEAL_BYTES + numbered::MAX_HEADER_BYTES) {
            return Err(Reason::TooLong);
        }
        let payload = match &mut self.opener {
            Some(opener) => opener.open(datagram, now.unix)?,
            None => datagram,
        };
        let (header, message) = match numbered::decode(payload) {
            Some((header, message)) => (Some(header), message),
            None => (None, payload),
        };
        if message.len() > self.max_bytes {
            return Err(Reason::TooLong);
        }
        if !self.is_within_rate(from, now.at) {
            return Err(Reason::TooFast);
        }
        let numbered = header.map(|header| {
            let arrival = self.runs.note(from, &header);
            (header, arrival)
        });
        Ok(Heard { numbered, message })
    }

    fn is_within_rate(&mut self, from: SocketAddr, now: Instant) -> bool {
        let Some(Rate(rate)) = self.rate else { return true };
        let source = Source::of(from);
        if self.buckets.len() >= MAX_SOURCES && !self.buckets.contains_key(&source) {
            // Who was silent for a second has a full bucket, as newcomers have.
            self.buckets.retain(|_, bucket| now.duration_since(bucket.at) < Duration::from_secs(1));
            if self.buckets.len() >= MAX_SOURCES {
                return false; // source addresses are easily forged: this is a flood
            }
        }
        let full = Bucket { drops: f64::from(rate.get()), at: now };
        self.buckets.entry(source).or_insert(full).take(rate.get().into(), now)
    }

    /// Different messages received so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Whether this was the first to be dropped for this reason.
    pub fn is_first(&self, reason: Reason) -> bool {
        self.dropped.get(&reason) == Some(&1)
    }

    /// The counters.
    pub fn counts(&self) -> report::Messages {
        let Totals { lost, duplicate, reordered } = self.runs.totals();
        let dropped = Reason::ALL.into_iter().filter_map(|reason| {
            let count = *self.dropped.get(&reason)?;
            Some(Dropped { reason: reason.name(), why: reason.why(), count })
        });
        report::Messages {
            received: self.received,
            lost,
            duplicate,
            reordered,
            dropped: dropped.collect(),
            view: View::Receiver { unnumbered: self.plain },
            ..report::Messages::default()
        }
    }
}

/// Whose rate is watched: a host, whatever ports it sends from. Were a port a
/// source of its own, a host with a thousand sockets had a thousand times the
/// rate. So the members on one host share its rate.
///
/// On loopback all members have one address, and each port is a source: there a
/// member on the same host would else use up the rate of all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Source(SocketAddr);

impl Source {
    fn of(mut from: SocketAddr) -> Source {
        if !from.ip().to_canonical().is_loopback() {
            from.set_port(0);
        }
        Source(from)
    }
}

/// A token bucket: it holds a second's worth, and fills up again at the rate.
struct Bucket {
    drops: f64,
    at: Instant,
}

impl Bucket {
    fn take(&mut self, rate: f64, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        (self.drops, self.at) = ((self.drops + since * rate).min(rate), now);
        let has = self.drops >= 1.0;
        self.drops -= f64::from(u8::from(has));
        has
    }
}

/// Books on each sender's runs.
#[derive(Default)]
struct Runs {
    open: HashMap<(SocketAddr, Run), Account>,
    closed: Totals,
    noted: u64,
}

#[derive(Default)]
struct Account {
    books: framing::Books,
    count: u32,
    noted_last: u64,
}

#[derive(Clone, Copy, Default)]
struct Totals {
    lost: u64,
    duplicate: u64,
    reordered: u64,
}

impl Runs {
    fn note(&mut self, from: SocketAddr, header: &Header) -> Arrival {
        let key = (from, header.run.clone());
        if self.open.len() >= MAX_RUNS && !self.open.contains_key(&key) {
            self.close_the_stalest();
        }
        self.noted += 1;
        let account = self.open.entry(key).or_default();
        account.count = account.count.max(header.count);
        account.noted_last = self.noted;
        account.books.note(header.seq)
    }

    fn close_the_stalest(&mut self) {
        let stalest = self.open.iter().min_by_key(|(_, account)| account.noted_last).map(|(key, _)| key.clone());
        if let Some(account) = stalest.and_then(|key| self.open.remove(&key)) {
            self.closed.add(&account);
        }
    }

    fn totals(&self) -> Totals {
        let mut totals = self.closed;
        for account in self.open.values() {
            totals.add(account);
        }
        totals
    }
}

impl Totals {
    fn add(&mut self, Account { books, count, .. }: &Account) {
        self.lost += books.lost(*count);
        self.duplicate += books.duplicate();
        self.reordered += books.reordered();
    }
}

/// Now, by the clock that never jumps and by the one all hosts share.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    at: Instant,
    /// Seconds since 1970.
    pub unix: u64,
}

impl Moment {
    /// By the system's clocks.
    pub fn now() -> Moment {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        Moment { at: Instant::now(), unix }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::Sealer;

    fn from(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn numbered(run: &str, seq: u32, count: u32) -> Vec<u8> {
        let header = Header { run: Run::parse(run).unwrap(), seq, count, sent_us: 0 };
        numbered::encode(&header, b"hello")
    }

    fn reason(heard: std::result::Result<Heard<'_>, Reason>) -> Option<Reason> {
        heard.err()
    }

    #[test]
    fn losses_duplicates_and_reorderings_are_booked_per_sender_and_run() {
        let mut inbox = Inbox::new(&Guards::default());
        for (port, run, seqs) in [(1, "a", &[1, 2, 4, 4, 3][..]), (1, "b", &[5]), (2, "a", &[1])] {
            for seq in seqs {
                inbox.take(&numbered(run, *seq, 5), from(port), Moment::now()).unwrap();
            }
        }
        inbox.take(b"plain", from(3), Moment::now()).unwrap();
        let counts = inbox.counts();
        assert_eq!([counts.received, counts.lost], [7, 1 + 4 + 4]);
        assert_eq!([counts.duplicate, counts.reordered], [1, 1]);
    }

    #[test]
    fn no_number_of_runs_makes_the_books_large_and_none_is_forgotten_in_the_sum() {
        let mut inbox = Inbox::new(&Guards::default());
        for run in 0..1000 {
            inbox.take(&numbered(&format!("r{run}"), 1, 2), from(1), Moment::now()).unwrap();
        }
        assert_eq!(inbox.runs.open.len(), MAX_RUNS);
        let counts = inbox.counts();
        assert_eq!([counts.received, counts.lost], [1000, 1000]);
    }

    #[test]
    fn a_source_over_its_rate_is_dropped_and_others_are_not() {
        let rate = "10/s".parse::<RateLimit>().unwrap().0;
        let mut inbox = Inbox::new(&Guards { rate, ..Guards::default() });
        let now = Moment::now();
        let heard = |inbox: &mut Inbox, port, now| inbox.take(b"x", from(port), now).is_ok();
        let passed = (0..30).filter(|_| heard(&mut inbox, 1, now)).count();
        assert_eq!(passed, 10);
        assert!(heard(&mut inbox, 2, now));
        let later = Moment { at: now.at + Duration::from_millis(500), ..now };
        let passed = (0..30).filter(|_| heard(&mut inbox, 1, later)).count();
        assert_eq!(passed, 5);
    }

    #[test]
    fn a_host_with_many_ports_has_one_rate_and_on_loopback_each_port_its_own() {
        let rate = "10/s".parse::<RateLimit>().unwrap().0;
        let now = Moment::now();
        let table = [("10.0.0.7", 10), ("[2001:db8::7]", 10), ("127.0.0.1", 1024), ("[::1]", 1024)];
        for (host, expected) in table {
            let mut inbox = Inbox::new(&Guards { rate, ..Guards::default() });
            let sources = (1..=1024).map(|port| format!("{host}:{port}").parse().unwrap());
            let passed = sources.filter(|from| inbox.take(b"x", *from, now).is_ok()).count();
            assert_eq!(passed, expected, "{host}");
        }
        let mut inbox = Inbox::new(&Guards { rate, ..Guards::default() });
        // One host's flood uses up no other host's rate.
        for seq in 0..20 {
            let heard = inbox.take(b"x", "10.0.0.7:1".parse().unwrap(), now);
            assert_eq!(heard.is_ok(), seq < 10);
        }
        assert!(inbox.take(b"x", "10.0.0.8:1".parse().unwrap(), now).is_ok());
    }

    #[test]
    fn a_flood_from_forged_addresses_fills_no_memory() {
        let rate = "10/s".parse::<RateLimit>().unwrap().0;
        let mut inbox = Inbox::new(&Guards { rate, ..Guards::default() });
        let now = Moment::now();
        for port in 0..u16::MAX {
            let _ = inbox.take(b"x", from(port), now);
        }
        assert_eq!(inbox.buckets.len(), MAX_SOURCES);
        let later = Moment { at: now.at + Duration::from_secs(2), ..now };
        assert!(inbox.take(b"x", from(u16::MAX), later).is_ok());
    }

    #[test]
    fn the_message_is_measured_and_not_its_headers() {
        let key = Key::from_bytes(b"correct horse").unwrap();
        let guards = Guards { max_bytes: Some(5), key: Some(key.clone()), rate: None };
        let (mut inbox, mut sealer) = (Inbox::new(&guards), Sealer::new(key, Run::new(1)));
        let now = Moment::now();
        let mut take = |payload: &[u8]| reason(inbox.take(&sealer.seal(payload, now.unix), from(1), now));
        assert_eq!(take(b"12345"), None);
        assert_eq!(take(&numbered("r", 1, 1)), None);
        assert_eq!(take(b"123456"), Some(Reason::TooLong));
        assert_eq!(take(&[b'x'; 10_000]), Some(Reason::TooLong));
    }

    #[test]
    fn strangers_forgeries_and_replays_are_dropped_and_counted_apart() {
        let key = Key::from_bytes(b"correct horse").unwrap();
        let mut inbox = Inbox::new(&Guards { key: Some(key.clone()), ..Guards::default() });
        let now = Moment::now();
        let sealed = Sealer::new(key.clone(), Run::new(1)).seal(b"hello", now.unix);
        let mut tampered = sealed.clone();
        *tampered.last_mut().unwrap() ^= 1;
        let stale = Sealer::new(key, Run::new(2)).seal(b"hello", now.unix - 100);
        let datagrams: [(&[u8], Option<Reason>); 5] = [
            (b"hello", Some(Reason::Unsealed)),
            (&tampered, Some(Reason::Forged)),
            (&sealed, None),
            (&sealed, Some(Reason::Replayed)),
            (&stale, Some(Reason::Stale)),
        ];
        for (datagram, expected) in datagrams {
            assert_eq!(reason(inbox.take(datagram, from(1), now)), expected);
        }
        let counts = inbox.counts();
        let dropped: Vec<_> = counts.dropped.iter().map(|dropped| (dropped.reason, dropped.count)).collect();
        assert_eq!(dropped, [("unsealed", 1), ("forged", 1), ("replayed", 1), ("stale", 1)]);
        assert_eq!(counts.received, 1);
    }

    #[test]
    fn a_rate_is_a_number_a_second_or_off() {
        let table = [("100/s", Some("100/s")), ("7", Some("7/s")), ("off", None)];
        for (text, rate) in table {
            let limit = text.parse::<RateLimit>().unwrap();
            assert_eq!(limit.0.map(|rate| rate.to_string()).as_deref(), rate);
        }
        for text in ["", "0/s", "-1/s", "1/m", "fast", "/s"] {
            assert!(text.parse::<RateLimit>().is_err(), "{text:?}");
        }
    }
}
