//! The client of the chat.
//!
//! ```text
//! connect ─▶ (TLS: is it the server we know?) ─▶ welcome ─▶ /name ─▶ talk ─▶ /quit
//!
//! the main thread    lines that are typed or piped, keys
//! receiver           recv; lines to the screen, bytes to files
//! sender             send; a server that does not read holds up nobody else
//! ```
//!
//! What goes wrong in practice: the server is a program of somebody else, or
//! not what it says (file names that lead out of the folder, escape sequences,
//! lines without end), and it may be gone at any moment, in any way. So each
//! name is checked, each line shown in visible characters, each buffer has a
//! limit, and each end is explained.
//!
//! Two things to try: kill the server with `kill -9` and with `kill`, and see
//! what a client can know of each; and `/get` a film, press Ctrl-C at half of
//! it, and `/get` it again.

mod console;
mod download;
pub mod editor;
mod ending;
mod entry;
pub mod file_name;
mod known;
mod learnt;
mod link;
mod part;
mod secret;
mod talk;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use self::known::{Known, Met};
use self::link::Link;
use self::talk::Talk;
use super::DEFAULT_PORT;
use super::names::Name;
use super::passwords::password_of_file;
use super::users;
use crate::ask::positive_duration;
use crate::error::{Attempt, Error, Result, Status};
use crate::net;
use crate::net::addr::{Addr, AddrError, Host};
use crate::net::socket::Socket;
use crate::net::tcp::{self, Connection};
use crate::net::tls::{ClientConnection, Fingerprint, Trust};
use crate::report::{Event, Proto, Reason};

/// Arguments of `netlab chat client`.
#[derive(Debug, clap::Args)]
pub struct ClientArgs {
    /// Your name: up to 32 letters, digits, _ . and -
    #[arg(value_name = "USERNAME", value_parser = Name::from_str)]
    user: Name,
    /// The server [default: 127.0.0.1:2000]
    #[arg(value_name = "HOST[:PORT]")]
    server: Option<Addr>,
    /// Its port, where it is not behind the host
    #[arg(value_name = "PORT", value_parser = port)]
    port: Option<u16>,
    /// Speak TLS; a server is trusted when it is met first, and known again
    #[arg(long)]
    tls: bool,
    /// Trust only the server with this fingerprint, as it prints it (means --tls)
    #[arg(long, value_name = "HEX")]
    fingerprint: Option<Fingerprint>,
    /// Your password is the first line of this file
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Where downloads go [default: a folder named after you]
    #[arg(long, value_name = "DIR")]
    download_dir: Option<PathBuf>,
    /// How long the connect, the welcome, and the goodbye may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = positive_duration)]
    timeout: Duration,
}

fn port(text: &str) -> std::result::Result<u16, AddrError> {
    let addr: Addr = format!(":{text}").parse()?;
    addr.port.ok_or(AddrError::Empty)
}

impl ClientArgs {
    fn addr(&self) -> Result<Addr> {
        let mut addr = self.server.clone().unwrap_or_default();
        match (addr.port, self.port) {
            (Some(_), Some(_)) => {
                let error = Error::other(Attempt::Connect, addr.to_string(), "two ports are given");
                Err(error.because("one is behind the host, one stands alone").next("only one of them").unasked())
            }
            (_, None) => Ok(addr),
            (None, port) => {
                addr.port = port;
                Ok(addr)
            }
        }
    }

    /// What a server is known by: as the user calls it.
    fn server_name(&self, addr: &Addr) -> String {
        let port = addr.port.unwrap_or(DEFAULT_PORT);
        match &addr.host {
            None => format!("127.0.0.1:{port}"),
            Some(Host::Name(name)) => format!("{}:{port}", name.to_lowercase()),
            Some(Host::Ip(IpAddr::V4(ip))) => format!("{ip}:{port}"),
            Some(ip) => format!("[{ip}]:{port}"),
        }
    }

