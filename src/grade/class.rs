//! One submission or a whole class: several at a time, each by a judge of its
//! own, and no broken one stops the rest.

use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::error::{Attempt, Error, Result, Status};

use super::Desk;
use super::check::{Graded, Verdict};
use super::isolation::Isolation;
use super::judge::{self, Job, Said, Troubles};
use super::submission::Submission;
use super::suites;

/// A folder's submission, or its name and why there is none.
pub type Entry = std::result::Result<Submission, Box<(String, Error)>>;

/// Between two looks at the files of a watched folder.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// What is graded, and how.
pub struct Class {
    /// The submissions, in order.
    pub submissions: Vec<Entry>,
    /// How far each is apart.
    pub isolation: Isolation,
    /// The seed of them all.
    pub seed: u64,
    /// How many at the same time.
    pub jobs: usize,
    /// Only these checks.
    pub only: Vec<String>,
    /// Whether the folder was named.
    pub dir_named: bool,
    /// How long one submission may take.
    pub longest: Duration,
}

/// What came of one submission.
pub struct Report {
    /// Its folder's name, or the lab's.
    pub name: String,
    /// The lab.
    pub lab: String,
    /// How its programs are started.
    pub commands: Vec<(&'static str, String)>,
    /// The seed.
    pub seed: u64,
    /// Its checks, in the lab's order.
    pub checks: Vec<Graded>,
    /// What the system does not allow here.
    pub weakness: Option<&'static str>,
    /// Why it could not be graded to its end.
    pub error: Option<String>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Report {
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

    /// How many checks came to this.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == verdict).count()
    }

    fn unread(name: &str, error: &Error, seed: u64) -> Report {
        Report {
            name: name.to_owned(),
            lab: String::new(),
            commands: vec![],
            seed,
            checks: vec![],
            weakness: None,
            error: Some(error.message()),
            elapsed: Duration::ZERO,
        }
    }
}

/// Reads a folder's submission.
pub fn read(dir: &Path) -> Entry {
    let name = dir.file_name().map_or_else(|| dir.display().to_string(), |name| name.to_string_lossy().into_owned());
    Submission::read(dir).map_err(|error| Box::new((name, error)))
}

/// The strongest isolation that the system allows, or the one asked for.
///
/// # Errors
/// The one asked for cannot be had.
pub fn strongest(asked: Option<Isolation>, _desk: &Desk<'_>) -> Result<Isolation> {
    if let Some(isolation) = asked {
        return match possible(isolation) {
            Ok(()) => Ok(isolation),
            Err(cause) => Err(Error::other(Attempt::Open, format!("isolation {}", judge::name(isolation)), cause)
                .because("the system forbids namespaces to this user")
                .next("no --isolation: then the strongest possible one is taken")
                .unasked()),
        };
    }
    Ok(Isolation::ALL.into_iter().find(|isolation| possible(*isolation).is_ok()).unwrap_or(Isolation::None))
}

fn possible(isolation: Isolation) -> std::result::Result<(), String> {
    let mut command = judge::command(isolation, true).map_err(|cause| cause.to_string())?;
    let output = command.stdin(Stdio::null()).output().map_err(|cause| cause.to_string())?;
    let (mut can, mut why) = (false, String::from("the judge did not start"));
    judge::listen(&output.stdout[..], |said| match said {
        Said::Possible => can = true,
        Said::Broken(cause) => why = cause,
        _ => {}
    });
    if can { Ok(()) } else { Err(why) }
}

impl Class {
    /// Grades them all; the reports in the submissions' order.
    pub fn grade(&self, desk: &Desk<'_>) -> Vec<Report> {
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let reports: Vec<Mutex<Option<Report>>> = self.submissions.iter().map(|_| Mutex::new(None)).collect();
        thread::scope(|scope| {
            for _ in 0..self.jobs.min(self.submissions.len()) {
                scope.spawn(|| {
                    while let Some(entry) = self.submissions.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let at = self.submissions.iter().position(|other| std::ptr::eq(other, entry)).unwrap_or(0);
                        let report = self.grade_one(entry);
                        let count = done.fetch_add(1, Ordering::Relaxed) + 1;
                        if self.submissions.len() > 1 && !desk.quiet {
                            (desk.aside)(&self.progress(count, &report));
                        }
                        *reports[at].lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
                    }
                });
            }
        });
        reports.into_iter().filter_map(|report| report.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
    }

    fn progress(&self, count: usize, report: &Report) -> String {
        let of = self.submissions.len();
        match &report.error {
            Some(error) => format!("[{count}/{of}] {}: {error}\n", report.name),
            None => format!("[{count}/{of}] {}: {} of {}\n", report.name, report.score(), report.max_score()),
        }
    }

    fn grade_one(&self, entry: &Entry) -> Report {
        let submission = match entry {
            Ok(submission) => submission,
            Err(unread) => return Report::unread(&unread.0, &unread.1, self.seed),
        };
        let began = Instant::now();
        let (mut checks, mut error) = (Vec::new(), None);
        if let Err(cause) = self.judge(submission, &mut checks) {
            error = Some(cause);
        }
        let failed =
            checks.iter().find_map(|check| check.grader_failed().map(|failed| format!("{}: {failed}", check.id)));
        error = error.or(failed);
        let order = suites::all(&submission.lab);
        checks.sort_by_key(|graded: &Graded| order.iter().position(|check| check.id == graded.id));
        let commands = [("server", &submission.server), ("client", &submission.client)];
        Report {
            name: submission.name.clone(),
            lab: submission.lab.clone(),
            commands: commands.into_iter().filter_map(|(role, command)| Some((role, command.clone()?))).collect(),
            seed: self.seed,
            checks,
            weakness: self.isolation.weakness(),
            error,
            elapsed: began.elapsed(),
        }
    }

