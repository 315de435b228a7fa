//! Feeds [`properties::json_members`].

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| properties::json_members(input));
