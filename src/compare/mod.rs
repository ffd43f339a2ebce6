//! TCP and UDP side by side: the same messages by both, and each figure with
//! where it is from.
//!
//! - [`workload`]: what is sent; [`sockets`]: by the system's own sockets;
//!   [`virtual_time`]: over an emulated link, by a stack of our own
//! - [`stats`]: from samples to figures, and what each of them means
//! - [`packets`]: each packet of an emulated link; [`ladder`]: drawn in time
//! - [`sweep`]: over links that lose more and more
//! - [`table`], [`words`]: for people; JSON and [`csv`] for programs

pub mod csv;
pub mod ladder;
pub mod packets;
pub mod progress;
pub mod sockets;
pub mod stats;
pub mod sweep;
pub mod table;
pub mod virtual_time;
pub mod words;
pub mod workload;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use serde::ser::{Serialize, SerializeMap, Serializer};

use self::packets::Packet;
use self::progress::Progress;
use self::sockets::{Far, Route};
use self::stats::Column;
use self::sweep::{Point, Sweep};
use self::workload::Workload;
use crate::error::{Attempt, Error, Result, Status};
use crate::link::log::{Counts, Log};
use crate::link::options::Link;
use crate::link::{self, Direction};
use crate::net::addr::Addr;
use crate::net::host::Host;
use crate::report::Answer;

/// IPv4 and UDP headers, in bytes.
const UDP_HEADERS: usize = 28;

/// Bytes of each packet that a log keeps: all headers.
const HEADER_BYTES: usize = 128;

/// Seeds that are drawn: short enough to be typed again.
const DRAWN_SEEDS: u64 = 1_000_000;

/// Arguments of `netlab compare`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    workload: workload::WorkloadOptions,
    /// Ask this TCP echo server instead of our own
    #[arg(long, value_name = "ADDR", requires = "udp", conflicts_with_all = ["one_way", "link"],
        help_heading = "Servers")]
    tcp: Option<Addr>,
    /// Ask this UDP echo server instead of our own
    #[arg(long, value_name = "ADDR", requires = "tcp", help_heading = "Servers")]
    udp: Option<Addr>,
    #[command(flatten)]
    link: link::options::LinkOptions,
    /// Draw each packet's way in time (without a link: over --link sim)
    #[arg(long, conflicts_with = "csv", help_heading = "Output")]
    ladder: bool,
    /// Write what arrived to FILE, for Wireshark, and what was lost to a second
    /// file beside it (without a link: over --link sim)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pcap: Option<PathBuf>,
    /// Try these shares of losses as well, such as loss=0,1%,2%,5% (without a
    /// link: over --link sim)
    #[arg(long, value_name = "loss=LIST", conflicts_with = "csv", help_heading = "Output")]
    sweep: Option<Sweep>,
    /// The figures as comma-separated values
    #[arg(long, conflicts_with = "json", help_heading = "Output")]
    csv: bool,
}

/// What came of it, as `--json` has it.
#[derive(Debug, serde::Serialize)]
pub struct Comparison {
    /// What was sent.
    pub workload: Sent,
    /// The emulated link; none over real ones.
    pub link: Option<Link>,
    /// By TCP.
    pub tcp: Column,
    /// By UDP.
    pub udp: Column,
    /// What became of each packet, where a link was emulated.
    #[serde(rename = "log", skip_serializing_if = "Option::is_none")]
    pub logs: Option<Logs>,
    /// Each packet, with `--ladder`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packets: Option<Packets>,
    /// The same over other links, with `--sweep`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Vec<Point>>,
}

/// Each protocol's packets.
#[derive(Debug, serde::Serialize)]
pub struct Packets {
    /// TCP's.
    pub tcp: Vec<Packet>,
    /// UDP's.
    pub udp: Vec<Packet>,
}

/// The workload, as `--json` has it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Sent {
    /// How many messages.
    pub count: u32,
    /// Bytes of each.
    pub size: usize,
    /// From one to the next, in microseconds.
    pub interval_us: u64,
    /// What the link's fates were drawn from.
    pub seed: u64,
    /// Whether nobody answered.
    pub one_way: bool,
}

