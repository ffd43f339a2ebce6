#![no_main]

#[allow(dead_code, reason = "each target runs one claim")]
#[path = "../claims/mod.rs"]
mod claims;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::hub::everyone_hears_what_the_model_says(bytes));
