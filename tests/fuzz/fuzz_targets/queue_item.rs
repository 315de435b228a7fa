//! Feeds [`properties::queue_item`].

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| properties::queue_item(input));
