//! Faults on demand: what a cloud does on a bad day, in the order they were injected.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::error::ErrorCode;

/// What a request asks for, as far as faults and counts tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A device-to-cloud message, or a batch of them.
    DeviceSend,
    /// Device identities.
    Registry,
    /// Device twins, service side.
    Twin,
    /// Everything else over HTTPS.
    Other,
    /// A device connects over MQTT; here also its TLS handshake.
    MqttConnect,
    /// A device-to-cloud message over MQTT.
    MqttTelemetry,
    /// A device reads its twin.
    MqttTwinGet,
    /// A device writes reported properties.
    MqttTwinPatch,
    /// Everything else over MQTT: subscriptions, pings, answers to direct methods.
    MqttOther,
}

impl Operation {
    /// How many there are, for counting them.
    pub(crate) const COUNT: usize = Self::MqttOther as usize + 1;

    fn is_mqtt(self) -> bool {
        match self {
            Self::DeviceSend | Self::Registry | Self::Twin | Self::Other => false,
            Self::MqttConnect | Self::MqttTelemetry | Self::MqttTwinGet | Self::MqttTwinPatch | Self::MqttOther => true,
        }
    }
}

/// A fault waits for matching requests and spoils them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `None` is any.
    pub operation: Option<Operation>,
    /// `None` is any.
    pub device_id: Option<String>,
    /// `None` is until cleared.
    pub times: Option<u32>,
    /// What happens instead of, or besides, the request.
    pub effect: Effect,
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The answer, in the hub's own envelope; the request is not carried out. A 429 closes the connection, as live.
    ///
    /// Over MQTT a twin request gets this status, a CONNECT is refused (as not authorized for 401 and 403, else as
    /// unavailable), and everything else has no way to be refused and ends the connection.
    Status {
        /// HTTP status.
        status: u16,
        /// Header `iothub-errorcode`.
        error_code: &'static str,
        /// Text behind the code.
        message: String,
    },
    /// The connection is reset, the request is not carried out.
    ResetBefore,
    /// The request is carried out, then the connection is reset instead of an answer.
    ResetAfterAccepting,
    /// The request waits, then it is carried out.
    Delay(Duration),
    /// The request is carried out, then its answer waits.
    DelayAnswer(Duration),
    /// A new connection ends when the client has said hello; it asked for nothing yet, so the operation only tells
    /// MQTT from HTTPS.
    EndHandshake,
}

impl Fault {
    /// Any effect, on every request of an operation until cleared.
    #[must_use]
    pub fn new(operation: Operation, effect: Effect) -> Self {
        Self { operation: Some(operation), device_id: None, times: None, effect }
    }

    /// 429 as captured from a live hub: `connection: close` and no Retry-After.
    #[must_use]
    pub fn throttled(operation: Operation) -> Self {
        let operation_type = match operation {
            Operation::DeviceSend | Operation::MqttTelemetry => "D2CSend",
            Operation::Registry => "RegistryRead",
            Operation::Twin | Operation::MqttTwinPatch => "TwinUpdate",
            Operation::MqttTwinGet => "TwinRead",
            Operation::MqttConnect => "DeviceConnect",
            Operation::Other | Operation::MqttOther => "Other",
        };
        let message =
            format!("The request has been throttled. Wait 10 seconds and try again. Operation type: {operation_type}");
        Self::status(operation, ErrorCode::ThrottlingBacklogTimeout, message)
    }

    /// 500.
    #[must_use]
    pub fn server_error(operation: Operation) -> Self {
        Self::status(operation, ErrorCode::ServerError, "An internal error occurred.".to_owned())
    }

    /// 503.
    #[must_use]
    pub fn unavailable(operation: Operation) -> Self {
        Self::status(operation, ErrorCode::ServiceUnavailable, "The service is unavailable.".to_owned())
    }

    /// 403: the daily quota is used up; live it concerns every counted operation until 00:00 UTC.
    #[must_use]
    pub fn quota_exceeded(operation: Operation) -> Self {
        let message = "Total number of messages on IotHub exceeded the allocated quota.".to_owned();
        Self::status(operation, ErrorCode::IotHubQuotaExceeded, message)
    }

    /// 400, whatever the request says.
    #[must_use]
    pub fn bad_request(operation: Operation) -> Self {
        Self::status(operation, ErrorCode::ArgumentInvalid, "The request is not valid.".to_owned())
    }

    /// 401, whatever the token says.
    #[must_use]
    pub fn unauthorized(operation: Operation) -> Self {
        Self::status(operation, ErrorCode::IotHubUnauthorizedAccess, "Unauthorized".to_owned())
    }

