//! A file on its way: `song.ogg.part` grows, and becomes `song.ogg` when it is
//! whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::file_name;
use crate::error::{Attempt, Error};
use crate::report::Event;

/// The least time between two tellings of how far it is.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// Bytes after which the disk has to follow: else it would have to write
/// gigabytes at the end, while the chat stands still.
const SYNC_EVERY_BYTES: u64 = 32 << 20;

/// Files of one name that are told apart by a number.
const MOST_OF_A_NAME: usize = 1000;

/// A file on its way.
pub struct Part {
    dir: PathBuf,
    name: String,
    size: u64,
    /// How much was here before.
    from: u64,
    have: u64,
    /// Locked: one netlab alone writes a part.
    file: File,
    hash: Sha256,
    began: Instant,
    told: Instant,
    unsynced: u64,
}

/// Why a part did not become a file.
#[derive(Debug)]
pub enum Spoiled {
    /// Its bytes are not the file's. It is thrown away.
    Bytes(Error),
    /// The disk took no more. The part stays.
    Disk(Error),
}

impl Part {
    /// How much of a file is here: 0 where none of it is.
    pub fn length(dir: &Path, name: &str) -> u64 {
        let found = fs::symlink_metadata(part_of(dir, name)).ok().filter(|found| found.is_file());
        found.map_or(0, |found| found.len())
    }

    /// Opens the part of a file of `size` bytes, to go on from `offset`. The
    /// name has passed [`file_name::check`].
    ///
    /// # Errors
    /// In three parts: the folder cannot be made, or the file not be written.
    pub fn open(dir: &Path, name: &str, size: u64, offset: u64) -> Result<Part, Error> {
        fs::create_dir_all(dir).map_err(|cause| unwritable(dir, &cause))?;
        let path = part_of(dir, name);
        let opened = open(&path).and_then(|mut file| {
            let hash = hash_of(&mut file, offset)?;
            file.set_len(offset)?;
            Ok((file, hash))
        });
        let (file, hash) = opened.map_err(|cause| unwritable(&path, &cause))?;
        let (dir, name, now) = (dir.to_owned(), name.to_owned(), Instant::now());
        Ok(Part { dir, name, size, from: offset, have: offset, file, hash, began: now, told: now, unsynced: 0 })
    }

    /// As the server calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether some of it was here before.
    pub fn is_resumed(&self) -> bool {
        self.from > 0
    }

    /// Where it will be.
    pub fn path_text(&self) -> String {
        text_of(&self.dir.join(&self.name))
    }

    /// How far it is.
    pub fn progress(&self) -> Event {
        Event::Progress { name: self.name.clone(), bytes: self.have, size: self.size }
    }

    /// The same as a line for people.
    pub fn bar(&self) -> String {
        let share = if self.size == 0 { 1.0 } else { self.have as f64 / self.size as f64 };
        let rate = (self.have - self.from) as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        let filled = (share * 20.0) as usize;
        let (done, left) = ("#".repeat(filled.min(20)), ".".repeat(20 - filled.min(20)));
        let name: String = self.name.chars().take(30).collect();
        let size = amount(self.size as f64);
        format!("{name} [{done}{left}] {:3.0} % of {size}, {}/s", share * 100.0, amount(rate))
    }

    /// Takes the next bytes. Says how far it is, now and then.
    ///
    /// # Errors
    /// More bytes than the file has: the part is thrown away. Or the disk takes
    /// no more: the part stays.
    pub fn add(&mut self, bytes: &[u8]) -> Result<Option<Event>, Error> {
        if bytes.len() as u64 > self.size.saturating_sub(self.have) {
            self.throw_away();
            let cause = format!("more bytes came than the {} it was said to have", self.size);
            return Err(self.spoiled(cause));
        }
        self.file
            .write_all(bytes)
            .and_then(|()| self.sync_at_times(bytes.len()))
            .map_err(|cause| self.unwritable(&cause))?;
        self.hash.update(bytes);
        self.have += bytes.len() as u64;
        let is_time = self.told.elapsed() >= TELL_EVERY;
        if is_time {
            self.told = Instant::now();
        }
        Ok(is_time.then(|| self.progress()))
    }

    fn sync_at_times(&mut self, written: usize) -> io::Result<()> {
        self.unsynced += written as u64;
        if self.unsynced < SYNC_EVERY_BYTES {
            return Ok(());
        }
        self.unsynced = 0;
        self.file.sync_data()
    }

    /// Makes it the file it is, if its size and hash are the file's. A file
    /// that is there already stays: this one gets a number.
    ///
    /// # Errors
    /// See [`Spoiled`].
    pub fn save(self, sha256: [u8; 32]) -> Result<Event, Spoiled> {
        if self.have != self.size {
            self.throw_away();
            return Err(Spoiled::Bytes(self.spoiled(format!("{} of its {} bytes came", self.have, self.size))));
        }
        if self.hash.clone().finalize()[..] != sha256 {
            self.throw_away();
            return Err(Spoiled::Bytes(self.spoiled("its SHA-256 is not the one that the server told".into())));
        }
        let placed = self.file.sync_all().and_then(|()| self.place());
        let path = placed.map_err(|cause| Spoiled::Disk(self.unwritable(&cause)))?;
        Ok(Event::Saved { path: text_of(&path), bytes: self.size, name: self.name })
    }

