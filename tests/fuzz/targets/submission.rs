#![no_main]

#[allow(dead_code, reason = "each target runs one claim")]
#[path = "../claims/mod.rs"]
mod claims;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::files::a_submission_is_read_or_refused(bytes));
