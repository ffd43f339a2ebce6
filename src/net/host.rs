//! What one end of a lab has from the machine it runs on.

use std::sync::Arc;

use super::stop::Stop;
use super::trace::Trace;
use crate::error::Error;
use crate::report::{self, Event, Report};

/// The host as a lab sees it: where to tell what happens, whether calls are
/// traced, and when to stop.
#[derive(Clone)]
pub struct Host {
    /// The command that runs, such as `tcp-echo`.
    pub lab: &'static str,
    /// Where events go.
    pub report: Arc<dyn Report>,
    /// Where socket calls go.
    pub trace: Trace,
    /// When to stop.
    pub stop: Stop,
}

impl Host {
    /// Tells what happened.
    pub fn emit(&self, event: Event) {
        self.report.emit(&event);
    }

    /// Tells people what was chosen and why.
    pub fn notice(&self, text: impl Into<String>) {
        self.emit(Event::Notice { text: text.into() });
    }

    /// Tells of a failure that does not end the lab.
    pub fn emit_error(&self, error: &Error) {
        report::emit_error(&*self.report, error);
    }
}
