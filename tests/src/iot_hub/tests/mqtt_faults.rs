//! Faults as an MQTT client meets them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::mqtt_client::{MqttClient, TWIN_RESPONSES, acknowledged, hello, publish};
use super::*;
use crate::iot_hub::mqtt::packet::{ConnectCode, Packet};
use crate::iot_hub::{DeviceToCloudMessage, Effect, Fault, Observer, Operation};

const PATCH: &str = "$iothub/twin/PATCH/properties/reported/?$rid=1";
const EVENTS: &str = "devices/dev1/messages/events/%24.mid=m1";

async fn listening(bench: &Bench) -> MqttClient {
    let mut client = MqttClient::device(bench, "dev1").await;
    client.subscribe(TWIN_RESPONSES, 0).await;
    client
}

async fn bench() -> Bench {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    bench
}

fn version(bench: &Bench) -> u64 {
    bench.hub.twin("dev1").unwrap()["properties"]["reported"]["$version"].as_u64().unwrap()
}

#[tokio::test]
async fn a_connect_is_refused_as_not_authorized_or_unavailable() {
    let bench = bench().await;
    let table = [
        (Fault::unauthorized(Operation::MqttConnect), ConnectCode::NotAuthorized),
        (Fault::quota_exceeded(Operation::MqttConnect), ConnectCode::NotAuthorized),
        (Fault::unavailable(Operation::MqttConnect), ConnectCode::ServerUnavailable),
        (Fault::throttled(Operation::MqttConnect), ConnectCode::ServerUnavailable),
    ];
    for (fault, code) in table {
        bench.hub.inject(fault.times(1).for_device("dev1"));
        let (mut client, answer) = MqttClient::connect(&bench.hub, hello(&bench.hub, "dev1")).await;
        assert_eq!((answer, client.receive().await), (Err(code), None));
    }
    MqttClient::device(&bench, "dev1").await;
}

#[tokio::test]
async fn twin_requests_are_refused_and_others_go_on() {
    let bench = bench().await;
    let mut client = listening(&bench).await;
    let table = [
        (Fault::throttled(Operation::MqttTwinPatch), 429, 429_003),
        (Fault::bad_request(Operation::MqttTwinPatch), 400, 400_004),
        (Fault::server_error(Operation::MqttTwinPatch), 500, 500_001),
    ];
    for (fault, status, code) in table {
        bench.hub.inject(fault.times(1));
        assert_eq!(client.get().await.0, "$iothub/twin/res/200/?$rid=g");
        let (topic, body) = client.patch("{}").await;
        assert_eq!(topic, format!("$iothub/twin/res/{status}/?$rid=p"));
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["errorCode"], code);
    }
    bench.hub.inject(Fault::unavailable(Operation::MqttTwinGet).times(1));
    assert_eq!(client.get().await.0, "$iothub/twin/res/503/?$rid=g");
    assert_eq!(version(&bench), 1);
}

#[tokio::test]
async fn a_connection_breaks_before_or_after_the_hub_accepts() {
    let bench = bench().await;
    let refuse = Effect::Status { status: 503, error_code: "ServiceUnavailable", message: String::new() };
    let packet = |topic| Packet::Publish(acknowledged(1, publish(topic, "{}")));
    let table = [
        (Operation::MqttTwinPatch, Effect::ResetBefore, packet(PATCH), (1, 0)),
        (Operation::MqttTwinPatch, Effect::ResetAfterAccepting, packet(PATCH), (2, 0)),
        (Operation::MqttTelemetry, Effect::ResetBefore, packet(EVENTS), (2, 0)),
        (Operation::MqttTelemetry, refuse.clone(), packet(EVENTS), (2, 0)),
        (Operation::MqttTelemetry, Effect::ResetAfterAccepting, packet(EVENTS), (2, 1)),
        (Operation::MqttOther, Effect::ResetBefore, Packet::PingReq, (2, 1)),
        (Operation::MqttOther, refuse, Packet::Unsubscribe { packet_id: 1, filters: vec!["#".to_owned()] }, (2, 1)),
    ];
    for (operation, effect, packet, expected) in table {
        let mut client = listening(&bench).await;
        bench.hub.inject(Fault::new(operation, effect.clone()).times(1));
        client.send(packet).await;
        assert_eq!(client.receive().await, None, "{operation:?} {effect:?}");
        assert_eq!((version(&bench), bench.hub.messages().len()), expected, "{operation:?} {effect:?}");
    }
    for effect in [Effect::ResetBefore, Effect::ResetAfterAccepting] {
        bench.hub.inject(Fault::new(Operation::MqttConnect, effect).times(1));
        let mut client = MqttClient::dial(&bench.hub).await.unwrap();
        client.send(Packet::Connect(hello(&bench.hub, "dev1"))).await;
        assert_eq!(client.receive().await, None);
    }
    listening(&bench).await;
}

