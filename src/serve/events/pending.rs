//! What is said to a client and not yet taken by the system.

use std::collections::VecDeque;
use std::io;

use bytes::{Buf, Bytes};

/// Small pieces are gathered up to this for one send: a copy costs less than a
/// system call.
const GATHERED_BYTES: usize = 64 * 1024;

/// Bytes to be sent, in pieces that may be shared with other clients.
#[derive(Debug, Default)]
pub struct Pending {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    /// A part of the first piece is sent.
    is_begun: bool,
}

impl Pending {
    /// Puts a piece behind the others.
    pub fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.bytes += piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// Bytes in all.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// One send of as much as makes sense at once. `scratch` is room to gather
    /// small pieces in.
    pub fn send(
        &mut self,
        scratch: &mut Vec<u8>,
        send: impl FnOnce(&[u8]) -> io::Result<usize>,
        sent: impl FnOnce(&[u8]),
    ) -> io::Result<()> {
        let Some(first) = self.pieces.front() else { return Ok(()) };
        let whole = if self.pieces.len() == 1 || first.len() >= GATHERED_BYTES { first } else { self.gather(scratch) };
        let count = send(whole)?;
        sent(&whole[..count]);
        self.forget(count);
        Ok(())
    }

    fn gather<'a>(&self, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        scratch.clear();
        for piece in &self.pieces {
            let room = GATHERED_BYTES - scratch.len();
            scratch.extend_from_slice(&piece[..piece.len().min(room)]);
            if scratch.len() == GATHERED_BYTES {
                break;
            }
        }
        scratch
    }

    fn forget(&mut self, mut count: usize) {
        self.bytes -= count;
        while let Some(first) = self.pieces.front_mut() {
            if count < first.len() {
                self.is_begun |= count > 0;
                first.advance(count);
                return;
            }
            count -= first.len();
            self.pieces.pop_front();
            self.is_begun = false;
        }
        if self.pieces.is_empty() {
            self.pieces = VecDeque::new(); // gives its memory back
        }
    }

    /// Throws away all but the rest of a piece that the client has begun to
    /// get: pieces are whole lines.
    pub fn cut(&mut self) {
        self.pieces.truncate(usize::from(self.is_begun));
        self.bytes = self.pieces.iter().map(Bytes::len).sum();
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

    /// Sends until nothing is left, `most` bytes at a time.
    fn drain(pending: &mut Pending, most: usize) -> Vec<Vec<u8>> {
        let (mut sends, mut scratch) = (Vec::new(), Vec::new());
        while !pending.is_empty() {
            let send = |bytes: &[u8]| Ok(bytes.len().min(most));
            pending.send(&mut scratch, send, |bytes| sends.push(bytes.to_vec())).unwrap();
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
        pending.send(&mut Vec::new(), |_| Ok(6), |_| {}).unwrap();
        pending.cut();
        assert_eq!(drain(&mut pending, usize::MAX), [b"o\n"]);
        let mut untouched = of(&[b"one\n"]);
        untouched.cut();
        assert!(untouched.is_empty());
    }
}