/// The link's logs, one for each protocol.
#[derive(Debug)]
pub struct Logs {
    /// Of TCP's packets.
    pub tcp: Log,
    /// Of UDP's.
    pub udp: Log,
}

impl Args {
    /// Runs it to its end.
    pub fn run(&self, host: &Host) -> Result<Status> {
        let needs_link = self.ladder || self.pcap.is_some() || self.sweep.is_some();
        let (workload, link) = (self.workload.workload()?, self.link.link(needs_link, drawn_seed())?);
        self.check(&workload, link.as_ref())?;
        let comparison = self.compare(host, &workload, link)?;
        if let (Some(path), Some(logs)) = (&self.pcap, &comparison.logs) {
            let written = link::pcap::write(path, &[&logs.tcp, &logs.udp]);
            written.map_err(|(path, cause)| Error::new(Attempt::Write, path.display().to_string(), &cause))?;
        }
        let text = if self.csv { csv::csv(&comparison) } else { self.text(host, &workload, &comparison) };
        let json = serde_json::to_string(&comparison)
            .map_err(|error| Error::other(Attempt::Write, "the figures", error.to_string()))?;
        let failures = comparison.failures().map(|error| [error.message(), error.why(), error.try_next()]).collect();
        host.report.answer(&Answer { text, json, failures });
        Ok(comparison.status())
    }

    /// What cannot be asked, though each option by itself can.
    fn check(&self, workload: &Workload, link: Option<&Link>) -> Result<()> {
        let unasked = |subject: &str, cause: &str, why: String, next: &str| {
            Err(Error::other(Attempt::Compare, subject, cause).because(why).next(next).unasked())
        };
        match link {
            Some(_) if self.tcp.is_some() => {
                let why = "an emulated link lies between two ends of our own".into();
                unasked(
                    "with servers elsewhere",
                    "they are not on the link",
                    why,
                    "leave out --tcp and --udp, or the link's options",
                )
            }
            Some(link) if workload.size + UDP_HEADERS > usize::from(link.mtu) => {
                let room = usize::from(link.mtu) - UDP_HEADERS;
                let why = format!(
                    "a packet of this link holds {} bytes, {UDP_HEADERS} of them headers: a longer datagram would be cut \
                     into fragments, and be lost with any of them",
                    link.mtu
                );
                unasked(
                    &format!("messages of {} bytes", workload.size),
                    "no packet holds one",
                    why,
                    &format!("--size {room}, or a larger --mtu"),
                )
            }
            None if self.pcap.is_some() => {
                let why = "real packets are the system's, and only its administrator may capture them".into();
                unasked("with --pcap over real sockets", "nobody here sees the packets", why, "--link sim --pcap FILE")
            }
            _ => Ok(()),
        }
    }

    fn compare(&self, host: &Host, workload: &Workload, link: Option<Link>) -> Result<Comparison> {
        let progress = Progress::new(&host.report, workload.count);
        let Some(link) = link else {
            let (tcp, udp) = self.over_real_sockets(host, workload, &progress);
            let workload = Sent::new(workload, self.link.seed.unwrap_or(0));
            return Ok(Comparison { workload, link: None, tcp, udp, logs: None, packets: None, sweep: None });
        };
        let sweep = self.sweep.as_ref().map(|sweep| swept(sweep, &link, workload)).transpose()?;
        let kept = if self.pcap.is_some() { usize::MAX } else { HEADER_BYTES };
        let (tcp, udp, logs) = over_link(&link, workload, kept);
        let packets = self.ladder.then(|| Packets {
            tcp: packets::packets(&logs.tcp, workload),
            udp: packets::packets(&logs.udp, workload),
        });
        let workload = Sent::new(workload, link.seed);
        Ok(Comparison { workload, link: Some(link), tcp, udp, logs: Some(logs), packets, sweep })
    }

    fn over_real_sockets(&self, host: &Host, workload: &Workload, progress: &Progress) -> (Column, Column) {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let route = Route { listen_at: loopback, reach_at: loopback, is_loopback: true, is_idle: Box::new(|| true) };
        let far = match (&self.tcp, &self.udp) {
            (Some(tcp), Some(udp)) => Far::Elsewhere { tcp, udp },
            _ => Far::Own(&route),
        };
        let tcp = sockets::tcp(host, workload, &far, progress);
        let udp = sockets::udp(host, workload, &far, progress);
        (Column::of(workload, tcp), Column::of(workload, udp))
    }

