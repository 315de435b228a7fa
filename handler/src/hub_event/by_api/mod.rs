//! Delivery through the ordinary API: what an event asks for is carried out here, device by device.
//!
//! What a device's tags say is always read anew from its twin, so that repeated and late events do no harm. An event
//! that was tried before may have been cut short anywhere, at The Things Stack and in the twin, so a repeated one
//! believes nothing it remembers: see [`Trust`]. Downlinks are told apart by `$version`: see [`ByApi::schedule`].

mod applied;
mod batch;
mod downlink;
mod late;
mod registration;
mod status;
mod tags;
mod versions;

use serde_json::Value;
use tokio::time::Instant;

use self::downlink::DesiredDownlink;
use self::registration::{Trust, lorawan_tags};
use crate::app::{App, now};
use crate::error::{Error, Peer};
use crate::iot_hub::DeviceId;
use crate::iot_hub::event::{HubEvent, Operation};
use crate::settings::OnDeviceDeletion;
use crate::tts::api::{Api, Downlink, Enqueued, Operation as QueueOperation};
use crate::tts::id::EndDeviceIds;

/// Carries out events through the API.
#[derive(Debug, Clone, Copy)]
pub(super) struct ByApi<'a> {
    pub(super) app: &'a App,
    pub(super) api: &'a Api,
}

/// What an event asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Request {
    /// The device is gone from IoT Hub.
    Deletion,
    Change(Box<Change>),
}

/// What has changed of a device.
#[derive(Debug, PartialEq)]
pub(super) struct Change {
    /// `tags.lorawan`, or a part of it.
    tags: Option<Value>,
    downlink: Option<DesiredDownlink>,
}

/// Whether an event was tried before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Try {
    First,
    /// Nobody knows how far that came.
    Repeated,
    /// All of it was done, but its downlink was not taken yet.
    Waited,
}

impl Request {
    /// What an event asks for; `None` if nothing that concerns The Things Stack.
    pub(super) fn of(event: &HubEvent) -> Option<Self> {
        if event.operation == Operation::Deleted {
            return Some(Self::Deletion);
        }
        let mut body: Value = serde_json::from_str(event.body.get()).ok()?;
        let tags = lorawan_tags(&body).is_some().then(|| body["tags"]["lorawan"].take());
        let downlink = DesiredDownlink::of(event);
        (tags.is_some() || downlink.is_some()).then(|| Self::Change(Box::new(Change { tags, downlink })))
    }
}

impl ByApi<'_> {
    /// Carries out what an event asks for.
    ///
    /// # Errors
    /// [`Error::NotYet`] if only this device has to wait.
    pub(super) async fn carry_out(
        &self,
        ids: &EndDeviceIds,
        device_id: &DeviceId,
        request: &Request,
        attempt: Try,
        deadline: Instant,
    ) -> Result<(), Error> {
        let Change { tags, downlink } = match request {
            Request::Deletion => return self.delete(ids, device_id, deadline).await,
            Request::Change(change) => &**change,
        };
        // A device that is gone has its deletion on its way.
        let Some(twin) = self.app.iot_hub.twin(device_id, deadline).await? else { return Ok(()) };
        match (tags, attempt) {
            (Some(tags), Try::First | Try::Waited) if is_current(tags, &twin) => {
                self.follow_tags(ids, device_id, twin.clone(), Trust::All, deadline).await?;
            }
            (Some(_), Try::Repeated) => {
                self.follow_tags(ids, device_id, twin.clone(), Trust::Applied, deadline).await?;
            }
            _ if downlink.is_some() => self.have_registered(ids, device_id, &twin, deadline).await?,
            _ => {}
        }
        match downlink {
            Some(downlink) => self.schedule(ids, downlink, &twin, attempt, deadline).await,
            None => Ok(()),
        }
    }

    /// Says in the twin that a device's tags have to wait, and why. If that fails too, nothing else depends on it.
    pub(super) async fn note_waiting(&self, device_id: &DeviceId, reason: &Error, deadline: Instant) {
        let written = self.app.iot_hub.write_tags(device_id, &status::waiting(reason, now()), None, deadline).await;
        if let Err(reason) = written {
            tracing::debug!(device_id = device_id.as_str(), "tags.lorawanStatus not written: {reason}");
        }
    }

    /// Deletes the device, unless the settings say to keep it. One created anew in the meantime, whose creation may have
    /// been handled before, is registered again.
    async fn delete(&self, ids: &EndDeviceIds, device_id: &DeviceId, deadline: Instant) -> Result<(), Error> {
        if self.app.settings.tts_on_device_deletion == OnDeviceDeletion::Keep {
            return Ok(());
        }
        self.api.delete(ids, deadline).await?;
        match self.app.iot_hub.twin(device_id, deadline).await? {
            Some(twin) => self.follow_tags(ids, device_id, twin, Trust::Nothing, deadline).await,
            None => Ok(()),
        }
    }

    /// Puts a downlink into the device's queue, once for each `$version`: not if the twin reports it as scheduled, and a
    /// push that may have been made before not if it is in the queue still. What remains is a push whose answer was lost and
    /// which was sent before the event came again.
    async fn schedule(
        &self,
        ids: &EndDeviceIds,
        desired: &DesiredDownlink,
        twin: &Value,
        attempt: Try,
        deadline: Instant,
    ) -> Result<(), Error> {
        if desired.is_scheduled(twin) {
            return Ok(());
        }
        let downlink: Downlink = desired.downlink(twin).map_err(Error::Malformed)?;
        let may_be_queued = attempt != Try::First && downlink.operation == QueueOperation::Push;
        if may_be_queued && self.api.is_queued(ids, &downlink.correlation_id, deadline).await? {
            return Ok(());
        }
        match self.api.enqueue(ids, &downlink, deadline).await? {
            Enqueued::Done => Ok(()),
            // Its registration may be under way, or wait for something.
            Enqueued::NoDevice(what) if lorawan_tags(twin).is_some() => Err(Error::NotYet { peer: Peer::Tts, what }),
            Enqueued::NoDevice(what) => Err(Error::Refused { peer: Peer::Tts, what }),
        }
    }
}

