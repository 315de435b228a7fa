//! Who may do what: tokens checked against policies and device keys. Every refusal looks the same from outside.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::HubError;
use super::identity::Identity;
use super::policy::{Policy, Right};
use super::role::{Action, Role};
use super::sas::{HostNames, Scope, Token};
use crate::entra::{Directory, IOT_HUB_AUDIENCE};

/// The hub's names and policies.
#[derive(Debug)]
pub(crate) struct Access {
    hosts: HostNames,
    policies: Mutex<Vec<Policy>>,
    directory: Option<Arc<Directory>>,
    /// Principals and what they may do.
    roles: Mutex<Vec<(String, Role)>>,
}

/// A request for access: the token as sent, and the path it is used on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<'a> {
    pub(crate) token: Option<&'a str>,
    pub(crate) method: &'a str,
    pub(crate) path: &'a [String],
    /// Unix seconds.
    pub(crate) now: i64,
}

impl Access {
    pub(crate) fn new(hosts: Vec<String>, policies: Vec<Policy>, directory: Option<Arc<Directory>>) -> Self {
        Self { hosts: HostNames(hosts), policies: Mutex::new(policies), directory, roles: Mutex::default() }
    }

    pub(crate) fn roles(&self) -> MutexGuard<'_, Vec<(String, Role)>> {
        self.roles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn policies(&self) -> MutexGuard<'_, Vec<Policy>> {
        self.policies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a user name may say it connects to this host.
    pub(crate) fn is_host(&self, name: &str) -> bool {
        self.hosts.contains(name)
    }

    /// The service's side: a principal with a role, or a policy with the right.
    pub(crate) fn check_service(&self, claim: Claim<'_>, action: Action) -> Result<(), HubError> {
        if let Some(token) = claim.token.and_then(|token| token.strip_prefix("Bearer ")) {
            return self.check_principal(claim, token, action);
        }
        let (token, _) = self.valid_token(claim)?;
        let policy = token.policy.as_deref().ok_or(HubError::unauthorized("no policy named"))?;
        self.check_policy(&token, policy, action.right())
    }

    fn check_principal(&self, claim: Claim<'_>, token: &str, action: Action) -> Result<(), HubError> {
        let directory = self.directory.as_ref().ok_or(HubError::unauthorized("a hub of no directory"))?;
        let principal = directory.principal_of(token, IOT_HUB_AUDIENCE, claim.now).map_err(HubError::unauthorized)?;
        let is_allowed = self.roles().iter().any(|(own, role)| *own == principal && role.allows(action));
        if is_allowed { Ok(()) } else { Err(HubError::no_permission(&principal, claim.method, claim.path)) }
    }

