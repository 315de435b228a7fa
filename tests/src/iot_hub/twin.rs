//! A device twin: tags, desired and reported properties, their versions and how they change.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::error::HubError;
use super::limits::{self, PROPERTIES_BYTES, TAGS_BYTES};
use super::section::{Section, merge_plain};

/// What a service may write: tags and desired properties. A `reported` beside them is ignored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TwinPatch {
    tags: Option<Map<String, Value>>,
    desired: Option<Map<String, Value>>,
}

impl TwinPatch {
    pub(crate) fn parse(body: &Value) -> Result<Self, HubError> {
        let tags = section("tags", body.get("tags"))?;
        let desired = section("properties.desired", body.pointer("/properties/desired"))?;
        Ok(Self { tags, desired })
    }

    /// Nothing a service could change.
    pub(crate) fn is_empty(&self) -> bool {
        self.tags.is_none() && self.desired.is_none()
    }
}

/// The twin of one device. It exists from the moment the identity does.
#[derive(Debug, Clone)]
pub(crate) struct Twin {
    tags: Map<String, Value>,
    desired: Section,
    reported: Section,
    version: u64,
    /// Moves with tags and desired properties only.
    etag: u64,
}

impl Twin {
    pub(crate) fn new() -> Self {
        Self { tags: Map::new(), desired: Section::desired(), reported: Section::reported(), version: 2, etag: 1 }
    }

    /// A twin that begins with tags and desired properties; they belong to version 1 (not verified live).
    pub(crate) fn with(initial: &TwinPatch, time: &str) -> Result<Self, HubError> {
        let mut twin = Self::new();
        if let Some(tags) = &initial.tags {
            merge_plain(&mut twin.tags, tags);
        }
        if let Some(desired) = &initial.desired {
            twin.desired.begin(desired, time);
        }
        twin.check_size()?;
        Ok(twin)
    }

