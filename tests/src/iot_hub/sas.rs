//! Shared access signatures: taking a token apart and checking what it says. Time is an argument.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use percent_encoding::percent_decode_str;
use sha2::Sha256;

/// A token as it was sent; nothing in it is believed before `is_signed_by` said so.
#[derive(Debug)]
pub struct Token {
    /// `sr` exactly as sent: encoders differ (`%2a`, `%2A`, `*`), and the signature covers this very text.
    resource: String,
    signature: Vec<u8>,
    expiry: String,
    /// `skn`; a device key has none.
    pub policy: Option<String>,
}

impl Token {
    /// Takes an `Authorization` value (or an MQTT password) apart, whatever the order of its parameters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (mut resource, mut signature, mut expiry, mut policy) = (None, None, None, None);
        for parameter in text.strip_prefix("SharedAccessSignature ")?.trim().split('&') {
            let (name, value) = parameter.split_once('=')?;
            let place = match name {
                "sr" => &mut resource,
                "sig" => &mut signature,
                "se" => &mut expiry,
                "skn" => &mut policy,
                _ => return None,
            };
            if place.replace(value).is_some() {
                return None;
            }
        }
        Some(Self {
            resource: resource?.to_owned(),
            signature: STANDARD.decode(decoded(signature?)?).ok()?,
            expiry: expiry?.to_owned(),
            policy: policy.and_then(decoded).filter(|name| !name.is_empty()),
        })
    }

    /// Whether a base64 key made the signature.
    #[must_use]
    pub fn is_signed_by(&self, key: &str) -> bool {
        let Ok(key) = STANDARD.decode(key) else { return false };
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { return false };
        mac.update(self.resource.as_bytes());
        mac.update(b"\n");
        mac.update(self.expiry.as_bytes());
        mac.verify_slice(&self.signature).is_ok()
    }

    /// `se`, in Unix seconds.
    #[must_use]
    pub fn expiry(&self) -> Option<i64> {
        self.expiry.parse().ok()
    }

    /// Whether `se` has come; no grace for slow clocks is documented.
    #[must_use]
    pub fn is_expired(&self, now: i64) -> bool {
        self.expiry().is_none_or(|expiry| expiry <= now)
    }

    /// The decoded `sr`, split into the host and the path's segments.
    #[must_use]
    pub fn scope(&self) -> Option<Scope> {
        let resource = decoded(&self.resource)?;
        let mut segments = resource.trim_end_matches('/').split('/').map(str::to_owned);
        Some(Scope { host: segments.next()?, path: segments.collect() })
    }
}

/// What a token is for.
#[derive(Debug, PartialEq)]
pub struct Scope {
    /// As the token spells it, a port included.
    pub host: String,
    /// The segments behind it.
    pub path: Vec<String>,
}

impl Scope {
    /// Segment by segment, so `devices/dev1` covers `devices/dev1/messages` and not `devices/dev12`.
    /// Only the collection's name is compared without case; ids are case-sensitive.
    pub(crate) fn covers(&self, path: &[String]) -> bool {
        self.path.len() <= path.len()
            && self.path.iter().zip(path).enumerate().all(|(index, (ours, theirs))| {
                if index == 0 { ours.eq_ignore_ascii_case(theirs) } else { ours == theirs }
            })
    }

    /// Whether the scope names this device and not a wider part of the hub.
    pub(crate) fn names_device(&self, device_id: &str) -> bool {
        self.path.len() >= 2 && self.path[0].eq_ignore_ascii_case("devices") && self.path[1] == device_id
    }
}

/// The names a hub answers to. A port is ignored: clients on other ports than 443 put theirs into `sr`.
#[derive(Debug)]
pub(crate) struct HostNames(pub(crate) Vec<String>);

impl HostNames {
    pub(crate) fn contains(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            Some(_) | None => host,
        };
        self.0.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// `+` stays a plus: this is not a form.
fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    const OTHER_KEY: &str = "AAEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    const A1: &str = "SharedAccessSignature sr=emuhub.azure-devices.net%2Fdevices%2Feui-70b3d57ed0001234&sig=Zal0XD9CFKxPbxWlI3pHGP0wCSzdK9YfiiSlwfXB4e8%3D&se=1900000000";
    /// Name, token, decoded scope path, policy: vectors the official SDKs agree on.
    const VECTORS: [(&str, &str, &[&str], Option<&str>); 8] = [
        ("A1", A1, &["devices", "eui-70b3d57ed0001234"], None),
        (
            "A2",
            "SharedAccessSignature sr=emuhub.azure-devices.net%2Fdevices%2Fapp1%3Adev%231%2Bx&sig=iVbc65tfQYAiweOrSCjGDCXE2%2FsEhFG7vW6aEgTTQts%3D&se=1900000000",
            &["devices", "app1:dev#1+x"],
            None,
        ),
        (
            "A3 node",
            "SharedAccessSignature sr=emuhub.azure-devices.net%2Fdevices%2Fit%27s%2a%281%29%21&sig=7Z5q5fiIp9VaUrdnD8GlGrOxBm1wKG%2FbXt1VVx5yzyY%3D&se=1900000000",
            &["devices", "it's*(1)!"],
            None,
        ),
        (
            "A3 python",
            "SharedAccessSignature sr=emuhub.azure-devices.net%2Fdevices%2Fit%27s%2A%281%29%21&sig=xRJpcZKE22b0abwq6xMceGgXlMZB7soeaj%2F5fObiZfc%3D&se=1900000000",
            &["devices", "it's*(1)!"],
            None,
        ),
        (
            "B1 python",
            "SharedAccessSignature sr=emuhub.azure-devices.net%2Fdevices%2Feui-70b3d57ed0001234&sig=Zal0XD9CFKxPbxWlI3pHGP0wCSzdK9YfiiSlwfXB4e8%3D&se=1900000000&skn=device",
            &["devices", "eui-70b3d57ed0001234"],
            Some("device"),
        ),
        (
            "B1 node",
            "SharedAccessSignature sr=emuhub.azure-devices.net%2Fdevices%2Feui-70b3d57ed0001234&sig=Zal0XD9CFKxPbxWlI3pHGP0wCSzdK9YfiiSlwfXB4e8%3D&skn=device&se=1900000000",
            &["devices", "eui-70b3d57ed0001234"],
            Some("device"),
        ),
        (
            "B2",
            "SharedAccessSignature sr=emuhub.azure-devices.net&sig=sO3W6%2F3MWCE7oNHY2xenFO1tKJ1pH7tPhWWucU8oP4I%3D&se=1900000000&skn=device",
            &[],
            Some("device"),
        ),
        (
            "B2 with a bare slash",
            "SharedAccessSignature sr=emuhub.azure-devices.net&sig=sO3W6/3MWCE7oNHY2xenFO1tKJ1pH7tPhWWucU8oP4I%3D&se=1900000000&skn=iothubowner",
            &[],
            Some("iothubowner"),
        ),
    ];

