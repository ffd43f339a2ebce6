//! Events as lines for people.
//!
//! What came from a peer is shown in quotes with its control characters as
//! escapes: a peer's bytes never reach the terminal as they are, and the
//! line end that framing is about can be seen.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

use super::{
    Answer, Bar, BlockedLine, CallLine, ClosedPipe, Event, InputLine, LoadSummary, Look, LostReason, Messages, Payload,
    Prompt, Proto, Reason, Report, Spread, Summary, View,
};
use crate::framing;

/// Bytes of a payload shown on a line.
const SHOWN_BYTES: usize = 64;

/// Single messages a server shows in a second. A stream of gigabytes arrives
/// in thousands of reads; nobody can read as many lines.
const MESSAGES_PER_SECOND: u32 = 100;

/// What invites a line of input.
const PROMPT: &[u8] = b"> ";

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();
const WHO: Style = AnsiColor::Cyan.on_default();

/// Writes events for people.
pub struct Human {
    started: Instant,
    quiet: bool,
    timeline: bool,
    color: ColorChoice,
    pipe: ClosedPipe,
    screen: Mutex<Screen>,
}

#[derive(Default)]
struct Screen {
    table: Vec<String>,
    /// A prompt invites a line of input, and stands below all else.
    prompted: bool,
    /// So does the line of a line editor.
    input: Option<InputLine>,
    converses: bool,
    second: u64,
    shown: u32,
    hidden: u64,
}

/// The thread that speaks.
pub fn speaker() -> String {
    match std::thread::current().name() {
        Some("main") | None => "demo".to_owned(),
        Some(name) => name.to_owned(),
    }
}

/// Whether `--quiet` leaves this event out.
pub fn is_message(event: &Event) -> bool {
    !matches!(
        event,
        Event::Listening { .. }
            | Event::Error { .. }
            | Event::Summary(_)
            | Event::Shown { .. }
            | Event::Handout { .. }
            | Event::Page { .. }
    )
}

impl Human {
    /// `timeline` puts the time and the speaking thread before each line.
    pub fn new(quiet: bool, timeline: bool, color: ColorChoice, pipe: ClosedPipe) -> Human {
        // A console of Windows shows escapes as they are until it is asked.
        #[cfg(windows)]
        crossterm::ansi_support::supports_ansi();
        let screen = Mutex::default();
        Human { started: Instant::now(), quiet, timeline, color, pipe, screen }
    }

    /// Whether this line of a flood is shown; counts it if not.
    fn within_budget(&self, event: &Event, screen: &mut Screen) -> bool {
        let is_flood = matches!(
            event,
            Event::Received { client: Some(_), .. } | Event::Heard { .. } | Event::Sent { client: Some(_), .. }
        );
        let second = self.started.elapsed().as_secs();
        if second != screen.second {
            (screen.second, screen.shown) = (second, 0);
        }
        if is_flood && screen.shown >= MESSAGES_PER_SECOND {
            screen.hidden += 1;
            return false;
        }
        screen.shown += u32::from(is_flood);
        true
    }

    /// Puts `lines` where the screen's last ones are kept, on stdout or
    /// stderr, and those below again.
    ///
    /// The result is for the caller to note, once it has let go of the screen:
    /// a closed stdout stops the lab, and the lab's last calls are traced here.
    fn print(&self, screen: &Screen, before: usize, lines: &str, to_stderr: bool) -> io::Result<()> {
        // What moves the cursor is no colour, and stays where colours go.
        let above = erase(before, screen.prompted || screen.input.is_some()).into_bytes();
        let mut below = Vec::new();
        for row in &screen.table {
            below.extend(self.colored(&format!("{row}\n"), self.color));
        }
        if screen.prompted {
            below.extend(PROMPT);
        }
        below.extend(screen.input.iter().flat_map(|input| drawn(input).into_bytes()));
        if to_stderr {
            if !above.is_empty() {
                write(&mut io::stdout(), &above)?;
            }
            let _ = write(&mut io::stderr(), &self.colored(lines, self.color_of_stderr()));
            return if below.is_empty() { Ok(()) } else { write(&mut io::stdout(), &below) };
        }
        let text = [above, self.colored(lines, self.color), below].concat();
        write(&mut io::stdout().lock(), &text)
    }

