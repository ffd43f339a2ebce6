//! Hearing what is sent to many: one socket, one loop.
//!
//! ```text
//! recvfrom ─▶ our own? ─▶ the guards and the books of [`Inbox`] ─▶ told
//!                │                     │                            │
//!             ignored          dropped, counted      numbered: sendto, to its sender alone
//! ```
//!
//! Answers leave from a socket of this receiver's own: receivers on one host
//! share the group's port, so only another port tells them apart.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use super::inbox::{Heard, Inbox, Moment, Reason};
use super::{EXHAUSTED_PAUSE, Options};
use crate::error::{Attempt, Error, Result, Status};
use crate::framing::{Ack, Arrival, Header, Key, Run, Sealer};
use crate::net::group::Receiver;
use crate::net::host::Host;
use crate::net::socket::{Socket, is_timeout};
use crate::net::udp;
use crate::report::{self, Event, Payload, Proto, Summary};

pub use super::inbox::{GuardOptions, Guards, Rate, RateLimit};

/// A receiver at work.
pub struct Listener<'a> {
    host: &'a Host,
    receiver: &'a Receiver,
    inbox: Inbox,
    key: Option<Key>,
    sealer: Option<Sealer>,
    /// Where answers leave; opened when the first is due.
    answers: Option<Arc<Socket>>,
    /// Our own datagrams come from this port of one of these addresses.
    own: Option<(u16, Vec<IpAddr>)>,
    answer_failed: bool,
    started: Instant,
}

