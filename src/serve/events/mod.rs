//! One thread a core, each waiting for all its clients at once
//! (`epoll_wait(2)`, kqueue, IOCP by the crate mio). A client costs a few
//! hundred bytes instead of a thread, so one process holds ten thousands.
//!
//! The price: nothing may block. A `recv` that would wait says EAGAIN; a
//! `send` that finds the buffer full takes a part, and the rest waits until
//! the socket is writable; a pause is a timer. What `blocking` keeps in its
//! place in the code, a [`Connection`] here keeps in fields.
//!
//! The first loop accepts. It keeps its clients while one core is enough for
//! them all; a loop that is overloaded moves some to the one that has fewest
//! ([`load`]).

mod connection;
mod delivery;
mod hello;
mod inbox;
mod load;
mod pending;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::event::Event;
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;

use self::connection::{Connection, Wire};
use self::delivery::Mail;
use self::inbox::{Inbox, LOAD_IS_KNOWN, deal, lock};
use self::load::Meter;
use super::blocking::reason_of;
use super::books::{Books, Tally};
use super::session::{End, Outbox, Reception, Session, Then};
use super::{EXHAUSTED_PAUSE, GRACE, LINGER, LINGER_AT_STOP, is_over_soon};
use crate::net::last_words::{self, Speech};
#[cfg(target_os = "linux")]
use crate::net::polled::SignalPipe;
use crate::net::polled::{PolledListener, SHORT_READ_DRAINS};
use crate::net::socket::Socket;
use crate::net::tls::{Channel, ServerTls};
use crate::net::trace::Trace;
use crate::report::Reason;

/// Room for one recv, shared by all clients of a loop: as long as a message
/// may be.
const BUFFER_BYTES: usize = 64 * 1024;

/// Clients accepted before the others get their turn.
const ACCEPTS_PER_TURN: usize = 256;

const LISTENER: Token = Token(usize::MAX);
const INBOX: Token = Token(usize::MAX - 1);
#[cfg(target_os = "linux")]
const SIGNALS: Token = Token(usize::MAX - 2);

/// A server that has all it needs of the system, and has accepted nobody yet.
pub struct Loops<R: Reception> {
    first: Loop<R>,
    #[cfg(target_os = "linux")]
    _signals: Option<SignalPipe>,
}

impl<R: Reception> Loops<R> {
    /// # Errors
    /// No descriptor or memory for epoll.
    pub fn new(books: Arc<Books>, listener: Socket, reception: R, tls: Option<ServerTls>) -> io::Result<Loops<R>> {
        let cores = if R::CLIENTS_MEET { 1 } else { thread::available_parallelism().map_or(1, usize::from) };
        let reception = Arc::new(reception);
        let mut loops = Vec::new();
        for _ in 0..cores {
            loops.push(Loop::new(books.clone(), reception.clone(), tls.clone())?);
        }
        let inboxes: Vec<_> = loops.iter().map(|one| one.inbox.clone()).collect();
        for one in &mut loops {
            one.inboxes = inboxes.clone();
        }
        let mut first = loops.remove(0);
        first.others = Others::Waiting(loops);
        #[cfg(target_os = "linux")]
        let _signals = match first.books.host.stop.looks_itself() {
            true => Some(SignalPipe::new(first.poll.registry(), SIGNALS)?),
            false => None,
        };
        first.accept_from(PolledListener::new(listener)?)?;
        Ok(Loops {
            first,
            #[cfg(target_os = "linux")]
            _signals,
        })
    }

    /// Serves until told to stop.
    pub fn serve(mut self) {
        self.first.begin_deliveries();
        if !LOAD_IS_KNOWN {
            self.first.others.start();
        }
        if R::CLIENTS_MEET {
            // Without the handlers, who dies of a signal dies without a word.
            let _ = last_words::arm();
        }
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.first.run())) {
            last_words::say("an error in its code");
            resume_unwind(panic);
        }
        self.first.others.join();
    }
}

/// The loops beside the first, and their threads: none is started before it
/// has something to do. In a process of one thread each call on a socket costs
/// a little less, since nobody else can close the descriptor meanwhile.
enum Others<R: Reception> {
    Waiting(Vec<Loop<R>>),
    Running(Vec<thread::JoinHandle<()>>),
}

impl<R: Reception> Others<R> {
    fn start(&mut self) {
        if let Others::Waiting(loops) = self {
            let loops = std::mem::take(loops);
            *self = Others::Running((2..).zip(loops).filter_map(|(number, other)| spawn(number, other).ok()).collect());
        }
    }

