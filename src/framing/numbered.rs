//! Numbered datagrams: how a receiver can tell what the network did.
//!
//! UDP delivers a datagram once, twice, late or never, and says nothing about
//! it. A sender that numbers its datagrams lets each receiver see which it was:
//!
//! ```text
//! netlab 5f0c9a3e11d27b84 3/10 1712345678000000\n   then the message
//!        RUN              | |  SENT_US
//!                       SEQ COUNT
//!
//! arrived   1  2  4  3  4     6
//! booked    new new new reordered duplicate new;   5 lost, if 6 was the last
//! ```
//!
//! RUN is drawn anew by each sender, so that two senders on one group, or one
//! started twice, keep separate books. The receiver answers each datagram to
//! the sender alone, with `netlab-ack RUN SEQ\n`.
//!
//! Whatever is not exactly such a header, to the last space, is a plain
//! datagram and all of it message: anybody may send to a group.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The most datagrams one run may number. The books are exact up to here and
/// need a bit for each number; a sender with more begins a new run.
pub const MAX_COUNT: u32 = 1_000_000;

/// The longest header line, 77 bytes: under it a message of 65,430 bytes still
/// fits into one IPv4 datagram.
pub const MAX_HEADER_BYTES: usize = "netlab ".len() + MAX_RUN_CHARS + " 1000000/1000000 ".len() + 20 + 1;

/// The longest run token; the sixteen hex digits netlab draws, twice over.
const MAX_RUN_CHARS: usize = 32;

/// The name of one sender's run: 1 to 32 of `0-9 A-Z a-z _ -`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Run(String);

impl Run {
    /// A name of 16 hex digits. With random bits, two of a thousand runs share
    /// one in about one case of 10^13.
    pub fn new(random: u64) -> Run {
        Run(format!("{random:016x}"))
    }

    /// The name, if it keeps to the alphabet and the length.
    pub fn parse(name: &str) -> Option<Run> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let fits = (1..=MAX_RUN_CHARS).contains(&name.len()) && name.bytes().all(allowed);
        fits.then(|| Run(name.to_owned()))
    }

    /// The name as it stands in a header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands before the message of a numbered datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Whose numbering it is.
    pub run: Run,
    /// The number of this datagram, from 1 to [`MAX_COUNT`].
    pub seq: u32,
    /// How many there will be, at most [`MAX_COUNT`]; 0 where the sender does
    /// not know yet.
    pub count: u32,
    /// When it was sent, in microseconds of the sender's clock. Only the sender
    /// can make a round trip of it: two hosts' clocks differ.
    pub sent_us: u64,
}

/// The datagram: the header line, then the message as it is.
pub fn encode(header: &Header, message: &[u8]) -> Vec<u8> {
    let Header { run, seq, count, sent_us } = header;
    let mut datagram = format!("netlab {run} {seq}/{count} {sent_us}\n").into_bytes();
    datagram.extend_from_slice(message);
    datagram
}

/// The header and the message; `None` for a plain datagram.
pub fn decode(datagram: &[u8]) -> Option<(Header, &[u8])> {
    let (line, message) = split_line(datagram, MAX_HEADER_BYTES)?;
    let (run, rest) = line.strip_prefix("netlab ")?.split_once(' ')?;
    let (place, sent_us) = rest.split_once(' ')?;
    let (seq, count) = place.split_once('/')?;
    let header =
        Header { run: Run::parse(run)?, seq: decimal(seq)?, count: decimal(count)?, sent_us: decimal(sent_us)? };
    header.is_consistent().then_some((header, message))
}

impl Header {
    fn is_consistent(&self) -> bool {
        let last = if self.count == 0 { MAX_COUNT } else { self.count };
        (1..=last).contains(&self.seq) && self.count <= MAX_COUNT
    }
}

/// The first line, if it is text of at most `max` bytes with its LF, and what
/// follows it.
pub(super) fn split_line(datagram: &[u8], max: usize) -> Option<(&str, &[u8])> {
    let lf = datagram.iter().take(max).position(|&b| b == b'\n')?;
    let line = std::str::from_utf8(&datagram[..lf]).ok()?;
    Some((line, &datagram[lf + 1..]))
}

