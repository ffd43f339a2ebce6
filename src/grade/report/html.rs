//! A page for a class, in one file: who, which lab, which check; a click shows
//! the evidence. It needs no script and no other file.

use std::fmt::Write;

use super::{escaped, evidence};
use crate::grade::check::{Graded, Verdict};
use crate::grade::class::Report;

const HEAD: &str = "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>netlab grade</title>
<style>
:root { color-scheme: light dark; --line: #8884; --pass: #1a7f37; --fail: #cf222e; --note: #0969da; --skip: #8a8f98; --flaky: #bf8700; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 66rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .3rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.verdict { font-weight: 600; } .pass { color: var(--pass); } .fail { color: var(--fail); } .note { color: var(--note); } .skip { color: var(--skip); } .flaky { color: var(--flaky); }
.faint { opacity: .7; font-size: .9rem; } a { color: inherit; }
details { border-bottom: 1px solid var(--line); padding: .3rem .6rem; } details > div { margin: .4rem 0 .8rem 1.2rem; }
summary { cursor: pointer; } summary::marker { color: var(--skip); } .plain { border-bottom: 1px solid var(--line); padding: .3rem .6rem .3rem 1.6rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 0; } dt { opacity: .7; } dd { margin: 0; overflow-wrap: anywhere; } dd.hint { font-weight: 600; }
pre { overflow-x: auto; font: .85rem/1.45 ui-monospace, monospace; margin: .6rem 0 0; }
code { font: .88em ui-monospace, monospace; }
</style>
</head>
<body>
";

/// The whole page.
pub fn page(reports: &[Report]) -> String {
    let mut page = String::from(HEAD);
    let passed = reports.iter().filter(|report| report.passed()).count();
    let _ = writeln!(
        page,
        "<h1>{} submission{}, {passed} without a fault</h1>",
        reports.len(),
        if reports.len() == 1 { "" } else { "s" }
    );
    if let Some(weakness) = reports.iter().find_map(|report| report.weakness) {
        let _ = writeln!(page, "<p class=\"faint\">Weaker here: {}</p>", escaped(weakness));
    }
    table(&mut page, reports);
    for (at, report) in reports.iter().enumerate() {
        one(&mut page, at, report);
    }
    page.push_str("</body>\n</html>\n");
    page
}

fn table(page: &mut String, reports: &[Report]) {
    page.push_str("<table>\n<thead><tr><th>who</th><th>lab</th><th class=\"number\">points</th><th>not met</th></tr></thead>\n<tbody>\n");
    for (at, report) in reports.iter().enumerate() {
        let failed = report.checks.iter().enumerate().filter(|(_, check)| check.verdict.is_bad());
        let failed: Vec<String> = failed
            .map(|(n, check)| {
                format!("<a class=\"{}\" href=\"#s{at}c{n}\">{}</a>", check.verdict.word(), escaped(short(&check.id)))
            })
            .collect();
        let note = report
            .error
            .as_ref()
            .map(|error| format!("<span class=\"fail\">{}</span>", escaped(error)))
            .unwrap_or_default();
        let _ = writeln!(
            page,
            "<tr><td><a href=\"#s{at}\">{}</a></td><td>{}</td><td class=\"number verdict {}\">{} / {}</td><td>{}{note}</td></tr>",
            escaped(&report.name),
            escaped(&report.lab),
            if report.passed() { "pass" } else { "fail" },
            report.score(),
            report.max_score(),
            failed.join(", "),
        );
    }
    page.push_str("</tbody>\n</table>\n");
}

fn short(id: &str) -> &str {
    id.split_once('/').map_or(id, |(_, short)| short)
}

fn one(page: &mut String, at: usize, report: &Report) {
    let _ = writeln!(
        page,
        "<h2 id=\"s{at}\">{} <span class=\"faint\">{}, {} of {} points, seed {}</span></h2>",
        escaped(&report.name),
        escaped(&report.lab),
        report.score(),
        report.max_score(),
        report.seed
    );
    for (role, command) in &report.commands {
        let _ = writeln!(page, "<div class=\"faint\">{role}: <code>{}</code></div>", escaped(command));
    }
    for (n, check) in report.checks.iter().enumerate() {
        row(page, &format!("s{at}c{n}"), check);
    }
}

fn row(page: &mut String, anchor: &str, check: &Graded) {
    let word = check.verdict.word();
    let points = match check.verdict {
        Verdict::Skip => "–".to_owned(),
        verdict => format!("{}/{}", if verdict.earns() { check.points } else { 0 }, check.points),
    };
    let line = format!(
        "<span class=\"verdict {word}\">{word}</span> {points} <code>{}</code> <span class=\"faint\">{}</span>",
        escaped(short(&check.id)),
        escaped(&check.requirement),
    );
    if check.verdict == Verdict::Pass {
        let _ = writeln!(page, "<div class=\"plain\">{line}</div>");
        return;
    }
    let _ = writeln!(page, "<details id=\"{anchor}\"><summary>{line}</summary><div><dl>");
    for (label, class, value) in
        [("expected", "", &check.expected), ("happened", "", &check.actual), ("hint", "hint", &check.hint)]
    {
        if let Some(value) = value {
            let _ = writeln!(page, "<dt>{label}</dt><dd class=\"{class}\">{}</dd>", escaped(value));
        }
    }
    let _ = writeln!(page, "<dt>again</dt><dd><code>{}</code></dd></dl>", escaped(&check.replay));
    if let Some((_, seen)) = evidence(check).split_once("seen:\n") {
        let _ = writeln!(page, "<pre>{}</pre>", escaped(seen));
    }
    page.push_str("</div></details>\n");
}
