//! # capitalize-server: a protocol of messages, and its end
//!
//! A client sends lines and gets each back in capitals, on one connection, as
//! long as it likes. A line that contains `CLOSE SOCKET` ends its connection;
//! no line ends the server.
//!
//! ```text
//! client 1                server                  client 2
//! connect ───────────────▶ accept: client 1
//!                          accept: client 2 ◀──── connect
//! "hello\n" ─────────────▶
//!           ◀───────────── "HELLO\n"
//! "hel" ─────────────────▶ (no line end yet: it waits for the rest)
//! "lo\n" ────────────────▶
//!           ◀───────────── "HELLO\n"
//! "CLOSE SOCKET\n" ──────▶
//!           ◀──── FIN ────                        … goes on
//! ```
//!
//! What goes wrong in practice: half a line is taken for a message, because
//! `recv` returned; `close` while the client still sends resets the connection
//! and takes the last reply with it; a client that vanishes takes the server
//! along; ids are reused, and one client gets another's place.
//!
//! Two things to try: ten lines of Python that never send a line end
//! (`sock.send(b"hello")`: after 200 ms of silence it is a message), and
//! `ß` (a reply may be longer than its message).

use crate::ask::stream::{Expected, Protocol};
use crate::ask::{self, LineEnding};
use crate::error::{Result, Status};
use crate::framing::LineEnd;
use crate::net::addr::Addr;
use crate::net::host::Host;
use crate::report::{Event, Reason};
use crate::serve::{self, Answer, Answers, Client, Framed, Model, TcpOptions};

use super::stage::{Seen, Stage};

const DEFAULT_PORT: u16 = 5605;

/// What a message contains that closes its connection; in capitals only.
const CLOSE_WORDS: &[u8] = b"CLOSE SOCKET";

/// Arguments of `netlab capitalize-server`.
#[derive(Debug, clap::Args)]
#[command(
    subcommand_precedence_over_arg = true,
    after_help = "Examples:
  netlab capitalize-server
  netlab capitalize-server 0.0.0.0:5605 --model threads
  netlab capitalize-server client 127.0.0.1:5605 hello \"CLOSE SOCKET\""
)]
pub struct Args {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Role {
    /// Answer each message in capitals
    #[command(after_help = "Examples:
  netlab capitalize-server server --trace
  netlab capitalize-server server 0.0.0.0:5605 --model pool --workers 4")]
    Server(ServerArgs),
    /// Send messages, and see them in capitals
    #[command(after_help = "Examples:
  netlab capitalize-server client 127.0.0.1:5605 hello
  netlab capitalize-server client 127.0.0.1:5605 hello \"CLOSE SOCKET\"")]
    Client(ClientArgs),
    /// Both ends in one process, every socket call on one timeline
    #[command(after_help = "Examples:
  netlab capitalize-server demo
  netlab capitalize-server demo --json")]
    Demo,
}

#[derive(Debug, clap::Args)]
struct ServerArgs {
    /// Where to listen [default: 127.0.0.1:5605]
    addr: Option<Addr>,
    #[command(flatten)]
    options: TcpOptions,
}

#[derive(Debug, clap::Args)]
struct ClientArgs {
    /// The server [default: 127.0.0.1:5605]
    addr: Option<Addr>,
    /// What to send; without any, the lines of standard input
    #[arg(value_name = "MESSAGE")]
    messages: Vec<String>,
    #[command(flatten)]
    options: ask::Options,
    #[command(flatten)]
    ending: LineEnding,
}

impl super::Lab for Args {
    fn role(&self) -> super::Role {
        match self.role {
            None | Some(Role::Server(_)) => super::Role::Server,
            Some(Role::Client(_)) => super::Role::Client,
            Some(Role::Demo) => super::Role::Demo,
        }
    }

    fn run(&self, host: &Host) -> Result<Status> {
        if self.role.is_some() && !self.server.is_unset() {
            return Err(serve::misplaced_options("capitalize-server"));
        }
        match &self.role {
            None => server(host, &self.server.addr.clone().unwrap_or_default(), &self.server.options),
            Some(Role::Server(args)) => server(host, &args.addr.clone().unwrap_or_default(), &args.options),
            Some(Role::Client(args)) => {
                let addr = args.addr.clone().unwrap_or_default();
                ask::stream::ask(host, &addr, DEFAULT_PORT, &args.options, args.ending, &args.messages, &Lines)
            }
            Some(Role::Demo) => super::stage::play(host, demo),
        }
    }
}

