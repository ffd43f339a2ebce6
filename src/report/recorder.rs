//! Keeps events: for tests, and for demos that judge what they show.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::{BlockedLine, CallLine, Event, Report};

/// Keeps every event, and passes it on to another reporter where there is one.
pub struct Recorder {
    kept: Mutex<Vec<Event>>,
    live: Option<Mutex<Sender<Event>>>,
    onward: Option<Arc<dyn Report>>,
}

impl Recorder {
    /// Keeps events to itself.
    pub fn new() -> Recorder {
        Recorder { kept: Mutex::new(Vec::new()), live: None, onward: None }
    }

    /// Keeps events, shows them to `onward`, and sends each to the receiver
    /// that comes with it, for whoever waits for one of them.
    pub fn before(onward: Arc<dyn Report>) -> (Recorder, Receiver<Event>) {
        let (live, events) = channel();
        let recorder = Recorder { kept: Mutex::default(), live: Some(Mutex::new(live)), onward: Some(onward) };
        (recorder, events)
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Event> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Default for Recorder {
    fn default() -> Recorder {
        Recorder::new()
    }
}

impl Report for Recorder {
    fn emit(&self, event: &Event) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
        if let Some(onward) = &self.onward {
            onward.emit(event);
        }
        if let Some(live) = &self.live {
            let live = live.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = live.send(event.clone()); // nobody waits any more
        }
    }

    fn call(&self, line: &CallLine) {
        if let Some(onward) = &self.onward {
            onward.call(line);
        }
    }

    fn blocked(&self, line: &BlockedLine) {
        if let Some(onward) = &self.onward {
            onward.blocked(line);
        }
    }
}
