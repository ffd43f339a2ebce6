//! What nobody else is to see: passwords.

/// A `/login` line without its password: `/login alice ***`. `None` for lines
/// without any.
///
/// Wherever a line of the client's own is shown or kept, it goes through here.
/// It sees a password in everything that a server could take for one: in other
/// case, and with more spaces.
pub fn masked(line: &str) -> Option<String> {
    let (word, rest) = line.trim_start().split_once(char::is_whitespace)?;
    if !word.eq_ignore_ascii_case("/login") {
        return None;
    }
    match rest.trim_start().split_once(char::is_whitespace) {
        Some((name, _)) => Some(format!("/login {name} ***")),
        // Without a password behind it, the name may well be one.
        None if rest.trim().is_empty() => None,
        None => Some("/login ***".to_owned()),
    }
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
