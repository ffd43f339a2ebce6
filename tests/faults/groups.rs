//! Senders and receivers of datagrams to many, on the loopback interface.

use std::process::Command;

use super::clients::ends_well_or_says_why;
use super::group::{numbered, on_lo, peer};
use super::servers::{ends_in_order, ready, start};
use super::support::{Running, Server, run_command};
use super::trial::{Trial, every_call_fails_once};

/// A lab, and how its two ends are called on loopback alone.
pub struct Lab {
    pub name: &'static str,
    /// Where a receiver is to listen.
    pub any: &'static str,
}

pub const MULTICAST: Lab = Lab { name: "multicast", any: "239.1.1.1:0" };
pub const BROADCAST: Lab = Lab { name: "broadcast", any: "0" };

impl Lab {
    fn receiver(&self) -> Command {
        on_lo(&[self.name, "receive", self.any, "--json"])
    }

    /// Where what this receiver is to hear is sent.
    fn reaches(&self, receiver: &Server) -> String {
        match self.name {
            "broadcast" => format!("127.255.255.255:{}", receiver.addr().port()),
            _ => receiver.at_text(),
        }
    }
}

/// Every call of a receiver: it hears what is said after.
pub fn receives(lab: &Lab) {
    every_call_fails_once(&format!("{} receive", lab.name), |trial| {
        let Some(mut receiver) = start(trial, lab.receiver()) else { return };
        let to = lab.reaches(&receiver);
        for seq in 1..=3 {
            assert!(hears(&mut receiver, &to, &numbered("run", seq, 3, "hello")));
        }
        ends_in_order(receiver);
    });
}

/// Sends it until it is heard: one datagram may be the one that was lost.
/// False where the receiver ends instead.
fn hears(receiver: &mut Server, to: &str, datagram: &[u8]) -> bool {
    let socket = peer();
    std::thread::scope(|scope| {
        let (heard, waits) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            while waits.recv_timeout(std::time::Duration::from_millis(50)).is_err_and(is_not_yet) {
                socket.send_to(datagram, to).unwrap();
            }
        });
        let is_heard = |line: &str| line.contains(r#""event":"received""#);
        let end = std::iter::from_fn(|| receiver.running.next_line()).find(|line| is_heard(line));
        drop(heard);
        end.is_some()
    })
}

fn is_not_yet(error: std::sync::mpsc::RecvTimeoutError) -> bool {
    error == std::sync::mpsc::RecvTimeoutError::Timeout
}

/// Every call of a sender that wants to know who got it.
pub fn sends(lab: &Lab) {
    let receiver = Server::of(lab.receiver());
    let to = lab.reaches(&receiver);
    every_call_fails_once(&format!("{} send", lab.name), |trial| {
        let args = [lab.name, "send", &to, "--count", "2", "--interval", "1ms", "--expect", "1", "--json", "hello"];
        let run = run_command(trial.on(on_lo(&args)), b"");
        ends_well_or_says_why(trial, &run);
    });
}

/// Every call of a member of a broadcast chat, who hears and is heard; or says
/// why not, and leaves.
pub fn joins() {
    every_call_fails_once("broadcast join", |trial: &Trial| {
        let command = on_lo(&["broadcast", "join", "0", "--name", "alice", "--json"]);
        let Some(mut member) = ready(trial, Running::start_on(b"", trial.on(command))) else { return };
        let to = BROADCAST.reaches(&member);
        let mut is_there = hears(&mut member, &to, b"bob: hello");
        if is_there {
            // It may be about to leave.
            let _ = std::io::Write::write_all(member.running.child.stdin.as_mut().unwrap(), b"hello\n");
            is_there = hears(&mut member, &to, b"bob: bye");
        }
        // Whose keyboard could not be read goes on listening, and says so.
        let run = if is_there { member.stop() } else { member.wait() };
        ends_well_or_says_why(trial, &run);
        assert!(is_there || run.code() != 0, "{run:#?}");
    });
}
