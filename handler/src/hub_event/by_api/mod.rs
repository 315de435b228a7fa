//! Delivery through the ordinary API: what an event asks for is carried out here, device by device.
//!
//! What a device's tags say is always read anew from its twin, so that repeated and late events do no harm. An event
//! that was tried before may have been cut short anywhere, at The Things Stack and in the twin, so a repeated one
//! believes nothing it remembers: see [`Trust`]. Downlinks are told apart by `$version`: see [`ByApi::schedule`].

mod applied;
mod batch;
mod deletion;
mod downlink;
mod late;
mod registration;
mod schedule;
mod status;
mod successor;
mod tags;
mod versions;

use serde_json::Value;
use tokio::time::Instant;

use self::downlink::DesiredDownlink;
use self::status::Trust;
use self::tags::{Euis, euis_of, lorawan_tags};
use crate::app::{App, now};
use crate::error::Error;
use crate::iot_hub::DeviceId;
use crate::iot_hub::event::{HubEvent, Operation};
use crate::tts::api::Api;
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
    Deletion {
        /// The EUIs its tags and its status name, if its twin remembers no registration: there may be another device under
        /// its id.
        unrecorded: Option<[Euis; 2]>,
    },
    Change(Box<Change>),
}

/// What has changed of a device.
#[derive(Debug, PartialEq)]
pub(super) struct Change {
    /// Whether `tags.lorawan` is concerned.
    is_of_tags: bool,
    downlink: Option<DesiredDownlink>,
}

/// Whether an event was tried before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Try {
    First,
    /// In the stream, in its order; nobody knows how far that came.
    Repeated,
    /// While it was parked, newer ones went ahead; nobody knows how far earlier tries came.
    Late,
    /// As late; all of it was done, but its downlink was not taken yet.
    Waited,
    /// As late, by a person, after it was refused.
    Retried,
}

/// Why what an event asks for was not done.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    /// If it is the device's registration that was not done: the tags it has now.
    pub(super) tags: Option<Value>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, tags: None }
    }
}

impl Request {
    /// What an event asks for; `None` if nothing that concerns The Things Stack.
    pub(super) fn of(event: &HubEvent) -> Option<Self> {
        let body: Value = serde_json::from_str(event.body.get()).ok()?;
        if event.operation == Operation::Deleted {
            let may_be_another = !body["tags"]["lorawan"].is_null() && !status::is_recorded(&body);
            return Some(Self::Deletion { unrecorded: may_be_another.then(|| euis_of(&body)) });
        }
        let is_of_tags = lorawan_tags(&body).is_some();
        let downlink = DesiredDownlink::of(event);
        (is_of_tags || downlink.is_some()).then(|| Self::Change(Box::new(Change { is_of_tags, downlink })))
    }
}

impl ByApi<'_> {
    /// Carries out what an event asks for.
    ///
    /// # Errors
    /// With [`Error::NotYet`] if only this device has to wait.
    pub(super) async fn carry_out(
        &self,
        ids: &EndDeviceIds,
        device_id: &DeviceId,
        request: &Request,
        attempt: Try,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let Change { is_of_tags, downlink } = match request {
            Request::Deletion { unrecorded } => {
                if let Some(named) = unrecorded
                    && self.has_another(ids, named, deadline).await? != Some(false)
                {
                    let device_id = device_id.as_str();
                    tracing::info!(
                        device_id,
                        "never registered, and deleted: what The Things Stack has of its id stays"
                    );
                    return Ok(());
                }
                return Ok(self.delete(ids, device_id, attempt, deadline).await?);
            }
            Request::Change(change) => &**change,
        };
        // A device that is gone has its deletion on its way.
        let Some(twin) = self.app.iot_hub.twin(device_id, deadline).await? else { return Ok(()) };
        let trust = match attempt {
            Try::First | Try::Waited => Trust::All,
            Try::Repeated | Try::Late | Try::Retried => Trust::Applied,
        };
        if *is_of_tags {
            let followed = self.follow_tags(ids, device_id, twin.clone(), trust, deadline).await;
            followed.map_err(|error| Failure { error, tags: Some(twin["tags"]["lorawan"].clone()) })?;
        } else if downlink.is_some() {
            self.have_registered(ids, device_id, &twin, deadline).await?;
        }
        match downlink {
            Some(downlink) => Ok(self.schedule(ids, downlink, &twin, attempt, deadline).await?),
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
}

/// Reads all of an event that is going to be carried out, without carrying it out.
#[cfg(feature = "fuzzing")]
pub(crate) fn read(event: &HubEvent, ids: &EndDeviceIds, twin: &Value) -> Result<(), String> {
    let Some(Request::Change(change)) = Request::of(event) else { return Ok(()) };
    if let Some(tags) = lorawan_tags(twin).filter(|_| change.is_of_tags) {
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
        let tags = json!({"tags": {"lorawan": {"devEui": "70B3D57ED0000001"}, "site": "roof"}});
        let change = Change { is_of_tags: true, downlink: None };
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
        let deletion = |unrecorded| Some(Request::Deletion { unrecorded });
        let eui = || Some("70B3D57ED0000001".to_owned());
        let unrecorded = Some([[eui(), None], [None, None]]);
        assert_eq!(request(Operation::Deleted, &json!({})), deletion(None), "it is no LoRaWAN device");
        assert_eq!(request(Operation::Deleted, &tags), deletion(unrecorded.clone()));
        for (status, expected) in [
            (json!({"state": "refused", "applied": "key:a"}), None),
            (json!(true), None),
            (json!({"applied": true}), None),
            (json!({"applied": false}), unrecorded.clone()),
            (json!({"state": "refused", "joinEui": eui()}), Some([[eui(), None], [None, eui()]])),
            (json!({"state": "waiting"}), unrecorded),
        ] {
            let body = json!({"tags": {"lorawan": {"devEui": "70B3D57ED0000001"}, "lorawanStatus": status}});
            assert_eq!(request(Operation::Deleted, &body), deletion(expected), "{status}");
        }
    }
}
