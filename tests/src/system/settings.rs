//! What the handler is told by its operator, and by the platform.

use std::collections::BTreeMap;
use std::path::Path;

use super::{DEVICE_POLICY, WEBHOOK_SECRET};
use crate::entra::Entra;
use crate::iot_hub::IotHub;
use crate::tts::TheThingsStack;

/// App settings as an operator would make them.
pub(super) fn settings(
    iot_hub: &IotHub,
    tts: &TheThingsStack,
    ca_file: &Path,
    entra: Option<&Entra>,
    (policy, on_top): (&str, &BTreeMap<String, String>),
) -> BTreeMap<String, String> {
    let settings = [
        ("FUNCTIONS_WORKER_RUNTIME", "custom".to_owned()),
        ("PARKED_QUEUE_NAME", "parked".to_owned()),
        ("DEAD_LETTER_QUEUE_NAME", "dead-letter".to_owned()),
        ("EVENT_HUB_NAME", "events".to_owned()),
        ("EVENT_HUB_CONSUMER_GROUP", "$Default".to_owned()),
        ("IOT_HUB_HTTPS_PORT", iot_hub.https_port().to_string()),
        ("IOT_HUB_MQTT_PORT", iot_hub.mqtt_port().to_string()),
        ("IOT_HUB_CA_FILE", ca_file.display().to_string()),
        ("TTS_BASE_URL", tts.base_url()),
        ("TTS_IDENTITY_SERVER_URL", tts.identity_server_url()),
        ("TTS_APPLICATION_ID", tts.application_id().to_owned()),
        ("TTS_API_KEY", tts.api_key().to_owned()),
        ("WEBHOOK_SECRETS", WEBHOOK_SECRET.to_owned()),
    ];
    let access = match entra {
        None => vec![("IOT_HUB_CONNECTION_STRING", iot_hub.connection_string(policy))],
        Some(entra) => vec![
            ("IOT_HUB_HOST_NAME", iot_hub.host_name().to_owned()),
            ("IOT_HUB_DEVICE_POLICY_KEY", iot_hub.policy_key(DEVICE_POLICY)),
            ("AZURE_CLIENT_ID", entra.client_id().to_owned()),
        ],
    };
    let all = settings.into_iter().chain(access);
    let mut settings: BTreeMap<_, _> = all.map(|(name, value)| (name.to_owned(), value)).collect();
    settings.extend(on_top.clone());
    settings.retain(|_, value| !value.is_empty());
    settings
}

/// What the platform tells an app with a managed identity.
pub(super) fn platform(entra: &Entra) -> BTreeMap<String, String> {
    let variables = [("IDENTITY_ENDPOINT", entra.endpoint()), ("IDENTITY_HEADER", entra.secret())];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}
