//! A device deleted in IoT Hub.

use tokio::time::Instant;

use super::status::{self, Trust};
use super::tags::{Euis, euis_in};
use super::{ByApi, Try};
use crate::error::Error;
use crate::iot_hub::DeviceId;
use crate::settings::OnDeviceDeletion;
use crate::tts::id::EndDeviceIds;

impl ByApi<'_> {
    /// Whether The Things Stack has a device under this id with other EUIs than any of these; `None` if none are named.
    pub(super) async fn has_another(
        &self,
        ids: &EndDeviceIds,
        named: &[Euis],
        deadline: Instant,
    ) -> Result<Option<bool>, Error> {
        let named: Vec<_> = named.iter().filter(|euis| euis.iter().any(Option::is_some)).collect();
        if named.is_empty() {
            return Ok(None);
        }
        let Some((dev_eui, join_eui)) = self.api.euis(ids, deadline).await? else { return Ok(Some(false)) };
        let found = [dev_eui, join_eui];
        let is_it = |euis: &Euis| {
            euis.iter().zip(&found).all(|(named, found)| named.as_ref().is_none_or(|named| named == found))
        };
        Ok(Some(!named.into_iter().any(is_it)))
    }

    /// Deletes the device, unless the settings say to keep it. One created anew in the meantime, whose creation may have
    /// been handled before, is registered again.
    pub(super) async fn delete(
        &self,
        ids: &EndDeviceIds,
        device_id: &DeviceId,
        attempt: Try,
        deadline: Instant,
    ) -> Result<(), Error> {
        if self.app.settings.tts_on_device_deletion == OnDeviceDeletion::Keep {
            return Ok(());
        }
        if attempt != Try::First {
            let twin = self.app.iot_hub.twin(device_id, deadline).await?;
            // Who creates a device anew may copy its old `lorawanStatus`: with other EUIs it is the former that is there.
            if let Some(twin) = twin.filter(status::is_recorded)
                && self.has_another(ids, &[euis_in(&twin["tags"]["lorawan"])], deadline).await? != Some(true)
            {
                // An earlier try may have deleted it at some servers, but its session need not go with it.
                tracing::info!(device_id = device_id.as_str(), "late deletion: the device has been created anew");
                return self.follow_tags(ids, device_id, twin, Trust::Applied, deadline).await;
            }
        }
        self.api.delete(ids, deadline).await?;
        match self.app.iot_hub.twin(device_id, deadline).await? {
            Some(twin) => self.follow_tags(ids, device_id, twin, Trust::Nothing, deadline).await,
            None => Ok(()),
        }
    }
}