    /// The first free name gets the file. A rename alone would overwrite what
    /// is there; a link is made only where nothing is.
    fn place(&self) -> io::Result<PathBuf> {
        let part = part_of(&self.dir, &self.name);
        for number in 1..MOST_OF_A_NAME {
            let path = file_name::numbered(&self.dir, &self.name, number);
            match fs::hard_link(&part, &path) {
                Ok(()) => fs::remove_file(&part)?,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                // No links in this file system: an empty file keeps the name
                // for us, and is then replaced.
                Err(_) => match File::create_new(&path) {
                    Ok(_) => fs::rename(&part, &path)?,
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                    Err(error) => return Err(error),
                },
            }
            sync_names(&self.dir);
            return Ok(path);
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    /// Leaves what is here for another time, and says so.
    pub fn keep(self) -> Option<Event> {
        if self.have == 0 {
            self.throw_away();
            return None;
        }
        let path = text_of(&part_of(&self.dir, &self.name));
        let text = format!("{path} has {} of {} bytes; /get {} goes on from there", self.have, self.size, self.name);
        Some(Event::Notice { text })
    }

    fn throw_away(&self) {
        let _ = fs::remove_file(part_of(&self.dir, &self.name)); // an error is told already
    }

    fn spoiled(&self, cause: String) -> Error {
        Error::other(Attempt::Download, self.path_text(), cause)
            .because("the file changed while it was sent, or these are not its bytes; nothing of them is kept")
            .next(format!("/get {}", self.name))
    }

    fn unwritable(&self, cause: &io::Error) -> Error {
        unwritable(&part_of(&self.dir, &self.name), cause)
    }
}

fn part_of(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.part"))
}

fn text_of(path: &Path) -> String {
    path.display().to_string()
}

fn unwritable(path: &Path, cause: &io::Error) -> Error {
    Error::new(Attempt::Write, text_of(path), cause).next("a folder that you may write to: --download-dir DIR")
}

/// An ordinary file that no other netlab writes: no link to another place.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is no ordinary file"));
    }
    file.try_lock().map_err(|_| io::Error::new(ErrorKind::ResourceBusy, "another netlab writes it"))?;
    Ok(file)
}

/// The hash of the first `length` bytes; what follows is written after them.
fn hash_of(file: &mut File, length: u64) -> io::Result<Sha256> {
    let (mut hash, mut left) = (Sha256::new(), length);
    let mut buffer = vec![0; 64 * 1024];
    file.seek(SeekFrom::Start(0))?;
    while left > 0 {
        let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let got = file.read(&mut buffer[..room])?;
        if got == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        hash.update(&buffer[..got]);
        left -= got as u64;
    }
    Ok(hash)
}

/// A name is as lasting as the folder it stands in.
fn sync_names(dir: &Path) {
    if cfg!(unix) {
        let _ = File::open(dir).and_then(|dir| dir.sync_all()); // not every file system can
    }
}

/// `12 bytes`, `1.2 MB`.
fn amount(bytes: f64) -> String {
    match bytes {
        bytes if bytes < 1e3 => format!("{bytes:.0} bytes"),
        bytes if bytes < 1e6 => format!("{:.1} kB", bytes / 1e3),
        bytes if bytes < 1e9 => format!("{:.1} MB", bytes / 1e6),
        bytes => format!("{:.1} GB", bytes / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha256(bytes: &[u8]) -> [u8; 32] {
        Sha256::digest(bytes).into()
    }

    fn saved(part: Part, hash: [u8; 32]) -> String {
        match part.save(hash).unwrap() {
            Event::Saved { path, .. } => path,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_whole_file_gets_its_name_and_a_second_one_a_number() {
        let dir = tempfile::tempdir().unwrap();
        for expected in ["a.txt", "a (2).txt", "a (3).txt"] {
            let mut part = Part::open(dir.path(), "a.txt", 5, 0).unwrap();
            part.add(b"he").unwrap();
            part.add(b"llo").unwrap();
            assert_eq!(Path::new(&saved(part, sha256(b"hello"))), dir.path().join(expected));
            assert_eq!(fs::read(dir.path().join(expected)).unwrap(), b"hello");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "no part is left");
    }

    #[test]
    fn what_is_here_is_gone_on_from() {
        let dir = tempfile::tempdir().unwrap();
        let mut part = Part::open(dir.path(), "a", 5, 0).unwrap();
        part.add(b"hel").unwrap();
        assert!(part.keep().is_some());
        assert_eq!(Part::length(dir.path(), "a"), 3);
        let mut part = Part::open(dir.path(), "a", 5, 2).unwrap();
        part.add(b"llo").unwrap();
        saved(part, sha256(b"hello"));
        assert_eq!(Part::length(dir.path(), "a"), 0);
    }

    #[test]
    fn wrong_bytes_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let part = |bytes: &[u8]| {
            let mut part = Part::open(dir.path(), "a", 5, 0).unwrap();
            part.add(bytes).map(|_| part)
        };
        assert!(matches!(part(b"hello").unwrap().save([0; 32]), Err(Spoiled::Bytes(_))));
        assert!(matches!(part(b"hell").unwrap().save(sha256(b"hell")), Err(Spoiled::Bytes(_))));
        assert!(part(b"hello!").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_part_never_begun_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Part::open(dir.path(), "a", 5, 0).unwrap().keep().is_none());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    // Not on Windows: few users may make links there.
    #[test]
    #[cfg(unix)]
    fn a_link_in_place_of_the_part_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("precious"), "x").unwrap();
        std::os::unix::fs::symlink("precious", dir.path().join("a.part")).unwrap();
        assert!(Part::open(dir.path(), "a", 5, 0).is_err());
        assert_eq!(Part::length(dir.path(), "a"), 0);
        assert_eq!(fs::read(dir.path().join("precious")).unwrap(), b"x");
    }

    #[test]
    fn two_do_not_write_one_part() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Part::open(dir.path(), "a", 5, 0).unwrap();
        let error = Part::open(dir.path(), "a", 5, 0).err().unwrap();
        assert!(error.message().contains("another netlab writes it"), "{error}");
    }
}
