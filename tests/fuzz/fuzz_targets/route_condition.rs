//! Feeds [`properties::route_condition`].

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| properties::route_condition(input));
