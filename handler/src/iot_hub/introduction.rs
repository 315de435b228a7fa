//! A device the hub does not let send: made known to it if need be, and if that does not help, found out why.

use tokio::time::{Instant, sleep};

use super::access::Side;
use super::client::{FIRST_PAUSE, IotHub, SHORTEST_ATTEMPT, remaining};
use super::outcome::{Creation, Identity, Sent};
use super::refusal::Refusal;
use super::standing::REFUSED_FOR;
use super::{DeviceId, DeviceToCloudMessage};
use crate::error::{Error, Peer, Retry};

/// How often a message is offered again once its device is known to exist; the hub's front may lag behind its registry.
const OFFERS: u32 = 3;

impl IotHub {
    /// Creates the device if need be and offers the message again. `began` is when the message's delivery began.
    pub(super) async fn introduce(
        &self,
        message: &DeviceToCloudMessage,
        refusal: Refusal,
        began: Instant,
        deadline: Instant,
    ) -> Result<(), Error> {
        let device_id = &message.device_id;
        self.check_standing(device_id, &refusal)?;
        // Half of the time left is for what follows: a call spent without finding out why would be spent again.
        let enter_by = Instant::now() + deadline.saturating_duration_since(Instant::now()) / 2;
        let _slot = self.gate.enter(enter_by).await?;
        // Another message of the same device may have been here meanwhile.
        self.check_standing(device_id, &refusal)?;
        let mut is_new = self.standings.is_known_since(device_id, began);
        if !is_new {
            is_new = self.create(device_id, deadline).await?;
            self.standings.note_known(device_id);
        }
        match self.offer_again(message, deadline).await? {
            Sent::Accepted => Ok(()),
            Sent::UnknownDevice(refusal) => Err(self.diagnose(device_id, is_new, &refusal, began, deadline).await?),
        }
    }

    /// What was lately found out about the device, unless the hub now says that it does not exist at all.
    fn check_standing(&self, device_id: &DeviceId, refusal: &Refusal) -> Result<(), Error> {
        if refusal.is_about_a_missing_device() {
            return Ok(());
        }
        if self.standings.is_disabled(device_id) {
            return Err(disabled(device_id, refusal));
        }
        if self.standings.is_refused(device_id) {
            return Err(refused_though_enabled(device_id, refusal));
        }
        Ok(())
    }

    /// Creates the device; whether it is new.
    async fn create(&self, device_id: &DeviceId, deadline: Instant) -> Result<bool, Error> {
        self.spend(deadline).await?;
        match self.api.create(device_id, remaining(deadline)?).await? {
            Creation::Created => {
                tracing::info!(device_id = device_id.as_str(), "device created in IoT Hub");
                Ok(true)
            }
            Creation::Exists => Ok(false),
            Creation::Unauthorized(refusal) => Err(self.credential_refused(Side::Registry, &refusal)),
        }
    }

    /// Accounts for one registry call, once it can be authorized.
    async fn spend(&self, deadline: Instant) -> Result<(), Error> {
        self.api.authorize(remaining(deadline)?).await?;
        self.gate.spend()
    }

    async fn offer_again(&self, message: &DeviceToCloudMessage, deadline: Instant) -> Result<Sent, Error> {
        let mut sent = self.offer(message, deadline).await?;
        for offer in 1..OFFERS {
            let pause = FIRST_PAUSE * offer;
            if matches!(sent, Sent::Accepted) || Instant::now() + pause + SHORTEST_ATTEMPT > deadline {
                break;
            }
            sleep(pause).await;
            sent = self.offer(message, deadline).await?;
        }
        Ok(sent)
    }

    /// Why a device that exists may not send: it is disabled, the hub is still catching up, or our credential is wrong.
    /// The credential is blamed only if nobody's message is accepted and a second device is in the same case.
    async fn diagnose(
        &self,
        device_id: &DeviceId,
        is_new: bool,
        refusal: &Refusal,
        began: Instant,
        deadline: Instant,
    ) -> Result<Error, Error> {
        if refusal.is_about_a_missing_device() {
            return Ok(hiccup("the device is not known everywhere yet", refusal));
        }
        let is_blameless = self.has_accepted_since(began);
        if is_new {
            return Ok(match !is_blameless && self.gate.suspect(device_id) {
                true => self.credential_refused(Side::Device, refusal),
                false => hiccup("the new device is not known everywhere yet", refusal),
            });
        }
        let Ok(timeout) = remaining(deadline) else {
            return Ok(match !is_blameless && self.gate.suspect(device_id) {
                true => self.credential_refused(Side::Device, refusal),
                false => hiccup("no time was left to look the device up", refusal),
            });
        };
        self.spend(deadline).await?;
        Ok(match self.api.identity(device_id, timeout).await? {
            Identity::Disabled => {
                self.standings.note_disabled(device_id);
                disabled(device_id, refusal)
            }
            Identity::Unauthorized(refusal) => self.credential_refused(Side::Registry, &refusal),
            Identity::Missing => hiccup("the device was deleted in the same moment", refusal),
            Identity::Enabled if !is_blameless && self.gate.suspect(device_id) => {
                self.credential_refused(Side::Device, refusal)
            }
            Identity::Enabled => {
                self.standings.note_refused(device_id);
                refused_though_enabled(device_id, refusal)
            }
        })
    }

    fn credential_refused(&self, side: Side, refusal: &Refusal) -> Error {
        self.gate.close(side, self.api.refused(side, refusal))
    }
}

fn disabled(device_id: &DeviceId, refusal: &Refusal) -> Error {
    let what = format!("device {device_id} is disabled ({}); enable it in IoT Hub", refusal.describe());
    Error::Refused { peer: Peer::IotHub, what }
}

fn refused_though_enabled(device_id: &DeviceId, refusal: &Refusal) -> Error {
    let what = format!(
        "it refuses device {device_id}, which exists and is enabled ({}); check how the device authenticates, and our policy's \
         right DeviceConnect",
        refusal.describe()
    );
    unavailable(what, Retry::After(REFUSED_FOR))
}

fn hiccup(what: &str, refusal: &Refusal) -> Error {
    unavailable(format!("{what} ({})", refusal.describe()), Retry::Settling)
}

fn unavailable(what: String, retry: Retry) -> Error {
    Error::Unavailable { peer: Peer::IotHub, what, retry }
}
