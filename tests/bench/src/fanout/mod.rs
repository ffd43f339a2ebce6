//! Fan-out: what it costs a server to deliver a line to each of many listeners.

mod protocol;
mod room;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::value_parser;
use serde::{Deserialize, Serialize};

pub use self::protocol::IRC_HOST;
use self::protocol::Protocol;
use self::room::{LINE_BYTES, Room};
use crate::daemon::Daemons;
use crate::kernel::machine;
use crate::server::Server;
use crate::stats::{Spread, percentile};
use crate::wire::tls_config;

/// Lines said in one go.
const BURSTS: [usize; 2] = [1, 100];

/// A channel of more takes this server minutes to fill: everyone is told of everyone who comes.
const IRC_CROWD: usize = 1000;

/// The peer that the others are divided by.
const REFERENCE: &str = "nats";

#[derive(clap::Args)]
pub struct Args {
    /// The binary to measure
    #[arg(long)]
    netlab: PathBuf,
    /// Where configurations go
    #[arg(long)]
    dir: PathBuf,
    /// Numbers of listeners
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000,10000")]
    listeners: Vec<usize>,
    /// The servers
    #[arg(long, value_enum, value_delimiter = ',', default_value = "netlab,netlab-tls,nats,ngircd,mosquitto")]
    servers: Vec<Kind>,
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u64).range(1..))]
    turns: u64,
    /// How long lines are said in each turn, one by one and in bursts
    #[arg(long = "for", default_value = "700ms")]
    period: humantime::Duration,
    /// Write every turn here
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, clap::ValueEnum)]
enum Kind {
    Netlab,
    NetlabTls,
    Nats,
    Ngircd,
    Mosquitto,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Netlab => "netlab",
            Self::NetlabTls => "netlab-tls",
            Self::Nats => "nats",
            Self::Ngircd => "ngircd",
            Self::Mosquitto => "mosquitto",
        }
    }

    fn protocol(self) -> Protocol {
        match self {
            Self::Netlab | Self::NetlabTls => Protocol::Netlab,
            Self::Nats => Protocol::Nats,
            Self::Ngircd => Protocol::Irc,
            Self::Mosquitto => Protocol::Mqtt,
        }
    }

    fn start(self, daemons: &Daemons) -> Result<Server> {
        match self {
            Self::Netlab => daemons.netlab(""),
            Self::NetlabTls => daemons.netlab("--tls"),
            Self::Nats => daemons.nats(),
            Self::Ngircd => daemons.ngircd(),
            Self::Mosquitto => daemons.mosquitto(),
        }
    }
}

/// What one server did for one number of listeners.
#[derive(Debug, Deserialize, Serialize)]
pub struct Row {
    pub server: String,
    pub listeners: usize,
    /// Lines said in one go.
    pub burst: usize,
    pub turns: Vec<Turn>,
    /// Why there are no more turns.
    pub failed: Option<String>,
}

/// One turn. Microseconds.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Turn {
    /// Of the server, for each line that a listener got.
    pub cpu_us: f64,
    pub deliveries_per_s: f64,
    /// From the first byte said until the last listener had all of it.
    pub p50_us: f64,
    pub p99_us: f64,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let daemons = Daemons { netlab: args.netlab.clone(), dir: args.dir.canonicalize().context("--dir")? };
    let rows: Vec<Row> = args.listeners.iter().flat_map(|&listeners| take_turns(args, &daemons, listeners)).collect();
    print!("{}", markdown(&rows, args));
    if let Some(path) = &args.json {
        fs::write(path, serde_json::to_string_pretty(&rows)?)?;
    }
    Ok(ExitCode::from(u8::from(rows.iter().any(|row| row.failed.is_some()))))
}

/// Whoever goes first in one turn goes last in the next.
fn take_turns(args: &Args, daemons: &Daemons, listeners: usize) -> Vec<Row> {
    let servers: Vec<Kind> =
        args.servers.iter().copied().filter(|kind| *kind != Kind::Ngircd || listeners <= IRC_CROWD).collect();
    let row = |burst, kind: &Kind| Row { server: kind.name().into(), listeners, burst, turns: vec![], failed: None };
    let mut rows: Vec<Row> =
        BURSTS.iter().flat_map(|&burst| servers.iter().map(move |kind| row(burst, kind))).collect();
    for turn in 0..args.turns as usize {
        for step in 0..servers.len() {
            let which = (turn + step) % servers.len();
            let of_this = (0..BURSTS.len()).map(|burst| burst * servers.len() + which);
            if rows[which].failed.is_some() {
                continue;
            }
            match measure(servers[which], daemons, listeners, args.period.into()) {
                Ok(turns) => of_this.zip(turns).for_each(|(row, turn)| rows[row].turns.push(turn)),
                Err(error) => {
                    eprintln!("{listeners:>6} listeners  {:<11} failed: {error:#}", servers[which].name());
                    of_this.for_each(|row| rows[row].failed = Some(format!("{error:#}")));
                }
            }
        }
    }
    rows
}

