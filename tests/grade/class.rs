//! A class: it goes on where it was, ends in order, and no folder stops the
//! rest.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::support::Running;
use super::{ECHO, ONE_REPLY, PATIENCE, TOML, folder, grade_in, grader, has, is_running, object};

/// Waits for what another process does.
#[track_caller]
fn eventually(what: &str, fact: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !fact() {
        assert!(Instant::now() < until, "{what}");
        thread::sleep(Duration::from_millis(20)); // nobody tells of it
    }
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap_or_default().lines().count()
}

/// A class whose last server waits for a file before it listens, so that
/// there is time to stop it.
struct Gated {
    class: TempDir,
    elsewhere: TempDir,
    marker: String,
}

impl Gated {
    fn new(name: &str) -> Gated {
        let elsewhere = folder(&[]);
        fs::create_dir(elsewhere.path().join("tmp")).unwrap();
        let marker = format!("netlab_{name}_{}.py", std::process::id());
        let gate = elsewhere.path().join("gate");
        let waits = format!("import os, time\nwhile not os.path.exists({gate:?}): time.sleep(0.02)\n{ECHO}");
        let toml = TOML.replace("server.py", &marker);
        let files = [
            ("anna/server.py", ECHO),
            ("anna/netlab.toml", TOML),
            (&format!("bert/{marker}"), &waits),
            ("bert/netlab.toml", &toml),
        ];
        Gated { class: folder(&files), elsewhere, marker }
    }

    fn kept(&self) -> std::path::PathBuf {
        self.elsewhere.path().join("kept.jsonl")
    }

    fn command(&self, isolation: &str) -> std::process::Command {
        let kept = self.kept().display().to_string();
        let args = [".", "--only", "echoes", "--jobs", "1", "--isolation", isolation, "--resume", &kept, "--json"];
        let mut command = grader(self.class.path(), &args);
        command.env("TMPDIR", self.elsewhere.path().join("tmp"));
        command
    }

    /// A run in which anna is graded and bert's server waits.
    fn under_way(&self) -> Running {
        let running = Running::start(self.command("none"));
        eventually("anna is graded", || lines(&self.kept()) == 1);
        eventually("bert runs", || is_running(&self.marker));
        running
    }

    /// The rest of the run: anna is known already.
    fn goes_on(&self) {
        fs::write(self.elsewhere.path().join("gate"), "").unwrap();
        let run = super::run_within(PATIENCE, self.command("none"), b"").ended(0);
        assert!(run.stderr.contains("anna: 10 of 10, as before"), "{run:#?}");
        assert!(run.stderr.contains("bert: 10 of 10\n"), "{run:#?}");
        assert_eq!(run.stdout.lines().count(), 2, "{run:#?}");
        assert_eq!(lines(&self.kept()), 2);
    }

    fn scratch_is_empty(&self) -> bool {
        let left = fs::read_dir(self.elsewhere.path().join("tmp")).unwrap().flatten();
        left.filter(|entry| !entry.file_name().to_string_lossy().starts_with("netlab-ports-")).count() == 0
    }
}

#[test]
fn a_class_that_is_stopped_leaves_nothing_behind_shows_what_it_has_and_goes_on_where_it_was() {
    if !has("python3") {
        return;
    }
    let class = Gated::new("stopped");
    let running = class.under_way();
    running.signal("INT");
    let run = running.wait();
    assert_eq!(run.code(), 2, "{run:#?}");
    assert!(!is_running(&class.marker));
    assert!(class.scratch_is_empty());
    let shown: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(shown[0]["name"], "anna");
    assert!(run.stderr.contains("stopped when 1 of 2 submissions were graded"), "{run:#?}");
    class.goes_on();
}

#[test]
fn a_class_that_is_killed_takes_its_programs_along_and_goes_on_where_it_was() {
    if !has("python3") {
        return;
    }
    let class = Gated::new("killed");
    class.under_way().signal("KILL");
    eventually("its programs end", || !is_running(&class.marker));
    class.goes_on();
}

