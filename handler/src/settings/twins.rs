//! Settings of device twins.

use std::time::Duration;

use super::Lookup;
use super::parsers::{connection_idle, on_or_off, per_second, port, replaces, unchanged_interval};
use crate::iot_hub::Rates;

/// How the device side of twins is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwinSettings {
    /// `IOT_HUB_MQTT_PORT`: 8883 but for stand-ins and private gateways.
    pub mqtt_port: u16,
    /// `IOT_HUB_CONNECTIONS_PER_SECOND` and `IOT_HUB_TWIN_UPDATES_PER_SECOND`: this instance's share of what the hub's
    /// tier allows.
    pub rates: Rates,
    /// `IOT_HUB_CONNECTION_IDLE_SECONDS`: how long a device's connection is kept without work.
    pub connection_idle: Duration,
    /// `IOT_HUB_TWIN_UNCHANGED_SECONDS`: at most one update in so long that changes nothing but its time; zero: all.
    pub unchanged_interval: Duration,
    /// `IOT_HUB_TWIN_RADIO_STATE`: whether uplinks report `lorawan`.
    pub has_radio_state: bool,
    /// `IOT_HUB_TWIN_DECODED_PAYLOAD`: whether values leave the twin that a decoded payload does not have any more.
    pub replaces_decoded_payload: bool,
}

impl TwinSettings {
    pub(super) fn from_lookup(lookup: &mut Lookup<'_>) -> Option<Self> {
        let mqtt_port = lookup.or_default("IOT_HUB_MQTT_PORT", "8883", port);
        let connections_per_second = lookup.or_default("IOT_HUB_CONNECTIONS_PER_SECOND", "100", per_second);
        let connection_idle = lookup.or_default("IOT_HUB_CONNECTION_IDLE_SECONDS", "5", connection_idle);
        let twin_updates_per_second = lookup.or_default("IOT_HUB_TWIN_UPDATES_PER_SECOND", "50", per_second);
        let has_radio_state = lookup.or_default("IOT_HUB_TWIN_RADIO_STATE", "on", on_or_off);
        let replaces_decoded_payload = lookup.or_default("IOT_HUB_TWIN_DECODED_PAYLOAD", "merge", replaces);
        let unchanged_interval = lookup.or_default("IOT_HUB_TWIN_UNCHANGED_SECONDS", "0", unchanged_interval);
        let rates = Rates {
            connections_per_second: connections_per_second?,
            twin_updates_per_second: twin_updates_per_second?,
        };
        Some(Self {
            mqtt_port: mqtt_port?,
            rates,
            connection_idle: connection_idle?,
            unchanged_interval: unchanged_interval?,
            has_radio_state: has_radio_state?,
            replaces_decoded_payload: replaces_decoded_payload?,
        })
    }
}
