//! Messages for devices, fetched over HTTPS.

use serde_json::json;

use super::*;
use crate::iot_hub::{CloudToDeviceMessage, Outcome, Settled};

impl Bench {
    fn devicebound(&self, method: Method, rest: &str) -> RequestBuilder {
        self.signed("device", method, &format!("/devices/dev1/messages/deviceBound{rest}"))
    }

    /// The lock token of the next message.
    async fn lock(&self) -> String {
        let response = self.devicebound(Method::GET, "").send().await.unwrap();
        assert_eq!(response.status(), 200);
        header(&response, "etag").trim_matches('"').to_owned()
    }
}

fn message(id: &str) -> CloudToDeviceMessage {
    CloudToDeviceMessage {
        body: b"open".to_vec(),
        properties: [("valve".to_owned(), "3".to_owned())].into(),
        system_properties: [("message-id".to_owned(), id.to_owned())].into(),
        time_to_live: None,
    }
}

#[tokio::test]
async fn a_message_comes_with_its_headers_and_an_empty_queue_with_none() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    assert_eq!(bench.devicebound(Method::GET, "").send().await.unwrap().status(), 204);
    bench.hub.send_c2d("dev1", message("1")).unwrap();
    assert_eq!(bench.hub.device("dev1").unwrap()["cloudToDeviceMessageCount"], 1);
    let response = bench.devicebound(Method::GET, "?iothub-messagelocktimeout=60").send().await.unwrap();
    assert_eq!(response.status(), 200);
    let headers = [
        ("iothub-messageid", "1"),
        ("iothub-to", "/devices/dev1/messages/deviceBound"),
        ("iothub-sequencenumber", "1"),
        ("iothub-deliverycount", "0"),
        ("iothub-app-valve", "3"),
    ];
    for (name, value) in headers {
        assert_eq!(header(&response, name), value, "{name}");
    }
    assert_eq!(response.bytes().await.unwrap(), "open");
    assert_eq!(bench.devicebound(Method::GET, "").send().await.unwrap().status(), 204, "it is locked");
}

#[tokio::test]
async fn a_message_is_completed_rejected_or_given_back_by_its_lock_token() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    for id in ["1", "2"] {
        bench.hub.send_c2d("dev1", message(id)).unwrap();
    }
    let settle = async |method, rest: String| bench.devicebound(method, &rest).send().await.unwrap().status();
    let first = bench.lock().await;
    assert_eq!(settle(Method::POST, format!("/{first}/abandon")).await, 204);
    let again = bench.lock().await;
    assert_eq!(settle(Method::DELETE, format!("/{again}?reject")).await, 204);
    let second = bench.lock().await;
    assert_eq!(settle(Method::DELETE, format!("/{second}")).await, 204);
    let settled = |id: &str, outcome| Settled { message_id: Some(id.to_owned()), outcome };
    assert_eq!(bench.hub.settled_c2d("dev1"), [settled("1", Outcome::Rejected), settled("2", Outcome::Completed)]);
    let lost = bench.devicebound(Method::DELETE, &format!("/{first}"));
    assert_eq!(refusal(lost).await, (412, "DeviceMessageLockLost".to_owned()));
    assert_eq!(settle(Method::GET, format!("/{first}")).await, 405);
}

#[tokio::test]
async fn a_service_takes_back_what_waits_and_a_device_needs_its_token() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    bench.hub.send_c2d("dev1", message("1")).unwrap();
    let purged = bench.signed("service", Method::DELETE, "/devices/dev1/commands").send().await.unwrap();
    let expected = json!({"totalMessagesPurged": 1, "deviceId": "dev1", "moduleId": null});
    assert_eq!(json(purged).await, expected);
    let unsigned = bench.request(Method::GET, "/devices/dev1/messages/devicebound");
    assert_eq!(refusal(unsigned).await, (401, "IotHubUnauthorizedAccess".to_owned()));
    assert!(bench.hub.send_c2d("dev2", message("1")).is_err());
}
