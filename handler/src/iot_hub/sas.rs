//! Shared access signatures: pure, the time is an argument.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;

use crate::secret::Secret;

/// What Python's and C#'s SDKs leave bare; the hub verifies over the text as given, whatever the encoder.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A token for `resource` (host name, or host name and path) valid until `expiry` (Unix time, seconds).
/// `policy_name` is absent for a device's own key.
#[must_use]
pub(crate) fn token(resource: &str, key: &Secret, policy_name: Option<&str>, expiry: u64) -> String {
    let resource = utf8_percent_encode(resource, ENCODED).to_string();
    let signature = sign(key, &format!("{resource}\n{expiry}"));
    let signature = utf8_percent_encode(&signature, ENCODED);
    let mut token = format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}");
    if let Some(policy_name) = policy_name {
        token.push_str("&skn=");
        token.extend(utf8_percent_encode(policy_name, ENCODED));
    }
    token
}

fn sign(key: &Secret, text: &str) -> String {
    // A key that is not base64 cannot come out of settings; an empty one merely fails to verify at the hub.
    let key = STANDARD.decode(key.expose()).unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPIRY: u64 = 1_900_000_000;

    fn key() -> Secret {
        Secret::new("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
    }

    #[test]
    fn tokens_equal_those_of_the_official_sdks() {
        let device = "emuhub.azure-devices.net/devices/eui-70b3d57ed0001234";
        for (name, resource, policy_name, expected) in [
            (
                "a device's own key",
                device,
                None,
                "SharedAccessSignature sr=emuhub.azure-devices.net%2Fdevices%2Feui-70b3d57ed0001234&sig=Zal0XD9CFKxPbxWlI3pHGP0wCSzdK9YfiiSlwfXB4e8%3D&se=1900000000",
            ),
            (
                "an id with special characters",
                "emuhub.azure-devices.net/devices/app1:dev#1+x",
                None,
                "SharedAccessSignature sr=emuhub.azure-devices.net%2Fdevices%2Fapp1%3Adev%231%2Bx&sig=iVbc65tfQYAiweOrSCjGDCXE2%2FsEhFG7vW6aEgTTQts%3D&se=1900000000",
            ),
            (
                "an id encoders disagree about, as Python's does",
                "emuhub.azure-devices.net/devices/it's*(1)!",
                None,
                "SharedAccessSignature sr=emuhub.azure-devices.net%2Fdevices%2Fit%27s%2A%281%29%21&sig=xRJpcZKE22b0abwq6xMceGgXlMZB7soeaj%2F5fObiZfc%3D&se=1900000000",
            ),
            (
                "a policy on one device",
                device,
                Some("device"),
                "SharedAccessSignature sr=emuhub.azure-devices.net%2Fdevices%2Feui-70b3d57ed0001234&sig=Zal0XD9CFKxPbxWlI3pHGP0wCSzdK9YfiiSlwfXB4e8%3D&se=1900000000&skn=device",
            ),
            (
                "a policy on the whole hub",
                "emuhub.azure-devices.net",
                Some("device"),
                "SharedAccessSignature sr=emuhub.azure-devices.net&sig=sO3W6%2F3MWCE7oNHY2xenFO1tKJ1pH7tPhWWucU8oP4I%3D&se=1900000000&skn=device",
            ),
        ] {
            assert_eq!(token(resource, &key(), policy_name, EXPIRY), expected, "{name}");
        }
    }
}
