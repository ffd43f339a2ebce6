//! The server's side of the chat: its options, who receives clients, the
//! operator's console.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::console::Console;
use super::hub::{Hub, Rules};
use super::names::Name;
use super::session::{Shared, Talk};
use super::shared::SharedDir;
use super::users::Users;
use super::workers::{Done, Workers};
use super::{DEFAULT_PORT, Rate};
use crate::error::{Attempt, Error, Result, Status};
use crate::net::addr::Addr;
use crate::net::host::Host;
use crate::net::tls::{ServerTls, state_dir};
use crate::serve::post::{Bell, Post};
use crate::serve::{self, Client, Model, Reception, TcpOptions};

/// Where the shared files are, if no option says so: these two, then
/// `./SharedFiles`.
const VARIABLES: [&str; 2] = ["SERVER_SHARED_FILES", "SERVERSHAREDFILES"];

/// Arguments of `netlab chat server`.
#[derive(Debug, clap::Args)]
pub struct ServerArgs {
    /// Where to listen [default: 127.0.0.1:2000]
    addr: Option<Addr>,
    /// The folder whose files can be downloaded [default: SERVER_SHARED_FILES, SERVERSHAREDFILES or ./SharedFiles]
    #[arg(long, value_name = "DIR")]
    shared: Option<PathBuf>,
    /// Encrypt everything
    #[arg(long)]
    tls: bool,
    /// The certificate to show, in PEM; without it one is made once and kept
    #[arg(long, value_name = "FILE", requires = "tls", requires = "key")]
    cert: Option<PathBuf>,
    /// The certificate's key, in PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Who may come in, with passwords: netlab chat adduser FILE NAME
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
    /// Who may /kick and /mute
    #[arg(long, value_name = "NAME", value_parser = Name::from_str)]
    operator: Vec<Name>,
    /// Lines a client may send: 50/s, or off
    #[arg(long, value_name = "RATE", default_value = "50/s")]
    rate_limit: RateLimit,
    /// How many may be connected at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_clients: Option<u64>,
    /// Say what is typed here; on by itself where standard input is a terminal
    #[arg(long)]
    console: bool,
    #[arg(skip)]
    is_demo: bool,
    #[command(flatten)]
    options: TcpOptions,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct RateLimit(Option<Rate>);

impl FromStr for RateLimit {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<RateLimit, String> {
        if text == "off" {
            return Ok(RateLimit(None));
        }
        let number = text.strip_suffix("/s").unwrap_or(text);
        match number.parse() {
            Ok(rate @ 0.1..=1e6) => Ok(RateLimit(Some(Rate(rate)))),
            _ => Err("must be a number of lines a second such as 50/s, or off".into()),
        }
    }
}

impl ServerArgs {
    /// Options for a demo that shares a folder.
    pub fn sharing(folder: &Path) -> ServerArgs {
        ServerArgs {
            addr: Some(Addr::loopback(0)),
            shared: Some(folder.to_owned()),
            tls: false,
            cert: None,
            key: None,
            users: None,
            operator: Vec::new(),
            rate_limit: RateLimit(None),
            max_clients: None,
            console: false,
            is_demo: true,
            options: TcpOptions::plain(Model::Events),
        }
    }
}

/// Serves until told to stop.
pub fn run(host: &Host, args: &ServerArgs) -> Result<Status> {
    let addr = args.addr.clone().unwrap_or_default();
    if let Some(file) = &args.users {
        Users::read(file)?; // better now than at the first login
    }
    let tls = tls(args)?;
    let files = open_files(args)?.map(Arc::new);
    let notices = notices(args, tls.as_ref(), files.is_some());
    let rules = Rules {
        has_users: args.users.is_some(),
        is_private: tls.is_some(),
        operators: args.operator.clone(),
        max_clients: args.max_clients.map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
    };
    host.trace.hide_passwords();
    let shared = Arc::new(Shared {
        host: host.clone(),
        hub: Mutex::new(Hub::new(rules)),
        workers: Mutex::new(None),
        rate: args.rate_limit.0,
        is_plain: tls.is_none(),
    });
    let console = args.console || (io::stdin().is_terminal() && !args.is_demo);
    let console = console.then(Console::default);
    let door = Door { shared, notices, files, users: args.users.clone(), console: console.clone() };
    let served = serve::meeting(host, &addr, DEFAULT_PORT, &args.options, tls, door);
    if let Some(console) = console {
        console.close(host);
    }
    served.map(|()| Status::Done)
}

/// What the operator should know, once the server is ready.
fn notices(args: &ServerArgs, tls: Option<&ServerTls>, shares: bool) -> Vec<String> {
    let fingerprint = tls.map(|tls| format!("fingerprint {}", tls.fingerprint()));
    let operator = !args.operator.is_empty() && args.users.is_none();
    let operator = operator.then_some("without --users anyone who is quick can take the operator's name");
    let files =
        (!shares).then_some("no files are shared: there is no folder SharedFiles here, and --shared names none");
    fingerprint.into_iter().chain([operator, files].into_iter().flatten().map(str::to_owned)).collect()
}

fn tls(args: &ServerArgs) -> Result<Option<ServerTls>> {
    if !args.tls {
        return Ok(None);
    }
    let tls = match (&args.cert, &args.key) {
        (Some(cert), Some(key)) => ServerTls::load(cert, key)?,
        _ => {
            let dir = state_dir().ok_or_else(|| {
                Error::other(Attempt::Write, "the certificate", "there is no home directory to keep it in")
                    .next("--cert FILE --key FILE, or set HOME or XDG_STATE_HOME")
                    .unasked()
            })?;
            ServerTls::self_signed(&dir)?
        }
    };
    Ok(Some(tls))
}

fn open_files(args: &ServerArgs) -> Result<Option<SharedDir>> {
    let from_environment = || VARIABLES.iter().find_map(std::env::var_os).map(PathBuf::from);
    let asked = args.shared.clone().or_else(from_environment);
    match SharedDir::open(asked.as_deref().unwrap_or("SharedFiles".as_ref())) {
        Ok(files) => Ok(Some(files)),
        // Nobody asked for this folder, so a chat without files is meant.
        Err(_) if asked.is_none() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Receives clients, and lets them speak to each other.
struct Door {
    shared: Arc<Shared>,
    notices: Vec<String>,
    files: Option<Arc<SharedDir>>,
    users: Option<PathBuf>,
    console: Option<Console>,
}

impl Reception for Door {
    type Session = Talk;

    const CLIENTS_MEET: bool = true;

    fn receive(&self, client: &Client) -> Talk {
        Talk::new(*client, self.shared.clone())
    }

    fn begins(&self, bell: Bell) {
        self.notices.iter().for_each(|notice| self.shared.host.notice(notice));
        let workers = Workers::new(self.shared.is_plain, self.files.clone(), self.users.clone(), bell.clone());
        *self.shared.workers.lock().unwrap_or_else(PoisonError::into_inner) = Some(workers);
        if let Some(console) = &self.console {
            console.open(self.shared.clone(), bell);
        }
    }

    fn has_much(&self) -> bool {
        self.shared.hub().has_much()
    }

    fn deliver(&self, post: &mut Post) -> Option<Instant> {
        let workers = self.shared.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let workers = workers.as_ref()?;
        let mut hub = self.shared.hub();
        for (number, done) in workers.take() {
            take_in(&mut hub, workers, number, done);
        }
        let again = hub.deliver(post, Instant::now());
        hub.hand_over(post, |number, source| workers.read(number, source));
        let lines = hub.take_console();
        drop(hub);
        for line in lines {
            self.shared.host.notice(line);
        }
        again
    }
}

fn take_in(hub: &mut Hub, workers: &Workers, number: u64, done: Done) {
    match done {
        Done::Listed(files) => hub.listed(number, files),
        Done::Verified(name, user) => hub.verified(number, &name, user),
        Done::Undone(why) => hub.undone(number, why),
        Done::Read(id, slab) => hub.is_read(number, id, slab),
        Done::Opened(file) => {
            if let Some(source) = hub.opened(number, file) {
                workers.read(number, source);
            }
        }
    }
}
