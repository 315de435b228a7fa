//! Who may connect over MQTT, and for how long.

use std::time::{Duration, Instant};

use rustls::HandshakeKind;

use super::mqtt_client::{DESIRED, MqttClient, TWIN_RESPONSES, hello, publish, tls};
use super::*;
use crate::iot_hub::MqttThrottle;
use crate::iot_hub::mqtt::packet::{Connect, ConnectCode, Packet};

async fn answer(bench: &Bench, hello: Connect) -> Result<bool, ConnectCode> {
    let (mut client, answer) = MqttClient::connect(&bench.hub, hello).await;
    if answer.is_err() {
        assert_eq!(client.receive().await, None, "a refused connection is closed");
    }
    answer
}

/// A token that ends so many seconds from now, by the device's own key.
fn short_token(bench: &Bench, seconds: i64) -> Vec<u8> {
    let keys = bench.hub.device("dev1").unwrap();
    let key = keys["authentication"]["symmetricKey"]["secondaryKey"].as_str().unwrap();
    let expiry = crate::iot_hub::clock::now().unix_timestamp() + seconds;
    token_until("localhost/devices/dev1", key, expiry).into_bytes()
}

#[tokio::test]
async fn only_a_known_device_with_a_token_for_it_is_let_in() {
    let bench =
        Bench::start_with_options(|options| Options { host_aliases: vec!["alias".to_owned()], ..options }).await;
    for device_id in ["dev1", "dev2", "off"] {
        bench.hub.create_device(device_id).unwrap();
    }
    bench.hub.set_device_enabled("off", false).unwrap();
    let good = || hello(&bench.hub, "dev1");
    let user = |name: &str| Connect { user_name: Some(name.to_owned()), ..good() };
    let password = |token: String| Connect { password: Some(token.into_bytes()), ..good() };
    let (no, version) = (Err(ConnectCode::NotAuthorized), "?api-version=2021-04-12");
    let table = [
        ("its own token", good(), Ok(false)),
        ("its own key", Connect { password: Some(short_token(&bench, 60)), ..good() }, Ok(false)),
        ("a policy for all", password(bench.policy_token("iothubowner", "LOCALHOST:8883")), Ok(false)),
        ("another name and a port", user(&format!("alias:8883/dev1/{version}")), Ok(false)),
        ("an unknown device", hello(&bench.hub, "nobody"), no),
        ("a disabled device", hello(&bench.hub, "off"), no),
        ("another device's token", password(bench.policy_token("device", "localhost/devices/dev2")), no),
        ("a policy without the right", password(bench.policy_token("service", "localhost")), no),
        (
            "a policy's key without its name",
            password(bench.policy_token("device", "localhost").replace("&skn=", "")),
            no,
        ),
        ("an expired token", Connect { password: Some(short_token(&bench, -1)), ..good() }, no),
        ("no password", Connect { password: None, ..good() }, no),
        ("no user name", Connect { user_name: None, password: None, ..good() }, no),
        ("another host", user(&format!("elsewhere/dev1/{version}")), no),
        ("another device in the user name", user(&format!("localhost/dev2/{version}")), no),
        ("no version", user("localhost/dev1/"), no),
        ("no client id", Connect { client_id: String::new(), ..good() }, Err(ConnectCode::IdentifierRejected)),
    ];
    let count = table.len();
    for (name, hello, expected) in table {
        assert_eq!(answer(&bench, hello).await, expected, "{name}");
    }
    let requests = bench.hub.mqtt_requests();
    assert_eq!((requests.len(), requests[0].status, requests[4].status), (count, Some(0), Some(5)));
    assert!(requests[4].refusal.as_deref().unwrap().ends_with("(device not registered)"));
    assert_eq!((bench.hub.mqtt_connections().accepted, bench.hub.mqtt_connections().refused), (4, 12));
}

#[tokio::test]
async fn what_is_not_a_connect_of_mqtt_3_1_1_gets_no_further() {
    let bench = Bench::start().await;
    let table: [(&str, &[u8], Option<Packet>); 4] = [
        (
            "MQTT 5",
            b"\x10\x0e\0\x04MQTT\x05\x02\0\0\0\0\x01d",
            Some(Packet::ConnAck { session_present: false, code: ConnectCode::UnacceptableProtocol }),
        ),
        ("a ping", b"\xc0\0", None),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n", None),
        ("a large packet", b"\x10\xff\xff\xff\x7f", None),
    ];
    for (name, bytes, expected) in table {
        let mut client = MqttClient::dial(&bench.hub).await.unwrap();
        client.send_bytes(bytes).await;
        if expected.is_some() {
            assert_eq!(client.receive().await, expected, "{name}");
        }
        assert_eq!(client.receive().await, None, "{name}");
    }
}

#[tokio::test]
async fn a_device_has_one_connection_and_the_newest_has_it() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    bench.hub.create_device("dev2").unwrap();
    let mut first = MqttClient::device(&bench, "dev1").await;
    let mut other = MqttClient::device(&bench, "dev2").await;
    let mut second = MqttClient::device(&bench, "dev1").await;
    assert_eq!(first.receive().await, None);
    assert!(second.is_quiet().await && other.is_quiet().await);
    assert_eq!(bench.hub.mqtt_connected(), ["dev1", "dev2"]);
    second.send(Packet::Disconnect).await;
    assert_eq!(second.receive().await, None);
    let connections = bench.hub.mqtt_connections();
    assert_eq!((connections.accepted, connections.takeovers), (3, 1));
    assert_eq!((connections.open, connections.most_open), (1, 2));
}

