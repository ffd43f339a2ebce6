//! The student's side of the labs, in the binary: handouts, requirements with
//! their points, and skeletons to start from.
//!
//! `labs/` is where they are written; here they are embedded, so that
//! `netlab labs` works wherever the binary does, and the grader reads the
//! requirements in the same words as the students ([`Handout::rubric`]).

mod page;
mod rubric;
mod start;

pub use rubric::{Requirement, Rubric, Side};

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::builder::{PossibleValue, PossibleValuesParser};

use crate::error::{Attempt, Error, Result, Status};
use crate::report::{Event, Report};

/// What a lab hands out.
#[derive(Debug)]
pub struct Handout {
    /// The lab's name, which is its command.
    pub lab: &'static str,
    /// The handout, as Markdown.
    pub text: &'static str,
    /// The skeletons: path below the student's folder, and text.
    pub starters: &'static [(&'static str, &'static str)],
    rubric: &'static str,
}

/// Embeds `labs/LAB`, whose skeletons are the programs named.
macro_rules! handout {
    ($lab:literal, server) => {
        handout!($lab,
            "python/server.py", "python/netlab.toml",
            "c/server.c", "c/netlab.toml",
            "java/Server.java", "java/netlab.toml")
    };
    ($lab:literal, server and client) => {
        handout!($lab,
            "python/server.py", "python/client.py", "python/netlab.toml",
            "c/server.c", "c/client.c", "c/netlab.toml",
            "java/Server.java", "java/Client.java", "java/netlab.toml")
    };
    ($lab:literal, receiver and sender) => {
        handout!($lab,
            "python/receiver.py", "python/sender.py", "python/netlab.toml",
            "c/receiver.c", "c/sender.c", "c/netlab.toml",
            "java/Receiver.java", "java/Sender.java", "java/netlab.toml")
    };
    ($lab:literal, $($file:literal),+) => {
        Handout {
            lab: $lab,
            text: include_str!(concat!("../../labs/", $lab, "/README.md")),
            starters: &[$(($file, include_str!(concat!("../../labs/", $lab, "/starter/", $file)))),+],
            rubric: include_str!(concat!("../../labs/", $lab, "/lab.toml")),
        }
    };
}

/// All handouts, in the order of the course.
pub const HANDOUTS: &[Handout] = &[
    handout!("tcp-info", server),
    handout!("udp-info", server),
    handout!("tcp-echo", server and client),
    handout!("udp-echo", server and client),
    handout!("multicast", receiver and sender),
    handout!("broadcast", receiver and sender),
    handout!("mt-server", server),
    handout!("capitalize-server", server and client),
    handout!("chat", server and client),
];

impl Handout {
    /// The handout of a lab, by its name or its command's alias.
    pub fn of(lab: &str) -> Option<&'static Handout> {
        HANDOUTS.iter().find(|handout| handout.lab == lab || handout.alias() == Some(lab))
    }

    /// What the lab's command is called for short.
    fn alias(&self) -> Option<&'static str> {
        (self.lab == "capitalize-server").then_some("capitalize")
    }

    /// What the lab requires, and what each requirement is worth.
    pub fn rubric(&self) -> Result<Rubric> {
        let unread = |cause: toml::de::Error| {
            let name = format!("labs/{}/lab.toml", self.lab);
            Error::other(Attempt::Read, name, cause.to_string()).unasked()
        };
        toml::from_str(self.rubric).map_err(unread)
    }
}

/// The requirement of a check, such as `tcp-echo/echoes`, of whatever lab.
pub fn requirement(id: &str) -> Option<&'static Requirement> {
    static RUBRICS: LazyLock<Vec<Rubric>> =
        LazyLock::new(|| HANDOUTS.iter().filter_map(|handout| handout.rubric().ok()).collect());
    RUBRICS.iter().find_map(|rubric| rubric.get(id))
}

/// Arguments of `netlab labs`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    ask: Ask,
}

#[derive(Debug, clap::Subcommand)]
enum Ask {
    /// Every lab that has a handout, with its requirements and points counted
    #[command(after_help = "Examples:
  netlab labs list
  netlab labs list --json")]
    List,
    /// A lab's handout: what to do, what to try, what to explain
    #[command(after_help = "Examples:
  netlab labs show tcp-echo
  netlab labs show tcp-echo --color always | less -R")]
    Show {
        /// Which lab
        #[arg(value_parser = names())]
        lab: String,
    },
    /// Copy a lab's handout and its skeletons in Python, C and Java
    #[command(after_help = "Examples:
  netlab labs start tcp-echo my-echo
  netlab labs start chat ~/networks/chat")]
    Start {
        /// Which lab
        #[arg(value_parser = names())]
        lab: String,
        /// The folder; it is made if it is not there, and no file in it is overwritten
        dir: PathBuf,
    },
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(HANDOUTS.iter().map(|handout| PossibleValue::new(handout.lab).aliases(handout.alias())))
}

/// Runs `netlab labs`.
pub fn run(args: &Args, report: &dyn Report) -> Result<Status> {
    match &args.ask {
        Ask::List => HANDOUTS.iter().try_for_each(|handout| list(handout, report))?,
        Ask::Show { lab } => show(named(lab)?, report),
        Ask::Start { lab, dir } => start::start(named(lab)?, dir, report)?,
    }
    Ok(Status::Done)
}

fn named(lab: &str) -> Result<&'static Handout> {
    Handout::of(lab).ok_or_else(|| Error::other(Attempt::Read, lab, "no such lab").next("netlab labs list").unasked())
}

fn list(handout: &Handout, report: &dyn Report) -> Result<()> {
    let rubric = handout.rubric()?;
    let points = rubric.points();
    report.emit(&Event::Handout { name: handout.lab, title: rubric.title, checks: rubric.checks.len(), points });
    Ok(())
}

fn show(handout: &Handout, report: &dyn Report) {
    let shown = page::laid_out(handout.text, page::columns());
    report.emit(&Event::Page { name: handout.lab, text: handout.text, shown });
}
