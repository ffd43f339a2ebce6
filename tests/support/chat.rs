//! What tests of the chat need: a server with a shared directory of the test's
//! own, and users made of a bare socket, who read the protocol strictly.
//!
//! Every line that any server sends in any of these tests is held against the
//! contract on its way in: UTF-8, ended by LF alone, of a known kind, nothing
//! in it that a terminal obeys.

#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part, and a helper's failure is the test's")]

pub mod tls;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::support::{DEADLINE, Running, Server, netlab};

/// The most bytes of a notice, an error or a file's line, its end not counted.
const MAX_LINE_BYTES: usize = 4096;

/// The most bytes of a chunk of a file. Only who takes them at once gets so many.
pub const MAX_CHUNK_BYTES: usize = 512 * 1024;

/// A chat server, and all it may read and keep: in a directory of its own.
pub struct ChatServer {
    pub server: Server,
    pub home: tempfile::TempDir,
}

/// A directory for a server: `shared` in it, and room for its state.
pub fn new_home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("shared")).unwrap();
    home
}

/// `netlab chat ARGS…` in that home, with nothing of the tester's own in reach.
pub fn chat_in(home: &Path, args: &[&str]) -> Command {
    let mut command = netlab([&["chat"], args].concat());
    command.current_dir(home).env("XDG_STATE_HOME", home.join("state")).env("HOME", home);
    command.env("LOCALAPPDATA", home.join("state")).env("USERPROFILE", home); // Windows' names for them
    command.env_remove("SERVER_SHARED_FILES").env_remove("SERVERSHAREDFILES").env_remove("USER");
    command
}

impl ChatServer {
    /// `chat server 127.0.0.1:0 --json --shared shared ARGS…`, once it listens.
    pub fn start(args: &[&str]) -> ChatServer {
        ChatServer::in_home(new_home(), args)
    }

    pub fn in_home(home: tempfile::TempDir, args: &[&str]) -> ChatServer {
        let fixed = ["server", "127.0.0.1:0", "--json", "--shared", "shared"];
        // A pipe for its input that stays open: it is the console, where asked for.
        let running = Running::start_on(b"", chat_in(home.path(), &[&fixed, args].concat()));
        ChatServer { server: Server::when_ready(running), home }
    }

    pub fn shared(&self) -> PathBuf {
        self.home.path().join("shared")
    }

    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    pub fn port(&self) -> String {
        self.addr().port().to_string()
    }

    pub fn pid(&self) -> u32 {
        self.server.running.child.id()
    }

    /// A connection that has read its welcome.
    pub fn connect(&self) -> User {
        self.connect_either(false)
    }

    pub fn connect_either(&self, over_tls: bool) -> User {
        let mut user = if over_tls { User::connect_tls(self.addr()) } else { User::connect(self.addr()) };
        user.expect("* netlab chat 1…");
        user
    }

    /// A user who is in: everyone's notice of it, her own too, is still to be read by the others.
    pub fn user(&self, name: &str) -> User {
        let mut user = self.connect();
        user.say(&format!("/name {name}"));
        user.expect(&format!("* {name} has joined"));
        user
    }

    /// These users, each of whom has read of all that joined after it.
    pub fn users<const N: usize>(&self, names: [&str; N]) -> [User; N] {
        let mut users = names.map(|_| self.connect());
        for (at, name) in names.iter().enumerate() {
            users[at].say(&format!("/name {name}"));
            users.iter_mut().for_each(|user| user.expect(&format!("* {name} has joined")));
        }
        users
    }

    /// Resident memory of the server in KiB (`VmRSS`).
    #[cfg(target_os = "linux")]
    pub fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

/// What came from a server.
#[derive(Clone, PartialEq, Eq)]
pub enum Item {
    Line(String),
    Chunk { id: u64, bytes: Vec<u8> },
    Fin,
    Reset,
}

impl std::fmt::Debug for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Item::Line(line) => write!(f, "{}", cut(line)),
            Item::Chunk { id, bytes } => write!(f, "+ {id} {} and the bytes", bytes.len()),
            Item::Fin => f.write_str("(closed)"),
            Item::Reset => f.write_str("(reset)"),
        }
    }
}

