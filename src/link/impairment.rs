//! The link itself: pure, and drawn from a seed.
//!
//! What becomes of a packet, in this order:
//!
//! 1. longer than the MTU, or the queue is full: lost
//! 2. it waits for those before it, and takes `length × 8 / rate` on the line
//! 3. lost by chance: each by itself, or in bursts (Gilbert's model: a state
//!    that loses all and one that loses none, left by chance)
//! 4. it takes `delay`, more or less some jitter, and arrives; packets may
//!    overtake each other by their jitter
//! 5. duplicated: a copy with a jitter of its own arrives as well
//! 6. reordered: held back until the next packet of its direction has arrived,
//!    but at most [`HELD_AT_MOST`] (with nobody there to overtake it, nothing
//!    is reordered)
//!
//! Five numbers are drawn for each packet, whatever the options: so another
//! jitter leaves the losses where they were, and TCP's and UDP's packets of
//! the same place meet the same fate.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg32;

use super::Direction;
use super::log::{Log, Loss};
use super::options::{Link, Share};

/// How long a packet is held back where none comes to overtake it.
pub const HELD_AT_MOST: Duration = Duration::from_millis(30);

/// When an arrival is due: by time, and at the same time in the order in which
/// they were made.
type Due = (Duration, u64);

/// A link at work, both directions of it. Time is what it is told, and may not
/// run backwards.
pub struct Emulated {
    link: Link,
    ways: [Way; 2],
    flights: BTreeMap<Due, Flight>,
    made: u64,
    log: Log,
}

struct Flight {
    direction: Direction,
    /// Which packet of the log.
    entry: usize,
    bytes: Vec<u8>,
}

/// One direction.
struct Way {
    chances: Pcg32,
    /// In the state that loses all.
    in_burst: bool,
    /// When each packet that has the line, or waits for it, has left it.
    leaving: VecDeque<Duration>,
    held: Vec<Due>,
}

/// What was drawn for one packet.
struct Drawn {
    loss: u32,
    duplicate: u32,
    reorder: u32,
    jitter: [u32; 2],
}

impl Way {
    fn new(seed: u64, direction: Direction) -> Way {
        let mut chances = Pcg32::seed_from_u64(seed);
        if direction == Direction::Backward {
            chances = Pcg32::seed_from_u64(chances.next_u64());
        }
        Way { chances, in_burst: false, leaving: VecDeque::new(), held: Vec::new() }
    }

    fn draw(&mut self) -> Drawn {
        let mut next = || self.chances.next_u32();
        Drawn { loss: next(), duplicate: next(), reorder: next(), jitter: [next(), next()] }
    }

    /// When the last bit of a packet handed over `now` has left the line;
    /// `None` where the queue is full.
    fn leaves(&mut self, link: &Link, now: Duration, length: usize) -> Option<Duration> {
        let Some(rate) = link.rate else { return Some(now) };
        while self.leaving.front().is_some_and(|left| *left <= now) {
            self.leaving.pop_front();
        }
        // The first one is not waiting: it has the line.
        if self.leaving.len() > link.queue as usize {
            return None;
        }
        let starts = self.leaving.back().copied().unwrap_or(now);
        let left = starts + Duration::from_nanos(rate.nanos_for(length));
        self.leaving.push_back(left);
        Some(left)
    }

    /// With bursts: from the state that loses none into the one that loses
    /// all, so often that the share is right; and out of it after `burst`
    /// packets in the mean.
    fn loses(&mut self, link: &Link, drawn: u32) -> bool {
        let Some(burst) = link.burst.filter(|_| link.loss != Share::ALL) else { return link.loss.takes(drawn) };
        let (loss, kept) = (u64::from(link.loss.millionths()), u64::from(1_000_000 - link.loss.millionths()));
        let scaled = u128::from(drawn);
        let scale = 1_u128 << 32;
        self.in_burst = if self.in_burst {
            scaled * u128::from(burst) >= scale
        } else {
            scaled * u128::from(burst) * u128::from(kept) < scale * u128::from(loss)
        };
        self.in_burst
    }
}

