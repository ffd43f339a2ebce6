//! Framing: from bytes to messages, and back.
//!
//! TCP carries a stream of bytes and knows nothing of messages. What one side
//! hands over in two `send(2)` calls may come out of one `recv(2)`, and what it
//! sends in one call may come out of three:
//!
//! ```text
//! sent      "hello\n"   "world\n"
//! received  "hel"   "lo\nwor"   "ld\n"
//! ```
//!
//! So the two sides have to agree on where a message ends, and the receiver
//! has to keep what it has of a message until the rest comes. That is framing.
//! UDP keeps its boundaries, a datagram is a message, but it may lose,
//! duplicate and reorder them, and anybody can send one: there a message needs
//! a number, or a proof of who sent it.
//!
//! | file | what it does |
//! |---|---|
//! | [`auto`] | stream to messages: a line is one; so is a burst of a client that sends no line ends |
//! | [`numbered`] | datagrams with a number each, their acknowledgements, and the receiver's books |
//! | [`you_are`] | the line in which the info labs tell an address |
//! | [`sealed`] | datagrams with a proof that the sender holds the key, and that they are new |
//!
//! Everything here is pure: bytes and times come in as arguments, values go
//! out. There is no socket and no clock, so every test is a table. And every
//! buffer has a stated maximum, since the other side may be anybody.

use std::fmt::Write;

pub mod auto;
pub mod numbered;
pub mod sealed;
mod secret;
pub mod you_are;

pub use auto::{AutoFramer, FIRST_QUIET, LATER_QUIET, MAX_MESSAGE_BYTES, Message, Overlong};
pub use numbered::{Ack, Arrival, Books, Header, Run};
pub use sealed::{Key, KeyError, Opener, Refused, Sealer};

/// How a message ended, so that the reply can end the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnd {
    /// `\n`, as Unix programs and `nc` send it.
    Lf,
    /// `\r\n`, as Windows programs, `telnet` and most internet protocols do.
    CrLf,
    /// Nothing: the sender paused or stopped instead.
    None,
}

impl LineEnd {
    /// The bytes that follow the message's text.
    pub const fn bytes(self) -> &'static [u8] {
        match self {
            LineEnd::Lf => b"\n",
            LineEnd::CrLf => b"\r\n",
            LineEnd::None => b"",
        }
    }
}

pub use self::secret::{Masker, masked};

/// Characters that change the direction of the text around them (Unicode
/// Standard Annex 9) or break the line where no `\n` is: with them a message
/// can look like another one, or like two.
const DISGUISES: [char; 14] = [
    '\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2028}',
    '\u{2029}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}',
];

/// The first `most` bytes in quotes, as a line of a trace shows them: like
/// [`visible`], with quotes and backslashes escaped too, so that it can be
/// seen where the bytes end; `...` follows where more bytes do.
pub fn quoted(bytes: &[u8], most: usize) -> String {
    let shown = bytes[..bytes.len().min(most)].utf8_chunks().fold(String::new(), |mut shown, chunk| {
        let text = chunk.valid().replace('\\', "\\\\").replace('"', "\\\"");
        shown.push_str(&visible(text.as_bytes()));
        shown.push_str(&visible(chunk.invalid()));
        shown
    });
    let cut = if bytes.len() > most { "..." } else { "" };
    format!("\"{shown}\"{cut}")
}

/// The bytes as text that a terminal can be given.
///
/// A terminal obeys control characters, so a message printed as it came could
/// clear the screen or rewrite what others said. Valid UTF-8 is kept; controls
/// and invalid bytes are shown as escapes: `\n`, `\r`, `\t`, `\x1b`,
/// `\u{202e}`, `\xff`. The result is one line, and safe, but not reversible: a
/// backslash stays as it is, because text is to stay readable.
pub fn visible(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            show(character, &mut shown);
        }
        for byte in chunk.invalid() {
            show_byte(*byte, &mut shown);
        }
    }
    shown
}

fn show(character: char, shown: &mut String) {
    match character {
        '\n' | '\r' | '\t' => shown.extend(character.escape_default()),
        '\0'..='\x1f' | '\x7f' => show_byte(character as u8, shown),
        // C1 controls: some terminals take U+009B for ESC [.
        '\u{80}'..='\u{9f}' => shown.extend(character.escape_unicode()),
        _ if DISGUISES.contains(&character) => shown.extend(character.escape_unicode()),
        _ => shown.push(character),
    }
}

fn show_byte(byte: u8, shown: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(shown, "\\x{byte:02x}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_end_knows_its_bytes() {
        assert_eq!(LineEnd::Lf.bytes(), b"\n");
        assert_eq!(LineEnd::CrLf.bytes(), b"\r\n");
        assert_eq!(LineEnd::None.bytes(), b"");
    }

    #[test]
    fn text_stays_and_controls_become_escapes() {
        let table: &[(&[u8], &str)] = &[
            (b"", ""),
            (b"hello, world", "hello, world"),
            ("gr\u{fc}\u{df} \u{1f44b} \u{5e2}".as_bytes(), "gr\u{fc}\u{df} \u{1f44b} \u{5e2}"),
            (b"one\ntwo\r\nthree\tfour", r"one\ntwo\r\nthree\tfour"),
            (b"progress\rdone", r"progress\rdone"),
            (b"\x1b[2J", r"\x1b[2J"),
            (b"\0\x07\x7f", r"\x00\x07\x7f"),
            ("\u{9b}2J".as_bytes(), r"\u{9b}2J"),
            ("abc\u{202e}txt.exe".as_bytes(), r"abc\u{202e}txt.exe"),
            ("one\u{2028}two".as_bytes(), r"one\u{2028}two"),
            (b"\xff\xfe", r"\xff\xfe"),
            (b"caf\xc3", r"caf\xc3"),
            (b"a\xe2\x82b", r"a\xe2\x82b"),
        ];
        for (bytes, shown) in table {
            assert_eq!(visible(bytes), *shown);
        }
    }

    proptest! {
        #[test]
        fn nothing_a_terminal_obeys_gets_through(bytes: Vec<u8>) {
            prop_assert!(!visible(&bytes).chars().any(char::is_control));
        }

        #[test]
        fn printable_ascii_is_shown_as_it_is(text in "[ -~]*") {
            prop_assert_eq!(visible(text.as_bytes()), text);
        }
    }
}
