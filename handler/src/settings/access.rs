//! The two ways to open the hub: one connection string, or keyless with a managed identity.

use super::parsers::{client_id, identity_endpoint, policy_name};
use super::{Lookup, PLATFORM_NAMES};
use crate::iot_hub::{Access, Policy, host_name_of, key_of};

const CONNECTION_STRING: &str = "IOT_HUB_CONNECTION_STRING";
const HOST_NAME: &str = "IOT_HUB_HOST_NAME";
const POLICY_NAME: &str = "IOT_HUB_DEVICE_POLICY_NAME";
const POLICY_KEY: &str = "IOT_HUB_DEVICE_POLICY_KEY";
const CLIENT_ID: &str = "AZURE_CLIENT_ID";

/// What keyless access cannot do without. The policy's name has a default.
const KEYLESS: [&str; 3] = [HOST_NAME, POLICY_KEY, CLIENT_ID];

/// Reads whichever way is set. Both, or half of one, is a problem.
pub(super) fn access(lookup: &mut Lookup<'_>) -> Option<Access> {
    // Other tools read AZURE_CLIENT_ID, too: beside a connection string it says nothing.
    let keyless = set_among(lookup, &[HOST_NAME, POLICY_NAME, POLICY_KEY]);
    if lookup.is_set(CONNECTION_STRING) {
        let policy = lookup.optional(CONNECTION_STRING, Policy::from_connection_string);
        if !keyless.is_empty() {
            let what = format!(
                "it is set, and so is keyless access by {}; expected one of the two: remove either",
                keyless.join(", ")
            );
            lookup.complain(CONNECTION_STRING, what);
        }
        return Some(Access { policy: policy?, client_id: None });
    }
    if keyless.is_empty() && !lookup.is_set(CLIENT_ID) {
        let what = format!(
            "it is not set, and there is no default; set it, or for keyless access {} instead",
            KEYLESS.join(", ")
        );
        lookup.complain(CONNECTION_STRING, what);
        return None;
    }
    keyless_access(lookup)
}

fn keyless_access(lookup: &mut Lookup<'_>) -> Option<Access> {
    let set = set_among(lookup, &[HOST_NAME, POLICY_NAME, POLICY_KEY, CLIENT_ID]);
    let missing: Vec<_> = KEYLESS.into_iter().filter(|name| !set.contains(name)).collect();
    if let [first, further @ ..] = missing.as_slice() {
        let further = if further.is_empty() { String::new() } else { format!(", nor is {}", further.join(", ")) };
        let what = format!(
            "it is not set{further}, though {} is; expected all of {} for keyless access, or {CONNECTION_STRING} instead",
            set.join(", "),
            KEYLESS.join(", ")
        );
        lookup.complain(first, what);
    }
    let host_name = lookup.optional(HOST_NAME, |text| host_name_of(text).map_err(|what| format!("it {what}")));
    let policy_name = lookup.or_default(POLICY_NAME, "device-connect", policy_name);
    let key = lookup.optional(POLICY_KEY, |text| key_of(text).map_err(|what| format!("it {what}")));
    let client_id = lookup.optional(CLIENT_ID, client_id);
    if missing.is_empty() {
        platform(lookup);
    }
    let policy = Policy { host_name: host_name?, policy_name: policy_name?, key: key? };
    Some(Access { policy, client_id: Some(client_id?) })
}

/// The platform tells an app that has an identity where to get tokens. The SDK reads that by itself.
fn platform(lookup: &mut Lookup<'_>) {
    let [endpoint, header] = PLATFORM_NAMES;
    if lookup.is_set(endpoint) && lookup.is_set(header) {
        lookup.optional(endpoint, identity_endpoint);
        return;
    }
    let what = format!(
        "it or {header} is not set, though {CLIENT_ID} is; Azure Functions sets both for an app with a managed identity: \
         assign the identity to the function app, or elsewhere use {CONNECTION_STRING}"
    );
    lookup.complain(endpoint, what);
}

