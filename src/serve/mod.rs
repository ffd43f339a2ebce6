//! How clients are served.
//!
//! A lab says *what* is said on a connection, as a [`Session`]; this room says
//! *how* many clients are served at once. Four models, one file each:
//!
//! | model | who waits where | a slow client holds up |
//! |---|---|---|
//! | [`iterative`] | one thread, in `recv` of the present client | everyone |
//! | [`threads`] | a thread a client, each in its own `recv` | itself |
//! | [`pool`] | N threads, in `accept` or `recv` | itself, and with N of them everyone |
//! | [`events`] | one thread a core, in `epoll_wait` for all its clients | itself |
//!
//! The first three block, and share [`blocking`]; [`datagrams`] serves UDP,
//! which has no connections to serve at once; [`group`] hears what is sent to
//! many.

mod blocking;
mod books;
pub mod datagrams;
mod events;
mod framed;
pub mod group;
mod inbox;
mod iterative;
mod loops;
#[cfg(target_os = "linux")]
mod many;
mod pace;
mod pool;
pub mod post;
mod roster;
mod session;
mod threads;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::time::Duration;

pub use self::framed::{Answer, Answers, Framed};
pub use self::roster::{Entry, Roster};
pub use self::session::{Client, End, Outbox, Reception, Session, Then};
use crate::error::{Attempt, Error, Result, no_thread};
use crate::net::addr::Addr;
use crate::net::descriptors;
use crate::net::host::Host;
use crate::net::socket::Socket;
use crate::net::stop::duration;
use crate::net::tcp;
use crate::net::tls::ServerTls;
use crate::report::{Event, Proto, Summary};

use self::books::Books;

/// How long present clients may take to finish once the server stops: they are
/// promised 2 s, and some of it goes on the way. What blocks is ended a little
/// earlier ([`crate::net::stop`]).
pub const GRACE: Duration = Duration::from_millis(1700);

/// How long a client may take to answer our FIN with its own.
const LINGER: Duration = Duration::from_secs(2);

/// The same when the server stops and has said its last word: long enough for
/// a client that listens, and nobody waits for one that does not.
const LINGER_AT_STOP: Duration = Duration::from_millis(500);

/// What may be unsent to a client before it is closed for not reading: others
/// speak to it, and it cannot make them wait.
const UNSENT_LIMIT: usize = 4 * 1024 * 1024;

/// Pause before accept is tried again when no descriptor or memory is left:
/// long enough for some client to go, short enough not to be noticed.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// Threads of a pool: a class's worth of clients at once.
const DEFAULT_WORKERS: u16 = 32;

/// Options of every server.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Options {
    /// Stop after this time, such as 30s
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub run_for: Option<Duration>,
    /// Serve this many clients (UDP: datagrams), then stop
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub accept: Option<NonZeroU64>,
}

fn at_least_one(text: &str) -> std::result::Result<NonZeroU64, String> {
    text.parse().map_err(|_| "must be a number, 1 or more".into())
}

/// Options of servers that accept connections.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct TcpOptions {
    #[command(flatten)]
    common: Options,
    /// Connections that may wait for accept
    #[arg(long, value_name = "N", default_value_t = tcp::BACKLOG, value_parser = clap::value_parser!(i32).range(0..))]
    backlog: i32,
    /// How clients are served at once
    #[arg(long, value_enum)]
    model: Option<Model>,
    /// Threads of --model pool
    #[arg(long, value_name = "N", default_value_t = DEFAULT_WORKERS, value_parser = clap::value_parser!(u16).range(1..=4096))]
    workers: u16,
}

/// How clients are served at once. See the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Model {
    /// One client after the other
    Iterative,
    /// A thread for each client
    Threads,
    /// A fixed number of threads
    Pool,
    /// One thread a core, each waiting for many clients at once
    Events,
}

impl Options {
    /// Options a user gave none of.
    pub fn plain() -> Options {
        Options { run_for: None, accept: None }
    }
}