impl ServerArgs {
    fn is_unset(&self) -> bool {
        self.addr.is_none() && self.options.is_unset()
    }
}

fn server(host: &Host, addr: &Addr, options: &TcpOptions) -> Result<Status> {
    serve::tcp(host, addr, DEFAULT_PORT, options, |_: &Client| Framed::new(Capitalizer))?;
    Ok(Status::Done)
}

/// The server's side of one connection.
struct Capitalizer;

impl Answers for Capitalizer {
    fn answer(&mut self, message: &[u8]) -> Answer {
        if asks_to_close(message) {
            return Answer::Close;
        }
        Answer::Say(capitals(message))
    }
}

fn asks_to_close(message: &[u8]) -> bool {
    message.windows(CLOSE_WORDS.len()).any(|window| window == CLOSE_WORDS)
}

/// Unicode's capitals for text; where bytes are no text, those of ASCII, and
/// all others as they are.
fn capitals(message: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(message) {
        Ok(text) => text.to_uppercase().into_bytes(),
        Err(_) => message.to_ascii_uppercase(),
    }
}

/// What the client knows: a line for each line, and none to `CLOSE SOCKET`.
struct Lines;

impl Protocol for Lines {
    fn expected(&self, sent: &[u8], end: LineEnd) -> Expected {
        if asks_to_close(sent) { Expected::Fin } else { Expected::answer_to(sent, end) }
    }

    /// Line ends aside; a server of another language may raise ASCII alone.
    fn complaint(&self, sent: &[u8], reply: &[u8]) -> Option<String> {
        let (sent, reply) = (sent.trim_ascii_end(), reply.trim_ascii_end());
        let right = reply == capitals(sent) || reply == sent.to_ascii_uppercase();
        (!right).then(|| "the reply is not the message in capitals".into())
    }
}

/// Both ends at work.
pub fn demo(stage: &Stage) -> Result<Seen> {
    let options = TcpOptions::plain(Model::Events);
    let asking = ask::Options::plain();
    let acts = stage.play(
        |host| server(host, &Addr::loopback(0), &options),
        |host, addr| {
            let messages = ["hello", "straße", "CLOSE SOCKET"].map(String::from);
            ask::stream::ask(host, addr, DEFAULT_PORT, &asking, LineEnding::default(), &messages, &Lines)
        },
    )?;
    let closed =
        acts.events.iter().any(|event| matches!(event, Event::Closed { client: Some(_), reason: Reason::Asked, .. }));
    let ok = acts.replies() == ["HELLO\n", "STRASSE\n"] && closed && acts.all_done();
    Ok(Seen::new(ok, "hello became HELLO, straße STRASSE, and CLOSE SOCKET closed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_raised_by_unicode_and_other_bytes_by_ascii() {
        let table: [(&[u8], &[u8]); 5] = [
            (b"hello", b"HELLO"),
            (b"", b""),
            ("straße é".as_bytes(), "STRASSE É".as_bytes()),
            (b"abc\xffdef", b"ABC\xffDEF"),
            (b"\0a", b"\0A"),
        ];
        for (message, expected) in table {
            assert_eq!(Capitalizer.answer(message), Answer::Say(expected.into()));
        }
    }

    #[test]
    fn only_the_words_in_capitals_close_wherever_they_stand() {
        for closes in ["CLOSE SOCKET", "please CLOSE SOCKET now"] {
            assert_eq!(Capitalizer.answer(closes.as_bytes()), Answer::Close);
        }
        for stays in ["close socket", "CLOSE  SOCKET", "CLOSE SOCKE", "Close Socket"] {
            assert!(matches!(Capitalizer.answer(stays.as_bytes()), Answer::Say(_)), "{stays}");
        }
    }

    #[test]
    fn the_client_awaits_fin_after_close_socket_and_a_line_after_all_else() {
        assert_eq!(Lines.expected(b"CLOSE SOCKET\n", LineEnd::Lf), Expected::Fin);
        assert_eq!(Lines.expected(b"hello\n", LineEnd::Lf), Expected::Lines(1));
    }
}