fn cut(line: &str) -> String {
    let shown: String = line.chars().take(200).collect();
    if shown.len() < line.len() { format!("{shown}… ({} bytes)", line.len()) } else { shown }
}

/// What carries a user's bytes.
pub trait Carrier: Read + Write + Send {
    fn tcp(&self) -> &TcpStream;

    /// Says that nothing more will be sent.
    fn half_close(&mut self);
}

impl Carrier for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }

    fn half_close(&mut self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

impl Carrier for rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref()
    }

    fn half_close(&mut self) {
        self.conn.send_close_notify();
        self.flush().unwrap();
        self.get_ref().shutdown(Shutdown::Write).unwrap();
    }
}

/// A user made of a socket.
pub struct User {
    carrier: Box<dyn Carrier>,
    buffer: Vec<u8>,
    /// How far `buffer` has been taken.
    taken: usize,
    pending: VecDeque<Item>,
    /// Whether the server's own calls fail, so that a line may stay unfinished.
    is_ill_served: bool,
}

/// A whole file as it came: its ID, what was said of it, and its bytes.
pub struct Download {
    pub id: u64,
    pub size: u64,
    pub name: String,
    pub bytes: Vec<u8>,
    pub hash: String,
}

impl User {
    /// In plain text; nothing is read yet.
    pub fn connect(addr: SocketAddr) -> User {
        User::over(Box::new(User::dial(addr)))
    }

    /// Over TLS, whatever certificate the server shows.
    pub fn connect_tls(addr: SocketAddr) -> User {
        User::over(Box::new(rustls::StreamOwned::new(tls::client(), User::dial(addr))))
    }

    fn dial(addr: SocketAddr) -> TcpStream {
        let tcp = TcpStream::connect_timeout(&addr, DEADLINE).unwrap_or_else(|error| panic!("connect {addr}: {error}"));
        tcp.set_read_timeout(Some(DEADLINE)).unwrap();
        tcp.set_write_timeout(Some(DEADLINE)).unwrap();
        tcp.set_nodelay(true).unwrap();
        tcp
    }

    fn over(carrier: Box<dyn Carrier>) -> User {
        User { carrier, buffer: Vec::new(), taken: 0, pending: VecDeque::new(), is_ill_served: false }
    }

    pub fn local(&self) -> SocketAddr {
        self.tcp().local_addr().unwrap()
    }

    pub fn tcp(&self) -> &TcpStream {
        self.carrier.tcp()
    }

