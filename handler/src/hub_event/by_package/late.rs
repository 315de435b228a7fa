//! Parked events, submitted later: as of now, and put right if the device changed meanwhile.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::super::as_of_now::as_of_now;
use super::correction::correction;
use super::package_event_from;
use crate::app::App;
use crate::error::{Error, Peer};
use crate::iot_hub::DeviceId;
use crate::iot_hub::event::{HubEvent, Operation};
use crate::tts::id::EndDeviceIds;
use crate::tts::package::{Package, Submission};

/// Pause before a twin is asked for again.
const PAUSE: Duration = Duration::from_millis(500);

/// Submits a parked event again, as of now: keys are read anew, and what newer changes have overtaken is left out.
/// Events of the stream overtake it on its way, so the twin is read once more afterwards, and a device that has changed
/// meanwhile is put right. So is what an earlier try of a repeated item may have left behind.
///
/// # Errors
/// As at the first time.
pub(in crate::hub_event) async fn deliver_late(
    app: &App,
    package: &Package,
    ids: &EndDeviceIds,
    event: HubEvent,
    is_repeated: bool,
    deadline: Instant,
) -> Result<(), Error> {
    let device_id = DeviceId::new(&event.device_id).map_err(Error::Malformed)?;
    let operation = event.operation;
    let mut twin = app.iot_hub.twin(&device_id, deadline).await?;
    let mut next = as_of_now(event, twin.as_ref());
    if next.is_none() {
        tracing::info!(device_id = device_id.as_str(), "parked event left out: newer changes have overtaken it");
        let before = twin.as_ref().filter(|_| operation != Operation::Deleted);
        next = correction(&device_id, operation, before, twin.as_ref()).filter(|_| is_repeated);
    }
    while let Some(event) = next {
        submit(package, ids, &event).await?;
        let now = twin_again(app, &device_id, deadline).await?;
        next = correction(&device_id, event.operation, twin.as_ref(), now.as_ref());
        twin = now;
    }
    Ok(())
}

/// The twin after a submission. A failure here repeats the submission, which a device may feel, so patience is better.
async fn twin_again(app: &App, device_id: &DeviceId, deadline: Instant) -> Result<Option<Value>, Error> {
    loop {
        match app.iot_hub.twin(device_id, deadline).await {
            Err(error) if error.is_transient() && Instant::now() + PAUSE < deadline => sleep(PAUSE).await,
            result => return result,
        }
    }
}

async fn submit(package: &Package, ids: &EndDeviceIds, event: &HubEvent) -> Result<(), Error> {
    match package.submit(ids.application_id(), &[package_event_from(event, ids)]).await? {
        Submission::Accepted => Ok(()),
        Submission::Rejected(reason) => Err(Error::Refused { peer: Peer::Tts, what: reason.to_string() }),
    }
}
