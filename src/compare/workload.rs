//! What is sent: numbered messages, the same ones by TCP and by UDP.
//!
//! ```text
//! message 3 of 100, --size 12
//! 00 00 00 03 61 62 63 64 65 66 67 68
//! number      a  b  c  d  e  f  g  h    filler, as ping's
//! ```
//!
//! The number takes the first four bytes, or all there are: one byte numbers
//! up to 255 messages. By UDP a message is a datagram; by TCP, which knows no
//! messages, every `--size` bytes are one.

use std::sync::Arc;
use std::time::Duration;

use crate::ask::positive_duration;
use crate::error::{Attempt, Error, Result};
use crate::framing::numbered::MAX_COUNT;
use crate::net::stop::duration;

/// The longest message: a datagram of IPv4 holds no more.
pub const MAX_SIZE: usize = 65_507;

/// Bytes of a message that hold its number, at most.
const NUMBER_BYTES: usize = 4;

/// What is to be sent, as options.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Messages")]
pub struct WorkloadOptions {
    /// Send this many messages
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_COUNT)))]
    count: u32,
    /// Make each message this many bytes long
    #[arg(long, value_name = "BYTES", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=MAX_SIZE as i64))]
    size: u32,
    /// Send a message this often, as ping does; without it, the next one goes
    /// when the one before is answered
    #[arg(long, value_name = "TIME", value_parser = duration)]
    interval: Option<Duration>,
    /// Each message is answered by itself, and round trips are measured (the
    /// default)
    #[arg(long, conflicts_with = "one_way")]
    reply: bool,
    /// Messages go one way only, and the receiver counts
    #[arg(long)]
    one_way: bool,
    /// After this long a message is late; a datagram's reply is awaited no
    /// longer than that before the next one goes
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = positive_duration)]
    timeout: Duration,
}

/// What is to be sent.
#[derive(Clone, Debug)]
pub struct Workload {
    /// How many messages.
    pub count: u32,
    /// Bytes of each.
    pub size: usize,
    /// From one message to the next; zero where none was asked for.
    pub interval: Duration,
    /// Whether nobody answers.
    pub one_way: bool,
    /// After which a message is late.
    pub timeout: Duration,
    /// What follows a message's number.
    filler: Arc<[u8]>,
}

impl WorkloadOptions {
    /// The workload, if it can be.
    ///
    /// # Errors
    /// Messages too short for their numbers.
    pub fn workload(&self) -> Result<Workload> {
        let interval = self.interval.unwrap_or_default();
        let workload = Workload::new(self.count, self.size as usize, interval, self.one_way, self.timeout);
        let largest = workload.largest_number();
        if u64::from(self.count) <= largest {
            return Ok(workload);
        }
        let subject = format!("{} messages of {} bytes", self.count, self.size);
        Err(Error::other(Attempt::Compare, subject, format!("there are numbers for {largest}"))
            .because("each message begins with its number, so that lost ones can be told from late ones")
            .next(format!("--size {NUMBER_BYTES}, or --count {largest}"))
            .unasked())
    }
}

impl Workload {
    /// So many messages of so many bytes.
    pub fn new(count: u32, size: usize, interval: Duration, one_way: bool, timeout: Duration) -> Workload {
        let filler = (b'a'..=b'z').cycle().take(size - size.min(NUMBER_BYTES)).collect();
        Workload { count, size, interval, one_way, timeout, filler }
    }

    fn number_bytes(&self) -> usize {
        self.size.min(NUMBER_BYTES)
    }

    fn largest_number(&self) -> u64 {
        (1 << (8 * self.number_bytes())) - 1
    }

    /// Message `number`, from 1.
    pub fn message(&self, number: u32) -> Vec<u8> {
        let digits = number.to_be_bytes();
        [&digits[NUMBER_BYTES - self.number_bytes()..], &self.filler].concat()
    }

    /// Makes a message the one with this number.
    pub fn renumber(&self, message: &mut [u8], number: u32) {
        let bytes = self.number_bytes();
        message[..bytes].copy_from_slice(&number.to_be_bytes()[NUMBER_BYTES - bytes..]);
    }

    /// The number of a message that came unchanged; `None` for anything else.
    pub fn number(&self, message: &[u8]) -> Option<u32> {
        let number = self.number_of_start(message)?;
        let rest = &message[self.number_bytes()..];
        (*rest == *self.filler && (1..=self.count).contains(&number)).then_some(number)
    }

