//! Scratch copies: a program that writes, or deletes its folder, does it to a
//! copy.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// More than this is no submission: somebody has named their home folder.
const MAX_BYTES: u64 = 400 << 20;
const MAX_FILES: u64 = 20_000;

/// Folders that hold what tools fetch or keep, and no program of a student's.
const LEFT_OUT: [&str; 3] = [".git", "__pycache__", ".venv"];

/// How a scratch folder's name begins.
pub const SCRATCH: &str = "netlab-grade-";

/// Whether a folder of this name is left out. So are scratch folders: where
/// `/tmp` itself is graded, a copy would hold the copy.
pub fn is_left_out(name: &OsStr) -> bool {
    LEFT_OUT.iter().any(|left| name == *left) || name.as_encoded_bytes().starts_with(SCRATCH.as_bytes())
}

/// Copies a folder: regular files, folders, and links as links. Anything else
/// (devices, sockets, pipes) is left out.
///
/// # Errors
/// What cannot be read or written, and a folder that is far too large.
pub fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    let mut budget = (MAX_BYTES, MAX_FILES);
    copy(from, to, &mut budget)
}

fn copy(from: &Path, to: &Path, budget: &mut (u64, u64)) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, name) = (entry.file_type()?, entry.file_name());
        let (source, target) = (entry.path(), to.join(&name));
        if kind.is_dir() {
            if !is_left_out(&name) {
                copy(&source, &target, budget)?;
            }
        } else if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else if kind.is_file() {
            let size = entry.metadata()?.len();
            *budget = match (budget.0.checked_sub(size), budget.1.checked_sub(1)) {
                (Some(bytes), Some(files)) => (bytes, files),
                _ => {
                    return Err(io::Error::other(
                        "the folder is too large to be a submission (over 400 MiB or 20,000 files)",
                    ));
                }
            };
            // No more than that: it may be growing.
            io::copy(&mut fs::File::open(&source)?.take(size), &mut fs::File::create(&target)?)?;
            // The copy is written to by whoever runs in it.
            let mode = entry.metadata()?.permissions().mode() | 0o600;
            fs::set_permissions(&target, fs::Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_what_the_folder_has_and_links_stay_links() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(from.path().join("sub")).unwrap();
        fs::write(from.path().join("sub/a"), "x").unwrap();
        symlink("sub/a", from.path().join("link")).unwrap();
        copy_tree(from.path(), &to.path().join("copy")).unwrap();
        assert_eq!(fs::read(to.path().join("copy/sub/a")).unwrap(), b"x");
        assert_eq!(fs::read_link(to.path().join("copy/link")).unwrap(), Path::new("sub/a"));
    }
}