/// Reads all of an event that is going to be carried out, without carrying it out.
#[cfg(feature = "fuzzing")]
pub(crate) fn read(event: &HubEvent, ids: &EndDeviceIds, twin: &Value) -> Result<(), String> {
    let Some(Request::Change(change)) = Request::of(event) else { return Ok(()) };
    if let (Some(_), Some(tags)) = (&change.tags, lorawan_tags(twin)) {
        let device = tags::end_device_from(ids.clone(), tags)?.device;
        let applied = applied::Applied::of(&device, &crate::secret::Secret::new("key"));
        assert_eq!(applied::Applied::from_text(&applied.to_text()), applied, "it is remembered");
    }
    if let Some(desired) = &change.downlink {
        let downlink = desired.downlink(twin)?;
        assert!(downlink.correlation_id.len() <= 100, "The Things Stack's limit");
    }
    Ok(())
}

/// Whether the tags an event brings are those of the twin still. If not, a newer event brings those.
fn is_current(patch: &Value, twin: &Value) -> bool {
    let now = &twin["tags"]["lorawan"];
    patch.as_object().is_some_and(|patch| patch.iter().all(|(name, value)| *value == now[name.as_str()]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::to_raw_value;

    use super::*;

    fn request(operation: Operation, body: &Value) -> Option<Request> {
        Request::of(&HubEvent {
            operation,
            device_id: "sensor-1".to_owned(),
            body: to_raw_value(body).unwrap(),
            properties: serde_json::Map::new(),
        })
    }

    #[test]
    fn only_deletions_lorawan_tags_and_downlinks_concern_the_things_stack() {
        let tags = json!({"tags": {"lorawan": {"devEui": "70B3"}, "site": "roof"}});
        let change = Change { tags: Some(json!({"devEui": "70B3"})), downlink: None };
        let expected = Request::Change(Box::new(change));
        for operation in [Operation::Created, Operation::TwinUpdated, Operation::TwinReplaced] {
            assert_eq!(request(operation, &tags).as_ref(), Some(&expected));
            for nothing in [
                json!({"tags": {"site": "roof", "lorawan": null}}),
                json!({"tags": {"lorawanStatus": {"state": "registered"}}}),
                json!({"properties": {"desired": {"interval": 60, "$version": 2}}}),
                json!({}),
            ] {
                assert_eq!(request(operation, &nothing), None, "{nothing}");
            }
        }
        assert_eq!(request(Operation::Deleted, &tags), Some(Request::Deletion));
    }

    #[test]
    fn tags_that_were_changed_again_are_not_current() {
        let twin = json!({"tags": {"lorawan": {"devEui": "70B3", "frequencyPlanId": "US"}}});
        for (patch, expected) in [
            (json!({"devEui": "70B3"}), true),
            (json!({"devEui": "70B3", "name": null}), true),
            (json!({"devEui": "70B4"}), false),
            (json!({"frequencyPlanId": null}), false),
        ] {
            assert_eq!(is_current(&patch, &twin), expected, "{patch}");
        }
    }
}
