//! Many datagrams in one call: received together, and answered together where
//! they go to one client.

use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;

use super::datagrams::{Desk, Sender};
use crate::net::batch::{self, Batch, LONGEST_SEGMENT, MOST_SEGMENT_BYTES};

/// What is needed to serve many at once: nothing until they come.
#[derive(Default)]
pub struct Many {
    batch: Option<Batch>,
    /// The system said that it cannot send several together.
    sends_singly: bool,
}

/// What goes back, and to whom.
struct Answer<'d> {
    bytes: Cow<'d, [u8]>,
    to: SocketAddr,
    sender: Sender,
}

impl Many {
    /// Waits for a datagram, takes up to `most`, and answers them. Says how
    /// many there were.
    pub fn serve<F>(&mut self, desk: &mut Desk<'_>, most: usize, reply: &F) -> io::Result<usize>
    where
        F: for<'d> Fn(&'d [u8], SocketAddr) -> Option<Cow<'d, [u8]>>,
    {
        let batch = self.batch.get_or_insert_default();
        batch.receive(desk.socket, most)?;
        let mut answers = Vec::with_capacity(batch.iter().len());
        let mut latest: Option<(SocketAddr, Sender)> = None;
        for (datagram, from) in batch.iter() {
            // Who has sent several has often sent them one after the other.
            let sender = match latest {
                Some((addr, sender)) if addr == from => sender,
                _ => desk.sender(from),
            };
            latest = Some((from, sender));
            if desk.received(sender, datagram) {
                answers.extend(reply(datagram, sender.peer).map(|bytes| Answer { bytes, to: from, sender }));
            }
        }
        send_all(desk, &answers, &mut self.sends_singly);
        Ok(batch.iter().len())
    }
}

/// Sends answers of one length to one client together, the others one by one;
/// each client's in their order.
fn send_all(desk: &mut Desk<'_>, answers: &[Answer<'_>], sends_singly: &mut bool) {
    let mut taken = 0;
    let mut segments = Vec::with_capacity(answers.len());
    for first in 0..answers.len() {
        if is_set(taken, first) {
            continue;
        }
        let chosen = if *sends_singly { 1 << first } else { together(answers, taken, first) };
        taken |= chosen;
        let chosen = || (first..answers.len()).filter(move |at| is_set(chosen, *at)).map(|at| &answers[at]);
        segments.clear();
        segments.extend(chosen().map(|answer| &*answer.bytes));
        if segments.len() > 1 {
            match batch::send_segments(desk.socket, &segments, answers[first].to) {
                Ok(_) => {
                    chosen().for_each(|answer| desk.sent(answer.sender, &answer.bytes, Ok(answer.bytes.len())));
                    continue;
                }
                // A card, or a tunnel, that cannot: it will not learn it.
                Err(_) => *sends_singly = true,
            }
        }
        for answer in chosen() {
            let sent = desk.socket.send_to(&answer.bytes, answer.to);
            desk.sent(answer.sender, &answer.bytes, sent);
        }
    }
}

fn is_set(bits: u64, at: usize) -> bool {
    bits >> at & 1 == 1
}

/// The answers that can leave in one call with the first: to the same client,
/// as long as it, up to the next one of another length (or they would overtake
/// that one). A bit each; those whose bit is set in `taken` have left.
fn together(answers: &[Answer<'_>], taken: u64, first: usize) -> u64 {
    let (client, length) = (answers[first].sender.client, answers[first].bytes.len());
    let mut chosen = 1 << first;
    if length == 0 || length > LONGEST_SEGMENT {
        return chosen;
    }
    let mut room = MOST_SEGMENT_BYTES - length;
    for (at, answer) in answers.iter().enumerate().skip(first + 1) {
        if answer.sender.client != client || is_set(taken, at) {
            continue;
        }
        if answer.bytes.len() != length || room < length {
            break;
        }
        chosen |= 1 << at;
        room -= length;
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers to clients of these numbers, of these lengths.
    fn answers(answers: &[(u64, usize)]) -> Vec<Answer<'static>> {
        let to = SocketAddr::from(([127, 0, 0, 1], 1));
        let answer = |&(client, length): &(u64, usize)| Answer {
            bytes: vec![b'x'; length].into(),
            to,
            sender: Sender { client, peer: to },
        };
        answers.iter().map(answer).collect()
    }

    #[test]
    fn answers_of_one_length_to_one_client_leave_together() {
        assert_eq!(together(&answers(&[(1, 5), (2, 5), (1, 5), (1, 5)]), 0, 0), 0b1101);
        assert_eq!(together(&answers(&[(1, 5), (2, 5), (1, 5), (2, 5)]), 0b0101, 1), 0b1010);
    }

    #[test]
    fn no_answer_overtakes_another_to_the_same_client() {
        assert_eq!(together(&answers(&[(1, 5), (1, 6), (1, 5)]), 0, 0), 0b001);
        assert_eq!(together(&answers(&[(1, 5), (2, 6), (1, 5)]), 0, 0), 0b101);
    }

    #[test]
    fn empty_and_long_answers_leave_alone() {
        assert_eq!(together(&answers(&[(1, 0), (1, 0)]), 0, 0), 1);
        assert_eq!(together(&answers(&[(1, LONGEST_SEGMENT + 1); 2]), 0, 0), 1);
        assert_eq!(together(&answers(&[(1, LONGEST_SEGMENT); 64]), 0, 0).count_ones(), 54);
        assert_eq!(together(&answers(&[(1, 64); 64]), 0, 0), u64::MAX);
    }
}
