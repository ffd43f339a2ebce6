//! TCP and UDP side by side: the same messages by both, and each figure with
//! where it is from.
//!
//! - [`workload`]: what is sent; [`sockets`]: by the system's own sockets
//! - [`stats`]: from samples to figures, and what each of them means
//! - [`table`], [`words`]: for people; JSON and [`csv`] for programs

pub mod csv;
pub mod progress;
pub mod sockets;
pub mod stats;
pub mod table;
pub mod words;
pub mod workload;

use std::net::{IpAddr, Ipv4Addr};

use serde::Serialize;

use self::progress::Progress;
use self::sockets::{Far, Route};
use self::stats::Column;
use self::workload::Workload;
use crate::error::{Attempt, Error, Result, Status};
use crate::net::addr::Addr;
use crate::net::host::Host;
use crate::report::Answer;

/// Arguments of `netlab compare`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    workload: workload::Options,
    /// Ask this TCP echo server instead of our own
    #[arg(long, value_name = "ADDR", requires = "udp", conflicts_with = "one_way")]
    tcp: Option<Addr>,
    /// Ask this UDP echo server instead of our own
    #[arg(long, value_name = "ADDR", requires = "tcp")]
    udp: Option<Addr>,
    /// The figures as comma-separated values
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// What came of it, as `--json` has it.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// What was sent.
    pub workload: Sent,
    /// The emulated link; none over real ones.
    pub link: Option<()>,
    /// By TCP.
    pub tcp: Column,
    /// By UDP.
    pub udp: Column,
}

/// The workload, as `--json` has it.
#[derive(Clone, Debug, Serialize)]
pub struct Sent {
    /// How many messages.
    pub count: u32,
    /// Bytes of each.
    pub size: usize,
    /// From one to the next, in microseconds.
    pub interval_us: u64,
    /// What the link's fate was drawn from.
    pub seed: u64,
    /// Whether nobody answered.
    pub one_way: bool,
}

impl Args {
    /// Runs it to its end.
    pub fn run(&self, host: &Host) -> Result<Status> {
        let workload = self.workload.workload()?;
        let comparison = self.compare(host, &workload)?;
        let text = if self.csv { csv::csv(&comparison) } else { self.text(host, &workload, &comparison) };
        let json = serde_json::to_string(&comparison)
            .map_err(|error| Error::other(Attempt::Write, "the figures", error.to_string()))?;
        let failures = comparison.failures().map(|error| [error.message(), error.why(), error.try_next()]).collect();
        host.report.answer(&Answer { text, json, failures });
        Ok(comparison.status())
    }

    fn compare(&self, host: &Host, workload: &Workload) -> Result<Comparison> {
        let loopback = Ipv4Addr::LOCALHOST;
        let route =
            Route { listen_at: IpAddr::V4(loopback), reach_at: IpAddr::V4(loopback), is_idle: Box::new(|| true) };
        let far = match (&self.tcp, &self.udp) {
            (Some(tcp), Some(udp)) => Far::Elsewhere { tcp, udp },
            _ => Far::Own(&route),
        };
        let progress = Progress::new(&host.report, workload.count);
        let tcp = Column::of(workload, sockets::tcp(host, workload, &far, &progress));
        let udp = Column::of(workload, sockets::udp(host, workload, &far, &progress));
        Ok(Comparison { workload: Sent::new(workload, 0), link: None, tcp, udp })
    }

    fn text(&self, host: &Host, workload: &Workload, comparison: &Comparison) -> String {
        let table = table::table(comparison);
        if !host.report.wants_messages() {
            return table;
        }
        let over = match (&self.tcp, &self.udp) {
            (Some(tcp), Some(udp)) => format!("to tcp {tcp} and udp {udp}"),
            _ => "over loopback, by the system's own TCP and UDP".into(),
        };
        let sentences = words::sentences(workload, comparison);
        format!("{}\n\n{table}\n{sentences}", words::heading(workload, &over))
    }
}

impl Sent {
    fn new(workload: &Workload, seed: u64) -> Sent {
        let Workload { count, size, interval, one_way, .. } = *workload;
        Sent { count, size, interval_us: interval.as_micros() as u64, seed, one_way }
    }
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
