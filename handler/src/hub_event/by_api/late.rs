//! Parked events, carried out as of now.

use serde_json::Value;
use tokio::time::Instant;

use super::super::as_of_now::as_of_now;
use super::tags::euis_of;
use super::{ByApi, Request, Try};
use crate::error::Error;
use crate::iot_hub::DeviceId;
use crate::iot_hub::event::{HubEvent, Operation};
use crate::tts::id::EndDeviceIds;

impl ByApi<'_> {
    /// Carries out a parked event, as of now.
    ///
    /// # Errors
    /// As at the first time.
    pub(in crate::hub_event) async fn carry_out_late(
        &self,
        ids: &EndDeviceIds,
        device_id: &DeviceId,
        event: HubEvent,
        attempt: Try,
        deadline: Instant,
    ) -> Result<(), Error> {
        let twin = self.app.iot_hub.twin(device_id, deadline).await?;
        let body: Value = serde_json::from_str(event.body.get()).unwrap_or_default();
        let event = match event.operation {
            Operation::Deleted => event,
            Operation::Created | Operation::TwinUpdated | Operation::TwinReplaced
                if is_of_a_former_device(&body, twin.as_ref()) =>
            {
                return self.leave_nothing_of(ids, device_id, &body, attempt, deadline).await;
            }
            Operation::Created | Operation::TwinUpdated | Operation::TwinReplaced => {
                let Some(event) = as_of_now(event, twin.as_ref()) else {
                    tracing::info!(
                        device_id = device_id.as_str(),
                        "parked event left out: newer changes have overtaken it"
                    );
                    return Ok(());
                };
                event
            }
        };
        match Request::of(&event) {
            Some(request) => {
                let done = self.carry_out(ids, device_id, &request, attempt, deadline).await;
                done.map_err(|failure| failure.error)
            }
            None => Ok(()),
        }
    }

    /// Earlier tries may have registered a device at some servers after its deletion was carried out. What was refused is
    /// not there, and another device may have its id.
    async fn leave_nothing_of(
        &self,
        ids: &EndDeviceIds,
        device_id: &DeviceId,
        body: &Value,
        attempt: Try,
        deadline: Instant,
    ) -> Result<(), Error> {
        if attempt != Try::Retried && self.has_another(ids, &euis_of(body), deadline).await? == Some(false) {
            return self.delete(ids, device_id, attempt, deadline).await;
        }
        tracing::info!(device_id = device_id.as_str(), "parked event left out: its device is gone");
        Ok(())
    }
}

/// Whether a parked event brought LoRaWAN tags of a device that is gone. Versions begin anew with a device created anew.
fn is_of_a_former_device(body: &Value, twin: Option<&Value>) -> bool {
    let is_former = |twin: &Value| twin["version"].as_u64() < body["version"].as_u64();
    !body["tags"]["lorawan"].is_null() && twin.is_none_or(is_former)
}
