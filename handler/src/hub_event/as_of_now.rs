//! A parked event delivered late must not bring back what has changed since; pure.

use serde_json::value::to_raw_value;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

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
    let happened_at = event.properties.get("operationTimestamp").and_then(time);
    let desired = desired.map(|desired| current_desired(desired, &twin["properties"]["desired"], happened_at));
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

/// A time as the hub writes it.
pub(super) fn time(text: &Value) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text.as_str()?, &Rfc3339).ok()
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

/// The desired properties a patch names, as they are now, without those a newer version has changed or removed. Versions
/// begin anew with a device created anew, so a version that is not there yet is of a former one, and times count as well.
fn current_desired(patch: &Map<String, Value>, now: &Value, happened_at: Option<OffsetDateTime>) -> Map<String, Value> {
    let version = patch.get("$version").and_then(Value::as_u64);
    let metadata = &now["$metadata"];
    // The change's own time is the hub's, and exact; the event's is only about the same.
    let happened_at = patch.get("$metadata").and_then(|metadata| time(&metadata["$lastUpdated"])).or(happened_at);
    let newest = now["$version"].as_u64();
    let is_of_a_former_device = newest.is_some() && version > newest;
    let is_newer = |metadata: &Value| {
        let changed_in = metadata["$lastUpdatedVersion"].as_u64();
        let changed_at = time(&metadata["$lastUpdated"]);
        let is_later = happened_at.is_some() && changed_at > happened_at;
        (version.is_some() && changed_in > version) || is_later || is_of_a_former_device
    };
    let mut kept_metadata = Map::new();
    let mut desired = Map::new();
    for (key, then) in patch.iter().filter(|(key, _)| !key.starts_with('$')) {
        match now.get(key) {
            Some(value) if !is_newer(&metadata[key]) => {
                desired.insert(key.clone(), current(then, value));
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

/// What a patch names of a value, as it is now, with `null` for what is gone.
fn current(then: &Value, now: &Value) -> Value {
    match (then, now) {
        (Value::Object(then), Value::Object(now)) => {
            let member = |(name, then): (&String, &Value)| {
                (name.clone(), now.get(name).map_or(Value::Null, |now| current(then, now)))
            };
            then.iter().map(member).collect()
        }
        _ => now.clone(),
    }
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
    fn a_change_of_a_device_that_was_deleted_since_brings_nothing_of_the_one_created_anew() {
        let twin = json!({"version": 3, "properties": {"desired": {
            "led": "on", "$version": 2,
            "$metadata": {"led": {"$lastUpdated": "2026-11-21T10:00:05Z", "$lastUpdatedVersion": 2}},
        }}});
        for (version, happened_at, is_overtaken) in [
            (9, "2026-11-21T10:00:04.1234567Z", true),
            (2, "2026-11-21T09:59:59Z", true),
            (2, "2026-11-21T10:00:04.9Z", true),
            (2, "2026-11-21T10:00:05.1+00:00", false),
        ] {
            let patch = json!({"version": 12, "properties": {"desired": {"led": "off", "$version": version}}});
            let properties = Map::from_iter([("operationTimestamp".to_owned(), json!(happened_at))]);
            let event = HubEvent { properties, ..event(Operation::TwinUpdated, &patch) };
            assert_eq!(as_of_now(event, Some(&twin)).is_none(), is_overtaken, "{happened_at}");
        }
    }

    #[test]
    fn the_changes_own_time_is_believed_before_the_events() {
        let metadata = json!({"led": {"$lastUpdated": "2026-11-21T10:00:05Z", "$lastUpdatedVersion": 2}});
        let twin = json!({"properties": {"desired": {"led": "on", "$version": 2, "$metadata": metadata}}});
        let properties = Map::from_iter([("operationTimestamp".to_owned(), json!("2026-11-21T10:00:04.99Z"))]);
        for (changed_at, is_overtaken) in [("2026-11-21T10:00:05Z", false), ("2026-11-21T10:00:04Z", true)] {
            let desired = json!({"led": "on", "$version": 2, "$metadata": {"$lastUpdated": changed_at}});
            let body = json!({"properties": {"desired": desired}});
            let event = HubEvent { properties: properties.clone(), ..event(Operation::TwinUpdated, &body) };
            assert_eq!(as_of_now(event, Some(&twin)).is_none(), is_overtaken, "{changed_at}");
        }
    }

    #[test]
    fn of_a_nested_value_only_what_the_patch_names_is_brought_up_to_date() {
        let twin = json!({"properties": {"desired": {
            "decodedPayload": {"led": "on", "dim": 3}, "$version": 5,
            "$metadata": {"decodedPayload": {"$lastUpdatedVersion": 5}},
        }}});
        let patch = json!({"properties": {"desired": {"decodedPayload": {"led": "off", "gone": 1}, "$version": 5}}});
        let now = now(Operation::TwinUpdated, &patch, Some(&twin)).unwrap();
        assert_eq!(now["properties"]["desired"]["decodedPayload"], json!({"led": "on", "gone": null}));
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
