//! What goes wrong in a run, and what it is called.

use std::time::Duration;

use super::uplink::device_id;
use crate::iot_hub::{self, Operation};
use crate::storage_queue::PutFault;
use crate::system::System;
use crate::tts;

/// The handler's budget for a webhook in a run.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Longer than the handler waits for The Things Stack.
const SILENCE: Duration = Duration::from_secs(31);

/// The names of faults, in the order in which reports show them.
const NAMES: [&str; 30] = [
    "hub 429",
    "hub 500",
    "hub 503",
    "hub 403002 quota",
    "hub reset before accepting",
    "hub reset after accepting",
    "hub slow",
    "hub answers late",
    "hub breaks TLS handshake",
    "hub registry 429",
    "hub registry 500",
    "hub registry reset",
    "hub twin 429",
    "hub twin 500",
    "hub twin reset",
    "hub twin slow",
    "hub other",
    "TTS 401",
    "TTS 403",
    "TTS 429",
    "TTS 500",
    "TTS 503",
    "TTS reset before accepting",
    "TTS reset after accepting",
    "TTS slow",
    "TTS silent",
    "TTS refuses a device",
    "TTS restarts",
    "TTS other",
    "queue put fails",
];

/// A fault's name in one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(u8);

impl Name {
    /// The Things Stack starts again.
    pub(super) const TTS_RESTART: Self = Self(27);

    fn of(text: &str) -> Self {
        let index = NAMES.iter().position(|name| *name == text).unwrap_or_default();
        Self(u8::try_from(index).unwrap_or_default())
    }

    pub(super) fn text(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.text())
    }
}

/// One thing that goes wrong, somewhere.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fault {
    Hub(iot_hub::Fault),
    /// Connections to the hub break, and new ones cannot be made.
    HubTls(u32),
    Tts(tts::Fault),
    Queue(PutFault),
}

impl Fault {
    /// Draws a fault for a few requests or, without `times`, until faults are cleared.
    pub(super) fn draw(random: &mut fastrand::Rng, times: Option<u32>, devices: u32) -> Self {
        use Operation::{DeviceSend, Registry};
        use iot_hub::{Effect, Fault as Hub};
        let few = times.map(|times| times.min(3));
        let wait = ANSWER_WITHIN + Duration::from_millis(random.u64(100..600));
        // The rare ones keep an item from being tried for a minute or until tomorrow.
        let is_rare = random.u32(0..20) == 0;
        let (hub, times) = match random.u32(0..21) {
            _ if is_rare => return Self::draw_rare(random, times),
            0 => (Hub::throttled(DeviceSend), times),
            1 => (Hub::server_error(DeviceSend), times),
            2 => (Hub::unavailable(DeviceSend), times),
            3 => (Hub::server_error(Registry), times),
            4 => (Hub::new(DeviceSend, Effect::ResetBefore), times),
            5 => (Hub::new(DeviceSend, Effect::ResetAfterAccepting), times),
            6 => (Hub::new(DeviceSend, Effect::Delay(wait)), few),
            7 => (Hub::new(DeviceSend, Effect::DelayAnswer(wait)), few),
            8 => return Self::HubTls(times.unwrap_or(64)),
            9 => (Hub::throttled(Registry), times),
            10 => (Hub::new(Registry, Effect::ResetAfterAccepting), times),
            11 => return Self::Queue(times.map_or(PutFault::UntilCleared, |times| PutFault::Next(times as usize))),
            12 => (Hub::throttled(Operation::Twin), times),
            13 => (Hub::server_error(Operation::Twin), times),
            kind => return Self::Tts(Self::draw_tts(kind - 14, random, times, devices)),
        };
        Self::Hub(iot_hub::Fault { times, ..hub })
    }

    /// The Things Stack says nothing to one request until the handler gives it up.
    pub(super) fn silence() -> Self {
        Self::Tts(tts::Fault::once(tts::Effect::Delay(SILENCE)))
    }

    fn draw_rare(random: &mut fastrand::Rng, times: Option<u32>) -> Self {
        let tts = |effect: tts::Effect| match times {
            Some(times) => tts::Fault::times(effect, times as usize),
            None => tts::Fault::always(effect),
        };
        match random.u32(0..3) {
            0 => Self::Hub(iot_hub::Fault { times, ..iot_hub::Fault::quota_exceeded(Operation::DeviceSend) }),
            1 => Self::Tts(tts(tts::Effect::Unauthenticated)),
            _ => Self::Tts(tts(tts::Effect::NoRights)),
        }
    }

