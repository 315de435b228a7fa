//! Parked events, submitted later: as of now, and put right if the device changed meanwhile.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::as_of_now::as_of_now;
use super::correction::correction;
use super::triage::package_event_from;
use crate::app::App;
use crate::error::{Error, Peer};
use crate::iot_hub::DeviceId;
use crate::iot_hub::event::{HubEvent, Operation, Recognised};
use crate::parking::{HubEventOriginal, Item};
use crate::tts::package::Submission;

/// Pause before a twin is asked for again.
const PAUSE: Duration = Duration::from_millis(500);

/// Submits a parked event again, as of now: keys are read anew, and what newer changes have overtaken is left out.
/// Events of the stream overtake it on its way, so the twin is read once more afterwards, and a device that has changed
/// meanwhile is put right. So is what an earlier try of a repeated item may have left behind.
///
/// # Errors
/// As at the first time.
pub(crate) async fn redeliver(app: &App, item: &Item, is_repeated: bool, deadline: Instant) -> Result<(), Error> {
    let Some(event) = event_in(item)? else { return Ok(()) };
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
        let operation = event.operation;
        submit(app, event).await?;
        let now = twin_again(app, &device_id, deadline).await?;
        next = correction(&device_id, operation, twin.as_ref(), now.as_ref());
        twin = now;
    }
    Ok(())
}

/// The event of an item; `None` if it is none of our business.
fn event_in(item: &Item) -> Result<Option<HubEvent>, Error> {
    let unreadable = |reason: String| Error::Malformed(format!("the parked event cannot be read: {reason}"));
    let original = item.original().map_err(|reason| unreadable(reason.to_string()))?;
    let original: HubEventOriginal =
        serde_json::from_str(&original).map_err(|reason| unreadable(reason.to_string()))?;
    let body = original.body.ok_or_else(|| unreadable("its body is not a twin".to_owned()))?;
    match HubEvent::recognise(Value::Object(body).to_string().as_bytes(), &original.properties) {
        Ok(Recognised::Event(event)) => Ok(Some(event)),
        Ok(Recognised::Ignored(_)) => Ok(None),
        Err(reason) => Err(unreadable(reason)),
    }
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

async fn submit(app: &App, event: HubEvent) -> Result<(), Error> {
    let event = package_event_from(event, &app.settings.tts_application_id)?;
    match app.tts.submit(&[&event]).await? {
        Submission::Accepted => Ok(()),
        Submission::Rejected(reason) => Err(Error::Refused { peer: Peer::Tts, what: reason.to_string() }),
    }
}
