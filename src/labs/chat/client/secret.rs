//! What nobody else is to see: passwords.

use crate::framing;

/// A `/login` line without its password: `/login alice ***`. `None` for lines
/// without any.
///
/// Wherever a line of the client's own is shown or kept, it goes through here.
/// It sees a password in everything that a server could take for one: in other
/// case, and with more spaces.
pub fn masked(line: &str) -> Option<String> {
    let shown = framing::masked(line.as_bytes());
    let shown = String::from_utf8_lossy(&shown);
    let words: Vec<&str> = shown.split_whitespace().skip(1).collect();
    (shown != line).then(|| format!("/login {}", words.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_seen_however_it_is_written() {
        for line in
            ["/login alice hunter2", "/LOGIN alice hunter2", "  /login   alice hunter2 x", "/login\talice\thunter2"]
        {
            assert_eq!(masked(line).as_deref(), Some("/login alice ***"), "{line:?}");
        }
    }

    #[test]
    fn other_lines_are_left_alone() {
        for line in ["hello", "/login", "/login ", "/loginx alice hunter2", "/msg bob /login alice x", ""] {
            assert_eq!(masked(line), None, "{line:?}");
        }
    }
}
