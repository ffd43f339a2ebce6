//! One submission or a whole class: several at a time, each by a judge of its
//! own, and no broken one stops the rest.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::error::{Attempt, Error, Result, Status};
use crate::net::stop::Stop;

use super::Desk;
use super::check::Graded;
use super::files;
use super::isolation::Isolation;
use super::java::Compiled;
use super::judge::{self, Job, Said, Troubles};
use super::kept::Kept;
use super::progress::Progress;
use super::result::Report;
use super::sitting;
use super::submission::Submission;
use super::suites;

/// A folder that does not say what is to be graded.
#[derive(Debug)]
pub struct Unread {
    /// Its name.
    pub name: String,
    /// The folder.
    pub dir: PathBuf,
    /// What is wrong with it.
    pub error: Error,
}

/// A folder's submission, or why there is none.
pub type Entry = std::result::Result<Submission, Box<Unread>>;

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
    /// What has been graded before.
    pub kept: Option<Kept>,
}

/// Reads a folder's submission.
pub fn read(dir: &Path) -> Entry {
    let name = dir.file_name().map_or_else(|| dir.display().to_string(), |name| name.to_string_lossy().into_owned());
    Submission::read(dir).map_err(|error| Box::new(Unread { name, dir: dir.to_owned(), error }))
}

/// Folders of the same name, of two groups say, are told apart by their paths.
pub fn name_apart(entries: &mut [Entry]) {
    let name = |entry: &Entry| entry.as_ref().map_or_else(|unread| unread.name.clone(), |read| read.name.clone());
    let names: Vec<String> = entries.iter().map(name).collect();
    for entry in entries {
        let (name, dir) = match entry {
            Ok(read) => (&mut read.name, &read.dir),
            Err(unread) => (&mut unread.name, &unread.dir),
        };
        if names.iter().filter(|other| *other == name).count() > 1 {
            *name = dir.display().to_string();
        }
    }
}

/// The strongest isolation that the system allows, or the one asked for.
///
/// # Errors
/// The one asked for cannot be had.
pub fn strongest(asked: Option<Isolation>) -> Result<Isolation> {
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
    let told = |cause: std::io::Error| cause.to_string();
    let scratch = scratch().map_err(told)?;
    let mut command = judge::command(isolation, Some(scratch.path())).map_err(told)?;
    let output = command.stdin(Stdio::null()).output().map_err(told)?;
    let (mut can, mut why) = (false, String::from("the judge did not start"));
    judge::listen(&output.stdout[..], |said| match said {
        Said::Possible => can = true,
        Said::Broken(cause) => why = cause,
        _ => {}
    });
    if can { Ok(()) } else { Err(why) }
}

/// Here, and not in the judge: what is made in there cannot be removed from
/// there.
fn scratch() -> std::io::Result<TempDir> {
    tempfile::Builder::new().prefix(files::SCRATCH).tempdir()
}

