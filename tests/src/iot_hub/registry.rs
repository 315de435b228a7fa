//! The identity registry: devices, each with its twin, and the rules for changing them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::clock;
use super::cloud_to_device::Queue;
use super::error::HubError;
use super::identity::Identity;
use super::twin::Twin;

/// The most devices one list answers with.
pub(crate) const MOST_DEVICES: usize = 1000;

/// An identity, its twin and what waits for the device.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) identity: Identity,
    pub(crate) twin: Twin,
    pub(crate) queue: Queue,
}

impl Device {
    /// The identity as the registry answers it.
    pub(crate) fn identity_document(&self) -> Value {
        let mut document = self.identity.document();
        document["cloudToDeviceMessageCount"] = json!(self.queue.len());
        document
    }

    /// The twin as the service API shows it. Live hubs write `PrimaryThumbprint` with a capital here.
    pub(crate) fn twin_document(&self) -> Value {
        let Self { identity, twin, queue } = self;
        let [primary, secondary] = identity.thumbprints();
        let mut document = json!({
            "deviceId": identity.device_id,
            "etag": twin.etag(),
            "deviceEtag": identity.etag(),
            "status": identity.status(),
            "statusUpdateTime": clock::NEVER,
            "connectionState": "Disconnected",
            "lastActivityTime": clock::NEVER,
            "cloudToDeviceMessageCount": queue.len(),
            "authenticationType": identity.authentication_type(),
            "x509Thumbprint": { "PrimaryThumbprint": primary, "SecondaryThumbprint": secondary },
            "modelId": "",
            "version": twin.version(),
        });
        if !twin.tags().is_empty() {
            document["tags"] = Value::Object(twin.tags().clone());
        }
        document["properties"] = twin.properties();
        document["capabilities"] = json!({ "iotEdge": identity.iot_edge() });
        document
    }
}

/// `If-Match`: absent, `*` or an entity tag, quoted or bare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Precondition {
    Absent,
    Any,
    Etag(String),
}

impl Precondition {
    pub(crate) fn parse(header: Option<&str>) -> Self {
        match header.map(|text| text.trim().trim_matches('"')) {
            None => Self::Absent,
            Some("*") => Self::Any,
            Some(etag) => Self::Etag(etag.to_owned()),
        }
    }

    pub(crate) fn check(&self, current: &str) -> Result<(), HubError> {
        match self {
            Self::Absent | Self::Any => Ok(()),
            Self::Etag(etag) if etag == current => Ok(()),
            Self::Etag(_) => Err(HubError::precondition_failed("Precondition failed: the entity tag is stale.")),
        }
    }
}

/// What a PUT did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    Created,
    Updated,
}

/// All devices of the hub; ids are case-sensitive.
#[derive(Debug, Default)]
pub(crate) struct Registry(BTreeMap<String, Device>);

impl Registry {
    pub(crate) fn get(&self, device_id: &str) -> Option<&Device> {
        self.0.get(device_id)
    }

    pub(crate) fn find(&self, device_id: &str) -> Result<&Device, HubError> {
        self.0.get(device_id).ok_or_else(|| HubError::device_not_found(device_id))
    }

    pub(crate) fn find_mut(&mut self, device_id: &str) -> Result<&mut Device, HubError> {
        self.0.get_mut(device_id).ok_or_else(|| HubError::device_not_found(device_id))
    }

    pub(crate) fn devices(&self) -> impl Iterator<Item = &Device> {
        self.0.values()
    }

    /// Without `If-Match` it only creates (with the given twin), with it it only updates: live behaviour, not the
    /// documented table.
    pub(crate) fn put(
        &mut self,
        device_id: &str,
        body: &Value,
        precondition: &Precondition,
        twin: Twin,
        now: OffsetDateTime,
    ) -> Result<Put, HubError> {
        match (self.0.get_mut(device_id), precondition) {
            (None, Precondition::Absent) => {
                let identity = Identity::create(device_id, body, now)?;
                self.0.insert(device_id.to_owned(), Device { identity, twin, queue: Queue::default() });
                Ok(Put::Created)
            }
            (Some(_), Precondition::Absent) => Err(HubError::device_already_exists(device_id)),
            (None, Precondition::Any | Precondition::Etag(_)) => Err(HubError::device_not_found(device_id)),
            (Some(device), Precondition::Any | Precondition::Etag(_)) => {
                precondition.check(&device.identity.etag())?;
                device.identity = device.identity.replaced(body, now)?;
                Ok(Put::Updated)
            }
        }
    }

