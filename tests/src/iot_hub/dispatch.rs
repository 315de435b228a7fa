//! From a request to its answer: which API it is for, and whether a fault spoils it.

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request};

use super::error::HubError;
use super::faults::{Effect, Operation};
use super::http::{Call, Reply, segments};
use super::hub::Hub;
use super::message::too_large;
use super::{device_api, devicebound, provisioning_api, service_api};

/// Bodies are read this far, so that a client that sent too much gets to read its 413.
const MOST_READ: usize = 16 * 1024 * 1024;

/// What a path names.
#[derive(Debug, PartialEq)]
enum Target<'a> {
    Events(&'a str),
    DeviceBound(&'a str),
    /// Device id and lock token.
    Settle(&'a str, &'a str),
    Abandon(&'a str, &'a str),
    /// What waits for a device, for the service to purge.
    Commands(&'a str),
    DeviceTwin,
    Devices,
    Device(&'a str),
    Query,
    Statistics(&'a str),
    Twin(&'a str),
    /// Another service at the same address.
    Provisioning,
    /// Also module paths: they exist on IoT Edge only.
    Nothing,
}

impl<'a> Target<'a> {
    /// Everything but the id is compared without case.
    fn of(path: &'a [String]) -> Self {
        let is = |index: usize, name: &str| path.get(index).is_some_and(|segment| segment.eq_ignore_ascii_case(name));
        match path {
            _ if provisioning_api::is_for_provisioning(path) && !is(0, "devices") => Self::Provisioning,
            [_] if is(0, "devices") => Self::Devices,
            [_, id] if is(0, "devices") && id.is_empty() => Self::Devices,
            [_, id, ..] if id.is_empty() => Self::Nothing,
            [_, id] if is(0, "devices") && id == "query" => Self::Query,
            [_, id] if is(0, "devices") => Self::Device(id),
            [_, kind] if is(0, "statistics") => Self::Statistics(kind),
            [_, id] if is(0, "twins") => Self::Twin(id),
            [_, _, _, ..] if is(0, "devices") && is(2, "twin") => Self::DeviceTwin,
            [_, id, _, _] if is(0, "devices") && is(2, "messages") && is(3, "events") => Self::Events(id),
            [_, id, _] if is(0, "devices") && is(2, "commands") => Self::Commands(id),
            [_, id, _, _, rest @ ..] if is(0, "devices") && is(2, "messages") && is(3, "devicebound") => match rest {
                [] => Self::DeviceBound(id),
                [token] => Self::Settle(id, token),
                [token, _] if is(5, "abandon") => Self::Abandon(id, token),
                _ => Self::Nothing,
            },
            _ => Self::Nothing,
        }
    }

    fn operation(&self) -> Operation {
        match self {
            Self::Events(_) => Operation::DeviceSend,
            Self::Devices | Self::Device(_) => Operation::Registry,
            Self::Twin(_) => Operation::Twin,
            Self::DeviceBound(_)
            | Self::Settle(..)
            | Self::Abandon(..)
            | Self::Commands(_)
            | Self::Query
            | Self::Statistics(_)
            | Self::DeviceTwin
            | Self::Provisioning
            | Self::Nothing => Operation::Other,
        }
    }

    fn device_id(&self) -> Option<&'a str> {
        match self {
            Self::Events(id)
            | Self::DeviceBound(id)
            | Self::Settle(id, _)
            | Self::Abandon(id, _)
            | Self::Commands(id)
            | Self::Device(id)
            | Self::Twin(id) => Some(id),
            Self::DeviceTwin
            | Self::Devices
            | Self::Query
            | Self::Statistics(_)
            | Self::Provisioning
            | Self::Nothing => None,
        }
    }
}

/// The answer, or `None` for a connection that is to be reset.
pub(crate) async fn answer(hub: &Hub, request: Request<Incoming>) -> Option<Reply> {
    let path = segments(request.uri());
    let target = Target::of(&path);
    let kind = target.operation();
    let number = hub.requests.arrived(request.method().as_str(), request.uri().path(), kind);
    let effect = hub.faults.take(kind, target.device_id());
    if let (Some(effect), Some(observer)) = (&effect, &hub.observer) {
        let message_id = request.headers().get("iothub-messageid").and_then(|value| value.to_str().ok());
        observer.spoiled(kind, message_id, effect);
    }
    if effect == Some(Effect::ResetBefore) {
        return None;
    }
    let call = read(request).await?;
    let reply = spoiled(hub, call, effect).await?;
    hub.requests.answered(number, reply.status, reply.refusal.clone());
    Some(reply)
}

/// Carries a request out as far as a fault lets it.
async fn spoiled(hub: &Hub, call: Result<Call, HubError>, effect: Option<Effect>) -> Option<Reply> {
    match effect {
        Some(Effect::Status { status, error_code, message }) => Some(Reply::refusal(status, error_code, &message)),
        Some(Effect::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            Some(carry_out(hub, call))
        }
        Some(Effect::DelayAnswer(delay)) => {
            let reply = carry_out(hub, call);
            tokio::time::sleep(delay).await;
            Some(reply)
        }
        Some(Effect::ResetBefore) => None,
        Some(Effect::ResetAfterAccepting) => {
            carry_out(hub, call);
            None
        }
        Some(Effect::EndHandshake) | None => Some(carry_out(hub, call)),
    }
}

/// The whole request; `Some(Err)` if its body is too large, `None` if the client went away.
async fn read(request: Request<Incoming>) -> Option<Result<Call, HubError>> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, MOST_READ).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Some(Err(too_large())),
        Err(_) => return None,
    };
    let query = parts.uri.query().unwrap_or_default().to_owned();
    Some(Ok(Call { method: parts.method, path: segments(&parts.uri), query, headers: parts.headers, body }))
}

fn carry_out(hub: &Hub, call: Result<Call, HubError>) -> Reply {
    call.and_then(|call| reply_to(hub, &call)).unwrap_or_else(Reply::from)
}

fn reply_to(hub: &Hub, call: &Call) -> Result<Reply, HubError> {
    let target = Target::of(&call.path);
    if target == Target::Nothing {
        return Ok(Reply::empty(404));
    }
    if target == Target::Provisioning {
        return Ok(provisioning_api::answer(hub, call));
    }
    call.check_api_version()?;
    match target {
        Target::Events(id) if call.method == Method::POST => device_api::send(hub, call, id),
        Target::DeviceBound(id) if call.method == Method::GET => devicebound::receive(hub, call, id),
        Target::Events(_) | Target::DeviceBound(_) => Ok(Reply::empty(405)),
        Target::Settle(id, token) => devicebound::settle(hub, call, (id, token), false),
        Target::Abandon(id, token) => devicebound::settle(hub, call, (id, token), true),
        Target::Commands(id) => devicebound::purge(hub, call, id),
        Target::DeviceTwin => device_api::twin(),
        Target::Devices => service_api::devices(hub, call),
        Target::Device(id) => service_api::device(hub, call, id),
        // A device may be called so, too.
        Target::Query if call.method != Method::POST => service_api::device(hub, call, "query"),
        Target::Query => service_api::query(hub, call),
        Target::Statistics(kind) => service_api::statistics(hub, call, kind),
        Target::Twin(id) => service_api::twin(hub, call, id),
        Target::Provisioning | Target::Nothing => Ok(Reply::empty(404)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_target_in_any_case_but_the_ids() {
        let table = [
            ("devices/Dev1/messages/events", Target::Events("Dev1")),
            ("Devices/Dev1/Messages/EVENTS", Target::Events("Dev1")),
            ("devices/dev1/modules/m/messages/events", Target::Nothing),
            ("devices/dev1/twin", Target::DeviceTwin),
            ("devices/dev1/twin/properties/reported", Target::DeviceTwin),
            ("devices/dev1", Target::Device("dev1")),
            ("devices", Target::Devices),
            ("devices/", Target::Devices),
            ("devices/query", Target::Query),
            ("devices/dev1/messages/deviceBound", Target::DeviceBound("dev1")),
            ("devices/dev1/messages/devicebound/T", Target::Settle("dev1", "T")),
            ("devices/dev1/messages/devicebound/T/abandon", Target::Abandon("dev1", "T")),
            ("devices/dev1/messages/devicebound/T/x", Target::Nothing),
            ("devices/dev1/commands", Target::Commands("dev1")),
            ("devices//messages/events", Target::Nothing),
            ("twins/dev1", Target::Twin("dev1")),
            ("twins/registrations", Target::Twin("registrations")),
            ("devices/registrations/commands", Target::Commands("registrations")),
            ("0ne00000000/registrations/dev1/register", Target::Provisioning),
            ("0ne00000000/registrations/dev1", Target::Provisioning),
            ("twins/dev1/modules/m", Target::Nothing),
            ("", Target::Nothing),
        ];
        for (path, target) in table {
            let segments: Vec<_> = path.split('/').map(str::to_owned).collect();
            assert_eq!(Target::of(&segments), target, "{path}");
        }
    }
}
