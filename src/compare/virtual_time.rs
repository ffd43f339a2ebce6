//! Both protocols over an emulated link, in virtual time: what a program would
//! do with the sockets of [`sockets`](super::sockets), step by step.

use std::collections::VecDeque;
use std::time::Duration;

use super::progress::Progress;
use super::stats::Samples;
use super::workload::{Cutter, Workload};
use crate::error::{Attempt, Error};
use crate::link::log::Log;
use crate::link::options::Link;
use crate::link::sim::{Datagrams, End, Stream};

/// How long a connection may take: a hundred SYNs.
const CONNECT_WITHIN: Duration = Duration::from_secs(15 * 60);

/// How long a connection may bring nothing at all before it is given up. Linux
/// would have done so after a quarter of an hour (tcp(7), `tcp_retries2`); here
/// the wait costs nothing, and TCP is to show that it brings all in the end.
const SILENCE: Duration = Duration::from_secs(24 * 3600);

/// Calls beside send and recv: socket, connect, setsockopt, shutdown, the recv
/// that returns 0, close.
const TCP_CALLS: u64 = 6;

/// The same by UDP: socket, connect, close.
const UDP_CALLS: u64 = 3;

/// Room for one recv.
const BUFFER_BYTES: usize = 64 * 1024;

/// Sends the workload by TCP.
pub fn tcp(link: &Link, workload: &Workload, kept: usize, progress: &Progress) -> (Samples, Log) {
    let mut talk = Talk::new(Stream::connect(link, kept), workload);
    talk.run(progress);
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

    fn run(&mut self, progress: &Progress) {
        while !self.stream.is_over() || !self.closed[1] {
            self.stream.settle();
            let now = self.stream.now();
            if self.act() {
                self.progress_at = now;
                progress.tell("tcp", self.samples.arrivals.len() as u32);
            } else if now.saturating_sub(self.progress_at) >= self.patience()
                || !self.stream.go_on(self.due().filter(|due| *due > now))
            {
                self.give_up();
                break;
            }
        }
        self.samples.calls = Some(TCP_CALLS + self.calls);
    }

    fn patience(&self) -> Duration {
        if self.samples.setup.is_none() { CONNECT_WITHIN } else { SILENCE }
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

    /// The client's FIN when all is sent and answered, then the server's; each
    /// once nothing else is on its way. (Where a third duplicate ACK meets a
    /// FIN alone, smoltcp 0.14 forgets to send that FIN again.)
    fn close(&mut self) -> bool {
        if !self.stream.is_idle() {
            return false;
        }
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
        if self.closed[0] && self.cutter.is_done() {
            return; // all has come, and only the farewell was cut short
        }
        let attempt = if self.samples.setup.is_none() { Attempt::Connect } else { Attempt::Receive };
        self.fail(attempt, "timed out");
        self.stream.abort(End::Client);
        self.stream.abort(End::Server);
        self.stream.settle();
    }

    fn fail(&mut self, attempt: Attempt, cause: &str) {
        let error = Error::other(attempt, "the server over the link", cause)
            .because(format!(
                "for {} of its time the link let nothing through, however often TCP sent it again",
                humantime::format_duration(self.patience())
            ))
            .next("a link with less loss, such as --loss 20%");
        self.samples.failure.get_or_insert(error);
    }
}

/// Sends the workload by UDP.
pub fn udp(link: &Link, workload: &Workload, kept: usize, progress: &Progress) -> (Samples, Log) {
    let mut exchange = Exchange {
        datagrams: Datagrams::open(link, kept),
        workload,
        samples: Samples { setup: Some(Duration::ZERO), ..Samples::default() },
        calls: 0,
        awaited: None,
    };
    exchange.run(progress);
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
    fn run(&mut self, progress: &Progress) {
        loop {
            self.datagrams.settle();
            self.serve();
            self.receive();
            let now = self.datagrams.now();
            if self.due().is_some_and(|due| due <= now) {
                self.send(now);
                progress.tell("udp", self.samples.sent.len() as u32);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::compare::stats::Column;
    use crate::link::headers::{Headers, read};
    use crate::link::log::Fate;
    use crate::link::options::LinkOptions;
    use crate::link::{Direction, again};

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: LinkOptions,
    }

    fn link(options: &str) -> Option<Link> {
        let line: Line = clap::Parser::parse_from(["link", "--link=sim"].into_iter().chain(options.split_whitespace()));
        line.options.link(false, 1).unwrap()
    }

    /// Nobody is told how far it is.
    fn quiet() -> Progress {
        let report: std::sync::Arc<dyn crate::report::Report> =
            std::sync::Arc::new(crate::report::recorder::Recorder::new());
        Progress::new(&report, 1)
    }

    /// Links on which TCP comes through, workloads of both kinds.
    fn any_run() -> impl Strategy<Value = (Link, Workload)> {
        let shares = (0..=30_u32, 0..=30_u32, 0..=30_u32);
        let times = (0..=40_u32, 0..=40_u32, prop::option::of(50..=2000_u32));
        let work = (1..=80_u32, 4..=1400_usize, 0..=10_u64, any::<bool>());
        (shares, times, work, any::<u64>()).prop_map(|((loss, duplicate, reorder), (delay, jitter, rate), work, seed)| {
            let rate = rate.map(|kbit| format!("--rate {kbit}kbit")).unwrap_or_default();
            let options = format!(
                "--loss {loss}% --duplicate {duplicate}% --reorder {reorder}% --delay {delay}ms --jitter {jitter}ms \
                 {rate} --seed {seed}"
            );
            let (count, size, every, one_way) = work;
            let every = Duration::from_millis(every);
            (link(&options).unwrap(), Workload::new(count, size, every, one_way, Duration::from_secs(1)))
        })
    }

    /// The messages that a direction of a log delivered, copies and all.
    fn delivered(log: &Log, workload: &Workload, direction: Direction) -> Vec<u32> {
        let mut arrivals = Vec::new();
        for packet in log.packets().iter().filter(|packet| packet.direction == direction) {
            let Headers::Udp { begins, .. } = read(&packet.bytes) else { panic!("no datagram") };
            if let Fate::Delivered { copies, .. } = &packet.fate {
                let number = workload.number(&packet.bytes[begins..]).unwrap();
                arrivals.extend(std::iter::repeat_n(number, 1 + copies.len()));
            }
        }
        arrivals
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// One way, the books are the log's own counts. With replies, a
        /// message is received whose reply the log delivered, and only that.
        #[test]
        fn what_is_counted_of_udp_is_what_the_log_says((link, workload) in any_run()) {
            let (samples, log) = udp(&link, &workload, usize::MAX, &quiet());
            let column = Column::of(&workload, samples);
            prop_assert_eq!(column.sent, u64::from(workload.count));
            let forward = log.counts(Direction::Forward);
            prop_assert_eq!(forward.packets, forward.delivered + forward.lost);
            prop_assert_eq!(forward.packets, column.sent);
            if workload.one_way {
                let books = (column.received, column.lost, column.duplicate, column.reordered);
                prop_assert_eq!(books, (forward.delivered, forward.lost, forward.duplicated, forward.reordered));
                return Ok(());
            }
            let arrivals = delivered(&log, &workload, Direction::Backward);
            let distinct: BTreeSet<u32> = arrivals.iter().copied().collect();
            prop_assert_eq!(column.received, distinct.len() as u64);
            prop_assert_eq!(column.lost, column.sent - column.received);
            prop_assert_eq!(column.duplicate, (arrivals.len() - distinct.len()) as u64);
            let backward = log.counts(Direction::Backward);
            prop_assert_eq!(backward.packets, forward.delivered + forward.duplicated, "each is answered");
            prop_assert_eq!(arrivals.len() as u64, backward.delivered + backward.duplicated);
        }

        #[test]
        fn tcp_brings_every_byte_and_mends_every_loss((link, workload) in any_run()) {
            let (samples, log) = tcp(&link, &workload, 128, &quiet());
            prop_assert!(samples.failure.is_none(), "{:?}", samples.failure);
            let column = Column::of(&workload, samples);
            prop_assert_eq!((column.sent, column.received), (u64::from(workload.count), u64::from(workload.count)));
            prop_assert_eq!((column.lost, column.duplicate, column.reordered), (0, 0, 0));
            let lost: u64 = Direction::BOTH.iter().map(|direction| again::lost_segments(&log, *direction)).sum();
            prop_assert!(again::total(&log) >= lost, "{} sent again, {} lost", again::total(&log), lost);
            for direction in Direction::BOTH {
                let counts = log.counts(direction);
                prop_assert_eq!(counts.packets, counts.delivered + counts.lost);
            }
        }
    }

    #[test]
    fn a_link_that_loses_all_ends_and_says_so() {
        let (link, workload) = (link("--loss 100%").unwrap(), Workload::new(3, 10, Duration::ZERO, false, SILENCE));
        let (samples, _) = tcp(&link, &workload, 128, &quiet());
        assert!(samples.failure.unwrap().message().contains("timed out"));
        let (samples, log) = udp(&link, &workload, 128, &quiet());
        assert_eq!((samples.sent.len(), log.counts(Direction::Forward).lost), (3, 3));
    }
}
