//! The IoT Hub that both sides talk to, on the port the official SDK insists on.

use std::fs::File;
use std::os::linux::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use local::event_hub::EventHub;
use local::iot_hub::{DeviceToCloudMessage, Effect, IotHub, Observer, Operation, Options, StartError};
use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::Failure;

/// Where the official SDK connects by MQTT, whatever it is told.
const SDK_PORT: u16 = 8883;

/// What hubs speak.
const TLS12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];

/// Requests and connects remembered.
const HISTORY: usize = 1_000;

/// How often a hub is asked whether all connections are closed.
const POLL: Duration = Duration::from_millis(20);

/// What the hub has taken.
#[derive(Debug, Default)]
struct Taken {
    messages: AtomicUsize,
    updates: AtomicUsize,
}

impl Observer for Taken {
    fn accepted(&self, _message: DeviceToCloudMessage) {
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    fn spoiled(&self, _operation: Operation, _message_id: Option<&str>, _effect: &Effect) {}

    fn reported(&self, _device_id: &str, _patch: &Value, _is_answered: bool) {
        self.updates.fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) struct Hub {
    pub(crate) iot_hub: IotHub,
    taken: Arc<Taken>,
    /// Certificate and device connection strings.
    folder: TempDir,
    _lock: File,
}

impl Hub {
    /// With so many devices, named as [`device_id`] does.
    pub(crate) async fn start(devices: usize, has_tls13: bool) -> Result<Self, Failure> {
        let lock = lock()?;
        let taken = Arc::<Taken>::default();
        let options = Options {
            mqtt_port: SDK_PORT,
            observer: Some(taken.clone()),
            history: HISTORY,
            tls_versions: if has_tls13 { rustls::ALL_VERSIONS } else { TLS12 },
            ..Options::new(EventHub::new("events", 1))?
        };
        let iot_hub = match IotHub::start(options.clone()).await {
            Err(StartError::Port { .. }) => IotHub::start(Options { mqtt_port: 0, ..options }).await?,
            started => started?,
        };
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("ca.pem"), iot_hub.ca_pem())?;
        let hub = Self { iot_hub, taken, folder, _lock: lock };
        let connection_strings = (0..devices).map(|number| hub.create(&device_id(number)));
        let connection_strings: Map<String, Value> = connection_strings.collect::<Result<_, _>>()?;
        std::fs::write(hub.devices_file(), Value::from(connection_strings).to_string())?;
        Ok(hub)
    }

    fn create(&self, device_id: &str) -> Result<(String, Value), Failure> {
        self.iot_hub.create_device(device_id)?;
        let device = self.iot_hub.device(device_id).unwrap_or_default();
        let key = device["authentication"]["symmetricKey"]["primaryKey"].as_str().ok_or("a device without a key")?;
        let connection_string = format!("HostName=localhost;DeviceId={device_id};SharedAccessKey={key}");
        Ok((device_id.to_owned(), connection_string.into()))
    }

    pub(crate) fn is_on_the_sdks_port(&self) -> bool {
        self.iot_hub.mqtt_port() == SDK_PORT
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(crate) fn devices_file(&self) -> PathBuf {
        self.folder.path().join("devices.json")
    }

    /// Messages and twin updates so far.
    pub(crate) fn taken(&self) -> [usize; 2] {
        [&self.taken.messages, &self.taken.updates].map(|count| count.load(Ordering::Relaxed))
    }

    /// Waits until nobody is connected by MQTT.
    pub(crate) async fn deserted(&self) {
        while self.iot_hub.mqtt_connections().open > 0 {
            tokio::time::sleep(POLL).await;
        }
    }
}

pub(crate) fn device_id(number: usize) -> String {
    format!("sensor-{number:05}")
}

/// The port is fixed: the runs of the official SDKs wait for each other.
fn lock() -> Result<File, Failure> {
    let user = std::fs::metadata("/proc/self")?.st_uid();
    let lock = File::create(std::env::temp_dir().join(format!("iot-hub-stand-in-{user}.lock")))?;
    lock.lock()?;
    Ok(lock)
}
