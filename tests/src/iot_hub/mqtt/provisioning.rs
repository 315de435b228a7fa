//! The provisioning service over MQTT: another user name, another handful of topics.

use serde_json::Value;

use super::connection::{End, Stream};
use super::message;
use super::packet::{Connect, ConnectCode, Packet, Publish, Qos};
use crate::iot_hub::access::Claim;
use crate::iot_hub::clock;
use crate::iot_hub::hub::Hub;
use crate::iot_hub::provisioning::{EnrollmentGroup, Refusal};
use crate::iot_hub::provisioning_api::RETRY_AFTER_SECONDS;

const RESPONSES: &str = "$dps/registrations/res/#";
const REGISTER: &str = "$dps/registrations/PUT/iotdps-register/?";
const OPERATION: &str = "$dps/registrations/GET/iotdps-get-operationstatus/?";

/// Whether a client wants to be provisioned: `{idScope}/registrations/{registrationId}/api-version=…`.
pub(crate) fn is_for_provisioning(connect: &Connect) -> bool {
    parts(connect).is_some()
}

/// Scope and registration id.
fn parts(connect: &Connect) -> Option<(&str, &str)> {
    let mut segments = connect.user_name.as_deref()?.split('/');
    let (scope, collection, id) = (segments.next()?, segments.next()?, segments.next()?);
    let is_versioned = segments.next()?.starts_with("api-version=");
    (collection == "registrations" && is_versioned).then_some((scope, id))
}

/// Serves a client that wants to be provisioned.
pub(crate) async fn run(hub: &Hub, stream: &mut Stream, connect: &Connect) -> End {
    let Ok(group) = authorize(hub, connect) else {
        let code = ConnectCode::NotAuthorized;
        // The connection ends either way.
        let _ = stream.write(&[Packet::ConnAck { session_present: false, code }]).await;
        return End::Closed;
    };
    let mut guest = Guest { hub, registration_id: &connect.client_id, group, responses: None, last_packet_id: 0 };
    let mut answers = vec![Packet::ConnAck { session_present: false, code: ConnectCode::Accepted }];
    loop {
        if stream.write(&answers).await.is_err() {
            return End::Closed;
        }
        let Ok(packet) = stream.read().await else { return End::Closed };
        answers = match guest.answer(packet) {
            Ok(answers) => answers,
            Err(end) => return end,
        };
    }
}

fn authorize<'a>(hub: &'a Hub, connect: &Connect) -> Result<&'a EnrollmentGroup, Refusal> {
    let unauthorized = || Refusal::new(401_002, "Unauthorized");
    let (scope, registration_id) = parts(connect).ok_or_else(unauthorized)?;
    if registration_id != connect.client_id {
        return Err(unauthorized());
    }
    let token = connect.password.as_deref().and_then(|password| std::str::from_utf8(password).ok());
    let claim = Claim { token, method: "CONNECT", path: &[], now: clock::now().unix_timestamp() };
    hub.provisioning.authorize(scope, registration_id, claim)
}

/// A device that may register.
struct Guest<'a> {
    hub: &'a Hub,
    registration_id: &'a str,
    group: &'a EnrollmentGroup,
    /// How it wants its answers, once it does.
    responses: Option<Qos>,
    last_packet_id: u16,
}

impl Guest<'_> {
    fn answer(&mut self, packet: Packet) -> Result<Vec<Packet>, End> {
        Ok(match packet {
            Packet::Publish(publish) => self.request(&publish)?,
            Packet::Subscribe { packet_id, filters } => {
                if filters.iter().any(|(filter, _)| filter != RESPONSES) {
                    return Err(End::Closed);
                }
                let granted = |qos: u8| if qos == 0 { Qos::AtMostOnce } else { Qos::AtLeastOnce };
                let granted: Vec<_> = filters.iter().map(|(_, qos)| granted(*qos)).collect();
                self.responses = granted.last().copied();
                vec![Packet::SubAck { packet_id, codes: granted.iter().map(|qos| *qos as u8).collect() }]
            }
            Packet::Unsubscribe { packet_id, .. } => {
                self.responses = None;
                vec![Packet::UnsubAck(packet_id)]
            }
            Packet::PingReq => vec![Packet::PingResp],
            Packet::PubAck(_) => Vec::new(),
            Packet::Disconnect => return Err(End::Disconnected),
            Packet::Connect(_)
            | Packet::ConnAck { .. }
            | Packet::SubAck { .. }
            | Packet::UnsubAck(_)
            | Packet::PingResp => return Err(End::Closed),
        })
    }

    fn request(&mut self, publish: &Publish) -> Result<Vec<Packet>, End> {
        let topic = publish.topic.as_str();
        let (query, is_registration) = match (topic.strip_prefix(REGISTER), topic.strip_prefix(OPERATION)) {
            (Some(query), _) => (query, true),
            (None, Some(query)) => (query, false),
            (None, None) => return Err(End::Closed),
        };
        let parameter = |name| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let request_id = parameter("$rid").ok_or(End::Closed)?;
        let result = if is_registration {
            self.register(&publish.payload)
        } else {
            self.hub.provisioning.operation(self.registration_id, parameter("operationId").unwrap_or_default())
        };
        let (status, body) = match result {
            Ok(body) if is_registration => (202, body),
            Ok(body) => (200, body),
            Err(refusal) => (refusal.status(), refusal.body()),
        };
        let mut topic = format!("$dps/registrations/res/{status}/?$rid={request_id}");
        if status == 202 {
            topic = format!("{topic}&retry-after={RETRY_AFTER_SECONDS}");
        }
        let mut answers = Vec::new();
        if publish.qos == Qos::AtLeastOnce {
            answers.push(Packet::PubAck(publish.packet_id));
        }
        answers.extend(self.responses.map(|qos| self.response(topic, &body, qos)));
        Ok(answers)
    }

    fn register(&self, payload: &[u8]) -> Result<Value, Refusal> {
        let body = serde_json::from_slice(payload).map_err(|error| Refusal::new(400_006, &error.to_string()))?;
        self.hub.provisioning.register(self.hub, self.group, self.registration_id, &body)
    }

    fn response(&mut self, topic: String, body: &Value, qos: Qos) -> Packet {
        let mut publish = message(topic, body.to_string().into_bytes(), qos);
        if qos == Qos::AtLeastOnce {
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            publish.packet_id = self.last_packet_id;
        }
        Packet::Publish(publish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_name_tells_the_services_apart() {
        let table = [
            ("0ne00000000/registrations/dev1/api-version=2019-03-31&ClientVersion=x", Some(("0ne00000000", "dev1"))),
            ("localhost/dev1/?api-version=2021-04-12", None),
            ("localhost/registrations/?api-version=2021-04-12", None),
            ("0ne00000000/registrations", None),
        ];
        for (user_name, expected) in table {
            let connect = Connect { user_name: Some(user_name.to_owned()), ..Connect::default() };
            assert_eq!(parts(&connect), expected, "{user_name}");
        }
    }
}
