//! A session of messages: the auto framing between a lab's answers and the
//! bytes of its connection.

use std::time::Duration;

use super::session::{End, Outbox, Session, Then};
use crate::framing::{AutoFramer, LineEnd};
use crate::report::Reason;

/// What a lab answers to a message, without line end: a reply ends as its
/// message did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This.
    Say(Vec<u8>),
    /// This, after having slept.
    SleepThenSay(Duration, Vec<u8>),
    /// Nothing: the client asked to be left.
    Close,
}

/// A lab whose client says one message after the other, and gets an answer to
/// each.
pub trait Answers: Send + 'static {
    /// The client is there.
    fn opened(&mut self) {}

    /// The answer to one message.
    fn answer(&mut self, message: &[u8]) -> Answer;
}

/// The session that such a lab makes.
pub struct Framed<A> {
    lab: A,
    framer: AutoFramer,
    /// What to say when the sleep is over.
    asleep: Option<(Vec<u8>, LineEnd)>,
    closing: bool,
}

impl<A: Answers> Framed<A> {
    /// A session in which `lab` answers.
    pub fn new(lab: A) -> Framed<A> {
        Framed { lab, framer: AutoFramer::default(), asleep: None, closing: false }
    }

    /// Answers every whole message, up to a pause or a close.
    fn answer_all(&mut self, out: &mut Outbox) -> Then {
        loop {
            let message = match self.framer.next() {
                Ok(Some(message)) => message,
                Ok(None) => return Then::Continue,
                Err(overlong) => return self.close(out, &format!("error: {overlong}\n")),
            };
            match self.lab.answer(message.text) {
                Answer::Say(text) => say(out, &text, message.end),
                Answer::SleepThenSay(time, text) => {
                    self.asleep = Some((text, message.end));
                    return Then::Pause(time);
                }
                Answer::Close => {
                    self.closing = true;
                    return Then::Close(Reason::Asked);
                }
            }
        }
    }

    fn close(&mut self, out: &mut Outbox, last_words: &str) -> Then {
        self.closing = true;
        out.put(last_words.as_bytes());
        Then::Close(Reason::Error)
    }
}

fn say(out: &mut Outbox, text: &[u8], end: LineEnd) {
    out.put(text);
    out.put(end.bytes());
}

impl<A: Answers> Session for Framed<A> {
    fn opened(&mut self, _out: &mut Outbox) -> Then {
        self.lab.opened();
        Then::Continue
    }

    fn received(&mut self, bytes: &[u8], out: &mut Outbox) -> Then {
        self.framer.push(bytes);
        self.answer_all(out)
    }

    fn patience(&self) -> Option<Duration> {
        self.framer.patience()
    }

    fn quiet(&mut self, out: &mut Outbox) -> Then {
        self.framer.quiet();
        self.answer_all(out)
    }

    fn resumed(&mut self, out: &mut Outbox) -> Then {
        if let Some((text, end)) = self.asleep.take() {
            say(out, &text, end);
        }
        self.answer_all(out)
    }

    fn ended(&mut self, how: End, out: &mut Outbox) -> Then {
        if how != End::Fin || self.closing {
            return Then::Continue;
        }
        // What came without its line end was a message all the same.
        self.framer.finish();
        self.answer_all(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::MAX_MESSAGE_BYTES;

    struct Upper;

    impl Answers for Upper {
        fn answer(&mut self, message: &[u8]) -> Answer {
            match message {
                b"bye" => Answer::Close,
                b"nap" => Answer::SleepThenSay(Duration::from_secs(1), b"NAP".into()),
                _ => Answer::Say(message.to_ascii_uppercase()),
            }
        }
    }

    fn said(session: &mut Framed<Upper>, bytes: &[u8]) -> (Then, Vec<u8>) {
        let mut out = Outbox::new();
        let then = session.received(bytes, &mut out);
        (then, out.bytes().to_vec())
    }

    #[test]
    fn each_reply_ends_as_its_message_did() {
        let mut session = Framed::new(Upper);
        assert_eq!(said(&mut session, b"a\nb\r\n\nc"), (Then::Continue, b"A\nB\r\n\n".to_vec()));
        let mut out = Outbox::new();
        assert_eq!(session.ended(End::Fin, &mut out), Then::Continue);
        assert_eq!(out.bytes(), b"C");
    }

    #[test]
    fn what_comes_after_a_pause_is_answered_after_it() {
        let mut session = Framed::new(Upper);
        assert_eq!(said(&mut session, b"a\nnap\nb\n"), (Then::Pause(Duration::from_secs(1)), b"A\n".to_vec()));
        let mut out = Outbox::new();
        assert_eq!(session.resumed(&mut out), Then::Continue);
        assert_eq!(out.bytes(), b"NAP\nB\n");
    }

    #[test]
    fn nothing_is_answered_after_a_close() {
        let mut session = Framed::new(Upper);
        assert_eq!(said(&mut session, b"a\nbye\nb\n"), (Then::Close(Reason::Asked), b"A\n".to_vec()));
        let mut out = Outbox::new();
        session.ended(End::Fin, &mut out);
        assert_eq!(out.bytes(), b"");
    }

    #[test]
    fn a_message_one_byte_too_long_gets_one_line_and_the_close() {
        let mut session = Framed::new(Upper);
        let (then, text) = said(&mut session, &vec![b'x'; MAX_MESSAGE_BYTES + 1]);
        assert_eq!(then, Then::Close(Reason::Error));
        assert_eq!(text, b"error: message longer than 65536 bytes\n");
        let whole = said(&mut Framed::new(Upper), &[vec![b'x'; MAX_MESSAGE_BYTES], b"\n".to_vec()].concat());
        assert_eq!(whole.1.len(), MAX_MESSAGE_BYTES + 1);
    }
}
