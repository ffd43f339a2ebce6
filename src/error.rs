//! What went wrong, told in three parts: what was attempted on which
//! address, the cause, and the next step.
//!
//! ```text
//! error: cannot connect to tcp 127.0.0.1:5003: connection refused
//!   why: the host answered, and nothing listens on that port
//!   try: netlab tcp-echo server 127.0.0.1:5003
//! ```
//!
//! Cause and advice are chosen by [`io::ErrorKind`], never by an operating
//! system's text: that differs between systems and languages.

use std::fmt;
use std::io::{self, ErrorKind};

/// What was being done when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Turning a name into addresses.
    Resolve,
    /// `socket(2)`.
    Open,
    /// `bind(2)`, and what a server does up to `listen(2)`.
    Bind,
    /// `connect(2)`.
    Connect,
    /// `bind(2)` of a client to an address of its own (`--bind`).
    SendFrom,
    /// `accept(2)`.
    Accept,
    /// `send(2)`, `sendto(2)`.
    Send,
    /// `recv(2)`, `recvfrom(2)`: a reply that was due.
    Receive,
    /// `IP_ADD_MEMBERSHIP` and its relatives.
    Join,
    /// Serving one client; the server goes on.
    Serve,
    /// Choosing or listing network interfaces.
    Interface,
    /// Reading a file or standard input.
    Read,
    /// Writing a file.
    Write,
    /// Setting TCP and UDP side by side.
    Compare,
    /// A file that somebody sends.
    Download,
    /// Judging a program.
    Grade,
}

impl Attempt {
    fn words(self) -> &'static str {
        match self {
            Attempt::Resolve => "find the address of",
            Attempt::Open => "open a socket for",
            Attempt::Bind => "listen on",
            Attempt::Connect => "connect to",
            Attempt::SendFrom => "send from",
            Attempt::Accept => "accept on",
            Attempt::Send => "send to",
            Attempt::Receive => "receive from",
            Attempt::Join => "join",
            Attempt::Serve => "serve",
            Attempt::Interface => "use interface",
            Attempt::Read => "read",
            Attempt::Write => "write",
            Attempt::Compare => "compare",
            Attempt::Download => "download",
            Attempt::Grade => "grade",
        }
    }
}

/// How a command ends, as its exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Did what was asked.
    Done = 0,
    /// It ran, and the answer is no.
    No = 1,
    /// It could not be asked.
    CannotAsk = 2,
}

/// A failure in three parts. See the [module](self).
#[derive(Clone, Debug)]
pub struct Error {
    attempt: Attempt,
    subject: String,
    kind: ErrorKind,
    cause: String,
    why: Option<String>,
    next: Option<String>,
    status: Status,
}

