//! One object a submission, in the contract's shape.

use serde_json::{Value, json};

use crate::grade::result::Report;
use crate::grade::suites;

/// A submission's object, on one line.
pub fn object(report: &Report) -> Value {
    let mut object = json!({
        "lab": report.lab,
        "verdict": if report.passed() { "pass" } else { "fail" },
        "score": report.score(),
        "max_score": report.max_score(),
        "seed": report.seed,
        "checks": report.checks,
        "name": report.name,
        "folder": report.dir.display().to_string(),
        "elapsed_s": (report.elapsed.as_secs_f64() * 1e3).round() / 1e3,
    });
    if let Some(weakness) = report.weakness() {
        object["weaker"] = weakness.into();
    }
    if let Some(error) = &report.error {
        object["error"] = error.as_str().into();
    }
    object
}

/// A lab's checks, a line each.
pub fn checks(lab: &str, only: &[String]) -> String {
    let checks = suites::all(lab).iter().filter(|check| suites::is_asked(check.id, only));
    let lines = checks.map(|check| {
        let object =
            json!({"id": check.id, "requirement": check.requirement(), "points": check.points(), "side": check.side});
        format!("{object}\n")
    });
    lines.collect()
}
