//! One client's conversation: bytes to lines, lines to the hub.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Rate;
use super::hub::{Hub, Next};
use super::workers::Workers;
use crate::framing::{AutoFramer, MAX_MESSAGE_BYTES, masked};
use crate::net::host::Host;
use crate::report::{Event, Payload, Reason};
use crate::serve::{Client, End, Outbox, Session, Then};

/// What all sessions of a server share.
pub struct Shared {
    /// The host it runs on.
    pub host: Host,
    /// Everyone.
    pub hub: Mutex<Hub>,
    /// Who does what takes long; once the loop runs.
    pub workers: Mutex<Option<Workers>>,
    /// Lines a client may send in a second.
    pub rate: Option<Rate>,
    /// Whether a message may be told by the silence after it.
    pub is_plain: bool,
}

impl Shared {
    /// The hub. A session that panicked is closed; the hub serves the others on.
    pub fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One client's conversation.
pub struct Talk {
    client: Client,
    shared: Arc<Shared>,
    framer: AutoFramer,
    bucket: Option<Bucket>,
    has_spoken: bool,
    /// It sent FIN.
    has_ended: bool,
    is_over: bool,
}

impl Talk {
    /// The conversation with `client`.
    pub fn new(client: Client, shared: Arc<Shared>) -> Talk {
        let bucket = shared.rate.map(Bucket::new);
        let (has_spoken, has_ended, is_over) = (false, false, false);
        Talk { client, shared, framer: AutoFramer::default(), bucket, has_spoken, has_ended, is_over }
    }

    fn hear_all(&mut self, out: &mut Outbox) -> Then {
        loop {
            let line = match self.framer.next() {
                Ok(Some(message)) => message.text,
                Ok(None) if self.has_ended => return self.go(),
                Ok(None) => return Then::Continue,
                Err(_) => {
                    let most = MAX_MESSAGE_BYTES / 1024;
                    let text = format!("a line of more than {most} KiB: this connection is closed");
                    return self.dismiss(out, Reason::Error, &text);
                }
            };
            let (number, peer) = (self.client.number, self.client.peer);
            if is_http(line) && self.shared.hub().name(number).is_none() {
                let text = "this is a chat server, not a web server: use nc, or netlab chat client";
                return self.dismiss(out, Reason::Error, text);
            }
            if self.shared.host.report.wants_messages() {
                let name = self.shared.hub().name(number);
                let payload = Payload(masked(line));
                self.shared.host.emit(Event::Heard { peer, client: number, name, payload });
            }
            match self.shared.hub().line(number, line) {
                Next::Go => {}
                // The hub closes the connection, once its last words are sent.
                Next::Leave => {
                    self.is_over = true;
                    return Then::Wait;
                }
                Next::Wait(order) => {
                    if let Some(workers) = &*self.shared.workers.lock().unwrap_or_else(PoisonError::into_inner) {
                        workers.order(number, order);
                        return Then::Wait;
                    }
                }
            }
            if let Some(pause) = self.pause() {
                return Then::Pause(pause);
            }
        }
    }

    /// All that it said is heard: the hub closes the connection, once what the
    /// client asked for is sent.
    fn go(&mut self) -> Then {
        self.is_over = true;
        self.shared.hub().leaves(self.client.number, None, Reason::Fin);
        Then::Wait
    }

    /// Who talks faster than is allowed is heard more slowly: nothing is lost.
    fn pause(&mut self) -> Option<Duration> {
        let bucket = self.bucket.as_mut()?;
        let pause = bucket.take(Instant::now())?;
        if !std::mem::replace(&mut bucket.is_told, true) {
            let text = format!("slow down: more than {} lines a second; the rest is heard in its turn", bucket.rate.0);
            self.shared.hub().refuse(self.client.number, &text);
        }
        Some(pause)
    }

    /// A last word, past the hub.
    fn dismiss(&mut self, out: &mut Outbox, reason: Reason, text: &str) -> Then {
        out.put(format!("! {text}\n").as_bytes());
        self.leave(reason);
        Then::Close(reason)
    }

