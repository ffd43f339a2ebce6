//! The shared folder: which files there are to have, and their bytes.
//!
//! Whoever asks for a name chooses it, so `../users`, `/etc/passwd`, a link or
//! a device must lead nowhere. The folder is opened once, and each file then
//! by `openat(2)` from that handle: by a name without a slash, following no
//! link, and only if it is a regular file. Offered is what the list shows and
//! nothing else: the name has to stand in the folder byte for byte, as some
//! file systems find `FILE` under `file` and more.
//!
//! A file may change while it is sent. Then what was sent is neither the old
//! nor the new one, so the transfer ends in an error. What has not changed
//! since it was last sent need not be hashed again ([`hashes`]).
//!
//! Everything here waits for the disk: never call it on the loop that serves.

mod hashes;
#[cfg(test)]
mod tests;

use std::fmt::{self, Write as _};
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use self::hashes::Hashes;
use self::system::Folder;
use crate::error::{Attempt, Error, Result};
use crate::framing::visible;
use crate::net::sendfile::{self, FilePart};

/// The longest chunk of a transfer that is copied.
pub const MAX_CHUNK_BYTES: usize = 64 * 1024;

/// File systems note the time of a change to a clock tick (10 ms at most). A
/// second change in the tick of the first one leaves no trace.
const TICK: Duration = Duration::from_millis(20);

/// The shared folder, opened.
pub struct SharedDir {
    folder: Folder,
    hashes: Arc<Hashes>,
}

/// Why there is no file, or no more of it. Its words follow a `!`.
#[derive(Debug)]
pub enum Refusal {
    /// Not in the list. Whether there is such a file elsewhere is not said.
    NoSuchFile,
    /// The system does not let us read it.
    Unreadable(io::Error),
    /// An offset beyond the end; the size.
    Beyond(u64),
    /// It is not the same any more.
    Changed,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NoSuchFile => f.write_str("there is no such file; /files lists what there is"),
            Refusal::Unreadable(cause) if cause.kind() == ErrorKind::PermissionDenied => {
                f.write_str("the server may not read that file")
            }
            Refusal::Unreadable(cause) => write!(f, "the server cannot read that file: {}", cause.kind()),
            Refusal::Beyond(size) => write!(f, "that file has only {size} bytes"),
            Refusal::Changed => f.write_str("the file was changed meanwhile; ask for it again"),
        }
    }
}

impl SharedDir {
    /// Opens the folder.
    ///
    /// # Errors
    /// Exit status 2: no such folder, or one that cannot be read.
    pub fn open(path: &Path) -> Result<SharedDir> {
        let folder = Folder::open(path).map_err(|cause| {
            Error::new(Attempt::Read, path.display().to_string(), &cause)
                .because("the folder of the files that users may download")
                .next("mkdir SharedFiles, or --shared with a folder that is there")
                .unasked()
        })?;
        let _ = sendfile::prepare(); // else when the first file is sent
        Ok(SharedDir { folder, hashes: Arc::default() })
    }

    /// The names and sizes of all files that are offered, sorted by name.
    ///
    /// # Errors
    /// The folder's.
    pub fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let mut files: Vec<(String, u64)> = self.names()?.into_iter().filter_map(|name| self.sized(name)).collect();
        files.sort_unstable();
        Ok(files)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = self.folder.names()?;
        names.retain(|name| may_be_offered(name));
        Ok(names)
    }

    fn sized(&self, name: String) -> Option<(String, u64)> {
        let size = self.folder.size_of_regular(&name)?;
        Some((name, size))
    }

    /// Opens a file, to be sent from its first byte.
    ///
    /// # Errors
    /// A file that is not offered, or cannot be read.
    pub fn file(&self, name: &str) -> std::result::Result<SharedFile, Refusal> {
        let is_there = self.names().map_err(Refusal::Unreadable)?.iter().any(|other| other == name);
        // Asked before it is opened: to open a device or a FIFO can do things.
        if !is_there || self.folder.size_of_regular(name).is_none() {
            return Err(Refusal::NoSuchFile);
        }
        let file = self.folder.open_file(name).map_err(|cause| match cause.kind() {
            ErrorKind::PermissionDenied => Refusal::Unreadable(cause),
            _ => Refusal::NoSuchFile, // it became a link, or went
        })?;
        SharedFile::of(name, file, self.hashes.clone())
    }
}

