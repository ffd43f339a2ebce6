//! Threads for what takes too long for the loop that serves everyone: files
//! and password hashes.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use bytes::Bytes;

use super::names::Name;
use super::shared::{MAX_CHUNK_BYTES, Refusal, SharedDir, SharedFile, Step, hex};
use super::transfer::{Order, Slab, Source};
use super::users::{Password, Users};
use crate::serve::post::Bell;

/// Threads that read files: enough to keep a disk busy.
const FILE_THREADS: usize = 4;

/// Threads that check passwords. Each takes 19 MiB and tens of milliseconds
/// for one, and a class that comes at once can wait a second.
const PASSWORD_THREADS: usize = 2;

/// Chunks read ahead for one download.
const CHUNKS_AHEAD: usize = 4;

/// Chunks of what a client has already, before others have their turn.
const SKIPS_AT_ONCE: usize = 64;

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
}

/// The workers, and what they have done.
pub struct Workers {
    files: Sender<(u64, Job)>,
    passwords: Sender<(u64, Job)>,
    done: Arc<Mutex<VecDeque<(u64, Done)>>>,
}

struct Worker {
    files: Option<Arc<SharedDir>>,
    users: Option<PathBuf>,
    done: Arc<Mutex<VecDeque<(u64, Done)>>>,
    bell: Bell,
}

impl Workers {
    /// Starts them; they ring `bell` when something is done, and end when this
    /// is dropped.
    pub fn start(files: Option<Arc<SharedDir>>, users: Option<PathBuf>, bell: Bell) -> Workers {
        let done = Arc::new(Mutex::new(VecDeque::new()));
        let worker = Arc::new(Worker { files, users, done: done.clone(), bell });
        let (files, passwords) = (channel(), channel());
        spawn("files", FILE_THREADS, files.1, &worker);
        spawn("passwords", PASSWORD_THREADS, passwords.1, &worker);
        Workers { files: files.0, passwords: passwords.0, done }
    }

    /// Has an order of client `number` carried out.
    pub fn order(&self, number: u64, order: Order) {
        let (queue, job) = match order {
            Order::List => (&self.files, Job::List),
            Order::Open(readings) => (&self.files, Job::Open(readings)),
            Order::Verify(name, password) => (&self.passwords, Job::Verify(name, password)),
        };
        let _ = queue.send((number, job)); // fails only where no thread could be had
    }

    /// Has more of a file read.
    pub fn read(&self, number: u64, source: Source) {
        let _ = self.files.send((number, Job::Read(Box::new(source))));
    }

    /// What was done since the last time.
    pub fn take(&self) -> VecDeque<(u64, Done)> {
        std::mem::take(&mut lock(&self.done))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spawn(name: &str, count: usize, queue: Receiver<(u64, Job)>, worker: &Arc<Worker>) {
    let queue = Arc::new(Mutex::new(queue));
    for number in 1..=count {
        let (queue, worker) = (queue.clone(), worker.clone());
        let work = move || {
            loop {
                // A statement of its own: the others may look in the queue
                // while this one works.
                let next = lock(&queue).recv();
                let Ok((number, job)) = next else { return };
                let done = worker.work(job);
                lock(&worker.done).push_back((number, done));
                worker.bell.ring();
            }
        };
        // Where no thread is to be had, the others have more to do.
        let _ = thread::Builder::new().name(format!("{name}-{number}")).spawn(work);
    }
}

impl Worker {
    fn work(&self, job: Job) -> Done {
        match job {
            Job::List => Done::Listed(self.list()),
            Job::Open(readings) => Done::Opened(self.open(&readings)),
            Job::Read(source) => Done::Read(source.id, read(*source)),
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
}

/// The next chunks of a file; at its end the line that says so.
fn read(mut source: Source) -> Slab {
    let mut bytes = Vec::with_capacity(CHUNKS_AHEAD * (MAX_CHUNK_BYTES + MAX_HEAD_BYTES));
    let mut chunk = vec![0; MAX_CHUNK_BYTES];
    let (mut read, mut skipped) = (0, 0);
    while read < CHUNKS_AHEAD && skipped < SKIPS_AT_ONCE {
        let last = match source.file.next(&mut chunk) {
            Ok(Step::Chunk(length)) => {
                bytes.extend_from_slice(format!("+ {} {length}\n", source.id).as_bytes());
                bytes.extend_from_slice(&chunk[..length]);
                read += 1;
                continue;
            }
            // What the client has already is only hashed.
            Ok(Step::Skipped) => {
                skipped += 1;
                continue;
            }
            Ok(Step::End(hash)) => format!(". {} {}\n", source.id, hex(&hash)),
            Err(why) => format!("! {} {why}\n", source.id),
        };
        bytes.extend_from_slice(last.as_bytes());
        return Slab { bytes: Bytes::from(bytes), rest: None };
    }
    Slab { bytes: Bytes::from(bytes), rest: Some(source) }
}
