//! The operator's console: what is typed at the server is said to everyone,
//! or obeyed.

use std::io::{self, BufRead, IsTerminal};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::client::editor::{Editor, Outcome};
use super::hub::{CONSOLE, Next};
use super::session::Shared;
use crate::net::host::Host;
use crate::net::stop;
use crate::report::keyboard::{self, Keyboard};
use crate::serve::post::Bell;

/// The console; it gives the terminal back when it is closed.
#[derive(Clone, Default)]
pub struct Console(Arc<Mutex<Option<Keyboard>>>);

impl Console {
    fn keyboard(&self) -> MutexGuard<'_, Option<Keyboard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens in a thread of its own: key by key where a line can be edited,
    /// else line by line.
    pub fn open(&self, shared: Arc<Shared>, bell: Bell) {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let can_edit = io::stdin().is_terminal() && shared.host.report.shows_tables() && !dumb;
        let keyboard = can_edit.then(Keyboard::take).and_then(Result::ok);
        let by_keys = keyboard.is_some();
        *self.keyboard() = keyboard;
        let console = self.clone();
        let hear = move || if by_keys { console.hear_keys(&shared, &bell) } else { hear_lines(&shared, &bell) };
        // Without this thread nothing is heard from the console.
        let _ = thread::Builder::new().name("console".into()).spawn(hear);
    }

    /// Gives the terminal back.
    pub fn close(&self, host: &Host) {
        if self.keyboard().take().is_some() {
            host.report.input(None);
        }
    }

    fn hear_keys(&self, shared: &Shared, bell: &Bell) {
        let mut editor = Editor::default();
        loop {
            if self.keyboard().is_some() {
                shared.host.report.input(Some(editor.line("> ", keyboard::columns())));
            }
            let Ok(happening) = Keyboard::next() else { return self.close(&shared.host) };
            match editor.take(happening) {
                Outcome::Edited | Outcome::Complete => {}
                Outcome::Say(lines) => lines.iter().for_each(|line| obey(shared, bell, line.as_bytes())),
                Outcome::Suspend => {
                    if let Some(keyboard) = &mut *self.keyboard() {
                        let _ = keyboard.suspend(); // else it goes on
                    }
                }
                Outcome::Interrupt if shared.host.stop.is_asked() => {
                    self.close(&shared.host);
                    stop::exit_as_killed();
                }
                Outcome::Interrupt => shared.host.stop.ask_because("it was stopped by its operator"),
                Outcome::End => {
                    self.close(&shared.host);
                    return shared.host.notice("the console is closed; Ctrl-C stops the server");
                }
            }
        }
    }
}

fn hear_lines(shared: &Shared, bell: &Bell) {
    for line in io::stdin().lock().split(b'\n').map_while(io::Result::ok) {
        obey(shared, bell, line.strip_suffix(b"\r").unwrap_or(&line));
    }
}

fn obey(shared: &Shared, bell: &Bell, line: &[u8]) {
    if shared.hub().line(CONSOLE, line) == Next::Leave {
        shared.host.stop.ask_because("it was stopped by its operator");
    }
    bell.ring();
}
