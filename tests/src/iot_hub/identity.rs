//! A device identity: who may connect, with which keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::error::HubError;
use super::policy::random_key;

/// .NET's minimal time as the registry writes it; the twin adds a `Z`.
const NEVER: &str = "0001-01-01T00:00:00";
const LONGEST_ID: usize = 128;
/// .NET ticks at the Unix epoch.
const EPOCH_TICKS: i128 = 621_355_968_000_000_000;

/// One entry of the registry.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) device_id: String,
    /// New with every creation, so that a device made again is told from its namesake.
    pub(crate) generation_id: String,
    etag: u32,
    pub(crate) enabled: bool,
    status_reason: Option<String>,
    authentication: Authentication,
    iot_edge: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Authentication {
    kind: String,
    primary_key: Option<String>,
    secondary_key: Option<String>,
    primary_thumbprint: Option<String>,
    secondary_thumbprint: Option<String>,
}

impl Identity {
    /// Reads a PUT body for a device that does not exist yet.
    pub(crate) fn create(device_id: &str, body: &Value, now: OffsetDateTime) -> Result<Self, HubError> {
        check_id(device_id)?;
        if body.get("deviceId").and_then(Value::as_str) != Some(device_id) {
            return Err(HubError::argument("deviceId in the body and in the path differ"));
        }
        Ok(Self {
            device_id: device_id.to_owned(),
            generation_id: (now.unix_timestamp_nanos() / 100 + EPOCH_TICKS).to_string(),
            etag: fastrand::u32(100_000_000..1_000_000_000),
            enabled: is_enabled(body.get("status"))?,
            status_reason: body.get("statusReason").and_then(Value::as_str).map(str::to_owned),
            authentication: authentication(body.get("authentication"))?,
            iot_edge: body.pointer("/capabilities/iotEdge").and_then(Value::as_bool).unwrap_or(false),
        })
    }

    /// A full replacement: a body without `authentication` mints new keys.
    pub(crate) fn replaced(&self, body: &Value, now: OffsetDateTime) -> Result<Self, HubError> {
        let next = Self::create(&self.device_id, body, now)?;
        Ok(Self { generation_id: self.generation_id.clone(), etag: self.etag.wrapping_add(1), ..next })
    }

    /// A decimal counter in base64: `ODAxMjMyNDI2`.
    pub(crate) fn etag(&self) -> String {
        STANDARD.encode(self.etag.to_string())
    }

    /// The device's own keys; none unless it authenticates by SAS.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        let Authentication { primary_key, secondary_key, .. } = &self.authentication;
        [primary_key, secondary_key].into_iter().filter_map(Option::as_deref)
    }

    pub(crate) fn status(&self) -> &'static str {
        if self.enabled { "enabled" } else { "disabled" }
    }

    pub(crate) fn authentication_type(&self) -> &str {
        &self.authentication.kind
    }

    pub(crate) fn thumbprints(&self) -> [&Option<String>; 2] {
        [&self.authentication.primary_thumbprint, &self.authentication.secondary_thumbprint]
    }

    pub(crate) fn iot_edge(&self) -> bool {
        self.iot_edge
    }

    /// The registry's answer, keys included.
    pub(crate) fn document(&self) -> Value {
        let authentication = &self.authentication;
        json!({
            "deviceId": self.device_id,
            "generationId": self.generation_id,
            "etag": self.etag(),
            "connectionState": "Disconnected",
            "status": self.status(),
            "statusReason": self.status_reason,
            "connectionStateUpdatedTime": NEVER,
            "statusUpdatedTime": NEVER,
            "lastActivityTime": NEVER,
            "cloudToDeviceMessageCount": 0,
            "authentication": {
                "symmetricKey": {
                    "primaryKey": authentication.primary_key,
                    "secondaryKey": authentication.secondary_key,
                },
                "x509Thumbprint": {
                    "primaryThumbprint": authentication.primary_thumbprint,
                    "secondaryThumbprint": authentication.secondary_thumbprint,
                },
                "type": authentication.kind,
            },
            "capabilities": { "iotEdge": self.iot_edge },
        })
    }
}

/// At most 128 of ASCII alphanumerics and ``- : . + % _ # * ? ! ( ) , = @ ; $ '``.
fn check_id(device_id: &str) -> Result<(), HubError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-:.+%_#*?!(),=@;$'".contains(&byte);
    if device_id.is_empty() || device_id.len() > LONGEST_ID || !device_id.bytes().all(allowed) {
        return Err(HubError::argument(format!("'{device_id}' is not a device id")));
    }
    Ok(())
}

fn is_enabled(status: Option<&Value>) -> Result<bool, HubError> {
    let Some(status) = status.filter(|status| !status.is_null()) else { return Ok(true) };
    match status.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("enabled") => Ok(true),
        Some("disabled") => Ok(false),
        Some(_) | None => Err(HubError::argument(format!("status: {status} is neither enabled nor disabled"))),
    }
}

