//! What a server says: lines, and between them the raw bytes of transfers.
//!
//! ```text
//! # 1 70000 song.ogg        a transfer begins
//! + 1 65536                 so many raw bytes follow this line's LF
//! ...65,536 bytes...
//! <bob> hello               other lines may come between
//! + 1 4464
//! ...4,464 bytes...
//! . 1 5ac1...               whole: the SHA-256 of the file
//! ```
//!
//! TCP keeps no boundaries: a line may come in three pieces, and one piece may
//! end in the middle of a chunk. [`Parser`] takes the bytes as they come. It
//! keeps at most one line; of a chunk it keeps nothing, however long the
//! server says it is.

use std::str;

/// The longest line that is kept. What somebody says is 4,096 bytes at the
/// most, and four times that where each is shown as an escape; the rest of a
/// longer line is dropped.
pub const MAX_LINE_BYTES: usize = 32 * 1024;

/// What the first bytes of a piece turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// All are taken, and more are needed.
    More,
    /// A line ended among them.
    Line(Line),
    /// So many of them are raw bytes of a transfer, for the caller to look at.
    Bytes {
        /// Of which transfer.
        id: u64,
        /// How many.
        count: usize,
    },
}

/// One line, without its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The bytes, at most [`MAX_LINE_BYTES`].
    pub bytes: Vec<u8>,
    /// Whether there were more.
    pub cut: bool,
}

/// What a line's first character says it is.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// `* TEXT`
    Notice(&'a str),
    /// `<alice> TEXT`, `<alice -> bob> TEXT`
    Said {
        /// Who said it.
        from: &'a str,
        /// To whom, if to one person.
        to: Option<&'a str>,
        /// What.
        text: &'a str,
    },
    /// `! TEXT`. Where the text begins with a number, it may be a transfer's
    /// that failed; whoever knows the transfers knows.
    Error {
        /// That number.
        id: Option<u64>,
        /// All of the text.
        text: &'a str,
    },
    /// `= SIZE NAME`
    File {
        /// In bytes.
        size: u64,
        /// As the server calls it.
        name: &'a str,
    },
    /// `# ID SIZE NAME`
    Begin {
        /// The transfer's number.
        id: u64,
        /// Of the whole file, in bytes.
        size: u64,
        /// As the server calls it.
        name: &'a str,
    },
    /// `. ID SHA256-HEX`
    End {
        /// The transfer's number.
        id: u64,
        /// Of the whole file.
        sha256: [u8; 32],
    },
    /// A line of a transfer that makes no sense: `. 1 no hash`, `+ 1 many`.
    Senseless {
        /// The transfer's number.
        id: u64,
    },
    /// Nothing of these.
    Other,
}

/// Takes a server's bytes as they come.
#[derive(Default)]
pub struct Parser {
    line: Line,
    chunk: Option<Chunk>,
}

struct Chunk {
    id: u64,
    left: u64,
}

impl Parser {
    /// Looks at the first of `bytes`: how many were taken, and what they were.
    pub fn step(&mut self, bytes: &[u8]) -> (usize, Step) {
        if let Some(Chunk { id, left }) = &mut self.chunk {
            let (id, count) = (*id, bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX)));
            *left -= count as u64;
            if *left == 0 {
                self.chunk = None;
            }
            return (count, if count == 0 { Step::More } else { Step::Bytes { id, count } });
        }
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            self.keep(bytes);
            return (bytes.len(), Step::More);
        };
        self.keep(&bytes[..end]);
        (end + 1, self.end_of_line())
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = MAX_LINE_BYTES - self.line.bytes.len();
        self.line.cut |= bytes.len() > room;
        self.line.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_of_line(&mut self) -> Step {
        let mut line = std::mem::take(&mut self.line);
        if !line.cut && line.bytes.ends_with(b"\r") {
            line.bytes.pop();
        }
        match chunk_of(&line) {
            Some(chunk) => {
                self.chunk = Some(chunk).filter(|chunk| chunk.left > 0);
                Step::More
            }
            None => Step::Line(line),
        }
    }
}

/// `+ ID LENGTH`
fn chunk_of(line: &Line) -> Option<Chunk> {
    let text = str::from_utf8(&line.bytes).ok().filter(|_| !line.cut)?;
    let (id, length) = text.strip_prefix("+ ")?.split_once(' ')?;
    Some(Chunk { id: number(id)?, left: number(length)? })
}

/// Digits alone: `parse` would take `+1` as well.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl Line {
    /// What it says. A line that was cut, or is no text, is none of those that
    /// mean something.
    pub fn meaning(&self) -> Meaning<'_> {
        let text = str::from_utf8(&self.bytes).ok().filter(|_| !self.cut);
        text.and_then(meaning).unwrap_or(Meaning::Other)
    }
}

fn meaning(text: &str) -> Option<Meaning<'_>> {
    if let Some(said) = text.strip_prefix('<') {
        let (who, text) = said.split_once("> ").or_else(|| said.strip_suffix('>').map(|who| (who, "")))?;
        // `<alice -> bob> hi`: the arrow's own `> ` comes first.
        return Some(match who.strip_suffix(" -") {
            None => Meaning::Said { from: who, to: None, text },
            Some(from) => {
                let (to, text) = text.split_once("> ").or_else(|| text.strip_suffix('>').map(|to| (to, "")))?;
                Meaning::Said { from, to: Some(to), text }
            }
        });
    }
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (first, after) = rest.split_once(' ').unwrap_or((rest, ""));
    match kind {
        "*" => Some(Meaning::Notice(rest)),
        "!" => Some(Meaning::Error { id: number(first).filter(|_| !first.is_empty()), text: rest }),
        "=" => Some(Meaning::File { size: number(first)?, name: after }),
        "#" => {
            let (size, name) = after.split_once(' ')?;
            Some(Meaning::Begin { id: number(first)?, size: number(size)?, name })
        }
        "." | "+" => {
            let id = number(first).filter(|_| !first.is_empty())?;
            let end = sha256(after).filter(|_| kind == ".");
            Some(end.map_or(Meaning::Senseless { id }, |sha256| Meaning::End { id, sha256 }))
        }
        _ => None,
    }
}

