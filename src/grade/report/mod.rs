//! How grades are shown: to a student, to programs, to the systems of schools.
//! Each renderer makes text; who prints it is not its affair.

pub mod csv;
pub mod github;
pub mod gradescope;
pub mod html;
pub mod json;
pub mod junit;
pub mod tap;
pub mod text;

use std::path::{Path, PathBuf};

use crate::error::{Attempt, Error, Result};

use super::check::{Graded, Verdict};
use super::result::Report;

/// How text looks.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// In colours.
    pub color: bool,
    /// The window's width, where there is one.
    pub columns: Option<usize>,
}

/// Where else results go.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Reports")]
pub struct Files {
    /// TAP version 14 on standard output
    #[arg(long, conflicts_with = "json")]
    pub tap: bool,
    /// JUnit's XML, which CI systems show
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Gradescope's results.json, of one submission
    #[arg(long, value_name = "FILE")]
    gradescope: Option<PathBuf>,
    /// Annotations for GitHub Actions, on standard error: each failure at its file. On by itself where GITHUB_ACTIONS is set
    #[arg(long)]
    github: bool,
    /// A table, a row for each submission
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// A page for a class: who, which lab, which check, and the evidence
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Makes a report's text.
type Render = fn(&[Report]) -> String;

impl Files {
    fn wanted(&self) -> impl Iterator<Item = (&Path, Render)> {
        let all: [(&Option<PathBuf>, Render); 4] = [
            (&self.junit, junit::page),
            (&self.gradescope, gradescope::page),
            (&self.csv, csv::page),
            (&self.html, html::page),
        ];
        all.into_iter().filter_map(|(path, render)| Some((path.as_deref()?, render)))
    }

    /// Whether GitHub is to be told.
    pub fn annotates(&self) -> bool {
        self.github || std::env::var_os("GITHUB_ACTIONS").is_some_and(|set| set == "true")
    }

    /// Whether they can be written, before an hour is spent on grading.
    ///
    /// # Errors
    /// A folder that is not there, several submissions for Gradescope.
    pub fn examine(&self, submissions: usize) -> Result<()> {
        if submissions > 1 && self.gradescope.is_some() {
            return Err(Error::other(Attempt::Write, "results.json", "it holds one submission, and there are several")
                .because("Gradescope grades each submission by itself")
                .next("--csv FILE, --junit FILE or --html FILE for a class")
                .unasked());
        }
        for (path, _) in self.wanted() {
            let opened = std::fs::OpenOptions::new().create(true).append(true).open(path);
            opened.map_err(|cause| unwritable(path, &cause))?;
        }
        Ok(())
    }

    /// Writes them.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, reports: &[Report]) -> Result<()> {
        for (path, render) in self.wanted() {
            std::fs::write(path, render(reports)).map_err(|cause| unwritable(path, &cause))?;
        }
        Ok(())
    }
}

fn unwritable(path: &Path, cause: &std::io::Error) -> Error {
    Error::new(Attempt::Write, path.display().to_string(), cause).unasked()
}

/// A check's evidence as plain text.
fn evidence(check: &Graded) -> String {
    let mut text = String::new();
    let replay = (check.verdict != Verdict::Pass).then(|| check.replay.clone());
    let rows = [("expected", &check.expected), ("happened", &check.actual), ("hint", &check.hint), ("again", &replay)];
    for (label, value) in rows {
        if let Some(value) = value {
            text.push_str(&format!("{label}: {value}\n"));
        }
    }
    if check.verdict.is_bad() {
        text.push_str("seen:\n");
        for entry in &check.transcript {
            text.push_str(&format!("{:>9.4}  {}\n", entry.t, entry.sentence()));
        }
    }
    text
}

/// Text for XML and HTML: what would be markup as entities, and without the
/// characters that XML 1.0 (section 2.2) does not allow.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' => escaped.push(c),
            c if c < ' ' || ('\u{7f}'..='\u{9f}').contains(&c) || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                escaped.push('\u{fffd}')
            }
            c => escaped.push(c),
        }
    }
    escaped
}
