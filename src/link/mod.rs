//! An emulated link: what becomes of packets on their way, below IP.
//!
//! Real losses cannot be had above TCP: whoever drops bytes of a stream breaks
//! it. So packets are lost here, one layer below both protocols, and what TCP
//! does about it is real.
//!
//! ```text
//!            queue          line          the rest of the way
//! packet ─▶ ▒▒▒▒▒▒ ─▶ length × 8 / rate ─▶ delay ± jitter ─▶ arrives
//!            full: lost                     lost, doubled, or held back
//! ```
//!
//! - [`options`]: the link as it is asked for, and which links are impossible
//! - [`impairment`]: the link itself, pure: packets in, packets out, all of its
//!   chances drawn from a seed, and no clock but the one it is told
//! - [`log`]: every packet's fate, and what *lost*, *duplicated* and
//!   *reordered* mean
//! - [`headers`]: what a packet says of itself; [`again`]: which bytes of a
//!   stream were sent before; [`pcap`]: files that Wireshark opens
//! - [`sim`]: two hosts on a user-space stack over it, in virtual time;
//!   [`kernel`]: two of the system's own, in real time (Linux)

pub mod again;
pub mod headers;
pub mod impairment;
pub mod kernel;
pub mod log;
pub mod options;
pub mod pcap;
pub mod sim;
mod snd_nxt;

/// A way along the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the server.
    Forward,
    /// From the server to the client.
    Backward,
}

impl Direction {
    /// Both.
    pub const BOTH: [Direction; 2] = [Direction::Forward, Direction::Backward];

    /// The way back.
    pub fn other(self) -> Direction {
        match self {
            Direction::Forward => Direction::Backward,
            Direction::Backward => Direction::Forward,
        }
    }

    fn index(self) -> usize {
        self as usize
    }
}
