//! A client's connection under the events model, and how far its conversation
//! has come: what `blocking` keeps in its place in the code.

use std::io;
use std::time::Instant;

use super::super::blocking::is_gone;
use super::super::session::Client;
use crate::net::polled::PolledStream;
use crate::report::Reason;

/// A client's connection, and how far its conversation has come.
pub struct Connection<S> {
    pub stream: PolledStream,
    pub client: Client,
    pub session: S,
    pub opened: bool,
    /// Said by the session, not yet taken by the system.
    pub pending: Vec<u8>,
    /// There may be bytes to receive: an edge came, and EAGAIN has not.
    pub readable: bool,
    /// The edge said that FIN or RST has come: read until it is seen.
    pub hung_up: bool,
    pub fin_received: bool,
    pub paused: bool,
    pub closing: Option<Reason>,
    /// Our FIN is sent, the peer's is awaited.
    pub lingers: bool,
    /// When patience, a pause or lingering is over.
    pub deadline: Option<Instant>,
    /// The deadline that the loop's timers know.
    pub armed: Option<Instant>,
}

impl<S> Connection<S> {
    pub fn new(stream: PolledStream, client: Client, session: S) -> Connection<S> {
        Connection {
            stream,
            client,
            session,
            opened: false,
            pending: Vec::new(),
            readable: false,
            hung_up: false,
            fin_received: false,
            paused: false,
            closing: None,
            lingers: false,
            deadline: None,
            armed: None,
        }
    }

    /// Whether there is nothing more to say or to hear, and why.
    pub fn is_over(&self) -> Option<Reason> {
        if !self.fin_received || self.paused || !self.pending.is_empty() {
            return None;
        }
        Some(self.closing.unwrap_or(Reason::Fin))
    }

    /// The peer is gone: nothing more can be said, nothing will be heard.
    pub fn break_off(&mut self, error: &io::Error) {
        self.pending = Vec::new();
        (self.fin_received, self.readable, self.paused) = (true, false, false);
        self.closing = Some(if is_gone(error) { Reason::Reset } else { Reason::Error });
    }
}