    /// The text with its colours, or without. Whole, so that it goes out in
    /// one write: the process may end between two.
    fn colored(&self, text: &str, color: ColorChoice) -> Vec<u8> {
        let mut colored = AutoStream::new(Vec::new(), color);
        let _ = colored.write_all(text.as_bytes()); // memory takes all
        colored.into_inner()
    }

    /// Each of an event's lines with the time and the thread that speaks.
    fn prefixed(&self, lines: &str) -> String {
        let mut prefix = String::new();
        if self.timeline {
            let ms = self.started.elapsed().as_secs_f64() * 1e3;
            prefix = format!("{DIM}{ms:8.1} ms{DIM:#} {WHO}{:<10}{WHO:#} ", speaker());
        }
        lines.lines().map(|line| format!("{prefix}{line}\n")).collect()
    }

    /// A line on stderr, between our own lines on the same terminal.
    fn tell(&self, line: &str) {
        let screen = self.screen();
        let written = self.print(&screen, screen.table.len(), line, true);
        drop(screen);
        self.pipe.note(written);
    }

    fn screen(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `auto` was decided by looking at stdout; stderr may be a file.
    fn color_of_stderr(&self) -> ColorChoice {
        match self.color {
            ColorChoice::Auto if !io::stderr().is_terminal() => ColorChoice::Never,
            choice => choice,
        }
    }
}

/// The line that is typed, and the cursor where it is.
fn drawn(InputLine { text, column }: &InputLine) -> String {
    let cursor = if *column > 0 { format!("\x1b[{column}C") } else { String::new() };
    format!("{text}\r{cursor}")
}

/// Clears the prompt, and the table above it.
fn erase(rows: usize, prompted: bool) -> String {
    let prompt = if prompted { "\r\x1b[K" } else { "" };
    let table = if rows > 0 { format!("\x1b[{rows}A\x1b[J") } else { String::new() };
    format!("{prompt}{table}")
}

fn write(out: &mut impl Write, text: &[u8]) -> io::Result<()> {
    out.write_all(text).and_then(|()| out.flush())
}

impl Report for Human {
    fn emit(&self, event: &Event) {
        if self.quiet && is_message(event) {
            return;
        }
        if let Event::Error { message, why, next } = event {
            return self.tell(&error_text(message, why, next));
        }
        let mut screen = self.screen();
        let Some(line) = screen.line_of(event) else { return };
        if screen.is_piped_talk() && matches!(event, Event::Notice { .. }) {
            drop(screen);
            return self.tell(&format!("{line}\n"));
        }
        if !self.within_budget(event, &mut screen) {
            return;
        }
        let mut lines = String::new();
        if screen.hidden > 0 {
            let hidden = std::mem::take(&mut screen.hidden);
            lines += &format!("{DIM}({hidden} messages more than fit on a screen; --json has them all){DIM:#}\n");
        }
        lines += &self.prefixed(&line);
        let written = self.print(&screen, screen.table.len(), &lines, false);
        drop(screen);
        self.pipe.note(written);
    }

    fn wants_messages(&self) -> bool {
        !self.quiet
    }

    fn answer(&self, answer: &Answer) {
        let screen = self.screen();
        let written = self.print(&screen, screen.table.len(), &answer.text, false);
        drop(screen);
        self.pipe.note(written);
        for [message, why, next] in &answer.failures {
            self.tell(&error_text(message, why, next));
        }
    }

    fn call(&self, line: &CallLine) {
        self.tell(&call_text(line));
    }

    fn blocked(&self, line: &BlockedLine) {
        let BlockedLine { who, call, elapsed, meaning } = line;
        self.tell(&format!(
            "   {WHO}{who}{WHO:#} blocked in {call}, {} s {DIM}| {meaning}{DIM:#}\n",
            elapsed.as_secs()
        ));
    }

    fn prompt(&self, prompt: Prompt) {
        if self.quiet || !io::stdout().is_terminal() {
            return;
        }
        let mut screen = self.screen();
        screen.prompted = prompt == Prompt::Shown;
        let written = match prompt {
            Prompt::Shown => write(&mut io::stdout(), PROMPT),
            Prompt::Answered => Ok(()),
            Prompt::Dropped => write(&mut io::stdout(), erase(0, true).as_bytes()),
        };
        drop(screen);
        self.pipe.note(written);
    }