    /// Needs `If-Match`.
    pub(crate) fn delete(&mut self, device_id: &str, precondition: &Precondition) -> Result<Device, HubError> {
        if *precondition == Precondition::Absent {
            return Err(HubError::precondition_failed("Etag missing"));
        }
        precondition.check(&self.find(device_id)?.identity.etag())?;
        self.0.remove(device_id).ok_or_else(|| HubError::device_not_found(device_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(registry: &mut Registry, if_match: Option<&str>) -> Result<Put, HubError> {
        let body = json!({"deviceId": "dev1"});
        registry.put("dev1", &body, &Precondition::parse(if_match), Twin::new(), OffsetDateTime::UNIX_EPOCH)
    }

    fn code<T: std::fmt::Debug>(result: Result<T, HubError>) -> &'static str {
        result.unwrap_err().code.name()
    }

    #[test]
    fn a_put_without_if_match_only_creates() {
        let mut registry = Registry::default();
        assert_eq!(put(&mut registry, None), Ok(Put::Created));
        assert_eq!(code(put(&mut registry, None)), "DeviceAlreadyExists");
    }

    #[test]
    fn a_put_with_if_match_only_updates() {
        let mut registry = Registry::default();
        assert_eq!(code(put(&mut registry, Some("*"))), "DeviceNotFound");
        put(&mut registry, None).unwrap();
        let etag = registry.find("dev1").unwrap().identity.etag();
        assert_eq!(put(&mut registry, Some(&format!("\"{etag}\""))), Ok(Put::Updated));
        assert_eq!(code(put(&mut registry, Some(&etag))), "PreconditionFailed");
        assert_eq!(put(&mut registry, Some("\"*\"")), Ok(Put::Updated));
    }

    #[test]
    fn a_delete_needs_if_match() {
        let mut registry = Registry::default();
        put(&mut registry, None).unwrap();
        let delete = |registry: &mut Registry, id, if_match| registry.delete(id, &Precondition::parse(if_match));
        assert_eq!(code(delete(&mut registry, "dev1", None)), "PreconditionFailed");
        assert_eq!(code(delete(&mut registry, "dev1", Some("\"old\""))), "PreconditionFailed");
        assert_eq!(code(delete(&mut registry, "Dev1", Some("*"))), "DeviceNotFound");
        assert!(delete(&mut registry, "dev1", Some("*")).is_ok());
        assert_eq!(code(delete(&mut registry, "dev1", Some("*"))), "DeviceNotFound");
    }

    #[test]
    fn the_twin_reads_as_the_service_api_answers() {
        let mut registry = Registry::default();
        put(&mut registry, None).unwrap();
        let device = registry.find("dev1").unwrap();
        let section = json!({"$metadata": {"$lastUpdated": "0001-01-01T00:00:00Z"}, "$version": 1});
        let expected = json!({
            "deviceId": "dev1", "etag": "AAAAAAAAAAE=", "deviceEtag": device.identity.etag(), "status": "enabled",
            "statusUpdateTime": "0001-01-01T00:00:00Z", "connectionState": "Disconnected",
            "lastActivityTime": "0001-01-01T00:00:00Z", "cloudToDeviceMessageCount": 0, "authenticationType": "sas",
            "x509Thumbprint": {"PrimaryThumbprint": null, "SecondaryThumbprint": null},
            "modelId": "", "version": 2, "properties": {"desired": section, "reported": section},
            "capabilities": {"iotEdge": false}
        });
        assert_eq!(device.twin_document(), expected);
    }
}