/// What the list can show in a line and a user can type.
fn may_be_offered(name: &str) -> bool {
    !name.starts_with('.') && !name.contains(['/', '\\']) && visible(name.as_bytes()) == name && !name.is_empty()
}

/// A file that is being sent.
pub struct SharedFile {
    name: String,
    file: Arc<File>,
    stamp: Stamp,
    offset: u64,
    position: u64,
    hash: Sha256,
    /// The whole file's hash, if an earlier download has told.
    known: Option<[u8; 32]>,
    hashes: Arc<Hashes>,
}

/// What a call of [`SharedFile::next`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Bytes before the offset were read for the hash; none to send yet.
    Skipped,
    /// This many bytes of the buffer are to be sent.
    Chunk(usize),
    /// All is sent, and the file is what it was: the whole file's SHA-256.
    End([u8; 32]),
}

impl SharedFile {
    fn of(name: &str, file: File, hashes: Arc<Hashes>) -> std::result::Result<SharedFile, Refusal> {
        let mut seen = file.metadata().map_err(Refusal::Unreadable)?;
        if is_fresh(&seen) {
            thread::sleep(TICK);
            seen = file.metadata().map_err(Refusal::Unreadable)?;
        }
        if !seen.is_file() {
            return Err(Refusal::NoSuchFile);
        }
        let stamp = Stamp::of(&seen);
        let (name, file, known) = (name.to_owned(), Arc::new(file), hashes.of(&stamp));
        Ok(SharedFile { name, file, stamp, offset: 0, position: 0, hash: Sha256::new(), known, hashes })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole file's size when it was opened.
    pub fn size(&self) -> u64 {
        self.stamp.size
    }

    /// Sends only what follows the first `offset` bytes. The hash stays the
    /// whole file's, so what is before is read all the same unless the hash is
    /// known.
    ///
    /// # Errors
    /// An offset beyond the end; a disk that fails.
    pub fn resume_at(mut self, offset: u64) -> std::result::Result<SharedFile, Refusal> {
        if offset > self.size() {
            return Err(Refusal::Beyond(self.size()));
        }
        self.offset = offset;
        if self.known.is_some() {
            self.position = (&*self.file).seek(SeekFrom::Start(offset)).map_err(Refusal::Unreadable)?;
        }
        Ok(self)
    }

    /// Whether all bytes that are to be sent were read.
    pub fn is_at_end(&self) -> bool {
        self.position == self.size()
    }

    /// Reads on, at most [`MAX_CHUNK_BYTES`]. Not to be called again after the
    /// end or an error.
    ///
    /// # Errors
    /// A disk that fails, a file that was changed.
    pub fn next(&mut self, buffer: &mut [u8]) -> std::result::Result<Step, Refusal> {
        let skips = self.position < self.offset;
        let until = if skips { self.offset } else { self.size() };
        let wanted = (until - self.position).min(buffer.len().min(MAX_CHUNK_BYTES) as u64) as usize;
        if wanted == 0 {
            return self.end(buffer);
        }
        let got = read_full(&self.file, &mut buffer[..wanted]).map_err(Refusal::Unreadable)?;
        if got < wanted || !self.is_the_same()? {
            return Err(Refusal::Changed);
        }
        if self.known.is_none() {
            self.hash.update(&buffer[..got]);
        }
        self.position += got as u64;
        Ok(if skips { Step::Skipped } else { Step::Chunk(got) })
    }

    /// How long the chunk is that [`SharedFile::next`] reads next; `None` where
    /// it reads what is not to be sent, or nothing is left.
    pub fn upcoming(&self) -> Option<usize> {
        let length = (self.size() - self.position).min(MAX_CHUNK_BYTES as u64) as usize;
        (self.position >= self.offset && length > 0).then_some(length)
    }

    /// The upcoming chunks, `most` at most of at most `longest` bytes, named and
    /// not copied: what is sent is what the file has then. `None` where this
    /// system cannot, or [`SharedFile::next`] reads what is not to be sent; then
    /// nothing is read. `buffer` is room for what is read for the hash.
    ///
    /// # Errors
    /// A disk that fails, a file that was changed.
    pub fn next_parts(
        &mut self,
        most: usize,
        longest: usize,
        buffer: &mut [u8],
    ) -> std::result::Result<Option<Vec<FilePart>>, Refusal> {
        if self.upcoming().is_none() {
            return Ok(None);
        }
        let begin = self.position;
        let end = self.size().min(begin + (most * longest) as u64);
        let Some(all) = FilePart::new(&self.file, begin, (end - begin) as usize) else { return Ok(None) };
        if self.known.is_some() {
            // Brought into memory, and the file looked at, once for all of them.
            all.fetch().map_err(Refusal::Unreadable)?;
            self.position = (&*self.file).seek(SeekFrom::Start(end)).map_err(Refusal::Unreadable)?;
            if !self.is_the_same()? {
                return Err(Refusal::Changed);
            }
        }
        while self.position < end {
            let room = buffer.len().min((end - self.position) as usize);
            self.next(&mut buffer[..room])?;
        }
        let length = |at: u64| (end - at).min(longest as u64) as usize;
        Ok((begin..end).step_by(longest).map(|at| FilePart::new(&self.file, at, length(at))).collect())
    }

    fn end(&mut self, buffer: &mut [u8]) -> std::result::Result<Step, Refusal> {
        let has_more = !buffer.is_empty() && read_full(&self.file, &mut buffer[..1]).map_err(Refusal::Unreadable)? > 0;
        if has_more || buffer.is_empty() || !self.is_the_same()? {
            return Err(Refusal::Changed);
        }
        let hash = self.known.unwrap_or_else(|| std::mem::take(&mut self.hash).finalize().into());
        self.hashes.learn(self.stamp, hash);
        Ok(Step::End(hash))
    }

    /// A file that is removed, or replaced by another of its name, is still
    /// whole under our handle: then its links change, and nothing else.
    fn is_the_same(&self) -> std::result::Result<bool, Refusal> {
        let now = Stamp::of(&self.file.metadata().map_err(Refusal::Unreadable)?);
        let links_changed = now.links != self.stamp.links;
        let is_same = now.size == self.stamp.size && now.content == self.stamp.content;
        Ok(is_same && (now.changed == self.stamp.changed || links_changed))
    }
}

/// A hash as the transfer's last line has it.
pub fn hex(hash: &[u8; 32]) -> String {
    hash.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // writing to a String cannot fail
        hex
    })
}

