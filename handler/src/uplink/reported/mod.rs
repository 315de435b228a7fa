//! What a message says about its device becomes reported properties of the device's twin; pure.
//!
//! | message | reported properties | their time |
//! |---|---|---|
//! | `uplink_message` | `decodedPayload`, `lorawan` (radio state, a switch of its own) | `lastSeenAt` |
//! | `join_accept` | | `joinedAt` |
//! | `location_solved` | `location` | `locationAt` |
//! | `service_data` | `serviceData` | `serviceDataAt` |
//! | `downlink_queued`, `_sent`, `_ack`, `_nack`, `_failed` of a desired property | `downlink` | `downlink.at` |
//!
//! Each time only moves forwards, and what it belongs to with it.

mod fate;
mod radio;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use self::fate::fate_from;
use self::radio::radio_from;
use super::mapping::creation_time_from;
use crate::iot_hub::legal::{Legal, legal};
use crate::json::Members;
use crate::tts::Message;

/// Times by which one update is newer than another, wherever one of them is.
pub(super) const TIMES: [&str; 5] = ["/lastSeenAt", "/joinedAt", "/locationAt", "/serviceDataAt", "/downlink/at"];

/// Members that a message says all of: what it leaves out is zero or another's, and leaves the twin.
const WHOLE: [&str; 3] = ["/location", "/serviceData", "/downlink/error"];

/// Longest list of changes: `lorawan` holds 4 KB, the radio state included.
const LIST_BYTES: usize = 2_000;

/// How a message's values get into the twin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Whether `lorawan` holds the radio state.
    pub(crate) has_radio_state: bool,
    /// Whether values that a decoded payload does not have any more leave the twin.
    pub(crate) replaces_decoded_payload: bool,
}

/// One update of reported properties. It is what a queue keeps of it, too.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub(crate) struct Reported {
    /// A merge patch.
    pub(crate) patch: Value,
    /// Whether the whole of `decodedPayload` is to be replaced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) replaces_decoded_payload: bool,
}

/// A message that should update the twin, and may not: nobody could tell whether it is the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("found no readable received_at, so the twin is not updated; add `received_at` to the webhook's field mask")]
pub(crate) struct NoTime;

/// The update a message asks for; `None` if it says nothing about a twin.
///
/// # Errors
/// [`NoTime`] if it does, and its time is not known.
pub(crate) fn reported_from(message: &Message<'_>, rules: Rules) -> Result<Option<Reported>, NoTime> {
    let at = message.received_at.as_deref().and_then(creation_time_from);
    let reported = reported_at(at.as_deref().unwrap_or_default(), message, rules);
    if reported.is_some() && at.is_none() { Err(NoTime) } else { Ok(reported) }
}

fn reported_at(at: &str, message: &Message<'_>, rules: Rules) -> Option<Reported> {
    let payload = message.payload()?;
    let mut properties = Map::new();
    let mut changes = Vec::new();
    let mut add = |name: &str, value: &Value| {
        let Legal { value, changes: changed } = legal(name, value);
        changes.extend(changed);
        properties.insert(name.to_owned(), value);
    };
    match message.message_type.as_ref() {
        "uplink_message" => {
            add("lastSeenAt", &at.into());
            if let Some(decoded) = member(payload, "decoded_payload").filter(Value::is_object) {
                add("decodedPayload", &decoded);
            }
            if let Some(radio) = radio_from(message, payload).filter(|_| rules.has_radio_state) {
                add("lorawan", &radio);
            }
        }
        "join_accept" => add("joinedAt", &at.into()),
        "location_solved" => {
            add("location", &member(payload, "location").filter(Value::is_object)?);
            add("locationAt", &at.into());
        }
        "service_data" => {
            add("serviceData", &serde_json::from_str(payload.get()).ok()?);
            add("serviceDataAt", &at.into());
        }
        _ => add("downlink", &fate_from(message, payload, at)?),
    }
    // Every uplink takes the list of an earlier message away.
    if message.message_type == "uplink_message" || !changes.is_empty() {
        say(&mut properties, changes);
    }
    let replaces_decoded_payload = rules.replaces_decoded_payload && properties.contains_key("decodedPayload");
    Some(Reported { patch: properties.into(), replaces_decoded_payload })
}

