//! What clients say to each other, on its way to each of them.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::post::{Bell, Letter, Post};
use super::super::session::{End, Outbox, Reception, Session};
use super::super::{LINGER, UNSENT_LIMIT};
use super::Loop;
use super::pending::Pending;
use crate::report::Reason;

/// How long a client that is to be closed may take to read what it was told
/// before.
const FAREWELL: Duration = Duration::from_secs(10);

/// Deliveries in a row before the sockets are looked at again. One makes the
/// next: some leave, who are told of; a file's slab is sent, and the next one is
/// there. Who takes a file as fast as it comes would have the loop for itself.
const IN_A_ROW: usize = 2;

/// What a loop needs to deliver.
#[derive(Default)]
pub struct Mail {
    /// Where each client is, by its number.
    pub keys: HashMap<u64, usize>,
    /// When the reception wants to be called at the latest.
    pub next: Option<Instant>,
    /// There may be more to deliver now.
    pub has_more: bool,
    /// Room to gather small pieces in.
    pub scratch: Vec<u8>,
    post: Post,
}

impl<R: Reception> Loop<R> {
    /// Lets the reception call for a turn.
    pub fn begin_deliveries(&mut self) {
        if R::CLIENTS_MEET {
            let inbox = self.inbox.clone();
            self.reception.begins(Bell::new(move || inbox.wake()));
        }
    }

    /// Delivers in the middle of a turn where much was said: what everyone is
    /// to hear goes out while it is read, not all at once after.
    pub fn deliver_much(&mut self) {
        if R::CLIENTS_MEET && self.reception.has_much() {
            self.deliver();
        }
    }

    /// Hands out what the clients of this turn have to say to each other.
    pub fn deliver(&mut self) {
        if !R::CLIENTS_MEET {
            return;
        }
        self.mail.has_more = false;
        for _ in 0..IN_A_ROW {
            let Loop { reception, mail, books, .. } = self;
            match catch_unwind(AssertUnwindSafe(|| reception.deliver(&mut mail.post))) {
                Ok(next) => mail.next = next,
                // Nobody hears the others any more, so it ends for all, in order.
                Err(_) => {
                    books.crashed();
                    mail.post.take();
                    return;
                }
            }
            let letters = self.mail.post.take();
            if letters.is_empty() {
                return;
            }
            self.hand_out(letters);
        }
        self.mail.has_more = true;
    }

    fn hand_out(&mut self, letters: Vec<(u64, Letter)>) {
        let mut keys = Vec::with_capacity(letters.len());
        for (number, letter) in letters {
            let Some(&key) = self.mail.keys.get(&number) else { continue };
            keys.push(key);
            match letter {
                Letter::Say(lines) => self.say(key, |pending| pending.push(lines)),
                Letter::SendFile(head, part) => self.say(key, |pending| pending.push_file(head, part)),
                Letter::Resume => self.resume(key),
                Letter::TellWhenSent => self.connections[key].tells_when_sent = true,
                Letter::Close(reason) => {
                    let connection = &mut self.connections[key];
                    connection.closing.get_or_insert(reason);
                    connection.paused = false;
                    (connection.must_read_by, connection.deadline) = (true, Some(Instant::now() + FAREWELL));
                }
            }
        }
        // One send for all of a client's letters: the second time it has
        // nothing left to send.
        for key in keys {
            if !self.connections.contains(key) {
                continue;
            }
            self.flush(key);
            let connection = &self.connections[key];
            if connection.pending.bytes() > UNSENT_LIMIT && connection.closing.is_none() {
                self.drop_slow(key);
            }
            self.settle(key);
        }
    }

    fn resume(&mut self, key: usize) {
        if std::mem::take(&mut self.connections[key].paused) {
            self.call(key, |session, _, out| session.resumed(out));
            self.again.push(key); // what came meanwhile made its edge long ago
        }
    }

    fn say(&mut self, key: usize, push: impl FnOnce(&mut Pending)) {
        let connection = &mut self.connections[key];
        if connection.closing.is_none() {
            push(&mut connection.pending);
        }
    }

    /// A client that does not read is closed, and told why in case it does.
    fn drop_slow(&mut self, key: usize) {
        self.books.client_too_slow(&self.connections[key].client);
        let connection = &mut self.connections[key];
        connection.pending.cut();
        let mut out = Outbox::new();
        connection.session.ended(End::TooSlow, &mut out);
        connection.pending.push(Bytes::copy_from_slice(out.bytes()));
        (connection.closing, connection.paused) = (Some(Reason::Error), false);
        (connection.must_read_by, connection.deadline) = (true, Some(Instant::now() + LINGER));
    }
}
