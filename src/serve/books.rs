//! What a server counts and tells: the same under every model.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::session::Client;
use crate::error::{Attempt, Error};
use crate::net::host::Host;
use crate::report::{Event, Payload, Reason, Summary};

/// Counters and events of one server, shared by its threads.
pub struct Books {
    /// The host the server runs on.
    pub host: Host,
    local: SocketAddr,
    limit: Option<NonZeroU64>,
    tells_clients: bool,
    tells_messages: bool,
    clients: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    exhausted: AtomicBool,
    crashed: AtomicBool,
}

/// What one thread counts by itself: a counter that threads share costs each
/// message a wait for the others' caches.
#[derive(Default)]
pub struct Tally {
    /// Bytes that clients sent.
    pub bytes_in: u64,
    /// Bytes that went to clients.
    pub bytes_out: u64,
}

impl Books {
    /// Books of a server that listens on `local` and serves `limit` clients.
    /// Where it does not tell bytes, its sessions tell what was said.
    pub fn new(host: Host, local: SocketAddr, limit: Option<NonZeroU64>, tells_bytes: bool) -> Arc<Books> {
        Arc::new(Books {
            tells_clients: host.report.wants_messages(),
            tells_messages: host.report.wants_messages() && tells_bytes,
            host,
            local,
            limit,
            clients: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            exhausted: AtomicBool::new(false),
            crashed: AtomicBool::new(false),
        })
    }

    /// Numbers a new client; `None` where `--accept` have come already, for
    /// several threads may accept at once. `local` asks the system for our
    /// address on the connection: a listener bound to one address knows it.
    pub fn number(&self, peer: SocketAddr, local: impl FnOnce() -> std::io::Result<SocketAddr>) -> Option<Client> {
        let most = self.limit.map_or(u64::MAX, NonZeroU64::get);
        let next = |count: u64| (count < most).then_some(count + 1);
        let number = self.clients.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()? + 1;
        let known = !self.local.ip().is_unspecified();
        let local = if known { self.local } else { local().unwrap_or(self.local) };
        self.exhausted.store(false, Ordering::Relaxed);
        Some(Client { number, peer: canonical(peer), local: canonical(local) })
    }

    /// Whether `--accept` clients have come.
    pub fn is_full(&self) -> bool {
        self.limit.is_some_and(|limit| self.clients.load(Ordering::Relaxed) >= limit.get())
    }

    /// A client is being served, by the thread that calls this.
    pub fn accepted(&self, client: &Client) {
        if self.tells_clients {
            // Worth a word only where there are several to serve.
            let thread =
                std::thread::current().name().filter(|name| !["main", "server"].contains(name)).map(str::to_owned);
            let Client { number, peer, local } = *client;
            self.host.emit(Event::Accepted { client: number, peer, local, thread });
        }
    }

    /// Bytes came from a client.
    pub fn received(&self, client: &Client, bytes: &[u8]) {
        self.bytes_in.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.tell_received(client, bytes);
    }

    /// Bytes went to a client.
    pub fn sent(&self, client: &Client, bytes: &[u8]) {
        self.bytes_out.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.tell_sent(client, bytes);
    }

    /// The same, where the bytes are in a tally.
    #[inline]
    pub fn tell_received(&self, client: &Client, bytes: &[u8]) {
        if self.tells_messages {
            let payload = Payload(bytes.to_vec());
            self.tell(Event::Received { peer: client.peer, client: Some(client.number), payload });
        }
    }

    /// The same, where the bytes are in a tally.
    #[inline]
    pub fn tell_sent(&self, client: &Client, bytes: &[u8]) {
        if self.tells_messages && !bytes.is_empty() {
            let payload = Payload(bytes.to_vec());
            self.tell(Event::Sent { peer: client.peer, client: Some(client.number), seq: None, payload });
        }
    }

    /// Not a part of those who call it for every message: most tell nothing.
    #[cold]
    fn tell(&self, event: Event) {
        self.host.emit(event);
    }

    /// Takes over what one thread has counted by itself.
    pub fn add(&self, tally: &Tally) {
        self.bytes_in.fetch_add(tally.bytes_in, Ordering::Relaxed);
        self.bytes_out.fetch_add(tally.bytes_out, Ordering::Relaxed);
    }

    /// So many bytes of a file went to a client.
    pub fn sent_file(&self, count: usize) {
        self.bytes_out.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// A client's conversation ended.
    pub fn closed(&self, client: &Client, reason: Reason) {
        if self.tells_clients {
            self.host.emit(Event::Closed { peer: client.peer, client: Some(client.number), reason });
        }
    }

    /// One client's failure, which is never the server's end.
    pub fn client_failed(&self, client: &Client, cause: &std::io::Error) {
        let subject = format!("client {} at {}", client.number, client.peer);
        self.host.emit_error(&Error::new(Attempt::Serve, subject, cause));
    }

    /// The server's own code panicked: it stops, and all are told.
    pub fn crashed(&self) {
        self.crashed.store(true, Ordering::Release);
        self.host.stop.ask_because("an error in its code");
    }

    /// Whether it did.
    pub fn outcome(&self) -> Result<(), Error> {
        if !self.crashed.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(Error::other(Attempt::Serve, format!("on tcp {}", self.local), "its code panicked")
            .because("an error in the lab's code; every client was told, and the connections are closed")
            .next("report it, with the lines on standard error"))
    }

    /// A client was closed because it does not read.
    pub fn client_too_slow(&self, client: &Client) {
        let subject = format!("client {} at {}", client.number, client.peer);
        let unsent = super::UNSENT_LIMIT / 1024 / 1024;
        let error = Error::other(Attempt::Send, subject, format!("{unsent} MiB are unsent"))
            .because("it does not read as fast as others speak, and they are not made to wait for it")
            .next("nothing: it was closed, and may come back");
        self.host.emit_error(&error);
    }

    /// The code of a session panicked.
    pub fn client_panicked(&self, client: &Client) {
        let subject = format!("client {} at {}", client.number, client.peer);
        let error = Error::other(Attempt::Serve, subject, "its handler panicked")
            .because("an error in the lab's code; the other clients are served on")
            .next("report it, with what this client sent");
        self.host.emit_error(&error);
    }

    /// No descriptor or memory is left for a new client: told once until one
    /// can be accepted again.
    pub fn accept_failed(&self, cause: &std::io::Error) {
        if self.exhausted.swap(true, Ordering::Relaxed) {
            return;
        }
        let error = Error::new(Attempt::Accept, format!("tcp {}", self.local), cause)
            .because("most likely this process has no descriptor or memory left for another client")
            .next("wait: clients in the backlog are taken as soon as one leaves; or raise ulimit -n");
        self.host.emit_error(&error);
    }

    /// The counters.
    pub fn summary(&self) -> Summary {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        super::served(load(&self.clients), load(&self.bytes_in), load(&self.bytes_out))
    }
}

/// An IPv4 client of an IPv6 socket is `::ffff:127.0.0.1` to the system; to
/// people it is 127.0.0.1.
pub fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        ip if ip == addr.ip() => addr, // keeps an IPv6 scope
        ip => SocketAddr::new(ip, addr.port()),
    }
}
