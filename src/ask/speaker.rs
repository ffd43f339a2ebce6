//! Saying something to many, in good manners: at a pace, not too long, and
//! sealed where there is a key.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::error::{Attempt, Error, Result};
use crate::framing::{Key, Run, Sealer};
use crate::net::group::{Sender, is_no_room};
use crate::net::host::Host;
use crate::report::{Event, Payload};

/// How one sends, whoever may hear it.
#[derive(Clone, Debug, Default)]
pub struct Manners {
    /// The least time between two messages.
    pub gap: Duration,
    /// The longest message; without, as long as a datagram can be.
    pub max_bytes: Option<usize>,
    /// Receivers with this key know that one who holds it has sent this.
    pub key: Option<Key>,
}

/// Sends messages to all targets, in good manners.
pub struct Speaker<'a> {
    host: &'a Host,
    /// Through which it speaks, and hears the answers.
    pub sender: &'a Sender,
    gap: Duration,
    max_bytes: usize,
    sealer: Option<Sealer>,
    /// Before this, the next message would come too soon.
    pub due: Option<Instant>,
}

impl<'a> Speaker<'a> {
    /// Speaks through `sender`.
    pub fn new(host: &'a Host, sender: &'a Sender, manners: &Manners) -> Result<Speaker<'a>> {
        let sealer = manners.key.clone().map(|key| Ok::<_, Error>(Sealer::new(key, fresh_run()?))).transpose()?;
        let max_bytes = manners.max_bytes.unwrap_or(usize::MAX);
        Ok(Speaker { host, sender, gap: manners.gap, max_bytes, sealer, due: None })
    }

    /// Whether a message is short enough; tells, where it is not.
    pub fn allows(&self, message: &[u8]) -> bool {
        let (length, max) = (message.len(), self.max_bytes);
        if length > max {
            let error = Error::other(Attempt::Send, self.subject(), format!("{length} bytes, and {max} are allowed"))
                .because("a datagram over one packet is cut into fragments, and one lost fragment loses it all")
                .next(format!("a shorter message, or --max-size {length} at both ends"));
            self.host.emit_error(&error);
        }
        length <= max
    }

    /// Waits until the next message may leave. False: asked to stop instead.
    pub fn wait_turn(&self) -> bool {
        let left = self.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()));
        !self.host.stop.wait(left)
    }

    /// Sends `datagram` to every target, and tells of `message` in it. False:
    /// this one could not be sent, others may.
    ///
    /// # Errors
    /// No target can be reached at all.
    pub fn say(&mut self, datagram: &[u8], message: &[u8], seq: Option<u64>) -> Result<bool> {
        self.due = Some(Instant::now() + self.gap);
        let sealed = self.sealer.as_mut().map(|sealer| sealer.seal(datagram, now_unix()));
        let datagram = sealed.as_deref().unwrap_or(datagram);
        let (mut reached, mut fatal) = (0, None);
        for peer in &self.sender.targets {
            match self.sender.socket.send_to(datagram, *peer) {
                Ok(_) => {
                    reached += 1;
                    self.host.emit(Event::Sent { peer: *peer, client: None, seq, payload: Payload(message.to_vec()) });
                }
                Err(cause) if concerns_this_one(&cause) => self.host.emit_error(&not_sent(*peer, &cause)),
                Err(cause) => fatal = Some(not_sent(*peer, &cause)),
            }
        }
        match fatal {
            Some(error) if reached == 0 => Err(error),
            Some(error) => {
                self.host.emit_error(&error); // the other networks got it
                Ok(true)
            }
            None => Ok(reached > 0),
        }
    }

    /// To whom, for an error.
    pub fn subject(&self) -> String {
        let targets: Vec<String> = self.sender.targets.iter().map(SocketAddr::to_string).collect();
        format!("udp {}", targets.join(", "))
    }
}

/// Too long for a datagram, or a queue that is full at the moment.
fn concerns_this_one(cause: &io::Error) -> bool {
    #[cfg(unix)]
    let too_long = cause.raw_os_error() == Some(libc::EMSGSIZE);
    #[cfg(not(unix))]
    let too_long = cause.raw_os_error() == Some(10040);
    too_long || is_no_room(cause)
}

fn not_sent(to: SocketAddr, cause: &io::Error) -> Error {
    let error = Error::new(Attempt::Send, format!("udp {to}"), cause);
    match cause.kind() {
        io::ErrorKind::PermissionDenied => error
            .because("it is a broadcast address, and SO_BROADCAST was not set on this socket")
            .next("without --without-option: the option is then set, and the system lets it pass"),
        _ if is_no_room(cause) => error
            .because("the interface's queue is full: this one was not sent")
            .next("fewer at a time: --interval 10ms"),
        _ if concerns_this_one(cause) => {
            error.because("a datagram holds 65,507 bytes at most by IPv4").next("a shorter message, or --size 1400")
        }
        _ => error,
    }
}

/// A name that no other run has.
///
/// # Errors
/// The system has no random bits.
pub fn fresh_run() -> Result<Run> {
    let random = getrandom::u64().map_err(|cause| {
        Error::new(Attempt::Open, "a run of numbered messages", &io::Error::other(cause.to_string()))
    })?;
    Ok(Run::new(random))
}

/// Seconds since 1970.
pub fn now_unix() -> u64 {
    since_1970().as_secs()
}

/// By the system's clock.
pub fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
