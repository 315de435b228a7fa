//! The handler on a Functions host of its own, with the stand-in as its hub.

use std::error::Error;
use std::path::Path;

use local::functions_host::{FunctionsHost, Options};
use local::iot_hub::IotHub;
use local::stage::{StageOptions, stage};
use local::system::POLICY;
use serde_json::{Value, json};

/// Stages the handler and starts it. Nobody plays The Things Stack, so hub events are left alone.
pub(crate) async fn start(hub: &IotHub, ca_file: &Path) -> Result<FunctionsHost, Box<dyn Error>> {
    let staged = tokio::task::spawn_blocking(|| stage(&StageOptions::default())).await??;
    let mut options = Options::new(staged.script_root);
    let settings = [
        ("FUNCTIONS_WORKER_RUNTIME", "custom".to_owned()),
        ("AzureWebJobs.hub_events.Disabled", "true".to_owned()),
        ("PARKED_QUEUE_NAME", "parked".to_owned()),
        ("DEAD_LETTER_QUEUE_NAME", "dead-letter".to_owned()),
        ("IOT_HUB_CONNECTION_STRING", hub.connection_string(POLICY)),
        ("IOT_HUB_HTTPS_PORT", hub.https_port().to_string()),
        ("IOT_HUB_MQTT_PORT", hub.mqtt_port().to_string()),
        ("IOT_HUB_CA_FILE", std::path::absolute(ca_file)?.display().to_string()),
        ("TTS_BASE_URL", "http://localhost:1/api/v3".to_owned()),
        ("TTS_APPLICATION_ID", "plant-a".to_owned()),
        ("TTS_API_KEY", "NNSXS.NOBODY.NOBODY".to_owned()),
    ];
    options.settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Ok(FunctionsHost::start(options).await?)
}

/// Where The Things Stack would send its webhook's messages.
pub(crate) fn description(host: &FunctionsHost) -> Value {
    json!({ "webhook": format!("{}/api/tts/up", host.url()), "functionKey": host.function_key() })
}
