//! Annotations of GitHub Actions (`::error file=…::…`): each failure at the
//! file it is about, among the lines of a pull request.

use std::fmt::Write;

use crate::error::{Attempt, Error, Result};
use crate::grade::check::{Graded, Side};
use crate::grade::result::Report;
use crate::grade::submission::{FILE, words};
use crate::grade::suites;
use crate::grade::transcript::visible;

/// GitHub shows no more than ten of a step.
const SHOWN: usize = 10;

/// A line each.
pub fn annotations(reports: &[Report]) -> String {
    let (mut page, mut count) = (String::new(), 0);
    for report in reports {
        if let Some(error) = &report.error {
            annotate(&mut page, report, FILE, "not graded to the end", error);
            count += 1;
        }
        for check in report.checks.iter().filter(|check| check.verdict.is_bad()) {
            let title = format!("{} ({} points)", check.id, check.points);
            annotate(&mut page, report, &file(report, check), &title, &text(check));
            count += 1;
        }
    }
    if count > SHOWN {
        let _ = writeln!(page, "::notice::{count} failures, of which GitHub shows {SHOWN}: the others are in the log");
    }
    page
}

fn annotate(page: &mut String, report: &Report, file: &str, title: &str, text: &str) {
    let path = report.dir.join(file);
    let path = path.strip_prefix(".").unwrap_or(&path).display().to_string();
    let _ = writeln!(page, "::error file={},title={}::{}", property(&path), property(title), data(text));
}

fn text(check: &Graded) -> String {
    let mut text = check.requirement.clone();
    for (label, value) in [("expected", &check.expected), ("happened", &check.actual), ("hint", &check.hint)] {
        if let Some(value) = value {
            text.push_str(&format!("\n{label}: {}", visible(value.as_bytes())));
        }
    }
    text
}

/// The file of the program that a check is about, as far as its command tells:
/// `server.py` of `python3 server.py`, `Server.java` of `java Server`,
/// `server.c` of `./server`.
fn file(report: &Report, check: &Graded) -> String {
    let side = suites::all(&report.lab).iter().find(|known| known.id == check.id).map(|known| known.side);
    let role = if side == Some(Side::Client) { "client" } else { "server" };
    let command = report.commands.iter().find(|(known, _)| known == role).map(|(_, command)| command.as_str());
    let named = command.and_then(words).unwrap_or_default();
    let sources = named.iter().flat_map(|word| {
        let word = word.trim_start_matches("./");
        ["", ".java", ".c", ".cpp", ".rs", ".go"].map(|end| format!("{word}{end}"))
    });
    let is_source = |file: &String| report.dir.join(file).is_file() && (file.contains('.') || !file.starts_with('/'));
    let found: Vec<String> = sources.filter(is_source).collect();
    // `./server` is there too, once it is built.
    found.iter().find(|file| file.contains('.')).or(found.first()).cloned().unwrap_or_else(|| FILE.to_owned())
}

/// `page`, in which GitHub obeys nothing: a program may print what looks like
/// one of its commands.
///
/// # Errors
/// No random number can be had.
pub fn fenced(page: &str) -> Result<String> {
    let word = getrandom::u64()
        .map_err(|cause| Error::other(Attempt::Read, "a random number", cause.to_string()).unasked())?;
    Ok(format!("::stop-commands::netlab-{word:016x}\n{page}\n::netlab-{word:016x}::\n"))
}

/// As the toolkit of GitHub Actions escapes what follows `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// And what stands in a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_property_or_a_command_is_escaped() {
        assert_eq!(property("a,b:c%\n"), "a%2Cb%3Ac%25%0A");
        assert_eq!(data("1: 100%\r\n"), "1: 100%25%0D%0A");
    }

    #[test]
    fn a_fence_is_another_one_each_time() {
        let (one, other) = (fenced("x").unwrap(), fenced("x").unwrap());
        assert_ne!(one, other);
        let fence = one.lines().next().unwrap().trim_start_matches("::stop-commands::");
        assert_eq!(one.lines().last(), Some(format!("::{fence}::").as_str()));
    }
}
