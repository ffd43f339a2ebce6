//! Until a server is ready: seen in the kernel's tables, without a connection
//! that it would notice; and why one never is.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::causes;
use super::check::{Answer, Finding};
use super::exam::Exam;
use super::patience::{Patience, Waiting};
use super::proc::{Proto, Row, sockets};
use super::program::Program;

/// How long it may sleep before it listens.
const STARTUP: Patience = Patience { idle: Duration::from_secs(15), cpu: Duration::from_secs(20) };

/// With a socket open and idle this long, a program has started: what it has
/// not opened by now it will not.
const STARTED: Duration = Duration::from_millis(1500);

/// With some other socket and idle this long, it does not listen any more.
const STUCK: Duration = Duration::from_secs(6);

/// Between two looks at whether it holds any socket.
const LOOK_EVERY: Duration = Duration::from_millis(160);

/// A server that is ready.
pub struct Server {
    /// The program.
    pub program: Program,
    addr: Cell<SocketAddr>,
    /// Where else, if not there.
    other: Cell<Option<SocketAddr>>,
    /// The port it opened, where it is not the one asked for.
    pub elsewhere: Option<u16>,
}

impl Server {
    /// Where it can be reached.
    pub fn addr(&self) -> SocketAddr {
        self.addr.get()
    }

    /// Its other address, if it may have one: from now on it is asked there.
    pub fn turn(&self) -> Option<SocketAddr> {
        let other = self.other.take()?;
        self.addr.set(other);
        Some(other)
    }

    /// It has been reached: from now on it is asked there alone.
    pub fn stay(&self) {
        self.other.set(None);
    }
}

impl Exam<'_> {
    /// Starts the server and waits until it is ready.
    pub fn server(&self, proto: Proto) -> Result<Server, Finding> {
        self.job.troubles.known()?;
        let command = self.job.submission.server.as_deref().unwrap_or_default();
        let program =
            self.start("server", command, &[("port", self.port.to_string()), ("host", "127.0.0.1".into())], &[])?;
        self.await_server(program, proto, self.port)
    }

    /// Waits until a server is ready on `port`.
    pub fn await_server(&self, program: Program, proto: Proto, port: u16) -> Result<Server, Finding> {
        let (mut waiting, mut settled) = (Waiting::new(STARTUP), Waiting::new(STARTUP.idle(STARTED)));
        let mut elsewhere: Option<Row> = None;
        let (mut stuck, mut looked) = (Waiting::new(STARTUP.idle(STUCK)), Instant::now());
        loop {
            let open: Vec<Row> = self.open_sockets(&program, proto);
            if let Some(row) = open.iter().find(|row| row.local.port() == port) {
                return self.reached(program, *row, None);
            }
            if elsewhere != open.first().copied() {
                elsewhere = open.first().copied();
                settled = Waiting::new(STARTUP.idle(STARTED));
            }
            if let Some(row) = elsewhere
                && !settled.goes_on(&[&program])
            {
                return self.reached(program, row, Some(row.local.port()));
            }
            if looked.elapsed() > LOOK_EVERY {
                looked = Instant::now();
                if program.count_sockets() == 0 {
                    stuck = Waiting::new(STARTUP.idle(STUCK));
                }
            }
            self.job.troubles.known()?;
            if !waiting.goes_on(&[&program]) || !stuck.goes_on(&[&program]) {
                return Err(self.job.troubles.met(self.never_ready(&program, proto, port)));
            }
            self.transcript.wait(Duration::from_millis(10));
        }
    }

    /// The program's sockets on which it can be reached.
    fn open_sockets(&self, program: &Program, proto: Proto) -> Vec<Row> {
        let all = sockets().into_iter().filter(|row| row.proto == proto && row.is_open());
        if all.clone().next().is_none() {
            return vec![];
        }
        let held = program.sockets();
        all.filter(|row| held.iter().any(|own| own.inode == row.inode)).collect()
    }

    fn reached(&self, program: Program, row: Row, elsewhere: Option<u16>) -> Result<Server, Finding> {
        let ip = match row.local.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            // Java binds ::ffff:127.0.0.1 where 127.0.0.1 is meant.
            ip => ip.to_canonical(),
        };
        let addr = SocketAddr::new(ip, row.local.port());
        if !self.job.isolation.has_network() && !addr.ip().is_loopback() {
            let why =
                format!("the server listens on {}, which only a network of its own could offer safely", row.local);
            return Err(Finding::skip(why));
        }
        self.transcript.word("server", format!("is open on {} {}", row.proto.name(), row.local));
        // `::` takes IPv4 as well, unless it was told not to.
        let other = (row.local.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED))
            .then(|| SocketAddr::new(Ipv6Addr::LOCALHOST.into(), row.local.port()));
        self.job.troubles.ready();
        Ok(Server { program, addr: Cell::new(addr), other: Cell::new(other), elsewhere })
    }

    /// Why it is not there.
    fn never_ready(&self, program: &Program, proto: Proto, port: u16) -> Finding {
        let expected = format!("the server listens on {} port {port}", proto.name());
        if let Some(fate) = program.fate() {
            let said = self.last_words(program);
            return Finding::fail(expected, format!("it {fate} before it listened{said}"))
                .hint(causes::hint(&program.terminal.text()).unwrap_or(causes::DIED));
        }
        let rows = program.sockets();
        if let Some(row) = rows.iter().find(|row| row.is_open()) {
            let actual = format!("it opened {} port {} instead", row.proto.name(), row.local.port());
            return Finding::fail(expected, actual).hint(causes::OTHER_PROTOCOL);
        }
        let said = self.last_words(program);
        if program.count_sockets() > 0 {
            let hint = if proto == Proto::Udp { causes::NO_BIND } else { causes::NO_LISTEN };
            return Finding::fail(expected, format!("it holds a socket, and no port is open{said}")).hint(hint);
        }
        Finding::fail(expected, format!("it runs, and opens no socket{said}")).hint(causes::NO_SOCKET)
    }

    /// The first check of a lab also asks for the port.
    pub fn on_asked_port(&self, server: &Server) -> Answer {
        let Some(port) = server.elsewhere else { return Ok(()) };
        let asked = self.port;
        let hint = if port == asked.swap_bytes() { causes::BYTE_ORDER } else { causes::PORT_IGNORED };
        Err(Finding::fail(format!("the server opens port {asked}"), format!("it opened port {port}")).hint(hint))
    }
}
