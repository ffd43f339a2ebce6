//! The load of a stream: as much as the server takes and gives, both ways at once, every byte compared.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::pattern::fill;

/// Bytes after which the pattern comes again: a prime, so that no buffer's length divides it and a
/// buffer sent twice or in the wrong place is seen.
const PERIOD: usize = 1_048_573;

/// The most that one call writes or reads.
const PIECE_BYTES: usize = 128 * 1024;

/// A server that moves nothing for so long has failed the turn.
const SILENCE: Duration = Duration::from_secs(20);

pub struct Streams {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    /// A period and a piece more, so that every piece lies in it without a break.
    pattern: Vec<u8>,
    buffer: Vec<u8>,
    ready: Vec<usize>,
}

struct Connection {
    stream: TcpStream,
    written: usize,
    read: usize,
    /// Ready is what an edge has told and WouldBlock has not denied.
    may_write: bool,
    may_read: bool,
}

impl Streams {
    pub fn new(streams: Vec<TcpStream>) -> Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(streams.len());
        for (number, mut stream) in streams.into_iter().enumerate() {
            poll.registry().register(&mut stream, Token(number), Interest::READABLE | Interest::WRITABLE)?;
            // Each begins elsewhere in the pattern: another's bytes would be seen.
            let start = number * 7919;
            connections.push(Connection { stream, written: start, read: start, may_write: false, may_read: false });
        }
        let mut pattern = vec![0; PERIOD];
        fill(&mut pattern, 1);
        pattern.extend_from_within(..PIECE_BYTES);
        let (events, buffer) = (Events::with_capacity(256), vec![0; PIECE_BYTES]);
        Ok(Self { poll, events, connections, pattern, buffer, ready: Vec::new() })
    }

    /// Moves bytes for `period`: how many came back.
    pub fn run(&mut self, period: Duration) -> Result<u64> {
        let end = Instant::now() + period;
        let before = self.came_back();
        while Instant::now() < end {
            self.step()?;
        }
        Ok((self.came_back() - before) as u64)
    }

    fn came_back(&self) -> usize {
        self.connections.iter().map(|connection| connection.read).sum()
    }

    /// Writes a piece and reads a piece on each connection that can.
    fn step(&mut self) -> Result<()> {
        let patience = if self.ready.is_empty() { SILENCE } else { Duration::ZERO };
        self.poll.poll(&mut self.events, Some(patience))?;
        if self.events.is_empty() && self.ready.is_empty() {
            bail!("nothing moved within {SILENCE:?}");
        }
        for event in &self.events {
            let connection = &mut self.connections[event.token().0];
            if !connection.may_write && !connection.may_read {
                self.ready.push(event.token().0);
            }
            connection.may_write |= event.is_writable();
            connection.may_read |= event.is_readable();
        }
        let mut failed = Ok(());
        let Self { connections, pattern, buffer, ready, .. } = self;
        ready.retain(|&number| {
            let connection = &mut connections[number];
            let moved = connection.write(pattern).and_then(|()| connection.read(pattern, buffer));
            failed = std::mem::replace(&mut failed, Ok(())).and(moved);
            connection.may_write || connection.may_read
        });
        failed
    }
}

impl Connection {
    fn write(&mut self, pattern: &[u8]) -> Result<()> {
        if !self.may_write {
            return Ok(());
        }
        let at = self.written % PERIOD;
        match self.stream.write(&pattern[at..at + PIECE_BYTES]) {
            Ok(count) => self.written += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.may_write = false,
            Err(error) => return Err(error).context("cannot send"),
        }
        Ok(())
    }

    fn read(&mut self, pattern: &[u8], buffer: &mut [u8]) -> Result<()> {
        if !self.may_read {
            return Ok(());
        }
        match self.stream.read(buffer) {
            Ok(0) => bail!("the server closed a stream"),
            Ok(count) => {
                let at = self.read % PERIOD;
                if self.read + count > self.written || buffer[..count] != pattern[at..at + count] {
                    bail!("what came back behind byte {} is not what was sent", self.read);
                }
                self.read += count;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.may_read = false,
            Err(error) => return Err(error).context("cannot receive"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    fn run(change: fn(&mut [u8])) -> Result<u64> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                thread::spawn(move || {
                    let mut buffer = [0; 10_000];
                    while let Ok(count @ 1..) = stream.read(&mut buffer) {
                        change(&mut buffer[..count]);
                        if stream.write_all(&buffer[..count]).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Streams::new(crate::connect::connect_all(addr, 2)?.streams)?.run(Duration::from_millis(50))
    }

    #[test]
    fn an_honest_echo_gives_back_what_it_got() {
        assert!(run(|_| {}).unwrap() > 0);
    }

    #[test]
    fn one_changed_byte_fails_the_turn() {
        assert!(run(|bytes| bytes[0] ^= 1).is_err());
    }
}
