//! What each lab asks, as checks: one file a lab. Their names are the
//! contract's and stay.

mod capitalize_server;
mod chat;
mod client;
mod datagram;
mod ids;
mod info;
mod line;
mod many;
mod mt_server;
mod stream;
mod tcp_echo;
mod tcp_info;
mod udp_echo;
mod udp_info;

use super::check::{Check, Side};
use super::submission::Submission;

/// A lab that can be graded.
struct Suite {
    lab: &'static str,
    /// The port of a program that is given none.
    port: u16,
    checks: &'static [Check],
}

const SUITES: [Suite; 9] = [
    Suite { lab: "tcp-info", port: 5001, checks: &tcp_info::CHECKS },
    Suite { lab: "udp-info", port: 5002, checks: &udp_info::CHECKS },
    Suite { lab: "tcp-echo", port: 5003, checks: &tcp_echo::CHECKS },
    Suite { lab: "udp-echo", port: 5004, checks: &udp_echo::CHECKS },
    Suite { lab: "multicast", port: 5007, checks: &many::MULTICAST },
    Suite { lab: "broadcast", port: 5008, checks: &many::BROADCAST },
    Suite { lab: "mt-server", port: 5009, checks: &mt_server::CHECKS },
    Suite { lab: "capitalize-server", port: 5605, checks: &capitalize_server::CHECKS },
    Suite { lab: "chat", port: 2000, checks: &chat::CHECKS },
];

fn suite(lab: &str) -> Option<&'static Suite> {
    SUITES.iter().find(|suite| suite.lab == lab)
}

/// The labs that can be graded.
pub fn labs() -> impl Iterator<Item = &'static str> {
    SUITES.iter().map(|suite| suite.lab)
}

/// Every check of a lab.
pub fn all(lab: &str) -> &'static [Check] {
    suite(lab).map_or(&[], |suite| suite.checks)
}

/// The port of a lab's program that is given none.
pub fn default_port(lab: &str) -> u16 {
    suite(lab).map_or(0, |suite| suite.port)
}

/// The checks that a submission can be put to, those asked for.
pub fn checks(submission: &Submission, only: &[String]) -> Vec<&'static Check> {
    let has = |side: Side| match side {
        Side::Server => submission.server.is_some(),
        Side::Client => submission.client.is_some(),
        Side::Both => submission.server.is_some() && submission.client.is_some(),
    };
    all(&submission.lab).iter().filter(|check| has(check.side) && is_asked(check.id, only)).collect()
}

/// Whether `--only` names it: whole, or without its lab.
pub fn is_asked(id: &str, only: &[String]) -> bool {
    let short = id.split_once('/').map_or(id, |(_, short)| short);
    only.is_empty() || only.iter().any(|wanted| wanted == id || wanted == short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handouts::{self, HANDOUTS};

    #[test]
    fn the_grader_and_the_handouts_ask_the_same_in_the_same_order() {
        assert!(labs().eq(HANDOUTS.iter().map(|handout| handout.lab)));
        for handout in HANDOUTS {
            let rubric = handout.rubric().unwrap();
            let stated: Vec<&str> = rubric.checks.iter().map(|check| check.id.as_str()).collect();
            let tried: Vec<&str> = all(handout.lab).iter().map(|check| check.id).collect();
            assert_eq!(stated, tried);
        }
    }

    #[test]
    fn a_check_has_the_program_that_its_requirement_is_about() {
        for check in labs().flat_map(all) {
            let about = handouts::requirement(check.id).map(|stated| stated.side);
            let fits = match check.side {
                Side::Server => about == Some(handouts::Side::Server),
                Side::Client => about == Some(handouts::Side::Client),
                Side::Both => about.is_some(),
            };
            assert!(fits, "{}: {about:?}", check.id);
            assert!(!check.requirement().is_empty(), "{}", check.id);
        }
    }
}
