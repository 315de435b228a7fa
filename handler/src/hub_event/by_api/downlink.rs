//! `properties.desired.rawDownlink` and `.decodedPayload`, with the vendor's meaning, become a downlink; pure.

use serde_json::{Map, Value};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::super::as_of_now::time;
use crate::error::shortened;
use crate::iot_hub::event::{HubEvent, Operation as Change};
use crate::tts::api::{ClassBC, Downlink, Gateway, Operation, Payload};
use crate::tts::id::is_id;

const RAW: &str = "rawDownlink";
const DECODED: &str = "decodedPayload";

/// Before the `$version` in a correlation id of ours.
const OURS: &str = "azure:desired:";

/// Longest frame the API takes; the data rate may allow less.
const MAX_FRAME: usize = 255;

/// The desired properties an event changes that mean a downlink.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub_event) struct DesiredDownlink {
    /// `$version` of the desired properties.
    pub(super) version: u64,
    raw: Option<Value>,
    decoded: Option<Value>,
    /// When the hub took it.
    changed_at: Option<OffsetDateTime>,
}

impl DesiredDownlink {
    /// What an event asks to be sent. Whoever writes a whole twin writes unchanged properties too: they are not sent again,
    /// as their metadata show. A `null` takes a property away and asks for nothing.
    pub(super) fn of(event: &HubEvent) -> Option<Self> {
        let body: Value = serde_json::from_str(event.body.get()).ok()?;
        let desired = body.pointer("/properties/desired")?.as_object()?;
        let version = desired.get("$version").and_then(Value::as_u64);
        let changed = |name: &str| {
            let value = desired.get(name).filter(|value| !value.is_null())?;
            let metadata = desired.get("$metadata").and_then(|metadata| metadata.get(name));
            let is_new = match (metadata, version) {
                (Some(metadata), Some(version)) => is_changed_in(metadata, version),
                // A patch names what it changes.
                _ => event.operation == Change::TwinUpdated,
            };
            is_new.then(|| value.clone())
        };
        let (raw, decoded) = (changed(RAW), changed(DECODED).filter(|values| !is_empty(values)));
        let name = if raw.is_some() { RAW } else { DECODED };
        let changed_at = desired.get("$metadata").and_then(|metadata| time(&metadata[name]["$lastUpdated"]));
        (raw.is_some() || decoded.is_some()).then(|| Self {
            version: version.unwrap_or_default(),
            raw,
            decoded,
            changed_at,
        })
    }

    /// Tells the downlink from all others of its device.
    pub(super) fn correlation_id(&self) -> String {
        format!("{OURS}{}", self.version)
    }

    /// Whether a downlink of this or of a newer version has been scheduled, as the device's twin reports it. A version the
    /// twin does not have yet belongs to a device that is gone.
    pub(super) fn is_scheduled(&self, twin: &Value) -> bool {
        let newest = twin["properties"]["desired"]["$version"].as_u64().unwrap_or(u64::MAX);
        let reported = twin["properties"]["reported"]["downlink"]["desiredVersion"].as_u64();
        reported.filter(|reported| *reported <= newest) >= Some(self.version)
    }

    /// Whether the twin does not have its version yet: it was meant for a former device of this id, whose versions begin
    /// anew with a device created anew.
    pub(super) fn is_newer_than(&self, twin: &Value) -> bool {
        twin["properties"]["desired"]["$version"].as_u64().is_some_and(|newest| newest < self.version)
    }

    /// Whether the twin had its version at another time.
    pub(super) fn is_of_a_former_device(&self, twin: &Value) -> bool {
        let desired = &twin["properties"]["desired"];
        let metadata = &desired["$metadata"][if self.raw.is_some() { RAW } else { DECODED }];
        let then = time(&metadata["$lastUpdated"]);
        let is_its_version = metadata["$lastUpdatedVersion"].as_u64() == Some(self.version);
        is_its_version && self.changed_at.zip(then).is_some_and(|(changed_at, then)| changed_at != then)
    }

    /// Whether a newer one in the twin leaves nothing of it in the queue.
    pub(super) fn is_replaced_in(&self, twin: &Value) -> bool {
        let desired = &twin["properties"]["desired"];
        let newest = desired["$metadata"][RAW]["$lastUpdatedVersion"].as_u64();
        desired[RAW]["operation"] == "replace" && newest > Some(self.version)
    }

