//! A conversation on a blocking socket: what `iterative`, `threads` and `pool`
//! have in common.

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::books::Books;
use super::session::{Client, End, Outbox, Reception, Session, Then};
use super::{EXHAUSTED_PAUSE, GRACE, LINGER, is_over_soon};
use crate::net::host::Host;
use crate::net::socket::{Socket, is_timeout};
use crate::net::stop::Interrupt;
use crate::net::trace::Call;
use crate::report::Reason;

/// Room for one recv. A thread has its own, so it is small; a longer message
/// comes in several.
const BUFFER_BYTES: usize = 16 * 1024;

/// What the threads of a blocking server share.
pub struct Service<R> {
    pub books: Arc<Books>,
    /// Taken out, and so closed, when no more clients are to come.
    listener: Mutex<Option<Arc<Socket>>>,
    reception: R,
    crowd: Arc<Crowd>,
}

impl<R: Reception> Service<R> {
    pub fn new(books: Arc<Books>, listener: Socket, reception: R) -> Arc<Service<R>> {
        let listener = Mutex::new(Some(super::registered(&books.host, listener)));
        Arc::new(Service { books, listener, reception, crowd: Arc::default() })
    }

    /// Waits in accept for the next client. `None`: the server stops, or has
    /// served as many as it was asked to.
    pub fn accept(&self) -> Option<(Arc<Socket>, Client)> {
        while !self.books.host.stop.is_asked() && !self.books.is_full() {
            let listener = self.listener().clone()?;
            match listener.accept() {
                // On systems where nothing else wakes accept, the stop comes
                // as a connection of our own, to one worker after the other.
                Ok(_) if self.books.host.stop.is_asked() || self.books.is_full() => {
                    listener.wake_next();
                    return None;
                }
                Ok((socket, peer)) => {
                    let Some(client) = self.books.number(peer, || socket.local_addr()) else {
                        listener.wake_next();
                        return None;
                    };
                    drop(listener);
                    if self.books.is_full() {
                        self.close_listener();
                    }
                    return Some((super::registered(&self.books.host, socket), client));
                }
                // ECONNABORTED: the client gave up while it waited in the
                // backlog. That is its own affair.
                Err(error) if is_over_soon(&error) => {}
                Err(_) if self.books.host.stop.is_asked() || self.books.is_full() => {}
                Err(error) => {
                    self.books.accept_failed(&error);
                    self.books.host.stop.wait(EXHAUSTED_PAUSE);
                }
            }
        }
        None
    }

    fn listener(&self) -> MutexGuard<'_, Option<Arc<Socket>>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last client asked for has come: whoever comes now is refused.
    fn close_listener(&self) {
        let listener = self.listener().take();
        // Workers of a pool may be waiting on it, and hold it as well.
        if let Some(listener) = listener
            && Arc::strong_count(&listener) > 1
        {
            listener.interrupt();
        }
    }

    /// Serves one client to its end.
    pub fn serve(&self, socket: &Socket, client: Client) {
        self.books.accepted(&client);
        let conversation = || {
            let session = self.reception.receive(&client);
            Conversation { books: &self.books, socket, client, session, out: Outbox::new() }.hold()
        };
        // One client's bug is not the others' end.
        let reason = catch_unwind(AssertUnwindSafe(conversation)).unwrap_or_else(|_| {
            self.books.client_panicked(&client);
            Reason::Error
        });
        self.books.closed(&client, reason);
    }

    /// Counts a thread in, until the returned guard is dropped: last of all,
    /// for then the server may end.
    pub fn enter(&self) -> Presence {
        *self.crowd.count() += 1;
        Presence(self.crowd.clone())
    }