/// 64 hexadecimal digits.
fn sha256(hex: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = hex.chars().map(|digit| Some(digit.to_digit(16)? as u8)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    bytes.try_into().ok().filter(|_| digits.len() == 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Everything a parser makes of these pieces.
    fn parsed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let (mut parser, mut seen) = (Parser::default(), Vec::<(Option<u64>, Vec<u8>)>::new());
        for mut piece in pieces {
            while !piece.is_empty() {
                let (taken, step) = parser.step(piece);
                match step {
                    Step::More => {}
                    Step::Line(line) => seen.push((None, line.bytes)),
                    Step::Bytes { id, count } => match seen.last_mut() {
                        Some((Some(last), bytes)) if *last == id => bytes.extend(&piece[..count]),
                        _ => seen.push((Some(id), piece[..count].to_vec())),
                    },
                }
                piece = &piece[taken..];
            }
        }
        let shown = |(id, bytes): (Option<u64>, Vec<u8>)| format!("{id:?} {}", String::from_utf8_lossy(&bytes));
        seen.into_iter().map(shown).collect()
    }

    const TRANSFER: &[u8] = b"# 1 9 a b\n+ 1 4\nab\nc<bob> hi\r\n+ 1 5\n* x\n\n. 1 ff\n";

    #[test]
    fn lines_and_the_raw_bytes_between_them_come_apart() {
        let expected =
            ["None # 1 9 a b", "Some(1) ab\nc", "None <bob> hi", "Some(1) * x\n\n", "None . 1 ff"].map(String::from);
        assert_eq!(parsed([TRANSFER]), expected);
        assert_eq!(parsed(TRANSFER.chunks(1)), expected);
    }

    #[test]
    fn a_line_means_what_its_first_character_says() {
        let hash = "00".repeat(31) + "Ff";
        let end = format!(". 3 {hash}");
        let mut sha256 = [0; 32];
        sha256[31] = 255;
        let table = [
            ("* alice has joined", Meaning::Notice("alice has joined")),
            ("*", Meaning::Notice("")),
            ("*x", Meaning::Other),
            ("<alice> hi > there", Meaning::Said { from: "alice", to: None, text: "hi > there" }),
            ("<alice>", Meaning::Said { from: "alice", to: None, text: "" }),
            ("<alice -> bob> a> b", Meaning::Said { from: "alice", to: Some("bob"), text: "a> b" }),
            ("<alice", Meaning::Other),
            ("! what", Meaning::Error { id: None, text: "what" }),
            ("! 12 gone", Meaning::Error { id: Some(12), text: "12 gone" }),
            ("!", Meaning::Error { id: None, text: "" }),
            ("= 12 a b", Meaning::File { size: 12, name: "a b" }),
            ("= x a", Meaning::Other),
            ("# 1 12 a b", Meaning::Begin { id: 1, size: 12, name: "a b" }),
            ("# 1 12", Meaning::Other),
            ("# 1 +2 a", Meaning::Other),
            ("# 1 99999999999999999999 a", Meaning::Other),
            (&end, Meaning::End { id: 3, sha256 }),
            (&end[..end.len() - 1], Meaning::Senseless { id: 3 }),
            (". 3 zz", Meaning::Senseless { id: 3 }),
            ("hello", Meaning::Other),
            ("", Meaning::Other),
        ];
        for (text, meaning) in table {
            let line = Line { bytes: text.into(), cut: false };
            assert_eq!(line.meaning(), meaning, "{text:?}");
        }
    }

    #[test]
    fn a_line_without_end_takes_no_more_memory_than_the_longest_line() {
        let mut parser = Parser::default();
        for _ in 0..100 {
            assert_eq!(parser.step(&[b'*'; 1000]), (1000, Step::More));
        }
        assert_eq!(parser.line.bytes.len(), MAX_LINE_BYTES);
        let (taken, step) = parser.step(b"\n* next\n");
        assert!(matches!(step, Step::Line(line) if line.cut && line.meaning() == Meaning::Other));
        assert_eq!(parser.step(&b"\n* next\n"[taken..]).0, 7);
    }

    #[test]
    fn a_chunk_of_all_the_bytes_there_are_is_never_kept() {
        let mut parser = Parser::default();
        let (taken, _) = parser.step(b"+ 7 18446744073709551615\n");
        assert_eq!(taken, 25);
        assert_eq!(parser.step(&[0; 500]), (500, Step::Bytes { id: 7, count: 500 }));
        assert_eq!(parser.line, Line::default());
    }

    #[test]
    fn what_only_looks_like_a_chunk_is_a_line() {
        for text in ["+ 1", "+ 1 -4", "+ x 4", "+ 1 4 4", "+1 4", "+ 1 18446744073709551616", "+  4"] {
            assert_eq!(parsed([format!("{text}\n").as_bytes()]), [format!("None {text}")]);
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_are_cut(bytes in "[-*#+.!<> 0-9a\n]{0,200}", cut in 1usize..20) {
            prop_assert_eq!(parsed([bytes.as_bytes()]), parsed(bytes.as_bytes().chunks(cut)));
        }

        #[test]
        fn any_bytes_at_all_are_taken(bytes: Vec<u8>) {
            parsed([&*bytes]);
        }
    }
}
