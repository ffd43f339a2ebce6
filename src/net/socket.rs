//! One socket, every call on it traced.
//!
//! Sockets are opened call by call: `socket`, `setsockopt`, `bind`, `listen`.
//! A library's `TcpListener::bind` would make four calls in one, setting
//! SO_REUSEADDR and a backlog of its own unseen.

use std::io::{self, ErrorKind, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Type};

use super::calls::{self, Origin};
use super::host::Host;
use super::readiness::{self, Readiness};
use super::stop::{Interrupt, Stop};
use super::trace::{Call, Fd, Trace};
use crate::error::no_thread;
use crate::report::Proto;

/// Where a blocked call cannot be woken from another thread, it looks up this
/// often to see whether it should stop.
const LOOK_UP_EVERY: Duration = Duration::from_millis(250);

/// Whether `shutdown(2)` wakes whatever blocks on a socket, be it a listener, a
/// datagram socket or a connect under way. Linux does.
const SHUTDOWN_WAKES: bool = cfg!(target_os = "linux");

/// A blocking socket, closed on drop.
pub struct Socket {
    inner: Option<socket2::Socket>,
    proto: Proto,
    listens: bool,
    connected: AtomicBool,
    pub(super) trace: Trace,
    stop: Stop,
    /// SO_RCVTIMEO as it is set, in microseconds; 0 for none.
    wait: AtomicU64,
    /// Whether waits are over, where `shutdown(2)` does not end them: those to
    /// receive, and those to send as well.
    over: [AtomicBool; 2],
}

/// The descriptor's number, for the trace.
pub(super) fn fd_of(socket: &socket2::Socket) -> Fd {
    #[cfg(unix)]
    return std::os::fd::AsRawFd::as_raw_fd(socket).into();
    #[cfg(windows)]
    return std::os::windows::io::AsRawSocket::as_raw_socket(socket) as Fd;
}

/// `send(2)`: the system takes as many bytes as it has room for.
pub(super) fn send(socket: &socket2::Socket, trace: &Trace, bytes: &[u8]) -> io::Result<usize> {
    retry(|| send_once(socket, trace, bytes))
}

fn send_once(socket: &socket2::Socket, trace: &Trace, bytes: &[u8]) -> io::Result<usize> {
    let Some(span) = trace.begin("send") else { return calls::send(socket, bytes) };
    let result = calls::send(socket, bytes);
    trace.end(Some(span), || Call::Send { fd: fd_of(socket), bytes, more: false }, count(&result));
    result
}

/// The same where more follows at once, which a segment may wait for (MSG_MORE).
#[cfg(target_os = "linux")]
pub(super) fn send_more(socket: &socket2::Socket, trace: &Trace, bytes: &[u8]) -> io::Result<usize> {
    retry(|| {
        let span = trace.begin("send");
        let result = socket.send_with_flags(bytes, libc::MSG_MORE);
        trace.end(span, || Call::Send { fd: fd_of(socket), bytes, more: true }, count(&result));
        result
    })
}

/// Elsewhere there is no such flag.
#[cfg(not(target_os = "linux"))]
pub(super) use send as send_more;

/// `sendmsg(2)`: several buffers in one call.
pub(super) fn send_parts(socket: &socket2::Socket, trace: &Trace, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    retry(|| {
        let span = trace.begin("sendmsg");
        let result = socket.send_vectored(parts);
        let call = || Call::SendMsg { fd: fd_of(socket), lengths: parts.iter().map(|part| part.len()).collect() };
        trace.end(span, call, count(&result));
        result
    })
}

/// `recv(2)`: what has arrived, at most a buffer full. 0 is the peer's FIN.
pub(super) fn recv(socket: &socket2::Socket, trace: &Trace, buffer: &mut [u8]) -> io::Result<usize> {
    retry(|| recv_by(|buffer| calls::recv(socket, buffer), socket, trace, buffer))
}

fn recv_by(
    call: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    socket: &socket2::Socket,
    trace: &Trace,
    buffer: &mut [u8],
) -> io::Result<usize> {
    let Some(span) = trace.begin("recv") else { return call(buffer) };
    let result = call(buffer);
    let got = *result.as_ref().unwrap_or(&0);
    let fd = fd_of(socket);
    trace.end(Some(span), || Call::Recv { fd, bytes: &buffer[..got], room: buffer.len() }, count(&result));
    result
}

