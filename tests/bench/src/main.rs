//! Measures echo servers: `load` puts one under load, `compare` sets several side by side.

mod clients;
mod compare;
mod connect;
mod daemon;
mod download;
mod fanout;
mod datagrams;
mod kernel;
mod measure;
mod pattern;
mod placement;
mod plot;
mod processes;
mod program;
mod report;
mod server;
mod stats;
mod stream;
mod targets;
mod wire;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, ValueEnum, value_parser};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use clients::{Clients, MAX_MESSAGE_BYTES};
use compare::take_turns;
use datagrams::MAX_WINDOW;
use measure::{Conditions, Load};
use placement::Placement;
use program::Program;
use report::{Results, Section};
use server::{Peer, position};
use stats::percentile;
use targets::{targets, verdict};

#[derive(Parser)]
// The last of two equal options counts, so that a script's choice can be overridden.
#[command(about, version, args_override_self = true)]
enum Command {
    /// Put a server that runs already under load: round trips in a closed loop
    Load(LoadArgs),
    /// Start servers turn by turn and set what they cost side by side
    Compare(Box<Compare>),
    /// A line to many listeners: chat servers side by side
    FanOut(fanout::Args),
    /// A large file: the chat server's downloads beside a web server's
    Download(download::Args),
    /// Curves from what the other commands have written
    Plot(plot::Args),
}

#[derive(Args)]
struct LoadArgs {
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
    /// A TCP server, as NAME=COMMAND; it must print `listening on tcp ADDR` first
    #[arg(long)]
    tcp: Vec<Peer>,
    /// A UDP server, likewise
    #[arg(long)]
    udp: Vec<Peer>,
    /// Those the others' CPU is divided by: the best of them [default: the first]
    #[arg(long, value_delimiter = ',')]
    reference: Vec<String>,
    /// The peer whose targets are judged
    #[arg(long)]
    subject: Option<String>,
    /// The peer whose rates and latencies it is to reach
    #[arg(long)]
    rival: Option<String>,
    /// The subject's program: its size, its start, its memory while idle
    #[arg(long)]
    program: Option<String>,
    /// Exit 1 if the subject misses a target; if it or a reference fails, that is 1 in any case
    #[arg(long, requires = "subject")]
    check: bool,
    /// Numbers of connections of round trips
    #[arg(long, value_delimiter = ',', default_value = "1,64,1000,10000")]
    connections: Vec<usize>,
    /// Numbers of connections that stream
    #[arg(long, value_delimiter = ',', default_value = "1,8")]
    streams: Vec<usize>,
    /// Loads of datagrams, as SOCKETSxWINDOW
    #[arg(long, value_delimiter = ',', value_parser = sockets_and_window, default_value = "1x1,8x16,64x8")]
    datagrams: Vec<Load>,
    /// Kinds of load that are left out
    #[arg(long, value_enum, value_delimiter = ',')]
    without: Vec<Kind>,
    /// Where client and server run: a table for each
    #[arg(long, value_enum, value_delimiter = ',', default_value = "free")]
    placement: Vec<Placement>,
    /// Connections held idle at once
    #[arg(long, default_value_t = 10_000)]
    hold: usize,
    /// Turns of each peer under each load
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u64).range(1..))]
    turns: u64,
    /// Write the tables here as well
    #[arg(long)]
    output: Option<PathBuf>,
    /// Write every turn's figures here
    #[arg(long)]
    json: Option<PathBuf>,
    #[command(flatten)]
    turn: Turn,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Kind {
    RoundTrips,
    Streams,
    Datagrams,
    Hold,
}

fn sockets_and_window(text: &str) -> Result<Load, String> {
    let numbers =
        text.split_once('x').and_then(|(sockets, window)| Some((sockets.parse().ok()?, window.parse().ok()?)));
    let (sockets, window) = numbers.filter(|&(_, window)| window < MAX_WINDOW).ok_or("is written SOCKETSxWINDOW")?;
    Ok(Load::Datagrams(sockets, window))
}

fn main() -> Result<ExitCode> {
    let command = Command::parse();
    kernel::machine();
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

fn load(args: &LoadArgs) -> Result<ExitCode> {
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
    let results = measure_all(args)?;
    let mut text = results.markdown();
    let mut met = true;
    if let Some(subject) = &args.subject {
        let targets = targets(&results, subject, args.rival.as_deref());
        met = targets.iter().all(|target| target.met);
        text += &verdict(subject, &targets);
    }
    print!("{text}");
    if let Some(path) = &args.output {
        fs::write(path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&results.json())? + "\n";
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let well = results.whole(args.subject.as_deref()) && (met || !args.check);
    Ok(ExitCode::from(u8::from(!well)))
}

fn measure_all(args: &Compare) -> Result<Results> {
    let (turns, message_bytes) = (args.turns as usize, args.turn.size as usize);
    let mut sections = Vec::new();
    for &placement in &args.placement {
        for (kind, title, loads) in args.loads() {
            // How many connections can be held is no question of placement.
            let once = kind == Kind::Hold && placement != args.placement[0];
            let peers = if kind == Kind::Datagrams { &args.udp } else { &args.tcp };
            if once || args.without.contains(&kind) || peers.is_empty() {
                continue;
            }
            let (warm_up, period) = (args.turn.warm_up.into(), args.turn.period.into());
            let conditions = Conditions { placement, message_bytes, warm_up, period };
            let place = if kind == Kind::Hold { String::new() } else { format!(", {}", placement.describe()) };
            let loads = loads.into_iter().map(|load| take_turns(peers, turns, load, &conditions)).collect();
            let references = args.reference.iter().filter_map(|name| position(peers, name)).collect();
            sections.push(Section { title: format!("{title}{place}"), peers: peers.clone(), references, loads });
        }
    }
    let period_s = Duration::from(args.turn.period).as_secs_f64();
    Ok(Results { turns, message_bytes, period_s, sections, program: args.program(turns)? })
}

impl Compare {
    fn loads(&self) -> [(Kind, String, Vec<Load>); 4] {
        let of = |counts: &[usize], load: fn(usize) -> Load| counts.iter().copied().map(load).collect();
        let bytes = self.turn.size;
        [
            (Kind::RoundTrips, format!("TCP round trips of {bytes} bytes"), of(&self.connections, Load::RoundTrips)),
            (Kind::Streams, "TCP streams".into(), of(&self.streams, Load::Streams)),
            (Kind::Datagrams, format!("UDP datagrams of {bytes} bytes"), self.datagrams.clone()),
            (Kind::Hold, "Connections held at once".into(), vec![Load::Hold(self.hold)]),
        ]
    }

    fn program(&self, turns: usize) -> Result<Option<Program>> {
        let Some(path) = &self.program else { return Ok(None) };
        let subjects = [&self.tcp, &self.udp].into_iter().flatten();
        let subjects: Vec<&Peer> = subjects.filter(|peer| Some(&peer.name) == self.subject.as_ref()).collect();
        Program::measure(path, &subjects, turns).map(Some)
    }
}