    /// Waits until all threads have left; once the server stops, no longer
    /// than the grace it gives their clients.
    pub fn wait_for_all(&self) {
        let mut present = self.crowd.count();
        let mut stopped_at = None;
        while *present > 0 {
            if self.books.host.stop.is_asked() {
                let since = *stopped_at.get_or_insert_with(Instant::now);
                if since.elapsed() > GRACE {
                    return;
                }
            }
            // The stop cannot wake this wait, so it looks up now and then.
            let slice = Duration::from_millis(20);
            present = self.crowd.left.wait_timeout(present, slice).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// How many threads serve.
#[derive(Default)]
struct Crowd {
    count: Mutex<usize>,
    left: Condvar,
}

impl Crowd {
    fn count(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that serves.
pub struct Presence(Arc<Crowd>);

impl Drop for Presence {
    fn drop(&mut self) {
        *self.0.count() -= 1;
        self.0.left.notify_all();
    }
}

struct Conversation<'a, S> {
    books: &'a Books,
    socket: &'a Socket,
    client: Client,
    session: S,
    out: Outbox,
}

impl<S: Session> Conversation<'_, S> {
    /// Receives and sends until one side is done.
    fn hold(mut self) -> Reason {
        match self.talk() {
            Ok(reason) => reason,
            Err(_) if self.books.host.stop.is_asked() => Reason::ServerStop,
            Err(error) => {
                let reason = reason_of(&error);
                if reason == Reason::Error {
                    self.books.client_failed(&self.client, &error);
                }
                self.session.ended(End::Reset, &mut self.out);
                reason
            }
        }
    }

    fn talk(&mut self) -> io::Result<Reason> {
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut then = self.session.opened(&mut self.out);
        loop {
            if let Some(reason) = self.settle(then)? {
                return self.part(reason, &mut buffer);
            }
            self.socket.wait_at_most(self.session.patience())?;
            then = match self.socket.recv(&mut buffer) {
                Ok(0) => return self.end(),
                Ok(got) => {
                    self.books.received(&self.client, &buffer[..got]);
                    self.session.received(&buffer[..got], &mut self.out)
                }
                Err(error) if is_timeout(&error) => self.session.quiet(&mut self.out),
                Err(error) => return Err(error),
            };
        }
    }

    /// Sends what the session said, and sleeps where it asked to. Says with
    /// which reason it wants to close, if it does.
    fn settle(&mut self, mut then: Then) -> io::Result<Option<Reason>> {
        loop {
            self.flush()?;
            match then {
                // Clients that meet are served by events alone: nobody waits here.
                Then::Continue | Then::Wait => return Ok(None),
                Then::Close(reason) => return Ok(Some(reason)),
                Then::Pause(time) if self.sleep(time) => return Ok(Some(Reason::ServerStop)),
                Then::Pause(_) => then = self.session.resumed(&mut self.out),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut rest = self.out.bytes();
        while !rest.is_empty() {
            // Booked call by call: a stop may cut the next one off.
            let sent = self.socket.send(rest)?;
            self.books.sent(&self.client, &rest[..sent]);
            rest = &rest[sent..];
        }
        self.out.clear();
        Ok(())
    }

    /// Sleeps, unless the server stops: says whether it does.
    fn sleep(&self, time: Duration) -> bool {
        let Host { trace, stop, .. } = &self.books.host;
        let span = trace.begin("sleep");
        let stops = stop.wait(time);
        trace.end(span, || Call::Sleep { time }, Ok(0));
        stops
    }

    /// recv returned 0: the peer will send no more, or the server stops. The
    /// peer may still be listening, so the session finishes its reply.
    fn end(&mut self) -> io::Result<Reason> {
        let stops = self.books.host.stop.is_asked();
        let (how, reason) = if stops { (End::ServerStop, Reason::ServerStop) } else { (End::Fin, Reason::Fin) };
        let then = self.session.ended(how, &mut self.out);
        let asked = self.settle(then)?;
        Ok(asked.unwrap_or(reason))
    }

    /// Closes first: FIN, then wait for the peer's. A close with bytes still
    /// unread would send RST instead, and the peer's system might throw away
    /// our last reply on its account (RFC 1122, section 4.2.2.13).
    fn part(&mut self, reason: Reason, buffer: &mut [u8]) -> io::Result<Reason> {
        self.socket.shutdown(Shutdown::Write)?;
        let deadline = Instant::now() + LINGER;
        self.socket.wait_at_most(Some(LINGER))?;
        while Instant::now() < deadline {
            match self.socket.recv(buffer) {
                Ok(0) => return Ok(reason),
                Ok(got) => self.books.received(&self.client, &buffer[..got]),
                Err(error) if is_timeout(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(if reason == Reason::Fin { Reason::Timeout } else { reason })
    }
}

/// How a connection that failed came to its end: the peer is gone, without a
/// word or by RST, or something else is wrong.
pub fn reason_of(error: &io::Error) -> Reason {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted | ErrorKind::NotConnected => {
            Reason::Reset
        }
        ErrorKind::TimedOut => Reason::Timeout,
        _ => Reason::Error,
    }
}
