//! What happened, as values, and how it is shown.
//!
//! A lab never prints. It emits an [`Event`]; a renderer turns that into a
//! line for people ([`human`]), a JSON object a line for programs
//! ([`json`]), or keeps it for a test or a demo ([`recorder`]). Where a person
//! types ([`keyboard`]), the line that is typed stays below all of them.

pub mod human;
pub mod json;
pub mod keyboard;
pub mod recorder;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::error::Error;

/// Something that happened in a lab. Field names are the contract's
/// (`--json`), so a field keeps its name and type for ever.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// A server or receiver is ready, on the address it really has.
    Listening {
        /// `tcp` or `udp`.
        proto: Proto,
        /// The address, with the port the system gave.
        addr: SocketAddr,
        /// The multicast group joined.
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<String>,
        /// The interface a group was joined on, or broadcasts come in by.
        #[serde(skip_serializing_if = "Option::is_none")]
        interface: Option<String>,
    },
    /// A server took a client.
    Accepted {
        /// Number from 1, never reused.
        client: u64,
        /// The client's address.
        peer: SocketAddr,
        /// The server's address on this connection.
        local: SocketAddr,
        /// The thread that serves it.
        #[serde(skip_serializing_if = "Option::is_none")]
        thread: Option<String>,
    },
    /// A client reached its server.
    Connected {
        /// `tcp`, or `udp`: then nothing has been sent yet.
        proto: Proto,
        /// The server's address.
        peer: SocketAddr,
        /// The client's own.
        local: SocketAddr,
    },
    /// Bytes were handed to the system.
    Sent {
        /// To whom.
        peer: SocketAddr,
        /// On servers: the client's number.
        #[serde(skip_serializing_if = "Option::is_none")]
        client: Option<u64>,
        /// On clients that await a reply: the number the reply will carry.
        #[serde(skip_serializing_if = "Option::is_none")]
        seq: Option<u64>,
        /// The bytes.
        #[serde(flatten)]
        payload: Payload,
    },
    /// Bytes came.
    Received {
        /// From whom.
        peer: SocketAddr,
        /// On servers: the client's number.
        #[serde(skip_serializing_if = "Option::is_none")]
        client: Option<u64>,
        /// The bytes.
        #[serde(flatten)]
        payload: Payload,
    },
    /// A client of a chat said a line; passwords are left out of it.
    #[serde(rename = "received")]
    Heard {
        /// From whom.
        peer: SocketAddr,
        /// The client's number.
        client: u64,
        /// What it is called, once it has said so.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// The line, without its end.
        #[serde(flatten)]
        payload: Payload,
    },
    /// A line of a conversation came.
    #[serde(rename = "received")]
    Spoken {
        /// From which server.
        peer: SocketAddr,
        /// The line, without its end.
        #[serde(flatten)]
        payload: Payload,
        /// What it is, for the eye.
        #[serde(skip)]
        look: Look,
    },
    /// A line of a conversation was said.
    #[serde(rename = "sent")]
    Said {
        /// To which server.
        peer: SocketAddr,
        /// The line, without its end and without what is secret.
        #[serde(flatten)]
        payload: Payload,
    },
    /// A file is on its way.
    Progress {
        /// As the server calls it.
        name: String,
        /// How many bytes of it are here.
        bytes: u64,
        /// How many it has.
        size: u64,
    },
    /// A file is here, whole and checked.
    Saved {
        /// As the server calls it.
        name: String,
        /// Where it is.
        path: String,
        /// How many bytes it has.
        bytes: u64,
    },
    /// A numbered datagram of a group came for the first time.
    #[serde(rename = "received")]
    Numbered {
        /// From whom.
        peer: SocketAddr,
        /// Its number, from 1.
        seq: u32,
        /// How many there will be; 0 where the sender does not know yet.
        count: u32,
        /// `reordered`: a later one came before it.
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<&'static str>,
        /// The message, without its header.
        #[serde(flatten)]
        payload: Payload,
    },
    /// A numbered datagram came once more.
    Duplicate {
        /// From whom.
        peer: SocketAddr,
        /// Its number, from 1.
        seq: u32,
        /// How many there will be; 0 where the sender does not know yet.
        count: u32,
        /// The message, without its header.
        #[serde(flatten)]
        payload: Payload,
    },
    /// A receiver of a group said that it got a numbered message.
    Acknowledged {
        /// Which receiver.
        peer: SocketAddr,
        /// Number of the message, from 1.
        seq: u32,
        /// From the message's first sending to this answer.
        #[serde(rename = "rtt_us", serialize_with = "micros")]
        rtt: Duration,
    },
    /// Not all receivers said so in time.
    Missed {
        /// Number of the message, from 1.
        seq: u32,
        /// How many receivers acknowledged it.
        receivers: usize,
        /// How many should have.
        expected: usize,
        /// Sendings of this message, the first one included.
        tries: u32,
    },
    /// A client's message was answered.
    Replied {
        /// Number of the message, from 1.
        seq: u64,
        /// From its sending to the last byte of its reply.
        #[serde(rename = "rtt_us", serialize_with = "micros")]
        rtt: Duration,
        /// What happened besides: the reply came `late`, `duplicate` or
        /// `reordered`.
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<&'static str>,
        /// The reply.
        #[serde(flatten)]
        payload: Payload,
    },
    /// No reply came in time.
    Lost {
        /// Number of the message, from 1.
        seq: u64,
        /// How long the client waited.
        #[serde(rename = "waited_us", serialize_with = "micros")]
        waited: Duration,
        /// Sendings of this message, the first one included.
        tries: u32,
        /// Why it stopped waiting.
        reason: LostReason,
    },
    /// A conversation ended.
    Closed {
        /// With whom.
        peer: SocketAddr,
        /// On servers: the client's number.
        #[serde(skip_serializing_if = "Option::is_none")]
        client: Option<u64>,
        /// How.
        reason: Reason,
    },
    /// A remark for people: what was chosen and why.
    Notice {
        /// One sentence.
        text: String,
    },
    /// A failure, fatal or not.
    Error {
        /// What was attempted on which address, and the cause.
        message: String,
        /// What the cause means.
        why: String,
        /// The next step.
        #[serde(rename = "try")]
        next: String,
    },
    /// The last event.
    Summary(Summary),
    /// A lab that has a handout (`netlab labs list`).
    Handout {
        /// The lab.
        name: &'static str,
        /// What it is about.
        title: String,
        /// How many requirements it has.
        checks: usize,
        /// What they are worth together.
        points: u32,
    },
    /// A lab's handout (`netlab labs show`).
    Page {
        /// The lab.
        name: &'static str,
        /// The handout, as Markdown.
        text: &'static str,
        /// The same laid out for a terminal, with styles.
        #[serde(skip)]
        shown: String,
    },
    /// A file was written.
    Written {
        /// Where.
        path: String,
    },
    /// One lab's line in `netlab demo`.
    Shown {
        /// The lab.
        name: &'static str,
        /// Whether it did all it should.
        ok: bool,
        /// What was seen.
        seen: String,
        /// How long it took.
        #[serde(rename = "elapsed_us", serialize_with = "micros")]
        elapsed: Duration,
    },
}