    #[track_caller]
    pub fn say(&mut self, line: &str) {
        self.send(format!("{line}\n").as_bytes());
    }

    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        let sent = self.carrier.write_all(bytes).and_then(|()| self.carrier.flush());
        sent.unwrap_or_else(|error| panic!("send: {error}"));
    }

    /// As [`User::send`], to one who may close at any moment.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.carrier.write_all(bytes).and_then(|()| self.carrier.flush())
    }

    /// FIN: nothing more will be sent, and all that comes will be read.
    pub fn half_close(&mut self) {
        self.carrier.half_close();
    }

    /// RST instead of FIN.
    pub fn reset(self) {
        socket2::SockRef::from(self.tcp()).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// The next thing that comes.
    #[track_caller]
    pub fn next(&mut self) -> Item {
        loop {
            if let Some(item) = self.pending.pop_front().or_else(|| self.take_item()) {
                return item;
            }
            if let Some(end) = self.read_more() {
                return end;
            }
        }
    }

    /// From here on an end in the middle of a line is a reset, and no fault.
    pub fn ill_served(mut self) -> User {
        self.is_ill_served = true;
        self
    }

    /// Gives an item back: it is the next one again.
    pub fn give_back(&mut self, item: Item) {
        self.pending.push_front(item);
    }

    /// Drops an item that was given back, if it is such a one.
    pub fn skip_given_back(&mut self, is_such: impl Fn(&Item) -> bool) {
        if self.pending.front().is_some_and(is_such) {
            self.pending.pop_front();
        }
    }

    #[track_caller]
    fn read_more(&mut self) -> Option<Item> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let mut bytes = [0; 64 * 1024];
        let end = match self.carrier.read(&mut bytes) {
            Ok(0) if self.is_ill_served && !self.buffer.is_empty() => Item::Reset,
            Ok(0) => Item::Fin,
            Ok(got) => {
                self.buffer.extend_from_slice(&bytes[..got]);
                return None;
            }
            // A wait with an end is not taken up again after a stop (SIGSTOP).
            Err(error) if error.kind() == ErrorKind::Interrupted => return None,
            // Over TLS a FIN that no close_notify went before may be anybody's.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => Item::Reset,
            Err(error) => panic!("nothing came: {error}; in hand: {:?}", String::from_utf8_lossy(&self.buffer)),
        };
        let rest = String::from_utf8_lossy(&self.buffer);
        assert!(rest.is_empty() || end == Item::Reset, "closed in the middle of a line: {:?}", cut(&rest));
        Some(end)
    }

    fn take_item(&mut self) -> Option<Item> {
        let waiting = &self.buffer[self.taken..];
        let end = waiting.iter().position(|byte| *byte == b'\n')?;
        let line = checked(&waiting[..end]);
        let Some(chunk) = line.strip_prefix("+ ") else {
            self.taken += end + 1;
            return Some(Item::Line(line));
        };
        let (id, length) = chunk.split_once(' ').unwrap_or_else(|| panic!("a chunk's line: {line}"));
        let (id, length): (u64, usize) = (id.parse().unwrap(), length.parse().unwrap());
        assert!((1..=MAX_CHUNK_BYTES).contains(&length), "a chunk of {length} bytes");
        let bytes = waiting.get(end + 1..end + 1 + length)?.to_vec();
        self.taken += end + 1 + length;
        Some(Item::Chunk { id, bytes })
    }

    /// The next line; chunks are no lines.
    #[track_caller]
    pub fn line(&mut self) -> String {
        match self.next() {
            Item::Line(line) => line,
            other => panic!("expected a line, got {other:?}"),
        }
    }

    /// The next line, which must fit; `…` stands for any text.
    #[track_caller]
    pub fn expect(&mut self, pattern: &str) {
        let item = self.next();
        let fits = matches!(&item, Item::Line(line) if fits(pattern, line));
        assert!(fits, "expected {}\n     got {item:?}\n    then {:?}", cut(pattern), self.rest());
    }

    /// What else is here already, for a message.
    fn rest(&mut self) -> Vec<Item> {
        let _ = self.tcp().set_read_timeout(Some(Duration::from_millis(100)));
        let mut bytes = [0; 64 * 1024];
        if let Ok(got @ 1..) = self.carrier.read(&mut bytes) {
            self.buffer.extend_from_slice(&bytes[..got]);
        }
        let mut rest: Vec<Item> = self.pending.drain(..).collect();
        while rest.len() < 10 {
            let Some(item) = self.take_item() else { break };
            rest.push(item);
        }
        rest
    }

    /// FIN must be next.
    #[track_caller]
    pub fn expect_close(&mut self) {
        let item = self.next();
        assert!(item == Item::Fin, "expected a close (FIN), got {item:?}");
    }

    /// FIN or RST must be next: where the user had sent more than was read.
    #[track_caller]
    pub fn expect_gone(&mut self) {
        let item = self.next();
        assert!(matches!(item, Item::Fin | Item::Reset), "expected the end, got {item:?}");
    }

    /// Nothing is on its way: an unknown command is answered next. The server
    /// has by then carried out all it had taken from anyone before.
    #[track_caller]
    pub fn expect_nothing(&mut self) {
        self.say("/nothing-is-on-its-way");
        let item = self.next();
        assert!(matches!(&item, Item::Line(line) if line.starts_with("! ")), "expected nothing, got {item:?}");
    }

    /// One notice or more, and nothing else.
    #[track_caller]
    pub fn expect_notices(&mut self) {
        self.expect("* …");
        self.say("/no-more-notices");
        loop {
            match self.line() {
                line if line.starts_with("! ") => return,
                line => assert!(line.starts_with("* "), "expected notices, got {line}"),
            }
        }
    }

    /// The whole transfer whose `#` line comes next but for lines of others,
    /// which are kept for later. It must be whole and its hash the hash said,
    /// if it was asked for from the start.
    #[track_caller]
    pub fn download(&mut self) -> Download {
        let mut kept = VecDeque::new();
        let mut download: Option<Download> = None;
        loop {
            let item = self.next();
            let Item::Line(line) = &item else {
                let Item::Chunk { id, bytes } = item else { panic!("{item:?} in the middle of a transfer") };
                match &mut download {
                    Some(download) if download.id == id => download.bytes.extend_from_slice(&bytes),
                    _ => kept.push_back(Item::Chunk { id, bytes }),
                }
                continue;
            };
            match &mut download {
                None if line.starts_with("# ") => download = Some(begun(line)),
                Some(download) if line.starts_with(&format!(". {} ", download.id)) => {
                    download.hash = line.rsplit(' ').next().unwrap().to_owned();
                    break;
                }
                Some(download) if line.starts_with(&format!("! {} ", download.id)) => {
                    panic!("the transfer ended in {line}, after {} bytes", download.bytes.len())
                }
                None if line.starts_with("! ") => panic!("no transfer begins: {line}"),
                _ => kept.push_back(item),
            }
        }
        kept.extend(self.pending.drain(..));
        self.pending = kept;
        download.unwrap()
    }
}

