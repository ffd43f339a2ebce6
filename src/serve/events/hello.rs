//! What becomes of a client that should begin with TLS, and does not.

use std::time::{Duration, Instant};

use super::super::session::{End, Reception, Session, Then};
use super::Loop;
use super::connection::Wire;
use crate::report::Reason;

/// How long a client may be silent before it is told that TLS is spoken here:
/// one that waits for our welcome would wait for ever.
const HELLO_WITHIN: Duration = Duration::from_secs(3);

/// How long one that has begun may take to go on: thousands may have come at
/// once, and a slow machine is no offence.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(30);

impl<R: Reception> Loop<R> {
    /// Sets the time by which TLS must have been agreed on.
    pub fn expect_hello(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        if connection.wire.is_handshaking() && connection.closing.is_none() {
            connection.deadline = Some(Instant::now() + HELLO_WITHIN);
        }
    }

    /// Time is up: whoever has said nothing is answered in plain text, and who
    /// began with TLS and did not go on is left.
    pub fn refuse_silent(&mut self, key: usize) {
        if let Some(reason) = self.connections[key].closing {
            return self.remove(key, reason);
        }
        if !self.connections[key].is_late {
            return self.wait_for_rest(key);
        }
        if self.connections[key].wire.is_not_tls() {
            self.refuse_plain_text(key);
            return self.settle(key);
        }
        let _ = self.connections[key].session.ended(End::Reset, &mut self.out);
        self.out.clear();
        self.remove(key, Reason::Timeout);
    }

    /// It may have begun, and we were late to look: then it gets more time.
    fn wait_for_rest(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        (connection.is_late, connection.readable) = (true, true);
        self.turn(key);
        let Some(connection) = self.connections.get_mut(key).filter(|connection| connection.wire.is_handshaking())
        else {
            return;
        };
        if connection.wire.is_not_tls() {
            return self.refuse_silent(key);
        }
        connection.deadline = Some(Instant::now() + HANDSHAKE_WITHIN);
        self.settle(key);
    }

    /// Nothing was sent to this client, so it can be answered in plain text,
    /// which is what it understands.
    pub fn refuse_plain_text(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        connection.wire = Wire::Plain;
        connection.pending.clear();
        connection.readable = true; // what it said is read, and not heard
        self.call(key, |session, _, out| {
            session.ended(End::NotTls, out);
            Then::Close(Reason::Error)
        });
    }
}
