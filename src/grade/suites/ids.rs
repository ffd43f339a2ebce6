//! Ids of clients, wherever a server shows them: in a greeting, in replies, on
//! its terminal; as numbers or as anything else; or nowhere.
//!
//! What is certain: where a client's texts hold a number right after a word
//! such as `client` or `id`, and two clients' texts are the same but for
//! addresses, times and messages, these two have one id.

use std::collections::BTreeMap;

use crate::grade::check::{Answer, Finding};

/// Words after which a number is an id. `clients 3` counts, and is none.
const NAMES: [&str; 12] =
    ["client", "id", "user", "no", "nr", "number", "num", "cliente", "kunde", "connection", "conn", "#"];

/// Words that say that a line counts.
const COUNTS: [&str; 14] = [
    "active",
    "total",
    "count",
    "online",
    "connected clients",
    "clients connected",
    "clients:",
    "number of",
    "now",
    "currently",
    "aktiv",
    "activos",
    "conectados",
    "remaining",
];

/// `your id is 3`, in some languages.
const COPULAS: [&str; 6] = ["is ", "is: ", "ist ", "es ", "est ", "è "];

/// What was seen of each client.
#[derive(Default)]
pub struct Seen {
    ids: BTreeMap<usize, Vec<String>>,
}

impl Seen {
    /// What client `n` was told, and what the terminal said meanwhile.
    pub fn add(&mut self, n: usize, told: &str, terminal: &str, port: u16) {
        let mut ids = ids_in(told, port);
        if ids.is_empty() {
            ids = ids_in(terminal, port);
        }
        self.ids.insert(n, ids);
    }

    /// Whether two clients have the same.
    pub fn judge(&self, how: &str) -> Answer {
        for (n, ids) in &self.ids {
            for (other, theirs) in self.ids.range(..n) {
                // All of a client's ids agree with all of the other's.
                if !ids.is_empty() && ids == theirs {
                    let actual = format!(
                        "clients {other} and {n} (in the order in which they came) both have {}",
                        ids.join(", ")
                    );
                    return Err(Finding::fail(format!("clients that come {how} have different ids"), actual).hint(
                        "an id is given twice: count up once for each client that is accepted, never down and not by the number of those present; \
                         in the accepting thread or with a lock (else it is a race), and in the parent, not in a forked child whose counter is a copy",
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Numbers that follow a name for an id, each once.
fn ids_in(text: &str, port: u16) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let lower = line.to_lowercase();
        if COUNTS.iter().any(|count| lower.contains(count)) {
            continue;
        }
        for id in numbers_after_names(&lower) {
            if !id.ends_with(&format!(" {port}")) && !found.contains(&id) {
                found.push(id);
            }
        }
    }
    found
}

fn numbers_after_names(line: &str) -> Vec<String> {
    let bytes = line.as_bytes();
    let mut numbers = Vec::new();
    for name in NAMES {
        for (at, _) in line.match_indices(name) {
            let before = at.checked_sub(1).map(|at| bytes[at]);
            if name != "#" && before.is_some_and(|byte| byte.is_ascii_alphanumeric()) {
                continue;
            }
            let rest = &line[at + name.len()..];
            let gap = gap_before_number(rest);
            let digits: String = rest[gap..].chars().take_while(char::is_ascii_digit).collect();
            let after = rest[gap + digits.len()..].chars().next();
            // `client 127.0.0.1`, `client 3f2a` are no numbers; a port is none.
            let is_number = !digits.is_empty()
                && digits.len() <= 9
                && !after.is_some_and(|c| {
                    c.is_alphanumeric()
                        || c == '.' && rest[gap + digits.len() + 1..].starts_with(|c: char| c.is_ascii_digit())
                });
            // `client #2` is one number, though both are names for it.
            let is_known = name == "#" && numbers.iter().any(|number: &String| number.ends_with(&format!(" {digits}")));
            if is_number && !is_known {
                numbers.push(format!("{name} {digits}"));
            }
        }
    }
    numbers
}

/// How much stands between a name and its number: `: #`, ` is `.
fn gap_before_number(rest: &str) -> usize {
    let signs = |text: &str| text.len() - text.trim_start_matches([' ', ':', '#', '=', '-', '_', '[', '(', '.']).len();
    let at = signs(rest);
    let verb = COPULAS.iter().find_map(|verb| Some(verb.len() + signs(rest[at..].strip_prefix(verb)?)));
    // `client isolated 3` is no such sentence: a space follows the word.
    at + verb.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_where_servers_write_one() {
        for (text, ids) in [
            ("Client 3 connected from 127.0.0.1:50000", vec!["client 3"]),
            ("[client #2] hello", vec!["client 2"]),
            ("Your ID is 7", vec!["id 7"]),
            ("your client id is: 7", vec!["id 7"]),
            ("client number 50000", vec![]),
            ("id=7", vec!["id 7"]),
            ("New client ('127.0.0.1', 50000)", vec![]),
            ("client 127.0.0.1", vec![]),
            ("active clients: 2", vec![]),
        ] {
            assert_eq!(ids_in(text, 50000), ids, "{text}");
        }
    }
}
