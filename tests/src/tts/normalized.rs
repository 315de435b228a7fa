//! An uplink that becomes several messages.

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::envelope::{application_up, inherited_correlation_ids};
use super::messages::Device;
use super::radio::extend;
use super::ulid::before;

impl Device {
    /// One uplink with two normalized measurements and coordinates, as its four messages: two `uplink_normalized`, a
    /// `location_solved` and the `uplink_message`. The first three carry the uplink's correlation ids and a newer
    /// `as:up:` id of their own, not always at the end. Order of arrival is not guaranteed.
    #[must_use]
    pub fn normalized_uplink(&self, f_cnt: u32) -> Vec<Value> {
        let time = self.now();
        let measured = [json!({"air": {"temperature": 21.5}, "time": before(time, 1000)}), json!({"battery": 3.1})];
        let position = json!({"latitude": 52.37, "longitude": 4.88, "altitude": 3, "source": "SOURCE_GPS"});
        let mut uplink = self.clone().at(time).uplink(2, f_cnt, &[1, 2, 3]);
        let content = &mut uplink["uplink_message"];
        let mut normalized = content.clone();
        remove(&mut normalized, "decoded_payload");
        remove(&mut normalized, "packet_error_rate");
        extend(&mut content["decoded_payload"], json!({"latitude": 52.37, "longitude": 4.88}));
        let located = json!({"service": "frm-payload", "location": &position});
        extend(content, json!({"normalized_payload": &measured, "locations": {"frm-payload": position}}));
        let mut messages = Vec::new();
        for measurement in measured {
            normalized["normalized_payload"] = measurement;
            messages.push(self.child(&uplink, messages.len(), "uplink_normalized", normalized.clone()));
        }
        let mut located = self.child(&uplink, messages.len(), "location_solved", located);
        located["correlation_ids"].as_array_mut().into_iter().for_each(|ids| ids.rotate_right(1));
        messages.extend([located, uplink]);
        messages
    }

    /// The `index`th message caused by an uplink, published that many milliseconds and one after it.
    fn child(&self, uplink: &Value, index: usize, message_type: &str, content: Value) -> Value {
        let received_at = uplink["received_at"].as_str().unwrap_or_default();
        let parent_time = OffsetDateTime::parse(received_at, &Rfc3339).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let time = parent_time + Duration::milliseconds(1 + i64::try_from(index).unwrap_or_default());
        application_up(self.ids(), inherited_correlation_ids(uplink, time), time, message_type, content)
    }
}

fn remove(object: &mut Value, name: &str) {
    object.as_object_mut().into_iter().for_each(|object| drop(object.shift_remove(name)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tts::messages::message_type;

    fn as_up_ids(message: &Value) -> Vec<&str> {
        let ids = message["correlation_ids"].as_array().expect("correlation_ids");
        ids.iter().filter_map(Value::as_str).filter(|id| id.starts_with("as:up:")).collect()
    }

    #[test]
    fn messages_of_one_uplink_share_its_id_and_have_a_newer_one_of_their_own() {
        let messages = Device::new("plant-a", "sensor-1").normalized_uplink(17);
        let types: Vec<_> = messages.iter().filter_map(message_type).collect();
        assert_eq!(types, ["uplink_normalized", "uplink_normalized", "location_solved", "uplink_message"]);
        let parent = as_up_ids(&messages[3])[0];
        let mut own = vec![parent];
        for message in &messages[..3] {
            let ids = as_up_ids(message);
            assert!(ids.len() == 2 && ids.contains(&parent), "{ids:?}");
            own.extend(ids.iter().filter(|id| **id > parent));
        }
        own.sort_unstable();
        own.dedup();
        assert_eq!(own.len(), 4, "{own:?}");
        let mut received_at: Vec<_> = messages.iter().map(|message| message["received_at"].as_str()).collect();
        received_at.dedup();
        assert_eq!(received_at.len(), 4, "{received_at:?}");
        assert_eq!(messages[1]["uplink_normalized"]["normalized_payload"], json!({"battery": 3.1}));
        assert_eq!(messages[1]["uplink_normalized"].get("decoded_payload"), None);
    }
}
