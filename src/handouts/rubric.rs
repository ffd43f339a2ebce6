//! `labs/LAB/lab.toml`: what a lab requires, in the lab's words.
//!
//! ```toml
//! title = "A connection is a stream of bytes"
//!
//! [[check]]
//! id = "tcp-echo/echoes"       # its name in reports
//! side = "server"              # server, client, or both
//! points = 10                  # 0: a note, which costs nothing
//! requirement = "What a client sends comes back unchanged"
//! ```
//!
//! The points of a lab make 100. In multicast and broadcast the receiver is
//! the `server` and the sender the `client`, as in `netlab.toml`.

use serde::Deserialize;

/// A lab's requirements.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rubric {
    /// What the lab is about, in a few words.
    pub title: String,
    /// The requirements, in the order in which they are checked.
    #[serde(rename = "check")]
    pub checks: Vec<Requirement>,
}

/// One requirement.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Its name, such as `tcp-echo/echoes`.
    pub id: String,
    /// Whose it is.
    pub side: Side,
    /// What it is worth; 0 for a note.
    pub points: u32,
    /// The requirement, as a sentence without its full stop.
    pub requirement: String,
}

/// Which program a requirement is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The one that waits; of multicast and broadcast the receiver.
    Server,
    /// The one that begins; of multicast and broadcast the sender.
    Client,
    /// Both together.
    Both,
}

impl Rubric {
    /// All points.
    pub fn points(&self) -> u32 {
        self.checks.iter().map(|check| check.points).sum()
    }

    /// The requirement of this id, such as `tcp-echo/echoes`.
    pub fn get(&self, id: &str) -> Option<&Requirement> {
        self.checks.iter().find(|check| check.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{HANDOUTS, requirement};
    use super::Side;

    #[test]
    fn a_requirement_is_found_by_the_name_of_its_check() {
        let echoes = requirement("tcp-echo/echoes").unwrap();
        assert_eq!((echoes.side, echoes.points), (Side::Server, 10));
        assert!(requirement("tcp-echo/flies").is_none());
    }

    #[test]
    fn every_rubric_can_be_read_and_makes_100_points() {
        for handout in HANDOUTS {
            let rubric = handout.rubric().unwrap();
            assert_eq!(rubric.points(), 100, "{}", handout.lab);
            for check in &rubric.checks {
                assert!(rubric.get(&check.id).is_some_and(|first| std::ptr::eq(first, check)), "{} twice", check.id);
                assert!(!check.requirement.ends_with('.'), "{}", check.requirement);
            }
        }
    }
}
