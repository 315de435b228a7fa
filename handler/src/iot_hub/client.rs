//! Delivering a message to the hub: one HTTPS call for a device it knows, and the registry only for one it does not.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::Client;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::api::{Creation, HubApi, Identity, Sent};
use super::gate::RegistryGate;
use super::refusal::Refusal;
use super::standing::Standings;
use super::{ConnectionString, DeviceId, DeviceToCloudMessage};
use crate::error::{Error, Peer, Retry};
use crate::record::PeerRecord;

/// Part of the time left that a single request may take, so that a connection gone silent leaves time for another.
const ATTEMPT: f64 = 0.75;

/// Shortest time in which a request has a chance.
const SHORTEST_ATTEMPT: Duration = Duration::from_millis(100);

/// Pause before the first repetition; it doubles with each, and half of it is random.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Messages offered again to a device just created, which the hub's front may not know yet.
const OFFERS_AFTER_CREATION: u32 = 3;

/// One IoT Hub.
#[derive(Debug)]
pub struct IotHub {
    api: HubApi,
    gate: RegistryGate,
    standings: Standings,
    last_accepted: Mutex<Option<Instant>>,
    /// Successes and failures, for `health`.
    pub record: PeerRecord,
}

impl IotHub {
    /// A client for the hub the connection string names, at `port`, with a budget for the registry.
    #[must_use]
    pub fn new(http: Client, connection_string: &ConnectionString, port: u16, registry_calls_per_minute: u32) -> Self {
        Self {
            api: HubApi::new(http, connection_string, port),
            gate: RegistryGate::new(registry_calls_per_minute),
            standings: Standings::new(),
            last_accepted: Mutex::new(None),
            record: PeerRecord::default(),
        }
    }

    /// The device's twin now, `None` if the device is gone.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when another time may do.
    pub async fn twin(&self, device_id: &DeviceId, deadline: Instant) -> Result<Option<Value>, Error> {
        self.api.twin(device_id, remaining(deadline)?).await
    }

    /// The circuit's state, for `health`.
    #[must_use]
    pub fn circuit_report(&self) -> Value {
        self.api.circuit.report()
    }

    /// Delivers a message, creating its device on first sight and repeating after hiccups, until `deadline`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when another time may do, [`Error::Refused`] when none will.
    pub async fn send(&self, message: &DeviceToCloudMessage, deadline: Instant) -> Result<(), Error> {
        let result = self.send_with_repetitions(message, deadline).await;
        match &result {
            Ok(()) => self.record.succeeded(),
            Err(error) => self.record.failed(&error.to_string()),
        }
        result
    }

    async fn send_with_repetitions(&self, message: &DeviceToCloudMessage, deadline: Instant) -> Result<(), Error> {
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.try_once(message, deadline).await {
                Err(error) if error.is_worth_retrying_now() => error,
                result => return result,
            };
            let wait = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
            if Instant::now() + wait + SHORTEST_ATTEMPT > deadline {
                return Err(error);
            }
            sleep(wait).await;
            pause *= 2;
        }
    }

    async fn try_once(&self, message: &DeviceToCloudMessage, deadline: Instant) -> Result<(), Error> {
        let began = Instant::now();
        match self.offer(message, deadline).await? {
            Sent::Accepted => Ok(()),
            Sent::UnknownDevice(refusal) => self.introduce(message, refusal, began, deadline).await,
        }
    }

    async fn offer(&self, message: &DeviceToCloudMessage, deadline: Instant) -> Result<Sent, Error> {
        let sent = self.api.send(message, remaining(deadline)?).await?;
        if matches!(sent, Sent::Accepted) {
            *self.last_accepted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            self.gate.open();
        }
        Ok(sent)
    }

    /// The hub did not let the device send: creates it if need be and offers the message again.
    async fn introduce(
        &self,
        message: &DeviceToCloudMessage,
        refusal: Refusal,
        began: Instant,
        deadline: Instant,
    ) -> Result<(), Error> {
        let device_id = &message.device_id;
        if self.standings.is_disabled(device_id) {
            return Err(disabled(message, &refusal));
        }
        let _slot = self.gate.enter(deadline).await?;
        // Another message of the same device may have been here first.
        let mut offers = 1;
        if !self.standings.is_known_since(device_id, began) {
            self.gate.spend()?;
            match self.api.create(device_id, remaining(deadline)?).await? {
                Creation::Created => {
                    tracing::info!(device_id = device_id.as_str(), "device created in IoT Hub");
                    offers = OFFERS_AFTER_CREATION;
                }
                Creation::Exists => {}
                Creation::Unauthorized(refusal) => return Err(self.credential_refused("registry", &refusal)),
            }
            self.standings.note_known(device_id);
        }
        match self.offer_again(message, offers, deadline).await? {
            Sent::Accepted => Ok(()),
            Sent::UnknownDevice(refusal) => Err(self.diagnose(message, &refusal, began, deadline).await?),
        }
    }

    async fn offer_again(&self, message: &DeviceToCloudMessage, offers: u32, deadline: Instant) -> Result<Sent, Error> {
        let mut sent = self.offer(message, deadline).await?;
        for offer in 1..offers {
            if matches!(sent, Sent::Accepted) {
                break;
            }
            sleep(FIRST_PAUSE * offer).await;
            sent = self.offer(message, deadline).await?;
        }
        Ok(sent)
    }

    /// Why a device that exists may not send: because it is disabled, or because our credential is wrong.
    async fn diagnose(
        &self,
        message: &DeviceToCloudMessage,
        refusal: &Refusal,
        began: Instant,
        deadline: Instant,
    ) -> Result<Error, Error> {
        let device_id = &message.device_id;
        self.gate.spend()?;
        Ok(match self.api.identity(device_id, remaining(deadline)?).await? {
            Identity::Disabled => {
                self.standings.note_disabled(device_id);
                disabled(message, refusal)
            }
            Identity::Unauthorized(refusal) => self.credential_refused("registry", &refusal),
            // Another device's message got through meanwhile, so the credential is not at fault.
            Identity::Enabled if self.has_accepted_since(began) => {
                hiccup("the hub does not know the device yet", refusal)
            }
            Identity::Enabled => self.credential_refused("device", refusal),
            Identity::Missing => hiccup("the device was deleted in the same moment", refusal),
        })
    }

    fn has_accepted_since(&self, began: Instant) -> bool {
        self.last_accepted.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at >= began)
    }

    fn credential_refused(&self, side: &str, refusal: &Refusal) -> Error {
        let policy_name = self.api.policy_name();
        self.gate.close(format!(
            "it does not accept policy {policy_name:?} on its {side} side ({}); check the key in IOT_HUB_CONNECTION_STRING \
             and that the policy has the rights RegistryRead, RegistryWrite, ServiceConnect and DeviceConnect",
            refusal.describe()
        ))
    }
}

fn remaining(deadline: Instant) -> Result<Duration, Error> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Error::Unavailable {
            peer: Peer::IotHub,
            what: "no time was left to ask it within the answer's time budget".to_owned(),
            retry: Retry::After(Duration::from_secs(1)),
        });
    }
    Ok(left.mul_f64(ATTEMPT))
}

fn disabled(message: &DeviceToCloudMessage, refusal: &Refusal) -> Error {
    Error::Refused {
        peer: Peer::IotHub,
        what: format!("device {} is disabled ({}); enable it in IoT Hub", message.device_id, refusal.describe()),
    }
}

fn hiccup(what: &str, refusal: &Refusal) -> Error {
    Error::Unavailable { peer: Peer::IotHub, what: format!("{what} ({})", refusal.describe()), retry: Retry::Soon }
}
