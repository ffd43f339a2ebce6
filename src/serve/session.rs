//! One client's conversation, apart from any socket.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::post::{Bell, Post};
use crate::report::Reason;

/// What is said on one connection: bytes come in, bytes go out.
///
/// A session knows no socket and no thread, so the same one runs under every
/// model of this room, and in a test on slices.
pub trait Session: Send + 'static {
    /// The client is there and has said nothing yet.
    fn opened(&mut self, _out: &mut Outbox) -> Then {
        Then::Continue
    }

    /// Bytes came: a part of a message, or several messages.
    fn received(&mut self, bytes: &[u8], out: &mut Outbox) -> Then;

    /// How long to wait for more bytes before [`Session::quiet`] is called.
    fn patience(&self) -> Option<Duration> {
        None
    }

    /// The time that [`Session::patience`] gave has passed without a byte.
    fn quiet(&mut self, _out: &mut Outbox) -> Then {
        Then::Continue
    }

    /// The pause that was asked for is over.
    fn resumed(&mut self, _out: &mut Outbox) -> Then {
        Then::Continue
    }

    /// All that was said to the client is sent, which [`Post::tell_when_sent`]
    /// asked to know.
    fn all_sent(&mut self, _out: &mut Outbox) -> Then {
        Then::Continue
    }

    /// No more bytes will come. After a FIN, or when the server stops, the
    /// client may still be listening.
    fn ended(&mut self, _how: End, _out: &mut Outbox) -> Then {
        Then::Continue
    }
}

/// What a session wants after it was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// More bytes, if any come.
    Continue,
    /// To be left alone for a time; what is in the outbox goes out first.
    Pause(Duration),
    /// To be left alone until [`Post::resume`]; only where clients meet.
    Wait,
    /// To close, once the outbox is sent.
    Close(Reason),
}

/// How a client's bytes came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It sent FIN.
    Fin,
    /// It is gone: RST, or the connection failed.
    Reset,
    /// The server stops.
    ServerStop,
    /// It does not read what others say to it.
    TooSlow,
    /// It spoke, or kept silent, where it should have begun with TLS.
    NotTls,
}

/// Bytes on their way to one client. The model sends them after each call.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
}

impl Outbox {
    /// An empty one.
    pub fn new() -> Outbox {
        Outbox::default()
    }

    /// Adds bytes.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// What is to be sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Empties it, keeping its memory for the next message.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }
}

/// A client, as a session may know it.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// From 1, never reused.
    pub number: u64,
    /// Its address.
    pub peer: SocketAddr,
    /// The server's address on this connection.
    pub local: SocketAddr,
}

/// Makes a session for each client: a lab's server side.
pub trait Reception: Send + Sync + 'static {
    /// The session it makes.
    type Session: Session;

    /// Whether clients speak to each other, so that [`Reception::deliver`] is
    /// called. One loop then serves them all, which keeps what is said in
    /// order, and the sessions tell what was said themselves.
    const CLIENTS_MEET: bool = false;

    /// A client has come.
    fn receive(&self, client: &Client) -> Self::Session;

    /// The server begins: who rings the bell, from any thread, gets
    /// [`Reception::deliver`] called.
    fn begins(&self, _bell: Bell) {}

    /// Whether so much was said that it should not wait for the turn's end.
    fn has_much(&self) -> bool {
        false
    }

    /// Every session that had something was called: what they have to say to
    /// others goes into the post, all at once. Answers when it wants to be
    /// called again, at the latest.
    fn deliver(&self, _post: &mut Post) -> Option<Instant> {
        None
    }
}

impl<S: Session, F: Fn(&Client) -> S + Send + Sync + 'static> Reception for F {
    type Session = S;

    fn receive(&self, client: &Client) -> S {
        self(client)
    }
}
