//! The other end of a student's program: sockets of the grader's own, each
//! byte of which stands in the transcript with its time.
//!
//! Nothing here blocks a check: threads read, checks look at what has come.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockAddr;

use super::ports;
use super::transcript::Transcript;

/// How long one blocking call lasts at most: then its thread looks whether it
/// is still wanted.
const TICK: Duration = Duration::from_millis(20);

/// How long a connection to this host may take. A full backlog makes the
/// kernel try again after 1 s and 3 s.
const CONNECT: Duration = Duration::from_secs(10);

/// How the other side ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// FIN: it sends no more.
    Fin,
    /// RST: gone at once.
    Reset,
}

#[derive(Default)]
struct Inbox {
    bytes: Vec<u8>,
    end: Option<End>,
}

struct Shared {
    inbox: Mutex<Inbox>,
    paused: AtomicBool,
    closed: AtomicBool,
    /// How much had come when [`Stream::moved`] was asked last.
    asked: AtomicUsize,
}

/// One end of a TCP connection.
pub struct Stream {
    name: String,
    peer: String,
    stream: TcpStream,
    shared: Arc<Shared>,
    transcript: Arc<Transcript>,
}

/// How to connect.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dial {
    /// From which address.
    pub from: Option<IpAddr>,
    /// Without reading, until [`Stream::resume`].
    pub paused: bool,
}

impl Stream {
    /// Connects to a server. `name` is this end's in the transcript.
    pub fn dial(name: &str, peer: &str, to: SocketAddr, how: Dial, transcript: &Arc<Transcript>) -> io::Result<Stream> {
        let socket = ports::bound_for(to, how.from)?;
        let dialled = socket.connect_timeout(&SockAddr::from(to), CONNECT);
        if let Err(cause) = dialled {
            transcript.word(name, format!("cannot connect to {to}: {cause}"));
            return Err(cause);
        }
        let stream = TcpStream::from(socket);
        transcript.word(name, format!("connected to {to} from {}", stream.local_addr()?));
        Stream::over(stream, name, peer, how.paused, transcript)
    }

    /// An end of a connection that is there.
    pub fn over(
        stream: TcpStream,
        name: &str,
        peer: &str,
        paused: bool,
        transcript: &Arc<Transcript>,
    ) -> io::Result<Stream> {
        let inbox = Mutex::new(Inbox::default());
        let shared = Arc::new(Shared {
            inbox,
            paused: AtomicBool::new(paused),
            closed: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
        });
        stream.set_read_timeout(Some(TICK))?;
        stream.set_write_timeout(Some(TICK))?;
        stream.set_nodelay(true)?; // each send a segment: checks split on purpose
        let made = Stream { name: name.into(), peer: peer.into(), stream, shared, transcript: transcript.clone() };
        let reader = made.reader()?;
        thread::Builder::new().name("peer".into()).spawn(reader)?;
        Ok(made)
    }

