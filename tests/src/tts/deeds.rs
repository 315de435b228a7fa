//! Tells whoever watches what a request has done.

use std::time::Instant;

use super::api::Deed;
use super::observer::{AcceptedDownlinks, DeviceChange};
use super::state::State;

/// Events go to the observer or, without one, into the memory; the rest goes to the observer only.
pub(super) fn tell(state: &State, deed: Deed, is_answered: bool, arrived: Instant) {
    let Some(observer) = &state.options.observer else {
        if let Deed::Submitted(events) = deed {
            state.submitted.send_modify(|submitted| submitted.extend(events));
        }
        return;
    };
    match deed {
        Deed::Nothing => {}
        Deed::Submitted(events) => observer.submitted(events, is_answered, arrived),
        Deed::Set { server, key: (application_id, device_id), written, is_new } => {
            let (application_id, device_id, written) = (&application_id, &device_id, &written);
            observer.device_set(server, &DeviceChange { application_id, device_id, written, is_new, is_answered });
        }
        Deed::Deleted { server, key: (application_id, device_id) } => {
            observer.device_deleted(server, &application_id, &device_id, is_answered);
        }
        Deed::Downlinks { key: (application_id, device_id), downlinks, queue_before, is_replace } => observer
            .downlinks(&AcceptedDownlinks {
                application_id: &application_id,
                device_id: &device_id,
                downlinks: &downlinks,
                queue_before: &queue_before,
                is_replace,
                arrived,
                is_answered,
            }),
    }
}
