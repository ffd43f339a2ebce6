//! `scripts/run-labs` and `scripts/grade-all`.

use std::fs;
use std::path::{Path, PathBuf};

use super::LABS;
use super::PATIENCE;
use super::support::{self, Run, command, run_within};

/// A script of the repository, which drives the binary under test.
fn script(name: &str, args: &[&str], netlab: &Path) -> Run {
    let mut script = command(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name).to_str().unwrap(), args);
    script.env("NETLAB", netlab);
    run_within(PATIENCE, script, b"")
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
        [("ada/tcp-echo", "tcp-echo"), ("ada/chat", "chat"), ("bob smith", "tcp-echo"), ("cy", "tcp-info")];
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
case $folders in *chat*) check=chat/welcomes ;; *cy*) check=tcp-info/prints-ip ;; *) check=tcp-echo/echoes ;; esac
{ echo "name,error,$check"; printf "$folders" | sed 's/.*/me,"a, b",pass/'; } >"$csv"
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
    // Each lab has columns of its own, and each row the folder that it is about.
    let expected = [
        "folder,name,error,tcp-info/prints-ip,tcp-echo/echoes,chat/welcomes",
        r#""cy",me,"a, b",pass,,"#,
        r#""ada/tcp-echo",me,"a, b",,pass,"#,
        r#""bob smith",me,"a, b",,pass,"#,
        r#""ada/chat",me,"a, b",,,pass"#,
    ];
    assert_eq!(fs::read_to_string(&csv).unwrap().lines().collect::<Vec<_>>(), expected);
    fs::write(Path::new(&class).join("cy/netlab.toml"), "lab = 'tcp-ecko'\n").unwrap();
    let run = script("grade-all", &[&class, csv.to_str().unwrap()], &grader).ended(2);
    assert!(run.stderr.contains("error: no such lab: tcp-ecko\n") && run.stderr.contains("/cy"), "{run:?}");
    fs::write(Path::new(&class).join("cy/netlab.toml"), "lab = '../../tcp-echo'\n").unwrap();
    let run = script("grade-all", &[&class, csv.to_str().unwrap()], &grader).ended(2);
    assert!(run.stderr.contains("error: no such lab: unreadable\n") && run.stderr.contains("/cy"), "{run:?}");
    script("grade-all", &["/nowhere"], &grader).ended(2);
    let empty = home.path().join("empty");
    fs::create_dir(&empty).unwrap();
    script("grade-all", &[empty.to_str().unwrap()], &grader).ended(2);
}
