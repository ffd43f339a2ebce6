#![no_main]

#[allow(dead_code, reason = "each target runs one claim")]
#[path = "../claims/mod.rs"]
mod claims;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::addresses::what_is_read_is_read_again_as_it_is_written(bytes));
