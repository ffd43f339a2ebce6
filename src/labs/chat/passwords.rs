//! Passwords, and where they come from: a prompt that shows nothing of them, a
//! file, a pipe. Never the command line: everyone on the machine can read that
//! (`ps -ef`).

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;
#[cfg(unix)]
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(unix)]
use nix::sys::termios::{self, LocalFlags, SetArg, Termios};
use zeroize::Zeroizing;

use crate::error::{Attempt, Error, Result};
use crate::net::host::Host;
#[cfg(unix)]
use crate::net::stop::{Interrupt, exit_as_killed};

/// Longer ones would not fit beside the name into a line of the chat.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// A password, wiped from memory when it is no longer needed.
pub type Password = Zeroizing<String>;

/// The first line of a file, such as `--password-file` names.
///
/// # Errors
/// Exit status 2: a file that cannot be read, or has no UTF-8.
pub fn password_of_file(file: &Path) -> Result<Password> {
    let subject = file.display().to_string();
    let next = "--password-file with a file whose first line is the password";
    let opened = File::open(file).map_err(|cause| Error::new(Attempt::Read, &subject, &cause).next(next).unasked())?;
    first_line(opened, &subject)
}

/// The password that a pipe brings: its first line, without the line end.
///
/// # Errors
/// Exit status 2: nothing that can be read as UTF-8.
pub fn first_line(from: impl Read, subject: &str) -> Result<Password> {
    let failed = |cause: io::Error| Error::new(Attempt::Read, subject, &cause).unasked();
    let mut line = Zeroizing::new(Vec::with_capacity(2 * MAX_PASSWORD_BYTES));
    // One buffer of our own, which is wiped; a longer line is no password.
    let mut from = BufReader::with_capacity(1, from).take(line.capacity() as u64);
    from.read_until(b'\n', &mut line).map_err(failed)?;
    let text = std::str::from_utf8(&line).map_err(|cause| failed(io::Error::new(ErrorKind::InvalidData, cause)))?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Asks on the terminal, where nothing of the answer is shown.
///
/// # Errors
/// Exit status 2: no terminal, or no answer.
#[cfg_attr(
    not(unix),
    allow(unused_variables, reason = "there Ctrl-C ends the process, and leaves the console as it was")
)]
pub fn ask_password(host: &Host, prompt: &str) -> Result<Password> {
    #[cfg(unix)]
    let quiet = Quiet::now().map(Arc::new); // else what is typed at once would be shown
    #[cfg(unix)]
    if let Some(quiet) = &quiet {
        host.stop.wakes(quiet);
    }
    rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|cause| {
        let subject = "the password from the terminal";
        let error = match cause.kind() {
            ErrorKind::UnexpectedEof => Error::other(Attempt::Read, subject, "the input ended"),
            _ => Error::new(Attempt::Read, subject, &cause),
        };
        error.because("no password was typed").next("the same again, or --password-file").unasked()
    })
}

/// The terminal without echo, until dropped.
#[cfg(unix)]
struct Quiet {
    terminal: File,
    before: Mutex<Termios>,
}

#[cfg(unix)]
impl Quiet {
    fn now() -> Option<Quiet> {
        let terminal = File::open("/dev/tty").ok()?;
        let before = termios::tcgetattr(&terminal).ok()?;
        let mut quiet = before.clone();
        // Each key as it is typed, Ctrl-C too: a signal could leave the
        // terminal like this.
        quiet.local_flags.remove(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG);
        termios::tcsetattr(&terminal, SetArg::TCSANOW, &quiet).ok()?;
        Some(Quiet { terminal, before: Mutex::new(before) })
    }

    fn end(&self) {
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = termios::tcsetattr(&self.terminal, SetArg::TCSANOW, &before);
    }
}

#[cfg(unix)]
impl Drop for Quiet {
    fn drop(&mut self) {
        self.end();
    }
}

/// SIGTERM and its like, during the question: who waits for a key cannot be
/// woken, and nothing is done yet.
#[cfg(unix)]
impl Interrupt for Quiet {
    fn interrupt(&self) {
        self.end();
        exit_as_killed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_password() {
        let table: &[(&[u8], &str)] =
            &[(b"a b \r\nc", "a b "), (b"x", "x"), (b"", ""), (b"\nx", ""), ("ä\n".as_bytes(), "ä")];
        for (text, password) in table {
            assert_eq!(*first_line(*text, "x").unwrap(), *password);
        }
        assert!(first_line(&b"\xff"[..], "x").is_err());
        let long = "x".repeat(100_000);
        assert!(first_line(long.as_bytes(), "x").unwrap().len() > MAX_PASSWORD_BYTES);
    }
}
