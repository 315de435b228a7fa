//! One half of a twin's properties, desired or reported: values, their metadata and a version.

use serde_json::{Map, Value, json};

use super::clock::NEVER;

/// When a change happened. Desired metadata also says in which version, reported metadata does not.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    time: String,
    version: Option<u64>,
}

impl Stamp {
    fn mark(&self, metadata: &mut Map<String, Value>) {
        metadata.insert("$lastUpdated".to_owned(), json!(self.time));
        if let Some(version) = self.version {
            metadata.insert("$lastUpdatedVersion".to_owned(), json!(version));
        }
    }

    fn node(&self) -> Value {
        let mut metadata = Map::new();
        self.mark(&mut metadata);
        Value::Object(metadata)
    }
}

/// Desired or reported properties.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    properties: Map<String, Value>,
    metadata: Map<String, Value>,
    version: u64,
    versioned: bool,
}

impl Section {
    pub(crate) fn desired() -> Self {
        Self::new(true)
    }

    pub(crate) fn reported() -> Self {
        Self::new(false)
    }

    fn new(versioned: bool) -> Self {
        let mut metadata = Map::new();
        metadata.insert("$lastUpdated".to_owned(), json!(NEVER));
        Self { properties: Map::new(), metadata, version: 1, versioned }
    }

    pub(crate) fn properties(&self) -> &Map<String, Value> {
        &self.properties
    }

    /// Merges a patch. Every patch makes a new version, also one that changes nothing; a leaf whose value stays
    /// keeps its metadata, so `$lastUpdatedVersion == $version` says what really changed.
    pub(crate) fn merge(&mut self, patch: &Map<String, Value>, time: &str) {
        let stamp = self.next(time);
        merge(&mut self.properties, &mut self.metadata, patch, &stamp);
        stamp.mark(&mut self.metadata);
    }

    /// Fills a new section without making a second version.
    pub(crate) fn begin(&mut self, properties: &Map<String, Value>, time: &str) {
        self.version = 0;
        self.replace(properties, time);
    }

    /// Puts other properties in place of all there are, in a new version.
    pub(crate) fn replace(&mut self, properties: &Map<String, Value>, time: &str) {
        let stamp = self.next(time);
        self.properties.clear();
        self.metadata.clear();
        stamp.mark(&mut self.metadata);
        merge(&mut self.properties, &mut self.metadata, properties, &stamp);
    }

    /// The properties with `$metadata` and `$version`.
    pub(crate) fn document(&self) -> Value {
        self.with_metadata(&self.properties, Value::Object(self.metadata.clone()))
    }

    /// A patch as twin-change events show it: what was submitted (nulls too), with the metadata of just that.
    pub(crate) fn submitted(&self, patch: &Map<String, Value>) -> Value {
        self.with_metadata(patch, Value::Object(metadata_of(patch, &self.metadata)))
    }

    /// The properties with `$version` alone, as devices get them.
    pub(crate) fn device_document(&self) -> Value {
        self.with_version(self.properties.clone())
    }

    /// What a device has to merge into older properties to have these: all of them, and null for what is gone.
    pub(crate) fn since(&self, before: &Map<String, Value>) -> Value {
        self.with_version(since(&self.properties, before))
    }

    fn with_version(&self, mut document: Map<String, Value>) -> Value {
        document.insert("$version".to_owned(), json!(self.version));
        Value::Object(document)
    }

    fn with_metadata(&self, properties: &Map<String, Value>, metadata: Value) -> Value {
        let mut document = properties.clone();
        document.insert("$metadata".to_owned(), metadata);
        document.insert("$version".to_owned(), json!(self.version));
        Value::Object(document)
    }

    fn next(&mut self, time: &str) -> Stamp {
        self.version += 1;
        Stamp { time: time.to_owned(), version: self.versioned.then_some(self.version) }
    }
}

fn since(now: &Map<String, Value>, before: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for (key, value) in now {
        let value = match (value, before.get(key)) {
            (Value::Object(now), Some(Value::Object(before))) => Value::Object(since(now, before)),
            _ => value.clone(),
        };
        patch.insert(key.clone(), value);
    }
    let gone = before.keys().filter(|key| !now.contains_key(*key));
    patch.extend(gone.map(|key| (key.clone(), Value::Null)));
    patch
}

