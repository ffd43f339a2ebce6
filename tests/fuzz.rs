//! The claims that the fuzzer tries (`tests/fuzz/claims`), as property tests:
//! each holds for some hundred inputs drawn anew, and for every input of the
//! corpus, where those are kept that once broke one.

#![allow(clippy::unwrap_used, dead_code, reason = "what fails is the claim")]

#[path = "fuzz/claims/mod.rs"]
mod claims;

use std::path::Path;

use claims::{CLAIMS, Claim};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Bytes of all kinds, and often those that mean something to some format.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let telling = b"\n\r/login netlab 1 2 3 <a> -> b * ! = # + . : % [ ] \" = $argon2id$ \x1b\xff\xc3\xa9";
    let byte = prop_oneof![proptest::sample::select(&telling[..]), any::<u8>(), 0..24_u8];
    proptest::collection::vec(byte, 0..400)
}

fn holds(name: &str) {
    let claim = CLAIMS.iter().find(|(own, _)| *own == name).expect("a claim of this name").1;
    holds_for_the_corpus(name, claim);
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&bytes(), |bytes| {
        claim(&bytes);
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{name}: {error}"));
}

fn holds_for_the_corpus(name: &str, claim: Claim) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    let inputs: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!inputs.is_empty(), "{} is empty", dir.display());
    for input in inputs {
        let bytes = std::fs::read(&input).unwrap();
        let held = std::panic::catch_unwind(|| claim(&bytes));
        assert!(held.is_ok(), "{} breaks the claim", input.display());
    }
}

/// One test for each claim: what it is called is the fuzz target's name too.
macro_rules! claims_hold {
    ($($name:ident),* $(,)?) => {
        $(#[test] fn $name() { holds(stringify!($name)); })*

        #[test]
        fn every_claim_has_its_test_and_its_fuzz_target() {
            let mut names = vec![$(stringify!($name)),*];
            if cfg!(target_os = "linux") {
                names.push("submission");
            }
            assert_eq!(CLAIMS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
            let manifest = include_str!("fuzz/Cargo.toml");
            for name in names {
                assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"targets/{name}.rs\"")), "{name}");
            }
        }
    };
}

claims_hold!(auto_framing, numbered, sealed, secrets, visible, chat_parser, chat_hub, link, users, addresses, events,);

// Not on Windows: the judge is Linux.
#[cfg(target_os = "linux")]
#[test]
fn submission() {
    holds("submission");
}