    fn reader(&self) -> io::Result<impl FnOnce() + Send + 'static> {
        let (mut stream, shared) = (self.stream.try_clone()?, self.shared.clone());
        let (name, peer, transcript) = (self.name.clone(), self.peer.clone(), self.transcript.clone());
        Ok(move || {
            let mut buffer = vec![0; 64 * 1024];
            while !shared.closed.load(Ordering::Acquire) {
                if shared.paused.load(Ordering::Acquire) {
                    thread::park_timeout(Duration::from_millis(5));
                    continue;
                }
                let end = match stream.read(&mut buffer) {
                    Ok(0) => End::Fin,
                    Ok(got) => {
                        locked(&shared.inbox).bytes.extend_from_slice(&buffer[..got]);
                        transcript.bytes(&peer, &name, &buffer[..got]);
                        continue;
                    }
                    Err(cause) if is_patience(&cause) => continue,
                    Err(_) => End::Reset,
                };
                locked(&shared.inbox).end = Some(end);
                let word = if end == End::Fin { "FIN: sends no more" } else { "RST: the connection is gone" };
                return transcript.word(&peer, format!("{word} (to {name})"));
            }
        })
    }

    /// Sends it all. False where the other side takes no more, or `give_up`
    /// says that it will not.
    pub fn send_while(&self, bytes: &[u8], mut go_on: impl FnMut() -> bool) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            match (&self.stream).write(rest) {
                Ok(sent) => {
                    self.transcript.bytes(&self.name, &self.peer, &rest[..sent]);
                    rest = &rest[sent..];
                }
                Err(cause) if is_patience(&cause) => {
                    if !go_on() {
                        return false;
                    }
                }
                Err(_) => return false,
            }
        }
        true
    }

    /// Sends a few bytes: they fit into the kernel's buffers.
    pub fn send(&self, bytes: &[u8]) -> bool {
        let mut ticks = 50;
        self.send_while(bytes, || {
            ticks -= 1;
            ticks > 0
        })
    }

    /// FIN: this end sends no more, and goes on reading.
    pub fn finish(&self) {
        self.transcript.word(&self.name, "FIN: sends no more");
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// RST: gone at once, as a program that is killed with data unread.
    pub fn reset(self) {
        self.transcript.word(&self.name, "RST: vanishes");
        // Linger of zero seconds: close sends RST.
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        self.shared.closed.store(true, Ordering::Release);
        // The reader holds the socket too, and RST is sent with the last
        // close.
        while Arc::strong_count(&self.shared) > 1 {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Reads no more for now: what comes fills the buffers.
    pub fn pause(&self) {
        self.shared.paused.store(true, Ordering::Release);
    }

    /// Whether anything has come since the last time this was asked.
    pub fn moved(&self) -> bool {
        let count = self.count();
        self.shared.asked.swap(count, Ordering::AcqRel) != count
    }

    /// Reads from now on.
    pub fn resume(&self) {
        self.shared.paused.store(false, Ordering::Release);
    }

    /// What has come so far.
    pub fn received(&self) -> Vec<u8> {
        locked(&self.shared.inbox).bytes.clone()
    }

    /// How much has come so far.
    pub fn count(&self) -> usize {
        locked(&self.shared.inbox).bytes.len()
    }

    /// How it ended, if it did.
    pub fn end(&self) -> Option<End> {
        locked(&self.shared.inbox).end
    }

    /// Forgets what has come so far, and gives it.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut locked(&self.shared.inbox).bytes)
    }

    /// This end's address.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Its name in the transcript.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if !self.shared.closed.swap(true, Ordering::AcqRel) {
            self.transcript.word(&self.name, "closes");
            let _ = self.stream.shutdown(Shutdown::Both);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_patience(cause: &io::Error) -> bool {
    matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// A server of the grader's own, for a student's client: on 127.0.0.1 and
/// on ::1, since `localhost` may be either.
pub struct Listener {
    accepted: Arc<Mutex<Vec<TcpStream>>>,
    closed: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Listener {
    /// Listens, and takes each connection as it comes.
    pub fn open(port: u16, transcript: &Arc<Transcript>) -> io::Result<Listener> {
        let (accepted, closed) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let mut opened = Listener { accepted, closed, threads: Vec::new() };
        opened.listen(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port), transcript)?;
        // Some systems have no IPv6: then nobody can ask for it.
        let _ = opened.listen(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port), transcript);
        transcript.word("grader", format!("listens on tcp port {port}"));
        Ok(opened)
    }

    fn listen(&mut self, addr: SocketAddr, transcript: &Arc<Transcript>) -> io::Result<()> {
        let listener = TcpListener::bind(addr)?;
        let (into, over, transcript) = (self.accepted.clone(), self.closed.clone(), transcript.clone());
        socket2::SockRef::from(&listener).set_read_timeout(Some(TICK))?;
        let thread = thread::Builder::new().name("listener".into()).spawn(move || {
            while !over.load(Ordering::Acquire) {
                if let Ok((stream, from)) = listener.accept() {
                    locked(&into).push(stream);
                    transcript.word("grader", format!("accepted a connection from {from}"));
                }
            }
        })?;
        self.threads.push(thread);
        Ok(())
    }

    /// The next connection, if one has come.
    pub fn accepted(&self) -> Option<TcpStream> {
        let mut accepted = locked(&self.accepted);
        (!accepted.is_empty()).then(|| accepted.remove(0))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        // The port is free when this returns.
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

/// A datagram that came.
#[derive(Clone, Debug)]
pub struct Datagram {
    /// Its payload.
    pub bytes: Vec<u8>,
    /// Its sender.
    pub from: SocketAddr,
}

/// A UDP socket of the grader's, never connected: so it sees from which
/// address an answer really comes.
pub struct Datagrams {
    reader: Option<JoinHandle<()>>,
    name: String,
    socket: UdpSocket,
    came: Arc<Mutex<Vec<Datagram>>>,
    closed: Arc<AtomicBool>,
    transcript: Arc<Transcript>,
}

impl Datagrams {
    /// A socket on this address.
    pub fn open(name: &str, on: SocketAddr, transcript: &Arc<Transcript>) -> io::Result<Datagrams> {
        let open = || UdpSocket::bind(on);
        let socket = if on.port() == 0 { ports::open_telling(open, UdpSocket::local_addr) } else { open() };
        Datagrams::over(socket?, name, transcript)
    }

    /// A socket that is there.
    pub fn over(socket: UdpSocket, name: &str, transcript: &Arc<Transcript>) -> io::Result<Datagrams> {
        socket.set_read_timeout(Some(TICK))?;
        let (came, closed) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (from, into, over) = (socket.try_clone()?, came.clone(), closed.clone());
        let (to, log) = (name.to_owned(), transcript.clone());
        let reader = thread::Builder::new().name("datagrams".into()).spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while !over.load(Ordering::Acquire) {
                // An error is an ICMP message about an earlier datagram.
                if let Ok((got, sender)) = from.recv_from(&mut buffer) {
                    locked(&into).push(Datagram { bytes: buffer[..got].to_vec(), from: sender });
                    log.bytes(&sender.to_string(), &to, &buffer[..got]);
                }
            }
        })?;
        Ok(Datagrams { reader: Some(reader), name: name.into(), socket, came, closed, transcript: transcript.clone() })
    }

    /// Sends one.
    pub fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        let sent = self.socket.send_to(bytes, to);
        match &sent {
            Ok(_) => self.transcript.bytes(&self.name, &to.to_string(), bytes),
            Err(cause) => self.transcript.word(&self.name, format!("cannot send to {to}: {cause}")),
        }
        sent.map(|_| ())
    }

    /// All that have come so far.
    pub fn came(&self) -> Vec<Datagram> {
        locked(&self.came).clone()
    }

    /// This socket's address.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The socket, to set what only some checks need.
    pub fn socket(&self) -> &UdpSocket {
        &self.socket
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        // The port is free when this returns.
        let _ = self.reader.take().map(JoinHandle::join);
    }
}
