//! The report that a student reads: what holds, what does not, and what was
//! seen.

use std::fmt::Write;

use anstyle::{AnsiColor, Style as Ansi};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::Style;
use crate::grade::check::{Graded, Verdict};
use crate::grade::result::Report;
use crate::grade::suites;
use crate::grade::transcript::{Entry, shortened, visible};

/// Entries of a transcript that are shown; all are in the JSON.
const SHOWN: usize = 24;

/// And of each so many characters.
const SHOWN_TEXT: usize = 160;

/// Where evidence begins, and the width of its labels.
const INDENT: usize = 10;
const LABEL: usize = 10;

/// Narrower text is no longer read: it is cut by the window rather.
const MIN_COLUMNS: usize = 32;

impl Style {
    fn paint(self, text: &str, style: Ansi) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    fn of(self, verdict: Verdict) -> Ansi {
        let color = match verdict {
            Verdict::Pass => AnsiColor::Green,
            Verdict::Fail => AnsiColor::Red,
            Verdict::Note => AnsiColor::Cyan,
            Verdict::Skip => AnsiColor::BrightBlack,
            Verdict::Flaky => AnsiColor::Yellow,
        };
        color.on_default()
    }

    fn faint(self, text: &str) -> String {
        self.paint(text, AnsiColor::BrightBlack.on_default())
    }

    /// The columns left of a line that begins with so many.
    fn room(self, taken: usize) -> usize {
        self.columns.map_or(usize::MAX, |columns| columns.saturating_sub(taken).max(MIN_COLUMNS))
    }

    fn strong(self, text: &str) -> String {
        self.paint(text, Ansi::new().bold())
    }
}

/// The reports of all; of a class, a table at the end.
pub fn page(reports: &[Report], style: Style) -> String {
    let mut page = String::new();
    for report in reports {
        one(&mut page, report, style);
    }
    if reports.len() > 1 {
        table(&mut page, reports, style);
    }
    page
}

fn one(page: &mut String, report: &Report, style: Style) {
    let name = visible(report.name.as_bytes());
    let title = match report.lab.as_str() {
        lab if lab.is_empty() || lab == name => name,
        lab => format!("{name}: {lab}"),
    };
    let _ = writeln!(page, "{}", style.strong(&title));
    for (role, command) in &report.commands {
        let _ = writeln!(page, "  {}", style.faint(&format!("{role}: {command}")));
    }
    let wide = report.checks.iter().map(|check| short(&check.id).len()).max().unwrap_or(0);
    for (at, check) in report.checks.iter().enumerate() {
        line(page, check, wide, style);
        match same_as(&report.checks[..at], check) {
            Some(other) => said(page, "happened", &format!("the same as in {}", short(&other.id)), style),
            None if check.verdict == Verdict::Pass => {}
            None => evidence(page, check, style),
        }
    }
    if let Some(weakness) = report.weakness() {
        let _ = writeln!(page, "  {}", style.faint(&format!("weaker here: {weakness}")));
    }
    if let Some(error) = &report.error {
        let text = format!("could not be graded to the end: {error}");
        let _ = writeln!(page, "  {}", style.paint(&text, style.of(Verdict::Fail)));
    }
    summary(page, report, style);
    page.push('\n');
}

fn short(id: &str) -> &str {
    id.split_once('/').map_or(id, |(_, short)| short)
}

/// An earlier failure with the same cause: a server that never listens fails
/// each check, and is told of it once.
fn same_as<'a>(earlier: &'a [Graded], check: &Graded) -> Option<&'a Graded> {
    // Ports differ from check to check.
    let plain = |check: &Graded| check.actual.as_ref().map(|text| text.replace(|c: char| c.is_ascii_digit(), ""));
    let is_same =
        |other: &&Graded| other.verdict == check.verdict && other.hint == check.hint && plain(other) == plain(check);
    earlier.iter().filter(|_| check.verdict.is_bad()).find(is_same)
}

fn line(page: &mut String, check: &Graded, wide: usize, style: Style) {
    let verdict = style.paint(&format!("{:<5}", check.verdict.word()), style.of(check.verdict));
    let points = match check.verdict {
        Verdict::Skip => "   -  ".to_owned(),
        verdict => format!("{:>2}/{:<2} ", if verdict.earns() { check.points } else { 0 }, check.points),
    };
    let before = format!("  {verdict} {points} {:<wide$}  ", short(&check.id));
    let room = style.room(2 + 5 + 1 + 6 + 1 + wide + 2);
    for (at, part) in wrapped(&check.requirement, room).iter().enumerate() {
        let start = if at == 0 { before.clone() } else { " ".repeat(2 + 5 + 1 + 6 + 1 + wide + 2) };
        let _ = writeln!(page, "{start}{}", style.faint(part));
    }
}

fn evidence(page: &mut String, check: &Graded, style: Style) {
    let label = if check.verdict == Verdict::Skip || check.verdict == Verdict::Note { "because" } else { "happened" };
    for (label, text) in [("expected", &check.expected), (label, &check.actual)] {
        if let Some(text) = text {
            said(page, label, text, style);
        }
    }
    if let Some(hint) = &check.hint {
        labelled(page, "hint", hint, |line| style.strong(line), style);
    }
    if check.verdict.is_bad() {
        transcript(page, &check.transcript, style);
        // Never wrapped: it is to be copied.
        let _ = writeln!(page, "{:INDENT$}{:<LABEL$}{}\n", "", "again", style.faint(&check.replay));
    }
}