impl Class {
    /// Grades them all; the reports in the submissions' order. Once asked to
    /// stop, those that came to their end.
    pub fn grade(&self, desk: &Desk<'_>) -> Vec<Report> {
        let next = AtomicUsize::new(0);
        let reports: Vec<Mutex<Option<Report>>> = self.submissions.iter().map(|_| Mutex::new(None)).collect();
        let progress = Progress::new(desk, self.submissions.len());
        let work = || {
            while !desk.stop.is_asked() {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(entry) = self.submissions.get(at) else { return };
                let report = self.report(at, entry, &progress, &desk.stop);
                *reports[at].lock().unwrap_or_else(PoisonError::into_inner) = report;
            }
        };
        thread::scope(|scope| (0..self.width()).for_each(|_| drop(scope.spawn(work))));
        reports.into_iter().filter_map(|report| report.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
    }

    /// How many are graded at the same time.
    fn width(&self) -> usize {
        self.jobs.min(self.submissions.len())
    }

    /// One entry's report; none when it was stopped.
    fn report(&self, at: usize, entry: &Entry, progress: &Progress<'_>, stop: &Stop) -> Option<Report> {
        let report = match entry {
            Err(unread) => Report::unread(unread, self.seed, self.isolation),
            Ok(submission) => {
                let key = self.kept.as_ref().map(|_| self.key(submission));
                let kept = self.kept.as_ref().zip(key.as_deref());
                if let Some(report) = kept.and_then(|(kept, key)| kept.get(key)) {
                    progress.again(&report);
                    return Some(report);
                }
                progress.began(at, &submission.name, suites::checks(submission, &self.only).len());
                let report = self.grade_one(submission, stop, || progress.tried(at));
                if stop.is_asked() && report.error.is_some() {
                    progress.left(at);
                    return None;
                }
                if let Some((kept, key)) = kept.filter(|_| report.error.is_none()) {
                    kept.add(key, &report);
                }
                report
            }
        };
        progress.ended(at, &report);
        Some(report)
    }

    /// What a submission's verdicts depend on.
    fn key(&self, submission: &Submission) -> String {
        let asked = format!("{} {} {:?}", self.seed, judge::name(self.isolation), self.only);
        Kept::key(submission, self.dir_named, &asked)
    }

    fn grade_one(&self, submission: &Submission, stop: &Stop, tried: impl Fn()) -> Report {
        let began = Instant::now();
        let mut report = Report::new(submission, self.seed, self.isolation);
        let checks = &mut report.checks;
        let told = |graded| {
            checks.push(graded);
            tried();
        };
        report.error = self.judge(submission, stop, told).err();
        let failed = |check: &Graded| check.grader_failed().map(|failed| format!("{}: {failed}", check.id));
        let broken = report.error.take().or_else(|| report.checks.iter().find_map(failed));
        report.error = broken.or_else(|| report.untried());
        let order = suites::all(&submission.lab);
        report.checks.sort_by_key(|graded| order.iter().position(|check| check.id == graded.id));
        report.elapsed = began.elapsed();
        report
    }

    fn judge(&self, submission: &Submission, stop: &Stop, tell: impl FnMut(Graded)) -> std::result::Result<(), String> {
        let told = |cause: std::io::Error| cause.to_string();
        if suites::labs().all(|lab| lab != submission.lab) {
            return Err(format!("there is no lab {:?} to grade", submission.lab));
        }
        let scratch = scratch().map_err(told)?;
        let job = Job {
            submission: submission.clone(),
            dir: submission.dir.canonicalize().map_err(told)?,
            dir_named: self.dir_named,
            seed: self.seed,
            only: self.only.clone(),
            isolation: self.isolation,
            scratch: scratch.path().canonicalize().map_err(told)?,
            width: if self.width() > 1 { 2 } else { 5 },
            troubles: Troubles::default(),
            compiled: Compiled::default(),
        };
        sitting::sit(&job, self.longest, stop, tell)
    }

    /// Whether all passed.
    ///
    /// # Errors
    /// One submission alone could not be graded, or not all were.
    pub fn status(&self, reports: &[Report]) -> Result<Status> {
        let of = self.submissions.len();
        if reports.len() < of {
            let cause = format!("stopped when {} of {of} submissions were graded", reports.len());
            return Err(Error::other(Attempt::Grade, "all of them", cause)
                .because("somebody asked the grader to stop; the reports hold those that were graded")
                .next("the same with --resume FILE, which goes on where it was")
                .unasked());
        }
        match (reports, self.submissions.first()) {
            ([report], Some(Ok(submission))) if report.error.is_some() => Err(ungraded(submission, report)),
            ([_], Some(Err(unread))) => Err(unread.error.clone()),
            _ if reports.iter().all(Report::passed) => Ok(Status::Done),
            _ => Ok(Status::No),
        }
    }
}

fn ungraded(submission: &Submission, report: &Report) -> Error {
    let cause = report.error.clone().unwrap_or_default();
    let error = Error::other(Attempt::Grade, submission.name.as_str(), cause);
    if suites::labs().all(|lab| lab != submission.lab) {
        return error.because("its netlab.toml names the lab").next("netlab grade --list").unasked();
    }
    if report.untried().is_some() {
        return error
            .because("no points are given or taken for what could not be tried")
            .next("the same without --isolation; if it stays so, on a system that allows user namespaces")
            .unasked();
    }
    error
        .because("the grader could not go on; this says nothing about the program")
        .next("the same again; if it stays so, --isolation network, and a report of this error")
        .unasked()
}
