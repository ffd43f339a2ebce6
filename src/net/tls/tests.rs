//! Both ends on loopback, and each of them with `openssl`.

use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};

use super::*;
use crate::error::Error;
use crate::net::addr::Addr;
use crate::net::host::Host;
use crate::net::polled::{PolledListener, PolledStream};
use crate::net::stop::Stop;
use crate::net::tcp;
use crate::net::trace::Trace;
use crate::report::recorder::Recorder;

/// Longer than anything here takes on the slowest machine.
const DEADLINE: Duration = Duration::from_secs(60);

fn host() -> Host {
    Host { lab: "chat", report: Arc::new(Recorder::default()), trace: Trace::off(), stop: Stop::new() }
}

fn any_port() -> Addr {
    "127.0.0.1:0".parse().unwrap()
}

/// How the server's side of a connection ended, and its channel.
type Ended = (io::Result<usize>, Channel);

/// An edge-triggered loop with one client: it says back whatever comes.
struct Echo {
    tls: ServerTls,
    addr: SocketAddr,
    ended: JoinHandle<Ended>,
}

/// To make one takes a while, on a disk that is asked to be sure.
fn one_for_all() -> ServerTls {
    static ONE: OnceLock<ServerTls> = OnceLock::new();
    let make = || ServerTls::self_signed(tempfile::tempdir().unwrap().path()).unwrap();
    ONE.get_or_init(make).clone()
}

impl Echo {
    fn start() -> Echo {
        let tls = one_for_all();
        let (listener, addr) = tcp::listen(&host(), &any_port(), 0, 8).unwrap();
        let of_loop = tls.clone();
        Echo { tls, addr, ended: thread::spawn(move || serve_one(&of_loop, PolledListener::new(listener).unwrap())) }
    }
}

fn serve_one(tls: &ServerTls, mut listener: PolledListener) -> Ended {
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(8));
    poll.registry().register(&mut listener, Token(0), Interest::READABLE).unwrap();
    let mut stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(_) => poll.poll(&mut events, Some(DEADLINE)).unwrap(),
        }
    };
    poll.registry().register(&mut stream, Token(1), Interest::READABLE | Interest::WRITABLE).unwrap();
    let (mut channel, mut queue) = (Channel::new(tls).unwrap(), Vec::new());
    loop {
        if let Some(ended) = turn(&mut channel, &stream, &mut queue) {
            let _ = channel.close(&stream);
            let _ = stream.send_fin();
            return (ended, channel);
        }
        poll.poll(&mut events, Some(DEADLINE)).unwrap();
        assert!(!events.is_empty(), "an edge was lost");
    }
}

/// Everything that can be done without waiting.
fn turn(channel: &mut Channel, stream: &PolledStream, queue: &mut Vec<u8>) -> Option<io::Result<usize>> {
    let mut buffer = [0; 1000];
    loop {
        match channel.recv(stream, &mut buffer) {
            Ok(0) if queue.is_empty() => return Some(Ok(0)),
            Ok(got) => queue.extend(&buffer[..got]),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return match send_queue(channel, stream, queue) {
                    Err(error) if error.kind() != ErrorKind::WouldBlock => Some(Err(error)),
                    _ => None,
                };
            }
            Err(error) => return Some(Err(error)),
        }
    }
}

fn send_queue(channel: &mut Channel, stream: &PolledStream, queue: &mut Vec<u8>) -> io::Result<()> {
    while !queue.is_empty() {
        let sent = channel.send(stream, queue)?;
        queue.drain(..sent);
    }
    channel.flush(stream)
}

fn connect(addr: SocketAddr, trust: Trust) -> crate::error::Result<ClientConnection> {
    let at = addr.to_string().parse().unwrap();
    let connection = tcp::connect(&host(), &at, 0, None, DEADLINE).unwrap();
    ClientConnection::connect(connection.socket, connection.peer, trust, DEADLINE)
}

fn read_exactly(client: &ClientConnection, count: usize) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 5000]);
    while all.len() < count {
        match client.recv(&mut buffer).unwrap() {
            0 => break,
            got => all.extend(&buffer[..got]),
        }
    }
    all
}

fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 7 + at / 251) as u8).collect()
}

#[test]
fn a_fingerprint_is_read_in_every_spelling() {
    let fingerprint = Fingerprint::of(b"abc");
    let colons = fingerprint.to_string();
    assert!(colons.starts_with("BA:78:16:BF:"), "{colons}");
    assert_eq!(colons.len(), 95);
    let bare = colons.replace(':', "");
    for text in [&colons, &bare, &bare.to_lowercase(), &format!("SHA256:{colons}"), &format!("sha256:{bare}\n")] {
        assert_eq!(text.parse(), Ok(fingerprint), "{text}");
    }
}

#[test]
fn what_is_no_fingerprint_is_refused_with_a_reason() {
    let bare = Fingerprint::of(b"abc").to_string().replace(':', "");
    let table = [
        ("", "this one 0"),
        ("SHA256:", "this one 0"),
        (&bare[1..], "this one 63"),
        (&format!("{bare}0"), "this one 65"),
        (&format!("{bare}00"), "this one 66"),
        ("xyz", "0-9 and A-F"),
        ("ääääää", "0-9 and A-F"),
    ];
    for (text, reason) in table {
        let error = text.parse::<Fingerprint>().unwrap_err();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn what_one_end_says_the_other_hears_and_both_end_in_order() {
    let echo = Echo::start();
    let client = connect(echo.addr, Trust::Ask).unwrap();
    assert_eq!(client.fingerprint(), echo.tls.fingerprint());
    for size in [1, 2, 4096, 16 * 1024, 16 * 1024 + 1, 300_000] {
        client.send_all(&pattern(size)).unwrap();
        assert_eq!(read_exactly(&client, size), pattern(size), "{size}");
    }
    client.close().unwrap();
    assert_eq!(client.recv(&mut [0; 10]).unwrap(), 0);
    let (ended, channel) = echo.ended.join().unwrap();
    assert_eq!(ended.unwrap(), 0);
    assert!(!channel.wants_write() && !channel.is_handshaking());
}

#[test]
fn a_thread_receives_while_another_sends_four_megabytes() {
    let echo = Echo::start();
    let client = connect(echo.addr, Trust::Ask).unwrap();
    let sent = pattern(4 << 20);
    thread::scope(|scope| {
        scope.spawn(|| client.send_all(&sent).unwrap());
        assert!(read_exactly(&client, sent.len()) == sent);
    });
}

#[test]
fn only_the_pinned_certificate_is_accepted() {
    let echo = Echo::start();
    let client = connect(echo.addr, Trust::Pinned(echo.tls.fingerprint())).unwrap();
    client.send_all(b"hi").unwrap();
    assert_eq!(read_exactly(&client, 2), b"hi");

    let echo = Echo::start();
    let pinned = Fingerprint([7; 32]);
    let error = connect(echo.addr, Trust::Pinned(pinned)).err().unwrap();
    assert!(error.message().contains("another certificate"), "{error}");
    assert!(error.why().contains(&pinned.to_string()) && error.why().contains(&echo.tls.fingerprint().to_string()));
    let (ended, _) = echo.ended.join().unwrap();
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::InvalidData);
}

/// One plain connection of its own, and what `say` does with it.
fn plain_server<T: Send + 'static>(say: impl FnOnce(TcpStream) -> T + Send + 'static) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    (addr, thread::spawn(move || say(listener.accept().unwrap().0)))
}

