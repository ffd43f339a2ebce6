//! Each report is in its format: whatever a folder is called, whatever a
//! program prints.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

use super::support::Run;
use super::{ECHO, ONE_REPLY, TOML, folder, grade_in, has};

/// A class with one of each kind, and names that mean something to somebody.
const NAMES: [&[u8]; 6] = [b"anna <&>", b"caf\xe9", b"=1+1,\"x\"", b"line\nbreak", b"no-build", b"no-toml"];

struct Class {
    _dir: TempDir,
    out: TempDir,
    run: Run,
}

impl Class {
    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.out.path().join(name)).unwrap()
    }
}

fn make(class: &Path, name: &[u8], toml: &str, server: &str) {
    let dir = class.join(OsStr::from_bytes(name));
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("netlab.toml"), toml).unwrap();
    fs::write(dir.join("server.py"), server).unwrap();
}

/// Graded once, for all tests here.
static CLASS: LazyLock<Option<Class>> = LazyLock::new(|| {
    if !has("python3") {
        return None;
    }
    let dir = folder(&[]);
    make(dir.path(), NAMES[0], TOML, ECHO);
    make(dir.path(), NAMES[1], TOML, ECHO);
    make(dir.path(), NAMES[2], TOML, ONE_REPLY);
    make(dir.path(), NAMES[3], TOML, "print('\\x1b[2J # \\\\ <b> & \\x00 \\udc80 ::error::x')\n");
    make(dir.path(), NAMES[4], &format!("{TOML}build = \"echo ::error::y; false\"\n"), ECHO);
    make(dir.path(), NAMES[5], "lab = \"tcp-echo\"\nsever = \"x\"\n", "");
    let out = folder(&[]);
    let file = |name: &str| out.path().join(name).display().to_string();
    let (junit, csv, html) = (file("grades.xml"), file("grades.csv"), file("grades.html"));
    let only = ["--only", "echoes", "--only", "echoes-again"];
    let files = ["--junit", &junit, "--csv", &csv, "--html", &html, "--github", "--json"];
    let run = grade_in(dir.path(), &[&["."][..], &only, &files].concat()).ended(1);
    Some(Class { _dir: dir, out, run })
});

fn objects(run: &Run) -> Vec<Value> {
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The class's objects by their folders' names, in the order of [`NAMES`].
fn by_name(run: &Run) -> Vec<Value> {
    let all = objects(run);
    let name = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    NAMES.iter().map(|wanted| all.iter().find(|one| one["name"] == name(wanted)).unwrap().clone()).collect()
}

#[test]
fn json_is_one_object_a_submission_also_where_nothing_could_be_graded() {
    let Some(class) = &*CLASS else { return };
    assert_eq!(objects(&class.run).len(), NAMES.len());
    let verdicts: Vec<Value> = by_name(&class.run).into_iter().map(|one| one["verdict"].clone()).collect();
    assert_eq!(verdicts, ["pass", "pass", "fail", "fail", "fail", "fail"]);
    let [.., unbuilt, unread] = &by_name(&class.run)[..] else { panic!() };
    for check in unbuilt["checks"].as_array().unwrap() {
        assert_eq!(check["verdict"], "fail");
        assert!(check["expected"].as_str().unwrap().contains("build"), "{check:#}");
    }
    assert!(unread["error"].as_str().unwrap().contains("line 2: unknown field `sever`"), "{unread:#}");
    assert_eq!((unread["score"].as_u64(), unread["checks"].as_array().map(Vec::len)), (Some(0), Some(0)));
}

#[test]
fn csv_has_a_row_for_each_folder_and_no_cell_that_a_spreadsheet_would_run() {
    let Some(class) = &*CLASS else { return };
    let rows = records(&class.file("grades.csv"));
    assert_eq!(rows.len(), 1 + NAMES.len());
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{rows:#?}");
    let title = |text: &str| rows[0].iter().position(|title| title == text).unwrap();
    let expected =
        ["name", "lab", "verdict", "score", "max_score", "seed", "error", "tcp-echo/echoes", "tcp-echo/echoes-again"];
    assert_eq!(rows[0], expected);
    let row = |name: &str| rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("{name}: {rows:#?}"));
    assert_eq!(row("anna <&>")[1..5], ["tcp-echo", "pass", "20", "20"]);
    assert_eq!(row("caf\u{fffd}")[title("verdict")], "pass");
    assert_eq!(row("'=1+1,\"x\"")[3..5], ["10", "20"]);
    assert_eq!(row("'=1+1,\"x\"")[7..], ["pass", "fail"]);
    assert_eq!(row("line\nbreak")[title("verdict")], "fail");
    assert!(row("no-toml")[title("error")].contains("sever"));
}

/// RFC 4180, to the letter: CRLF ends a record; quotes double.
fn records(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (vec![], vec![], String::new());
    let mut letters = text.chars().peekable();
    let mut is_quoted = false;
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' if is_quoted || cell.is_empty() => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !is_quoted => {
                assert_eq!(letters.next(), Some('\n'));
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            '"' | '\n' if !is_quoted => panic!("bare {letter:?} in {text:?}"),
            letter => cell.push(letter),
        }
    }
    assert!(row.is_empty() && cell.is_empty() && !is_quoted, "the last record ends too");
    rows
}

