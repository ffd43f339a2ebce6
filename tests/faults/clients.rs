//! Clients whose calls fail: they do what was asked, or say what failed; never
//! anything wrong, and never nothing.

use super::servers::says_why_not;
use super::support::{Run, Server, netlab, run_command};
use super::trial::{Trial, every_call_fails_once};

/// Every call of the client of a lab whose server answers.
pub fn asks(lab: &str, messages: &[&str]) {
    let server = Server::start(lab, &["-q"]);
    let at = server.at_text();
    every_call_fails_once(&format!("{lab} client"), |trial| {
        // Longer than anything takes: a fault is no reason to wait.
        let args = [&[lab, "client", &at, "--json", "--timeout", "20s"], messages].concat();
        let run = run_command(trial.on(netlab(args)), b"");
        ends_well_or_says_why(trial, &run);
        let replies: Vec<String> = run.all("replied").iter().map(|it| text_of(lab, it)).collect();
        let expected: Vec<String> = if lab == "udp-info" || lab == "tcp-info" {
            vec!["you are 127.0.0.1 port".to_owned()]
        } else {
            messages.iter().map(|message| answer(lab, message)).collect()
        };
        // A datagram that could not be sent has no reply, and the next one has.
        let mut due = expected.iter();
        assert!(replies.iter().all(|reply| due.any(|one| one == reply)), "{replies:?} of {expected:?}");
        assert!(run.code() != 0 || replies == expected, "done, with {replies:?}: {run:#?}");
    });
}

fn answer(lab: &str, message: &str) -> String {
    match lab {
        "capitalize-server" => message.to_uppercase(),
        "mt-server" => format!("client N: {message}"),
        _ => message.to_owned(),
    }
}

/// What was replied, but for what differs from run to run.
fn text_of(lab: &str, replied: &serde_json::Value) -> String {
    let text = replied["text"].as_str().unwrap().trim_end();
    match lab {
        "tcp-info" | "udp-info" => text.split(" port").next().unwrap().to_owned() + " port",
        "mt-server" => format!("client N: {}", text.split_once(": ").unwrap().1),
        _ => text.to_owned(),
    }
}

/// Exit 0; or, where the fault is one that stays, exit 1 and why.
#[track_caller]
pub fn ends_well_or_says_why(trial: &Trial, run: &Run) {
    assert!(!run.stderr.contains("panicked"), "{run:#?}");
    if run.code() != 0 {
        assert!(!trial.passes(), "{run:#?}");
        says_why_not(run);
    }
}
