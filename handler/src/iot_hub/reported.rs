//! Reported properties: written from the device's side, on connections that are made on demand.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use serde_json::Value;
use tokio::time::Instant;

use super::client::IotHub;
use super::mqtt::{Checked, NotWritten, Pool, Rates};
use super::{DeviceId, Policy};
use crate::circuit::Circuit;
use crate::error::{Error, Peer};
use crate::record::PeerRecord;

/// How twins are reached.
#[derive(Debug, Clone)]
pub struct TwinAccess {
    /// The hub's MQTT port.
    pub port: u16,
    /// The TLS configuration that HTTPS uses too, so that sessions are resumed.
    pub tls: Arc<ClientConfig>,
    /// How long a connection without work is kept.
    pub idle: Duration,
    /// What the hub's tier allows this instance.
    pub rates: Rates,
}

/// What became of reported properties to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// They are in the twin.
    Written,
    /// What was there showed that there was nothing to write.
    NothingToWrite,
    /// The hub does not let the device in. It may not exist yet.
    NotAuthorized,
}

/// The device side of all twins.
#[derive(Debug)]
pub(super) struct Twins {
    pool: Pool,
    circuit: Circuit,
    record: PeerRecord,
}

impl Twins {
    pub(super) fn new(policy: &Policy, settings: TwinAccess) -> Self {
        let TwinAccess { port, tls, idle, rates } = settings;
        Self {
            pool: Pool::new(policy, port, tls, idle, rates),
            circuit: Circuit::new(Peer::IotHub),
            record: PeerRecord::default(),
        }
    }
}

impl IotHub {
    /// Merges a patch into a device's reported properties. If it `reads_first`, and whenever it has to be tried again, the
    /// present ones decide through `checked` what is written.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when another time may do, [`Error::Refused`] if the hub does not take the patch.
    pub async fn report(
        &self,
        device_id: &DeviceId,
        patch: &Value,
        checked: Checked<'_>,
        reads_first: bool,
        deadline: Instant,
    ) -> Result<Report, Error> {
        let Twins { pool, circuit, record } = &self.twins;
        let write = async {
            match pool.write(device_id, patch, checked, reads_first, deadline).await {
                Ok(true) => Ok(Report::Written),
                Ok(false) => Ok(Report::NothingToWrite),
                Err(NotWritten::NotAuthorized) => Ok(Report::NotAuthorized),
                Err(NotWritten::Failed(error)) => Err(error),
            }
        };
        let result = circuit.call(write).await;
        match &result {
            Ok(_) => record.succeeded(),
            Err(error) => record.failed(&error.to_string()),
        }
        result
    }

    /// How the device side of twins last answered, for `health`.
    #[must_use]
    pub fn twins_report(&self) -> Value {
        self.twins.record.report(&self.twins.circuit.report())
    }
}