    fn converse(&self) {
        self.screen().converses = true;
    }

    fn input(&self, line: Option<InputLine>) {
        let mut screen = self.screen();
        if screen.input == line {
            return;
        }
        let text = erase(0, true) + &line.as_ref().map(drawn).unwrap_or_default();
        screen.input = line;
        let written = write(&mut io::stdout(), text.as_bytes());
        drop(screen);
        self.pipe.note(written);
    }

    fn table(&self, mut lines: Vec<String>) {
        // A row that wraps would be two, and the next one drawn over neither.
        let columns = terminal_size::terminal_size().map_or(80, |(columns, _)| usize::from(columns.0));
        for line in &mut lines {
            *line = line.chars().take(columns.saturating_sub(1)).collect();
        }
        let mut screen = self.screen();
        let before = std::mem::replace(&mut screen.table, lines).len();
        let written = self.print(&screen, before, "", false);
        drop(screen);
        self.pipe.note(written);
    }

    fn shows_tables(&self) -> bool {
        !self.quiet && !self.timeline && io::stdout().is_terminal()
    }
}

fn error_text(message: &str, why: &str, next: &str) -> String {
    format!("{BAD}error:{BAD:#} {message}\n  {DIM}why:{DIM:#} {why}\n  {DIM}try:{DIM:#} {next}\n")
}

/// `#2 client connect(3, 127.0.0.1:5003) = -1 ECONNREFUSED (0.1 ms) | …`
fn call_text(line: &CallLine) -> String {
    let CallLine { n, who, call, args, result, errno, elapsed, may_block, meaning } = line;
    let errno = errno.as_ref().map(|name| format!(" {BAD}{name}{BAD:#}")).unwrap_or_default();
    let took = if *may_block { format!(" ({})", duration(*elapsed)) } else { String::new() };
    format!("#{n} {WHO}{who}{WHO:#} {call}({args}) = {result}{errno}{took} {DIM}|{DIM:#} {meaning}\n")
}

/// A time as people read it: `0.1 ms`, `2.0 s`.
pub fn duration(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    match ms {
        ms if ms < 0.995 => format!("{ms:.2} ms"),
        ms if ms < 999.5 => format!("{ms:.1} ms"),
        ms => format!("{:.1} s", ms / 1e3),
    }
}

impl Screen {
    /// A conversation stands alone where it is piped, and has times where
    /// somebody sits before it.
    fn line_of(&self, event: &Event) -> Option<String> {
        let remark = match event {
            Event::Connected { .. } | Event::Closed { .. } | Event::Summary(_) => true,
            Event::Said { .. } if self.input.is_none() => return None,
            Event::Spoken { look: Look::Mechanics, .. } if self.input.is_some() => return None,
            Event::Spoken { .. } | Event::Said { .. } if self.input.is_some() => {
                let time = chrono::Local::now().format("%H:%M");
                return line_of(event).map(|line| format!("{DIM}{time}{DIM:#} {line}"));
            }
            _ => false,
        };
        if remark && self.is_piped_talk() { None } else { line_of(event) }
    }

