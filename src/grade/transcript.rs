//! What was seen during one check, in the order in which it was seen: bytes
//! both ways, what the program printed, what was typed, and what happened to
//! its connections. It is the evidence under a verdict.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Of one entry's bytes, those that are kept: enough to see what it was, and
/// a program that prints for ever fills no memory.
const KEPT_BYTES: usize = 400;

/// Entries kept from the beginning; of the rest, the last as many.
const KEPT_ENTRIES: usize = 60;

/// Bytes of one direction that come this close after each other are shown as
/// one entry: the kernel's division of a stream means nothing.
const TOGETHER: Duration = Duration::from_millis(30);

/// One thing seen.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Seconds since the check began.
    pub t: f64,
    /// Who did it: `grader`, `server`, `client 2`, `terminal`.
    pub from: String,
    /// To whom, where bytes went somewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// How many bytes, where it was bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
    /// The bytes (made visible, shortened in the middle), or what happened.
    pub text: String,
}

impl Entry {
    /// As one line of text.
    pub fn sentence(&self) -> String {
        match (&self.to, self.bytes) {
            (Some(to), Some(bytes)) => format!("{} > {to}: \"{}\" ({bytes} bytes)", self.from, self.text),
            _ => format!("{}: {}", self.from, self.text),
        }
    }
}

struct Raw {
    at: Duration,
    from: String,
    to: Option<String>,
    bytes: usize,
    head: Vec<u8>,
    word: Option<String>,
}

#[derive(Default)]
struct Kept {
    first: Vec<Raw>,
    last: std::collections::VecDeque<Raw>,
    dropped: usize,
    rings: u64,
}

/// The transcript while it is written. Everyone who waits for something to
/// happen waits here.
pub struct Transcript {
    began: Instant,
    kept: Mutex<Kept>,
    rang: Condvar,
}

impl Default for Transcript {
    fn default() -> Transcript {
        Transcript { began: Instant::now(), kept: Mutex::default(), rang: Condvar::new() }
    }
}

impl Transcript {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes went from one to the other.
    pub fn bytes(&self, from: &str, to: &str, bytes: &[u8]) {
        let at = self.began.elapsed();
        let mut kept = self.kept();
        kept.rings += 1;
        self.rang.notify_all();
        let Kept { first, last, .. } = &mut *kept;
        if let Some(raw) = last.back_mut().or(first.last_mut())
            && raw.word.is_none()
            && (raw.from.as_str(), raw.to.as_deref()) == (from, Some(to))
            && at.saturating_sub(raw.at) < TOGETHER
        {
            raw.bytes += bytes.len();
            let room = KEPT_BYTES.saturating_sub(raw.head.len());
            raw.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
            return;
        }
        let head = bytes[..bytes.len().min(KEPT_BYTES)].to_vec();
        kept.add(Raw { at, from: from.into(), to: Some(to.into()), bytes: bytes.len(), head, word: None });
    }

    /// Something happened to `who`.
    pub fn word(&self, who: &str, word: impl Into<String>) {
        let at = self.began.elapsed();
        let mut kept = self.kept();
        kept.rings += 1;
        self.rang.notify_all();
        kept.add(Raw { at, from: who.into(), to: None, bytes: 0, head: vec![], word: Some(word.into()) });
    }

    /// Waits until something is added, or this long.
    pub fn wait(&self, longest: Duration) {
        let kept = self.kept();
        let rings = kept.rings;
        let _ = self.rang.wait_timeout_while(kept, longest, |kept| kept.rings == rings);
    }

    /// As it is now.
    pub fn entries(&self) -> Vec<Entry> {
        let kept = self.kept();
        let mut entries: Vec<Entry> = kept.first.iter().map(Raw::shown).collect();
        if kept.dropped > 0 {
            let t = entries.last().map_or(0.0, |entry| entry.t);
            let text = format!("… {} entries left out …", kept.dropped);
            entries.push(Entry { t, from: "grader".into(), to: None, bytes: None, text });
        }
        entries.extend(kept.last.iter().map(Raw::shown));
        entries
    }
}

impl Kept {
    fn add(&mut self, raw: Raw) {
        if self.first.len() < KEPT_ENTRIES {
            return self.first.push(raw);
        }
        self.last.push_back(raw);
        if self.last.len() > KEPT_ENTRIES {
            self.last.pop_front();
            self.dropped += 1;
        }
    }
}

impl Raw {
    fn shown(&self) -> Entry {
        let t = (self.at.as_secs_f64() * 1e4).round() / 1e4;
        let (from, to) = (self.from.clone(), self.to.clone());
        match &self.word {
            Some(word) => Entry { t, from, to, bytes: None, text: word.clone() },
            None => {
                let mut text = visible(&self.head);
                if self.bytes > self.head.len() {
                    text.push_str(&format!(" … {} bytes more", self.bytes - self.head.len()));
                }
                Entry { t, from, to, bytes: Some(self.bytes), text }
            }
        }
    }
}

/// Bytes as text in which nothing acts on a terminal: line ends and other
/// control characters as escapes, what is no UTF-8 as `\xFF`.
pub fn visible(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                '\u{1b}' => text.push_str("\\e"),
                c if c.is_ascii_control() => text.push_str(&format!("\\x{:02X}", c as u32)),
                c if is_hidden(c) => text.push_str(&format!("\\u{{{:x}}}", c as u32)),
                c => text.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02X}")));
    }
    text
}

/// Control characters, and those that turn or hide the text around them.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Bytes in quotes, visible, the middle left out where they are many.
pub fn quoted(bytes: &[u8]) -> String {
    format!("\"{}\"", shortened(&visible(&bytes[..bytes.len().min(4096)]), 200))
}

/// At most `most` characters of it, the middle left out.
pub fn shortened(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let half = most / 2;
    let head: String = text.chars().take(half).collect();
    let tail: String = text.chars().skip(count - half).collect();
    format!("{head} … {} characters … {tail}", count - 2 * half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_in_pieces_is_one_entry_and_nothing_in_it_acts_on_a_terminal() {
        let transcript = Transcript::default();
        transcript.bytes("server", "grader", b"\x1b[2Jhel");
        transcript.bytes("server", "grader", b"lo\n\xff");
        let entries = transcript.entries();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].text, "\\e[2Jhello\\n\\xFF");
    }

    #[test]
    fn a_long_transcript_keeps_its_beginning_and_its_end() {
        let transcript = Transcript::default();
        (0..1000).for_each(|n| transcript.word("server", n.to_string()));
        let entries = transcript.entries();
        assert!(entries.len() <= 2 * KEPT_ENTRIES + 1);
        assert_eq!((entries[0].text.as_str(), entries[entries.len() - 1].text.as_str()), ("0", "999"));
    }
}
