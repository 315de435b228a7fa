//! Messages over MQTT, in both directions, and what nobody listens to.

use super::mqtt_client::{MqttClient, acknowledged, hello, publish};
use super::*;
use crate::iot_hub::mqtt::packet::{Connect, Packet, Publish};
use crate::iot_hub::{CloudToDeviceMessage, Outcome, Settled};

const EVENTS: &str = "devices/dev1/messages/events/";
const DEVICEBOUND: &str = "devices/dev1/messages/devicebound/#";

async fn device() -> (Bench, MqttClient) {
    let bench = Bench::start_with(vec![every_message()]).await;
    bench.hub.create_device("dev1").unwrap();
    let client = MqttClient::device(&bench, "dev1").await;
    (bench, client)
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[tokio::test]
async fn a_message_is_the_same_over_mqtt_as_over_https() {
    let (bench, mut client) = device().await;
    let bag = "iothub-app=x&type=uplink&%24.mid=m1&%24.ct=application%2Fjson&%24.ce=utf-8";
    let message = acknowledged(3, publish(&format!("{EVENTS}{bag}"), "{}"));
    client.send(Packet::Publish(message)).await;
    assert_eq!(client.receive().await, Some(Packet::PubAck(3)));
    let https = bench.send_event("dev1").header("iothub-app-type", "uplink").header("iothub-messageid", "m1");
    let https = https.header("iothub-app-iothub-app", "x").header("iothub-contenttype", "application/json");
    https.header("iothub-contentencoding", "utf-8").body("{}").send().await.unwrap();
    let mut messages = bench.hub.messages();
    messages[0].enqueued_time = messages[1].enqueued_time;
    assert_eq!(messages[0], messages[1]);
    let events = bench.events();
    let properties = |index: usize| {
        let mut properties = events[index].data.system_properties.clone();
        assert!(properties.remove("iothub-enqueuedtime").is_some());
        properties
    };
    assert_eq!(properties(0), properties(1));
}

#[tokio::test]
async fn a_message_sent_at_most_once_is_not_acknowledged_and_retain_is_a_property() {
    let (bench, mut client) = device().await;
    client.send(Packet::Publish(Publish { retain: true, ..publish(EVENTS, "1") })).await;
    assert!(client.is_quiet().await);
    assert_eq!(bench.hub.messages()[0].properties, [pair("mqtt-retain", "true")].into());
    assert_eq!(bench.hub.mqtt_requests()[1].status, Some(204));
}

#[tokio::test]
async fn what_the_hub_does_not_know_ends_the_connection() {
    let (bench, _) = device().await;
    let topic = |topic: &str| Packet::Publish(publish(topic, ""));
    let filter = |filter: &str| Packet::Subscribe { packet_id: 1, filters: vec![(filter.to_owned(), 0)] };
    let table = [
        topic("elsewhere"),
        topic("devices/dev2/messages/events/"),
        topic("$iothub/twin/GET/"),
        topic("devices/dev1/messages/events/%24.mid=not%20allowed"),
        filter("#"),
        filter("devices/dev2/messages/devicebound/#"),
        Packet::Connect(hello(&bench.hub, "dev1")),
        Packet::PingResp,
    ];
    for packet in table {
        let mut client = MqttClient::device(&bench, "dev1").await;
        client.send(packet.clone()).await;
        assert_eq!(client.receive().await, None, "{packet:?}");
    }
    let mut client = MqttClient::device(&bench, "dev1").await;
    client.send_bytes(b"\x34\x21\0\x1ddevices/dev1/messages/events/\0\x01").await;
    assert_eq!(client.receive().await, None, "quality of service 2");
    assert!(bench.hub.messages().is_empty());
}

#[tokio::test]
async fn a_message_over_256_kb_ends_the_connection() {
    let (bench, mut client) = device().await;
    client.send(Packet::Publish(acknowledged(1, publish(EVENTS, &" ".repeat(262_144))))).await;
    assert_eq!(client.receive().await, Some(Packet::PubAck(1)));
    client.send(Packet::Publish(acknowledged(2, publish(EVENTS, &" ".repeat(262_145))))).await;
    assert_eq!(client.receive().await, None);
    assert_eq!(bench.hub.messages().len(), 1);
}

#[tokio::test]
async fn a_message_waits_until_its_device_listens() {
    let (bench, mut client) = device().await;
    let message = |id: &str| CloudToDeviceMessage {
        body: b"on".to_vec(),
        properties: [pair("a b", "c&d")].into(),
        system_properties: [pair("message-id", id)].into(),
        time_to_live: None,
    };
    bench.hub.send_c2d("dev1", message("m1")).unwrap();
    assert_eq!(bench.hub.settled_c2d("dev1"), []);
    assert_eq!(client.subscribe(DEVICEBOUND, 1).await, Some(1));
    bench.hub.send_c2d("dev1", message("m2")).unwrap();
    for id in ["m1", "m2"] {
        let to = "%24.to=%2Fdevices%2Fdev1%2Fmessages%2FdeviceBound";
        let expected = format!("devices/dev1/messages/devicebound/{to}&%24.mid={id}&a%20b=c%26d");
        assert_eq!(client.message().await, (expected, "on".to_owned()));
    }
    let settled = |id: &str| Settled { message_id: Some(id.to_owned()), outcome: Outcome::Completed };
    assert_eq!(bench.hub.settled_c2d("dev1"), [settled("m1"), settled("m2")]);
}

#[tokio::test]
async fn a_will_is_a_message_unless_the_client_says_goodbye() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    let will = Publish { topic: format!("{EVENTS}a=b"), ..publish("", "gone") };
    let with_will = || Connect { will: Some(will.clone()), ..hello(&bench.hub, "dev1") };
    let (mut client, _) = MqttClient::connect(&bench.hub, with_will()).await;
    client.send(Packet::Disconnect).await;
    assert_eq!(client.receive().await, None);
    let (client, _) = MqttClient::connect(&bench.hub, with_will()).await;
    drop(client);
    let messages = bench.hub.wait_for_messages(1, std::time::Duration::from_secs(5)).await.unwrap();
    assert_eq!((messages.len(), messages[0].body.as_slice()), (1, b"gone".as_slice()));
    assert_eq!(messages[0].properties, [pair("a", "b"), pair("iothub-MessageType", "Will")].into());
}
