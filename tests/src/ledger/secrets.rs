//! What must never be seen outside the systems it belongs to.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Hex digits every root and session key of a run begins with; 16 are enough not to occur by chance.
const MARKER_DIGITS: usize = 16;

/// Makes the run's keys and recognises all secrets.
#[derive(Debug, Clone)]
pub(super) struct Secrets {
    marker: String,
    others: Vec<(&'static str, String)>,
}

impl Secrets {
    /// Keys that follow from the seed.
    pub(super) fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed ^ 0x5ec2e7);
        let marker = (0..MARKER_DIGITS).map(|_| random.digit(16).to_ascii_uppercase()).collect();
        Self { marker, others: vec![("a SAS token", "SharedAccessSignature".to_owned())] }
    }

    /// Adds a secret, also in the spelling of URLs.
    pub(super) fn add(&mut self, name: &'static str, secret: &str) {
        let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
        if encoded != secret {
            self.others.push((name, encoded));
        }
        self.others.push((name, secret.to_owned()));
    }

    /// An AES-128 key as 32 hex digits.
    pub(super) fn key(&self, number: u32) -> String {
        format!("{}{number:016X}", self.marker)
    }

    /// The name of a secret that occurs in a text.
    pub(super) fn found_in(&self, text: &str) -> Option<&'static str> {
        if self.key_is_in(text) {
            return Some("a root or session key");
        }
        self.others.iter().find(|(_, secret)| text.contains(secret)).map(|(name, _)| *name)
    }

    /// Whether a root or session key occurs in a text.
    pub(super) fn key_is_in(&self, text: &str) -> bool {
        text.contains(&self.marker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_recognised_as_they_are_and_as_urls_spell_them() {
        let mut secrets = Secrets::new(1);
        secrets.add("the SAS key", "a+b/c=");
        for (text, found) in [
            ("nothing", None),
            ("x a+b/c= y", Some("the SAS key")),
            ("?key=a%2Bb%2Fc%3D&", Some("the SAS key")),
            ("Authorization: SharedAccessSignature sr=", Some("a SAS token")),
            (&format!("{{\"appKey\":\"{}\"}}", secrets.key(7)), Some("a root or session key")),
        ] {
            assert_eq!(secrets.found_in(text), found, "{text}");
        }
        assert_eq!((secrets.key(1).len(), secrets.key(1)), (32, Secrets::new(1).key(1)));
        assert_ne!(secrets.key(1), Secrets::new(2).key(1));
    }
}
