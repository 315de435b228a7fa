//! The provisioning service over HTTPS: `/{idScope}/registrations/{registrationId}/…`.

use hyper::Method;
use serde_json::Value;

use super::IotHub;
use super::http::{Call, Reply};
use super::hub::Hub;
use super::provisioning::{EnrollmentGroup, Refusal};

/// Seconds until a device may ask again. Live it is 3; here the answer is there already.
pub(crate) const RETRY_AFTER_SECONDS: u32 = 1;

/// Whether a path is the provisioning service's and not the hub's.
pub(crate) fn is_for_provisioning(path: &[String]) -> bool {
    path.len() >= 3 && path.get(1).is_some_and(|collection| collection == "registrations")
}

/// Answers in the service's own envelope, also when it refuses.
pub(crate) fn answer(hub: &Hub, call: &Call) -> Reply {
    reply_to(hub, call).unwrap_or_else(|refusal| {
        let reply = Reply::json(refusal.body()).with_status(refusal.status());
        reply.with_header("x-ms-error-code", refusal.code.to_string()).refused(refusal.message)
    })
}

fn reply_to(hub: &Hub, call: &Call) -> Result<Reply, Refusal> {
    let [id_scope, _, registration_id, rest @ ..] = call.path.as_slice() else { return Ok(Reply::empty(404)) };
    call.check_api_version().map_err(|error| Refusal::new(400_001, &error.message))?;
    let provisioning = &hub.provisioning;
    let group = provisioning.authorize(id_scope, registration_id, call.claim())?;
    let rest: Vec<_> = rest.iter().map(String::as_str).collect();
    match (&call.method, rest.as_slice()) {
        (&Method::PUT, ["register"]) => {
            let body: Value =
                serde_json::from_slice(&call.body).map_err(|error| Refusal::new(400_006, &error.to_string()))?;
            let answer = provisioning.register(hub, group, registration_id, &body)?;
            let operation = answer["operationId"].as_str().unwrap_or_default();
            let location = format!("/{id_scope}/registrations/{registration_id}/operations/{operation}");
            let reply = Reply::json(answer).with_status(202).with_header("location", location);
            Ok(reply.with_header("retry-after", RETRY_AFTER_SECONDS.to_string()))
        }
        (&Method::GET, ["operations", id]) => provisioning.operation(registration_id, id).map(Reply::json),
        (&Method::POST, []) => provisioning.state(registration_id).map(Reply::json),
        _ => Ok(Reply::empty(405)),
    }
}

impl IotHub {
    /// What devices name the provisioning service by.
    #[must_use]
    pub fn id_scope(&self) -> &str {
        &self.0.hub.provisioning.id_scope
    }

    /// The groups whose keys let devices register.
    #[must_use]
    pub fn enrollment_groups(&self) -> &[EnrollmentGroup] {
        &self.0.hub.provisioning.groups
    }
}
