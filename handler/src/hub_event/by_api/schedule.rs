//! A downlink goes into its device's queue.

use serde_json::Value;
use tokio::time::Instant;

use super::downlink::DesiredDownlink;
use super::tags::lorawan_tags;
use super::{ByApi, Try};
use crate::error::{Error, Peer};
use crate::tts::api::{Downlink, Enqueued, Operation};
use crate::tts::id::EndDeviceIds;

impl ByApi<'_> {
    /// Puts a downlink into the device's queue, once for each `$version`: not if the twin reports it as scheduled, and a
    /// push that may have been made before not if it is in the queue still. What remains is a push whose answer was lost and
    /// which was sent before the event came again.
    pub(super) async fn schedule(
        &self,
        ids: &EndDeviceIds,
        desired: &DesiredDownlink,
        twin: &Value,
        attempt: Try,
        deadline: Instant,
    ) -> Result<(), Error> {
        let left_out =
            |why: &str| tracing::info!(device_id = %ids, version = desired.version, "downlink left out: {why}");
        if desired.is_scheduled(twin) {
            left_out("the twin reports it, or a newer one, as scheduled");
            return Ok(());
        }
        if desired.is_newer_than(twin) || attempt != Try::First && desired.is_of_a_former_device(twin) {
            left_out("it was meant for a device of this id that was deleted");
            return Ok(());
        }
        let downlink: Downlink = desired.downlink(twin).map_err(Error::Malformed)?;
        if attempt != Try::First {
            let queue = self.api.queue(ids, deadline).await?;
            let is_overtaken = desired.is_overtaken_in(&queue);
            if queue.contains(&downlink.correlation_id) {
                left_out("it is in the queue already");
                return Ok(());
            }
            if is_overtaken && (downlink.operation == Operation::Replace || desired.is_replaced_in(twin)) {
                left_out("a newer one is in the queue");
                return Ok(());
            }
            if is_overtaken && attempt == Try::Repeated {
                return Err(gone_ahead(desired.version));
            }
        }
        match self.api.enqueue(ids, &downlink, deadline).await? {
            Enqueued::Done => Ok(()),
            // Its registration may be under way, or wait for something.
            Enqueued::NoDevice(what) if lorawan_tags(twin).is_some() => Err(Error::NotYet { peer: Peer::Tts, what }),
            Enqueued::NoDevice(what) => Err(Error::Refused { peer: Peer::Tts, what }),
        }
    }
}

/// In the stream, a newer downlink comes to be in the queue only after an older one was accepted, refused, or set aside to
/// be parked; and the try that did so was cut short.
fn gone_ahead(version: u64) -> Error {
    Error::Refused {
        peer: Peer::Tts,
        what: format!(
            "found a newer downlink in the device's queue; that of desired version {version} was sent, refused or set aside \
             before, and which is not known: if the device did not get it and should still, set it in the twin again"
        ),
    }
}
