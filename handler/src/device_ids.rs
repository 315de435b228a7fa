//! What a device of The Things Stack is called in IoT Hub, and back.

use std::fmt;

use crate::error::shortened;
use crate::settings::shown;
use crate::tts::id::{EndDeviceIds, is_id};

/// Stands for the application's id in a template.
const APPLICATION_ID: &str = "{application_id}";

/// Stands for the device's id in a template.
const DEVICE_ID: &str = "{device_id}";

/// How ids are put together: text around one or both placeholders. Every id it makes can be taken apart again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceIdTemplate {
    prefix: String,
    /// Between application and device, if the template names the application.
    separator: Option<String>,
    suffix: String,
}

impl DeviceIdTemplate {
    /// Reads a template such as `{application_id}.{device_id}`.
    ///
    /// # Errors
    /// A sentence with what was found and what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = "expected {device_id} once and, before it, {application_id} at most once, e.g. {application_id}.{device_id}";
        let wrong = || format!("found {}, {expected}", shown(text));
        let (before, suffix) = text.split_once(DEVICE_ID).ok_or_else(wrong)?;
        let (prefix, separator) = match before.split_once(APPLICATION_ID) {
            Some((prefix, separator)) => (prefix, Some(separator)),
            None => (before, None),
        };
        let literals = [Some(prefix), separator, Some(suffix)];
        let is_legal = |c: char| c.is_ascii_alphanumeric() || "-:.+_*!(),=@;".contains(c);
        if !literals.iter().flatten().all(|literal| literal.chars().all(is_legal)) {
            return Err(wrong());
        }
        if let Some(separator) = separator
            && !separator.contains(|c: char| !is_of_an_id(c))
        {
            return Err(format!(
                "found {}, expected something between the placeholders that no id contains, e.g. a dot",
                shown(text)
            ));
        }
        Ok(Self { prefix: prefix.to_owned(), separator: separator.map(str::to_owned), suffix: suffix.to_owned() })
    }

    /// Whether devices of several applications get different ids.
    #[must_use]
    pub fn names_the_application(&self) -> bool {
        self.separator.is_some()
    }

    fn id(&self, application_id: &str, device_id: &str) -> String {
        let Self { prefix, separator, suffix } = self;
        match separator {
            Some(separator) => format!("{prefix}{application_id}{separator}{device_id}{suffix}"),
            None => format!("{prefix}{device_id}{suffix}"),
        }
    }

    /// The application, if the template names it, and the device.
    fn parts<'a>(&self, id: &'a str) -> Option<(Option<&'a str>, &'a str)> {
        let middle = id.strip_prefix(self.prefix.as_str())?.strip_suffix(self.suffix.as_str())?;
        match &self.separator {
            Some(separator) => {
                middle.split_once(separator.as_str()).map(|(application, device)| (Some(application), device))
            }
            None => Some((None, middle)),
        }
    }
}

/// Whether ids of The Things Stack are made of such characters.
fn is_of_an_id(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
}

impl fmt::Display for DeviceIdTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.id(APPLICATION_ID, DEVICE_ID))
    }
}

/// The applications whose devices are in the hub, and what the devices are called there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceIds {
    template: DeviceIdTemplate,
    default_application: String,
    further_applications: Vec<String>,
}

impl DeviceIds {
    /// Ids by `template`.
    ///
    /// # Errors
    /// A sentence, if devices of several applications could get the same id.
    pub fn new(
        template: DeviceIdTemplate,
        default_application: String,
        further_applications: Vec<String>,
    ) -> Result<Self, String> {
        if !further_applications.is_empty() && !template.names_the_application() {
            return Err(format!(
                "found further applications, but IOT_HUB_DEVICE_ID_TEMPLATE is {template}, so that their devices could get \
                 the same id; expected a template with {{application_id}}, e.g. {{application_id}}.{{device_id}}"
            ));
        }
        Ok(Self { template, default_application, further_applications })
    }

    /// What a device is called in IoT Hub. A message without an application is one of the default application.
    ///
    /// # Errors
    /// A sentence, if its application is none of ours: devices of other applications may have the same ids.
    pub fn in_hub(&self, application_id: Option<&str>, device_id: &str) -> Result<String, String> {
        let application_id = application_id.unwrap_or(&self.default_application);
        self.check_application(application_id)?;
        Ok(self.template.id(application_id, device_id))
    }

    /// The device behind an id of IoT Hub.
    ///
    /// # Errors
    /// A sentence with the rule, if The Things Stack cannot have a device of that name.
    pub fn in_tts(&self, id: &str) -> Result<EndDeviceIds, String> {
        let Some((application_id, device_id)) = self.template.parts(id) else {
            return Err(format!(
                "found device id {:?}, expected one that reads {} as IOT_HUB_DEVICE_ID_TEMPLATE says; create the device in \
                 IoT Hub under such an id",
                shortened(id, 140),
                self.template
            ));
        };
        let application_id = application_id.unwrap_or(&self.default_application);
        self.check_application(application_id)?;
        EndDeviceIds::new(application_id, device_id)
    }

