//! `--watch`: which files have been saved since.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::net::stop::Stop;

use super::class::Entry;
use super::files;

/// Between two looks. What is saved within that time is one change.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// More than this is no submission: whoever calls the grader in a large folder
/// watches a part of it.
const MAX_FILES: usize = 20_000;

/// The files of some folders, as they were.
#[derive(PartialEq, Eq)]
pub struct Snapshot(BTreeMap<PathBuf, (Option<SystemTime>, u64)>);

impl Snapshot {
    /// The submissions' files, as they are.
    pub fn of(entries: &[Entry]) -> Snapshot {
        let mut files = BTreeMap::new();
        for entry in entries {
            add(entry.as_ref().map_or_else(|unread| &unread.dir, |read| &read.dir), &mut files);
        }
        Snapshot(files)
    }

    /// Waits until `look` sees another state, and that no longer changes; the
    /// files in which they differ. None once asked to stop.
    pub fn wait(&self, look: impl Fn() -> Snapshot, stop: &Stop) -> Option<Vec<PathBuf>> {
        let mut last = look();
        loop {
            let changed = self.changed(&last);
            if stop.wait(LOOK_EVERY) {
                return None;
            }
            let now = look();
            if !changed.is_empty() && now == last {
                return Some(changed);
            }
            last = now;
        }
    }

    fn changed(&self, now: &Snapshot) -> Vec<PathBuf> {
        let differ = |one: &Snapshot, other: &Snapshot| -> Vec<PathBuf> {
            one.0
                .iter()
                .filter(|(path, about)| other.0.get(*path) != Some(about))
                .map(|(path, _)| path.clone())
                .collect()
        };
        let mut changed = differ(now, self);
        changed.extend(differ(self, now).into_iter().filter(|path| !now.0.contains_key(path)));
        changed
    }
}

fn add(folder: &Path, files: &mut BTreeMap<PathBuf, (Option<SystemTime>, u64)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (Ok(about), false) = (entry.metadata(), is_passing(&entry.file_name())) else { continue };
        if files.len() >= MAX_FILES {
            return;
        }
        if about.is_dir() {
            add(&entry.path(), files);
        } else {
            files.insert(entry.path(), (about.modified().ok(), about.len()));
        }
    }
}

/// What editors and interpreters write beside a file, and nobody has saved.
fn is_passing(name: &OsStr) -> bool {
    let text = name.to_string_lossy();
    let ends = ["~", ".swp", ".swx", ".tmp", ".part"];
    files::is_left_out(name) || text.starts_with('.') || text == "4913" || ends.iter().any(|end| text.ends_with(end))
}

/// Files in words: the first, and how many more.
pub fn words(changed: &[PathBuf]) -> String {
    let first = changed.first().map(|path| path.display().to_string()).unwrap_or_default();
    match changed.len() {
        0 | 1 => format!("{first} has changed"),
        more => format!("{first} and {} more have changed", more - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(folder: &Path) -> Snapshot {
        let mut files = BTreeMap::new();
        add(folder, &mut files);
        Snapshot(files)
    }

    #[test]
    fn what_is_saved_made_or_removed_is_a_change_and_an_editors_own_files_are_none() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "1").unwrap();
        let before = look(dir.path());
        std::fs::write(dir.path().join(".a.swp"), "x").unwrap();
        std::fs::write(dir.path().join("a~"), "x").unwrap();
        assert!(before.changed(&look(dir.path())).is_empty());
        std::fs::write(dir.path().join("b"), "1").unwrap();
        assert_eq!(before.changed(&look(dir.path())), [dir.path().join("b")]);
        std::fs::remove_file(dir.path().join("a")).unwrap();
        let changed = before.changed(&look(dir.path()));
        assert_eq!(changed, [dir.path().join("b"), dir.path().join("a")]);
        assert!(words(&changed).ends_with("b and 1 more have changed"));
    }
}
