//! The programs on which the judge is tried: the manifest says of each what it
//! is and what must come of it, and the page of the matrix shows that it came.
//! `scripts/grade-matrix` grades them all; that takes a quarter of an hour.

// Not on Windows: it judges on pseudo-terminals and in namespaces of Linux.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use support::{netlab, run_command};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    good: Vec<Good>,
    bad: Vec<Bad>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Good {
    dir: String,
    lab: String,
    #[serde(rename = "in")]
    _languages: Vec<String>,
    odd: String,
    #[serde(default, rename = "needs")]
    _needs: Vec<String>,
    #[serde(rename = "doubt")]
    _doubt: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bad {
    dir: String,
    lab: String,
    #[serde(rename = "in")]
    _languages: Vec<String>,
    fault: String,
    fails: Vec<String>,
    #[serde(default)]
    may: Vec<String>,
    hint: Vec<String>,
    #[serde(default, rename = "needs")]
    _needs: Vec<String>,
    #[serde(rename = "doubt")]
    _doubt: Option<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/submissions")
}

fn manifest() -> Manifest {
    toml::from_str(&fs::read_to_string(folder().join("manifest.toml")).unwrap()).unwrap()
}

/// Each program's folder and lab.
fn programs(manifest: &Manifest) -> Vec<(&str, &str)> {
    let good = manifest.good.iter().map(|entry| (entry.dir.as_str(), entry.lab.as_str()));
    good.chain(manifest.bad.iter().map(|entry| (entry.dir.as_str(), entry.lab.as_str()))).collect()
}

#[test]
fn every_program_is_in_the_manifest_once_and_for_the_lab_it_says() {
    let manifest = manifest();
    let listed = programs(&manifest);
    let names: BTreeSet<String> = listed.iter().map(|(dir, _)| (*dir).to_owned()).collect();
    assert_eq!(names.len(), listed.len(), "a program is listed twice");
    let there: BTreeSet<String> = ["good", "bad"]
        .iter()
        .flat_map(|kind| fs::read_dir(folder().join(kind)).unwrap().map(move |entry| (kind, entry.unwrap())))
        .map(|(kind, entry)| format!("{kind}/{}", entry.file_name().to_string_lossy()))
        .collect();
    assert_eq!(names, there);
    for (dir, lab) in listed {
        let said: toml::Table =
            toml::from_str(&fs::read_to_string(folder().join(dir).join("netlab.toml")).unwrap()).unwrap();
        assert_eq!(said["lab"].as_str(), Some(lab), "{dir}");
    }
    assert!(manifest.good.len() >= 60 && manifest.bad.len() >= 120);
}

#[test]
fn every_fault_names_checks_of_its_lab_and_words_for_its_hint() {
    let listed = run_command(netlab(["grade", "--list", "--json"]), b"").ended(0).stdout;
    let checks: BTreeSet<String> = listed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().into())
        .collect();
    let manifest = manifest();
    for entry in &manifest.bad {
        let all = format!("{}/*", entry.lab);
        for id in entry.fails.iter().chain(entry.may.iter().filter(|id| **id != all)) {
            assert!(checks.contains(id) && id.starts_with(&format!("{}/", entry.lab)), "{}: {id}", entry.dir);
        }
        assert!(!entry.fails.is_empty() && !entry.hint.is_empty() && !entry.fault.is_empty(), "{}", entry.dir);
    }
    assert!(manifest.good.iter().all(|entry| !entry.odd.is_empty()));
    // Each check has a program that it must fail.
    let failed: BTreeSet<&str> = manifest.bad.iter().flat_map(|entry| &entry.fails).map(String::as_str).collect();
    let notes = ["chat/chats-while-downloading", "chat/two-servers-refused"]; // these cost nothing, so nothing fails them
    let untried: Vec<&String> =
        checks.iter().filter(|id| !failed.contains(id.as_str()) && !notes.contains(&id.as_str())).collect();
    assert!(untried.is_empty(), "no wrong program for {untried:?}");
}

#[test]
fn the_page_of_the_matrix_shows_each_fault_found_and_no_right_program_failed() {
    let page = fs::read_to_string(folder().join("matrix.md")).unwrap();
    let manifest = manifest();
    for entry in &manifest.bad {
        let name = entry.dir.trim_start_matches("bad/");
        for id in &entry.fails {
            let short = id.split_once('/').unwrap().1;
            let found =
                |line: &&str| line.starts_with(&format!("| {name} |")) && line.contains(&format!("| {short} | fail |"));
            assert!(
                page.lines().any(|line| found(&line)),
                "{id} of {name} is not in matrix.md: scripts/grade-matrix --table"
            );
        }
    }
    for entry in &manifest.good {
        let name = entry.dir.trim_start_matches("good/");
        let passed = page.lines().any(|line| line.starts_with(&format!("| {name} |")) && line.ends_with("| none |"));
        assert!(passed, "{name} is not in matrix.md, or failed");
    }
}