    fn path(segments: &[&str]) -> Vec<String> {
        segments.iter().map(|&segment| segment.to_owned()).collect()
    }

    #[test]
    fn every_vector_is_accepted_with_its_key_scope_and_policy() {
        for (name, text, segments, policy) in VECTORS {
            let token = Token::parse(text).expect(name);
            assert!(token.is_signed_by(KEY), "{name}");
            assert!(!token.is_signed_by(OTHER_KEY), "{name} with another key");
            let scope = Scope { host: "emuhub.azure-devices.net".to_owned(), path: path(segments) };
            assert_eq!(token.scope(), Some(scope), "{name}");
            assert_eq!(token.policy.as_deref(), policy, "{name}");
        }
    }

    #[test]
    fn a_flipped_character_in_any_signed_part_is_refused() {
        for (name, text, _, _) in VECTORS {
            for (from, to) in [("sr=emuhub", "sr=emuhuc"), ("se=1900000000", "se=1900000001"), ("%3D", "A%3D")] {
                let flipped = text.replace(from, to);
                assert_ne!(flipped, text);
                assert!(!Token::parse(&flipped).is_some_and(|token| token.is_signed_by(KEY)), "{name} {to}");
            }
        }
        let flipped = Token::parse(&A1.replace("sig=Zal0", "sig=Zal1")).unwrap();
        assert!(!flipped.is_signed_by(KEY));
    }

    #[test]
    fn the_signature_covers_the_text_and_not_its_decoded_form() {
        let rewritten = A1.replace("%2F", "%2f");
        assert!(!Token::parse(&rewritten).unwrap().is_signed_by(KEY));
    }

    #[test]
    fn a_plus_in_the_signature_is_a_plus() {
        let token = Token::parse("SharedAccessSignature sig=++++&se=1&sr=h").unwrap();
        assert_eq!(token.signature, STANDARD.decode("++++").unwrap());
    }

    #[test]
    fn a_token_ends_in_the_second_it_names() {
        let token = Token::parse(A1).unwrap();
        assert!(!token.is_expired(1_899_999_999));
        assert!(token.is_expired(1_900_000_000));
        assert!(Token::parse(&A1.replace("se=1900000000", "se=soon")).unwrap().is_expired(0));
    }

    #[test]
    fn what_is_not_a_token_is_not_parsed() {
        let table = [
            "",
            "Bearer x",
            "SharedAccessSignature sr=h&sig=AA==",
            "SharedAccessSignature sr=h&sig=%&se=1",
            "SharedAccessSignature sr=h&sr=h&sig=AAAA&se=1",
            "SharedAccessSignature sr=h&sig=AAAA&se=1&x=y",
        ];
        for text in table {
            assert!(Token::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_scope_covers_whole_segments_only() {
        let scope = |segments: &[&str]| Scope { host: "h".to_owned(), path: path(segments) };
        let dev1 = path(&["devices", "dev1", "messages", "events"]);
        assert!(scope(&[]).covers(&dev1));
        assert!(scope(&["devices"]).covers(&dev1));
        assert!(scope(&["Devices", "dev1"]).covers(&dev1));
        assert!(!scope(&["devices", "Dev1"]).covers(&dev1));
        assert!(!scope(&["devices", "dev1"]).covers(&path(&["devices", "dev12"])));
        assert!(!scope(&["devices", "dev1", "modules", "m"]).covers(&dev1));
        assert!(scope(&["devices", "dev1"]).names_device("dev1"));
        assert!(!scope(&["devices"]).names_device("dev1"));
    }

    #[test]
    fn a_host_is_known_in_any_case_and_with_any_port() {
        let hosts = HostNames(vec!["emuhub.azure-devices.net".to_owned(), "localhost".to_owned()]);
        for host in ["EmuHub.azure-devices.net", "localhost:18443", "localhost"] {
            assert!(hosts.contains(host), "{host}");
        }
        for host in ["other.azure-devices.net", "localhost:", "localhost:x", "emuhub"] {
            assert!(!hosts.contains(host), "{host}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(SharedAccessSignature )?(s[rigekn]{1,2}=[%+/=&a-z0-9é]{0,12}&?){0,5}") {
            if let Some(token) = Token::parse(&text) {
                let _ = (token.is_signed_by(&text), token.is_expired(0), token.scope());
            }
        }
    }
}
