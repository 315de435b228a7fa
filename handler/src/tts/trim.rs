//! Making a message smaller by what it can best do without: the metadata of the gateways that heard it worst.

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::json::Members;

/// How well a gateway heard the frame; absent values are zero, as everywhere in these messages.
#[derive(Debug, Default, Clone, Copy, PartialEq, PartialOrd, Deserialize)]
#[serde(default)]
struct Reception {
    rssi: f64,
    snr: f64,
}

/// The message's text with the weakest `rx_metadata` entries of its payload left out until it has at most
/// `most_bytes`; entries that stay keep their order and text. `None` if that is not enough.
#[must_use]
pub fn with_fewer_gateways(json: &str, message_type: &str, most_bytes: usize) -> Option<String> {
    let mut message: Members<'_> = serde_json::from_str(json).ok()?;
    let mut payload: Members<'_> = serde_json::from_str(message.value(message_type)?.get()).ok()?;
    let gateways: Vec<&RawValue> = serde_json::from_str(payload.value("rx_metadata")?.get()).ok()?;
    let kept = strongest(gateways, json.len().saturating_sub(most_bytes));
    let rx_metadata = to_raw_value(&kept).ok()?;
    replace(&mut payload, "rx_metadata", &rx_metadata);
    let payload = to_raw_value(&payload).ok()?;
    replace(&mut message, message_type, &payload);
    serde_json::to_string(&message).ok().filter(|json| json.len() <= most_bytes)
}

fn replace<'a>(members: &mut Members<'a>, name: &str, value: &'a RawValue) {
    members.0.iter_mut().filter(|(key, _)| key == name).for_each(|(_, old)| *old = value);
}

/// Leaves out the weakest entries until `excess` bytes are saved.
fn strongest(gateways: Vec<&RawValue>, excess: usize) -> Vec<&RawValue> {
    let mut weakest_first: Vec<usize> = (0..gateways.len()).collect();
    let receptions: Vec<_> = gateways.iter().map(|gateway| reception(gateway)).collect();
    weakest_first.sort_by(|&a, &b| receptions[a].partial_cmp(&receptions[b]).unwrap_or(std::cmp::Ordering::Equal));
    let mut saved = 0;
    let mut is_kept = vec![true; gateways.len()];
    for index in weakest_first {
        if saved >= excess {
            break;
        }
        is_kept[index] = false;
        saved += gateways[index].get().len() + ",".len();
    }
    gateways.into_iter().zip(is_kept).filter_map(|(gateway, is_kept)| is_kept.then_some(gateway)).collect()
}

fn reception(gateway: &RawValue) -> Reception {
    serde_json::from_str(gateway.get()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = r#"{"received_at":"2026-11-20T10:00:00Z","uplink_message":{"f_cnt":1,"rx_metadata":[{"g":"a","rssi":-101,"snr":5.20},{"g":"b","rssi":-120},{"g":"c","rssi":-101,"snr":-2},{"g":"d","rssi":-60}],"settings":{}},"x":1.0}"#;

    #[test]
    fn the_weakest_gateways_go_first_and_the_rest_keeps_order_and_text() {
        for (most_bytes, gateways) in [
            (
                MESSAGE.len(),
                r#"[{"g":"a","rssi":-101,"snr":5.20},{"g":"b","rssi":-120},{"g":"c","rssi":-101,"snr":-2},{"g":"d","rssi":-60}]"#,
            ),
            (
                MESSAGE.len() - 1,
                r#"[{"g":"a","rssi":-101,"snr":5.20},{"g":"c","rssi":-101,"snr":-2},{"g":"d","rssi":-60}]"#,
            ),
            (MESSAGE.len() - 30, r#"[{"g":"a","rssi":-101,"snr":5.20},{"g":"d","rssi":-60}]"#),
            (MESSAGE.len() - 100, "[]"),
        ] {
            let expected = format!(
                r#"{{"received_at":"2026-11-20T10:00:00Z","uplink_message":{{"f_cnt":1,"rx_metadata":{gateways},"settings":{{}}}},"x":1.0}}"#
            );
            assert_eq!(with_fewer_gateways(MESSAGE, "uplink_message", most_bytes).as_deref(), Some(expected.as_str()));
        }
    }

    #[test]
    fn a_message_too_large_without_gateways_cannot_be_trimmed() {
        assert_eq!(with_fewer_gateways(MESSAGE, "uplink_message", 50), None);
        assert_eq!(with_fewer_gateways(r#"{"service_data":{"data":"long"}}"#, "service_data", 10), None);
    }
}
