//! gzip in base64, for items that would not fit a queue message otherwise.

use std::io::{Read as _, Write as _};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// Largest original, in bytes: nothing that could be sent is larger, so more is not ours.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

pub(super) fn compressed(text: &str) -> String {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("writing to memory does not fail");
    STANDARD.encode(encoder.finish().expect("writing to memory does not fail"))
}

pub(super) fn decompressed(text: &str) -> Result<String, String> {
    let bytes = STANDARD.decode(text).map_err(|reason| format!("original_gzip is not base64: {reason}"))?;
    let mut original = String::new();
    let read = GzDecoder::new(bytes.as_slice()).take(MAX_BYTES + 1).read_to_string(&mut original);
    read.map_err(|reason| format!("original_gzip is not gzip of text: {reason}"))?;
    if original.len() as u64 > MAX_BYTES {
        return Err(format!("original_gzip holds more than {MAX_BYTES} bytes"));
    }
    Ok(original)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bomb_is_refused() {
        let bomb = compressed(&"x".repeat(5 * 1024 * 1024));
        assert!(bomb.len() < 10_000);
        assert!(decompressed(&bomb).unwrap_err().contains("more than"));
    }

    proptest! {
        #[test]
        fn text_survives_compression(text in ".{0,200}") {
            prop_assert_eq!(decompressed(&compressed(&text)).unwrap(), text);
        }

        #[test]
        fn no_text_makes_decompression_panic(text in "[A-Za-z0-9+/=]{0,64}") {
            let _ = decompressed(&text);
        }
    }
}
