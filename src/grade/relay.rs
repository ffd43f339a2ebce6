//! Between one client and its server: every byte passes through here, is
//! counted and kept, and can be held back. Where the system allows, the client
//! lives on a network of its own whose only way out this is: what it shows of
//! the server has come by here.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use socket2::SockAddr;

use super::network;
use super::ports;
use super::transcript::Transcript;

const TICK: Duration = Duration::from_millis(20);

/// What the kernel may take from a server ahead of its client: else a whole
/// file is gone before anything can be held back.
const WINDOW: usize = 256 << 10;

/// What is kept of each direction, to be searched.
const KEPT: usize = 2 << 20;

/// A network, to enter it again.
#[derive(Debug)]
pub struct Place(File);

impl Place {
    /// Where this thread is.
    ///
    /// # Errors
    /// `/proc` is not there.
    pub fn here() -> io::Result<Place> {
        File::open("/proc/thread-self/ns/net").map(Place)
    }

    /// A new network, made in a thread of its own.
    ///
    /// # Errors
    /// What the system forbids.
    pub fn new() -> io::Result<Place> {
        let made = thread::scope(|scope| {
            let made = scope.spawn(|| {
                network::enter_new()?;
                Place::here()
            });
            made.join()
        });
        made.unwrap_or_else(|_| Err(io::Error::other("no network")))
    }

    fn enter(&self) -> io::Result<()> {
        Ok(setns(&self.0, CloneFlags::CLONE_NEWNET)?)
    }

    /// Does something there.
    ///
    /// # Errors
    /// The network cannot be entered.
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> io::Result<T> {
        let done = thread::scope(|scope| {
            let done = scope.spawn(|| {
                self.enter()?;
                Ok(act())
            });
            done.join()
        });
        done.unwrap_or_else(|_| Err(io::Error::other("failed there")))
    }
}

#[derive(Default)]
struct Shared {
    down: Mutex<Vec<u8>>,
    up: Mutex<Vec<u8>>,
    down_total: AtomicUsize,
    /// Clients wait, connected, until they are admitted.
    detained: AtomicBool,
    held: AtomicBool,
    /// Bytes that may pass although it is held.
    allowed: AtomicUsize,
    cut: AtomicBool,
    closed: AtomicBool,
    sources: Mutex<Vec<SocketAddr>>,
}

/// The way between a client and its server.
pub struct Relay {
    shared: Arc<Shared>,
    /// The port that the client is given.
    pub port: u16,
}

/// Where a relay stands.
pub struct Way<'a> {
    /// The client's name.
    pub name: &'a str,
    /// The client's network; none where both share the host's.
    pub client: Option<Arc<Place>>,
    /// The server's network.
    pub server: Option<Arc<Place>>,
    /// The port on the client's side; 0: any.
    pub port: u16,
    /// The server.
    pub to: SocketAddr,
    /// The address from which the server is called, where it can be chosen.
    pub from: Option<IpAddr>,
}

impl Relay {
    /// Opens the way.
    ///
    /// # Errors
    /// The port is in use, a network cannot be entered.
    pub fn open(way: &Way<'_>, transcript: &Arc<Transcript>) -> io::Result<Relay> {
        let listen = || -> io::Result<Vec<TcpListener>> {
            let first = TcpListener::bind((Ipv4Addr::LOCALHOST, way.port))?;
            let port = first.local_addr()?.port();
            Ok([Ok(first), TcpListener::bind((Ipv6Addr::LOCALHOST, port))].into_iter().flatten().collect())
        };
        let listeners = match &way.client {
            Some(place) => place.inside(listen)??,
            None => listen()?,
        };
        let port = listeners.first().map_or(Ok(way.port), |first| first.local_addr().map(|addr| addr.port()))?;
        let shared: Arc<Shared> = Arc::default();
        for listener in listeners {
            socket2::SockRef::from(&listener).set_read_timeout(Some(TICK))?;
            let pump = Pump {
                shared: shared.clone(),
                name: way.name.into(),
                to: way.to,
                from: way.from,
                transcript: transcript.clone(),
            };
            let server = way.server.clone();
            thread::Builder::new().name("relay".into()).spawn(move || {
                // A socket belongs to the network it was made in: this one
                // listens there, those that are dialled are made here.
                if server.is_none_or(|server| server.enter().is_ok()) {
                    pump.accept(&listener);
                }
            })?;
        }
        Ok(Relay { shared, port })
    }

    /// Lets a client connect, and keeps its connection from the server until
    /// it is admitted.
    pub fn detain(&self) {
        self.shared.detained.store(true, Ordering::Release);
    }

    /// Lets it through to the server.
    pub fn admit(&self) {
        self.shared.detained.store(false, Ordering::Release);
    }

    /// Holds back what the server sends, from now on.
    pub fn hold(&self) {
        self.shared.held.store(true, Ordering::Release);
    }

    /// Lets it pass.
    pub fn release(&self) {
        self.shared.held.store(false, Ordering::Release);
    }

    /// Lets so many bytes of what is held back pass.
    pub fn let_through(&self, bytes: usize) {
        self.shared.allowed.fetch_add(bytes, Ordering::AcqRel);
    }

    /// RST to the server: the client has vanished.
    pub fn cut(&self) {
        self.shared.cut.store(true, Ordering::Release);
    }

