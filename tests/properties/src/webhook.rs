//! Webhooks: whatever the text, the message made of it is legal for HTTP and the hub, and loses nothing but secrets.

use std::fmt::Write as _;
use std::sync::LazyLock;

use handler::fuzzing::device_to_cloud_message;
use handler::invocation::http_request;
use handler::iot_hub::DeviceToCloudMessage;
use handler::iot_hub::message::MAX_BYTES;
use handler::tts::Message;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::json_members::without;
use crate::json_text::{has_member, words};

const REMOVED: [&str; 2] = ["app_s_key", "uplink_token"];

/// What the hub allows besides letters and digits.
const IN_IDS: &str = "-:.+%_#*?!(),=@;$'";
const IN_PROPERTIES: &str = "!#$%&'*+-.^_`|~";

/// Gateways that together are larger than the hub takes.
static MANY_GATEWAYS: LazyLock<String> = LazyLock::new(|| {
    (0..300).fold(String::new(), |mut text, rssi| {
        let _ = write!(text, r#"{{"rssi":-{},"uplink_token":"{}"}},"#, rssi % 140, "t".repeat(16));
        let _ = write!(text, r#"{{"snr":{rssi},"gateway_ids":"{}"}},"#, "g".repeat(1_000));
        text
    })
});

/// An input that ends in a blank is tried with so many gateways that they have to be trimmed.
pub fn webhook(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match text.ends_with(' ') {
        true => mapped(&text.replacen("\"rx_metadata\":[", &format!("\"rx_metadata\":[{}", *MANY_GATEWAYS), 1)),
        false => mapped(text),
    }
}

fn mapped(text: &str) {
    let Some(message) = map(text) else { return };
    headers_are_legal(&message);
    let is_trimmed = message.property("trimmed").is_some();
    nothing_but_secrets_is_lost(text, &message.body, is_trimmed);
    if message.property("type").is_some_and(|name| REMOVED.contains(&name)) {
        return; // A message of such a type loses it; none is known.
    }
    let again = map(&message.body).expect("a message kept for later is read again");
    assert_eq!(again.body, message.body);
    assert_eq!(again.correlation_id, message.correlation_id);
    // A measurement that has a member of such a name itself; none is known.
    let is_other = message.message_id.ends_with(":uplink_normalized") && has_member(text, &REMOVED);
    assert!(is_other || again.message_id == message.message_id, "its id is the same when it is delivered late");
}

fn map(text: &str) -> Option<DeviceToCloudMessage> {
    let params = json!({"rest": "applications/plant-a/devices/sensor-1/up"});
    let envelope = json!({"Data": {"req": {"Params": params, "Body": text}}}).to_string();
    let request = http_request(envelope.as_bytes()).expect("an envelope");
    let mapped = Message::parse(request.body()).and_then(|message| device_to_cloud_message(&message, &request));
    mapped.map_err(|error| assert!(matches!(error.status(), 400 | 413), "{error}")).ok()
}

fn headers_are_legal(message: &DeviceToCloudMessage) {
    let mut counted = message.body.len();
    let mut names = Vec::new();
    for (name, value) in message.headers() {
        HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
        HeaderValue::from_str(&value).expect("a header's value");
        let application_name = name.strip_prefix("iothub-app-");
        let legal = match name.as_str() {
            "iothub-messageid" | "iothub-correlationid" => IN_IDS,
            "iothub-creationtimeutc" => "-:.",
            "iothub-contenttype" | "iothub-contentencoding" => "/-",
            _ => IN_PROPERTIES,
        };
        assert!(value.chars().all(|c| c.is_ascii_alphanumeric() || legal.contains(c)), "{name}: {value}");
        assert!(application_name.is_some() || value.len() <= 128, "{name}: {value}");
        counted += application_name.map_or(0, str::len) + value.len();
        names.push(name);
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "no header twice");
    assert!(counted <= MAX_BYTES && counted == message.counted_bytes(), "{counted} bytes");
}

fn nothing_but_secrets_is_lost(text: &str, body: &str, is_trimmed: bool) {
    let raw: &RawValue = serde_json::from_str(body).expect("the body is JSON");
    assert!(!has_member(raw.get(), &REMOVED), "no secret is left");
    let trimmed: &[&str] = if is_trimmed { &["rx_metadata"] } else { &[] };
    assert_eq!(words(body, trimmed), words(text, &[&REMOVED, trimmed].concat()));
    if let (false, Ok(value)) = (is_trimmed, serde_json::from_str(text)) {
        assert_eq!(serde_json::from_str::<Value>(body).expect("a value too"), without(value, &REMOVED));
    }
}
