//! The twin's part of a message: written beside the telemetry, and kept by itself if that fails.

use serde_json::Value;
use tokio::time::Instant;

use super::reported::Reported;
use super::{device_id, original};
use crate::app::{App, now};
use crate::error::{Error, OPERATOR, Peer, Retry};
use crate::iot_hub::{DeviceId, Report};
use crate::parking::Item;

/// How long a device may take to be created by a message that is parked as well.
const CREATION: time::Duration = time::Duration::hours(1);

/// Writes what a message reports, beside what is there if that matters. A decoded payload that does not fit beside
/// what others have left there takes its place. One without news may be left out.
pub(super) async fn report(
    app: &App,
    device_id: &DeviceId,
    reported: &Reported,
    is_late: bool,
    deadline: Instant,
) -> Result<Report, Error> {
    let is_overtaken = app.newest.is_overtaken(device_id, reported);
    let depends = is_overtaken || is_late || reported.depends_on_the_present(now());
    if !depends && app.unchanged.is_no_news(device_id, reported) {
        return Ok(Report::NothingToWrite);
    }
    let written = match write(app, device_id, reported, depends, deadline).await {
        Err(Error::Refused { .. }) if reported.may_replace_the_decoded_payload() => {
            write(app, device_id, &reported.replacing_the_decoded_payload(), true, deadline).await
        }
        result => result,
    };
    if matches!(written, Ok(Report::Written)) {
        app.unchanged.note(device_id, reported);
    }
    written
}

async fn write(
    app: &App,
    device_id: &DeviceId,
    reported: &Reported,
    depends: bool,
    deadline: Instant,
) -> Result<Report, Error> {
    let beside = |present: &Value| reported.beside(present);
    app.iot_hub.report(device_id, &reported.patch, &beside, depends, deadline).await
}

/// The hub did not let the device in. Its message may have created it in the meantime; if that failed too, it failed
/// for the same reason.
pub(super) async fn report_again(
    app: &App,
    device_id: &DeviceId,
    reported: &Reported,
    sent: &Result<(), Error>,
    deadline: Instant,
) -> Result<(), Error> {
    if let Err(reason) = sent {
        return Err(reason.clone());
    }
    match report(app, device_id, reported, false, deadline).await? {
        Report::NotAuthorized => Err(not_let_in()),
        Report::Written | Report::NothingToWrite => Ok(()),
    }
}

fn not_let_in() -> Error {
    let what = "it does not let the device connect by MQTT: it does not exist yet, or the policy has no DeviceConnect";
    Error::Unavailable { peer: Peer::IotHub, what: what.to_owned(), retry: Retry::After(OPERATOR) }
}

/// Writes a parked update of a twin, unless the twin shows something newer.
///
/// # Errors
/// As at the first time, and [`Error::Refused`] if the device is gone.
pub(crate) async fn redeliver_reported(app: &App, item: &Item, deadline: Instant) -> Result<(), Error> {
    let reported: Reported = original(item)?;
    let device_id = device_id(item)?;
    match report(app, &device_id, &reported, true, deadline).await? {
        Report::Written => Ok(()),
        Report::NothingToWrite => {
            tracing::info!(device_id = device_id.as_str(), "parked twin update left out: newer ones have overtaken it");
            Ok(())
        }
        Report::NotAuthorized => match app.iot_hub.twin(&device_id, deadline).await? {
            Some(twin) if twin["status"] == "enabled" => Err(not_let_in()),
            // Its first message may be parked too, and create it.
            None if item.age(now()) < CREATION => {
                let what = format!("device {device_id} does not exist yet");
                Err(Error::NotYet { peer: Peer::IotHub, what })
            }
            twin => {
                let reason = if twin.is_some() { "is disabled" } else { "does not exist any more" };
                Err(Error::Refused { peer: Peer::IotHub, what: format!("device {device_id} {reason}") })
            }
        },
    }
}
