//! A pseudo-terminal for one program. On a pipe C and Python hold their output
//! back until they end; on a terminal a line is there when it is printed.
//!
//! What is typed is not echoed, so what comes out is the program's own. A
//! program that edits lines itself (readline) echoes itself; what was typed
//! is then on the screen before any answer can be.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use nix::pty::{Winsize, openpty};
use nix::sys::termios::{LocalFlags, OutputFlags, SetArg, tcgetattr, tcsetattr};
use nix::unistd::ttyname;

use super::transcript::Transcript;

/// What is kept of a program's output; the rest is counted.
const KEPT: usize = 4 << 20;

/// Wide, so that no program wraps a line that a check looks for.
const SIZE: Winsize = Winsize { ws_row: 50, ws_col: 1000, ws_xpixel: 0, ws_ypixel: 0 };

#[derive(Default)]
struct Screen {
    bytes: Vec<u8>,
    total: u64,
}

/// The grader's end of a program's terminal.
pub struct Terminal {
    name: String,
    path: PathBuf,
    master: File,
    /// Held open: without any end on the program's side, reading fails.
    #[expect(dead_code, reason = "open as long as this is")]
    slave: OwnedFd,
    screen: Arc<Mutex<Screen>>,
    transcript: Arc<Transcript>,
}

impl Terminal {
    /// Opens one; what comes out of it is read from now on.
    pub fn open(name: &str, transcript: Arc<Transcript>) -> std::io::Result<Terminal> {
        let pty = openpty(Some(&SIZE), None)?;
        let mut modes = tcgetattr(&pty.slave)?;
        modes.local_flags.remove(LocalFlags::ECHO | LocalFlags::ECHOE | LocalFlags::ECHOK | LocalFlags::ECHONL);
        // LF stays LF on its way out: what was printed is seen as it was.
        modes.output_flags.remove(OutputFlags::OPOST);
        tcsetattr(&pty.slave, SetArg::TCSANOW, &modes)?;
        let path = ttyname(&pty.slave)?;
        let master = File::from(pty.master);
        let screen = Arc::new(Mutex::new(Screen::default()));
        let reader = Reader {
            name: name.into(),
            from: master.try_clone()?,
            screen: screen.clone(),
            transcript: transcript.clone(),
        };
        thread::Builder::new().name("terminal".into()).spawn(move || reader.run())?;
        Ok(Terminal { name: name.into(), path, master, slave: pty.slave, screen, transcript })
    }

    /// The device the program opens.
    pub fn path(&self) -> &PathBuf {
        &self.path
    }

    /// Types a line, and Enter: a program in line mode reads LF, one that
    /// reads keys gets the CR of that key.
    pub fn type_line(&self, line: &str) {
        self.press(format!("{line}\r").as_bytes(), line);
    }

    /// Ctrl-D: the end of input.
    pub fn type_end(&self) {
        self.press(b"\x04", "Ctrl-D");
    }

    fn press(&self, keys: &[u8], shown: &str) {
        self.transcript.bytes("typed", &self.name, shown.as_bytes());
        // Fails only when the program has put the terminal away.
        let _ = (&self.master).write_all(keys);
    }

    fn screen(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much has been printed: a place to look from later.
    pub fn mark(&self) -> usize {
        self.screen().bytes.len()
    }

    /// Tells how many bytes were printed in all, those not kept too.
    pub fn counter(&self) -> impl Fn() -> u64 + Send + 'static {
        let screen = self.screen.clone();
        move || screen.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    /// What was printed after a mark, without escape sequences.
    pub fn since(&self, mark: usize) -> String {
        let screen = self.screen();
        plain(screen.bytes.get(mark..).unwrap_or_default())
    }

    /// All that was printed, without escape sequences.
    pub fn text(&self) -> String {
        self.since(0)
    }
}

/// Reads until the terminal is gone.
struct Reader {
    name: String,
    from: File,
    screen: Arc<Mutex<Screen>>,
    transcript: Arc<Transcript>,
}

impl Reader {
    fn run(mut self) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(got @ 1..) = self.from.read(&mut buffer) {
            {
                let mut screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
                let room = KEPT.saturating_sub(screen.bytes.len());
                screen.bytes.extend_from_slice(&buffer[..got.min(room)]);
                screen.total += got as u64;
            }
            self.transcript.bytes(&self.name, "terminal", &buffer[..got]);
        }
    }
}

/// Text as a person sees it: escape sequences (ECMA-48: CSI, OSC, and two
/// bytes) taken out, CR as well.
pub fn plain(bytes: &[u8]) -> String {
    let mut kept = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        rest = match (byte, after.first()) {
            (0x1b, Some(b'[')) => {
                after[1..].iter().position(|b| (0x40..=0x7e).contains(b)).map_or(&[][..], |at| &after[at + 2..])
            }
            (0x1b, Some(b']')) => after.iter().position(|b| *b == 7).map_or(&[][..], |at| &after[at + 1..]),
            (0x1b, Some(_)) => &after[1..],
            (b'\r', _) => after,
            _ => {
                kept.push(byte);
                after
            }
        };
    }
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_taken_out_and_the_text_stays() {
        for (raw, text) in [
            ("\x1b[1;31mhello\x1b[0m\r\n", "hello\n"),
            ("\x1b]0;title\x07x", "x"),
            ("a\x1b[", "a"),
            ("\x1b7b", "b"),
            ("plain", "plain"),
        ] {
            assert_eq!(plain(raw.as_bytes()), text);
        }
    }
}
