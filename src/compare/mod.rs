//! TCP and UDP side by side: the same messages by both, and each figure with
//! where it is from.
//!
//! - [`workload`]: what is sent; [`medium`]: what it goes over; [`sockets`]: by
//!   the system's own sockets; [`virtual_time`]: by a stack of our own
//! - [`stats`]: from samples to figures, and what each of them means
//! - [`packets`]: each packet of an emulated link; [`ladder`]: drawn in time
//! - [`sweep`]: over links that lose more and more
//! - [`page`]: one page with tables, plots and ladders
//! - [`comparison`]: all of it, as `--json` has it
//! - [`table`], [`words`]: for people; [`csv`]: for programs

pub mod comparison;
pub mod csv;
pub mod ladder;
pub mod medium;
pub mod packets;
pub mod page;
pub mod progress;
pub mod real_time;
pub mod sockets;
pub mod stats;
pub mod sweep;
pub mod table;
pub mod virtual_time;
pub mod words;
pub mod workload;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use self::comparison::{Comparison, Packets, Sent};
use self::page::Page;
use self::progress::Progress;
use self::sweep::{Point, Sweep};
use self::workload::Workload;
use crate::error::{Attempt, Error, Result, Status};
use crate::link;
use crate::link::options::Link;
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
    /// Write one page with tables, plots and each packet's way to FILE
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    html: Option<PathBuf>,
    /// The figures as comma-separated values
    #[arg(long, conflicts_with = "json", help_heading = "Output")]
    csv: bool,
}

/// What is asked for, checked, and what it goes over.
pub struct Prepared {
    workload: Workload,
    link: Option<Link>,
}

impl Args {
    /// Checks what is asked for, and makes ready what it goes over; before
    /// there is a second thread.
    ///
    /// # Errors
    /// What cannot be asked, or is not allowed here.
    pub fn prepare(&self) -> Result<Prepared> {
        let needs_link = self.ladder || self.pcap.is_some() || self.sweep.is_some();
        let (workload, link) = (self.workload.workload()?, self.link.link(needs_link, drawn_seed())?);
        self.check(&workload, link.as_ref())?;
        link.iter().try_for_each(medium::prepare)?;
        Ok(Prepared { workload, link })
    }

    /// Runs it to its end.
    pub fn run(&self, host: &Host, prepared: Prepared) -> Result<Status> {
        let mut comparison = self.compare(host, &prepared)?;
        if let (Some(path), Some(logs)) = (&self.pcap, &comparison.logs) {
            let written = link::pcap::write(path, &[&logs.tcp, &logs.udp]);
            written.map_err(|(path, cause)| unwritten(&path, &cause))?;
        }
        if let Some(path) = &self.html {
            let (heading, sentences) = self.words(&prepared.workload, &comparison);
            let page = Page::new(heading, sentences, &comparison);
            let written = page::page(&comparison, &page).map_err(io::Error::other);
            written.and_then(|text| fs::write(path, text)).map_err(|cause| unwritten(path, &cause))?;
            comparison.page = Some(page);
        }
        let text = if self.csv { csv::csv(&comparison) } else { self.text(host, &prepared.workload, &comparison) };
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

    fn compare(&self, host: &Host, Prepared { workload, link }: &Prepared) -> Result<Comparison> {
        let mut progress = Progress::new(&host.report, workload.count);
        progress.watches_window = self.html.is_some();
        let Some(link) = link else {
            let elsewhere = self.tcp.as_ref().zip(self.udp.as_ref());
            let (tcp, udp) = medium::real_sockets(host, workload, elsewhere, &progress);
            let workload = Sent::new(workload, self.link.seed.unwrap_or(0));
            let (logs, packets, sweep, page) = Default::default();
            return Ok(Comparison { workload, link: None, tcp, udp, logs, packets, sweep, page });
        };
        let kept = if self.pcap.is_some() { usize::MAX } else { HEADER_BYTES };
        let (tcp, udp, logs) = medium::carry(host, workload, link, kept, &progress)?;
        let packets = (self.ladder || self.html.is_some()).then(|| Packets {
            tcp: packets::packets(&logs.tcp, workload),
            udp: packets::packets(&logs.udp, workload),
        });
        let swept = |link: Result<Link>| {
            let link = link?;
            let (tcp, udp, _) = medium::carry(host, workload, &link, HEADER_BYTES, &progress)?;
            Ok(Point { loss: link.loss, tcp, udp })
        };
        let sweep = self.sweep.as_ref().map(|Sweep(shares)| shares.iter().map(|loss| swept(link.with_loss(*loss))));
        let sweep = sweep.map(Iterator::collect).transpose()?;
        let workload = Sent::new(workload, link.seed);
        Ok(Comparison { workload, link: Some(link.clone()), tcp, udp, logs: Some(logs), packets, sweep, page: None })
    }

    fn text(&self, host: &Host, workload: &Workload, comparison: &Comparison) -> String {
        let ladders = comparison.packets.as_ref().filter(|_| self.ladder).map(ladders).unwrap_or_default();
        let sweep = comparison.sweep.as_ref().map(|points| format!("\n{}", sweep::table(points))).unwrap_or_default();
        let table = table::table(comparison) + &sweep;
        if !host.report.wants_messages() {
            return ladders + &table;
        }
        let (heading, sentences) = self.words(workload, comparison);
        let sentences: String = sentences.iter().map(|sentence| words::wrapped(sentence) + "\n").collect();
        format!("{}\n\n{ladders}{table}\n{sentences}", words::wrapped(&heading))
    }

    /// What was sent over what, and what the figures show.
    fn words(&self, workload: &Workload, comparison: &Comparison) -> (String, Vec<String>) {
        let over = match (&self.tcp, &self.udp, &comparison.link) {
            (Some(tcp), Some(udp), _) => format!("to tcp {tcp} and udp {udp}"),
            (.., Some(link)) => format!("over an emulated link: {link}, seed {}", link.seed),
            _ => "over loopback, by the system's own TCP and UDP".into(),
        };
        let sentences = [words::sentences(workload, comparison), real_time::notes(comparison)].concat();
        (words::heading(workload, &over), sentences)
    }
}

fn unwritten(path: &Path, cause: &io::Error) -> Error {
    Error::new(Attempt::Write, path.display().to_string(), cause)
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
