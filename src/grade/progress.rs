//! How far a class has come: a line for each submission that has been graded,
//! and on a terminal a last line, ever rewritten, with those under way.

use std::sync::{Mutex, MutexGuard, PoisonError};

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::report::keyboard;

use super::Desk;
use super::result::Report;
use super::transcript::visible;

/// Back to the beginning of the line, and the line away.
const WIPE: &str = "\r\x1b[K";

/// Tells how far a class has come.
pub struct Progress<'a> {
    desk: &'a Desk<'a>,
    of: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    done: usize,
    running: Vec<Running>,
    /// Whether the last line is one that is rewritten.
    is_live: bool,
}

struct Running {
    at: usize,
    name: String,
    tried: usize,
    checks: usize,
}

impl<'a> Progress<'a> {
    /// Of so many submissions.
    pub fn new(desk: &'a Desk<'a>, of: usize) -> Progress<'a> {
        Progress { desk, of, state: Mutex::default() }
    }

    /// A submission's judge has begun.
    pub fn began(&self, at: usize, name: &str, checks: usize) {
        let mut state = self.state();
        state.running.push(Running { at, name: visible(name.as_bytes()), tried: 0, checks });
        self.show(&mut state);
    }

    /// One of its checks has its verdict.
    pub fn tried(&self, at: usize) {
        let mut state = self.state();
        state.running.iter_mut().filter(|running| running.at == at).for_each(|running| running.tried += 1);
        self.show(&mut state);
    }

    /// It was stopped.
    pub fn left(&self, at: usize) {
        self.state().running.retain(|running| running.at != at);
    }

    /// It is graded.
    pub fn ended(&self, at: usize, report: &Report) {
        self.count(report, Some(at), "");
    }

    /// It had been graded before.
    pub fn again(&self, report: &Report) {
        self.count(report, None, ", as before");
    }

    fn count(&self, report: &Report, at: Option<usize>, aside: &str) {
        let mut state = self.state();
        state.running.retain(|running| Some(running.at) != at);
        state.done += 1;
        if self.of > 1 && !self.desk.quiet {
            self.wipe(&mut state);
            let name = visible(report.name.as_bytes());
            let came = match &report.error {
                Some(error) => error.lines().next().unwrap_or_default().to_owned(),
                None => format!("{} of {}", report.score(), report.max_score()),
            };
            (self.desk.aside)(&format!("[{}/{}] {name}: {came}{aside}\n", state.done, self.of));
        }
        self.show(&mut state);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wipe(&self, state: &mut State) {
        if std::mem::take(&mut state.is_live) {
            (self.desk.aside)(WIPE);
        }
    }

    fn show(&self, state: &mut State) {
        if !self.desk.live || self.desk.quiet {
            return;
        }
        self.wipe(state);
        if !state.running.is_empty() {
            let line = shortened(&state.line(self.of), keyboard::columns() - 1);
            (self.desk.aside)(&line);
            state.is_live = true;
        }
    }
}

impl State {
    fn line(&self, of: usize) -> String {
        let each = |running: &Running| format!("{} {}/{}", running.name, running.tried, running.checks);
        let running: Vec<String> = self.running.iter().map(each).collect();
        let count = if of > 1 { format!("[{}/{of}] ", self.done) } else { String::new() };
        format!("{count}checking {}", running.join(", "))
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        let mut state = self.state();
        if std::mem::take(&mut state.is_live) {
            (self.desk.aside)(WIPE);
        }
    }
}

/// As much of a line as fits into so many columns.
fn shortened(line: &str, columns: usize) -> String {
    if line.width() <= columns {
        return line.to_owned();
    }
    let mut short = String::new();
    for letter in line.graphemes(true) {
        if short.width() + letter.width() >= columns {
            break;
        }
        short.push_str(letter);
    }
    short + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_never_wider_than_its_window() {
        assert_eq!(shortened("checking 日本 3/12", 40), "checking 日本 3/12");
        assert_eq!(shortened("checking 日本 3/12", 12), "checking 日…");
    }
}
