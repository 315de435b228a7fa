//! Parked events, delivered later.

use serde_json::Value;
use tokio::time::Instant;

use super::by_api::{ByApi, Try};
use super::by_package;
use crate::app::App;
use crate::error::Error;
use crate::iot_hub::DeviceId;
use crate::iot_hub::event::{HubEvent, Recognised};
use crate::parking::{HubEventOriginal, Item};
use crate::tts::TheThingsStack;

/// Delivers a parked event, as of now. Of a repeated item nobody knows how far earlier tries came.
///
/// # Errors
/// As at the first time.
pub(crate) async fn redeliver(app: &App, item: &Item, is_repeated: bool, deadline: Instant) -> Result<(), Error> {
    let Some(event) = event_in(item)? else { return Ok(()) };
    let ids = app.settings.device_ids.in_tts(&event.device_id).map_err(Error::Malformed)?;
    match &app.tts {
        TheThingsStack::Package(package) => {
            by_package::deliver_late(app, package, &ids, event, is_repeated, deadline).await
        }
        TheThingsStack::Api(api) => {
            let device_id = DeviceId::new(&event.device_id).map_err(Error::Malformed)?;
            let attempt = if item.is_about_one_device() {
                Try::Waited
            } else if item.was_refused() {
                Try::Retried
            } else {
                Try::Late
            };
            ByApi { app, api }.carry_out_late(&ids, &device_id, event, attempt, deadline).await
        }
    }
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