/// Merge patch (RFC 7396) without metadata, for tags.
pub(crate) fn merge_plain(properties: &mut Map<String, Value>, patch: &Map<String, Value>) {
    let stamp = Stamp { time: String::new(), version: None };
    merge(properties, &mut Map::new(), patch, &stamp);
}

/// Merge patch that keeps metadata in step; says whether anything changed.
fn merge(
    properties: &mut Map<String, Value>,
    metadata: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    stamp: &Stamp,
) -> bool {
    let mut changed = false;
    for (key, value) in patch {
        changed |= match value {
            Value::Null => {
                metadata.shift_remove(key);
                properties.shift_remove(key).is_some()
            }
            Value::Object(inner) => merge_object(properties, metadata, (key, inner), stamp),
            _ if properties.get(key) == Some(value) => false,
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                metadata.insert(key.clone(), stamp.node());
                properties.insert(key.clone(), value.clone());
                true
            }
        };
    }
    changed
}

fn merge_object(
    properties: &mut Map<String, Value>,
    metadata: &mut Map<String, Value>,
    (key, patch): (&str, &Map<String, Value>),
    stamp: &Stamp,
) -> bool {
    let mut is_new = false;
    if !properties.get(key).is_some_and(Value::is_object) {
        properties.insert(key.to_owned(), json!({}));
        metadata.insert(key.to_owned(), stamp.node());
        is_new = true;
    }
    let below = metadata.entry(key).or_insert_with(|| json!({}));
    let (Some(Value::Object(properties)), Value::Object(below)) = (properties.get_mut(key), below) else {
        return is_new;
    };
    let changed = merge(properties, below, patch, stamp) || is_new;
    if changed {
        stamp.mark(below);
    }
    changed
}

