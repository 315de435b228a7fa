//! A device that is deleted, and perhaps created anew, while it is registered.
//!
//! Its deletion may be carried out before the registration comes to its end, and what is registered then would stay. A
//! twin's versions and entity tag begin anew with it, so a new device's twin may look unchanged; its `deviceEtag` never
//! does, but that of the same device moves too when somebody writes its identity.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::ByApi;
use super::status::{Trust, is_recorded};
use super::tags::{euis_in, lorawan_tags};
use crate::error::Error;
use crate::iot_hub::DeviceId;
use crate::settings::OnDeviceDeletion;
use crate::tts::id::EndDeviceIds;

/// A twin under the id of another that was read before.
#[derive(Debug, PartialEq)]
pub(super) enum Successor {
    /// It is the same device's.
    Same(Value),
    /// Nobody can tell whose it is.
    Unclear(Value),
    /// It is that of a device created anew.
    Other(Value),
    /// There is none.
    Nobody,
}

impl Successor {
    /// Of a twin that had changed.
    pub(super) fn changed(before: &Value, after: Option<Value>) -> Self {
        let Some(after) = after else { return Self::Nobody };
        let version = |twin: &Value| twin["version"].as_u64();
        let euis = |twin: &Value| euis_in(&twin["tags"]["lorawan"]);
        let begins_anew = version(&after) <= version(before);
        // A registration once noted is not forgotten, and one just made is not of other EUIs.
        let is_unknown = !is_recorded(&after) && (is_recorded(before) || euis(&after) != euis(before));
        Self::of(before, after, begins_anew || is_unknown)
    }

    /// Of a twin that something was written into because it looked the same.
    pub(super) fn written(before: &Value, after: Option<Value>) -> Self {
        let Some(after) = after else { return Self::Nobody };
        let has_other_tags = lorawan_tags(&after) != lorawan_tags(before);
        Self::of(before, after, has_other_tags)
    }

    /// Whether nothing speaks against two twins being the same device's.
    pub(super) fn has_same_identity(before: &Value, after: &Value) -> bool {
        after["deviceEtag"].is_null() || after["deviceEtag"] == before["deviceEtag"]
    }

    fn of(before: &Value, after: Value, is_other: bool) -> Self {
        if Self::has_same_identity(before, &after) {
            Self::Same(after)
        } else if is_other {
            Self::Other(after)
        } else {
            Self::Unclear(after)
        }
    }
}

impl ByApi<'_> {
    /// Leaves nothing behind of a device that is gone; the twin of the one that has its id now and is to be registered, and
    /// how much of its memory is to be believed.
    pub(super) async fn succeeded_by(
        &self,
        ids: &EndDeviceIds,
        device_id: &DeviceId,
        successor: Successor,
        has_registered: bool,
        deadline: Instant,
    ) -> Result<Option<(Value, Trust)>, Error> {
        let (twin, trust) = match successor {
            Successor::Same(twin) | Successor::Unclear(twin) => (Some(twin), Trust::Applied),
            Successor::Other(twin) => (Some(twin), Trust::Nothing),
            Successor::Nobody => (None, Trust::Nothing),
        };
        // What was refused is somebody else's, if it is there at all.
        if has_registered && trust == Trust::Nothing {
            self.forget(ids, deadline).await?;
        }
        match twin {
            Some(twin) if trust == Trust::Nothing && lorawan_tags(&twin).is_none() => {
                self.take_back_status(device_id, &twin, deadline).await.map(|()| None)
            }
            twin => Ok(twin.map(|twin| (twin, trust))),
        }
    }

    /// The device was deleted in IoT Hub while it was registered; its deletion may have been carried out before.
    async fn forget(&self, ids: &EndDeviceIds, deadline: Instant) -> Result<(), Error> {
        match self.app.settings.tts_on_device_deletion {
            OnDeviceDeletion::Keep => Ok(()),
            OnDeviceDeletion::Delete => self.api.delete(ids, deadline).await,
        }
    }

    /// Takes the former device's status out of a twin without tags of ours.
    async fn take_back_status(&self, device_id: &DeviceId, twin: &Value, deadline: Instant) -> Result<(), Error> {
        if twin["tags"]["lorawanStatus"].is_null() {
            return Ok(());
        }
        let nothing = json!({"lorawanStatus": null});
        self.app.iot_hub.write_tags(device_id, &nothing, twin["etag"].as_str(), deadline).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twin(device_etag: &str, version: u64, lorawan: Value) -> Value {
        json!({"deviceEtag": device_etag, "version": version, "tags": {"lorawan": lorawan}})
    }

    #[test]
    fn a_device_created_anew_is_told_by_its_identity_together_with_its_version_or_its_tags() {
        let (tags, renamed) =
            (json!({"devEui": "70B3D57ED0000001"}), json!({"devEui": "70B3D57ED0000001", "name": "x"}));
        let others = json!({"devEui": "70B3D57ED0000002"});
        let before = twin("MQ==", 5, tags.clone());
        let changed = |after: &Value| Successor::changed(&before, Some(after.clone()));
        let written = |after: &Value| Successor::written(&before, Some(after.clone()));

        let same = twin("MQ==", 6, others.clone());
        assert_eq!((changed(&same), written(&same)), (Successor::Same(same.clone()), Successor::Same(same)));
        let identity_written = twin("Mg==", 6, tags.clone());
        assert_eq!(changed(&identity_written), Successor::Unclear(identity_written.clone()));
        assert_eq!(written(&identity_written), Successor::Unclear(identity_written));
        let younger = twin("Mg==", 5, tags);
        assert_eq!(changed(&younger), Successor::Other(younger));
        let has_other_tags = twin("Mg==", 6, renamed);
        assert_eq!(changed(&has_other_tags), Successor::Unclear(has_other_tags.clone()), "they may have changed");
        assert_eq!(written(&has_other_tags), Successor::Other(has_other_tags), "they cannot have changed");
        let has_other_euis = twin("Mg==", 6, others);
        assert_eq!(changed(&has_other_euis), Successor::Other(has_other_euis.clone()));
        assert_eq!(Successor::changed(&before, None), Successor::Nobody);
        assert_eq!(written(&Value::Null), Successor::Same(Value::Null), "an answer without a twin says nothing");
    }
}
