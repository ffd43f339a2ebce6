//! The report that a student reads: what holds, what does not, and what was
//! seen.

use std::fmt::Write;

use anstyle::{AnsiColor, Style as Ansi};

use super::Style;
use crate::grade::check::{Graded, Verdict};
use crate::grade::class::Report;
use crate::grade::suites;
use crate::grade::transcript::Entry;

/// Entries of a transcript that are shown; all are in the JSON.
const SHOWN: usize = 24;

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
    let title = if report.lab.is_empty() || report.name == report.lab {
        report.name.clone()
    } else {
        format!("{}: {}", report.name, report.lab)
    };
    let _ = writeln!(page, "{}", style.strong(&title));
    for (role, command) in &report.commands {
        let _ = writeln!(page, "  {}", style.faint(&format!("{role}: {command}")));
    }
    let wide = report.checks.iter().map(|check| short(&check.id).len()).max().unwrap_or(0);
    for check in &report.checks {
        line(page, check, wide, style);
        if check.verdict != Verdict::Pass {
            evidence(page, check, style);
        }
    }
    if let Some(weakness) = report.weakness {
        let _ = writeln!(page, "  {}", style.faint(&format!("weaker here: {weakness}")));
    }
    if let Some(error) = &report.error {
        let _ = writeln!(
            page,
            "  {}",
            style.paint(&format!("could not be graded to the end: {error}"), style.of(Verdict::Fail))
        );
    }
    summary(page, report, style);
}

fn short(id: &str) -> &str {
    id.split_once('/').map_or(id, |(_, short)| short)
}

fn line(page: &mut String, check: &Graded, wide: usize, style: Style) {
    let verdict = style.paint(&format!("{:<5}", check.verdict.word()), style.of(check.verdict));
    let points = match check.verdict {
        Verdict::Skip => "   -  ".to_owned(),
        verdict => format!("{:>2}/{:<2} ", if verdict.earns() { check.points } else { 0 }, check.points),
    };
    let _ = writeln!(page, "  {verdict} {points} {:<wide$}  {}", short(&check.id), style.faint(&check.requirement));
}

fn evidence(page: &mut String, check: &Graded, style: Style) {
    let label = if check.verdict == Verdict::Skip || check.verdict == Verdict::Note { "because" } else { "happened" };
    let rows = [("expected", &check.expected), (label, &check.actual), ("hint", &check.hint)];
    for (label, text) in rows {
        if let Some(text) = text {
            let shown = if label == "hint" { style.strong(text) } else { text.clone() };
            let _ = writeln!(page, "          {label:<9} {shown}");
        }
    }
    if check.verdict.is_bad() {
        transcript(page, &check.transcript, style);
        let _ = writeln!(page, "          {:<9} {}\n", "again", style.faint(&check.replay));
    }
}

fn transcript(page: &mut String, entries: &[Entry], style: Style) {
    let left_out = entries.len().saturating_sub(SHOWN);
    for (at, entry) in entries.iter().enumerate() {
        let label = if at == 0 { "seen" } else { "" };
        if at == SHOWN / 2 && left_out > 0 {
            let _ = writeln!(page, "          {:<9} {}", "", style.faint(&format!("… {left_out} more …")));
        }
        if left_out > 0 && at >= SHOWN / 2 && at < SHOWN / 2 + left_out {
            continue;
        }
        let what = entry.sentence();
        let _ = writeln!(page, "          {label:<9} {} {what}", style.faint(&format!("{:>8.4}", entry.t)));
    }
}

fn summary(page: &mut String, report: &Report, style: Style) {
    let counts = [Verdict::Pass, Verdict::Fail, Verdict::Flaky, Verdict::Note, Verdict::Skip]
        .into_iter()
        .filter(|verdict| report.count(*verdict) > 0)
        .map(|verdict| style.paint(&format!("{} {}", report.count(verdict), verdict.word()), style.of(verdict)));
    let counts: Vec<String> = counts.collect();
    let score = style.strong(&format!("{} of {} points", report.score(), report.max_score()));
    let aside = style.faint(&format!("seed {}, {:.1} s", report.seed, report.elapsed.as_secs_f64()));
    let _ = writeln!(page, "  {score}: {}  {aside}", counts.join(", "));
}

fn table(page: &mut String, reports: &[Report], style: Style) {
    let wide = reports.iter().map(|report| report.name.chars().count()).max().unwrap_or(0);
    let _ = writeln!(page);
    for report in reports {
        let verdict = if report.passed() { Verdict::Pass } else { Verdict::Fail };
        let failed: Vec<&str> =
            report.checks.iter().filter(|check| check.verdict.is_bad()).map(|check| short(&check.id)).collect();
        let _ = writeln!(
            page,
            "{} {:<wide$}  {:>3}/{:<3}  {}",
            style.paint(&format!("{:<5}", verdict.word()), style.of(verdict)),
            report.name,
            report.score(),
            report.max_score(),
            report.error.clone().unwrap_or_else(|| failed.join(", ")),
        );
    }
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
