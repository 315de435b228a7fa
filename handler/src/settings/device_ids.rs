//! What devices are called in IoT Hub.

use super::Lookup;
use super::parsers::application_id;
use crate::device_ids::{DeviceIdTemplate, DeviceIds};

/// The three settings that tell what devices are called in IoT Hub.
pub(super) fn device_ids(lookup: &mut Lookup<'_>) -> Option<DeviceIds> {
    let template = lookup.or_default("IOT_HUB_DEVICE_ID_TEMPLATE", "{device_id}", DeviceIdTemplate::parse);
    let application = lookup.required("TTS_APPLICATION_ID", application_id);
    let further = lookup.optional("TTS_FURTHER_APPLICATION_IDS", |text| {
        let ids = text.split(',').map(|id| application_id(id.trim())).collect::<Result<Vec<_>, _>>()?;
        // What a template without the application could not tell apart shows here, where it can be mended.
        match &template {
            Some(template) => DeviceIds::new(template.clone(), String::new(), ids.clone()).map(|_| ids),
            None => Ok(ids),
        }
    });
    DeviceIds::new(template?, application?, further.unwrap_or_default()).ok()
}
