//! No call slips past the library that makes calls fail: it has counted what a
//! trace shows. (A call that is made without the C library would never fail
//! here, and nobody would notice.)

use std::collections::BTreeMap;

use serde_json::Value;

use super::support::{netlab, run_command};
use super::trial::Trial;

/// What a trace shows beside calls on sockets.
const NO_SOCKETS: [&str; 1] = ["sleep"];

/// What the library counts beside what a trace shows.
const NO_CALLS: [&str; 5] = ["epoll_create", "epoll_ctl", "epoll_wait", "eventfd", "spawn"];

/// Both ends of a lab, in one process.
pub fn in_the_demo_of(lab: &str) {
    let trial = Trial::new(None);
    let run = run_command(trial.on(netlab([lab, "demo", "--trace", "--json"])), b"").succeeded();
    let mut traced = BTreeMap::<String, u64>::new();
    for line in run.stderr.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        if event["event"] == "call" {
            *traced.entry(event["call"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    let mut counted = trial.calls();
    traced.retain(|call, _| !NO_SOCKETS.contains(&&**call));
    counted.retain(|call, _| !NO_CALLS.contains(&&**call));
    assert_eq!(counted, traced, "{lab}");
}
