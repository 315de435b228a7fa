//! Topics: what a device may publish and subscribe to, and the topics of what it gets.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::iot_hub::faults::Operation;

/// What a device publishes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request<'a> {
    /// With the property bag as sent.
    Telemetry(&'a str),
    /// With the request id.
    TwinGet(&'a str),
    /// With the request id.
    PatchReported(&'a str),
    /// The answer to a direct method; nobody waits for it.
    MethodResponse,
}

impl<'a> Request<'a> {
    /// `None` for a topic the hub does not know, which ends the connection.
    pub(crate) fn parse(topic: &'a str, device_id: &str) -> Option<Self> {
        if let Some(rest) = topic.strip_prefix("$iothub/") {
            let request_id = |query: &'a str| query.split('&').find_map(|pair| pair.strip_prefix("$rid="));
            if let Some(query) = rest.strip_prefix("twin/GET/?") {
                return request_id(query).map(Self::TwinGet);
            }
            if let Some(query) = rest.strip_prefix("twin/PATCH/properties/reported/?") {
                return request_id(query).map(Self::PatchReported);
            }
            return rest.starts_with("methods/res/").then_some(Self::MethodResponse);
        }
        let bag = events_of(topic, device_id)?;
        Some(Self::Telemetry(bag.strip_prefix('/').unwrap_or(bag)))
    }

    pub(crate) fn operation(&self) -> Operation {
        match self {
            Self::Telemetry(_) => Operation::MqttTelemetry,
            Self::TwinGet(_) => Operation::MqttTwinGet,
            Self::PatchReported(_) => Operation::MqttTwinPatch,
            Self::MethodResponse => Operation::MqttOther,
        }
    }
}

/// What follows `devices/{id}/messages/events`: nothing, or a slash and a property bag.
fn events_of<'a>(topic: &'a str, device_id: &str) -> Option<&'a str> {
    let rest = topic.strip_prefix("devices/")?.strip_prefix(device_id)?.strip_prefix("/messages/events")?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// What a device can subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Channel {
    TwinResponses,
    DesiredProperties,
    CloudToDevice,
    /// Accepted; nobody calls.
    DirectMethods,
}

impl Channel {
    /// `None` for a filter the hub does not know, which ends the connection.
    pub(crate) fn parse(filter: &str, device_id: &str) -> Option<Self> {
        Some(match filter {
            "$iothub/twin/res/#" => Self::TwinResponses,
            "$iothub/twin/PATCH/properties/desired/#" => Self::DesiredProperties,
            "$iothub/methods/POST/#" => Self::DirectMethods,
            _ => {
                let own = filter.strip_prefix("devices/")?.strip_prefix(device_id)?;
                return (own == "/messages/devicebound/#").then_some(Self::CloudToDevice);
            }
        })
    }
}

/// Where the answer to a twin request goes.
pub(crate) fn twin_response(status: u16, request_id: &str, version: Option<u64>) -> String {
    let mut topic = format!("$iothub/twin/res/{status}/?$rid={request_id}");
    if let Some(version) = version {
        // Writing to a text does not fail.
        let _ = write!(topic, "&$version={version}");
    }
    topic
}

/// Where the news about desired properties goes.
pub(crate) fn desired_properties(version: u64) -> String {
    format!("$iothub/twin/PATCH/properties/desired/?$version={version}")
}

/// What stays as it is in a property bag.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where a message for the device goes.
pub(crate) fn cloud_to_device<'a>(device_id: &str, properties: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let encoded = |text: &str| percent_encode(text.as_bytes(), UNRESERVED).to_string();
    let pairs: Vec<_> = properties.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    format!("devices/{device_id}/messages/devicebound/{}", pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_names_what_a_device_asks_for() {
        let table = [
            ("devices/dev1/messages/events", Some(Request::Telemetry(""))),
            ("devices/dev1/messages/events/", Some(Request::Telemetry(""))),
            ("devices/dev1/messages/events/a=b&%24.ct=c", Some(Request::Telemetry("a=b&%24.ct=c"))),
            ("devices/dev12/messages/events/", None),
            ("devices/dev1/messages/eventsof", None),
            ("devices/dev1/messages/devicebound/", None),
            ("$iothub/twin/GET/?$rid=a-1", Some(Request::TwinGet("a-1"))),
            ("$iothub/twin/GET/?x=y&$rid=", Some(Request::TwinGet(""))),
            ("$iothub/twin/GET/", None),
            ("$iothub/twin/GET/?rid=1", None),
            ("$iothub/twin/PATCH/properties/reported/?$rid=1", Some(Request::PatchReported("1"))),
            ("$iothub/twin/PATCH/properties/desired/?$rid=1", None),
            ("$iothub/methods/res/200/?$rid=1", Some(Request::MethodResponse)),
            ("elsewhere", None),
        ];
        for (topic, request) in table {
            assert_eq!(Request::parse(topic, "dev1"), request, "{topic}");
        }
    }

    #[test]
    fn a_filter_names_a_channel() {
        let table = [
            ("$iothub/twin/res/#", Some(Channel::TwinResponses)),
            ("$iothub/twin/PATCH/properties/desired/#", Some(Channel::DesiredProperties)),
            ("$iothub/methods/POST/#", Some(Channel::DirectMethods)),
            ("devices/dev1/messages/devicebound/#", Some(Channel::CloudToDevice)),
            ("devices/dev2/messages/devicebound/#", None),
            ("devices/+/messages/devicebound/#", None),
            ("#", None),
        ];
        for (filter, channel) in table {
            assert_eq!(Channel::parse(filter, "dev1"), channel, "{filter}");
        }
    }

    #[test]
    fn topics_for_devices() {
        assert_eq!(twin_response(204, "a", Some(7)), "$iothub/twin/res/204/?$rid=a&$version=7");
        assert_eq!(twin_response(400, "a", None), "$iothub/twin/res/400/?$rid=a");
        let properties = [("$.mid", "m/1"), ("a b", "ü")];
        let topic = cloud_to_device("dev1", properties.into_iter());
        assert_eq!(topic, "devices/dev1/messages/devicebound/%24.mid=m%2F1&a%20b=%C3%BC");
    }
}
