//! A client's connection under the events model, and how far its conversation
//! has come: what `blocking` keeps in its place in the code.

use std::io::{self, ErrorKind};
use std::time::Instant;

use super::super::blocking::reason_of;
use super::super::books::Books;
use super::super::session::Client;
use super::pending::{Front, Pending};
use crate::net::polled::PolledStream;
use crate::net::sendfile::FilePart;
use crate::net::tls::Channel;
use crate::report::Reason;

/// A client's connection, and how far its conversation has come.
///
/// In this order: what each message needs is in the first two cache lines,
/// which the processor fetches together. Of ten thousand clients none is in a
/// cache any more when its next message comes.
#[repr(C, align(128))]
pub struct Connection<S> {
    pub stream: PolledStream,
    pub wire: Wire,
    /// There may be bytes to receive: an edge came, and EAGAIN has not.
    pub readable: bool,
    /// The edge said that FIN or RST has come: read until it is seen.
    pub hung_up: bool,
    /// The edge said that the connection failed: RST.
    pub broken: bool,
    pub fin_received: bool,
    /// It has not agreed on TLS within the time that most need.
    pub is_late: bool,
    pub paused: bool,
    /// Our FIN is sent, the peer's is awaited.
    pub lingers: bool,
    pub closing: Option<Reason>,
    /// The session wants to know when nothing is pending.
    pub tells_when_sent: bool,
    /// It is closed for not reading, and has until the deadline to read why.
    pub must_read_by: bool,
    pub opened: bool,
    /// Said by the session, not yet taken by the system.
    pub pending: Pending,
    /// When patience, a pause or lingering is over.
    pub deadline: Option<Instant>,
    pub session: S,
    pub client: Client,
    /// The deadline that the loop's timers know.
    pub armed: Option<Instant>,
}

/// Whether what is said goes over the connection as it is.
pub enum Wire {
    /// It does.
    Plain,
    /// It goes encrypted.
    Tls(Channel),
}

impl Wire {
    pub fn is_plain(&self) -> bool {
        matches!(self, Wire::Plain)
    }

    #[inline]
    pub fn recv(&mut self, stream: &PolledStream, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Plain => stream.recv(buffer),
            Wire::Tls(channel) => channel.recv(stream, buffer),
        }
    }

    #[inline]
    pub fn send(&mut self, stream: &PolledStream, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Plain => stream.send(bytes),
            Wire::Tls(channel) => channel.send(stream, bytes),
        }
    }

    /// The same of what is followed by [`Wire::send_file`].
    pub fn send_more(&mut self, stream: &PolledStream, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Plain => stream.send_more(bytes),
            Wire::Tls(channel) => channel.send(stream, bytes),
        }
    }

    /// Sends a part of a file as it lies, which TLS cannot: who wants to know
    /// whether it is spoken asks before.
    pub fn send_file(&mut self, stream: &PolledStream, part: &FilePart) -> io::Result<usize> {
        match self {
            Wire::Plain => stream.send_file(part),
            Wire::Tls(_) => Err(ErrorKind::Unsupported.into()),
        }
    }

    /// Sends what was taken and is not with the system yet.
    pub fn flush(&mut self, stream: &PolledStream) -> io::Result<()> {
        match self {
            Wire::Plain => Ok(()),
            Wire::Tls(channel) => channel.flush(stream),
        }
    }

    pub fn is_flushed(&self) -> bool {
        match self {
            Wire::Plain => true,
            Wire::Tls(channel) => !channel.wants_write(),
        }
    }

    pub fn send_fin(&mut self, stream: &PolledStream) -> io::Result<()> {
        if let Wire::Tls(channel) = self {
            // What of its goodbye does not fit into the socket is not waited for.
            let _ = channel.close(stream);
        }
        stream.send_fin()
    }

    /// Whether a TLS client has yet to show that it is one.
    pub fn is_handshaking(&self) -> bool {
        matches!(self, Wire::Tls(channel) if channel.is_handshaking())
    }

    /// Whether the client should have begun with TLS, and did not: silent ones
    /// included.
    pub fn is_not_tls(&self) -> bool {
        matches!(self, Wire::Tls(channel) if channel.spoke_plain_text() || !channel.has_spoken())
    }
}

impl<S> Connection<S> {
    pub fn new(stream: PolledStream, wire: Wire, client: Client, session: S) -> Connection<S> {
        Connection {
            stream,
            wire,
            client,
            session,
            opened: false,
            pending: Pending::default(),
            readable: false,
            hung_up: false,
            broken: false,
            fin_received: false,
            is_late: false,
            paused: false,
            tells_when_sent: false,
            must_read_by: false,
            closing: None,
            lingers: false,
            deadline: None,
            armed: None,
        }
    }

    /// Whether nothing has ended and nothing is to be done at a certain time.
    pub fn just_goes_on(&self) -> bool {
        !self.fin_received && self.closing.is_none() && self.deadline.is_none()
    }

    /// One send of what is pending. `scratch` is room to gather small pieces
    /// in.
    pub fn send_next(&mut self, scratch: &mut Vec<u8>, books: &Books) -> io::Result<()> {
        let Connection { pending, wire, stream, client, .. } = self;
        let sent = match pending.front(scratch) {
            None => return wire.flush(stream),
            Some(Front::Lines(bytes)) => {
                wire.send(stream, bytes).inspect(|sent| books.sent(client, &bytes[..*sent]))?
            }
            Some(Front::Head(bytes)) => {
                wire.send_more(stream, bytes).inspect(|sent| books.sent(client, &bytes[..*sent]))?
            }
            Some(Front::File(part)) => match wire.send_file(stream, part)? {
                0 => {
                    pending.fill_gap();
                    0
                }
                sent => {
                    books.sent_file(sent);
                    sent
                }
            },
        };
        pending.forget(sent);
        Ok(())
    }

    /// Whether there is nothing more to say or to hear, and why.
    pub fn is_over(&self) -> Option<Reason> {
        if !self.fin_received || self.paused || !self.is_all_sent() {
            return None;
        }
        Some(self.closing.unwrap_or(Reason::Fin))
    }

    /// Whether the system has all that was said.
    pub fn is_all_sent(&self) -> bool {
        self.pending.is_empty() && self.wire.is_flushed()
    }

    /// The peer is gone: nothing more can be said, nothing will be heard.
    pub fn break_off(&mut self, error: &io::Error) {
        self.pending.clear();
        self.wire = Wire::Plain; // what TLS still holds will never go
        (self.fin_received, self.readable, self.paused) = (true, false, false);
        self.closing = Some(reason_of(error));
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn what_each_message_needs_is_in_two_cache_lines() {
        assert!(offset_of!(Connection<()>, session) <= 128);
        assert!(size_of::<Connection<[u64; 4]>>() <= 256);
    }
}
