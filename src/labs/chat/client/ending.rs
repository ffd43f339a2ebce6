//! How a conversation ended, and what can be known of it.
//!
//! | what came last | what it means |
//! |---|---|
//! | `* goodbye`, FIN | as asked |
//! | `! server is going down: ...`, FIN | it told everyone before it stopped |
//! | another `! ...`, FIN | it closed on us, and said why |
//! | FIN alone | it was killed with no time for a word, or is no good program |
//! | RST | the same, with bytes of ours unread |
//! | a TLS record that does not fit its checksum | a fault on the way, or a forger |
//! | nothing, not even an ACK | a cable is pulled, the host asleep or off |

use std::io::{self, ErrorKind};

use super::talk::{State, Talk};
use crate::error::{Attempt, Error, Status};
use crate::framing::visible;
use crate::net::socket::is_timeout;
use crate::report::{Event, Reason, Summary};

/// How a conversation ended.
pub struct Ending {
    reason: Reason,
    error: Option<Error>,
    status: Status,
}

impl Ending {
    /// Not as it should.
    pub fn wrong(error: Error) -> Ending {
        Ending { reason: Reason::Error, error: Some(error), status: Status::No }
    }

    /// For want of an answer.
    pub fn timed_out(self) -> Ending {
        Ending { reason: Reason::Timeout, ..self }
    }

    /// Names the next step.
    pub fn next(self, step: &str) -> Ending {
        Ending { error: self.error.map(|error| error.next(step)), ..self }
    }

    /// As one side asked.
    fn asked(status: Status) -> Ending {
        Ending { reason: Reason::Asked, error: None, status }
    }

    fn of(reason: Reason, error: Error) -> Ending {
        Ending { reason, error: Some(error), status: Status::No }
    }
}

impl Talk {
    /// A failure of this connection.
    pub fn error(&self, cause: String) -> Error {
        Error::other(Attempt::Receive, format!("tcp {}", self.peer), cause)
    }

    /// Why the connection is gone: by FIN (`Ok`), or by an error.
    pub fn gone(&self, how: io::Result<()>) -> Ending {
        let state = self.state();
        // Who asked to leave needs no goodbye, but a FIN.
        if state.goodbye || state.left && how.is_ok() && !state.going_down {
            let status = if state.downloads.failed() > 0 && !state.typed { Status::No } else { Status::Done };
            return Ending::asked(status);
        }
        if self.host.stop.is_asked() {
            return Ending::asked(if state.named { Status::Done } else { Status::No });
        }
        let again = "the same command again, once the server is back";
        if let Some(last) = &state.last_error {
            return self.last_words(&state, last).next(again);
        }
        match how {
            Ok(()) => {
                let error = self.error("the server closed without a word".into());
                let why = "FIN, and no goodbye before it: the server was killed so that it had no time for a word \
                           (kill -9, a crash of its machine), or it is no netlab server";
                Ending::of(Reason::Fin, error.because(why)).next(again)
            }
            Err(cause) => self.broken(&cause).next(again),
        }
    }

    fn last_words(&self, state: &State, last: &str) -> Ending {
        if state.going_down {
            let error = self.error(format!("the {}", visible(last.as_bytes())));
            return Ending::of(Reason::ServerStop, error.because("the server told everyone so, and closed"));
        }
        let error = self.error(format!("the server closed: {}", visible(last.as_bytes())));
        Ending::of(Reason::Fin, error.because("these were its last words to you, and it closed the connection"))
    }

    fn broken(&self, cause: &io::Error) -> Ending {
        let error = Error::new(Attempt::Receive, format!("tcp {}", self.peer), cause);
        match cause.kind() {
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
                let why = "the server's program is gone and its system answered for it (RST): it crashed, was killed, \
                           or threw the connection away with bytes of yours unread";
                Ending::of(Reason::Reset, error.because(why))
            }
            ErrorKind::UnexpectedEof => {
                let error = self.error("the connection was cut off".into());
                let why = "FIN came without TLS's own end (close_notify): the server was killed, or somebody between cut \
                           the connection";
                Ending::of(Reason::Fin, error.because(why))
            }
            ErrorKind::InvalidData => {
                let why = "what came is not what the server sealed: a fault on the way changed it, or somebody did; nothing \
                           of it was taken";
                Ending::of(Reason::Error, error.because(why))
            }
            _ if is_timeout(cause) => {
                let why = "its host answers no more, not even with an ACK: a cable is pulled, it sleeps, or is off";
                Ending::of(Reason::Timeout, error.because(why))
            }
            _ => Ending::of(Reason::Error, error),
        }
    }

    /// Tells how it ended. The exit status.
    pub fn tell(&self, ending: Ending) -> Status {
        let Ending { reason, error, status } = ending;
        self.host.emit(Event::Closed { peer: self.peer, client: None, reason });
        if let Some(error) = &error {
            self.host.emit_error(error);
        }
        self.host.emit(Event::Summary(Summary::Messages(self.state().counters())));
        status
    }
}
