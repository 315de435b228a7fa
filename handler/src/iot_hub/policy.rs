//! A shared access policy of a hub: by its connection string, or by its parts.

use url::Host;

use crate::secret::Secret;

/// A hub and one of its shared access policies.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The hub's host name, without port.
    pub host_name: String,
    /// The policy's name.
    pub policy_name: String,
    /// The policy's key, base64.
    pub key: Secret,
}

/// Longest HMAC key the hub hands out, in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

impl Policy {
    /// Reads `HostName=…;SharedAccessKeyName=…;SharedAccessKey=…`; keys of its parts are case-insensitive.
    ///
    /// # Errors
    /// A sentence with what was found and what is expected, without any value.
    pub fn from_connection_string(text: &str) -> Result<Self, String> {
        let (mut host_name, mut policy_name, mut key) = (None, None, None);
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) =
                part.split_once('=').ok_or("found a part without `=`, expected `name=value` parts joined by `;`")?;
            let slot = match name.trim().to_ascii_lowercase().as_str() {
                "hostname" => &mut host_name,
                "sharedaccesskeyname" => &mut policy_name,
                "sharedaccesskey" => &mut key,
                "deviceid" => {
                    return Err(
                        "found a device's connection string (DeviceId=…), expected a shared access policy's".to_owned()
                    );
                }
                _ => {
                    return Err(
                        "found an unknown part, expected HostName, SharedAccessKeyName and SharedAccessKey".to_owned()
                    );
                }
            };
            if slot.replace(value.trim()).is_some() {
                return Err(format!("found {} twice, expected it once", name.trim()));
            }
        }
        let part = |value: Option<&str>, name: &str| {
            value
                .filter(|value| !value.is_empty())
                .map(str::to_owned)
                .ok_or(format!("{name} is missing, expected HostName=…;SharedAccessKeyName=…;SharedAccessKey=…"))
        };
        Ok(Self {
            host_name: host_name_of(&part(host_name, "HostName")?).map_err(|what| format!("HostName {what}"))?,
            policy_name: part(policy_name, "SharedAccessKeyName")?,
            key: key_of(&part(key, "SharedAccessKey")?).map_err(|what| format!("SharedAccessKey {what}"))?,
        })
    }
}

/// A hub's host name.
///
/// # Errors
/// What is wrong with it and what is expected, to be put behind its name.
pub fn host_name_of(text: &str) -> Result<String, String> {
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
    // Names that URLs read as something else, such as 127.1, or not at all.
    let in_url = Host::parse(text).map(|host| host.to_string());
    let is_host = is_plain && in_url.is_ok_and(|in_url| in_url.eq_ignore_ascii_case(text));
    is_host.then(|| text.to_owned()).ok_or_else(|| {
        "is not a host name, expected something like my-hub.azure-devices.net without scheme, path or port".to_owned()
    })
}

/// A policy's key, without showing it.
///
/// # Errors
/// What is wrong with it and what is expected, to be put behind its name.
pub fn key_of(text: &str) -> Result<Secret, String> {
    use base64::Engine;
    match base64::engine::general_purpose::STANDARD.decode(text) {
        Ok(bytes) if KEY_BYTES.contains(&bytes.len()) => Ok(Secret::new(text)),
        Ok(bytes) => Err(format!("has {} bytes, expected {} to {}", bytes.len(), KEY_BYTES.start(), KEY_BYTES.end())),
        Err(_) => Err("is not base64, expected the key exactly as IoT Hub shows it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    #[test]
    fn a_policys_connection_string_is_read_in_any_order_and_case() {
        for text in [
            format!("HostName=hub.azure-devices.net;SharedAccessKeyName=device;SharedAccessKey={KEY}"),
            format!("sharedaccesskey={KEY};hostname=hub.azure-devices.net; SharedAccessKeyName=device;"),
        ] {
            let parsed = Policy::from_connection_string(&text).unwrap();
            assert_eq!((parsed.host_name.as_str(), parsed.policy_name.as_str()), ("hub.azure-devices.net", "device"));
            assert_eq!(parsed.key.expose(), KEY);
        }
    }

    #[test]
    fn a_wrong_connection_string_is_explained_without_showing_it() {
        for (text, reason) in [
            ("", "HostName is missing"),
            ("HostName", "without `=`"),
            ("HostName=h;SharedAccessKeyName=p", "SharedAccessKey is missing"),
            ("HostName=h;HostName=h", "HostName twice"),
            ("HostName=h;DeviceId=d;SharedAccessKey=AAAA", "a device's connection string"),
            ("HostName=https://h;SharedAccessKeyName=p;SharedAccessKey=hunter2", "not a host name"),
            ("HostName=1.2.3.4.5;SharedAccessKeyName=p;SharedAccessKey=hunter2", "not a host name"),
            ("HostName=127.1;SharedAccessKeyName=p;SharedAccessKey=hunter2", "not a host name"),
            ("HostName=xn--a;SharedAccessKeyName=p;SharedAccessKey=hunter2", "not a host name"),
            ("HostName=h;SharedAccessKeyName=p;SharedAccessKey=hunter2", "not base64"),
            ("HostName=h;SharedAccessKeyName=p;SharedAccessKey=aHVudGVyMg==", "has 7 bytes"),
            ("HostName=h;Endpoint=hunter2", "unknown part"),
        ] {
            let found = Policy::from_connection_string(text).unwrap_err();
            assert!(found.contains(reason), "{text}: {found}");
            assert!(!found.contains("hunter2") && !found.contains("aHVudGVyMg"), "{found}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(HostName=|SharedAccessKey=|;|=|.){0,12}") {
            let _ = Policy::from_connection_string(&text);
        }
    }
}
