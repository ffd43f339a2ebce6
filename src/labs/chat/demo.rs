//! The chat on one timeline: three users, a private word, a download, a
//! stranger who is refused, a user who vanishes.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::server::{self, ServerArgs};
use super::shared::hex;
use super::{
    super::stage::{Seen, Stage},
    DEFAULT_PORT,
};
use crate::error::{Attempt, Error, Result, Status};
use crate::framing::visible;
use crate::net::addr::Addr;
use crate::net::host::Host;
use crate::net::tcp::{self, Connection};

/// The file that is downloaded: longer than one chunk.
const FILE_BYTES: usize = 150_000;

/// What it is called.
const FILE: &str = "numbers.bin";

/// How long a line may take; on a busy machine, too.
const PATIENCE: Duration = Duration::from_secs(10);

/// Plays it.
pub fn demo(stage: &Stage) -> Result<Seen> {
    let folder = Folder::new().map_err(|cause| Error::new(Attempt::Write, "a folder for the demo", &cause))?;
    let seen = Mutex::new(Vec::new());
    let acts = stage.play(
        |host| server::run(host, &ServerArgs::sharing(folder.path())),
        |host, addr| {
            let told = talk(host, addr)?;
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = told;
            Ok(Status::Done)
        },
    )?;
    let seen = seen.into_inner().unwrap_or_default();
    let text = format!("three users talked, a private word stayed private, {FILE_BYTES} bytes came whole");
    Ok(match seen.iter().find(|(_, ok)| !ok) {
        None => Seen::new(acts.all_done() && seen.len() == 5, text),
        Some((what, _)) => Seen::new(false, format!("not so: {what}")),
    })
}

/// What happens, and whether it did.
fn talk(host: &Host, addr: &Addr) -> Result<Vec<(&'static str, bool)>> {
    let mut alice = Guest::come(host, addr, "alice")?;
    let mut bob = Guest::come(host, addr, "bob")?;
    let mut carol = Guest::come(host, addr, "carol")?;
    alice.say("hello everyone")?;
    bob.hears("<alice> hello everyone")?;
    carol.hears("<alice> hello everyone")?;
    bob.say("/msg carol the film is good")?;
    carol.hears("<bob -> carol> the film is good")?;
    // Once she hears what came after it, she has heard all before.
    bob.say("shall we begin?")?;
    let between = alice.hears("<bob> shall we begin?")?;
    let is_private = !between.iter().any(|line| line.contains("film"));
    let is_whole = carol.downloads(FILE)? == Sha256::digest(content())[..];
    stranger(host, addr)?;
    bob.vanish()?;
    alice.hears("* bob has left")?;
    carol.hears("* bob has left")?;
    for guest in [&mut alice, &mut carol] {
        guest.say("/quit")?;
        guest.hears("* goodbye")?;
    }
    Ok(vec![
        ("a line to everyone is heard", true), // or we would have given up
        ("a private word is heard by one", is_private),
        ("a download comes whole", is_whole),
        ("a stranger is refused", true),
        ("who vanishes is missed", true),
    ])
}

/// Somebody who speaks before saying who they are, and then takes a name that
/// looks like another's.
fn stranger(host: &Host, addr: &Addr) -> Result<()> {
    let mut stranger = Guest::connect(host, addr, "mallory")?;
    stranger.say("let me in")?;
    stranger.hears("! say first who you are")?;
    stranger.say("/name aIice")?; // with a capital i
    stranger.hears("! the name aIice")?;
    Ok(())
}

/// Somebody at a client, each speaking under their own name on the timeline.
struct Guest<'a> {
    name: &'static str,
    host: &'a Host,
    connection: Connection,
    received: Vec<u8>,
}

