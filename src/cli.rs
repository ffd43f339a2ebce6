//! The commands: one variant each, and the match that runs it.

mod deferred;

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anstream::ColorChoice;
use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use self::deferred::Deferred;
use crate::compare;
use crate::error::{Attempt, Error, Status};
#[cfg(target_os = "linux")]
use crate::grade;
use crate::handouts;
use crate::labs::stage::Stage;
use crate::labs::{self, Lab, Role};
use crate::net::host::Host;
use crate::net::stop::Stop;
use crate::net::trace::Trace;
use crate::report::human::Human;
use crate::report::json::Json;
use crate::report::recorder::Recorder;
use crate::report::{self, ClosedPipe, Event, Messages, Report, Summary};

/// One binary with which a networking course runs: every lab has both its
/// ends here, and shows the socket calls it makes and what they mean.
#[derive(Debug, Parser)]
#[command(
    name = "netlab",
    bin_name = "netlab",
    version,
    after_help = "Examples:
  netlab demo
  netlab tcp-echo server --trace
  netlab tcp-echo client 127.0.0.1:5003 hello --trace

Exit status: 0 done, 1 the answer is no, 2 it could not be asked, 130 after a second Ctrl-C."
)]
struct Cli {
    #[command(flatten)]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Output")]
struct Output {
    /// One JSON object a line on standard output
    #[arg(long, global = true)]
    json: bool,
    /// Show every socket call on standard error, and what its result means
    #[arg(long, global = true)]
    trace: bool,
    /// Only the ready line, errors and the summary
    #[arg(long, short, global = true)]
    quiet: bool,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: When,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum When {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// TCP: who is who on a connection
    #[command(after_help = "Examples:
  netlab tcp-info server
  netlab tcp-info client 127.0.0.1:5001 --trace")]
    TcpInfo(Deferred<labs::tcp_info::Args>),
    /// UDP: who is who without a connection
    #[command(after_help = "Examples:
  netlab udp-info server
  netlab udp-info client 127.0.0.1:5002 --trace")]
    UdpInfo(Deferred<labs::udp_info::Args>),
    /// TCP: a connection is a stream of bytes
    #[command(after_help = "Examples:
  netlab tcp-echo server --trace
  netlab tcp-echo client 127.0.0.1:5003 hello")]
    TcpEcho(Deferred<labs::tcp_echo::Args>),
    /// UDP: datagrams, and what becomes of them
    #[command(after_help = "Examples:
  netlab udp-echo server
  netlab udp-echo client 127.0.0.1:5004 --count 100")]
    UdpEcho(Deferred<labs::udp_echo::Args>),
    /// UDP: send to a group, receive as one of its members
    #[command(after_help = "Examples:
  netlab multicast receive 239.1.1.1:5007 --trace
  netlab multicast send 239.1.1.1:5007 hello")]
    Multicast(Deferred<labs::multicast::Args>),
    /// UDP: send to everyone on the network, or talk with them
    #[command(after_help = "Examples:
  netlab broadcast join --name alice
  netlab broadcast send 127.255.255.255:5008 hello --trace")]
    Broadcast(Deferred<labs::broadcast::Args>),
    /// Many clients at once
    MtServer(Deferred<labs::mt_server::Args>),
    /// A protocol of messages, and its end
    #[command(alias = "capitalize")]
    CapitalizeServer(Deferred<labs::capitalize_server::Args>),
    /// Many clients who speak to each other, and download files
    #[command(after_help = "Examples:
  netlab chat server 2000
  netlab chat client alice localhost 2000
  netlab chat demo")]
    Chat(Deferred<labs::chat::Args>),
    /// Many clients at once, against an echo server: how fast, how slow
    Load(Deferred<crate::load::Args>),
    /// TCP and UDP side by side
    #[command(after_help = "Examples:
  netlab compare
  netlab compare --link sim --loss 5% --seed 7
  netlab compare --loss 20% --count 5 --seed 7 --ladder
  netlab compare --rate 1mbit --one-way --count 1000 --size 1000 --sweep loss=0,1%,5%
  netlab compare --link kernel --loss 2% --count 200 --html page.html
  netlab compare --link sim --rate 1mbit --queue 20 --one-way --pcap link.pcap
  netlab compare --tcp 127.0.0.1:5003 --udp 127.0.0.1:5004 --count 1000")]
    Compare(Deferred<compare::Args>),
    /// Judge a program that somebody else wrote, or a class of them
    #[cfg(not(target_os = "linux"))]
    Grade(Deferred<Elsewhere>),
    /// Judge a program that somebody else wrote, or a class of them
    #[cfg(target_os = "linux")]
    #[command(after_help = "Examples:
  netlab grade tcp-echo --server \"python3 server.py {port}\"
  netlab grade capitalize-server --server \"java Server\" --build \"javac Server.java\" --port 5605
  netlab grade submissions/ --jobs 2 --csv grades.csv --html grades.html
  netlab grade tcp-echo --list

Exit status: 0 all passed, 1 something failed, 2 the grader could not run.")]
    Grade(Deferred<grade::Args>),
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    GradeStep(Deferred<grade::judge::Step>),
    /// Every lab in turn, on this host alone
    #[command(after_help = "Examples:
  netlab demo
  netlab demo --json")]
    Demo,
    /// The labs' handouts, and skeletons to start from
    #[command(after_help = "Examples:
  netlab labs list
  netlab labs show tcp-echo
  netlab labs start tcp-echo my-echo")]
    Labs(Deferred<handouts::Args>),
    /// Completions for a shell, on standard output
    #[command(after_help = "Examples:
  netlab completions bash > ~/.local/share/bash-completion/completions/netlab
  netlab completions zsh > ~/.zfunc/_netlab")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Manual pages, one for each command, into a folder
    #[command(after_help = "Examples:
  netlab man ~/.local/share/man/man1
  netlab man . && man ./netlab-tcp-echo-server.1")]
    Man {
        /// The folder; it is made if it is not there
        dir: PathBuf,
    },
}

/// Whatever the grader is asked for, where it cannot run.
#[cfg(not(target_os = "linux"))]
#[derive(Debug, clap::Args)]
struct Elsewhere {
    /// What is to be graded: on Linux
    #[arg(value_name = "LAB | DIR", trailing_var_arg = true, allow_hyphen_values = true)]
    _asked: Vec<std::ffi::OsString>,
}

impl Command {
    /// The lab among the commands, and its name.
    fn lab(&self) -> Option<(&'static str, &dyn Lab)> {
        match self {
            Command::TcpInfo(args) => Some(("tcp-info", &args.0)),
            Command::UdpInfo(args) => Some(("udp-info", &args.0)),
            Command::TcpEcho(args) => Some(("tcp-echo", &args.0)),
            Command::UdpEcho(args) => Some(("udp-echo", &args.0)),
            Command::Multicast(args) => Some(("multicast", &args.0)),
            Command::Broadcast(args) => Some(("broadcast", &args.0)),
            Command::MtServer(args) => Some(("mt-server", &args.0)),
            Command::CapitalizeServer(args) => Some(("capitalize-server", &args.0)),
            Command::Chat(args) => Some(("chat", &args.0)),
            Command::Load(_) | Command::Compare(_) | Command::Demo | Command::Labs(_) => None,
            Command::Completions { .. } | Command::Man { .. } => None,
            Command::Grade(_) => None,
            #[cfg(target_os = "linux")]
            Command::GradeStep(_) => None,
        }
    }
}

/// Parses the command line and runs it.
pub fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| refuse(&error));
    let status = match (&cli.command, cli.command.lab()) {
        (_, Some((name, lab))) => run_lab(&cli.output, name, lab),
        (Command::Load(args), _) => load(&cli.output, &args.0),
        (Command::Labs(args), _) => hand_out(&cli.output, &args.0),
        (Command::Compare(args), _) => run_compare(&cli.output, &args.0),
        (Command::Completions { shell }, _) => told(&cli.output, "completions", write_completions(*shell)),
        (Command::Man { dir }, _) => told(&cli.output, "man", write_manual(dir)),
        (Command::Grade(args), _) => grade_programs(&cli.output, &args.0),
        #[cfg(target_os = "linux")]
        (Command::GradeStep(step), _) => {
            let code = step.0.run(io::stdin().lock(), &mut io::stdout());
            return ExitCode::from(u8::try_from(code).unwrap_or(2));
        }
        _ => demo(&cli.output),
    };
    ExitCode::from(status as u8)
}

