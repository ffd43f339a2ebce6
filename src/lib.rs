//! netlab: one binary with which a networking course runs.
//!
//! # The house
//!
//! Rooms from the top down; a room may use those below it, never one above
//! (`tests/layers.rs` keeps it so):
//!
//! | room | what is in it |
//! |---|---|
//! | `main` | parse, choose a reporter, run, exit status |
//! | [`cli`] | the commands, and the match that runs them |
//! | `grade` | the judge of other people's programs |
//! | [`compare`] | TCP and UDP side by side |
//! | [`labs`] | one file a lab: what is said on a connection |
//! | [`load`] | a thousand clients at once, against an echo server |
//! | [`link`], [`serve`], [`ask`] | a link that loses packets; how clients are served, how servers are asked |
//! | [`net`] | which socket calls are made, each of them traced |
//! | [`handouts`] | the student's side: handouts, requirements, skeletons, embedded |
//! | [`report`] | what happened, as values; rendered for people and programs |
//! | [`framing`], [`error`] | bytes to messages and back; failures in three parts |
//!
//! # The one idea
//!
//! A lab says *what* is said on a connection, `serve` says *how* clients are
//! served, `net` says *which calls* are made. So each protocol is written
//! once, and runs under every model and in a test without a socket. Start with
//! [`labs::tcp_echo`].

pub mod ask;
pub mod cli;
pub mod compare;
pub mod error;
pub mod framing;
#[cfg(target_os = "linux")]
pub mod grade;
pub mod handouts;
pub mod labs;
pub mod link;
pub mod load;
pub mod net;
pub mod report;
pub mod serve;
