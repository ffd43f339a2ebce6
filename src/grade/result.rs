//! What came of one submission.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::check::{Graded, Verdict};
use super::class::Unread;
use super::isolation::Isolation;
use super::submission::{Submission, bytes_of_path};

/// What came of one submission.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Its folder's name, or the lab's.
    pub name: String,
    /// Its folder.
    #[serde(with = "bytes_of_path")]
    pub dir: PathBuf,
    /// The lab; empty where its folder does not say.
    pub lab: String,
    /// How its programs are started: role and command.
    pub commands: Vec<(String, String)>,
    /// The seed.
    pub seed: u64,
    /// Its checks, in the lab's order.
    pub checks: Vec<Graded>,
    /// How far it was apart.
    pub isolation: Isolation,
    /// Why it could not be graded to its end.
    pub error: Option<String>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Report {
    /// Of a submission of which nothing has been tried yet.
    pub fn new(submission: &Submission, seed: u64, isolation: Isolation) -> Report {
        let commands = [("server", &submission.server), ("client", &submission.client)];
        let given = |(role, command): (&str, &Option<String>)| Some((role.to_owned(), command.clone()?));
        Report {
            name: submission.name.clone(),
            dir: submission.dir.clone(),
            lab: submission.lab.clone(),
            commands: commands.into_iter().filter_map(given).collect(),
            seed,
            checks: vec![],
            isolation,
            error: None,
            elapsed: Duration::ZERO,
        }
    }

    /// Of a folder that does not say what is to be graded.
    pub fn unread(unread: &Unread, seed: u64, isolation: Isolation) -> Report {
        Report {
            name: unread.name.clone(),
            dir: unread.dir.clone(),
            lab: String::new(),
            commands: vec![],
            seed,
            checks: vec![],
            isolation,
            error: Some(unread.error.message()),
            elapsed: Duration::ZERO,
        }
    }

    /// The points given.
    pub fn score(&self) -> u32 {
        self.checks.iter().filter(|check| check.verdict.earns()).map(|check| check.points).sum()
    }

    /// The points there were: a check that could not be tried here has none.
    pub fn max_score(&self) -> u32 {
        self.checks.iter().filter(|check| check.verdict != Verdict::Skip).map(|check| check.points).sum()
    }

    /// Whether nothing failed.
    pub fn passed(&self) -> bool {
        self.error.is_none() && !self.checks.iter().any(|check| check.verdict.is_bad())
    }

    /// Why there is no grade, if no check could be tried.
    pub fn untried(&self) -> Option<String> {
        let first = self.checks.first()?.actual.as_deref().unwrap_or_default();
        let all = self.checks.iter().all(|check| check.verdict == Verdict::Skip);
        all.then(|| format!("nothing could be judged, since every check was skipped: {first}"))
    }

    /// How many checks came to this.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == verdict).count()
    }

    /// What the system does not allow here; nothing where nothing was tried.
    pub fn weakness(&self) -> Option<&'static str> {
        self.isolation.weakness().filter(|_| !self.checks.is_empty())
    }
}
