//! What the hub is, whatever the transport: registry, twins, messages and the events they cause.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::access::Access;
use super::clock;
use super::error::HubError;
use super::events::{self, Notification};
use super::faults::Faults;
use super::message::{DeviceToCloudMessage, Draft};
use super::mqtt::{Mqtt, MqttThrottle};
use super::observer::Observer;
use super::provisioning::Provisioning;
use super::registry::{Device, MOST_DEVICES, Precondition, Put, Registry};
use super::request_log::RequestLog;
use super::router::{Router, Source};
use super::twin::{Twin, TwinPatch};

/// All state. REST, the portal's verbs and MQTT go through the same methods, so they cause the same events.
#[derive(Debug)]
pub(crate) struct Hub {
    /// First label of the host name.
    pub(crate) name: String,
    pub(crate) access: Access,
    pub(crate) provisioning: Provisioning,
    pub(crate) faults: Faults,
    pub(crate) requests: RequestLog,
    pub(crate) messages: watch::Sender<Vec<DeviceToCloudMessage>>,
    pub(crate) router: Router,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) mqtt: Mqtt,
    /// Moves whenever a device reports.
    pub(crate) reports: watch::Sender<()>,
    registry: Mutex<Registry>,
}

/// Who watches, how much is remembered and how much is borne.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) history: usize,
    pub(crate) mqtt_throttle: MqttThrottle,
}

impl Hub {
    pub(crate) fn new(
        host_name: &str,
        access: Access,
        provisioning: Provisioning,
        router: Router,
        watch: Watch,
    ) -> Self {
        Self {
            name: host_name.split('.').next().unwrap_or_default().to_owned(),
            access,
            provisioning,
            faults: Faults::default(),
            requests: RequestLog::new(watch.history),
            messages: watch::Sender::new(Vec::new()),
            router,
            observer: watch.observer,
            mqtt: Mqtt::new(watch.history, &watch.mqtt_throttle),
            reports: watch::Sender::new(()),
            registry: Mutex::default(),
        }
    }

    /// The registry stays locked until the event is sent, so a device's events have the order of its changes.
    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put_device(&self, id: &str, body: &Value, precondition: &Precondition) -> Result<Value, HubError> {
        self.put(id, body, precondition, Twin::new())
    }

    /// Creates a device with tags and desired properties from the start.
    pub(crate) fn create_device(&self, id: &str, body: &Value, twin: &Value) -> Result<Value, HubError> {
        let twin = Twin::with(&TwinPatch::parse(twin)?, &clock::timestamp(clock::now()))?;
        self.put(id, body, &Precondition::Absent, twin)
    }

    fn put(&self, id: &str, body: &Value, precondition: &Precondition, twin: Twin) -> Result<Value, HubError> {
        let mut registry = self.registry();
        let put = registry.put(id, body, precondition, twin, clock::now())?;
        let device = registry.find(id)?;
        match put {
            Put::Created => self.notify(device, &Notification::CreateDeviceIdentity(device.twin.event_document(id))),
            Put::Updated if !device.identity.enabled => self.mqtt.sessions.close(id),
            Put::Updated => {}
        }
        Ok(device.identity_document())
    }

    pub(crate) fn delete_device(&self, id: &str, precondition: &Precondition) -> Result<(), HubError> {
        let mut registry = self.registry();
        let device = registry.delete(id, precondition)?;
        self.mqtt.sessions.forget(id);
        self.notify(&device, &Notification::DeleteDeviceIdentity(device.twin.event_document(id)));
        Ok(())
    }

    pub(crate) fn device(&self, id: &str) -> Result<Value, HubError> {
        Ok(self.registry().find(id)?.identity_document())
    }

    pub(crate) fn devices(&self, top: usize) -> Vec<Value> {
        let registry = self.registry();
        registry.devices().take(top.min(MOST_DEVICES)).map(|device| device.identity_document()).collect()
    }

    pub(crate) fn twin(&self, id: &str) -> Result<Value, HubError> {
        Ok(self.registry().find(id)?.twin_document())
    }

