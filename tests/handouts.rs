//! The handouts, as a student uses them: their transcripts are run, their
//! skeletons compiled, and `netlab labs` lists, shows and copies them.

// Not on Windows: the pages are typed into a Unix shell.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

#[path = "support/group.rs"]
mod group;
mod support;
#[path = "support/transcript.rs"]
mod transcript;

#[path = "handouts/answers.rs"]
mod answers;
#[path = "handouts/scripts.rs"]
mod scripts;
#[path = "handouts/skeletons.rs"]
mod skeletons;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use group::Net;
use support::run;
use transcript::{Here, Stage};

/// When to give up on a compiler, or on a script that tries every lab: on a
/// machine that does much else they take their time.
const PATIENCE: Duration = Duration::from_secs(900);

/// The labs in the order of the course.
const LABS: [&str; 9] = [
    "tcp-info",
    "udp-info",
    "tcp-echo",
    "udp-echo",
    "multicast",
    "broadcast",
    "mt-server",
    "capitalize-server",
    "chat",
];

/// The page of the chat has one sheet more, which is no part of its hour.
const PROTOCOL: &str = "## The protocol";

/// The ports that the pages use.
const PORTS: [u16; 9] = [2000, 5001, 5002, 5003, 5004, 5006, 5009, 5605, 40000];

fn folder(lab: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("labs").join(lab)
}

fn page(lab: &str) -> String {
    fs::read_to_string(folder(lab).join("README.md")).unwrap()
}

/// The blocks between fences, and what is outside of them.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            prose += line;
            prose += "\n";
        }
    }
    prose
}

/// The page without one of its sections.
fn without_section(text: &str, heading: &str) -> String {
    let Some((before, rest)) = text.split_once(&format!("\n{heading}\n")) else { return text.to_owned() };
    format!("{before}\n{}", rest.split_once("\n## ").map_or(String::new(), |(_, after)| format!("\n## {after}")))
}

#[track_caller]
fn plays(lab: &str, stage: &dyn Stage) {
    let commands = transcript::play(&format!("labs/{lab}/README.md"), &page(lab), stage);
    assert!(commands >= 3, "{lab}: only {commands} commands found: are its blocks still marked `console`?");
}

#[test]
fn the_transcripts_of_tcp_info_are_what_is_printed() {
    plays("tcp-info", &Here::replacing(&PORTS));
}

#[test]
fn the_transcripts_of_udp_info_are_what_is_printed() {
    plays("udp-info", &Here::replacing(&PORTS));
}

#[test]
fn the_transcripts_of_tcp_echo_are_what_is_printed() {
    plays("tcp-echo", &Here::replacing(&PORTS));
}

#[test]
fn the_transcripts_of_udp_echo_are_what_is_printed() {
    plays("udp-echo", &Here::replacing(&PORTS));
}

#[test]
fn the_transcripts_of_mt_server_are_what_is_printed() {
    plays("mt-server", &Here::replacing(&PORTS));
}

#[test]
fn the_transcripts_of_capitalize_server_are_what_is_printed() {
    plays("capitalize-server", &Here::replacing(&PORTS));
}

#[test]
fn the_transcripts_of_chat_are_what_is_printed() {
    plays("chat", &Here::replacing(&PORTS));
}

/// A host of its own, where ports need not be replaced: nothing that is sent
/// to a group or to everyone leaves it, and it says so to netlab as well.
struct Apart(Net);

impl Stage for Apart {
    fn shell(&self, script: &str) -> Command {
        self.0.command("sh", &["-c", script])
    }

    fn fitted(&self, command: &str) -> String {
        let sends = ["multicast send", "multicast receive", "broadcast send", "broadcast receive", "broadcast join"];
        match command.contains("--interface") {
            true => command.to_owned(),
            false => sends
                .iter()
                .fold(command.to_owned(), |command, sends| command.replace(sends, &format!("{sends} --interface lo"))),
        }
    }
}

#[test]
fn the_transcripts_of_multicast_are_what_is_printed() {
    let Some(net) = Net::new() else { return };
    plays("multicast", &Apart(net));
}

