//! The link as it is asked for on the command line, and which links there
//! cannot be.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::error::{Attempt, Error, Result};
use crate::net::stop::duration;

/// Ethernet's.
const DEFAULT_MTU: u16 = 1500;

/// Every host must take datagrams as long (RFC 791, section 3.1).
const MIN_MTU: u16 = 576;

/// A quarter of a second at 5 Mbit/s: a home router's.
const DEFAULT_QUEUE: u32 = 100;

/// Across a country. With no delay at all nothing would take any time.
const DEFAULT_DELAY: Duration = Duration::from_millis(10);

/// A minute: TCP's own longest wait for an ACK (RFC 6298 allows no less).
const MAX_DELAY: Duration = Duration::from_secs(60);

/// The link's options.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Link (any of these without --link means --link sim)")]
pub struct LinkOptions {
    /// Send it all over an emulated link
    #[arg(long, value_name = "WHOSE", value_enum)]
    pub link: Option<Kind>,
    /// Share of packets that get lost, such as 5%
    #[arg(long, value_name = "SHARE")]
    loss: Option<Share>,
    /// Lose packets in runs of this many, in the mean
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    burst: Option<u32>,
    /// Time each way takes [default: 10ms]
    #[arg(long, value_name = "TIME", value_parser = way_time)]
    delay: Option<Duration>,
    /// Up to this much more or less of it, drawn for each packet
    #[arg(long, value_name = "TIME", value_parser = way_time)]
    jitter: Option<Duration>,
    /// Share of packets that arrive twice
    #[arg(long, value_name = "SHARE")]
    duplicate: Option<Share>,
    /// Share of packets that are held back until the next one has passed
    #[arg(long, value_name = "SHARE")]
    reorder: Option<Share>,
    /// Bits per second, such as 1mbit; without it the line has no limit
    #[arg(long, value_name = "RATE")]
    rate: Option<Rate>,
    /// The longest packet, in bytes [default: 1500]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(i64::from(MIN_MTU)..))]
    mtu: Option<u16>,
    /// Packets that may wait for the line; more are lost [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    queue: Option<u32>,
    /// What all chances are drawn from: the same seed, the same fates
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// Whose TCP and UDP go over the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The system's own, in a network namespace (Linux)
    Kernel,
    /// A user-space stack's, in virtual time: the same on every system
    Sim,
}

/// A link there can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Whose protocols go over it.
    pub kind: Kind,
    /// Share of packets that get lost.
    pub loss: Share,
    /// Mean length of a run of lost packets; `None`: each by itself.
    pub burst: Option<u32>,
    /// Time each way takes.
    pub delay: Duration,
    /// Up to this much more or less of it.
    pub jitter: Duration,
    /// Share of packets that arrive twice.
    pub duplicate: Share,
    /// Share of packets that are held back.
    pub reorder: Share,
    /// Bits per second of the line; `None` for no limit.
    pub rate: Option<Rate>,
    /// The longest packet, in bytes.
    pub mtu: u16,
    /// Packets that may wait for the line.
    pub queue: u32,
    /// What all chances are drawn from.
    pub seed: u64,
}

impl LinkOptions {
    /// The link asked for, if any was, or one `is_wanted` all the same; `seed`
    /// where none was named.
    ///
    /// # Errors
    /// Losses too many for bursts so short.
    pub fn link(&self, is_wanted: bool, seed: u64) -> Result<Option<Link>> {
        let LinkOptions { loss, burst, delay, jitter, duplicate, reorder, rate, mtu, queue, .. } = self;
        let shares = loss.is_some() || duplicate.is_some() || reorder.is_some();
        let others = delay.is_some() || jitter.is_some() || rate.is_some() || mtu.is_some() || queue.is_some();
        if self.link.is_none() && !is_wanted && !shares && !others && burst.is_none() {
            return Ok(None);
        }
        let link = Link {
            kind: self.link.unwrap_or(Kind::Sim),
            loss: loss.unwrap_or_default(),
            burst: burst.filter(|length| *length > 1),
            delay: delay.unwrap_or(DEFAULT_DELAY),
            jitter: jitter.unwrap_or_default(),
            duplicate: duplicate.unwrap_or_default(),
            reorder: reorder.unwrap_or_default(),
            rate: *rate,
            mtu: mtu.unwrap_or(DEFAULT_MTU),
            queue: queue.unwrap_or(DEFAULT_QUEUE),
            seed: self.seed.unwrap_or(seed),
        };
        link.checked().map(Some)
    }
}