/// A decimal number as `encode` writes it. `str::parse` alone would also take
/// `+7` and `007`, and then two different headers would be one.
pub(super) fn decimal<T: FromStr>(digits: &str) -> Option<T> {
    let canonical = digits == "0" || !digits.starts_with('0');
    let only_digits = digits.bytes().all(|b| b.is_ascii_digit());
    (canonical && only_digits).then(|| digits.parse().ok())?
}

/// A receiver's answer to one numbered datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// The run the datagram was of.
    pub run: Run,
    /// The datagram's number, from 1 to [`MAX_COUNT`].
    pub seq: u32,
}

impl Ack {
    /// The whole datagram: one line.
    pub fn encode(&self) -> Vec<u8> {
        format!("netlab-ack {} {}\n", self.run, self.seq).into_bytes()
    }

    /// The acknowledgement, if the datagram is one and nothing else.
    pub fn decode(datagram: &[u8]) -> Option<Ack> {
        let line = std::str::from_utf8(datagram).ok()?.strip_suffix('\n')?;
        let (run, seq) = line.strip_prefix("netlab-ack ")?.split_once(' ')?;
        let seq = decimal(seq).filter(|seq| (1..=MAX_COUNT).contains(seq))?;
        Some(Ack { run: Run::parse(run)?, seq })
    }
}

/// What an arriving number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// First time seen, and above all seen before.
    New,
    /// First time seen, but a higher number came before it.
    Reordered,
    /// Seen before.
    Duplicate,
}

/// A receiver's books on one run from one sender.
///
/// The books are exact, so every number seen has its bit. The bits lie in
/// blocks of 64 that exist only once a number in them has come: a sender that
/// jumps to the end costs one block, not the whole range. So the books never
/// grow by more than one block a datagram, nor beyond the 15,626 blocks that
/// [`MAX_COUNT`] allows, half a megabyte. How many runs to keep books on is for
/// the caller to bound.
#[derive(Debug, Clone, Default)]
pub struct Books {
    blocks: BTreeMap<u32, u64>,
    highest: u32,
    received: u64,
    duplicate: u64,
    reordered: u64,
}

impl Books {
    /// Books one arrival. A number beyond 1 to [`MAX_COUNT`], which [`decode`]
    /// lets nobody send, is booked as the nearest one within.
    pub fn note(&mut self, seq: u32) -> Arrival {
        let seq = seq.clamp(1, MAX_COUNT);
        if self.seen_before(seq) {
            self.duplicate += 1;
            return Arrival::Duplicate;
        }
        self.received += 1;
        if seq < self.highest {
            self.reordered += 1;
            return Arrival::Reordered;
        }
        self.highest = seq;
        Arrival::New
    }

    /// How many different datagrams came.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// How many came that had come before.
    pub fn duplicate(&self) -> u64 {
        self.duplicate
    }

    /// How many came first after a higher number: they are received as well.
    pub fn reordered(&self) -> u64 {
        self.reordered
    }

    /// How many of `count` did not come. Where the sender has not said how many
    /// there are (0), the highest number seen stands in for it, and losses at
    /// the very end stay unseen.
    pub fn lost(&self, count: u32) -> u64 {
        u64::from(count.max(self.highest)) - self.received
    }

