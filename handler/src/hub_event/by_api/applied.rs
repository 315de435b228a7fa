//! Fingerprints of the tags a device was registered with, so that a later event shows what has changed since.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::secret::Secret;
use crate::tts::api::{EndDevice, Field};

/// Bytes of a fingerprint: nobody gains by finding another value with the same one.
const BYTES: usize = 9;

/// Name of the fingerprint of the key itself.
const KEY: &str = "key";

/// Name of both EUIs' fingerprint.
const EUIS: &str = "euis";

/// A keyed fingerprint for each part of a device. The key is the API key, so they tell nobody else anything about root
/// keys; once it has changed they cannot be compared any more, and everything is written anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Applied(BTreeMap<String, String>);

/// How a device differs from what was registered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Difference {
    None,
    /// Just these fields.
    Fields(Vec<Field>),
    /// The EUIs, which cannot be changed.
    Euis,
    /// It cannot be told.
    Unknown,
}

impl Applied {
    /// The fingerprints of a device.
    pub(super) fn of(device: &EndDevice, key: &Secret) -> Self {
        let fingerprint = |name: &str, text: &str| {
            let mut mac =
                Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).expect("HMAC takes keys of any length");
            for part in [device.ids.application_id(), device.ids.device_id(), name, text] {
                mac.update(part.as_bytes());
                mac.update(&[0]);
            }
            (name.to_owned(), URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..BYTES]))
        };
        let fields = compared().map(|field| fingerprint(name(field), &device.text_of(field)));
        let euis = fingerprint(EUIS, &format!("{} {}", device.dev_eui, device.join_eui));
        Self(fields.chain([euis, fingerprint(KEY, "")]).collect())
    }

    /// Reads what [`to_text`](Self::to_text) wrote. Whatever else it is given differs from every device in every way.
    pub(super) fn from_text(text: &str) -> Self {
        let pair = |pair: &str| pair.split_once(':').map(|(name, print)| (name.to_owned(), print.to_owned()));
        Self(text.split(' ').filter_map(pair).collect())
    }

    /// One line for the twin.
    pub(super) fn to_text(&self) -> String {
        self.0.iter().map(|(name, print)| format!("{name}:{print}")).collect::<Vec<_>>().join(" ")
    }

    /// How a device with the fingerprints `now` differs from this one.
    pub(super) fn difference(&self, now: &Self) -> Difference {
        let differs = |name: &str| self.0.get(name) != now.0.get(name);
        if differs(KEY) {
            return Difference::Unknown;
        }
        if differs(EUIS) {
            return Difference::Euis;
        }
        let fields: Vec<_> = compared().filter(|field| differs(name(*field))).collect();
        if fields.is_empty() { Difference::None } else { Difference::Fields(fields) }
    }
}

/// Formatters follow from the version ids, and only when they are new: later ones are the Console's.
fn compared() -> impl Iterator<Item = Field> {
    Field::ALL.into_iter().filter(|field| *field != Field::Formatters)
}

fn name(field: Field) -> &'static str {
    match field {
        Field::Name => "name",
        Field::Description => "description",
        Field::Versions => "versions",
        Field::FrequencyPlan => "frequencyPlan",
        Field::ClassB => "classB",
        Field::ClassC => "classC",
        Field::RootKeys => "rootKeys",
        Field::VersionIds => "versionIds",
        Field::Formatters => "formatters",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tts::api::VersionIds;
    use crate::tts::id::EndDeviceIds;

    fn device() -> EndDevice {
        EndDevice {
            ids: EndDeviceIds::new("plant-a", "sensor-1").unwrap(),
            dev_eui: "70B3D57ED0000001".to_owned(),
            join_eui: "70B3D57ED0FFFF00".to_owned(),
            name: None,
            description: None,
            lorawan_version: "MAC_V1_0_3",
            lorawan_phy_version: "PHY_V1_0_3_REV_A",
            frequency_plan_id: "EU_863_870_TTN".to_owned(),
            supports_class_b: None,
            supports_class_c: None,
            app_key: Secret::new("00112233445566778899AABBCCDDEEFF"),
            nwk_key: None,
            version_ids: VersionIds::default(),
        }
    }

    fn difference(later: EndDevice) -> Difference {
        let key = Secret::new("NNSXS.A.B");
        let stored = Applied::of(&device(), &key).to_text();
        Applied::from_text(&stored).difference(&Applied::of(&later, &key))
    }

    #[test]
    fn what_has_changed_is_found_and_nothing_else() {
        let version_ids = VersionIds { brand_id: Some("acme".to_owned()), ..VersionIds::default() };
        for (later, expected) in [
            (device(), Difference::None),
            (EndDevice { name: Some("Roof".to_owned()), ..device() }, Difference::Fields(vec![Field::Name])),
            (EndDevice { app_key: Secret::new("00"), ..device() }, Difference::Fields(vec![Field::RootKeys])),
            (
                EndDevice { supports_class_c: Some(true), version_ids, ..device() },
                Difference::Fields(vec![Field::ClassC, Field::VersionIds]),
            ),
            (EndDevice { dev_eui: "70B3D57ED0000002".to_owned(), ..device() }, Difference::Euis),
        ] {
            assert_eq!(difference(later), expected);
        }
    }

    #[test]
    fn after_a_change_of_the_api_key_or_of_the_status_nothing_can_be_told() {
        let now = Applied::of(&device(), &Secret::new("new"));
        for stored in ["", "hello", "key:x name:y", &Applied::of(&device(), &Secret::new("old")).to_text()] {
            assert_eq!(Applied::from_text(stored).difference(&now), Difference::Unknown, "{stored}");
        }
    }

    #[test]
    fn fingerprints_say_nothing_to_others_and_fit_a_tag() {
        let text = Applied::of(&device(), &Secret::new("NNSXS.A.B")).to_text();
        assert!(!text.contains("00112233") && !text.contains("70B3") && text.len() < 400, "{text}");
        let other = EndDevice { ids: EndDeviceIds::new("plant-a", "sensor-2").unwrap(), ..device() };
        assert_ne!(
            Applied::of(&other, &Secret::new("NNSXS.A.B")).to_text(),
            text,
            "devices with the same key look different"
        );
    }
}
