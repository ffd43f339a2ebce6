//! Both protocols over an emulated link, in virtual time: what a program would
//! do with the sockets of [`sockets`](super::sockets), step by step.

use std::collections::VecDeque;
use std::time::Duration;

use super::stats::Samples;
use super::workload::{Cutter, Workload};
use crate::error::{Attempt, Error};
use crate::link::log::Log;
use crate::link::options::Link;
use crate::link::sim::{Datagrams, End, Stream};

/// How long TCP may bring nothing before it is given up: about as long as
/// Linux goes on sending again (tcp(7), `tcp_retries2`). It costs no real time.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Calls beside send and recv: socket, connect, setsockopt, shutdown, the recv
/// that returns 0, close.
const TCP_CALLS: u64 = 6;

/// The same by UDP: socket, connect, close.
const UDP_CALLS: u64 = 3;

/// Room for one recv.
const BUFFER_BYTES: usize = 64 * 1024;

/// Sends the workload by TCP.
pub fn tcp(link: &Link, workload: &Workload, kept: usize) -> (Samples, Log) {
    let mut talk = Talk::new(Stream::connect(link, kept), workload);
    talk.run();
    let Talk { stream, samples, .. } = talk;
    (samples, stream.into_log())
}

/// A connection, and how far its two programs are.
struct Talk<'a> {
    stream: Stream,
    workload: &'a Workload,
    samples: Samples,
    calls: u64,
    /// Of the message that is being handed over, what still has to be.
    rest: Vec<u8>,
    /// Cuts what the client receives, or with `--one-way` the server.
    cutter: Cutter<'a>,
    /// What the server has received and not yet sent back.
    echo: VecDeque<u8>,
    buffer: Vec<u8>,
    closed: [bool; 2],
    progress_at: Duration,
}

impl<'a> Talk<'a> {
    fn new(stream: Stream, workload: &'a Workload) -> Talk<'a> {
        Talk {
            stream,
            workload,
            samples: Samples::default(),
            calls: 0,
            rest: Vec::new(),
            cutter: Cutter::new(workload),
            echo: VecDeque::new(),
            buffer: vec![0; BUFFER_BYTES],
            closed: [false; 2],
            progress_at: Duration::ZERO,
        }
    }

    fn run(&mut self) {
        while !self.stream.is_over() || !self.closed[1] {
            self.stream.settle();
            let now = self.stream.now();
            if self.act() {
                self.progress_at = now;
            } else if now.saturating_sub(self.progress_at) >= PATIENCE
                || !self.stream.go_on(self.due().filter(|due| *due > now))
            {
                self.give_up();
                break;
            }
        }
        self.samples.calls = Some(TCP_CALLS + self.calls);
    }

    /// What both programs do now. Says whether they did anything.
    fn act(&mut self) -> bool {
        if self.samples.setup.is_none() && self.stream.is_connected() {
            self.samples.setup = Some(self.stream.now());
        }
        let acts = [self.send(), self.serve(), self.receive(), self.close()];
        acts.contains(&true)
    }

    fn send(&mut self) -> bool {
        if self.samples.setup.is_none() {
            return false;
        }
        if self.rest.is_empty() && self.may_send() {
            let number = self.samples.sent.len() as u32 + 1;
            self.rest = self.workload.message(number);
            self.samples.sent.push(self.stream.now());
        }
        let sent = self.stream.send(End::Client, &self.rest);
        self.rest.drain(..sent);
        self.calls += u64::from(sent > 0);
        sent > 0
    }

    fn may_send(&self) -> bool {
        let sent = self.samples.sent.len();
        let answered = self.workload.one_way || self.samples.arrivals.len() == sent;
        let due = self.due().map_or(answered, |due| self.stream.now() >= due);
        sent < self.workload.count as usize && due
    }

    /// When the next message is due, where that is a matter of time.
    fn due(&self) -> Option<Duration> {
        let number = self.samples.sent.len() as u32 + 1;
        let waits = !self.workload.interval.is_zero() && number <= self.workload.count;
        waits.then(|| self.samples.setup.map(|setup| setup + self.workload.due(number)))?
    }

    fn serve(&mut self) -> bool {
        let got = self.stream.recv(End::Server, &mut self.buffer);
        if self.workload.one_way {
            self.take(got);
            return got > 0;
        }
        self.echo.extend(&self.buffer[..got]);
        let sent = self.stream.send(End::Server, self.echo.make_contiguous());
        self.echo.drain(..sent);
        got + sent > 0
    }

    fn receive(&mut self) -> bool {
        let got = self.stream.recv(End::Client, &mut self.buffer);
        self.calls += u64::from(got > 0);
        self.take(got);
        got > 0
    }

    /// Books what has come to who counts.
    fn take(&mut self, got: usize) {
        let now = self.stream.now();
        if got == 0 {
            return;
        }
        self.samples.first_byte.get_or_insert(now);
        match self.cutter.take(&self.buffer[..got]) {
            Ok(numbers) => self.samples.arrivals.extend(numbers.into_iter().map(|number| (number, now))),
            Err(number) => self.fail(Attempt::Receive, &format!("message {number} came with other bytes")),
        }
    }

    /// The client's FIN when all is sent and answered, then the server's.
    fn close(&mut self) -> bool {
        let all = self.samples.sent.len() == self.workload.count as usize && self.rest.is_empty();
        let client = all && (self.workload.one_way || self.cutter.is_done());
        let server = self.stream.has_ended(End::Server) && self.echo.is_empty() && self.samples.setup.is_some();
        let mut closed = false;
        for (end, may_close) in [(End::Client, client), (End::Server, server)] {
            if may_close && !std::mem::replace(&mut self.closed[end as usize], true) {
                self.stream.close(end);
                closed = true;
            }
        }
        closed
    }

    /// Nothing has come for so long that the system would end it.
    fn give_up(&mut self) {
        let attempt = if self.samples.setup.is_none() { Attempt::Connect } else { Attempt::Receive };
        self.fail(attempt, "timed out");
        self.stream.abort(End::Client);
        self.stream.abort(End::Server);
        self.stream.settle();
    }

    fn fail(&mut self, attempt: Attempt, cause: &str) {
        let error = Error::other(attempt, "the server over the link", cause)
            .because("the link lost every packet for a quarter of an hour of its time, however often TCP sent it again")
            .next("a link with less loss, such as --loss 20%");
        self.samples.failure.get_or_insert(error);
    }
}

/// Sends the workload by UDP.
pub fn udp(link: &Link, workload: &Workload, kept: usize) -> (Samples, Log) {
    let mut exchange = Exchange {
        datagrams: Datagrams::open(link, kept),
        workload,
        samples: Samples { setup: Some(Duration::ZERO), ..Samples::default() },
        calls: 0,
        awaited: None,
    };
    exchange.run();
    let Exchange { datagrams, mut samples, calls, .. } = exchange;
    samples.calls = Some(UDP_CALLS + calls);
    (samples, datagrams.into_log())
}

/// Datagrams, and how far the two programs are.
struct Exchange<'a> {
    datagrams: Datagrams,
    workload: &'a Workload,
    samples: Samples,
    calls: u64,
    /// The message whose reply the client waits for, and until when.
    awaited: Option<(u32, Duration)>,
}

