//! A table (RFC 4180): a row for each submission, a column for each check.

use crate::grade::result::Report;

/// The whole file.
pub fn page(reports: &[Report]) -> String {
    let mut ids: Vec<&str> = Vec::new();
    for check in reports.iter().flat_map(|report| &report.checks) {
        if !ids.contains(&check.id.as_str()) {
            ids.push(&check.id);
        }
    }
    let mut head = vec!["name", "lab", "verdict", "score", "max_score", "seed", "error"];
    head.extend(&ids);
    let mut page = row(head.into_iter().map(str::to_owned));
    for report in reports {
        page.push_str(&row(cells(report, &ids).into_iter()));
    }
    page
}

fn cells(report: &Report, ids: &[&str]) -> Vec<String> {
    let mut cells = vec![
        report.name.clone(),
        report.lab.clone(),
        if report.passed() { "pass" } else { "fail" }.to_owned(),
        report.score().to_string(),
        report.max_score().to_string(),
        report.seed.to_string(),
        report.error.clone().unwrap_or_default(),
    ];
    for id in ids {
        let check = report.checks.iter().find(|check| check.id == *id);
        cells.push(check.map_or_else(String::new, |check| check.verdict.word().to_owned()));
    }
    cells
}

fn row(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|cell| quoted(&cell)).collect();
    format!("{}\r\n", cells.join(","))
}

/// In quotes where needed. A folder's name is its owner's choice, and a
/// spreadsheet runs what begins with `=`: it is made text.
fn quoted(cell: &str) -> String {
    let cell =
        if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_neither_split_nor_run() {
        for (cell, written) in [
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=1+1", "'=1+1"),
            ("\n=1", "\"'\n=1\""),
            ("plain", "plain"),
        ] {
            assert_eq!(quoted(cell), written);
        }
    }
}
