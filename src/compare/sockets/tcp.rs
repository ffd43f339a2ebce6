//! The client's side by TCP.

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::pace::pace;
use super::{Origin, Probe, SYN_OPTIONS, Samples, TCP_HEADERS, TIMESTAMPS};
use crate::compare::workload::Cutter;
use crate::error::{Attempt, Error, Result};
use crate::net::addr::Addr;
use crate::net::kernel::{self, TcpInfo};
use crate::net::socket::{Socket, is_timeout};
use crate::net::tcp::{self, Connection};

/// How often the congestion window is looked at: some times in every round
/// trip worth an emulated link.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Room for one recv.
const BUFFER_BYTES: usize = 256 * 1024;

/// When a connection is given up.
pub struct Patience<'a> {
    /// How long it may take to be there.
    pub connect: Duration,
    /// How long nothing may come then.
    pub silence: Duration,
    /// Counts what has come at the other end, so that a long way is not taken
    /// for silence.
    pub moved: &'a dyn Fn() -> u64,
}

/// Connects, sends all, and takes what comes. With the samples comes when
/// their time begins.
pub fn ask(probe: Probe<'_>, server: &Addr, patience: &Patience<'_>) -> (Samples, Instant) {
    let mut asker = Asker { probe, samples: Samples::default() };
    let asked = asker.run(server, patience);
    let Asker { probe, mut samples } = asker;
    samples.failure = asked.err();
    samples.calls = samples.calls.map(|instruments| probe.calls.calls() - instruments);
    (samples, probe.started)
}

type Talked = std::result::Result<(), (Attempt, io::Error)>;

struct Asker<'a> {
    probe: Probe<'a>,
    samples: Samples,
}

impl Asker<'_> {
    fn run(&mut self, server: &Addr, patience: &Patience<'_>) -> Result<()> {
        let connected = tcp::connect(&self.probe.host, server, 0, None, patience.connect);
        self.samples.calls = Some(0); // none of them an instrument's, yet
        let Connection { socket, peer, handshake: [called, returned], .. } = connected?;
        self.probe.started = called;
        self.samples.setup = Some(self.probe.since(returned));
        let subject = format!("tcp {peer}");
        let talked =
            self.watched_talk(&socket, patience).map_err(|(attempt, cause)| Error::new(attempt, &subject, &cause));
        self.ask_the_kernel(&socket);
        talked
    }

    /// With a thread beside it that watches the congestion window, if that was
    /// asked for.
    fn watched_talk(&mut self, socket: &Socket, patience: &Patience<'_>) -> Talked {
        if !self.probe.progress.watches_window {
            return self.talk(socket, patience);
        }
        let started = self.probe.started;
        thread::scope(|scope| {
            let (talking, ended) = channel();
            let watcher = thread::Builder::new().name("watcher".into());
            let watcher = watcher.spawn_scoped(scope, move || windows(socket, started, &ended));
            let talked = self.talk(socket, patience);
            drop(talking);
            // Without this thread the page merely has no window.
            self.samples.windows = watcher.ok().and_then(|watcher| watcher.join().ok()).unwrap_or_default();
            talked
        })
    }

    fn talk(&mut self, socket: &Socket, patience: &Patience<'_>) -> Talked {
        let send = |cause| (Attempt::Send, cause);
        let receive = |cause| (Attempt::Receive, cause);
        // Else a small message would wait for the ACK of the one before
        // (Nagle, RFC 896), which UDP's never do.
        socket.set_option("IPPROTO_TCP", "TCP_NODELAY", 1, |socket| socket.set_tcp_nodelay(true)).map_err(send)?;
        socket.wait_at_most(Some(patience.silence)).map_err(receive)?;
        if self.probe.workload.one_way {
            self.send_all(socket).map_err(send)?;
        } else if self.probe.workload.interval.is_zero() {
            self.take_turns(socket).map_err(receive)?;
        } else {
            self.send_and_receive(socket).map_err(receive)?;
        }
        // FIN; then what is still to come, until the server's own.
        socket.shutdown(Shutdown::Write).map_err(send)?;
        take_rest(socket, patience.moved).map_err(receive)
    }

    fn send_all(&mut self, socket: &Socket) -> io::Result<()> {
        let Asker { probe, samples } = self;
        let mut message = probe.workload.message(1);
        pace(probe.workload, &probe.host.stop, |number| {
            probe.workload.renumber(&mut message, number);
            samples.sent.push(probe.now());
            probe.progress.tell("tcp", number);
            socket.send_all(&message)
        })
    }

    /// Each message after the reply to the one before.
    fn take_turns(&mut self, socket: &Socket) -> io::Result<()> {
        let Asker { probe, samples } = self;
        let (mut cutter, mut buffer) = (Cutter::new(probe.workload), vec![0; BUFFER_BYTES]);
        for number in 1..=probe.workload.count {
            let message = probe.workload.message(number);
            samples.sent.push(probe.now());
            socket.send_all(&message)?;
            while samples.arrivals.len() < number as usize {
                take(probe, samples, socket, &mut cutter, &mut buffer)?;
            }
            probe.progress.tell("tcp", number);
            if probe.host.stop.is_asked() {
                break;
            }
        }
        Ok(())
    }

    /// A thread sends when it is time; this one receives.
    fn send_and_receive(&mut self, socket: &Socket) -> io::Result<()> {
        let Asker { probe, samples } = self;
        let (mut cutter, mut buffer) = (Cutter::new(probe.workload), vec![0; BUFFER_BYTES]);
        thread::scope(|scope| {
            let probe = &*probe;
            let sender = thread::Builder::new().name("sender".into()).spawn_scoped(scope, move || {
                let mut sent = Vec::new();
                let result = pace(probe.workload, &probe.host.stop, |number| {
                    let message = probe.workload.message(number);
                    sent.push(probe.now());
                    socket.send_all(&message)
                });
                (sent, result)
            })?;
            let mut received = Ok(());
            while received.is_ok() && !cutter.is_done() && !probe.host.stop.is_asked() {
                received = take(probe, samples, socket, &mut cutter, &mut buffer);
                probe.progress.tell("tcp", samples.arrivals.len() as u32);
            }
            if received.is_err() {
                let _ = socket.shutdown(Shutdown::Both); // else the sender might wait for ever
            }
            let (sent, result) = sender.join().unwrap_or((Vec::new(), Ok(())));
            samples.sent = sent;
            received.and(result)
        })
    }

    fn ask_the_kernel(&mut self, socket: &Socket) {
        let before = self.probe.calls.calls();
        if let Some(info) = kernel::tcp_info(socket) {
            let (packets, wire_bytes) = on_the_wire(&info);
            self.samples.packets = Some((packets, Origin::Kernel));
            self.samples.wire_bytes = Some((wire_bytes, Origin::Kernel));
            self.samples.retransmits = Some((u64::from(info.retransmits), Origin::Kernel));
            self.samples.kernel = Some(info);
        }
        self.samples.drops = kernel::drops(socket).map(|drops| (drops, Origin::Kernel));
        self.samples.calls = Some(self.probe.calls.calls() - before);
    }
}

