//! One client: what it has sent, and what it awaits back.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use super::Wire;
use super::figures::Figures;
use crate::net::polled::SHORT_READ_DRAINS;

/// One client.
pub struct Client {
    number: u32,
    wire: Wire,
    size: usize,
    asked: u64,
    /// Messages to be sent, the first of them perhaps in part.
    unsent: VecDeque<Message>,
    sent_of_first: usize,
    /// Messages whose answer is to come, in order.
    awaited: VecDeque<Message>,
    /// Of the first awaited message's answer: bytes that came.
    received_of_first: usize,
    is_dead: bool,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    seq: u64,
    due: Instant,
}

impl Client {
    /// Client `number`, which sends messages of `size` bytes.
    pub fn new(number: u32, wire: Wire, size: usize) -> Client {
        let (unsent, awaited) = (VecDeque::new(), VecDeque::new());
        Client { number, wire, size, asked: 0, unsent, sent_of_first: 0, awaited, received_of_first: 0, is_dead: false }
    }

    /// Messages whose answer has not come.
    pub fn awaited(&self) -> usize {
        self.awaited.len() + self.unsent.len()
    }

    /// One more message, due at `due`.
    pub fn ask(&mut self, due: Instant) {
        self.unsent.push_back(Message { seq: self.asked, due });
        self.asked += 1;
    }

    /// Sends what the system takes.
    pub fn send(&mut self, figures: &mut Figures) {
        while let Some(message) = self.unsent.front().copied().filter(|_| !self.is_dead) {
            let bytes = content(self.number, message.seq, self.size);
            let sent = match &self.wire {
                Wire::Stream(stream) => stream.send(&bytes[self.sent_of_first..]),
                Wire::Datagrams(socket) => socket.send(&bytes),
            };
            match sent {
                Ok(count) => self.sent_of_first += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => return self.fail(figures, &error),
            }
            if self.sent_of_first >= self.size {
                self.sent_of_first = 0;
                self.unsent.pop_front();
                self.awaited.push_back(message);
                figures.sent += 1;
            }
        }
    }

    /// Receives what has come. How many messages were answered.
    pub fn receive(&mut self, buffer: &mut [u8], figures: &mut Figures) -> usize {
        let mut answered = 0;
        while !self.is_dead {
            let got = match &self.wire {
                Wire::Stream(stream) => stream.recv(buffer),
                Wire::Datagrams(socket) => socket.recv(buffer),
            };
            match (got, &self.wire) {
                (Ok(0), Wire::Stream(_)) => self.fail(figures, &ErrorKind::UnexpectedEof.into()),
                (Ok(got), Wire::Stream(_)) => {
                    answered += self.compare_stream(&buffer[..got], figures);
                    if got < buffer.len() && SHORT_READ_DRAINS {
                        return answered;
                    }
                }
                (Ok(got), Wire::Datagrams(_)) => answered += self.compare_datagram(&buffer[..got], figures),
                (Err(error), _) if error.kind() == ErrorKind::WouldBlock => return answered,
                (Err(error), _) => self.fail(figures, &error),
            }
        }
        answered
    }

    fn compare_stream(&mut self, mut bytes: &[u8], figures: &mut Figures) -> usize {
        let mut answered = 0;
        while !bytes.is_empty() {
            let Some(first) = self.awaited.front().copied() else {
                figures.wrong += 1; // bytes that nobody asked for
                return answered;
            };
            let expected = content(self.number, first.seq, self.size);
            let count = bytes.len().min(self.size - self.received_of_first);
            if bytes[..count] != expected[self.received_of_first..][..count] {
                figures.wrong += 1;
            }
            bytes = &bytes[count..];
            self.received_of_first += count;
            if self.received_of_first == self.size {
                self.received_of_first = 0;
                self.awaited.pop_front();
                figures.answered(first.due.elapsed());
                answered += 1;
            }
        }
        answered
    }

    fn compare_datagram(&mut self, bytes: &[u8], figures: &mut Figures) -> usize {
        let seq = bytes.get(4..12).and_then(|seq| seq.try_into().ok()).map(u64::from_be_bytes);
        let place = self.awaited.iter().position(|message| Some(message.seq) == seq);
        match place.and_then(|place| self.awaited.remove(place)) {
            Some(message) if bytes == content(self.number, message.seq, self.size) => {
                figures.answered(message.due.elapsed());
                1
            }
            Some(_) => {
                figures.wrong += 1;
                1
            }
            // Once more, or too late: it is counted already.
            None => {
                figures.unasked += 1;
                0
            }
        }
    }

    /// Forgets datagrams that were sent longer than `timeout` ago. How many.
    pub fn give_up(&mut self, now: Instant, timeout: Duration) -> u64 {
        let before = self.awaited.len();
        self.awaited.retain(|message| now.saturating_duration_since(message.due) < timeout);
        (before - self.awaited.len()) as u64
    }

    fn fail(&mut self, figures: &mut Figures, _: &std::io::Error) {
        match &self.wire {
            // Nobody listens there now; the next datagram may find somebody.
            Wire::Datagrams(_) => figures.refused += 1,
            Wire::Stream(_) => {
                self.is_dead = true;
                figures.failed += 1;
            }
        }
    }
}

/// A message of which every byte is known: who sent it, its number, and bytes
/// that no other message has in these places.
fn content(client: u32, seq: u64, size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size + 8);
    bytes.extend_from_slice(&client.to_be_bytes());
    bytes.extend_from_slice(&seq.to_be_bytes());
    let mut state = (u64::from(client) << 32 | 1) ^ seq.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    while bytes.len() < size {
        // xorshift: quick, and no two messages alike.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_be_bytes());
    }
    bytes.truncate(size);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_messages_are_alike() {
        assert_eq!(content(1, 2, 64), content(1, 2, 64));
        assert_ne!(content(1, 2, 64), content(1, 3, 64));
        assert_ne!(content(1, 2, 64), content(2, 2, 64));
        assert_eq!(content(1, 2, 16).len(), 16);
    }
}
