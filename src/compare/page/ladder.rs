//! A sequence diagram: a line for each moment at which a packet leaves or
//! arrives, and each packet's way from one to the other. Ways that cross are
//! packets that overtook each other.

use std::time::Duration;

use maud::{Markup, html};

use super::plot::image;
use crate::compare::ladder::{clock, label};
use crate::compare::packets::Packet;
use crate::link::Direction;

/// Packets that are shown, about a printed page of them; more are told of.
const SHOWN: usize = 30;

/// Where the first loss comes later than that: so many from the beginning, and
/// so many before the loss.
const FROM_THE_BEGINNING: usize = 8;
const BEFORE_THE_LOSS: usize = 4;

/// Places in the picture.
const WIDTH: u32 = 860;
const CLIENT: u32 = 335;
const SERVER: u32 = 525;
const LINE: u32 = 19;
const TOP: u32 = 44;

/// How far a lost packet comes, in hundredths of the way.
const LOST_AT: u32 = 50;

/// Which packets are shown: these, and then those.
pub fn shown(packets: &[Packet]) -> (&[Packet], usize, &[Packet]) {
    let lost = packets.iter().position(|packet| packet.lost.is_some() || packet.again > 0);
    match lost {
        Some(lost) if lost + BEFORE_THE_LOSS >= SHOWN => {
            let from = lost - BEFORE_THE_LOSS;
            let to = packets.len().min(from + SHOWN - FROM_THE_BEGINNING);
            (&packets[..FROM_THE_BEGINNING], from, &packets[from..to])
        }
        _ => (&packets[..packets.len().min(SHOWN)], packets.len(), &[]),
    }
}

/// Something happens at one of the lifelines.
struct Moment<'a> {
    at: Duration,
    packet: &'a Packet,
    /// `None`: it leaves. Else which arrival of it this is.
    arrival: Option<usize>,
}

impl Moment<'_> {
    fn is_at_client(&self) -> bool {
        (self.packet.direction == Direction::Forward) == self.arrival.is_none()
    }
}

/// The ladder of these packets.
pub fn ladder(name: &str, title: &str, packets: &[Packet]) -> Markup {
    let moments = moments(packets);
    let lost = packets.iter().filter(|packet| packet.lost.is_some()).count();
    let again = packets.iter().filter(|packet| packet.again > 0).count();
    let description = format!(
        "Two lifelines, client and server, and {} packets between them in time: {lost} stop on the way, {again} are \
         sent again. The table below has each of them.",
        packets.len()
    );
    let height = TOP + LINE * moments.len() as u32 + 10;
    let body = html! {
        text.head x=(CLIENT) y="16" text-anchor="middle" { "client" }
        text.head x=(SERVER) y="16" text-anchor="middle" { "server" }
        @for x in [CLIENT, SERVER] {
            line.life x1=(x) x2=(x) y1="24" y2=(height) {}
        }
        @for packet in packets { (ways(packet, &moments)) }
        @for (row, moment) in moments.iter().enumerate() { (said(moment, y(row))) }
    };
    image(name, (WIDTH, height), title, &description, &body)
}

fn moments(packets: &[Packet]) -> Vec<Moment<'_>> {
    let mut moments: Vec<Moment<'_>> = packets.iter().flat_map(of).collect();
    // What is answered comes before its answer.
    moments.sort_by_key(|moment| (moment.at, moment.arrival.is_none()));
    moments
}

fn of(packet: &Packet) -> Vec<Moment<'_>> {
    let arrives = packet.arrived.iter().enumerate();
    let arrives = arrives.map(|(copy, at)| Moment { at: *at, packet, arrival: Some(copy) });
    std::iter::once(Moment { at: packet.sent, packet, arrival: None }).chain(arrives).collect()
}

fn y(row: usize) -> u32 {
    TOP + LINE * row as u32
}

/// The ways of a packet and its copies.
fn ways(packet: &Packet, moments: &[Moment<'_>]) -> Markup {
    let row = |arrival| {
        let same = |moment: &Moment<'_>| std::ptr::eq(moment.packet, packet) && moment.arrival == arrival;
        moments.iter().position(same).map_or(0, y)
    };
    let from = row(None);
    let [x1, x2] = match packet.direction {
        Direction::Forward => [CLIENT, SERVER],
        Direction::Backward => [SERVER, CLIENT],
    };
    let kind = match (packet.lost, packet.again, packet.reordered) {
        (Some(_), ..) => "way lost",
        (_, 1.., _) => "way again",
        (.., true) => "way late",
        _ => "way",
    };
    html! {
        @if let Some(loss) = packet.lost {
            @let (x, y) = (between(x1, x2), from + LINE / 2);
            line class=(kind) x1=(x1) y1=(from) x2=(x) y2=(y) {}
            path.cross d={ "M" (x - 5) " " (y - 5) "l10 10m0 -10l-10 10" } {}
            @let (x, anchor) = if x2 > x1 { (x + 10, "start") } else { (x - 10, "end") };
            text.lost x=(x) y=(y + 4) text-anchor=(anchor) { (loss.words().trim_start_matches("lost: ")) }
        }
        @for copy in 0..packet.arrived.len() {
            @let to = row(Some(copy));
            line class=(if copy > 0 { "way copy" } else { kind }) x1=(x1) y1=(from) x2=(x2) y2=(to) {}
            path class=(if copy > 0 { "tip copy" } else { "tip" }) d=(tip(x2, to, packet.direction)) {}
        }
    }
}

fn between(from: u32, to: u32) -> u32 {
    (from * (100 - LOST_AT) + to * LOST_AT) / 100
}

fn tip(x: u32, y: u32, direction: Direction) -> String {
    match direction {
        Direction::Forward => format!("M{x} {y}l-9 -4v8z"),
        Direction::Backward => format!("M{x} {y}l9 -4v8z"),
    }
}

/// When, and of what leaves, what it says.
fn said(moment: &Moment<'_>, y: u32) -> Markup {
    let words = match moment.arrival {
        None => says(moment.packet),
        Some(0) => String::new(),
        Some(_) => "a copy".into(),
    };
    let (x, anchor) = if moment.is_at_client() { (CLIENT - 12, "end") } else { (SERVER + 12, "start") };
    let kind = match (moment.arrival, moment.packet.lost, moment.packet.again) {
        (None, Some(_), _) => "said lost",
        (None, _, 1..) => "said again",
        (None, ..) => "said",
        _ => "said arrived",
    };
    let time = clock(moment.at);
    html! {
        text class=(kind) x=(x) y=(y + 4) text-anchor=(anchor) {
            @if moment.is_at_client() && !words.is_empty() { (words) "  " (time) }
            @else if words.is_empty() { (time) }
            @else { (time) "  " (words) }
        }
    }
}

/// What a packet says, and whether it says it again.
pub fn says(packet: &Packet) -> String {
    let again = if packet.again > 0 { ", again" } else { "" };
    format!("{}{again}", label(&packet.says))
}