    /// An empty patch changes nothing and causes no event.
    pub(crate) fn patch_twin(&self, id: &str, body: &Value, precondition: &Precondition) -> Result<Value, HubError> {
        let patch = TwinPatch::parse(body)?;
        let mut registry = self.registry();
        let device = registry.find_mut(id)?;
        precondition.check(&device.twin.etag())?;
        if !patch.is_empty() {
            let event = device.twin.patch(&patch, &clock::timestamp(clock::now()))?;
            if let Some(desired) = event.pointer("/properties/desired") {
                self.mqtt.desired_changed(id, desired);
            }
            self.notify(device, &Notification::UpdateTwin(event));
        }
        Ok(device.twin_document())
    }

    pub(crate) fn replace_twin(&self, id: &str, body: &Value, precondition: &Precondition) -> Result<Value, HubError> {
        let patch = TwinPatch::parse(body)?;
        let mut registry = self.registry();
        let device = registry.find_mut(id)?;
        precondition.check(&device.twin.etag())?;
        let news = device.twin.replace(&patch, &clock::timestamp(clock::now()))?;
        self.mqtt.desired_changed(id, &news);
        let mut event = device.twin.event_document(id);
        event["tags"] = Value::Object(device.twin.tags().clone());
        self.notify(device, &Notification::ReplaceTwin(event));
        Ok(device.twin_document())
    }

    /// What a device does; the hub echoes it to whoever routes twin changes.
    pub(crate) fn patch_reported(&self, id: &str, patch: &Value) -> Result<Value, HubError> {
        let mut registry = self.registry();
        let device = registry.find_mut(id)?;
        let event = device.twin.report(patch, &clock::timestamp(clock::now()))?;
        self.notify(device, &Notification::UpdateTwin(event));
        self.reports.send_replace(());
        Ok(device.twin_document())
    }

    /// A twin as its device gets it.
    pub(crate) fn device_twin(&self, id: &str) -> Result<Value, HubError> {
        Ok(self.registry().find(id)?.twin.device_document())
    }

    /// All messages or none: they were checked before.
    pub(crate) fn accept(&self, device_id: &str, drafts: Vec<Draft>, authentication_scope: &'static str) {
        let enqueued_time = clock::now();
        let messages = drafts.into_iter().map(|draft| DeviceToCloudMessage {
            device_id: device_id.to_owned(),
            body: draft.body,
            properties: draft.properties,
            system_properties: draft.system_properties,
            enqueued_time,
            authentication_scope,
        });
        let messages: Vec<_> = messages.collect();
        if self.router.has(Source::DeviceMessages) {
            self.route_messages(&messages);
        }
        match &self.observer {
            Some(observer) => messages.into_iter().for_each(|message| observer.accepted(message)),
            None => self.messages.send_modify(|accepted| accepted.extend(messages)),
        }
    }

    fn route_messages(&self, messages: &[DeviceToCloudMessage]) {
        let registry = self.registry();
        for message in messages {
            let Some(device) = registry.get(&message.device_id) else { continue };
            let event = events::telemetry(message, &device.identity.generation_id);
            self.router.route(Source::DeviceMessages, event, &device.twin_document());
        }
    }

    fn notify(&self, device: &Device, notification: &Notification) {
        let source = match notification {
            Notification::CreateDeviceIdentity(_) | Notification::DeleteDeviceIdentity(_) => {
                Source::DeviceLifecycleEvents
            }
            Notification::UpdateTwin(_) | Notification::ReplaceTwin(_) => Source::TwinChangeEvents,
        };
        let event = notification.event(&self.name, &device.identity.device_id, clock::now());
        self.router.route(source, event, &device.twin_document());
    }

    /// Enables or disables a device as the portal does: the identity is written back with another status.
    pub(crate) fn set_enabled(&self, id: &str, enabled: bool) -> Result<(), HubError> {
        let mut body = self.device(id)?;
        body["status"] = json!(if enabled { "enabled" } else { "disabled" });
        self.put_device(id, &body, &Precondition::Any).map(|_| ())
    }
}
