//! What one client says to others.
//!
//! A session answers its own client through its [`Outbox`](super::Outbox).
//! What is meant for others goes into the post at the end of each turn of the
//! loop: by then everyone who had something to say has said it, so that each
//! receiver gets one `send(2)` for all of it, and the same bytes, formatted
//! once, are shared by all.

use std::sync::Arc;

use bytes::Bytes;

use crate::net::sendfile::FilePart;
use crate::report::Reason;

/// What goes to clients at the end of a turn, by their numbers.
#[derive(Debug, Default)]
pub struct Post {
    letters: Vec<(u64, Letter)>,
}

/// What becomes of one client.
#[derive(Clone, Debug)]
pub enum Letter {
    /// It is sent these bytes: whole lines, for what a client is too slow to
    /// read is thrown away from one of these borders on.
    Say(Bytes),
    /// It is sent a line, and the part of a file that the line announces.
    SendFile(Bytes, FilePart),
    /// Its session's `all_sent` is called once nothing is unsent.
    TellWhenSent,
    /// Its session is resumed.
    Resume,
    /// Its connection is closed once all before is sent.
    Close(Reason),
}

impl Post {
    /// Sends whole lines to client number `to`, if it is still there.
    pub fn say(&mut self, to: u64, lines: Bytes) {
        self.letters.push((to, Letter::Say(lines)));
    }

    /// Sends client number `to` a line and the part of a file that the line
    /// announces: only where the connection is plain.
    pub fn send_file(&mut self, to: u64, head: Bytes, part: FilePart) {
        self.letters.push((to, Letter::SendFile(head, part)));
    }

    /// Calls the session's `all_sent` once nothing is unsent.
    pub fn tell_when_sent(&mut self, to: u64) {
        self.letters.push((to, Letter::TellWhenSent));
    }

    /// Resumes a session that waits.
    pub fn resume(&mut self, to: u64) {
        self.letters.push((to, Letter::Resume));
    }

    /// Closes the connection once all before is sent.
    pub fn close(&mut self, to: u64, reason: Reason) {
        self.letters.push((to, Letter::Close(reason)));
    }

    /// Takes the letters out, in the order in which they were put in.
    pub fn take(&mut self) -> Vec<(u64, Letter)> {
        std::mem::take(&mut self.letters)
    }
}

/// Calls for a turn of the loop, from any thread.
#[derive(Clone)]
pub struct Bell(Arc<dyn Fn() + Send + Sync>);

impl Bell {
    /// A bell that calls `ring`.
    pub fn new(ring: impl Fn() + Send + Sync + 'static) -> Bell {
        Bell(Arc::new(ring))
    }

    /// Rings it.
    pub fn ring(&self) {
        (self.0)();
    }
}
