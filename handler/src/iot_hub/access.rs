//! What opens a hub, and whose fault it is when it does not.

use super::Policy;
use super::refusal::Refusal;

/// A hub and what opens it.
#[derive(Debug, Clone)]
pub struct Access {
    /// Opens the devices' side and, if there is no managed identity, the service's side.
    pub policy: Policy,
    /// Client id of the managed identity that opens the service's side.
    pub client_id: Option<String>,
}

/// Which of the hub's APIs does not accept our credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Messages and connections of devices.
    Device,
    /// Device identities.
    Registry,
    /// Twins, as the service sees them.
    Twins,
}

impl Access {
    /// A refusal of our credential as a sentence that ends in what to do.
    pub(super) fn refused(&self, side: Side, refusal: &Refusal) -> String {
        let (said, name) = (refusal.describe(), &self.policy.policy_name);
        let by_policy = |side| format!("it does not accept policy {name:?} on its {side} side ({said})");
        match (&self.client_id, side) {
            (None, _) => format!(
                "{}; check the key in IOT_HUB_CONNECTION_STRING and that the policy has the rights RegistryRead, \
                 RegistryWrite, ServiceConnect and DeviceConnect",
                by_policy(if side == Side::Device { "device" } else { "service" })
            ),
            (Some(_), Side::Device) => format!(
                "{}; check IOT_HUB_DEVICE_POLICY_NAME, the key in IOT_HUB_DEVICE_POLICY_KEY, and that the policy has the \
                 right DeviceConnect",
                by_policy("device")
            ),
            (Some(client_id), Side::Registry) => no_role(client_id, "registry", "IoT Hub Registry Contributor", &said),
            (Some(client_id), Side::Twins) => no_role(client_id, "twins", "IoT Hub Twin Contributor", &said),
        }
    }
}

fn no_role(client_id: &str, what: &str, role: &str, said: &str) -> String {
    format!(
        "it does not open its {what} to the managed identity with client id {client_id} ({said}); assign the identity the \
         role {role:?} on this hub, and check AZURE_CLIENT_ID and IOT_HUB_HOST_NAME"
    )
}