impl Link {
    /// Runs of lost packets must leave room for others between them.
    fn checked(self) -> Result<Link> {
        let Some(burst) = self.burst else { return Ok(self) };
        let most = Share::of_million(u64::from(burst) * 1_000_000 / (u64::from(burst) + 1));
        if self.loss <= most || self.loss == Share::ALL {
            return Ok(self);
        }
        Err(Error::other(
            Attempt::Compare,
            format!("over a link with {} loss in bursts of {burst}", self.loss),
            "there is none",
        )
        .because(format!("with that much lost, runs of lost packets are longer: bursts of {burst} lose at most {most}"))
        .next("longer bursts, or less loss")
        .unasked())
    }

    /// The same link with another share of losses.
    pub fn with_loss(&self, loss: Share) -> Result<Link> {
        Link { loss, ..self.clone() }.checked()
    }
}

impl Serialize for Link {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", &self.kind)?;
        map.serialize_entry("loss", &self.loss)?;
        map.serialize_entry("burst", &self.burst)?;
        map.serialize_entry("delay_us", &(self.delay.as_micros() as u64))?;
        map.serialize_entry("jitter_us", &(self.jitter.as_micros() as u64))?;
        map.serialize_entry("duplicate", &self.duplicate)?;
        map.serialize_entry("reorder", &self.reorder)?;
        map.serialize_entry("rate_bps", &self.rate.map(|rate| rate.0))?;
        map.serialize_entry("mtu", &self.mtu)?;
        map.serialize_entry("queue", &self.queue)?;
        map.serialize_entry("seed", &self.seed)?;
        map.end()
    }
}

impl fmt::Display for Link {
    /// `5% loss, delay 20ms ± 5ms, 1 Mbit/s`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let share = |share: Share, what: &str| (share != Share::NONE).then(|| format!("{share} {what}"));
        parts.extend(share(self.loss, "loss"));
        parts.extend(self.burst.map(|length| format!("in bursts of {length}")));
        let jitter = match self.jitter {
            Duration::ZERO => String::new(),
            jitter => format!(" ± {}", humantime::format_duration(jitter)),
        };
        parts.push(format!("delay {}{jitter}", humantime::format_duration(self.delay)));
        parts.extend(share(self.duplicate, "duplicated"));
        parts.extend(share(self.reorder, "reordered"));
        parts.extend(self.rate.map(|rate| format!("{rate}, a queue of {}", self.queue)));
        parts.push(format!("MTU {}", self.mtu));
        write!(f, "{}", parts.join(", "))
    }
}

fn way_time(text: &str) -> std::result::Result<Duration, String> {
    match duration(text)? {
        time if time <= MAX_DELAY => Ok(time),
        _ => Err(format!("is longer than {}", humantime::format_duration(MAX_DELAY))),
    }
}

/// A share of packets, in millionths: what is drawn against it is whole
/// numbers, the same on every system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    /// No packet.
    pub const NONE: Share = Share(0);
    /// Every packet.
    pub const ALL: Share = Share(1_000_000);

    fn of_million(millionths: u64) -> Share {
        Share(millionths.min(1_000_000) as u32)
    }

    /// In millionths.
    pub fn millionths(self) -> u32 {
        self.0
    }

    /// Whether a number drawn from all of u32 falls within this share.
    pub fn takes(self, drawn: u32) -> bool {
        ((u64::from(drawn) * 1_000_000) >> 32) < u64::from(self.0)
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Share, String> {
        let Some(number) = text.strip_suffix('%').or((text == "0").then_some("0")) else {
            return Err("a share has its %, such as 5% or 0.1%".into());
        };
        match decimal(number, 4) {
            Some(millionths) if millionths <= 1_000_000 => Ok(Share::of_million(millionths)),
            Some(_) => Err("no more than 100% of all packets can".into()),
            None => Err("a share is a number and %, such as 5% or 0.1%, with four decimals at most".into()),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 10_000, self.0 % 10_000);
        match rest {
            0 => write!(f, "{whole}%"),
            _ => write!(f, "{whole}.{}%", format!("{rest:04}").trim_end_matches('0')),
        }
    }
}

impl Serialize for Share {
    /// As a part of one: 0.05.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / 1e6)
    }
}

/// Bits per second, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(u64);

/// Each unit and its bits per second.
const UNITS: [(&str, u64); 4] = [("gbit", 1_000_000_000), ("mbit", 1_000_000), ("kbit", 1_000), ("bit", 1)];