/// What a line of a conversation is, for the eye.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// The server's own remark.
    Notice,
    /// Somebody's words, after the name in angle brackets.
    Said {
        /// Whose.
        from: String,
        /// Whether they are for one person alone.
        private: bool,
    },
    /// Something was wrong.
    Error,
    /// One of a list.
    Listed,
    /// Of use to programs alone, such as the hash at the end of a transfer.
    Mechanics,
    /// Anything else.
    Plain,
}

/// The line at the bottom of the screen, in which a person types.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputLine {
    /// Short enough for one row.
    pub text: String,
    /// Where the cursor is, in columns.
    pub column: usize,
}

/// A transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Proto {
    /// A byte stream between two sockets.
    Tcp,
    /// Datagrams.
    Udp,
}

impl std::fmt::Display for Proto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Proto::Tcp => "tcp",
            Proto::Udp => "udp",
        })
    }
}

/// Why a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The peer sent FIN.
    Fin,
    /// The peer sent RST.
    Reset,
    /// Nothing came in time.
    Timeout,
    /// One side asked for it, in the lab's own words.
    Asked,
    /// The server stops.
    ServerStop,
    /// It broke a rule, or something failed.
    Error,
}

/// Why a reply is not awaited any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LostReason {
    /// Its time is over.
    Timeout,
    /// The host answered that nothing listens there.
    Refused,
}

