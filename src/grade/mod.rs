//! The judge of other people's programs, in any language. It knows nothing of
//! a program but its sockets and its terminal.
//!
//! A right program, however odd, never fails; a wrong one never passes; the
//! same program gets the same grade every time. So:
//!
//! - each check has a fresh program in a scratch copy of its folder, on a
//!   network of its own where the system allows ([`isolation`], [`network`]);
//! - readiness is seen in the kernel's tables, not tried by a connection
//!   ([`proc`]);
//! - waiting counts only while the program sleeps: a slow machine makes nobody
//!   late ([`exam`]);
//! - words are fresh, so that no constant reply passes; absence is proved by a
//!   later message, not by waiting;
//! - a failure is repeated, and what is not always so is called flaky
//!   ([`judge`]).
//!
//! It shares no code with the labs: a judge that does shares their faults.

pub mod report;

pub mod causes;
pub mod check;
pub mod class;
pub mod exam;
pub mod files;
pub mod isolation;
pub mod java;
pub mod judge;
pub mod kept;
pub mod launch;
pub mod network;
pub mod patience;
pub mod peer;
pub mod ports;
pub mod proc;
pub mod program;
pub mod progress;
pub mod ready;
pub mod relay;
pub mod result;
pub mod sitting;
pub mod submission;
pub mod suites;
pub mod terminal;
pub mod transcript;
pub mod trial;
pub mod watch;
pub mod wire;

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Attempt, Error, Result, Status};
use crate::net::stop::Stop;

use self::class::{Class, Entry};
use self::isolation::Isolation;
use self::kept::Kept;
use self::report::Style;
use self::result::Report;
use self::submission::Submission;

/// Grade a program, or a class of them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A lab, and then --server or --client; or folders with a netlab.toml, or folders of such folders
    #[arg(value_name = "LAB | DIR")]
    what: Vec<String>,
    /// How the server is started, such as "python3 server.py {port}"; the receiver, in multicast and broadcast
    #[arg(long, value_name = "CMD")]
    server: Option<String>,
    /// How the client is started, such as "python3 client.py {host} {port}"; the sender, in multicast and broadcast
    #[arg(long, value_name = "CMD")]
    client: Option<String>,
    /// What is run first, once, such as "javac Server.java"
    #[arg(long, value_name = "CMD")]
    build: Option<String>,
    /// The folder of the programs; each runs in a copy of it
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// The port, where it is written into the programs
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Only show the checks and their points
    #[arg(long)]
    list: bool,
    /// Only this check, such as tcp-echo/echoes; may be given again
    #[arg(long, value_name = "ID")]
    only: Vec<String>,
    /// Where the checks' words come from: the same seed, the same words
    #[arg(long)]
    seed: Option<u64>,
    /// How many submissions at the same time [default: one for each processor]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Grade again whenever a file of the folder changes
    #[arg(long)]
    watch: bool,
    /// Keep each result in this file as it comes, and grade only what it does not hold yet: a run that was cut short goes on
    #[arg(long, value_name = "FILE", conflicts_with = "watch")]
    resume: Option<PathBuf>,
    /// How far the programs are kept apart from the rest: as far as the system allows, unless told
    #[arg(long, value_name = "HOW")]
    isolation: Option<Isolation>,
    #[command(flatten)]
    files: report::Files,
}

/// How results are shown, and where to.
pub struct Desk<'a> {
    /// JSON on standard output.
    pub json: bool,
    /// In colours.
    pub color: bool,
    /// No progress.
    pub quiet: bool,
    /// The width of the window that standard output is, if it is one.
    pub columns: Option<usize>,
    /// Whether standard error is a terminal, whose last line can be rewritten.
    pub live: bool,
    /// Standard output.
    pub out: &'a (dyn Fn(&str) + Sync),
    /// Standard error, for progress.
    pub aside: &'a (dyn Fn(&str) + Sync),
    /// Ctrl-C.
    pub stop: Stop,
}

impl Desk<'_> {
    fn style(&self) -> Style {
        Style { color: self.color, columns: self.columns }
    }
}

