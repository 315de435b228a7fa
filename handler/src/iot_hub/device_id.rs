//! A device id that IoT Hub accepts.

use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// 1–128 ASCII letters, digits and `- : . + % _ # * ? ! ( ) , = @ ; $ '`; case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeviceId(String);

/// Characters besides letters and digits.
const PUNCTUATION: &str = "-:.+%_#*?!(),=@;$'";

impl DeviceId {
    /// Checks an id.
    ///
    /// # Errors
    /// A sentence with what was found and what is expected.
    pub fn new(id: &str) -> Result<Self, String> {
        let is_legal = |c: char| c.is_ascii_alphanumeric() || PUNCTUATION.contains(c);
        // A path segment of dots alone would address something else.
        let is_dots = id == "." || id == "..";
        if id.is_empty() || id.len() > 128 || is_dots || !id.chars().all(is_legal) {
            let found: String = id.chars().take(140).collect();
            return Err(format!(
                "found device id {found:?}, expected 1 to 128 ASCII letters, digits or {PUNCTUATION}, as IoT Hub takes them"
            ));
        }
        Ok(Self(id.to_owned()))
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as one path segment.
    pub(super) fn path_segment(&self) -> impl fmt::Display + '_ {
        utf8_percent_encode(&self.0, NON_ALPHANUMERIC)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_a_hub_accepts_are_device_ids() {
        let longest = "x".repeat(128);
        for id in ["sensor-1", "eui-70b3d57ed0000001", "App1:dev#1+x", "it's*(1)!", &longest] {
            assert_eq!(DeviceId::new(id).unwrap().as_str(), id);
        }
        let too_long = "x".repeat(129);
        for id in ["", ".", "..", "a b", "a/b", "größe", "a\n", &too_long] {
            assert!(DeviceId::new(id).unwrap_err().contains("expected 1 to 128"), "{id}");
        }
    }

    #[test]
    fn an_id_is_encoded_as_one_path_segment() {
        assert_eq!(DeviceId::new("app1:dev#1+x").unwrap().path_segment().to_string(), "app1%3Adev%231%2Bx");
    }
}