    fn text(&self, host: &Host, workload: &Workload, comparison: &Comparison) -> String {
        let ladders = comparison.packets.as_ref().map(ladders).unwrap_or_default();
        let sweep = comparison.sweep.as_ref().map(|points| format!("\n{}", sweep::table(points))).unwrap_or_default();
        let table = table::table(comparison) + &sweep;
        if !host.report.wants_messages() {
            return ladders + &table;
        }
        let over = match (&self.tcp, &self.udp, &comparison.link) {
            (Some(tcp), Some(udp), _) => format!("to tcp {tcp} and udp {udp}"),
            (.., Some(link)) => format!("over an emulated link: {link}, seed {}", link.seed),
            _ => "over loopback, by the system's own TCP and UDP".into(),
        };
        let sentences = words::sentences(workload, comparison);
        format!("{}\n\n{ladders}{table}\n{sentences}", words::heading(workload, &over))
    }
}

/// Both protocols over the same link, each with all of it to itself.
fn over_link(link: &Link, workload: &Workload, kept: usize) -> (Column, Column, Logs) {
    let (tcp, tcp_log) = virtual_time::tcp(link, workload, kept);
    let (udp, udp_log) = virtual_time::udp(link, workload, kept);
    let tcp = Column::of(workload, tcp.with_log(&tcp_log));
    let udp = Column::of(workload, udp.with_log(&udp_log));
    (tcp, udp, Logs { tcp: tcp_log, udp: udp_log })
}

fn swept(sweep: &Sweep, link: &Link, workload: &Workload) -> Result<Vec<Point>> {
    let links = sweep.0.iter().map(|loss| link.with_loss(*loss)).collect::<Result<Vec<Link>>>()?;
    let point = |link: &Link| {
        let (tcp, udp, _) = over_link(link, workload, HEADER_BYTES);
        Point { loss: link.loss, tcp, udp }
    };
    Ok(links.iter().map(point).collect())
}

/// One after the other, or where the window is wide enough, side by side.
fn ladders(packets: &Packets) -> String {
    let (tcp, udp) = (ladder::ladder("TCP", &packets.tcp), ladder::ladder("UDP", &packets.udp));
    let columns = terminal_size::terminal_size().map_or(ladder::WIDTH, |(columns, _)| usize::from(columns.0));
    let lines = if columns > 2 * ladder::WIDTH + 1 {
        ladder::beside(tcp, udp)
    } else {
        [tcp, vec![String::new()], udp].concat()
    };
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect::<String>() + "\n"
}

/// A seed where none was given: told, so that it can be given next time.
fn drawn_seed() -> u64 {
    getrandom::u64().unwrap_or_default() % DRAWN_SEEDS
}

impl Sent {
    fn new(workload: &Workload, seed: u64) -> Sent {
        let Workload { count, size, interval, one_way, .. } = *workload;
        Sent { count, size, interval_us: interval.as_micros() as u64, seed, one_way }
    }
}

impl Serialize for Logs {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let ways =
            |log: &Log| Ways { forward: log.counts(Direction::Forward), backward: log.counts(Direction::Backward) };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("tcp", &ways(&self.tcp))?;
        map.serialize_entry("udp", &ways(&self.udp))?;
        map.end()
    }
}

#[derive(serde::Serialize)]
struct Ways {
    forward: Counts,
    backward: Counts,
}

impl Comparison {
    fn failures(&self) -> impl Iterator<Item = &Error> {
        [&self.tcp, &self.udp].into_iter().filter_map(|column| column.samples.failure.as_ref())
    }

    /// Lost datagrams are a result. The answer is no where one protocol
    /// brought nothing at all, or TCP not everything.
    fn status(&self) -> Status {
        let Comparison { workload, tcp, udp, .. } = self;
        let whole = tcp.received == u64::from(workload.count) && udp.received > 0;
        if whole && self.failures().next().is_none() { Status::Done } else { Status::No }
    }
}
