//! What a late event may have broken because its device changed while it was under way; pure.

use serde_json::Value;

use crate::iot_hub::DeviceId;
use crate::iot_hub::event::{HubEvent, Operation};

/// The event that puts right what one submitted as of `before` has left in The Things Stack, now that the twin is
/// `after`; `None` if nothing has to be.
///
/// - The device is gone: a change that came behind its deletion has brought it back, so it is deleted once more.
/// - Its tags are others, or it is back behind its deletion: they are told again.
///
/// Desired values are not told again, neither newer ones nor, behind a deletion, all of them: to the package each is an
/// order for a downlink, and a device that acts twice is worse than one told late. The next change tells them anyway.
pub(super) fn correction(
    device_id: &DeviceId,
    submitted: Operation,
    before: Option<&Value>,
    after: Option<&Value>,
) -> Option<HubEvent> {
    match after {
        None => (submitted != Operation::Deleted).then(|| HubEvent::of_deletion(device_id)),
        Some(twin) if before.map(|before| &before["tags"]) == Some(&twin["tags"]) => None,
        Some(twin) => HubEvent::of_tags(device_id, twin),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn corrected(submitted: Operation, before: Option<&Value>, after: Option<&Value>) -> Option<(Operation, Value)> {
        let event = correction(&DeviceId::new("sensor-1").unwrap(), submitted, before, after)?;
        assert_eq!(event.properties["deviceId"], "sensor-1");
        assert_eq!(event.properties.get("operationTimestamp"), None, "it is no event of the hub");
        Some((event.operation, serde_json::from_str(event.body.get()).unwrap()))
    }

    #[test]
    fn a_device_that_a_late_change_brought_back_is_deleted_again() {
        let twin = json!({"version": 4, "tags": {"lorawan": {"devEui": "70B3"}}});
        let deletion = Some((Operation::Deleted, json!({"deviceId": "sensor-1"})));
        for submitted in [Operation::Created, Operation::TwinUpdated, Operation::TwinReplaced] {
            assert_eq!(corrected(submitted, Some(&twin), None), deletion);
        }
        assert_eq!(corrected(Operation::Deleted, None, None), None);
    }

    #[test]
    fn tags_that_changed_meanwhile_or_went_with_a_late_deletion_are_told_again_and_desired_values_are_not() {
        let twin = |site: &str, led: &str| json!({"version": 4, "tags": {"site": site}, "properties": {"desired": {"led": led}}});
        let (before, after) = (twin("roof", "off"), twin("cellar", "on"));
        let tags = Some((Operation::TwinUpdated, json!({"version": 4, "tags": {"site": "cellar"}})));
        assert_eq!(corrected(Operation::TwinUpdated, Some(&before), Some(&after)), tags);
        assert_eq!(corrected(Operation::Deleted, None, Some(&after)), tags);
        assert_eq!(corrected(Operation::TwinUpdated, Some(&twin("cellar", "off")), Some(&after)), None);
        assert_eq!(corrected(Operation::Deleted, None, Some(&json!({"version": 2}))), None, "nothing to tell");
    }
}
