//! The transcripts of the README and of the labs' index, run.

// Not on Windows: the pages are typed into a Unix shell.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

mod support;
#[path = "support/transcript.rs"]
mod transcript;

use std::fs;
use std::path::Path;

#[test]
fn every_transcript_of_the_readme_is_what_is_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut commands = 0;
    for page in ["README.md", "labs/README.md"] {
        let text = fs::read_to_string(root.join(page)).unwrap();
        commands += transcript::play(page, &text, &transcript::Here::replacing(&[5001, 5003, 5004, 5009]));
    }
    assert!(commands >= 5, "only {commands} commands found: are the blocks still marked `console`?");
}