/// `getsockname(2)`.
pub(super) fn local_addr(socket: &socket2::Socket, trace: &Trace) -> io::Result<SocketAddr> {
    let span = trace.begin("getsockname");
    let result = socket.local_addr().map(|addr| addr.as_socket());
    let addr = result.as_ref().ok().copied().flatten();
    let value = result.as_ref().map(|_| 0);
    trace.end(span, || Call::GetSockName { fd: fd_of(socket), addr }, value);
    result?.ok_or_else(|| ErrorKind::AddrNotAvailable.into())
}

/// `shutdown(2)`.
pub(super) fn shutdown(socket: &socket2::Socket, trace: &Trace, how: Shutdown) -> io::Result<()> {
    let name = match how {
        Shutdown::Read => "SHUT_RD",
        Shutdown::Write => "SHUT_WR",
        Shutdown::Both => "SHUT_RDWR",
    };
    let fd = fd_of(socket);
    trace.foretell(|| Call::Shutdown { fd, how: name });
    trace.around(|| Call::Shutdown { fd, how: name }, || socket.shutdown(how))
}

/// `close(2)`.
pub(super) fn close(socket: socket2::Socket, trace: &Trace) {
    trace.close(fd_of(&socket), || {
        #[cfg(unix)]
        return nix::unistd::close(socket).map_err(io::Error::from);
        #[cfg(not(unix))]
        {
            drop(socket);
            Ok(())
        }
    });
}

pub(super) fn count(result: &io::Result<usize>) -> Result<i64, &io::Error> {
    result.as_ref().map(|count| *count as i64)
}

impl Socket {
    /// `socket(2)` for addresses of `addr`'s family.
    pub fn open(host: &Host, proto: Proto, addr: &SocketAddr) -> io::Result<Socket> {
        let (kind, protocol) = match proto {
            Proto::Tcp => (Type::STREAM, Protocol::TCP),
            Proto::Udp => (Type::DGRAM, Protocol::UDP),
        };
        let span = host.trace.begin("socket");
        let result = socket2::Socket::new(Domain::for_address(*addr), kind, Some(protocol));
        let call = || Call::Socket { v6: addr.is_ipv6(), proto };
        host.trace.end(span, call, result.as_ref().map(fd_of));
        Ok(Socket::of(result?, proto, host.trace.clone(), host.stop.clone()))
    }

    fn of(inner: socket2::Socket, proto: Proto, trace: Trace, stop: Stop) -> Socket {
        let (connected, wait, over) = (AtomicBool::new(false), AtomicU64::new(0), Default::default());
        Socket { inner: Some(inner), proto, listens: false, connected, trace, stop, wait, over }
    }

    /// The socket itself, for options that have no method here.
    pub fn inner(&self) -> &socket2::Socket {
        self.inner.as_ref().expect("open until dropped")
    }

    fn fd(&self) -> Fd {
        fd_of(self.inner())
    }

    /// `setsockopt(2)`: `level`, `name` and `value` are what the trace shows,
    /// `set` sets it.
    pub fn set_option(
        &self,
        level: &'static str,
        name: &'static str,
        value: impl ToString,
        set: impl FnOnce(&socket2::Socket) -> io::Result<()>,
    ) -> io::Result<()> {
        let fd = self.fd();
        let call = || Call::SetOption { fd, level, name, value: value.to_string() };
        self.trace.around(call, || set(self.inner()))
    }

    /// `getsockopt(2)`: `level` and `name` are what the trace shows, `get` fills
    /// at most `room` bytes and says how many.
    #[cfg(target_os = "linux")]
    pub(super) fn get_option(
        &self,
        level: &'static str,
        name: &'static str,
        room: usize,
        get: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<Vec<u8>> {
        let (fd, mut bytes) = (self.fd(), vec![0; room]);
        let got = self.trace.around(|| Call::GetOption { fd, level, name }, || get(&mut bytes))?;
        bytes.truncate(got);
        Ok(bytes)
    }

    /// `bind(2)`.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        let fd = self.fd();
        self.trace.around(|| Call::Bind { fd, addr }, || self.inner().bind(&addr.into()))
    }

    /// `listen(2)`.
    pub fn listen(&mut self, backlog: i32) -> io::Result<()> {
        let fd = self.fd();
        self.trace.around(|| Call::Listen { fd, backlog }, || self.inner().listen(backlog))?;
        self.listens = true;
        Ok(())
    }