impl Args {
    /// Grades.
    ///
    /// # Errors
    /// What could not be asked.
    pub fn run(&self, desk: &Desk<'_>) -> Result<Status> {
        if self.list {
            return self.show_checks(desk);
        }
        desk.stop.arm();
        if self.watch {
            return self.watch(desk);
        }
        let class = self.class(self.entries()?)?;
        self.files.examine(class.submissions.len())?;
        let reports = class.grade(desk);
        self.show(desk, &reports)?;
        let status = class.status(&reports);
        match status {
            // It is in the submission's object: a second one would be for nobody.
            Err(error) if desk.json && reports.len() == 1 => {
                let (message, why, next) = (error.message(), error.why(), error.try_next());
                (desk.aside)(&format!("error: {message}\n  why: {why}\n  try: {next}\n"));
                Ok(Status::CannotAsk)
            }
            status => status,
        }
    }

    /// Grades, and again after each save, until Ctrl-C.
    fn watch(&self, desk: &Desk<'_>) -> Result<Status> {
        loop {
            // Before, so that a save meanwhile counts; and read anew, since
            // netlab.toml may be what is saved.
            let entries = self.entries()?;
            let seen = watch::Snapshot::of(&entries);
            let class = self.class(entries)?;
            self.files.examine(class.submissions.len())?;
            let reports = class.grade(desk);
            if desk.stop.is_asked() {
                return Ok(Status::Done);
            }
            self.show(desk, &reports)?;
            if !desk.quiet {
                (desk.aside)("\nsave a file to grade it again, Ctrl-C to end\n");
            }
            let Some(changed) = seen.wait(|| watch::Snapshot::of(&class.submissions), &desk.stop) else {
                return Ok(Status::Done);
            };
            (desk.aside)(&format!("\n{}\n\n", watch::words(&changed)));
        }
    }

    fn show(&self, desk: &Desk<'_>, reports: &[Report]) -> Result<()> {
        // Of a folder that says nothing there is nothing to show but its error,
        // which comes.
        let is_unread =
            !self.watch && matches!(reports, [report] if report.checks.is_empty() && report.error.is_some());
        if self.files.annotates() {
            (desk.aside)(&report::github::annotations(reports));
        }
        if self.files.tap {
            (desk.out)(&report::tap::page(reports));
        } else if desk.json {
            reports.iter().for_each(|report| (desk.out)(&format!("{}\n", report::json::object(report))));
        } else if !is_unread {
            let page = report::text::page(reports, desk.style());
            let is_fenced = self.files.annotates();
            (desk.out)(&if is_fenced { report::github::fenced(&page)? } else { page });
        }
        self.files.write(reports)
    }

    fn lab(&self) -> Option<&str> {
        self.what.first().map(String::as_str).filter(|what| suites::labs().any(|lab| lab == *what))
    }

    fn show_checks(&self, desk: &Desk<'_>) -> Result<Status> {
        let labs: Vec<&str> = match (self.lab(), self.what.first()) {
            (Some(lab), _) => vec![lab],
            (None, None) => suites::labs().collect(),
            (None, Some(what)) => return Err(no_lab(what)),
        };
        for lab in labs {
            let page = if desk.json {
                report::json::checks(lab, &self.only)
            } else {
                report::text::checks(lab, &self.only, desk.style())
            };
            (desk.out)(&page);
        }
        Ok(Status::Done)
    }

    /// What is to be graded.
    fn entries(&self) -> Result<Vec<Entry>> {
        let mut entries = match self.lab() {
            Some(lab) if self.server.is_some() || self.client.is_some() => vec![Ok(self.of_the_command_line(lab)?)],
            Some(lab) => vec![Ok(self.of_the_folder(lab)?)],
            None if self.what.is_empty() => return Err(nothing_to_grade("the command line")),
            None if self.server.is_some() || self.client.is_some() => return Err(no_lab(&self.what[0])),
            None => self.of_folders()?,
        };
        self.known_checks(&entries)?;
        class::name_apart(&mut entries);
        Ok(entries)
    }