    /// A device's side: a policy that may connect as any device, or the device's own key. An unknown or disabled
    /// device is refused whatever the token; the hub answers both with 401. Returns the kind of key, for
    /// `iothub-connection-auth-method`.
    pub(crate) fn check_device(
        &self,
        claim: Claim<'_>,
        device_id: &str,
        identity: Option<&Identity>,
    ) -> Result<&'static str, HubError> {
        let (token, scope) = self.valid_token(claim)?;
        if let Some(policy) = &token.policy {
            self.check_policy(&token, policy, Right::DeviceConnect)?;
        }
        let identity = identity.ok_or(HubError::unauthorized("device not registered"))?;
        if token.policy.is_none() {
            if !scope.names_device(device_id) {
                return Err(HubError::unauthorized("a device key signs for its own device only"));
            }
            if !identity.keys().any(|key| token.is_signed_by(key)) {
                return Err(HubError::unauthorized("not signed by the device's key"));
            }
        }
        if !identity.enabled {
            return Err(HubError::unauthorized("device disabled"));
        }
        Ok(if token.policy.is_some() { "hub" } else { "device" })
    }

    fn valid_token(&self, claim: Claim<'_>) -> Result<(Token, Scope), HubError> {
        let text = claim.token.ok_or(HubError::unauthorized("no token"))?;
        let token = Token::parse(text).ok_or(HubError::unauthorized("not a shared access signature"))?;
        if token.is_expired(claim.now) {
            return Err(HubError::unauthorized("token expired"));
        }
        let scope = token.scope().ok_or(HubError::unauthorized("sr cannot be decoded"))?;
        if !self.hosts.contains(&scope.host) {
            return Err(HubError::unauthorized("sr names another host"));
        }
        if !scope.covers(claim.path) {
            return Err(HubError::unauthorized("sr does not cover the path"));
        }
        Ok((token, scope))
    }

    fn check_policy(&self, token: &Token, name: &str, right: Right) -> Result<(), HubError> {
        let policies = self.policies();
        let policy = policies.iter().find(|policy| policy.name == name);
        let policy = policy.ok_or(HubError::unauthorized("no such policy"))?;
        if ![&policy.primary_key, &policy.secondary_key].into_iter().any(|key| token.is_signed_by(key)) {
            return Err(HubError::unauthorized("not signed by the policy's key"));
        }
        if policy.rights.contains(&right) { Ok(()) } else { Err(HubError::unauthorized("the policy lacks the right")) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::OffsetDateTime;

    use super::*;

    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    const OTHER_KEY: &str = "AAEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    const ID: &str = "eui-70b3d57ed0001234";
    const A1: &str = "SharedAccessSignature sr=emuhub.azure-devices.net%2Fdevices%2Feui-70b3d57ed0001234&sig=Zal0XD9CFKxPbxWlI3pHGP0wCSzdK9YfiiSlwfXB4e8%3D&se=1900000000";
    const B2: &str = "SharedAccessSignature sr=emuhub.azure-devices.net&sig=sO3W6%2F3MWCE7oNHY2xenFO1tKJ1pH7tPhWWucU8oP4I%3D&se=1900000000";

    /// A hub whose policies have the vectors' key as the primary one.
    fn access() -> Access {
        let mut policies = Policy::built_in();
        for policy in &mut policies {
            KEY.clone_into(&mut policy.primary_key);
        }
        Access::new(vec!["EMUHUB.azure-devices.net".to_owned()], policies, None)
    }

    fn identity(primary: &str, secondary: &str, status: &str) -> Identity {
        let keys = json!({"primaryKey": primary, "secondaryKey": secondary});
        let body = json!({"deviceId": ID, "status": status, "authentication": {"symmetricKey": keys}});
        Identity::create(ID, &body, OffsetDateTime::UNIX_EPOCH).unwrap()
    }

    fn path(text: &str) -> Vec<String> {
        text.split('/').map(str::to_owned).collect()
    }

    fn device(token: &str, id: &str, identity: Option<&Identity>, now: i64) -> Result<&'static str, &'static str> {
        let path = path(&format!("devices/{id}/messages/events"));
        let claim = Claim { token: Some(token), method: "POST", path: &path, now };
        access().check_device(claim, id, identity).map_err(|error| error.hint.unwrap())
    }

    #[test]
    fn a_device_signs_with_either_of_its_keys() {
        assert_eq!(device(A1, ID, Some(&identity(KEY, OTHER_KEY, "enabled")), 0), Ok("device"));
        assert_eq!(device(A1, ID, Some(&identity(OTHER_KEY, KEY, "enabled")), 0), Ok("device"));
        let refused = device(A1, ID, Some(&identity(OTHER_KEY, OTHER_KEY, "enabled")), 0);
        assert_eq!(refused, Err("not signed by the device's key"));
    }

    #[test]
    fn a_policy_signs_for_one_device_or_for_all() {
        let registered = identity(OTHER_KEY, OTHER_KEY, "enabled");
        for token in [format!("{A1}&skn=device"), format!("{B2}&skn=device"), format!("{B2}&skn=iothubowner")] {
            assert_eq!(device(&token, ID, Some(&registered), 0), Ok("hub"), "{token}");
        }
    }

    #[test]
    fn a_device_is_refused_for_each_of_these_reasons() {
        let registered = identity(KEY, KEY, "enabled");
        let disabled = identity(KEY, KEY, "disabled");
        let policy = format!("{B2}&skn=device");
        let longer = format!("{ID}5");
        let table = [
            (A1, ID, Some(&registered), 1_900_000_000, "token expired"),
            (A1, longer.as_str(), Some(&registered), 0, "sr does not cover the path"),
            (A1, "EUI-70B3D57ED0001234", Some(&registered), 0, "sr does not cover the path"),
            (A1, ID, None, 0, "device not registered"),
            (A1, ID, Some(&disabled), 0, "device disabled"),
            (B2, ID, Some(&registered), 0, "a device key signs for its own device only"),
            (policy.as_str(), ID, None, 0, "device not registered"),
            (policy.as_str(), ID, Some(&disabled), 0, "device disabled"),
            (&format!("{B2}&skn=registryReadWrite"), ID, Some(&registered), 0, "the policy lacks the right"),
            (&format!("{B2}&skn=nobody"), ID, Some(&registered), 0, "no such policy"),
            (&A1.replace("emuhub", "other"), ID, Some(&registered), 0, "sr names another host"),
            ("Bearer x", ID, Some(&registered), 0, "not a shared access signature"),
        ];
        for (token, id, identity, now, reason) in table {
            assert_eq!(device(token, id, identity, now), Err(reason));
        }
    }

    #[test]
    fn each_policy_does_what_its_rights_say() {
        use Right::{DeviceConnect, RegistryRead, RegistryWrite, ServiceConnect};
        let table: [(&str, &[Right]); 5] = [
            ("iothubowner", &[RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect]),
            ("service", &[ServiceConnect]),
            ("device", &[DeviceConnect]),
            ("registryRead", &[RegistryRead]),
            ("registryReadWrite", &[RegistryRead, RegistryWrite]),
        ];
        let path = path("twins/dev1");
        for (policy, rights) in table {
            let token = format!("{B2}&skn={policy}");
            let claim = Claim { token: Some(&token), method: "GET", path: &path, now: 0 };
            for action in [Action::ReadDevices, Action::DeleteDevices, Action::WriteTwins] {
                let allowed = access().check_service(claim, action).is_ok();
                assert_eq!(allowed, rights.contains(&action.right()), "{policy} {action:?}");
            }
            let device = device(&token, ID, Some(&identity(OTHER_KEY, OTHER_KEY, "enabled")), 0);
            assert_eq!(device.is_ok(), rights.contains(&DeviceConnect), "{policy}");
        }
    }

    #[test]
    fn a_device_key_is_no_key_to_the_service_api() {
        let path = path(&format!("devices/{ID}"));
        let claim = Claim { token: Some(A1), method: "GET", path: &path, now: 0 };
        assert_eq!(access().check_service(claim, Action::ReadDevices).unwrap_err().hint, Some("no policy named"));
        let claim = Claim { token: None, ..claim };
        assert_eq!(access().check_service(claim, Action::ReadDevices).unwrap_err().hint, Some("no token"));
    }
}