    /// Whether one of these correlation ids is that of a newer downlink.
    pub(super) fn is_overtaken_in(&self, correlation_ids: &[String]) -> bool {
        let versions = correlation_ids.iter().filter_map(|id| id.strip_prefix(OURS)?.parse::<u64>().ok());
        versions.max() > Some(self.version)
    }

    /// The downlink. What a partial `rawDownlink` does not mention is as in the twin.
    ///
    /// # Errors
    /// Everything that is wrong with it, as one text.
    pub(super) fn downlink(&self, twin: &Value) -> Result<Downlink, String> {
        match (&self.raw, &self.decoded) {
            (Some(_), Some(_)) => Err(format!(
                "found {DECODED} and {RAW} in one change of properties.desired, expected one of them; set the other to null"
            )),
            (Some(Value::Object(raw)), None) => {
                let mut whole = twin["properties"]["desired"][RAW].as_object().cloned().unwrap_or_default();
                merge(&mut whole, raw);
                Reader { raw: &whole, problems: Vec::new() }.downlink(self.correlation_id())
            }
            (None, Some(Value::Object(values))) => Ok(Downlink {
                payload: Payload::Decoded(without_nulls(values)),
                confirmed: false,
                priority: DEFAULT_PRIORITY,
                class_b_c: None,
                correlation_id: self.correlation_id(),
                operation: Operation::Push,
            }),
            (raw, _) => {
                let name = if raw.is_some() { RAW } else { DECODED };
                Err(format!("found no object in properties.desired.{name}, expected one, or null to take it away"))
            }
        }
    }
}

/// Whether anything in a property was changed in this version, as its metadata say.
fn is_changed_in(metadata: &Value, version: u64) -> bool {
    let Some(members) = metadata.as_object() else { return false };
    members.get("$lastUpdatedVersion").and_then(Value::as_u64) == Some(version)
        || members.values().any(|member| is_changed_in(member, version))
}

/// Merges a patch into what is there, as the hub does.
fn merge(members: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, value) in patch {
        match (members.get_mut(name), value) {
            (Some(Value::Object(inner)), Value::Object(patch)) => merge(inner, patch),
            _ => drop(members.insert(name.clone(), value.clone())),
        }
    }
}

/// Whether values have nothing in them but what was taken away.
fn is_empty(values: &Value) -> bool {
    values.as_object().is_some_and(|values| without_nulls(values).is_empty())
}

/// Desired properties merge, so a `null` means that a value is gone.
fn without_nulls(values: &Map<String, Value>) -> Map<String, Value> {
    let cleaned = |value: &Value| match value {
        Value::Object(members) => Value::Object(without_nulls(members)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => value.clone(),
    };
    values.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), cleaned(value))).collect()
}

/// The API's enum; its own default is the lowest.
const PRIORITIES: [&str; 7] = ["LOWEST", "LOW", "BELOW_NORMAL", "NORMAL", "ABOVE_NORMAL", "HIGH", "HIGHEST"];

const DEFAULT_PRIORITY: &str = "NORMAL";