/// The counters at the end of a run.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(untagged)]
pub enum Summary {
    /// Of a client, a sender or a receiver: messages.
    Messages(Messages),
    /// Of a server: clients and bytes.
    Served {
        /// Clients served; for datagrams, addresses heard from.
        clients: u64,
        /// Bytes received from them.
        bytes_in: u64,
        /// Bytes sent to them.
        bytes_out: u64,
    },
    /// Of `netlab load`.
    Load(LoadSummary),
    /// Of `netlab demo`.
    Demos {
        /// Labs shown.
        labs: usize,
        /// Labs that fell short.
        failed: usize,
        /// Time taken by all.
        #[serde(rename = "elapsed_us", serialize_with = "micros")]
        elapsed: Duration,
    },
}

/// What many clients at once measured.
#[derive(Clone, Debug, serde::Serialize)]
pub struct LoadSummary {
    /// Clients at once.
    pub clients: usize,
    /// Messages sent.
    pub sent: u64,
    /// Messages that came back.
    pub received: u64,
    /// Messages that did not.
    pub lost: u64,
    /// Answers that differ from what was sent.
    pub wrong: u64,
    /// Datagrams that answered nothing: doubled, or too late.
    pub unasked: u64,
    /// Times a host said that nobody listens.
    pub refused: u64,
    /// Clients whose connection failed.
    pub failed: u64,
    /// Time taken.
    #[serde(rename = "elapsed_us", serialize_with = "micros")]
    pub elapsed: Duration,
    /// Answers a second.
    pub rate: f64,
    /// From when a message was due to its answer.
    pub rtt_us: Spread,
    /// How many waits were how long.
    pub histogram: Vec<Bar>,
}

/// Round trips in microseconds; none measured leaves all empty.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Spread {
    /// The quickest.
    pub min: Option<u64>,
    /// Half were no slower.
    pub p50: Option<u64>,
    /// 90 of 100 were no slower.
    pub p90: Option<u64>,
    /// 99 of 100 were no slower.
    pub p99: Option<u64>,
    /// 999 of 1000 were no slower.
    pub p999: Option<u64>,
    /// The slowest.
    pub max: Option<u64>,
}

/// Waits longer than the bar before, and up to this.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Bar {
    /// The longest of them, in microseconds.
    pub upto_us: u64,
    /// How many.
    pub count: u64,
}

/// Messages counted, as a client sees them: `sent` = `received` + `lost` +
/// `asked`.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Messages {
    /// Messages sent, repeats not counted.
    pub sent: u64,
    /// Messages answered in time; on receivers, messages received.
    pub received: u64,
    /// Messages not answered in time.
    pub lost: u64,
    /// Replies that came once more.
    pub duplicate: u64,
    /// Replies that came after a later message's.
    pub reordered: u64,
    /// Of the lost: those whose reply came all the same, too late.
    pub late: u64,
    /// Sendings beyond the first (`--retries`).
    pub retried: u64,
    /// Messages that asked to be left, and were: no reply is owed to them.
    #[serde(skip_serializing_if = "is_zero")]
    pub asked: u64,
    /// Round trips.
    pub rtt_us: RoundTrips,
    /// Who received a group's numbered messages, and how many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub receivers: Vec<Receiver>,
    /// Datagrams thrown away, by the reason for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<Dropped>,
    /// Whose counters these are, for the words about them.
    #[serde(skip)]
    pub view: View,
}

