//! Downloads: what a client has asked for, and in which order its pieces go
//! out, so that chat goes on between them and memory stays bounded.
//!
//! A worker reads a *slab* of some chunks ahead while the one before is being
//! sent; the next is handed over only once nothing is unsent. So a client
//! costs two slabs at the most, however slowly it reads, and what others say
//! comes at once behind the present slab.
//!
//! On a plain connection a large file's slab only names parts of it, which the
//! system sends by itself (`sendfile(2)`). What it sends is the file as it is
//! then; so whether it has changed is looked at once more when all is sent.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::shared::{MAX_CHUNK_BYTES, SharedFile};
use super::users::Password;
use crate::net::sendfile::FilePart;
use bytes::Bytes;

/// Downloads of one client at once; a person wants one, an eager program four.
pub const MAX_AT_ONCE: usize = 4;

/// Chunks of a slab: what others say waits behind them.
pub const CHUNKS_AHEAD: usize = 4;

/// Who takes a slab within this time gets chunks twice as long in the next one,
/// three times over: then what others say does not wait long in any case, and
/// a slab costs two threads a wake, each of its chunks two calls.
const AT_ONCE: Duration = Duration::from_millis(20);
const MOST_DOUBLINGS: u32 = 3;

/// What a client's next line waits for. It is carried out by a worker: files
/// and password hashes take longer than others should wait.
#[derive(Debug, PartialEq, Eq)]
pub enum Order {
    /// The list of shared files.
    List,
    /// A file; what its name and the offset may be, the likeliest first.
    Open(Vec<(String, u64)>),
    /// Whether this is the password of the user of that name.
    Verify(String, Password),
}

/// A file on its way to a client.
pub struct Source {
    /// Number of the transfer on this connection, from 1.
    pub id: u64,
    /// What is left of the file.
    pub file: SharedFile,
    /// How long a chunk may be that the system sends by itself.
    pub longest: usize,
}

/// What a worker has read.
pub struct Slab {
    /// The lines before chunks, and what of the file they announce.
    pub parts: Vec<(Bytes, FilePart)>,
    /// Whole chunks, or the line that ends the transfer.
    pub bytes: Bytes,
    /// Where to read on; `None` at the end.
    pub rest: Option<Source>,
}

/// The downloads of one client.
#[derive(Default)]
pub struct Transfers {
    begun: u64,
    active: VecDeque<Transfer>,
    /// A slab is handed over and not all sent: since when.
    unsent_since: Option<Instant>,
    /// How often the length of chunks was doubled.
    doublings: u32,
    /// Where to read on only then: at its end.
    last: Option<Source>,
}

struct Transfer {
    id: u64,
    ready: Option<Slab>,
}

impl Transfers {
    /// Whether none is under way.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// Whether another one may begin.
    pub fn is_full(&self) -> bool {
        self.active.len() >= MAX_AT_ONCE
    }

    /// A file is open: the line that announces it, and what is to be read.
    pub fn begin(&mut self, file: SharedFile) -> (String, Source) {
        self.begun += 1;
        let id = self.begun;
        self.active.push_back(Transfer { id, ready: None });
        (format!("# {id} {} {}\n", file.size(), file.name()), Source { id, file, longest: MAX_CHUNK_BYTES })
    }

    /// A slab of transfer `id` is read.
    pub fn is_read(&mut self, id: u64, slab: Slab) {
        if let Some(transfer) = self.active.iter_mut().find(|transfer| transfer.id == id) {
            transfer.ready = Some(slab);
        }
    }

    /// All that was handed over is sent. Where to read on now.
    pub fn is_sent(&mut self) -> Option<Source> {
        if let Some(since) = self.unsent_since.take() {
            let doublings =
                if since.elapsed() < AT_ONCE { self.doublings + 1 } else { self.doublings.saturating_sub(1) };
            self.doublings = doublings.min(MOST_DOUBLINGS);
        }
        self.last.take()
    }

    /// What to hand over now, each download in its turn; where to read on is
    /// in it, if that can be done meanwhile.
    pub fn hand_over(&mut self) -> Option<Slab> {
        if self.unsent_since.is_some() {
            return None;
        }
        let at = self.active.iter().position(|transfer| transfer.ready.is_some())?;
        let mut transfer = self.active.remove(at)?;
        let mut slab = transfer.ready.take()?;
        self.unsent_since = Some(Instant::now());
        if let Some(rest) = &mut slab.rest {
            rest.longest = MAX_CHUNK_BYTES << self.doublings;
            self.active.push_back(transfer);
        }
        self.last = slab.rest.take_if(|source| !slab.parts.is_empty() && source.file.is_at_end());
        Some(slab)
    }
}
