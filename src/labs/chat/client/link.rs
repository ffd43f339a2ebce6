//! The connection, plain or TLS: one thread reads it, another writes.

use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::protocol::{Line, Parser, Step};
use crate::net::socket::Socket;
use crate::net::tls::ClientConnection;

/// Room for one recv: a short chunk of a transfer, or a part of a long one.
const BUFFER_BYTES: usize = 64 * 1024;

/// Lines that may wait to be sent before whoever has more waits as well.
const LINES_AHEAD: usize = 64;

/// A connection to the server.
pub enum Link {
    /// Bytes as they are: everyone on the way can read them.
    Plain(Arc<Socket>),
    /// Nobody on the way can read or change them.
    Tls(Arc<Socket>, Box<ClientConnection>),
}

impl Link {
    fn socket(&self) -> &Socket {
        match self {
            Link::Plain(socket) | Link::Tls(socket, _) => socket,
        }
    }

    /// Whether nobody on the way can read what is said.
    pub fn is_secret(&self) -> bool {
        matches!(self, Link::Tls(..))
    }

    /// What has come, or 0 at the end of it.
    fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Link::Plain(socket) => socket.recv(buffer),
            Link::Tls(_, tls) => tls.recv(buffer),
        }
    }

    /// Sends all of it.
    pub fn send_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Link::Plain(socket) => socket.send_all(bytes),
            Link::Tls(_, tls) => tls.send_all(bytes),
        }
    }

    /// The longest wait for what may come; `None` for ever.
    pub fn wait_at_most(&self, time: Option<Duration>) -> io::Result<()> {
        self.socket().wait_at_most(time)
    }

    /// Says that no more will come from here. The server may be gone before.
    pub fn finish(&self) {
        if let Link::Tls(_, tls) = self {
            let _ = tls.close();
        }
        let _ = self.socket().shutdown(Shutdown::Write);
    }

    /// Ends every wait on it.
    pub fn cut(&self) {
        let _ = self.socket().shutdown(Shutdown::Both);
    }
}

/// What came.
#[derive(Debug)]
pub enum Heard {
    /// A line.
    Line(Line),
    /// Bytes of a transfer: [`Reader::bytes`] has them.
    Bytes(u64, Range<usize>),
    /// The server will say no more.
    End,
}

/// Reads a link.
pub struct Reader {
    link: Arc<Link>,
    parser: Parser,
    buffer: Vec<u8>,
    /// What of the buffer is not looked at yet.
    unread: Range<usize>,
}

impl Reader {
    /// Reads `link` from now on.
    pub fn new(link: Arc<Link>) -> Reader {
        Reader { link, parser: Parser::default(), buffer: vec![0; BUFFER_BYTES], unread: 0..0 }
    }

    /// Waits for the next thing that comes.
    pub fn next(&mut self) -> io::Result<Heard> {
        loop {
            while !self.unread.is_empty() {
                let start = self.unread.start;
                let (taken, step) = self.parser.step(&self.buffer[self.unread.clone()]);
                self.unread.start += taken;
                match step {
                    Step::More => {}
                    Step::Line(line) => return Ok(Heard::Line(line)),
                    Step::Bytes { id, count } => return Ok(Heard::Bytes(id, start..start + count)),
                }
            }
            match self.link.recv(&mut self.buffer)? {
                0 => return Ok(Heard::End),
                got => self.unread = 0..got,
            }
        }
    }

    /// The same, but not after `deadline`.
    pub fn next_before(&mut self, deadline: Instant) -> io::Result<Heard> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() && self.unread.is_empty() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.link.wait_at_most(Some(left))?;
        self.next()
    }

    /// The bytes of [`Heard::Bytes`], until the next call.
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }
}

/// Lines on their way to the thread that sends them. The one that reads never
/// waits here: a server that waits for it to read would wait for ever.
#[derive(Default)]
pub struct Outgoing {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<String>,
    closed: bool,
}

impl Outgoing {
    /// Adds a line, however many there are.
    pub fn add(&self, line: String) {
        self.lock().lines.push_back(line);
        self.changed.notify_all();
    }

    /// Whether the server takes lines as fast as they come.
    pub fn has_room(&self) -> bool {
        self.lock().lines.len() < LINES_AHEAD
    }

    /// Waits until there is room for more, or no use in it.
    pub fn wait_for_room(&self) {
        let full = |queue: &mut Queue| queue.lines.len() >= LINES_AHEAD && !queue.closed;
        drop(self.changed.wait_while(self.lock(), full));
    }

    /// Waits for the next line to send; `None` when all are sent and none will
    /// come.
    pub fn next(&self) -> Option<String> {
        let empty = |queue: &mut Queue| queue.lines.is_empty() && !queue.closed;
        let mut queue = self.changed.wait_while(self.lock(), empty).unwrap_or_else(PoisonError::into_inner);
        let line = queue.lines.pop_front();
        self.changed.notify_all();
        line
    }

    /// Nothing more will be sent.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
