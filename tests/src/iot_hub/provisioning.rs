//! Device Provisioning Service: devices that sign with a group's key are created in the hub and told its name.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use time::OffsetDateTime;
use uuid::Uuid;

use super::access::Claim;
use super::clock;
use super::hub::Hub;
use super::policy::random_key;
use super::registry::Precondition;
use super::sas::Token;

const LONGEST_ID: usize = 128;
/// `substatus` of a first registration and of any later one.
const SUBSTATUS_FIRST: &str = "initialAssignment";
const SUBSTATUS_AGAIN: &str = "reprovisionedToInitialAssignment";

/// Devices that derive their keys from one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollmentGroup {
    /// Its name.
    pub id: String,
    /// Base64.
    pub primary_key: String,
    /// Base64; as good as the first one.
    pub secondary_key: String,
}

impl EnrollmentGroup {
    /// A group with random keys.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned(), primary_key: random_key(), secondary_key: random_key() }
    }

    /// Both keys of one device: `HMAC-SHA256(group key, registration id)`.
    fn device_keys(&self, registration_id: &str) -> Option<[String; 2]> {
        Some([derived_key(&self.primary_key, registration_id)?, derived_key(&self.secondary_key, registration_id)?])
    }
}

/// One provisioning service, linked to the one hub.
#[derive(Debug)]
pub(crate) struct Provisioning {
    pub(crate) id_scope: String,
    assigned_hub: String,
    pub(crate) groups: Vec<EnrollmentGroup>,
    registrations: Mutex<BTreeMap<String, Registration>>,
}

#[derive(Debug)]
struct Registration {
    operation_id: String,
    group: String,
    created: OffsetDateTime,
    updated: OffsetDateTime,
    substatus: &'static str,
    payload: Value,
}

/// Why a device is not registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The status is its first three digits.
    pub(crate) code: u32,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: u32, message: &str) -> Self {
        Self { code, message: message.to_owned() }
    }

    pub(crate) fn status(&self) -> u16 {
        u16::try_from(self.code / 1000).unwrap_or(500)
    }

    pub(crate) fn body(&self) -> Value {
        json!({
            "errorCode": self.code,
            "trackingId": Uuid::new_v4().to_string(),
            "message": self.message,
            "timestampUtc": clock::timestamp(clock::now()),
        })
    }
}

impl Provisioning {
    pub(crate) fn new(id_scope: String, assigned_hub: String, groups: Vec<EnrollmentGroup>) -> Self {
        Self { id_scope, assigned_hub, groups, registrations: Mutex::default() }
    }

    /// The group whose derived key signed the token. `sr` may be encoded or not; `skn` says nothing.
    pub(crate) fn authorize(
        &self,
        id_scope: &str,
        registration_id: &str,
        claim: Claim<'_>,
    ) -> Result<&EnrollmentGroup, Refusal> {
        if id_scope != self.id_scope {
            return Err(Refusal::new(404_002, "The provisioning service does not exist."));
        }
        let unauthorized = || Refusal::new(401_002, "Unauthorized");
        let token = claim.token.and_then(Token::parse).ok_or_else(unauthorized)?;
        let scope = token.scope().ok_or_else(unauthorized)?;
        let names_us = scope.host == self.id_scope
            && matches!(scope.path.as_slice(), [collection, id] if collection == "registrations" && id == registration_id);
        if !names_us || token.is_expired(claim.now) {
            return Err(unauthorized());
        }
        let signed = |group: &&EnrollmentGroup| {
            group.device_keys(registration_id).is_some_and(|keys| keys.iter().any(|key| token.is_signed_by(key)))
        };
        self.groups.iter().find(signed).ok_or_else(unauthorized)
    }

    /// Creates the device, or gives it its derived keys again. The answer is the one to poll.
    pub(crate) fn register(
        &self,
        hub: &Hub,
        group: &EnrollmentGroup,
        registration_id: &str,
        body: &Value,
    ) -> Result<Value, Refusal> {
        let named = body.get("registrationId").and_then(Value::as_str).unwrap_or(registration_id);
        if !is_registration_id(registration_id) || named != registration_id {
            return Err(Refusal::new(400_004, "registrationId is not valid"));
        }
        self.assign(hub, group, registration_id)?;
        let now = clock::now();
        let mut registrations = self.registrations();
        let before = registrations.get(registration_id);
        let registration = Registration {
            operation_id: format!("4.{}.{}", fastrand::u64(..), Uuid::new_v4()),
            group: group.id.clone(),
            created: before.map_or(now, |before| before.created),
            updated: now,
            substatus: if before.is_some() { SUBSTATUS_AGAIN } else { SUBSTATUS_FIRST },
            payload: body.get("payload").cloned().unwrap_or_default(),
        };
        let answer = json!({ "operationId": registration.operation_id, "status": "assigning" });
        registrations.insert(registration_id.to_owned(), registration);
        Ok(answer)
    }

    /// What has become of a registration: there is nothing to wait for here.
    pub(crate) fn operation(&self, registration_id: &str, operation_id: &str) -> Result<Value, Refusal> {
        let state = self.state(registration_id)?;
        let registrations = self.registrations();
        let is_known = registrations.get(registration_id).is_some_and(|own| own.operation_id == operation_id);
        if !is_known {
            return Err(Refusal::new(404_203, "Operation not found."));
        }
        Ok(json!({ "operationId": operation_id, "status": "assigned", "registrationState": state }))
    }