    /// And how.
    fn class(&self, submissions: Vec<Entry>) -> Result<Class> {
        let kept = self.resume.as_deref().map(Kept::open).transpose()?;
        let seed = match self.seed.or_else(|| kept.as_ref().and_then(Kept::seed)) {
            Some(seed) => seed,
            None => getrandom::u32()
                .map(u64::from)
                .map_err(|cause| Error::other(Attempt::Read, "a random seed", cause.to_string()).unasked())?,
        };
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        Ok(Class {
            submissions,
            isolation: class::strongest(self.isolation)?,
            seed,
            jobs: self.jobs.unwrap_or(processors).max(1),
            only: self.only.clone(),
            dir_named: self.lab().is_none() || self.dir.as_os_str() != ".",
            longest: Duration::from_secs(1200),
            kept,
        })
    }

    fn of_the_command_line(&self, lab: &str) -> Result<Submission> {
        if let Err(cause) = std::fs::read_dir(&self.dir) {
            return Err(Error::new(Attempt::Read, self.dir.display().to_string(), &cause)
                .next("--dir DIR, the folder of the programs")
                .unasked());
        }
        Submission {
            name: lab.to_owned(),
            dir: self.dir.clone(),
            lab: lab.to_owned(),
            server: self.server.clone(),
            client: self.client.clone(),
            build: self.build.clone(),
            port: self.port,
            commands: Default::default(),
            from_file: false,
        }
        .examined("the command line")
    }

    /// `grade LAB` alone: the folder here says the rest.
    fn of_the_folder(&self, lab: &str) -> Result<Submission> {
        if !self.dir.join(submission::FILE).exists() {
            return Err(nothing_to_grade("the command line"));
        }
        let submission = Submission::read(&self.dir)?;
        if submission.lab == lab {
            Ok(submission)
        } else {
            Err(Error::other(
                Attempt::Read,
                self.dir.join(submission::FILE).display().to_string(),
                format!("it is for {}, not for {lab}", submission.lab),
            )
            .unasked())
        }
    }

    fn of_folders(&self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for what in &self.what {
            let dir = PathBuf::from(what);
            if dir.join(submission::FILE).is_file() {
                entries.push(class::read(&dir));
                continue;
            }
            let listed = std::fs::read_dir(&dir).map_err(|cause| no_folder(what, &cause))?;
            let mut folders: Vec<PathBuf> =
                listed.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
            folders.sort();
            folders.retain(|folder| !folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')));
            if !folders.iter().any(|folder| folder.join(submission::FILE).exists()) {
                return Err(nothing_to_grade(what));
            }
            entries.extend(folders.iter().map(|folder| class::read(folder)));
        }
        Ok(entries)
    }

    /// `--only` with a name that no check has is a mistake, not an empty
    /// success; and so is a lab that has no checks for what was given.
    fn known_checks(&self, submissions: &[Entry]) -> Result<()> {
        for submission in submissions.iter().flatten() {
            let is_known = suites::labs().any(|lab| lab == submission.lab);
            if !is_known || !suites::checks(submission, &self.only).is_empty() || submissions.len() > 1 {
                continue;
            }
            let cause = if self.only.is_empty() {
                "this lab has no checks for what was given".to_owned()
            } else {
                format!("no check of {} is called {}", submission.lab, self.only.join(", "))
            };
            return Err(Error::other(Attempt::Read, "the checks", cause)
                .because("check names and what they need are fixed")
                .next(format!("netlab grade {} --list", submission.lab))
                .unasked());
        }
        Ok(())
    }
}

fn no_lab(what: &str) -> Error {
    let labs: Vec<&str> = suites::labs().collect();
    Error::other(Attempt::Read, what, "no lab of this name can be graded")
        .because(format!("the labs are {}", labs.join(", ")))
        .next("netlab grade --list")
        .unasked()
}

fn no_folder(what: &str, cause: &std::io::Error) -> Error {
    let labs: Vec<&str> = suites::labs().collect();
    Error::new(Attempt::Read, what, cause)
        .because(format!("it is neither a folder nor a lab; the labs are {}", labs.join(", ")))
        .next("netlab grade tcp-echo --server \"python3 server.py {port}\"")
        .unasked()
}

fn nothing_to_grade(where_: &str) -> Error {
    Error::other(Attempt::Read, where_, "nothing to grade")
        .because("a lab needs --server or --client, a folder needs a netlab.toml")
        .next("netlab grade tcp-echo --server \"python3 server.py {port}\"")
        .unasked()
}
