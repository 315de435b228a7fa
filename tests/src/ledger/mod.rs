//! The proof that nothing acknowledged is lost: a run of uplinks and hub events through the whole system while
//! everything goes wrong that can, and books that must come out even.
//!
//! **Acknowledged** is every message whose webhook was answered 2xx at least once, and every event the hub sent: the
//! trigger's checkpoint moves on whatever happens. What is acknowledged must be **delivered** (the hub has the message
//! by its id; The Things Stack applied the event), or lie in `parked`, `parked-poison` or `dead-letter`; else it is
//! **lost**. An event neither applied nor kept is **overtaken**, which counts as delivered, if its device was deleted
//! later, or if for each of its values a newer one of the same key was applied or is kept; a deletion is overtaken by
//! a new creation.
//!
//! **Doubled** is an event that The Things Stack applied again although its last application had been answered 200 to
//! a handler process that had not died since. The window that remains is explained: an application whose answer was
//! lost must be repeated, and a handler that dies between the answer and its own cannot know. Repetitions in the
//! window are counted as repeated events, further copies of a message (with the same message id) as duplicates; both
//! are no breach.
//!
//! **Reordered** is an event that arrives for the first time behind a newer value of the same desired property, behind
//! its device's deletion, or, being a deletion, behind a new creation of a device that still exists. (Tags have no
//! versions, and a late event shows them as they are then: of them only the last word counts.) Events of the handler's
//! own, by which it puts right what came too late, are **corrections**: they speak of the present, so their tags must
//! not come behind newer ones either, nor their deletions while the device exists.
//!
//! The window that remains is explained: redelivery submits events one by one, and between reading the twin and the
//! submission the device may change again. So what comes alone and too late is counted as **raced** instead, but only
//! if what first made it out of date reached the hub after the request had arrived, or less than 250 milliseconds
//! before. What it leaves behind must be right all the same, with one exception: a desired value that raced is not
//! sent again, since that would be a second downlink.
//!
//! **Misversioned** is a desired value that arrives under a `$version` above its own, since newer values would then
//! look older. **Stale** is a value whose last arrival is not the hub's current one although that lies in no queue.
//! **Leaked** is a known secret in a queue message, log line, health answer or device-to-cloud message; queues are
//! looked into every second and at the end.

mod api;
mod books;
mod change;
mod drain;
mod fault;
mod plan;
mod queue_item;
mod queues;
mod report;
mod run;
mod secrets;
mod traffic;
mod uplink;
mod watcher;

use std::time::Duration;

pub use api::Downlinks;
pub use books::{Balance, Breach, Subject};
pub use report::Report;
pub use run::run;

/// How hub events go to The Things Stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delivery {
    /// Through its ordinary API.
    #[default]
    Api,
    /// To the vendor's application package.
    Package,
}

impl Delivery {
    /// As the handler's setting has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Package => "package",
        }
    }
}

/// What a run consists of.
#[derive(Debug, Clone)]
pub struct Options {
    /// Messages through the webhook.
    pub uplinks: u32,
    /// Changes in IoT Hub, one event each. Devices created by the handler cause further ones.
    pub events: u32,
    /// Devices that send and change.
    pub devices: u32,
    /// How the handler delivers hub events.
    pub delivery: Delivery,
    /// Functions hosts, as of a function app that is scaled out. They share the queues; the first reads the Event Hub.
    pub hosts: usize,
    /// Everything that is sent and goes wrong follows from it; only times vary.
    pub seed: u64,
    /// Nothing goes wrong.
    pub calm: bool,
    /// The hub loses this uplink although it says that it has it, to see that the books notice.
    pub lose: Option<u32>,
    /// The Things Stack loses every downlink of this device although it says that it has it.
    pub lose_downlinks_of: Option<u32>,
    /// In the end the Network Server has lost this device.
    pub lose_registration_of: Option<u32>,
    /// Longest time for what is parked to be delivered once everything works again.
    pub drain_limit: Duration,
    /// Gets a line every few seconds.
    pub progress: Option<fn(&str)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            uplinks: 2_000,
            events: 300,
            devices: 50,
            delivery: Delivery::default(),
            hosts: 1,
            seed: 1,
            calm: false,
            lose: None,
            lose_downlinks_of: None,
            lose_registration_of: None,
            drain_limit: Duration::from_mins(5),
            progress: None,
        }
    }
}
