//! What is said to a client and not yet taken by the system.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use crate::net::sendfile::FilePart;

/// Small pieces are gathered up to this for one send: a copy costs less than a
/// system call.
const GATHERED_BYTES: usize = 64 * 1024;

/// Bytes to be sent, in pieces that may be shared with other clients.
#[derive(Debug, Default)]
pub struct Pending {
    pieces: VecDeque<Piece>,
    bytes: usize,
    /// A part of the first piece is sent.
    is_begun: bool,
}

#[derive(Debug)]
enum Piece {
    Lines(Bytes),
    /// A line, or what is left of it, and the part of a file that it announces.
    File(Bytes, FilePart),
}

/// What one call can send.
#[derive(Debug)]
pub enum Front<'a> {
    /// Lines.
    Lines(&'a [u8]),
    /// Lines, and a part of a file comes next.
    Head(&'a [u8]),
    /// A part of a file.
    File(&'a FilePart),
}

impl Piece {
    fn length(&self) -> usize {
        match self {
            Piece::Lines(lines) => lines.len(),
            Piece::File(head, part) => head.len() + part.length(),
        }
    }

    /// What of it is in our memory.
    fn lines(&self) -> &[u8] {
        match self {
            Piece::Lines(lines) | Piece::File(lines, _) => lines,
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Piece::Lines(lines) => lines.advance(count),
            Piece::File(head, part) => {
                let of_head = count.min(head.len());
                head.advance(of_head);
                part.advance(count - of_head);
            }
        }
    }
}

impl Pending {
    /// Puts a piece behind the others.
    pub fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.bytes += piece.len();
            self.pieces.push_back(Piece::Lines(piece));
        }
    }

    /// Puts a line behind the others, and the part of a file, not empty, that
    /// it announces.
    pub fn push_file(&mut self, head: Bytes, part: FilePart) {
        let piece = Piece::File(head, part);
        self.bytes += piece.length();
        self.pieces.push_back(piece);
    }

    /// Bytes in all.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// As much as makes sense to send at once; then [`Pending::forget`] what
    /// was taken. `scratch` is room to gather small pieces in.
    pub fn front<'a>(&'a self, scratch: &'a mut Vec<u8>) -> Option<Front<'a>> {
        match self.pieces.front()? {
            Piece::Lines(first) if self.pieces.len() == 1 || first.len() >= GATHERED_BYTES => Some(Front::Lines(first)),
            Piece::File(head, part) if head.is_empty() => Some(Front::File(part)),
            Piece::File(head, _) => Some(Front::Head(head)),
            Piece::Lines(_) => Some(self.gather(scratch)),
        }
    }

    /// Copies small pieces, up to a part of a file.
    fn gather<'a>(&self, scratch: &'a mut Vec<u8>) -> Front<'a> {
        scratch.clear();
        for piece in &self.pieces {
            let (lines, room) = (piece.lines(), GATHERED_BYTES - scratch.len());
            scratch.extend_from_slice(&lines[..lines.len().min(room)]);
            if scratch.len() == GATHERED_BYTES {
                break;
            }
            if let Piece::File(..) = piece {
                return Front::Head(scratch);
            }
        }
        Front::Lines(scratch)
    }

    /// Forgets so many bytes, which were sent.
    pub fn forget(&mut self, mut count: usize) {
        self.bytes -= count;
        while let Some(first) = self.pieces.front_mut() {
            if count < first.length() {
                self.is_begun |= count > 0;
                first.advance(count);
                return;
            }
            count -= first.length();
            self.pieces.pop_front();
            self.is_begun = false;
        }
        if self.pieces.is_empty() {
            self.pieces = VecDeque::new(); // gives its memory back
        }
    }

    /// The file has become shorter than the line announced: zeros take the
    /// place of what is missing, so that what follows is where it should be,
    /// and the hash tells that this is not the file.
    pub fn fill_gap(&mut self) {
        if let Some(first) = self.pieces.front_mut() {
            *first = Piece::Lines(vec![0; first.length()].into());
            self.is_begun = true; // its line is sent
        }
    }

    /// Throws away all but the rest of a piece that the client has begun to
    /// get: pieces are whole lines, or a line with what it announces.
    pub fn cut(&mut self) {
        self.pieces.truncate(usize::from(self.is_begun));
        self.bytes = self.pieces.iter().map(Piece::length).sum();
    }

    /// Throws everything away.
    pub fn clear(&mut self) {
        *self = Pending::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pieces: &[&'static [u8]]) -> Pending {
        let mut pending = Pending::default();
        pieces.iter().for_each(|piece| pending.push(Bytes::from_static(piece)));
        pending
    }

    /// One send of at most `most` bytes, as it reads.
    fn send(pending: &mut Pending, most: usize) -> Vec<u8> {
        let mut scratch = Vec::new();
        let sent = match pending.front(&mut scratch).unwrap() {
            Front::Lines(bytes) => bytes[..bytes.len().min(most)].to_vec(),
            Front::Head(bytes) => [&bytes[..bytes.len().min(most - 1)], b"|"].concat(),
            Front::File(part) => vec![b'0' + part.offset() as u8; part.length().min(most)],
        };
        pending.forget(sent.len() - usize::from(sent.ends_with(b"|")));
        sent
    }

    /// Sends until nothing is left.
    fn drain(pending: &mut Pending, most: usize) -> Vec<Vec<u8>> {
        let mut sends = Vec::new();
        while !pending.is_empty() {
            sends.push(send(pending, most));
        }
        sends
    }

    #[test]
    fn small_pieces_go_out_in_one_send() {
        let mut pending = of(&[b"a\n", b"", b"bc\n", b"d\n"]);
        assert_eq!(pending.bytes(), 7);
        assert_eq!(drain(&mut pending, usize::MAX), [b"a\nbc\nd\n"]);
        assert_eq!(pending.bytes(), 0);
    }

    #[test]
    fn a_short_send_goes_on_where_it_stopped() {
        for most in 1..8 {
            let mut pending = of(&[b"a\n", b"bc\n", b"d\n"]);
            assert_eq!(drain(&mut pending, most).concat(), b"a\nbc\nd\n");
        }
    }

    #[test]
    fn a_long_piece_is_not_copied() {
        let long: &'static [u8] = &[b'x'; GATHERED_BYTES];
        let sends = drain(&mut of(&[long, b"y"]), usize::MAX);
        assert_eq!(sends.iter().map(Vec::len).collect::<Vec<_>>(), [GATHERED_BYTES, 1]);
    }

    #[test]
    fn a_cut_leaves_the_piece_that_was_begun() {
        let mut pending = of(&[b"one\n", b"two\n", b"three\n"]);
        assert_eq!(send(&mut pending, 6), b"one\ntw");
        pending.cut();
        assert_eq!(drain(&mut pending, usize::MAX), [b"o\n"]);
        let mut untouched = of(&[b"one\n"]);
        untouched.cut();
        assert!(untouched.is_empty());
    }

    /// A line, and `length` bytes of a file from `offset` on.
    #[cfg(target_os = "linux")]
    fn push_file(pending: &mut Pending, head: &'static [u8], offset: u64, length: usize) {
        let file = std::sync::Arc::new(tempfile::tempfile().unwrap());
        pending.push_file(Bytes::from_static(head), FilePart::new(&file, offset, length).unwrap());
    }

    // Not on Windows: sendfile is Linux.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_follows_its_line_and_lines_follow_the_file() {
        let mut pending = of(&[b"a\n", b"b\n"]);
        push_file(&mut pending, b"+ 3\n", 5, 3);
        push_file(&mut pending, b"+ 1\n", 8, 1);
        pending.push(Bytes::from_static(b"c\n"));
        assert_eq!(pending.bytes(), 18);
        let sends = drain(&mut pending, usize::MAX);
        assert_eq!(sends, [&b"a\nb\n+ 3\n|"[..], b"555", b"+ 1\n|", b"8", b"c\n"]);
        assert_eq!(pending.bytes(), 0);
    }

    // Not on Windows: sendfile is Linux.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_begun_goes_on_where_it_stopped_and_is_not_cut() {
        let mut pending = Pending::default();
        push_file(&mut pending, b"+ 3\n", 5, 3);
        push_file(&mut pending, b"+ 9\n", 8, 9);
        assert_eq!(send(&mut pending, 3), b"+ |");
        pending.cut();
        assert_eq!(pending.bytes(), 5);
        let sends = drain(&mut pending, 2);
        assert_eq!(sends, [&b"3|"[..], b"\n|", b"55", b"7"]);
    }

    // Not on Windows: sendfile is Linux.
    #[test]
    #[cfg(target_os = "linux")]
    fn what_a_file_lacks_is_sent_as_zeros() {
        let mut pending = Pending::default();
        push_file(&mut pending, b"+ 3\n", 5, 3);
        assert_eq!(send(&mut pending, usize::MAX), b"+ 3\n|");
        pending.fill_gap();
        pending.push(Bytes::from_static(b"c\n"));
        pending.cut();
        assert_eq!(drain(&mut pending, usize::MAX), [[0, 0, 0]]);
    }
}
