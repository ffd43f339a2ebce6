//! Two servers that answer each other for ever.
//!
//! Whoever forges a sender's address can make one server of datagrams answer
//! another: each takes the other's answer for a question, and the two go on
//! until one of them is stopped. inetd(8) has known this since the nineties.
//! Nothing in a datagram tells a server from a client but the port it speaks
//! from, so that is what is looked at.

use std::collections::HashMap;
use std::net::SocketAddr;

/// From here speak echo, daytime, quote of the day, chargen and time (RFC 862,
/// 867, 865, 864, 868): they answer anything, and no client has these ports.
const ANSWERERS: [u16; 5] = [7, 13, 17, 19, LAST_ANSWERER];
const LAST_ANSWERER: u16 = 37;

/// Where other servers of these labs listen unless told otherwise. A client may
/// have such a port as well: so it is answered, but for its own echo of our
/// last answer.
const LABS: [u16; 2] = [5002, 5004];

/// Senders at such ports whose last answer is remembered.
const MAX_SENDERS: usize = 64;

/// What was answered last to those who may be servers.
pub struct Loops {
    own_port: u16,
    answers: HashMap<SocketAddr, Vec<u8>>,
}

impl Loops {
    /// For a server that listens on `own_port`.
    pub fn new(own_port: u16) -> Loops {
        Loops { own_port, answers: HashMap::new() }
    }

    /// Whether an answer to this datagram could go on for ever.
    #[inline]
    pub fn is_one(&self, from: SocketAddr, datagram: &[u8]) -> bool {
        if from.port() > LAST_ANSWERER && self.answers.is_empty() {
            return false; // the usual case
        }
        ANSWERERS.contains(&from.port()) || self.answers.get(&from).is_some_and(|answer| answer == datagram)
    }

    /// Remembers an answer, if `to` may be a server.
    #[inline]
    pub fn answered(&mut self, to: SocketAddr, answer: &[u8]) {
        if to.port() == self.own_port || LABS.contains(&to.port()) {
            self.remember(to, answer);
        }
    }

    #[cold]
    fn remember(&mut self, to: SocketAddr, answer: &[u8]) {
        if self.answers.len() >= MAX_SENDERS {
            self.answers.clear();
        }
        self.answers.insert(to, answer.to_vec());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two echo servers, the first of which got a datagram that seemed to come
    /// from the second: how often they answer each other.
    fn bounces(ports: [u16; 2]) -> usize {
        let mut servers = ports.map(Loops::new);
        let addrs = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        (0..100)
            .take_while(|turn| {
                let (own, other) = (turn % 2, addrs[(turn + 1) % 2]);
                let is_loop = servers[own].is_one(other, b"ping");
                servers[own].answered(other, b"ping");
                !is_loop
            })
            .count()
    }

    #[test]
    fn two_servers_stop_answering_each_other() {
        assert_eq!(bounces([5004, 5004]), 2);
        assert_eq!(bounces([40_000, 40_000]), 2);
        assert_eq!(bounces([40_000, 5004]), 2);
        assert_eq!(bounces([40_000, 7]), 0);
    }

    #[test]
    fn a_client_is_answered_however_often_it_says_the_same() {
        let (mut loops, client) = (Loops::new(5004), SocketAddr::from(([127, 0, 0, 1], 40_000)));
        for _ in 0..100 {
            assert!(!loops.is_one(client, b"ping"));
            loops.answered(client, b"ping");
        }
    }

    #[test]
    fn a_client_at_a_servers_port_is_answered_but_for_its_echo_of_our_answer() {
        let (mut loops, client) = (Loops::new(5004), SocketAddr::from(([127, 0, 0, 2], 5004)));
        for (question, answered) in [(b"one", true), (b"two", true), (b"two", false), (b"one", true)] {
            assert_eq!(!loops.is_one(client, question), answered, "{question:?}");
            loops.answered(client, question);
        }
    }

    #[test]
    fn a_flood_of_forged_addresses_takes_no_more_memory_than_a_few() {
        let mut loops = Loops::new(5004);
        for host in 0..10_000_u32 {
            loops.answered(SocketAddr::from((host.to_be_bytes(), 5004)), b"ping");
        }
        assert!(loops.answers.len() <= MAX_SENDERS);
    }
}
