//! The keyboard, key by key.
//!
//! A terminal usually hands over whole lines, and echoes them itself: what
//! others say would land in the middle of what is being typed. A [`Keyboard`]
//! takes that over: keys come as they are pressed, none is echoed, and Ctrl-C
//! is a key like others. Whoever takes it gives it back as it was, when
//! dropped.

use std::io;

pub use crossterm::event::{Event as Happening, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// The keyboard, taken over.
pub struct Keyboard(system::Mode);

impl Keyboard {
    /// Takes the keyboard over.
    ///
    /// # Errors
    /// Standard input is no terminal, or will not be changed.
    pub fn take() -> io::Result<Keyboard> {
        system::take().map(Keyboard)
    }

    /// Waits for a key, a paste or another size of the window.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn next() -> io::Result<Happening> {
        crossterm::event::read()
    }

    /// Gives the terminal back to the shell until the user returns (Ctrl-Z).
    ///
    /// # Errors
    /// Standard input will not be changed any more.
    pub fn suspend(&mut self) -> io::Result<()> {
        self.0.suspend()
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

/// How wide the window is; 80 columns where nobody knows.
pub fn columns() -> usize {
    terminal_size::terminal_size().map_or(80, |(columns, _)| usize::from(columns.0)).max(20)
}

/// A terminal that does not echo, until this is dropped. Off before a password
/// is asked for, so that fast fingers are not seen; and back on whatever ends
/// the asking.
pub struct Unechoed(Option<system::Mode>);

impl Unechoed {
    /// Turns the echo off, where there is a terminal.
    pub fn now() -> Unechoed {
        Unechoed(system::stop_echo())
    }
}

impl Drop for Unechoed {
    fn drop(&mut self) {
        if let Some(mode) = &self.0 {
            mode.restore();
        }
    }
}

#[cfg(unix)]
mod system {
    use std::io::{self, Write, stdin, stdout};

    use nix::sys::signal::{Signal, raise};
    use nix::sys::termios::{InputFlags, LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

    /// Bracketed paste: the terminal says where pasted text begins and ends,
    /// so that its line ends are told from Enter.
    const PASTES_MARKED: &[u8] = b"\x1b[?2004h";
    const PASTES_UNMARKED: &[u8] = b"\x1b[?2004l";

    /// As the terminal was.
    pub struct Mode(Termios);

    pub fn take() -> io::Result<Mode> {
        let before = tcgetattr(stdin())?;
        let mut keys = before.clone();
        // Output stays as it is: `\n` still begins a line at its left.
        keys.local_flags &= !(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::IEXTEN | LocalFlags::ISIG);
        keys.input_flags &= !(InputFlags::ICRNL | InputFlags::INLCR | InputFlags::IXON);
        tcsetattr(stdin(), SetArg::TCSANOW, &keys)?;
        write(PASTES_MARKED);
        Ok(Mode(before))
    }

    pub fn stop_echo() -> Option<Mode> {
        let before = tcgetattr(stdin()).ok()?;
        let mut unechoed = before.clone();
        unechoed.local_flags &= !LocalFlags::ECHO;
        tcsetattr(stdin(), SetArg::TCSANOW, &unechoed).ok()?;
        Some(Mode(before))
    }

    impl Mode {
        pub fn give_back(&self) {
            write(PASTES_UNMARKED);
            self.restore();
        }

        pub fn restore(&self) {
            let _ = tcsetattr(stdin(), SetArg::TCSADRAIN, &self.0); // the terminal may be gone
        }

        pub fn suspend(&mut self) -> io::Result<()> {
            self.give_back();
            raise(Signal::SIGTSTP)?; // returns when the shell says `fg`
            *self = take()?;
            Ok(())
        }
    }

    fn write(bytes: &[u8]) {
        let mut out = stdout().lock();
        let _ = out.write_all(bytes).and_then(|()| out.flush());
    }
}

#[cfg(windows)]
mod system {
    use std::io;

    /// Nothing to keep: the console knows how it was.
    pub struct Mode;

    pub fn take() -> io::Result<Mode> {
        crossterm::terminal::enable_raw_mode().map(|()| Mode)
    }

    /// Whoever asks for the password does it.
    pub fn stop_echo() -> Option<Mode> {
        None
    }

    impl Mode {
        pub fn restore(&self) {}

        pub fn give_back(&self) {
            let _ = crossterm::terminal::disable_raw_mode();
        }

        /// Windows stops no program so.
        pub fn suspend(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
