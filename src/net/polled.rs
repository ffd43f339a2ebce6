//! TCP sockets that do not block, for one thread that serves many.

use std::io::{self, ErrorKind, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;

use mio::event::Source;
use mio::{Interest, Registry, Token};
use socket2::SockRef;

#[cfg(unix)]
use super::last_words::Registered;
use super::last_words::Speech;
use super::sendfile::FilePart;
use super::socket::{self, Socket};
use super::trace::{Call, Trace};

/// Whether a `recv` shorter than its buffer has emptied the socket, so that
/// the call which would say EAGAIN can be spared (epoll(7), "Questions and
/// answers", 9). On Windows mio wants to see that error.
pub const SHORT_READ_DRAINS: bool = cfg!(unix);

/// What a signal wakes a loop by, where no thread waits for signals: a pipe.
#[cfg(target_os = "linux")]
pub struct SignalPipe {
    _receiver: mio::unix::pipe::Receiver,
    _waiting: super::signals::Waiting,
    _sender: mio::unix::pipe::Sender,
}

#[cfg(target_os = "linux")]
impl SignalPipe {
    /// Readable as `token` once a signal came. It is read no more than once, so
    /// what is in it stays in it.
    pub fn new(registry: &Registry, token: Token) -> io::Result<SignalPipe> {
        let (sender, mut receiver) = mio::unix::pipe::new()?;
        registry.register(&mut receiver, token, Interest::READABLE)?;
        Ok(SignalPipe { _receiver: receiver, _waiting: super::signals::Waiting::on(&sender), _sender: sender })
    }
}

/// A listener that does not block.
pub struct PolledListener {
    inner: Option<mio::net::TcpListener>,
    trace: Trace,
}

/// A connection that does not block, closed on drop.
pub struct PolledStream {
    inner: Option<mio::net::TcpStream>,
    trace: Trace,
    #[cfg(unix)]
    last_words: Option<Registered>,
}

impl PolledListener {
    /// A second handle of `listener`'s socket would have a life of its own, so
    /// this takes it over.
    pub fn new(listener: Socket) -> io::Result<PolledListener> {
        let (socket, trace) = listener.into_inner();
        socket.set_nonblocking(true)?;
        let inner = mio::net::TcpListener::from_std(socket.into());
        Ok(PolledListener { inner: Some(inner), trace })
    }

    /// `accept(2)`; `WouldBlock` when no client waits.
    pub fn accept(&self) -> io::Result<(PolledStream, SocketAddr)> {
        let listener = self.inner.as_ref().ok_or(ErrorKind::NotConnected)?;
        let span = self.trace.begin("accept");
        let result = listener.accept();
        let value = result.as_ref().map(|(stream, _)| socket::fd_of(&SockRef::from(stream)));
        let call = || Call::Accept {
            fd: socket::fd_of(&SockRef::from(listener)),
            peer: result.as_ref().ok().map(|(_, peer)| *peer),
        };
        self.trace.end(span, call, value);
        let (stream, peer) = result?;
        Ok((PolledStream::new(stream, self.trace.clone()), peer))
    }
}

/// A socket of datagrams to and from one address, which does not block.
pub struct PolledDatagrams {
    inner: Option<mio::net::UdpSocket>,
    trace: Trace,
}

impl PolledDatagrams {
    /// Takes over a connected socket.
    pub fn new(socket: Arc<Socket>) -> io::Result<PolledDatagrams> {
        let (socket, trace) = alone(socket)?;
        Ok(PolledDatagrams { inner: Some(mio::net::UdpSocket::from_std(socket.into())), trace })
    }

    fn inner(&self) -> &mio::net::UdpSocket {
        self.inner.as_ref().expect("open until dropped")
    }

    /// `send(2)`: one datagram.
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.inner().try_io(|| socket::send(&SockRef::from(self.inner()), &self.trace, bytes))
    }

    /// `recv(2)`: one datagram.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner().try_io(|| socket::recv(&SockRef::from(self.inner()), &self.trace, buffer))
    }
}

impl Drop for PolledDatagrams {
    fn drop(&mut self) {
        if let Some(socket) = self.inner.take() {
            socket::close(std::net::UdpSocket::from(socket).into(), &self.trace);
        }
    }
}