/// Help and version are answers, all else is a question that cannot be asked:
/// told as clap tells it, and with `--json` as an event as well.
fn refuse(error: &clap::Error) -> ! {
    let wants_json = std::env::args_os().skip(1).take_while(|arg| arg != "--").any(|arg| arg == "--json");
    if error.use_stderr() && wants_json {
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let why = "the command line cannot be understood, so nothing was opened".to_owned();
        let next = "the command's --help, which has examples".to_owned();
        Json::new("netlab", false, false, ClosedPipe::new(|_| {})).write(&Event::Error { message, why, next });
    }
    match error.print() {
        Err(cause) if cause.kind() != ErrorKind::BrokenPipe => {
            let failure = unwritable(&cause);
            let plain = Human::new(false, false, ColorChoice::Never, ClosedPipe::new(|_| {}));
            report::emit_error(&plain, &failure);
            std::process::exit(Status::No as i32)
        }
        _ => std::process::exit(error.exit_code()),
    }
}

/// A command's output, and the request to stop when nobody reads it any more.
struct Desk {
    report: Arc<dyn Report>,
    stop: Stop,
    /// How writing to standard output failed, if it did.
    failed: Arc<Mutex<Option<io::Error>>>,
}

impl Desk {
    fn new(output: &Output, lab: &'static str, timeline: bool) -> Desk {
        let (stop, failed) = (Stop::on_signals(), Arc::new(Mutex::new(None)));
        let pipe = ClosedPipe::new({
            let (stop, failed) = (stop.clone(), failed.clone());
            move |error| {
                *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                stop.ask();
            }
        });
        let report: Arc<dyn Report> = if output.json {
            Arc::new(Json::new(lab, output.quiet, timeline, pipe))
        } else {
            Arc::new(Human::new(output.quiet, timeline, output.color(), pipe))
        };
        Desk { report, stop, failed }
    }