    fn seen_before(&mut self, seq: u32) -> bool {
        let block = self.blocks.entry(seq / u64::BITS).or_default();
        let bit = 1 << (seq % u64::BITS);
        let seen = *block & bit != 0;
        *block |= bit;
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::Arrival::{Duplicate, New, Reordered};
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn header(run: &str, seq: u32, count: u32, sent_us: u64) -> Header {
        Header { run: Run::parse(run).expect("a run in a test"), seq, count, sent_us }
    }

    #[test]
    fn a_run_is_sixteen_hex_digits() {
        assert_eq!(Run::new(0).as_str(), "0000000000000000");
        assert_eq!(Run::new(0x5f0c_9a3e_11d2_7b84).to_string(), "5f0c9a3e11d27b84");
    }

    #[test]
    fn a_run_keeps_to_its_alphabet_and_length() {
        let longest = "x".repeat(32);
        for name in ["a", "A-Z_09", longest.as_str()] {
            assert!(Run::parse(name).is_some(), "{name:?}");
        }
        let too_long = "x".repeat(33);
        for name in ["", "a b", "a/b", "a\n", "\u{e4}", too_long.as_str()] {
            assert!(Run::parse(name).is_none(), "{name:?}");
        }
    }

    #[test]
    fn a_header_is_one_line_before_the_message() {
        let first = header("r1", 3, 10, 1_712_345_678_000_000);
        assert_eq!(encode(&first, b"hi\n"), b"netlab r1 3/10 1712345678000000\nhi\n");
    }

    #[test]
    fn the_longest_header_has_the_stated_length() {
        let longest = header(&"x".repeat(32), MAX_COUNT, MAX_COUNT, u64::MAX);
        let datagram = encode(&longest, b"");
        assert_eq!(datagram.len(), MAX_HEADER_BYTES);
        assert_eq!(decode(&datagram), Some((longest, &b""[..])));
    }

    #[test]
    fn headers_are_taken_as_written() {
        let table: &[(&[u8], Header, &[u8])] = &[
            (b"netlab r 1/1 0\n", header("r", 1, 1, 0), b""),
            (b"netlab r 1/0 5\nx", header("r", 1, 0, 5), b"x"),
            (b"netlab r 7/10 5\n\n\xff", header("r", 7, 10, 5), b"\n\xff"),
            (b"netlab r 1000000/0 5\nx", header("r", MAX_COUNT, 0, 5), b"x"),
        ];
        for (datagram, header, message) in table {
            assert_eq!(decode(datagram), Some((header.clone(), *message)));
        }
    }

    #[test]
    fn whatever_is_not_exactly_a_header_is_plain() {
        let table: &[&[u8]] = &[
            b"",
            b"\n",
            b"hello",
            b"netlab",
            b"netlab r 1/1 0",
            b"netlab r 1/1 0\r\n",
            b"Netlab r 1/1 0\n",
            b" netlab r 1/1 0\n",
            b"netlab  r 1/1 0\n",
            b"netlab r 1/1  0\n",
            b"netlab r 1/1 0 \n",
            b"netlab r 1/1 0 0\n",
            b"netlab  1/1 0\n",
            b"netlab r! 1/1 0\n",
            b"netlab r 0/1 0\n",
            b"netlab r 0/0 0\n",
            b"netlab r 2/1 0\n",
            b"netlab r 01/1 0\n",
            b"netlab r +1/1 0\n",
            b"netlab r -1/1 0\n",
            b"netlab r 1/ 0\n",
            b"netlab r /1 0\n",
            b"netlab r 1/1 \n",
            b"netlab r 1 0\n",
            b"netlab r 1/1000001 0\n",
            b"netlab r 1000001/0 0\n",
            b"netlab r 4294967296/0 0\n",
            b"netlab r 1/1 18446744073709551616\n",
            b"netlab r\xff 1/1 0\n",
            b"netlab-ack r 1\n",
        ];
        for datagram in table {
            assert_eq!(decode(datagram), None, "{}", datagram.escape_ascii());
        }
    }

    #[test]
    fn an_ack_is_its_line_and_nothing_else() {
        let ack = Ack { run: Run::new(1), seq: 7 };
        assert_eq!(ack.encode(), b"netlab-ack 0000000000000001 7\n");
        assert_eq!(Ack::decode(&ack.encode()), Some(ack));
        let table: [&[u8]; 7] = [
            b"",
            b"netlab-ack r 1",
            b"netlab-ack r 1\n\n",
            b"netlab-ack r 1\nx",
            b"netlab-ack r 0\n",
            b"netlab-ack r 1000001\n",
            b"netlab r 1/1 0\n",
        ];
        for datagram in table {
            assert_eq!(Ack::decode(datagram), None, "{}", datagram.escape_ascii());
        }
    }

    #[test]
    fn each_arrival_is_booked_once() {
        type Case<'a> = (&'a [u32], &'a [Arrival], [u64; 3], u64);
        let table: &[Case] = &[
            (&[], &[], [0, 0, 0], 6),
            (&[1], &[New], [1, 0, 0], 5),
            (&[6], &[New], [1, 0, 0], 5),
            (&[1, 2, 3, 4, 5, 6], &[New; 6], [6, 0, 0], 0),
            (&[1, 1, 1], &[New, Duplicate, Duplicate], [1, 2, 0], 5),
            (&[2, 1, 2], &[New, Reordered, Duplicate], [2, 1, 1], 4),
            (&[1, 2, 4, 3, 4, 6], &[New, New, New, Reordered, Duplicate, New], [5, 1, 1], 1),
        ];
        for (seqs, arrivals, counts, lost) in table {
            let mut books = Books::default();
            let booked: Vec<Arrival> = seqs.iter().map(|seq| books.note(*seq)).collect();
            assert_eq!(booked, *arrivals, "{seqs:?}");
            assert_eq!([books.received(), books.duplicate(), books.reordered()], *counts);
            assert_eq!(books.lost(6), *lost, "{seqs:?}");
        }
    }

    #[test]
    fn losses_without_a_count_are_the_gaps_seen() {
        let mut books = Books::default();
        assert_eq!(books.lost(0), 0);
        books.note(2);
        books.note(5);
        assert_eq!(books.lost(0), 3);
        assert_eq!(books.lost(1), 3, "a count below what came is no count");
    }

    #[test]
    fn no_sequence_of_numbers_makes_the_books_large() {
        let mut books = Books::default();
        books.note(u32::MAX);
        assert_eq!(books.blocks.len(), 1);
        for seq in (0..2 * MAX_COUNT).step_by(64) {
            books.note(seq);
        }
        assert_eq!(books.blocks.len(), 15_626);
    }

    fn any_header() -> impl Strategy<Value = Header> {
        let place = (1..=MAX_COUNT).prop_flat_map(|count| (1..=count, Just(count)));
        let place = prop_oneof![place, (1..=MAX_COUNT).prop_map(|seq| (seq, 0))];
        ("[0-9A-Za-z_-]{1,32}", place, any::<u64>())
            .prop_map(|(run, (seq, count), sent_us)| header(&run, seq, count, sent_us))
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(header in any_header(), message: Vec<u8>) {
            let datagram = encode(&header, &message);
            prop_assert_eq!(decode(&datagram), Some((header, &message[..])));
        }

        #[test]
        fn what_is_decoded_was_written_so(line in "netlab [a-z]{0,2} [0-9+]{0,3}/[0-9]{0,3} ?[0-9]{0,3}\n?") {
            if let Some((header, message)) = decode(line.as_bytes()) {
                prop_assert_eq!(encode(&header, message), line.as_bytes());
            }
        }

        #[test]
        fn an_ack_survives_the_way(run in "[0-9A-Za-z_-]{1,32}", seq in 1..=MAX_COUNT) {
            let ack = Ack { run: Run::parse(&run).expect("a run"), seq };
            prop_assert_eq!(Ack::decode(&ack.encode()), Some(ack));
        }

        #[test]
        fn garbage_is_plain_and_never_panics(garbage: Vec<u8>) {
            prop_assert_eq!(decode(&garbage), None);
            prop_assert_eq!(Ack::decode(&garbage), None);
        }

        #[test]
        fn the_books_equal_those_of_a_naive_receiver(
            seqs in prop::collection::vec(prop_oneof![1..=200_u32, 1..=MAX_COUNT], 0..200),
        ) {
            let (mut books, mut seen) = (Books::default(), HashSet::new());
            let (mut duplicate, mut reordered) = (0, 0);
            for seq in seqs {
                let highest = seen.iter().max().copied().unwrap_or(0);
                let expected = match (seen.insert(seq), seq > highest) {
                    (false, _) => { duplicate += 1; Duplicate }
                    (true, false) => { reordered += 1; Reordered }
                    (true, true) => New,
                };
                prop_assert_eq!(books.note(seq), expected);
            }
            prop_assert_eq!(books.received(), seen.len() as u64);
            prop_assert_eq!(books.duplicate(), duplicate);
            prop_assert_eq!(books.reordered(), reordered);
            let missing = MAX_COUNT as usize - seen.len();
            prop_assert_eq!(books.lost(MAX_COUNT), missing as u64);
        }
    }
}
