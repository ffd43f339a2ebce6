//! The handouts, as a student uses them: their transcripts are run, their
//! skeletons compiled, and `netlab labs` lists, shows and copies them.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

#[path = "support/group.rs"]
mod group;
mod support;
#[path = "support/transcript.rs"]
mod transcript;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use group::Net;
use support::{Run, Running, command, netlab, run, run_command, tool};
use transcript::{Here, Stage};

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

/// The page of the chat is the protocol's, on one sheet, in another form.
const OTHER_FORM: &str = "chat";

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
    for lab in LABS.iter().filter(|lab| **lab != OTHER_FORM) {
        let text = page(lab);
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
        assert!(shown.contains("$ netlab ") || lab == OTHER_FORM, "{shown}");
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

/// What a program with gaps says when it is run: the first one.
fn assert_gap(program: &str, run: &Run) {
    assert_eq!(run.code(), 1, "{program}: {run:?}");
    assert!(run.stderr.starts_with("gap 1 is open: "), "{program}: {run:?}");
}

/// What a skeleton is started with, as its own usage says.
fn arguments(run: &Run) -> Vec<&'static str> {
    let usage = run.stderr.strip_prefix("usage: ").unwrap_or_else(|| panic!("no usage: {run:?}"));
    let value = |word: &str| match word {
        "PORT" => Some("5006"),
        "HOST" => Some("127.0.0.1"),
        "USERNAME" => Some("alice"),
        "GROUP" => Some("239.1.1.1"),
        "ADDRESS" => Some("127.255.255.255"),
        _ => None,
    };
    usage.split_whitespace().filter_map(value).collect()
}

/// Runs a skeleton without arguments, then with those that it asks for.
fn try_skeleton(program: &str, line: &[&str], dir: &Path) {
    let run = |args: &[&str]| {
        let mut command = command(line[0], &[&line[1..], args].concat());
        command.current_dir(dir);
        run_command(command, b"hello\n")
    };
    let args = arguments(&run(&[]));
    assert_gap(program, &run(&args));
}

/// Builds and runs every skeleton of one language.
fn try_skeletons(language: &str, extension: &str, build: impl Fn(&Path, &str) -> Vec<String>) {
    for lab in LABS {
        let (_home, dir) = started(lab);
        let dir = dir.join(language);
        let sources: Vec<String> = files(&dir).into_iter().filter(|name| name.ends_with(extension)).collect();
        assert!(!sources.is_empty(), "{lab} has no skeleton in {language}");
        for source in sources {
            let line = build(&dir, &source);
            let line: Vec<&str> = line.iter().map(String::as_str).collect();
            try_skeleton(&format!("{lab}/{source}"), &line, &dir);
        }
    }
}

fn built(program: &str, args: &[&str], dir: &Path) {
    let mut compiler = command(program, args);
    compiler.current_dir(dir);
    let run = run_command(compiler, b"").succeeded();
    assert_eq!(run.stderr, "", "{args:?} in {dir:?}: a skeleton has no warnings");
}

#[test]
fn the_skeletons_in_python_run_and_name_their_first_gap() {
    if tool("python3") {
        try_skeletons("python", ".py", |dir, source| {
            built("python3", &["-m", "py_compile", source], dir);
            vec!["python3".into(), source.into()]
        });
    }
}

#[test]
fn the_skeletons_in_c_compile_without_a_warning_and_name_their_first_gap() {
    if tool("gcc") {
        try_skeletons("c", ".c", |dir, source| {
            let program = source.trim_end_matches(".c");
            built("gcc", &["-Wall", "-Wextra", "-pthread", "-o", program, source], dir);
            vec![format!("./{program}")]
        });
    }
}

#[test]
fn the_skeletons_in_java_compile_without_a_warning_and_name_their_first_gap() {
    // A Java compiler is not on every machine that tests netlab.
    if std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|dir| dir.join("javac").is_file()) {
        try_skeletons("java", ".java", |dir, source| {
            built("javac", &["-Xlint:all", source], dir);
            vec!["java".into(), source.trim_end_matches(".java").into()]
        });
    } else {
        support::say("SKIPPED the skeletons in Java: javac is not installed");
    }
}

