//! Shared access policies: a name, two keys and the rights they give.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::IotHub;

/// What a policy may allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Read identities.
    RegistryRead,
    /// Create, change and delete identities.
    RegistryWrite,
    /// The service's side: twins.
    ServiceConnect,
    /// The devices' side: send messages.
    DeviceConnect,
}

/// A shared access policy of the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// `skn` in tokens.
    pub name: String,
    /// Base64.
    pub primary_key: String,
    /// Base64; as good as the first one.
    pub secondary_key: String,
    /// What its keys allow.
    pub rights: Vec<Right>,
}

impl Policy {
    /// A policy with random keys.
    #[must_use]
    pub fn new(name: &str, rights: &[Right]) -> Self {
        Self { name: name.to_owned(), primary_key: random_key(), secondary_key: random_key(), rights: rights.to_vec() }
    }

    /// The five policies a new hub has.
    #[must_use]
    pub fn built_in() -> Vec<Self> {
        use Right::{DeviceConnect, RegistryRead, RegistryWrite, ServiceConnect};
        vec![
            Self::new("iothubowner", &[RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect]),
            Self::new("service", &[ServiceConnect]),
            Self::new("device", &[DeviceConnect]),
            Self::new("registryRead", &[RegistryRead]),
            Self::new("registryReadWrite", &[RegistryRead, RegistryWrite]),
        ]
    }

    pub(crate) fn rotate(&mut self) {
        self.primary_key = random_key();
        self.secondary_key = random_key();
    }
}

impl IotHub {
    /// A hub connection string with the policy's primary key; an unknown policy gets a key that opens nothing.
    #[must_use]
    pub fn connection_string(&self, policy: &str) -> String {
        let key = self.policy_key(policy);
        format!("HostName={};SharedAccessKeyName={policy};SharedAccessKey={key}", self.0.host_name)
    }

    /// The policy's primary key; an unknown policy gets one that opens nothing.
    #[must_use]
    pub fn policy_key(&self, policy: &str) -> String {
        let policies = self.0.hub.access.policies();
        let own = policies.iter().find(|own| own.name == policy);
        own.map_or_else(random_key, |own| own.primary_key.clone())
    }

    /// Gives a policy two new keys; tokens made with the old ones are refused from now on.
    pub fn rotate_policy_key(&self, policy: &str) {
        let mut policies = self.0.hub.access.policies();
        policies.iter_mut().filter(|own| own.name == policy).for_each(Policy::rotate);
    }
}

/// 32 random bytes in base64, as the hub makes keys. Good enough on loopback, not a secret's quality.
pub(crate) fn random_key() -> String {
    STANDARD.encode(std::iter::repeat_with(|| fastrand::u8(..)).take(32).collect::<Vec<_>>())
}