    fn judge(&self, submission: &Submission, checks: &mut Vec<Graded>) -> std::result::Result<(), String> {
        let told = |cause: std::io::Error| cause.to_string();
        if suites::labs().all(|lab| lab != submission.lab) {
            return Err(format!("there is no lab {:?} to grade", submission.lab));
        }
        let scratch = tempfile::Builder::new().prefix("netlab-grade-").tempdir().map_err(told)?;
        let job = Job {
            submission: submission.clone(),
            dir: submission.dir.canonicalize().map_err(told)?,
            dir_named: self.dir_named,
            seed: self.seed,
            only: self.only.clone(),
            isolation: self.isolation,
            scratch: scratch.path().canonicalize().map_err(told)?,
            width: if self.jobs.min(self.submissions.len()) > 1 { 2 } else { 5 },
            troubles: Troubles::default(),
        };
        let mut child = judge::command(self.isolation, false).and_then(|mut command| command.spawn()).map_err(told)?;
        let sent = child.stdin.take().map(|mut input| serde_json::to_vec(&job).map(|job| input.write_all(&job)));
        if !matches!(sent, Some(Ok(Ok(())))) {
            let _ = child.kill();
            let _ = child.wait();
            return Err("the judge did not start".to_owned());
        }
        self.heard(child, checks)
    }

    /// Reads verdicts until the judge is done, or too long has passed.
    fn heard(&self, mut child: Child, checks: &mut Vec<Graded>) -> std::result::Result<(), String> {
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let child = Arc::new(Mutex::new(child));
        let over = Arc::new(AtomicBool::new(false));
        let guard = thread::spawn({
            let (child, over, until) = (child.clone(), over.clone(), Instant::now() + self.longest);
            move || {
                while !over.load(Ordering::Acquire) && Instant::now() < until {
                    thread::park_timeout(Duration::from_millis(500));
                }
                if !over.load(Ordering::Acquire) {
                    // All below it goes with it.
                    let _ = child.lock().unwrap_or_else(PoisonError::into_inner).kill();
                }
            }
        });
        let complaints = thread::spawn(move || {
            let mut text = String::new();
            let _ = errors.map(|errors| errors.take(64 * 1024).read_to_string(&mut text));
            text
        });
        let (mut done, mut broken) = (false, None);
        if let Some(output) = output {
            judge::listen(BufReader::new(output), |said| match said {
                Said::Graded(graded) => checks.push(*graded),
                Said::Done => done = true,
                Said::Broken(cause) => broken = broken.take().or(Some(cause)),
                Said::Possible => {}
            });
        }
        over.store(true, Ordering::Release);
        guard.thread().unpark();
        let _ = child.lock().unwrap_or_else(PoisonError::into_inner).wait();
        let said = complaints.join().unwrap_or_default();
        if done {
            return Ok(());
        }
        Err(broken.unwrap_or_else(|| {
            format!("the judge ended before it was done {}", said.lines().last().unwrap_or_default())
        }))
    }

    /// Whether all passed.
    ///
    /// # Errors
    /// One submission alone could not be graded.
    pub fn status(&self, reports: &[Report]) -> Result<Status> {
        if let [Report { error: Some(error), name, .. }] = reports {
            return Err(Error::other(Attempt::Read, name.as_str(), error.as_str())
                .because("the grader could not go on; this says nothing about the program")
                .next("the same again; if it stays so, --isolation network, and a report of this error")
                .unasked());
        }
        Ok(if reports.iter().all(Report::passed) { Status::Done } else { Status::No })
    }

    /// Waits until a file of a submission is saved; its path.
    pub fn wait_for_a_change(&self) -> PathBuf {
        let folders: Vec<&Path> =
            self.submissions.iter().flatten().map(|submission| submission.dir.as_path()).collect();
        let seen = newest(&folders);
        loop {
            thread::sleep(LOOK_EVERY);
            let now = newest(&folders);
            if now != seen
                && let Some((_, path, _)) = now
            {
                return path;
            }
        }
    }
}

/// The file saved last, and how many there are.
fn newest(folders: &[&Path]) -> Option<(SystemTime, PathBuf, usize)> {
    let (mut waiting, mut newest, mut count): (Vec<PathBuf>, Option<(SystemTime, PathBuf)>, usize) =
        (folders.iter().map(|folder| folder.to_path_buf()).collect(), None, 0);
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(about) = entry.metadata() else { continue };
            if about.is_dir() && !entry.file_name().to_string_lossy().starts_with('.') {
                waiting.push(entry.path());
            } else if let Ok(saved) = about.modified() {
                count += 1;
                newest = newest.max(Some((saved, entry.path())));
            }
        }
    }
    newest.map(|(saved, path)| (saved, path, count))
}
