//! Ids of The Things Stack.

use std::fmt;

/// Whether `id` is a device, application or gateway id of The Things Stack.
#[must_use]
pub fn is_id(id: &str) -> bool {
    let is_legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (3..=36).contains(&id.len())
        && id.chars().all(is_legal)
        && !id.starts_with('-')
        && !id.ends_with('-')
        && !id.contains("--")
}

/// Whether a text is a DevEUI or JoinEUI: 16 hex digits.
#[must_use]
pub fn is_eui(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// An end device of an application. Device ids are unique within their application only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EndDeviceIds {
    application_id: String,
    device_id: String,
}

impl EndDeviceIds {
    /// A device of an application known to exist.
    ///
    /// # Errors
    /// A sentence with the rule, if The Things Stack takes no device under such an id.
    pub fn new(application_id: &str, device_id: &str) -> Result<Self, String> {
        if !is_id(device_id) {
            let found: String = device_id.chars().take(140).collect();
            return Err(format!(
                "found device id {found:?}, expected 3 to 36 lower-case letters, digits and single inner dashes, as The \
                 Things Stack takes them; create the device in IoT Hub under such an id"
            ));
        }
        Ok(Self { application_id: application_id.to_owned(), device_id: device_id.to_owned() })
    }

    /// The application.
    #[must_use]
    pub fn application_id(&self) -> &str {
        &self.application_id
    }

    /// The device within the application.
    #[must_use]
    pub fn device_id(&self) -> &str {
        &self.device_id
    }
}

impl fmt::Display for EndDeviceIds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} of application {}", self.device_id, self.application_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_the_things_stacks_rule() {
        let longest = "a".repeat(36);
        for id in ["abc", "eui-70b3d57ed0000001", "a-1", "0-0-0", &longest] {
            assert!(is_id(id), "{id}");
            assert_eq!(EndDeviceIds::new("plant-a", id).unwrap().device_id(), id);
        }
        let too_long = "a".repeat(37);
        for id in ["", "ab", "Sensor-1", "a_b", "-ab", "ab-", "a--b", "a.b", "größe", &too_long] {
            assert!(!is_id(id), "{id}");
            assert!(EndDeviceIds::new("plant-a", id).unwrap_err().contains("3 to 36 lower-case letters"), "{id}");
        }
    }
}
