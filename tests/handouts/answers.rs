//! The five questions of the labs' index: each is answered by what its command
//! prints.

use std::fs;
use std::process::Command;

use super::folder;
use super::support::{self, Running, netlab, run, run_command};

/// The five questions of the index, each with its command.
fn questions() -> Vec<(String, String)> {
    let index = fs::read_to_string(folder("README.md")).unwrap();
    let table = index.split("| question | command | handout |").nth(1).unwrap().split("\n\n").next().unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let command = cells.get(2)?.split('`').nth(1)?;
        Some((cells[1].to_owned(), command.to_owned()))
    };
    table.lines().filter_map(row).collect()
}

/// The command of the question about `word`.
fn command_about(word: &str) -> String {
    let questions = questions();
    assert_eq!(questions.len(), 5, "{questions:?}");
    questions.into_iter().find(|(question, _)| question.contains(word)).unwrap().1
}

/// What that command prints, on both outputs.
fn answer_to(word: &str) -> String {
    let command = command_about(word);
    // Nobody listens on this port: it is not even free.
    let (_held, nobody) = support::refusing_port();
    let command = command.replace("127.0.0.1:5003", &nobody.to_string());
    let run = run(command.strip_prefix("netlab ").unwrap().split(' '));
    run.stderr + &run.stdout
}

#[track_caller]
fn assert_says(answer: &str, words: &[&str]) {
    for words in words {
        assert!(answer.contains(words), "not answered: {words}\n{answer}");
    }
}

#[test]
fn why_a_client_before_its_server_is_refused_is_answered_by_one_command() {
    let answer = answer_to("starts before its server");
    assert_says(
        &answer,
        &["connect(3, 127.0.0.1:", "= -1 ECONNREFUSED", "| the host answered RST: nothing listens on port"],
    );
    assert_says(
        &answer,
        &["| send was never reached", "why: the host answered, and nothing listens", "try: netlab tcp-echo server"],
    );
}

#[test]
fn what_localhost_is_and_what_it_is_good_for_is_answered_by_one_command() {
    let answer = answer_to("localhost");
    assert_says(&answer, &["bind(3, 127.0.0.1:0) = 0 | bound for this host alone (the loopback interface)"]);
    assert_says(&answer, &["127.0.0.1 is localhost: both programs run on this host and no packet leaves it"]);
    assert_says(&answer, &["written and tried on one machine, then run on two by giving another address"]);
}

#[test]
fn what_sleep_does_is_answered_by_one_command() {
    let answer = answer_to("`sleep`");
    assert_says(&answer, &["sleep(0.5) = 0 (", "| only this thread slept, using no CPU; what arrived meanwhile waits"]);
    assert_says(&answer, &["one client's thread slept 500ms; the other client was answered meanwhile"]);
}

#[test]
fn what_each_call_does_is_answered_by_one_command() {
    let answer = answer_to("`accept` each do?");
    let meanings = [
        ("bind", "bound for this host alone (the loopback interface)"),
        ("connect", "the handshake is done"),
        ("send", "bytes to deliver in order; that the peer has read it, only its answer can tell"),
        ("recv", "all that had arrived, be it a part of a message or several"),
        ("recv", "0 is not an error: the peer sent FIN"),
        ("accept", "alone, its handshake done by the system before; 3 goes on listening"),
    ];
    for (call, meaning) in meanings {
        let explains = |line: &str| line.contains(&format!(" {call}(")) && line.contains(meaning);
        assert!(answer.lines().any(explains), "{call}: {answer}");
    }
}

#[test]
fn a_secure_chat_of_one_client_and_one_server_is_answered_by_one_command() {
    let home = tempfile::tempdir().unwrap();
    let at_home = |mut command: Command| {
        command.env("XDG_STATE_HOME", home.path()).current_dir(home.path());
        command
    };
    let mut server = Running::start(at_home(netlab(["chat", "server", "127.0.0.1:0", "--tls", "--shared", "."])));
    let port = server.line_where(|line| line.starts_with("listening on")).rsplit(':').next().unwrap().to_owned();
    let command = command_about("secure chat").replace(" 2000 ", &format!(" {port} "));
    let words = command.strip_prefix("netlab ").unwrap().split(' ').chain(["--timeout", "25s"]);
    let run = run_command(at_home(netlab(words)), b"a word in secret\n/quit\n").succeeded();
    let answer = format!("{}{}", run.stderr, run.stdout);
    assert_says(&answer, &["TLS 1.3, ", "its key agreed on by ", " and never sent", "* alice has joined"]);
    assert_says(&answer, &["send and recv show what a listener on the way sees, ciphertext"]);
    assert_says(&answer, &["is met for the first time; its fingerprint is ", "from now on it is known by it"]);
    assert_says(&run.stderr, &["connect(", "| SYN, SYN+ACK, ACK", " send("]);
    assert!(
        !run.stderr.contains("a word in secret") && !run.stderr.contains("alice has joined"),
        "on the wire: {run:?}"
    );
    server.line_where(|line| line.ends_with("alice: a word in secret"));
}