fn metadata_of(patch: &Map<String, Value>, metadata: &Map<String, Value>) -> Map<String, Value> {
    let mut selected = Map::new();
    for (key, value) in metadata {
        match (patch.get(key), value) {
            _ if key.starts_with('$') => {
                selected.insert(key.clone(), value.clone());
            }
            (Some(Value::Object(patch)), Value::Object(below)) => {
                selected.insert(key.clone(), Value::Object(metadata_of(patch, below)));
            }
            (Some(_), _) => {
                selected.insert(key.clone(), value.clone());
            }
            (None, _) => {}
        }
    }
    selected
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_patch_merges_like_rfc_7396() {
        let table = [
            ("null deletes", json!({"a": 1, "b": 2}), json!({"a": null}), json!({"b": 2})),
            ("null of nothing is nothing", json!({}), json!({"a": null}), json!({})),
            ("objects merge", json!({"a": {"b": 1, "c": 2}}), json!({"a": {"c": 3}}), json!({"a": {"b": 1, "c": 3}})),
            ("the last leaf leaves an object", json!({"a": {"b": 1}}), json!({"a": {"b": null}}), json!({"a": {}})),
            ("arrays are replaced", json!({"a": [1, 2]}), json!({"a": [3]}), json!({"a": [3]})),
            ("a leaf becomes an object", json!({"a": 1}), json!({"a": {"b": 2, "c": null}}), json!({"a": {"b": 2}})),
            ("an object becomes a leaf", json!({"a": {"b": 2}}), json!({"a": 1}), json!({"a": 1})),
        ];
        for (name, before, patch, after) in table {
            let mut section = Section::desired();
            section.merge(&object(before), "T2");
            section.merge(&object(patch), "T3");
            assert_eq!(Value::Object(section.properties().clone()), after, "{name}");
        }
    }

    #[test]
    fn a_new_section_has_never_changed() {
        let document = json!({"$metadata": {"$lastUpdated": "0001-01-01T00:00:00Z"}, "$version": 1});
        assert_eq!(Section::desired().document(), document);
        assert_eq!(Section::reported().document(), document);
    }

    #[test]
    fn desired_metadata_says_when_and_in_which_version_each_leaf_changed() {
        let mut section = Section::desired();
        section.merge(&object(json!({"interval": 60, "led": {"color": "red", "on": true}})), "T2");
        section.merge(&object(json!({"interval": 60, "led": {"color": "blue"}})), "T3");
        let expected = json!({
            "interval": 60, "led": {"color": "blue", "on": true},
            "$metadata": {
                "$lastUpdated": "T3", "$lastUpdatedVersion": 3,
                "interval": {"$lastUpdated": "T2", "$lastUpdatedVersion": 2},
                "led": {
                    "$lastUpdated": "T3", "$lastUpdatedVersion": 3,
                    "color": {"$lastUpdated": "T3", "$lastUpdatedVersion": 3},
                    "on": {"$lastUpdated": "T2", "$lastUpdatedVersion": 2}
                }
            },
            "$version": 3
        });
        assert_eq!(section.document(), expected);
    }

    #[test]
    fn an_event_shows_the_submitted_patch_with_its_own_metadata() {
        let mut section = Section::reported();
        section.merge(&object(json!({"battery": 3.1, "gone": 1, "rf": {"snr": 7, "rssi": -90}})), "T2");
        let patch = object(json!({"gone": null, "rf": {"snr": 8}}));
        section.merge(&patch, "T3");
        let expected = json!({
            "gone": null, "rf": {"snr": 8},
            "$metadata": {"$lastUpdated": "T3", "rf": {"$lastUpdated": "T3", "snr": {"$lastUpdated": "T3"}}},
            "$version": 3
        });
        assert_eq!(section.submitted(&patch), expected);
    }

    #[test]
    fn a_replacement_starts_the_metadata_over() {
        let mut section = Section::desired();
        section.merge(&object(json!({"a": 1, "b": 2})), "T2");
        section.replace(&object(json!({"a": 1})), "T3");
        let stamp = json!({"$lastUpdated": "T3", "$lastUpdatedVersion": 3});
        let metadata = json!({"$lastUpdated": "T3", "$lastUpdatedVersion": 3, "a": stamp});
        assert_eq!(section.document(), json!({"a": 1, "$metadata": metadata, "$version": 3}));
    }

    fn json_value() -> impl proptest::strategy::Strategy<Value = Value> {
        use proptest::prelude::*;
        let leaf = prop_oneof![Just(Value::Null), (0..3).prop_map(Value::from), Just(json!([1, 2]))];
        leaf.prop_recursive(4, 24, 4, |inner| {
            proptest::collection::hash_map("[a-c]", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect()))
        })
    }

    /// RFC 7396 section 2, word for word.
    fn rfc_7396(target: Value, patch: &Value) -> Value {
        let Value::Object(patch) = patch else { return patch.clone() };
        let mut target = if let Value::Object(target) = target { target } else { Map::new() };
        for (name, value) in patch {
            let old = target.shift_remove(name).unwrap_or(Value::Null);
            if !value.is_null() {
                target.insert(name.clone(), rfc_7396(old, value));
            }
        }
        Value::Object(target)
    }

    /// Every property has metadata and nothing else has.
    fn is_in_step(value: &Value, metadata: &Value) -> bool {
        let (Some(value), Some(metadata)) = (value.as_object(), metadata.as_object()) else {
            return metadata.is_object();
        };
        metadata.keys().all(|key| key.starts_with('$') || value.contains_key(key))
            && value.iter().all(|(key, value)| metadata.get(key).is_some_and(|below| is_in_step(value, below)))
    }

    proptest::proptest! {
        #[test]
        fn any_two_patches_merge_like_the_rfc_and_keep_the_metadata_in_step(first in json_value(), second in json_value()) {
            let mut section = Section::desired();
            let mut expected = json!({});
            for patch in [first, second] {
                if let Value::Object(object) = &patch {
                    section.merge(object, "T");
                    expected = rfc_7396(expected, &patch);
                }
            }
            assert_eq!(Value::Object(section.properties.clone()), expected);
            assert!(is_in_step(&expected, &Value::Object(section.metadata.clone())), "{:?}", section.metadata);
        }
    }
}
