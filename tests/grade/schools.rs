//! What schools' systems run, as far as it can be run here: `labs/gradescope`.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::support::NETLAB;
use super::{ECHO, PATIENCE, TOML, folder, has, run_within};

/// Runs the autograder as Gradescope does, with these files in the submission
/// and these in the autograder; its results.
fn autograded(submission: &[(&str, &str)], source: &[(&str, &str)]) -> Value {
    let autograder = folder(&[]);
    for (place, files) in [("submission", submission), ("source", source)] {
        fs::create_dir(autograder.path().join(place)).unwrap();
        for (name, text) in files {
            fs::write(autograder.path().join(place).join(name), text).unwrap();
        }
    }
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/labs/gradescope/run_autograder"));
    let path = std::env::var("PATH").unwrap();
    let bin = Path::new(NETLAB).parent().unwrap().display();
    command.env("AUTOGRADER", autograder.path()).env("PATH", format!("{bin}:{path}")).env_remove("GITHUB_ACTIONS");
    run_within(PATIENCE, command, b"").ended(0);
    serde_json::from_str(&fs::read_to_string(autograder.path().join("results/results.json")).unwrap()).unwrap()
}

#[test]
fn gradescope_has_a_result_of_whatever_is_handed_in() {
    if !has("python3") {
        return;
    }
    let results = autograded(&[("server.py", ECHO), ("netlab.toml", TOML)], &[]);
    assert_eq!((results["score"].as_u64(), results["tests"].as_array().map(Vec::len)), (Some(68), Some(8)));

    for files in [&[("essay.txt", "dear diary")][..], &[("netlab.toml", "lab = ")]] {
        let results = autograded(files, &[]);
        assert_eq!(results["score"], 0);
        assert!(!results["output"].as_str().unwrap().is_empty(), "{results:#}");
    }
}

#[test]
fn the_instructors_netlab_toml_is_taken_where_there_is_one() {
    if !has("python3") {
        return;
    }
    let theirs = "lab = \"tcp-info\"\nserver = \"python3 server.py {port}\"\n";
    let results = autograded(&[("server.py", ECHO), ("netlab.toml", theirs)], &[("netlab.toml", TOML)]);
    assert_eq!(results["extra_data"]["lab"], "tcp-echo");
}