fn said(page: &mut String, label: &str, text: &str, style: Style) {
    labelled(page, label, text, str::to_owned, style);
}

fn labelled(page: &mut String, label: &str, text: &str, paint: impl Fn(&str) -> String, style: Style) {
    for (at, line) in wrapped(text, style.room(INDENT + LABEL)).iter().enumerate() {
        let label = if at == 0 { label } else { "" };
        let _ = writeln!(page, "{:INDENT$}{label:<LABEL$}{}", "", paint(line));
    }
}

fn transcript(page: &mut String, entries: &[Entry], style: Style) {
    let left_out = entries.len().saturating_sub(SHOWN);
    for (at, entry) in entries.iter().enumerate() {
        let label = if at == 0 { "seen" } else { "" };
        if at == SHOWN / 2 && left_out > 0 {
            let _ = writeln!(page, "{:INDENT$}{:<LABEL$}{}", "", "", style.faint(&format!("… {left_out} more …")));
        }
        if left_out > 0 && at >= SHOWN / 2 && at < SHOWN / 2 + left_out {
            continue;
        }
        let what = Entry { text: shortened(&entry.text, SHOWN_TEXT), ..entry.clone() }.sentence();
        for (part, text) in wrapped(&what, style.room(INDENT + LABEL + 10)).iter().enumerate() {
            let (label, time) = if part == 0 { (label, format!("{:>8.4}", entry.t)) } else { ("", String::new()) };
            let _ = writeln!(page, "{:INDENT$}{label:<LABEL$}{}  {text}", "", style.faint(&format!("{time:>8}")));
        }
    }
}

fn summary(page: &mut String, report: &Report, style: Style) {
    let counts = [Verdict::Pass, Verdict::Fail, Verdict::Flaky, Verdict::Note, Verdict::Skip]
        .into_iter()
        .filter(|verdict| report.count(*verdict) > 0)
        .map(|verdict| style.paint(&format!("{} {}", report.count(verdict), verdict.word()), style.of(verdict)));
    let counts: Vec<String> = counts.collect();
    if counts.is_empty() {
        return;
    }
    let score = style.strong(&format!("{} of {} points", report.score(), report.max_score()));
    let aside = style.faint(&format!("seed {}, {:.1} s", report.seed, report.elapsed.as_secs_f64()));
    let _ = writeln!(page, "  {score}: {}  {aside}", counts.join(", "));
    let bad: Vec<&Graded> = report.checks.iter().filter(|check| check.verdict.is_bad()).collect();
    if let [first, _, ..] = bad[..] {
        let _ = writeln!(page, "  begin with {}: the others may have the same cause", short(&first.id));
    }
}

fn table(page: &mut String, reports: &[Report], style: Style) {
    let names: Vec<String> = reports.iter().map(|report| visible(report.name.as_bytes())).collect();
    let wide = names.iter().map(|name| name.width()).max().unwrap_or(0);
    for (report, name) in reports.iter().zip(&names) {
        let verdict = if report.passed() { Verdict::Pass } else { Verdict::Fail };
        let points = match report.checks.is_empty() {
            true => "   -   ".to_owned(),
            false => format!("{:>3}/{:<3}", report.score(), report.max_score()),
        };
        let line = format!(
            "{} {name}{:pad$}  {points}  {}",
            style.paint(&format!("{:<5}", verdict.word()), style.of(verdict)),
            "",
            in_short(report),
            pad = wide - name.width(),
        );
        let _ = writeln!(page, "{}", line.trim_end());
    }
}

/// What is wrong with a submission, in one line.
fn in_short(report: &Report) -> String {
    let bad: Vec<&str> =
        report.checks.iter().filter(|check| check.verdict.is_bad()).map(|check| short(&check.id)).collect();
    match &report.error {
        Some(error) => error.lines().next().unwrap_or_default().to_owned(),
        None if bad.len() > 1 && bad.len() == report.checks.len() => format!("all {} checks", bad.len()),
        None => bad.join(", "),
    }
}

/// Lines of at most so many columns; a word that is longer is divided.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0);
    for (number, word) in text.split(' ').enumerate() {
        if used > 0 && used + 1 + word.width() > columns {
            lines.push(std::mem::take(&mut line));
            used = 0;
        } else if number > 0 {
            line.push(' ');
            used += 1;
        }
        for letter in word.graphemes(true) {
            if used + letter.width() > columns {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push_str(letter);
            used += letter.width();
        }
    }
    lines.push(line);
    lines
}

/// A lab's checks and their points.
pub fn checks(lab: &str, only: &[String], style: Style) -> String {
    let mut page = String::new();
    let checks: Vec<_> = suites::all(lab).iter().filter(|check| suites::is_asked(check.id, only)).collect();
    let wide = checks.iter().map(|check| check.id.len()).max().unwrap_or(0);
    for check in checks {
        let _ = writeln!(page, "{:<wide$}  {:>2}  {}", check.id, check.points(), style.faint(check.requirement()));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_asked_and_nothing_is_lost_but_blanks() {
        let text = "the server closed the connection (FIN) 日本語日本語 0123456789012345678901234567890123456789";
        for columns in [4, 10, 33, 80, usize::MAX] {
            let lines = wrapped(text, columns);
            assert!(lines.iter().all(|line| line.width() <= columns), "{columns}: {lines:?}");
            let bare = |text: &str| text.replace(' ', "");
            assert_eq!(bare(&lines.concat()), bare(text));
        }
        assert_eq!(wrapped("  two  blanks", usize::MAX), ["  two  blanks"]);
        assert_eq!(wrapped("", 80), [""]);
    }
}
