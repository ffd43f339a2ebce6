//! A client that takes a file as fast as it comes: the same reads and the same hash whoever sends it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustls::{ClientConfig, ClientConnection};
use xxhash_rust::xxh3::Xxh3;

use crate::wire;

/// What one read takes at most.
const BUFFER_BYTES: usize = 256 * 1024;

/// A server that sends nothing for so long has failed.
const SILENCE: Duration = Duration::from_secs(30);

/// What came of a file: how much, and the hash of every byte of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Taken {
    pub bytes: u64,
    pub hash: u128,
}

pub struct Receiver {
    stream: TcpStream,
    tls: Option<ClientConnection>,
    buffer: Vec<u8>,
    /// What of the buffer is filled and not yet taken.
    start: usize,
    end: usize,
}

impl Receiver {
    pub fn connect(server: SocketAddr, tls: Option<&Arc<ClientConfig>>) -> Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE))?;
        let tls = tls.map(wire::connection).transpose()?;
        Ok(Self { stream, tls, buffer: vec![0; BUFFER_BYTES], start: 0, end: 0 })
    }

    pub fn say(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.tls {
            None => self.stream.write_all(bytes)?,
            Some(tls) => {
                tls.writer().write_all(bytes)?;
                while tls.is_handshaking() {
                    tls.complete_io(&mut self.stream)?;
                }
                while tls.wants_write() {
                    tls.write_tls(&mut self.stream)?;
                }
            }
        }
        Ok(())
    }

    /// A name in the chat, and whatever is said at the door.
    pub fn enter(&mut self, name: &str) -> Result<()> {
        self.say(format!("/name {name}\n").as_bytes())?;
        while !self.line()?.ends_with("has joined") {}
        Ok(())
    }

    /// A file of the chat server: chunks, each with its length. What its last line says.
    pub fn chat_file(&mut self, name: &str) -> Result<(Taken, String)> {
        self.say(format!("/get {name}\n").as_bytes())?;
        let (mut hash, mut bytes) = (Xxh3::new(), 0);
        loop {
            let line = self.line()?;
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["+", _, length] => bytes += self.take(length.parse()?, &mut hash)?,
                [".", _, said] => return Ok((Taken { bytes, hash: hash.digest128() }, said.to_owned())),
                ["!", ..] => bail!("the server says {line:?}"),
                _ => {} // it begins, or somebody comes or goes
            }
        }
    }

    /// A file of a web server.
    pub fn web_file(&mut self, name: &str) -> Result<Taken> {
        self.say(format!("GET /{name} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
        let mut length = None;
        loop {
            let line = self.line()?;
            match line.trim_end().split_once(": ") {
                Some(("Content-Length", value)) => length = Some(value.parse()?),
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        let mut hash = Xxh3::new();
        let bytes = self.take(length.context("no Content-Length")?, &mut hash)?;
        Ok(Taken { bytes, hash: hash.digest128() })
    }

    /// The next line, without its end.
    pub fn line(&mut self) -> Result<String> {
        loop {
            let there = &self.buffer[self.start..self.end];
            if let Some(length) = there.iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&there[..length]).into_owned();
                self.start += length + 1;
                return Ok(line);
            }
            self.fill()?;
        }
    }

    fn take(&mut self, length: u64, hash: &mut Xxh3) -> Result<u64> {
        let mut left = length;
        while left > 0 {
            if self.start == self.end {
                self.fill()?;
            }
            let count = left.min((self.end - self.start) as u64);
            hash.update(&self.buffer[self.start..self.start + count as usize]);
            self.start += count as usize;
            left -= count;
        }
        Ok(length)
    }

    /// One read, behind what is there.
    fn fill(&mut self) -> Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let count = self.read().context("cannot receive")?;
        if count == 0 {
            bail!("the server closed the connection, or says a line longer than the buffer");
        }
        self.end += count;
        Ok(())
    }

    fn read(&mut self) -> std::io::Result<usize> {
        let buffer = &mut self.buffer[self.end..];
        let Some(tls) = &mut self.tls else { return self.stream.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return result,
            }
            tls.read_tls(&mut self.stream)?;
            tls.process_new_packets().map_err(std::io::Error::other)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;
    use xxhash_rust::xxh3::xxh3_128;

    fn receiver_of(bytes: &'static [u8]) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(bytes).unwrap();
            let _ = stream.read(&mut [0; 64]); // the request, before the reset that unread bytes bring
        });
        Receiver::connect(addr, None).unwrap()
    }

    #[test]
    fn a_chat_file_is_its_chunks_and_nothing_between_them() {
        let mut receiver = receiver_of(b"# 1 5 f\n+ 1 3\nab\n* x has joined\n+ 1 2\n+ . 1 beef\n");
        let (taken, said) = receiver.chat_file("f").unwrap();
        assert_eq!(taken, Taken { bytes: 5, hash: xxh3_128(b"ab\n+ ") });
        assert_eq!(said, "beef");
    }

    #[test]
    fn a_web_file_is_what_follows_the_empty_line() {
        let mut receiver = receiver_of(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
        assert_eq!(receiver.web_file("f").unwrap(), Taken { bytes: 3, hash: xxh3_128(b"abc") });
    }

    #[test]
    fn a_transfer_that_fails_is_no_file() {
        assert!(receiver_of(b"# 1 5 f\n! 1 the file was changed\n").chat_file("f").is_err());
    }
}