impl Rate {
    /// How long the line needs for so many bytes, in nanoseconds.
    pub fn nanos_for(self, bytes: usize) -> u64 {
        (bytes as u64 * 8 * 1_000_000_000).div_ceil(self.0)
    }

    /// In bits per second.
    pub fn bits_per_second(self) -> u64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Rate, String> {
        const EXAMPLES: &str = "a rate is a number and bit, kbit, mbit or gbit, such as 1mbit";
        let lower = text.to_ascii_lowercase();
        let lower = lower.strip_suffix("/s").unwrap_or(&lower);
        let unit = UNITS.iter().find_map(|(unit, bits)| Some((lower.strip_suffix(unit)?.trim_end(), *bits)));
        let (number, bits) = unit.ok_or(EXAMPLES)?;
        let millionths = decimal(number, 6).ok_or(EXAMPLES)?;
        match u64::try_from(u128::from(millionths) * u128::from(bits) / 1_000_000) {
            Ok(0) => Err("a line of 0 bit/s carries nothing".into()),
            Ok(rate) if rate <= 1_000_000_000_000 => Ok(Rate(rate)),
            _ => Err("is more than 1000gbit".into()),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|(_, bits)| self.0.is_multiple_of(*bits));
        let (unit, bits) = unit.unwrap_or(&("bit", 1));
        write!(f, "{}{unit}/s", self.0 / bits)
    }
}

/// A decimal number times ten to the power of `places`; none with more places
/// than that, and none that is negative or too large.
fn decimal(text: &str, places: usize) -> Option<u64> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || rest.len() > places || text.ends_with('.') || !digits(whole) || !digits(rest) {
        return None;
    }
    format!("{whole}{rest:0<places$}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_exactly_and_written_as_it_was() {
        for (text, millionths) in
            [("0%", 0), ("5%", 50_000), ("0.1%", 1_000), ("12.3456%", 123_456), ("100%", 1_000_000)]
        {
            let share: Share = text.parse().unwrap();
            assert_eq!((share.millionths(), share.to_string()), (millionths, text.to_owned()));
        }
        assert_eq!("0".parse(), Ok(Share::NONE));
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for text in [
            "150%",
            "100.0001%",
            "-1%",
            "+5%",
            "5",
            "0.05",
            "5 %",
            "%",
            ".5%",
            "5.%",
            "1e1%",
            "nan%",
            "5x",
            "",
            "0.00001%",
        ] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_share_takes_its_part_of_all_numbers() {
        for (share, least_not_taken) in [(Share::NONE, 0), (Share(500_000), 1 << 31)] {
            assert!(!share.takes(least_not_taken), "{share}");
            assert!(least_not_taken == 0 || share.takes(least_not_taken - 1), "{share}");
        }
        assert!(Share::ALL.takes(u32::MAX) && Share::ALL.takes(0));
    }

    #[test]
    fn a_rate_is_bits_per_second() {
        let table = [
            ("1mbit", 1_000_000),
            ("1.5Mbit/s", 1_500_000),
            ("9600bit", 9_600),
            ("64kbit", 64_000),
            ("2 gbit", 2_000_000_000),
        ];
        for (text, bits) in table {
            assert_eq!(text.parse(), Ok(Rate(bits)), "{text}");
        }
        for text in ["0mbit", "0.0000001mbit", "1", "1mbps", "1parsec", "-1mbit", "mbit", "", "9999999gbit"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        assert_eq!("1500kbit".parse::<Rate>().unwrap().to_string(), "1500kbit/s");
        assert_eq!(Rate(1_000_000).nanos_for(125), 1_000_000);
    }

    #[test]
    fn bursts_too_short_for_their_losses_are_impossible() {
        let options =
            |loss: &str, burst| LinkOptions { loss: loss.parse().ok(), burst: Some(burst), ..LinkOptions::default() };
        assert!(options("80%", 4).link(false, 1).is_ok());
        assert!(options("81%", 4).link(false, 1).is_err());
        assert!(options("100%", 4).link(false, 1).is_ok());
        assert!(options("81%", 1).link(false, 1).is_ok(), "each by itself: runs are as long as chance has it");
    }

    #[test]
    fn any_option_of_a_link_makes_one_and_a_seed_does_not() {
        assert_eq!(LinkOptions { seed: Some(7), ..LinkOptions::default() }.link(false, 1).unwrap(), None);
        let link = LinkOptions { loss: Some(Share::NONE), ..LinkOptions::default() }.link(false, 1).unwrap().unwrap();
        assert_eq!((link.kind, link.seed), (Kind::Sim, 1));
    }
}
