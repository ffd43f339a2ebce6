//! A speaker and those who listen: every byte that a listener gets is compared.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustls::ClientConfig;

use super::protocol::Protocol;
use crate::connect::connect_all;
use crate::wire::Wire;

/// A server that says nothing to anybody for so long has failed the turn.
const SILENCE: Duration = Duration::from_secs(30);

/// How long nothing may come once everybody has heard everything: a line too many is seen.
const QUIET: Duration = Duration::from_millis(100);

/// What is kept of what came while a listener was let in.
const TAIL_BYTES: usize = 64;

const SPEAKER: usize = usize::MAX - 1;

/// Bytes of each line, without what the protocol puts around it.
pub const LINE_BYTES: usize = 64;

pub struct Room {
    protocol: Protocol,
    poll: Poll,
    events: Events,
    speaker: Wire,
    listeners: Vec<Listener>,
    buffer: Vec<u8>,
    said: u64,
}

struct Listener {
    wire: Wire,
    /// How far it is in what all are to hear.
    at: usize,
    /// The end of what came while it was let in, and whether a mark is awaited there.
    tail: Vec<u8>,
    awaits: bool,
}

impl Room {
    /// Everyone comes in; `tls` where the server speaks it.
    pub fn open(
        server: SocketAddr,
        protocol: Protocol,
        listeners: usize,
        tls: Option<&Arc<ClientConfig>>,
    ) -> Result<Self> {
        let poll = Poll::new()?;
        let mut speaker = connect_all(server, 1)?.streams;
        let speaker = enter(&poll, speaker.remove(0), tls, SPEAKER, &protocol.hello(None))?;
        let (events, buffer) = (Events::with_capacity(1024), vec![0; 64 * 1024]);
        let mut room = Self { protocol, poll, events, speaker, listeners: Vec::new(), buffer, said: 0 };
        for first in (0..listeners).step_by(protocol.at_once()) {
            let last = listeners.min(first + protocol.at_once());
            for (number, stream) in (first..).zip(connect_all(server, last - first)?.streams) {
                let wire = enter(&room.poll, stream, tls, number, &protocol.hello(Some(number)))?;
                room.listeners.push(Listener { wire, at: 0, tail: Vec::new(), awaits: false });
            }
            room.await_tails(first..last, protocol.welcome(), false)?;
        }
        room.tell_apart()?;
        Ok(room)
    }

    /// What was told of the others' coming ends here, for everybody.
    fn tell_apart(&mut self) -> Result<()> {
        if let Some(mark) = self.protocol.question() {
            self.await_tails(0..self.listeners.len(), mark, false)?;
        }
        let line = self.next_line();
        self.speaker.send(&self.protocol.said(&line))?;
        self.await_tails(0..self.listeners.len(), &self.protocol.heard(&line), true)?;
        self.listeners.iter_mut().for_each(|listener| listener.tail = Vec::new());
        Ok(())
    }

    /// Until each of these has got `mark`; as the last of all, if so.
    fn await_tails(&mut self, which: std::ops::Range<usize>, mark: &[u8], last: bool) -> Result<()> {
        let mut waiting = 0;
        for listener in &mut self.listeners[which] {
            listener.awaits = !listener.has(mark, last);
            waiting += usize::from(listener.awaits);
        }
        while waiting > 0 {
            self.wait(SILENCE)?;
            for event in &self.events {
                let Some(listener) = self.listeners.get_mut(event.token().0) else { continue };
                listener.wire.flush()?;
                while let Some(count) = listener.wire.receive(&mut self.buffer)? {
                    listener.remember(&self.buffer[..count], mark.len())?;
                    if listener.awaits && listener.has(mark, last) {
                        listener.awaits = false;
                        waiting -= 1;
                    }
                }
            }
            self.hear_speaker()?;
        }
        Ok(())
    }