    /// The registration as it is.
    pub(crate) fn state(&self, registration_id: &str) -> Result<Value, Refusal> {
        let registrations = self.registrations();
        let registration =
            registrations.get(registration_id).ok_or_else(|| Refusal::new(404_204, "Registration not found."))?;
        let mut state = json!({
            "registrationId": registration_id,
            "createdDateTimeUtc": clock::timestamp(registration.created),
            "assignedHub": self.assigned_hub,
            "deviceId": registration_id,
            "status": "assigned",
            "substatus": registration.substatus,
            "lastUpdatedDateTimeUtc": clock::timestamp(registration.updated),
            "etag": STANDARD.encode(&registration.operation_id),
            "symmetricKey": { "enrollmentGroupId": registration.group },
        });
        if !registration.payload.is_null() {
            state["payload"] = registration.payload.clone();
        }
        Ok(state)
    }

    fn assign(&self, hub: &Hub, group: &EnrollmentGroup, registration_id: &str) -> Result<(), Refusal> {
        let failed = || Refusal::new(500_001, "The hub did not take the device.");
        let [primary, secondary] = group.device_keys(registration_id).ok_or_else(failed)?;
        let existing = hub.device(registration_id).ok();
        let precondition = if existing.is_some() { Precondition::Any } else { Precondition::Absent };
        let mut body = existing.unwrap_or_else(|| json!({ "deviceId": registration_id, "status": "enabled" }));
        body["authentication"] =
            json!({ "type": "sas", "symmetricKey": { "primaryKey": primary, "secondaryKey": secondary } });
        hub.put_device(registration_id, &body, &precondition).map(|_| ()).map_err(|_| failed())
    }

    fn registrations(&self) -> MutexGuard<'_, BTreeMap<String, Registration>> {
        self.registrations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn derived_key(group_key: &str, registration_id: &str) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(group_key).ok()?).ok()?;
    mac.update(registration_id.as_bytes());
    Some(STANDARD.encode(mac.finalize().into_bytes()))
}

/// Lower-case alphanumerics and `- . _ :`, the last one alphanumeric or a dash.
fn is_registration_id(id: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let allowed = |byte: u8| alphanumeric(byte) || b"-._:".contains(&byte);
    let ends_well = id.bytes().last().is_some_and(|last| alphanumeric(last) || last == b'-');
    id.len() <= LONGEST_ID && id.bytes().all(allowed) && ends_well
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    const ID: &str = "eui-70b3d57ed0001234";
    const ENCODED: &str = "SharedAccessSignature sr=0ne00ABCDEF%2Fregistrations%2Feui-70b3d57ed0001234&sig=NdONmcKLU9rG2ZCxezyY0s4xWocb%2B%2BcY72%2BfLM7Zr1A%3D&se=1900000000&skn=registration";
    const RAW: &str = "SharedAccessSignature sr=0ne00ABCDEF/registrations/eui-70b3d57ed0001234&sig=fgj0SGb1VGDla8VmtFN38mIgw5yG0RGasDBG61peIHM%3D&skn=registration&se=1900000000";

    fn authorize(scope: &str, id: &str, token: Option<&str>, now: i64) -> Result<String, u32> {
        let group = EnrollmentGroup { primary_key: KEY.to_owned(), ..EnrollmentGroup::new("plant") };
        let groups = vec![EnrollmentGroup::new("other"), group];
        let provisioning = Provisioning::new("0ne00ABCDEF".to_owned(), "localhost".to_owned(), groups);
        let group = provisioning.authorize(scope, id, Claim { token, method: "PUT", path: &[], now });
        group.map(|group| group.id.clone()).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_device_key_comes_from_the_group_key_and_the_registration_id() {
        assert_eq!(derived_key(KEY, ID).as_deref(), Some("vPc27OlM+KsMMMaqJNlTi9t6FyhexqUCng1WbqwZt/8="));
    }

    #[test]
    fn a_token_of_a_derived_key_finds_its_group() {
        for token in [ENCODED, RAW, &ENCODED.replace("&skn=registration", "")] {
            assert_eq!(authorize("0ne00ABCDEF", ID, Some(token), 0), Ok("plant".to_owned()), "{token}");
        }
    }

    #[test]
    fn a_device_is_refused_for_each_of_these_reasons() {
        let table = [
            ("0ne00000000", ID, Some(RAW), 0, 404_002),
            ("0ne00ABCDEF", "eui-70b3d57ed0001235", Some(RAW), 0, 401_002),
            ("0ne00ABCDEF", ID, Some(RAW), 1_900_000_000, 401_002),
            ("0ne00ABCDEF", ID, Some("Bearer x"), 0, 401_002),
            ("0ne00ABCDEF", ID, None, 0, 401_002),
            ("0ne00ABCDEF", ID, Some(&RAW.replace("fgj0", "fgj1")), 0, 401_002),
        ];
        for (scope, id, token, now, code) in table {
            assert_eq!(authorize(scope, id, token, now), Err(code), "{token:?}");
        }
    }

    #[test]
    fn registration_ids_are_lower_case_and_end_well() {
        for (id, expected) in [(ID, true), ("a.b_c:d-", true), ("A", false), ("a.", false), ("", false), ("a/b", false)]
        {
            assert_eq!(is_registration_id(id), expected, "{id}");
        }
    }
}
