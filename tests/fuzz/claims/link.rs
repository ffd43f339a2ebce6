//! The emulated link: whatever it does to packets, its books tell it exactly.

use std::collections::HashSet;
use std::time::Duration;

use netlab::framing::Books;
use netlab::link::Direction;
use netlab::link::impairment::{Emulated, HELD_AT_MOST};
use netlab::link::log::Fate;
use netlab::link::options::{Kind, Link, Share};

use super::choices::Choices;

/// Enough to fill the longest of the queues, but the endless one.
const MOST_STEPS: usize = 200;

/// What came out of one end.
#[derive(Default)]
struct End {
    books: Books,
    arrived: HashSet<u32>,
    copies: u64,
    last: Duration,
    sent: u32,
}

pub fn the_books_are_exact(bytes: &[u8]) {
    let mut choices = Choices::of(bytes);
    let link = any_link(&mut choices);
    let mut emulated = Emulated::new(&link, choices.below(30));
    let mut ends = [End::default(), End::default()];
    let mut now = Duration::ZERO;
    let mut steps = 0;
    while !choices.is_over() && steps < MOST_STEPS {
        steps += 1;
        now += Duration::from_micros(choices.number_below(20_000));
        let direction = *choices.one(&Direction::BOTH);
        let end = &mut ends[usize::from(direction == Direction::Backward)];
        end.sent += 1;
        // The number first, and after it so much that some are too long.
        let mut packet = end.sent.to_be_bytes().to_vec();
        packet.resize(4 + choices.below(256) * 7, 0);
        emulated.send(direction, now, packet);
        if choices.below(3) == 0 {
            take(&mut emulated, &mut ends, now);
        }
    }
    take(&mut emulated, &mut ends, Duration::MAX);
    assert!(emulated.is_idle() && emulated.next_arrival().is_none());
    assert_eq!(emulated.log().packets().len() as u32, ends[0].sent + ends[1].sent);
    each_packet_has_one_fate(&emulated, &link);
    for (direction, end) in Direction::BOTH.into_iter().zip(&ends) {
        let counts = emulated.log().counts(direction);
        assert_eq!(counts.packets, u64::from(end.sent));
        assert_eq!(counts.delivered + counts.lost, counts.packets);
        assert_eq!(counts.delivered, end.arrived.len() as u64);
        assert_eq!(counts.delivered + counts.duplicated, end.copies);
        assert_eq!(
            (counts.delivered, counts.duplicated, counts.reordered, counts.lost),
            (end.books.received(), end.books.duplicate(), end.books.reordered(), end.books.lost(end.sent))
        );
    }
}

fn take(emulated: &mut Emulated, ends: &mut [End; 2], until: Duration) {
    while let Some(at) = emulated.next_arrival().filter(|at| *at <= until) {
        let (direction, packet) = emulated.arrive(at).expect("it was due");
        let end = &mut ends[usize::from(direction == Direction::Backward)];
        let number = u32::from_be_bytes(packet[..4].try_into().unwrap());
        assert!(at >= end.last, "time runs backwards");
        assert!((1..=end.sent).contains(&number), "a packet that nobody sent");
        end.last = at;
        end.copies += 1;
        end.arrived.insert(number);
        end.books.note(number);
    }
}

fn each_packet_has_one_fate(emulated: &Emulated, link: &Link) {
    for packet in emulated.log().packets() {
        match &packet.fate {
            Fate::OnItsWay => panic!("nothing is on its way"),
            Fate::Lost(_) => {}
            Fate::Delivered { at, copies, .. } => {
                let earliest = packet.sent_at + link.delay.saturating_sub(link.jitter);
                assert!(*at + Duration::from_micros(1) >= earliest, "faster than the link");
                assert!(copies.len() <= 1 && packet.length <= usize::from(link.mtu));
                let latest = packet.sent_at + link.delay + link.jitter + HELD_AT_MOST;
                assert!(link.rate.is_some() || *at <= latest + Duration::from_micros(1), "{at:?} after {latest:?}");
            }
        }
    }
}

fn any_link(choices: &mut Choices<'_>) -> Link {
    let share = |choices: &mut Choices<'_>| -> Share {
        let text = ["0%", "100%", "1%", "30%", "0.0001%", "55.5%"][choices.below(6)];
        text.parse().unwrap()
    };
    Link {
        kind: Kind::Sim,
        loss: share(choices),
        burst: [None, Some(2), Some(9), Some(u32::MAX)][choices.below(4)],
        delay: Duration::from_micros(choices.number_below(70_000)),
        jitter: Duration::from_micros(choices.number_below(70_000)),
        duplicate: share(choices),
        reorder: share(choices),
        rate: [None, Some("8kbit"), Some("1mbit"), Some("1000gbit"), Some("1bit")][choices.below(5)]
            .map(|rate| rate.parse().unwrap()),
        mtu: [68, 576, 1500, u16::MAX][choices.below(4)],
        queue: [1, 2, 50, u32::MAX][choices.below(4)],
        seed: choices.number(),
    }
}
