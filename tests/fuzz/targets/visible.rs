#![no_main]

#[allow(dead_code, reason = "each target runs one claim")]
#[path = "../claims/mod.rs"]
mod claims;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::framing::what_is_shown_is_one_line_that_no_terminal_obeys(bytes));
