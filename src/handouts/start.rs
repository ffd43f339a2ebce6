//! `netlab labs start LAB DIR`: a folder to work in.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use super::Handout;
use crate::error::{Attempt, Error, Result};
use crate::report::{Event, Report};

/// The handout's name in the student's folder.
const PAGE: &str = "README.md";

/// Writes the handout and the skeletons below `dir`. A file that is there
/// already is a student's work: then nothing at all is written.
pub fn start(handout: &Handout, dir: &Path, report: &dyn Report) -> Result<()> {
    let files: Vec<_> = [(PAGE, handout.text)].into_iter().chain(handout.starters.iter().copied()).collect();
    if let Some((taken, _)) = files.iter().find(|(name, _)| fs::symlink_metadata(dir.join(name)).is_ok()) {
        return Err(in_the_way(&dir.join(taken)));
    }
    for (name, text) in files {
        let path = dir.join(name);
        write_new(&path, text).map_err(|cause| unwritable(&path, &cause))?;
        report.emit(&Event::Written { path: path.display().to_string() });
    }
    let dir = dir.display();
    let text = format!(
        "next: read {dir}/{PAGE}, fill the gaps in {dir}/python (or c, or java), and netlab grade {dir}/python"
    );
    report.emit(&Event::Notice { text });
    Ok(())
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // `create_new`: also what came since we looked is not overwritten.
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

fn unwritable(path: &Path, cause: &io::Error) -> Error {
    match cause.kind() {
        ErrorKind::AlreadyExists if path.exists() => in_the_way(path),
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            Error::new(Attempt::Write, path.display().to_string(), cause)
                .because("a file is where a folder should be")
                .next("another folder")
        }
        _ => Error::new(Attempt::Write, path.display().to_string(), cause),
    }
}

fn in_the_way(path: &Path) -> Error {
    Error::other(Attempt::Write, path.display().to_string(), "it is there already")
        .because("it may be your work, so nothing was written")
        .next("a new folder, such as netlab labs start tcp-echo my-echo")
}