/// Reads members of `rawDownlink` and collects what is wrong with them.
struct Reader<'a> {
    raw: &'a Map<String, Value>,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn downlink(mut self, correlation_id: String) -> Result<Downlink, String> {
        let f_port = self.f_port();
        let frame = self.frame();
        let confirmed = self.member("confirmed", Value::as_bool, "true or false").unwrap_or_default();
        let operation = self.operation();
        let priority = self.priority();
        let class_b_c = self.class_b_c();
        match (f_port, frame) {
            (Some(f_port), Some(frame)) if self.problems.is_empty() => Ok(Downlink {
                payload: Payload::Frame { f_port, frame },
                confirmed,
                priority,
                class_b_c,
                correlation_id,
                operation,
            }),
            _ => Err(self.problems.join("; ")),
        }
    }

    /// A member that is not `null`.
    fn value(&self, name: &str) -> Option<&Value> {
        self.raw.get(name).filter(|value| !value.is_null())
    }

    fn complain(&mut self, name: &str, expected: &str) {
        let found = self.value(name).map_or_else(|| "nothing".to_owned(), shown);
        self.problems.push(format!("properties.desired.{RAW}.{name}: found {found}, expected {expected}"));
    }

    fn member<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Option<T>, expected: &str) -> Option<T> {
        let read = read(self.value(name)?);
        if read.is_none() {
            self.complain(name, expected);
        }
        read
    }

    /// The vendor's default is 0, which no downlink may have: The Things Stack would refuse it.
    fn f_port(&mut self) -> Option<u8> {
        let expected = "a port from 1 to 223 or from 225 to 255 (0 is for MAC commands, 224 for tests)";
        let is_legal = |port: &u8| !matches!(port, 0 | 224);
        let port = self.value("fPort").and_then(whole_number).and_then(|port| u8::try_from(port).ok()).filter(is_legal);
        if port.is_none() {
            self.complain("fPort", expected);
        }
        port
    }

    fn frame(&mut self) -> Option<Vec<u8>> {
        let expected = format!("1 to {MAX_FRAME} bytes in hex, two digits each");
        let frame = self.value("framePayload").and_then(Value::as_str).and_then(bytes);
        let frame = frame.filter(|frame| (1..=MAX_FRAME).contains(&frame.len()));
        if frame.is_none() {
            let found = self.value("framePayload").map_or_else(|| "nothing".to_owned(), outline);
            self.problems.push(format!("properties.desired.{RAW}.framePayload: found {found}, expected {expected}"));
        }
        frame
    }

    fn operation(&mut self) -> Operation {
        let read = |value: &Value| match value.as_str()? {
            "push" => Some(Operation::Push),
            "replace" => Some(Operation::Replace),
            _ => None,
        };
        self.member("operation", read, "push or replace").unwrap_or(Operation::Push)
    }

    fn priority(&mut self) -> &'static str {
        let read = |value: &Value| {
            let text = value.as_str()?.to_ascii_uppercase();
            PRIORITIES.into_iter().find(|priority| *priority == text)
        };
        self.member("priority", read, &PRIORITIES.join(", ")).unwrap_or(DEFAULT_PRIORITY)
    }

    fn class_b_c(&mut self) -> Option<ClassBC> {
        let expected = r#"an object with "absoluteTime" (RFC 3339), "gateways" (a list of {"gatewayId", "antennaIndex"}), or both"#;
        self.member("classBC", class_b_c, expected)
    }
}

fn class_b_c(value: &Value) -> Option<ClassBC> {
    let members = value.as_object()?;
    let present = |name: &str| members.get(name).filter(|value| !value.is_null());
    let gateways = match present("gateways") {
        Some(gateways) => gateways.as_array()?.iter().map(gateway).collect::<Option<_>>()?,
        None => Vec::new(),
    };
    let absolute_time = match present("absoluteTime") {
        Some(time) => Some(time_in_utc(time.as_str()?)?),
        None => None,
    };
    Some(ClassBC { gateways, absolute_time })
}

fn gateway(value: &Value) -> Option<Gateway> {
    let gateway_id = value.get("gatewayId")?.as_str().filter(|id| is_id(id))?.to_owned();
    let antenna_index = match value.get("antennaIndex") {
        Some(index) => u32::try_from(whole_number(index)?).ok()?,
        None => 0,
    };
    Some(Gateway { gateway_id, antenna_index })
}

/// The API wants a time that ends in `Z`.
fn time_in_utc(text: &str) -> Option<String> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?.checked_to_offset(UtcOffset::UTC)?;
    time.format(&Rfc3339).ok()
}

/// A whole number, even if it is written as `15.0`.
fn whole_number(value: &Value) -> Option<u64> {
    let is_whole = |number: &f64| number.fract() == 0.0 && (0.0..1e9).contains(number);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    value.as_u64().or_else(|| value.as_f64().filter(is_whole).map(|number| number as u64))
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// What is wrong with hex digits, without showing them: payloads enter no log.
fn outline(value: &Value) -> String {
    let Some(text) = value.as_str() else { return "no text".to_owned() };
    let wrong = text.chars().position(|character| !character.is_ascii_hexdigit());
    let wrong = wrong.map(|index| format!(", number {} of which is no hex digit", index + 1)).unwrap_or_default();
    format!("a text of {} characters{wrong}", text.chars().count())
}

/// The beginning of a value.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    let beginning = shortened(&text, 60);
    if beginning.len() < text.len() { format!("{beginning}… ({} characters)", text.chars().count()) } else { text }
}

#[cfg(test)]
#[path = "downlink_tests.rs"]
mod tests;