/// Who counted, and so what a counter means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// A client: what was sent is to be answered.
    #[default]
    Client,
    /// A client on a connection, which itself loses and reorders nothing.
    Stream,
    /// A sender to many: `received` is what all receivers acknowledged;
    /// nothing at all where it did not ask for that.
    Sender {
        /// Whether the datagrams were numbered, so that receivers answer.
        numbered: bool,
    },
    /// A receiver of what is sent to many.
    Receiver {
        /// Messages without a number: of those, no loss can be seen.
        unnumbered: u64,
    },
    /// Both at once.
    Member,
    /// One of those who talk: a line sent is owed no reply.
    Talker,
}

/// One receiver of a group's messages, as its acknowledgements tell.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Receiver {
    /// The address its acknowledgements come from.
    pub peer: SocketAddr,
    /// Messages it acknowledged.
    pub received: u64,
}

/// Datagrams a receiver threw away.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Dropped {
    /// Why, in a word.
    pub reason: &'static str,
    /// Why, for people.
    pub why: &'static str,
    /// How many.
    pub count: u64,
}

/// Round trips in microseconds; none measured leaves all empty.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct RoundTrips {
    /// The quickest.
    pub min: Option<u64>,
    /// Half were no slower.
    pub p50: Option<u64>,
    /// 99 of 100 were no slower.
    pub p99: Option<u64>,
    /// The slowest.
    pub max: Option<u64>,
}

impl RoundTrips {
    /// Sorts and sums up; percentiles by nearest rank.
    pub fn of(mut samples: Vec<Duration>) -> RoundTrips {
        samples.sort_unstable();
        let rank = |percent: usize| {
            let nearest = (samples.len() * percent).div_ceil(100).max(1);
            samples.get(nearest - 1).map(|rtt| rtt.as_micros() as u64)
        };
        RoundTrips { min: rank(0), p50: rank(50), p99: rank(99), max: rank(100) }
    }
}

/// Bytes as they crossed the wire. In JSON: `bytes`, their number, and
/// `text` where they are UTF-8 or else `base64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload(pub Vec<u8>);

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("bytes", &self.0.len())?;
        match std::str::from_utf8(&self.0) {
            Ok(text) => map.serialize_entry("text", text)?,
            Err(_) => map.serialize_entry("base64", &STANDARD.encode(&self.0))?,
        }
        map.end()
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn micros<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(time.as_micros() as u64)
}

/// One traced socket call (`--trace`).
#[derive(Clone, Debug, serde::Serialize)]
pub struct CallLine {
    /// Number, from 1, in the order in which calls returned.
    pub n: u64,
    /// Which thread made it: `client`, `server`, `thread-3`, `loop-1`.
    pub who: String,
    /// The call's name, as in its manual page.
    pub call: &'static str,
    /// Its arguments, as `strace` shows them.
    pub args: String,
    /// What it returned: a descriptor, a count, 0, or -1.
    pub result: i64,
    /// The error's symbol, such as `ECONNREFUSED`.
    pub errno: Option<String>,
    /// From call to return.
    #[serde(rename = "elapsed_us", serialize_with = "micros")]
    pub elapsed: Duration,
    /// Whether the time it took is worth a word: the call may wait.
    #[serde(skip)]
    pub may_block: bool,
    /// What this result means.
    pub meaning: String,
}

/// A call that has not returned for some time (`--trace`).
#[derive(Clone, Debug, serde::Serialize)]
pub struct BlockedLine {
    /// Which thread waits.
    pub who: String,
    /// In which call.
    pub call: &'static str,
    /// Since when.
    #[serde(rename = "elapsed_us", serialize_with = "micros")]
    pub elapsed: Duration,
    /// What it waits for.
    pub meaning: &'static str,
}

