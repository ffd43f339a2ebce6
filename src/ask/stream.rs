//! Asking over a connection: send a message, await its reply, the next one.

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use super::messages::Messages;
use super::{LineEnding, Options};
use crate::error::{Attempt, Error, Result, Status, no_thread};
use crate::framing::{FIRST_QUIET, LATER_QUIET, LineEnd};
use crate::net::addr::Addr;
use crate::net::host::Host;
use crate::net::socket::is_timeout;
use crate::net::tcp::{self, Connection};
use crate::report::{self, Event, LostReason, Payload, Proto, Reason, RoundTrips, Summary, View};

/// Room for one recv.
const BUFFER_BYTES: usize = 64 * 1024;

/// What fits into the systems' buffers on both sides for certain. A longer
/// message is sent by a thread of its own: the server may stop reading until
/// its replies are read, and both would wait for ever.
const SENT_WITHOUT_READING: usize = 16 * 1024;

/// How the end of a reply is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// So many bytes.
    Bytes(usize),
    /// So many lines.
    Lines(usize),
    /// What comes in one go.
    Burst,
    /// No reply: the server closes.
    Fin,
}

impl Expected {
    /// For labs that answer each message as it ended: with a line, or not.
    pub fn answer_to(sent: &[u8], end: LineEnd) -> Expected {
        match end {
            LineEnd::None => Expected::Burst,
            _ => Expected::Lines(sent.iter().filter(|byte| **byte == b'\n').count()),
        }
    }
}

/// What a lab's client knows of its protocol.
pub trait Protocol {
    /// How the reply to `sent` (with its line end) ends.
    fn expected(&self, sent: &[u8], end: LineEnd) -> Expected;

    /// What is wrong with a reply, if anything.
    fn complaint(&self, _sent: &[u8], _reply: &[u8]) -> Option<String> {
        None
    }
}

/// Connects to `addr`, sends each message, awaits each reply, closes in order.
pub fn ask(
    host: &Host,
    addr: &Addr,
    default_port: u16,
    options: &Options,
    ending: LineEnding,
    given: &[String],
    protocol: &dyn Protocol,
) -> Result<Status> {
    let connection = tcp::connect(host, addr, default_port, options.bind.as_ref(), options.timeout)?;
    host.emit(Event::Connected { proto: Proto::Tcp, peer: connection.peer, local: connection.local });
    let mut asker = Asker {
        host,
        connection,
        options,
        end: ending.end(),
        protocol,
        received: Vec::new(),
        server_ends_lines: false,
        buffer: vec![0; BUFFER_BYTES],
        books: report::Messages::default(),
        trips: Vec::new(),
        complaints: 0,
    };
    let talked = asker.talk(&mut Messages::new(host, given, options));
    asker.close(talked)
}

struct Asker<'a> {
    host: &'a Host,
    connection: Connection,
    options: &'a Options,
    end: LineEnd,
    protocol: &'a dyn Protocol,
    /// Received, and not yet part of a reply.
    received: Vec<u8>,
    server_ends_lines: bool,
    buffer: Vec<u8>,
    books: report::Messages,
    trips: Vec<Duration>,
    complaints: u64,
}

