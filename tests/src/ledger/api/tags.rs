//! `tags.lorawan` as a run writes it, and the device The Things Stack must have by it.

use serde_json::{Value, json};

use super::super::secrets::Secrets;
use crate::tts::{RegisteredDevice, Server};

/// How many tags change in a device's life.
pub(in crate::ledger) const CHANGING: usize = 4;

/// The plans there are.
const PLANS: [&str; 3] = ["EU_863_870", "EU_863_870_TTN", "US_902_928_FSB_2"];

/// What makes tags wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum Invalid {
    /// Only The Things Stack can tell.
    Plan,
    Key,
    Name,
}

impl Invalid {
    pub(in crate::ledger) const ALL: [Self; 3] = [Self::Plan, Self::Key, Self::Name];
}

/// Tags that change, by the change's number.
pub(in crate::ledger) fn changing(number: u32, secrets: &Secrets) -> [(&'static str, Value); CHANGING] {
    [
        ("name", json!(format!("Device {number}"))),
        ("frequencyPlanId", json!(PLANS[number as usize % PLANS.len()])),
        ("appKey", json!(secrets.key(number))),
        ("supportsClassC", json!(number.is_multiple_of(2))),
    ]
}

/// All tags of a device; some devices are LoRaWAN 1.1.
pub(in crate::ledger) fn whole(device: u32, number: u32, has_own_euis: bool, secrets: &Secrets) -> Value {
    let dev_eui = if has_own_euis { format!("70B3D57ED{device:07X}") } else { format!("70B3D57EE{number:07X}") };
    let mut tags = json!({"devEui": dev_eui, "joinEui": "70B3D57ED0FFFF00"});
    let (version, regional) = if number.is_multiple_of(5) { ("1.1", "1.1-b") } else { ("1.0.3", "1.0.3-a") };
    tags["lorawanVersion"] = version.into();
    tags["regionalParametersVersion"] = regional.into();
    if number.is_multiple_of(5) {
        tags["nwkKey"] = secrets.key(device).into();
    }
    for (name, value) in changing(number, secrets) {
        tags[name] = value;
    }
    tags
}

/// Makes tags wrong.
pub(in crate::ledger) fn spoil(tags: &mut Value, invalid: Invalid) {
    match invalid {
        Invalid::Plan => tags["frequencyPlanId"] = "MARS_1".into(),
        Invalid::Key => tags["appKey"] = "no key".into(),
        Invalid::Name => tags["name"] = "x".repeat(51).into(),
    }
}

/// Whether The Things Stack can take these tags.
pub(in crate::ledger) fn are_valid(tags: &Value) -> bool {
    let text = |name: &str| tags[name].as_str().unwrap_or_default();
    PLANS.contains(&text("frequencyPlanId")) && text("appKey").len() == 32 && text("name").len() <= 50
}

/// Servers that hold something of a device.
pub(in crate::ledger) fn servers(device: Option<&RegisteredDevice>) -> Vec<Server> {
    let has = |server: &Server| device.is_some_and(|device| device.at(*server).is_some());
    Server::ALL.into_iter().filter(has).collect()
}

/// Where a device is not what its tags say; no key is shown.
pub(in crate::ledger) fn difference(tags: &Value, device: Option<&RegisteredDevice>) -> Option<String> {
    let at = servers(device);
    let device = device.filter(|_| at.len() == Server::ALL.len());
    let Some(device) = device else { return Some(format!("it is at {at:?} only")) };
    let value = |server: Server, pointer: &str| device.at(server).and_then(|held| held.pointer(pointer)).cloned();
    for server in Server::ALL {
        for (pointer, tag) in [("/ids/dev_eui", "devEui"), ("/ids/join_eui", "joinEui")] {
            if value(server, pointer).as_ref() != tags.get(tag) {
                return Some(format!("{tag} at {server:?}"));
            }
        }
    }
    let mac = |version: &str| if version == "1.1" { "MAC_V1_1" } else { "MAC_V1_0_3" };
    let version = tags["lorawanVersion"].as_str().map(|version| json!(mac(version)));
    let class_c = tags["supportsClassC"].as_bool().unwrap_or_default();
    let expected = [
        (Server::Identity, "/name", tags.get("name").cloned()),
        (Server::Join, "/root_keys/app_key/key", tags.get("appKey").cloned()),
        (Server::Network, "/frequency_plan_id", tags.get("frequencyPlanId").cloned()),
        (Server::Network, "/lorawan_version", version),
    ];
    // Only LoRaWAN 1.1 has it; what the tags do not mention stays as it was.
    let nwk_key = tags.get("nwkKey").map(|key| (Server::Join, "/root_keys/nwk_key/key", Some(key.clone())));
    let differs = |(server, pointer, tag): &(Server, &str, Option<Value>)| value(*server, pointer) != *tag;
    if let Some((server, pointer, _)) = expected.into_iter().chain(nwk_key).find(differs) {
        return Some(format!("{pointer} at {server:?}"));
    }
    let has_class_c = value(Server::Network, "/supports_class_c").and_then(|flag| flag.as_bool()).unwrap_or_default();
    (has_class_c != class_c).then(|| "class C at Network".to_owned())
}