    /// Says `lines` lines in one go, and waits until everybody has heard them all. How long the
    /// last one waited.
    pub fn round(&mut self, lines: usize) -> Result<Duration> {
        let (mut said, mut heard) = (Vec::new(), Vec::new());
        for _ in 0..lines {
            let line = self.next_line();
            said.extend(self.protocol.said(&line));
            heard.extend(self.protocol.heard(&line));
        }
        let began = Instant::now();
        self.speaker.send(&said)?;
        let mut waiting = self.listeners.len();
        while waiting > 0 {
            self.wait(SILENCE)?;
            waiting -= self.hear(&heard)?;
            self.hear_speaker()?;
        }
        self.listeners.iter_mut().for_each(|listener| listener.at = 0);
        Ok(began.elapsed())
    }

    /// Nothing more may come than was said.
    pub fn close(mut self) -> Result<()> {
        let until = Instant::now() + QUIET;
        while Instant::now() < until {
            self.poll.poll(&mut self.events, Some(QUIET))?;
            self.hear(&[])?;
        }
        Ok(())
    }

    /// Takes what came, which must be the next bytes of `expected`. How many listeners now have it all.
    fn hear(&mut self, expected: &[u8]) -> Result<usize> {
        let mut done = 0;
        for event in &self.events {
            let number = event.token().0;
            let Some(listener) = self.listeners.get_mut(number) else { continue };
            while let Some(count) = listener.wire.receive(&mut self.buffer)? {
                let next = expected.get(listener.at..listener.at + count);
                if count == 0 || next != Some(&self.buffer[..count]) {
                    bail!("listener {number} does not hear what was said, or is closed");
                }
                listener.at += count;
                done += usize::from(listener.at == expected.len());
            }
        }
        Ok(done)
    }

    fn wait(&mut self, patience: Duration) -> Result<()> {
        self.poll.poll(&mut self.events, Some(patience))?;
        if self.events.is_empty() {
            bail!("nothing came within {patience:?}, and not everybody has everything");
        }
        Ok(())
    }

    /// The speaker is told of the others' coming; nobody looks.
    fn hear_speaker(&mut self) -> Result<()> {
        if !self.events.iter().any(|event| event.token().0 == SPEAKER) {
            return Ok(());
        }
        self.speaker.flush()?;
        while let Some(count) = self.speaker.receive(&mut self.buffer)? {
            if count == 0 {
                bail!("the server closed the speaker's connection");
            }
        }
        Ok(())
    }

    /// A line that was never said before.
    fn next_line(&mut self) -> String {
        self.said += 1;
        // A multiplier that is odd and large: neighbours differ in most digits.
        let noise = self.said.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut line = format!("{:08} {noise:016x} ", self.said);
        while line.len() < LINE_BYTES {
            line.push(char::from(b'a' + ((line.len() as u64 + self.said) % 26) as u8));
        }
        line
    }
}

/// A client that has said who it is.
fn enter(poll: &Poll, stream: TcpStream, tls: Option<&Arc<ClientConfig>>, token: usize, hello: &[u8]) -> Result<Wire> {
    let mut wire = Wire::new(stream, tls)?;
    poll.registry().register(wire.source(), Token(token), Interest::READABLE | Interest::WRITABLE)?;
    wire.send(hello)?;
    Ok(wire)
}

impl Listener {
    /// Keeps the last bytes, as many as a mark may need.
    fn remember(&mut self, bytes: &[u8], mark: usize) -> Result<()> {
        if bytes.is_empty() {
            bail!("the server closed a listener's connection");
        }
        self.tail.extend_from_slice(bytes);
        // The mark may stand before other news that came with it.
        let kept = mark.max(TAIL_BYTES) + bytes.len();
        self.tail.drain(..self.tail.len().saturating_sub(kept));
        Ok(())
    }

    fn has(&self, mark: &[u8], last: bool) -> bool {
        if last { self.tail.ends_with(mark) } else { self.tail.windows(mark.len()).any(|part| part == mark) }
    }
}
