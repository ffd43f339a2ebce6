//! Both ends of a lab in one process: for `LAB demo` and `netlab demo`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use crate::error::{Attempt, Error, Result, Status};
use crate::net::addr::Addr;
use crate::net::addr::Host as AddrHost;
use crate::net::host::Host;
use crate::net::stop::Stop;
use crate::report::recorder::Recorder;
use crate::report::{Event, Payload, Summary};

/// How long a demo's server may take to be ready. Generous: only a demo that
/// fails waits so long, and a busy machine may take its time.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How often to see whether a server has failed instead.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Where a lab is played: a host that both ends share.
pub struct Stage {
    host: Host,
}

/// What a demo saw.
pub struct Seen {
    /// Whether the lab did all it should.
    pub ok: bool,
    /// In one sentence.
    pub text: String,
}

impl Seen {
    /// A verdict and a sentence.
    pub fn new(ok: bool, text: impl Into<String>) -> Seen {
        Seen { ok, text: text.into() }
    }
}

/// What happened on stage: every event of both ends, and how they ended.
pub struct Acts {
    /// In the order in which they happened.
    pub events: Vec<Event>,
    statuses: Vec<Status>,
}

impl Acts {
    /// Whether every end did what it was asked.
    pub fn all_done(&self) -> bool {
        self.statuses.iter().all(|status| *status == Status::Done)
    }

    /// The replies the client got, as text.
    pub fn replies(&self) -> Vec<String> {
        let reply = |event: &Event| match event {
            Event::Replied { payload: Payload(bytes), .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        };
        self.events.iter().filter_map(reply).collect()
    }
}

/// One end of a lab that is played: a server or a receiver.
pub type Part<'a> = (&'static str, Box<dyn FnOnce(&Host) -> Result<Status> + Send + 'a>);

/// Plays a lab's demo and tells what was seen.
pub fn play(host: &Host, demo: fn(&Stage) -> Result<Seen>) -> Result<Status> {
    let began = Instant::now();
    host.notice("calls are numbered as they return, so what a call brought about may stand before it");
    let seen = match demo(&Stage { host: host.clone() }) {
        Ok(seen) => seen,
        // Cut short by Ctrl-C, or because nobody reads what it prints.
        Err(_) if host.stop.is_asked() => return Ok(Status::No),
        Err(error) => {
            host.emit_error(&error);
            Seen::new(false, error.message())
        }
    };
    let elapsed = began.elapsed();
    host.emit(Event::Shown { name: host.lab, ok: seen.ok, seen: seen.text, elapsed });
    host.emit(Event::Summary(Summary::Demos { labs: 1, failed: usize::from(!seen.ok), elapsed }));
    Ok(if seen.ok { Status::Done } else { Status::No })
}

impl Stage {
    /// A stage on `host`.
    pub fn new(host: &Host) -> Stage {
        Stage { host: host.clone() }
    }

    /// Plays a server and its client.
    pub fn play<'a>(
        &self,
        server: impl FnOnce(&Host) -> Result<Status> + Send + 'a,
        client: impl FnOnce(&Host, &Addr) -> Result<Status> + Send + 'a,
    ) -> Result<Acts> {
        self.play_all(vec![("server", Box::new(server))], "client", client)
    }

    /// Plays several servers or receivers, each in a thread of its name, and
    /// once all listen, the `asker`; it is given the first one's address. Then
    /// the servers are stopped.
    pub fn play_all<'a>(
        &self,
        servers: Vec<Part<'a>>,
        asker: &'static str,
        ask: impl FnOnce(&Host, &Addr) -> Result<Status> + Send + 'a,
    ) -> Result<Acts> {
        let (recorder, live) = Recorder::before(self.host.report.clone());
        let recorder = Arc::new(recorder);
        let host = Host { report: recorder.clone(), stop: Stop::new(), ..self.host.clone() };
        let stop = Arc::new(host.stop.clone());
        self.host.stop.wakes(&stop); // Ctrl-C ends the play, too
        let statuses = thread::scope(|scope| {
            let count = servers.len();
            let mut threads = Vec::new();
            for (name, server) in servers {
                threads.push(spawn(scope, name, host.clone(), server)?);
            }
            let ended = || threads.iter().any(ScopedJoinHandle::is_finished);
            let asked = ready(&live, count, ended)
                .and_then(|addr| spawn(scope, asker, host.clone(), move |host: &Host| ask(host, &addr)))
                .map(join);
            host.stop.ask();
            let mut statuses = threads.into_iter().map(join).collect::<Result<Vec<Status>>>()?;
            statuses.push(asked??);
            Ok(statuses)
        })?;
        Ok(Acts { events: recorder.events(), statuses })
    }
}

fn spawn<'scope, F>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    host: Host,
    part: F,
) -> Result<ScopedJoinHandle<'scope, Result<Status>>>
where
    F: FnOnce(&Host) -> Result<Status> + Send + 'scope,
{
    let thread = thread::Builder::new().name(name.into()).spawn_scoped(scope, move || part(&host));
    thread.map_err(|cause| Error::new(Attempt::Open, format!("a thread for the {name}"), &cause))
}

fn join(thread: ScopedJoinHandle<'_, Result<Status>>) -> Result<Status> {
    thread.join().unwrap_or_else(|_| Err(Error::other(Attempt::Serve, "the demo", "one end panicked")))
}

/// Waits until all listen; the first one's address, as a client can reach it.
fn ready(live: &Receiver<Event>, count: usize, ended: impl Fn() -> bool) -> Result<Addr> {
    let deadline = Instant::now() + READY_WITHIN;
    let mut addrs: Vec<SocketAddr> = Vec::new();
    while addrs.len() < count {
        match live.recv_timeout(LOOK_EVERY) {
            Ok(Event::Listening { addr, .. }) => addrs.push(addr),
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) if Instant::now() < deadline && !ended() => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                return Err(Error::other(Attempt::Serve, "the demo", "the server did not get ready"));
            }
        }
    }
    let first = addrs[0];
    Ok(Addr { host: Some(AddrHost::Ip(first.ip())), port: Some(first.port()) })
}
