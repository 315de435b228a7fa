//! An end device as the API's servers store it: which server holds what, and the requests that write it; pure.

use serde_json::{Map, Value, json};

use super::Server;
use crate::secret::Secret;
use crate::tts::id::EndDeviceIds;

/// A LoRaWAN device that joins over the air.
#[derive(Debug, Clone)]
pub struct EndDevice {
    /// Application and device.
    pub ids: EndDeviceIds,
    /// 16 upper-case hex digits.
    pub dev_eui: String,
    /// 16 upper-case hex digits.
    pub join_eui: String,
    /// At most 50 characters.
    pub name: Option<String>,
    /// At most 2,000 characters.
    pub description: Option<String>,
    /// The API's enum, e.g. `MAC_V1_0_3`.
    pub lorawan_version: &'static str,
    /// The API's enum, e.g. `PHY_V1_0_3_REV_A`.
    pub lorawan_phy_version: &'static str,
    /// E.g. `EU_863_870_TTN`; which ones exist is the cluster's business.
    pub frequency_plan_id: String,
    /// Whether the device listens in ping slots, if the tags say.
    pub supports_class_b: Option<bool>,
    /// Whether the device listens all the time, if the tags say.
    pub supports_class_c: Option<bool>,
    /// 32 upper-case hex digits.
    pub app_key: Secret,
    /// 32 upper-case hex digits; LoRaWAN 1.1 only.
    pub nwk_key: Option<Secret>,
    /// The model, as the Device Repository names it.
    pub version_ids: VersionIds,
}

/// A device's model in the Device Repository, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionIds {
    /// Maker.
    pub brand_id: Option<String>,
    /// Model.
    pub model_id: Option<String>,
    /// Hardware version.
    pub hardware_version: Option<String>,
    /// Firmware version.
    pub firmware_version: Option<String>,
    /// Frequency band.
    pub band_id: Option<String>,
}

impl VersionIds {
    fn members(&self) -> [(&'static str, &Option<String>); 5] {
        [
            ("brand_id", &self.brand_id),
            ("model_id", &self.model_id),
            ("hardware_version", &self.hardware_version),
            ("firmware_version", &self.firmware_version),
            ("band_id", &self.band_id),
        ]
    }

    /// Whether the Device Repository can find a payload formatter by it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.members().iter().all(|(_, value)| value.is_some())
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members().iter().all(|(_, value)| value.is_none())
    }

    fn to_json(&self) -> Value {
        self.members().iter().filter_map(|(name, value)| Some(((*name).to_owned(), json!(value.as_ref()?)))).collect()
    }
}

/// A part of an end device that can be written by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Name shown in the Console.
    Name,
    /// Description shown in the Console.
    Description,
    /// Both LoRaWAN versions.
    Versions,
    /// Frequency plan.
    FrequencyPlan,
    /// Class B.
    ClassB,
    /// Class C.
    ClassC,
    /// Both root keys.
    RootKeys,
    /// Model in the Device Repository.
    VersionIds,
    /// The Device Repository's payload formatters.
    Formatters,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 9] = [
        Self::Name,
        Self::Description,
        Self::Versions,
        Self::FrequencyPlan,
        Self::ClassB,
        Self::ClassC,
        Self::RootKeys,
        Self::VersionIds,
        Self::Formatters,
    ];

    /// The servers that hold it.
    fn servers(self) -> &'static [Server] {
        match self {
            Self::Name | Self::Description => &[Server::Identity],
            Self::RootKeys => &[Server::Join],
            Self::Versions | Self::FrequencyPlan | Self::ClassB | Self::ClassC => &[Server::Network],
            Self::VersionIds => &[Server::Identity, Server::Network, Server::Application],
            Self::Formatters => &[Server::Application],
        }
    }

    /// Its members, with `null` where one is to be cleared.
    fn members(self, device: &EndDevice) -> Vec<(&'static str, Value)> {
        let key = |key: &Secret| json!({"key": key.expose()});
        match self {
            Self::Name => vec![("name", json!(device.name))],
            Self::Description => vec![("description", json!(device.description))],
            Self::Versions => vec![
                ("lorawan_version", json!(device.lorawan_version)),
                ("lorawan_phy_version", json!(device.lorawan_phy_version)),
            ],
            Self::FrequencyPlan => vec![("frequency_plan_id", json!(device.frequency_plan_id))],
            Self::ClassB => vec![("supports_class_b", json!(device.supports_class_b.unwrap_or_default()))],
            Self::ClassC => vec![("supports_class_c", json!(device.supports_class_c.unwrap_or_default()))],
            Self::RootKeys => {
                let mut keys = json!({"app_key": key(&device.app_key)});
                if let Some(nwk_key) = &device.nwk_key {
                    keys["nwk_key"] = key(nwk_key);
                }
                vec![("root_keys", keys)]
            }
            Self::VersionIds if device.version_ids.is_empty() => vec![("version_ids", Value::Null)],
            Self::VersionIds => vec![("version_ids", device.version_ids.to_json())],
            Self::Formatters => {
                let repository = "FORMATTER_REPOSITORY";
                vec![("formatters", json!({"up_formatter": repository, "down_formatter": repository}))]
            }
        }
    }

    /// The paths of a field mask, as deep as the API's documentation has them.
    fn paths(self, device: &EndDevice) -> Vec<&'static str> {
        match self {
            Self::Name => vec!["name"],
            Self::Description => vec!["description"],
            Self::Versions => vec!["lorawan_version", "lorawan_phy_version"],
            Self::FrequencyPlan => vec!["frequency_plan_id"],
            Self::ClassB => vec!["supports_class_b"],
            Self::ClassC => vec!["supports_class_c"],
            Self::RootKeys if device.nwk_key.is_some() => vec!["root_keys.app_key.key", "root_keys.nwk_key.key"],
            Self::RootKeys => vec!["root_keys.app_key.key"],
            Self::VersionIds => vec!["version_ids"],
            Self::Formatters => vec!["formatters.up_formatter", "formatters.down_formatter"],
        }
    }
}