    fn check_application(&self, application_id: &str) -> Result<(), String> {
        let mut ours = std::iter::once(&self.default_application).chain(&self.further_applications);
        if ours.any(|ours| ours == application_id) {
            return Ok(());
        }
        let found = if is_id(application_id) { application_id } else { shortened(application_id, 40) };
        Err(format!(
            "found application {found:?}, expected {} as TTS_APPLICATION_ID and TTS_FURTHER_APPLICATION_IDS say; point that \
             application's webhook elsewhere, or list it",
            std::iter::once(&self.default_application)
                .chain(&self.further_applications)
                .map(|id| format!("{id:?}"))
                .collect::<Vec<_>>()
                .join(" or ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn device_ids(template: &str, further: &[&str]) -> Result<DeviceIds, String> {
        let further = further.iter().map(|id| (*id).to_owned()).collect();
        DeviceIds::new(DeviceIdTemplate::parse(template)?, "plant-a".to_owned(), further)
    }

    #[test]
    fn ids_are_put_together_and_taken_apart() {
        for (template, further, application, id) in [
            ("{device_id}", &[][..], "plant-a", "sensor-1"),
            ("{application_id}.{device_id}", &["plant-b"], "plant-b", "plant-b.sensor-1"),
            ("tts:{application_id}--.{device_id}:eu1", &["plant-b"], "plant-a", "tts:plant-a--.sensor-1:eu1"),
        ] {
            let ids = device_ids(template, further).unwrap();
            assert_eq!(ids.in_hub(Some(application), "sensor-1").unwrap(), id);
            assert_eq!(ids.in_tts(id).unwrap(), EndDeviceIds::new(application, "sensor-1").unwrap());
            assert_eq!(ids.template.to_string(), template);
        }
        let ids = device_ids("{application_id}.{device_id}", &[]).unwrap();
        assert_eq!(
            ids.in_hub(None, "sensor-1").unwrap(),
            "plant-a.sensor-1",
            "a field mask may leave the application out"
        );
    }

    #[test]
    fn ids_the_things_stack_cannot_have_are_named_with_the_rule() {
        let (plain, dotted) =
            (device_ids("{device_id}", &[]).unwrap(), device_ids("{application_id}.{device_id}", &[]).unwrap());
        let long = "a".repeat(37);
        for (ids, id, rule) in [
            (&plain, "Sensor-1", "3 to 36 lower-case"),
            (&plain, "sensor_1", "3 to 36 lower-case"),
            (&plain, &long, "3 to 36 lower-case"),
            (&dotted, "sensor-1", "{application_id}.{device_id}"),
            (&dotted, "plant-b.sensor-1", "TTS_FURTHER_APPLICATION_IDS"),
            (&dotted, "plant-a.Sensor-1", "3 to 36 lower-case"),
        ] {
            let reason = ids.in_tts(id).unwrap_err();
            assert!(reason.contains(rule), "{id}: {reason}");
        }
        assert!(plain.in_hub(Some("plant-b"), "sensor-1").unwrap_err().contains("expected \"plant-a\""));
    }

    #[test]
    fn templates_whose_ids_could_not_be_taken_apart_are_refused() {
        for (template, reason) in [
            ("{application_id}", "{device_id} once"),
            ("{device_id}{device_id}", "{device_id} once"),
            ("{device_id}.{application_id}", "{device_id} once"),
            ("{dev_id}", "{device_id} once"),
            ("a b{device_id}", "{device_id} once"),
            ("{application_id}{device_id}", "between the placeholders"),
            ("{application_id}-{device_id}", "between the placeholders"),
        ] {
            let found = DeviceIdTemplate::parse(template).unwrap_err();
            assert!(found.contains(reason), "{template}: {found}");
        }
        assert!(device_ids("{device_id}", &["plant-b"]).unwrap_err().contains("{application_id}"));
    }

    proptest! {
        #[test]
        fn what_is_put_together_comes_apart_the_same(
            application in "[a-z0-9]{3,12}(-[a-z0-9]{1,5}){0,3}", device in "[a-z0-9]{3,12}(-[a-z0-9]{1,5}){0,3}",
            prefix in "[a-zA-Z0-9.:-]{0,6}", separator in "[a-z-]{0,3}[.:_][a-z.-]{0,3}", suffix in "[a-zA-Z0-9.:-]{0,6}",
        ) {
            let template = DeviceIdTemplate::parse(&format!("{prefix}{APPLICATION_ID}{separator}{DEVICE_ID}{suffix}")).unwrap();
            let id = template.id(&application, &device);
            prop_assert_eq!(template.parts(&id), Some((Some(application.as_str()), device.as_str())));
        }

        #[test]
        fn no_template_and_no_id_makes_it_panic(template in ".{0,40}", id in ".{0,60}") {
            if let Ok(template) = DeviceIdTemplate::parse(&template) {
                let _ = template.parts(&id);
            }
        }
    }
}
