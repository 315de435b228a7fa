//! The same devices through two handlers, as a function app that is scaled out has them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use local::iot_hub::{DeviceToCloudMessage, Effect, Observer, Operation};
use local::system::{Options, System, Watch};
use local::tts::messages::Device;
use local::tts::{Delivery, Webhook};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::Failure;
use crate::hub::device_id;

/// Longest wait for what is parked.
const PATIENCE: Duration = Duration::from_secs(120);

const HISTORY: usize = 1_000;

/// What the hub has taken.
#[derive(Debug, Default)]
struct Taken {
    /// How often each message came, by its id.
    messages: Mutex<HashMap<String, usize>>,
    updates: AtomicUsize,
    unanswered: AtomicUsize,
}

impl Taken {
    fn messages(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Taken {
    fn accepted(&self, message: DeviceToCloudMessage) {
        let id = message.system_properties.get("message-id").cloned().unwrap_or_default();
        *self.messages().entry(id).or_default() += 1;
    }

    fn spoiled(&self, _operation: Operation, _message_id: Option<&str>, _effect: &Effect) {}

    fn reported(&self, _device_id: &str, _patch: &Value, is_answered: bool) {
        self.updates.fetch_add(1, Ordering::Relaxed);
        self.unanswered.fetch_add(usize::from(!is_answered), Ordering::Relaxed);
    }
}

/// What became of the webhook's messages.
#[derive(Debug, Default)]
struct Told {
    delivered: AtomicUsize,
    parked: AtomicUsize,
    /// Neither; the first one's answer in full.
    failed: Mutex<Vec<String>>,
}

/// Once with one uplink of a device at a time, as devices send them, and once with four at once.
pub(crate) async fn run(uplinks: usize, devices: usize) -> Result<String, Failure> {
    let mut report = String::new();
    for at_once in [1, 4] {
        report += &send_all(uplinks, devices, at_once).await?;
    }
    Ok(report)
}

async fn send_all(uplinks: usize, devices: usize, at_once: usize) -> Result<String, Failure> {
    let taken = Arc::<Taken>::default();
    let system = Arc::new(start(taken.clone()).await?);
    let told = Arc::<Told>::default();
    let each = uplinks / devices;
    let began = Instant::now();
    let mut sending = JoinSet::new();
    for number in 0..devices {
        system.iot_hub.create_device(&device_id(number))?;
        sending.spawn(send(system.clone(), told.clone(), number, each, at_once));
    }
    sending.join_all().await;
    let sent = began.elapsed();
    let is_drained = drain(&system).await;
    let mut report = format!("{devices} devices, {each} uplinks each, {at_once} at once, two hosts\n");
    writeln!(
        report,
        "  answered       {} delivered, {} parked, {} failed; {:.0} uplinks/s",
        told.delivered.load(Ordering::Relaxed),
        told.parked.load(Ordering::Relaxed),
        told.failed.lock().unwrap_or_else(PoisonError::into_inner).len(),
        (each * devices) as f64 / sent.as_secs_f64()
    )?;
    for failed in told.failed.lock().unwrap_or_else(PoisonError::into_inner).iter().take(3) {
        writeln!(report, "    {failed}")?;
    }
    tell(&system, &taken, is_drained, &mut report)?;
    tell_twins(&system, devices, each, ("when all are answered", &mut report))?;
    // Who finds its connection taken when it would close it looks at the twin once more.
    while system.iot_hub.mqtt_connections().open > 0 && began.elapsed() < sent + PATIENCE {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tell_twins(&system, devices, each, ("when all are disconnected", &mut report))?;
    if let Some(system) = Arc::into_inner(system) {
        system.stop_hosts().await;
    }
    Ok(report)
}

async fn start(taken: Arc<Taken>) -> Result<System, Failure> {
    let settings = [
        ("WEBHOOK_TWIN_TYPES", "all"),
        ("IOT_HUB_CONNECTIONS_PER_SECOND", "100000"),
        ("IOT_HUB_TWIN_UPDATES_PER_SECOND", "100000"),
    ];
    let options = Options {
        settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        release: true,
        further_hosts: 1,
        watch: Watch { iot_hub: Some(taken), history: HISTORY, ..Watch::default() },
        ..Options::default()
    };
    Ok(System::start(options).await?)
}

/// A device's uplinks, each through either host. Its counter says which one is newer.
async fn send(system: Arc<System>, told: Arc<Told>, number: usize, uplinks: usize, at_once: usize) {
    let device = Device::new(system.tts.application_id(), &device_id(number));
    let free = Arc::new(Semaphore::new(at_once));
    let mut sending = JoinSet::new();
    for f_cnt in (1..).take(uplinks) {
        let Ok(permit) = free.clone().acquire_owned().await else { return };
        let mut uplink = device.uplink(2, f_cnt, &[1]);
        uplink["uplink_message"]["decoded_payload"] = payload(f_cnt);
        let webhooks: Vec<Webhook> = system.hosts().map(|(_, webhook)| webhook.clone()).collect();
        let webhook = webhooks[fastrand::usize(..webhooks.len())].clone();
        let (system, told) = (system.clone(), told.clone());
        sending.spawn(async move {
            told.note(system.tts.send(&webhook, &uplink).await);
            drop(permit);
        });
    }
    sending.join_all().await;
}

fn payload(f_cnt: u32) -> Value {
    json!({ "reading": f_cnt, "isEven": f_cnt.is_multiple_of(2) })
}

impl Told {
    fn note(&self, delivery: Delivery) {
        match delivery {
            Delivery::Answered { status: 200, .. } => drop(self.delivered.fetch_add(1, Ordering::Relaxed)),
            Delivery::Answered { status: 202, .. } => drop(self.parked.fetch_add(1, Ordering::Relaxed)),
            other @ (Delivery::Disabled
            | Delivery::Answered { .. }
            | Delivery::TimedOut { .. }
            | Delivery::Failed { .. }) => {
                self.failed.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{other:?}"))
            }
        }
    }
}

/// Waits until nothing is parked any more.
async fn drain(system: &System) -> bool {
    let drained = async {
        while !system.host.output_messages("parked").is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, drained).await.is_ok()
}

fn tell(system: &System, taken: &Taken, is_drained: bool, report: &mut String) -> Result<(), Failure> {
    let messages = taken.messages();
    let connections = system.iot_hub.mqtt_connections();
    let redelivered: usize = system.hosts().map(|(host, _)| host.totals("redeliver").succeeded).sum();
    let left = system.host.output_messages("parked").len();
    let dead = system.host.output_messages("dead-letter").len();
    writeln!(
        report,
        "  messages       {} different in the hub, {} of them more than once",
        messages.len(),
        messages.values().filter(|count| **count > 1).count()
    )?;
    writeln!(
        report,
        "  queues         {redelivered} redelivered, {left} left parked{}, {dead} dead letters",
        if is_drained { "" } else { " (not drained)" }
    )?;
    writeln!(
        report,
        "  connections    {} accepted, {} takeovers, {} refused, {} of {} handshakes resumed",
        connections.accepted, connections.takeovers, connections.refused, connections.resumed, connections.handshakes
    )?;
    writeln!(
        report,
        "  twin updates   {} written, {} of them not answered, {} readings",
        taken.updates.load(Ordering::Relaxed),
        taken.unanswered.load(Ordering::Relaxed),
        system.iot_hub.mqtt_calls(Operation::MqttTwinGet)
    )?;
    Ok(())
}

/// Whether every twin shows its device's newest uplink, and nothing of another one.
fn tell_twins(
    system: &System,
    devices: usize,
    each: usize,
    (when, report): (&str, &mut String),
) -> Result<(), Failure> {
    let newest = u32::try_from(each)?;
    let mut wrong = Vec::new();
    for number in 0..devices {
        let twin = system.iot_hub.twin(&device_id(number)).unwrap_or_default();
        let reported = &twin["properties"]["reported"];
        let mut decoded = reported["decodedPayload"].clone();
        if let Some(decoded) = decoded.as_object_mut() {
            decoded.retain(|name, _| !name.starts_with('$'));
        }
        let f_cnt = &reported["lorawan"]["fCntUp"];
        if *f_cnt != newest || decoded != payload(newest) {
            wrong.push(format!("{}: fCntUp {f_cnt}, {decoded}", device_id(number)));
        }
    }
    writeln!(report, "  twins          {} of {devices} show the newest uplink {when}", devices - wrong.len())?;
    for wrong in wrong.iter().take(5) {
        writeln!(report, "    {wrong}")?;
    }
    Ok(())
}
