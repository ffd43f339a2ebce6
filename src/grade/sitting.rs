//! One submission's judge, from outside: it is started, heard, and ended if it
//! takes too long or nobody wants to know any more.

use std::io::{self, BufReader, Read, Write};
use std::process::{Child, ChildStderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::net::stop::Stop;

use super::check::Graded;
use super::judge::{self, Job, Said};

/// Between two looks at the clock.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long a judge that was asked to end may take to end its programs.
const SWEEP: Duration = Duration::from_secs(15);

/// What a judge that was ended says, if it was for this.
const TOO_LONG: &str = "it took too long";

/// Judges one submission; each verdict is told as it comes.
///
/// # Errors
/// Why it did not come to its end.
pub fn sit(job: &Job, longest: Duration, stop: &Stop, mut tell: impl FnMut(Graded)) -> Result<(), String> {
    let mut child = start(job).map_err(|cause| cause.to_string())?;
    let complaints = child.stderr.take().map(overheard);
    let output = child.stdout.take();
    let over = AtomicBool::new(false);
    let pid = child.id();
    let (mut done, mut broken) = (false, None);
    let out_of_time = thread::scope(|scope| {
        let guard = scope.spawn(|| guard(pid, longest, stop, &over));
        if let Some(output) = output {
            judge::listen(BufReader::new(output), |said| match said {
                Said::Graded(graded) => tell(*graded),
                Said::Done => done = true,
                Said::Broken(cause) => broken = broken.take().or(Some(cause)),
                Said::Possible => {}
            });
        }
        over.store(true, Ordering::Release);
        guard.thread().unpark();
        guard.join().unwrap_or(false)
    });
    let _ = child.wait();
    let said = complaints.and_then(|complaints| complaints.join().ok()).unwrap_or_default();
    match broken {
        _ if done => Ok(()),
        _ if stop.is_asked() => Err("it was stopped".to_owned()),
        _ if out_of_time => Err(TOO_LONG.to_owned()),
        Some(cause) => Err(cause),
        None => Err(format!("the judge ended before it was done {}", said.lines().last().unwrap_or_default())),
    }
}

fn start(job: &Job) -> io::Result<Child> {
    let mut child = judge::command(job.isolation, None)?.spawn()?;
    let text = serde_json::to_vec(job)?;
    let sent = child.stdin.take().map_or(Ok(()), |mut input| input.write_all(&text));
    if let Err(cause) = sent {
        let _ = child.kill();
        let _ = child.wait();
        return Err(cause);
    }
    Ok(child)
}

fn overheard(errors: ChildStderr) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        let _ = errors.take(64 * 1024).read_to_string(&mut text);
        text
    })
}

/// Ends the judge when it is time to, and with it its programs. Whether it was
/// out of time.
fn guard(pid: u32, longest: Duration, stop: &Stop, over: &AtomicBool) -> bool {
    let until = Instant::now() + longest;
    let is_over = || over.load(Ordering::Acquire);
    while !is_over() && Instant::now() < until && !stop.is_asked() {
        thread::park_timeout(LOOK_EVERY);
    }
    if is_over() {
        return false;
    }
    // The child has not been waited for: the number is still its own.
    let child = Pid::from_raw(pid.cast_signed());
    let _ = kill(child, Signal::SIGTERM);
    let until = Instant::now() + SWEEP;
    while !is_over() && Instant::now() < until {
        thread::park_timeout(LOOK_EVERY);
    }
    if !is_over() {
        let _ = kill(child, Signal::SIGKILL);
    }
    !stop.is_asked()
}