    fn join(self) {
        if let Others::Running(threads) = self {
            for thread in threads {
                let _ = thread.join(); // a loop does not panic: sessions' panics are caught
            }
        }
    }
}

fn spawn<R: Reception>(number: usize, mut other: Loop<R>) -> io::Result<thread::JoinHandle<()>> {
    let inbox = other.inbox.clone();
    let builder = thread::Builder::new().name(format!("loop-{number}"));
    // Where no thread is to be had, nobody hands clients to this loop.
    builder.spawn(move || other.run()).inspect_err(|_| lock(&inbox.arrivals).gone = true)
}

struct Accepting {
    listener: PolledListener,
    /// No descriptor was left: when to try again.
    again_at: Option<Instant>,
}

struct Loop<R: Reception> {
    books: Arc<Books>,
    reception: Arc<R>,
    tls: Option<ServerTls>,
    poll: Poll,
    inbox: Arc<Inbox<R::Session>>,
    /// All loops' inboxes, this one's included.
    inboxes: Vec<Arc<Inbox<R::Session>>>,
    /// What the first loop starts when it has too much to do.
    others: Others<R>,
    meter: Meter,
    accepting: Option<Accepting>,
    connections: Slab<Connection<R::Session>>,
    timers: BinaryHeap<Reverse<(Instant, usize)>>,
    /// Connections that had more to give than one turn takes.
    again: Vec<usize>,
    buffer: Vec<u8>,
    out: Outbox,
    stopped_at: Option<Instant>,
    mail: Mail,
    tally: Tally,
}

