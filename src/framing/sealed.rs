//! Sealed datagrams: who sent it, and is it new?
//!
//! On a broadcast address anybody on the link hears everything, and anybody can
//! send in anybody's name: a datagram's source address is only what its sender
//! wrote there. Those who share a key can put a proof into a line of its own:
//!
//! ```text
//! netlab-key RUN COUNTER UNIX_SECONDS HMAC_HEX\n   then the payload
//! ```
//!
//! HMAC_HEX is HMAC-SHA256 (RFC 2104, FIPS 180-4) under the shared key over
//! every byte of the datagram but the 64 digits themselves. It proves that one
//! of those who hold the key made the datagram, not which of them, and it hides
//! nothing: the payload stays readable.
//!
//! A proof can be recorded and sent again. Against that the header counts, and
//! the receiver keeps three rules:
//!
//! 1. Within a run, each counter is taken once. A window of 64 behind the
//!    highest counter lets reordered datagrams pass (RFC 4303 section 3.4.3).
//! 2. The sender's time may be 60 seconds off, no more.
//! 3. At most 1,024 runs are remembered. For the next one, the run that was
//!    silent the longest is forgotten, and what the new run sends must be newer
//!    than all the forgotten one sent. Those forgotten earlier were silent
//!    longer still, so no recording of a forgotten run gets in again; at worst
//!    a sender with a slow clock is refused.
//!
//! What is left: a receiver that restarts has forgotten everything, and takes a
//! recording of the last 60 seconds once more.

use super::numbered::{Run, decimal, split_line};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fmt;

/// The longest header line that is put before the payload.
pub const MAX_SEAL_BYTES: usize = "netlab-key ".len() + 32 + 1 + 20 + 1 + 20 + 1 + MAC_HEX_DIGITS + 1;

/// The shortest key. Whoever hears one sealed datagram can try keys at home,
/// as fast as the machine computes, so a PIN would be no key at all.
pub const MIN_KEY_BYTES: usize = 8;

/// How far the sender's clock may be off: clocks set by hand differ by a minute,
/// those set by NTP by far less.
pub const MAX_CLOCK_SKEW_SECONDS: u64 = 60;

/// Runs whose counters are remembered: a run is a sender's one start, and a
/// thousand take about 150 kB.
pub const MAX_RUNS: usize = 1024;

/// Two hex digits for each of SHA-256's 32 bytes.
const MAC_HEX_DIGITS: usize = 64;

/// The secret that senders and receivers share.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl Key {
    /// The key in a key file: its bytes without one line end at the last,
    /// because editors and `echo` put one there.
    ///
    /// # Errors
    /// [`KeyError::TooShort`] under [`MIN_KEY_BYTES`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Key, KeyError> {
        let key = match bytes {
            [key @ .., b'\r', b'\n'] | [key @ .., b'\n'] => key,
            key => key,
        };
        let too_short = KeyError::TooShort { bytes: key.len() };
        if key.len() < MIN_KEY_BYTES {
            return Err(too_short);
        }
        // HMAC takes a key of any length, so this maps an error that never is.
        Hmac::new_from_slice(key).map(Key).map_err(|_| too_short)
    }

    /// The HMAC state after all bytes of the datagram but the digits of the MAC.
    fn mac(&self, before: &[u8], after: &[u8]) -> Hmac<Sha256> {
        self.0.clone().chain_update(before).chain_update(after)
    }
}

/// Shows no part of the key, so that no log does.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

/// Why some bytes are no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// Fewer than [`MIN_KEY_BYTES`].
    TooShort {
        /// How many there were, without the line end.
        bytes: usize,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KeyError::TooShort { bytes } = self;
        write!(f, "the key has {bytes} bytes, and at least {MIN_KEY_BYTES} are needed")
    }
}

impl std::error::Error for KeyError {}

/// Puts the proof on what one sender sends.
#[derive(Debug)]
pub struct Sealer {
    key: Key,
    run: Run,
    counter: u64,
}

impl Sealer {
    /// A sealer at the start of a run. The run must be fresh: under one used
    /// before, receivers take the counters from 1 for replays.
    pub fn new(key: Key, run: Run) -> Sealer {
        Sealer { key, run, counter: 0 }
    }

