//! Sending device-to-cloud messages.

use std::time::Duration;

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_message_is_accepted_with_its_properties() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    let request = bench.send_event("dev1").header("iothub-app-Type", "uplink").header("IoTHub-MessageId", "1");
    let response = request.body("{}").send().await.unwrap();
    assert_eq!(response.status(), 204);
    assert_eq!(header(&response, "server"), "Microsoft-HTTPAPI/2.0");
    assert_eq!(header(&response, "vary"), "Origin");
    assert_ne!(header(&response, "x-ms-request-id"), "");
    assert_ne!(header(&response, "date"), "");
    let messages = bench.hub.wait_for_messages(1, Duration::from_secs(5)).await.unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!((messages[0].device_id.as_str(), messages[0].body.as_slice()), ("dev1", b"{}".as_slice()));
    assert_eq!(messages[0].properties, [("type".to_owned(), "uplink".to_owned())].into());
    assert_eq!(messages[0].system_properties, [("message-id".to_owned(), "1".to_owned())].into());
    assert_eq!(messages[0].authentication_scope, "hub");
}

#[tokio::test]
async fn waiting_ends_when_the_messages_are_there_or_the_time_is_over() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    let waiting = bench.hub.wait_for_messages(1, Duration::from_secs(10));
    let (messages, response) = tokio::join!(waiting, bench.send_event("dev1").body("1").send());
    assert_eq!((messages.unwrap().len(), response.unwrap().status().as_u16()), (1, 204));
    let error = bench.hub.wait_for_messages(2, Duration::from_millis(1)).await.unwrap_err();
    assert_eq!(error, "1 of 2 messages after 1ms");
}

#[tokio::test]
async fn a_chunked_body_is_put_together() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    // A request whose body has no known length goes out as `Transfer-Encoding: chunked`, as the Node SDK's does.
    let address = ("127.0.0.1", bench.hub.https_port());
    let token = bench.policy_token("device", "localhost");
    let head = format!(
        "POST /DEVICES/dev1/Messages/Events?{VERSION} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\n\
         IOTHUB-APP-A: b\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let answer = raw(address, bench.hub.ca_pem(), &format!("{head}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 204 No Content\r\n"), "{answer}");
    assert_eq!(bench.hub.messages()[0].body, b"abcde");
    assert_eq!(bench.hub.messages()[0].properties, [("a".to_owned(), "b".to_owned())].into());
}

