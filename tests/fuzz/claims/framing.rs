//! Bytes to messages and back.

use std::collections::HashSet;

use netlab::framing::numbered::{self, Ack, Arrival, Books};
use netlab::framing::{
    AutoFramer, Key, MAX_MESSAGE_BYTES, Masker, Opener, Run, Sealer, masked, quoted, visible, you_are,
};

use super::choices::Choices;

/// The messages of a stream and their ends, one after the other: few pieces of
/// memory, so that a fuzzer gets on.
#[derive(Debug, Default, PartialEq)]
struct Framed {
    bytes: Vec<u8>,
    /// Where each text stops, and where what ended it does.
    stops: Vec<(usize, usize)>,
    is_overlong: bool,
}

pub fn auto_framing_does_not_mind_how_bytes_are_cut(bytes: &[u8]) {
    let stream = Choices::of(bytes).stream_in_pieces();
    let whole = framed(&[&stream.bytes]);
    assert!(framed(&stream.pieces()) == whole, "cut, it is something else");
    assert!(whole.is_overlong || whole.bytes == stream.bytes, "messages and their ends add up to the stream");
    assert!(stream.bytes.starts_with(&whole.bytes));
}

fn framed(pieces: &[&[u8]]) -> Framed {
    let (mut framer, mut framed) = (AutoFramer::default(), Framed::default());
    for piece in pieces {
        framer.push(piece);
        framed.pull(&mut framer);
        if framed.is_overlong {
            return framed;
        }
    }
    framer.finish();
    framed.pull(&mut framer);
    framed
}

impl Framed {
    /// All that is ready.
    fn pull(&mut self, framer: &mut AutoFramer) {
        loop {
            match framer.next() {
                Ok(Some(message)) => {
                    assert!(message.text.len() <= MAX_MESSAGE_BYTES);
                    self.bytes.extend_from_slice(message.text);
                    let text = self.bytes.len();
                    self.bytes.extend_from_slice(message.end.bytes());
                    self.stops.push((text, self.bytes.len()));
                }
                Ok(None) => return,
                Err(_) => return self.is_overlong = true,
            }
        }
    }
}

pub fn a_numbered_datagram_is_read_as_it_was_written(bytes: &[u8]) {
    if let Some((header, message)) = numbered::decode(bytes) {
        assert_eq!(numbered::encode(&header, message), bytes);
    }
    if let Some(ack) = Ack::decode(bytes) {
        assert_eq!(ack.encode(), bytes);
    }
    if let Some(addr) = you_are::decode(bytes) {
        assert_eq!(you_are::decode(you_are::encode(addr, "udp").as_bytes()), Some(addr));
        assert!(you_are::tells(you_are::encode(addr, "tcp").as_bytes(), addr));
    }
    let mut choices = Choices::of(bytes);
    let mut seqs = Vec::new();
    while !choices.is_over() {
        seqs.push(1 + u32::from(choices.byte()) * [1, 100, 3921][choices.below(3)]);
    }
    books_are_those_of_a_naive_receiver(&seqs);
}

fn books_are_those_of_a_naive_receiver(seqs: &[u32]) {
    let (mut books, mut seen, mut highest) = (Books::default(), HashSet::new(), 0);
    let (mut duplicate, mut reordered) = (0, 0);
    for seq in seqs {
        let expected = match (seen.insert(*seq), *seq > highest) {
            (false, _) => Arrival::Duplicate,
            (true, false) => Arrival::Reordered,
            (true, true) => Arrival::New,
        };
        duplicate += u64::from(expected == Arrival::Duplicate);
        reordered += u64::from(expected == Arrival::Reordered);
        highest = highest.max(*seq);
        assert_eq!(books.note(*seq), expected, "{seq}");
    }
    assert_eq!((books.received(), books.duplicate(), books.reordered()), (seen.len() as u64, duplicate, reordered));
    assert_eq!(books.lost(highest), u64::from(highest) - seen.len() as u64);
}

