//! The labs: one file each, and no lab imports another.
//!
//! Every file reads the same from top to bottom: the lesson, constants, the
//! arguments, `run`, the server's session, the client, the demo, tests.

pub mod broadcast;
pub mod capitalize_server;
pub mod chat;
pub mod mt_server;
pub mod multicast;
pub mod stage;
pub mod tcp_echo;
pub mod tcp_info;
pub mod udp_echo;
pub mod udp_info;

use crate::error::{Result, Status};
use crate::net::host::Host;

use self::stage::{Seen, Stage};

/// Which end of a lab a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Waits for clients.
    Server,
    /// Asks.
    Client,
    /// Sends to many.
    Sender,
    /// Receives what is sent to many.
    Receiver,
    /// Both: says and hears.
    Member,
    /// Both ends at once.
    Demo,
}

impl Role {
    /// What its calls go by in a trace.
    pub fn name(self) -> &'static str {
        match self {
            Role::Server => "server",
            Role::Client => "client",
            Role::Sender => "sender",
            Role::Receiver => "receiver",
            Role::Member => "member",
            Role::Demo => "demo",
        }
    }
}

/// A lab's command, parsed.
pub trait Lab {
    /// Which end it is.
    fn role(&self) -> Role;

    /// Runs it to its end.
    fn run(&self, host: &Host) -> Result<Status>;
}

/// A lab's demo.
pub type Demo = fn(&Stage) -> Result<Seen>;

/// All labs, in the order of the course, each with its demo.
pub const DEMOS: &[(&str, Demo)] = &[
    ("tcp-info", tcp_info::demo),
    ("udp-info", udp_info::demo),
    ("tcp-echo", tcp_echo::demo),
    ("udp-echo", udp_echo::demo),
    ("multicast", multicast::demo),
    ("broadcast", broadcast::demo),
    ("mt-server", mt_server::demo),
    ("capitalize-server", capitalize_server::demo),
    ("chat", chat::demo::demo),
];