    /// Whether standard output is for what was said alone.
    fn is_piped_talk(&self) -> bool {
        self.converses && !io::stdout().is_terminal()
    }
}

/// The line for people, with its styles; `None` where they are told nothing.
pub fn line_of(event: &Event) -> Option<String> {
    Some(match event {
        Event::Spoken { payload, look, .. } => spoken(&payload.0, look),
        Event::Said { payload, .. } => format!("{DIM}> {}{DIM:#}", shown_line(&payload.0)),
        Event::Saved { path, bytes, .. } => {
            format!("{GOOD}saved {}, {bytes} bytes{GOOD:#}", framing::visible(path.as_bytes()))
        }
        // The block below the lines shows it.
        Event::Progress { .. } => return None,
        Event::Listening { proto, addr, .. } => format!("{GOOD}listening on{GOOD:#} {proto} {addr}"),
        Event::Accepted { client, peer, thread, .. } => {
            let thread = thread.as_ref().map(|name| format!(", served by {name}")).unwrap_or_default();
            format!("client {client}: connected from {} port {}{thread}", peer.ip(), peer.port())
        }
        Event::Connected { peer, local, proto: Proto::Tcp } => format!("connected to {peer} from {local}"),
        // No packet has been sent yet: who is there is to be seen.
        Event::Connected { peer, local, .. } if local.port() == 0 => {
            format!("asking {peer}; the first sendto will give us a port")
        }
        Event::Connected { peer, local, .. } => format!("asking {peer} from {local}"),
        // The line that follows, the reply's, tells both.
        Event::Sent { seq: Some(_), .. } => return None,
        Event::Sent { client: Some(client), payload, .. } => format!("client {client}: sent {}", quoted(payload)),
        Event::Sent { client: None, peer, payload, .. } => format!("sent {} to {peer}", quoted(payload)),
        Event::Received { client: Some(client), peer, payload } => {
            format!("client {client}: received {} {DIM}from {peer}{DIM:#}", quoted(payload))
        }
        Event::Received { client: None, peer, payload } => format!("received {} from {peer}", quoted(payload)),
        Event::Heard { client, name, payload, .. } => {
            let name = name.as_ref().map(|name| format!(" {WHO}{name}{WHO:#}")).unwrap_or_default();
            format!("client {client}{name}: {}", framing::visible(&payload.0))
        }
        Event::Replied { seq, rtt, note, payload } => {
            let note = note.map(|note| format!(", {note}")).unwrap_or_default();
            format!("reply {seq}: {} in {}{note}", quoted(payload), duration(*rtt))
        }
        Event::Numbered { peer, seq, count, note, payload } => {
            let note = note.map(|note| format!(", {note}")).unwrap_or_default();
            format!("received {} from {peer} {DIM}({}{note}){DIM:#}", quoted(payload), place(*seq, *count))
        }
        Event::Duplicate { peer, seq, count, payload } => {
            format!("received again {} from {peer} {DIM}({}){DIM:#}", quoted(payload), place(*seq, *count))
        }
        Event::Acknowledged { peer, seq, rtt } => format!("{peer} has got message {seq}, after {}", duration(*rtt)),
        Event::Missed { seq, receivers, expected, tries } => {
            let tries = if *tries > 1 { format!(" after {tries} tries") } else { String::new() };
            format!("{BAD}message {seq}: {receivers} of {expected} receivers{BAD:#} acknowledged it{tries}")
        }
        Event::Lost { seq, waited, tries, reason } => lost(*seq, *waited, *tries, *reason),
        Event::Closed { client: Some(client), reason, .. } => {
            format!("client {client}: closed, {}", reason_words(*reason))
        }
        Event::Closed { client: None, reason, peer } => format!("closed {peer}, {}", reason_words(*reason)),
        Event::Notice { text } => format!("{DIM}{text}{DIM:#}"),
        // Nothing came of it, as the error has said.
        Event::Summary(Summary::Messages(Messages { view: View::Stream | View::Client, sent: 0, .. })) => return None,
        // Told by the line before: one lab's demo has one line.
        Event::Summary(Summary::Demos { labs: 1, .. }) => return None,
        Event::Summary(summary) => summary_text(summary),
        Event::Shown { name, ok, seen, elapsed } => {
            let verdict = if *ok { format!("{GOOD}ok  {GOOD:#}") } else { format!("{BAD}FAIL{BAD:#}") };
            format!("{verdict} {name:<18} {seen} {DIM}({}){DIM:#}", duration(*elapsed))
        }
        Event::Handout { name, title, checks, points } => {
            format!("{WHO}{name:<18}{WHO:#} {title} {DIM}({checks} checks, {points} points){DIM:#}")
        }
        Event::Page { shown, .. } => shown.trim_end().to_owned(),
        Event::Written { path } => format!("wrote {path}"),
        Event::Error { .. } => return None,
    })
}

/// A line of a conversation, as it came: its colours are all that is added.
fn spoken(line: &[u8], look: &Look) -> String {
    let text = shown_line(line);
    match look {
        Look::Said { from, private } => {
            let style = if *private { color_of(from).bold() } else { color_of(from) };
            let end = text.find("> ").map_or(text.len(), |at| at + 1);
            // `<alice -> bob> hi`
            let end = if *private { text[end..].find("> ").map_or(text.len(), |at| end + at + 1) } else { end };
            let (name, words) = text.split_at(end);
            format!("{style}{name}{style:#}{words}")
        }
        Look::Error => format!("{BAD}{text}{BAD:#}"),
        Look::Notice | Look::Mechanics => format!("{DIM}{text}{DIM:#}"),
        Look::Listed | Look::Plain => text,
    }
}

/// Without its end, and harmless.
fn shown_line(line: &[u8]) -> String {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    framing::visible(text.strip_suffix(b"\r").unwrap_or(text))
}

/// Always the same one for a name (by FNV-1a); red is for errors.
fn color_of(name: &str) -> Style {
    use AnsiColor::{Blue, BrightBlue, BrightCyan, BrightGreen, BrightMagenta, Cyan, Green, Magenta, Yellow};
    let colors = [Cyan, Green, Yellow, Magenta, Blue, BrightCyan, BrightGreen, BrightMagenta, BrightBlue];
    let hash = name
        .to_lowercase()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    colors[(hash % colors.len() as u64) as usize].on_default()
}

/// `3 of 10`; or `3`, where the sender did not know how many.
fn place(seq: u32, count: u32) -> String {
    if count == 0 { seq.to_string() } else { format!("{seq} of {count}") }
}

fn lost(seq: u64, waited: Duration, tries: u32, reason: LostReason) -> String {
    let tries = if tries > 1 { format!(" after {tries} tries") } else { String::new() };
    let how = match reason {
        LostReason::Timeout => format!("within {}", duration(waited)),
        LostReason::Refused => format!("but a refusal after {}", duration(waited)),
    };
    format!("{BAD}no reply to message {seq}{BAD:#} {how}{tries}")
}

/// `6 bytes "hello\n"`, cut where a line would be too long.
fn quoted(payload: &Payload) -> String {
    let unit = if payload.0.len() == 1 { "byte" } else { "bytes" };
    format!("{} {unit} {}", payload.0.len(), framing::quoted(&payload.0, SHOWN_BYTES))
}

fn reason_words(reason: Reason) -> &'static str {
    match reason {
        Reason::Fin => "the peer sent FIN",
        Reason::Reset => "the peer reset the connection (RST)",
        Reason::Timeout => "nothing came in time",
        Reason::Asked => "as asked",
        Reason::ServerStop => "the server stops",
        Reason::Error => "for an error",
    }
}