pub fn a_sealed_datagram_is_opened_once_and_only_unchanged(bytes: &[u8]) {
    let key = || Key::from_bytes(b"correct horse").unwrap();
    let mut choices = Choices::of(bytes);
    let now = 1_700_000_000;
    let mut sealer = Sealer::new(key(), Run::new(7));
    let sealed: Vec<_> = (0..4).map(|n| sealer.seal(choices.bytes(n * 9), now)).collect();
    let (mut opener, mut opened) = (Opener::new(key()), HashSet::new());
    while !choices.is_over() {
        let which = choices.below(sealed.len());
        let mut datagram = sealed[which].clone();
        let (at, change) = (choices.number() as usize % datagram.len(), choices.byte());
        datagram[at] ^= change;
        let is_its_first = change == 0 && !opened.contains(&which);
        let result = opener.open(&datagram, now);
        assert_eq!(result.is_ok(), is_its_first, "{result:?}: {}", visible(&datagram));
        if is_its_first {
            opened.insert(which);
        }
    }
    // Not that key: the corpus has datagrams that were sealed with it.
    let other = Key::from_bytes(b"battery staple").unwrap();
    assert!(Opener::new(other).open(bytes, now).is_err(), "nobody without the key can have sealed it");
}

/// Of the stream, only what follows `/login NAME ` is made of this letter.
const SECRET: u8 = b'%';

pub fn no_cut_of_a_stream_shows_a_password(bytes: &[u8]) {
    let mut choices = Choices::of(bytes);
    let (mut stream, mut is_secret) = (Vec::new(), false);
    let mut pieces = Vec::new();
    while !choices.is_over() {
        let line = line_of(&mut choices, &mut is_secret);
        let shown = masked(line.strip_suffix(b"\n").unwrap_or(&line));
        assert!(!shown.contains(&SECRET), "{}", visible(&shown));
        stream.extend(line);
        pieces.push(1 + choices.below(9));
    }
    let (mut masker, mut rest, mut shown) = (Masker::default(), &stream[..], Vec::new());
    for length in pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*length).min(rest.len()));
        shown.extend(masker.mask(piece));
        rest = after;
    }
    assert!(!shown.contains(&SECRET), "{} as {}", visible(&stream), visible(&shown));
    assert!(is_secret || shown.len() <= stream.len(), "what is harmless is shown as it came");
    assert!(is_secret || stream.starts_with(&shown));
}

/// A login, or some other line.
fn line_of(choices: &mut Choices<'_>, is_secret: &mut bool) -> Vec<u8> {
    let spaces = |choices: &mut Choices<'_>| [&b" "[..], b"\t", b"  ", b" \t "][choices.below(4)].to_vec();
    let mut line = Vec::new();
    match choices.below(3) {
        0 => {
            *is_secret = true;
            line.extend([&b""[..], b" ", b"\t"][choices.below(3)]);
            line.extend([&b"/login"[..], b"/LOGIN", b"/lOgIn"][choices.below(3)]);
            line.extend(spaces(choices));
            if choices.below(4) > 0 {
                line.extend(b"alice");
                line.extend(spaces(choices));
            }
            line.extend(std::iter::repeat_n(SECRET, 1 + choices.below(9)));
        }
        1 => line.extend([&b"/log"[..], b"/login", b"/login ", b"/name x", b"say /login x y"][choices.below(5)]),
        _ => {
            let count = choices.below(12);
            line.extend(choices.bytes(count).iter().filter(|byte| ![SECRET, b'\n', b'/'].contains(byte)));
        }
    }
    line.push(b'\n');
    line
}

pub fn what_is_shown_is_one_line_that_no_terminal_obeys(bytes: &[u8]) {
    let shown = visible(bytes);
    is_harmless(&shown);
    assert_eq!(visible(shown.as_bytes()), shown, "what is harmless stays as it is");
    for most in [0, 1, 7, bytes.len()] {
        is_harmless(&quoted(bytes, most));
    }
}

/// Nothing in it that a terminal obeys, that ends a line or turns it round.
pub fn is_harmless(text: &str) {
    let obeyed = |c: char| {
        c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}'..='\u{200f}' | '\u{61c}' | '\u{2028}'..='\u{2029}')
    };
    assert!(!text.contains(obeyed), "{text:?}");
}