/// Lists what had to be changed in `lorawan.sanitized`, as much of it as there is room for.
fn say(properties: &mut Map<String, Value>, mut changes: Vec<String>) {
    let mut room = LIST_BYTES;
    let mut fits = |change: &String| room.checked_sub(change.len()).map(|left| room = left).is_some();
    let listed = changes.iter().take_while(|change| fits(change)).count();
    let left = changes.len() - listed;
    changes.truncate(listed);
    if left > 0 {
        changes.push(format!("and {left} more"));
    }
    let list = if changes.is_empty() { Value::Null } else { json!(changes) };
    let lorawan = properties.entry("lorawan").or_insert_with(|| json!({}));
    if let Some(lorawan) = lorawan.as_object_mut() {
        lorawan.insert("sanitized".to_owned(), list);
    }
}

fn member(payload: &RawValue, name: &str) -> Option<Value> {
    let members: Members<'_> = serde_json::from_str(payload.get()).ok()?;
    serde_json::from_str(members.value(name)?.get()).ok()
}

impl Reported {
    /// What it says about a downlink: its status, and the version of the desired properties that asked for it.
    pub(crate) fn fate(&self) -> Option<(&str, u64)> {
        let downlink = &self.patch["downlink"];
        Some((downlink["status"].as_str()?, downlink["desiredVersion"].as_u64()?))
    }

    /// Whether the present properties have to be read first: the message is not `fresh` any more, so that another one may
    /// have overtaken it, or what is written depends on them.
    pub(crate) fn depends_on_the_present(&self, now: OffsetDateTime, fresh: Duration) -> bool {
        let is_fresh = self.time().is_some_and(|(_, at)| now - at < fresh);
        let is_whole = || ["location", "serviceData", "downlink"].iter().any(|name| self.patch.get(name).is_some());
        self.replaces_decoded_payload || !is_fresh || is_whole()
    }

    /// Everything but the time, which every update moves on.
    pub(crate) fn without_its_time(&self) -> Value {
        let mut patch = self.patch.clone();
        for path in TIMES {
            if let Some(time) = patch.pointer_mut(path) {
                *time = Value::Null;
            }
        }
        patch
    }

    /// Whether a decoded payload was to be merged.
    pub(crate) fn may_replace_the_decoded_payload(&self) -> bool {
        !self.replaces_decoded_payload && self.patch.get("decodedPayload").is_some()
    }

    /// The same update, with a decoded payload that takes the place of the present one, and says so.
    pub(crate) fn replacing_the_decoded_payload(&self) -> Self {
        let mut patch = self.patch.clone();
        let change = json!("decodedPayload: replaced, because it was not taken beside what was there");
        match patch["lorawan"]["sanitized"].as_array_mut() {
            Some(changes) => changes.insert(0, change),
            None => patch["lorawan"]["sanitized"] = json!([change]),
        }
        Self { patch, replaces_decoded_payload: true }
    }

    /// What is to be written beside what is in the twin; `None` if that is newer.
    pub(crate) fn beside(&self, twin: &Value) -> Option<Value> {
        let (path, own) = self.time()?;
        let present = &twin["reported"];
        if fate::is_overtaken(&self.patch["downlink"], &present["downlink"], &twin["desired"]["$version"]) {
            return None;
        }
        let is_of_one_downlink =
            path != "/downlink/at" || self.patch["downlink"]["desiredVersion"] == present["downlink"]["desiredVersion"];
        if is_of_one_downlink && time_at(present, path).is_some_and(|there| there > own) {
            return None;
        }
        let mut patch = self.patch.clone();
        let replaced = self.replaces_decoded_payload.then_some("/decodedPayload");
        for path in WHOLE.into_iter().chain(replaced) {
            if let (Some(new), Some(present)) = (patch.pointer_mut(path), present.pointer(path)) {
                take_away(new, present);
            }
        }
        Some(patch)
    }

    /// Whether a twin shows it, or a newer one of its kind.
    pub(crate) fn is_shown_in(&self, twin: &Value) -> bool {
        let is_there = self.time().is_some_and(|(path, own)| time_at(&twin["reported"], path) == Some(own));
        is_there || self.beside(twin).is_none()
    }

    /// By which it is newer or older than another one, and where that is.
    pub(super) fn time(&self) -> Option<(&'static str, OffsetDateTime)> {
        TIMES.into_iter().find_map(|path| Some((path, time_at(&self.patch, path)?)))
    }
}

pub(super) fn time_at(properties: &Value, path: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(properties.pointer(path)?.as_str()?, &Rfc3339).ok()
}

/// Adds a `null` for every member that is there and not in the new value.
fn take_away(new: &mut Value, present: &Value) {
    let (Some(new), Some(present)) = (new.as_object_mut(), present.as_object()) else { return };
    for (name, present) in present {
        match new.get_mut(name) {
            Some(member) => take_away(member, present),
            None => drop(new.insert(name.clone(), Value::Null)),
        }
    }
}

#[cfg(test)]
mod tests;
