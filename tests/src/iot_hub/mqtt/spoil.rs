//! A fault that meets a packet.

use tokio::time::sleep;

use super::connection::End;
use crate::iot_hub::faults::{Effect, Operation};
use crate::iot_hub::hub::Hub;

/// What a fault does to one packet, if there is one.
#[derive(Debug)]
pub(crate) struct Spoil(Option<Effect>);

impl Spoil {
    /// The fault whose turn it is.
    pub(crate) fn take(hub: &Hub, kind: Operation, device_id: &str, message_id: Option<&str>) -> Self {
        let effect = hub.faults.take(kind, Some(device_id));
        if let (Some(effect), Some(observer)) = (&effect, &hub.observer) {
            observer.spoiled(kind, message_id, effect);
        }
        Self(effect)
    }

    /// Before the packet is looked at.
    pub(crate) async fn before(&self) -> Result<(), End> {
        match &self.0 {
            Some(Effect::ResetBefore) => return Err(End::Reset),
            Some(Effect::Delay(delay)) => sleep(*delay).await,
            Some(
                Effect::Status { .. } | Effect::ResetAfterAccepting | Effect::DelayAnswer(_) | Effect::EndHandshake,
            )
            | None => {}
        }
        Ok(())
    }

    /// Status, error code and message to refuse the packet with.
    pub(crate) fn refusal(&self) -> Option<(u16, &'static str, &str)> {
        match &self.0 {
            Some(Effect::Status { status, error_code, message }) => Some((*status, error_code, message)),
            Some(_) | None => None,
        }
    }

    /// Between carrying it out and saying so.
    pub(crate) async fn after(&self) -> Result<(), End> {
        match &self.0 {
            Some(Effect::ResetAfterAccepting) => return Err(End::Reset),
            Some(Effect::DelayAnswer(delay)) => sleep(*delay).await,
            Some(Effect::Status { .. } | Effect::ResetBefore | Effect::Delay(_) | Effect::EndHandshake) | None => {}
        }
        Ok(())
    }
}