fn summary_text(summary: &Summary) -> String {
    match summary {
        Summary::Messages(messages) => messages_text(messages),
        Summary::Served { clients, bytes_in, bytes_out } => {
            format!("served {}: {bytes_in} bytes in, {bytes_out} bytes out", plural(*clients, "client"))
        }
        Summary::Load(load) => load_text(load),
        Summary::Demos { labs, failed: 0, elapsed } => format!("all {labs} labs work ({})", duration(*elapsed)),
        Summary::Demos { labs, failed, elapsed } => {
            format!("{failed} of {labs} labs fell short ({})", duration(*elapsed))
        }
    }
}

/// Columns of the longest bar.
const BAR_COLUMNS: u64 = 40;

fn load_text(load: &LoadSummary) -> String {
    let LoadSummary { clients, sent, received, lost, wrong, unasked, refused, failed, elapsed, rate, .. } = load;
    let mut text = format!(
        "{}, {sent} sent, {received} answered in {}: {rate:.0}/s\n{lost} unanswered, {wrong} wrong",
        plural(*clients as u64, "client"),
        duration(*elapsed)
    );
    for (count, what) in [(failed, "connections failed"), (refused, "refused"), (unasked, "doubled or late")] {
        if *count > 0 {
            text += &format!(", {count} {what}");
        }
    }
    let Spread { min: Some(min), p50: Some(p50), p90: Some(p90), p99: Some(p99), p999: Some(p999), max: Some(max) } =
        load.rtt_us
    else {
        return text;
    };
    let ms = |us: u64| format!("{:.2}", us as f64 / 1e3);
    let figures = [("min", min), ("median", p50), ("p90", p90), ("p99", p99), ("p99.9", p999), ("max", max)];
    let figures: Vec<String> = figures.iter().map(|(name, us)| format!("{name} {}", ms(*us))).collect();
    text += &format!("\nround trip {} ms\n", figures.join(", "));
    let most = load.histogram.iter().map(|bar| bar.count).max().unwrap_or(1);
    for Bar { upto_us, count } in &load.histogram {
        let bar = "█".repeat((count * BAR_COLUMNS).div_ceil(most) as usize);
        text += &format!("\n{:>10} ms {count:>10} {bar}", ms(*upto_us));
    }
    text
}

