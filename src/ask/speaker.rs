//! Saying something to many, in good manners: at a pace, not too long, and
//! sealed where there is a key.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::error::{Attempt, Error, Result, is_message_too_long};
use crate::framing::{Key, Run, Sealer};
use crate::net::group::{Sender, is_no_room};
use crate::net::host::Host;
use crate::report::{Event, Payload};

/// The longest payload of a datagram: 65,535 bytes less the headers of IP and
/// UDP (IPv6 does not count its own).
const MAX_PAYLOAD_V4: usize = 65_507;
const MAX_PAYLOAD_V6: usize = 65_527;

/// How one sends, whoever may hear it.
#[derive(Clone, Debug, Default)]
pub struct Manners {
    /// The least time between two messages.
    pub gap: Duration,
    /// The longest message; without, as long as a datagram can be.
    pub max_bytes: Option<usize>,
    /// Every message is as long as the others: if one is too long, all are.
    pub equally_long: bool,
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
    equally_long: bool,
    sealer: Option<Sealer>,
    /// Before this, the next message would come too soon.
    pub due: Option<Instant>,
}

impl<'a> Speaker<'a> {
    /// Speaks through `sender`.
    pub fn new(host: &'a Host, sender: &'a Sender, manners: &Manners) -> Result<Speaker<'a>> {
        let sealer = manners.key.clone().map(|key| Ok::<_, Error>(Sealer::new(key, fresh_run()?))).transpose()?;
        let max_bytes = manners.max_bytes.unwrap_or(usize::MAX);
        let Manners { gap, equally_long, .. } = *manners;
        Ok(Speaker { host, sender, gap, max_bytes, equally_long, sealer, due: None })
    }

    /// Whether a message is short enough; tells, where it is not.
    ///
    /// # Errors
    /// It is not, and no other will be.
    pub fn allows(&self, message: &[u8]) -> Result<bool> {
        if message.len() <= self.max_bytes {
            return Ok(true);
        }
        let error = too_long(self.subject(), message.len(), self.max_bytes);
        if self.equally_long {
            return Err(error);
        }
        self.host.emit_error(&error);
        Ok(false)
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
                Err(cause) => {
                    let error = not_sent(*peer, &cause, datagram.len() - message.len());
                    if is_no_room(&cause) || (is_message_too_long(&cause) && !self.equally_long) {
                        self.host.emit_error(&error); // the next one may pass
                    } else {
                        fatal = Some(error);
                    }
                }
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

/// Longer than `--max-size`.
fn too_long(subject: String, length: usize, max: usize) -> Error {
    let are = if max == 1 { "is" } else { "are" };
    Error::other(Attempt::Send, subject, format!("{}, and {max} {are} allowed", bytes(length)))
        .because("a datagram over one packet is cut into fragments, and one lost fragment loses it all")
        .next(format!("a shorter message, or --max-size {length} at both ends"))
}

/// `1 byte`, `2 bytes`.
fn bytes(count: usize) -> String {
    format!("{count} byte{}", if count == 1 { "" } else { "s" })
}

fn not_sent(to: SocketAddr, cause: &io::Error, header_bytes: usize) -> Error {
    let error = Error::new(Attempt::Send, format!("udp {to}"), cause);
    match cause.kind() {
        io::ErrorKind::PermissionDenied => error
            .because("it is a broadcast address, and SO_BROADCAST was not set on this socket")
            .next("without --without-option: the option is then set, and the system lets it pass"),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => error
            .because("no entry of the routing table leads there, and no interface was named, or it is down")
            .next("name one that is up: --interface eth0 (ip -brief addr lists them)"),
        _ if is_no_room(cause) => error
            .because("the interface's queue is full: this one was not sent")
            .next("fewer at a time: --interval 10ms"),
        _ if is_message_too_long(cause) => {
            error.because(longest_datagram(to, header_bytes)).next("a shorter message, or --size 1400")
        }
        _ => error,
    }
}

/// `a datagram holds 65,507 bytes at most by IPv4, 44 of them netlab's headers`
fn longest_datagram(to: SocketAddr, header_bytes: usize) -> String {
    let (max, version) = if to.is_ipv4() { (MAX_PAYLOAD_V4, "IPv4") } else { (MAX_PAYLOAD_V6, "IPv6") };
    let headers = match header_bytes {
        0 => String::new(),
        _ => format!(", {header_bytes} of them here netlab's header"),
    };
    format!("a datagram holds {},{:03} bytes at most by {version}{headers}", max / 1000, max % 1000)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_is_one_and_two_are_two() {
        let message = |length, max| too_long("udp 10.0.0.255:5008".into(), length, max).message();
        assert!(message(1, 0).ends_with("1 byte, and 0 are allowed"), "{}", message(1, 0));
        assert!(message(2, 1).ends_with("2 bytes, and 1 is allowed"), "{}", message(2, 1));
    }

    #[test]
    fn the_longest_datagram_depends_on_the_ip_version_and_holds_the_headers() {
        let table = [
            ("239.1.1.1:5007", 0, "a datagram holds 65,507 bytes at most by IPv4"),
            ("[ff02::1]:5007", 0, "a datagram holds 65,527 bytes at most by IPv6"),
            ("239.1.1.1:5007", 45, "a datagram holds 65,507 bytes at most by IPv4, 45 of them here netlab's header"),
        ];
        for (to, header_bytes, expected) in table {
            assert_eq!(longest_datagram(to.parse().unwrap(), header_bytes), expected);
        }
    }
}
