//! The client's side by UDP.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::pace::pace;
use super::{Origin, Probe, STRAGGLERS, Samples};
use crate::error::{Attempt, Result};
use crate::net::addr::Addr;
use crate::net::kernel;
use crate::net::socket::is_timeout;
use crate::net::udp::{self, Client, MAX_DATAGRAM_ROOM};

/// What is known of the way between both ends.
pub struct OnWay<'a> {
    /// Whether it is this host's own, which neither loses nor doubles a packet.
    pub is_loopback: bool,
    /// Whether it is a link that is watched: what got lost there is to be told
    /// from what a full buffer did.
    pub is_emulated: bool,
    /// Whether no packet is under way.
    pub is_idle: &'a dyn Fn() -> bool,
}

/// Bytes that may wait in a socket at the end of an emulated link, where the
/// system grants as many: a hundred thousand datagrams and more.
pub const ROOM: usize = 128 * 1024 * 1024;

/// Where so many messages were never answered, and none ever was, no more are
/// sent: each costs a `--timeout`.
const SILENT_AFTER: u32 = 5;

/// Sends all, and takes what comes, doubles and all, until none is `on_way`
/// any more. With the samples comes when their time begins.
pub fn ask(mut probe: Probe<'_>, server: &Addr, on_way: &OnWay<'_>) -> (Samples, Instant) {
    let mut samples = Samples::default();
    let asked = run(&mut probe, &mut samples, server, on_way);
    samples.failure = asked.err();
    samples.calls = samples.calls.map(|instruments| probe.calls.calls() - instruments);
    (samples, probe.started)
}

fn run(probe: &mut Probe<'_>, samples: &mut Samples, server: &Addr, on_way: &OnWay<'_>) -> Result<()> {
    let client = udp::client(&probe.host, server, 0, None, true);
    samples.calls = Some(0); // none of them an instrument's, yet
    let client = client?;
    if on_way.is_emulated {
        let before = probe.calls.calls();
        udp::give_room(&client.socket, ROOM);
        samples.calls = Some(probe.calls.calls() - before);
    }
    probe.started = client.handshake[0];
    samples.setup = Some(probe.since(client.handshake[1]));
    let mut asker = Asker { probe, samples, client: &client, buffer: vec![0; MAX_DATAGRAM_ROOM] };
    let asked = asker.talk(on_way);
    let before = probe.calls.calls();
    samples.drops = kernel::drops(&client.socket).map(|drops| (drops, Origin::Kernel));
    samples.retransmits = Some((0, Origin::Measured)); // each was sent once
    samples.calls = samples.calls.map(|instruments| instruments + probe.calls.calls() - before);
    asked.map_err(|(attempt, cause)| client.error(&probe.host, attempt, &cause))
}

type Talked = std::result::Result<(), (Attempt, io::Error)>;

struct Asker<'a> {
    probe: &'a Probe<'a>,
    samples: &'a mut Samples,
    client: &'a Client,
    buffer: Vec<u8>,
}

impl Asker<'_> {
    fn talk(&mut self, on_way: &OnWay<'_>) -> Talked {
        if self.probe.workload.one_way {
            return self.send_all().map_err(|cause| (Attempt::Send, cause));
        }
        if self.probe.workload.interval.is_zero() {
            self.take_turns()?;
        } else {
            self.send_and_receive()?;
        }
        self.take_stragglers(on_way).map_err(|cause| (Attempt::Receive, cause))
    }

    fn send_all(&mut self) -> io::Result<()> {
        let Asker { probe, samples, client, .. } = self;
        pace(probe.workload, &probe.host.stop, |number| {
            let message = probe.workload.message(number);
            samples.sent.push(probe.now());
            probe.progress.tell("udp", number);
            client.send(&message).map(|_| ())
        })
    }

    /// Each message after the reply to the one before, or the time for it.
    fn take_turns(&mut self) -> Talked {
        for number in 1..=self.probe.workload.count {
            let message = self.probe.workload.message(number);
            self.samples.sent.push(self.probe.now());
            self.client.send(&message).map_err(|cause| (Attempt::Send, cause))?;
            let deadline = Instant::now() + self.probe.workload.timeout;
            self.take_until(deadline, number).map_err(|cause| (Attempt::Receive, cause))?;
            self.probe.progress.tell("udp", number);
            let deaf = number >= SILENT_AFTER && self.samples.arrivals.is_empty();
            if deaf || self.probe.host.stop.is_asked() {
                break;
            }
        }
        Ok(())
    }

    /// Takes what comes until message `awaited` has, or its time is over.
    fn take_until(&mut self, deadline: Instant, awaited: u32) -> io::Result<()> {
        let mut wait = self.probe.workload.timeout;
        while !wait.is_zero() && !self.probe.host.stop.is_asked() {
            if self.take(wait)? == Some(awaited) {
                break;
            }
            wait = deadline.saturating_duration_since(Instant::now());
        }
        Ok(())
    }

    /// One datagram; its number, or `None` where none came in time.
    fn take(&mut self, wait: Duration) -> io::Result<Option<u32>> {
        self.client.socket.wait_at_most(Some(wait))?;
        let got = match self.client.recv(&mut self.buffer) {
            Ok(got) => got.unwrap_or_default(),
            Err(error) if is_timeout(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let now = self.probe.since(Instant::now());
        let number = self.probe.workload.number(&self.buffer[..got]);
        if let Some(number) = number {
            self.samples.first_byte.get_or_insert(now);
            self.samples.arrivals.push((number, now));
        }
        Ok(number)
    }

    /// A thread sends when it is time; this one receives meanwhile.
    fn send_and_receive(&mut self) -> Talked {
        let (probe, client) = (self.probe, self.client);
        thread::scope(|scope| {
            let sender = thread::Builder::new().name("sender".into()).spawn_scoped(scope, move || {
                let mut sent = Vec::new();
                let result = pace(probe.workload, &probe.host.stop, |number| {
                    let message = probe.workload.message(number);
                    sent.push(probe.now());
                    client.send(&message).map(|_| ())
                });
                (sent, result)
            });
            let sender = sender.map_err(|cause| (Attempt::Send, cause))?;
            let mut received = Ok(None);
            while received.is_ok() && !sender.is_finished() {
                received = self.take(STRAGGLERS);
                probe.progress.tell("udp", self.samples.arrivals.len() as u32);
            }
            let (sent, result) = sender.join().unwrap_or((Vec::new(), Ok(())));
            self.samples.sent = sent;
            received.map_err(|cause| (Attempt::Receive, cause))?;
            result.map_err(|cause| (Attempt::Send, cause))
        })
    }

    /// What is still on its way: until every message has come or had its time,
    /// and the way is empty.
    fn take_stragglers(&mut self, on_way: &OnWay<'_>) -> io::Result<()> {
        let last = self.samples.sent.last().copied().unwrap_or_default();
        let all = |samples: &Samples| samples.arrivals.len() >= samples.sent.len();
        if on_way.is_loopback && all(self.samples) {
            return Ok(()); // which doubles nothing
        }
        while !self.probe.host.stop.is_asked() {
            if self.take(STRAGGLERS)?.is_some() || !(on_way.is_idle)() {
                continue;
            }
            if all(self.samples) || self.probe.now() > last + self.probe.workload.timeout {
                break;
            }
        }
        Ok(())
    }
}
