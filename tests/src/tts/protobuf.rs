//! Just enough Protocol Buffers for an `ApplicationUp` that a receiver could take apart.

use serde_json::Value;

use super::ids::EndDeviceIds;

/// The device's ids, the correlation ids and, for uplinks, an `uplink_message` with its `f_port` and `f_cnt`.
pub(super) fn application_up(message: &Value) -> Vec<u8> {
    let ids = EndDeviceIds::of(message);
    let application_ids = field(1, ids.application_id.as_bytes());
    let device_ids = [field(1, ids.device_id.as_bytes()), field(2, &application_ids)].concat();
    let mut bytes = field(1, &device_ids);
    for id in message["correlation_ids"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        bytes.extend(field(2, id.as_bytes()));
    }
    if let Some(uplink) = message.get("uplink_message") {
        let number = |tag: u8, name: &str| {
            let mut bytes = vec![tag << 3];
            bytes.extend(varint(uplink[name].as_u64().unwrap_or_default()));
            bytes
        };
        bytes.extend(field(3, &[number(2, "f_port"), number(3, "f_cnt")].concat()));
    }
    bytes
}

/// A length-delimited field.
fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag << 3 | 2];
    bytes.extend(varint(content.len() as u64));
    bytes.extend_from_slice(content);
    bytes
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_and_frame_are_in_the_bytes() {
        let message = json!({"end_device_ids": {"device_id": "dev", "application_ids": {"application_id": "app"}},
            "uplink_message": {"f_port": 2, "f_cnt": 300}});
        assert_eq!(application_up(&message), b"\x0a\x0c\x0a\x03dev\x12\x05\x0a\x03app\x1a\x05\x10\x02\x18\xac\x02");
    }
}
