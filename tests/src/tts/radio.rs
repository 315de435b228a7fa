//! What gateways and the Network Server add to an uplink.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::ulid::{before, timestamp};

/// `rx_metadata` of one of many gateways: the higher its number, the weaker it heard the device.
pub(super) fn rx_metadata(gateway: usize, time: OffsetDateTime) -> Value {
    let number = u32::try_from(gateway).unwrap_or(u32::MAX);
    let (weaker, offset) = (i64::from(number % 60), f64::from(number) * 0.0011);
    json!({
        "gateway_ids": {"gateway_id": format!("gw-{gateway:04}"), "eui": format!("58A0CBFFFE{number:06X}")},
        "antenna_index": number % 2,
        "time": before(time, 220),
        "timestamp": 2_463_457_000_u32.wrapping_add(number.wrapping_mul(977)),
        "fine_timestamp": (u64::from(number) * 1_009 + 123_456_789).to_string(),
        "rssi": -61 - weaker,
        "channel_rssi": -61 - weaker,
        "snr": halves(19 - weaker),
        "frequency_offset": (-512 + i64::from(number)).to_string(),
        "location": {"latitude": 52.370_216 + offset, "longitude": 4.895_168 - offset, "altitude": 12,
            "source": "SOURCE_REGISTRY"},
        "uplink_token": uplink_token(gateway),
        "channel_index": number % 8,
        "gps_time": before(time, 220),
        "received_at": before(time, 215),
    })
}

/// Half of a number; whole results are written without a fraction, as the sender does.
fn halves(number: i64) -> Value {
    if number % 2 == 0 { (number / 2).into() } else { (number as f64 / 2.0).into() }
}

/// Only the Network Server can read one; to everyone else it is 100 bytes of base64.
fn uplink_token(gateway: usize) -> String {
    use base64::Engine as _;
    let bytes: Vec<u8> = (0..100_usize).map(|index| (index * 37 + gateway * 11) as u8).collect();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

pub(super) fn settings(time: OffsetDateTime) -> Value {
    json!({
        "data_rate": {"lora": {"bandwidth": 125_000, "spreading_factor": 7, "coding_rate": "4/5"}},
        "frequency": "868300000",
        "timestamp": 2_463_457_000_u32,
        "time": before(time, 220),
    })
}

/// Fields of `uplink_message` that `uplink_normalized` and, in part, other messages have as well.
pub(super) fn version_and_network_ids() -> Value {
    json!({
        "version_ids": {"brand_id": "acme", "model_id": "t1000", "hardware_version": "1.0",
            "firmware_version": "1.2", "band_id": "EU_863_870"},
        "network_ids": {"net_id": "000013", "ns_id": "EC656E0000000181", "tenant_id": "acme", "cluster_id": "eu1",
            "cluster_address": "eu1.cloud.thethings.industries",
            "tenant_address": "acme.eu1.cloud.thethings.industries"},
    })
}

/// An `uplink_message` heard by `gateways` gateways, without its payload.
pub(super) fn uplink(f_cnt: u32, gateways: usize, time: OffsetDateTime) -> Value {
    let mut uplink = json!({
        "session_key_id": "AZaB3Zq0bL6v0p2n8A==",
        "f_port": 2,
        "f_cnt": f_cnt,
        "rx_metadata": (0..gateways).map(|gateway| rx_metadata(gateway, time)).collect::<Vec<_>>(),
        "settings": settings(time),
        "received_at": before(time, 203),
        "consumed_airtime": "0.056576s",
        "packet_error_rate": 0.05,
        "last_battery_percentage": {"f_cnt": f_cnt.saturating_sub(5), "value": 98.4,
            "received_at": timestamp(time - time::Duration::hours(2))},
    });
    extend(&mut uplink, version_and_network_ids());
    uplink
}

pub(super) fn extend(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}