/// `1 client`, `2 clients`.
fn plural(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn messages_text(messages: &Messages) -> String {
    let Messages { sent, retried, rtt_us, .. } = messages;
    let mut text = counters_text(messages);
    if *retried > 0 {
        text += &format!(", {retried} sent again");
    }
    if let (Some(min), Some(p50), Some(p99), Some(max)) = (rtt_us.min, rtt_us.p50, rtt_us.p99, rtt_us.max) {
        let ms = |us: u64| us as f64 / 1e3;
        let (min, p50, p99, max) = (ms(min), ms(p50), ms(p99), ms(max));
        text += &format!("\nround trip min {min:.2}, median {p50:.2}, p99 {p99:.2}, max {max:.2} ms");
    }
    for receiver in &messages.receivers {
        text += &format!("\nreceiver {} got {} of {sent}", receiver.peer, receiver.received);
    }
    for dropped in &messages.dropped {
        text += &format!("\n{} dropped: {}", plural(dropped.count, "datagram"), dropped.why);
    }
    text
}

fn counters_text(messages: &Messages) -> String {
    let Messages { sent, received, lost, duplicate, reordered, late, .. } = messages;
    let late = match late {
        0 => String::new(),
        _ => format!(" ({late} of them late: the reply came after its time)"),
    };
    let odd = format!("{lost} lost{late}, {duplicate} duplicate, {reordered} reordered");
    match messages.view {
        View::Stream if messages.asked > 0 => {
            format!("{sent} sent, {received} answered, {lost} unanswered, {} asked to close", messages.asked)
        }
        View::Stream => format!("{sent} sent, {received} answered, {lost} unanswered"),
        View::Client => format!("{sent} sent, {received} received, {odd}"),
        View::Sender { .. } if *sent == 0 => "nothing was sent".to_owned(),
        View::Sender { numbered: false } => format!("{sent} sent; whether they arrived, nobody says"),
        View::Sender { numbered: true } if messages.receivers.is_empty() => {
            format!("{sent} sent; no receiver acknowledged any")
        }
        View::Sender { numbered: true } => {
            format!("{sent} sent, {received} acknowledged by all receivers, {lost} not")
        }
        View::Receiver { unnumbered: 0 } => format!("{received} received, {odd}"),
        View::Receiver { unnumbered } => {
            format!("{received} received, {odd} ({unnumbered} had no number: losses of such go unseen)")
        }
        View::Member | View::Talker => format!("{sent} sent, {received} received"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_escape_sequence_is_shown_and_not_sent_to_the_terminal() {
        let text = quoted(&Payload(b"\x1b[2Jhi\n".to_vec()));
        assert_eq!(text, r#"7 bytes "\x1b[2Jhi\n""#);
    }

    #[test]
    fn a_long_payload_is_cut() {
        let text = quoted(&Payload(vec![b'x'; 1000]));
        assert!(text.starts_with("1000 bytes \"xxx") && text.ends_with("\"..."), "{text}");
        assert!(text.len() < 90);
    }

    #[test]
    fn times_have_a_unit_that_fits() {
        let table = [(100, "0.10 ms"), (1_500, "1.5 ms"), (2_000_000, "2.0 s")];
        for (micros, expected) in table {
            assert_eq!(duration(Duration::from_micros(micros)), expected);
        }
    }

    #[test]
    fn a_traced_call_reads_as_the_contract_shows_it() {
        let line = CallLine {
            n: 2,
            who: "client".into(),
            call: "connect",
            args: "3, 127.0.0.1:5003".into(),
            result: -1,
            errno: Some("ECONNREFUSED".into()),
            elapsed: Duration::from_micros(100),
            may_block: true,
            meaning: "the host answered RST".into(),
        };
        let mut plain = AutoStream::never(Vec::new());
        plain.write_all(call_text(&line).as_bytes()).unwrap();
        let text = String::from_utf8(plain.into_inner()).unwrap();
        assert_eq!(text, "#2 client connect(3, 127.0.0.1:5003) = -1 ECONNREFUSED (0.10 ms) | the host answered RST\n");
    }
}