impl Emulated {
    /// A link on which nothing has been sent; its log keeps the first `kept`
    /// bytes of each packet.
    pub fn new(link: &Link, kept: usize) -> Emulated {
        let ways = Direction::BOTH.map(|direction| Way::new(link.seed, direction));
        Emulated { link: link.clone(), ways, flights: BTreeMap::new(), made: 0, log: Log::new(kept) }
    }

    /// Hands a packet over.
    pub fn send(&mut self, direction: Direction, now: Duration, bytes: Vec<u8>) {
        let way = &mut self.ways[direction.index()];
        let drawn = way.draw();
        let loss = if bytes.len() > usize::from(self.link.mtu) {
            Err(Loss::TooLong)
        } else {
            way.leaves(&self.link, now, bytes.len()).ok_or(Loss::QueueFull)
        };
        // Drawn for each packet, or a full queue would shift all later fates.
        let lost = way.loses(&self.link, drawn.loss);
        let left = loss.and_then(|left| if lost { Err(Loss::Chance) } else { Ok(left) });
        let entry = self.log.sent(direction, now, &bytes);
        match left {
            Err(loss) => self.log.lost(entry, loss),
            Ok(left) => self.fly(direction, entry, left, &drawn, bytes),
        }
    }

    fn fly(&mut self, direction: Direction, entry: usize, left: Duration, drawn: &Drawn, bytes: Vec<u8>) {
        let arrival = |jitter: u32| self.arrival(left, jitter);
        let [first, copy] = drawn.jitter.map(arrival);
        let is_held = self.link.reorder.takes(drawn.reorder);
        if self.link.duplicate.takes(drawn.duplicate) {
            let at = if is_held { first + HELD_AT_MOST } else { copy };
            self.schedule(direction, entry, at, bytes.clone(), is_held);
        }
        if is_held {
            self.schedule(direction, entry, first + HELD_AT_MOST, bytes, true);
        } else {
            self.schedule(direction, entry, first, bytes, false);
            self.release_after(direction, first);
        }
    }

    /// To whole microseconds: the stack knows no shorter times.
    fn arrival(&self, left: Duration, drawn: u32) -> Duration {
        let jitter = self.link.jitter.as_nanos() as u64;
        let added = ((u128::from(drawn) * (2 * u128::from(jitter) + 1)) >> 32) as u64;
        let nanos = (left + self.link.delay).as_nanos() as u64 + added;
        let earliest = left.as_nanos() as u64;
        Duration::from_micros(nanos.saturating_sub(jitter).max(earliest).div_ceil(1_000))
    }

    fn schedule(&mut self, direction: Direction, entry: usize, at: Duration, bytes: Vec<u8>, is_held: bool) {
        let due = (at, self.made);
        self.made += 1;
        self.flights.insert(due, Flight { direction, entry, bytes });
        if is_held {
            self.ways[direction.index()].held.push(due);
        }
    }

    /// Those held back follow the packet that arrives at `at`.
    fn release_after(&mut self, direction: Direction, at: Duration) {
        let held = std::mem::take(&mut self.ways[direction.index()].held);
        for due in held {
            if due.0 < at {
                continue; // it will have arrived
            }
            if let Some(flight) = self.flights.remove(&due) {
                let own = due.0 - HELD_AT_MOST;
                self.flights.insert((at.max(own), self.made), flight);
                self.made += 1;
            }
        }
    }

    /// When the next packet arrives, if any is on its way.
    pub fn next_arrival(&self) -> Option<Duration> {
        self.flights.keys().next().map(|(at, _)| *at)
    }

    /// The next packet that has arrived by `now`.
    pub fn arrive(&mut self, now: Duration) -> Option<(Direction, Vec<u8>)> {
        let first = self.flights.first_entry().filter(|first| first.key().0 <= now)?;
        let ((at, _), Flight { direction, entry, bytes }) = first.remove_entry();
        self.log.arrived(entry, at);
        Some((direction, bytes))
    }

