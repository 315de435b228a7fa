//! A parked event delivered late must not bring back what has changed since; pure.

use serde_json::value::to_raw_value;
use serde_json::{Map, Value, json};

use crate::iot_hub::event::{HubEvent, Operation};

/// The event as it would read if it happened now, or `None` if newer events have overtaken all of it: they are
/// delivered themselves.
///
/// - The device is gone: only its deletion still matters. The device is there: its deletion does not, since it was
///   created anew.
/// - An event of the whole twin stays one: that the device was created matters in itself.
/// - Tags carry no versions; they are taken as they are now, keys included.
/// - A desired property that a newer version has changed or removed is left out; the others are as they are now.
pub(crate) fn as_of_now(event: HubEvent, twin: Option<&Value>) -> Option<HubEvent> {
    let mut body: Map<String, Value> = serde_json::from_str(event.body.get()).unwrap_or_default();
    let Some(twin) = twin else {
        // Tags come from the twin, and there is none.
        body.remove("tags");
        return (event.operation == Operation::Deleted)
            .then_some(HubEvent { body: to_raw_value(&body).ok()?, ..event });
    };
    if event.operation == Operation::Deleted {
        return None;
    }
    let tags = section(&body, &["tags"]).map(|tags| current_tags(tags, &twin["tags"]));
    let desired = section(&body, &["properties", "desired"]);
    let desired = desired.map(|desired| current_desired(desired, &twin["properties"]["desired"]));
    let is_patch = event.operation == Operation::TwinUpdated;
    let tags = tags.filter(|tags| !tags.is_empty());
    let desired = desired.filter(|desired| !is_patch || desired.keys().any(|key| !key.starts_with('$')));
    if is_patch && tags.is_none() && desired.is_none() {
        return None;
    }
    body.remove("tags");
    body.remove("properties");
    body.extend(tags.map(|tags| ("tags".to_owned(), tags.into())));
    body.extend(desired.map(|desired| ("properties".to_owned(), json!({"desired": desired}))));
    Some(HubEvent { body: to_raw_value(&body).ok()?, ..event })
}

fn section<'a>(body: &'a Map<String, Value>, path: &[&str]) -> Option<&'a Map<String, Value>> {
    let (last, parents) = path.split_last()?;
    parents.iter().try_fold(body, |section, name| section.get(*name)?.as_object())?.get(*last)?.as_object()
}

/// The tags a patch names, as they are now.
fn current_tags(patch: &Map<String, Value>, now: &Value) -> Map<String, Value> {
    let current = |(key, then): (&String, &Value)| match now.get(key) {
        Some(value) => Some((key.clone(), value.clone())),
        // Removed by this very patch, or by a newer one.
        None => then.is_null().then(|| (key.clone(), Value::Null)),
    };
    patch.iter().filter_map(current).collect()
}

/// The desired properties a patch names, as they are now, without those a newer version has changed or removed.
fn current_desired(patch: &Map<String, Value>, now: &Value) -> Map<String, Value> {
    let version = patch.get("$version").and_then(Value::as_u64);
    let metadata = &now["$metadata"];
    let mut kept_metadata = Map::new();
    let mut desired = Map::new();
    for (key, then) in patch.iter().filter(|(key, _)| !key.starts_with('$')) {
        let changed_in = metadata[key]["$lastUpdatedVersion"].as_u64();
        match now.get(key) {
            Some(value) if version.is_none() || changed_in.is_none() || changed_in <= version => {
                desired.insert(key.clone(), value.clone());
                kept_metadata.insert(key.clone(), metadata[key].clone());
            }
            None if then.is_null() => drop(desired.insert(key.clone(), Value::Null)),
            Some(_) | None => {}
        }
    }
    desired.insert("$metadata".to_owned(), kept_metadata.into());
    // The version at which these values came to be: a newer one would make them look newer than they are.
    desired.extend(patch.get("$version").map(|version| ("$version".to_owned(), version.clone())));
    desired
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(operation: Operation, body: &Value) -> HubEvent {
        HubEvent {
            operation,
            device_id: "sensor-1".to_owned(),
            body: to_raw_value(body).unwrap(),
            properties: Map::new(),
        }
    }

    fn now(operation: Operation, body: &Value, twin: Option<&Value>) -> Option<Value> {
        as_of_now(event(operation, body), twin).map(|event| serde_json::from_str(event.body.get()).unwrap())
    }

    fn twin() -> Value {
        json!({
            "deviceId": "sensor-1", "version": 9, "status": "enabled",
            "tags": {"lorawan": {"devEui": "70B3", "appKey": "0011"}, "site": "roof"},
            "properties": {
                "desired": {
                    "led": "on", "interval": 60,
                    "$metadata": {"led": {"$lastUpdatedVersion": 5}, "interval": {"$lastUpdatedVersion": 7}, "$lastUpdatedVersion": 7},
                    "$version": 7,
                },
                "reported": {"x": 1},
            },
        })
    }

    #[test]
    fn keys_left_out_of_the_queue_are_read_anew() {
        let patch = json!({"version": 4, "tags": {"lorawan": {"devEui": "70B3"}}});
        let expected = json!({"version": 4, "tags": {"lorawan": {"devEui": "70B3", "appKey": "0011"}}});
        assert_eq!(now(Operation::TwinUpdated, &patch, Some(&twin())), Some(expected));
    }

    #[test]
    fn desired_properties_overtaken_by_a_newer_version_are_left_out() {
        let patch = json!({"version": 6, "properties": {"desired": {"led": "on", "interval": 30, "gone": 1, "removed": null, "$version": 5}}});
        let expected = json!({"version": 6, "properties": {"desired": {
            "led": "on", "removed": null, "$metadata": {"led": {"$lastUpdatedVersion": 5}}, "$version": 5,
        }}});
        assert_eq!(now(Operation::TwinUpdated, &patch, Some(&twin())), Some(expected));
        let overtaken =
            json!({"version": 6, "properties": {"desired": {"interval": 30, "$version": 6}}, "tags": {"floor": 1}});
        assert_eq!(now(Operation::TwinUpdated, &overtaken, Some(&twin())), None);
    }

    #[test]
    fn an_event_of_a_whole_twin_stays_one_without_what_is_newer() {
        let body = json!({"deviceId": "sensor-1", "version": 6, "tags": {"lorawan": true}, "properties": {"desired": {"led": "on", "interval": 30, "$version": 5}}});
        let expected = json!({
            "deviceId": "sensor-1", "version": 6, "tags": {"lorawan": {"devEui": "70B3", "appKey": "0011"}},
            "properties": {"desired": {"led": "on", "$metadata": {"led": {"$lastUpdatedVersion": 5}}, "$version": 5}},
        });
        for operation in [Operation::TwinReplaced, Operation::Created] {
            assert_eq!(now(operation, &body, Some(&twin())), Some(expected.clone()));
            let bare = json!({"deviceId": "sensor-1", "version": 2});
            assert_eq!(now(operation, &bare, Some(&twin())), Some(bare.clone()), "that it happened matters still");
        }
    }

    #[test]
    fn of_a_device_that_is_gone_only_its_deletion_matters_and_of_one_that_is_back_it_does_not() {
        let body = json!({"deviceId": "sensor-1", "tags": {"lorawan": true}});
        assert_eq!(now(Operation::Deleted, &body, None), Some(json!({"deviceId": "sensor-1"})));
        assert_eq!(now(Operation::Deleted, &body, Some(&twin())), None);
        for operation in [Operation::Created, Operation::TwinUpdated, Operation::TwinReplaced] {
            assert_eq!(now(operation, &body, None), None);
        }
    }
}
