//! A webhook's field mask: which fields of a message are sent.

use serde_json::{Map, Value};

/// Envelope fields; in masks everything else is addressed below `up.`.
const ENVELOPE: [&str; 4] = ["end_device_ids", "correlation_ids", "received_at", "simulated"];

/// The message with only the fields on the mask, in the message's order.
pub(super) fn apply(message: &Value, paths: &[String]) -> Value {
    keep(message, &mut |path| {
        let path = if ENVELOPE.contains(&path.split('.').next().unwrap_or_default()) {
            path.to_owned()
        } else {
            format!("up.{path}")
        };
        let covers = |outer: &str, inner: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
        if paths.iter().any(|on_mask| *on_mask == path || covers(on_mask, &path)) {
            Some(true)
        } else {
            paths.iter().any(|on_mask| covers(&path, on_mask)).then_some(false)
        }
    })
}

/// `verdict` says of a path: all of it, or (`false`) something in it, or (`None`) nothing.
fn keep(value: &Value, verdict: &mut dyn FnMut(&str) -> Option<bool>) -> Value {
    let mut kept = Map::new();
    for (name, field) in value.as_object().into_iter().flatten() {
        match verdict(name) {
            Some(true) => {
                kept.insert(name.clone(), field.clone());
            }
            Some(false) => {
                let inside = keep(field, &mut |path| verdict(&format!("{name}.{path}")));
                kept.insert(name.clone(), inside);
            }
            None => {}
        }
    }
    Value::Object(kept)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_fields_on_the_mask_stay() {
        let message = json!({"end_device_ids": {"device_id": "sensor-1", "dev_eui": "70B3D57ED0000001"},
            "received_at": "2025-05-01T10:00:00Z",
            "uplink_message": {"f_port": 2, "settings": {"frequency": "868300000", "timestamp": 1}, "f_port_2": 1}});
        for (paths, masked) in [
            (&["up"][..], json!({"uplink_message": message["uplink_message"]})),
            (&["end_device_ids", "up.join_accept"], json!({"end_device_ids": message["end_device_ids"]})),
            (
                &["end_device_ids.device_id", "up.uplink_message.f_port", "up.uplink_message.settings.frequency"],
                json!({"end_device_ids": {"device_id": "sensor-1"},
                    "uplink_message": {"f_port": 2, "settings": {"frequency": "868300000"}}}),
            ),
            (&[], json!({})),
        ] {
            let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            assert_eq!(apply(&message, &paths), masked, "{paths:?}");
        }
    }
}
