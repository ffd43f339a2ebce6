//! One requirement, tried: its check, and what came of it.

use serde::{Deserialize, Serialize};

use super::exam::Exam;
use super::transcript::Entry;
use crate::handouts::{self, Requirement};

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The requirement is met.
    Pass,
    /// It is not.
    Fail,
    /// It is met, and something is worth saying.
    Note,
    /// It could not be tried here.
    Skip,
    /// Tried several times on the same seed, it was met and not met.
    Flaky,
}

impl Verdict {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Note => "note",
            Verdict::Skip => "skip",
            Verdict::Flaky => "flaky",
        }
    }

    /// Whether its points are given.
    pub fn earns(self) -> bool {
        matches!(self, Verdict::Pass | Verdict::Note)
    }

    /// Whether it counts against the submission.
    pub fn is_bad(self) -> bool {
        matches!(self, Verdict::Fail | Verdict::Flaky)
    }
}

/// How a skip begins whose reason is the grader's own failure: it says nothing
/// about the program, and the whole report is no grade.
pub const GRADER_FAILED: &str = "the grader failed: ";

/// Why a check did not simply pass.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Fail, note or skip.
    pub verdict: Verdict,
    /// What should have happened.
    pub expected: String,
    /// What happened.
    pub actual: String,
    /// Where to look for the fault.
    pub hint: String,
}

impl Finding {
    /// The requirement is not met.
    pub fn fail(expected: impl Into<String>, actual: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Fail, expected: expected.into(), actual: actual.into(), hint: String::new() }
    }

    /// Worth saying, costs nothing.
    pub fn note(what: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Note, expected: String::new(), actual: what.into(), hint: String::new() }
    }

    /// Could not be tried here.
    pub fn skip(why: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Skip, expected: String::new(), actual: why.into(), hint: String::new() }
    }

    /// The grader itself could not go on.
    pub fn broken(what: impl std::fmt::Display) -> Finding {
        Finding::skip(format!("{GRADER_FAILED}{what}"))
    }

    /// Says where to look.
    pub fn hint(mut self, hint: impl Into<String>) -> Finding {
        self.hint = hint.into();
        self
    }
}

impl Graded {
    /// The grader's own failure, if it could not try this one.
    pub fn grader_failed(&self) -> Option<&str> {
        self.actual.as_deref().filter(|actual| self.verdict == Verdict::Skip && actual.starts_with(GRADER_FAILED))
    }
}

/// Met, or why not.
pub type Answer = Result<(), Finding>;

/// Which program a check tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The server, or receiver.
    Server,
    /// The client, or sender.
    Client,
    /// Both, together.
    Both,
}

/// How a requirement of a lab is tried. Its words and its points are in the
/// lab's `lab.toml`, where students read them.
pub struct Check {
    /// `tcp-echo/echoes`.
    pub id: &'static str,
    /// Which programs it needs.
    pub side: Side,
    /// How it is tried.
    pub run: fn(&Exam<'_>) -> Answer,
}

/// What is said of a check that its lab does not know; a test sees to it that
/// there is none.
static UNSTATED: Requirement =
    Requirement { id: String::new(), side: handouts::Side::Both, points: 0, requirement: String::new() };

impl Check {
    /// Of a server, or receiver.
    pub const fn server(id: &'static str, run: fn(&Exam<'_>) -> Answer) -> Check {
        Check { id, side: Side::Server, run }
    }

    /// Of a client, or sender.
    pub const fn client(id: &'static str, run: fn(&Exam<'_>) -> Answer) -> Check {
        Check { id, side: Side::Client, run }
    }

    /// Of both, together.
    pub const fn both(id: &'static str, run: fn(&Exam<'_>) -> Answer) -> Check {
        Check { id, side: Side::Both, run }
    }

    /// What it tries, in the lab's words.
    pub fn requirement(&self) -> &'static str {
        &self.stated().requirement
    }

    /// What it is worth.
    pub fn points(&self) -> u32 {
        self.stated().points
    }

    fn stated(&self) -> &'static Requirement {
        handouts::requirement(self.id).unwrap_or(&UNSTATED)
    }
}

/// A check that was tried. The fields are the contract's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Graded {
    /// `tcp-echo/echoes`.
    pub id: String,
    /// The lab's words.
    pub requirement: String,
    /// What it is worth.
    pub points: u32,
    /// What came of it.
    pub verdict: Verdict,
    /// What should have happened, where it did not.
    pub expected: Option<String>,
    /// What happened.
    pub actual: Option<String>,
    /// All that was seen.
    pub transcript: Vec<Entry>,
    /// Where to look.
    pub hint: Option<String>,
    /// The command that tries it again.
    pub replay: String,
    /// How long it took.
    pub elapsed_s: f64,
}
