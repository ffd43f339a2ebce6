"""Takes the rules of rules.toml out, one by one, and runs the tests that must then fail.

All edits are made in one copy of the source, each behind a question at run time: whether its rule is the one that is
out. So the whole is compiled once. A test must pass with every rule in, and fail without its rule.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
VARIABLE = "NETLAB_RULE_OUT"
QUESTION = f'''
/// Whether this rule is out.
#[doc(hidden)]
pub fn is_out(rule: &str) -> bool {{
    static OUT: std::sync::OnceLock<Option<std::ffi::OsString>> = std::sync::OnceLock::new();
    OUT.get_or_init(|| std::env::var_os("{VARIABLE}")).as_ref().is_some_and(|out| out == rule)
}}
'''


def main(wanted):
    rules = tomllib.loads((ROOT / "tests/security/rules.toml").read_text())["rule"]
    unknown = set(wanted) - {rule["id"] for rule in rules}
    if unknown:
        sys.exit(f"no such rule: {', '.join(sorted(unknown))}")
    copy = made_copy()
    for rule in rules:
        if not rule.get("in_source"):
            take_out(copy, rule)
    with (copy / "src/lib.rs").open("a") as lib:
        lib.write(QUESTION)
    chosen = [rule for rule in rules if not wanted or rule["id"] in wanted]
    programs = build(copy, {target(test)[0] for rule in chosen for test in rule["tests"]})
    rows = [row for rule in chosen for row in tried(copy, programs, rule)]
    passed = [row for row in rows if row[2] is None]
    if not wanted and not passed:
        write(rows)
    print(f"{len(rows) - len(passed)} tests of {len(chosen)} rules failed as they must, {len(passed)} did not")
    sys.exit(bool(passed))


def made_copy():
    """A copy of the source; always in the same place, so that the next time little is compiled anew."""
    copy = TARGET / "try-security"
    shutil.rmtree(copy, ignore_errors=True)
    files = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    for name in filter(None, files.stdout.decode().split("\0")):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
    return copy


def take_out(copy, rule):
    for edit in rule["edits"]:
        file = copy / edit["file"]
        text = file.read_text()
        if text.count(edit["has"]) != 1:
            sys.exit(f"{rule['id']}: {text.count(edit['has'])} times in {edit['file']}: {edit['has']}")
        question = f"crate::is_out({json.dumps(rule['id'])})"
        file.write_text(text.replace(edit["has"], re.sub(r"\bOUT\b", lambda _: question, edit["out"])))


def target(test):
    """The test program, and the test's name in it."""
    if test.startswith("chat/dialogues/"):
        return "chat", test.removeprefix("chat/dialogues/")
    file, name = test.split(": ")
    parts = pathlib.Path(file).parts
    if parts[0] == "src":
        return "--lib", name
    return parts[1].removesuffix(".rs"), name


def build(copy, targets):
    """Where each test program is."""
    names = [word for name in sorted(targets) for word in (["--lib"] if name == "--lib" else ["--test", name])]
    command = ["cargo", "test", "--locked", "--no-run", "--message-format=json", *names]
    # Not where the source itself is built: cargo could take one for the other.
    environment = os.environ | {"CARGO_TARGET_DIR": str(TARGET / "try-security-built")}
    built = subprocess.run(command, cwd=copy, env=environment, stdout=subprocess.PIPE, text=True)
    if built.returncode != 0:
        for line in built.stdout.splitlines():
            message = json.loads(line).get("message") or {}
            if isinstance(message, dict) and message.get("level") == "error":
                print(message["rendered"], file=sys.stderr)
        sys.exit("the copy cannot be built")
    programs = {}
    for line in built.stdout.splitlines():
        artifact = json.loads(line)
        if artifact.get("executable") and artifact["profile"]["test"]:
            kind, name = artifact["target"]["kind"], artifact["target"]["name"]
            programs["--lib" if "lib" in kind else name] = artifact["executable"]
    return programs


def tried(copy, programs, rule):
    for test in rule["tests"]:
        program, name = target(test)
        whole = run(copy, programs[program], name, None)
        if whole is not None:
            sys.exit(f"{test} fails with all rules in: {whole}")
        if rule.get("in_source"):
            with_rule = {edit["file"]: (copy / edit["file"]).read_text() for edit in rule["edits"]}
            take_out(copy, rule)
            failure = run(copy, programs[program], name, None)
            for file, text in with_rule.items():
                (copy / file).write_text(text)
        else:
            failure = run(copy, programs[program], name, rule["id"])
        print(f"{rule['id']}: {test}: {failure or 'PASSED WITHOUT THE RULE'}", flush=True)
        yield rule["id"], test, failure


def run(copy, program, name, out):
    """None if the test passed; else what it said first."""
    environment = {key: value for key, value in os.environ.items() if key != VARIABLE}
    environment["RUST_BACKTRACE"] = "0"
    if out is not None:
        environment[VARIABLE] = out
    command = ["timeout", "--kill-after=5", "300", program, name]
    ran = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, errors="replace")
    summary = re.search(r"^running (\d+) test", ran.stdout, re.M)
    if summary and int(summary[1]) == 0:
        sys.exit(f"{name}: no such test")
    if ran.returncode == 0:
        return None
    if ran.returncode == 124:
        return "it did not end within 300 s"
    said = re.search(r"panicked at [^\n]*:\n(.+)", ran.stdout)
    return said[1].strip() if said else f"the test program ended with status {ran.returncode}"


def write(rows):
    lines = ["# Each rule taken out", "", "Written by `scripts/try-security`: the rule that was taken out, the test", "that failed, and the first line it said.", "", "| rule | test | what it said |", "|---|---|---|"]
    for rule, test, said in rows:
        shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in said)
        shown = re.sub(r"\.tmp\w+", "…", shown)  # folders that are there but once
        shown = shown.replace(str(ROOT), ".").replace("|", "\\|").replace("`", "'")
        lines.append(f"| {rule} | `{test}` | `{shown[:100]}{'…' if len(shown) > 100 else ''}` |")
    (ROOT / "tests/security/tried.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