#[test]
fn the_transcripts_of_broadcast_are_what_is_printed() {
    let Some(net) = Net::new() else { return };
    plays("broadcast", &Apart(net));
}

#[test]
fn every_handout_has_its_parts_in_order_and_fits_in_an_hour() {
    let sections = [
        "## Goals",
        "## Predict",
        "## Run",
        "## Break it",
        "## Explain",
        "## Build your own",
        "## Grade",
        "## If stuck",
    ];
    for lab in LABS {
        let text = without_section(&page(lab), PROTOCOL);
        let found: Vec<&str> = text.lines().filter(|line| line.starts_with("## ")).collect();
        assert_eq!(found, sections, "{lab}");
        assert!(text.starts_with(&format!("# {lab}: ")), "{lab}");
        assert!(text.contains(" --trace\n#1 ") || text.contains(" --trace\n...\n#"), "{lab} shows no trace");
        assert!(text.contains(&format!("netlab grade {lab} --")), "{lab} does not say how it is graded");
        let explain = text.split("## Explain").nth(1).unwrap().split("\n## ").next().unwrap();
        let questions: Vec<&str> =
            ["\n1. ", "\n2. ", "\n3. ", "\n4. "].into_iter().filter(|n| explain.contains(n)).collect();
        assert_eq!(questions.len(), 3, "{lab}: three questions");
        // With its transcripts at most, and without them at least.
        let (all, own) = (text.split_whitespace().count(), prose(&text).split_whitespace().count());
        assert!(own >= 700 && all <= 1100, "{lab}: {all} words, {own} of them outside transcripts");
    }
}

#[test]
fn no_handout_is_another_with_the_names_changed() {
    let sentences = |lab: &str| -> Vec<String> {
        let prose = prose(&page(lab)).replace('\n', " ");
        prose.split(". ").map(str::trim).filter(|sentence| sentence.len() > 60).map(str::to_owned).collect()
    };
    for (at, lab) in LABS.iter().enumerate() {
        let own = sentences(lab);
        for other in &LABS[at + 1..] {
            let shared: Vec<String> = sentences(other).into_iter().filter(|sentence| own.contains(sentence)).collect();
            assert!(shared.is_empty(), "{lab} and {other} both say: {shared:#?}");
        }
    }
}

/// The checks of the contract, lab by lab.
const CHECKS: [(&str, &str); 9] = [
    ("tcp-info", "listens-on-port prints-ip prints-port serves-many survives-reset"),
    ("udp-info", "receives prints-ip prints-port serves-many survives-empty-datagram"),
    (
        "tcp-echo",
        "echoes echoes-again echoes-split echoes-large echoes-binary serves-next-client survives-reset \
         closes-after-client client-sends client-prints-echo client-ends client-reports-refused",
    ),
    (
        "udp-echo",
        "echoes replies-to-sender replies-from-port keeps-boundaries echoes-1472 keeps-serving client-sends \
         client-prints-echo client-survives-loss",
    ),
    ("multicast", "joins-group receives two-receivers sends-to-group"),
    ("broadcast", "receives two-receivers sends-broadcast"),
    ("mt-server", "answers serves-at-once twenty-clients no-cross-talk survives-reset"),
    (
        "capitalize-server",
        "capitalizes keeps-connection serves-at-once unique-ids close-socket-closes close-spares-others \
         never-terminates survives-reset client-sends client-prints-reply client-closes",
    ),
    (
        "chat",
        "prints-client-address welcomes welcome-crosses-network announces-join announces-leave announces-vanished \
         survives-vanished sends-many broadcasts-to-others not-to-sender unicasts unicast-stays-private switches-mode \
         lists-files counts-files downloads-exact saves-in-user-folder reports-size file-crosses-network \
         chats-while-downloading reports-server-loss reports-no-server two-servers-refused",
    ),
];

#[test]
fn every_check_of_the_contract_is_in_its_labs_toml_once() {
    for (lab, checks) in CHECKS {
        let text = fs::read_to_string(folder(lab).join("lab.toml")).unwrap();
        let found: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"')).collect();
        let expected: Vec<String> = checks.split_whitespace().map(|id| format!("{lab}/{id}")).collect();
        assert_eq!(found, expected, "{lab}");
    }
}

