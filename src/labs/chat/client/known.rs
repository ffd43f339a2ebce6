//! Servers met before, and how they were known: trust on first use, as ssh
//! has it.
//!
//! No authority vouches for a certificate that a server made itself. So the
//! first meeting is a matter of trust (or of `--fingerprint`), and every later
//! one is not: the same server shows the same certificate. Who reads along
//! from the second meeting on would have had to be there at the first.
//!
//! The file has a line for each server, `HOST:PORT FINGERPRINT`, and can be
//! edited.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::{Attempt, Error, Result};
use crate::net::tls::{Fingerprint, state_dir};

const FILE: &str = "known_servers";

/// The file with the servers met before.
pub struct Known {
    path: PathBuf,
    text: String,
}

/// What the file says of a server.
#[derive(Debug, PartialEq, Eq)]
pub enum Met {
    /// This is the one.
    Before,
    /// It was never met.
    Never,
}

impl Known {
    /// Reads the file in netlab's state directory.
    ///
    /// # Errors
    /// There is no such directory, or the file cannot be read: then nobody can
    /// tell whether this is the server met before.
    pub fn read() -> Result<Known> {
        let dir = state_dir().ok_or_else(|| {
            Error::other(Attempt::Read, FILE, "there is no folder for it")
                .because("neither HOME nor XDG_STATE_HOME is set, so known servers cannot be looked up")
                .next("--fingerprint HEX, which needs no memory")
        })?;
        Known::read_in(&dir)
    }

    fn read_in(dir: &Path) -> Result<Known> {
        let path = dir.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Known { path, text }),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(Known { path, text: String::new() }),
            Err(cause) => Err(Error::new(Attempt::Read, path.display().to_string(), &cause)
                .because("without it nobody can tell whether this is the server met before")
                .next("--fingerprint HEX, which needs no memory")),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a server was met before, and is the same.
    ///
    /// # Errors
    /// It was met before, and showed another certificate.
    pub fn met(&self, server: &str, shown: Fingerprint) -> Result<Met> {
        let lines = self.text.lines().zip(1..);
        let known = lines.filter_map(|(line, number)| {
            let (name, fingerprint) = line.split_once(' ')?;
            (name == server).then_some((fingerprint.parse::<Fingerprint>().ok()?, number))
        });
        let mut last = None;
        for (fingerprint, number) in known {
            if fingerprint == shown {
                return Ok(Met::Before);
            }
            last = Some((fingerprint, number));
        }
        last.map_or(Ok(Met::Never), |(fingerprint, number)| Err(self.changed(server, shown, fingerprint, number)))
    }

    fn changed(&self, server: &str, shown: Fingerprint, known: Fingerprint, line: usize) -> Error {
        let path = self.path.display();
        Error::other(Attempt::Connect, format!("tls {server}"), "its certificate has changed since it was met first")
            .because(format!(
                "it was {known}, and now is {shown}: the server was set up anew, or somebody on the way poses as it; \
                 nothing was sent to it"
            ))
            .next(format!("ask who runs it for its fingerprint; if the new one is right, delete line {line} of {path}"))
    }

    /// Remembers a server. Whole, or not at all: the file is written beside,
    /// and takes the place of the one before.
    ///
    /// # Errors
    /// The disk's.
    pub fn remember(&self, server: &str, shown: Fingerprint) -> io::Result<()> {
        let dir = self.path.parent().ok_or(ErrorKind::NotFound)?;
        fs::create_dir_all(dir)?;
        // Others may have met servers meanwhile.
        let mut text = fs::read_to_string(&self.path).or_else(|error| match error.kind() {
            ErrorKind::NotFound => Ok(String::new()),
            _ => Err(error),
        })?;
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(format!("{text}{server} {shown}\n").as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Fingerprint = Fingerprint([1; 32]);
    const TWO: Fingerprint = Fingerprint([2; 32]);

    #[test]
    fn a_server_is_new_once_and_known_from_then_on() {
        let dir = tempfile::tempdir().unwrap();
        let known = || Known::read_in(&dir.path().join("netlab")).unwrap();
        assert_eq!(known().met("a:1", ONE).unwrap(), Met::Never);
        known().remember("a:1", ONE).unwrap();
        known().remember("b:1", TWO).unwrap();
        assert_eq!(known().met("a:1", ONE).unwrap(), Met::Before);
        assert_eq!(known().met("b:1", TWO).unwrap(), Met::Before);
        assert_eq!(known().met("a:2", ONE).unwrap(), Met::Never, "another port is another server");
    }

    #[test]
    fn another_certificate_is_refused_and_both_are_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), format!("# by hand\na:1 {ONE}")).unwrap();
        let known = Known::read_in(dir.path()).unwrap();
        let error = known.met("a:1", TWO).unwrap_err();
        assert!(error.why().contains(&ONE.to_string()) && error.why().contains(&TWO.to_string()), "{}", error.why());
        assert!(error.try_next().contains("delete line 2 of "), "{}", error.try_next());
        known.remember("c:1", TWO).unwrap();
        let text = fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert_eq!(text, format!("# by hand\na:1 {ONE}\nc:1 {TWO}\n"));
    }

    #[test]
    fn a_damaged_line_is_no_server() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "a:1 xyz\na:1\n\n").unwrap();
        assert_eq!(Known::read_in(dir.path()).unwrap().met("a:1", ONE).unwrap(), Met::Never);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_no_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(FILE)).unwrap();
        assert!(Known::read_in(dir.path()).is_err());
    }
}