impl Exchange<'_> {
    fn run(&mut self) {
        loop {
            self.datagrams.settle();
            self.serve();
            self.receive();
            let now = self.datagrams.now();
            if self.due().is_some_and(|due| due <= now) {
                self.send(now);
            } else if !self.datagrams.go_on(self.due()) {
                return; // all is sent, and nothing under way
            }
        }
    }

    /// When the next message goes, if there is one.
    fn due(&self) -> Option<Duration> {
        let number = self.samples.sent.len() as u32 + 1;
        if number > self.workload.count {
            return None;
        }
        Some(match self.awaited {
            Some((_, until)) if self.workload.interval.is_zero() => until,
            _ => self.workload.due(number),
        })
    }

    fn send(&mut self, now: Duration) {
        let number = self.samples.sent.len() as u32 + 1;
        self.samples.sent.push(now);
        self.calls += 1;
        self.awaited = (!self.workload.one_way).then_some((number, now + self.workload.timeout));
        self.datagrams.send(End::Client, &self.workload.message(number));
    }

    fn serve(&mut self) {
        while let Some(datagram) = self.datagrams.recv(End::Server) {
            if self.workload.one_way {
                self.take(&datagram);
            } else {
                self.datagrams.send(End::Server, &datagram);
            }
        }
    }

    fn receive(&mut self) {
        while let Some(datagram) = self.datagrams.recv(End::Client) {
            self.calls += 1;
            let number = self.take(&datagram);
            if let Some((_, until)) = self.awaited.as_mut().filter(|(awaited, _)| Some(*awaited) == number) {
                *until = self.datagrams.now(); // the next one may go
            }
        }
    }

    /// Books a datagram that has come to who counts.
    fn take(&mut self, datagram: &[u8]) -> Option<u32> {
        let now = self.datagrams.now();
        let number = self.workload.number(datagram)?;
        self.samples.first_byte.get_or_insert(now);
        self.samples.arrivals.push((number, now));
        Some(number)
    }
}
