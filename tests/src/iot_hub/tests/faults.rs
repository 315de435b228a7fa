//! Faults as a client meets them.

use std::time::Duration;

use super::*;
use crate::iot_hub::{DeviceToCloudMessage, Effect, Fault, Observer, Operation};

#[tokio::test]
async fn a_throttled_request_gets_what_a_live_hub_sent() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    bench.hub.inject(Fault::throttled(Operation::Registry).times(1));
    let read = || bench.signed("registryRead", Method::GET, "/devices/dev1").send();
    let response = read().await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(header(&response, "iothub-errorcode"), "ThrottlingBacklogTimeout");
    assert_eq!(header(&response, "connection"), "close");
    assert_eq!(header(&response, "retry-after"), "");
    let message = "ErrorCode:ThrottlingBacklogTimeout;The request has been throttled. Wait 10 seconds and try again. \
                   Operation type: RegistryRead";
    assert_eq!(json(response).await["Message"], message);
    assert_eq!(read().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_status_fault_spoils_its_operation_and_accepts_nothing() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    let table = [
        (Fault::server_error(Operation::DeviceSend), (500, "ServerError")),
        (Fault::unavailable(Operation::DeviceSend), (503, "ServiceUnavailable")),
        (Fault::quota_exceeded(Operation::DeviceSend), (403, "IotHubQuotaExceeded")),
        (Fault::unauthorized(Operation::DeviceSend), (401, "IotHubUnauthorizedAccess")),
    ];
    for (fault, (status, code)) in table {
        bench.hub.inject(fault);
        assert_eq!(refusal(bench.send_event("dev1").body("1")).await, (status, code.to_owned()));
        assert_eq!(bench.signed("service", Method::GET, "/twins/dev1").send().await.unwrap().status(), 200);
        bench.hub.clear_faults();
    }
    assert!(bench.hub.messages().is_empty());
    assert_eq!(bench.send_event("dev1").body("1").send().await.unwrap().status(), 204);
}

#[tokio::test]
async fn a_reset_before_loses_the_message_and_a_reset_after_does_not() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    for (effect, accepted) in [(Effect::ResetBefore, 0), (Effect::ResetAfterAccepting, 1)] {
        // On a kept-alive connection and with `None` in the log.
        assert_eq!(bench.signed("service", Method::GET, "/twins/dev1").send().await.unwrap().status(), 200);
        bench.hub.inject(Fault::new(Operation::DeviceSend, effect).times(1).for_device("dev1"));
        let error = bench.send_event("dev1").body("1").send().await.unwrap_err();
        assert!(is_reset(&error), "{error:?}");
        assert_eq!(bench.hub.messages().len(), accepted);
        assert_eq!(bench.hub.requests().last().unwrap().status, None);
    }
    assert_eq!(bench.send_event("dev1").body("1").send().await.unwrap().status(), 204);
}

fn is_reset(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if kind == Some(std::io::ErrorKind::ConnectionReset) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[tokio::test]
async fn a_delayed_request_is_carried_out() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    bench.hub.inject(Fault::new(Operation::DeviceSend, Effect::Delay(Duration::from_millis(30))).times(1));
    let started = std::time::Instant::now();
    assert_eq!(bench.send_event("dev1").body("1").send().await.unwrap().status(), 204);
    assert!(started.elapsed() >= Duration::from_millis(30));
    assert_eq!(bench.hub.messages().len(), 1);
}

#[tokio::test]
async fn a_request_is_carried_out_before_a_delayed_answer_and_the_client_may_not_wait_for_it() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    bench.hub.inject(Fault::new(Operation::DeviceSend, Effect::DelayAnswer(Duration::from_secs(60))).times(1));
    let sent = bench.send_event("dev1").body("1").timeout(Duration::from_millis(200)).send().await;
    assert!(sent.unwrap_err().is_timeout());
    assert_eq!(bench.hub.messages().len(), 1);
}

#[tokio::test]
async fn a_broken_handshake_is_no_request() {
    let bench = Bench::start().await;
    bench.hub.inject(Fault::broken_handshake().times(1));
    let read = || bench.signed("service", Method::GET, "/twins/dev1").send();
    assert!(read().await.unwrap_err().is_connect());
    assert_eq!(read().await.unwrap().status(), 404);
    assert_eq!(bench.hub.requests().len(), 1);
}

#[derive(Debug, Default)]
struct Notes(std::sync::Mutex<Vec<String>>);

impl Observer for Notes {
    fn accepted(&self, message: DeviceToCloudMessage) {
        self.0.lock().unwrap().push(format!("{} of {}", message.system_properties["message-id"], message.device_id));
    }

    fn spoiled(&self, operation: Operation, message_id: Option<&str>, effect: &Effect) {
        self.0.lock().unwrap().push(format!("{operation:?} {message_id:?} {effect:?}"));
    }
}

#[tokio::test]
async fn an_observer_sees_messages_and_faults_and_the_hub_keeps_none() {
    let notes = std::sync::Arc::new(Notes::default());
    let bench = Bench::start_with_options(|options| Options { observer: Some(notes.clone()), history: 1, ..options });
    let bench = bench.await;
    bench.hub.create_device("dev1").unwrap();
    bench.hub.inject(Fault::new(Operation::DeviceSend, Effect::ResetBefore).times(1));
    let send = || bench.send_event("dev1").header("iothub-messageid", "m1").body("1").send();
    assert!(send().await.is_err());
    assert_eq!(send().await.unwrap().status(), 204);
    assert_eq!(*notes.0.lock().unwrap(), ["DeviceSend Some(\"m1\") ResetBefore", "m1 of dev1"]);
    assert_eq!((bench.hub.messages().len(), bench.hub.requests().len()), (0, 1));
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_server() {
    let bench = Bench::start().await;
    let port = bench.hub.https_port();
    let Bench { hub, client, .. } = bench;
    let second = hub.clone();
    drop(hub);
    let url = format!("https://localhost:{port}/");
    assert_eq!(client.get(&url).send().await.unwrap().status(), 404);
    drop(second);
    tokio::task::yield_now().await;
    assert!(client.get(&url).send().await.is_err());
}
