//! Identifiers of The Things Stack: what they look like and where a message carries them.

use serde_json::Value;

/// `end_device_ids` of a message, flattened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndDeviceIds {
    /// `application_ids.application_id`.
    pub application_id: String,
    /// Unique within its application only.
    pub device_id: String,
    /// 16 upper-case hex digits; devices activated by personalization may have none.
    pub dev_eui: Option<String>,
    /// 16 upper-case hex digits; none without over-the-air activation.
    pub join_eui: Option<String>,
    /// 8 upper-case hex digits; none before the first session.
    pub dev_addr: Option<String>,
}

impl EndDeviceIds {
    /// The ids a registered device has before it ever joined, without EUIs.
    #[must_use]
    pub fn new(application_id: &str, device_id: &str) -> Self {
        Self { application_id: application_id.to_owned(), device_id: device_id.to_owned(), ..Self::default() }
    }

    /// The ids a message carries; what it does not carry stays empty.
    #[must_use]
    pub fn of(message: &Value) -> Self {
        let ids = &message["end_device_ids"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Self {
            application_id: text(&ids["application_ids"]["application_id"]).unwrap_or_default(),
            device_id: text(&ids["device_id"]).unwrap_or_default(),
            dev_eui: text(&ids["dev_eui"]),
            join_eui: text(&ids["join_eui"]),
            dev_addr: text(&ids["dev_addr"]),
        }
    }

    /// The value of a URL template variable; known variables without a value are empty, unknown ones undefined.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        match name {
            "appID" | "applicationID" => Some(&self.application_id),
            "devID" | "deviceID" => Some(&self.device_id),
            "appEUI" | "joinEUI" => Some(self.join_eui.as_deref().unwrap_or_default()),
            "devEUI" => Some(self.dev_eui.as_deref().unwrap_or_default()),
            "devAddr" => Some(self.dev_addr.as_deref().unwrap_or_default()),
            _ => None,
        }
    }
}

/// Device, application, gateway and webhook ids: 3 to 36 lower-case letters, digits and single inner dashes.
pub(super) fn is_id(text: &str) -> bool {
    let part =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    // Dashes do not count, so `a-b` is too short.
    text.len() <= 36 && text.split('-').all(part) && text.bytes().filter(|byte| *byte != b'-').count() >= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_lower_case_with_single_inner_dashes() {
        for id in ["abc", "sensor-1", "eui-70b3d57ed0000001", "0-1-2", &"a".repeat(36)] {
            assert!(is_id(id), "{id}");
        }
        for id in ["", "ab", "a-b", "Sensor-1", "sensor_1", "-abc", "abc-", "a--bc", "a.bc", "abä", &"a".repeat(37)] {
            assert!(!is_id(id), "{id}");
        }
    }
}
