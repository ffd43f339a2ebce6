//! # tcp-echo: a connection is a stream of bytes
//!
//! The server sends back every byte it receives, in order, as it arrives
//! (RFC 862). It cannot know where a message ends, and need not.
//!
//! ```text
//! server                                  client
//! socket, bind, listen
//! accept … waits                          socket
//!            ◀──────── SYN, SYN+ACK, ACK ─────── connect
//! accept = a new socket
//! recv … waits
//!            ◀──────────── "hello\n" ──────────── send
//! recv = 6
//! send       ──────────── "hello\n" ────────────▶ recv = 6
//!            ◀────────────── FIN ──────────────── shutdown(SHUT_WR)
//! recv = 0
//! close      ─────────────── FIN ───────────────▶ recv = 0
//!                                                 close
//! ```
//!
//! What goes wrong in practice: one `recv` is taken for one message (two sends
//! may arrive in one, one send in many); a `send` that took only a part is
//! taken for done; `recv` = 0 is taken for an error, or for an empty message.
//!
//! Two things to try: `netlab tcp-echo client --raw < film.mp4 | cmp - film.mp4`
//! with `--trace` at the server (how many bytes does each recv get?), and a
//! client before its server.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use crate::ask::stream::{Expected, Protocol};
use crate::ask::{self, LineEnding};
use crate::error::{Attempt, Error, Result, Status};
use crate::framing::LineEnd;
use crate::net::addr::Addr;
use crate::net::host::Host;
use crate::net::socket::Socket;
use crate::net::tcp;
use crate::serve::{self, Model, Outbox, Session, TcpOptions, Then};

use super::stage::{Seen, Stage};

/// Port 7 is echo's own (RFC 862), but ports under 1024 are privileged.
const DEFAULT_PORT: u16 = 5003;

/// One read of standard input, and one recv, in `--raw`.
const RAW_BUFFER_BYTES: usize = 64 * 1024;

/// How long `--raw` waits for the sending direction once the other has ended.
const DONE_WITHIN: Duration = Duration::from_millis(100);

/// Arguments of `netlab tcp-echo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, clap::Subcommand)]
enum Role {
    /// Send back every byte, unchanged and in order (RFC 862)
    #[command(after_help = "Examples:
  netlab tcp-echo server
  netlab tcp-echo server 0.0.0.0:5003 --model threads --trace")]
    Server(ServerArgs),
    /// Send messages, and see each come back
    #[command(after_help = "Examples:
  netlab tcp-echo client 127.0.0.1:5003 hello
  netlab tcp-echo client --count 100 --size 1000
  netlab tcp-echo client --raw < film.mp4 | cmp - film.mp4")]
    Client(ClientArgs),
    /// Both ends in one process, every socket call on one timeline
    #[command(after_help = "Examples:
  netlab tcp-echo demo
  netlab tcp-echo demo --json")]
    Demo,
}

#[derive(Debug, clap::Args)]
struct ServerArgs {
    /// Where to listen [default: 127.0.0.1:5003]
    addr: Option<Addr>,
    #[command(flatten)]
    options: TcpOptions,
}

#[derive(Debug, clap::Args)]
struct ClientArgs {
    /// The server [default: 127.0.0.1:5003]
    addr: Option<Addr>,
    /// What to send; without any, the lines of standard input
    #[arg(value_name = "MESSAGE")]
    messages: Vec<String>,
    /// Standard input to the socket, the socket to standard output, byte by byte
    #[arg(long, conflicts_with_all = ["messages", "count", "size", "interval", "json"])]
    raw: bool,
    #[command(flatten)]
    options: ask::Options,
    #[command(flatten)]
    ending: LineEnding,
}

impl super::Lab for Args {
    fn role(&self) -> super::Role {
        match self.role {
            Role::Server(_) => super::Role::Server,
            Role::Client(_) => super::Role::Client,
            Role::Demo => super::Role::Demo,
        }
    }

    fn run(&self, host: &Host) -> Result<Status> {
        match &self.role {
            Role::Server(args) => server(host, &args.addr.clone().unwrap_or_default(), &args.options),
            Role::Client(args) if args.raw => raw_client(host, args),
            Role::Client(args) => {
                let addr = args.addr.clone().unwrap_or_default();
                ask::stream::ask(host, &addr, DEFAULT_PORT, &args.options, args.ending, &args.messages, &EchoProtocol)
            }
            Role::Demo => super::stage::play(host, demo),
        }
    }
}

fn server(host: &Host, addr: &Addr, options: &TcpOptions) -> Result<Status> {
    serve::tcp(host, addr, DEFAULT_PORT, options, |_: &serve::Client| Echo)?;
    Ok(Status::Done)
}

/// The server's side of one connection.
struct Echo;