    /// The number at the beginning of a message, whatever follows.
    pub fn number_of_start(&self, bytes: &[u8]) -> Option<u32> {
        let (digits, _) = bytes.split_at_checked(self.number_bytes())?;
        Some(digits.iter().fold(0, |number, digit| number << 8 | u32::from(*digit)))
    }

    /// When message `number` is due, counted from the first one.
    pub fn due(&self, number: u32) -> Duration {
        self.interval * (number - 1)
    }
}

/// Cuts a stream into its messages.
pub struct Cutter<'a> {
    workload: &'a Workload,
    partial: Vec<u8>,
    last: u32,
}

impl<'a> Cutter<'a> {
    /// None has come yet.
    pub fn new(workload: &'a Workload) -> Cutter<'a> {
        Cutter { workload, partial: Vec::new(), last: 0 }
    }

    /// Takes what came; the numbers of the messages it made whole.
    ///
    /// # Errors
    /// The number of the message whose bytes are not those that were sent.
    pub fn take(&mut self, mut bytes: &[u8]) -> std::result::Result<Vec<u32>, u32> {
        let size = self.workload.size;
        let mut numbers = Vec::with_capacity((self.partial.len() + bytes.len()) / size);
        if !self.partial.is_empty() {
            let missing = (size - self.partial.len()).min(bytes.len());
            self.partial.extend_from_slice(&bytes[..missing]);
            bytes = &bytes[missing..];
            if self.partial.len() < size {
                return Ok(numbers);
            }
            let message = std::mem::take(&mut self.partial);
            numbers.push(self.next(&message)?);
        }
        // Most lie whole in what came, and are looked at where they lie.
        let messages = bytes.chunks_exact(size);
        self.partial.extend_from_slice(messages.remainder());
        for message in messages {
            numbers.push(self.next(message)?);
        }
        Ok(numbers)
    }

    fn next(&mut self, message: &[u8]) -> std::result::Result<u32, u32> {
        self.last += 1;
        if self.workload.number(message) == Some(self.last) { Ok(self.last) } else { Err(self.last) }
    }

    /// Whether all messages have come.
    pub fn is_done(&self) -> bool {
        self.last == self.workload.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(count: u32, size: usize) -> Workload {
        Workload::new(count, size, Duration::ZERO, false, Duration::from_secs(1))
    }

    #[test]
    fn a_message_tells_its_number_at_every_size() {
        for (count, size) in [(255, 1), (300, 2), (70_000, 3), (70_000, 4), (5, 5), (5, 100), (3, MAX_SIZE)] {
            let workload = workload(count, size);
            for number in [1, 2, count] {
                let message = workload.message(number);
                assert_eq!((message.len(), workload.number(&message)), (size, Some(number)));
                let mut other = workload.message(1);
                workload.renumber(&mut other, number);
                assert_eq!(other, message);
            }
        }
    }

    #[test]
    fn what_is_not_a_message_as_sent_has_no_number() {
        let workload = workload(9, 8);
        let message = workload.message(9);
        let mut changed = message.clone();
        changed[7] ^= 1;
        for other in [&b""[..], &message[..7], &[&message[..], b"x"].concat(), &changed, b"\0\0\0\0abcd"] {
            assert_eq!(workload.number(other), None, "{other:?}");
        }
        assert_eq!(workload.number(b"\0\0\0\x0aabcd"), None, "beyond the count");
    }

    #[test]
    fn a_stream_is_cut_wherever_its_reads_ended() {
        let workload = workload(3, 5);
        let stream = [workload.message(1), workload.message(2), workload.message(3)].concat();
        for cut in 0..=stream.len() {
            let mut cutter = Cutter::new(&workload);
            let mut numbers = cutter.take(&stream[..cut]).unwrap();
            numbers.extend(cutter.take(&stream[cut..]).unwrap());
            assert_eq!(numbers, [1, 2, 3], "cut at {cut}");
            assert!(cutter.is_done());
        }
    }

    #[test]
    fn a_changed_byte_of_a_stream_is_told_by_its_message() {
        let workload = workload(3, 5);
        let mut stream = [workload.message(1), workload.message(2)].concat();
        stream[9] ^= 1;
        assert_eq!(Cutter::new(&workload).take(&stream), Err(2));
    }
}