#[test]
fn html_shows_everyone_and_what_a_folder_or_a_program_says_is_no_markup() {
    let Some(class) = &*CLASS else { return };
    let page = class.file("grades.html");
    assert!(page.contains("anna &lt;&amp;&gt;") && !page.contains("anna <&>"), "{page}");
    assert!(page.contains("&lt;b&gt;") && !page.contains("<b>"), "{page}");
    assert!(page.contains("<details") && page.contains("all 2 checks") && page.contains("sever"));
    assert!(!page.contains(|c: char| c.is_control() && c != '\n' && c != '\t'));
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("@import"), "one file");
}

#[test]
fn each_link_of_the_page_leads_to_an_element_of_it_and_to_one_only() {
    let Some(class) = &*CLASS else { return };
    let page = class.file("grades.html");
    let values = |attribute: &str| -> Vec<String> {
        let beginning = format!(" {attribute}=\"");
        page.split(&beginning).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let ids = values("id");
    let (links, elements) = (values("href"), ids.iter().collect::<HashSet<_>>());
    assert_eq!(elements.len(), ids.len(), "{ids:?}");
    // One to each submission, and to what it does not meet: one check, or the
    // first of those that all fail.
    assert_eq!(links.len(), NAMES.len() + 3, "{links:?}");
    for link in links {
        let id = link.strip_prefix('#').unwrap_or_else(|| panic!("{link} leads away")).to_owned();
        assert!(elements.contains(&id), "{link} leads nowhere: {ids:?}");
    }
}

/// An element of JUnit's XML: what it may stand in, the attributes that it
/// must have, and those that it may have.
type Element = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

/// As Jenkins and its relatives read it.
const JUNIT: [Element; 9] = [
    ("testsuites", "", &[], &["name", "time", "tests", "failures", "errors"]),
    ("testsuite", "testsuites", &["name", "tests", "failures", "errors"], &["skipped", "time", "timestamp"]),
    ("properties", "testsuite", &[], &[]),
    ("property", "properties", &["name", "value"], &[]),
    ("testcase", "testsuite", &["name", "classname"], &["time"]),
    ("failure", "testcase", &[], &["type", "message"]),
    ("error", "testcase", &[], &["type", "message"]),
    ("skipped", "testcase", &[], &["type", "message"]),
    ("system-out", "testcase", &[], &[]),
];

#[test]
fn junit_has_the_elements_and_attributes_that_importers_know_and_counts_them_right() {
    let Some(class) = &*CLASS else { return };
    let xml = class.file("grades.xml");
    let seen = elements(&xml);
    let count = |name: &str| seen.iter().filter(|(seen, _)| seen == name).count();
    assert_eq!(count("testsuite"), NAMES.len());
    let (_, all) = &seen[0];
    let told = |name: &str| all.iter().find(|(known, _)| known == name).unwrap().1.parse::<usize>().unwrap();
    let counted = (count("testcase"), count("failure"), count("error"));
    assert_eq!((told("tests"), told("failures"), told("errors")), counted);
    assert_eq!(counted, (11, 5, 1));
}

/// Every element, each where it may stand.
fn elements(xml: &str) -> Vec<(String, Vec<(String, String)>)> {
    let rest = xml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").unwrap();
    assert!(!rest.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{xml}");
    let (mut open, mut seen): (Vec<String>, Vec<_>) = (vec![], vec![]);
    for part in rest.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap();
        assert!(text.split('&').skip(1).all(is_entity), "{text}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            continue;
        }
        let (name, attributes) = element(tag.trim_end_matches('/'));
        let (_, parent, must, may) = JUNIT.iter().find(|known| known.0 == name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(open.last().map_or("", String::as_str), *parent, "{name}");
        let has = |wanted: &&str| attributes.iter().any(|(name, _)| name == wanted);
        assert!(must.iter().all(has), "{tag}");
        assert!(attributes.iter().all(|(name, _)| must.iter().chain(*may).any(|known| known == name)), "{tag}");
        if !tag.ends_with('/') {
            open.push(name.clone());
        }
        seen.push((name, attributes));
    }
    assert!(open.is_empty(), "{open:?}");
    seen
}

/// A tag's name and its attributes.
fn element(tag: &str) -> (String, Vec<(String, String)>) {
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    let mut attributes = vec![];
    while let Some((key, after)) = rest.split_once("=\"") {
        let (value, after) = after.split_once('"').unwrap();
        assert!(value.split('&').skip(1).all(is_entity), "{value}");
        attributes.push((key.trim().to_owned(), value.to_owned()));
        rest = after;
    }
    (name.to_owned(), attributes)
}

fn is_entity(after: &str) -> bool {
    ["amp;", "lt;", "gt;", "quot;", "#39;"].iter().any(|entity| after.starts_with(entity))
}

#[test]
fn github_is_told_of_each_failure_at_its_file_and_of_nothing_else() {
    let Some(class) = &*CLASS else { return };
    let lines: Vec<&str> = class.run.stderr.lines().filter(|line| line.contains("::")).collect();
    assert_eq!(lines.len(), 6, "{lines:#?}");
    assert!(lines.iter().all(|line| line.starts_with("::error file=")), "{lines:#?}");
    let of = |file: &str| lines.iter().filter(|line| line.contains(&format!("file={file},title="))).count();
    assert_eq!(of("=1+1%2C\"x\"/server.py"), 1, "{lines:#?}");
    assert_eq!(of("line%0Abreak/server.py"), 2, "{lines:#?}");
    assert_eq!(of("no-toml/netlab.toml"), 1, "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("%0Ahint: ")), "{lines:#?}");
}

#[test]
fn in_a_workflow_what_a_program_prints_is_no_command() {
    if !has("python3") {
        return;
    }
    let dir = folder(&[("server.py", "print('\\n::set-output name=x::y')\n")]);
    let mut command =
        super::grader(dir.path(), &["tcp-echo", "--server", "python3 server.py {port}", "--only", "echoes"]);
    command.env("GITHUB_ACTIONS", "true");
    let run = super::run_within(super::PATIENCE, command, b"").ended(1);
    let lines: Vec<&str> = run.stdout.lines().collect();
    let fence = lines[0].strip_prefix("::stop-commands::").unwrap();
    assert_eq!(*lines.last().unwrap(), format!("::{fence}::"));
    assert!(run.stderr.contains("::error file=server.py,title=tcp-echo/echoes"), "{run:#?}");
}

/// The keys of Gradescope's specification, and what else is asked of them.
#[test]
fn gradescope_gets_what_its_specification_asks_for_and_no_more() {
    if !has("python3") {
        return;
    }
    let dir = folder(&[("server.py", ONE_REPLY)]);
    let path = dir.path().join("results.json").display().to_string();
    let only = ["--only", "echoes", "--only", "echoes-again", "--gradescope", &path, "-q"];
    grade_in(dir.path(), &[&["tcp-echo", "--server", "python3 server.py {port}"][..], &only].concat()).ended(1);
    let page: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    has_only(&page, "score execution_time output output_format test_output_format visibility tests extra_data");
    assert_eq!(page["score"], 10);
    assert!(page["execution_time"].is_number() && page["output"].is_string());
    assert!(["text", "md", "html", "simple_format", "ansi"].iter().any(|known| page["output_format"] == *known));
    assert_eq!(page["visibility"], "visible");
    let tests = page["tests"].as_array().unwrap();
    let statuses: Vec<&str> = tests.iter().map(|test| test["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["passed", "failed"]);
    for test in tests {
        has_only(test, "score max_score status name number output tags");
        assert!(test["number"].is_string() && test["name"].is_string() && test["output"].is_string(), "{test}");
        assert!(test["score"].as_f64() <= test["max_score"].as_f64(), "{test}");
        assert!(test["tags"].as_array().unwrap().iter().all(Value::is_string), "{test}");
    }
}

fn has_only(object: &Value, keys: &str) {
    let object = object.as_object().unwrap();
    assert!(object.keys().all(|key| keys.split(' ').any(|known| known == key)), "{object:#?}");
}

#[test]
fn tap_has_its_version_a_plan_and_a_point_for_each_check() {
    if !has("python3") {
        return;
    }
    let dir = folder(&[]);
    make(dir.path(), b"a#1", TOML, ONE_REPLY);
    make(dir.path(), b"b", "lab = 1\n", "");
    let run = grade_in(dir.path(), &[".", "--only", "echoes", "--only", "echoes-again", "--tap"]).ended(1);
    let mut lines = run.stdout.lines();
    assert_eq!(lines.next(), Some("TAP version 14"));
    assert_eq!(lines.next(), Some("1..3"));
    let (mut points, mut is_yaml) = (vec![], false);
    for line in lines {
        match line {
            "  ---" => is_yaml = !std::mem::replace(&mut is_yaml, true),
            "  ..." => assert!(std::mem::replace(&mut is_yaml, false)),
            line if is_yaml => yaml(line),
            line => points.push(line),
        }
    }
    assert!(!is_yaml);
    assert!(points[0].starts_with("ok 1 - a\\#1 tcp-echo/echoes: "), "{points:#?}");
    assert!(points[1].starts_with("not ok 2 - a\\#1 tcp-echo/echoes-again: "), "{points:#?}");
    assert!(points[2].starts_with("not ok 3 - b could not be graded"), "{points:#?}");
    assert_eq!(points.len(), 3);
}

/// A key, and a value that is a word, a number or a JSON string.
fn yaml(line: &str) {
    let (key, value) = line.strip_prefix("  ").unwrap().split_once(": ").unwrap();
    assert!(key.chars().all(|c| c.is_ascii_lowercase()), "{line}");
    let is_word = value.chars().all(|c| c.is_ascii_alphanumeric());
    assert!(is_word || serde_json::from_str::<String>(value).is_ok(), "{line}");
}