    /// `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        local_addr(self.inner(), &self.trace)
    }

    /// `accept(2)`: waits for a client. A new socket for it, and its address.
    pub fn accept(&self) -> io::Result<(Socket, SocketAddr)> {
        let span = self.trace.begin("accept");
        let result = self.inner().accept();
        let peer = result.as_ref().ok().and_then(|(_, peer)| peer.as_socket());
        let value = result.as_ref().map(|(socket, _)| fd_of(socket));
        self.trace.end(span, || Call::Accept { fd: self.fd(), peer }, value);
        let (socket, _) = result?;
        let peer = peer.ok_or(ErrorKind::AddrNotAvailable)?;
        let socket = Socket::of(socket, Proto::Tcp, self.trace.clone(), self.stop.clone());
        socket.connected.store(true, Ordering::Relaxed);
        Ok((socket, peer))
    }

    /// `connect(2)`. On a datagram socket it sends nothing and cannot wait.
    pub fn connect(&self, addr: SocketAddr) -> io::Result<()> {
        // A signal ends the call, not the attempt: the system goes on with it,
        // and the next call waits for it or finds it done.
        retry(|| self.connect_once(addr))
            .or_else(|error| if is_connected_already(&error) { Ok(()) } else { Err(error) })
    }

    fn connect_once(&self, addr: SocketAddr) -> io::Result<()> {
        let span = self.trace.begin("connect");
        let result = self.inner().connect(&addr.into());
        let fd = self.fd();
        self.trace.end(span, || Call::Connect { fd, addr }, result.as_ref().map(|()| 0));
        result
    }

    /// `connect(2)` that gives up after `timeout`: when it was called, and when
    /// it returned.
    ///
    /// The call itself knows no timeout: Linux would go on for two minutes.
    /// Another thread ends the wait by `shutdown(2)`. (The usual way, a socket
    /// that does not block and `poll(2)`, would hide from the trace what a
    /// student comes to see: connect's own answer.)
    pub fn connect_within(&self, addr: SocketAddr, timeout: Duration) -> io::Result<[Instant; 2]> {
        if !SHUTDOWN_WAKES {
            let connected = timed(|| self.connect_polled(addr, timeout));
            return connected.inspect(|_| self.connected.store(true, Ordering::Relaxed));
        }
        let started = Instant::now();
        let result = thread::scope(|scope| {
            let (done, waiting) = channel::<()>();
            let watch = move || {
                if waiting.recv_timeout(timeout) == Err(RecvTimeoutError::Timeout) {
                    let _ = self.shutdown(Shutdown::Both); // it may have connected just now
                }
            };
            let watch = thread::Builder::new().name("timeout".into()).spawn_scoped(scope, watch);
            let result = watch.map_err(no_thread).and_then(|_| timed(|| self.connect(addr)));
            drop(done);
            result
        });
        match result {
            Err(_) if self.stop.is_asked() => Err(ErrorKind::Interrupted.into()),
            Err(_) if started.elapsed() >= timeout => Err(ErrorKind::TimedOut.into()),
            result => result.inspect(|_| self.connected.store(true, Ordering::Relaxed)),
        }
    }

    fn connect_polled(&self, addr: SocketAddr, timeout: Duration) -> io::Result<()> {
        let span = self.trace.begin("connect");
        let result = self.inner().connect_timeout(&addr.into(), timeout);
        // The peer has closed at once, and the connection no error: it was made.
        let result = result.or_else(|error| if is_hang_up(&error) { Ok(()) } else { Err(error) });
        let fd = self.fd();
        self.trace.end(span, || Call::Connect { fd, addr }, result.as_ref().map(|()| 0));
        result
    }

    /// SO_RCVTIMEO: the longest that `recv` and `recv_from` wait, `None` for
    /// ever. Makes no call where it is so already.
    pub fn wait_at_most(&self, time: Option<Duration>) -> io::Result<()> {
        // The system reads a zero as "for ever".
        let micros = time.map_or(0, |time| (time.as_micros() as u64).max(1));
        if self.wait.swap(micros, Ordering::Relaxed) == micros {
            return Ok(());
        }
        let time = (micros > 0).then(|| Duration::from_micros(micros));
        let value = time.map_or("0".to_owned(), |time| humantime::format_duration(round(time)).to_string());
        self.set_option("SOL_SOCKET", "SO_RCVTIMEO", value, |socket| socket.set_read_timeout(time))
    }

    /// `send(2)`, once.
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        // Windows alone has nothing that would end a send that waits for room.
        if cfg!(windows) && self.proto == Proto::Tcp && !self.await_room()? {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        send(self.inner(), &self.trace, bytes)
    }

    /// `send(2)` until all bytes are taken: one call may take fewer.
    pub fn send_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            bytes = &bytes[self.send(bytes)?..];
        }
        Ok(())
    }

    /// `recv(2)`. 0 on a stream is the peer's FIN.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        // A wait that was ended is an end, as FIN is.
        let patient = |buffer: &mut [u8]| {
            let received = self.patiently(|| calls::recv(self.inner(), buffer))?;
            Ok(received.unwrap_or_else(|| {
                self.trace.ended_wait(self.fd());
                0
            }))
        };
        retry(|| recv_by(patient, self.inner(), &self.trace, buffer))
    }

    /// `sendto(2)`: one datagram.
    pub fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        retry(|| self.send_to_once(bytes, to))
    }

    fn send_to_once(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        let span = self.trace.begin("sendto");
        let result = calls::send_to(self.inner(), bytes, to);
        let fd = self.fd();
        self.trace.end(span, || Call::SendTo { fd, bytes, to }, count(&result));
        result
    }

    /// `sendto(2)`: one datagram, back to where another came from.
    pub fn answer(&self, bytes: &[u8], to: &Origin) -> io::Result<usize> {
        retry(|| self.answer_once(bytes, to))
    }

    fn answer_once(&self, bytes: &[u8], to: &Origin) -> io::Result<usize> {
        let span = self.trace.begin("sendto");
        let result = calls::answer(self.inner(), bytes, to);
        if let Some(to) = span.as_ref().and_then(|_| to.addr()) {
            self.trace.end(span, || Call::SendTo { fd: self.fd(), bytes, to }, count(&result));
        }
        result
    }

    /// `recvfrom(2)`: one datagram and its sender. What does not fit into
    /// `buffer` is lost, so give 64 KiB, more than a datagram can have.
    pub fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut origin = Origin::none();
        let got = self.receive(buffer, &mut origin)?;
        // No sender's address: the wait was ended by shutdown(2).
        origin.addr().map(|from| (got, from)).ok_or_else(|| ErrorKind::ConnectionAborted.into())
    }

    /// The same, its sender as the system writes it.
    pub fn receive(&self, buffer: &mut [u8], origin: &mut Origin) -> io::Result<usize> {
        retry(|| self.receive_once(buffer, origin))
    }

    fn receive_once(&self, buffer: &mut [u8], origin: &mut Origin) -> io::Result<usize> {
        let Some(span) = self.trace.begin("recvfrom") else { return self.receive_untraced(buffer, origin) };
        let result = self.receive_untraced(buffer, origin);
        let got = *result.as_ref().unwrap_or(&0);
        let (fd, room, from) = (self.fd(), buffer.len(), origin.addr());
        self.trace.end(Some(span), || Call::RecvFrom { fd, bytes: &buffer[..got], room, from }, count(&result));
        result
    }

    fn receive_untraced(&self, buffer: &mut [u8], origin: &mut Origin) -> io::Result<usize> {
        let received = self.patiently(|| calls::recv_from(self.inner(), buffer, origin))?;
        // A wait that was ended brings no datagram, and so no sender.
        Ok(received.unwrap_or_else(|| {
            *origin = Origin::none();
            self.trace.ended_wait(self.fd());
            0
        }))
    }

    /// Makes a call that waits. Where nobody could end its wait it waits in
    /// slices, and looks up between. `None`: the wait was ended.
    fn patiently<T>(&self, mut receive: impl FnMut() -> io::Result<T>) -> io::Result<Option<T>> {
        if SHUTDOWN_WAKES {
            return receive().map(Some);
        }
        let wait = self.wait.load(Ordering::Relaxed);
        let deadline = (wait > 0).then(|| Instant::now() + Duration::from_micros(wait));
        loop {
            let left = deadline.map_or(LOOK_UP_EVERY, |at| at.saturating_duration_since(Instant::now()));
            if let Some(received) = self.within(left.min(LOOK_UP_EVERY), &mut receive)? {
                return Ok(Some(received));
            }
            if self.is_over(Readiness::ToReceive) {
                return Ok(None);
            }
            if left.is_zero() {
                return Err(readiness::timed_out());
            }
        }
    }

    /// One slice of a wait; `None` where nothing came in it. A datagram socket
    /// may have news that make no call ready: that an earlier one was refused.
    fn within<T>(&self, slice: Duration, receive: &mut impl FnMut() -> io::Result<T>) -> io::Result<Option<T>> {
        if self.proto == Proto::Tcp {
            let is_ready = readiness::is_ready(self.inner(), Readiness::ToReceive, slice)?;
            return if is_ready { receive().map(Some) } else { Ok(None) };
        }
        self.inner().set_read_timeout(Some(slice.max(Duration::from_millis(1))))?;
        match receive() {
            Err(error) if is_timeout(&error) => Ok(None),
            result => result.map(Some),
        }
    }

    /// Waits until there is room to send. `false`: the wait was ended.
    fn await_room(&self) -> io::Result<bool> {
        loop {
            if readiness::is_ready(self.inner(), Readiness::ToSend, LOOK_UP_EVERY)? {
                return Ok(true);
            }
            if self.is_over(Readiness::ToSend) {
                return Ok(false);
            }
        }
    }

    fn is_over(&self, what: Readiness) -> bool {
        self.over[what as usize].load(Ordering::Acquire)
    }

    fn end_waits(&self, what: &[Readiness]) {
        for what in what {
            self.over[*what as usize].store(true, Ordering::Release);
        }
    }

    /// `shutdown(2)`. It ends what waits on that half in other threads, also
    /// where the call itself wakes nobody.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let ended: &[Readiness] = match how {
            Shutdown::Read => &[Readiness::ToReceive],
            Shutdown::Write => &[Readiness::ToSend],
            Shutdown::Both => &[Readiness::ToReceive, Readiness::ToSend],
        };
        self.end_waits(ended);
        shutdown(self.inner(), &self.trace, how)
    }

    /// The socket without its blocking calls, for the events model.
    pub(super) fn into_inner(mut self) -> (socket2::Socket, Trace) {
        let inner = self.inner.take().expect("open until dropped");
        (inner, self.trace.clone())
    }

    /// A thread that was woken from accept to stop wakes the next that waits there: where a
    /// connection of our own does it, it wakes one alone.
    pub fn wake_next(&self) {
        if !SHUTDOWN_WAKES {
            self.wake_by_connecting();
        }
    }

    /// Connects to our own listener, which wakes one accept that waits there.
    fn wake_by_connecting(&self) {
        let Ok(mut addr) = self.local_addr() else { return };
        if addr.ip().is_unspecified() {
            addr.set_ip(if addr.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
        }
        let _ = std::net::TcpStream::connect_timeout(&addr, LOOK_UP_EVERY);
    }
}