/// The result of what can fail in three parts.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failed system call: `subject` names what it was tried on, such as
    /// `tcp 127.0.0.1:5003`.
    pub fn new(attempt: Attempt, subject: impl Into<String>, cause: &io::Error) -> Error {
        let error = Error {
            attempt,
            subject: subject.into(),
            kind: kind_of(cause),
            cause: cause_words(attempt, cause),
            why: None,
            next: None,
            status: Status::No,
        };
        if !is_message_too_long(cause) {
            return error;
        }
        error
            .because("one datagram holds at most 65,507 bytes by IPv4, 65,527 by IPv6; nothing was sent")
            .next("a shorter message, such as --size 65507")
    }

    /// A failure that no system call reported.
    pub fn other(attempt: Attempt, subject: impl Into<String>, cause: impl Into<String>) -> Error {
        Error {
            attempt,
            subject: subject.into(),
            kind: ErrorKind::Other,
            cause: cause.into(),
            why: None,
            next: None,
            status: Status::No,
        }
    }

    /// Says why, where the caller knows better than [`Error::why`] does.
    pub fn because(mut self, why: impl Into<String>) -> Error {
        self.why = Some(why.into());
        self
    }

    /// Names the next step.
    pub fn next(mut self, next: impl Into<String>) -> Error {
        self.next = Some(next.into());
        self
    }

    /// Marks a question that could not be asked: exit status 2.
    pub fn unasked(mut self) -> Error {
        self.status = Status::CannotAsk;
        self
    }

    /// The kind of the cause.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The exit status this failure leads to.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Attempt, subject and cause, in one line without a full stop.
    pub fn message(&self) -> String {
        let Error { attempt, subject, cause, .. } = self;
        format!("cannot {} {subject}: {cause}", attempt.words())
    }

    /// What the cause means here.
    pub fn why(&self) -> String {
        match &self.why {
            Some(why) => why.clone(),
            None => why(self.attempt, self.kind).to_owned(),
        }
    }

    /// What to do next.
    pub fn try_next(&self) -> String {
        match &self.next {
            Some(next) => next.clone(),
            None => advice(self.attempt, self.kind).to_owned(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl std::error::Error for Error {}

/// A blocking call that ran into `SO_RCVTIMEO` says `WouldBlock` on Unix and
/// `TimedOut` on Windows; both mean that the time is up. `ENODEV` has no kind
/// of its own: to a join it means that no interface fits.
fn kind_of(cause: &io::Error) -> ErrorKind {
    match cause.kind() {
        ErrorKind::WouldBlock => ErrorKind::TimedOut,
        kind if is_no_device(cause) => {
            debug_assert_ne!(kind, ErrorKind::NetworkUnreachable);
            ErrorKind::NetworkUnreachable
        }
        kind => kind,
    }
}

#[cfg(unix)]
fn is_no_device(cause: &io::Error) -> bool {
    cause.raw_os_error() == Some(libc::ENODEV)
}

#[cfg(not(unix))]
fn is_no_device(_: &io::Error) -> bool {
    false
}

/// Whether a datagram was longer than one can be: `EMSGSIZE`, which has no
/// kind either.
pub fn is_message_too_long(cause: &io::Error) -> bool {
    #[cfg(unix)]
    const CODE: i32 = libc::EMSGSIZE;
    #[cfg(not(unix))]
    const CODE: i32 = 10040;
    cause.raw_os_error() == Some(CODE)
}

fn cause_words(attempt: Attempt, cause: &io::Error) -> String {
    let words = match kind_of(cause) {
        _ if is_message_too_long(cause) => "message too long",
        ErrorKind::ConnectionRefused => "connection refused",
        ErrorKind::ConnectionReset => "connection reset by the peer",
        ErrorKind::ConnectionAborted => "connection aborted",
        ErrorKind::BrokenPipe => "the peer has closed the connection",
        ErrorKind::NotConnected => "not connected",
        ErrorKind::AddrInUse if matches!(attempt, Attempt::Bind | Attempt::SendFrom) => "port in use",
        ErrorKind::AddrInUse => "address in use",
        ErrorKind::AddrNotAvailable => "not an address of this host",
        ErrorKind::NetworkUnreachable => "no route to it",
        ErrorKind::HostUnreachable => "host unreachable",
        ErrorKind::NetworkDown => "network down",
        ErrorKind::TimedOut => "timed out",
        ErrorKind::Interrupted => "stopped",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::NotFound if attempt == Attempt::Resolve => "unknown name",
        ErrorKind::NotFound => "not found",
        ErrorKind::IsADirectory => "it is a directory",
        ErrorKind::UnexpectedEof => "the peer closed before its reply was whole",
        _ => return os_words(cause),
    };
    words.to_owned()
}

/// The system's own words in lower case, without Rust's `(os error 24)`.
fn os_words(cause: &io::Error) -> String {
    let text = cause.to_string();
    if cause.raw_os_error().is_none() {
        return text; // our own words
    }
    let text = text.split(" (os error").next().unwrap_or_default();
    text.trim_end_matches('.').to_lowercase()
}

/// A thread that was not to be had. The system's word for it is EAGAIN, which
/// everywhere else means that a time is over.
pub fn no_thread(_cause: io::Error) -> io::Error {
    io::Error::other("the system gives this program no further thread")
}

fn why(attempt: Attempt, kind: ErrorKind) -> &'static str {
    use Attempt::*;
    match (attempt, kind) {
        (_, ErrorKind::Interrupted) => "you asked to stop before there was an answer",
        (Resolve, _) => "no name service knows this name (or none could be asked)",
        (Connect | Send | Receive, ErrorKind::ConnectionRefused) => {
            "the host answered, and nothing listens on that port"
        }
        (Connect, ErrorKind::TimedOut) => {
            "no answer at all: a wrong address, a firewall that drops packets, or a server whose backlog is full"
        }
        (Receive, ErrorKind::TimedOut) => {
            "nothing came back in time: the request or the reply was lost, or the server is busy or silent"
        }
        (Send, ErrorKind::TimedOut) => "the peer does not read, and the buffers on the way are full",
        (_, ErrorKind::ConnectionReset) => {
            "the peer sent RST: it crashed, was killed, or closed with bytes of ours unread"
        }
        (_, ErrorKind::BrokenPipe) => "the peer had closed before these bytes were sent",
        (_, ErrorKind::UnexpectedEof) => "the peer sent FIN, its end of the conversation",
        (Read, ErrorKind::InvalidData) => "each line of input is a message, and no message is that long",
        (Bind | SendFrom, ErrorKind::AddrInUse) => {
            "another program has this port (TCP and UDP ports are counted apart)"
        }
        (Bind | SendFrom, ErrorKind::PermissionDenied) if cfg!(windows) => {
            "another program has this port for itself alone, or Windows keeps it back"
        }
        (Bind | SendFrom, ErrorKind::PermissionDenied) => "ports under 1024 belong to the system's administrator",
        (Bind | SendFrom, ErrorKind::AddrNotAvailable) => {
            "a socket can only be bound to an address that one of this host's interfaces has"
        }
        (Send, ErrorKind::PermissionDenied) => {
            "the system refuses to send there; a broadcast address needs SO_BROADCAST first"
        }
        (Join, ErrorKind::NetworkUnreachable) => "no interface fits: no route leads to this group",
        (_, ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable) => {
            "no entry of the routing table leads there, or the last router gave up"
        }
        (_, ErrorKind::PermissionDenied) => "the system does not allow it",
        (SendFrom, ErrorKind::InvalidInput) => "both ends of a conversation have addresses of the same IP version",
        (Read | Write, ErrorKind::NotFound) => "there is no such file or folder",
        _ => "the operating system refused",
    }
}

fn advice(attempt: Attempt, kind: ErrorKind) -> &'static str {
    use Attempt::*;
    match (attempt, kind) {
        (_, ErrorKind::Interrupted) => "the same again, and more patience",
        (Resolve, _) => "check the spelling, or give an address such as 127.0.0.1:5003; messages come after it",
        (Connect | Send | Receive, ErrorKind::ConnectionRefused) => "start the server first",
        (Connect | Receive, ErrorKind::TimedOut) => "check the address, or wait longer with --timeout 30s",
        (Bind | SendFrom, ErrorKind::AddrInUse) => "another port, or port 0 to let the system choose",
        (Bind | SendFrom, ErrorKind::PermissionDenied) if cfg!(windows) => {
            "another port; netsh int ipv4 show excludedportrange udp (or tcp) lists those kept back"
        }
        (Bind | SendFrom, ErrorKind::PermissionDenied) => "a port of 1024 or higher",
        (SendFrom, ErrorKind::AddrNotAvailable) => {
            "an address of this host, or no --bind: the system chooses one by the route"
        }
        (Bind, ErrorKind::AddrNotAvailable) => "127.0.0.1 for this host alone, 0.0.0.0 for all its interfaces",
        (Join, _) => "name an interface: --interface lo",
        (Read, ErrorKind::InvalidData) => "netlab tcp-echo client --raw, which sends any bytes as they are",
        (Write, _) => "a folder that you may write to",
        (SendFrom, ErrorKind::InvalidInput) => "an address of the same kind, or no --bind",
        (_, ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable) => {
            "check the address; the routing table (ip route, netstat -r) lists where routes lead"
        }
        (_, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof) => {
            "look at what the server printed"
        }
        _ => "add --trace to see which call failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Error {
        let cause = io::Error::from(ErrorKind::ConnectionRefused);
        Error::new(Attempt::Connect, "tcp 127.0.0.1:5003", &cause)
    }

    #[test]
    fn an_error_has_three_parts() {
        let error = refused().next("netlab tcp-echo server 127.0.0.1:5003");
        assert_eq!(error.message(), "cannot connect to tcp 127.0.0.1:5003: connection refused");
        assert_eq!(error.why(), "the host answered, and nothing listens on that port");
        assert_eq!(error.try_next(), "netlab tcp-echo server 127.0.0.1:5003");
    }

    #[test]
    fn a_blocking_call_out_of_time_is_a_timeout_on_every_system() {
        for kind in [ErrorKind::WouldBlock, ErrorKind::TimedOut] {
            let error = Error::new(Attempt::Receive, "udp 127.0.0.1:9", &io::Error::from(kind));
            assert_eq!(error.message(), "cannot receive from udp 127.0.0.1:9: timed out");
        }
    }

    #[test]
    fn the_systems_words_are_lower_case_and_bare() {
        let cause = io::Error::from_raw_os_error(24);
        let words = os_words(&cause);
        assert!(!words.contains("os error"), "{words}");
        assert_eq!(words, words.to_lowercase());
    }
}
