//! The stand-in's own API on loopback: what arrived, and what only AMQP or the portal could do.
//!
//! | request | does |
//! |---|---|
//! | `PUT`, `DELETE /devices/{id}` | creates or deletes a device; creating answers its connection string |
//! | `GET /devices/{id}` | its twin |
//! | `POST /devices/{id}/disable` | disables it |
//! | `GET /devices/{id}/events` | the device-to-cloud messages it sent |
//! | `GET /devices/{id}/routed` | the same as a consumer of the built-in endpoint gets them |
//! | `POST /devices/{id}/c2d` | sends it a message: `{"body","properties","systemProperties","timeToLiveSeconds"}` |
//! | `GET /devices/{id}/c2d` | what became of those that left its queue |

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use local::event_hub::{EventData, EventHub};
use local::iot_hub::{CloudToDeviceMessage, DeviceToCloudMessage, HubError, IotHub, Settled};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A message as a service would hand it to its SDK.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct NewMessage {
    body: String,
    properties: BTreeMap<String, String>,
    system_properties: BTreeMap<String, String>,
    time_to_live_seconds: Option<u64>,
}

/// Serves until dropped.
pub(crate) async fn serve(listener: TcpListener, hub: IotHub, routed: Arc<EventHub>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (hub, routed) = (hub.clone(), routed.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let (hub, routed) = (hub.clone(), routed.clone());
                async move { Ok::<_, Infallible>(answer(&hub, &routed, request).await) }
            });
            // Errors end the connection, which is the client's to notice.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(hub: &IotHub, routed: &EventHub, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let method = request.method().clone();
    let decode = |segment| percent_decode_str(segment).decode_utf8_lossy().into_owned();
    let path: Vec<String> = request.uri().path().trim_start_matches('/').split('/').map(decode).collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let outcome = match (&method, path.as_slice()) {
        (&Method::GET, ["devices", id, "routed"]) => Some(Ok(telemetry(routed, id))),
        _ => carry_out(hub, &method, &path, &body),
    };
    let (status, body) = match outcome {
        Some(Ok(body)) => (StatusCode::OK, body),
        Some(Err(error)) => (StatusCode::BAD_REQUEST, json!({ "error": error })),
        None => (StatusCode::NOT_FOUND, json!({ "error": format!("no {method} {}", path.join("/")) })),
    };
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response
}

fn carry_out(hub: &IotHub, method: &Method, path: &[&str], body: &[u8]) -> Option<Result<Value, String>> {
    let done = |result: Result<(), HubError>| result.map(|()| json!({})).map_err(|error| error.to_string());
    Some(match (method, path) {
        (&Method::PUT, ["devices", id]) => create(hub, id),
        (&Method::DELETE, ["devices", id]) => done(hub.delete_device(id)),
        (&Method::GET, ["devices", id]) => Ok(hub.twin(id)?),
        (&Method::POST, ["devices", id, "disable"]) => done(hub.set_device_enabled(id, false)),
        (&Method::GET, ["devices", id, "events"]) => Ok(events(hub, id)),
        (&Method::POST, ["devices", id, "c2d"]) => message(body).and_then(|message| done(hub.send_c2d(id, message))),
        (&Method::GET, ["devices", id, "c2d"]) => Ok(hub.settled_c2d(id).iter().map(settled).collect()),
        _ => return None,
    })
}

fn create(hub: &IotHub, device_id: &str) -> Result<Value, String> {
    hub.create_device(device_id).map_err(|error| error.to_string())?;
    let identity = hub.device(device_id).unwrap_or_default();
    let key = identity.pointer("/authentication/symmetricKey/primaryKey").and_then(Value::as_str).unwrap_or_default();
    let connection_string = format!("HostName={};DeviceId={device_id};SharedAccessKey={key}", hub.host_name());
    Ok(json!({ "connectionString": connection_string, "key": key }))
}

fn events(hub: &IotHub, device_id: &str) -> Value {
    let event = |message: &DeviceToCloudMessage| {
        json!({
            "body": STANDARD.encode(&message.body),
            "properties": message.properties,
            "systemProperties": message.system_properties,
            "authenticationScope": message.authentication_scope,
        })
    };
    hub.messages().iter().filter(|message| message.device_id == device_id).map(event).collect()
}

/// Annotations and AMQP properties are one map, as consumers' libraries show them.
fn telemetry(routed: &EventHub, device_id: &str) -> Value {
    let events = routed.events();
    let telemetry = events.iter().map(|event| &event.data).filter(|event| {
        let source = &event.system_properties["iothub-message-source"];
        source == "Telemetry" && event.partition_key.as_deref() == Some(device_id)
    });
    let event = |event: &EventData| {
        json!({
            "body": STANDARD.encode(&event.body),
            "properties": event.properties,
            "systemProperties": event.system_properties,
        })
    };
    telemetry.map(event).collect()
}

fn message(body: &[u8]) -> Result<CloudToDeviceMessage, String> {
    let message: NewMessage = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Ok(CloudToDeviceMessage {
        body: message.body.into_bytes(),
        properties: message.properties,
        system_properties: message.system_properties,
        time_to_live: message.time_to_live_seconds.map(Duration::from_secs),
    })
}

fn settled(settled: &Settled) -> Value {
    json!({ "messageId": settled.message_id, "outcome": format!("{:?}", settled.outcome) })
}