fn begun(line: &str) -> Download {
    let words: Vec<&str> = line.splitn(4, ' ').collect();
    let [_, id, size, name] = words[..] else { panic!("a transfer's line: {line}") };
    let (id, size) = (id.parse().unwrap(), size.parse().unwrap());
    Download { id, size, name: name.to_owned(), bytes: Vec::new(), hash: String::new() }
}

/// A line as the contract has it, whoever sent what is told in it.
#[track_caller]
fn checked(bytes: &[u8]) -> String {
    let line = std::str::from_utf8(bytes).unwrap_or_else(|_| panic!("not UTF-8: {:?}", String::from_utf8_lossy(bytes)));
    let obeyed = |c: char| {
        c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}'..='\u{200f}' | '\u{61c}' | '\u{2028}'..='\u{2029}')
    };
    assert!(!line.contains(obeyed), "what a terminal obeys, in {line:?}");
    assert!(line.starts_with(['*', '<', '!', '=', '#', '+', '.']), "a line of no known kind: {line:?}");
    let is_said = line.starts_with('<');
    assert!(is_said || line.len() <= MAX_LINE_BYTES, "a line of {} bytes: {}", line.len(), cut(line));
    line.to_owned()
}

/// Whether the text is the pattern's, in which `…` stands for any text.
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// 64 lower-case digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that no two names and no two places have alike, the same on every run.
pub fn noise(name: &str, length: usize) -> Vec<u8> {
    let seed = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |seed, byte| (seed ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // xorshift64: fast, and nothing in it repeats within any file of ours.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Whether the full sizes are to be tried, and their time limits to be kept.
pub fn is_heavy() -> bool {
    std::env::var_os("NETLAB_TEST_HEAVY").is_some_and(|value| value == "1")
}
