//! What the page plots, as values: `--json` has the same ones under `page`.
//! Whole numbers only, so that a seed gives the same on every system.

use std::collections::HashSet;
use std::time::Duration;

use crate::compare::comparison::Comparison;
use crate::compare::packets::{Packet, Says};
use crate::compare::stats::Origin;
use crate::link::Direction;

/// Steps of time in which losses are counted, at most.
const LOSS_STEPS: u64 = 40;

/// Steps of time in which a window is told.
const WINDOW_STEPS: u64 = 100;

/// Bars of a distribution, where the slowest is not many times the quickest.
const BARS: u64 = 20;

/// How many times the quickest the slowest is, so that bars must grow with the
/// times they stand for.
const FAR_APART: u64 = 5;

/// Twelve steps to ten times as much, each about a fifth larger than the one
/// before (IEC 60063, E12).
const TWELFTHS: [u64; 12] = [10, 12, 15, 18, 22, 27, 33, 39, 47, 56, 68, 82];

/// All that is plotted.
#[derive(Debug, serde::Serialize)]
pub struct Series {
    /// Messages that came, by how long they took: there and back, or one way.
    pub times: Option<Distribution>,
    /// What was lost, and when it had been sent.
    pub losses: Losses,
    /// TCP's window; `None` where nobody here knows.
    pub window: Option<Window>,
}

/// How many messages took how long.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub struct Distribution {
    /// From where each bar counts, and at last up to where.
    pub edges_us: Vec<u64>,
    /// TCP's bars.
    pub tcp: Vec<u64>,
    /// UDP's.
    pub udp: Vec<u64>,
}

/// Losses in steps of time.
#[derive(Debug, serde::Serialize)]
pub struct Losses {
    /// `link`: packets, both ways. `measured`: messages.
    pub origin: Origin,
    /// How long a step is.
    pub step_us: u64,
    /// TCP's; `None` over real ways, where nobody sees its packets.
    pub tcp: Option<Vec<u64>>,
    /// UDP's.
    pub udp: Vec<u64>,
}

/// How much the client's TCP had under way, and was willing to.
#[derive(Debug, serde::Serialize)]
pub struct Window {
    /// How long a step is.
    pub step_us: u64,
    /// The most bytes sent and not acknowledged, in each step, as the link saw
    /// them.
    pub in_flight: Option<Vec<u64>>,
    /// The largest congestion window in each step, in bytes, as the kernel told
    /// it.
    pub cwnd: Option<Vec<u64>>,
}

/// All that can be plotted of this comparison.
pub fn series(comparison: &Comparison) -> Series {
    let [tcp, udp] =
        [&comparison.tcp, &comparison.udp].map(|column| column.times.iter().copied().map(micros).collect::<Vec<u64>>());
    let came = !(tcp.is_empty() && udp.is_empty());
    Series { times: came.then(|| Distribution::of(&tcp, &udp)), losses: losses(comparison), window: window(comparison) }
}

fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}

impl Distribution {
    fn of(tcp: &[u64], udp: &[u64]) -> Distribution {
        let all = || tcp.iter().chain(udp).copied();
        let edges_us = edges(all().min().unwrap_or(0), all().max().unwrap_or(0));
        let count = |trips: &[u64]| {
            let mut bars = vec![0; edges_us.len() - 1];
            for trip in trips {
                bars[edges_us.partition_point(|edge| edge <= trip) - 1] += 1;
            }
            bars
        };
        Distribution { tcp: count(tcp), udp: count(udp), edges_us }
    }
}

/// Where bars begin and end, from at most `min` to beyond `max`.
fn edges(min: u64, max: u64) -> Vec<u64> {
    if max / FAR_APART < min.max(1) {
        let step = nice((max - min) / BARS + 1);
        let first = min / step;
        return (first..=max / step + 1).map(|edge| edge * step).collect();
    }
    let growing = (0..).flat_map(|power| TWELFTHS.map(|twelfth| twelfth * 10_u64.pow(power)));
    let mut edges: Vec<u64> = Vec::new();
    for edge in std::iter::once(0).chain(growing) {
        if edge <= min {
            edges.clear();
        }
        edges.push(edge);
        if edge > max {
            break;
        }
    }
    edges
}

/// The next one of 1, 2, 5, 10, 20, ... that is no less.
fn nice(least: u64) -> u64 {
    let mut power = 1;
    loop {
        for factor in [1, 2, 5] {
            if factor * power >= least {
                return factor * power;
            }
        }
        power *= 10;
    }
}