impl EndDevice {
    /// What the tags say about the device; what they do not mention is left to the Console.
    #[must_use]
    pub fn given(&self) -> Vec<Field> {
        let is_given = |field: &Field| match field {
            Field::Name => self.name.is_some(),
            Field::Description => self.description.is_some(),
            Field::VersionIds => !self.version_ids.is_empty(),
            Field::Formatters => self.version_ids.is_complete(),
            Field::ClassB => self.supports_class_b.is_some(),
            Field::ClassC => self.supports_class_c.is_some(),
            Field::Versions | Field::FrequencyPlan | Field::RootKeys => true,
        };
        Field::ALL.into_iter().filter(is_given).collect()
    }

    /// What the tags say, and these fields besides.
    #[must_use]
    pub fn given_and(&self, changed: &[Field]) -> Vec<Field> {
        let mut fields = self.given();
        let more: Vec<_> = changed.iter().copied().filter(|field| !fields.contains(field)).collect();
        fields.extend(more);
        fields
    }

    /// A field's value as text, for comparing; of root keys it holds the keys themselves.
    #[must_use]
    pub fn text_of(&self, field: Field) -> String {
        field.members(self).iter().map(|(name, value)| format!("{name}={value}\n")).collect()
    }

    /// The body that creates the device at the Identity Server. `host` is the cluster's, without scheme and port.
    #[must_use]
    pub fn creation(&self, host: &str) -> Value {
        let mut end_device = self.identified();
        for name in ["network_server_address", "application_server_address", "join_server_address"] {
            end_device.insert(name.to_owned(), json!(host));
        }
        for field in self.given().into_iter().filter(|field| field.servers().contains(&Server::Identity)) {
            end_device.extend(field.members(self).into_iter().map(|(name, value)| (name.to_owned(), value)));
        }
        json!({"end_device": end_device})
    }

    /// The body that registers the device at one of the other servers, or writes these fields anew there.
    #[must_use]
    pub fn registration(&self, server: Server, host: &str, fields: &[Field]) -> Value {
        let mut writing =
            Writing { end_device: self.identified(), paths: vec!["ids.device_id", "ids.dev_eui", "ids.join_eui"] };
        match server {
            Server::Join => {
                writing.set("network_server_address", json!(host));
                writing.set("application_server_address", json!(host));
            }
            Server::Network => writing.set("supports_join", json!(true)),
            Server::Identity | Server::Application => {}
        }
        writing.add(self, server, fields);
        writing.body()
    }

