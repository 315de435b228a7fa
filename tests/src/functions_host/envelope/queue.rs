//! The envelope of a queue trigger, and the one of an admin call.

use serde_json::Value;
use time::OffsetDateTime;

use super::{DataType, Metadata, Sys, encoded, encoded_bytes, whole_seconds};
use crate::storage_queue::Message;

/// The last date .NET knows, where a message that was never in a queue has none.
const END_OF_TIME: &str = "9999-12-31T23:59:59+00:00";

/// `Data.<binding>`: the decoded message as text, or as base64 if the binding is binary.
#[must_use]
pub fn queue_data(body: &[u8], data_type: DataType) -> Value {
    match data_type {
        DataType::Absent | DataType::String => encoded(&String::from_utf8_lossy(body).into_owned().into()),
        DataType::Binary => encoded_bytes(body),
    }
}

/// `Metadata` of a message whose text decodes to `body`.
///
/// The members of a JSON body become metadata too and may **overwrite** the host's own, unless the data type is binary.
#[must_use]
pub fn queue_metadata(message: &Message, body: &[u8], data_type: DataType, sys: &Sys) -> Metadata {
    let mut metadata = Metadata::default();
    metadata.add("DequeueCount", &message.dequeue_count.into());
    metadata.add("Id", &message.id.as_str().into());
    metadata.add("PopReceipt", &message.pop_receipt.as_str().into());
    metadata.add_as_is("InsertionTime", with_offset(message.insertion_time).into());
    metadata.add_as_is("ExpirationTime", with_offset(message.expiration_time).into());
    metadata.add_as_is("NextVisibleTime", with_offset(message.next_visible_time).into());
    finish(&mut metadata, body, data_type, sys);
    metadata
}

/// `Metadata` of an admin call: its message was never in a queue, so it has neither id nor pop receipt.
#[must_use]
pub fn queue_admin_metadata(input: &str, data_type: DataType, sys: &Sys) -> Metadata {
    let mut metadata = Metadata::default();
    metadata.add("DequeueCount", &0.into());
    metadata.add_as_is("InsertionTime", with_offset(sys.utc_now).into());
    metadata.add_as_is("ExpirationTime", END_OF_TIME.into());
    metadata.add_as_is("NextVisibleTime", END_OF_TIME.into());
    finish(&mut metadata, input.as_bytes(), data_type, sys);
    metadata
}

fn finish(metadata: &mut Metadata, body: &[u8], data_type: DataType, sys: &Sys) {
    if data_type != DataType::Binary {
        metadata.spread_body(body);
    }
    metadata.add_sys(sys);
}

/// A date with an offset on its own: whole seconds, and the offset written out.
fn with_offset(time: OffsetDateTime) -> String {
    whole_seconds(time) + "+00:00"
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use uuid::Uuid;

    use super::super::envelope;
    use super::*;

    fn message(text: &str) -> Message {
        let insertion_time = OffsetDateTime::from_unix_timestamp_nanos(1_795_204_800_987_654_321).unwrap();
        Message {
            id: "7c9b6f0e-3d1a-4a57-9a0c-2b7a4b0e1d55".to_owned(),
            pop_receipt: "AgAAAAMAAAAAAAAA8wUQ2lp73AE=".to_owned(),
            insertion_time,
            expiration_time: insertion_time + Duration::from_hours(7 * 24),
            next_visible_time: insertion_time + Duration::from_mins(10),
            dequeue_count: 1,
            text: text.to_owned(),
        }
    }

    fn sys() -> Sys {
        Sys {
            method_name: "work".to_owned(),
            utc_now: OffsetDateTime::from_unix_timestamp_nanos(1_795_204_805_123_456_700).unwrap(),
            rand_guid: Uuid::nil(),
        }
    }

    fn sys_json() -> Value {
        json!({
            "MethodName": "work",
            "UtcNow": "2026-11-20T20:00:05.1234567Z",
            "RandGuid": "00000000-0000-0000-0000-000000000000",
        })
    }

    #[test]
    fn a_json_text_gives_the_documented_envelope_and_leaks_into_the_metadata() {
        let body = br#"{"device":"dev-7","op":"rotate","list":[1],"none":null}"#;
        let metadata = queue_metadata(&message("as stored"), body, DataType::Absent, &sys());
        let expected = json!({
            "Data": {"job": r#""{\"device\":\"dev-7\",\"op\":\"rotate\",\"list\":[1],\"none\":null}""#},
            "Metadata": {
                "DequeueCount": "1",
                "Id": "\"7c9b6f0e-3d1a-4a57-9a0c-2b7a4b0e1d55\"",
                "PopReceipt": "\"AgAAAAMAAAAAAAAA8wUQ2lp73AE=\"",
                "InsertionTime": "2026-11-20T20:00:00+00:00",
                "ExpirationTime": "2026-11-27T20:00:00+00:00",
                "NextVisibleTime": "2026-11-20T20:10:00+00:00",
                "device": "\"dev-7\"",
                "op": "\"rotate\"",
                "sys": sys_json(),
            },
        });
        assert_eq!(envelope("job", queue_data(body, DataType::Absent), metadata), expected);
    }

    #[test]
    fn a_text_may_overwrite_the_hosts_own_metadata_and_a_binary_message_may_not() {
        let body = br#"{"Id":"sly"}"#;
        let id = |data_type| queue_metadata(&message(""), body, data_type, &sys()).into_value()["Id"].clone();
        assert_eq!(id(DataType::String), "\"sly\"");
        assert_eq!(id(DataType::Binary), "\"7c9b6f0e-3d1a-4a57-9a0c-2b7a4b0e1d55\"");
        assert_eq!(queue_data(b"a\xff", DataType::Binary), "Yf8=");
        assert_eq!(queue_data(b"a\xff", DataType::String), "\"a\u{fffd}\"");
    }

    #[test]
    fn an_admin_call_gives_a_message_that_was_never_in_a_queue() {
        let expected = json!({
            "DequeueCount": "0",
            "InsertionTime": "2026-11-20T20:00:05+00:00",
            "ExpirationTime": "9999-12-31T23:59:59+00:00",
            "NextVisibleTime": "9999-12-31T23:59:59+00:00",
            "op": "\"rotate\"",
            "sys": sys_json(),
        });
        let metadata = queue_admin_metadata(r#"{"op":"rotate"}"#, DataType::Absent, &sys());
        assert_eq!(metadata.into_value(), expected);
    }
}