    fn dir(&self) -> PathBuf {
        self.download_dir.clone().unwrap_or_else(|| file_name::folder_of(self.user.as_str()))
    }
}

/// Talks until one side leaves.
///
/// # Errors
/// In three parts: there is no such server, or no password to be had. What
/// happens once there is a connection is told here, and is in the status.
pub fn run(host: &net::host::Host, args: &ClientArgs) -> Result<Status> {
    let addr = args.addr()?;
    let password = args.password_file.as_deref().map(password_of_file).transpose()?;
    password.as_ref().map_or(Ok(()), |password| users::check(&args.user, password))?;
    host.report.converse();
    let connection = tcp::connect(host, &addr, DEFAULT_PORT, None, args.timeout)?;
    let Connection { socket, peer, local, .. } = connection;
    host.emit(Event::Connected { proto: Proto::Tcp, peer, local });
    let _ = tcp::notice_silence(&socket); // it is noticed later then
    let link = link(host, args, &addr, socket, peer).inspect_err(|_| {
        host.emit(Event::Closed { peer, client: None, reason: Reason::Error });
    })?;
    let talk = Talk::new(host, Arc::new(link), peer, args.dir());
    let ending = match talk.enter(args, password) {
        Ok(reader) => talk.run(reader, args.timeout),
        Err(ending) => ending,
    };
    Ok(talk.tell(ending))
}

/// Plain, or TLS with a server that is pinned, known or new.
fn link(host: &net::host::Host, args: &ClientArgs, addr: &Addr, socket: Arc<Socket>, peer: SocketAddr) -> Result<Link> {
    let trust = match args.fingerprint {
        Some(fingerprint) => Trust::Pinned(fingerprint),
        None if args.tls => Trust::Ask,
        None => return Ok(Link::Plain(socket)),
    };
    let known = if trust == Trust::Ask { Some(Known::read()?) } else { None };
    let tls = ClientConnection::connect(socket.clone(), peer, trust, args.timeout)?;
    explain_secrecy(host, &tls);
    if let Some(known) = known {
        let (name, shown) = (args.server_name(addr), tls.fingerprint());
        if known.met(&name, shown)? == Met::Never {
            introduce(host, &known, &name, shown);
        }
    }
    Ok(Link::Tls(socket, Box::new(tls)))
}

/// With `--trace`: why the calls below show nothing of what is typed.
fn explain_secrecy(host: &net::host::Host, tls: &ClientConnection) {
    if host.trace.is_on() {
        host.notice(format!(
            "{}: from here on send and recv show what a listener on the way sees, ciphertext, \
             and besides that only addresses, sizes and times",
            tls.agreed()
        ));
    }
}

/// The first meeting: a person may compare the fingerprints.
fn introduce(host: &net::host::Host, known: &Known, name: &str, shown: Fingerprint) {
    host.notice(format!("{name} is met for the first time; its fingerprint is {shown}"));
    host.notice("compare it with the one that the server printed; from now on it is known by it");
    if let Err(cause) = known.remember(name, shown) {
        let error = Error::new(Attempt::Write, known.path().display().to_string(), &cause);
        host.emit_error(
            &error.because("so this server will be a new one next time").next("a folder that can be written"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn a_server_is_known_by_what_the_user_calls_it() {
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            args: ClientArgs,
        }
        let table: [(&[&str], &str); 6] = [
            (&[], "127.0.0.1:2000"),
            (&["LocalHost"], "localhost:2000"),
            (&["localhost", "2001"], "localhost:2001"),
            (&["10.0.0.1:7"], "10.0.0.1:7"),
            (&["::1", "7"], "[::1]:7"),
            (&["[fe80::1%eth0]:7"], "[fe80::1%eth0]:7"),
        ];
        for (words, name) in table {
            let args = Cli::parse_from([&["netlab", "alice"], words].concat()).args;
            assert_eq!(args.server_name(&args.addr().unwrap()), name);
        }
    }
}
