//! `tags.lorawan`, in the vendor's schema, becomes an end device; pure.

use serde_json::{Map, Value};

use super::versions::{lorawan_phy_version, lorawan_version};
use crate::error::shortened;
use crate::secret::Secret;
use crate::tts::api::{EndDevice, VersionIds};
use crate::tts::id::{EndDeviceIds, is_eui, is_id};

/// Members with a meaning.
const KNOWN: [&str; 12] = [
    "devEui",
    "joinEui",
    "lorawanVersion",
    "regionalParametersVersion",
    "appKey",
    "nwkKey",
    "frequencyPlanId",
    "versionIdentifiers",
    "supportsClassB",
    "supportsClassC",
    "name",
    "description",
];

/// The vendor's own mark on a device it has created.
const VENDORS_MARK: &str = "provisioned";

/// The end device that tags describe.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) device: EndDevice,
    /// What of the tags has no effect, for the operator to see.
    pub(super) remarks: Vec<String>,
}

/// Reads `tags.lorawan`.
///
/// # Errors
/// Everything that is wrong with it, as one text. Keys are not repeated.
pub(super) fn end_device_from(ids: EndDeviceIds, tags: &Map<String, Value>) -> Result<Described, String> {
    let mut reader = Reader { tags, problems: Vec::new() };
    let dev_eui = reader.required("devEui", |text| hex(text, 16));
    let join_eui = reader.required("joinEui", |text| hex(text, 16));
    let version = reader.required("lorawanVersion", version);
    let phy_version = reader.required("regionalParametersVersion", phy_version);
    let app_key = reader.required("appKey", root_key);
    let has_nwk_key = version == Some("MAC_V1_1");
    let nwk_key = if has_nwk_key { reader.required("nwkKey", root_key) } else { None };
    let frequency_plan_id = reader.required("frequencyPlanId", |text| length(text, 64));
    let name = reader.optional("name", |text| length(text, 50));
    let description = reader.optional("description", |text| length(text, 2_000));
    let supports_class_b = reader.flag("supportsClassB");
    let supports_class_c = reader.flag("supportsClassC");
    let version_ids = reader.version_ids();
    let problems = reader.problems;
    let device = (|| {
        Some(EndDevice {
            ids,
            dev_eui: dev_eui?,
            join_eui: join_eui?,
            name,
            description,
            lorawan_version: version?,
            lorawan_phy_version: phy_version?,
            frequency_plan_id: frequency_plan_id?,
            supports_class_b,
            supports_class_c,
            app_key: app_key?,
            nwk_key,
            version_ids,
        })
    })();
    match device {
        Some(device) if problems.is_empty() => Ok(Described { device, remarks: remarks(tags, has_nwk_key) }),
        _ => Err(problems.join("; ")),
    }
}

/// A twin's `tags.lorawan`.
pub(super) fn lorawan_tags(twin: &Value) -> Option<&Map<String, Value>> {
    twin["tags"]["lorawan"].as_object()
}

/// DevEUI and JoinEUI, upper case, as far as somebody names them.
pub(super) type Euis = [Option<String>; 2];

/// The EUIs that tags name, whatever else is wrong with them.
pub(super) fn euis_in(tags: &Value) -> Euis {
    ["devEui", "joinEui"].map(|name| {
        let text = tags[name].as_str()?.trim();
        is_eui(text).then(|| text.to_ascii_uppercase())
    })
}

/// The EUIs a twin, or what is kept of it, names: those of its tags, and those that were registered last.
pub(super) fn euis_of(twin: &Value) -> [Euis; 2] {
    ["lorawan", "lorawanStatus"].map(|name| euis_in(&twin["tags"][name]))
}

fn remarks(tags: &Map<String, Value>, has_nwk_key: bool) -> Vec<String> {
    let unknown = |name: &&String| !KNOWN.contains(&name.as_str()) && *name != VENDORS_MARK;
    let mut remarks: Vec<_> =
        tags.keys().filter(unknown).map(|name| format!("tags.lorawan.{} is unknown", shortened(name, 40))).collect();
    if !has_nwk_key && tags.contains_key("nwkKey") {
        remarks.push("tags.lorawan.nwkKey has no meaning before LoRaWAN 1.1".to_owned());
    }
    remarks
}

