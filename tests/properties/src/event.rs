//! Hub events: recognised, parked without a key, read again and brought up to date, whatever they hold.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use handler::fuzzing::{as_of_now, ask_the_api};
use handler::iot_hub::event::{HubEvent, Recognised};
use handler::parking::HubEventOriginal;
use handler::tts::id::EndDeviceIds;
use serde_json::{Map, Value};

use crate::json_text::has_member;

/// Root and session keys.
const KEYS: [&str; 13] = [
    "appKey",
    "nwkKey",
    "appSKey",
    "nwkSKey",
    "fNwkSIntKey",
    "sNwkSIntKey",
    "nwkSEncKey",
    "app_key",
    "NWK_KEY",
    "App-S-Key",
    "f_nwk_s_int_key",
    "s_nwk_s_int_key",
    "nwk_s_enc_key",
];

/// Lines: the application properties, the twin as it is now, the event's body.
pub fn event(input: &[u8]) {
    let mut parts = input.splitn(3, |byte| *byte == b'\n').map(|part| part.to_vec());
    let [properties, twin, body] = std::array::from_fn(|_| parts.next().unwrap_or_default());
    let properties: Map<String, Value> = serde_json::from_slice(&properties).unwrap_or_default();
    let twin: Option<Value> = serde_json::from_slice(&twin).ok();
    let recognised = HubEvent::recognise(&body, &properties);
    let parked = HubEventOriginal::new(Some("0".to_owned()), Some(7), properties.clone(), &body);
    no_key_is_kept(&parked);
    let Ok(Recognised::Event(event)) = recognised else { return };
    let text = serde_json::to_string(&parked).expect("JSON");
    let parked: HubEventOriginal = serde_json::from_str(&text).expect("what was parked is read again");
    // Nested deeper than any twin: it is kept for a person.
    let Some(parked_body) = parked.body else { return };
    let again = HubEvent::recognise(Value::Object(parked_body).to_string().as_bytes(), &parked.properties);
    let Ok(Recognised::Event(again)) = again else { panic!("what was parked is recognised again: {again:?}") };
    assert_eq!((again.operation, &again.device_id), (event.operation, &event.device_id));
    for twin in [twin.as_ref(), None] {
        let Some(now) = as_of_now(again.clone(), twin) else { continue };
        assert_eq!((&now.device_id, &now.properties["opType"]), (&event.device_id, &event.properties["opType"]));
        assert!(now.body.get().starts_with('{'), "a twin or a twin patch");
        if let (Ok(ids), Some(twin)) = (EndDeviceIds::new("plant-a", &now.device_id), twin) {
            let _ = ask_the_api(&now, &ids, twin);
        }
    }
}

fn no_key_is_kept(parked: &HubEventOriginal) {
    if let Some(body) = &parked.body {
        let text = Value::Object(body.clone()).to_string();
        assert!(!has_member(&text, &KEYS), "{text}");
        let tags = body.get("tags").and_then(Value::as_object);
        assert!(tags.is_none_or(|tags| tags.values().all(|tag| tag.is_null() || *tag == true)), "{text}");
        assert!(body.get("properties").is_none_or(|properties| properties.get("reported").is_none()), "{text}");
    }
    let beginning = parked.unread_body.as_ref().and_then(|body| body.base64.as_ref());
    let Some(beginning) = beginning else { return };
    let beginning = STANDARD.decode(beginning).expect("base64");
    let beginning = unescaped(&String::from_utf8_lossy(&beginning));
    assert!(!KEYS.iter().any(|key| beginning.contains(key)), "{beginning}");
}

/// The text with `\uXXXX` undone, JSON or not.
fn unescaped(text: &str) -> String {
    let mut parts = text.split("\\u");
    let mut unescaped = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
        match code {
            Some(character) => {
                unescaped.push(character);
                unescaped.push_str(&part[4..]);
            }
            None => unescaped.push_str(part),
        }
    }
    unescaped
}