    /// Whether the client has connected.
    pub fn is_used(&self) -> bool {
        !locked(&self.shared.sources).is_empty()
    }

    /// The addresses from which the server was called.
    pub fn sources(&self) -> Vec<SocketAddr> {
        locked(&self.shared.sources).clone()
    }

    /// What the server has sent to this client, and this has passed on.
    pub fn down(&self) -> Vec<u8> {
        locked(&self.shared.down).clone()
    }

    /// What the client has sent to the server.
    pub fn up(&self) -> Vec<u8> {
        locked(&self.shared.up).clone()
    }

    /// How many bytes the server has sent.
    pub fn down_total(&self) -> usize {
        self.shared.down_total.load(Ordering::Acquire)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone)]
struct Pump {
    shared: Arc<Shared>,
    name: String,
    to: SocketAddr,
    from: Option<IpAddr>,
    transcript: Arc<Transcript>,
}

impl Pump {
    fn accept(&self, listener: &TcpListener) {
        while !self.shared.closed.load(Ordering::Acquire) {
            let Ok((client, _)) = listener.accept() else { continue };
            while self.shared.detained.load(Ordering::Acquire) && !self.shared.closed.load(Ordering::Acquire) {
                thread::park_timeout(TICK / 4);
            }
            match self.dial() {
                Ok(server) => self.start(client, server),
                Err(cause) => {
                    self.transcript.word(&self.name, format!("cannot be connected to the server: {cause}"));
                    // As if nobody listened.
                    let _ = socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO));
                }
            }
        }
    }

    fn dial(&self) -> io::Result<TcpStream> {
        let socket = ports::bound_for(self.to, self.from.filter(|_| self.to.is_ipv4()))?;
        socket.set_recv_buffer_size(WINDOW)?;
        socket.connect(&SockAddr::from(self.to))?;
        Ok(socket.into())
    }

    fn start(&self, client: TcpStream, server: TcpStream) {
        if let Ok(source) = server.local_addr() {
            locked(&self.shared.sources).push(source);
            self.transcript.word(&self.name, format!("connects; the server sees {source}"));
        }
        let ends = (client.try_clone(), server.try_clone());
        let (Ok(client_2), Ok(server_2)) = ends else { return };
        let (up, down) = (self.clone(), self.clone());
        // Without its two threads a connection is closed, which a client sees.
        let _ = thread::Builder::new().name("up".into()).spawn(move || up.pump(&client, &server, true));
        let _ = thread::Builder::new().name("down".into()).spawn(move || down.pump(&server_2, &client_2, false));
    }

    fn pump(&self, from: &TcpStream, to: &TcpStream, is_up: bool) {
        let _ = from.set_read_timeout(Some(TICK));
        let _ = to.set_write_timeout(Some(Duration::from_secs(30)));
        let mut buffer = vec![0; 16 * 1024];
        while !self.shared.closed.load(Ordering::Acquire) {
            let held = !is_up && self.shared.held.load(Ordering::Acquire);
            let most = if held { self.shared.allowed.load(Ordering::Acquire).min(buffer.len()) } else { buffer.len() };
            if most == 0 && !self.shared.cut.load(Ordering::Acquire) {
                thread::park_timeout(TICK / 4);
                continue;
            }
            let read = (&*from).read(&mut buffer[..most]);
            // A client that is killed ends its connection by FIN, which must
            // not overtake the RST that was asked for.
            if self.shared.cut.load(Ordering::Acquire) {
                return reset(from, to);
            }
            match read {
                Ok(0) => {
                    self.ended(is_up, "FIN");
                    let _ = to.shutdown(Shutdown::Write);
                    return;
                }
                Ok(got) => {
                    if held {
                        self.spend(got);
                    }
                    self.seen(&buffer[..got], is_up);
                    if (&*to).write_all(&buffer[..got]).is_err() {
                        return;
                    }
                }
                Err(cause)
                    if matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {
                }
                Err(_) => {
                    self.ended(is_up, "RST");
                    return reset(from, to);
                }
            }
        }
        let _ = from.shutdown(Shutdown::Both);
    }

    fn spend(&self, bytes: usize) {
        let rest = |allowed: usize| Some(allowed.saturating_sub(bytes));
        let _ = self.shared.allowed.fetch_update(Ordering::AcqRel, Ordering::Acquire, rest);
    }

    fn seen(&self, bytes: &[u8], is_up: bool) {
        let (from, to) = if is_up { (self.name.as_str(), "server") } else { ("server", self.name.as_str()) };
        self.transcript.bytes(from, to, bytes);
        let mut kept = locked(if is_up { &self.shared.up } else { &self.shared.down });
        let room = KEPT.saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if !is_up {
            self.shared.down_total.fetch_add(bytes.len(), Ordering::AcqRel);
        }
    }

    fn ended(&self, is_up: bool, how: &str) {
        let who = if is_up { self.name.clone() } else { format!("server (to {})", self.name) };
        self.transcript.word(&who, how);
    }
}

/// RST on both sides: the other thread of this connection finds it gone.
fn reset(from: &TcpStream, to: &TcpStream) {
    for stream in [from, to] {
        let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
    }
    // shutdown makes the other thread's read return; the last close sends RST.
    let _ = from.shutdown(Shutdown::Read);
    let _ = to.shutdown(Shutdown::Read);
}
