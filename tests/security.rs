//! `SECURITY.md` is true: the tests it names exist, the list of what the
//! compiler does not watch is whole; and a submission stays in its cage.

#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn page() -> String {
    fs::read_to_string(root().join("SECURITY.md")).unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What stands in backquotes.
fn quoted(page: &str) -> Vec<&str> {
    page.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_test_that_the_page_names_exists() {
    let page = page();
    let names = quoted(&page);
    let mut found = 0;
    for name in names {
        if let Some(dialogue) = name.strip_prefix("chat/dialogues/").filter(|rest| *rest != "X") {
            let file = root().join("tests/chat/dialogues").join(format!("{dialogue}.txt"));
            assert!(file.is_file(), "{name}");
            found += 1;
        } else if let Some((file, test)) = name.split_once(": ").filter(|(file, _)| file.ends_with(".rs")) {
            let text = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{name}: {error}"));
            let is_claim =
                file == "tests/fuzz.rs" && [' ', '('].iter().any(|before| text.contains(&format!("{before}{test},")));
            assert!(is_claim || text.contains(&format!("fn {test}(")), "{name}");
            found += 1;
        }
    }
    assert!(found > 50, "only {found} tests are named");
}

/// What takes one rule out of the source (`scripts/try-security`).
#[derive(serde::Deserialize)]
struct Rule {
    id: String,
    edits: Vec<Edit>,
    tests: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Edit {
    file: String,
    has: String,
    out: String,
}

#[test]
fn every_rule_can_be_taken_out_and_has_a_test_that_the_page_names() {
    let text = fs::read_to_string(root().join("tests/security/rules.toml")).unwrap();
    let rules: BTreeMap<String, Vec<Rule>> = toml::from_str(&text).unwrap();
    let page = page();
    let named = quoted(&page);
    for Rule { id, edits, tests } in &rules["rule"] {
        assert!(named.contains(&&**id), "the page does not name {id}");
        assert!(!edits.is_empty() && !tests.is_empty(), "{id}");
        for Edit { file, has, out } in edits {
            let text = fs::read_to_string(root().join(file)).unwrap();
            assert_eq!(text.matches(has.as_str()).count(), 1, "{id} in {file}: {has}");
            assert!(out.contains("OUT") || id == "no-shared-code", "{id}");
        }
        for test in tests {
            assert!(named.contains(&&**test), "{id}: the page does not name {test}");
        }
    }
}

#[test]
fn every_unsafe_block_is_on_the_page_and_has_its_reason() {
    let mut counted = BTreeMap::new();
    walk(&root().join("src"), &mut |file, text| {
        let product = text.split("#[cfg(test)]").next().unwrap();
        let lines: Vec<&str> = product.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap();
            if code.contains("unsafe {") {
                *counted.entry(file.to_owned()).or_insert(0) += 1;
                let before = lines[at.saturating_sub(8)..at].join("\n");
                assert!(before.contains("SAFETY:"), "{file}:{}: no reason", at + 1);
            }
            assert!(!code.contains("unsafe fn") && !code.contains("unsafe impl"), "{file}:{}", at + 1);
        }
    });
    let page = page();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `src/")).map(|row| {
        let mut cells = row.split('|');
        let file = cells.next().unwrap().trim().trim_end_matches('`').to_owned();
        (file, cells.next().unwrap().trim().parse::<usize>().unwrap())
    });
    assert_eq!(rows.collect::<BTreeMap<_, _>>(), counted);
}

fn walk(dir: &Path, look: &mut impl FnMut(&str, &str)) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, look);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let file = path.strip_prefix(root().join("src")).unwrap().to_str().unwrap().replace('\\', "/");
            look(&file, &fs::read_to_string(&path).unwrap());
        }
    }
}

// Not on Windows: the cage of what is graded is made of what Linux has.
#[cfg(target_os = "linux")]
mod cage {
    use std::fs;
    use std::io::ErrorKind;
    use std::net::TcpListener;
    use std::process::Command;

    use super::support::{DEADLINE, netlab, run_command, skipped, tool};

    /// An echo server that first does what it should not, and says how that went.
    fn graded(misdeed: &str) -> Option<String> {
        let is_allowed = tool("unshare")
            && Command::new("unshare").args(["-Urnmp", "-f", "true"]).status().is_ok_and(|status| status.success());
        if !is_allowed || !tool("python3") {
            if !is_allowed {
                skipped("this system makes no namespaces");
            }
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let server = format!(
            "import os, socket, sys\n{misdeed}\ns = socket.create_server(('', int(sys.argv[1])))\nwhile True:\n    \
             c, _ = s.accept()\n    while d := c.recv(4096): c.sendall(d)\n    c.close()\n"
        );
        fs::write(dir.path().join("server.py"), server).unwrap();
        let mut command =
            netlab(["grade", "tcp-echo", "--server", "python3 server.py {port}", "--only", "echoes", "--json"]);
        command.current_dir(dir.path());
        let run = run_command(command, b"").succeeded();
        let graded: serde_json::Value = serde_json::from_str(run.stdout.trim()).unwrap();
        Some(graded["checks"][0].to_string())
    }

    #[test]
    fn a_program_writes_nowhere_but_in_its_copy() {
        let folder_of_others = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let in_tmp = tempfile::tempdir().unwrap();
        let home = std::env::var("HOME").unwrap_or("/".into());
        let name = format!("netlab-test-{}", std::process::id());
        let places = [folder_of_others.path(), in_tmp.path(), home.as_ref(), "/etc".as_ref(), "/var/tmp".as_ref()];
        let targets = places.map(|place| place.join(&name));
        let list = targets.each_ref().map(|path| format!("{path:?}")).join(", ");
        let misdeed = format!(
            "for path in [{list}]:\n    try: open(path, 'w').write('gotcha')\n    except OSError as error: print(error)\n"
        );
        let Some(_) = graded(&misdeed) else { return };
        // What was written all the same is not left lying about.
        let written = targets.iter().filter(|path| fs::remove_file(path).is_ok());
        let written: Vec<_> = written.map(|path| path.display()).collect();
        assert!(written.is_empty(), "{written:?} was written");
    }

    #[test]
    fn a_program_reaches_no_network_but_its_own() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let misdeed = format!(
            "try: socket.create_connection(('127.0.0.1', {port}), timeout={}); os._exit(1)\nexcept OSError: pass\n",
            DEADLINE.as_secs()
        );
        let Some(_) = graded(&misdeed) else { return };
        assert_eq!(listener.accept().err().map(|error| error.kind()), Some(ErrorKind::WouldBlock), "somebody came");
    }
}