#[test]
fn a_server_that_speaks_plain_text_is_named_so() {
    let (addr, server) = plain_server(|mut stream| {
        stream.write_all(b"* netlab chat 1: /name NAME brings you in\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let error = connect(addr, Trust::Ask).err().unwrap();
    assert!(error.message().ends_with("the server does not speak TLS"), "{error}");
    server.join().unwrap();
}

#[test]
fn a_server_that_closes_or_is_silent_is_named_so() {
    let (addr, server) = plain_server(|stream| drop(stream.shutdown(Shutdown::Write)));
    let error = connect(addr, Trust::Ask).err().unwrap();
    assert!(error.message().contains("closed during the handshake") || error.message().contains("reset"), "{error}");
    server.join().unwrap();

    let (addr, server) = plain_server(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let at = addr.to_string().parse().unwrap();
    let connection = tcp::connect(&host(), &at, 0, None, DEADLINE).unwrap();
    let timeout = Duration::from_millis(50);
    let error = ClientConnection::connect(connection.socket, connection.peer, Trust::Ask, timeout).err().unwrap();
    assert!(error.message().ends_with("timed out"), "{error}");
    server.join().unwrap();
}

#[test]
fn a_client_that_speaks_plain_text_is_told_nothing_it_could_not_read() {
    let echo = Echo::start();
    let mut client = TcpStream::connect(echo.addr).unwrap();
    client.write_all(b"/name alice\n").unwrap();
    let mut heard = Vec::new();
    let _ = client.read_to_end(&mut heard); // closed with bytes unread, so maybe RST
    assert_eq!(heard, b"");
    let (ended, channel) = echo.ended.join().unwrap();
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::InvalidData);
    assert!(channel.spoke_plain_text());
}

/// What a client says first.
fn hello() -> Vec<u8> {
    let (addr, server) = plain_server(|mut stream| {
        let mut hello = vec![0; 4096];
        let got = stream.read(&mut hello).unwrap();
        hello.truncate(got);
        hello
    });
    assert!(connect(addr, Trust::Ask).is_err());
    server.join().unwrap()
}

#[test]
fn a_hello_with_any_byte_changed_or_cut_off_anywhere_ends_in_an_error() {
    let hello = hello();
    assert_eq!(hello[0], HANDSHAKE);
    let changed = (0..hello.len()).map(|at| {
        let mut changed = hello.clone();
        changed[at] ^= 0x55;
        changed
    });
    let cut = (0..hello.len()).step_by(7).map(|at| hello[..at].to_vec());
    let all: Vec<Vec<u8>> = changed.chain(cut).collect();
    for said in all {
        let echo = Echo::start();
        let mut client = TcpStream::connect(echo.addr).unwrap();
        let _ = client.write_all(&said);
        let _ = client.shutdown(Shutdown::Write);
        let _ = client.read_to_end(&mut Vec::new());
        let error = echo.ended.join().unwrap().0.unwrap_err();
        let kinds =
            [ErrorKind::InvalidData, ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        assert!(kinds.contains(&error.kind()), "{error:?}");
    }
}

#[test]
fn a_client_that_sends_a_byte_at_a_time_is_served() {
    let echo = Echo::start();
    let slow = relay_of_single_bytes(echo.addr);
    let client = connect(slow, Trust::Pinned(echo.tls.fingerprint())).unwrap();
    client.send_all(b"hello").unwrap();
    assert_eq!(read_exactly(&client, 5), b"hello");
}

fn relay_of_single_bytes(to: SocketAddr) -> SocketAddr {
    plain_server(move |client| {
        let server = TcpStream::connect(to).unwrap();
        for stream in [&client, &server] {
            stream.set_nodelay(true).unwrap();
        }
        let carry = |mut from: &TcpStream, mut to: &TcpStream| {
            let mut byte = [0];
            while let Ok(1) = from.read(&mut byte) {
                if to.write_all(&byte).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        };
        thread::scope(|scope| {
            scope.spawn(|| carry(&client, &server));
            carry(&server, &client);
        });
    })
    .0
}

/// Carries bytes between a client and `to`, and flips one bit of what the
/// client (or the server) sends after the handshake's bytes.
fn relay(to: SocketAddr, flip_at: impl Fn(bool, usize) -> Option<usize> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let client = listener.accept().unwrap().0;
        let server = TcpStream::connect(to).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| carry(&client, &server, |count| flip_at(true, count)));
            carry(&server, &client, |count| flip_at(false, count));
        });
    });
    addr
}

