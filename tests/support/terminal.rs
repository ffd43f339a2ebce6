//! A program on a terminal of its own: what is typed reaches it key by key,
//! and what it draws is looked at as a person would see it.

#![cfg(target_os = "linux")]
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part, and a helper's failure is the test's")]

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use nix::pty::{Winsize, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};

use crate::support::{DEADLINE, say, wait};

const ROWS: NonZeroU16 = NonZeroU16::new(24).unwrap();
const COLUMNS: NonZeroU16 = NonZeroU16::new(80).unwrap();

pub struct Terminal {
    child: Child,
    keyboard: File,
    /// The program's side, kept open: what it did to the terminal can be seen
    /// after its end.
    inside: OwnedFd,
    shown: Arc<(Mutex<Shown>, Condvar)>,
}

struct Shown {
    screen: vt100::Parser,
    bytes: Vec<u8>,
}

impl Terminal {
    /// Starts a program on a new terminal, which is its controlling one:
    /// Ctrl-C and /dev/tty are as in a window.
    pub fn start(command: &Command) -> Terminal {
        let size = Winsize { ws_row: ROWS.get(), ws_col: COLUMNS.get(), ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        let mut on_terminal = Command::new("setsid");
        on_terminal.args(["--ctty"]).arg(command.get_program()).args(command.get_args());
        on_terminal.env("TERM", "xterm");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => on_terminal.env(name, value),
                None => on_terminal.env_remove(name),
            };
        }
        if let Some(dir) = command.get_current_dir() {
            on_terminal.current_dir(dir);
        }
        let inside = || pty.slave.try_clone().unwrap();
        let child = on_terminal.stdin(inside()).stdout(inside()).stderr(inside()).spawn().unwrap();
        let shown = Shown { screen: vt100::Parser::new(ROWS, COLUMNS, 1000), bytes: Vec::new() };
        let shown = Arc::new((Mutex::new(shown), Condvar::new()));
        let mut output = File::from(pty.master.try_clone().unwrap());
        let seen = shown.clone();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(got @ 1..) = output.read(&mut buffer) {
                let mut shown = seen.0.lock().unwrap();
                shown.screen.process(&buffer[..got]);
                shown.bytes.extend_from_slice(&buffer[..got]);
                seen.1.notify_all();
            }
        });
        Terminal { child, keyboard: File::from(pty.master), inside: pty.slave, shown }
    }

    /// Types; `\r` is Enter.
    pub fn type_in(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// What is on the screen.
    pub fn screen(&self) -> String {
        self.shown.0.lock().unwrap_or_else(PoisonError::into_inner).screen.screen().contents()
    }

    /// All that was ever written to it.
    pub fn bytes(&self) -> String {
        String::from_utf8_lossy(&self.shown.0.lock().unwrap_or_else(PoisonError::into_inner).bytes).into_owned()
    }

    /// Waits until the screen `fits`.
    #[track_caller]
    pub fn wait_until(&self, fits: impl Fn(&str) -> bool) -> String {
        let shown = self.shown.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unfit = |shown: &mut Shown| !fits(&shown.screen.screen().contents());
        let (shown, waited) = self.shown.1.wait_timeout_while(shown, DEADLINE, unfit).unwrap();
        let screen = shown.screen.screen().contents();
        assert!(!waited.timed_out(), "the screen never fitted:\n{screen}");
        screen
    }

    /// Waits until this is to be seen.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_until(|screen| screen.contains(text))
    }

    /// Waits until the last line of the screen is this one.
    #[track_caller]
    pub fn wait_for_last(&self, line: &str) -> String {
        self.wait_until(|screen| screen.lines().last().is_some_and(|last| last.trim_end() == line))
    }

    /// Whether the terminal echoes and edits lines by itself, as a shell
    /// expects it back.
    pub fn is_as_before(&self) -> bool {
        let flags = tcgetattr(&self.inside).unwrap().local_flags;
        flags.contains(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG)
    }

    /// Sends a signal to the program.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill -s {name}");
    }

    /// Waits for the program's end; then the last of its words are on the
    /// screen.
    pub fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            say(&format!("the screen at last:\n{}", self.screen()));
        }
    }
}
