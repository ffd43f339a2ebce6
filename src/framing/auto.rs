//! Auto framing: messages out of a TCP stream, whoever wrote the client.
//!
//! The rule most text protocols share is that a message is a line. Servers
//! here keep it, and take LF and CRLF alike. But a first socket program often
//! reads
//!
//! ```python
//! sock.send(b"hello")
//! print(sock.recv(1024))
//! ```
//!
//! with no line end at all, and a server that waits for one waits for ever. So
//! a client that has never sent a line end gets each burst taken as a message,
//! once it has been quiet for a while:
//!
//! ```text
//! bytes      "hel" "lo"            "again"
//! time       0     5 ms            900 ms
//! message                205 ms "hello"   920 ms "again"
//! ```
//!
//! This guesses, and can guess wrong: a burst held up in the network for longer
//! than the quiet time comes out as two messages. A line end never errs, which
//! is why one line end is enough to end the guessing for good.
//!
//! The parser is pulled: [`push`](AutoFramer::push) what `recv(2)` returned,
//! then call [`next`](AutoFramer::next) until it has no more. "Need more bytes"
//! is a state, so it is `None` and no error.

use super::LineEnd;
use std::fmt;
use std::time::Duration;

/// The longest message, without its line end. Without a bound, one client that
/// never ends its line could take all memory; 64 KiB is ample for typed text.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// How long a client without line ends must be quiet before its first message
/// is taken. A program's second `send(2)` may be held back until the first is
/// acknowledged (Nagle's algorithm, RFC 9293 section 3.7.4), which a receiver
/// delays by 40 ms on Linux, by up to 200 ms elsewhere. A person hardly
/// notices the wait.
pub const FIRST_QUIET: Duration = Duration::from_millis(200);

/// The same from the second message on. By then the client is known to send
/// messages without line ends, so a shorter wait is a fair guess, and a
/// thousand round trips take 20 seconds instead of 200.
pub const LATER_QUIET: Duration = Duration::from_millis(20);

/// One message, borrowed from the framer's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// The message without its line end; any bytes but LF, and it may be empty.
    pub text: &'a [u8],
    /// What followed the text.
    pub end: LineEnd,
}

/// The client sent a message of more than [`MAX_MESSAGE_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlong;

impl fmt::Display for Overlong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message longer than {MAX_MESSAGE_BYTES} bytes")
    }
}

impl std::error::Error for Overlong {}

/// Turns the bytes of one connection into messages.
///
/// It holds at most one unfinished message and one push, and an idle one holds
/// no heap at all: a server keeps one framer for each of its 10,000 clients.
#[derive(Debug, Default)]
pub struct AutoFramer {
    pending: Vec<u8>,
    /// Where the next message starts; what is before it has been handed out.
    start: usize,
    /// Up to here there is no LF. Without this, a line that comes in byte by
    /// byte would be searched from its start each time: 64 KiB, 2 billion looks.
    scanned: usize,
    /// Where the burst ends that the client's silence made a message.
    burst: Option<usize>,
    ends_lines: bool,
    gave_message: bool,
    finished: bool,
    overlong: bool,
}

