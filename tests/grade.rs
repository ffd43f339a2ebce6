//! The judge, judged: netlab's own labs pass, programs with one fault fail in
//! the check of that fault, what is hostile harms nobody, and every report is
//! in its format.

// Not on Windows: it judges on pseudo-terminals and in namespaces of Linux.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

#[path = "grade/groups.rs"]
mod groups;
mod support;

#[path = "grade/class.rs"]
mod class;
#[path = "grade/formats.rs"]
mod formats;
#[path = "grade/hostile.rs"]
mod hostile;
#[path = "grade/java.rs"]
mod java;
#[path = "grade/places.rs"]
mod places;
#[path = "grade/schools.rs"]
mod schools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::{NETLAB, Run, netlab, run, run_within, skipped};
use tempfile::TempDir;

/// When to give up on a grader: on a machine that does much else a class takes
/// its time.
const PATIENCE: Duration = Duration::from_secs(900);

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

/// A right echo server, in a few lines.
const ECHO: &str = r#"
import socket, sys
s = socket.socket()
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen()
while True:
    c, a = s.accept()
    try:
        while data := c.recv(4096):
            c.sendall(data)
    except OSError:
        pass
    c.close()
"#;

/// The same, which answers once.
const ONE_REPLY: &str = r#"
import socket, sys
s = socket.socket()
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen()
while True:
    c, a = s.accept()
    c.sendall(c.recv(4096))
    c.close()
"#;

fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        let note = format!("{program} is not here: a test that needs it tries nothing\n");
        let _ = std::io::Write::write_all(&mut std::io::stderr(), note.as_bytes());
    }
    found
}

fn grade_in(dir: &Path, args: &[&str]) -> Run {
    run_within(PATIENCE, grader(dir, args), b"")
}

/// The grader, called in `dir`.
fn grader(dir: &Path, args: &[&str]) -> Command {
    let mut command = netlab(["grade"]);
    command.args(args).current_dir(dir).env_remove("GITHUB_ACTIONS");
    command
}

/// What a folder says of an echo server.
const TOML: &str = "lab = \"tcp-echo\"\nserver = \"python3 server.py {port}\"\n";

/// The processes whose command line has this in it, as folders of /proc.
fn running(marker: &str) -> Vec<PathBuf> {
    let has = |dir: &PathBuf| fs::read(dir.join("cmdline")).is_ok_and(|line| has_in(&line, marker));
    fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()).filter(has).collect()
}

fn has_in(line: &[u8], marker: &str) -> bool {
    String::from_utf8_lossy(line).contains(marker)
}

fn is_running(marker: &str) -> bool {
    !running(marker).is_empty()
}

fn object(run: &Run) -> Value {
    serde_json::from_str(run.stdout.trim()).unwrap_or_else(|error| panic!("{error}: {run:#?}"))
}

