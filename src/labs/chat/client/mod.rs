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
mod file_name;
mod known;
mod learnt;
mod link;
mod part;
mod secret;
mod talk;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::known::{Known, Met};
use self::link::Link;
use self::talk::Talk;
use super::DEFAULT_PORT;
use crate::ask::positive_duration;
use crate::error::{Attempt, Error, Result, Status};
use crate::net;
use crate::net::addr::{Addr, AddrError, Host};
use crate::net::socket::Socket;
use crate::net::tcp::{self, Connection};
use crate::net::tls::{ClientConnection, Fingerprint, Trust};
use crate::report::{Event, Proto, Reason};

/// The longest name, in characters.
const MAX_NAME_CHARS: usize = 32;

/// Arguments of `netlab chat client`.
#[derive(Debug, clap::Args)]
pub struct ClientArgs {
    /// Your name: up to 32 letters, digits, _ . and -
    #[arg(value_name = "USERNAME", value_parser = user_name)]
    user: String,
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

/// A name that no server refuses for its characters, and no file system for
/// the folder named after it.
fn user_name(text: &str) -> std::result::Result<String, String> {
    let fits = |character: char| character.is_alphanumeric() || "_.-".contains(character);
    if text.is_empty() {
        return Err("a name has at least one letter".into());
    }
    if text.chars().count() > MAX_NAME_CHARS {
        return Err(format!("a name has at most {MAX_NAME_CHARS} characters"));
    }
    if !text.chars().all(fits) {
        return Err("a name has only letters, digits, _ . and -".into());
    }
    if !text.starts_with(char::is_alphanumeric) {
        return Err("a name begins with a letter or a digit".into());
    }
    Ok(text.to_owned())
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
        self.download_dir.clone().unwrap_or_else(|| file_name::folder_of(&self.user))
    }
}

/// Talks until one side leaves.
///
/// # Errors
/// In three parts: there is no such server, or no password to be had. What
/// happens once there is a connection is told here, and is in the status.
pub fn run(host: &net::host::Host, args: &ClientArgs) -> Result<Status> {
    let addr = args.addr()?;
    let password = args.password_file.as_deref().map(entry::password_in).transpose()?;
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
    if let Some(known) = known {
        let (name, shown) = (args.server_name(addr), tls.fingerprint());
        if known.met(&name, shown)? == Met::Never {
            introduce(host, &known, &name, shown);
        }
    }
    Ok(Link::Tls(socket, tls))
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

    #[test]
    fn a_name_is_checked_before_anything_is_opened() {
        let long = "x".repeat(33);
        for name in ["", "-a", ".a", "_", "a b", "a/b", "..", "a\n", "a\u{202e}", &long] {
            assert!(user_name(name).is_err(), "{name:?}");
        }
        for name in ["a", "Alice_2.x-y", "été", "9", &long[1..]] {
            assert_eq!(user_name(name).as_deref(), Ok(name));
        }
    }
}