    /// Whether nothing is on its way.
    pub fn is_idle(&self) -> bool {
        self.flights.is_empty()
    }

    /// Every packet's fate so far.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The log, at the end.
    pub fn into_log(self) -> Log {
        self.log
    }
}

#[cfg(test)]
mod tests {
    use super::super::log::Counts;
    use super::super::options::LinkOptions;
    use super::*;
    use crate::framing::numbered::Books;
    use clap::Parser;
    use proptest::prelude::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: LinkOptions,
    }

    fn link(options: &str) -> Link {
        let line = Line::parse_from(["link", "--link=sim"].into_iter().chain(options.split_whitespace()));
        line.options.link(false, 1).unwrap().unwrap()
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Sends packets of 100 bytes forward, one each millisecond; the numbers
    /// as they arrive, with the times, and the log.
    fn sent_over(link: &Link, count: u32, every: Duration) -> (Vec<(u32, Duration)>, Log) {
        let mut emulated = Emulated::new(link, 4);
        let mut arrived = Vec::new();
        let mut take = |emulated: &mut Emulated, until: Duration| {
            while let Some(at) = emulated.next_arrival().filter(|at| *at <= until) {
                while let Some((_, bytes)) = emulated.arrive(at) {
                    arrived.push((u32::from_be_bytes(bytes[..4].try_into().unwrap()), at));
                }
            }
        };
        for number in 1..=count {
            let now = every * (number - 1);
            take(&mut emulated, now);
            let bytes = [&number.to_be_bytes()[..], &[0; 96]].concat();
            emulated.send(Direction::Forward, now, bytes);
        }
        take(&mut emulated, Duration::MAX);
        assert!(emulated.is_idle());
        (arrived, emulated.into_log())
    }

    #[test]
    fn a_link_without_impairments_delivers_all_after_its_delay() {
        let (arrived, log) = sent_over(&link("--delay 20ms"), 100, ms(1));
        let expected: Vec<_> = (1..=100).map(|number| (number, ms(19 + u64::from(number)))).collect();
        assert_eq!(arrived, expected);
        let counts = Counts { packets: 100, delivered: 100, bytes: 10_000, ..Counts::default() };
        assert_eq!(log.counts(Direction::Forward), counts);
        assert_eq!(log.counts(Direction::Backward), Counts::default());
    }

    #[test]
    fn a_link_that_loses_all_delivers_nothing() {
        for options in ["--loss 100%", "--loss 100% --burst 5 --duplicate 100% --reorder 100%"] {
            let (arrived, log) = sent_over(&link(options), 100, ms(1));
            assert!(arrived.is_empty());
            assert_eq!(log.counts(Direction::Forward).lost, 100);
        }
    }

    #[test]
    fn a_line_takes_its_time_for_each_packet_and_a_full_queue_loses() {
        // 100 bytes at 100 kbit/s: 8 ms each. One has the line, two wait.
        let (arrived, log) = sent_over(&link("--rate 100kbit --queue 2 --delay 0s"), 5, Duration::ZERO);
        assert_eq!(arrived, [(1, ms(8)), (2, ms(16)), (3, ms(24))]);
        assert_eq!(log.counts(Direction::Forward).queue_full, 2);
    }

    #[test]
    fn a_packet_held_back_follows_the_next_one() {
        let (arrived, log) = sent_over(&link("--reorder 30% --delay 5ms"), 1000, ms(1));
        let counts = log.counts(Direction::Forward);
        assert!(counts.reordered > 200 && counts.delivered == 1000, "{counts:?}");
        for (number, at) in arrived {
            let sent = ms(u64::from(number) - 1);
            assert!(at - sent >= ms(5) && at - sent <= ms(5) + HELD_AT_MOST, "{number} {at:?}");
        }
    }

    #[test]
    fn where_nobody_overtakes_nothing_is_reordered() {
        let (_, log) = sent_over(&link("--reorder 50% --delay 5ms"), 100, ms(100));
        assert_eq!(log.counts(Direction::Forward).reordered, 0);
    }

    #[test]
    fn losses_keep_their_share_alone_and_in_bursts() {
        for options in ["--loss 10%", "--loss 10% --burst 5"] {
            let (_, log) = sent_over(&link(options), 100_000, ms(1));
            let lost = log.counts(Direction::Forward).lost;
            assert!((9_000..11_000).contains(&lost), "{options}: {lost}");
            let fates: Vec<bool> =
                log.packets().iter().map(|packet| matches!(packet.fate, super::super::log::Fate::Lost(_))).collect();
            let runs = fates.windows(2).filter(|pair| !pair[0] && pair[1]).count() as u64;
            let mean = lost * 10 / runs;
            let expected = if options.contains("burst") { 45..55 } else { 10..13 };
            assert!(expected.contains(&mean), "{options}: runs of {mean}/10");
        }
    }

    #[test]
    fn other_options_leave_the_losses_where_they_were() {
        let lost = |options: &str| -> Vec<bool> {
            let (_, log) = sent_over(&link(options), 500, ms(1));
            log.packets().iter().map(|packet| matches!(packet.fate, super::super::log::Fate::Lost(_))).collect()
        };
        assert_eq!(lost("--loss 10%"), lost("--loss 10% --jitter 5ms --duplicate 5% --reorder 5%"));
        assert_ne!(lost("--loss 10%"), lost("--loss 10% --seed 2"));
    }

    #[test]
    fn the_first_fates_of_a_seed_are_these_on_every_system() {
        let (arrived, _) = sent_over(&link("--loss 30% --jitter 8ms --duplicate 30% --reorder 30% --seed 7"), 6, ms(1));
        let arrived: Vec<(u32, u64)> = arrived.iter().map(|(number, at)| (*number, at.as_micros() as u64)).collect();
        let expected =
            [(2, 5_150), (5, 9_767), (1, 10_836), (6, 14_182), (1, 15_132), (2, 15_400), (5, 16_602), (3, 17_708)];
        assert_eq!(arrived, expected);
    }

    fn any_link() -> impl Strategy<Value = Link> {
        let shares = (0..=60_u32, 0..=50_u32, 0..=50_u32);
        (shares, 1..=9_u32, 0..=40_u64, 0..=40_u64, prop::option::of(1..=2000_u32), any::<u64>()).prop_filter_map(
            "possible",
            |((loss, duplicate, reorder), burst, delay, jitter, rate, seed)| {
                let rate = rate.map(|kbit| format!("--rate {kbit}kbit")).unwrap_or_default();
                let options = format!(
                    "--loss {loss}% --duplicate {duplicate}% --reorder {reorder}% --burst {burst} --delay {delay}ms \
                     --jitter {jitter}ms {rate} --seed {seed}"
                );
                let line = Line::parse_from(["link"].into_iter().chain(options.split_whitespace()));
                line.options.link(false, 1).ok().flatten()
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn the_log_and_a_receiver_count_the_same(link in any_link(), every in 0..3_u64) {
            let (arrived, log) = sent_over(&link, 300, ms(every));
            let mut books = Books::default();
            for (number, _) in &arrived {
                books.note(*number);
            }
            let counts = log.counts(Direction::Forward);
            prop_assert_eq!(counts.packets, 300);
            prop_assert_eq!(counts.delivered + counts.lost, 300);
            prop_assert_eq!(books.received(), counts.delivered);
            prop_assert_eq!(books.lost(300), counts.lost);
            prop_assert_eq!(books.duplicate(), counts.duplicated);
            prop_assert_eq!(books.reordered(), counts.reordered);
            let in_order = arrived.is_sorted_by_key(|(_, at)| *at);
            prop_assert!(in_order, "arrivals run backwards");
        }

        #[test]
        fn the_same_seed_has_the_same_fates(link in any_link()) {
            let (first, again) = (sent_over(&link, 100, ms(1)), sent_over(&link, 100, ms(1)));
            prop_assert_eq!(first.0, again.0);
            prop_assert_eq!(first.1.packets(), again.1.packets());
        }
    }
}
