//! Threads for what takes too long for the loop that serves everyone: files
//! and password hashes.

use std::cell::Cell;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use bytes::Bytes;

use super::names::Name;
use super::shared::{MAX_CHUNK_BYTES, Refusal, SharedDir, SharedFile, Step, hex};
use super::transfer::{CHUNKS_AHEAD, Order, Slab, Source};
use super::users::{Password, Users};
use crate::net::sendfile::FilePart;
use crate::serve::post::Bell;

/// Threads that read files: enough to keep a disk busy.
const FILE_THREADS: usize = 4;

/// Threads that check passwords. Each takes 19 MiB and tens of milliseconds
/// for one, and a class that comes at once can wait a second.
const PASSWORD_THREADS: usize = 2;

/// Chunks of what a client has already, before others have their turn.
const SKIPS_AT_ONCE: usize = 64;

/// Files from this size on are sent by the system where that is possible;
/// smaller ones go out with the lines around them in one send.
const WORTH_SENDING: u64 = 1024 * 1024;

/// `+ ID LENGTH` and a line end.
const MAX_HEAD_BYTES: usize = 32;

/// A piece of work for client `number`.
enum Job {
    List,
    Open(Vec<(String, u64)>),
    Read(Box<Source>),
    Verify(String, Password),
}

/// A piece of work that is done.
pub enum Done {
    /// The files, or why they cannot be listed.
    Listed(Result<Vec<(String, u64)>, String>),
    /// The file, or why it is not to be had.
    Opened(Result<SharedFile, String>),
    /// More of a file; `id` is the transfer's.
    Read(u64, Slab),
    /// Who it is by that name, if the password was right.
    Verified(String, Option<Name>),
    /// Nobody could do it, and why.
    Undone(&'static str),
}

/// What a client is told where the system has no thread for what it asked.
const NO_THREAD: &str = "the server has no thread to spare for this just now: try again later";

/// The workers, and what they have done.
pub struct Workers {
    files: Crew,
    passwords: Crew,
    worker: Arc<Worker>,
}

/// The threads of one kind, and their queue.
struct Crew {
    name: &'static str,
    most: usize,
    queue: Sender<(u64, Job)>,
    waiting: Arc<Mutex<Receiver<(u64, Job)>>>,
    /// How many there are.
    threads: Cell<usize>,
}

struct Worker {
    /// Whether parts of files can be sent as they lie.
    is_plain: bool,
    files: Option<Arc<SharedDir>>,
    users: Option<PathBuf>,
    done: Arc<Mutex<VecDeque<(u64, Done)>>>,
    bell: Bell,
}

impl Workers {
    /// For connections that are plain or not; they ring `bell` when something
    /// is done, and end when this is dropped. None is started before there is
    /// work: a server that nobody downloads from does without.
    pub fn new(is_plain: bool, files: Option<Arc<SharedDir>>, users: Option<PathBuf>, bell: Bell) -> Workers {
        let done = Arc::new(Mutex::new(VecDeque::new()));
        let worker = Arc::new(Worker { is_plain, files, users, done, bell });
        let (files, passwords) = (Crew::new("files", FILE_THREADS), Crew::new("passwords", PASSWORD_THREADS));
        Workers { files, passwords, worker }
    }

    /// Has an order of client `number` carried out.
    pub fn order(&self, number: u64, order: Order) {
        let (crew, job) = match order {
            Order::List => (&self.files, Job::List),
            Order::Open(readings) => (&self.files, Job::Open(readings)),
            Order::Verify(name, password) => (&self.passwords, Job::Verify(name, password)),
        };
        if crew.threads.get() == 0 {
            (0..crew.most).for_each(|_| crew.engage(&self.worker)); // the first time, or none was to be had then
        }
        if crew.threads.get() == 0 {
            return self.worker.tell(number, Done::Undone(NO_THREAD));
        }
        let _ = crew.queue.send((number, job)); // who could take it is there as long as the queue
    }

    /// Has more of a file read.
    pub fn read(&self, number: u64, source: Source) {
        let _ = self.files.queue.send((number, Job::Read(Box::new(source)))); // who opened it is there
    }

