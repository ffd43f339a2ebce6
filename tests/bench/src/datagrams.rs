//! The load of UDP: sockets that each keep a window of datagrams under way, every reply compared.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};

use crate::clients::Latencies;
use crate::pattern::fill;

/// A datagram that is not back by then is lost: on loopback a queue was full.
const LOST_AFTER: Duration = Duration::from_millis(200);

/// A server that answers nobody for so long has failed the turn.
const SILENCE: Duration = Duration::from_secs(20);

/// A datagram's place in its window has 16 bits of its number.
pub const MAX_WINDOW: usize = 1 << 16;

/// The number in front of each datagram, by which its reply is known.
const NUMBER_BYTES: usize = 8;

pub struct Datagrams {
    poll: Poll,
    events: Events,
    sockets: Vec<Socket>,
    latencies: Latencies,
    lost: u64,
    heard_at: Instant,
}

impl Datagrams {
    pub fn new(server: SocketAddr, sockets: usize, window: usize, bytes: usize) -> Result<Self> {
        if bytes < NUMBER_BYTES {
            bail!("a datagram needs {NUMBER_BYTES} bytes for its number");
        }
        let poll = Poll::new()?;
        let mut open = Vec::with_capacity(sockets);
        for number in 0..sockets {
            let mut socket = UdpSocket::bind("127.0.0.1:0".parse()?)?;
            socket.connect(server)?;
            poll.registry().register(&mut socket, Token(number), Interest::READABLE)?;
            open.push(Socket::new(socket, number, window, bytes));
        }
        let (events, latencies) = (Events::with_capacity(256), Latencies::new());
        Ok(Self { poll, events, sockets: open, latencies, lost: 0, heard_at: Instant::now() })
    }

    /// Keeps every window full for `period`, and leaves them so: the latencies, and how many were lost.
    pub fn run(&mut self, period: Duration) -> Result<(Latencies, u64)> {
        let end = Instant::now() + period;
        self.heard_at = Instant::now();
        for socket in &mut self.sockets {
            socket.fill_window()?;
        }
        let mut look_at = Instant::now() + LOST_AFTER;
        while Instant::now() < end {
            self.step()?;
            if Instant::now() > look_at {
                self.send_lost_again()?;
                look_at = Instant::now() + LOST_AFTER;
            }
        }
        Ok((std::mem::take(&mut self.latencies), std::mem::take(&mut self.lost)))
    }

    fn step(&mut self) -> Result<()> {
        self.poll.poll(&mut self.events, Some(LOST_AFTER))?;
        for event in &self.events {
            let socket = &mut self.sockets[event.token().0];
            while let Some(latency) = socket.receive()? {
                self.latencies.push(u32::try_from(latency.as_nanos()).unwrap_or(u32::MAX));
                self.heard_at = Instant::now();
            }
            socket.fill_window()?;
        }
        if self.heard_at.elapsed() > SILENCE {
            bail!("no reply came within {SILENCE:?}");
        }
        Ok(())
    }

    fn send_lost_again(&mut self) -> Result<()> {
        for socket in &mut self.sockets {
            self.lost += socket.give_up_lost();
            socket.fill_window()?;
        }
        Ok(())
    }
}

/// One client: the numbers of its datagrams are never used twice.
struct Socket {
    socket: UdpSocket,
    number: u64,
    sequence: u64,
    window: Vec<Option<UnderWay>>,
    idle: Vec<usize>,
    message: Vec<u8>,
    /// One byte longer than the message, so that a byte too many is seen.
    reply: Vec<u8>,
}

struct UnderWay {
    sequence: u64,
    sent_at: Instant,
}

impl Socket {
    fn new(socket: UdpSocket, number: usize, window: usize, bytes: usize) -> Self {
        Self {
            socket,
            number: number as u64,
            sequence: 0,
            window: (0..window).map(|_| None).collect(),
            idle: (0..window).collect(),
            message: vec![0; bytes],
            reply: vec![0; bytes + 1],
        }
    }