fn authentication(given: Option<&Value>) -> Result<Authentication, HubError> {
    let text = |pointer| {
        let value = given.and_then(|given| given.pointer(pointer)).and_then(Value::as_str);
        value.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let kind = text("/type").unwrap_or_else(|| "sas".to_owned());
    let (primary_key, secondary_key) = match kind.as_str() {
        "sas" => {
            let (primary, secondary) = keys(text("/symmetricKey/primaryKey"), text("/symmetricKey/secondaryKey"))?;
            (Some(primary), Some(secondary))
        }
        "selfSigned" | "certificateAuthority" => (None, None),
        _ => return Err(HubError::argument(format!("authentication.type: '{kind}' is not for devices"))),
    };
    Ok(Authentication {
        kind,
        primary_key,
        secondary_key,
        primary_thumbprint: text("/x509Thumbprint/primaryThumbprint"),
        secondary_thumbprint: text("/x509Thumbprint/secondaryThumbprint"),
    })
}

/// Both keys or neither; the hub makes what is missing.
fn keys(primary: Option<String>, secondary: Option<String>) -> Result<(String, String), HubError> {
    match (primary, secondary) {
        (None, None) => Ok((random_key(), random_key())),
        (Some(primary), Some(secondary)) if is_key(&primary) && is_key(&secondary) => Ok((primary, secondary)),
        (Some(_), Some(_)) => Err(HubError::argument("symmetricKey: a key is 16 to 64 bytes in base64")),
        (Some(_), None) | (None, Some(_)) => Err(HubError::argument("symmetricKey: both keys or neither")),
    }
}

fn is_key(text: &str) -> bool {
    STANDARD.decode(text).is_ok_and(|bytes| (16..=64).contains(&bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    fn create(device_id: &str, body: &Value) -> Result<Identity, HubError> {
        Identity::create(device_id, body, OffsetDateTime::UNIX_EPOCH)
    }

    #[test]
    fn an_identity_reads_as_the_registry_answers() {
        let keys = json!({"primaryKey": KEY, "secondaryKey": KEY});
        let body = json!({"deviceId": "dev1", "authentication": {"type": "sas", "symmetricKey": keys}});
        let identity = create("dev1", &body).unwrap();
        let expected = json!({
            "deviceId": "dev1", "generationId": "621355968000000000", "etag": identity.etag(),
            "connectionState": "Disconnected", "status": "enabled", "statusReason": null,
            "connectionStateUpdatedTime": "0001-01-01T00:00:00", "statusUpdatedTime": "0001-01-01T00:00:00",
            "lastActivityTime": "0001-01-01T00:00:00", "cloudToDeviceMessageCount": 0,
            "authentication": {
                "symmetricKey": keys,
                "x509Thumbprint": {"primaryThumbprint": null, "secondaryThumbprint": null},
                "type": "sas"
            },
            "capabilities": {"iotEdge": false}
        });
        assert_eq!(identity.document(), expected);
        let digits = STANDARD.decode(identity.etag()).unwrap();
        assert!(digits.len() == 9 && digits.iter().all(u8::is_ascii_digit));
    }

    #[test]
    fn the_hub_makes_keys_for_whoever_brings_none() {
        let empty = json!({"type": "sas", "symmetricKey": {"primaryKey": "", "secondaryKey": ""}});
        for body in [json!({"deviceId": "x"}), json!({"deviceId": "x", "authentication": empty})] {
            let identity = create("x", &body).unwrap();
            let keys: Vec<_> = identity.keys().collect();
            assert!(keys.len() == 2 && keys[0] != keys[1] && keys.iter().all(|key| is_key(key)), "{body}");
        }
    }

    #[test]
    fn a_replacement_without_keys_mints_new_ones_and_moves_the_etag() {
        let before = create("x", &json!({"deviceId": "x"})).unwrap();
        let after = before
            .replaced(&json!({"deviceId": "x", "status": "disabled"}), OffsetDateTime::UNIX_EPOCH + time::Duration::DAY)
            .unwrap();
        assert_ne!(before.keys().next(), after.keys().next());
        assert_ne!(before.etag(), after.etag());
        assert_eq!(before.generation_id, after.generation_id);
        assert!(!after.enabled);
    }

    #[test]
    fn ids_have_128_characters_of_a_fixed_set() {
        let longest = "a".repeat(128);
        for id in ["eui-70b3d57ed0001234", "A-:.+%_#*?!(),=@;$'9", longest.as_str()] {
            assert!(create(id, &json!({ "deviceId": id })).is_ok(), "{id}");
        }
        let too_long = "a".repeat(129);
        for id in ["", "a b", "a/b", "dévice", "a&b", too_long.as_str()] {
            assert!(create(id, &json!({ "deviceId": id })).is_err(), "{id}");
        }
    }

    #[test]
    fn a_wrong_body_is_refused() {
        let table = [
            json!({}),
            json!({"deviceId": "Dev1"}),
            json!({"deviceId": "dev1", "status": "sleeping"}),
            json!({"deviceId": "dev1", "authentication": {"type": "none"}}),
            json!({"deviceId": "dev1", "authentication": {"symmetricKey": {"primaryKey": KEY}}}),
            json!({"deviceId": "dev1", "authentication": {"symmetricKey": {"primaryKey": "AA==", "secondaryKey": "AA=="}}}),
        ];
        for body in table {
            assert_eq!(create("dev1", &body).unwrap_err().code.name(), "ArgumentInvalid", "{body}");
        }
    }
}