impl Session for Echo {
    fn received(&mut self, bytes: &[u8], out: &mut Outbox) -> Then {
        out.put(bytes);
        Then::Continue
    }
}

/// What the client expects: its own bytes.
struct EchoProtocol;

impl Protocol for EchoProtocol {
    fn expected(&self, sent: &[u8], _end: LineEnd) -> Expected {
        Expected::Bytes(sent.len())
    }

    fn complaint(&self, sent: &[u8], reply: &[u8]) -> Option<String> {
        let at = sent.iter().zip(reply).position(|(sent, got)| sent != got)?;
        Some(format!("the reply is no echo: byte {at} was sent as {:#04x} and came as {:#04x}", sent[at], reply[at]))
    }
}

/// `--raw`: two directions at once, each until its own end.
fn raw_client(host: &Host, args: &ClientArgs) -> Result<Status> {
    let addr = args.addr.clone().unwrap_or_default();
    let bind = args.options.bind.as_ref();
    let connection = tcp::connect(host, &addr, DEFAULT_PORT, bind, args.options.timeout)?;
    let subject = format!("tcp {}", connection.peer);
    let unread = |cause: io::Error| Error::new(Attempt::Read, "standard input", &cause).unasked();
    let (socket, (failed, failure)) = (connection.socket.clone(), channel());
    // Not joined: when the server closes first, that thread may wait for the
    // keyboard, and the end of the process is its end; but where its input has
    // ended, its last calls are waited for, so that a trace has them.
    let sender = thread::Builder::new().name("stdin".into());
    let send = move || {
        send_stdin(&socket, &failed);
        drop(socket);
        drop(failed); // last of all: it says that this thread is done
    };
    sender.spawn(send).map_err(unread)?;
    let received = receive_to_stdout(&connection.socket, &subject);
    if let Ok(cause) = failure.recv_timeout(DONE_WITHIN) {
        return Err(unread(cause));
    }
    received?;
    Ok(if host.stop.is_asked() { Status::No } else { Status::Done })
}

/// At the end of input, FIN: the server then sends the rest and closes. Tells
/// where the input cannot be read; a failure to send shows in recv.
fn send_stdin(socket: &Socket, failed: &Sender<io::Error>) {
    let mut buffer = vec![0; RAW_BUFFER_BYTES];
    let mut stdin = io::stdin().lock();
    loop {
        match stdin.read(&mut buffer) {
            Ok(0) => return drop(socket.shutdown(Shutdown::Write)), // or the server was first
            Ok(got) if socket.send_all(&buffer[..got]).is_ok() => {}
            Ok(_) => return,
            Err(error) => {
                let _ = failed.send(error);
                return drop(socket.shutdown(Shutdown::Both)); // the other direction waits no longer
            }
        }
    }
}

fn receive_to_stdout(socket: &Socket, subject: &str) -> Result<()> {
    let mut buffer = vec![0; RAW_BUFFER_BYTES];
    let mut stdout = io::stdout().lock();
    loop {
        let got = socket.recv(&mut buffer).map_err(|cause| Error::new(Attempt::Receive, subject, &cause))?;
        if got == 0 {
            return Ok(());
        }
        if stdout.write_all(&buffer[..got]).and_then(|()| stdout.flush()).is_err() {
            return Ok(()); // nobody reads our output any more
        }
    }
}

/// Both ends at work.
pub fn demo(stage: &Stage) -> Result<Seen> {
    // A thread each: the calls are those of the diagram above.
    let options = TcpOptions::plain(Model::Threads);
    let options_of_client = ask::Options::plain();
    let acts = stage.play(
        |host| server(host, &Addr::loopback(0), &options),
        |host, addr| {
            let messages = ["hello", "is anybody there?"].map(String::from);
            ask::stream::ask(
                host,
                addr,
                DEFAULT_PORT,
                &options_of_client,
                LineEnding::default(),
                &messages,
                &EchoProtocol,
            )
        },
    )?;
    let replies = acts.replies();
    let whole = replies == ["hello\n", "is anybody there?\n"];
    Ok(Seen::new(
        whole && acts.all_done(),
        format!("{} messages came back unchanged, on one connection", replies.len()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back_unchanged() {
        let mut out = Outbox::new();
        for bytes in [&b"a"[..], b"\0\xff\n", b""] {
            assert_eq!(Echo.received(bytes, &mut out), Then::Continue);
        }
        assert_eq!(out.bytes(), b"a\0\xff\n");
    }

    #[test]
    fn a_reply_that_differs_is_named_by_its_first_wrong_byte() {
        let complaint = EchoProtocol.complaint(b"hello\n", b"heLlo\n").unwrap();
        assert!(complaint.contains("byte 2 was sent as 0x6c and came as 0x4c"), "{complaint}");
        assert_eq!(EchoProtocol.complaint(b"hello\n", b"hello\n"), None);
    }
}
