//! One check of one submission, tried: in a room and on a network of its own,
//! and a failure more than once.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use super::check::{Check, Finding, Graded, Verdict};
use super::exam::Exam;
use super::judge::Job;
use super::patience::Patience;
use super::transcript::Entry;
use super::{causes, network, ports};

/// A failure is tried this often again, on the same seed.
pub const REPEATS: usize = 3;

/// How long the build may take: sleeping, working.
const BUILD: Patience = Patience { idle: Duration::from_secs(30), cpu: Duration::from_secs(150) };

/// Takes checks until none is left.
pub fn work(
    job: &Job,
    checks: &[&'static Check],
    next: &AtomicUsize,
    broken: Option<&Finding>,
    sender: &Sender<Graded>,
) {
    while let Some(check) = checks.get(next.fetch_add(1, Ordering::Relaxed)) {
        let graded = match broken {
            Some(finding) => told(job, check, &Tried::without_programs(finding.clone()), Duration::ZERO),
            None => graded(job, check),
        };
        if sender.send(graded).is_err() {
            return;
        }
    }
}

/// One try of a check, and what was seen.
struct Tried {
    finding: Option<Finding>,
    transcript: Vec<Entry>,
}

impl Tried {
    fn without_programs(finding: Finding) -> Tried {
        Tried { finding: Some(finding), transcript: vec![] }
    }

    fn passed(&self) -> bool {
        self.finding.as_ref().is_none_or(|finding| finding.verdict == Verdict::Note)
    }

    fn failed(&self) -> bool {
        self.finding.as_ref().is_some_and(|finding| finding.verdict == Verdict::Fail)
    }
}

/// Tries a check; a failure three times more, so that chance shows.
fn graded(job: &Job, check: &Check) -> Graded {
    let began = Instant::now();
    let first = attempt(job, check, 0);
    if first.failed() {
        job.troubles.gather();
    }
    if !first.failed() || job.troubles.is_certain() {
        return told(job, check, &first, began.elapsed());
    }
    let again: Vec<Tried> = thread::scope(|scope| {
        let tries: Vec<_> = (1..=REPEATS).map(|n| scope.spawn(move || attempt(job, check, n))).collect();
        tries.into_iter().filter_map(|tried| tried.join().ok()).collect()
    });
    let failures = again.iter().filter(|tried| tried.failed()).count();
    let passes = again.iter().filter(|tried| tried.passed()).count();
    let mut graded = told(job, check, &first, began.elapsed());
    if passes > 0 {
        graded.verdict = Verdict::Flaky;
        let actual = graded.actual.unwrap_or_default();
        graded.actual = Some(format!(
            "failed {} of {} times on the same seed; once so: {actual}",
            failures + 1,
            failures + 1 + passes
        ));
        let hint = graded.hint.unwrap_or_default();
        graded.hint = Some(format!(
            "it depends on chance: look for a race between threads, or for a read that counts on one recv for one message. {hint}"
        ));
    }
    graded
}

fn attempt(job: &Job, check: &Check, number: usize) -> Tried {
    let name = check.id.replace('/', "-");
    let room = job.scratch.join(format!("{name}-{number}"));
    // A thread of its own: a network belongs to a thread.
    let tried = thread::scope(|scope| scope.spawn(|| alone(job, check, &room)).join());
    let _ = std::fs::remove_dir_all(&room);
    tried.unwrap_or_else(|_| Tried::without_programs(Finding::broken("in this check")))
}

fn alone(job: &Job, check: &Check, room: &Path) -> Tried {
    if job.isolation.has_network()
        && let Err(cause) = network::enter_new()
    {
        return Tried::without_programs(Finding::broken(format_args!("no network of its own could be made: {cause}")));
    }
    let held = match ports::hold(job, check.id) {
        Ok(held) => held,
        Err(why) => return Tried::without_programs(Finding::skip(why)),
    };
    let exam = Exam::new(job, check.id, room.to_owned(), held.port());
    let answer =
        catch_unwind(AssertUnwindSafe(|| (check.run)(&exam))).unwrap_or_else(|_| Err(Finding::broken("in this check")));
    Tried { finding: answer.err(), transcript: exam.transcript.entries() }
}

fn told(job: &Job, check: &Check, tried: &Tried, elapsed: Duration) -> Graded {
    let finding = tried.finding.as_ref();
    let said = |text: fn(&Finding) -> &String| finding.map(text).filter(|text| !text.is_empty()).cloned();
    Graded {
        id: check.id.to_owned(),
        requirement: check.requirement().to_owned(),
        points: check.points(),
        verdict: finding.map_or(Verdict::Pass, |finding| finding.verdict),
        expected: said(|finding| &finding.expected),
        actual: said(|finding| &finding.actual),
        transcript: tried.transcript.clone(),
        hint: said(|finding| &finding.hint),
        replay: job.replay(check.id),
        elapsed_s: (elapsed.as_secs_f64() * 1e3).round() / 1e3,
    }
}

/// Runs the build line, if there is one; what is wrong with it, if something is.
pub fn build(job: &Job) -> io::Result<Option<Finding>> {
    let Some(line) = &job.submission.build else { return Ok(None) };
    let exam = Exam::new(job, "build", job.scratch.join("build"), 0);
    // Through a shell: a build line may well be `javac *.java && …`.
    let words = ["sh", "-c", line].map(str::to_owned);
    let program = match exam.start_in("build", &words, &job.master(), &[]) {
        Ok(program) => program,
        Err(finding) => return Ok(Some(finding)),
    };
    let ended = exam.until(BUILD, &[&program], || program.exited());
    let fault = match ended {
        Some(status) if status.success() => return Ok(None),
        Some(status) => super::program::ending(status),
        None => "does not end".to_owned(),
    };
    let actual = format!("`{line}` {fault}{}", exam.last_words(&program));
    Ok(Some(Finding::fail("the build line builds the program", actual).hint(causes::BUILD)))
}