fn losses(comparison: &Comparison) -> Losses {
    let Some(packets) = &comparison.packets else {
        let samples = &comparison.udp.samples;
        let came: HashSet<u32> = samples.arrivals.iter().map(|(number, _)| *number).collect();
        let lost = |(at, _): &(usize, &Duration)| !came.contains(&(*at as u32 + 1));
        let lost: Vec<u64> = samples.sent.iter().enumerate().filter(lost).map(|(_, at)| micros(*at)).collect();
        let last = samples.sent.last().copied().map_or(0, micros);
        let step_us = nice(last / LOSS_STEPS + 1);
        return Losses { origin: Origin::Measured, step_us, tcp: None, udp: counted(&lost, step_us, last) };
    };
    let last = |packets: &[Packet]| packets.last().map_or(0, |packet| since_first(packets, packet.sent));
    let lost = |packets: &[Packet]| -> Vec<u64> {
        packets.iter().filter(|packet| packet.lost.is_some()).map(|packet| since_first(packets, packet.sent)).collect()
    };
    let step_us = nice(last(&packets.tcp).max(last(&packets.udp)) / LOSS_STEPS + 1);
    let [tcp, udp] = [&packets.tcp, &packets.udp].map(|packets| counted(&lost(packets), step_us, last(packets)));
    Losses { origin: Origin::Link, step_us, tcp: Some(tcp), udp }
}

/// Microseconds since the first packet was sent.
fn since_first(packets: &[Packet], at: Duration) -> u64 {
    micros(at.saturating_sub(packets.first().map_or(Duration::ZERO, |first| first.sent)))
}

/// How many of these moments are in each step up to `last`.
fn counted(moments: &[u64], step: u64, last: u64) -> Vec<u64> {
    let mut steps = vec![0; (last / step) as usize + 1];
    for moment in moments {
        steps[(moment / step) as usize] += 1;
    }
    steps
}

fn window(comparison: &Comparison) -> Option<Window> {
    let flight = comparison.packets.as_ref().map(|packets| flight(&packets.tcp));
    let windows = &comparison.tcp.samples.windows;
    let cwnd: Vec<(u64, u64)> = windows.iter().map(|(at, bytes)| (micros(*at), *bytes)).collect();
    let last = flight.iter().flatten().chain(&cwnd).map(|(at, _)| *at).max()?;
    let step_us = nice(last / WINDOW_STEPS + 1);
    let told = |changes: &[(u64, u64)]| (!changes.is_empty()).then(|| stepped(changes, step_us, last));
    Some(Window { step_us, in_flight: told(&flight.unwrap_or_default()), cwnd: told(&cwnd) })
}

/// Bytes sent and not acknowledged, whenever they change: forward data takes
/// them up when it is sent, and an ACK down when it arrives.
fn flight(packets: &[Packet]) -> Vec<(u64, u64)> {
    let mut events: Vec<(Duration, bool, u64)> = Vec::new();
    for packet in packets {
        match (&packet.says, packet.direction) {
            (Says::Segment { seq, length, .. }, Direction::Forward) if *length > 0 => {
                events.push((packet.sent, true, u64::from(*seq) + *length as u64));
            }
            (Says::Segment { ack: Some(ack), .. }, Direction::Backward) => {
                events.extend(packet.arrived.first().map(|at| (*at, false, u64::from(*ack))));
            }
            _ => {}
        }
    }
    events.sort_by_key(|(at, ..)| *at);
    let (mut sent, mut acked) = (1, 1); // the SYN took 0
    let mut change = |(at, is_data, number): (Duration, bool, u64)| {
        let highest = if is_data { &mut sent } else { &mut acked };
        *highest = number.max(*highest);
        (since_first(packets, at), sent.saturating_sub(acked))
    };
    events.into_iter().map(&mut change).collect()
}

/// What changes at moments, in steps: of several values within one, the
/// largest; without any, the last one still holds.
fn stepped(changes: &[(u64, u64)], step: u64, last: u64) -> Vec<u64> {
    let mut value = changes.first().map_or(0, |(_, first)| *first);
    let mut changes = changes.iter().peekable();
    let mut steps = Vec::new();
    for at in 0..=last / step {
        let mut largest = value;
        while let Some((_, new)) = changes.next_if(|(moment, _)| moment / step <= at) {
            value = *new;
            largest = largest.max(value);
        }
        steps.push(largest);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_trip_has_its_bar() {
        let table: [(&[u64], &[u64]); 6] = [
            (&[0], &[]),
            (&[7, 7], &[7]),
            (&[20_000, 20_400], &[20_100]),
            (&[9, 2_000_000], &[30]),
            (&[1, 10], &[100]),
            (&[], &[5]),
        ];
        for (tcp, udp) in table {
            let Distribution { edges_us, tcp: tcp_bars, udp: udp_bars } = Distribution::of(tcp, udp);
            assert!(edges_us.is_sorted() && edges_us.len() >= 2, "{edges_us:?}");
            assert!(edges_us.len() <= 80, "{edges_us:?}");
            assert_eq!(tcp_bars.iter().sum::<u64>(), tcp.len() as u64);
            assert_eq!(udp_bars.iter().sum::<u64>(), udp.len() as u64);
        }
    }

    #[test]
    fn a_step_is_one_two_or_five() {
        let table = [(1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (49, 50), (51, 100), (100_001, 200_000)];
        for (least, step) in table {
            assert_eq!(nice(least), step, "{least}");
        }
    }

    #[test]
    fn a_value_holds_until_the_next_one() {
        let changes = [(0, 3), (12, 9), (14, 1), (40, 2)];
        assert_eq!(stepped(&changes, 10, 45), [3, 9, 1, 1, 2]);
        assert_eq!(stepped(&[(25, 7)], 10, 45), [7, 7, 7, 7, 7], "nothing was known before");
    }
}
