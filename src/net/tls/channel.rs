//! The server's side of one TLS connection, for a socket that does not block.
//!
//! A [`Channel`] stands between a loop and its [`PolledStream`], and its calls
//! mean what the socket's mean. Two rules keep it small and true:
//!
//! - The queue of what is to be said stays with the caller, in plaintext. Only
//!   when the system has taken all earlier ciphertext are the next records
//!   made. So a slow reader costs a few records, not a buffer here and one there.
//! - Nothing decrypted is left inside: an edge-triggered loop hears no more of
//!   bytes that the system has already given away. Who receives until
//!   `WouldBlock` has everything.
//!
//! A client that is idle after its handshake costs 7.7 KiB.

use std::io::{self, ErrorKind, Read, Write};

use rustls::ServerConnection;

use super::{HANDSHAKE, MAX_RECORD_BYTES, ServerTls, invalid};
use crate::net::polled::PolledStream;

/// Looks at the socket in one `recv` here, before others have their turn: as
/// much as a flood of records without content may take.
const MOST_READS: usize = 16;

/// As much as is encrypted for one send: four full records.
const MAX_SEND_BYTES: usize = 4 * MAX_RECORD_BYTES;

/// The server's side of one TLS connection.
pub struct Channel {
    /// Boxed, as it is a kilobyte, and its owner may hold many of either kind.
    tls: Box<ServerConnection>,
    /// Whether the client has said anything yet.
    spoken: bool,
    plain: bool,
}

impl Channel {
    /// Nothing is said yet: a TLS client speaks first.
    ///
    /// # Errors
    /// None that depends on the client; a configuration that rustls refuses.
    pub fn new(tls: &ServerTls) -> io::Result<Channel> {
        let tls = ServerConnection::new(tls.config.clone()).map_err(io::Error::other)?;
        Ok(Channel { tls: Box::new(tls), spoken: false, plain: false })
    }

    /// As `recv(2)` on a socket that does not block: some plaintext, or 0 when
    /// the peer said that no more will come (close_notify). A short count does
    /// not mean that the socket is empty; only `WouldBlock` does.
    ///
    /// It does the handshake too. When [`Channel::is_handshaking`] turns false
    /// is the time to send what waits.
    ///
    /// # Errors
    /// `WouldBlock`: nothing there. `Interrupted`: others first, then call
    /// again. `UnexpectedEof`: FIN without close_notify, so the end may be
    /// missing. `InvalidData`: a record that is damaged, forged or no TLS (then
    /// [`Channel::spoke_plain_text`]); the alert that says so is sent. Others
    /// are the socket's.
    pub fn recv(&mut self, stream: &PolledStream, buffer: &mut [u8]) -> io::Result<usize> {
        for _ in 0..MOST_READS {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.take_in(stream)?,
                result => return result,
            }
        }
        Err(ErrorKind::Interrupted.into())
    }

    /// Once from the socket into the connection.
    fn take_in(&mut self, stream: &PolledStream) -> io::Result<()> {
        let mut source = Source { stream, spoken: &mut self.spoken, plain: &mut self.plain };
        self.tls.read_tls(&mut source)?;
        let processed = self.tls.process_new_packets();
        // The next part of the handshake, a new key, or the alert.
        match self.flush(stream) {
            Err(error) if processed.is_ok() && error.kind() != ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        processed.map(|_| ()).map_err(invalid)
    }

    /// As `send(2)` on a socket that does not block: how many of `bytes` were
    /// taken, at most four records'. What is taken may be under way in part:
    /// when the socket can be written again, call [`Channel::flush`], also
    /// with nothing more to send.
    ///
    /// # Errors
    /// `WouldBlock`: nothing is taken, for the handshake is not over or earlier
    /// ciphertext not out. Others are the socket's.
    pub fn send(&mut self, stream: &PolledStream, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.tls.is_handshaking() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.flush(stream)?;
        let taken = self.tls.writer().write(&bytes[..bytes.len().min(MAX_SEND_BYTES)])?;
        match self.flush(stream) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    /// Gives the system the ciphertext that is left.
    ///
    /// # Errors
    /// `WouldBlock` while some is left. Others are the socket's.
    pub fn flush(&mut self, stream: &PolledStream) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut Sink(stream))?;
        }
        Ok(())
    }

    /// Whether ciphertext is left: whether [`Channel::flush`] has something to
    /// do.
    pub fn wants_write(&self) -> bool {
        self.tls.wants_write()
    }

    /// Whether keys are still being agreed on.
    pub fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Whether the client's first byte was no TLS. Nothing was sent to it, so
    /// it can be answered in plain text.
    pub fn spoke_plain_text(&self) -> bool {
        self.plain
    }

    /// Whether the client has said anything yet.
    pub fn has_spoken(&self) -> bool {
        self.spoken
    }

    /// Says that no more will come (close_notify); what `send` took before
    /// goes first. FIN is the caller's, once it is flushed.
    ///
    /// # Errors
    /// As [`Channel::flush`]'s.
    pub fn close(&mut self, stream: &PolledStream) -> io::Result<()> {
        if self.plain {
            return Ok(());
        }
        self.tls.send_close_notify();
        self.flush(stream)
    }
}

/// The socket as rustls reads it. The client's first byte is looked at before
/// rustls has it: it would answer plain text with an alert.
struct Source<'a> {
    stream: &'a PolledStream,
    spoken: &'a mut bool,
    plain: &'a mut bool,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.stream.recv(buffer)?;
        if got > 0 && !std::mem::replace(self.spoken, true) {
            *self.plain = buffer[0] != HANDSHAKE;
        }
        if *self.plain {
            return Err(io::Error::new(ErrorKind::InvalidData, "the client does not speak TLS"));
        }
        Ok(got)
    }
}

/// The socket as rustls writes it.
struct Sink<'a>(&'a PolledStream);

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes)
    }

    /// The messages of a handshake go in one call, so in one segment; several
    /// records do as well.
    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match parts {
            [one] => self.0.send(one),
            many => self.0.send_parts(many),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