async fn raw(address: (&str, u16), ca_pem: &str, request: &str) -> String {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider);
    // The Python SDK speaks TLS 1.2 only.
    let config = config.with_protocol_versions(&[&rustls::version::TLS12]).unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut stream = connector.connect(ServerName::try_from("x.azure-devices.net").unwrap(), tcp).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_batch_is_accepted_in_its_order_or_not_at_all() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    let batch = |bodies: &str| {
        let request = bench.send_event("dev1").header("Content-Type", "application/vnd.microsoft.iothub.json");
        request.body(bodies.to_owned())
    };
    assert_eq!(batch(r#"[{"body":"MQ=="},{"body":"!"}]"#).send().await.unwrap().status(), 400);
    assert_eq!(batch(r#"[{"body":"MQ=="},{"body":"Mg=="}]"#).send().await.unwrap().status(), 204);
    let bodies: Vec<_> = bench.hub.messages().into_iter().map(|message| message.body).collect();
    assert_eq!(bodies, [b"1", b"2"]);
}

#[tokio::test]
async fn an_unknown_and_a_disabled_device_are_refused_alike() {
    let bench = Bench::start().await;
    bench.hub.create_device("off").unwrap();
    bench.hub.set_device_enabled("off", false).unwrap();
    for device_id in ["nobody", "off"] {
        let response = bench.send_event(device_id).body("1").send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert_eq!(header(&response, "iothub-errorcode"), "IotHubUnauthorizedAccess");
        assert_eq!(header(&response, "content-type"), "application/json; charset=utf-8");
        let body = json(response).await;
        assert_eq!(body["Message"], "ErrorCode:IotHubUnauthorizedAccess;Unauthorized");
        assert!(body["ExceptionMessage"].as_str().unwrap().starts_with("Tracking ID:"));
    }
    bench.hub.set_device_enabled("off", true).unwrap();
    assert_eq!(bench.send_event("off").body("1").send().await.unwrap().status(), 204);
    assert_eq!(bench.hub.messages().len(), 1);
}

#[tokio::test]
async fn a_device_sends_with_its_own_keys_until_it_is_made_again() {
    let bench = Bench::start().await;
    let key = |which: &str| {
        bench.hub.device("dev1").unwrap()["authentication"]["symmetricKey"][which].as_str().unwrap().to_owned()
    };
    let send = async |token: &str| {
        let request = bench.request(Method::POST, "/devices/dev1/messages/events").header("authorization", token);
        request.body("1").send().await.unwrap().status().as_u16()
    };
    bench.hub.create_device("dev1").unwrap();
    let with_port = format!("LOCALHOST:{}/devices/dev1", bench.hub.https_port());
    let primary = token("localhost/devices/dev1", &key("primaryKey"));
    assert_eq!(send(&primary).await, 204);
    assert_eq!(send(&token(&with_port, &key("secondaryKey"))).await, 204);
    assert_eq!(send(&token("localhost/devices/dev12", &key("primaryKey"))).await, 401);
    assert_eq!(send(&token("elsewhere/devices/dev1", &key("primaryKey"))).await, 401);
    bench.hub.delete_device("dev1").unwrap();
    bench.hub.create_device("dev1").unwrap();
    assert_eq!(send(&primary).await, 401);
    assert_eq!(bench.hub.messages()[0].authentication_scope, "device");
}

#[tokio::test]
async fn a_rotated_policy_key_is_refused() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    let old = bench.send_event("dev1");
    bench.hub.rotate_policy_key("device");
    assert_eq!(refusal(old).await, (401, "IotHubUnauthorizedAccess".to_owned()));
    assert_eq!(
        bench.hub.requests()[0].refusal.as_deref(),
        Some("IotHubUnauthorizedAccess: Unauthorized (not signed by the policy's key)")
    );
    assert_eq!(bench.send_event("dev1").send().await.unwrap().status(), 204);
}

#[tokio::test]
async fn an_id_with_reserved_characters_is_percent_encoded_in_the_path() {
    let bench = Bench::start().await;
    bench.hub.create_device("app1:dev#1+x").unwrap();
    assert_eq!(bench.send_event("app1%3Adev%231%2Bx").send().await.unwrap().status(), 204);
    assert_eq!(bench.hub.messages()[0].device_id, "app1:dev#1+x");
}

#[tokio::test]
async fn what_https_cannot_do_is_not_there() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    let table = [
        (Method::POST, "/devices/dev1/modules/m/messages/events", 404),
        (Method::GET, "/devices/dev1/twin", 401),
        (Method::PATCH, "/devices/dev1/twin/properties/reported", 401),
        (Method::POST, "/elsewhere", 404),
        (Method::GET, "/devices/dev1/messages/events", 405),
    ];
    for (method, path, status) in table {
        let response = bench.signed("iothubowner", method, path).send().await.unwrap();
        assert_eq!(response.status(), status, "{path}");
    }
}

#[tokio::test]
async fn a_message_over_256_kb_and_one_without_an_api_version_are_refused() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    let full = bench.send_event("dev1").body(vec![b' '; 262_144]).send().await.unwrap();
    assert_eq!(full.status(), 204);
    let over = bench.send_event("dev1").body(vec![b' '; 262_145]);
    assert_eq!(refusal(over).await, (413, "MessageTooLarge".to_owned()));
    let way_over = bench.send_event("dev1").body(vec![b' '; 3_000_000]);
    assert_eq!(refusal(way_over).await, (413, "MessageTooLarge".to_owned()));
    let url = format!("https://localhost:{}/devices/dev1/messages/events", bench.hub.https_port());
    assert_eq!(refusal(bench.client.post(url)).await, (400, "InvalidProtocolVersion".to_owned()));
}

#[tokio::test]
async fn a_routed_message_carries_its_properties_and_its_sender() {
    let bench = Bench::start_with(vec![every_message(), every_message()]).await;
    bench.hub.create_device("dev1").unwrap();
    let request = bench.send_event("dev1").header("iothub-app-a", "b").header("iothub-contenttype", "text/plain");
    request.header("iothub-creationtimeutc", "2026-11-20T10:00:00Z").body("hello").send().await.unwrap();
    let events = bench.events();
    assert_eq!(events.len(), 1, "two routes to one endpoint deliver once");
    let data = &events[0].data;
    assert_eq!((data.body.as_slice(), data.partition_key.as_deref()), (b"hello".as_slice(), Some("dev1")));
    assert_eq!(Value::Object(data.properties.clone()), json!({"a": "b"}));
    let expected = json!({
        "iothub-connection-device-id": "dev1",
        "iothub-connection-auth-method":
            "{\"scope\":\"hub\",\"type\":\"sas\",\"issuer\":\"iothub\",\"acceptingIpFilterRule\":null}",
        "iothub-connection-auth-generation-id": bench.hub.device("dev1").unwrap()["generationId"],
        "iothub-enqueuedtime": data.system_properties["iothub-enqueuedtime"],
        "iothub-message-source": "Telemetry",
        "content-type": "text/plain",
        "iothub-creation-time-utc": "2026-11-20T10:00:00Z",
    });
    assert_eq!(Value::Object(data.system_properties.clone()), expected);
}
