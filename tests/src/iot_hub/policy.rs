//! Shared access policies: a name, two keys and the rights they give.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

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

/// 32 random bytes in base64, as the hub makes keys. Good enough on loopback, not a secret's quality.
pub(crate) fn random_key() -> String {
    STANDARD.encode(std::iter::repeat_with(|| fastrand::u8(..)).take(32).collect::<Vec<_>>())
}
