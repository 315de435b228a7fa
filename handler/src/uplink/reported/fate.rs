//! What has become of a downlink that a desired property asked for. Its correlation id comes back with every message
//! about it, so no state is needed anywhere.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::tts::Message;

/// Before the `$version` of the desired properties in a correlation id of ours.
const OURS: &str = "azure:desired:";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Downlink<'a> {
    #[serde(borrow)]
    correlation_ids: Vec<Cow<'a, str>>,
    /// In a `downlink_failed`.
    #[serde(borrow)]
    downlink: Option<Box<Downlink<'a>>>,
    error: Option<Failure>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Failure {
    namespace: String,
    name: String,
    message_format: String,
    attributes: Map<String, Value>,
}

/// `downlink`; `None` for other messages, and for downlinks that somebody else has scheduled.
pub(super) fn fate_from(message: &Message<'_>, payload: &RawValue, at: &str) -> Option<Value> {
    let status = match message.message_type.as_ref() {
        "downlink_queued" => "queued",
        "downlink_sent" => "sent",
        "downlink_ack" => "ack",
        "downlink_nack" => "nack",
        "downlink_failed" => "failed",
        _ => return None,
    };
    let payload: Downlink<'_> = serde_json::from_str(payload.get()).ok()?;
    let inner = payload.downlink.as_deref().into_iter().flat_map(|downlink| &downlink.correlation_ids);
    let mut ids = message.correlation_ids.iter().chain(&payload.correlation_ids).chain(inner);
    let version: u64 = ids.find_map(|id| id.strip_prefix(OURS)?.parse().ok())?;
    let f_cnt = matches!(status, "sent" | "ack" | "nack").then_some(message.frame.f_cnt);
    let error = payload.error.map(|Failure { namespace, name, message_format, attributes }| {
        json!({"name": format!("{namespace}:{name}"), "message": message_format, "attributes": attributes})
    });
    // `null` takes away what an earlier downlink left.
    Some(json!({"desiredVersion": version, "status": status, "fCnt": f_cnt, "error": error, "at": at}))
}

/// How far a downlink has come when messages about it have the same time.
fn rank(status: &Value) -> u8 {
    match status.as_str() {
        Some("queued") => 1,
        Some("sent") => 2,
        Some(_) => 3,
        None => 0,
    }
}

/// Whether the twin reports a newer downlink, or has heard more of the same one at the same time. Versions begin anew
/// with a device created anew: one above `newest` belongs to a device that is gone.
pub(super) fn is_overtaken(own: &Value, present: &Value, newest: &Value) -> bool {
    let Some(version) = own["desiredVersion"].as_u64() else { return false };
    let newest = newest.as_u64().unwrap_or(u64::MAX);
    if version > newest {
        return true;
    }
    match present["desiredVersion"].as_u64().filter(|there| *there <= newest) {
        Some(there) if there != version => there > version,
        Some(_) => own["at"] == present["at"] && rank(&present["status"]) >= rank(&own["status"]),
        None => false,
    }
}