fn verdict<'a>(graded: &'a Value, id: &str) -> &'a str {
    let checks = graded["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("no {id} in {graded:#}"));
    check["verdict"].as_str().unwrap()
}

/// Whether a network of the check's own is not to be had here.
fn nothing_was_tried(run: &Run) -> bool {
    let is_so = run.code() == 2 && run.stderr.contains("every check was skipped");
    if is_so {
        skipped("multicast and broadcast are not graded without a network of the check's own");
    }
    is_so
}

/// Every check of `lab` is passed by netlab's own programs.
#[track_caller]
fn own_lab_passes(lab: &str, server: Option<&str>, client: Option<&str>) {
    let dir = folder(&[]);
    let mut args = vec![lab.to_owned(), "--json".to_owned()];
    for (option, command) in [("--server", server), ("--client", client)] {
        if let Some(command) = command {
            args.extend([option.to_owned(), format!("{NETLAB} {command}")]);
        }
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let run = grade_in(dir.path(), &args);
    if nothing_was_tried(&run) {
        return;
    }
    let graded = object(&run.ended(0));
    assert_eq!(graded["score"], graded["max_score"], "{graded:#}");
    assert_eq!((graded["verdict"].as_str(), graded["lab"].as_str()), (Some("pass"), Some(lab)));
}

#[test]
fn its_own_tcp_info_passes() {
    own_lab_passes("tcp-info", Some("tcp-info server {port}"), None);
}

#[test]
fn its_own_udp_info_passes() {
    own_lab_passes("udp-info", Some("udp-info server {port}"), None);
}

#[test]
fn its_own_tcp_echo_passes() {
    own_lab_passes("tcp-echo", Some("tcp-echo server {port}"), Some("tcp-echo client {host}:{port}"));
}

#[test]
fn its_own_udp_echo_passes() {
    own_lab_passes("udp-echo", Some("udp-echo server {port}"), Some("udp-echo client {host}:{port}"));
}

#[test]
fn its_own_mt_server_passes() {
    own_lab_passes("mt-server", Some("mt-server server {port}"), None);
}

#[test]
fn its_own_capitalize_server_passes() {
    own_lab_passes(
        "capitalize-server",
        Some("capitalize-server server {port}"),
        Some("capitalize-server client {host}:{port}"),
    );
}

#[test]
fn its_own_multicast_passes() {
    own_lab_passes("multicast", Some("multicast receive {group}:{port}"), Some("multicast send {group}:{port}"));
}

#[test]
fn its_own_broadcast_passes() {
    own_lab_passes("broadcast", Some("broadcast receive {port}"), Some("broadcast send {group}:{port}"));
}

#[test]
fn a_server_that_answers_once_fails_where_it_is_asked_again_and_is_told_why() {
    if !has("python3") {
        return;
    }
    let dir = folder(&[("server.py", ONE_REPLY)]);
    let run = grade_in(dir.path(), &["tcp-echo", "--server", "python3 server.py {port}", "--json"]).ended(1);
    let graded = object(&run);
    assert_eq!(graded["verdict"], "fail");
    assert_eq!(verdict(&graded, "tcp-echo/echoes"), "pass");
    assert_eq!(verdict(&graded, "tcp-echo/serves-next-client"), "pass");
    let checks = graded["checks"].as_array().unwrap();
    let failed = checks.iter().find(|check| check["id"] == "tcp-echo/echoes-again").unwrap();
    assert_eq!(failed["verdict"], "fail");
    for field in ["requirement", "expected", "actual", "hint", "replay"] {
        assert!(failed[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {failed:#}");
    }
    assert!(failed["hint"].as_str().unwrap().contains("loop"), "{failed:#}");
    assert!(!failed["transcript"].as_array().unwrap().is_empty());
    let seed = graded["seed"].as_u64().unwrap();
    assert!(failed["replay"].as_str().unwrap().contains(&format!("--seed {seed}")), "{failed:#}");
}

#[test]
fn a_replay_command_gives_the_same_verdict() {
    if !has("python3") {
        return;
    }
    let dir = folder(&[("server.py", ONE_REPLY)]);
    let args = ["tcp-echo", "--server", "python3 server.py {port}", "--only", "echoes-again", "--seed", "7", "--json"];
    let graded = object(&grade_in(dir.path(), &args).ended(1));
    let replay = graded["checks"][0]["replay"].as_str().unwrap().replacen("netlab", NETLAB, 1);
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{replay} --json")]).current_dir(dir.path());
    let again = object(&run_within(PATIENCE, shell, b"").ended(1));
    assert_eq!(graded["checks"][0]["expected"], again["checks"][0]["expected"]);
    assert_eq!(again["seed"], 7);
}

#[test]
fn a_terminal_report_shows_no_escape_of_the_program() {
    if !has("python3") {
        return;
    }
    let dir = folder(&[("server.py", "print('\\x1b[2J\\x1b]0;title\\x07 gone')\n")]);
    let run = grade_in(dir.path(), &["tcp-echo", "--server", "python3 server.py {port}", "--only", "echoes"]).ended(1);
    assert!(run.stdout.contains("exited with status 0") && !run.stdout.contains('\x1b'), "{run:#?}");
}

/// The names that stay: other people's tables and programs know them.
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
        "prints-client-address welcomes welcome-crosses-network announces-join announces-leave \
         announces-vanished survives-vanished sends-many broadcasts-to-others not-to-sender unicasts \
         unicast-stays-private switches-mode lists-files counts-files downloads-exact saves-in-user-folder \
         reports-size file-crosses-network chats-while-downloading reports-server-loss reports-no-server \
         two-servers-refused",
    ),
];

#[test]
fn every_check_that_was_promised_is_listed_with_the_words_and_the_points_of_its_handout() {
    let listed = run(["grade", "--list", "--json"]).ended(0).events();
    let text = |check: &Value, key: &str| check[key].as_str().unwrap().to_owned();
    let ids: Vec<String> = listed.iter().map(|check| text(check, "id")).collect();
    let promised: Vec<String> =
        CHECKS.iter().flat_map(|(lab, ids)| ids.split(' ').map(move |id| format!("{lab}/{id}"))).collect();
    assert_eq!(ids, promised);
    for (lab, _) in CHECKS {
        let rubric = fs::read_to_string(format!("{}/labs/{lab}/lab.toml", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let rubric: toml::Table = rubric.parse().unwrap();
        let stated = rubric["check"].as_array().unwrap();
        let mine: Vec<&Value> =
            listed.iter().filter(|check| text(check, "id").starts_with(&format!("{lab}/"))).collect();
        assert_eq!(stated.len(), mine.len());
        for (stated, mine) in stated.iter().zip(mine) {
            assert_eq!(stated["id"].as_str(), mine["id"].as_str());
            assert_eq!(stated["requirement"].as_str(), mine["requirement"].as_str());
            assert_eq!(stated["points"].as_integer(), mine["points"].as_i64());
        }
    }
}

#[test]
fn what_cannot_be_graded_is_exit_status_2() {
    let empty = folder(&[]);
    for args in [
        &["no-such-lab", "--server", "x"][..],
        &["tcp-echo"],
        &["tcp-echo", "--server", "python3 'open"],
        &["tcp-echo", "--server", "x", "--only", "no-such-check"],
        &["mt-server", "--client", "x {port}"],
        &["."],
        &["tcp-echo", "--server", "x", "--dir", "nowhere"],
        &["tcp-echo", "--server", "x", "--csv", "/no/such/folder/x.csv"],
    ] {
        let run = grade_in(empty.path(), args).ended(2);
        assert!(run.stderr.starts_with("error: ") && run.stderr.contains("try:"), "{args:?}: {run:#?}");
    }
}