#[test]
fn only_what_has_changed_is_graded_again() {
    if !has("python3") {
        return;
    }
    let class = folder(&[
        ("anna/server.py", ECHO),
        ("anna/netlab.toml", TOML),
        ("bert/server.py", ONE_REPLY),
        ("bert/netlab.toml", TOML),
        ("carl/netlab.toml", "lab = 1\n"),
    ]);
    let out = folder(&[]);
    let kept = out.path().join("kept").display().to_string();
    let args = [".", "--only", "echoes-again", "--resume", &kept, "--json"];
    let first = grade_in(class.path(), &args).ended(1);
    let second = grade_in(class.path(), &args).ended(1);
    assert_eq!(first.stdout, second.stdout, "the same to the byte, times and seed too");
    assert_eq!(second.stderr.matches(", as before").count(), 2, "{second:#?}");
    fs::write(class.path().join("bert/server.py"), ECHO).unwrap();
    let third = grade_in(class.path(), &args).ended(1);
    assert!(third.stderr.contains("anna: 10 of 10, as before"), "{third:#?}");
    assert!(third.stderr.contains("bert: 10 of 10\n"), "{third:#?}");
}

#[test]
fn one_alone_that_cannot_be_graded_is_one_object_and_exit_status_2() {
    let dir = folder(&[("netlab.toml", "lab = \"tcp-echo\"\nsever = \"x\"\n")]);
    let run = grade_in(dir.path(), &[".", "--json"]).ended(2);
    let graded = object(&run);
    assert_eq!((graded["verdict"].as_str(), graded["score"].as_u64()), (Some("fail"), Some(0)));
    assert!(graded["error"].as_str().unwrap().contains("line 2: unknown field `sever`"), "{graded:#}");
    assert!(run.stderr.starts_with("error: ") && run.stderr.contains("try:"), "{run:#?}");

    let run = grade_in(dir.path(), &["."]).ended(2);
    assert!(run.stdout.is_empty() && run.stderr.contains("sever"), "{run:#?}");
}

#[test]
fn what_is_not_built_fails_each_check_for_that_one_reason() {
    let dir =
        folder(&[("netlab.toml", "lab = \"mt-server\"\nserver = \"./s {port}\"\nbuild = \"echo oh dear; false\"\n")]);
    let graded = object(&grade_in(dir.path(), &[".", "--json"]).ended(1));
    assert_eq!((graded["verdict"].as_str(), graded["score"].as_u64()), (Some("fail"), Some(0)));
    for check in graded["checks"].as_array().unwrap() {
        assert!(check["actual"].as_str().unwrap().contains("oh dear"), "{check:#}");
    }
    let shown = grade_in(dir.path(), &["."]).ended(1).stdout;
    assert_eq!(shown.lines().filter(|line| line.contains("oh dear")).count(), 1, "told once: {shown}");
    assert_eq!(shown.matches("the same as in answers").count(), 4, "{shown}");
}

#[test]
fn two_folders_of_one_name_are_told_apart() {
    let toml = "lab = 1\n";
    let dir = folder(&[("a/x/netlab.toml", toml), ("b/x/netlab.toml", toml), ("b/y/netlab.toml", toml)]);
    let run = grade_in(dir.path(), &["a", "b", "--json"]).ended(1);
    let names: Vec<String> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["a/x", "b/x", "y"]);
}

#[test]
fn a_file_of_something_else_is_no_file_to_go_on_with() {
    let dir = folder(&[("netlab.toml", TOML), ("essay.txt", "dear\ndiary\n")]);
    let run = grade_in(dir.path(), &[".", "--resume", "essay.txt"]).ended(2);
    assert!(run.stderr.contains("it holds no grades"), "{run:#?}");
    assert_eq!(fs::read_to_string(dir.path().join("essay.txt")).unwrap(), "dear\ndiary\n");
}