#[test]
fn every_lab_has_requirements_and_skeletons_but_compare_in_which_nothing_is_built() {
    for lab in LABS.into_iter().chain(["compare"]) {
        let has = |part: &str| folder(lab).join(part).exists();
        assert!(has("README.md"), "{lab}");
        assert_eq!([has("lab.toml"), has("starter")], [lab != "compare"; 2], "{lab}");
    }
}

/// `netlab labs start LAB` in a folder of its own.
fn started(lab: &str) -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("work");
    run(["labs", "start", lab, dir.to_str().unwrap()]).succeeded();
    (home, dir)
}

/// Every file below `dir`, by its path there.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        match path.is_dir() {
            true => found.extend(files(&path).into_iter().map(|below| format!("{name}/{below}"))),
            false => found.push(name),
        }
    }
    found.sort();
    found
}

#[test]
fn start_copies_the_handout_and_every_skeleton() {
    for lab in LABS {
        let (_home, dir) = started(lab);
        let mut expected = files(&folder(lab).join("starter"));
        expected.push("README.md".into());
        expected.sort();
        assert_eq!(files(&dir), expected, "{lab}");
        for name in files(&dir) {
            let source =
                if name == "README.md" { folder(lab).join(&name) } else { folder(lab).join("starter").join(&name) };
            assert_eq!(fs::read(dir.join(&name)).unwrap(), fs::read(source).unwrap(), "{lab}/{name}");
        }
    }
}

#[test]
fn start_overwrites_nothing() {
    let (_home, dir) = started("tcp-echo");
    let mine = dir.join("python/server.py");
    fs::write(&mine, "my work").unwrap();
    fs::remove_file(dir.join("c/server.c")).unwrap();
    fs::remove_file(dir.join("README.md")).unwrap();
    let run = run(["labs", "start", "tcp-echo", dir.to_str().unwrap()]).ended(1);
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert!(lines[0].starts_with("error: cannot write ") && lines[0].ends_with(": it is there already"), "{run:?}");
    assert_eq!(lines[1], "  why: it may be your work, so nothing was written");
    assert!(lines[2].starts_with("  try: a new folder"), "{run:?}");
    assert_eq!(fs::read_to_string(mine).unwrap(), "my work");
    assert!(!dir.join("c/server.c").exists() && !dir.join("README.md").exists(), "nothing was written");
    let file = dir.join("file");
    fs::write(&file, "").unwrap();
    let run = support::run(["labs", "start", "tcp-echo", file.to_str().unwrap()]).ended(1);
    assert_eq!(run.stderr.lines().count(), 3, "{run:?}");
}

#[test]
fn list_names_every_lab_and_show_prints_its_page() {
    let list = run(["labs", "list"]).succeeded().stdout;
    let names: Vec<&str> = list.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(names, LABS);
    let events = run(["labs", "list", "--json"]).succeeded().events();
    assert!(events.iter().all(|event| event["event"] == "handout" && event["points"] == 100), "{events:?}");
    for lab in LABS {
        let shown = run(["labs", "show", lab]).succeeded().stdout;
        assert!(shown.contains("$ netlab "), "{shown}");
        assert!(!shown.contains("```") && !shown.contains("\n## "), "the marks of Markdown are gone: {shown}");
        let is_text = |line: &&str| !line.starts_with("    ");
        let widest = shown.lines().filter(is_text).map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= 80, "{lab}: {widest} columns");
        assert_eq!(run(["labs", "show", lab, "--json"]).succeeded().event("page")["text"], page(lab));
    }
}

#[test]
fn an_unknown_lab_is_a_usage_error_that_names_those_there_are() {
    for ask in [&["labs", "show", "tcp-ecko"][..], &["labs", "start", "tcp-ecko", "/nowhere"]] {
        let run = run(ask).ended(2);
        assert!(run.stderr.contains("tcp-echo") && run.stdout.is_empty(), "{run:?}");
    }
}