impl TcpOptions {
    /// The model to use where the user named none.
    pub fn or_model(mut self, model: Model) -> TcpOptions {
        self.model = self.model.or(Some(model));
        self
    }

    /// Options a user gave none of.
    pub fn plain(model: Model) -> TcpOptions {
        TcpOptions { model: Some(model), ..TcpOptions::unset() }
    }

    fn unset() -> TcpOptions {
        TcpOptions { common: Options::plain(), backlog: tcp::BACKLOG, model: None, workers: DEFAULT_WORKERS }
    }

    /// Whether the user gave none.
    pub fn is_unset(&self) -> bool {
        *self == TcpOptions::unset()
    }
}

/// For labs whose server needs no role named: its options stand after the
/// role, or there is none.
pub fn misplaced_options(lab: &str) -> Error {
    Error::other(Attempt::Serve, format!("with netlab {lab}"), "options before the role")
        .because("the address and the options belong to the role that is named after them")
        .next(format!("netlab {lab} server [OPTIONS] [ADDR], or netlab {lab} [OPTIONS] [ADDR] for the server"))
        .unasked()
}

/// Serves `addr` until told to stop: a session of `reception` for each client.
pub fn tcp<R: Reception>(
    host: &Host,
    addr: &Addr,
    default_port: u16,
    options: &TcpOptions,
    reception: R,
) -> Result<()> {
    serve_tcp(host, addr, default_port, options, None, reception)
}

/// The same for clients that speak to each other, with TLS or without. Only
/// the events model serves them: there a line for a thousand others costs no
/// thread a wait.
pub fn meeting<R: Reception>(
    host: &Host,
    addr: &Addr,
    default_port: u16,
    options: &TcpOptions,
    tls: Option<ServerTls>,
    reception: R,
) -> Result<()> {
    if options.model.is_some_and(|model| model != Model::Events) {
        return Err(Error::other(Attempt::Serve, format!("with netlab {}", host.lab), "this model cannot do it")
            .because("a line of one client goes to all others, and with a thread a client each would wait for all")
            .next("the same with --model events, or without --model")
            .unasked());
    }
    serve_tcp(host, addr, default_port, options, tls, reception)
}

fn serve_tcp<R: Reception>(
    host: &Host,
    addr: &Addr,
    default_port: u16,
    options: &TcpOptions,
    tls: Option<ServerTls>,
    reception: R,
) -> Result<()> {
    descriptors::raise_limit();
    if !R::CLIENTS_MEET && options.model.unwrap_or(Model::Events) == Model::Events {
        look_for_signals(host);
    }
    let (listener, local) = tcp::listen(host, addr, default_port, options.backlog)?;
    if R::CLIENTS_MEET {
        // Inherited by every accepted socket: the others are to hear of it
        // when somebody's cable is pulled. Where it cannot be, they are not.
        let _ = tcp::notice_silence(&listener);
    }
    let books = Books::new(host.clone(), local, options.common.accept, !R::CLIENTS_MEET);
    let (own, workers) = (books.clone(), options.workers);
    let serve: Box<dyn FnOnce()> = match options.model.unwrap_or(Model::Events) {
        Model::Iterative => Box::new(move || iterative::serve(own, listener, reception)),
        Model::Threads => Box::new(move || threads::serve(own, listener, reception)),
        Model::Pool => Box::new(move || pool::serve(own, listener, reception, workers)),
        Model::Events => {
            let loops = events::Loops::new(own, listener, reception, tls)
                .map_err(|cause| Error::new(Attempt::Bind, format!("tcp {local}"), &cause))?;
            Box::new(move || loops.serve())
        }
    };
    begin(host, &options.common)?;
    ready(host, Proto::Tcp, local);
    serve();
    host.emit(Event::Summary(books.summary()));
    books.outcome()
}

/// The ready line: on stdout before anything is served.
fn ready(host: &Host, proto: Proto, addr: SocketAddr) {
    host.stop.arm(); // who has read the ready line may send the signal
    host.emit(Event::Listening { proto, addr, group: None, interface: None });
}