impl Asker<'_> {
    /// Sends and awaits until there is nothing more to say. Says how the
    /// conversation ended, where it did not end by our own FIN.
    fn talk(&mut self, messages: &mut Messages) -> Result<Option<Reason>> {
        while let Some(mut message) = messages.next_message()? {
            if self.books.sent > 0 && self.options.interval.is_some_and(|time| self.host.stop.wait(time)) {
                break;
            }
            message.extend_from_slice(self.end.bytes());
            if let Some(reason) = self.exchange(&message)? {
                return Ok(Some(reason));
            }
        }
        Ok(None)
    }

    fn exchange(&mut self, message: &[u8]) -> Result<Option<Reason>> {
        self.books.sent += 1;
        let (seq, peer) = (self.books.sent, self.connection.peer);
        let expected = self.protocol.expected(message, self.end);
        let started = Instant::now();
        let payload = Payload(message.to_vec());
        self.host.emit(Event::Sent { peer, client: None, seq: Some(seq), payload });
        let reply = self.send_and_receive(message, expected, started);
        let reply = reply.map_err(|(attempt, cause)| self.lost(attempt, &cause, started))?;
        let Some(reply) = reply else {
            // The server was asked to close, and did: no reply is owed.
            self.books.asked += 1;
            return Ok(Some(Reason::Asked));
        };
        let rtt = started.elapsed();
        self.trips.push(rtt);
        self.books.received += 1;
        self.complain(message, &reply);
        self.host.emit(Event::Replied { seq, rtt, note: None, payload: Payload(reply) });
        Ok(None)
    }

    fn complain(&mut self, message: &[u8], reply: &[u8]) {
        if let Some(complaint) = self.protocol.complaint(message, reply) {
            self.complaints += 1;
            let error = Error::other(Attempt::Receive, format!("tcp {}", self.connection.peer), complaint)
                .because("a reply came, and it is not the one this lab's protocol asks for")
                .next("look at what the server sends: add --trace");
            self.host.emit_error(&error);
        }
    }

    fn lost(&mut self, attempt: Attempt, cause: &io::Error, started: Instant) -> Error {
        self.books.lost += 1;
        if !self.received.is_empty() {
            let payload = Payload(std::mem::take(&mut self.received));
            self.host.emit(Event::Received { peer: self.connection.peer, client: None, payload });
        }
        if is_timeout(cause) {
            self.host.emit(Event::Lost {
                seq: self.books.sent,
                waited: started.elapsed(),
                tries: 1,
                reason: LostReason::Timeout,
            });
        }
        let error = Error::new(attempt, format!("tcp {}", self.connection.peer), cause);
        match error.kind() {
            ErrorKind::TimedOut if attempt == Attempt::Receive => {
                error.because("the server is busy, silent, or waits for more of the message; TCP itself loses nothing")
            }
            _ => error,
        }
    }

    fn send_and_receive(
        &mut self,
        message: &[u8],
        expected: Expected,
        started: Instant,
    ) -> std::result::Result<Option<Vec<u8>>, (Attempt, io::Error)> {
        let send = |error| (Attempt::Send, error);
        let receive = |error| (Attempt::Receive, error);
        if message.len() <= SENT_WITHOUT_READING {
            self.connection.socket.send_all(message).map_err(send)?;
            return self.receive_reply(expected, started).map_err(receive);
        }
        let socket = self.connection.socket.clone();
        thread::scope(|scope| {
            let sender = thread::Builder::new().name("sender".into());
            let sender = sender.spawn_scoped(scope, || socket.send_all(message)).map_err(no_thread).map_err(send)?;
            let reply = self.receive_reply(expected, started);
            if reply.is_err() {
                let _ = socket.shutdown(Shutdown::Both); // else the sender might wait for ever
            }
            let sent = sender.join().unwrap_or(Ok(()));
            let reply = reply.map_err(receive)?;
            sent.map_err(send)?;
            Ok(reply)
        })
    }

    /// `None`: the server closed, as it was expected to.
    fn receive_reply(&mut self, expected: Expected, started: Instant) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(length) = whole_reply(&self.received, expected) {
                let rest = self.received.split_off(length);
                return Ok(Some(std::mem::replace(&mut self.received, rest)));
            }
            // A server that has never sent a line end will send none now: what
            // comes in one go is its reply, as auto framing has it.
            let lineless = matches!(expected, Expected::Lines(_)) && !self.server_ends_lines;
            let in_burst = (expected == Expected::Burst || lineless) && !self.received.is_empty();
            let wait = match (in_burst, lineless && self.books.received == 0) {
                (false, _) => self.options.timeout,
                (true, true) => FIRST_QUIET,
                (true, false) => LATER_QUIET,
            };
            self.connection.socket.wait_at_most(Some(wait))?;
            match self.connection.socket.recv(&mut self.buffer) {
                Ok(0) if expected == Expected::Fin => return Ok(None),
                Ok(0) if in_burst => return Ok(Some(std::mem::take(&mut self.received))),
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(got) => {
                    self.server_ends_lines |= self.buffer[..got].contains(&b'\n');
                    self.received.extend_from_slice(&self.buffer[..got]);
                }
                Err(error) if in_burst && is_timeout(&error) => return Ok(Some(std::mem::take(&mut self.received))),
                Err(error) => return Err(error),
            }
            // Bytes that trickle in would start each wait anew.
            if started.elapsed() > self.options.timeout && whole_reply(&self.received, expected).is_none() && !in_burst
            {
                return Err(ErrorKind::TimedOut.into());
            }
        }
    }

    /// Our FIN, the server's, the summary.
    fn close(mut self, talked: Result<Option<Reason>>) -> Result<Status> {
        let (reason, failure) = match talked {
            Ok(Some(reason)) => (reason, None),
            Ok(None) => (self.say_goodbye(), None),
            // Whatever ended the wait, it was our own stop.
            Err(error) if self.host.stop.is_asked() => (Reason::Asked, Some(error)),
            Err(error) => (reason_of(error.kind()), Some(error)),
        };
        let peer = self.connection.peer;
        let stopped = self.host.stop.is_asked();
        self.host.emit(Event::Closed { peer, client: None, reason });
        drop(self.connection);
        if let Some(error) = &failure
            && !stopped
        {
            self.host.emit_error(error);
        }
        self.books.view = View::Stream;
        self.books.rtt_us = RoundTrips::of(self.trips);
        let short = self.books.lost > 0 || self.complaints > 0;
        self.host.emit(Event::Summary(Summary::Messages(self.books)));
        match failure {
            Some(error) => Ok(error.status()),
            None if short => Ok(Status::No),
            None => Ok(Status::Done),
        }
    }

    /// FIN says that we send no more; then whatever the server still sends is
    /// read until its FIN. Closing without reading it would reset the
    /// connection.
    fn say_goodbye(&mut self) -> Reason {
        let socket = &self.connection.socket;
        let farewell = socket.shutdown(Shutdown::Write).and_then(|()| socket.wait_at_most(Some(self.options.timeout)));
        if farewell.is_err() {
            return Reason::Reset;
        }
        let deadline = Instant::now() + self.options.timeout;
        loop {
            match socket.recv(&mut self.buffer) {
                Ok(0) if self.host.stop.is_asked() => return Reason::Asked,
                Ok(0) => return Reason::Fin,
                Ok(_) if Instant::now() < deadline => {}
                Ok(_) => return Reason::Timeout,
                Err(error) => return reason_of(error.kind()),
            }
        }
    }
}

