//! The twin's part of a message: written beside the telemetry, and kept by itself if that fails.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::reported::Reported;
use super::{Newest, device_id, original};
use crate::app::{App, now};
use crate::error::{Error, OPERATOR, Peer, Retry};
use crate::iot_hub::{DeviceId, Report, Update};
use crate::parking::{Item, TRIED_FOR};

/// How old a message may be that is left out if it is no news; an older one may be news by what is there now.
const FRESH: Duration = Duration::from_secs(30);

/// An update on its way into its device's twin.
#[derive(Debug)]
struct Writing {
    device_id: DeviceId,
    reported: Arc<Reported>,
    newest: Arc<Newest>,
    /// It was parked, or did not fit beside what is there.
    is_late: bool,
    /// As long as a message is not older, whoever has written a newer one is still connected.
    fresh: Duration,
}

impl Update for Writing {
    fn patch(&self) -> &Value {
        &self.reported.patch
    }

    fn reads_first(&self) -> bool {
        self.newest.is_overtaken(&self.device_id, &self.reported)
            || self.is_late
            || self.reported.depends_on_the_present(now(), self.fresh)
    }

    fn kind(&self) -> &'static str {
        self.reported.time().map_or("", |(path, _)| path)
    }

    fn beside(&self, twin: &Value) -> Option<Value> {
        self.newest.saw(&self.device_id, twin);
        self.reported.beside(twin)
    }

    fn is_shown_in(&self, twin: &Value) -> bool {
        self.reported.is_shown_in(twin)
    }
}

/// Writes what a message reports, beside what is there if that matters. A decoded payload that does not fit beside
/// what others have left there takes its place. One without news may be left out.
pub(super) async fn report(
    app: &App,
    device_id: &DeviceId,
    reported: &Arc<Reported>,
    is_late: bool,
    deadline: Instant,
) -> Result<Report, Error> {
    let depends = is_late || reported.depends_on_the_present(now(), FRESH);
    if app.unchanged.is_overtaken(device_id, reported) || !depends && app.unchanged.leaves_out(device_id, reported) {
        return Ok(Report::NothingToWrite);
    }
    let begun = app.unchanged.begin(device_id);
    let written = match write(app, device_id, reported, is_late, deadline).await {
        Err(Error::Refused { .. }) if reported.may_replace_the_decoded_payload() => {
            write(app, device_id, &Arc::new(reported.replacing_the_decoded_payload()), true, deadline).await
        }
        result => result,
    };
    if matches!(written, Ok(Report::Written)) {
        app.unchanged.note(device_id, reported, begun);
    }
    written
}

async fn write(
    app: &App,
    device_id: &DeviceId,
    reported: &Arc<Reported>,
    is_late: bool,
    deadline: Instant,
) -> Result<Report, Error> {
    let update: Arc<dyn Update> = Arc::new(Writing {
        device_id: device_id.clone(),
        reported: Arc::clone(reported),
        newest: Arc::clone(&app.newest),
        is_late,
        fresh: app.settings.twins.connection_idle,
    });
    app.iot_hub.report(device_id, &update, deadline).await
}

/// The hub did not let the device in. Its message may have created it in the meantime; if that failed too, it failed
/// for the same reason.
pub(super) async fn report_again(
    app: &App,
    device_id: &DeviceId,
    reported: &Arc<Reported>,
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
    let reported: Arc<Reported> = Arc::new(original(item)?);
    let device_id = device_id(item)?;
    match report(app, &device_id, &reported, true, deadline).await? {
        Report::Written => Ok(()),
        Report::NothingToWrite => {
            tracing::info!(device_id = device_id.as_str(), "parked twin update left out: newer ones have overtaken it");
            Ok(())
        }
        Report::NotAuthorized => match app.iot_hub.twin(&device_id, deadline).await? {
            Some(twin) if twin["status"] == "enabled" => Err(not_let_in()),
            // Its first message may be parked too, and create it as long as that is tried.
            None if item.age(now()) < TRIED_FOR => {
                let what = format!("device {device_id} does not exist yet");
                Err(Error::NotYet { peer: Peer::IotHub, what })
            }
            twin => {
                let reason = if twin.is_some() { "is disabled" } else { "does not exist" };
                Err(Error::Refused { peer: Peer::IotHub, what: format!("device {device_id} {reason}") })
            }
        },
    }
}
