//! `--resume FILE`: each result is kept as it comes, a line of JSON each. A
//! run that was cut short goes on where it was, and after a new hand-in only
//! what has changed is graded again.
//!
//! A result is found by what it depends on: the submission's files and
//! commands, the seed, the checks, the isolation and this version of netlab.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Attempt, Error, Result};

use super::files;
use super::result::Report;
use super::submission::Submission;

/// Results of earlier runs, and the file to which those of this one go.
pub struct Kept {
    found: HashMap<String, Report>,
    file: Mutex<File>,
}

/// How each line begins: also one that was cut short when a run was killed.
const BEGINNING: &str = "{\"key\":";

#[derive(Serialize, Deserialize)]
struct Line<T> {
    key: String,
    report: T,
}

impl Kept {
    /// What a file keeps; the file is made if it is not there.
    ///
    /// # Errors
    /// It cannot be read or written, or is some other file.
    pub fn open(path: &Path) -> Result<Kept> {
        let shown = path.display().to_string();
        let failed = |cause: &io::Error| Error::new(Attempt::Write, shown.as_str(), cause).unasked();
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).open(path).map_err(|cause| failed(&cause))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|cause| failed(&cause))?;
        let text = String::from_utf8_lossy(&bytes);
        let lines = || text.lines().filter(|line| !line.trim().is_empty());
        if lines().any(|line| !line.starts_with(BEGINNING)) {
            return Err(Error::other(Attempt::Read, shown, "it holds no grades")
                .because("--resume names a file that netlab grade writes and reads again")
                .next("a name that is not taken, such as --resume grades.jsonl")
                .unasked());
        }
        let found = lines()
            .filter_map(|line| serde_json::from_str::<Line<Report>>(line).ok())
            .map(|line| (line.key, line.report))
            .collect();
        if bytes.last().is_some_and(|last| *last != b'\n') {
            file.write_all(b"\n").map_err(|cause| failed(&cause))?;
        }
        Ok(Kept { found, file: Mutex::new(file) })
    }

    /// The seed of the run that is gone on with.
    pub fn seed(&self) -> Option<u64> {
        self.found.values().next().map(|report| report.seed)
    }

    /// The result of this key.
    pub fn get(&self, key: &str) -> Option<Report> {
        self.found.get(key).cloned()
    }

    /// Keeps a result. A disk that is full costs the next run time, not this
    /// one its grades.
    pub fn add(&self, key: &str, report: &Report) {
        let Ok(mut line) = serde_json::to_vec(&Line { key: key.to_owned(), report }) else { return };
        line.push(b'\n');
        let _ = self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line);
    }

    /// What a submission's verdicts depend on, as one word; `asked` is what
    /// else they depend on.
    pub fn key(submission: &Submission, with_files: bool, asked: &str) -> String {
        let mut hash = Sha256::new();
        let commands = serde_json::to_vec(submission).unwrap_or_default();
        for part in [env!("CARGO_PKG_VERSION").as_bytes(), asked.as_bytes(), &commands] {
            add(&mut hash, part);
        }
        if with_files {
            add_folder(&mut hash, &submission.dir);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// With its length first: `ab` and `c` are not `a` and `bc`.
fn add(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_be_bytes());
    hash.update(part);
}

fn add_folder(hash: &mut Sha256, dir: &Path) {
    let mut entries: Vec<fs::DirEntry> = fs::read_dir(dir).into_iter().flatten().flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries.iter().filter(|entry| !files::is_left_out(&entry.file_name())) {
        let Ok(kind) = entry.file_type() else { continue };
        add(hash, entry.file_name().as_bytes());
        if kind.is_dir() {
            add(hash, b"(");
            add_folder(hash, &entry.path());
            add(hash, b")");
        } else if kind.is_symlink() {
            add(hash, fs::read_link(entry.path()).unwrap_or_default().as_os_str().as_bytes());
        } else if kind.is_file() {
            let _ = add_file(hash, &entry.path());
            add(hash, b".");
        }
    }
}

fn add_file(hash: &mut Sha256, path: &Path) -> io::Result<()> {
    let (mut file, mut block) = (File::open(path)?, vec![0; 64 * 1024]);
    loop {
        match file.read(&mut block)? {
            0 => return Ok(()),
            count => hash.update(&block[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submission(dir: &Path) -> Submission {
        fs::write(dir.join("netlab.toml"), "lab = \"chat\"\nserver = \"./s {port}\"\n").unwrap();
        Submission::read(dir).unwrap()
    }

    #[test]
    fn a_key_changes_with_any_byte_it_depends_on_and_with_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let submission = submission(dir.path());
        fs::write(dir.path().join("s"), "one").unwrap();
        let first = Kept::key(&submission, true, "7");
        fs::create_dir(dir.path().join("__pycache__")).unwrap();
        fs::write(dir.path().join("s"), "one").unwrap();
        assert_eq!(Kept::key(&submission, true, "7"), first);
        assert_ne!(Kept::key(&submission, true, "8"), first);
        fs::write(dir.path().join("s"), "two").unwrap();
        assert_ne!(Kept::key(&submission, true, "7"), first);
    }

    #[test]
    fn a_line_that_was_cut_short_is_forgotten_and_the_next_one_stands_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kept");
        let report = Report::new(&submission(dir.path()), 7, super::super::isolation::Isolation::None);
        Kept::open(&path).unwrap().add("a", &report);
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"key\":\"b\",\"rep").unwrap();
        Kept::open(&path).unwrap().add("c", &report);
        let kept = Kept::open(&path).unwrap();
        assert!(kept.get("a").is_some() && kept.get("b").is_none() && kept.get("c").is_some());
        assert_eq!(kept.seed(), Some(7));
    }

    #[test]
    fn a_file_of_something_else_is_not_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("essay");
        fs::write(&path, "dear\ndiary").unwrap();
        assert!(Kept::open(&path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "dear\ndiary");
    }
}
