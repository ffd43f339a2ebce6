#![no_main]

#[allow(dead_code, reason = "each target runs one claim")]
#[path = "../claims/mod.rs"]
mod claims;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::framing::auto_framing_does_not_mind_how_bytes_are_cut(bytes));
