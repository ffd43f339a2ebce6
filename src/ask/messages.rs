//! Where a client's messages come from: the command line, standard input, or,
//! with `--count` or `--size`, made up and numbered.

use std::io::{self, BufRead, IsTerminal, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::Options;
use crate::error::{Attempt, Error, Result, no_thread};
use crate::net::host::Host;
use crate::net::stop::Interrupt;
use crate::report::Prompt;

/// The length of made-up messages: ping's.
const DEFAULT_SIZE: u64 = 56;

/// Lines read ahead of their being sent: `yes | netlab …` must not fill the
/// memory.
const LINES_AHEAD: usize = 16;

/// The longest line of input, its line end aside: more is no message that
/// somebody wrote.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// Messages, one after the other.
pub struct Messages {
    host: Host,
    source: Source,
    taken: u64,
}

enum Source {
    Given { messages: Vec<Vec<u8>>, count: u64 },
    MadeUp { count: u64, size: usize },
    Lines(Lines),
}

impl Messages {
    /// `given` on the command line, as often as `options` say; without any,
    /// made up where a count or a size is asked for, else the lines of stdin.
    pub fn new(host: &Host, given: &[String], options: &Options) -> Messages {
        let source = if !given.is_empty() {
            let sized = |text: &String| fit(text.as_bytes(), options.size);
            Source::Given {
                count: options.count.unwrap_or(given.len() as u64),
                messages: given.iter().map(sized).collect(),
            }
        } else if options.count.is_some() || options.size.is_some() {
            let size = options.size.unwrap_or(DEFAULT_SIZE) as usize;
            Source::MadeUp { count: options.count.unwrap_or(1), size }
        } else {
            Source::Lines(Lines::of_stdin(host))
        };
        Messages { host: host.clone(), source, taken: 0 }
    }

    /// How many there will be, where that is known.
    pub fn count(&self) -> Option<u64> {
        match &self.source {
            Source::Given { count, .. } | Source::MadeUp { count, .. } => Some(*count),
            Source::Lines(_) => None,
        }
    }

    /// Whether messages are typed or piped in, one may have to wait for them.
    pub fn are_lines(&self) -> bool {
        matches!(self.source, Source::Lines(_))
    }

    /// The next one; `None` at the end, or when asked to stop. Waits for
    /// standard input.
    pub fn next_message(&mut self) -> Result<Option<Vec<u8>>> {
        if self.host.stop.is_asked() {
            return Ok(None);
        }
        let index = self.taken;
        self.taken += 1;
        match &mut self.source {
            Source::Given { count, .. } | Source::MadeUp { count, .. } if index >= *count => Ok(None),
            Source::Given { messages, .. } => Ok(Some(messages[index as usize % messages.len()].clone())),
            Source::MadeUp { size, .. } => Ok(Some(made_up(index + 1, *size))),
            Source::Lines(lines) => lines.next(&self.host),
        }
    }
}

/// Repeats or cuts a message to `size` bytes.
fn fit(text: &[u8], size: Option<u64>) -> Vec<u8> {
    match size {
        None => text.to_vec(),
        Some(size) => text.iter().copied().cycle().take(size as usize).collect(),
    }
}

/// Its number first, so that replies can be told apart.
fn made_up(number: u64, size: usize) -> Vec<u8> {
    let mut message = format!("message {number} ").into_bytes();
    message.extend((b'a'..=b'z').cycle().take(size.saturating_sub(message.len())));
    message.truncate(size);
    message
}

/// Standard input, line by line. Read in a thread of its own: a read that
/// waits for the keyboard could not be woken by Ctrl-C.
pub struct Lines {
    arrivals: Receiver<Arrival>,
    prompts: bool,
    // Kept alive so that the stop can wake the receiver.
    _wake: Arc<Wake>,
}

enum Arrival {
    Line(Vec<u8>),
    Failed(io::Error),
    End,
}

struct Wake(SyncSender<Arrival>);

impl Interrupt for Wake {
    fn interrupt(&self) {
        // Where there is no room, there are lines, and nobody waits for one.
        let _ = self.0.try_send(Arrival::End);
    }
}

impl Lines {
    /// Starts to read.
    pub fn of_stdin(host: &Host) -> Lines {
        let (sender, arrivals) = sync_channel(LINES_AHEAD);
        let wake = Arc::new(Wake(sender.clone()));
        host.stop.wakes(&wake);
        if let Err(cause) = thread::Builder::new().name("stdin".into()).spawn(move || read_lines(&sender)) {
            let _ = wake.0.try_send(Arrival::Failed(no_thread(cause))); // there is room: nothing was sent before
        }
        Lines { arrivals, prompts: io::stdin().is_terminal(), _wake: wake }
    }

    /// Waits for the next line, without its line end.
    pub fn next(&mut self, host: &Host) -> Result<Option<Vec<u8>>> {
        if self.prompts {
            host.report.prompt(Prompt::Shown);
        }
        let arrival = self.arrivals.recv();
        if self.prompts {
            let typed = matches!(arrival, Ok(Arrival::Line(_)));
            host.report.prompt(if typed { Prompt::Answered } else { Prompt::Dropped });
        }
        match arrival {
            Ok(Arrival::Line(line)) => Ok(Some(line)),
            Ok(Arrival::Failed(cause)) => Err(Error::new(Attempt::Read, "standard input", &cause).unasked()),
            Ok(Arrival::End) | Err(_) => Ok(None),
        }
    }
}

fn read_lines(sender: &SyncSender<Arrival>) {
    let mut stdin = io::stdin().lock();
    loop {
        let mut line = Vec::new();
        let arrival = match stdin.by_ref().take(MAX_LINE_BYTES + 2).read_until(b'\n', &mut line) {
            Ok(0) => Arrival::End,
            Ok(_) => match without_end(line) {
                line if line.len() as u64 <= MAX_LINE_BYTES => Arrival::Line(line),
                _ => Arrival::Failed(io::Error::new(io::ErrorKind::InvalidData, "a line longer than 1 MiB")),
            },
            Err(error) => Arrival::Failed(error),
        };
        let last = !matches!(arrival, Arrival::Line(_));
        if sender.send(arrival).is_err() || last {
            return;
        }
    }
}

fn without_end(mut line: Vec<u8>) -> Vec<u8> {
    if line.ends_with(b"\n") {
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_message_has_the_size_asked_for_and_begins_with_its_number() {
        assert_eq!(made_up(7, 12), b"message 7 ab");
        for size in [0, 1, 9, 10, 11, 56, 65_507] {
            assert_eq!(made_up(1, size).len(), size);
        }
    }

    #[test]
    fn a_given_message_is_repeated_or_cut_to_the_size() {
        assert_eq!(fit(b"abc", Some(7)), b"abcabca");
        assert_eq!(fit(b"abc", Some(2)), b"ab");
        assert_eq!(fit(b"abc", None), b"abc");
    }

    #[test]
    fn a_line_loses_its_line_end_and_nothing_else() {
        let table: [(&[u8], &[u8]); 5] =
            [(b"a\n", b"a"), (b"a\r\n", b"a"), (b"a", b"a"), (b"\n", b""), (b"a\r", b"a\r")];
        for (line, expected) in table {
            assert_eq!(without_end(line.to_vec()), expected);
        }
    }
}