/// The length of the reply at the beginning of `received`, once it is whole.
fn whole_reply(received: &[u8], expected: Expected) -> Option<usize> {
    match expected {
        Expected::Bytes(count) => (received.len() >= count).then_some(count),
        Expected::Lines(count) => {
            let mut ends = received.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
            ends.nth(count.checked_sub(1)?).map(|(at, _)| at + 1)
        }
        Expected::Burst | Expected::Fin => None,
    }
}

fn reason_of(kind: ErrorKind) -> Reason {
    match kind {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => Reason::Reset,
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Reason::Timeout,
        ErrorKind::UnexpectedEof => Reason::Fin,
        _ => Reason::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_whole_by_bytes_or_by_lines() {
        let table: [(&[u8], Expected, Option<usize>); 7] = [
            (b"hel", Expected::Bytes(5), None),
            (b"hello", Expected::Bytes(5), Some(5)),
            (b"hello there", Expected::Bytes(5), Some(5)),
            (b"", Expected::Bytes(0), Some(0)),
            (b"a\nb", Expected::Lines(2), None),
            (b"a\nb\nc", Expected::Lines(2), Some(4)),
            (b"anything", Expected::Burst, None),
        ];
        for (received, expected, length) in table {
            assert_eq!(whole_reply(received, expected), length, "{received:?} {expected:?}");
        }
    }
}
