//! A device's registration follows its tags as they are now, whichever event says that they have changed: what an
//! event from before shows is not worth registering, and repeating one does no harm.

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::ByApi;
use super::applied::{Applied, Difference};
use super::status::{self, Remembered, Trust};
use super::successor::Successor;
use super::tags::{Described, end_device_from, lorawan_tags};
use crate::app::now;
use crate::error::{Error, Peer, Retry};
use crate::iot_hub::{DeviceId, TagsWritten};
use crate::tts::api::{Creation, EndDevice, Field, Server};
use crate::tts::id::EndDeviceIds;

/// How often the status is written anew because the twin has changed in the meantime.
const ATTEMPTS: usize = 5;

/// The servers beside the Identity Server, in the order a device is registered.
const FURTHER_SERVERS: [Server; 3] = [Server::Join, Server::Network, Server::Application];

impl ByApi<'_> {
    /// Registers a device, or changes what has changed. The outcome stands in `tags.lorawanStatus` afterwards.
    ///
    /// # Errors
    /// [`Error::Refused`] and [`Error::Malformed`] if these tags will never be taken.
    pub(super) async fn follow_tags(
        &self,
        ids: &EndDeviceIds,
        device_id: &DeviceId,
        mut twin: Value,
        trust: Trust,
        deadline: Instant,
    ) -> Result<(), Error> {
        let mut remembered = status::remembered(&twin).trusted(trust);
        let mut is_recorded = true;
        for _ in 0..ATTEMPTS {
            let Some(tags) = lorawan_tags(&twin) else { return Ok(()) };
            let followed = self.apply(ids, tags, &remembered, deadline).await;
            let status = match &followed {
                Ok(registered) if is_recorded && !registered.is_news => return Ok(()),
                Ok(Registered { applied, remarks, .. }) => status::registered(&twin, applied, remarks, now()),
                Err(error) if error.is_transient() => return followed.map(drop),
                Err(error) => status::refused(error, &remembered, now()),
            };
            match self.record(device_id, &twin, &status, deadline).await? {
                None => return followed.map(drop),
                Some(Successor::Same(changed)) => twin = changed,
                Some(other) => {
                    let Some((successor, trust)) =
                        self.succeeded_by(ids, device_id, other, followed.is_ok(), deadline).await?
                    else {
                        return Ok(());
                    };
                    (remembered, is_recorded) = (status::remembered(&successor).trusted(trust), true);
                    twin = successor;
                    continue;
                }
            }
            // What has just been registered, the twin does not know yet; what was refused may be written in part.
            match followed {
                Ok(Registered { applied, .. }) => {
                    remembered = Remembered { is_registered: true, is_refused: false, applied: Some(applied) };
                    is_recorded = false;
                }
                Err(_) => remembered.is_registered = false,
            }
        }
        let what = format!("the twin changes faster than tags.lorawanStatus can be written, {ATTEMPTS} times in a row");
        Err(Error::Unavailable { peer: Peer::IotHub, what, retry: Retry::Soon })
    }

    /// Writes a status into the twin it is about, unless that cannot hold it; the twin in its place if it is another.
    async fn record(
        &self,
        device_id: &DeviceId,
        twin: &Value,
        status: &Value,
        deadline: Instant,
    ) -> Result<Option<Successor>, Error> {
        match self.app.iot_hub.write_tags(device_id, status, twin["etag"].as_str(), deadline).await {
            Ok(TagsWritten::Done(after)) if Successor::has_same_identity(twin, &after) => Ok(None),
            // Two answers of one kind tell for sure.
            Ok(TagsWritten::Done(_)) => {
                let successor = Successor::written(twin, self.app.iot_hub.twin(device_id, deadline).await?);
                Ok((!matches!(successor, Successor::Same(_))).then_some(successor))
            }
            Ok(TagsWritten::NoDevice | TagsWritten::TwinChanged) => {
                Ok(Some(Successor::changed(twin, self.app.iot_hub.twin(device_id, deadline).await?)))
            }
            Err(error) if error.is_transient() => Err(error),
            // The twin is full, say. What has become of the tags is more important.
            Err(error) => {
                tracing::warn!(device_id = device_id.as_str(), "tags.lorawanStatus not written: {error}");
                Ok(None)
            }
        }
    }

    /// Sees to it that a downlink is for the device its twin describes. As long as the twin remembers no registration,
    /// The Things Stack may have the one of a device that is deleted, whose queue will go with it.
    pub(super) async fn have_registered(
        &self,
        ids: &EndDeviceIds,
        device_id: &DeviceId,
        twin: &Value,
        deadline: Instant,
    ) -> Result<(), Error> {
        let Remembered { applied, is_refused, .. } = status::remembered(twin);
        // One that was refused later is registered as it was before.
        if applied.is_some() || lorawan_tags(twin).is_none() || is_refused && status::is_recorded(twin) {
            return Ok(());
        }
        let refused = |what: String| Error::NotYet { peer: Peer::Tts, what };
        if is_refused {
            return Err(refused("the device's tags were refused, see tags.lorawanStatus".to_owned()));
        }
        match self.follow_tags(ids, device_id, twin.clone(), Trust::Nothing, deadline).await {
            Err(error) if !error.is_transient() => Err(refused(format!("the device's tags are refused: {error}"))),
            followed => followed,
        }
    }

    /// Makes The Things Stack have the device as the tags are.
    async fn apply(
        &self,
        ids: &EndDeviceIds,
        tags: &Map<String, Value>,
        remembered: &Remembered,
        deadline: Instant,
    ) -> Result<Registered, Error> {
        let Described { device, remarks } = end_device_from(ids.clone(), tags).map_err(Error::Malformed)?;
        let applied = Applied::of(&device, &self.app.settings.tts_api_key);
        let difference = remembered.applied.as_ref().map_or(Difference::Unknown, |before| before.difference(&applied));
        let is_news = difference != Difference::None || !remembered.is_registered;
        match difference {
            Difference::None if remembered.is_registered => {}
            Difference::Euis => return Err(euis_changed(ids)),
            Difference::Fields(fields) if remembered.is_registered => self.change(&device, fields, deadline).await?,
            Difference::Fields(fields) => self.create(&device, &fields, deadline).await?,
            Difference::None | Difference::Unknown => self.create(&device, &[], deadline).await?,
        }
        Ok(Registered { applied, remarks, is_news })
    }

    /// Writes what has changed. A device that is not there as remembered is created.
    async fn change(&self, device: &EndDevice, mut fields: Vec<Field>, deadline: Instant) -> Result<(), Error> {
        if fields.contains(&Field::VersionIds) && device.version_ids.is_complete() {
            fields.push(Field::Formatters);
        }
        for server in [Server::Identity].into_iter().chain(FURTHER_SERVERS) {
            match self.api.change(server, device, &fields, deadline).await {
                Err(Error::Refused { .. }) => return self.create(device, &fields, deadline).await,
                result => result?,
            }
        }
        Ok(())
    }

    /// Creates a device, or rolls forward what another try has begun: what the tags say, and what has changed besides
    /// because they say it no more. A refusal takes back what this try has begun.
    async fn create(&self, device: &EndDevice, changed: &[Field], deadline: Instant) -> Result<(), Error> {
        let mut fields = device.given_and(changed);
        let creation = self.api.create(device, deadline).await?;
        if creation == Creation::Existed {
            self.api.change(Server::Identity, device, &fields, deadline).await?;
            // Formatters that somebody has chosen in the Console are not the tags' business.
            if self.api.is_registered(Server::Application, device, deadline).await?
                && !changed.contains(&Field::VersionIds)
            {
                fields.retain(|field| *field != Field::Formatters);
            }
        }
        for server in FURTHER_SERVERS {
            let Err(error) = self.api.register(server, device, &fields, deadline).await else { continue };
            return Err(match creation {
                _ if error.is_transient() => error,
                Creation::Created => self.taken_back(device, error, deadline).await,
                Creation::Existed => Error::Malformed(format!(
                    "{error}; what The Things Stack had of the device stays: correct the tags, or delete it in IoT Hub"
                )),
            });
        }
        Ok(())
    }

    /// Deletes what a refused creation has begun; why that failed, if it did.
    async fn taken_back(&self, device: &EndDevice, refusal: Error, deadline: Instant) -> Error {
        match self.api.delete(&device.ids, deadline).await {
            Ok(()) => refusal,
            Err(reason) if reason.is_transient() => reason,
            Err(reason) => Error::Malformed(format!(
                "{refusal}; the device is left half created, because it could not be deleted: {reason}"
            )),
        }
    }
}

/// A device The Things Stack has now.
struct Registered {
    applied: Applied,
    remarks: Vec<String>,
    /// Whether it had it otherwise before.
    is_news: bool,
}

fn euis_changed(ids: &EndDeviceIds) -> Error {
    Error::Malformed(format!(
        "found another DevEUI or JoinEUI in the tags than {ids} was registered with; The Things Stack cannot change them: \
         put the old ones back, or delete the device in IoT Hub and create it anew"
    ))
}
