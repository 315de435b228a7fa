//! Faults that only the ordinary API meets: aimed at one server, one step or one kind of twin request.

use std::time::Duration;

use super::super::fault::Fault;
use crate::iot_hub::{self, Operation};
use crate::tts::{self, Effect, Server};

/// Methods of the API, each another step.
const METHODS: [&str; 4] = ["POST", "PUT", "DELETE", "GET"];

/// Draws a fault for a few requests or, without `times`, until faults are cleared.
pub(in crate::ledger) fn draw(random: &mut fastrand::Rng, times: Option<u32>, devices: u32) -> Fault {
    match random.u32(0..10) {
        0..3 => Fault::draw(random, times, devices),
        3..5 => Fault::Hub(iot_hub::Fault { times, ..draw_twin(random) }),
        _ => Fault::Tts(draw_aimed(random, times)),
    }
}

fn draw_twin(random: &mut fastrand::Rng) -> iot_hub::Fault {
    let effect = match random.u32(0..5) {
        0 => return iot_hub::Fault::throttled(Operation::Twin),
        1 => return iot_hub::Fault::server_error(Operation::Twin),
        2 => iot_hub::Effect::ResetBefore,
        3 => iot_hub::Effect::Delay(Duration::from_millis(random.u64(20..300))),
        _ => iot_hub::Effect::ResetAfterAccepting,
    };
    iot_hub::Fault::new(Operation::Twin, effect)
}

fn draw_aimed(random: &mut fastrand::Rng, times: Option<u32>) -> tts::Fault {
    let effect = match random.u32(0..20) {
        0 => Effect::RateLimited,
        1..5 => Effect::Internal,
        5..8 => Effect::Unavailable,
        8..12 => Effect::Reset,
        12..17 => Effect::ResetAfterAccepting,
        _ => Effect::Delay(Duration::from_millis(random.u64(20..300))),
    };
    let fault = match times {
        Some(times) => tts::Fault::times(effect, times as usize),
        None => tts::Fault::always(effect),
    };
    match random.u32(0..4) {
        0 => fault.at(Server::ALL[random.usize(..Server::ALL.len())]),
        1 => fault.with_method(METHODS[random.usize(..METHODS.len())]),
        2 => {
            fault.at(Server::ALL[random.usize(..Server::ALL.len())]).with_method(METHODS[random.usize(..METHODS.len())])
        }
        _ => fault.with_path_end("/down/push"),
    }
}