/// `read(2)` until the buffer is full or the file at its end.
fn read_full(mut file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

/// Whether a change now might not show in its times.
fn is_fresh(seen: &Metadata) -> bool {
    let changed = system::changed_at(seen);
    changed.is_some_and(|changed| SystemTime::now().duration_since(changed).is_ok_and(|age| age < TICK))
}

/// Which file it is, and which state of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Stamp {
    size: u64,
    /// Device, inode, and when the content was last changed.
    content: [i128; 3],
    /// When anything of it was.
    changed: i128,
    /// Names it has.
    links: u64,
}

#[cfg(unix)]
mod system {
    use std::fs::{File, Metadata, OpenOptions};
    use std::io;
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    use std::path::Path;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use nix::dir::Dir;
    use nix::fcntl::{AtFlags, OFlag, openat};
    use nix::sys::stat::{Mode, SFlag, fstatat};

    use super::Stamp;

    /// The folder by its handle: whatever is renamed above it, it stays the
    /// same one.
    pub(super) struct Folder(File);

    impl Folder {
        pub(super) fn open(path: &Path) -> io::Result<Folder> {
            let folder = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(path)?;
            Ok(Folder(folder))
        }

        /// Every name in it that is UTF-8.
        pub(super) fn names(&self) -> io::Result<Vec<String>> {
            // A handle of its own: two lists at once would share a position.
            let again = openat(&self.0, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
            let mut names = Vec::new();
            for entry in Dir::from_fd(again)?.iter() {
                names.extend(entry?.file_name().to_str().ok().map(str::to_owned));
            }
            Ok(names)
        }

        pub(super) fn size_of_regular(&self, name: &str) -> Option<u64> {
            let seen = fstatat(&self.0, name, AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
            let kind = SFlag::from_bits_truncate(seen.st_mode) & SFlag::S_IFMT;
            (kind == SFlag::S_IFREG).then_some(seen.st_size as u64)
        }

        pub(super) fn open_file(&self, name: &str) -> io::Result<File> {
            // O_NONBLOCK: should it have become a FIFO, this would wait for ever.
            let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
            Ok(openat(&self.0, name, flags, Mode::empty())?.into())
        }
    }

    impl Stamp {
        pub(super) fn of(seen: &Metadata) -> Stamp {
            let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
            let content = [seen.dev().into(), seen.ino().into(), nanos(seen.mtime(), seen.mtime_nsec())];
            let changed = nanos(seen.ctime(), seen.ctime_nsec());
            Stamp { size: seen.len(), content, changed, links: seen.nlink() }
        }
    }

    pub(super) fn changed_at(seen: &Metadata) -> Option<SystemTime> {
        let (seconds, nanos) = (u64::try_from(seen.ctime()).ok()?, u32::try_from(seen.ctime_nsec()).ok()?);
        UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
    }
}

#[cfg(not(unix))]
mod system {
    use std::fs::{self, File, Metadata, OpenOptions};
    use std::io;
    use std::path::{Path, PathBuf};
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::Stamp;

