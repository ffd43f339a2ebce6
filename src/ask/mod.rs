//! How servers are asked: the client's side of every lab.
//!
//! [`messages`] says where messages come from, [`stream`] sends them over a
//! connection and awaits each reply, [`datagrams`] does so where replies may
//! be lost, doubled or late, and keeps the books; [`group`] sends to many, and
//! keeps books on each of them; [`speaker`] is how it speaks.

pub mod datagrams;
pub mod group;
pub mod messages;
pub mod speaker;
pub mod stream;

use std::time::Duration;

use crate::framing::LineEnd;
use crate::net::addr::Addr;
use crate::net::stop::duration;

/// Options of every client.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// How long one connect, and one reply, may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = positive_duration)]
    pub timeout: Duration,
    /// Send this many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Wait this long between messages
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub interval: Option<Duration>,
    /// Make each message this many bytes long
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(0..=MAX_SIZE))]
    pub size: Option<u64>,
    /// Send from this address of our own
    #[arg(long, value_name = "ADDR")]
    pub bind: Option<Addr>,
}

/// The longest message to make up: it is held in memory, twice.
const MAX_SIZE: u64 = 1 << 30;

/// What is added to each message of a stream.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct LineEnding {
    /// What to add to each message
    #[arg(long, value_enum, default_value_t = LineEndChoice::Lf)]
    line_ending: LineEndChoice,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum LineEndChoice {
    /// A line feed, as nc sends it
    Lf,
    /// Carriage return and line feed, as most Internet protocols have it
    Crlf,
    /// Nothing
    None,
}

impl LineEnding {
    /// The line end chosen.
    pub fn end(self) -> LineEnd {
        match self.line_ending {
            LineEndChoice::Lf => LineEnd::Lf,
            LineEndChoice::Crlf => LineEnd::CrLf,
            LineEndChoice::None => LineEnd::None,
        }
    }
}

impl Default for LineEnding {
    fn default() -> LineEnding {
        LineEnding { line_ending: LineEndChoice::Lf }
    }
}

impl Options {
    /// Options a user gave none of.
    pub fn plain() -> Options {
        Options { timeout: Duration::from_secs(5), count: None, interval: None, size: None, bind: None }
    }
}

/// A time that is not zero: no reply comes in no time.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than 0".into()),
        time => Ok(time),
    }
}
