//! JUnit's XML: a suite for each submission, a case for each check. There is
//! no official schema; this is the part that all importers share.

use std::fmt::Write;

use super::{escaped, evidence};
use crate::grade::check::{Graded, Verdict};
use crate::grade::result::Report;

/// The whole file.
pub fn page(reports: &[Report]) -> String {
    let sum = |count: fn(&Report) -> usize| reports.iter().map(count).sum::<usize>();
    let time: f64 = reports.iter().map(|report| report.elapsed.as_secs_f64()).sum();
    let mut page = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        page,
        "<testsuites name=\"netlab grade\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{time:.3}\">",
        sum(tests),
        sum(failures),
        sum(errors),
    );
    for report in reports {
        suite(&mut page, report);
    }
    page.push_str("</testsuites>\n");
    page
}

fn tests(report: &Report) -> usize {
    report.checks.len() + errors(report)
}

fn failures(report: &Report) -> usize {
    report.checks.iter().filter(|check| check.verdict.is_bad()).count()
}

fn errors(report: &Report) -> usize {
    usize::from(report.error.is_some())
}

fn suite(page: &mut String, report: &Report) {
    let _ = writeln!(
        page,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3}\">",
        escaped(&report.name),
        tests(report),
        failures(report),
        errors(report),
        report.count(Verdict::Skip),
        report.elapsed.as_secs_f64(),
    );
    let _ = writeln!(page, "    <properties>");
    for (name, value) in [
        ("lab", report.lab.clone()),
        ("score", report.score().to_string()),
        ("max_score", report.max_score().to_string()),
        ("seed", report.seed.to_string()),
    ] {
        let _ = writeln!(page, "      <property name=\"{name}\" value=\"{}\"/>", escaped(&value));
    }
    let _ = writeln!(page, "    </properties>");
    for check in &report.checks {
        case(page, report, check);
    }
    if let Some(error) = &report.error {
        let _ = writeln!(
            page,
            "    <testcase name=\"graded to the end\" classname=\"{}\" time=\"0\">",
            escaped(&report.name)
        );
        let _ =
            writeln!(page, "      <error type=\"grader\" message=\"{0}\">{0}</error>\n    </testcase>", escaped(error));
    }
    let _ = writeln!(page, "  </testsuite>");
}

fn case(page: &mut String, report: &Report, check: &Graded) {
    let class = escaped(&report.name);
    let _ = write!(
        page,
        "    <testcase name=\"{}\" classname=\"{class}\" time=\"{:.3}\"",
        escaped(&check.id),
        check.elapsed_s
    );
    let message = escaped(check.actual.as_deref().unwrap_or_default());
    let text = escaped(&evidence(check));
    let _ = match check.verdict {
        Verdict::Pass => writeln!(page, "/>"),
        Verdict::Skip => writeln!(page, ">\n      <skipped message=\"{message}\"/>\n    </testcase>"),
        Verdict::Note => writeln!(page, ">\n      <system-out>{text}</system-out>\n    </testcase>"),
        Verdict::Fail | Verdict::Flaky => writeln!(
            page,
            ">\n      <failure type=\"{}\" message=\"{message}\">{}\n{text}</failure>\n    </testcase>",
            check.verdict.word(),
            escaped(&check.requirement),
        ),
    };
}
