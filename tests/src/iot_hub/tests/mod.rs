//! The hub over real TLS, as a client sees it.

mod cloud_to_device;
mod device_api;
mod events;
mod faults;
mod mqtt_client;
mod mqtt_codec;
mod mqtt_connect;
mod mqtt_faults;
mod mqtt_telemetry;
mod mqtt_twin;
mod provisioning;
mod service_api;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Certificate, Client, Method, RequestBuilder, Response};
use serde_json::Value;
use sha2::Sha256;

use super::{IotHub, Options, Route, Source};
use crate::event_hub::{Event, EventHub};

const VERSION: &str = "api-version=2021-04-12";

/// A started hub, its Event Hub and a client that trusts it.
struct Bench {
    hub: IotHub,
    event_hub: std::sync::Arc<EventHub>,
    client: Client,
}

impl Bench {
    async fn start() -> Self {
        Self::start_with(vec![Route::lifecycle(), Route::twin_changes()]).await
    }

    async fn start_with(routes: Vec<Route>) -> Self {
        Self::start_with_options(|options| Options { routes, ..options }).await
    }

    async fn start_with_options(change: impl FnOnce(Options) -> Options) -> Self {
        let event_hub = EventHub::new("hub-events", 2);
        let options = change(Options::new(event_hub.clone()).unwrap());
        let hub = IotHub::start(options).await.unwrap();
        let root = Certificate::from_pem(hub.ca_pem().as_bytes()).unwrap();
        let client = Client::builder().tls_certs_only([root]).build().unwrap();
        Self { hub, event_hub, client }
    }

    /// A request with the newest api-version, not signed yet.
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let separator = if path.contains('?') { '&' } else { '?' };
        let port = self.hub.https_port();
        self.client.request(method, format!("https://localhost:{port}{path}{separator}{VERSION}"))
    }

    /// A request signed by a policy for the whole hub.
    fn signed(&self, policy: &str, method: Method, path: &str) -> RequestBuilder {
        let token = self.policy_token(policy, self.hub.host_name());
        self.request(method, path).header("Authorization", token)
    }

    fn policy_token(&self, policy: &str, resource: &str) -> String {
        let connection_string = self.hub.connection_string(policy);
        let key = connection_string.split("SharedAccessKey=").nth(1).unwrap();
        format!("{}&skn={policy}", token(resource, key))
    }

    fn send_event(&self, device_id: &str) -> RequestBuilder {
        self.signed("device", Method::POST, &format!("/devices/{device_id}/messages/events"))
    }

    fn events(&self) -> Vec<Event> {
        self.event_hub.events()
    }
}

/// A token without a policy that ends in 2030.
fn token(resource: &str, key: &str) -> String {
    token_until(resource, key, 1_900_000_000)
}

/// A token without a policy that ends at a Unix time.
fn token_until(resource: &str, key: &str, expiry: i64) -> String {
    let resource = utf8_percent_encode(resource, NON_ALPHANUMERIC).to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(key).unwrap()).unwrap();
    mac.update(format!("{resource}\n{expiry}").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let signature = utf8_percent_encode(&signature, NON_ALPHANUMERIC);
    format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}")
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn json(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

/// The status and the code of a refusal.
async fn refusal(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    let code = header(&response, "iothub-errorcode").to_owned();
    (response.status().as_u16(), code)
}

fn every_message() -> Route {
    Route { name: "messages".to_owned(), source: Source::DeviceMessages, condition: "true".to_owned() }
}
