//! Feeds [`properties::connection_string`].

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| properties::connection_string(input));
