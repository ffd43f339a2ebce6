//! `--trace`: each socket call as it returns, numbered, with what its result
//! means.
//!
//! Every socket of netlab is opened and used through the `net` room, and each
//! call there passes through [`Trace`]: so the trace shows the calls that were
//! made, none hidden and none invented, in the order in which they returned.
//! `strace -f -e trace=network,close` shows the same ones (it calls `send`
//! `sendto`, `recv` `recvfrom` and `accept` `accept4`: the C library's
//! `send(2)` *is* the kernel's `sendto` without an address).

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::meaning::{self, Facts};
use crate::framing::{Masker, quoted};
use crate::report::{BlockedLine, CallLine, Proto, Report};

/// When a call that waits is mentioned: early enough to answer "does it
/// hang?", then ever more rarely.
const TOLD_AFTER: [Duration; 4] =
    [Duration::from_secs(3), Duration::from_secs(10), Duration::from_secs(30), Duration::from_secs(60)];

/// How often the waiting calls are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long the end of the process waits for a call that may never return.
const SETTLE_WITHIN: Duration = Duration::from_millis(100);

/// Bytes of a payload that a line shows.
const SHOWN_BYTES: usize = 32;

/// A descriptor's number: `int` on Unix, a handle on Windows.
pub type Fd = i64;

