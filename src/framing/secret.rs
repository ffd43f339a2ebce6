//! What may be shown of bytes in which passwords are.
//!
//! The chat's `/login NAME PASSWORD` is the one line that carries a secret.
//! Wherever bytes are shown, it reads `/login NAME ***`, also where it comes
//! byte by byte.

/// What precedes a name and a password, but for a space or a tab.
const COMMAND: &[u8] = b"/login";

/// What is shown for a password, however long it is.
const MASK: &[u8] = b"***";

/// Hides passwords in a stream of bytes, wherever it is cut.
#[derive(Clone, Debug, Default)]
pub struct Masker {
    state: State,
    /// A name whose end has not come. If no password follows it, it may well
    /// be one.
    name: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// As many bytes of the line agree with the command.
    #[default]
    Start,
    Command(usize),
    /// Spaces between the words.
    BeforeName,
    Name,
    BeforePassword,
    Password,
    /// Nothing secret in this line.
    Harmless,
}

impl Masker {
    /// The next bytes of the stream, as they may be shown.
    pub fn mask(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut shown = Vec::with_capacity(bytes.len());
        let mut is_masked = false;
        for &byte in bytes {
            self.state = self.state.after(byte);
            if self.state == State::Name {
                self.name.push(byte);
                continue;
            }
            let name = std::mem::take(&mut self.name);
            match self.state {
                State::Start if !name.is_empty() => shown.extend_from_slice(MASK),
                _ => shown.extend_from_slice(&name),
            }
            if self.state != State::Password {
                is_masked = false;
                shown.push(byte);
            } else if !is_masked {
                is_masked = true;
                shown.extend_from_slice(MASK);
            }
        }
        shown
    }
}

impl State {
    fn after(self, byte: u8) -> State {
        let is_space = matches!(byte, b' ' | b'\t');
        match self {
            _ if byte == b'\n' => State::Start,
            // A space too many makes it no command, and the password no less one.
            State::Start if is_space => State::Start,
            State::Start => State::Command(0).after(byte),
            State::Command(known) => match COMMAND.get(known) {
                Some(next) if byte.eq_ignore_ascii_case(next) => State::Command(known + 1),
                None if is_space => State::BeforeName,
                _ => State::Harmless,
            },
            State::Harmless => State::Harmless,
            State::BeforeName if is_space => State::BeforeName,
            State::BeforeName => State::Name,
            State::Name if is_space => State::BeforePassword,
            State::Name => State::Name,
            // A password may begin with a space.
            State::BeforePassword | State::Password => State::Password,
        }
    }
}

/// One line, as it may be shown.
pub fn masked(line: &[u8]) -> Vec<u8> {
    let mut masker = Masker::default();
    let mut shown = masker.mask(line);
    if !masker.name.is_empty() {
        shown.extend_from_slice(MASK);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_password_is_hidden() {
        let table = [
            ("hello", "hello"),
            ("/login alice secret", "/login alice ***"),
            ("/login alice secret with spaces\nhello\n", "/login alice ***\nhello\n"),
            ("/LOGIN alice secret", "/LOGIN alice ***"),
            ("/login  alice  secret", "/login  alice ***"),
            ("/login secret", "/login ***"),
            ("/login secret\nhello\n", "/login ***\nhello\n"),
            (" \t/login alice secret", " \t/login alice ***"),
            ("/login", "/login"),
            ("/login ", "/login "),
            ("/loginalice secret", "/loginalice secret"),
            ("/login\talice\tsecret", "/login\talice\t***"),
            ("say /login alice secret", "say /login alice secret"),
            ("/name bob\n/login alice secret\n/who\n", "/name bob\n/login alice ***\n/who\n"),
        ];
        for (bytes, shown) in table {
            assert_eq!(String::from_utf8_lossy(&masked(bytes.as_bytes())), shown, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn no_cut_shows_a_byte_of_it(cuts in proptest::collection::vec(1..6usize, 1..20)) {
            let bytes = b"hi\n/login alice 0123456789\nhi\n";
            let (mut masker, mut shown, mut at) = (Masker::default(), Vec::new(), 0);
            for cut in cuts {
                let end = (at + cut).min(bytes.len());
                shown.extend(masker.mask(&bytes[at..end]));
                at = end;
            }
            prop_assert!(!shown.iter().any(u8::is_ascii_digit));
        }
    }
}
