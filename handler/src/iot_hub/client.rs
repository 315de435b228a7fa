//! Delivering a message to the hub: one HTTPS call for a device it knows, and the registry only for one it does not.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::api::HubApi;
use super::gate::RegistryGate;
use super::outcome::Sent;
use super::reported::{TwinAccess, Twins};
use super::standing::Standings;
use super::{Access, DeviceId, DeviceToCloudMessage, TagsWritten, with_jitter};
use crate::circuit::Circuit;
use crate::error::{Error, Peer};
use crate::http::Clients;
use crate::record::PeerRecord;

/// Part of the time left that a single request may take, so that a connection gone silent leaves time for another.
const ATTEMPT: f64 = 0.75;

/// Longest a request about a twin may take, however much time there is.
const TWIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Shortest time in which a request has a chance.
pub(super) const SHORTEST_ATTEMPT: Duration = Duration::from_millis(100);

/// Pause before the first repetition; it doubles with each, and half of it is random.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// One IoT Hub.
#[derive(Debug)]
pub struct IotHub {
    pub(super) api: HubApi,
    pub(super) gate: RegistryGate,
    pub(super) standings: Standings,
    circuit: Circuit,
    pub(super) twins: Twins,
    last_accepted: Mutex<Option<Instant>>,
    /// Successes and failures, for `health`.
    pub record: PeerRecord,
}

impl IotHub {
    /// A client for a hub, at `port`, with a budget for the registry.
    #[must_use]
    pub fn new(
        clients: &Clients,
        access: &Access,
        port: u16,
        registry_calls_per_minute: u32,
        twins: TwinAccess,
    ) -> Self {
        Self {
            twins: Twins::new(&access.policy, twins),
            api: HubApi::new(clients, access, port),
            gate: RegistryGate::new(registry_calls_per_minute),
            standings: Standings::new(),
            circuit: Circuit::new(Peer::IotHub),
            last_accepted: Mutex::new(None),
            record: PeerRecord::default(),
        }
    }

    /// The device's twin now, `None` if the device is gone.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when another time may do.
    pub async fn twin(&self, device_id: &DeviceId, deadline: Instant) -> Result<Option<Value>, Error> {
        self.api.may_ask_for_twins()?;
        self.recorded(async { self.api.twin(device_id, remaining(deadline)?.min(TWIN_TIMEOUT)).await }).await
    }

    /// Merges tags into the device's twin, if it still has this entity tag.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when another time may do, [`Error::Refused`] if the hub does not take the tags.
    pub async fn write_tags(
        &self,
        device_id: &DeviceId,
        tags: &Value,
        etag: Option<&str>,
        deadline: Instant,
    ) -> Result<TagsWritten, Error> {
        self.api.may_ask_for_twins()?;
        let write = async {
            let timeout = remaining(deadline)?.min(TWIN_TIMEOUT);
            self.api.write_tags(device_id, tags, etag, timeout).await
        };
        self.recorded(write).await
    }

    async fn recorded<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let result = self.circuit.call(call).await;
        match &result {
            Ok(_) => self.record.succeeded(),
            Err(error) => self.record.failed(&error.to_string()),
        }
        result
    }

    /// How the managed identity last got its tokens, for `health`; `None` if there is none.
    #[must_use]
    pub fn identity_report(&self) -> Option<Value> {
        self.api.identity_report()
    }

    /// The circuit's state, for `health`.
    #[must_use]
    pub fn circuit_report(&self) -> Value {
        self.circuit.report()
    }

    /// Delivers a message, creating its device on first sight and repeating after hiccups, until `deadline`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when another time may do, [`Error::Refused`] when none will.
    pub async fn send(&self, message: &DeviceToCloudMessage, deadline: Instant) -> Result<(), Error> {
        self.recorded(self.send_with_repetitions(message, deadline)).await
    }

    async fn send_with_repetitions(&self, message: &DeviceToCloudMessage, deadline: Instant) -> Result<(), Error> {
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.try_once(message, began, deadline).await {
                Err(error) if error.is_worth_retrying_now() => error,
                result => return result,
            };
            let wait = with_jitter(pause);
            if Instant::now() + wait + SHORTEST_ATTEMPT * 2 > deadline {
                return Err(error);
            }
            sleep(wait).await;
            pause *= 2;
        }
    }

    async fn try_once(&self, message: &DeviceToCloudMessage, began: Instant, deadline: Instant) -> Result<(), Error> {
        match self.offer(message, deadline).await? {
            Sent::Accepted => Ok(()),
            Sent::UnknownDevice(refusal) => self.introduce(message, refusal, began, deadline).await,
        }
    }

    pub(super) async fn offer(&self, message: &DeviceToCloudMessage, deadline: Instant) -> Result<Sent, Error> {
        let offered_at = Instant::now();
        let sent = self.api.send(message, remaining(deadline)?).await?;
        if matches!(sent, Sent::Accepted) {
            *self.last_accepted.lock().unwrap_or_else(PoisonError::into_inner) = Some(offered_at);
            self.gate.note_accepted(offered_at);
        }
        Ok(sent)
    }

    /// Whether the hub has accepted any device's message offered after `began`.
    pub(super) fn has_accepted_since(&self, began: Instant) -> bool {
        self.last_accepted.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at >= began)
    }
}

/// What a request may take of the time left; an error if that is too little for an answer.
pub(super) fn remaining(deadline: Instant) -> Result<Duration, Error> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left < SHORTEST_ATTEMPT {
        return Err(Error::NotAsked {
            peer: Peer::IotHub,
            what: "no time was left within the answer's time budget".to_owned(),
            wait: Duration::from_secs(1),
        });
    }
    Ok(left.mul_f64(ATTEMPT))
}
