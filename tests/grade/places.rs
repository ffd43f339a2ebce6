//! Where the grader runs: as root, as an ordinary user, and where the system
//! forbids namespaces. What is weaker there, the report says.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::support::{NETLAB, Run, skipped, tool};
use super::{ECHO, PATIENCE, folder, grade_in, has, object, run_within};

/// A folder with an echo server and a copy of netlab, for everybody.
fn shared() -> tempfile::TempDir {
    let dir = folder(&[("server.py", ECHO)]);
    fs::copy(NETLAB, dir.path().join("netlab")).unwrap();
    fs::create_dir(dir.path().join("tmp")).unwrap();
    for (file, mode) in [(".", 0o755), ("tmp", 0o777)] {
        fs::set_permissions(dir.path().join(file), fs::Permissions::from_mode(mode)).unwrap();
    }
    dir
}

/// Grades the echo server through another program, and what it said.
fn graded_by(dir: &Path, by: &[&str], args: &[&str]) -> Value {
    object(&run_by(dir, by, args).ended(0))
}

fn run_by(dir: &Path, by: &[&str], args: &[&str]) -> Run {
    let mut command = Command::new(by[0]);
    command.args(&by[1..]).arg(dir.join("netlab")).arg("grade").args(args).arg("--json");
    command.current_dir(dir).env("TMPDIR", dir.join("tmp")).env("HOME", dir.join("tmp")).env_remove("GITHUB_ACTIONS");
    run_within(PATIENCE, command, b"")
}

#[test]
fn where_every_check_is_skipped_nothing_is_judged() {
    let dir = folder(&[("out/x", ""), ("anna/netlab.toml", GROUPS), ("bert/netlab.toml", GROUPS)]);
    let alone = grade_in(dir.path(), &["anna", "--isolation", "none", "--json"]).ended(2);
    let graded = object(&alone);
    assert_eq!((graded["verdict"].as_str(), graded["max_score"].as_u64()), (Some("fail"), Some(0)));
    assert!(graded["error"].as_str().unwrap().contains("every check was skipped"), "{graded:#}");
    assert!(alone.stderr.starts_with("error: cannot grade anna: nothing could be judged"), "{alone:#?}");
    let shown = grade_in(dir.path(), &["anna", "--isolation", "none"]).ended(2);
    assert!(shown.stdout.contains("nothing could be judged"), "{shown:#?}");

    // In a class it is a row that says so, in each format.
    let files = ["--csv", "out/a.csv", "--html", "out/a.html", "--junit", "out/a.xml", "--tap"];
    let class = grade_in(dir.path(), &[&["anna", "bert", "--isolation", "none"][..], &files].concat()).ended(1);
    let points = |start: &str| class.stdout.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!((points("1..8"), points("ok"), points("not ok")), (1, 6, 2), "{class:#?}");
    for file in ["a.csv", "a.html", "a.xml"] {
        let text = fs::read_to_string(dir.path().join("out").join(file)).unwrap();
        assert!(text.matches("nothing could be judged").count() >= 2, "{file}: {text}");
    }
    let rows = fs::read_to_string(dir.path().join("out/a.csv")).unwrap();
    assert_eq!(rows.matches("broadcast,fail,0,0,").count(), 2, "{rows}");
}

const GROUPS: &str = "lab = \"broadcast\"\nserver = \"cat {port}\"\nclient = \"cat {group} {port}\"\n";

const SERVER: [&str; 3] = ["tcp-echo", "--server", "python3 server.py {port}"];

#[track_caller]
fn is_full_marks(graded: &Value) {
    assert_eq!(graded["score"], graded["max_score"], "{graded:#}");
    assert!(graded["score"].as_u64() > Some(0), "{graded:#}");
}

#[test]
fn root_grades() {
    if !has("python3") || !tool("unshare") {
        return;
    }
    let dir = shared();
    let by = if nix::unistd::geteuid().is_root() { vec!["env"] } else { vec!["unshare", "--user", "--map-root-user"] };
    is_full_marks(&graded_by(dir.path(), &by, &SERVER));
}

#[test]
fn an_ordinary_user_grades() {
    if !has("python3") || !tool("setpriv") {
        return;
    }
    let dir = shared();
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let by = if nix::unistd::geteuid().is_root() { &nobody[..] } else { &["env"][..] };
    is_full_marks(&graded_by(dir.path(), by, &SERVER));
}

/// The limit is a namespace's own: within one that allows no further ones, the
/// system is one that forbids them.
#[test]
fn where_namespaces_are_forbidden_right_programs_pass_and_the_report_says_what_is_weaker() {
    if !has("python3") || !tool("unshare") {
        return;
    }
    let dir = shared();
    let forbid = "echo 0 >/proc/sys/user/max_user_namespaces && exec \"$@\"";
    let by = ["unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh"];
    if !Command::new(by[0]).args(&by[1..]).arg("true").status().is_ok_and(|status| status.success()) {
        return skipped("this system lets nobody forbid namespaces, since it has none");
    }
    let graded = graded_by(dir.path(), &by, &SERVER);
    is_full_marks(&graded);
    assert!(graded["weaker"].as_str().unwrap().contains("no namespaces"), "{graded:#}");

    let receiver = format!("{NETLAB} multicast receive {{group}}:{{port}}");
    let graded = object(&run_by(dir.path(), &by, &["multicast", "--server", &receiver]).ended(2));
    for check in graded["checks"].as_array().unwrap() {
        assert_eq!(check["verdict"], "skip", "{graded:#}");
        assert!(!check["actual"].as_str().unwrap().is_empty(), "{graded:#}");
    }
}

#[test]
fn with_less_isolation_a_right_program_passes_too_and_the_report_says_what_is_weaker() {
    if !has("python3") {
        return;
    }
    let dir = folder(&[("server.py", ECHO)]);
    for isolation in ["network", "none"] {
        let run = grade_in(dir.path(), &[&SERVER[..], &["--isolation", isolation, "--json"]].concat());
        if run.code() == 2 && isolation == "network" {
            continue; // this system forbids it
        }
        let graded = object(&run.ended(0));
        is_full_marks(&graded);
        assert!(graded["weaker"].is_string(), "{graded:#}");
    }
}