/// A server that waits in one place looks itself for signals. Not under a
/// trace, which is to show how a wait is ended.
fn look_for_signals(host: &Host) {
    if !host.trace.is_on() {
        host.stop.look_itself();
    }
}

/// Before the ready line: who serves for a time only must be able to stop.
fn begin(host: &Host, options: &Options) -> Result<()> {
    let Some(time) = options.run_for else { return Ok(()) };
    let limited = host.stop.ask_after(time).map_err(no_thread);
    let subject = || format!("for {} alone", humantime::format_duration(time));
    limited.map_err(|cause| Error::new(Attempt::Serve, subject(), &cause))
}

/// Whether a failed `accept(2)` says nothing of the next one: that client gave
/// up (each system has a word of its own for it), or a signal came.
fn is_over_soon(error: &std::io::Error) -> bool {
    use ErrorKind::*;
    matches!(error.kind(), ConnectionAborted | ConnectionReset | NotConnected | Interrupted)
}

/// A socket that only waits to be woken.
fn registered(host: &Host, socket: Socket) -> std::sync::Arc<Socket> {
    let socket = std::sync::Arc::new(socket);
    host.stop.wakes(&socket);
    socket
}

/// The summary of a server.
fn served(clients: u64, bytes_in: u64, bytes_out: u64) -> Summary {
    Summary::Served { clients, bytes_in, bytes_out }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::sync::Arc;
    use std::thread;

    use super::*;
    use crate::net::stop::Stop;
    use crate::net::trace::Trace;
    use crate::report::Reason;
    use crate::report::recorder::Recorder;

    /// An echo whose code has a bug: it breaks on `!`.
    struct Fragile;

    impl Session for Fragile {
        fn received(&mut self, bytes: &[u8], out: &mut Outbox) -> Then {
            assert!(!bytes.contains(&b'!'), "this panic is a test's");
            out.put(bytes);
            Then::Continue
        }
    }

    /// What comes back for `bytes`; nothing where the connection ends instead.
    fn echo(stream: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
        stream.write_all(bytes).unwrap();
        let mut back = vec![0; bytes.len()];
        let got = stream.read(&mut back).unwrap_or(0);
        back[..got].to_vec()
    }

    #[test]
    fn a_session_that_panics_takes_no_other_with_it() {
        for model in [Model::Iterative, Model::Threads, Model::Pool, Model::Events] {
            let (recorder, events) = Recorder::before(Arc::new(Recorder::default()));
            let host = Host { lab: "tcp-echo", report: Arc::new(recorder), trace: Trace::off(), stop: Stop::new() };
            let of_server = host.clone();
            let server = thread::spawn(move || {
                let options = TcpOptions { workers: 2, ..TcpOptions::plain(model) };
                tcp(&of_server, &Addr::loopback(0), 0, &options, |_: &Client| Fragile)
            });
            let addr = events.iter().find_map(|event| match event {
                Event::Listening { addr, .. } => Some(addr),
                _ => None,
            });
            let connect = || TcpStream::connect(addr.unwrap()).unwrap();
            // Under iterative the next one waits until the one before is gone.
            let mut present = (model != Model::Iterative).then(connect);
            present.iter_mut().for_each(|stream| assert_eq!(echo(stream, b"before"), b"before"));
            assert_eq!(echo(&mut connect(), b"boom!"), b"", "{model:?}");
            present.iter_mut().for_each(|stream| assert_eq!(echo(stream, b"after"), b"after", "{model:?}"));
            let mut next = connect();
            assert_eq!(echo(&mut next, b"next"), b"next", "{model:?}");
            host.stop.ask();
            server.join().unwrap().unwrap();
            let is_error = |event: &Event| matches!(event, Event::Closed { reason: Reason::Error, .. });
            assert_eq!(events.try_iter().filter(is_error).count(), 1, "{model:?}");
        }
    }
}