#[tokio::test]
async fn a_device_that_may_not_be_there_any_more_is_not() {
    let bench = Bench::start().await;
    for (device_id, leave) in [
        ("deleted", (|hub| hub.delete_device("deleted").unwrap()) as fn(&IotHub)),
        ("disabled", |hub| hub.set_device_enabled("disabled", false).unwrap()),
        ("kicked", |hub| hub.disconnect("kicked")),
        ("enabled", |hub| hub.set_device_enabled("enabled", true).unwrap()),
    ] {
        bench.hub.create_device(device_id).unwrap();
        let mut client = MqttClient::device(&bench, device_id).await;
        leave(&bench.hub);
        if device_id == "enabled" {
            assert!(client.is_quiet().await);
        } else {
            assert_eq!(client.receive().await, None, "{device_id}");
        }
    }
}

#[tokio::test]
async fn a_connection_ends_with_its_token_and_with_its_silence() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    bench.hub.create_device("dev2").unwrap();
    let (started, short) = (Instant::now(), short_token(&bench, 2));
    let (mut expiring, _) =
        MqttClient::connect(&bench.hub, Connect { password: Some(short), ..hello(&bench.hub, "dev1") }).await;
    let silent = Connect { keep_alive: 2, ..hello(&bench.hub, "dev2") };
    let (mut silent, _) = MqttClient::connect(&bench.hub, silent).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(silent.is_quiet().await, "a ping makes it longer");
    assert_eq!(expiring.receive().await, None);
    assert_eq!(silent.receive().await, None);
    assert!(started.elapsed() > Duration::from_millis(3800));
}

#[tokio::test]
async fn subscriptions_are_kept_for_whoever_wants_them_and_news_are_not() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    let kept = || Connect { clean_session: false, ..hello(&bench.hub, "dev1") };
    let (mut client, answer) = MqttClient::connect(&bench.hub, kept()).await;
    assert_eq!(answer, Ok(false));
    for filter in [TWIN_RESPONSES, DESIRED, "$iothub/methods/POST/#", "devices/dev1/messages/devicebound/#"] {
        assert_eq!(client.subscribe(filter, 0).await, Some(0), "{filter}");
    }
    client.send(Packet::Disconnect).await;
    assert_eq!(client.receive().await, None);
    bench.hub.patch_twin("dev1", serde_json::json!({"properties": {"desired": {"a": 1}}})).unwrap();
    let (mut client, answer) = MqttClient::connect(&bench.hub, kept()).await;
    assert_eq!(answer, Ok(true));
    assert!(client.is_quiet().await);
    assert_eq!(client.get().await.0, "$iothub/twin/res/200/?$rid=g");
    let (_, answer) = MqttClient::connect(&bench.hub, hello(&bench.hub, "dev1")).await;
    assert_eq!(answer, Ok(false), "a clean session");
    let (mut client, answer) = MqttClient::connect(&bench.hub, kept()).await;
    assert_eq!(answer, Ok(false), "and nothing is left");
    client.send(Packet::Publish(publish("$iothub/twin/GET/?$rid=1", ""))).await;
    assert!(client.is_quiet().await);
}

#[tokio::test]
async fn a_tls_session_is_resumed() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = tls(bench.hub.ca_pem(), &[version]);
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let mut client = MqttClient::dial_with(&bench.hub, config.clone()).await.unwrap();
            client.send(Packet::Connect(hello(&bench.hub, "dev1"))).await;
            assert!(client.receive().await.is_some());
            kinds.push(client.handshake());
        }
        assert_eq!(kinds, [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)], "{version:?}");
    }
}

#[tokio::test]
async fn connections_and_updates_over_the_limit_wait_or_are_refused() {
    let throttle = MqttThrottle {
        connections_per_second: Some(2),
        twin_updates_per_second: Some(1),
        longest_wait: Duration::from_millis(600),
    };
    let bench = Bench::start_with_options(|options| Options { mqtt_throttle: throttle, ..options }).await;
    bench.hub.create_device("dev1").unwrap();
    let started = Instant::now();
    let mut answers = Vec::new();
    let mut client = None;
    for _ in 0..3 {
        let (newest, answer) = MqttClient::connect(&bench.hub, hello(&bench.hub, "dev1")).await;
        answers.push(answer);
        client = Some(newest);
    }
    assert_eq!(answers, [Ok(false); 3]);
    assert!(started.elapsed() >= Duration::from_millis(400), "the third had to wait");
    let mut client = client.unwrap();
    client.subscribe(TWIN_RESPONSES, 0).await;
    for request_id in 1..=2 {
        let topic = format!("$iothub/twin/PATCH/properties/reported/?$rid={request_id}");
        client.send(Packet::Publish(publish(&topic, "{}"))).await;
    }
    assert_eq!(client.message().await.0, "$iothub/twin/res/204/?$rid=1&$version=2");
    let (topic, body) = client.message().await;
    assert_eq!(topic, "$iothub/twin/res/429/?$rid=2");
    assert!(body.contains("\"errorCode\":429003"), "{body}");
}