    /// The body that writes just these fields at a server, `None` if it holds none of them.
    #[must_use]
    pub fn change(&self, server: Server, fields: &[Field]) -> Option<Value> {
        let mut writing = Writing { end_device: self.identified(), paths: Vec::new() };
        writing.add(self, server, fields);
        (!writing.paths.is_empty()).then(|| writing.body())
    }

    /// The device's ids; EUIs must be in every body, although they can never change.
    fn identified(&self) -> Map<String, Value> {
        let ids = json!({
            "device_id": self.ids.device_id(),
            "application_ids": {"application_id": self.ids.application_id()},
            "dev_eui": self.dev_eui,
            "join_eui": self.join_eui,
        });
        Map::from_iter([("ids".to_owned(), ids)])
    }
}

/// A body under construction.
struct Writing {
    end_device: Map<String, Value>,
    paths: Vec<&'static str>,
}

impl Writing {
    fn set(&mut self, name: &'static str, value: Value) {
        self.end_device.insert(name.to_owned(), value);
        self.paths.push(name);
    }

    fn add(&mut self, device: &EndDevice, server: Server, fields: &[Field]) {
        for field in fields.iter().filter(|field| field.servers().contains(&server)) {
            // A path without a value clears it.
            let members = field.members(device).into_iter().filter(|(_, value)| !value.is_null());
            self.end_device.extend(members.map(|(name, value)| (name.to_owned(), value)));
            self.paths.extend(field.paths(device));
        }
    }

    fn body(self) -> Value {
        json!({"end_device": self.end_device, "field_mask": {"paths": self.paths}})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> EndDevice {
        EndDevice {
            ids: EndDeviceIds::new("plant-a", "sensor-1").unwrap(),
            dev_eui: "70B3D57ED0000001".to_owned(),
            join_eui: "70B3D57ED0FFFF00".to_owned(),
            name: Some("Sensor 1".to_owned()),
            description: None,
            lorawan_version: "MAC_V1_1",
            lorawan_phy_version: "PHY_V1_1_REV_B",
            frequency_plan_id: "EU_863_870_TTN".to_owned(),
            supports_class_b: None,
            supports_class_c: Some(true),
            app_key: Secret::new("00112233445566778899AABBCCDDEEFF"),
            nwk_key: Some(Secret::new("FFEEDDCCBBAA99887766554433221100")),
            version_ids: VersionIds {
                brand_id: Some("acme".to_owned()),
                model_id: Some("t1000".to_owned()),
                hardware_version: Some("1.0".to_owned()),
                firmware_version: Some("1.2".to_owned()),
                band_id: Some("EU_863_870".to_owned()),
            },
        }
    }

    #[test]
    fn every_server_gets_what_it_holds_and_a_mask_that_says_so() {
        let device = device();
        insta::assert_json_snapshot!(json!({
            "identity": device.creation("eu1.cloud.thethings.network"),
            "join": device.registration(Server::Join, "eu1.cloud.thethings.network", &device.given()),
            "network": device.registration(Server::Network, "eu1.cloud.thethings.network", &device.given()),
            "application": device.registration(Server::Application, "eu1.cloud.thethings.network", &device.given()),
        }));
    }

    #[test]
    fn what_the_tags_do_not_mention_is_neither_sent_nor_masked() {
        let device = EndDevice {
            name: None,
            supports_class_c: None,
            nwk_key: None,
            version_ids: VersionIds { brand_id: Some("acme".to_owned()), ..VersionIds::default() },
            ..device()
        };
        insta::assert_json_snapshot!(json!({
            "identity": device.creation("localhost"),
            "join": device.registration(Server::Join, "localhost", &device.given()),
            "network": device.registration(Server::Network, "localhost", &device.given()),
            "application": device.registration(Server::Application, "localhost", &device.given()),
        }));
    }

    #[test]
    fn a_change_writes_its_fields_where_they_are_held_and_clears_what_is_gone() {
        let device = EndDevice { name: None, version_ids: VersionIds::default(), ..device() };
        let servers = [Server::Identity, Server::Join, Server::Network, Server::Application];
        let changed = |fields: &[Field]| servers.map(|server| device.change(server, fields));
        insta::assert_json_snapshot!(json!({
            "name": changed(&[Field::Name]),
            "frequency plan": changed(&[Field::FrequencyPlan]),
            "root keys": changed(&[Field::RootKeys]),
            "version ids": changed(&[Field::VersionIds]),
            "class c and description": changed(&[Field::ClassC, Field::Description]),
        }));
    }
}
