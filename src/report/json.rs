//! One JSON object a line: events on stdout, traced calls on stderr.

use std::io::Write;
use std::time::Instant;

use serde::Serialize;

use super::{Answer, BlockedLine, CallLine, ClosedPipe, Event, Report, human};

/// Writes events for programs.
pub struct Json {
    lab: &'static str,
    started: Instant,
    messages: bool,
    whose: bool,
    pipe: ClosedPipe,
}

#[derive(Serialize)]
struct Line<'a, T> {
    t: f64,
    lab: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<String>,
    #[serde(flatten)]
    what: &'a T,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Traced<'a> {
    Call(&'a CallLine),
    Blocked(&'a BlockedLine),
}

impl Json {
    /// `quiet` leaves out single messages; `whose` says which thread speaks.
    pub fn new(lab: &'static str, quiet: bool, whose: bool, pipe: ClosedPipe) -> Json {
        Json { lab, started: Instant::now(), messages: !quiet, whose, pipe }
    }

    fn line<T: Serialize>(&self, what: &T, who: Option<String>) -> Vec<u8> {
        let t = (self.started.elapsed().as_secs_f64() * 1e6).round() / 1e6;
        let line = Line { t, lab: self.lab, who, what };
        let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

impl Json {
    /// Writes one event on stdout.
    pub fn write(&self, event: &Event) {
        let who = self.whose.then(human::speaker);
        let line = self.line(event, who);
        let mut out = std::io::stdout().lock();
        let written = out.write_all(&line).and_then(|()| out.flush());
        drop(out);
        self.pipe.note(written);
    }
}

impl Report for Json {
    fn emit(&self, event: &Event) {
        if !self.messages && human::is_message(event) {
            return;
        }
        self.write(event);
        if let Event::Error { message, why, next } = event {
            let text = format!("error: {message}\n  why: {why}\n  try: {next}\n");
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }

    fn wants_messages(&self) -> bool {
        self.messages
    }

    /// The object as it is, without a time: the same question has the same
    /// answer.
    fn answer(&self, answer: &Answer) {
        for [message, why, next] in &answer.failures {
            let text = format!("error: {message}\n  why: {why}\n  try: {next}\n");
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
        let mut out = std::io::stdout().lock();
        let written = out.write_all(answer.json.as_bytes()).and_then(|()| out.write_all(b"\n"));
        let written = written.and_then(|()| out.flush());
        drop(out);
        self.pipe.note(written);
    }

    // A trace that cannot be written is no reason to stop the lab.
    fn call(&self, line: &CallLine) {
        let _ = std::io::stderr().write_all(&self.line(&Traced::Call(line), None));
    }

    fn blocked(&self, line: &BlockedLine) {
        let _ = std::io::stderr().write_all(&self.line(&Traced::Blocked(line), None));
    }
}
