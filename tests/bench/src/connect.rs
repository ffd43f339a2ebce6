//! Many connections, as fast as one thread can ask for them.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use nix::libc::EINPROGRESS;
use socket2::{Domain, Socket, Type};

/// No single handshake takes longer, four SYN retries included.
const GIVE_UP: Duration = Duration::from_secs(20);

/// Source addresses used: 10,000 connections then take 313 ports of each, far from
/// the 28,000 that the system hands out to one address.
const SOURCES: usize = 32;

/// How many handshakes are begun between two looks at those that are complete: often enough
/// to time each to a millisecond, seldom enough not to slow the burst.
const LOOK_EVERY: usize = 64;

pub struct Connected {
    pub streams: Vec<TcpStream>,
    /// From the first connect(2) to the last handshake.
    pub took: Duration,
    /// The slowest single handshake; a lost SYN shows as one second and more.
    pub worst: Duration,
}

/// Opens `count` connections, none waiting for another: the hardest burst for a backlog.
pub fn connect_all(server: SocketAddr, count: usize) -> Result<Connected> {
    let sockets = (0..count).map(open).collect::<Result<Vec<_>>>()?;
    let mut burst = Burst::new(count)?;
    let began = Instant::now();
    for (number, socket) in sockets.into_iter().enumerate() {
        burst.begin(socket, server)?;
        if number % LOOK_EVERY == LOOK_EVERY - 1 {
            burst.look(Some(Duration::ZERO))?;
        }
    }
    while burst.open < count {
        burst.look(Some(GIVE_UP))?;
    }
    Ok(Connected { streams: burst.streams, took: began.elapsed(), worst: burst.worst })
}

fn open(number: usize) -> Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).context("cannot open a socket")?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    // Closed by a reset: TIME_WAIT would carry one turn's connections into the next one's tables.
    socket.set_linger(Some(Duration::ZERO))?;
    let source = Ipv4Addr::new(127, 0, 1, 1 + (number % SOURCES) as u8);
    socket.bind(&SocketAddr::from((source, 0)).into()).context("cannot bind a source address")?;
    Ok(socket)
}

struct Burst {
    poll: Poll,
    events: Events,
    streams: Vec<TcpStream>,
    began: Vec<Instant>,
    open: usize,
    worst: Duration,
}

impl Burst {
    fn new(count: usize) -> Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            streams: Vec::with_capacity(count),
            began: Vec::with_capacity(count),
            open: 0,
            worst: Duration::ZERO,
        })
    }

    fn begin(&mut self, socket: Socket, server: SocketAddr) -> Result<()> {
        self.began.push(Instant::now());
        match socket.connect(&server.into()) {
            Err(error) if error.raw_os_error() != Some(EINPROGRESS) => {
                return Err(error).context("cannot connect");
            }
            _ => {}
        }
        let mut stream = TcpStream::from_std(socket.into());
        self.poll.registry().register(&mut stream, Token(self.streams.len()), Interest::WRITABLE)?;
        self.streams.push(stream);
        Ok(())
    }

    /// Books the handshakes that are complete, waiting for one at most `patience`.
    fn look(&mut self, patience: Option<Duration>) -> Result<()> {
        self.poll.poll(&mut self.events, patience)?;
        if self.events.is_empty() && patience == Some(GIVE_UP) {
            bail!("{} of {} connections did not come about", self.streams.len() - self.open, self.streams.len());
        }
        let now = Instant::now();
        for event in &self.events {
            let stream = &mut self.streams[event.token().0];
            stream.peer_addr().or_else(|error| Err(stream.take_error()?.unwrap_or(error))).context("cannot connect")?;
            self.poll.registry().deregister(stream)?;
            self.open += 1;
            self.worst = self.worst.max(now - self.began[event.token().0]);
        }
        Ok(())
    }
}