/// The socket out of the hands of those who shared it; it blocks no more.
fn alone(socket: Arc<Socket>) -> io::Result<(socket2::Socket, Trace)> {
    let (socket, trace) = Arc::into_inner(socket).ok_or(ErrorKind::ResourceBusy)?.into_inner();
    socket.set_nonblocking(true)?;
    Ok((socket, trace))
}

impl PolledStream {
    /// Takes over a connected socket.
    pub fn of(socket: Arc<Socket>) -> io::Result<PolledStream> {
        let (socket, trace) = alone(socket)?;
        Ok(PolledStream::new(mio::net::TcpStream::from_std(socket.into()), trace))
    }

    fn new(stream: mio::net::TcpStream, trace: Trace) -> PolledStream {
        PolledStream {
            inner: Some(stream),
            trace,
            #[cfg(unix)]
            last_words: None,
        }
    }

    /// Should the process die of a signal, this client is told
    /// ([`last_words`](super::last_words)).
    #[cfg_attr(not(unix), allow(unused_variables, clippy::unused_self, reason = "there are no such signals"))]
    pub fn has_last_words(&mut self, speech: Speech) {
        #[cfg(unix)]
        {
            use std::os::fd::AsRawFd;
            self.last_words = Registered::new(self.inner().as_raw_fd(), speech);
        }
    }

    #[inline]
    fn inner(&self) -> &mio::net::TcpStream {
        self.inner.as_ref().expect("open until dropped")
    }

    /// `recv(2)`.
    #[inline]
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner().try_io(|| socket::recv(&SockRef::from(self.inner()), &self.trace, buffer))
    }

    /// `send(2)`.
    #[inline]
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.inner().try_io(|| socket::send(&SockRef::from(self.inner()), &self.trace, bytes))?;
        self.remember(&bytes[..sent]);
        Ok(sent)
    }

    /// `send(2)` of what is followed at once by more.
    pub fn send_more(&self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.inner().try_io(|| socket::send_more(&SockRef::from(self.inner()), &self.trace, bytes))?;
        self.remember(&bytes[..sent]);
        Ok(sent)
    }

    /// `sendmsg(2)`: several buffers in one call.
    pub fn send_parts(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.inner().try_io(|| socket::send_parts(&SockRef::from(self.inner()), &self.trace, parts))
    }

    /// `sendfile(2)`: 0 where the file has become shorter.
    pub fn send_file(&self, part: &FilePart) -> io::Result<usize> {
        let sent = self.inner().try_io(|| part.send(&SockRef::from(self.inner()), &self.trace))?;
        self.remember(&b"?"[..sent.min(1)]); // some byte of a file, which is no line's end
        Ok(sent)
    }

    /// For the last words: whether the peer is within a line.
    #[cfg_attr(not(unix), allow(unused_variables, clippy::unused_self, reason = "there are no last words"))]
    #[inline]
    fn remember(&self, sent: &[u8]) {
        #[cfg(unix)]
        if let Some(last_words) = &self.last_words {
            last_words.sent(sent);
        }
    }

    /// `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        socket::local_addr(&SockRef::from(self.inner()), &self.trace)
    }

    /// `shutdown(2)` of the sending half: FIN.
    pub fn send_fin(&self) -> io::Result<()> {
        socket::shutdown(&SockRef::from(self.inner()), &self.trace, Shutdown::Write)
    }
}

impl Drop for PolledStream {
    fn drop(&mut self) {
        #[cfg(unix)]
        drop(self.last_words.take()); // while the number is still this socket's
        if let Some(stream) = self.inner.take() {
            socket::close(std::net::TcpStream::from(stream).into(), &self.trace);
        }
    }
}

impl Drop for PolledListener {
    fn drop(&mut self) {
        if let Some(listener) = self.inner.take() {
            socket::close(std::net::TcpListener::from(listener).into(), &self.trace);
        }
    }
}

impl Source for PolledListener {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        source(&mut self.inner)?.register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        source(&mut self.inner)?.reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        source(&mut self.inner)?.deregister(registry)
    }
}

impl Source for PolledDatagrams {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        source(&mut self.inner)?.register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        source(&mut self.inner)?.reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        source(&mut self.inner)?.deregister(registry)
    }
}

impl Source for PolledStream {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        source(&mut self.inner)?.register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        source(&mut self.inner)?.reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        source(&mut self.inner)?.deregister(registry)
    }
}

fn source<T>(inner: &mut Option<T>) -> io::Result<&mut T> {
    inner.as_mut().ok_or_else(|| ErrorKind::NotConnected.into())
}
