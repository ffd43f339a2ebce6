//! Gradescope's `results.json`, as its autograder specification has it.

use serde_json::{Value, json};

use super::evidence;
use crate::grade::check::{Graded, Verdict};
use crate::grade::result::Report;

/// The file of the one submission.
pub fn page(reports: &[Report]) -> String {
    let Some(report) = reports.first() else { return "{}\n".to_owned() };
    let tests: Vec<Value> = report.checks.iter().enumerate().map(|(at, check)| test(at + 1, check)).collect();
    let mut output =
        format!("{}: {} of {} points, seed {}", report.lab, report.score(), report.max_score(), report.seed);
    for more in [report.error.as_deref(), report.weakness()].into_iter().flatten() {
        output.push_str(&format!("\n{more}"));
    }
    let page = json!({
        "score": report.score(),
        "execution_time": report.elapsed.as_secs(),
        "output": output,
        "output_format": "text",
        "test_output_format": "text",
        "visibility": "visible",
        "tests": tests,
        "extra_data": {"lab": report.lab, "seed": report.seed},
    });
    format!("{page:#}\n")
}

fn test(number: usize, check: &Graded) -> Value {
    let is_tried = check.verdict != Verdict::Skip;
    let mut test = json!({
        "number": number.to_string(),
        "name": format!("{}: {}", check.id, check.requirement),
        "output": evidence(check),
        "tags": [check.verdict.word()],
        "score": if check.verdict.earns() { check.points } else { 0 },
        // A check that could not be tried takes no points away.
        "max_score": if is_tried { check.points } else { 0 },
    });
    if is_tried {
        test["status"] = if check.verdict.earns() { "passed" } else { "failed" }.into();
    }
    test
}
