//! What changed over time: the lines of the page's plots, and as `series` in
//! `--json` with `--html`.

use std::time::Duration;

use super::packets::{Packet, Says};
use super::stats::Column;
use crate::link::Direction;

/// The lines of all plots; times in microseconds.
#[derive(Debug, serde::Serialize)]
pub struct Series {
    /// How long each message took that came, in the order in which they came:
    /// its round trip, or with `--one-way` its way.
    pub message_times_us: Both<Vec<u64>>,
    /// When each packet was sent that got lost.
    pub lost_at_us: Both<Vec<u64>>,
    /// Bytes that TCP's client had sent and not yet seen acknowledged, each
    /// time that changed.
    pub tcp_in_flight: Vec<(u64, u64)>,
}

/// One for each protocol.
#[derive(Debug, Default, serde::Serialize)]
pub struct Both<T> {
    /// TCP's.
    pub tcp: T,
    /// UDP's.
    pub udp: T,
}

impl Series {
    /// From both columns and, over an emulated link, both protocols' packets.
    pub fn of(tcp: &Column, udp: &Column, packets: Option<(&[Packet], &[Packet])>) -> Series {
        let times = |column: &Column| column.times.iter().copied().map(micros).collect();
        let (tcp_packets, udp_packets) = packets.unwrap_or_default();
        Series {
            message_times_us: Both { tcp: times(tcp), udp: times(udp) },
            lost_at_us: Both { tcp: lost_at(tcp_packets), udp: lost_at(udp_packets) },
            tcp_in_flight: in_flight(tcp_packets),
        }
    }
}

fn lost_at(packets: &[Packet]) -> Vec<u64> {
    packets.iter().filter(|packet| packet.lost.is_some()).map(|packet| micros(packet.sent)).collect()
}

/// What is sent raises it, what an ACK reports lowers it.
fn in_flight(packets: &[Packet]) -> Vec<(u64, u64)> {
    let mut events: Vec<(Duration, Event)> = Vec::new();
    for packet in packets {
        let Says::Segment { flags, seq, ack, length } = packet.says else { continue };
        match (packet.direction, packet.arrived.first(), ack) {
            (Direction::Forward, ..) => {
                let takes = length as u32 + u32::from(flags.syn) + u32::from(flags.fin);
                events.push((packet.sent, Event::Sent(seq.wrapping_add(takes))));
            }
            (Direction::Backward, Some(at), Some(ack)) => events.push((*at, Event::Acknowledged(ack))),
            _ => {}
        }
    }
    events.sort_by_key(|(at, _)| *at);
    let (mut sent, mut acknowledged, mut line) = (0_u32, 0_u32, Vec::new());
    for (at, event) in events {
        match event {
            Event::Sent(end) => sent = sent.max(end),
            Event::Acknowledged(ack) => acknowledged = acknowledged.max(ack),
        }
        let bytes = u64::from(sent.saturating_sub(acknowledged));
        if line.last().is_none_or(|(_, before)| *before != bytes) {
            line.push((micros(at), bytes));
        }
    }
    line
}

enum Event {
    /// Everything before this number has been sent.
    Sent(u32),
    /// Everything before this number has arrived.
    Acknowledged(u32),
}

fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}
