//! The answering end: an echo server for one client, or with `--one-way` a
//! receiver that counts.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{STRAGGLERS, Samples};
use crate::compare::workload::{Cutter, Workload};
use crate::error::{Attempt, Error, Result};
use crate::net::addr::Addr;
use crate::net::host::Host;
use crate::net::kernel;
use crate::net::socket::Socket;
use crate::net::stop::Stop;
use crate::net::{tcp, udp};

/// Room for one recv.
const BUFFER_BYTES: usize = 256 * 1024;

/// How often to see whether more has come.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What the answering end saw.
#[derive(Default)]
pub struct Seen {
    /// When the first byte came.
    first_byte: Option<Instant>,
    /// With `--one-way`: messages as they came.
    arrivals: Vec<(u32, Instant)>,
    /// Reads that brought something: by UDP, datagrams.
    pub received: u64,
    /// Segments it sent again, as its kernel counts.
    pub retransmits: Option<u64>,
    /// Datagrams its kernel threw away.
    pub drops: Option<u64>,
    /// Why it ended before its end.
    pub failure: Option<Error>,
}

impl Seen {
    /// The receiver counts: its books go into the client's samples.
    pub fn fill(&self, samples: &mut Samples, started: Instant) {
        let since = |at: Instant| at.saturating_duration_since(started);
        samples.first_byte = self.first_byte.map(since);
        samples.arrivals = self.arrivals.iter().map(|(number, at)| (*number, since(*at))).collect();
    }
}

/// An answering end at work.
pub struct Peer {
    /// The port it listens on.
    pub port: u16,
    thread: JoinHandle<Seen>,
    stop: Arc<Stop>,
    count: u64,
    received: Arc<AtomicU64>,
}

impl Peer {
    /// How much has come so far.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Waits until all messages have come, or nothing does any more.
    pub fn wait_until_quiet(&self, is_idle: &dyn Fn() -> bool) {
        let (mut before, mut since) = (0, Instant::now());
        loop {
            let received = self.received();
            if received != before || !is_idle() {
                (before, since) = (received, Instant::now());
            } else if since.elapsed() > STRAGGLERS || (received >= self.count && since.elapsed() > 2 * LOOK_EVERY) {
                return;
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Ends it; what it saw.
    pub fn finish(self) -> Seen {
        self.stop.ask();
        self.thread.join().unwrap_or_default()
    }
}

/// Starts the TCP end.
pub fn tcp(host: &Host, workload: &Workload, at: &Addr) -> Result<Peer> {
    let (host, stop) = own_stop(host);
    let (listener, local) = tcp::listen(&host, at, 0, 1)?;
    let listener = Arc::new(listener);
    host.stop.wakes(&listener);
    start("tcp-server", &host, stop, workload, local.port(), move |_, workload, received| {
        let mut seen = Seen::default();
        let Ok((socket, _)) = listener.accept() else { return seen };
        let socket = Arc::new(socket);
        drop(listener);
        if let Err(cause) = serve_stream(&socket, workload, &mut seen, received) {
            seen.failure = Some(Error::new(Attempt::Serve, "the client", &cause));
        }
        seen.retransmits = kernel::tcp_info(&socket).map(|info| u64::from(info.retransmits));
        seen
    })
}

/// Starts the UDP end; `room` bytes may wait in its socket, where that is not
/// left to the system.
pub fn udp(host: &Host, workload: &Workload, at: &Addr, room: Option<usize>) -> Result<Peer> {
    let (host, stop) = own_stop(host);
    let (socket, local) = udp::listen(&host, at, Ipv4Addr::LOCALHOST.into(), 0)?;
    if let Some(room) = room {
        udp::give_room(&socket, room);
    }
    start("udp-server", &host, stop, workload, local.port(), move |host, workload, received| {
        let mut seen = Seen::default();
        serve_datagrams(host, &socket, workload, &mut seen, received);
        seen.drops = kernel::drops(&socket);
        seen
    })
}

/// A stop of its own: the answering end is over when the client has done.
fn own_stop(host: &Host) -> (Host, Arc<Stop>) {
    let stop = Arc::new(Stop::new());
    host.stop.wakes(&stop); // Ctrl-C ends it as well
    (Host { stop: Stop::clone(&stop), ..host.clone() }, stop)
}

fn start(
    name: &str,
    host: &Host,
    stop: Arc<Stop>,
    workload: &Workload,
    port: u16,
    serve: impl FnOnce(&Host, &Workload, &AtomicU64) -> Seen + Send + 'static,
) -> Result<Peer> {
    let (count, received) = (u64::from(workload.count), Arc::new(AtomicU64::new(0)));
    let (host, workload, counted) = (host.clone(), workload.clone(), received.clone());
    let thread = thread::Builder::new().name(name.into()).spawn(move || serve(&host, &workload, &counted));
    let thread = thread.map_err(|cause| Error::new(Attempt::Open, format!("a thread for the {name}"), &cause))?;
    Ok(Peer { port, thread, stop, count, received })
}

fn serve_stream(socket: &Socket, workload: &Workload, seen: &mut Seen, received: &AtomicU64) -> io::Result<()> {
    let (mut cutter, mut buffer) = (Cutter::new(workload), vec![0; BUFFER_BYTES]);
    loop {
        let got = socket.recv(&mut buffer)?;
        if got == 0 {
            return Ok(());
        }
        let now = Instant::now();
        seen.first_byte.get_or_insert(now);
        if !workload.one_way {
            socket.send_all(&buffer[..got])?;
            continue;
        }
        let numbers = cutter.take(&buffer[..got]).map_err(super::tcp::changed)?;
        received.fetch_add(numbers.len() as u64, Ordering::Relaxed);
        seen.arrivals.extend(numbers.into_iter().map(|number| (number, now)));
    }
}

fn serve_datagrams(host: &Host, socket: &Socket, workload: &Workload, seen: &mut Seen, received: &AtomicU64) {
    let mut buffer = vec![0; udp::MAX_DATAGRAM_ROOM];
    while !host.stop.is_asked() {
        let Ok((got, from)) = socket.recv_from(&mut buffer) else { continue };
        let now = Instant::now();
        if host.stop.is_asked() && got == 0 {
            return;
        }
        seen.first_byte.get_or_insert(now);
        seen.received += 1;
        if !workload.one_way {
            let _ = socket.send_to(&buffer[..got], from); // what is lost is counted
            continue;
        }
        seen.arrivals.extend(workload.number(&buffer[..got]).map(|number| (number, now)));
        received.fetch_add(1, Ordering::Relaxed);
    }
}
