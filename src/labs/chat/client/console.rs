//! Where the user is: at the keyboard, or behind a pipe.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use super::editor::{Editor, Outcome};
use super::talk::{Happened, Talk};
use crate::ask::messages::Lines;
use crate::error::{Attempt, Error, no_thread};
use crate::report::Event;
use crate::report::keyboard::{self, Happening, Keyboard};

/// Words of a completion that are shown.
const MOST_SHOWN: usize = 60;

/// What the server's help cannot know.
const KEYS: &str = "here: Tab completes, Up and Down call lines back, Ctrl-C drops a line or leaves";

/// Where the user is.
pub struct Console {
    talk: Arc<Talk>,
    screen: Option<(Keyboard, Editor)>,
    /// The line to leave with, when all downloads are done.
    leaving: Option<String>,
    deadline: Option<Instant>,
}

impl Console {
    /// At the keyboard, if lines can be edited there; else line by line.
    pub fn open(talk: &Arc<Talk>, happened: SyncSender<Happened>) -> Console {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let can_edit = io::stdin().is_terminal() && talk.host.report.shows_tables() && !dumb;
        let keyboard = can_edit.then(Keyboard::take).and_then(Result::ok);
        talk.state().typed = io::stdin().is_terminal();
        let console = Console {
            talk: talk.clone(),
            screen: keyboard.map(|keyboard| (keyboard, Editor::default())),
            leaving: None,
            deadline: None,
        };
        let failed = happened.clone();
        let reads: Box<dyn FnOnce() + Send> = match &console.screen {
            Some(_) => Box::new(move || read_keys(&happened)),
            None => {
                let host = talk.host.clone();
                Box::new(move || read_lines(&mut Lines::of_stdin(&host), &host, &happened))
            }
        };
        if let Err(cause) = thread::Builder::new().name("input".into()).spawn(reads) {
            let error = Error::new(Attempt::Read, "standard input", &no_thread(cause));
            let _ = failed.try_send(Happened::InputFailed(error)); // or there is an end to hear of already
        }
        console.draw();
        console
    }

    /// Until when something has to happen. A server that reads slowly, and says
    /// so, has all the time it needs.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline.filter(|_| !self.talk.state().slowed)
    }

    /// Takes what happened.
    pub fn take(&mut self, happened: Happened) {
        match happened {
            Happened::Typed(line) => self.typed(line),
            Happened::InputEnded => self.leave("/quit".into()),
            Happened::Key(happening) => self.key(happening),
            Happened::Changed | Happened::Stopped | Happened::Gone(_) | Happened::InputFailed(_) => {}
        }
        self.draw();
    }

    /// A line that was piped in. What follows a `/quit` is not said.
    fn typed(&mut self, line: Vec<u8>) {
        if self.leaving.is_some() || self.talk.state().left {
            return;
        }
        match String::from_utf8(line) {
            Ok(line) if is_quit(&line) => self.leave(line),
            Ok(line) => {
                self.talk.wait_for_room();
                self.talk.say(&line);
            }
            Err(_) => {
                let error = Error::other(Attempt::Read, "standard input", "a line is not UTF-8");
                self.talk
                    .host
                    .emit_error(&error.because("the chat is in UTF-8; the line is left out").next("other text"));
            }
        }
    }

    fn key(&mut self, happening: Happening) {
        let Some((keyboard, editor)) = &mut self.screen else { return };
        match editor.take(happening) {
            Outcome::Edited => {}
            Outcome::Say(lines) => self.say(lines),
            Outcome::Complete => self.complete(),
            Outcome::Suspend => {
                self.talk.host.report.input(None);
                let _ = keyboard.suspend(); // else it goes on
            }
            Outcome::Interrupt if self.talk.state().left => {
                self.close();
                crate::net::stop::exit_as_killed();
            }
            Outcome::Interrupt | Outcome::End => self.leave("/quit".into()),
        }
    }

    /// Tab. Where nothing that fits is known, the server is asked, and the next
    /// Tab knows more.
    fn complete(&mut self) {
        let Some((_, editor)) = &mut self.screen else { return };
        let mut state = self.talk.state();
        let candidates = state.learnt.candidates(editor.before_cursor());
        if candidates.words.is_empty() {
            let question = state.learnt.question(editor.before_cursor());
            drop(state);
            return question.into_iter().for_each(|question| self.talk.say(question));
        }
        drop(state);
        let mut words = editor.complete(candidates);
        words.truncate(MOST_SHOWN);
        if !words.is_empty() {
            self.talk.host.emit(Event::Notice { text: words.join("  ") });
        }
    }

    fn say(&mut self, lines: Vec<String>) {
        if !self.talk.has_room() {
            let error =
                Error::other(Attempt::Send, format!("tcp {}", self.talk.peer), "lines of before are not sent yet");
            let error = error.because("the server does not read as fast as you type");
            return self.talk.host.emit_error(&error.next("the same once more, in a while"));
        }
        for line in lines {
            if is_quit(&line) {
                return self.leave(line);
            }
            if line == "/help" {
                self.talk.host.notice(KEYS);
            }
            self.talk.say(&line);
        }
    }

    /// Whoever pipes lines in wants the files; whoever types wants to go.
    fn leave(&mut self, line: String) {
        if self.leaving.is_none() && !self.talk.state().left {
            self.leaving = Some(line);
        }
    }

    /// Says goodbye, when it is time; `timeout` is for the server's answer.
    pub fn leave_if_due(&mut self, timeout: Duration) {
        if self.leaving.is_none() {
            return;
        }
        let (running, unanswered) = {
            let state = self.talk.state();
            (state.downloads.is_running(), state.downloads.is_unanswered())
        };
        let waits = self.screen.is_none() && (running || unanswered);
        if waits {
            // For bytes, as long as they come; for an answer, no longer.
            let patience = || Instant::now() + timeout;
            self.deadline = if running { None } else { Some(self.deadline.unwrap_or_else(patience)) };
        } else if let Some(line) = self.leaving.take() {
            self.talk.leave(line);
            self.deadline = Some(Instant::now() + timeout);
        }
    }

    fn draw(&self) {
        let Some((_, editor)) = &self.screen else { return };
        let prompt = self.talk.state().partner.as_ref().map_or("> ".to_owned(), |partner| format!("to {partner}> "));
        self.talk.host.report.input(Some(editor.line(&prompt, keyboard::columns())));
    }

    /// Gives the terminal back.
    fn close(&mut self) {
        if self.screen.take().is_some() {
            self.talk.host.report.input(None);
        }
        self.talk.host.report.table(Vec::new());
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if self.talk.host.report.shows_tables() {
            self.close();
        }
    }
}

fn is_quit(line: &str) -> bool {
    line.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case("/quit"))
}

fn read_keys(happened: &SyncSender<Happened>) {
    while let Ok(happening) = Keyboard::next() {
        if happened.send(Happened::Key(happening)).is_err() {
            return;
        }
    }
    let _ = happened.send(Happened::InputEnded); // nobody waits any more
}

fn read_lines(lines: &mut Lines, host: &crate::net::host::Host, happened: &SyncSender<Happened>) {
    loop {
        let next = match lines.next(host) {
            Ok(Some(line)) => Happened::Typed(line),
            Ok(None) => Happened::InputEnded,
            Err(error) => Happened::InputFailed(error),
        };
        let last = !matches!(next, Happened::Typed(_));
        if happened.send(next).is_err() || last {
            return;
        }
    }
}