    /// The exit status. A standard output that nobody reads any more is no
    /// failure; one that cannot be written is.
    fn status(&self, result: anyhow::Result<Status>) -> Status {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        match result {
            _ if failed.as_ref().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe) => Status::Done,
            Ok(status) => match &failed {
                None => status,
                Some(cause) => {
                    report::emit_error(&*self.report, &unwritable(cause));
                    Status::No
                }
            },
            Err(failure) => {
                let error = failure.downcast::<Error>().unwrap_or_else(|failure| {
                    Error::other(Attempt::Write, "the answer", failure.root_cause().to_string())
                        .because(failure.to_string())
                        .unasked()
                });
                report::emit_error(&*self.report, &error);
                error.status()
            }
        }
    }
}

/// Standard output takes no more, and not because nobody reads it.
fn unwritable(cause: &io::Error) -> Error {
    Error::new(Attempt::Write, "standard output", cause)
        .because("what it leads to, such as a file on a full disk, takes no more")
        .next("the same with its output elsewhere")
}

/// For commands that are no labs.
fn told(output: &Output, name: &'static str, result: anyhow::Result<Status>) -> Status {
    Desk::new(output, name, false).status(result)
}

impl Output {
    fn color(&self) -> ColorChoice {
        match self.color {
            When::Always => ColorChoice::Always,
            When::Never => ColorChoice::Never,
            // Looks at the terminal, NO_COLOR and CLICOLOR.
            When::Auto => anstream::AutoStream::choice(&std::io::stdout()),
        }
    }
}

/// Results on standard output, progress on standard error.
#[cfg(target_os = "linux")]
fn grade_programs(output: &Output, args: &grade::Args) -> Status {
    use std::io::IsTerminal;

    let desk = Desk::new(output, "grade", false);
    let out = |text: &str| {
        let written = std::io::stdout().write_all(text.as_bytes()).and_then(|()| std::io::stdout().flush());
        // Who reads the beginning only has not asked for a failure.
        if let Err(cause) = written
            && cause.kind() != ErrorKind::BrokenPipe
        {
            *desk.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(cause);
        }
    };
    let aside = |text: &str| drop(std::io::stderr().write_all(text.as_bytes()));
    let ended = args.run(&grade::Desk {
        json: output.json,
        color: output.color() != ColorChoice::Never,
        columns: std::io::stdout().is_terminal().then(report::keyboard::columns),
        quiet: output.quiet,
        live: std::io::stderr().is_terminal(),
        out: &out,
        aside: &aside,
        stop: desk.stop.clone(),
    });
    desk.status(ended.map_err(anyhow::Error::from))
}

/// The grader sees with Linux's eyes.
#[cfg(not(target_os = "linux"))]
fn grade_programs(output: &Output, _: &Elsewhere) -> Status {
    let error = Error::other(Attempt::Grade, "programs here", "the grader needs Linux")
        .because("it watches programs through /proc and keeps each in namespaces of its own, which Linux alone has")
        .next("netlab in WSL, in a container or on a Linux host, or labs/gradescope and labs/github: schools' own graders");
    Desk::new(output, "grade", false).status(Err(error.unasked().into()))
}