fn set_among(lookup: &Lookup<'_>, names: &[&'static str]) -> Vec<&'static str> {
    names.iter().copied().filter(|name| lookup.is_set(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{NAMES, Problem};

    const STRING: (&str, &str) =
        (CONNECTION_STRING, "HostName=hub;SharedAccessKeyName=p;SharedAccessKey=MDEyMzQ1Njc4OWFiY2RlZg==");
    const HOST: (&str, &str) = (HOST_NAME, "hub.azure-devices.net");
    const NAME: (&str, &str) = (POLICY_NAME, "gateway");
    const KEY: (&str, &str) = (POLICY_KEY, "MDEyMzQ1Njc4OWFiY2RlZg==");
    const CLIENT: (&str, &str) = (CLIENT_ID, "0A1b2c3d-0000-0000-0000-0123456789ab");
    const ENDPOINT: (&str, &str) = ("IDENTITY_ENDPOINT", "http://169.254.129.7:8081/msi/token");
    const HEADER: (&str, &str) = ("IDENTITY_HEADER", "hunter2");

    fn read(values: &[(&str, &str)]) -> Result<Access, Vec<Problem>> {
        let value = |name: &str| values.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned());
        let mut lookup = Lookup::new(&NAMES, &value);
        let access = access(&mut lookup);
        let problems = lookup.problems();
        access.filter(|_| problems.is_empty()).ok_or(problems)
    }

    fn problem(values: &[(&str, &str)]) -> String {
        let problems = read(values).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(!format!("{problems:?}").contains("hunter2"), "{problems:?}");
        problems[0].to_string()
    }

    #[test]
    fn keyless_access_is_a_host_a_device_policy_and_an_identity() {
        let access = read(&[HOST, KEY, CLIENT, ENDPOINT, HEADER]).unwrap();
        assert_eq!((access.policy.host_name.as_str(), access.policy.policy_name.as_str()), (HOST.1, "device-connect"));
        assert_eq!(access.policy.key.expose(), KEY.1);
        assert_eq!(access.client_id.as_deref(), Some("0a1b2c3d-0000-0000-0000-0123456789ab"));
        assert_eq!(read(&[HOST, NAME, KEY, CLIENT, ENDPOINT, HEADER]).unwrap().policy.policy_name, "gateway");
    }

    #[test]
    fn a_connection_string_is_enough_and_empty_values_beside_it_are_absent() {
        for beside in [&[][..], &[(HOST_NAME, ""), (POLICY_NAME, " "), (POLICY_KEY, ""), (CLIENT_ID, "")]] {
            let access = read(&[&[STRING], beside].concat()).unwrap();
            assert_eq!((access.policy.policy_name.as_str(), access.client_id), ("p", None));
        }
        assert!(read(&[STRING, CLIENT]).unwrap().client_id.is_none(), "other tools read AZURE_CLIENT_ID, too");
    }

    #[test]
    fn every_wrong_combination_is_one_problem_that_names_the_settings() {
        let platform = [ENDPOINT, HEADER];
        for (values, expected) in [
            (
                &[][..],
                "IOT_HUB_CONNECTION_STRING: it is not set, and there is no default; set it, or for keyless access IOT_HUB_HOST_NAME, IOT_HUB_DEVICE_POLICY_KEY, AZURE_CLIENT_ID instead",
            ),
            (
                &[STRING, HOST, KEY, CLIENT],
                "IOT_HUB_CONNECTION_STRING: it is set, and so is keyless access by IOT_HUB_HOST_NAME, IOT_HUB_DEVICE_POLICY_KEY; expected one",
            ),
            (
                &[STRING, NAME],
                "IOT_HUB_CONNECTION_STRING: it is set, and so is keyless access by IOT_HUB_DEVICE_POLICY_NAME;",
            ),
            (
                &[HOST],
                "IOT_HUB_DEVICE_POLICY_KEY: it is not set, nor is AZURE_CLIENT_ID, though IOT_HUB_HOST_NAME is; expected all of",
            ),
            (&[HOST, KEY], "AZURE_CLIENT_ID: it is not set, though IOT_HUB_HOST_NAME, IOT_HUB_DEVICE_POLICY_KEY is;"),
            (&[HOST, CLIENT], "IOT_HUB_DEVICE_POLICY_KEY: it is not set, though"),
            (&[KEY, CLIENT], "IOT_HUB_HOST_NAME: it is not set, though"),
            (&[NAME], "IOT_HUB_HOST_NAME: it is not set, nor is IOT_HUB_DEVICE_POLICY_KEY, AZURE_CLIENT_ID, though"),
            (&[CLIENT], "IOT_HUB_HOST_NAME: it is not set, nor is"),
        ] {
            for further in [&[][..], &platform] {
                let found = problem(&[values, further].concat());
                assert!(found.starts_with(expected), "{found}");
            }
        }
    }

    #[test]
    fn an_app_without_an_identity_is_told_so() {
        for values in [&[HOST, KEY, CLIENT][..], &[HOST, KEY, CLIENT, ENDPOINT], &[HOST, KEY, CLIENT, HEADER]] {
            let found = problem(values);
            assert!(found.starts_with("IDENTITY_ENDPOINT: it or IDENTITY_HEADER is not set"), "{found}");
            assert!(found.contains("assign the identity to the function app"), "{found}");
        }
        assert!(problem(&[HOST, KEY, CLIENT, (ENDPOINT.0, "token"), HEADER]).contains("do not set it by hand"));
    }

    #[test]
    fn a_wrong_value_is_explained_and_a_key_not_shown() {
        for (wrong, expected) in [
            ((HOST_NAME, "https://hub"), "IOT_HUB_HOST_NAME: it is not a host name"),
            ((POLICY_NAME, "a policy"), "IOT_HUB_DEVICE_POLICY_NAME: found \"a policy\", expected the name of"),
            ((POLICY_KEY, "hunter2"), "IOT_HUB_DEVICE_POLICY_KEY: it is not base64"),
            ((POLICY_KEY, "aHVudGVyMg=="), "IOT_HUB_DEVICE_POLICY_KEY: it has 7 bytes"),
            ((POLICY_KEY, "@Microsoft.KeyVault(SecretUri=x)"), "IOT_HUB_DEVICE_POLICY_KEY: its Key Vault reference"),
            ((CLIENT_ID, "hunter2"), "AZURE_CLIENT_ID: found something that is not a client id"),
        ] {
            let right = [HOST, NAME, KEY, CLIENT].into_iter().filter(|(name, _)| *name != wrong.0);
            let values: Vec<_> = right.chain([wrong, ENDPOINT, HEADER]).collect();
            let found = problem(&values);
            assert!(found.starts_with(expected), "{found}");
        }
    }
}