    /// Eight bytes, big-endian, in base64: `AAAAAAAAAAE=`.
    pub(crate) fn etag(&self) -> String {
        STANDARD.encode(self.etag.to_be_bytes())
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Merges tags and desired properties; answers with the body of the `updateTwin` event.
    pub(crate) fn patch(&mut self, patch: &TwinPatch, time: &str) -> Result<Value, HubError> {
        let mut next = self.clone();
        next.version += 1;
        next.etag += 1;
        let mut event = json!({ "version": next.version });
        if let Some(tags) = &patch.tags {
            merge_plain(&mut next.tags, tags);
            event["tags"] = Value::Object(tags.clone());
        }
        if let Some(desired) = &patch.desired {
            next.desired.merge(desired, time);
            event["properties"] = json!({ "desired": next.desired.submitted(desired) });
        }
        next.check_size()?;
        *self = next;
        Ok(event)
    }

    /// Puts tags and desired properties in place of all there are; what the body leaves out becomes empty. Answers
    /// with what that changes for the device.
    pub(crate) fn replace(&mut self, patch: &TwinPatch, time: &str) -> Result<Value, HubError> {
        let mut next = self.clone();
        next.version += 1;
        next.etag += 1;
        next.tags.clear();
        merge_plain(&mut next.tags, &patch.tags.clone().unwrap_or_default());
        next.desired.replace(&patch.desired.clone().unwrap_or_default(), time);
        next.check_size()?;
        let news = next.desired.since(self.desired.properties());
        *self = next;
        Ok(news)
    }

    /// Merges reported properties, as a device does; answers with the body of the `updateTwin` event.
    pub(crate) fn report(&mut self, patch: &Value, time: &str) -> Result<Value, HubError> {
        let patch = patch.as_object().ok_or_else(|| HubError::argument("reported: not a JSON object"))?;
        limits::check_patch("reported", patch)?;
        let mut next = self.clone();
        next.version += 1;
        next.reported.merge(patch, time);
        next.check_size()?;
        *self = next;
        Ok(json!({ "version": self.version, "properties": { "reported": self.reported.submitted(patch) } }))
    }

    /// The twin as lifecycle and `replaceTwin` events carry it: no status, no authentication.
    pub(crate) fn event_document(&self, device_id: &str) -> Value {
        let mut document = json!({ "deviceId": device_id, "etag": self.etag(), "version": self.version });
        if !self.tags.is_empty() {
            document["tags"] = Value::Object(self.tags.clone());
        }
        document["properties"] = self.properties();
        document
    }

    pub(crate) fn tags(&self) -> &Map<String, Value> {
        &self.tags
    }

    pub(crate) fn properties(&self) -> Value {
        json!({ "desired": self.desired.document(), "reported": self.reported.document() })
    }

    /// Both sections as the device gets them: versions and no metadata, no tags.
    pub(crate) fn device_document(&self) -> Value {
        json!({ "desired": self.desired.device_document(), "reported": self.reported.device_document() })
    }

    fn check_size(&self) -> Result<(), HubError> {
        limits::check_size("tags", &self.tags, TAGS_BYTES)?;
        limits::check_size("desired", self.desired.properties(), PROPERTIES_BYTES)?;
        limits::check_size("reported", self.reported.properties(), PROPERTIES_BYTES)
    }
}

fn section(name: &str, value: Option<&Value>) -> Result<Option<Map<String, Value>>, HubError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => {
            limits::check_patch(name, object)?;
            Ok(Some(object.clone()))
        }
        Some(_) => Err(HubError::argument(format!("{name}: not a JSON object"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(twin: &mut Twin, body: &Value) -> Result<Value, HubError> {
        twin.patch(&TwinPatch::parse(body)?, "T")
    }

    fn versions(twin: &Twin) -> (u64, u64, u64, String) {
        let properties = twin.properties();
        let version = |section: &str| properties[section]["$version"].as_u64().unwrap();
        (twin.version, version("desired"), version("reported"), twin.etag())
    }

    #[test]
    fn each_change_moves_exactly_the_versions_it_concerns() {
        let mut twin = Twin::new();
        assert_eq!(versions(&twin), (2, 1, 1, "AAAAAAAAAAE=".to_owned()));
        patched(&mut twin, &json!({"tags": {"site": "roof"}})).unwrap();
        assert_eq!(versions(&twin), (3, 1, 1, "AAAAAAAAAAI=".to_owned()));
        patched(&mut twin, &json!({"tags": {}, "properties": {"desired": {}}})).unwrap();
        assert_eq!(versions(&twin), (4, 2, 1, "AAAAAAAAAAM=".to_owned()));
        twin.report(&json!({"battery": 3}), "T").unwrap();
        assert_eq!(versions(&twin), (5, 2, 2, "AAAAAAAAAAM=".to_owned()));
        twin.replace(&TwinPatch::parse(&json!({})).unwrap(), "T").unwrap();
        assert_eq!(versions(&twin), (6, 3, 2, "AAAAAAAAAAQ=".to_owned()));
        assert!(twin.tags.is_empty());
    }

    #[test]
    fn a_refused_patch_changes_nothing() {
        let mut twin = Twin::new();
        let table = [
            json!({"tags": 1}),
            json!({"tags": {"a b": 1}}),
            json!({"properties": {"desired": []}}),
            json!({"properties": {"desired": {"$version": 1}}}),
            json!({"tags": {"a": "x".repeat(4000), "b": "x".repeat(4000), "c": "x".repeat(400)}}),
        ];
        for body in table {
            assert_eq!(patched(&mut twin, &body).unwrap_err().code.name(), "ArgumentInvalid", "{body}");
        }
        assert!(twin.report(&json!([]), "T").is_err());
        assert_eq!(versions(&twin), versions(&Twin::new()));
    }

    #[test]
    fn a_service_cannot_write_reported_properties() {
        let patch = TwinPatch::parse(&json!({"properties": {"reported": {"a": 1}}})).unwrap();
        assert!(patch.is_empty());
    }
}
