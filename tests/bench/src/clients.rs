//! The load: clients in a closed loop, each with one message under way, every reply compared.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::pattern::fill;

/// A server that answers nobody for so long has failed the turn.
const SILENCE: Duration = Duration::from_secs(20);

/// Replies handled between two looks at the sockets. Small beside 1,000 connections, so that
/// client and server overlap rather than take turns in one great batch.
const EVENTS: usize = 256;

/// Messages are at most this long: any socket's send buffer takes one whole.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024;

/// Round-trip times in nanoseconds, in the order of the replies.
pub type Latencies = Vec<u32>;

pub struct Clients {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    under_way: usize,
    latencies: Latencies,
}

impl Clients {
    pub fn new(streams: Vec<TcpStream>, message_bytes: usize) -> Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(streams.len());
        for (number, mut stream) in streams.into_iter().enumerate() {
            poll.registry().register(&mut stream, Token(number), Interest::READABLE)?;
            connections.push(Connection::new(stream, number, message_bytes));
        }
        let events = Events::with_capacity(EVENTS);
        Ok(Self { poll, events, connections, under_way: 0, latencies: Latencies::new() })
    }

    /// Keeps every connection busy for `period`, and leaves them so.
    pub fn run(&mut self, period: Duration) -> Result<Latencies> {
        let end = Instant::now() + period;
        self.send_on_idle()?;
        while Instant::now() < end {
            self.step(true)?;
        }
        Ok(std::mem::take(&mut self.latencies))
    }

    /// Awaits the replies to all that is under way.
    pub fn finish(&mut self) -> Result<Latencies> {
        while self.under_way > 0 {
            self.step(false)?;
        }
        Ok(std::mem::take(&mut self.latencies))
    }

    /// One message on every connection at once.
    pub fn all_at_once(&mut self) -> Result<Latencies> {
        self.send_on_idle()?;
        self.finish()
    }

    /// One message on every connection, each after the reply to the one before.
    pub fn one_by_one(&mut self) -> Result<Latencies> {
        for number in 0..self.connections.len() {
            self.send(number)?;
            while self.under_way > 0 {
                self.step(false)?;
            }
        }
        self.finish()
    }

    fn send_on_idle(&mut self) -> Result<()> {
        for number in 0..self.connections.len() {
            if self.connections[number].idle {
                self.send(number)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, number: usize) -> Result<()> {
        self.connections[number].send()?;
        self.under_way += 1;
        Ok(())
    }

    /// Waits for replies and takes them; answers each with the next message if `again`.
    fn step(&mut self, again: bool) -> Result<()> {
        self.poll.poll(&mut self.events, Some(SILENCE))?;
        if self.events.is_empty() {
            bail!("{} replies did not come within {SILENCE:?}", self.under_way);
        }
        for event in &self.events {
            let connection = &mut self.connections[event.token().0];
            let Some(latency) = connection.receive()? else {
                continue;
            };
            self.latencies.push(u32::try_from(latency.as_nanos()).unwrap_or(u32::MAX));
            if again {
                connection.send()?;
            } else {
                self.under_way -= 1;
            }
        }
        Ok(())
    }
}

/// One client: sends a message no other client and no other time sends, awaits it back.
struct Connection {
    stream: TcpStream,
    number: u64,
    sequence: u64,
    message: Vec<u8>,
    /// One byte longer than the message, so that a byte too many is seen.
    reply: Vec<u8>,
    filled: usize,
    sent_at: Instant,
    idle: bool,
}

impl Connection {
    fn new(stream: TcpStream, number: usize, message_bytes: usize) -> Self {
        Self {
            stream,
            number: number as u64,
            sequence: 0,
            message: vec![0; message_bytes],
            reply: vec![0; message_bytes + 1],
            filled: 0,
            sent_at: Instant::now(),
            idle: true,
        }
    }

    fn send(&mut self) -> Result<()> {
        self.sequence += 1;
        fill(&mut self.message, self.number << 40 | self.sequence);
        self.filled = 0;
        self.idle = false;
        self.sent_at = Instant::now();
        let sent = self.stream.write(&self.message).context("cannot send")?;
        if sent < self.message.len() {
            bail!("a message of {} bytes was taken only in part", self.message.len());
        }
        Ok(())
    }

    /// The round trip's time once its reply is whole.
    fn receive(&mut self) -> Result<Option<Duration>> {
        // One read is enough: the buffer is longer than what may come, so the read that
        // completes the reply also empties the socket, and the next bytes are a new event.
        match self.stream.read(&mut self.reply[self.filled..]) {
            Ok(0) => bail!("the server closed connection {}", self.number),
            Ok(count) => self.filled += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error).context("cannot receive"),
        }
        self.compare()?;
        if self.filled < self.message.len() {
            return Ok(None);
        }
        self.idle = true;
        Ok(Some(self.sent_at.elapsed()))
    }

    /// Whatever has come must be what was sent, no byte more.
    fn compare(&self) -> Result<()> {
        let got = &self.reply[..self.filled];
        if self.idle || !self.message.starts_with(got) {
            bail!("connection {}: the reply to message {} is not what was sent", self.number, self.sequence);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// A server that passes what it reads through `change` before it sends it back.
    fn clients_of(change: fn(&mut Vec<u8>)) -> Clients {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                let mut bytes = buffer[..count].to_vec();
                change(&mut bytes);
                let _ = stream.write_all(&bytes);
            }
        });
        Clients::new(crate::connect::connect_all(addr, 1).unwrap().streams, 64).unwrap()
    }

    #[test]
    fn an_honest_echo_gives_one_latency_a_round_trip() {
        let mut clients = clients_of(|_| {});
        assert_eq!(clients.all_at_once().unwrap().len(), 1);
        assert_eq!(clients.one_by_one().unwrap().len(), 1);
    }

    #[test]
    fn one_changed_byte_fails_the_turn() {
        assert!(clients_of(|bytes| bytes[63] ^= 1).all_at_once().is_err());
    }

    #[test]
    fn one_byte_too_many_fails_the_turn() {
        assert!(clients_of(|bytes| bytes.push(0)).all_at_once().is_err());
    }
}
