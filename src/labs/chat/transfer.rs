//! Downloads: what a client has asked for, and in which order its pieces go
//! out, so that chat goes on between them and memory stays bounded.
//!
//! A worker reads a *slab* of a few chunks ahead while the one before is being
//! sent; the next is handed over only once nothing is unsent. So a client
//! costs two slabs at the most, however slowly it reads, and what others say
//! comes at once behind the present slab.

use std::collections::VecDeque;

use super::shared::SharedFile;
use super::users::Password;
use bytes::Bytes;

/// Downloads of one client at once; a person wants one, an eager program four.
pub const MAX_AT_ONCE: usize = 4;

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
}

/// What a worker has read.
pub struct Slab {
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
    /// A slab is handed over and not all sent.
    is_unsent: bool,
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
        (format!("# {id} {} {}\n", file.size(), file.name()), Source { id, file })
    }

    /// A slab of transfer `id` is read.
    pub fn is_read(&mut self, id: u64, slab: Slab) {
        if let Some(transfer) = self.active.iter_mut().find(|transfer| transfer.id == id) {
            transfer.ready = Some(slab);
        }
    }

    /// All that was handed over is sent.
    pub fn is_sent(&mut self) {
        self.is_unsent = false;
    }

    /// What to hand over now, each download in its turn; and where to read on.
    pub fn hand_over(&mut self) -> Option<(Bytes, Option<Source>)> {
        if self.is_unsent {
            return None;
        }
        let at = self.active.iter().position(|transfer| transfer.ready.is_some())?;
        let mut transfer = self.active.remove(at)?;
        let slab = transfer.ready.take()?;
        self.is_unsent = true;
        if slab.rest.is_some() {
            self.active.push_back(transfer);
        }
        Some((slab.bytes, slab.rest))
    }
}
