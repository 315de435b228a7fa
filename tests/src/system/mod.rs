//! The whole system on one machine: handler, Functions host, IoT Hub, The Things Stack, and what joins them.

mod settings;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use self::settings::{platform, settings};
use crate::entra::Entra;
use crate::event_hub::{self, EventHub};
use crate::functions_host::{self, FunctionsHost};
use crate::iot_hub::{self, IotHub, Policy, Right, Role};
use crate::stage::{StageError, StageOptions, stage};
use crate::storage_queue::Queues;
use crate::tls::TlsError;
use crate::tts::{self, TheThingsStack, Webhook};

/// The shared access policy the handler is given, unless it is told otherwise.
pub const POLICY: &str = "iothubowner";

/// The one it is given for devices when a managed identity does the rest.
pub const DEVICE_POLICY: &str = "device-connect";

/// Partitions of the Event Hub between IoT Hub and the Functions host.
const PARTITIONS: usize = 4;

/// The shared secret of the webhook.
pub const WEBHOOK_SECRET: &str = "local-webhook-secret";

/// What to start, and how. Ports of 0 are any free ones.
#[derive(Debug, Clone)]
pub struct Options {
    /// The Functions host's HTTP front.
    pub functions_port: u16,
    /// IoT Hub's HTTPS API.
    pub iot_hub_port: u16,
    /// IoT Hub's MQTT device side.
    pub iot_hub_mqtt_port: u16,
    /// The Things Stack; who watches it is said in `watch`.
    pub tts: tts::Options,
    /// App settings set on top of those that make the system whole; an empty value unsets one.
    pub settings: BTreeMap<String, String>,
    /// How fast the Functions host's retry policies run: 1.0 is real time.
    pub retry_time_scale: f64,
    /// The shared access policy whose connection string the handler is given.
    pub policy: String,
    /// Opens IoT Hub with a managed identity, and devices with a narrow policy, instead of a connection string.
    pub keyless: bool,
    /// The storage account of the function app; by default one in memory where a thousand seconds take one.
    pub queues: Queues,
    /// How often the handler may end in error, or be killed, before the Functions host gives up.
    pub restart_limit: usize,
    /// Build the handler optimised.
    pub release: bool,
    /// Further Functions hosts beside the first, as a function app that is scaled out has them.
    pub further_hosts: usize,
    /// Who watches, and how much is remembered.
    pub watch: Watch,
}

/// Who watches the stand-ins. Without anybody they remember everything themselves.
#[derive(Debug, Clone)]
pub struct Watch {
    /// Sees every event between IoT Hub and the Functions host.
    pub event_hub: Option<Arc<dyn event_hub::Observer>>,
    /// Sees every device-to-cloud message.
    pub iot_hub: Option<Arc<dyn iot_hub::Observer>>,
    /// Sees every event at The Things Stack.
    pub tts: Option<Arc<dyn tts::Observer>>,
    /// The most requests, invocations and log lines kept by each of them.
    pub history: usize,
}

impl Default for Watch {
    fn default() -> Self {
        Self { event_hub: None, iot_hub: None, tts: None, history: usize::MAX }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            functions_port: 0,
            iot_hub_port: 0,
            iot_hub_mqtt_port: 0,
            tts: tts::Options::default(),
            settings: BTreeMap::new(),
            retry_time_scale: 0.001,
            policy: POLICY.to_owned(),
            keyless: false,
            queues: Queues::in_memory_at(0.001),
            restart_limit: 2,
            release: false,
            further_hosts: 0,
            watch: Watch::default(),
        }
    }
}

/// Everything, running. Stops when dropped.
#[derive(Debug)]
pub struct System {
    /// Where IoT Hub's events go.
    pub event_hub: Arc<EventHub>,
    /// The IoT Hub stand-in.
    pub iot_hub: IotHub,
    /// Who gives tokens to the managed identity, in a keyless system.
    pub entra: Option<Entra>,
    /// The Things Stack stand-in.
    pub tts: TheThingsStack,
    /// The Functions host stand-in, running the real handler.
    pub host: FunctionsHost,
    /// What The Things Stack's webhook is set to.
    pub webhook: Webhook,
    /// Hosts that share the queues with the first, and a webhook for each. The Event Hub is the first one's alone.
    pub further: Vec<(FunctionsHost, Webhook)>,
    folder: TempDir,
}