    /// The sealed datagram: [`MAX_SEAL_BYTES`] longer than the payload at most.
    pub fn seal(&mut self, payload: &[u8], unix_seconds: u64) -> Vec<u8> {
        self.counter += 1;
        let before = format!("netlab-key {} {} {unix_seconds} ", self.run, self.counter);
        let after = [b"\n", payload].concat();
        let mac = self.key.mac(before.as_bytes(), &after).finalize().into_bytes();
        [before.as_bytes(), hex(&mac).as_bytes(), &after].concat()
    }
}

/// Why a datagram was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It has no seal.
    Unsealed,
    /// Its seal was not made with this key, or it was changed on the way.
    Forged,
    /// It was opened before, or is too old to tell whether it was.
    Replayed,
    /// It was sealed more than [`MAX_CLOCK_SKEW_SECONDS`] before or after now.
    Stale,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Unsealed => "it carries no seal",
            Refused::Forged => "its seal was made with another key, or it was changed on the way",
            Refused::Replayed => "it has been received before",
            Refused::Stale => "it was sealed more than a minute before or after this clock's time",
        })
    }
}

impl std::error::Error for Refused {}

/// Checks the proof on what a receiver receives.
#[derive(Debug)]
pub struct Opener {
    key: Key,
    runs: BTreeMap<Run, Window>,
}

impl Opener {
    /// An opener that has seen nothing yet.
    pub fn new(key: Key) -> Opener {
        Opener { key, runs: BTreeMap::new() }
    }

    /// The payload, if a holder of the key sealed it and it is new.
    ///
    /// # Errors
    /// See [`Refused`]. A refused datagram changes nothing that is remembered.
    pub fn open<'d>(&mut self, datagram: &'d [u8], now: u64) -> Result<&'d [u8], Refused> {
        let seal = Seal::read(datagram).ok_or(Refused::Unsealed)?;
        // The MAC comes first: what a stranger wrote is not even looked at. The
        // comparison takes the same time wherever the first difference is, or
        // a patient stranger could find the MAC digit by digit.
        let mac = self.key.mac(seal.before, seal.after);
        mac.verify_slice(&seal.mac).map_err(|_| Refused::Forged)?;
        if now.abs_diff(seal.sealed_at) > MAX_CLOCK_SKEW_SECONDS {
            return Err(Refused::Stale);
        }
        if !self.take(&seal) {
            return Err(Refused::Replayed);
        }
        Ok(seal.payload())
    }

    /// Takes the datagram's counter, if it has not been taken before.
    fn take(&mut self, seal: &Seal<'_>) -> bool {
        match self.runs.get_mut(&seal.run) {
            Some(window) => window.take(seal.counter, seal.sealed_at),
            None => self.admit(seal),
        }
    }

    /// Takes the first datagram of a run that is not, or no longer, remembered.
    fn admit(&mut self, seal: &Seal<'_>) -> bool {
        let stalest = self.stalest_run().filter(|_| self.runs.len() >= MAX_RUNS);
        let mut window = Window { after: stalest.as_ref().map(|(_, newest)| *newest), ..Window::default() };
        if !window.take(seal.counter, seal.sealed_at) {
            return false;
        }
        if let Some((run, _)) = stalest {
            self.runs.remove(&run);
        }
        self.runs.insert(seal.run.clone(), window);
        true
    }

    fn stalest_run(&self) -> Option<(Run, u64)> {
        let newest = self.runs.iter().map(|(run, window)| (run, window.newest));
        let (run, newest) = newest.min_by_key(|(_, newest)| *newest)?;
        Some((run.clone(), newest))
    }
}

/// The counters of one run that have been taken.
#[derive(Debug, Default)]
struct Window {
    highest: u64,
    /// Bit n: the counter n below the highest has been taken.
    taken: u64,
    /// The latest time the sender has claimed, in Unix seconds.
    newest: u64,
    /// The newest time of the run that made room for this one. A run that comes
    /// back after it was forgotten has an empty window again, and only this
    /// knows that all up to here may have been taken already.
    after: Option<u64>,
}

impl Window {
    /// Takes a counter, or says that it was taken or is too far behind to tell.
    fn take(&mut self, counter: u64, sealed_at: u64) -> bool {
        if self.after.is_some_and(|after| sealed_at <= after) {
            return false;
        }
        if counter > self.highest {
            let ahead = counter - self.highest;
            self.taken = if ahead < 64 { self.taken << ahead } else { 0 };
            self.highest = counter;
        }
        let behind = self.highest - counter;
        if behind >= 64 || self.taken & (1 << behind) != 0 {
            return false;
        }
        self.taken |= 1 << behind;
        self.newest = self.newest.max(sealed_at);
        true
    }
}