/// What becomes of the invitation to type a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// It is to be shown, and to stay below all that is printed.
    Shown,
    /// A line was typed after it: it has become one of the screen's lines.
    Answered,
    /// No line will come.
    Dropped,
}

/// A command's one answer, where what it has to say is no series of events.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// For people: whole lines.
    pub text: String,
    /// For programs: one object of JSON.
    pub json: String,
    /// What failed, in three parts each; told on standard error.
    pub failures: Vec<[String; 3]>,
}

/// Where events go.
pub trait Report: Send + Sync {
    /// Shows, writes or keeps one event.
    fn emit(&self, event: &Event);

    /// Whether single messages are looked at. Where they are not (`--quiet`),
    /// a server need not spend time on telling of them.
    fn wants_messages(&self) -> bool {
        true
    }

    /// Gives a command's one answer.
    fn answer(&self, _answer: &Answer) {}

    /// One socket call (`--trace`).
    fn call(&self, line: &CallLine);

    /// A call that keeps waiting (`--trace`).
    fn blocked(&self, line: &BlockedLine);

    /// Invites a line of input, where a person is there to type it.
    fn prompt(&self, _prompt: Prompt) {}

    /// From now on a conversation is shown. Where its output is piped, what
    /// was said stands alone there; notices go to standard error.
    fn converse(&self) {}

    /// Replaces the line in which a person types, below all others.
    fn input(&self, _line: Option<InputLine>) {}

    /// Replaces the block of lines kept below all others on a terminal.
    fn table(&self, _lines: Vec<String>) {}

    /// Whether such a block can be shown.
    fn shows_tables(&self) -> bool {
        false
    }
}

/// Emits a failure.
pub fn emit_error(report: &dyn Report, error: &Error) {
    report.emit(&Event::Error { message: error.message(), why: error.why(), next: error.try_next() });
}

/// What the renderers share: an output that may be closed under them.
///
/// `netlab … | head` closes our standard output early. That is no error: the
/// command ends, quietly.
pub struct ClosedPipe {
    failed: AtomicBool,
    when_failed: Box<dyn Fn(io::Error) + Send + Sync>,
}

impl ClosedPipe {
    /// Calls `when_failed` at the first write that fails, and only then.
    pub fn new(when_failed: impl Fn(io::Error) + Send + Sync + 'static) -> ClosedPipe {
        ClosedPipe { failed: AtomicBool::new(false), when_failed: Box::new(when_failed) }
    }

    /// Notes how a write ended. Hold no lock that a trace needs.
    pub fn note(&self, written: io::Result<()>) {
        if let Err(error) = written
            && !self.failed.swap(true, Ordering::Relaxed)
        {
            (self.when_failed)(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let samples = (1..=100).map(Duration::from_micros).collect();
        let trips = RoundTrips::of(samples);
        assert_eq!((trips.min, trips.p50, trips.p99, trips.max), (Some(1), Some(50), Some(99), Some(100)));
    }

    #[test]
    fn no_sample_leaves_all_empty_and_one_fills_all() {
        assert_eq!(RoundTrips::of(vec![]).max, None);
        let one = RoundTrips::of(vec![Duration::from_micros(7)]);
        assert_eq!((one.min, one.p50, one.p99, one.max), (Some(7), Some(7), Some(7), Some(7)));
    }

    #[test]
    fn payload_is_text_where_it_is_utf8_and_base64_where_not() {
        let text = serde_json::to_string(&Payload("é\n".into())).unwrap();
        assert_eq!(text, r#"{"bytes":3,"text":"é\n"}"#);
        let bytes = serde_json::to_string(&Payload(vec![0xff])).unwrap();
        assert_eq!(bytes, r#"{"bytes":1,"base64":"/w=="}"#);
    }
}