/// The congestion window whenever it has changed, until the other end of
/// `ended` is dropped.
fn windows(socket: &Socket, started: Instant, ended: &Receiver<()>) -> Vec<(Duration, u64)> {
    let mut windows: Vec<(Duration, u64)> = Vec::new();
    while let Some(window) = kernel::window(socket) {
        if windows.last().is_none_or(|(_, before)| *before != window) {
            windows.push((started.elapsed(), window));
        }
        if ended.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout) {
            break;
        }
    }
    windows
}

/// One recv, and what it made whole.
fn take(
    probe: &Probe<'_>,
    samples: &mut Samples,
    socket: &Socket,
    cutter: &mut Cutter<'_>,
    buffer: &mut [u8],
) -> io::Result<()> {
    let got = socket.recv(buffer)?;
    let now = probe.since(Instant::now());
    if got == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    samples.first_byte.get_or_insert(now);
    let numbers = cutter.take(&buffer[..got]).map_err(changed)?;
    samples.arrivals.extend(numbers.into_iter().map(|number| (number, now)));
    Ok(())
}

/// Reads up to the other end's FIN.
fn take_rest(socket: &Socket, moved: &dyn Fn() -> u64) -> io::Result<()> {
    let mut before = moved();
    loop {
        match socket.recv(&mut [0; 512]) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if is_timeout(&error) && moved() != before => before = moved(),
            Err(error) => return Err(error),
        }
    }
}

/// The peer is no echo server, or something on the way changed a byte.
pub fn changed(number: u32) -> io::Error {
    io::Error::other(format!("message {number} came back with other bytes"))
}

/// Packets and bytes, from the kernel's segments: data and headers.
fn on_the_wire(info: &TcpInfo) -> (u64, u64) {
    let packets = u64::from(info.segments_out) + u64::from(info.segments_in);
    let headers = TCP_HEADERS + if info.timestamps { TIMESTAMPS } else { 0 };
    // The kernel counts the peer's FIN, which has a place in the sequence, as
    // a byte received.
    let data = info.bytes_out + info.bytes_in.saturating_sub(1);
    (packets, data + packets * headers + 2 * SYN_OPTIONS)
}