/// Every folder of skeletons is a submission as it is.
#[test]
fn every_folder_of_skeletons_says_how_it_is_run() {
    for lab in LABS {
        for language in ["python", "c", "java"] {
            let text = fs::read_to_string(folder(lab).join("starter").join(language).join("netlab.toml")).unwrap();
            let submission: toml::Table = text.parse().unwrap();
            assert_eq!(submission["lab"].as_str(), Some(lab));
            assert_eq!(submission.contains_key("build"), language != "python", "{lab}/{language}");
            for role in ["server", "client"] {
                let Some(line) = submission.get(role) else { continue };
                let program =
                    line.as_str().unwrap().split(' ').find(|word| !["python3", "java"].contains(word)).unwrap();
                let source = match language {
                    "python" => program.to_owned(),
                    "c" => format!("{}.c", program.trim_start_matches("./")),
                    _ => format!("{program}.java"),
                };
                assert!(
                    folder(lab).join("starter").join(language).join(&source).exists(),
                    "{lab}/{language}: {source}"
                );
            }
        }
    }
}

/// A script of the repository, which drives the binary under test.
fn script(name: &str, args: &[&str], netlab: &Path) -> Run {
    let mut script = command(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name).to_str().unwrap(), args);
    script.env("NETLAB", netlab);
    run_command(script, b"")
}

#[test]
fn run_labs_tries_every_lab_and_says_so_on_a_line() {
    let run = script("run-labs", &[], Path::new(support::NETLAB)).succeeded();
    let labs: Vec<&str> = run.stdout.lines().filter_map(|line| line.strip_prefix("ok   ")?.split(' ').next()).collect();
    assert_eq!(labs, LABS, "{run:?}");
}

#[test]
fn run_labs_fails_where_a_lab_does() {
    let home = tempfile::tempdir().unwrap();
    let broken =
        program(home.path(), &format!("[ \"$1 $2\" != 'udp-info server' ] && exec {} \"$@\"\n", support::NETLAB));
    let run = script("run-labs", &[], &broken).ended(1);
    let failed: Vec<&str> = run.stdout.lines().filter(|line| line.starts_with("FAIL")).collect();
    assert!(failed.len() == 1 && failed[0].contains("udp-info"), "{run:?}");
}

/// A shell script that stands in for netlab.
fn program(dir: &Path, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join("netlab");
    fs::write(&path, format!("#!/bin/sh\n{text}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A class of three, one of whom has written two programs.
fn class(dir: &Path) -> String {
    let class = dir.join("class");
    let submissions =
        [("ada/tcp-echo", "tcp-echo"), ("ada/chat", "chat"), ("bob smith", "tcp-echo"), ("carol", "tcp-info")];
    for (folder, lab) in submissions {
        fs::create_dir_all(class.join(folder)).unwrap();
        fs::write(class.join(folder).join("netlab.toml"), format!("lab = \"{lab}\"\n")).unwrap();
    }
    class.to_str().unwrap().to_owned()
}

/// Lists the labs as netlab does, and grades nobody: a line for each folder,
/// and one of two students fails.
const GRADER: &str = r#"[ "$1" = labs ] && exec "$REAL" "$@"
shift
while [ $# -gt 0 ]; do
    case $1 in
        --csv) csv=$2; shift ;;
        --jobs) shift ;;
        *) folders="$folders$1\n" ;;
    esac
    shift
done
{ echo submission,verdict; printf "$folders" | sed 's/$/,pass/'; } >"$csv"
case $folders in *bob*) exit 1 ;; esac
"#;

#[test]
fn grade_all_takes_a_class_through_the_labs_in_turn_into_one_table() {
    let home = tempfile::tempdir().unwrap();
    let (class, csv) = (class(home.path()), home.path().join("grades.csv"));
    let grader = program(home.path(), &GRADER.replace("$REAL", support::NETLAB));
    let run = script("grade-all", &[&class, csv.to_str().unwrap(), "--", "--jobs", "2"], &grader).ended(1);
    let turns: Vec<&str> = run.stdout.lines().filter(|line| line.starts_with("== ")).collect();
    assert_eq!(
        turns,
        ["== tcp-info: 1 submissions", "== tcp-echo: 2 submissions", "== chat: 1 submissions"],
        "{run:?}"
    );
    let table = fs::read_to_string(&csv).unwrap().replace(&format!("{class}/"), "");
    assert_eq!(table, "submission,verdict\ncarol,pass\nada/tcp-echo,pass\nbob smith,pass\nada/chat,pass\n");
    fs::write(Path::new(&class).join("carol/netlab.toml"), "lab = 'tcp-ecko'\n").unwrap();
    let run = script("grade-all", &[&class, csv.to_str().unwrap()], &grader).ended(2);
    assert!(run.stderr.contains("error: no such lab: tcp-ecko\n") && run.stderr.contains("/carol"), "{run:?}");
    script("grade-all", &["/nowhere"], &grader).ended(2);
}
