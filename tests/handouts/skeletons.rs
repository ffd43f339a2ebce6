//! The skeletons: each compiles, runs and names its first gap, and each folder
//! of them is a submission.

use std::fs;
use std::path::Path;

use super::PATIENCE;
use super::support::{self, Run, command, run_within, tool};
use super::{LABS, files, folder, started};

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
        run_within(PATIENCE, command, b"hello\n")
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
    let run = run_within(PATIENCE, compiler, b"").succeeded();
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
            let class = source.trim_end_matches(".java");
            // All of a folder at once, at its first: starting javac takes longest.
            if !dir.join(format!("{class}.class")).exists() {
                let sources: Vec<String> = files(dir).into_iter().filter(|name| name.ends_with(".java")).collect();
                let sources = sources.iter().map(String::as_str);
                built("javac", &["-Xlint:all"].into_iter().chain(sources).collect::<Vec<_>>(), dir);
            }
            vec!["java".into(), class.into()]
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
