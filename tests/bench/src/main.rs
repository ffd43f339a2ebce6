//! Measures echo servers: `load` puts one under load, `compare` sets several side by side.

mod clients;
mod compare;
mod connect;
mod daemon;
mod download;
mod fanout;
mod kernel;
mod measure;
mod placement;
mod plot;
mod report;
mod server;
mod stats;
mod targets;
mod wire;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, value_parser};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use clients::{Clients, MAX_MESSAGE_BYTES};
use measure::Workload;
use placement::Placement;
use report::{Results, Section};
use server::Peer;
use stats::percentile;
use targets::{targets, verdict};

#[derive(Parser)]
// The last of two equal options counts, so that a script's choice can be overridden.
#[command(about, version, args_override_self = true)]
enum Command {
    /// Put a server that runs already under load: round trips in a closed loop
    Load(Load),
    /// Start servers turn by turn and set what they cost side by side
    Compare(Compare),
    /// A line to many listeners: chat servers side by side
    FanOut(fanout::Args),
    /// A large file: the chat server's downloads beside a web server's
    Download(download::Args),
    /// Curves from what the other commands have written
    Plot(plot::Args),
}

#[derive(Args)]
struct Load {
    /// The server's address
    addr: SocketAddr,
    #[arg(long, default_value_t = 64)]
    connections: usize,
    #[command(flatten)]
    turn: Turn,
}

#[derive(Args)]
struct Turn {
    /// Bytes of each message
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u64).range(1..=MAX_MESSAGE_BYTES as u64))]
    size: u64,
    /// How long round trips are counted
    #[arg(long = "for", default_value = "2s")]
    period: humantime::Duration,
    /// How long they run before that, uncounted
    #[arg(long, default_value = "500ms")]
    warm_up: humantime::Duration,
}

#[derive(Args)]
struct Compare {
    /// A server, as NAME=COMMAND; it must print `listening on tcp ADDR` first
    #[arg(long = "peer", required = true)]
    peers: Vec<Peer>,
    /// The peer the others are divided by [default: the first]
    #[arg(long)]
    reference: Option<String>,
    /// The peer whose targets are judged
    #[arg(long)]
    subject: Option<String>,
    /// Exit 1 if the subject misses a target; a peer that fails gives 1 in any case
    #[arg(long, requires = "subject")]
    check: bool,
    /// Numbers of connections under load
    #[arg(long, value_delimiter = ',', default_value = "1,64,1000")]
    connections: Vec<usize>,
    /// Where client and server run: a table for each
    #[arg(long, value_enum, value_delimiter = ',', default_value = "free")]
    placement: Vec<Placement>,
    /// Connections held idle at once; 0 leaves this out
    #[arg(long, default_value_t = 10_000)]
    hold: usize,
    /// Turns of each peer under each load
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u64).range(1..))]
    turns: u64,
    /// Write the tables here as well
    #[arg(long)]
    output: Option<PathBuf>,
    #[command(flatten)]
    turn: Turn,
}

fn main() -> Result<ExitCode> {
    let command = Command::parse();
    raise_file_limit()?;
    match command {
        Command::Load(args) => load(&args),
        Command::Compare(args) => compare(&args),
        Command::FanOut(args) => fanout::run(&args),
        Command::Download(args) => download::run(&args),
        Command::Plot(args) => plot::run(&args),
    }
}

/// Soft to hard, for this process and for the servers, which inherit it.
fn raise_file_limit() -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).context("cannot raise the limit of open files")
}

fn load(args: &Load) -> Result<ExitCode> {
    let streams = connect::connect_all(args.addr, args.connections)?.streams;
    let mut clients = Clients::new(streams, args.turn.size as usize)?;
    clients.run(args.turn.warm_up.into())?;
    let mut latencies = clients.run(args.turn.period.into())?;
    clients.finish()?;
    latencies.sort_unstable();
    let rate = latencies.len() as f64 / Duration::from(args.turn.period).as_secs_f64();
    let [p50, p99] = [0.5, 0.99].map(|share| f64::from(percentile(&latencies, share)) / 1e3);
    println!("{rate:.0} round trips/s, p50 {p50:.1} µs, p99 {p99:.1} µs, every byte as it was sent");
    Ok(ExitCode::SUCCESS)
}

fn compare(args: &Compare) -> Result<ExitCode> {
    let named = |name: &Option<String>| name.as_ref().map(|name| compare::position(&args.peers, name)).transpose();
    let (reference, subject) = (named(&args.reference)?.unwrap_or(0), named(&args.subject)?);
    let results = measure_all(args, reference);

    let mut text = results.markdown();
    let mut met = true;
    if let Some(subject) = subject {
        let targets = targets(&results, subject);
        met = targets.iter().all(|target| target.met);
        text += &verdict(&args.peers[subject].name, &targets);
    }
    print!("{text}");
    if let Some(path) = &args.output {
        fs::write(path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let well = results.whole() && (met || !args.check);
    Ok(ExitCode::from(u8::from(!well)))
}

fn measure_all(args: &Compare, reference: usize) -> Results<'_> {
    let (peers, turns, message_bytes) = (&args.peers, args.turns as usize, args.turn.size as usize);
    let (warm_up, period) = (args.turn.warm_up.into(), args.turn.period.into());
    let section = |&placement: &Placement| {
        let loads = args.connections.iter().map(|&connections| {
            let workload = Workload { placement, connections, message_bytes, warm_up, period };
            compare::round_trips(peers, turns, workload)
        });
        Section { placement, loads: loads.collect() }
    };
    let sections = args.placement.iter().map(section).collect();
    let hold = (args.hold > 0).then(|| compare::hold(peers, turns, args.hold, message_bytes));
    let period_s = Duration::from(args.turn.period).as_secs_f64();
    Results { peers, reference, turns, message_bytes, period_s, sections, hold }
}
