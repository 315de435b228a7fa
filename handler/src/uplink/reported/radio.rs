//! The radio state that an uplink shows.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::tts::Message;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Uplink {
    rx_metadata: Vec<Reception>,
    settings: Settings,
    last_battery_percentage: Option<Battery>,
    last_a_f_cnt_down: u32,
}

/// Zero values are omitted by the sender.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Reception {
    rssi: Number,
    snr: Number,
}

/// A number, or a text such as `NaN` in its place.
#[derive(Default, Clone, Copy)]
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a number")
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Number, E> {
                Ok(Number(number))
            }

            #[expect(clippy::cast_precision_loss, reason = "levels and percentages are small")]
            fn visit_i64<E: Error>(self, number: i64) -> Result<Number, E> {
                Ok(Number(number as f64))
            }

            #[expect(clippy::cast_precision_loss, reason = "levels and percentages are small")]
            fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number(number as f64))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
                Ok(Number(text.parse().unwrap_or(f64::NAN)))
            }

            fn visit_unit<E: Error>(self) -> Result<Number, E> {
                Ok(Number(f64::NAN))
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    data_rate: DataRate,
    /// 64-bit integers are text.
    frequency: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DataRate {
    lora: Option<Lora>,
    fsk: Option<Fsk>,
    lrfhss: Option<serde::de::IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Lora {
    bandwidth: u32,
    spreading_factor: u32,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fsk {
    bit_rate: u32,
}

#[derive(Deserialize)]
struct Battery {
    value: Option<Number>,
}

/// `lorawan`; `None` if the message is not as it should be.
pub(super) fn radio_from(message: &Message<'_>, payload: &RawValue) -> Option<Value> {
    let uplink: Uplink = serde_json::from_str(payload.get()).ok()?;
    // What is not a number gives way to what is, and becomes `null` in JSON.
    let best = |value: fn(&Reception) -> f64| uplink.rx_metadata.iter().map(value).reduce(f64::max);
    let mut radio = json!({
        "devAddr": message.end_device_ids.dev_addr,
        "fPort": message.frame.f_port,
        "fCntUp": message.frame.f_cnt,
        "fCntDown": uplink.last_a_f_cnt_down,
        "rssi": best(|reception| reception.rssi.0),
        "snr": best(|reception| reception.snr.0),
        "gateways": uplink.rx_metadata.len(),
        "dataRate": uplink.settings.data_rate.text(),
        "frequency": uplink.settings.frequency.and_then(|hertz| hertz.parse::<u64>().ok()),
        "batteryPercentage": uplink.last_battery_percentage.and_then(|battery| battery.value).map(|value| value.0),
    });
    // What this message does not say stays as it was.
    radio.as_object_mut()?.retain(|_, value| !value.is_null());
    Some(radio)
}

impl DataRate {
    fn text(&self) -> Option<String> {
        match (&self.lora, &self.fsk, &self.lrfhss) {
            (Some(Lora { bandwidth, spreading_factor }), _, _) => {
                Some(format!("SF{spreading_factor}BW{}", bandwidth / 1000))
            }
            (None, Some(Fsk { bit_rate }), _) => Some(format!("FSK{bit_rate}")),
            (None, None, Some(_)) => Some("LR-FHSS".to_owned()),
            (None, None, None) => None,
        }
    }
}