impl<'a> Guest<'a> {
    fn connect(host: &'a Host, addr: &Addr, name: &'static str) -> Result<Guest<'a>> {
        let connection = as_thread(name, || tcp::connect(host, addr, DEFAULT_PORT, None, PATIENCE))??;
        let mut guest = Guest { name, host, connection, received: Vec::new() };
        guest.hears("* netlab chat 1")?;
        Ok(guest)
    }

    fn come(host: &'a Host, addr: &Addr, name: &'static str) -> Result<Guest<'a>> {
        let mut guest = Guest::connect(host, addr, name)?;
        guest.say(&format!("/name {name}"))?;
        guest.hears(&format!("* {name} has joined"))?;
        Ok(guest)
    }

    fn say(&mut self, line: &str) -> Result<()> {
        let socket = &self.connection.socket;
        as_thread(self.name, || socket.send_all(format!("{line}\n").as_bytes()))?
            .map_err(|cause| self.failed(Attempt::Send, &cause))
    }

    /// Reads lines until one that begins so; answers those before it.
    fn hears(&mut self, beginning: &str) -> Result<Vec<String>> {
        let mut before = Vec::new();
        loop {
            let end = self.more_until(|received| received.iter().position(|byte| *byte == b'\n'))?;
            let line: Vec<u8> = self.received.drain(..=end).collect();
            let line = visible(&line[..end]);
            as_thread(self.name, || self.host.notice(line.clone()))?;
            if line.starts_with(beginning) {
                return Ok(before);
            }
            before.push(line);
        }
    }

    /// A file's SHA-256 as it came; checked against the server's by the caller.
    fn downloads(&mut self, file: &str) -> Result<Vec<u8>> {
        self.say(&format!("/get {file}"))?;
        self.hears("# 1 ")?;
        let mut hash = Sha256::new();
        loop {
            let end = self.more_until(|received| received.iter().position(|byte| *byte == b'\n'))?;
            let head = visible(&self.received[..end]);
            let Some(length) = head.strip_prefix("+ 1 ").and_then(|length| length.parse::<usize>().ok()) else {
                let hash = hash.finalize();
                self.hears(&format!(". 1 {}", hex(&hash.into())))?;
                return Ok(hash.to_vec());
            };
            self.received.drain(..=end);
            self.more_until(|received| (received.len() >= length).then_some(length))?;
            hash.update(self.received.drain(..length).as_slice());
        }
    }

    fn more_until(&mut self, found: impl Fn(&[u8]) -> Option<usize>) -> Result<usize> {
        let mut buffer = [0; 16 * 1024];
        loop {
            if let Some(at) = found(&self.received) {
                return Ok(at);
            }
            let socket = &self.connection.socket;
            let receive = || socket.wait_at_most(Some(PATIENCE)).and_then(|()| socket.recv(&mut buffer));
            let got = as_thread(self.name, receive)?;
            match got {
                Ok(0) => return Err(self.failed(Attempt::Receive, &ErrorKind::UnexpectedEof.into())),
                Ok(got) => self.received.extend_from_slice(&buffer[..got]),
                Err(cause) => return Err(self.failed(Attempt::Receive, &cause)),
            }
        }
    }

    /// Leaves as a killed process on a lost machine would: by RST.
    fn vanish(self) -> Result<()> {
        let socket = &self.connection.socket;
        let linger =
            || socket.set_option("SOL_SOCKET", "SO_LINGER", "{1, 0}", |socket| socket.set_linger(Some(Duration::ZERO)));
        as_thread(self.name, linger)?.map_err(|cause| self.failed(Attempt::Send, &cause))?;
        let (name, connection) = (self.name, self.connection);
        as_thread(name, move || drop(connection))
    }

    fn failed(&self, attempt: Attempt, cause: &io::Error) -> Error {
        Error::new(attempt, format!("tcp {} as {}", self.connection.peer, self.name), cause)
    }
}

/// Does something in a thread of this name, so that the timeline says who.
fn as_thread<T: Send>(name: &str, act: impl FnOnce() -> T + Send) -> Result<T> {
    thread::scope(|scope| match thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, act) {
        Ok(thread) => thread.join().map_err(|_| Error::other(Attempt::Serve, "the demo", format!("{name} panicked"))),
        Err(cause) => Err(Error::new(Attempt::Open, format!("a thread for {name}"), &cause)),
    })
}

/// A folder of its own with a file to share, removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Folder> {
        let path = std::env::temp_dir().join(format!("netlab-chat-demo-{}", process::id()));
        fs::create_dir(&path)?;
        let folder = Folder(path);
        fs::write(folder.0.join(FILE), content())?;
        Ok(folder)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Bytes of every value, so that one that is changed on the way shows.
fn content() -> Vec<u8> {
    (0..FILE_BYTES).map(|place| (place * place / 7) as u8).collect()
}