    /// TLS handshakes that the hub breaks off, on the HTTPS port.
    #[must_use]
    pub fn broken_handshake() -> Self {
        Self { operation: None, ..Self::new(Operation::Other, Effect::EndHandshake) }
    }

    /// TLS handshakes that the hub breaks off, on the MQTT port.
    #[must_use]
    pub fn broken_mqtt_handshake() -> Self {
        Self::new(Operation::MqttConnect, Effect::EndHandshake)
    }

    /// The same fault, this many times only.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// The same fault, for one device only.
    #[must_use]
    pub fn for_device(self, device_id: &str) -> Self {
        Self { device_id: Some(device_id.to_owned()), ..self }
    }

    fn status(operation: Operation, code: ErrorCode, message: String) -> Self {
        Self::new(operation, Effect::Status { status: code.status(), error_code: code.name(), message })
    }

    fn ends_handshake(&self, of_mqtt: bool) -> bool {
        self.effect == Effect::EndHandshake && self.operation.is_some_and(Operation::is_mqtt) == of_mqtt
    }

    fn concerns(&self, operation: Operation, device_id: Option<&str>) -> bool {
        self.effect != Effect::EndHandshake
            && self.operation.is_none_or(|own| own == operation)
            && self.device_id.as_deref().is_none_or(|own| device_id == Some(own))
    }
}

/// The faults that wait; the oldest matching one has its turn.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    pub(crate) fn inject(&self, fault: Fault) {
        if fault.times != Some(0) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
        }
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The effect on a request.
    pub(crate) fn take(&self, operation: Operation, device_id: Option<&str>) -> Option<Effect> {
        self.take_first(|fault| fault.concerns(operation, device_id))
    }

    /// Whether a new HTTPS connection is to end during its handshake.
    pub(crate) fn take_handshake(&self) -> bool {
        self.take_first(|fault| fault.ends_handshake(false)).is_some()
    }

    /// Whether a new MQTT connection is to end during its handshake.
    pub(crate) fn take_mqtt_handshake(&self) -> bool {
        self.take_first(|fault| fault.ends_handshake(true)).is_some()
    }

    fn take_first(&self, is_met: impl Fn(&Fault) -> bool) -> Option<Effect> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = faults.iter().position(is_met)?;
        let fault = &mut faults[index];
        let effect = fault.effect.clone();
        if let Some(times) = &mut fault.times {
            *times -= 1;
            if *times == 0 {
                faults.remove(index);
            }
        }
        Some(effect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_matching_fault_has_its_turn_as_often_as_it_says() {
        let faults = Faults::default();
        faults.inject(Fault::new(Operation::DeviceSend, Effect::ResetBefore).times(1).for_device("dev1"));
        faults.inject(Fault::new(Operation::DeviceSend, Effect::ResetAfterAccepting).times(2));
        assert_eq!(faults.take(Operation::Registry, Some("dev1")), None);
        assert_eq!(faults.take(Operation::DeviceSend, Some("dev2")), Some(Effect::ResetAfterAccepting));
        assert_eq!(faults.take(Operation::DeviceSend, Some("dev1")), Some(Effect::ResetBefore));
        assert_eq!(faults.take(Operation::DeviceSend, Some("dev1")), Some(Effect::ResetAfterAccepting));
        assert_eq!(faults.take(Operation::DeviceSend, Some("dev1")), None);
    }

    #[test]
    fn a_fault_without_a_number_stays_until_it_is_cleared() {
        let faults = Faults::default();
        faults.inject(Fault { operation: None, ..Fault::unavailable(Operation::Other) });
        for operation in [Operation::DeviceSend, Operation::Registry, Operation::Twin] {
            assert!(faults.take(operation, None).is_some(), "{operation:?}");
        }
        faults.clear();
        assert_eq!(faults.take(Operation::Twin, None), None);
    }

    #[test]
    fn a_broken_handshake_is_not_met_by_requests() {
        let faults = Faults::default();
        faults.inject(Fault::broken_handshake().times(1));
        assert_eq!(faults.take(Operation::DeviceSend, None), None);
        assert!(!faults.take_mqtt_handshake());
        assert_eq!([faults.take_handshake(), faults.take_handshake()], [true, false]);
        faults.inject(Fault::broken_mqtt_handshake().times(1));
        assert_eq!([faults.take_handshake(), faults.take_mqtt_handshake()], [false, true]);
    }
}
