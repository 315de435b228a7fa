//! What devices asked for over MQTT, so that tests can count it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::iot_hub::faults::Operation;
use crate::newest::Newest;

/// A connect, a twin read, a twin write or a message, in the order of arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttRequest {
    /// The client id of a connect, the device of everything else.
    pub device_id: String,
    /// [`Operation::MqttConnect`], [`Operation::MqttTwinGet`], [`Operation::MqttTwinPatch`] or
    /// [`Operation::MqttTelemetry`].
    pub kind: Operation,
    /// A connect's return code (0 is accepted), a twin request's status, 204 for a message that was taken; `None` as
    /// long as the hub said nothing, and for ever if it could not: the connection broke, or nobody listened for answers.
    pub status: Option<u16>,
    /// Why it was refused, with the reasons a hub keeps to itself.
    pub refusal: Option<String>,
}

/// The newest requests, and how many of each kind there ever were.
#[derive(Debug)]
pub(crate) struct MqttLog(Mutex<Log>);

#[derive(Debug)]
struct Log {
    requests: Newest<MqttRequest>,
    counts: [usize; Operation::COUNT],
}

impl MqttLog {
    /// Keeps so many requests.
    pub(crate) fn new(most: usize) -> Self {
        Self(Mutex::new(Log { requests: Newest::new(most), counts: [0; Operation::COUNT] }))
    }

    /// Notes an arrival; the answer comes later, to the number this returns.
    pub(crate) fn arrived(&self, device_id: &str, kind: Operation) -> usize {
        let mut log = self.lock();
        log.counts[kind as usize] += 1;
        log.requests.push(MqttRequest { device_id: device_id.to_owned(), kind, status: None, refusal: None })
    }

    /// Notes why a request was refused, whether or not the client gets to know that it was.
    pub(crate) fn refused(&self, number: usize, refusal: Option<String>) {
        if let Some(request) = self.lock().requests.get_mut(number) {
            request.refusal = refusal;
        }
    }

    pub(crate) fn answered(&self, number: usize, status: u16) {
        if let Some(request) = self.lock().requests.get_mut(number) {
            request.status = Some(status);
        }
    }

    pub(crate) fn all(&self) -> Vec<MqttRequest> {
        self.lock().requests.from(0).cloned().collect()
    }

    pub(crate) fn count(&self, kind: Operation) -> usize {
        self.lock().counts[kind as usize]
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
