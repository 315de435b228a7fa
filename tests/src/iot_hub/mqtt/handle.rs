//! What each packet of a client does.

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::connection::End;
use super::packet::{Packet, Publish, Qos};
use super::session::Session;
use super::spoil::Spoil;
use super::telemetry::{draft_from, message_id};
use super::topic::{Channel, Request};
use super::twin::{self, Answer};
use super::{message, topic};
use crate::iot_hub::error::ErrorCode;
use crate::iot_hub::faults::Operation;
use crate::iot_hub::hub::Hub;

impl Session<'_> {
    /// A server's packets, and a second CONNECT, end the connection.
    pub(super) async fn handle(&mut self, packet: Packet) -> Result<(), End> {
        match packet {
            Packet::Publish(publish) => self.publish(publish).await,
            Packet::Subscribe { packet_id, filters } => self.subscribe(packet_id, &filters).await,
            Packet::Unsubscribe { packet_id, filters } => self.unsubscribe(packet_id, &filters).await,
            Packet::PingReq => self.answer_plainly(&[Packet::PingResp]).await,
            // What the hub sends counts as arrived at once.
            Packet::PubAck(_) => Ok(()),
            Packet::Disconnect => Err(End::Disconnected),
            Packet::Connect(_)
            | Packet::ConnAck { .. }
            | Packet::SubAck { .. }
            | Packet::UnsubAck(_)
            | Packet::PingResp => Err(End::Closed),
        }
    }

    async fn publish(&mut self, publish: Publish) -> Result<(), End> {
        match Request::parse(&publish.topic, self.device_id).ok_or(End::Closed)? {
            Request::Telemetry(bag) => self.telemetry(bag, &publish).await,
            request @ (Request::TwinGet(request_id) | Request::PatchReported(request_id)) => {
                self.twin(request.operation(), request_id, &publish).await
            }
            Request::MethodResponse => self.answer_plainly(&acknowledgement(&publish)).await,
        }
    }

    /// MQTT has no way to refuse a message but to hang up.
    async fn telemetry(&mut self, bag: &str, publish: &Publish) -> Result<(), End> {
        let log = &self.hub.mqtt.log;
        let number = log.arrived(self.device_id, Operation::MqttTelemetry);
        let spoil = Spoil::take(self.hub, Operation::MqttTelemetry, self.device_id, message_id(bag).as_deref());
        spoil.before().await?;
        let draft = match spoil.refusal() {
            Some((_, error_code, message)) => Err(format!("{error_code}: {message}")),
            None => draft_from(bag, publish.retain, publish.payload.clone()).map_err(|error| error.to_string()),
        };
        match draft {
            Ok(draft) => self.hub.accept(self.device_id, vec![draft], self.scope),
            Err(refusal) => {
                log.refused(number, Some(refusal));
                return Err(End::Closed);
            }
        }
        spoil.after().await?;
        log.answered(number, 204);
        self.write(&acknowledgement(publish)).await
    }

    /// Carried out in any case, but answered only if the client has subscribed to answers.
    async fn twin(&mut self, kind: Operation, request_id: &str, publish: &Publish) -> Result<(), End> {
        let log = &self.hub.mqtt.log;
        let number = log.arrived(self.device_id, kind);
        let spoil = Spoil::take(self.hub, kind, self.device_id, None);
        spoil.before().await?;
        let (answer, patch) = match spoil.refusal() {
            Some((status, error_code, message)) => (Answer::refusal(status, error_code, message), None),
            None if kind == Operation::MqttTwinGet => (twin::get(self.hub, self.device_id), None),
            None => self.patch(&publish.payload).await,
        };
        let report = patch.map(|patch| Report { hub: self.hub, device_id: self.device_id, patch, is_answered: false });
        log.refused(number, answer.refusal);
        spoil.after().await?;
        let mut packets = acknowledgement(publish);
        if let Some(qos) = self.hub.mqtt.sessions.subscription(self.device_id, Channel::TwinResponses) {
            log.answered(number, answer.status);
            let topic = topic::twin_response(answer.status, request_id, answer.version);
            packets.push(self.numbered(message(topic, answer.body, qos)));
            if let Some(mut report) = report {
                report.is_answered = true;
            }
        }
        self.write(&packets).await
    }

    async fn patch(&self, payload: &[u8]) -> (Answer, Option<Value>) {
        match self.hub.mqtt.twin_updates.turn(Instant::now()) {
            Some(wait) if wait.is_zero() => {}
            Some(wait) => sleep(wait).await,
            None => {
                let code = ErrorCode::ThrottlingBacklogTimeout;
                return (Answer::refusal(code.status(), code.name(), "Too many twin updates."), None);
            }
        }
        twin::patch(self.hub, self.device_id, payload)
    }

    async fn subscribe(&mut self, packet_id: u16, filters: &[(String, u8)]) -> Result<(), End> {
        let channel = |(filter, qos): &(String, u8)| {
            let qos = if *qos == 0 { Qos::AtMostOnce } else { Qos::AtLeastOnce };
            Some((Channel::parse(filter, self.device_id)?, qos))
        };
        let channels: Vec<_> = filters.iter().map(channel).collect::<Option<_>>().ok_or(End::Closed)?;
        let codes = channels.iter().map(|(_, qos)| *qos as u8).collect();
        let spoil = self.other().await?;
        for (channel, qos) in channels {
            self.hub.mqtt.sessions.subscribe(self.device_id, channel, qos);
        }
        spoil.after().await?;
        self.write(&[Packet::SubAck { packet_id, codes }]).await?;
        self.hub.push_c2d(self.device_id);
        Ok(())
    }

    async fn unsubscribe(&mut self, packet_id: u16, filters: &[String]) -> Result<(), End> {
        for channel in filters.iter().filter_map(|filter| Channel::parse(filter, self.device_id)) {
            self.hub.mqtt.sessions.unsubscribe(self.device_id, channel);
        }
        self.answer_plainly(&[Packet::UnsubAck(packet_id)]).await
    }

    /// An answer that only a fault can spoil.
    async fn answer_plainly(&mut self, packets: &[Packet]) -> Result<(), End> {
        self.other().await?.after().await?;
        self.write(packets).await
    }

    async fn other(&self) -> Result<Spoil, End> {
        let spoil = Spoil::take(self.hub, Operation::MqttOther, self.device_id, None);
        spoil.before().await?;
        if spoil.refusal().is_some() { Err(End::Closed) } else { Ok(spoil) }
    }
}

fn acknowledgement(publish: &Publish) -> Vec<Packet> {
    match publish.qos {
        Qos::AtMostOnce => Vec::new(),
        Qos::AtLeastOnce => vec![Packet::PubAck(publish.packet_id)],
    }
}

/// Tells the observer of a write once it is known whether it is answered; a connection that breaks first answers none.
struct Report<'a> {
    hub: &'a Hub,
    device_id: &'a str,
    patch: Value,
    is_answered: bool,
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        if let Some(observer) = &self.hub.observer {
            observer.reported(self.device_id, &self.patch, self.is_answered);
        }
    }
}
