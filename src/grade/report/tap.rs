//! TAP version 14: one point a check, its evidence as a YAML block.

use std::fmt::Write;

use crate::grade::check::{Graded, Verdict};
use crate::grade::result::Report;

/// All submissions as one stream of points.
pub fn page(reports: &[Report]) -> String {
    let points: usize = reports.iter().map(|report| report.checks.len() + usize::from(report.error.is_some())).sum();
    let mut page = format!("TAP version 14\n1..{points}\n");
    let mut number = 0;
    for report in reports {
        let name = if reports.len() > 1 { format!("{} ", report.name) } else { String::new() };
        for check in &report.checks {
            number += 1;
            point(&mut page, number, &name, check);
        }
        if let Some(error) = &report.error {
            number += 1;
            let _ = writeln!(page, "not ok {number} - {}", escaped(&format!("{name}could not be graded: {error}")));
        }
    }
    page
}

fn point(page: &mut String, number: usize, name: &str, check: &Graded) {
    let ok = if check.verdict.is_bad() { "not ok" } else { "ok" };
    let text = escaped(&format!("{name}{}: {}", check.id, check.requirement));
    let directive = match check.verdict {
        Verdict::Skip => format!(" # SKIP {}", escaped(check.actual.as_deref().unwrap_or("could not be tried here"))),
        _ => String::new(),
    };
    let _ = writeln!(page, "{ok} {number} - {text}{directive}");
    if check.verdict == Verdict::Pass || check.verdict == Verdict::Skip {
        return;
    }
    let _ = writeln!(page, "  ---\n  verdict: {}", check.verdict.word());
    let replay = Some(check.replay.clone());
    for (key, value) in
        [("expected", &check.expected), ("actual", &check.actual), ("hint", &check.hint), ("replay", &replay)]
    {
        if let Some(value) = value {
            // A JSON string is a YAML string.
            let _ = writeln!(page, "  {key}: {}", serde_json::Value::from(value.as_str()));
        }
    }
    let _ = writeln!(page, "  points: {}\n  ...", check.points);
}

/// `#` begins a directive, `\` an escape; a point is one line.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#").replace(['\n', '\r'], " ")
}
