//! # chat: many clients who speak to each other
//!
//! The largest lab: a server that tells each client what the others say, and
//! lets them download its shared files. One protocol of lines, for people with
//! `nc`, for programs of ten lines, and for the client here.
//!
//! ```text
//! alice                    server                        bob
//!   ◀── * netlab chat 1: … ──┤
//!   ├── /name alice ────────▶│
//!   ◀── * alice has joined ──┼── * alice has joined ─────▶
//!   ├── hello ──────────────▶│── <alice> hello ──────────▶
//!   ├── /msg bob psst ──────▶│── <alice -> bob> psst ────▶
//!   ◀── <alice -> bob> psst ─┤
//!   ├── /get ball.avi ──────▶│
//!   ◀── # 1 120344 ball.avi ─┤   the size, and so the end, is known before
//!   ◀── + 1 65536 … bytes ───┤   other lines may come between the chunks
//!   ◀── . 1 5e88489… ────────┤   the whole file's SHA-256
//! ```
//!
//! How it is built: [`command`] reads a client's line, [`hub`] knows the rules,
//! [`crowd`] who hears what; [`session`] carries bytes to the hub, `serve`'s
//! events model carries lines to the others. Files and passwords take longer
//! than a loop may, and go to [`workers`].
//!
//! What goes wrong in practice: one reader that stalls freezes everyone (here
//! it is dropped at 4 MiB); somebody forges a line that looks like a notice
//! (here its first character says what a line is, and a name stands before
//! what a user says); an escape sequence clears everyone's screen (here it is
//! shown as text); the server dies and says nothing.
//!
//! Two things to try: `nc 127.0.0.1 2000` as one of the clients; and Ctrl-Z a
//! client while another says `/get ball.avi` a few times.

pub mod client;
pub mod command;
pub mod console;
pub mod crowd;
pub mod demo;
pub mod hub;
pub mod lockouts;
pub mod names;
pub mod passwords;
pub mod protocol;
pub mod server;
pub mod session;
pub mod shared;
pub mod transfer;
pub mod users;
pub mod workers;

use crate::error::{Result, Status};
use crate::net::host::Host;

/// Where the server listens if nothing else is said.
pub const DEFAULT_PORT: u16 = 2000;

/// The longest line, without its end: what a person types, and a program's
/// buffer can hold.
pub const MAX_LINE_BYTES: usize = 4096;

/// Lines a client may send in a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate(pub f64);

impl Rate {
    /// Lines that may come at once: a paste of a page.
    pub fn burst(self) -> f64 {
        (2.0 * self.0).max(1.0)
    }
}

/// Names in as few lines as they fit in, each of `room` bytes at the most.
pub fn wrapped(names: &[&str], room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for name in names {
        let fits = lines.last().is_some_and(|line| line.is_empty() || line.len() + ", ".len() + name.len() <= room);
        if !fits {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push_str(", ");
            }
            line.push_str(name);
        }
    }
    lines
}

/// Arguments of `netlab chat`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, clap::Subcommand)]
enum Role {
    /// Let clients speak to each other, and download the shared files
    #[command(after_help = "Examples:
  netlab chat server 2000
  netlab chat server 0.0.0.0:2000 --tls --users class.users --operator teacher")]
    Server(server::ServerArgs),
    /// Talk with the others, and download files
    #[command(after_help = "Examples:
  netlab chat client alice
  netlab chat client alice localhost 2000
  netlab chat client alice 192.0.2.7:2000 --tls
  printf '/get ball.avi\\n' | netlab chat client alice")]
    Client(client::ClientArgs),
    /// Give a user a password, in a users file
    #[command(after_help = "Examples:
  netlab chat adduser class.users alice
  netlab chat adduser class.users bob --password-file bob.secret")]
    Adduser(users::AddUserArgs),
    /// Three users, a download, a stranger and a vanishing user, on one timeline
    #[command(after_help = "Examples:
  netlab chat demo
  netlab chat demo --json")]
    Demo,
}

impl super::Lab for Args {
    fn role(&self) -> super::Role {
        match self.role {
            Role::Server(_) => super::Role::Server,
            Role::Client(_) => super::Role::Client,
            Role::Adduser(_) => super::Role::Member,
            Role::Demo => super::Role::Demo,
        }
    }

    fn run(&self, host: &Host) -> Result<Status> {
        match &self.role {
            Role::Server(args) => server::run(host, args),
            Role::Client(args) => client::run(host, args),
            Role::Adduser(args) => users::add_user(host, args),
            Role::Demo => super::stage::play(host, demo::demo),
        }
    }
}