/// Why the system did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The handler could not be built or laid out.
    #[error("cannot stage the handler")]
    Stage(#[from] StageError),
    /// The stand-ins could not make certificates.
    #[error("cannot make certificates")]
    Tls(#[from] TlsError),
    /// The IoT Hub stand-in did not start.
    #[error("cannot start the IoT Hub stand-in")]
    IotHub(#[from] iot_hub::StartError),
    /// The Things Stack stand-in did not start.
    #[error("cannot start The Things Stack stand-in")]
    Tts(#[from] tts::StartError),
    /// The Functions host stand-in did not start.
    #[error("cannot start the Functions host stand-in")]
    Host(#[from] functions_host::StartError),
    /// The root certificate could not be written for the handler.
    #[error("cannot write the root certificate")]
    Io(#[from] io::Error),
}

impl System {
    /// Stages the handler and starts everything; ready when it returns.
    ///
    /// # Errors
    /// [`StartError`] naming the part, and the port if it is taken.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let stage_options = StageOptions { release: options.release, ..StageOptions::default() };
        let stage = tokio::task::spawn_blocking(move || stage(&stage_options)).await.map_err(io::Error::other)??;
        Self::start_staged(options, stage.script_root).await
    }

    /// Starts everything around a script root that is staged already.
    ///
    /// # Errors
    /// [`StartError`] naming the part, and the port if it is taken.
    pub async fn start_staged(options: Options, script_root: PathBuf) -> Result<Self, StartError> {
        let watch = options.watch;
        let event_hub = EventHub::observed("events", PARTITIONS, watch.event_hub);
        let entra = if options.keyless { Some(Entra::start().await?) } else { None };
        let iot_hub_options = iot_hub::Options {
            https_port: options.iot_hub_port,
            mqtt_port: options.iot_hub_mqtt_port,
            observer: watch.iot_hub,
            history: watch.history,
            directory: entra.as_ref().map(|entra| entra.directory.clone()),
            ..iot_hub::Options::new(event_hub.clone())?
        };
        let iot_hub = start_iot_hub(iot_hub_options, entra.as_ref()).await?;
        let tts_options = tts::Options { observer: watch.tts, history: watch.history, ..options.tts };
        let tts = TheThingsStack::start(tts_options).await?;
        let folder = TempDir::new()?;
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, iot_hub.ca_pem())?;
        let mut host_options = functions_host::Options::new(script_root);
        host_options.http_port = options.functions_port;
        host_options.retry_time_scale = options.retry_time_scale;
        host_options.restart_limit = options.restart_limit;
        host_options.history = watch.history;
        host_options.queues.insert("AzureWebJobsStorage".to_owned(), options.queues);
        host_options.settings =
            settings(&iot_hub, &tts, &ca_file, entra.as_ref(), (&options.policy, &options.settings));
        host_options.platform = entra.as_ref().map(platform).unwrap_or_default();
        host_options.event_hubs.insert("EVENT_HUB".to_owned(), event_hub.clone());
        let host = FunctionsHost::start(host_options.clone()).await?;
        let further = further(host_options, options.further_hosts).await?;
        let webhook = webhook(&host);
        Ok(Self { event_hub, iot_hub, entra, tts, host, webhook, further, folder })
    }

    /// All hosts with their webhooks, the first one first.
    pub fn hosts(&self) -> impl Iterator<Item = (&FunctionsHost, &Webhook)> {
        std::iter::once((&self.host, &self.webhook)).chain(self.further.iter().map(|(host, webhook)| (host, webhook)))
    }

    /// Stops all hosts; returns when no handler lives and no queue message is being processed any more.
    pub async fn stop_hosts(self) {
        self.host.stop().await;
        for (host, _) in self.further {
            host.stop().await;
        }
    }

    /// The root certificate of the IoT Hub stand-in; the file lives as long as the system.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

/// A hub whose roles are those an operator assigns to the managed identity, if there is one.
async fn start_iot_hub(mut options: iot_hub::Options, entra: Option<&Entra>) -> Result<IotHub, iot_hub::StartError> {
    options.policies.push(Policy::new(DEVICE_POLICY, &[Right::DeviceConnect]));
    let iot_hub = IotHub::start(options).await?;
    if let Some(entra) = entra {
        iot_hub.assign_role(entra.principal_id(), Role::RegistryContributor);
        iot_hub.assign_role(entra.principal_id(), Role::TwinContributor);
    }
    Ok(iot_hub)
}

/// Hosts on ports of their own. They do not read the Event Hub: here, only one reader of a partition keeps its order.
async fn further(
    mut options: functions_host::Options,
    count: usize,
) -> Result<Vec<(FunctionsHost, Webhook)>, StartError> {
    options.http_port = 0;
    options.settings.insert("AzureWebJobs.hub_events.Disabled".to_owned(), "true".to_owned());
    let mut hosts = Vec::new();
    for _ in 0..count {
        let host = FunctionsHost::start(options.clone()).await?;
        let webhook = webhook(&host);
        hosts.push((host, webhook));
    }
    Ok(hosts)
}

/// The webhook as an operator would set it up in the Console.
fn webhook(host: &FunctionsHost) -> Webhook {
    let mut webhook = Webhook::new(format!("{}/api/tts", host.url()));
    webhook.headers.insert("x-functions-key".to_owned(), host.function_key().to_owned());
    webhook.headers.insert("X-Webhook-Secret".to_owned(), WEBHOOK_SECRET.to_owned());
    webhook
}
