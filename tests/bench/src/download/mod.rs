//! Downloads of one large file: netlab's chat server beside `nginx`, and both beside what loopback can do.

mod beside;
mod receiver;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::value_parser;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use self::beside::Chat;
use self::receiver::{Receiver, Taken};
use crate::daemon::{Daemons, free_port};
use crate::kernel::machine;
use crate::plot::median;
use crate::server::Server;
use crate::stats::Spread;
use crate::wire::tls_config;

/// The file, and that its bytes are all there.
const FILE: &str = "download.bin";

const MIB: u64 = 1024 * 1024;

#[derive(clap::Args)]
pub struct Args {
    /// The binary to measure
    #[arg(long)]
    netlab: PathBuf,
    /// Where the file and the configurations go
    #[arg(long)]
    dir: PathBuf,
    /// The file's size
    #[arg(long, default_value_t = 1024, value_parser = value_parser!(u64).range(1..))]
    mib: u64,
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u64).range(1..))]
    turns: u64,
    /// The senders
    #[arg(long, value_enum, value_delimiter = ',', default_value = "netlab,nginx,iperf3,netlab-tls,nginx-tls")]
    senders: Vec<Sender>,
    /// How long lines are said beside a download
    #[arg(long, default_value = "1s")]
    beside: humantime::Duration,
    /// Write every turn here
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, clap::ValueEnum)]
enum Sender {
    Netlab,
    Nginx,
    Iperf3,
    NetlabTls,
    NginxTls,
}

/// What one sender did.
#[derive(Debug, Deserialize, Serialize)]
pub struct Row {
    pub sender: String,
    pub turns: Vec<Turn>,
    pub failed: Option<String>,
}

/// One download.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Turn {
    pub mb_per_s: f64,
    /// Of the server, in seconds for each GiB; 0 where it is not measured.
    pub cpu_s: f64,
}

#[derive(Deserialize, Serialize)]
pub struct Results {
    rows: Vec<Row>,
    chat: Vec<Chat>,
}

impl Results {
    /// The senders and their rates, in MB/s.
    pub fn rates(&self) -> Vec<(String, f64)> {
        let rate = |row: &Row| Some((row.sender.clone(), median(row.turns.iter().map(|turn| turn.mb_per_s))?));
        self.rows.iter().filter_map(rate).collect()
    }
}

/// The file on disk, as it has to arrive.
struct Original {
    taken: Taken,
    sha256: String,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let daemons = Daemons { netlab: args.netlab.clone(), dir: args.dir.canonicalize().context("--dir")? };
    let original = Original::write(&daemons.dir.join("shared"), args.mib * MIB)?;
    let rows = take_turns(args, &daemons, &original);
    let chat = [false, true].map(|tls| beside::measure(&daemons, tls, args.turns, args.beside.into()));
    let results = Results { rows, chat: chat.into_iter().collect::<Result<_>>()? };
    print!("{}", markdown(&results, args));
    if let Some(path) = &args.json {
        fs::write(path, serde_json::to_string_pretty(&results)?)?;
    }
    Ok(ExitCode::from(u8::from(results.rows.iter().any(|row| row.failed.is_some()))))
}

impl Original {
    /// Bytes that no two parts of have in common, so that a part lost, doubled or moved is seen.
    fn write(dir: &Path, size: u64) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let path = dir.join(FILE);
        let (mut file, mut hash, mut block) =
            (BufWriter::new(File::create(&path)?), Xxh3::new(), vec![0; MIB as usize]);
        for number in 0..size / MIB {
            noise(&mut block, number << 32);
            hash.update(&block);
            file.write_all(&block)?;
        }
        file.flush()?;
        let said = Command::new("sha256sum").arg(&path).output().context("cannot start sha256sum")?.stdout;
        let sha256 = String::from_utf8_lossy(&said).split(' ').next().unwrap_or_default().to_owned();
        Ok(Self { taken: Taken { bytes: size, hash: hash.digest128() }, sha256 })
    }
}

/// Words that follow from `first` and look like none of the others (splitmix64).
fn noise(block: &mut [u8], first: u64) {
    for (number, bytes) in (first..).zip(block.chunks_exact_mut(8)) {
        let mut word = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.copy_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
}

/// Whoever goes first in one turn goes last in the next.
fn take_turns(args: &Args, daemons: &Daemons, original: &Original) -> Vec<Row> {
    let names =
        |sender: &Sender| names(*sender).iter().map(|name| Row { sender: (*name).into(), turns: vec![], failed: None });
    let mut rows: Vec<Vec<Row>> = args.senders.iter().map(|sender| names(sender).collect()).collect();
    for turn in 0..args.turns as usize {
        for step in 0..rows.len() {
            let which = (turn + step) % rows.len();
            match measure(args.senders[which], daemons, original) {
                Ok(turns) => {
                    for (row, turn) in rows[which].iter_mut().zip(turns) {
                        eprintln!("{:<18} {:6.0} MB/s  {:.3} s CPU", row.sender, turn.mb_per_s, turn.cpu_s);
                        row.turns.push(turn);
                    }
                }
                Err(error) => {
                    eprintln!("{:?} failed: {error:#}", args.senders[which]);
                    rows[which].iter_mut().for_each(|row| row.failed = Some(format!("{error:#}")));
                }
            }
        }
    }
    rows.into_iter().flatten().collect()
}

/// What is told of each sender: netlab knows a file's hash only after the first download.
fn names(sender: Sender) -> &'static [&'static str] {
    match sender {
        Sender::Netlab => &["netlab, first", "netlab, again"],
        Sender::NetlabTls => &["netlab-tls, first", "netlab-tls, again"],
        Sender::Nginx => &["nginx"],
        Sender::NginxTls => &["nginx-tls"],
        Sender::Iperf3 => &["iperf3"],
    }
}

