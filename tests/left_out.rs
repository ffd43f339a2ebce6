//! What of the tests does not run on Windows, or not under Wine, each with its
//! reason: `windows.md` beside this file says it all, and no more than that.
//!
//! It reads the tests as text, as `layers.rs` reads the rooms: a test is left
//! out by an attribute with a reason, by a `cfg` under a comment with one, by a
//! line that says what Wine lacks, or by the header of a dialogue.

#![allow(clippy::unwrap_used, reason = "a failure to read the tests is the test's failure")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

const LISTED: &str = "windows.md";

/// Before the reason, in a comment above a `cfg`.
const BECAUSE: &str = "// Not on Windows: ";

/// The same in the header of a dialogue.
const IN_A_HEADER: &str = "not on Windows: ";

/// What tests lean on, packages of their own, and the programs that are judged.
const NO_TESTS: [&str; 5] = ["support", "bench", "fuzz", "soak", "submissions"];

/// Reasons, and what is left out for each.
type LeftOut = BTreeMap<String, BTreeSet<String>>;

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Every file of tests and every dialogue: its path under `tests/`, and its text; and those of the
/// program that have tests of their own.
fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut dirs = vec![tests(), root.join("src")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(tests()).or(path.strip_prefix(root)).unwrap();
            let name = name.to_str().unwrap().replace('\\', "/");
            if path.is_dir() && !NO_TESTS.contains(&name.as_str()) {
                dirs.push(path);
            } else if (name.ends_with(".rs") || name.starts_with("chat/dialogues/")) && name != "left_out.rs" {
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The text between two others.
fn between<'a>(line: &'a str, before: &str, after: &str) -> Option<&'a str> {
    line.split_once(before)?.1.split_once(after).map(|(inside, _)| inside)
}

/// What a line declares.
fn declared<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let name = line.trim_start().strip_prefix(word)?.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    Some(name).filter(|name| !name.is_empty())
}

/// What holds for the item whose attributes and comments are being read.
#[derive(Default)]
struct Item {
    is_test: bool,
    needs_unix: bool,
    reason: Option<String>,
}

impl Item {
    /// Whether the line was one of those before an item.
    fn read(&mut self, line: &str) -> bool {
        let line = line.trim_start();
        self.is_test |= line == "#[test]";
        self.needs_unix |=
            ["unix", "target_os = \"linux\""].iter().any(|what| line.ends_with(&format!("[cfg({what})]")));
        if let Some(reason) = line.strip_prefix(BECAUSE) {
            self.reason = Some(reason.trim_end_matches('.').to_owned());
        }
        if let Some(reason) = between(line, "#[cfg_attr(windows, ignore = \"", "\")]") {
            self.reason = Some(reason.to_owned());
        }
        line.starts_with("#") || line.starts_with("//")
    }
}

/// What is left out of one file, the whole of it or some tests.
fn read_file(name: &str, text: &str, left_out: &mut LeftOut) {
    let mut leave_out = |reason: &str, what: String| left_out.entry(reason.to_owned()).or_default().insert(what);
    let (mut item, mut here, mut is_hidden) = (Item::default(), "", false);
    for line in text.lines() {
        if line.starts_with("#![cfg(") && !line.contains("windows") {
            let reason = item.reason.unwrap_or_else(|| panic!("{name}: no line \"{BECAUSE}...\" above {line}"));
            leave_out(&reason, format!("all of `{name}`"));
            return;
        }
        if item.read(line) {
            continue;
        }
        let is_module = declared(line, "mod ").is_some();
        if let Some(declared) = declared(line, "fn ").or(declared(line, "mod ")) {
            here = declared;
            let is_silent = item.is_test && (item.needs_unix || is_hidden) && item.reason.is_none();
            assert!(!is_silent, "{name}: {here} is not there on Windows, and no line \"{BECAUSE}...\" says why");
            // In the program such a module is what one system has, with its tests.
            is_hidden |= is_module && item.needs_unix && item.reason.is_none() && !name.starts_with("src/");
        }
        if let Some(reason) = item.reason {
            leave_out(&reason, format!("`{name}`: {here}"));
        }
        if let Some(what) = between(line, "wine_lacks(", ")") {
            leave_out(&format!("Wine lacks {}", lacking(what)), format!("`{name}`: {here}"));
        }
        if let Some(reason) = between(line, "not_on_windows(\"", "\")") {
            leave_out(reason, format!("`{name}`: {here}"));
        }
        if let Some(reason) = line.strip_prefix(IN_A_HEADER) {
            leave_out(
                reason,
                format!("`chat.rs`: {}", name.trim_start_matches("chat/dialogues/").trim_end_matches(".txt")),
            );
        }
        is_hidden &= line != "}";
        item = Item::default();
    }
}

/// What Wine lacks: a text, or the name of one in `support`.
fn lacking(what: &str) -> String {
    if let Some(text) = between(what, "\"", "\"") {
        return text.to_owned();
    }
    let name = what.rsplit("::").next().unwrap();
    let support = fs::read_to_string(tests().join("support/mod.rs")).unwrap();
    between(&support, &format!("const {name}: &str = \""), "\"").unwrap().to_owned()
}

fn page(left_out: &LeftOut) -> String {
    let mut page = String::from("# What is left out on Windows\n\n");
    page += "Everything else of the suite passes there, as far as Wine can tell: `scripts/check-platforms windows`.\n";
    page += "Each line is read from the tests themselves, and held against them by `left_out.rs`.\n";
    for (reason, tests) in left_out {
        write!(page, "\n**{}{}**\n\n", reason[..1].to_uppercase(), &reason[1..]).unwrap();
        for test in tests {
            writeln!(page, "- {test}").unwrap();
        }
    }
    page
}

#[test]
fn what_is_left_out_on_windows_is_listed_with_its_reason_and_nothing_else_is() {
    let mut left_out = LeftOut::new();
    for (name, text) in files() {
        read_file(&name, &text, &mut left_out);
    }
    let (listed, page) = (fs::read_to_string(tests().join(LISTED)).unwrap_or_default(), page(&left_out));
    assert!(listed.replace("\r\n", "\n") == page, "tests/{LISTED} should be:\n{page}");
}