    fn leave(&mut self, reason: Reason) {
        self.is_over = true;
        self.shared.hub().left(self.client.number, reason);
    }

    /// Whether these are a TLS client's first bytes: a handshake record's.
    fn is_tls(&mut self, bytes: &[u8]) -> bool {
        !std::mem::replace(&mut self.has_spoken, true) && matches!(bytes, [0x16, 0x03, ..] | [0x16])
    }
}

impl Session for Talk {
    fn opened(&mut self, _out: &mut Outbox) -> Then {
        let (number, peer) = (self.client.number, self.client.peer);
        let is_welcome = self.shared.hub().connected(number, peer);
        self.is_over = !is_welcome;
        if is_welcome { Then::Continue } else { Then::Wait }
    }

    fn received(&mut self, bytes: &[u8], out: &mut Outbox) -> Then {
        if self.is_tls(bytes) {
            let text = "this server speaks plain text, not TLS: connect without --tls";
            return self.dismiss(out, Reason::Error, text);
        }
        self.framer.push(bytes);
        self.hear_all(out)
    }

    fn patience(&self) -> Option<Duration> {
        self.framer.patience().filter(|_| self.shared.is_plain)
    }

    fn quiet(&mut self, out: &mut Outbox) -> Then {
        if !self.shared.is_plain {
            return Then::Continue;
        }
        self.framer.quiet();
        self.hear_all(out)
    }

    fn resumed(&mut self, out: &mut Outbox) -> Then {
        self.hear_all(out)
    }

    fn all_sent(&mut self, _out: &mut Outbox) -> Then {
        self.shared.hub().is_sent(self.client.number);
        Then::Continue
    }

    fn ended(&mut self, how: End, out: &mut Outbox) -> Then {
        match how {
            _ if self.is_over => Then::Continue,
            End::Fin => {
                self.has_ended = true;
                self.framer.finish();
                self.hear_all(out)
            }
            End::ServerStop => {
                let text = format!("server is going down: {}", self.shared.host.stop.reason());
                self.dismiss(out, Reason::ServerStop, &text)
            }
            End::TooSlow => {
                let text = "you read too slowly: more than 4 MiB are unsent, so you are closed";
                self.dismiss(out, Reason::Error, text)
            }
            End::NotTls => {
                let text = "this server speaks TLS: connect with netlab chat client --tls NAME HOST PORT";
                self.dismiss(out, Reason::Error, text)
            }
            End::Reset => Then::Continue,
        }
    }
}

/// Whether a line is a web browser's: `GET / HTTP/1.1`.
fn is_http(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    [b" HTTP/1.0", b" HTTP/1.1"].iter().any(|version| line.ends_with(*version))
}

/// However a client goes, the others are told.
impl Drop for Talk {
    fn drop(&mut self) {
        self.leave(Reason::Reset);
    }
}

/// How much a client may still say at once.
struct Bucket {
    rate: Rate,
    tokens: f64,
    filled: Instant,
    is_told: bool,
}

impl Bucket {
    fn new(rate: Rate) -> Bucket {
        Bucket { rate, tokens: rate.burst(), filled: Instant::now(), is_told: false }
    }

    /// Takes one; how long to wait until there is one again.
    fn take(&mut self, now: Instant) -> Option<Duration> {
        let gained = (now - self.filled).as_secs_f64() * self.rate.0;
        self.tokens = (self.tokens + gained).min(self.rate.burst());
        self.filled = now;
        self.is_told &= self.tokens < self.rate.burst() - 1.0;
        self.tokens -= 1.0;
        (self.tokens < 0.0).then(|| Duration::from_secs_f64(-self.tokens / self.rate.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_then_the_rate_holds() {
        let mut bucket = Bucket::new(Rate(50.0));
        let now = bucket.filled;
        assert_eq!((0..100).filter_map(|_| bucket.take(now)).count(), 0);
        let pause = bucket.take(now).unwrap();
        assert_eq!(pause, Duration::from_millis(20));
        assert_eq!(bucket.take(now + pause), Some(pause));
        assert_eq!(bucket.take(now + Duration::from_secs(10)), None);
    }
}