/// A sealed datagram, taken apart and not yet believed.
struct Seal<'d> {
    run: Run,
    counter: u64,
    sealed_at: u64,
    mac: [u8; 32],
    before: &'d [u8],
    after: &'d [u8],
}

impl<'d> Seal<'d> {
    fn read(datagram: &'d [u8]) -> Option<Seal<'d>> {
        let (line, _) = split_line(datagram, MAX_SEAL_BYTES)?;
        let mut fields = line.strip_prefix("netlab-key ")?.split(' ');
        let seal = Seal {
            run: Run::parse(fields.next()?)?,
            counter: decimal(fields.next()?)?,
            sealed_at: decimal(fields.next()?)?,
            mac: unhex(fields.next()?)?,
            before: &datagram[..line.len() - MAC_HEX_DIGITS],
            after: &datagram[line.len()..],
        };
        fields.next().is_none().then_some(seal)
    }

    /// What follows the header's LF.
    fn payload(&self) -> &'d [u8] {
        &self.after[1..]
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Only lower case, as `hex` writes it: one datagram, one spelling.
fn unhex(digits: &str) -> Option<[u8; 32]> {
    let lower_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != MAC_HEX_DIGITS || !digits.bytes().all(lower_hex) {
        return None;
    }
    let mut bytes = [0; 32];
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * n..2 * n + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_700_000_000;

    fn key() -> Key {
        Key::from_bytes(b"correct horse").expect("a key long enough")
    }

    fn sealer(run: &str) -> Sealer {
        Sealer::new(key(), Run::parse(run).expect("a run in a test"))
    }

    fn opener() -> Opener {
        Opener::new(key())
    }

    #[test]
    fn a_sealed_datagram_reads_as_documented() {
        // The digits are those of another implementation, Python's hmac.
        let expected = b"netlab-key run-1 1 1700000000 \
            9233415bb3a1cac8c3c5ad79568c00e712afc1769179bf30ebd7dad64bbedef4\nhello";
        assert_eq!(sealer("run-1").seal(b"hello", NOW), expected);
        assert_eq!(opener().open(expected, NOW), Ok(&b"hello"[..]));
    }

    #[test]
    fn the_longest_seal_has_the_stated_length() {
        let mut sealer = sealer(&"x".repeat(32));
        sealer.counter = u64::MAX - 1;
        assert_eq!(sealer.seal(b"", u64::MAX).len(), MAX_SEAL_BYTES);
    }

    #[test]
    fn payloads_of_every_size_pass() {
        let (mut sealer, mut opener) = (sealer("r"), opener());
        for size in [0, 1, 2, 1472, 65_507 - MAX_SEAL_BYTES] {
            let payload = vec![b'\n'; size];
            assert_eq!(opener.open(&sealer.seal(&payload, NOW), NOW), Ok(&payload[..]));
        }
    }

    #[test]
    fn a_datagram_without_a_seal_is_unsealed() {
        let mac = "0".repeat(64);
        let long_run = "x".repeat(33);
        let table = [
            String::new(),
            "hello".into(),
            "netlab r 1/1 0\nhello".into(),
            "netlab-key \n".into(),
            format!("netlab-key r 1 1 {mac}"),
            format!("netlab-key r 1 {mac}\n"),
            format!("netlab-key r 1 1 1 {mac}\n"),
            format!("netlab-key r 1 1 {mac} \n"),
            format!("netlab-key  r 1 1 {mac}\n"),
            format!("netlab-key r 01 1 {mac}\n"),
            format!("netlab-key r 1 1 {mac}0\n"),
            format!("netlab-key r 1 1 {}\n", &mac[1..]),
            format!("netlab-key r 1 1 {}\n", "A".repeat(64)),
            format!("netlab-key {long_run} 1 1 {mac}\n"),
        ];
        for datagram in table {
            assert_eq!(opener().open(datagram.as_bytes(), 1), Err(Refused::Unsealed), "{datagram:?}");
        }
    }

    #[test]
    fn another_key_is_a_forgery() {
        let other = Key::from_bytes(b"another horse").expect("a key long enough");
        let datagram = sealer("r").seal(b"hello", NOW);
        assert_eq!(Opener::new(other).open(&datagram, NOW), Err(Refused::Forged));
    }

    #[test]
    fn no_single_bit_can_be_changed() {
        let datagram = sealer("r").seal(b"hello", NOW);
        for bit in 0..datagram.len() * 8 {
            let mut changed = datagram.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(opener().open(&changed, NOW).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_forgery_spoils_nothing_for_the_real_sender() {
        let (mut sealer, mut opener) = (sealer("r"), opener());
        let real = sealer.seal(b"hello", NOW);
        let mut forged = real.clone();
        forged.push(b'!');
        assert_eq!(opener.open(&forged, NOW), Err(Refused::Forged));
        assert_eq!(opener.open(&real, NOW), Ok(&b"hello"[..]));
    }

    #[test]
    fn a_datagram_is_opened_once() {
        let (mut sealer, mut opener) = (sealer("r"), opener());
        let datagram = sealer.seal(b"hello", NOW);
        assert!(opener.open(&datagram, NOW).is_ok());
        assert_eq!(opener.open(&datagram, NOW), Err(Refused::Replayed));
    }

    #[test]
    fn two_runs_count_apart() {
        let mut opener = opener();
        assert!(opener.open(&sealer("one").seal(b"", NOW), NOW).is_ok());
        assert!(opener.open(&sealer("two").seal(b"", NOW), NOW).is_ok());
    }

    #[test]
    fn the_window_takes_64_and_each_once() {
        let (mut sealer, mut opener) = (sealer("r"), opener());
        let datagrams: Vec<_> = (0..200).map(|_| sealer.seal(b"", NOW)).collect();
        assert!(opener.open(&datagrams[99], NOW).is_ok());
        assert!(opener.open(&datagrams[36], NOW).is_ok(), "63 behind");
        assert_eq!(opener.open(&datagrams[36], NOW), Err(Refused::Replayed));
        assert_eq!(opener.open(&datagrams[35], NOW), Err(Refused::Replayed), "64 behind");
        assert!(opener.open(&datagrams[199], NOW).is_ok(), "100 ahead");
        assert!(opener.open(&datagrams[198], NOW).is_ok());
        assert_eq!(opener.open(&datagrams[99], NOW), Err(Refused::Replayed));
    }

    #[test]
    fn the_window_moves_by_any_distance_and_forgets_nothing_within() {
        for ahead in [1, 2, 63, 64, 65, 1000, u64::MAX - 1] {
            let mut window = Window::default();
            assert!(window.take(1, NOW) && window.take(1 + ahead, NOW), "{ahead}");
            assert!(!window.take(1, NOW) && !window.take(1 + ahead, NOW), "{ahead}");
        }
    }

    #[test]
    fn a_minute_off_passes_and_a_second_more_does_not() {
        let table = [(NOW - 60, true), (NOW - 61, false), (NOW + 60, true), (NOW + 61, false)];
        for (sealed_at, passes) in table.into_iter().chain([(0, false), (u64::MAX, false)]) {
            let datagram = sealer("r").seal(b"", sealed_at);
            let expected = if passes { Ok(&b""[..]) } else { Err(Refused::Stale) };
            assert_eq!(opener().open(&datagram, NOW), expected, "{sealed_at}");
        }
    }

    #[test]
    fn forgetting_a_run_opens_no_replay() {
        let mut opener = opener();
        let recorded: Vec<_> =
            (0..=MAX_RUNS as u64).map(|n| Sealer::new(key(), Run::new(n)).seal(b"", NOW + n / 100)).collect();
        for datagram in &recorded {
            assert_eq!(opener.open(datagram, NOW), Ok(&b""[..]));
        }
        assert_eq!(opener.runs.len(), MAX_RUNS);
        for datagram in &recorded {
            assert_eq!(opener.open(datagram, NOW), Err(Refused::Replayed));
        }
        // Again and again, though each newcomer makes another run forgotten.
        for n in 0..MAX_RUNS as u64 {
            let newcomer = Sealer::new(key(), Run::new(!n)).seal(b"", NOW + 11);
            assert_eq!(opener.open(&newcomer, NOW), Ok(&b""[..]));
            let old = &recorded[n as usize];
            assert_eq!(opener.open(old, NOW), Err(Refused::Replayed));
        }
        let fresh = sealer("fresh").seal(b"", NOW + 12);
        assert_eq!(opener.open(&fresh, NOW), Ok(&b""[..]), "a newer run still gets in");
        assert_eq!(opener.runs.len(), MAX_RUNS);
    }

    #[test]
    fn a_run_that_comes_back_after_it_was_forgotten_opens_no_replay() {
        let (mut returning, mut opener) = (sealer("returning"), opener());
        let recorded = returning.seal(b"", NOW);
        assert!(opener.open(&recorded, NOW).is_ok());
        for n in 0..MAX_RUNS as u64 {
            let other = Sealer::new(key(), Run::new(n)).seal(b"", NOW + 1);
            assert!(opener.open(&other, NOW).is_ok());
        }
        assert!(!opener.runs.contains_key(&returning.run));
        assert!(opener.open(&returning.seal(b"", NOW + 2), NOW).is_ok());
        assert_eq!(opener.open(&recorded, NOW), Err(Refused::Replayed));
    }

    #[test]
    fn a_refused_datagram_makes_nobody_forgotten() {
        let mut opener = opener();
        for n in 0..MAX_RUNS as u64 {
            let datagram = Sealer::new(key(), Run::new(n)).seal(b"", NOW);
            assert!(opener.open(&datagram, NOW).is_ok());
        }
        let late = sealer("late").seal(b"", NOW - 1);
        assert_eq!(opener.open(&late, NOW), Err(Refused::Replayed));
        for n in 0..MAX_RUNS as u64 {
            assert!(opener.runs.contains_key(&Run::new(n)));
        }
    }

    #[test]
    fn a_key_loses_one_line_end_and_no_more() {
        let same = [&b"correct horse"[..], b"correct horse\n", b"correct horse\r\n"];
        let other = [&b"correct horse\n\n"[..], b"correct horse ", b" correct horse"];
        let datagram = sealer("r").seal(b"", NOW);
        let opens =
            |bytes: &[u8]| Key::from_bytes(bytes).is_ok_and(|key| Opener::new(key).open(&datagram, NOW).is_ok());
        assert!(same.into_iter().all(opens));
        assert!(!other.into_iter().any(opens));
    }

    #[test]
    fn a_key_under_eight_bytes_is_refused() {
        let table: [(&[u8], Option<usize>); 6] = [
            (b"", Some(0)),
            (b"\r\n", Some(0)),
            (b"1234567", Some(7)),
            (b"1234567\n", Some(7)),
            (b"12345678", None),
            (&[0xff; 1000], None),
        ];
        for (bytes, too_short) in table {
            let expected = too_short.map(|bytes| KeyError::TooShort { bytes });
            assert_eq!(Key::from_bytes(bytes).err(), expected);
        }
    }

    #[test]
    fn a_key_shows_itself_to_no_log() {
        let shown = format!("{:?} {:?} {:?}", key(), sealer("r"), opener());
        assert_eq!(shown.matches("Key(***)").count(), 3);
        assert!(!shown.contains("correct"));
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_opened(payload: Vec<u8>, run: u64, sealed_at: u64) {
            let datagram = Sealer::new(key(), Run::new(run)).seal(&payload, sealed_at);
            prop_assert_eq!(opener().open(&datagram, sealed_at), Ok(&payload[..]));
        }

        #[test]
        fn garbage_is_refused_and_never_panics(garbage: Vec<u8>, line in "netlab-key [ -~]{0,160}\n") {
            prop_assert_eq!(opener().open(&garbage, NOW), Err(Refused::Unsealed));
            prop_assert!(opener().open(line.as_bytes(), NOW).is_err());
        }

        #[test]
        fn the_window_takes_what_a_naive_receiver_takes(
            counters in prop::collection::vec(prop_oneof![0..200_u64, any::<u64>()], 0..300),
        ) {
            let (mut window, mut taken, mut highest) = (Window::default(), Vec::new(), 0);
            for counter in counters {
                let within = counter > highest || highest - counter < 64;
                let expected = within && !taken.contains(&counter);
                prop_assert_eq!(window.take(counter, NOW), expected);
                if expected {
                    taken.push(counter);
                    highest = highest.max(counter);
                }
            }
        }
    }
}
