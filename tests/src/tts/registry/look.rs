//! Looking at the registries and at queues from a test, and setting them up.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::TheThingsStack;
use super::super::route::Server;
use super::{Key, RegisteredDevice, Registry, mask};

impl TheThingsStack {
    /// What the servers hold of a device; `None` when none of them knows it.
    #[must_use]
    pub fn device(&self, application_id: &str, device_id: &str) -> Option<RegisteredDevice> {
        self.registry().borrow().get(&key(application_id, device_id)).cloned()
    }

    /// Ids of the devices that at least one server holds, in their order.
    #[must_use]
    pub fn devices(&self, application_id: &str) -> Vec<String> {
        self.registry().borrow().ids(application_id)
    }

    /// A device's queue of downlinks, the next one first.
    #[must_use]
    pub fn downlinks(&self, application_id: &str, device_id: &str) -> Vec<Value> {
        self.device(application_id, device_id).map(|device| device.downlinks).unwrap_or_default()
    }

    /// Sets a device up at one server without a request: no checks, no observer. `device` is an end device's JSON
    /// with EUIs in upper case; its other ids are filled in. Other fields the server held are gone.
    pub fn put_device(&self, server: Server, application_id: &str, device_id: &str, device: &Value) {
        let mut device = mask::of_server(server, device);
        mask::put(&mut device, "ids.device_id", Some(device_id.into()));
        mask::put(&mut device, "ids.application_ids", Some(json!({"application_id": application_id})));
        self.registry().send_modify(|registry| {
            registry.put(server, &key(application_id, device_id), device);
        });
    }

    /// Takes a device away from one server without a request, as somebody in the Console does. Returns whether the server
    /// knew it.
    pub fn remove_device(&self, server: Server, application_id: &str, device_id: &str) -> bool {
        let mut was_known = false;
        self.registry().send_modify(|registry| {
            was_known = registry.delete(server, &key(application_id, device_id)).is_ok();
        });
        was_known
    }

    /// Gives a device a session, as a join does: from now on downlinks are accepted. Returns whether the network and
    /// the application server know the device.
    pub fn start_session(&self, application_id: &str, device_id: &str) -> bool {
        self.change(application_id, device_id, |device| {
            device.has_session = device.network.is_some() && device.application.is_some();
            device.has_session
        })
        .unwrap_or_default()
    }

    /// Takes a device's next downlink from its queue, as an uplink of a class A device does.
    pub fn take_downlink(&self, application_id: &str, device_id: &str) -> Option<Value> {
        let take = |device: &mut RegisteredDevice| (!device.downlinks.is_empty()).then(|| device.downlinks.remove(0));
        self.change(application_id, device_id, take)?
    }

    /// A device as soon as all four servers know it.
    ///
    /// # Errors
    /// When one does not after `limit`; the message says which do, and how requests were answered.
    pub async fn wait_for_device(
        &self,
        application_id: &str,
        device_id: &str,
        limit: Duration,
    ) -> Result<RegisteredDevice, String> {
        let is_complete = |device: Option<&RegisteredDevice>| {
            device.is_some_and(|device| Server::ALL.iter().all(|server| device.at(*server).is_some()))
        };
        self.wait_for(application_id, device_id, limit, is_complete).await?;
        self.device(application_id, device_id).ok_or_else(|| format!("{device_id} has gone again"))
    }

    /// Waits until no server knows a device.
    ///
    /// # Errors
    /// When one does after `limit`; the message says which, and how requests were answered.
    pub async fn wait_for_no_device(
        &self,
        application_id: &str,
        device_id: &str,
        limit: Duration,
    ) -> Result<(), String> {
        self.wait_for(application_id, device_id, limit, |device| device.is_none()).await
    }

    /// A device's queue as soon as it has at least `count` downlinks.
    ///
    /// # Errors
    /// When it has fewer after `limit`; the message says how many, and how requests were answered.
    pub async fn wait_for_downlinks(
        &self,
        application_id: &str,
        device_id: &str,
        count: usize,
        limit: Duration,
    ) -> Result<Vec<Value>, String> {
        let is_enough = |device: Option<&RegisteredDevice>| device.map_or(0, |device| device.downlinks.len()) >= count;
        self.wait_for(application_id, device_id, limit, is_enough).await?;
        Ok(self.downlinks(application_id, device_id))
    }

    /// Waits until a device, or that there is none, is as wanted.
    ///
    /// # Errors
    /// When it is not after `limit`; the message says what there is, without keys, and how requests were answered.
    pub async fn wait_for(
        &self,
        application_id: &str,
        device_id: &str,
        limit: Duration,
        mut is_wanted: impl FnMut(Option<&RegisteredDevice>) -> bool,
    ) -> Result<(), String> {
        let key = key(application_id, device_id);
        let mut registry = self.registry().subscribe();
        let wanted = registry.wait_for(|registry| is_wanted(registry.get(&key)));
        if tokio::time::timeout(limit, wanted).await.is_ok_and(|found| found.is_ok()) {
            return Ok(());
        }
        let device = self.device(application_id, device_id).unwrap_or_default();
        let known: Vec<Server> = Server::ALL.into_iter().filter(|server| device.at(*server).is_some()).collect();
        let queue = device.downlinks.len();
        let statuses: Vec<u16> = self.requests().iter().map(|request| request.status).collect();
        Err(format!("{device_id} at {known:?} with {queue} downlinks after {limit:?}; answers {statuses:?}"))
    }

    fn change<T>(
        &self,
        application_id: &str,
        device_id: &str,
        change: impl FnOnce(&mut RegisteredDevice) -> T,
    ) -> Option<T> {
        let mut changed = None;
        self.registry().send_modify(|registry| {
            changed = registry.get_mut(&key(application_id, device_id)).map(change);
        });
        changed
    }

    fn registry(&self) -> &tokio::sync::watch::Sender<Registry> {
        &self.inner.state.registry
    }
}

fn key(application_id: &str, device_id: &str) -> Key {
    (application_id.to_owned(), device_id.to_owned())
}