    fn fill_window(&mut self) -> Result<()> {
        while let Some(slot) = self.idle.pop() {
            self.sequence += 1;
            compose(&mut self.message, self.number, slot, self.sequence);
            self.window[slot] = Some(UnderWay { sequence: self.sequence, sent_at: Instant::now() });
            match self.socket.send(&self.message) {
                Ok(sent) if sent == self.message.len() => {}
                Ok(sent) => bail!("a datagram of {} bytes was cut to {sent}", self.message.len()),
                // The send queue is full: this one was lost before it left.
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("cannot send"),
            }
        }
        Ok(())
    }

    /// The round trip's time of the next reply; `None` once nothing more is there.
    fn receive(&mut self) -> Result<Option<Duration>> {
        loop {
            let got = match self.socket.recv(&mut self.reply) {
                Ok(got) => got,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error).context("cannot receive"),
            };
            if let Some(latency) = self.take(got)? {
                return Ok(Some(latency));
            }
        }
    }

    /// Compares a reply with what was sent. `None`: it was given up before.
    fn take(&mut self, got: usize) -> Result<Option<Duration>> {
        let number = self.reply.first_chunk::<NUMBER_BYTES>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let (slot, sequence) = ((number >> 48) as usize, number & ((1 << 48) - 1));
        if sequence > self.sequence || slot >= self.window.len() {
            bail!("socket {}: a datagram came that was never sent", self.number);
        }
        compose(&mut self.message, self.number, slot, sequence);
        if self.reply[..got] != self.message {
            bail!("socket {}: the reply to datagram {sequence} is not what was sent", self.number);
        }
        match self.window[slot].take() {
            Some(under_way) if under_way.sequence == sequence => {
                self.idle.push(slot);
                Ok(Some(under_way.sent_at.elapsed()))
            }
            None => bail!("socket {}: datagram {sequence} came back twice", self.number),
            later => {
                self.window[slot] = later;
                Ok(None)
            }
        }
    }

    fn give_up_lost(&mut self) -> u64 {
        let mut lost = 0;
        for (slot, under_way) in self.window.iter_mut().enumerate() {
            if under_way.as_ref().is_some_and(|under_way| under_way.sent_at.elapsed() > LOST_AFTER) {
                *under_way = None;
                self.idle.push(slot);
                lost += 1;
            }
        }
        lost
    }
}

/// A datagram's bytes follow from its sender and its number, which it begins with.
fn compose(message: &mut [u8], socket: u64, slot: usize, sequence: u64) {
    let (number, rest) = message.split_at_mut(NUMBER_BYTES);
    number.copy_from_slice(&((slot as u64) << 48 | sequence).to_le_bytes());
    fill(rest, socket << 40 | sequence);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// A server that passes what it receives through `change` before it sends it back.
    fn run(change: fn(&mut Vec<u8>)) -> Result<(Latencies, u64)> {
        let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = server.local_addr().unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((got, from)) = server.recv_from(&mut buffer) {
                let mut bytes = buffer[..got].to_vec();
                change(&mut bytes);
                let _ = server.send_to(&bytes, from);
            }
        });
        Datagrams::new(addr, 2, 4, 64)?.run(Duration::from_millis(20))
    }

    #[test]
    fn an_honest_echo_loses_nothing() {
        let (latencies, lost) = run(|_| {}).unwrap();
        assert!(latencies.len() >= 8);
        assert_eq!(lost, 0);
    }

    #[test]
    fn one_changed_byte_fails_the_turn() {
        assert!(run(|bytes| bytes[63] ^= 1).is_err());
    }

    #[test]
    fn one_byte_too_many_or_too_few_fails_the_turn() {
        assert!(run(|bytes| bytes.push(0)).is_err());
        assert!(run(|bytes| bytes.truncate(bytes.len() - 1)).is_err());
    }
}