/// A socket call with its arguments; what it returned through pointers is
/// among them, as `strace` shows it.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are the arguments, named as in the manual pages")]
pub enum Call<'a> {
    /// `socket(2)`.
    Socket { v6: bool, proto: Proto },
    /// `setsockopt(2)`.
    SetOption { fd: Fd, level: &'static str, name: &'static str, value: String },
    /// `getsockopt(2)`.
    GetOption { fd: Fd, level: &'static str, name: &'static str },
    /// `bind(2)`.
    Bind { fd: Fd, addr: SocketAddr },
    /// `listen(2)`.
    Listen { fd: Fd, backlog: i32 },
    /// `accept(2)`; the peer's address once there is one.
    Accept { fd: Fd, peer: Option<SocketAddr> },
    /// `connect(2)`.
    Connect { fd: Fd, addr: SocketAddr },
    /// `getsockname(2)`.
    GetSockName { fd: Fd, addr: Option<SocketAddr> },
    /// `send(2)`; with MSG_MORE where the rest follows in another call.
    Send { fd: Fd, bytes: &'a [u8], more: bool },
    /// `sendmsg(2)` of several buffers, of these lengths.
    SendMsg { fd: Fd, lengths: Vec<usize> },
    /// `sendfile(2)` of `count` bytes of a file.
    SendFile { fd: Fd, file: Fd, offset: u64, count: usize },
    /// `recv(2)` into `room` bytes.
    Recv { fd: Fd, bytes: &'a [u8], room: usize },
    /// `sendto(2)`.
    SendTo { fd: Fd, bytes: &'a [u8], to: SocketAddr },
    /// `recvfrom(2)` into `room` bytes.
    RecvFrom { fd: Fd, bytes: &'a [u8], room: usize, from: Option<SocketAddr> },
    /// `recvmmsg(2)` of at most so many datagrams: those it got.
    RecvMmsg { fd: Fd, datagrams: Vec<(&'a [u8], SocketAddr)>, most: usize },
    /// `sendmsg(2)` of several datagrams at once, by UDP_SEGMENT.
    SendSegments { fd: Fd, segments: Vec<&'a [u8]>, to: SocketAddr },
    /// `shutdown(2)`.
    Shutdown { fd: Fd, how: &'static str },
    /// `close(2)`.
    Close { fd: Fd },
    /// `sleep(3)`: no socket call, but what a handler that sleeps does.
    Sleep { time: Duration },
}

impl Call<'_> {
    /// The call's name, as in its manual page.
    pub fn name(&self) -> &'static str {
        match self {
            Call::Socket { .. } => "socket",
            Call::SetOption { .. } => "setsockopt",
            Call::GetOption { .. } => "getsockopt",
            Call::Bind { .. } => "bind",
            Call::Listen { .. } => "listen",
            Call::Accept { .. } => "accept",
            Call::Connect { .. } => "connect",
            Call::GetSockName { .. } => "getsockname",
            Call::Send { .. } => "send",
            Call::SendMsg { .. } => "sendmsg",
            Call::SendFile { .. } => "sendfile",
            Call::Recv { .. } => "recv",
            Call::SendTo { .. } => "sendto",
            Call::RecvFrom { .. } => "recvfrom",
            Call::RecvMmsg { .. } => "recvmmsg",
            Call::SendSegments { .. } => "sendmsg",
            Call::Shutdown { .. } => "shutdown",
            Call::Close { .. } => "close",
            Call::Sleep { .. } => "sleep",
        }
    }

    /// The bytes sent or received, and how many of them the call took.
    fn payload(&self, value: Result<i64, &io::Error>) -> Option<(&[u8], usize)> {
        match self {
            Call::Send { bytes, .. } => Some((bytes, value.unwrap_or(0).max(0) as usize)),
            Call::Recv { bytes, .. } => Some((bytes, bytes.len())),
            _ => None,
        }
    }

    /// `shown` is how a payload is shown that may not be seen as it is.
    fn args(&self, masked: Option<&[u8]>) -> String {
        let shown = |bytes: &[u8]| quoted(masked.unwrap_or(bytes), SHOWN_BYTES);
        match self {
            Call::Socket { v6, proto } => {
                let family = if *v6 { "AF_INET6" } else { "AF_INET" };
                let kind = if *proto == Proto::Tcp { "SOCK_STREAM" } else { "SOCK_DGRAM" };
                format!("{family}, {kind}")
            }
            Call::SetOption { fd, level, name, value } => format!("{fd}, {level}, {name}, {value}"),
            Call::GetOption { fd, level, name } => format!("{fd}, {level}, {name}"),
            Call::Bind { fd, addr } | Call::Connect { fd, addr } => format!("{fd}, {addr}"),
            Call::Listen { fd, backlog } => format!("{fd}, {backlog}"),
            Call::Accept { fd, peer: Some(addr) } | Call::GetSockName { fd, addr: Some(addr) } => {
                format!("{fd}, {addr}")
            }
            Call::Send { fd, bytes, more: false } => format!("{fd}, {}, {}", shown(bytes), bytes.len()),
            Call::Send { fd, bytes, more: true } => format!("{fd}, {}, {}, MSG_MORE", shown(bytes), bytes.len()),
            Call::SendMsg { fd, lengths } => format!("{fd}, {lengths:?}"),
            Call::SendFile { fd, file, offset, count } => format!("{fd}, {file}, {offset}, {count}"),
            Call::Recv { fd, bytes: [], room } => format!("{fd}, {room}"),
            Call::Recv { fd, bytes, room } => format!("{fd}, {}, {room}", shown(bytes)),
            Call::SendTo { fd, bytes, to } => format!("{fd}, {}, {}, {to}", shown(bytes), bytes.len()),
            Call::RecvFrom { fd, bytes, room, from: Some(from) } => {
                format!("{fd}, {}, {room}, {from}", shown(bytes))
            }
            Call::RecvFrom { fd, room, from: None, .. } => format!("{fd}, {room}"),
            Call::RecvMmsg { fd, datagrams, most } => {
                let datagrams: Vec<_> =
                    datagrams.iter().map(|(bytes, from)| format!("{} {from}", quoted(bytes, SHOWN_BYTES))).collect();
                format!("{fd}, [{}], {most}", datagrams.join(", "))
            }
            Call::SendSegments { fd, segments, to } => {
                let length = segments.first().map_or(0, |segment| segment.len());
                let shown: Vec<_> = segments.iter().map(|segment| quoted(segment, SHOWN_BYTES)).collect();
                format!("{fd}, [{}], UDP_SEGMENT {length}, {to}", shown.join(", "))
            }
            Call::Shutdown { fd, how } => format!("{fd}, {how}"),
            Call::Accept { fd, .. } | Call::GetSockName { fd, .. } | Call::Close { fd } => format!("{fd}"),
            Call::Sleep { time } => format!("{}", time.as_secs_f64()),
        }
    }

    fn may_block(&self) -> bool {
        matches!(
            self,
            Call::Accept { .. }
                | Call::Connect { .. }
                | Call::Send { .. }
                | Call::SendMsg { .. }
                | Call::SendFile { .. }
                | Call::Recv { .. }
                | Call::SendTo { .. }
                | Call::RecvFrom { .. }
                | Call::RecvMmsg { .. }
                | Call::SendSegments { .. }
                | Call::Sleep { .. }
        )
    }
}

/// A recorder of socket calls, or none: without `--trace` it costs a test of
/// one pointer.
#[derive(Clone, Default)]
pub struct Trace(Option<Arc<Watch>>);

/// Who is told of a call.
struct Watch {
    tracer: Option<Arc<Tracer>>,
    counter: Option<Counter>,
}

/// How many calls were made, traced or not.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Tracer {
    report: Arc<dyn Report>,
    role: &'static str,
    /// Payloads may have passwords in them.
    hides_passwords: AtomicBool,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    calls: u64,
    spans: u64,
    facts: HashMap<Fd, Facts>,
    /// What hides passwords, a descriptor and direction each.
    maskers: HashMap<(Fd, &'static str), Masker>,
    waiting: HashMap<u64, Waiting>,
}

struct Waiting {
    who: String,
    call: &'static str,
    since: Instant,
    told: usize,
}

/// A call under way.
pub struct Span<'a> {
    tracer: &'a Tracer,
    id: u64,
    since: Instant,
}

impl Trace {
    /// Traces nothing.
    pub fn off() -> Trace {
        Trace::default()
    }

    /// The same, and each call is counted.
    pub fn counted(&self, counter: &Counter) -> Trace {
        let tracer = self.0.as_deref().and_then(|watch| watch.tracer.clone());
        Trace(Some(Arc::new(Watch { tracer, counter: Some(counter.clone()) })))
    }

    fn count(&self) {
        if let Some(Counter(calls)) = self.0.as_deref().and_then(|watch| watch.counter.as_ref()) {
            calls.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn tracer(&self) -> Option<&Tracer> {
        self.0.as_deref()?.tracer.as_deref()
    }

    /// Traces to `report`; calls of the main thread are `role`'s (`client`,
    /// `server`), those of other threads go by the thread's name.
    pub fn to(report: Arc<dyn Report>, role: &'static str) -> Trace {
        let hides_passwords = AtomicBool::new(false);
        let tracer = Arc::new(Tracer { report, role, hides_passwords, kept: Mutex::default() });
        let watched = Arc::downgrade(&tracer);
        // Without this thread a call that blocks would merely go unmentioned.
        let _ = thread::Builder::new().name("trace".into()).spawn(move || {
            while let Some(tracer) = watched.upgrade() {
                tracer.mention_waiting();
                drop(tracer);
                thread::sleep(LOOK_EVERY);
            }
        });
        Trace(Some(Arc::new(Watch { tracer: Some(tracer), counter: None })))
    }

    /// From now on passwords in payloads are shown as `***`.
    pub fn hide_passwords(&self) {
        if let Some(tracer) = self.tracer() {
            tracer.hides_passwords.store(true, Ordering::Release);
        }
    }

    /// Whether calls are traced.
    pub fn is_on(&self) -> bool {
        self.tracer().is_some()
    }

    /// Marks the start of a call. Give the span to [`Trace::end`].
    #[inline]
    pub fn begin(&self, call: &'static str) -> Option<Span<'_>> {
        self.0.as_ref()?; // the usual case
        self.count();
        self.tracer().map(|tracer| tracer.begin(call))
    }

    /// Marks the return of a call: numbers it and tells what it means.
    /// `value` is what the call returned.
    pub fn end<'c>(&self, span: Option<Span<'_>>, call: impl FnOnce() -> Call<'c>, value: Result<i64, &io::Error>) {
        if let Some(span) = span {
            span.tracer.end(&span, &call(), value);
        }
    }

    /// A call that does not block and whose arguments are known before.
    pub fn around<T>(
        &self,
        call: impl FnOnce() -> Call<'static>,
        run: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        self.count();
        let Some(tracer) = self.tracer() else { return run() };
        let call = call();
        let span = tracer.begin(call.name());
        let result = run();
        tracer.end(&span, &call, result.as_ref().map(|_| 0));
        result
    }

    /// Waits a moment for calls of other threads that have returned, or are
    /// about to, and are not told of yet: before the process ends.
    pub fn settle(&self) {
        let Some(tracer) = self.tracer() else { return };
        let since = Instant::now();
        while !tracer.kept().waiting.is_empty() && since.elapsed() < SETTLE_WITHIN {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Notes a call before it is made, where another thread's call may return
    /// first because of it.
    pub fn foretell(&self, call: impl FnOnce() -> Call<'static>) {
        let Some(tracer) = self.tracer() else { return };
        let call = call();
        if let Some(fd) = meaning::fd_of(&call, None) {
            tracer.kept().facts.entry(fd).or_default().learn(&call, Ok(0));
        }
    }

    /// Notes that a receive on this descriptor ends without a FIN, for we ended its wait.
    pub fn ended_wait(&self, fd: Fd) {
        if let Some(tracer) = self.tracer() {
            tracer.kept().facts.entry(fd).or_default().learn_wait_ended();
        }
    }

    /// A wait that is no socket call, such as `epoll_wait(2)`: it gets no
    /// number, and is mentioned while it lasts.
    pub fn wait<T>(&self, call: &'static str, run: impl FnOnce() -> T) -> T {
        let span = self.tracer().map(|tracer| tracer.begin(call));
        let result = run();
        if let Some(span) = span {
            span.tracer.kept().waiting.remove(&span.id);
        }
        result
    }

    /// Closes a descriptor. What was known of it is forgotten before: once
    /// closed, its number may at once be another thread's new socket.
    pub fn close(&self, fd: Fd, close: impl FnOnce() -> io::Result<()>) {
        self.count();
        let Some(tracer) = self.tracer() else {
            let _ = close(); // it is closed, whatever close(2) says of earlier writes
            return;
        };
        let facts = {
            let mut kept = tracer.kept();
            kept.maskers.retain(|(owner, _), _| *owner != fd);
            kept.facts.remove(&fd).unwrap_or_default()
        };
        let span = tracer.begin("close");
        let result = close();
        tracer.end_with(&span, &Call::Close { fd }, result.as_ref().map(|()| 0), &facts, None);
    }
}

impl Tracer {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn who(&self) -> String {
        match thread::current().name() {
            None | Some("main") => self.role.to_owned(),
            Some(name) => name.to_owned(),
        }
    }

    fn begin(&self, call: &'static str) -> Span<'_> {
        let since = Instant::now();
        let waiting = Waiting { who: self.who(), call, since, told: 0 };
        let mut kept = self.kept();
        kept.spans += 1;
        let id = kept.spans;
        kept.waiting.insert(id, waiting);
        drop(kept);
        Span { tracer: self, id, since: Instant::now() }
    }

    fn end(&self, span: &Span<'_>, call: &Call<'_>, value: Result<i64, &io::Error>) {
        let facts = {
            let mut kept = self.kept();
            match meaning::fd_of(call, value.as_ref().ok().copied()) {
                Some(fd) => {
                    let facts = kept.facts.entry(fd).or_default();
                    facts.learn(call, value.as_ref().copied().map_err(|error| error.kind()));
                    facts.clone()
                }
                None => Facts::default(),
            }
        };
        let masked = self.mask(call, value);
        self.end_with(span, call, value, &facts, masked.as_deref());
    }

    /// The payload with its passwords hidden, where there may be any.
    fn mask(&self, call: &Call<'_>, value: Result<i64, &io::Error>) -> Option<Vec<u8>> {
        if !self.hides_passwords.load(Ordering::Acquire) {
            return None;
        }
        let (bytes, taken) = call.payload(value)?;
        let mut kept = self.kept();
        let masker = kept.maskers.entry((meaning::fd_of(call, None)?, call.name())).or_default();
        let shown = masker.clone().mask(bytes);
        masker.mask(&bytes[..taken.min(bytes.len())]); // the rest will be sent again
        Some(shown)
    }

    fn end_with(
        &self,
        span: &Span<'_>,
        call: &Call<'_>,
        value: Result<i64, &io::Error>,
        facts: &Facts,
        masked: Option<&[u8]>,
    ) {
        let elapsed = span.since.elapsed();
        let errno = value.err().map(errno_name);
        let meaning = meaning::of(call, value, facts, elapsed);
        let who = self.who();
        // Numbered and written under one lock: the numbers on the screen rise.
        let mut kept = self.kept();
        kept.waiting.remove(&span.id);
        kept.calls += 1;
        self.report.call(&CallLine {
            n: kept.calls,
            who,
            call: call.name(),
            args: call.args(masked),
            result: value.unwrap_or(-1),
            errno,
            elapsed,
            may_block: call.may_block(),
            meaning,
        });
    }

    fn mention_waiting(&self) {
        let mut kept = self.kept();
        for waiting in kept.waiting.values_mut() {
            let elapsed = waiting.since.elapsed();
            if elapsed < next_mention(waiting.told) {
                continue;
            }
            waiting.told += 1;
            self.report.blocked(&BlockedLine {
                who: waiting.who.clone(),
                call: waiting.call,
                elapsed,
                meaning: meaning::of_waiting(waiting.call),
            });
        }
    }
}

/// After the table's last entry, once a minute.
fn next_mention(told: usize) -> Duration {
    match TOLD_AFTER.get(told) {
        Some(after) => *after,
        None => Duration::from_secs(60) * (told + 2 - TOLD_AFTER.len()) as u32,
    }
}

/// `ECONNREFUSED`, `WSAECONNREFUSED`.
#[cfg(unix)]
fn errno_name(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => format!("{:?}", nix::errno::Errno::from_raw(number)),
        None => format!("{:?}", error.kind()),
    }
}

#[cfg(not(unix))]
fn errno_name(error: &io::Error) -> String {
    // winsock2.h numbers its errors 10000 + the number BSD gave them.
    let name = match error.raw_os_error() {
        Some(10004) => "WSAEINTR",
        Some(10013) => "WSAEACCES",
        Some(10022) => "WSAEINVAL",
        Some(10024) => "WSAEMFILE",
        Some(10035) => "WSAEWOULDBLOCK",
        Some(10040) => "WSAEMSGSIZE",
        Some(10048) => "WSAEADDRINUSE",
        Some(10049) => "WSAEADDRNOTAVAIL",
        Some(10051) => "WSAENETUNREACH",
        Some(10053) => "WSAECONNABORTED",
        Some(10054) => "WSAECONNRESET",
        Some(10055) => "WSAENOBUFS",
        Some(10057) => "WSAENOTCONN",
        Some(10058) => "WSAESHUTDOWN",
        Some(10060) => "WSAETIMEDOUT",
        Some(10061) => "WSAECONNREFUSED",
        Some(10065) => "WSAEHOSTUNREACH",
        Some(number) => return format!("WSA{number}"),
        None => return format!("{:?}", error.kind()),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_cut_at_32_bytes_and_its_controls_are_escaped() {
        let shown = |bytes| Call::Send { fd: 3, bytes, more: false }.args(None);
        assert_eq!(shown(b"hello\n"), r#"3, "hello\n", 6"#);
        assert_eq!(shown(&[b'x'; 33]), format!("3, \"{}\"..., 33", "x".repeat(32)));
    }

    #[test]
    fn waiting_is_mentioned_at_3_10_30_60_then_each_minute() {
        let seconds: Vec<u64> = (0..6).map(|told| next_mention(told).as_secs()).collect();
        assert_eq!(seconds, [3, 10, 30, 60, 120, 180]);
    }
}