fn run_lab(output: &Output, name: &'static str, lab: &dyn Lab) -> Status {
    let is_demo = lab.role() == Role::Demo;
    let desk = Desk::new(output, name, is_demo);
    let trace = if output.trace || is_demo { Trace::to(desk.report.clone(), lab.role().name()) } else { Trace::off() };
    let host = Host { lab: name, report: desk.report.clone(), trace, stop: desk.stop.clone() };
    let ended = lab.run(&host);
    desk.stop.settle();
    host.trace.settle();
    let came_to_nothing = ended.is_err() && matches!(lab.role(), Role::Client | Role::Sender);
    let status = desk.status(ended.map_err(anyhow::Error::from));
    if came_to_nothing && status != Status::Done {
        // Every client's run ends with its counters.
        desk.report.emit(&Event::Summary(Summary::Messages(Messages::default())));
    }
    status
}

/// Many clients at once.
fn load(output: &Output, args: &crate::load::Args) -> Status {
    let desk = Desk::new(output, "load", false);
    let trace = if output.trace { Trace::to(desk.report.clone(), "load") } else { Trace::off() };
    let host = Host { lab: "load", report: desk.report.clone(), trace, stop: desk.stop.clone() };
    let ended = crate::load::run(&host, args);
    desk.stop.settle();
    desk.status(ended.map_err(anyhow::Error::from))
}

/// The student's side.
fn hand_out(output: &Output, args: &handouts::Args) -> Status {
    let desk = Desk::new(output, "labs", false);
    desk.status(handouts::run(args, &*desk.report).map_err(anyhow::Error::from))
}

/// TCP and UDP side by side: one answer.
fn run_compare(output: &Output, args: &compare::Args) -> Status {
    let desk = Desk::new(output, "compare", false);
    // A namespace can be entered only while there is one thread.
    let prepared = match args.prepare() {
        Ok(prepared) => prepared,
        Err(error) => return desk.status(Err(error.into())),
    };
    let trace = if output.trace { Trace::to(desk.report.clone(), "client") } else { Trace::off() };
    let host = Host { lab: "compare", report: desk.report.clone(), trace, stop: desk.stop.clone() };
    let ended = args.run(&host, prepared);
    desk.stop.settle();
    host.trace.settle();
    desk.status(ended.map_err(anyhow::Error::from))
}

/// Every lab in turn; one line each.
fn demo(output: &Output) -> Status {
    let desk = Desk::new(output, "demo", false);
    desk.stop.arm();
    let (started, mut failed) = (Instant::now(), 0);
    for (name, demo) in labs::DEMOS {
        if desk.stop.is_asked() {
            break;
        }
        let began = Instant::now();
        let host = Host { lab: name, report: Arc::new(Recorder::new()), trace: Trace::off(), stop: desk.stop.clone() };
        let (ok, seen) = match demo(&Stage::new(&host)) {
            Ok(seen) => (seen.ok, seen.text),
            Err(error) => (false, error.to_string()),
        };
        failed += usize::from(!ok);
        desk.report.emit(&Event::Shown { name, ok, seen, elapsed: began.elapsed() });
    }
    let labs = labs::DEMOS.len();
    desk.report.emit(&Event::Summary(Summary::Demos { labs, failed, elapsed: started.elapsed() }));
    desk.status(Ok(if failed == 0 { Status::Done } else { Status::No }))
}

/// Completions for `shell`. Made whole before they are written: whoever reads
/// them may stop after the first line.
fn write_completions(shell: clap_complete::Shell) -> anyhow::Result<Status> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "netlab", &mut script);
    match std::io::stdout().write_all(&script) {
        Err(cause) if cause.kind() != ErrorKind::BrokenPipe => Err(unwritable(&cause)).context("completions"),
        _ => Ok(Status::Done),
    }
}

/// `netlab.1`, `netlab-tcp-echo.1`, `netlab-tcp-echo-server.1` and so on.
fn write_manual(dir: &Path) -> anyhow::Result<Status> {
    let failed = |cause: std::io::Error| Error::new(Attempt::Write, dir.display().to_string(), &cause).unasked();
    fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), dir).map_err(failed)?;
    Ok(Status::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_consistent() {
        Cli::command().debug_assert();
    }
}