/// When a call was made, and when it returned.
fn timed(call: impl FnOnce() -> io::Result<()>) -> io::Result<[Instant; 2]> {
    let called = Instant::now();
    call()?;
    Ok([called, Instant::now()])
}

/// A signal may end a call before anything came: then it is made again.
pub(super) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// EISCONN, which has no kind of its own.
fn is_connected_already(error: &io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error() == Some(libc::EISCONN);
    #[cfg(not(unix))]
    {
        let _ = error; // no call is ended by a signal there
        false
    }
}

/// Whether socket2 was told of POLLHUP by `poll(2)`, and of no error by SO_ERROR.
fn is_hang_up(error: &io::Error) -> bool {
    error.kind() == ErrorKind::Other && error.raw_os_error().is_none()
}

/// Whether SO_RCVTIMEO ran out: Unix calls it EAGAIN, Windows a timeout.
pub fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// To the microsecond below a millisecond, else to the millisecond.
fn round(time: Duration) -> Duration {
    if time < Duration::from_millis(1) { time } else { Duration::from_millis(time.as_millis() as u64) }
}

impl Interrupt for Socket {
    fn interrupt(&self) {
        self.end_waits(&[Readiness::ToReceive]);
        match (self.proto, self.listens) {
            (Proto::Tcp, true) if !SHUTDOWN_WAKES => self.wake_by_connecting(),
            (Proto::Udp, _) if !SHUTDOWN_WAKES => {} // looks up by itself
            // A connect under way is ended by both halves alone.
            (Proto::Tcp, false) if !self.connected.load(Ordering::Relaxed) => drop(self.shutdown(Shutdown::Both)),
            // What has come is still read: there a receive would fail after it.
            (Proto::Tcp, false) if cfg!(windows) => {}
            // Only the reading half: what is still to be said can be sent.
            _ => drop(self.shutdown(Shutdown::Read)),
        }
    }

    /// A send that waits for a peer who does not read is over as well.
    fn force(&self) {
        self.end_waits(&[Readiness::ToReceive, Readiness::ToSend]);
        if self.proto == Proto::Tcp && !self.listens {
            let _ = self.shutdown(Shutdown::Both); // it may be closed by now
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take() {
            close(inner, &self.trace);
        }
    }
}