    fn draw_tts(kind: u32, random: &mut fastrand::Rng, times: Option<u32>, devices: u32) -> tts::Fault {
        use tts::{Effect, Fault};
        let effect = match kind {
            0 => Effect::RateLimited,
            1 => Effect::Internal,
            2 => Effect::Unavailable,
            3 => Effect::Reset,
            4 => Effect::ResetAfterAccepting,
            5 => return Fault::times(Effect::Delay(Duration::from_millis(random.u64(20..300))), 3),
            _ => Effect::RejectDevice(device_id(random.u32(0..devices))),
        };
        times.map_or_else(|| Fault::always(effect.clone()), |times| Fault::times(effect.clone(), times as usize))
    }

    /// What a report calls it.
    pub(super) fn name(&self) -> Name {
        match self {
            Self::Hub(fault) => hub_name(fault.operation.unwrap_or(Operation::Other), &fault.effect),
            Self::HubTls(_) => Name::of("hub breaks TLS handshake"),
            Self::Tts(fault) => tts_name(fault.effect()),
            Self::Queue(_) => Name::of("queue put fails"),
        }
    }

    /// Lets it happen from now on.
    pub(super) fn inject(self, system: &System) {
        match self {
            Self::Hub(fault) => system.iot_hub.inject(fault),
            Self::HubTls(connections) => {
                let reset = iot_hub::Fault::new(Operation::DeviceSend, iot_hub::Effect::ResetBefore);
                system.iot_hub.inject(reset.times(connections));
                system.iot_hub.inject(iot_hub::Fault::broken_handshake().times(connections));
            }
            Self::Tts(fault) => system.tts.inject(fault),
            Self::Queue(fault) => system.host.queues().inject(fault),
        }
    }
}

/// Ends everything that goes wrong.
pub(super) fn clear(system: &System) {
    system.iot_hub.clear_faults();
    system.tts.clear_faults();
    system.host.queues().clear_faults();
}

/// The name of what a hub's fault does.
pub(super) fn hub_name(operation: Operation, effect: &iot_hub::Effect) -> Name {
    use iot_hub::Effect;
    let is_registry = operation == Operation::Registry;
    let is_twin = operation == Operation::Twin;
    Name::of(match effect {
        Effect::Status { status: 429, .. } if is_twin => "hub twin 429",
        Effect::Status { .. } if is_twin => "hub twin 500",
        Effect::ResetBefore | Effect::ResetAfterAccepting if is_twin => "hub twin reset",
        Effect::Delay(_) if is_twin => "hub twin slow",
        Effect::Status { status: 429, .. } if is_registry => "hub registry 429",
        Effect::Status { .. } if is_registry => "hub registry 500",
        Effect::ResetAfterAccepting | Effect::ResetBefore if is_registry => "hub registry reset",
        Effect::Status { status: 429, .. } => "hub 429",
        Effect::Status { status: 500, .. } => "hub 500",
        Effect::Status { status: 503, .. } => "hub 503",
        Effect::Status { status: 403, .. } => "hub 403002 quota",
        Effect::ResetBefore => "hub reset before accepting",
        Effect::ResetAfterAccepting => "hub reset after accepting",
        Effect::Delay(_) => "hub slow",
        Effect::DelayAnswer(_) => "hub answers late",
        Effect::EndHandshake => "hub breaks TLS handshake",
        Effect::Status { .. } => "hub other",
    })
}

/// The name of what a fault of The Things Stack does.
pub(super) fn tts_name(effect: &tts::Effect) -> Name {
    use tts::Effect;
    Name::of(match effect {
        Effect::Unauthenticated => "TTS 401",
        Effect::NoRights => "TTS 403",
        Effect::RateLimited => "TTS 429",
        Effect::Internal => "TTS 500",
        Effect::Unavailable => "TTS 503",
        Effect::Reset => "TTS reset before accepting",
        Effect::ResetAfterAccepting => "TTS reset after accepting",
        Effect::Delay(SILENCE) => "TTS silent",
        Effect::Delay(_) => "TTS slow",
        Effect::RejectDevice(_) => "TTS refuses a device",
        Effect::NotFound => "TTS other",
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Drawn by others.
    const ELSEWHERE: [&str; 4] = ["TTS silent", "TTS restarts", "hub twin reset", "hub twin slow"];

    #[test]
    fn every_kind_of_fault_is_drawn_and_has_its_name() {
        let mut random = fastrand::Rng::with_seed(1);
        let drawn: BTreeSet<_> = (0..2000).map(|_| Fault::draw(&mut random, Some(5), 10).name().text()).collect();
        let expected = NAMES.into_iter().filter(|name| !name.ends_with("other") && !ELSEWHERE.contains(name)).collect();
        assert_eq!(drawn, expected);
        assert_eq!(Name::TTS_RESTART.text(), "TTS restarts");
        assert_eq!(Fault::silence().name().text(), "TTS silent");
    }
}