fn measure(sender: Sender, daemons: &Daemons, original: &Original) -> Result<Vec<Turn>> {
    let tls = matches!(sender, Sender::NetlabTls | Sender::NginxTls);
    let config = tls.then(tls_config).transpose()?;
    let turns = 1 + usize::from(matches!(sender, Sender::Netlab | Sender::NetlabTls));
    let server = match sender {
        Sender::Iperf3 => return Ok(vec![iperf3(original.taken.bytes)?]),
        Sender::Netlab | Sender::NetlabTls => daemons.netlab(if tls { "--tls" } else { "" })?,
        Sender::Nginx | Sender::NginxTls => daemons.nginx(tls)?,
    };
    let mut receiver = Receiver::connect(server.addr, config.as_ref())?;
    if turns > 1 {
        receiver.enter("taker")?;
        return (0..turns)
            .map(|_| {
                timed(&server, original, || {
                    let (taken, said) = receiver.chat_file(FILE)?;
                    if said != original.sha256 {
                        bail!("the transfer ends with the hash {said}, and the file has {}", original.sha256);
                    }
                    Ok(taken)
                })
            })
            .collect();
    }
    Ok(vec![timed(&server, original, || receiver.web_file(FILE))?])
}

fn timed(server: &Server, original: &Original, download: impl FnOnce() -> Result<Taken>) -> Result<Turn> {
    let (before, began) = (server.cpu()?, Instant::now());
    let taken = download()?;
    let (elapsed, cpu) = (began.elapsed(), server.cpu()?.since(before));
    if taken != original.taken {
        bail!("{} bytes came, and they are not the file's {}", taken.bytes, original.taken.bytes);
    }
    let gib = taken.bytes as f64 / (1024 * MIB) as f64;
    Ok(Turn { mb_per_s: taken.bytes as f64 / 1e6 / elapsed.as_secs_f64(), cpu_s: cpu.total_ns / 1e9 / gib })
}

/// As many bytes by `iperf3`, which neither reads them from a file nor looks at them.
fn iperf3(bytes: u64) -> Result<Turn> {
    let port = free_port()?.to_string();
    let common = ["-p", &port, "-1", "-B", "127.0.0.1"];
    let server = Command::new("iperf3").arg("-s").args(common).stdout(Stdio::null()).spawn();
    let mut server = Ended(server.context("cannot start iperf3")?);
    let client = |_| {
        thread::sleep(Duration::from_millis(100));
        let bytes = bytes.to_string();
        let args = ["-c", "127.0.0.1", "-p", &port, "-n", &bytes, "-J"];
        Command::new("iperf3").args(args).output().ok().filter(|output| output.status.success())
    };
    let output = (0..20).find_map(client).context("iperf3 does not answer")?;
    let _ = server.0.wait();
    let said: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let rate = said["end"]["sum_received"]["bits_per_second"].as_f64().context("no rate in iperf3's answer")?;
    Ok(Turn { mb_per_s: rate / 8e6, cpu_s: 0.0 })
}

/// A process that is ended on every path.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn markdown(results: &Results, args: &Args) -> String {
    let mut text = format!(
        "## Download of {} MiB\n\nOne client, the same for netlab and nginx, hashes every byte. Median (least–most) of {} \
         interleaved turns; {}.\nnetlab is started for each turn: *first* is the download in which it gets to know the file's \
         SHA-256, *again* the next one.\n\n| sender | MB/s | ÷ iperf3 | ÷ nginx | server CPU, s per GiB |\n|---|--:|--:|--:|--:|\n",
        args.mib,
        args.turns,
        machine()
    );
    results.rows.iter().for_each(|row| text += &line(row, &results.rows));
    text += "\n**Chat beside it.** Lines from one client to another while a third downloads the file again and again: \
             from the send until it is heard, ms.\n\n| | lines | p50 | p99 | most |\n|---|--:|--:|--:|--:|\n";
    for chat in &results.chat {
        let Chat { name, lines, p50_ms, p99_ms, most_ms } = chat;
        text += &format!("| {name} | {lines} | {p50_ms:.2} | {p99_ms:.2} | {most_ms:.2} |\n");
    }
    text
}

fn line(row: &Row, rows: &[Row]) -> String {
    let spread = |of: fn(&Turn) -> f64| Spread::of(row.turns.iter().map(of));
    let (Some(rate), Some(cpu)) = (spread(|turn| turn.mb_per_s), spread(|turn| turn.cpu_s)) else {
        return format!("| {} | failed: {} | | | |\n", row.sender, row.failed.as_deref().unwrap_or(""));
    };
    let ratio = |name: &str| {
        let other = rows.iter().find(|other| other.sender == name)?;
        let pairs = row.turns.iter().zip(&other.turns);
        Some(format!("{:.2}", Spread::of(pairs.map(|(turn, other)| turn.mb_per_s / other.mb_per_s))?.median))
    };
    let nginx = if row.sender.contains("-tls") { "nginx-tls" } else { "nginx" };
    let (iperf3, nginx) = (ratio("iperf3").unwrap_or_default(), ratio(nginx).unwrap_or_default());
    let cpu = if cpu.most > 0.0 { format!("{cpu:.3}") } else { String::new() };
    format!("| {} | {rate:.0} | {iperf3} | {nginx} | {cpu} |\n", row.sender)
}
