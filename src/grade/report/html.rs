//! A page for a class, in one file: who, which lab, which check; a click shows
//! the evidence. It needs no script and no other file.

use std::fmt::Write;

use super::{escaped, evidence};
use crate::grade::check::{Graded, Verdict};
use crate::grade::result::Report;

const HEAD: &str = "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>netlab grade</title>
<style>
:root { color-scheme: light dark; --line: #8884; --pass: #1a7f37; --fail: #cf222e; --note: #0969da; --skip: #6e7781; --flaky: #9a6700; --faint: #57606a; }
@media (prefers-color-scheme: dark) { :root { --pass: #57ab5a; --fail: #f47067; --note: #6cb6ff; --skip: #909dab; --flaky: #daaa3f; --faint: #9aa4af; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 66rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 2.4rem 0 .3rem; } h2 .faint { font-weight: normal; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; margin-bottom: 1.4rem; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; } .name { min-width: 8rem; overflow-wrap: anywhere; } .lab { white-space: nowrap; }
.verdict { font-weight: 600; } .pass { color: var(--pass); } .fail { color: var(--fail); } .note { color: var(--note); } .skip { color: var(--skip); } .flaky { color: var(--flaky); }
.faint { color: var(--faint); font-size: .9rem; } a { color: inherit; text-underline-offset: .15em; text-decoration-thickness: 1px; }
.check { border-bottom: 1px solid var(--line); padding: .3rem .6rem; } .plain { padding-left: 1.6rem; } details > div { margin: .4rem 0 .8rem 1.2rem; scroll-margin-top: 3rem; }
.check .verdict { display: inline-block; min-width: 2.7rem; } .points { display: inline-block; min-width: 3.6rem; font-variant-numeric: tabular-nums; }
summary { cursor: pointer; } summary::marker { color: var(--skip); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 0; } dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; } dd.hint { font-weight: 600; }
pre { overflow-x: auto; font: .85rem/1.45 ui-monospace, monospace; margin: .6rem 0 0; }
code { font: .88em ui-monospace, monospace; overflow-wrap: anywhere; }
@media (max-width: 40rem) { body { font-size: 15px; margin: 1rem auto; padding: 0 .7rem; } th, td { padding: .25rem .35rem; } details > div { margin-left: 0; } dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .3rem; } .name { min-width: 5rem; } td { overflow-wrap: anywhere; } .lab { white-space: normal; overflow-wrap: break-word; } .about { display: none; } }
@media print { body { max-width: none; margin: 0; font-size: 10pt; } h2 { break-after: avoid; } details::details-content { content-visibility: visible; block-size: auto; } pre { white-space: pre-wrap; overflow-wrap: anywhere; } .check { break-inside: avoid-page; } a { text-decoration: none; } }
</style>
</head>
<body>
";

/// The whole page.
pub fn page(reports: &[Report]) -> String {
    let mut page = String::from(HEAD);
    let passed = reports.iter().filter(|report| report.passed()).count();
    let plural = if reports.len() == 1 { "" } else { "s" };
    let _ = writeln!(page, "<h1>{} submission{plural}, {passed} without a fault</h1>", reports.len());
    if let Some(weakness) = reports.iter().find_map(Report::weakness) {
        let _ = writeln!(page, "<p class=\"faint\">Weaker here: {}</p>", escaped(weakness));
    }
    if reports.len() > 1 {
        table(&mut page, reports);
        missed(&mut page, reports);
    }
    for (at, report) in reports.iter().enumerate() {
        one(&mut page, at, report);
    }
    page.push_str("</body>\n</html>\n");
    page
}

fn table(page: &mut String, reports: &[Report]) {
    page.push_str("<div class=\"wide\"><table>\n<thead><tr><th>who</th><th>lab</th><th class=\"number\">points</th><th>not met</th></tr></thead>\n<tbody>\n");
    for (at, report) in reports.iter().enumerate() {
        let _ = writeln!(
            page,
            "<tr><td class=\"name\"><a href=\"#s{at}\">{}</a></td><td class=\"lab\">{}</td><td class=\"number verdict {}\">{}</td><td>{}</td></tr>",
            escaped(&report.name),
            escaped(&report.lab),
            if report.passed() { "pass" } else { "fail" },
            points(report),
            not_met(at, report),
        );
    }
    page.push_str("</tbody>\n</table></div>\n");
}

fn points(report: &Report) -> String {
    match report.checks.is_empty() {
        true => "–".to_owned(),
        false => format!("{} / {}", report.score(), report.max_score()),
    }
}

fn not_met(at: usize, report: &Report) -> String {
    if let Some(error) = &report.error {
        return format!("<span class=\"fail\">{}</span>", escaped(error));
    }
    let bad: Vec<(usize, &Graded)> =
        report.checks.iter().enumerate().filter(|(_, check)| check.verdict.is_bad()).collect();
    let link =
        |n: usize, word: &str, text: &str| format!("<a class=\"{word}\" href=\"#s{at}c{n}\">{}</a>", escaped(text));
    if bad.len() > 1 && bad.len() == report.checks.len() {
        return link(bad[0].0, "fail", &format!("all {} checks", bad.len()));
    }
    bad.iter().map(|(n, check)| link(*n, check.verdict.word(), short(&check.id))).collect::<Vec<_>>().join(", ")
}

/// What the class has not understood yet: each check that somebody has missed,
/// the one that most have missed first.
fn missed(page: &mut String, reports: &[Report]) {
    let mut tally: Vec<(&Graded, usize, usize)> = Vec::new();
    for check in reports.iter().flat_map(|report| &report.checks).filter(|check| check.verdict != Verdict::Skip) {
        match tally.iter_mut().find(|(known, ..)| known.id == check.id) {
            Some((_, bad, all)) => (*bad, *all) = (*bad + usize::from(check.verdict.is_bad()), *all + 1),
            None => tally.push((check, usize::from(check.verdict.is_bad()), 1)),
        }
    }
    tally.retain(|(_, bad, _)| *bad > 0);
    tally.sort_by_key(|(_, bad, _)| std::cmp::Reverse(*bad));
    if tally.is_empty() {
        return;
    }
    page.push_str("<div class=\"wide\"><table>\n<thead><tr><th class=\"number\">missed by</th><th>check</th><th class=\"about\">requirement</th></tr></thead>\n<tbody>\n");
    for (check, bad, all) in tally {
        let _ = writeln!(
            page,
            "<tr><td class=\"number\">{bad} of {all}</td><td class=\"lab\"><code>{}</code></td><td class=\"faint about\">{}</td></tr>",
            escaped(&check.id),
            escaped(&check.requirement),
        );
    }
    page.push_str("</tbody>\n</table></div>\n");
}

fn short(id: &str) -> &str {
    id.split_once('/').map_or(id, |(_, short)| short)
}

fn one(page: &mut String, at: usize, report: &Report) {
    let about = match (report.lab.as_str(), report.checks.is_empty()) {
        ("", _) => String::new(),
        (lab, true) => escaped(lab),
        (lab, false) => {
            format!("{}, {} of {} points, seed {}", escaped(lab), report.score(), report.max_score(), report.seed)
        }
    };
    let _ = writeln!(page, "<h2 id=\"s{at}\">{} <span class=\"faint\">{about}</span></h2>", escaped(&report.name));
    for (role, command) in &report.commands {
        let _ = writeln!(page, "<div class=\"faint\">{}: <code>{}</code></div>", escaped(role), escaped(command));
    }
    if let Some(error) = &report.error {
        let _ = writeln!(page, "<div class=\"fail\">could not be graded to the end: {}</div>", escaped(error));
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
        "<span class=\"verdict {word}\">{word}</span> <span class=\"points\">{points}</span> <code>{}</code> <span class=\"faint\">{}</span>",
        escaped(short(&check.id)),
        escaped(&check.requirement),
    );
    if check.verdict == Verdict::Pass {
        let _ = writeln!(page, "<div class=\"check plain\">{line}</div>");
        return;
    }
    // The anchor is inside: a browser that goes there unfolds what it is in.
    let _ = writeln!(page, "<details class=\"check\"><summary>{line}</summary><div id=\"{anchor}\"><dl>");
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