impl AutoFramer {
    /// Takes what one `recv(2)` returned, 64 KiB at the most.
    ///
    /// Pull every message before the next push, unless you pause.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.overlong {
            return;
        }
        // Moving the rest down only once it is the smaller half keeps a caller
        // who pulls one message per push from moving the same bytes each time.
        if self.start > self.pending.len() / 2 {
            self.forget_given();
        }
        self.ends_lines |= bytes.contains(&b'\n');
        self.pending.extend_from_slice(bytes);
    }

    /// The next message, or `None` until there are more bytes.
    ///
    /// # Errors
    /// [`Overlong`] after the messages before the long one, and from then on.
    #[expect(clippy::should_implement_trait, reason = "no Iterator can be this: each message borrows the buffer")]
    pub fn next(&mut self) -> Result<Option<Message<'_>>, Overlong> {
        let found = self.find_end();
        let text_end = found.map_or_else(|| self.unfinished_text_end(), |(at, _)| at);
        if self.overlong || text_end - self.start > MAX_MESSAGE_BYTES {
            *self = AutoFramer { overlong: true, ..AutoFramer::default() };
            return Err(Overlong);
        }
        let Some((_, end)) = found else {
            self.forget_given();
            return Ok(None);
        };
        let text_start = self.start;
        self.start = text_end + end.bytes().len();
        self.scanned = self.start;
        self.gave_message = true;
        Ok(Some(Message { text: &self.pending[text_start..text_end], end }))
    }

    /// How long to wait for more bytes before calling [`quiet`](Self::quiet).
    ///
    /// `None`: as long as it takes, because nothing is pending or because this
    /// client ends its messages itself. Ask again after every push.
    pub fn patience(&self) -> Option<Duration> {
        let waiting = self.start < self.pending.len() && !self.finished;
        if !waiting || self.ends_lines || self.burst.is_some() {
            return None;
        }
        Some(if self.gave_message { LATER_QUIET } else { FIRST_QUIET })
    }

    /// The patience has passed without more bytes: what is pending is a message.
    ///
    /// Without patience to pass this changes nothing, so a timer that fires a
    /// moment after a line end came does no harm.
    pub fn quiet(&mut self) {
        if self.patience().is_some() {
            self.burst = Some(self.pending.len());
        }
    }

    /// The peer has shut down its side (`recv(2)` returned 0): what is pending
    /// will not get its line end any more, and is a message as it is.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Where the text that comes next ends, and with what, if that is known.
    fn find_end(&mut self) -> Option<(usize, LineEnd)> {
        if let Some(at) = self.burst.take() {
            return Some((at, LineEnd::None));
        }
        if let Some(ahead) = self.pending[self.scanned..].iter().position(|&b| b == b'\n') {
            return Some(self.line_before(self.scanned + ahead));
        }
        self.scanned = self.pending.len();
        let rest = self.finished && self.start < self.pending.len();
        rest.then_some((self.pending.len(), LineEnd::None))
    }

    /// Drops the CR of a CRLF. It is looked for only now, from the LF back, so
    /// it does not matter in which reads the two came.
    fn line_before(&self, lf: usize) -> (usize, LineEnd) {
        match self.pending[self.start..lf].last() {
            Some(b'\r') => (lf - 1, LineEnd::CrLf),
            _ => (lf, LineEnd::Lf),
        }
    }

    /// Where the text ends as far as it has come. A last CR may be half a line
    /// end, and must not make a message of the maximum length too long.
    fn unfinished_text_end(&self) -> usize {
        let text = &self.pending[self.start..];
        self.pending.len() - usize::from(text.last() == Some(&b'\r'))
    }

    /// Gives back the memory of messages handed out.
    fn forget_given(&mut self) {
        if self.start == 0 {
            return;
        }
        // A rest worth keeping is copied, since draining alone would keep the
        // capacity; an empty one allocates nothing.
        self.pending = self.pending[self.start..].to_vec();
        self.scanned -= self.start;
        self.burst = self.burst.map(|at| at - self.start);
        self.start = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::LineEnd::{CrLf, Lf, None as NoEnd};
    use super::*;
    use proptest::prelude::*;

    type Owned = (Vec<u8>, LineEnd);

    fn pull(framer: &mut AutoFramer) -> Result<Vec<Owned>, Overlong> {
        let mut messages = Vec::new();
        while let Some(message) = framer.next()? {
            messages.push((message.text.to_vec(), message.end));
        }
        Ok(messages)
    }

    /// Pushes each read, pulling after each as a server does.
    fn feed(framer: &mut AutoFramer, reads: &[&[u8]]) -> Result<Vec<Owned>, Overlong> {
        let mut messages = Vec::new();
        for read in reads {
            framer.push(read);
            messages.extend(pull(framer)?);
        }
        Ok(messages)
    }

    /// The messages of a whole connection, from the first read to the half-close.
    fn frame(reads: &[&[u8]]) -> Result<Vec<Owned>, Overlong> {
        let mut framer = AutoFramer::default();
        let mut messages = feed(&mut framer, reads)?;
        framer.finish();
        messages.extend(pull(&mut framer)?);
        Ok(messages)
    }

    fn owned(messages: &[(&[u8], LineEnd)]) -> Vec<Owned> {
        messages.iter().map(|(text, end)| (text.to_vec(), *end)).collect()
    }

    #[test]
    fn lines_come_out_whole_however_they_came_in() {
        type Case<'a> = (&'a [&'a [u8]], &'a [(&'a [u8], LineEnd)]);
        let table: &[Case] = &[
            (&[], &[]),
            (&[b""], &[]),
            (&[b"\n"], &[(b"", Lf)]),
            (&[b"\r\n"], &[(b"", CrLf)]),
            (&[b"a\n"], &[(b"a", Lf)]),
            (&[b"hello\n"], &[(b"hello", Lf)]),
            (&[b"hello\r\n"], &[(b"hello", CrLf)]),
            (&[b"one\ntwo\n"], &[(b"one", Lf), (b"two", Lf)]),
            (&[b"one\r\ntwo\n"], &[(b"one", CrLf), (b"two", Lf)]),
            (&[b"one\n\n\ntwo\n"], &[(b"one", Lf), (b"", Lf), (b"", Lf), (b"two", Lf)]),
            (&[b"he", b"ll", b"o\n"], &[(b"hello", Lf)]),
            (&[b"one\ntw", b"o\nth", b"ree\n"], &[(b"one", Lf), (b"two", Lf), (b"three", Lf)]),
            (&[b"hello\r", b"\n"], &[(b"hello", CrLf)]),
            (&[b"hello", b"\r", b"\n"], &[(b"hello", CrLf)]),
            (&[b"a\rb\n"], &[(b"a\rb", Lf)]),
            (&[b"a\r\r\n"], &[(b"a\r", CrLf)]),
            (&[b"\0\xff\n"], &[(b"\0\xff", Lf)]),
        ];
        for (reads, messages) in table {
            assert_eq!(frame(reads), Ok(owned(messages)), "{reads:?}");
        }
    }

    #[test]
    fn bytes_left_at_the_half_close_are_a_message() {
        assert_eq!(frame(&[b"hello"]), Ok(owned(&[(b"hello", NoEnd)])));
        assert_eq!(frame(&[b"one\ntwo"]), Ok(owned(&[(b"one", Lf), (b"two", NoEnd)])));
        assert_eq!(frame(&[b"hello\r"]), Ok(owned(&[(b"hello\r", NoEnd)])));
        assert_eq!(frame(&[b"one\n"]), Ok(owned(&[(b"one", Lf)])));
    }

    #[test]
    fn a_line_that_comes_byte_by_byte_comes_out_whole() {
        let mut framer = AutoFramer::default();
        for byte in b"hello\r" {
            assert_eq!(feed(&mut framer, &[&[*byte]]), Ok(vec![]));
        }
        assert_eq!(feed(&mut framer, &[b"\n"]), Ok(owned(&[(b"hello", CrLf)])));
    }

    #[test]
    fn a_long_line_byte_by_byte_is_searched_once() {
        let mut framer = AutoFramer::default();
        for sent in 1..=MAX_MESSAGE_BYTES {
            framer.push(b"x");
            assert_eq!(framer.next(), Ok(None));
            assert_eq!(framer.scanned, sent);
        }
    }

    #[test]
    fn a_message_of_the_maximum_passes_and_one_byte_more_does_not() {
        let longest = vec![b'x'; MAX_MESSAGE_BYTES];
        let too_long = vec![b'x'; MAX_MESSAGE_BYTES + 1];
        let ends: [(&[u8], LineEnd); 3] = [(b"\n", Lf), (b"\r\n", CrLf), (b"", NoEnd)];
        for (bytes, end) in ends {
            assert_eq!(frame(&[&longest, bytes]), Ok(vec![(longest.clone(), end)]));
            assert_eq!(frame(&[&too_long, bytes]), Err(Overlong));
            assert_eq!(frame(&[&[&too_long, bytes].concat()]), Err(Overlong));
        }
        assert_eq!(frame(&[&longest, b"\r", b"\n"]), Ok(vec![(longest.clone(), CrLf)]));
        assert_eq!(frame(&[&longest, b"\r"]), Err(Overlong), "a CR alone is text");
    }

    #[test]
    fn a_message_too_long_is_known_before_its_end() {
        let mut framer = AutoFramer::default();
        framer.push(&[b'x'; MAX_MESSAGE_BYTES]);
        assert_eq!(framer.next(), Ok(None));
        framer.push(b"x");
        assert_eq!(framer.next(), Err(Overlong));
    }

    #[test]
    fn lines_before_the_long_one_come_out_and_none_after() {
        let mut framer = AutoFramer::default();
        framer.push(b"one\n");
        framer.push(&[b'x'; MAX_MESSAGE_BYTES + 1]);
        assert_eq!(framer.next(), Ok(Some(Message { text: b"one", end: Lf })));
        assert_eq!(framer.next(), Err(Overlong));
        framer.push(b"\ntwo\n");
        assert_eq!(framer.next(), Err(Overlong));
        assert_eq!((framer.pending.capacity(), framer.patience()), (0, None));
    }

    #[test]
    fn a_burst_without_line_end_is_a_message_after_a_pause() {
        let mut framer = AutoFramer::default();
        assert_eq!(framer.patience(), None);
        assert_eq!(feed(&mut framer, &[b"hel", b"lo"]), Ok(vec![]));
        assert_eq!(framer.patience(), Some(FIRST_QUIET));
        framer.quiet();
        assert_eq!(framer.patience(), None, "the message is there to be pulled");
        assert_eq!(pull(&mut framer), Ok(owned(&[(b"hello", NoEnd)])));
        assert_eq!(framer.patience(), None, "nothing is pending");
        framer.push(b"again");
        assert_eq!(framer.patience(), Some(LATER_QUIET));
        framer.quiet();
        assert_eq!(pull(&mut framer), Ok(owned(&[(b"again", NoEnd)])));
    }

    #[test]
    fn bytes_after_the_pause_belong_to_the_next_message() {
        let mut framer = AutoFramer::default();
        framer.push(b"one");
        framer.quiet();
        framer.push(b"two\nthree");
        framer.finish();
        let expected = owned(&[(b"one", NoEnd), (b"two", Lf), (b"three", NoEnd)]);
        assert_eq!(pull(&mut framer), Ok(expected));
    }

    #[test]
    fn a_burst_keeps_its_end_while_older_messages_are_given_back() {
        let mut framer = AutoFramer::default();
        framer.push(b"first");
        framer.quiet();
        framer.push(b"2nd");
        assert!(matches!(framer.next(), Ok(Some(_))));
        framer.quiet();
        framer.push(b"third");
        framer.finish();
        let expected = owned(&[(b"2nd", NoEnd), (b"third", NoEnd)]);
        assert_eq!(pull(&mut framer), Ok(expected));
    }

    #[test]
    fn after_one_line_end_an_unfinished_line_waits() {
        let mut framer = AutoFramer::default();
        assert_eq!(feed(&mut framer, &[b"one\ntw"]), Ok(owned(&[(b"one", Lf)])));
        assert_eq!(framer.patience(), None);
        framer.quiet();
        assert_eq!(pull(&mut framer), Ok(vec![]));
        assert_eq!(feed(&mut framer, &[b"o\n"]), Ok(owned(&[(b"two", Lf)])));
    }

    #[test]
    fn a_line_end_not_yet_pulled_already_ends_the_guessing() {
        let mut framer = AutoFramer::default();
        framer.push(b"one\ntwo");
        assert_eq!(framer.patience(), None);
    }

    #[test]
    fn quiet_with_nothing_pending_is_no_message() {
        let mut framer = AutoFramer::default();
        framer.quiet();
        assert_eq!(pull(&mut framer), Ok(vec![]));
    }

    #[test]
    fn after_the_half_close_there_is_nothing_to_wait_for() {
        let mut framer = AutoFramer::default();
        framer.push(b"hello");
        framer.finish();
        assert_eq!(framer.patience(), None);
        assert_eq!(pull(&mut framer), Ok(owned(&[(b"hello", NoEnd)])));
        assert_eq!(pull(&mut framer), Ok(vec![]));
    }

    #[test]
    fn an_idle_framer_holds_no_heap() {
        let mut framer = AutoFramer::default();
        assert_eq!(framer.pending.capacity(), 0);
        let lines = b"hello\n".repeat(10_000);
        assert_eq!(feed(&mut framer, &[&lines]).map(|m| m.len()), Ok(10_000));
        assert_eq!(framer.pending.capacity(), 0);
        framer.push(b"burst");
        framer.quiet();
        assert_eq!(pull(&mut framer), Ok(vec![]), "this client ends its lines");
        assert!(framer.pending.capacity() < 64, "{}", framer.pending.capacity());
    }

    #[test]
    fn a_caller_always_one_message_behind_does_not_fill_the_memory() {
        let mut framer = AutoFramer::default();
        framer.push(b"hello\n");
        for _ in 0..1000 {
            framer.push(b"hello\n");
            assert!(matches!(framer.next(), Ok(Some(_))));
        }
        assert!(framer.pending.len() < 64, "{}", framer.pending.len());
    }

    #[test]
    fn a_caller_that_pulls_one_message_per_push_gets_them_all() {
        let mut framer = AutoFramer::default();
        for number in 0..1000 {
            framer.push(format!("{number}\n{number}\n").as_bytes());
            assert!(matches!(framer.next(), Ok(Some(_))));
        }
        assert_eq!(pull(&mut framer).map(|rest| rest.len()), Ok(1000));
    }

    /// Bytes in which line ends are frequent, cut where `cuts` says.
    fn stream_and_cuts() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
        let byte = prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'a'), any::<u8>()];
        (prop::collection::vec(byte, 0..200), prop::collection::vec(1..20_usize, 0..200))
    }

    fn cut<'a>(mut bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
        let mut reads = Vec::new();
        for length in cuts {
            let (read, rest) = bytes.split_at(bytes.len().min(*length));
            reads.push(read);
            bytes = rest;
        }
        reads.push(bytes);
        reads
    }

    proptest! {
        #[test]
        fn any_splitting_gives_the_same_messages((stream, cuts) in stream_and_cuts()) {
            prop_assert_eq!(frame(&cut(&stream, &cuts)), frame(&[&stream]));
        }

        #[test]
        fn messages_and_their_ends_add_up_to_the_stream((stream, cuts) in stream_and_cuts()) {
            let messages = frame(&cut(&stream, &cuts)).expect("nothing here is overlong");
            let sum = messages.iter().flat_map(|(text, end)| [text, end.bytes()].concat());
            prop_assert_eq!(sum.collect::<Vec<u8>>(), stream);
        }

        #[test]
        fn pauses_lose_no_byte((stream, cuts) in stream_and_cuts(), pulls: Vec<bool>) {
            let mut framer = AutoFramer::default();
            let mut messages = Vec::new();
            let mut pulls = pulls.into_iter().cycle();
            for read in cut(&stream, &cuts) {
                framer.push(read);
                framer.quiet();
                if pulls.next().unwrap_or(true) {
                    messages.extend(pull(&mut framer).expect("nothing here is overlong"));
                }
            }
            framer.finish();
            messages.extend(pull(&mut framer).expect("nothing here is overlong"));
            let sum = messages.iter().flat_map(|(text, end)| [text, end.bytes()].concat());
            prop_assert_eq!(sum.collect::<Vec<u8>>(), stream);
        }
    }
}
