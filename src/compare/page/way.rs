//! The page's ladder: as the terminal's, but each arrow slants from when the
//! packet was sent to when it arrived.

use std::fmt::Write;
use std::time::Duration;

use super::escaped;
use crate::compare::ladder::{clock, label};
use crate::compare::packets::Packet;
use crate::link::Direction;

/// Packets drawn, at most: a page that nobody reads to its end helps nobody.
pub const MOST: usize = 150;

/// Where the lifelines are, and how wide it all is.
const CLIENT: u32 = 96;
const SERVER: u32 = 504;
const WIDTH: u32 = 600;

/// From one sending to the next line, and from one arrival.
const SENT_HEIGHT: u32 = 22;
const ARRIVED_HEIGHT: u32 = 13;

/// A moment of the diagram.
struct Moment {
    at: Duration,
    packet: usize,
    /// `None`: its sending; else which copy's arrival.
    copy: Option<usize>,
}

/// One protocol's ladder as an SVG element.
pub fn svg(name: &str, packets: &[Packet]) -> String {
    let packets = &packets[..packets.len().min(MOST)];
    let moments = moments(packets);
    let mut sent = vec![0; packets.len()];
    let (mut y, mut body) = (40, String::new());
    for Moment { at, packet, copy } in moments {
        let of = &packets[packet];
        match copy {
            None => {
                y += SENT_HEIGHT;
                sent[packet] = y;
                body += &sending(of, at, y);
            }
            Some(copy) => {
                y += ARRIVED_HEIGHT;
                body += &arrival(of, at, sent[packet], y, copy);
            }
        }
    }
    let height = y + 20;
    format!(
        "<svg class=\"ladder\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{name}: the way of {} packets; \
         the table above has their counts\">\
         <text class=\"end\" x=\"{CLIENT}\" y=\"20\" text-anchor=\"middle\">client</text>\
         <text class=\"end\" x=\"{SERVER}\" y=\"20\" text-anchor=\"middle\">server</text>\
         <path class=\"life\" d=\"M{CLIENT} 30V{height}M{SERVER} 30V{height}\"/>{body}</svg>",
        packets.len()
    )
}

/// In time; where it is the same, arrivals before what they bring about.
fn moments(packets: &[Packet]) -> Vec<Moment> {
    let mut moments: Vec<Moment> = Vec::new();
    for (number, packet) in packets.iter().enumerate() {
        moments.push(Moment { at: packet.sent, packet: number, copy: None });
        let arrivals = packet.arrived.iter().enumerate();
        moments.extend(arrivals.map(|(copy, at)| Moment { at: *at, packet: number, copy: Some(copy) }));
    }
    moments.sort_by_key(|moment| (moment.at, moment.copy.is_none(), moment.packet));
    moments
}

/// The lifeline it leaves, the one it goes to, and the sign of its way.
fn ends(direction: Direction) -> (u32, u32, i32) {
    match direction {
        Direction::Forward => (CLIENT, SERVER, 1),
        Direction::Backward => (SERVER, CLIENT, -1),
    }
}

/// What is sent, and when; where it is lost, its short way as well.
fn sending(packet: &Packet, at: Duration, y: u32) -> String {
    let (from, to, sign) = ends(packet.direction);
    let anchor = if sign > 0 { "start" } else { "end" };
    let mut text = label(&packet.says);
    if packet.again > 0 {
        text += ", again";
    }
    let class = class(packet);
    let x = from as i32 + 8 * sign;
    let mut svg = time(at, from, y);
    let _ = write!(
        svg,
        "<text class=\"{class}\" x=\"{x}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
        y - 4,
        escaped(&text)
    );
    if let Some(loss) = packet.lost {
        let end = (from as i32 + to as i32) / 2;
        let _ = write!(
            svg,
            "<path class=\"{class}\" d=\"M{from} {y}L{end} {}\"/><text class=\"{class}\" x=\"{}\" y=\"{}\" \
             text-anchor=\"{anchor}\">✗ {}</text>",
            y + 8,
            end + 4 * sign,
            y + 14,
            loss.words()
        );
    }
    svg
}

/// The arrow to where it arrives.
fn arrival(packet: &Packet, at: Duration, sent: u32, y: u32, copy: usize) -> String {
    let (from, to, sign) = ends(packet.direction);
    let class = if copy > 0 { "copy" } else { class(packet) };
    let head = to as i32 - 7 * sign;
    format!(
        "{}<path class=\"{class}\" d=\"M{from} {sent}L{to} {y}\"><title>{}</title></path>\
         <path class=\"{class} head\" d=\"M{to} {y}L{head} {}L{head} {}Z\"/>",
        time(at, to, y),
        escaped(&label(&packet.says)),
        y - 4,
        y + 2
    )
}

fn class(packet: &Packet) -> &'static str {
    match (packet.lost, packet.again, packet.reordered) {
        (Some(_), ..) => "lost",
        (None, 1.., _) | (None, _, true) => "again",
        _ => "way",
    }
}

/// The time, on the outer side of a lifeline.
fn time(at: Duration, lifeline: u32, y: u32) -> String {
    let (x, anchor) = if lifeline == CLIENT { (CLIENT - 6, "end") } else { (SERVER + 6, "start") };
    format!("<text class=\"time\" x=\"{x}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>", y + 4, clock(at))
}
