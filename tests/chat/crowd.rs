//! Thousands of users in one thread: sockets that do not block, and mio.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::support::DEADLINE;
use crate::users::tls;

/// How many connections are on their way at once: under the server's backlog.
const AT_ONCE: usize = 100;

struct Member {
    tcp: TcpStream,
    tls: Option<Box<rustls::ClientConnection>>,
    name: String,
    /// What came of a line whose end has not.
    line: Vec<u8>,
    has_joined: bool,
    /// The number of the next line of each speaker.
    next: Vec<u32>,
    heard: usize,
}

pub struct Crowd {
    poll: Poll,
    members: Vec<Member>,
    /// Lines read that someone said.
    heard: usize,
    joined: usize,
}

impl Crowd {
    /// So many users, all of them in.
    pub fn gather(addr: SocketAddr, count: usize, over_tls: bool) -> Crowd {
        rlimit::increase_nofile_limit(u64::MAX).unwrap();
        let mut crowd = Crowd { poll: Poll::new().unwrap(), members: Vec::new(), heard: 0, joined: 0 };
        while crowd.joined < count {
            while crowd.members.len() < count && crowd.members.len() < crowd.joined + AT_ONCE {
                crowd.add(addr, over_tls);
            }
            crowd.turn();
        }
        crowd
    }

    fn add(&mut self, addr: SocketAddr, over_tls: bool) {
        let number = self.members.len();
        let std = std::net::TcpStream::connect_timeout(&addr, DEADLINE).unwrap();
        std.set_nonblocking(true).unwrap();
        let mut tcp = TcpStream::from_std(std);
        self.poll.registry().register(&mut tcp, Token(number), Interest::READABLE).unwrap();
        let name = format!("u{number:05}");
        let tls = over_tls.then(|| Box::new(tls::client()));
        let mut member = Member { tcp, tls, name, line: Vec::new(), has_joined: false, next: Vec::new(), heard: 0 };
        let hello = format!("/name {}\n", member.name);
        member.send(hello.as_bytes());
        self.members.push(member);
    }

    /// Reads what is there, and waits for it where nothing is.
    fn turn(&mut self) {
        let mut events = Events::with_capacity(1024);
        self.poll.poll(&mut events, Some(DEADLINE)).unwrap();
        assert!(!events.is_empty(), "nothing came for {DEADLINE:?}");
        for event in &events {
            let member = &mut self.members[event.token().0];
            let (heard, had_joined) = (member.heard, member.has_joined);
            member.read();
            self.heard += member.heard - heard;
            self.joined += usize::from(member.has_joined && !had_joined);
        }
    }

    /// The first `speakers` say so many lines each; all others hear all of them.
    /// How many lines were heard.
    pub fn hear_each_other(&mut self, speakers: usize, lines: u32) -> usize {
        let begun = Instant::now();
        let expected = speakers * lines as usize * (self.members.len() - 1);
        for member in &mut self.members {
            member.next = vec![0; speakers];
        }
        for line in 0..lines {
            for speaker in 0..speakers {
                self.members[speaker].send(format!("{line}\n").as_bytes());
            }
        }
        while self.heard < expected {
            self.turn();
        }
        assert!(
            self.heard == expected,
            "{} lines heard, {expected} were to be, after {:?}",
            self.heard,
            begun.elapsed()
        );
        self.check(speakers, lines);
        expected
    }

    fn check(&self, speakers: usize, lines: u32) {
        for (number, member) in self.members.iter().enumerate() {
            let missed = (0..speakers).filter(|speaker| *speaker != number && member.next[*speaker] != lines);
            let missed: Vec<usize> = missed.collect();
            assert!(missed.is_empty(), "{} missed lines of {missed:?}", member.name);
        }
    }
}

impl Member {
    fn send(&mut self, bytes: &[u8]) {
        match &mut self.tls {
            None => self.tcp.write_all(bytes).unwrap(),
            Some(tls) => {
                tls.writer().write_all(bytes).unwrap();
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        let Some(tls) = &mut self.tls else { return };
        while tls.wants_write() {
            tls.write_tls(&mut self.tcp).unwrap();
        }
    }

    fn read(&mut self) {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            match self.tcp_or_tls(&mut bytes) {
                Ok(0) => panic!("{} was closed; its last line: {:?}", self.name, String::from_utf8_lossy(&self.line)),
                Ok(got) => self.take(&bytes[..got]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("{}: {error}", self.name),
            }
        }
    }

    fn tcp_or_tls(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        if self.tls.is_none() {
            return self.tcp.read(bytes);
        }
        loop {
            let tls = self.tls.as_mut().unwrap();
            match tls.reader().read(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
            if tls.read_tls(&mut self.tcp)? == 0 {
                return Ok(0);
            }
            tls.process_new_packets().unwrap();
            self.flush();
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.line.extend_from_slice(bytes);
        let lines = std::mem::take(&mut self.line);
        let mut rest = &lines[..];
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.hear(std::str::from_utf8(&rest[..end]).unwrap());
            rest = &rest[end + 1..];
        }
        self.line.extend_from_slice(rest);
    }

    fn hear(&mut self, line: &str) {
        let Some((speaker, number)) = line.strip_prefix("<u").and_then(|said| said.split_once("> ")) else {
            assert!(line.starts_with("* "), "{}: {line}", self.name);
            self.has_joined |= line.contains(&self.name) && line.contains("joined");
            return;
        };
        let (speaker, number): (usize, u32) = (speaker.parse().unwrap(), number.parse().unwrap());
        assert_eq!(number, self.next[speaker], "{} heard {line}", self.name);
        self.next[speaker] += 1;
        self.heard += 1;
    }
}