    /// The folder by its path, made absolute once.
    pub(super) struct Folder(PathBuf);

    impl Folder {
        pub(super) fn open(path: &Path) -> io::Result<Folder> {
            let folder = fs::canonicalize(path)?;
            fs::read_dir(&folder)?;
            Ok(Folder(folder))
        }

        pub(super) fn names(&self) -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in fs::read_dir(&self.0)? {
                names.extend(entry?.file_name().into_string().ok());
            }
            Ok(names)
        }

        pub(super) fn size_of_regular(&self, name: &str) -> Option<u64> {
            let seen = fs::symlink_metadata(self.0.join(name)).ok()?;
            seen.is_file().then_some(seen.len())
        }

        pub(super) fn open_file(&self, name: &str) -> io::Result<File> {
            let mut options = OpenOptions::new();
            options.read(true);
            #[cfg(windows)]
            {
                // FILE_FLAG_OPEN_REPARSE_POINT: a link is opened itself, and
                // then seen to be no file.
                std::os::windows::fs::OpenOptionsExt::custom_flags(&mut options, 0x0020_0000);
            }
            options.open(self.0.join(name))
        }
    }

    impl Stamp {
        pub(super) fn of(seen: &Metadata) -> Stamp {
            let nanos = |time: io::Result<SystemTime>| {
                let since = time.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                since.map_or(0, |since| since.as_nanos() as i128)
            };
            let content = [0, nanos(seen.created()), nanos(seen.modified())];
            Stamp { size: seen.len(), content, changed: 0, links: 1 }
        }
    }

    pub(super) fn changed_at(seen: &Metadata) -> Option<SystemTime> {
        seen.modified().ok()
    }
}
