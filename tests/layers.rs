//! The arrows of the house: a room uses those below it in the table of
//! `src/lib.rs`, never one above, and never its neighbour on the same line.
//!
//! It reads the source as text. That is crude, and enough: a path through
//! `crate::` is how one room reaches another.

#![allow(clippy::unwrap_used, reason = "a failure to read the source is the test's failure")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms that may print: all others tell `report`. `labs/tcp_echo.rs` may
/// write to standard output what the socket brought (`--raw`), and read.
const MAY_PRINT: [&str; 3] = ["report", "main", "cli"];
const MAY_COPY_TO_STDOUT: [&str; 1] = ["labs/tcp_echo.rs"];

/// Rooms that may hold `unsafe`: where the system is spoken to.
const MAY_BE_UNSAFE: [&str; 2] = ["net", "link"];

/// What labs may share: the stage their demos are played on.
const NO_LAB: [&str; 2] = ["mod", "stage"];

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file: its path under `src/`, and its text.
fn sources() -> Vec<(String, String)> {
    fn walk(dir: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(src()).unwrap().to_str().unwrap().replace('\\', "/");
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(&src(), &mut found);
    found.sort();
    found
}

/// Each room's height: its line in the table of `src/lib.rs`, from below.
fn heights() -> BTreeMap<String, usize> {
    let lib = fs::read_to_string(src().join("lib.rs")).unwrap();
    let rows: Vec<&str> = lib.lines().filter_map(|line| line.strip_prefix("//! | ")).collect();
    let mut heights = BTreeMap::new();
    for (from_top, row) in rows.iter().enumerate() {
        let rooms = row.split('|').next().unwrap();
        for room in rooms.split('`').skip(1).step_by(2) {
            heights.insert(room.to_owned(), rows.len() - from_top);
        }
    }
    heights
}

/// The room a file is in.
fn room(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// The source without comments and without what is in quotes; line ends stay.
fn code_of(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut code, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let from = at;
        at = match &bytes[at..] {
            [b'/', b'/', ..] => end_of_line(bytes, at),
            [b'/', b'*', ..] => end_of_block(bytes, at),
            [b'"', ..] => end_of_string(bytes, at),
            [b'r', b'"' | b'#', ..] if !is_word(code.last()) => end_of_raw_string(bytes, at),
            [b'\'', b'\\', _, rest @ ..] => {
                at + 3 + rest.iter().position(|byte| *byte == b'\'').map_or(0, |end| end + 1)
            }
            [b'\'', _, b'\'', ..] => at + 3,
            [byte, ..] => {
                code.push(*byte);
                at += 1;
                continue;
            }
            [] => break,
        };
        code.extend(bytes[from..at].iter().filter(|byte| **byte == b'\n'));
        code.push(b' ');
    }
    String::from_utf8_lossy(&code).into_owned()
}

fn is_word(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

fn end_of_line(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| at + end)
}

fn end_of_block(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn end_of_raw_string(bytes: &[u8], at: usize) -> usize {
    let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    if bytes.get(at + 1 + hashes) != Some(&b'"') {
        return at + 1; // r#type: a name
    }
    let end = [b"\"".to_vec(), vec![b'#'; hashes]].concat();
    let start = at + 2 + hashes;
    let found = bytes[start..].windows(end.len()).position(|window| window == end);
    found.map_or(bytes.len(), |found| start + found + end.len())
}

/// What follows each `prefix` (such as `crate::`): the next name, or each of
/// the names in `{…}` at its first level.
fn names_after(code: &str, prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        if is_word(code.as_bytes()[..at].last()) {
            continue;
        }
        let rest = code[at + prefix.len()..].trim_start();
        match rest.strip_prefix('{') {
            Some(group) => names.extend(first_level(group)),
            None => names.extend(name_at(rest)),
        }
    }
    names
}

fn name_at(text: &str) -> Option<String> {
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

fn first_level(group: &str) -> Vec<String> {
    let (mut depth, mut names, mut starts) = (0, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => starts = true,
            c if starts && !c.is_whitespace() => {
                names.extend(name_at(&group[at..]));
                starts = false;
            }
            _ => {}
        }
    }
    names
}

/// Every arrow of a file that does not point down.
fn wrong_arrows(file: &str, text: &str, heights: &BTreeMap<String, usize>) -> Vec<String> {
    let code = code_of(text);
    let here = room(file);
    let Some(own) = heights.get(here) else { return vec![] };
    let prefix = if here == "main" { "netlab::" } else { "crate::" };
    let mut wrong = Vec::new();
    for name in names_after(&code, prefix) {
        let Some(height) = heights.get(&name) else { continue };
        if name != here && height >= own {
            wrong.push(format!("{file}: {here} may not use {name}"));
        }
    }
    wrong
}

#[test]
fn every_room_uses_only_rooms_below_it() {
    let heights = heights();
    let wrong: Vec<String> = sources().iter().flat_map(|(file, text)| wrong_arrows(file, text, &heights)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_room_has_its_place_in_the_table() {
    let heights = heights();
    assert!(heights["main"] > heights["cli"] && heights["labs"] > heights["net"], "{heights:?}");
    for (file, _) in sources() {
        assert!(file == "lib.rs" || heights.contains_key(room(&file)), "{file}: its room is not in src/lib.rs's table");
    }
}

/// The labs: what is directly in `src/labs`, file or folder.
fn labs() -> Vec<String> {
    let mut labs = Vec::new();
    for (file, _) in sources() {
        let Some(rest) = file.strip_prefix("labs/") else { continue };
        let lab = room(rest).to_owned();
        if !NO_LAB.contains(&&*lab) && !labs.contains(&lab) {
            labs.push(lab);
        }
    }
    labs
}

/// Every lab that a lab's file imports: by `crate::labs::`, or by `super::` as
/// often as leads out of the lab.
fn labs_imported(file: &str, text: &str, labs: &[String]) -> Vec<String> {
    let Some(rest) = file.strip_prefix("labs/") else { return vec![] };
    let own = room(rest);
    if NO_LAB.contains(&own) {
        return vec![];
    }
    let code = code_of(text);
    let mut names = names_after(&code, "crate::labs::");
    names.extend(names_after(&code, "super::")); // also the last one of a chain
    let is_wrong = |name: &String| name != own && labs.contains(name);
    names.into_iter().filter(is_wrong).map(|name| format!("{file} imports the lab {name}")).collect()
}

#[test]
fn no_lab_imports_a_lab() {
    let labs = labs();
    let wrong: Vec<String> = sources().iter().flat_map(|(file, text)| labs_imported(file, text, &labs)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_judge_imports_no_lab() {
    let judge = sources().into_iter().filter(|(file, _)| room(file) == "grade");
    let imports = |text: &str| names_after(&code_of(text), "crate::").contains(&"labs".to_owned());
    let wrong: Vec<String> = judge.filter(|(_, text)| imports(text)).map(|(file, _)| file).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The files in which `words` occur as whole words, with the line.
fn uses(words: &[&str], file: &str, text: &str) -> Vec<String> {
    let code = code_of(text);
    let mut found = Vec::new();
    for (number, line) in code.lines().enumerate() {
        for word in words {
            let hit = line.match_indices(word).any(|(at, _)| {
                let after = line.as_bytes().get(at + word.len());
                !is_word(line.as_bytes()[..at].last()) && !is_word(after)
            });
            if hit {
                found.push(format!("{file}:{}: {word}", number + 1));
            }
        }
    }
    found
}

#[test]
fn unsafe_code_is_only_where_the_system_is_spoken_to() {
    let elsewhere = sources().into_iter().filter(|(file, _)| !MAY_BE_UNSAFE.contains(&room(file)));
    let found: Vec<String> = elsewhere.flat_map(|(file, text)| uses(&["unsafe"], &file, &text)).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn only_report_and_the_command_line_print() {
    const PRINTING: [&str; 7] = ["println!", "print!", "eprintln!", "eprint!", "dbg!", "stdout()", "stderr()"];
    let mut found = Vec::new();
    for (file, text) in sources() {
        if MAY_PRINT.contains(&room(&file)) || MAY_COPY_TO_STDOUT.contains(&&*file) {
            continue;
        }
        found.extend(uses(&PRINTING, &file, &text));
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_planted_upward_import_is_found() {
    let heights = heights();
    let plants = [
        ("net/socket.rs", "use crate::serve::Session;"),
        ("net/socket.rs", "use crate::{\n    error::Error,\n    labs::{tcp_echo, stage},\n};"),
        ("net/socket.rs", "fn f() -> crate::cli::Cli { todo!() }"),
        ("report/mod.rs", "mod tests { use crate::net::socket; }"),
        ("framing/auto.rs", "let x = 'a'; let y = '\\''; use crate::report::Event;"),
        ("serve/mod.rs", "use crate::ask::Options;"),
        ("ask/mod.rs", "use crate::serve;"),
        ("error.rs", "use crate::framing::visible;"),
        ("labs/tcp_echo.rs", "use crate::cli;"),
    ];
    for (file, text) in plants {
        assert_eq!(wrong_arrows(file, text, &heights).len(), 1, "{file}: {text}");
    }
    let fine = [
        ("net/socket.rs", "// use crate::serve::Session;\n/* crate::labs */ let s = \"crate::cli\";"),
        ("net/socket.rs", "let s = r#\"crate::cli\"#; fn f<'a>(x: &'a crate::error::Error) {}"),
        ("labs/tcp_echo.rs", "use crate::{serve, ask, net::tcp, report::Event};"),
        ("net/socket.rs", "use crate::net::tcp; use mycrate::serve;"),
    ];
    for (file, text) in fine {
        assert_eq!(wrong_arrows(file, text, &heights), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn a_planted_import_of_a_lab_or_unsafe_or_print_is_found() {
    let labs = ["tcp_echo", "udp_echo", "chat"].map(String::from);
    let plants = [
        ("labs/udp_echo.rs", "use super::tcp_echo::Echo;"),
        ("labs/udp_echo.rs", "use super::{stage::Stage, tcp_echo};"),
        ("labs/udp_echo.rs", "use crate::labs::tcp_echo;"),
        ("labs/chat/hub.rs", "use super::super::udp_echo;"),
    ];
    for (file, text) in plants {
        assert_eq!(labs_imported(file, text, &labs).len(), 1, "{file}: {text}");
    }
    assert_eq!(labs_imported("labs/udp_echo.rs", "use super::stage::{Seen, Stage};", &labs), Vec::<String>::new());
    assert_eq!(uses(&["unsafe"], "x.rs", "\n unsafe { f() }"), ["x.rs:2: unsafe"]);
    assert_eq!(uses(&["unsafe"], "x.rs", "#[allow(unsafe_code)] // unsafe"), Vec::<String>::new());
    assert_eq!(uses(&["println!", "print!"], "x.rs", "println!(\"print!\")"), ["x.rs:1: println!"]);
}
