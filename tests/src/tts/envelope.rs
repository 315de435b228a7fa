//! What all messages have around their content, and how the sender leaves zero values out.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::EndDeviceIds;
use super::ulid::{timestamp, ulid};

/// Ordinary JSON to the sender: here zeros are values.
const OPAQUE: [&str; 4] = ["decoded_payload", "normalized_payload", "attributes", "data"];

/// An `ApplicationUp` received by the Application Server at `time`.
pub(super) fn application_up(
    ids: &EndDeviceIds,
    correlation_ids: Vec<String>,
    time: OffsetDateTime,
    message_type: &str,
    content: Value,
) -> Value {
    without_zeros(json!({
        "end_device_ids": {"device_id": ids.device_id, "application_ids": {"application_id": ids.application_id},
            "dev_eui": ids.dev_eui, "join_eui": ids.join_eui, "dev_addr": ids.dev_addr},
        "correlation_ids": correlation_ids,
        "received_at": timestamp(time),
        message_type: content,
    }))
}

/// New correlation ids: each prefix with a ULID of its own.
pub(super) fn new_correlation_ids(prefixes: &[&str], time: OffsetDateTime) -> Vec<String> {
    prefixes.iter().map(|prefix| format!("{prefix}:{}", ulid(time))).collect()
}

/// Correlation ids of a message that `parent` caused: the parent's, and the newest `as:up:` one for itself.
pub(super) fn inherited_correlation_ids(parent: &Value, time: OffsetDateTime) -> Vec<String> {
    let inherited = parent["correlation_ids"].as_array().into_iter().flatten().filter_map(Value::as_str);
    inherited.map(str::to_owned).chain(new_correlation_ids(&["as:up"], time)).collect()
}

/// Leaves out 0, false, empty strings and empty lists, as the sender does outside ordinary JSON.
pub(super) fn without_zeros(value: Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(object.into_iter().filter_map(non_zero).collect::<Map<_, _>>()),
        Value::Array(items) => items.into_iter().map(without_zeros).collect(),
        scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => scalar,
    }
}

fn non_zero((name, value): (String, Value)) -> Option<(String, Value)> {
    let zero = match &value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(value) => value.as_f64() == Some(0.0),
        Value::String(value) => value.is_empty(),
        Value::Array(value) => value.is_empty(),
        Value::Object(_) => false,
    };
    let value = if OPAQUE.contains(&name.as_str()) { value } else { without_zeros(value) };
    (!zero).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_values_are_left_out_except_in_ordinary_json() {
        let message = json!({"f_port": 0, "f_cnt": 1, "confirmed": false, "decoded_payload": {"t": 0, "on": false},
            "rx_metadata": [{"snr": 0.0, "rssi": -1, "location": {"latitude": 0}}], "frm_payload": "", "list": []});
        let sent = json!({"f_cnt": 1, "decoded_payload": {"t": 0, "on": false},
            "rx_metadata": [{"rssi": -1, "location": {}}]});
        assert_eq!(without_zeros(message), sent);
    }
}