impl<R: Reception> Loop<R> {
    fn new(books: Arc<Books>, reception: Arc<R>, tls: Option<ServerTls>) -> io::Result<Loop<R>> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), INBOX)?;
        let inbox = Inbox::new(waker);
        books.host.stop.wakes(&inbox);
        Ok(Loop {
            books,
            reception,
            tls,
            poll,
            inbox,
            inboxes: Vec::new(),
            others: Others::Waiting(Vec::new()),
            meter: Meter::new(),
            accepting: None,
            connections: Slab::new(),
            timers: BinaryHeap::new(),
            again: Vec::new(),
            buffer: vec![0; BUFFER_BYTES],
            out: Outbox::new(),
            stopped_at: None,
            mail: Mail::default(),
            tally: Tally::default(),
        })
    }

    fn accept_from(&mut self, mut listener: PolledListener) -> io::Result<()> {
        self.poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        self.accepting = Some(Accepting { listener, again_at: None });
        Ok(())
    }

    /// Waits, and gives each socket that has something its turn.
    fn run(&mut self) {
        let mut events = Events::with_capacity(1024);
        while !self.is_done() {
            let timeout = self.timeout();
            // Worth a word in a trace only where there is something to wait for.
            let trace = if self.is_idle() { Trace::off() } else { self.books.host.trace.clone() };
            match trace.wait("poll", || self.poll.poll(&mut events, timeout)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => break,
                _ => {}
            }
            for event in &events {
                self.take_event(event);
                self.deliver_much();
            }
            self.take_leftovers();
            self.take_timers();
            self.deliver();
            self.heed_stop();
            if self.inboxes.len() > 1 && self.meter.is_overloaded() {
                self.give_away();
            }
        }
        // Whoever is left did not read what it was told within the grace.
        for key in self.keys() {
            self.remove(key, Reason::ServerStop);
        }
        self.books.add(&self.tally);
    }

    fn keys(&self) -> Vec<usize> {
        self.connections.iter().map(|(key, _)| key).collect()
    }

    fn is_idle(&self) -> bool {
        self.accepting.is_none() && self.connections.is_empty()
    }

    fn is_done(&self) -> bool {
        if self.stopped_at.is_some_and(|at| at.elapsed() > GRACE) {
            return true;
        }
        if !self.inbox.closed.load(Ordering::Acquire) || !self.connections.is_empty() {
            return false;
        }
        let mut arrivals = lock(&self.inbox.arrivals);
        arrivals.gone = arrivals.connections.is_empty();
        arrivals.gone
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.again.is_empty() || self.mail.has_more {
            return Some(Duration::ZERO);
        }
        let timer = self.timers.peek().map(|Reverse((at, _))| *at);
        let retry = self.accepting.as_ref().and_then(|accepting| accepting.again_at);
        let grace = self.stopped_at.map(|at| at + GRACE);
        let next = [timer, retry, grace, self.mail.next].into_iter().flatten().min()?;
        // Rounded up: epoll_wait counts in milliseconds, and would return a
        // moment before the deadline again and again.
        Some(next.saturating_duration_since(Instant::now()) + Duration::from_millis(1))
    }

    fn take_event(&mut self, event: &Event) {
        match event.token() {
            LISTENER => self.accept(),
            INBOX => self.take_in(),
            Token(key) => {
                let Some(connection) = self.connections.get_mut(key) else { return };
                connection.readable |= event.is_readable();
                connection.broken |= event.is_error();
                connection.hung_up |= event.is_read_closed() || event.is_error();
                self.turn(key);
            }
        }
    }

    fn take_leftovers(&mut self) {
        for key in std::mem::take(&mut self.again) {
            if key == LISTENER.0 {
                self.accept();
            } else if self.connections.contains(key) {
                self.turn(key);
                self.deliver_much();
            }
        }
    }

    fn accept(&mut self) {
        let Some(accepting) = &mut self.accepting else { return };
        accepting.again_at = None;
        for _ in 0..ACCEPTS_PER_TURN {
            if self.books.is_full() {
                return self.close_listener();
            }
            match accepting.listener.accept() {
                Ok((mut stream, peer)) => {
                    if R::CLIENTS_MEET {
                        stream.has_last_words(if self.tls.is_some() { Speech::Tls } else { Speech::Plain });
                    }
                    let Some(client) = self.books.number(peer, || stream.local_addr()) else { continue };
                    match catch_unwind(AssertUnwindSafe(|| self.reception.receive(&client))) {
                        Ok(session) => match wire(self.tls.as_ref()) {
                            Ok(wire) => deal(Connection::new(stream, wire, client, session), &self.inboxes),
                            Err(error) => self.books.client_failed(&client, &error),
                        },
                        Err(_) => self.books.client_panicked(&client),
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return self.take_in(),
                // ECONNABORTED: the client gave up while it waited.
                Err(error) if is_over_soon(&error) => {}
                Err(error) => {
                    self.books.accept_failed(&error);
                    // The edge that told of the waiting client will not come again.
                    accepting.again_at = Some(Instant::now() + EXHAUSTED_PAUSE);
                    return self.take_in();
                }
            }
        }
        self.again.push(LISTENER.0);
        self.take_in();
    }

    /// No more clients: the loops end with the last one they have.
    fn close_listener(&mut self) {
        if self.accepting.take().is_some() {
            for inbox in &self.inboxes {
                inbox.closed.store(true, Ordering::Release);
                inbox.wake();
            }
        }
        self.take_in();
    }

    /// Takes the clients out of the inbox; opens the sessions of new ones.
    fn take_in(&mut self) {
        let arrived = std::mem::take(&mut lock(&self.inbox.arrivals).connections);
        for mut connection in arrived {
            let entry = self.connections.vacant_entry();
            let key = entry.key();
            // Both interests, once and for all: an edge costs nothing until
            // it comes, changing interests costs a system call.
            let both = Interest::READABLE | Interest::WRITABLE;
            if let Err(error) = self.poll.registry().register(&mut connection.stream, Token(key), both) {
                self.books.client_failed(&connection.client, &error);
                self.inbox.load.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let is_new = !std::mem::replace(&mut connection.opened, true);
            if is_new {
                self.books.accepted(&connection.client);
            }
            if R::CLIENTS_MEET {
                self.mail.keys.insert(connection.client.number, key);
            }
            entry.insert(connection);
            if is_new {
                self.call(key, |session, _, out| session.opened(out));
                self.expect_hello(key);
            }
            self.turn(key);
        }
    }

    /// Moves clients to the loop that has fewest, half of what it has less.
    fn give_away(&mut self) {
        self.others.start();
        let Some(least) = self.inboxes.iter().min_by_key(|inbox| inbox.load()).cloned() else { return };
        let surplus = self.connections.len().saturating_sub(least.load()) / 2;
        for key in self.keys().into_iter().take(surplus) {
            let mut connection = self.connections.remove(key);
            self.inbox.load.fetch_sub(1, Ordering::Relaxed);
            let _ = self.poll.registry().deregister(&mut connection.stream);
            connection.armed = None;
            // Where that loop has ended, ours has not.
            let _ = least.put(connection).and_then(|connection| self.inbox.put(connection));
        }
        least.wake();
    }

    /// Sends, receives and closes as far as this connection can without
    /// waiting; receives once, so that a flood holds up nobody.
    fn turn(&mut self, key: usize) {
        // Nothing can be sent before TLS is agreed on, and that takes receiving.
        if (self.flush(key) || self.connections[key].wire.is_handshaking()) && self.may_receive(key) {
            self.receive(key);
        }
        self.settle(key);
    }

    fn may_receive(&self, key: usize) -> bool {
        let connection = &self.connections[key];
        // TLS is agreed on also to say why nobody is let in.
        let listens = connection.closing.is_none() || connection.lingers || connection.wire.is_handshaking();
        // Who is gone is gone, also while its next line waits.
        connection.readable && (!connection.paused || connection.broken) && listens
    }

    fn receive(&mut self, key: usize) {
        let Loop { connections, buffer, books, tally, .. } = self;
        let connection = &mut connections[key];
        let was_shaking_hands = connection.wire.is_handshaking();
        match connection.wire.recv(&connection.stream, buffer) {
            Ok(0) => self.end(key),
            Ok(got) => {
                let is_short = got < buffer.len() && connection.wire.is_plain();
                let drained = is_short && SHORT_READ_DRAINS && !connection.hung_up;
                connection.readable = !drained;
                tally.bytes_in += got as u64;
                books.tell_received(&connection.client, &buffer[..got]);
                if !connection.lingers {
                    self.call(key, |session, buffer, out| session.received(&buffer[..got], out));
                }
                if !drained {
                    self.again.push(key);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                connection.readable = false;
                // The handshake was all that came: what waited for it can go.
                if was_shaking_hands && !connection.wire.is_handshaking() {
                    self.again.push(key);
                }
            }
            // TLS has had its turn, and there is more.
            Err(error) if error.kind() == ErrorKind::Interrupted => self.again.push(key),
            Err(_) if connection.wire.is_not_tls() => self.refuse_plain_text(key),
            // FIN without TLS's own goodbye: many programs end so.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => self.end(key),
            Err(error) => self.fail(key, &error),
        }
    }

    /// recv returned 0: the peer will send no more, but may be listening.
    fn end(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        (connection.fin_received, connection.readable) = (true, false);
        if connection.closing.is_none() {
            self.call(key, |session, _, out| session.ended(End::Fin, out));
        }
    }

    fn fail(&mut self, key: usize, error: &io::Error) {
        let reason = reason_of(error);
        if reason == Reason::Error {
            self.books.client_failed(&self.connections[key].client, error);
        }
        let _ = self.connections[key].session.ended(End::Reset, &mut self.out);
        self.out.clear();
        self.remove(key, reason);
    }

    /// Calls the session, and does what it wants next.
    fn call(&mut self, key: usize, call: impl FnOnce(&mut R::Session, &[u8], &mut Outbox) -> Then) {
        let Loop { connections, buffer, out, books, .. } = self;
        let connection = &mut connections[key];
        let session = &mut connection.session;
        let then = catch_unwind(AssertUnwindSafe(|| call(session, buffer, out))).unwrap_or_else(|_| {
            books.client_panicked(&connection.client);
            out.clear();
            Then::Close(Reason::Error)
        });
        connection.deadline = None;
        match then {
            Then::Continue => connection.deadline = connection.session.patience().map(|time| Instant::now() + time),
            Then::Pause(time) => {
                connection.paused = true;
                connection.deadline = Some(Instant::now() + time);
            }
            Then::Wait => connection.paused = true,
            Then::Close(reason) => connection.closing = Some(reason),
        }
        self.send(key);
    }

    /// Sends the outbox, or puts it behind what is pending.
    fn send(&mut self, key: usize) {
        let Loop { connections, out, books, tally, .. } = self;
        let connection = &mut connections[key];
        if out.bytes().is_empty() {
            return;
        }
        let mut sent = 0;
        if connection.pending.is_empty() {
            match connection.wire.send(&connection.stream, out.bytes()) {
                Ok(count) => {
                    sent = count;
                    tally.bytes_out += sent as u64;
                    books.tell_sent(&connection.client, &out.bytes()[..sent]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => {
                    out.clear();
                    return connection.break_off(&error);
                }
            }
        }
        if sent < out.bytes().len() {
            connection.pending.push(Bytes::copy_from_slice(&out.bytes()[sent..]));
        }
        out.clear();
    }

    /// Sends what is pending. Says whether nothing is left.
    fn flush(&mut self, key: usize) -> bool {
        let Loop { connections, books, mail, .. } = self;
        let connection = &mut connections[key];
        if connection.is_all_sent() && !connection.tells_when_sent {
            return true; // the usual case
        }
        while !connection.is_all_sent() {
            match connection.send_next(&mut mail.scratch, books) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) => {
                    connection.break_off(&error);
                    return false;
                }
            }
        }
        if std::mem::take(&mut connection.tells_when_sent) && connection.closing.is_none() {
            self.call(key, |session, _, out| session.all_sent(out));
            return self.connections[key].is_all_sent();
        }
        true
    }

    /// After a turn: closes what is done, and sets the timer.
    fn settle(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.just_goes_on() {
            return; // the usual case
        }
        if let Some(reason) = connection.is_over() {
            if !connection.wire.is_plain() {
                let _ = connection.wire.send_fin(&connection.stream); // TLS has a goodbye of its own
            }
            return self.remove(key, reason);
        }
        if connection.closing.is_some() && !connection.lingers && !connection.paused && connection.is_all_sent() {
            // FIN, and then wait for the peer's, as in `blocking`.
            if let Err(error) = connection.wire.send_fin(&connection.stream) {
                return self.fail(key, &error);
            }
            connection.lingers = true;
            let linger = if self.stopped_at.is_some() { LINGER_AT_STOP } else { LINGER };
            connection.deadline = Some(Instant::now() + linger);
            if connection.readable {
                self.again.push(key);
            }
        }
        self.arm(key);
    }

    fn arm(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        if let Some(deadline) = connection.deadline
            && connection.armed.is_none_or(|armed| deadline < armed)
        {
            connection.armed = Some(deadline);
            self.timers.push(Reverse((deadline, key)));
        }
    }

    fn take_timers(&mut self) {
        if self.timers.is_empty() && self.accepting.as_ref().is_none_or(|accepting| accepting.again_at.is_none()) {
            return; // the usual case: no clock is read
        }
        let now = Instant::now();
        if self.accepting.as_ref().is_some_and(|accepting| accepting.again_at.is_some_and(|at| at <= now)) {
            self.accept();
        }
        while let Some(Reverse((at, key))) = self.timers.peek().copied()
            && at <= now
        {
            self.timers.pop();
            self.take_timer(key, at, now);
        }
    }

    fn take_timer(&mut self, key: usize, at: Instant, now: Instant) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.armed != Some(at) {
            return; // a timer of an earlier deadline, or of an earlier client
        }
        connection.armed = None;
        match connection.deadline {
            Some(deadline) if deadline <= now => self.time_out(key),
            _ => self.arm(key), // it was put off meanwhile
        }
    }

    fn time_out(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        connection.deadline = None;
        if connection.lingers {
            let reason = match connection.closing {
                Some(reason) if reason != Reason::Fin => reason,
                _ => Reason::Timeout,
            };
            return self.remove(key, reason);
        }
        if connection.wire.is_handshaking() {
            return self.refuse_silent(key);
        }
        if let Some(reason) = connection.closing.filter(|_| connection.must_read_by) {
            return self.remove(key, reason); // it has not even read why
        }
        if std::mem::take(&mut connection.paused) {
            self.call(key, |session, _, out| session.resumed(out));
        } else {
            self.call(key, |session, _, out| session.quiet(out));
        }
        self.turn(key);
    }

    /// At a stop: no new clients, and each present one's session may say a
    /// last word.
    fn heed_stop(&mut self) {
        self.books.host.stop.heed_signals();
        if self.stopped_at.is_some() || !self.books.host.stop.is_asked() {
            return;
        }
        self.stopped_at = Some(Instant::now());
        self.close_listener();
        for key in self.keys() {
            self.say_last_word(key);
            self.turn(key);
        }
    }

    fn say_last_word(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        if connection.lingers {
            connection.deadline = connection.deadline.min(Some(Instant::now() + LINGER_AT_STOP));
        }
        if connection.closing.is_none() {
            self.call(key, |session, _, out| session.ended(End::ServerStop, out));
            let connection = &mut self.connections[key];
            connection.paused = false;
            connection.closing.get_or_insert(Reason::ServerStop);
        }
    }

    fn remove(&mut self, key: usize, reason: Reason) {
        let connection = self.connections.remove(key);
        let client = connection.client;
        self.mail.keys.remove(&client.number);
        drop(connection); // close(2), before the client counts as gone
        self.inbox.load.fetch_sub(1, Ordering::Relaxed);
        self.books.closed(&client, reason);
    }
}

fn wire(tls: Option<&ServerTls>) -> io::Result<Wire> {
    tls.map_or(Ok(Wire::Plain), |tls| Channel::new(tls).map(Wire::Tls))
}