    /// What was done since the last time.
    pub fn take(&self) -> VecDeque<(u64, Done)> {
        std::mem::take(&mut lock(&self.worker.done))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Crew {
    fn new(name: &'static str, most: usize) -> Crew {
        let (queue, waiting) = channel();
        Crew { name, most, queue, waiting: Arc::new(Mutex::new(waiting)), threads: Cell::new(0) }
    }

    /// One thread more, if there is one to be had: else the others have more to
    /// do.
    fn engage(&self, worker: &Arc<Worker>) {
        let (waiting, worker) = (self.waiting.clone(), worker.clone());
        let work = move || {
            let mut room = Vec::new();
            loop {
                // A statement of its own: the others may look in the queue
                // while this one works.
                let next = lock(&waiting).recv();
                let Ok((number, job)) = next else { return };
                let done = worker.work(job, &mut room);
                worker.tell(number, done);
            }
        };
        let number = self.threads.get() + 1;
        if thread::Builder::new().name(format!("{}-{number}", self.name)).spawn(work).is_ok() {
            self.threads.set(number);
        }
    }
}

impl Worker {
    fn tell(&self, number: u64, done: Done) {
        lock(&self.done).push_back((number, done));
        self.bell.ring();
    }

    /// `room` is the thread's own, for bytes that are not kept.
    fn work(&self, job: Job, room: &mut Vec<u8>) -> Done {
        match job {
            Job::List => Done::Listed(self.list()),
            Job::Open(readings) => Done::Opened(self.open(&readings)),
            Job::Read(source) => Done::Read(source.id, self.read(*source, room)),
            Job::Verify(name, password) => {
                // Read each time: whoever was added a minute ago can come in.
                let users = self.users.as_ref().and_then(|file| Users::read(file).ok());
                let user = users.and_then(|users| users.verify(&name, &password));
                Done::Verified(name, user)
            }
        }
    }

    fn list(&self) -> Result<Vec<(String, u64)>, String> {
        let Some(files) = &self.files else { return Ok(Vec::new()) };
        files.list().map_err(|why| format!("the shared files cannot be listed now: {}", why.kind()))
    }

    /// The first reading of which there is a file.
    fn open(&self, readings: &[(String, u64)]) -> Result<SharedFile, String> {
        let nothing = || Refusal::NoSuchFile.to_string();
        let files = self.files.as_ref().ok_or_else(nothing)?;
        for (name, offset) in readings {
            match files.file(name).and_then(|file| file.resume_at(*offset)) {
                Err(Refusal::NoSuchFile) => {}
                file => return file.map_err(|why| why.to_string()),
            }
        }
        Err(nothing())
    }

    /// The next chunks of a file; at its end the line that says so.
    fn read(&self, source: Source, room: &mut Vec<u8>) -> Slab {
        room.resize(MAX_CHUNK_BYTES, 0);
        let names_parts = self.is_plain && source.file.size() >= WORTH_SENDING;
        let bytes = Vec::with_capacity(if names_parts { 0 } else { CHUNKS_AHEAD * (MAX_CHUNK_BYTES + MAX_HEAD_BYTES) });
        let mut slab = Draft { names_parts, parts: Vec::new(), bytes, source };
        let (mut read, mut skipped) = (0, 0);
        while read < CHUNKS_AHEAD && skipped < SKIPS_AT_ONCE && !slab.is_at_end() {
            match slab.add(CHUNKS_AHEAD - read, room) {
                Ok(Step::Chunk(bytes)) => read += bytes.div_ceil(slab.source.longest),
                // What the client has already is only hashed.
                Ok(Step::Skipped) => skipped += 1,
                Ok(Step::End(hash)) => return slab.close(|id| format!(". {id} {}\n", hex(&hash))),
                Err(why) => return slab.close(|id| format!("! {id} {why}\n")),
            }
        }
        Slab { parts: slab.parts, bytes: slab.bytes.into(), rest: Some(slab.source) }
    }
}

/// A slab that is being filled.
struct Draft {
    names_parts: bool,
    parts: Vec<(Bytes, FilePart)>,
    bytes: Vec<u8>,
    source: Source,
}

impl Draft {
    /// Whether it names all that is left of the file: the end is looked at
    /// once that is sent.
    fn is_at_end(&self) -> bool {
        !self.parts.is_empty() && self.source.file.is_at_end()
    }

    /// Adds a chunk's bytes, or the names of up to `most`, which may be longer:
    /// what is copied takes memory. `room` is for what is only hashed.
    fn add(&mut self, most: usize, room: &mut [u8]) -> Result<Step, Refusal> {
        let Draft { names_parts, parts, bytes, source: Source { id, file, longest } } = self;
        let Some(length) = file.upcoming() else { return file.next(room) };
        let head = |length: usize| format!("+ {id} {length}\n");
        if *names_parts && let Some(named) = file.next_parts(most, *longest, room)? {
            let length = named.iter().map(FilePart::length).sum();
            parts.extend(named.into_iter().map(|part| (head(part.length()).into(), part)));
            return Ok(Step::Chunk(length));
        }
        let before = bytes.len();
        bytes.extend_from_slice(head(length).as_bytes());
        let start = bytes.len();
        bytes.resize(start + length, 0);
        file.next(&mut bytes[start..]).inspect_err(|_| bytes.truncate(before))
    }

    fn close(mut self, line: impl FnOnce(u64) -> String) -> Slab {
        self.bytes.extend_from_slice(line(self.source.id).as_bytes());
        Slab { parts: self.parts, bytes: self.bytes.into(), rest: None }
    }
}