impl<'a> Listener<'a> {
    /// Listens on `receiver`, behind `guards`.
    pub fn new(host: &'a Host, receiver: &'a Receiver, guards: &Guards) -> Listener<'a> {
        Listener {
            host,
            receiver,
            inbox: Inbox::new(guards),
            key: guards.key.clone(),
            sealer: None,
            answers: None,
            own: None,
            answer_failed: false,
            started: Instant::now(),
        }
    }

    /// Answers from `socket`, and hears nothing that was sent from there: its
    /// port is `port`, and `addresses` are this host's.
    pub fn deaf_to(mut self, socket: Arc<Socket>, port: u16, addresses: Vec<IpAddr>) -> Listener<'a> {
        (self.answers, self.own) = (Some(socket), Some((port, addresses)));
        self
    }

    /// The ready line, then what was chosen and why.
    ///
    /// # Errors
    /// It is to listen for a time only, and has no thread to end that.
    pub fn ready(&self, options: &Options) -> Result<()> {
        super::begin(self.host, options)?;
        let Receiver { addr, group, interface, notices, .. } = self.receiver;
        self.host.stop.arm(); // who has read the ready line may send the signal
        let (group, interface) = (group.map(|group| group.to_string()), Some(interface.clone()));
        self.host.emit(Event::Listening { proto: Proto::Udp, addr: *addr, group, interface });
        for notice in notices {
            self.host.notice(notice);
        }
        Ok(())
    }

    /// Hears until told to stop; then leaves the group.
    pub fn listen(mut self, options: &Options) -> Ended {
        let mut buffer = vec![0; udp::MAX_DATAGRAM_ROOM];
        while !self.host.stop.is_asked() && options.accept.is_none_or(|limit| self.inbox.received() < limit.get()) {
            match self.receiver.recv_from(&mut buffer) {
                // On some systems the stop ends the wait by an empty datagram
                // from nowhere.
                Ok((0, _)) if self.host.stop.is_asked() => break,
                Ok((got, from)) => self.take(&buffer[..got], from),
                Err(_) if self.host.stop.is_asked() => break,
                Err(error) if is_timeout(&error) || error.kind() == ErrorKind::ConnectionReset => {}
                Err(error) => {
                    self.host.emit_error(&Error::new(Attempt::Receive, self.subject(), &error));
                    self.host.stop.wait(EXHAUSTED_PAUSE);
                }
            }
        }
        self.receiver.leave();
        let time_is_over = options.run_for.is_some_and(|time| self.started.elapsed() >= time);
        Ended { subject: self.subject(), counts: self.inbox.counts(), time_is_over }
    }

    fn subject(&self) -> String {
        format!("udp {}", self.receiver.addr)
    }

    fn take(&mut self, datagram: &[u8], from: SocketAddr) {
        if self.is_own(from) {
            return;
        }
        match self.inbox.take(datagram, from, Moment::now()) {
            Err(reason) => self.tell_dropped(reason, from),
            Ok(heard) => {
                self.tell(&heard, from);
                if let Some((header, _)) = heard.numbered {
                    self.answer(header, from);
                }
            }
        }
    }

    fn is_own(&self, from: SocketAddr) -> bool {
        self.own.as_ref().is_some_and(|(port, addresses)| from.port() == *port && addresses.contains(&from.ip()))
    }

    fn tell(&self, heard: &Heard<'_>, peer: SocketAddr) {
        if !self.host.report.wants_messages() {
            return;
        }
        let payload = Payload(heard.message.to_vec());
        self.host.emit(match &heard.numbered {
            None => Event::Received { peer, client: None, payload },
            Some((Header { seq, count, .. }, Arrival::Duplicate)) => {
                Event::Duplicate { peer, seq: *seq, count: *count, payload }
            }
            Some((Header { seq, count, .. }, arrival)) => {
                let note = (*arrival == Arrival::Reordered).then_some("reordered");
                Event::Numbered { peer, seq: *seq, count: *count, note, payload }
            }
        });
    }

    /// The first of each kind is told at once, the others in the summary: a
    /// flood is not answered by a flood of lines.
    fn tell_dropped(&self, reason: Reason, from: SocketAddr) {
        if self.inbox.is_first(reason) {
            let text = format!("a datagram from {from} was dropped ({}); more are only counted", reason.why());
            self.host.notice(text);
        }
    }

    /// Says to the sender alone which number came.
    fn answer(&mut self, header: Header, to: SocketAddr) {
        let ack = Ack { run: header.run, seq: header.seq }.encode();
        let ack = match self.sealer() {
            Some(sealer) => sealer.seal(&ack, Moment::now().unix),
            None => ack,
        };
        let answers = match &self.answers {
            Some(answers) => Ok(answers.clone()),
            None => Socket::open(self.host, Proto::Udp, &to).map(Arc::new),
        };
        let sent = answers.and_then(|answers| self.answers.insert(answers).send_to(&ack, to));
        if let Err(cause) = sent
            && !std::mem::replace(&mut self.answer_failed, true)
        {
            let error = Error::new(Attempt::Send, format!("udp {to}"), &cause);
            self.host.emit_error(&error.because("the answer to a numbered datagram did not leave; it was received"));
        }
    }

    fn sealer(&mut self) -> Option<&mut Sealer> {
        if let (None, Some(key)) = (&self.sealer, &self.key) {
            // Without random bits answers go unsealed, and are not believed.
            self.sealer = getrandom::u64().ok().map(|random| Sealer::new(key.clone(), Run::new(random)));
        }
        self.sealer.as_mut()
    }
}

/// What was heard, and whether that was enough.
pub struct Ended {
    /// The counters.
    pub counts: report::Messages,
    subject: String,
    time_is_over: bool,
}

impl Ended {
    /// The last words, and the exit status: 1 when the time is over and
    /// nothing, or not enough, has come.
    pub fn conclude(self, host: &Host, options: &Options) -> Status {
        let (received, wanted) = (self.counts.received, options.accept.map_or(1, |limit| limit.get()));
        let short = self.time_is_over && received < wanted;
        if short {
            host.emit_error(&too_few(self.subject, received, wanted, options));
        }
        host.emit(Event::Summary(Summary::Messages(self.counts)));
        if short { Status::No } else { Status::Done }
    }
}

fn too_few(subject: String, received: u64, wanted: u64, options: &Options) -> Error {
    let time = options.run_for.map(|time| humantime::format_duration(time).to_string()).unwrap_or_default();
    let cause = match received {
        0 => format!("nothing came within {time}"),
        _ => format!("{received} of {wanted} came within {time}"),
    };
    Error::other(Attempt::Receive, subject, cause)
        .because("nobody sent to it, or it was sent by another interface, or lost")
        .next("start the sender on the same interface: --interface at both ends")
}