fn carry(mut from: &TcpStream, mut to: &TcpStream, flip_at: impl Fn(usize) -> Option<usize>) {
    let (mut buffer, mut count) = ([0; 4096], 0);
    while let Ok(got @ 1..) = from.read(&mut buffer) {
        if let Some(at) = flip_at(count) {
            buffer[at.min(got - 1)] ^= 1;
        }
        count += 1;
        if to.write_all(&buffer[..got]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[test]
fn a_flipped_bit_on_the_way_there_ends_the_connection() {
    let echo = Echo::start();
    // The client's second burst ends the handshake, the third is the message.
    let addr = relay(echo.addr, |from_client, burst| (from_client && burst >= 2).then_some(20));
    let client = connect(addr, Trust::Ask).unwrap();
    assert_eq!(client.fingerprint(), echo.tls.fingerprint());
    // Only now: else both could leave in one burst.
    let mut buffer = [0; 100];
    for _ in 0..100 {
        if client.send_all(b"a message on which a bit is flipped").is_err() {
            break;
        }
        match client.recv(&mut buffer) {
            Ok(1..) => continue, // the kernel had put both into one burst
            Ok(_) => break,
            Err(error) => {
                assert!(error.to_string().contains("BadRecordMac"), "{error}");
                break;
            }
        }
    }
    let error = echo.ended.join().unwrap().0.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("damaged or forged"), "{error}");
}

#[test]
fn a_flipped_bit_on_the_way_back_ends_the_connection() {
    let echo = Echo::start();
    let addr = relay(echo.addr, |from_client, burst| (!from_client && burst >= 1).then_some(20));
    let client = connect(addr, Trust::Ask).unwrap();
    client.send_all(b"a message whose echo is damaged").unwrap();
    let error = client.recv(&mut [0; 100]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("damaged or forged"), "{error}");
    let told = echo.ended.join().unwrap().0.unwrap_err();
    assert!(told.to_string().contains("BadRecordMac"), "{told}");
}

#[test]
fn fin_without_goodbye_is_an_error_at_both_ends() {
    let echo = Echo::start();
    let connection = tcp::connect(&host(), &echo.addr.to_string().parse().unwrap(), 0, None, DEADLINE).unwrap();
    let socket = connection.socket.clone();
    let client = ClientConnection::connect(connection.socket, connection.peer, Trust::Ask, DEADLINE).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    assert_eq!(echo.ended.join().unwrap().0.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(client.recv(&mut [0; 10]).unwrap(), 0); // it said goodbye nevertheless

    let echo = Echo::start();
    let cut_after_the_handshake = relay_that_cuts(echo.addr);
    let client = connect(cut_after_the_handshake, Trust::Ask).unwrap();
    let _ = client.send_all(b"x");
    let error = client.recv(&mut [0; 10]).unwrap_err();
    assert!([ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset].contains(&error.kind()), "{error:?}");
}

/// Passes the server's first burst on, which is its part of the handshake,
/// then ends the connection.
fn relay_that_cuts(to: SocketAddr) -> SocketAddr {
    plain_server(move |mut client| {
        let mut server = TcpStream::connect(to).unwrap();
        let mut buffer = [0; 4096];
        let got = client.read(&mut buffer).unwrap();
        server.write_all(&buffer[..got]).unwrap();
        let got = server.read(&mut buffer).unwrap();
        client.write_all(&buffer[..got]).unwrap();
        let _ = client.read(&mut buffer);
        client.shutdown(Shutdown::Write).unwrap();
        let _ = client.read_to_end(&mut Vec::new());
    })
    .0
}

/// A program that is ended with its test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn openssl(args: &[&str]) -> Program {
    let command =
        Command::new("openssl").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    Program(command.expect("openssl is needed for this test"))
}

fn run_openssl(args: &[&str]) -> String {
    let output =
        Command::new("openssl").args(args).stdin(Stdio::null()).output().expect("openssl is needed for this test");
    assert!(output.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn the_fingerprint_is_the_one_that_openssl_prints() {
    let dir = tempfile::tempdir().unwrap();
    let tls = ServerTls::self_signed(dir.path()).unwrap();
    let file = dir.path().join("chat.pem");
    let printed = run_openssl(&["x509", "-in", file.to_str().unwrap(), "-noout", "-fingerprint", "-sha256"]);
    assert_eq!(printed.trim().split_once('=').unwrap().1, tls.fingerprint().to_string());
    let names = run_openssl(&["x509", "-in", file.to_str().unwrap(), "-noout", "-ext", "subjectAltName"]);
    for name in ["DNS:localhost", "IP Address:127.0.0.1", "IP Address:0:0:0:0:0:0:0:1"] {
        assert!(names.contains(name), "{names}");
    }
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn openssl_s_client_talks_to_a_channel_by_tls_1_2_and_1_3() {
    for version in ["-tls1_2", "-tls1_3"] {
        let echo = Echo::start();
        let mut client = openssl(&["s_client", "-quiet", version, "-connect", &echo.addr.to_string()]);
        let mut input: ChildStdin = client.0.stdin.take().unwrap();
        let mut output = BufReader::new(client.0.stdout.take().unwrap());
        for message in ["hello\n", "K is no command here\n", &format!("{}\n", "x".repeat(40_000))] {
            input.write_all(message.as_bytes()).unwrap();
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            assert_eq!(line, message, "{version}");
        }
    }
}

/// A certificate by `openssl req -x509`, with further arguments.
fn certificate_of(dir: &Path, args: &[&str]) -> (String, String) {
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let fixed = ["req", "-x509", "-nodes", "-subj", "/CN=test", "-keyout", &key, "-out", &cert, "-newkey"];
    run_openssl(&[&fixed, args].concat());
    (cert, key)
}

/// `openssl s_server` on a port of the system's choice; its address.
fn s_server(cert: &str, key: &str, args: &[&str]) -> (Program, BufReader<std::process::ChildStdout>, SocketAddr) {
    let fixed = ["s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key];
    let mut server = openssl(&[&fixed, args].concat());
    let mut output = BufReader::new(server.0.stdout.take().unwrap());
    let addr = loop {
        let mut line = String::new();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "s_server has ended");
        if let Some(addr) = line.strip_prefix("ACCEPT ") {
            break addr.trim().parse().unwrap();
        }
    };
    (server, output, addr)
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn a_client_talks_to_openssl_s_server_with_keys_of_every_kind() {
    for (kind, version) in [("rsa:2048", "-tls1_2"), ("rsa:2048", "-tls1_3"), ("ed25519", "-tls1_3")] {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = certificate_of(dir.path(), &[kind]);
        let (_server, _output, addr) = s_server(&cert, &key, &["-rev", version]);
        let pinned = ServerTls::load(cert.as_ref(), key.as_ref()).unwrap().fingerprint();
        let client = connect(addr, Trust::Pinned(pinned)).unwrap();
        client.send_all(b"hello\n").unwrap();
        assert_eq!(read_exactly(&client, 6), b"olleh\n", "{kind} {version}");
    }
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn a_certificate_out_of_its_time_is_refused_with_its_dates() {
    let dir = tempfile::tempdir().unwrap();
    let error = refused_for_its_dates(dir.path(), -20, -10);
    assert!(error.message().contains("its certificate expired on 20"), "{error}");
    assert!(error.why().contains("here today is 20"), "{}", error.why());
    let error = refused_for_its_dates(dir.path(), 10, 20);
    assert!(error.message().contains("is not valid before 20"), "{error}");
}

fn refused_for_its_dates(dir: &Path, from_day: i64, to_day: i64) -> Error {
    let at = |day: i64| {
        let distance = Duration::from_secs(day.unsigned_abs() * 24 * 3600);
        let now = std::time::SystemTime::now();
        if day < 0 { now - distance } else { now + distance }
    };
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (at(from_day).into(), at(to_day).into());
    let key = rcgen::KeyPair::generate().unwrap();
    let file = dir.join("both.pem");
    fs::write(&file, format!("{}{}", params.self_signed(&key).unwrap().pem(), key.serialize_pem())).unwrap();
    let name = file.to_str().unwrap();
    let (_server, _output, addr) = s_server(name, name, &[]);
    connect(addr, Trust::Ask).err().unwrap()
}