/// Reads members one by one and collects what is wrong with them.
struct Reader<'a> {
    tags: &'a Map<String, Value>,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn required<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        if self.tags.get(name).is_none_or(Value::is_null) {
            self.problems.push(format!("tags.lorawan.{name} is missing"));
            return None;
        }
        self.optional(name, read)
    }

    fn optional<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.text(self.tags.get(name), name, read)
    }

    fn text<T>(
        &mut self,
        value: Option<&Value>,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let found = match value? {
            Value::Null => return None,
            Value::String(text) => match read(text.trim()) {
                Ok(value) => return Some(value),
                Err(expected) if is_key(name) || may_hold_a_key(text) => format!("another text, expected {expected}"),
                Err(expected) => format!("{:?}, expected {expected}", shortened(text, 60)),
            },
            other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                format!("{}, expected a text", kind(other))
            }
        };
        self.problems.push(format!("tags.lorawan.{name}: found {found}"));
        None
    }

    fn flag(&mut self, name: &str) -> Option<bool> {
        match self.tags.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::Bool(flag)) => Some(*flag),
            Some(other) => {
                self.problems.push(format!("tags.lorawan.{name}: found {}, expected true or false", kind(other)));
                None
            }
        }
    }

    fn version_ids(&mut self) -> VersionIds {
        let identifiers = match self.tags.get("versionIdentifiers") {
            None | Some(Value::Null) => return VersionIds::default(),
            Some(Value::Object(identifiers)) => identifiers,
            Some(other) => {
                let found = kind(other);
                self.problems.push(format!("tags.lorawan.versionIdentifiers: found {found}, expected an object"));
                return VersionIds::default();
            }
        };
        let mut member = |name: &str, read: fn(&str) -> Result<String, String>| {
            self.text(identifiers.get(name), &format!("versionIdentifiers.{name}"), read)
        };
        VersionIds {
            brand_id: member("brandId", repository_id),
            model_id: member("modelId", repository_id),
            hardware_version: member("hardwareVersion", |text| length(text, 32)),
            firmware_version: member("firmwareVersion", |text| length(text, 32)),
            band_id: member("bandId", |text| length(text, 32)),
        }
    }
}

fn is_key(name: &str) -> bool {
    matches!(name, "appKey" | "nwkKey")
}

/// Whether a text may be, or hold, a root key that was pasted into the wrong tag.
fn may_hold_a_key(text: &str) -> bool {
    text.bytes().filter(u8::is_ascii_hexdigit).count() >= 32
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn hex(text: &str, digits: usize) -> Result<String, String> {
    if text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_uppercase());
    }
    Err(format!("{digits} hex digits"))
}

fn version(text: &str) -> Result<&'static str, String> {
    lorawan_version(text).ok_or_else(|| "a LoRaWAN version from 1.0 to 1.0.4, or 1.1".to_owned())
}

fn phy_version(text: &str) -> Result<&'static str, String> {
    lorawan_phy_version(text).ok_or_else(|| {
        "a version of the regional parameters such as 1.0.2-b, 1.0.3-a, 1.1-b or RP002_V1_0_3".to_owned()
    })
}

fn root_key(text: &str) -> Result<Secret, String> {
    let key = hex(text, 32)?;
    if key.bytes().all(|byte| byte == b'0') {
        Err("a key that is not all zero".to_owned())
    } else {
        Ok(Secret::new(key))
    }
}

fn length(text: &str, most: usize) -> Result<String, String> {
    if (1..=most).contains(&text.chars().count()) {
        Ok(text.to_owned())
    } else {
        Err(format!("1 to {most} characters"))
    }
}

fn repository_id(text: &str) -> Result<String, String> {
    if is_id(text) {
        Ok(text.to_owned())
    } else {
        Err("3 to 36 lower-case letters, digits and single inner dashes".to_owned())
    }
}

#[cfg(test)]
#[path = "tags_tests.rs"]
mod tests;