/// One fresh server, its listeners, and a turn for each length of burst.
fn measure(kind: Kind, daemons: &Daemons, listeners: usize, period: Duration) -> Result<Vec<Turn>> {
    let server = kind.start(daemons)?;
    let tls = (kind == Kind::NetlabTls).then(tls_config).transpose()?;
    let mut room = Room::open(server.addr, kind.protocol(), listeners, tls.as_ref())?;
    let turns =
        BURSTS.iter().map(|&burst| turn(&server, &mut room, listeners, burst, period)).collect::<Result<Vec<_>>>()?;
    room.close()?;
    let cpu = |turn: &Turn| format!("{:.3}", turn.cpu_us);
    let cpu: Vec<String> = turns.iter().map(cpu).collect();
    eprintln!("{listeners:>6} listeners  {:<11} {} µs CPU a delivery", kind.name(), cpu.join(" and in bursts "));
    Ok(turns)
}

fn turn(server: &Server, room: &mut Room, listeners: usize, burst: usize, period: Duration) -> Result<Turn> {
    say_for(room, burst, period / 3)?;
    let (before, began) = (server.cpu()?, Instant::now());
    let mut waits = say_for(room, burst, period)?;
    let (cpu, elapsed) = (server.cpu()?.since(before), began.elapsed());
    let deliveries = (waits.len() * burst * listeners) as f64;
    waits.sort_unstable();
    let wait = |share| f64::from(percentile(&waits, share)) / 1e3;
    Ok(Turn {
        cpu_us: cpu.total_ns / 1e3 / deliveries,
        deliveries_per_s: deliveries / elapsed.as_secs_f64(),
        p50_us: wait(0.5),
        p99_us: wait(0.99),
    })
}

/// Each burst after everybody has heard the one before. Nanoseconds.
fn say_for(room: &mut Room, burst: usize, period: Duration) -> Result<Vec<u32>> {
    let (until, mut waits) = (Instant::now() + period, Vec::new());
    while waits.is_empty() || Instant::now() < until {
        waits.push(u32::try_from(room.round(burst)?.as_nanos()).unwrap_or(u32::MAX));
    }
    Ok(waits)
}

fn markdown(rows: &[Row], args: &Args) -> String {
    let mut text = format!(
        "## Fan-out\n\nLines of {LINE_BYTES} bytes from one speaker; the next one, or the next burst, once everybody has heard \
         the one before.\nServer CPU per delivered line, µs: median (least–most) of {} interleaved turns of {}; {}.\n",
        args.turns,
        args.period,
        machine()
    );
    for burst in BURSTS {
        let how = if burst == 1 { "One by one".to_owned() } else { format!("In bursts of {burst}") };
        text += &format!(
            "\n**{how}**\n\n| listeners | server | CPU, µs | ÷ {REFERENCE} | deliveries/s | all have it, p50 | p99, ms |\n"
        );
        text += "|--:|---|--:|--:|--:|--:|--:|\n";
        rows.iter().filter(|row| row.burst == burst).for_each(|row| text += &line(row, rows));
    }
    text
}

fn line(row: &Row, rows: &[Row]) -> String {
    let reference = rows
        .iter()
        .find(|other| other.server == REFERENCE && (other.listeners, other.burst) == (row.listeners, row.burst));
    let spread = |of: fn(&Turn) -> f64| Spread::of(row.turns.iter().map(of));
    let (Some(cpu), Some(rate), Some(p50), Some(p99)) = (
        spread(|turn| turn.cpu_us),
        spread(|turn| turn.deliveries_per_s),
        spread(|turn| turn.p50_us / 1e3),
        spread(|turn| turn.p99_us / 1e3),
    ) else {
        return format!(
            "| {} | {} | failed: {} | | | | |\n",
            row.listeners,
            row.server,
            row.failed.as_deref().unwrap_or("")
        );
    };
    // Of neighbours in time, as in the other tables.
    let ratio = reference.and_then(|reference| {
        Spread::of(row.turns.iter().zip(&reference.turns).map(|(turn, other)| turn.cpu_us / other.cpu_us))
    });
    let ratio = ratio.map_or(String::new(), |ratio| format!("{:.2}", ratio.median));
    format!(
        "| {} | {} | {cpu:.3} | {ratio} | {:.0} | {:.2} | {:.2} |\n",
        row.listeners, row.server, rate.median, p50.median, p99.median
    )
}