#[tokio::test]
async fn a_delay_holds_up_an_answer_and_a_takeover_does_not_wait_for_it() {
    let bench = bench().await;
    let mut client = listening(&bench).await;
    let delay = Duration::from_millis(50);
    for effect in [Effect::Delay(delay), Effect::DelayAnswer(delay)] {
        bench.hub.inject(Fault::new(Operation::MqttTwinPatch, effect).times(1));
        let started = Instant::now();
        assert!(client.patch("{}").await.0.starts_with("$iothub/twin/res/204/"));
        assert!(started.elapsed() >= delay);
    }
    bench.hub.inject(Fault::new(Operation::MqttTwinPatch, Effect::DelayAnswer(Duration::from_secs(600))).times(1));
    client.send(Packet::Publish(publish(PATCH, "{}"))).await;
    let limit = Duration::from_secs(10);
    bench.hub.wait_for_reported("dev1", limit, |reported| reported["$version"] == 4).await.unwrap();
    listening(&bench).await;
    assert_eq!(client.receive().await, None);
}

#[tokio::test]
async fn the_handshake_breaks_and_the_port_is_blocked_and_opened_again() {
    let bench = bench().await;
    bench.hub.inject(Fault::broken_mqtt_handshake().times(1));
    assert!(MqttClient::dial(&bench.hub).await.is_err());
    assert_eq!(bench.signed("service", Method::GET, "/twins/dev1").send().await.unwrap().status(), 200);
    let mut client = listening(&bench).await;
    let port = bench.hub.mqtt_port();
    bench.hub.stop_mqtt().await;
    assert!(client.is_gone().await);
    assert!(MqttClient::dial(&bench.hub).await.is_err());
    assert_eq!(bench.hub.mqtt_connections().open, 0);
    bench.hub.start_mqtt().await.unwrap();
    bench.hub.start_mqtt().await.unwrap();
    assert_eq!(bench.hub.mqtt_port(), port);
    listening(&bench).await;
}

#[derive(Debug, Default)]
struct Notes(Mutex<Vec<String>>);

impl Notes {
    fn note(&self, note: String) {
        self.0.lock().unwrap().push(note);
    }
}

impl Observer for Notes {
    fn accepted(&self, message: DeviceToCloudMessage) {
        self.note(format!("accepted {}", message.device_id));
    }

    fn spoiled(&self, operation: Operation, message_id: Option<&str>, _: &Effect) {
        self.note(format!("spoiled {operation:?} {message_id:?}"));
    }

    fn connected(&self, device_id: &str, is_accepted: bool) {
        self.note(format!("connected {device_id} {is_accepted}"));
    }

    fn reported(&self, device_id: &str, patch: &Value, is_answered: bool) {
        self.note(format!("reported {device_id} {patch} {is_answered}"));
    }
}

#[tokio::test]
async fn an_observer_sees_what_was_asked_and_what_was_answered() {
    let notes = Arc::new(Notes::default());
    let bench = Bench::start_with_options(|options| Options { observer: Some(notes.clone()), ..options }).await;
    bench.hub.create_device("dev1").unwrap();
    let (_, answer) = MqttClient::connect(&bench.hub, hello(&bench.hub, "nobody")).await;
    assert_eq!(answer, Err(ConnectCode::NotAuthorized));
    let mut client = listening(&bench).await;
    client.patch(r#"{"a":1}"#).await;
    client.patch("[]").await;
    client.send(Packet::Publish(publish(EVENTS, ""))).await;
    bench.hub.inject(Fault::new(Operation::MqttTwinPatch, Effect::ResetAfterAccepting).times(1));
    client.send(Packet::Publish(publish(PATCH, r#"{"a":2}"#))).await;
    assert_eq!(client.receive().await, None);
    let expected = [
        "connected nobody false",
        "connected dev1 true",
        r#"reported dev1 {"a":1} true"#,
        "accepted dev1",
        "spoiled MqttTwinPatch None",
        r#"reported dev1 {"a":2} false"#,
    ];
    assert_eq!(*notes.0.lock().unwrap(), expected);
}
