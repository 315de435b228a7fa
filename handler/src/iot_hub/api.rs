//! The hub's HTTPS APIs, one request at a time: device side (send) and service side (identities, twins).

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use reqwest::{Client, RequestBuilder, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::access::Side;
use super::credential::Credential;
use super::gate::TwinGate;
use super::managed_identity::ManagedIdentity;
use super::outcome::{Creation, Identity, Sent, TagsWritten};
use super::refusal::Refusal;
use super::{API_VERSION, Access, DeviceId, DeviceToCloudMessage};
use crate::error::{Error, Peer, Retry};
use crate::http::{BareClient, Clients, OUR_NAME, transport_failure, with_causes};

/// Room made for a message's headers; there may be more.
const EXPECTED_HEADERS: usize = 20;

/// Requests to one hub.
#[derive(Debug)]
pub(super) struct HubApi {
    http: Client,
    bare_http: BareClient,
    base_url: String,
    access: Access,
    /// The policy's, for the device side and, without a managed identity, for the service side.
    credential: Credential,
    identity: Option<ManagedIdentity>,
    twin_gate: TwinGate,
}

impl HubApi {
    pub(super) fn new(clients: &Clients, access: &Access, port: u16) -> Self {
        let host_name = &access.policy.host_name;
        let identity = access.client_id.as_deref();
        Self {
            http: clients.http.clone(),
            bare_http: clients.bare.clone(),
            base_url: format!("https://{host_name}:{port}"),
            access: access.clone(),
            credential: Credential::new(&access.policy),
            identity: identity.map(|client_id| ManagedIdentity::new(clients.platform.clone(), client_id, host_name)),
            twin_gate: TwinGate::default(),
        }
    }

    /// A refusal of our credential as a sentence that ends in what to do.
    pub(super) fn refused(&self, side: Side, refusal: &Refusal) -> String {
        self.access.refused(side, refusal)
    }

    /// How the managed identity last got its tokens, for `health`; `None` if there is none.
    pub(super) fn identity_report(&self) -> Option<Value> {
        self.identity.as_ref().map(ManagedIdentity::report)
    }

    /// Sends one message as its device. Only 204 means that the hub has it.
    pub(super) async fn send(&self, message: &DeviceToCloudMessage, timeout: Duration) -> Result<Sent, Error> {
        let request = self.request_of(message).map_err(|reason| {
            Error::Malformed(format!("found a message that cannot be put into a request: {reason}"))
        })?;
        let answer = async {
            let response = self.bare_http.request(request).await;
            let response = response.map_err(|reason| unavailable(with_causes(reason.to_string(), &reason)))?;
            if response.status() == StatusCode::NO_CONTENT {
                return Ok(Sent::Accepted);
            }
            match Refusal::read(response.map(reqwest::Body::wrap).into()).await {
                refusal if refusal.status == 401 || refusal.is_about_a_missing_device() => {
                    Ok(Sent::UnknownDevice(refusal))
                }
                refusal => Err(refusal.into_error()),
            }
        };
        tokio::time::timeout(timeout, answer).await.unwrap_or_else(|_| Err(unavailable("timed out".to_owned())))
    }

    fn request_of(&self, message: &DeviceToCloudMessage) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let mut request = Request::new(Full::from(message.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() =
            self.url(&format!("/devices/{}/messages/events", message.device_id.path_segment())).try_into()?;
        let headers = request.headers_mut();
        headers.reserve(EXPECTED_HEADERS);
        for (name, value) in message.headers() {
            headers.append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        }
        headers.insert(AUTHORIZATION, self.credential.authorization());
        headers.insert(USER_AGENT, HeaderValue::from_static(OUR_NAME));
        Ok(request)
    }

    /// Creates a device identity with keys made by the hub. Without If-Match the hub only creates, never overwrites.
    pub(super) async fn create(&self, device_id: &DeviceId, timeout: Duration) -> Result<Creation, Error> {
        let identity = json!({
            "deviceId": device_id.as_str(),
            "status": "enabled",
            "authentication": {"type": "sas", "symmetricKey": {"primaryKey": "", "secondaryKey": ""}},
        });
        let request = self.http.put(self.url(&format!("/devices/{}", device_id.path_segment())));
        let request = request.header(CONTENT_TYPE, "application/json").body(identity.to_string());
        let response = self.answer(request, timeout).await?;
        match response.status().as_u16() {
            200 | 201 => Ok(Creation::Created),
            409 => Ok(Creation::Exists),
            _ => match Refusal::read(response).await {
                refusal if refusal.is_about_our_credential() => Ok(Creation::Unauthorized(refusal)),
                refusal => Err(refusal.into_error()),
            },
        }
    }

    /// Looks a device identity up.
    pub(super) async fn identity(&self, device_id: &DeviceId, timeout: Duration) -> Result<Identity, Error> {
        #[derive(Deserialize)]
        struct Body {
            status: String,
        }
        let request = self.http.get(self.url(&format!("/devices/{}", device_id.path_segment())));
        let response = self.answer(request, timeout).await?;
        match response.status().as_u16() {
            200 => match response.bytes().await.ok().and_then(|body| serde_json::from_slice(&body).ok()) {
                Some(Body { status }) if status == "enabled" => Ok(Identity::Enabled),
                Some(Body { status }) if status == "disabled" => Ok(Identity::Disabled),
                _ => Err(unavailable("found no status enabled or disabled in a device identity".to_owned())),
            },
            _ => match Refusal::read(response).await {
                refusal if refusal.is_about_a_missing_device() => Ok(Identity::Missing),
                refusal if refusal.is_about_our_credential() => Ok(Identity::Unauthorized(refusal)),
                refusal => Err(refusal.into_error()),
            },
        }
    }

    /// Whether twins may be asked for, or why not: our credential was refused a moment ago. To be looked at before the
    /// circuit, for this is no answer of the hub.
    pub(super) fn may_ask_for_twins(&self) -> Result<(), Error> {
        self.twin_gate.check()
    }

    /// The twin as the service side sees it, `None` if there is no such device.
    pub(super) async fn twin(&self, device_id: &DeviceId, timeout: Duration) -> Result<Option<Value>, Error> {
        let request = self.http.get(self.url(&format!("/twins/{}", device_id.path_segment())));
        let response = self.answer(request, timeout).await?;
        match response.status().as_u16() {
            200 => {
                let twin = document(response).await;
                let what = || unavailable("found no twin in its answer to a request for one".to_owned());
                twin.is_object().then_some(Some(twin)).ok_or_else(what)
            }
            _ => match Refusal::read(response).await {
                refusal if refusal.is_about_a_missing_device() => Ok(None),
                refusal => Err(self.no_twin(refusal)),
            },
        }
    }

    /// Merges tags into a twin, if it still has this entity tag. `null` takes a tag out.
    pub(super) async fn write_tags(
        &self,
        device_id: &DeviceId,
        tags: &Value,
        etag: Option<&str>,
        timeout: Duration,
    ) -> Result<TagsWritten, Error> {
        let mut request = self.http.patch(self.url(&format!("/twins/{}", device_id.path_segment())));
        if let Some(etag) = etag {
            request = request.header(IF_MATCH, format!("\"{}\"", etag.trim_matches('"')));
        }
        let request = request.header(CONTENT_TYPE, "application/json").body(json!({"tags": tags}).to_string());
        let response = self.answer(request, timeout).await?;
        match response.status().as_u16() {
            200 => Ok(TagsWritten::Done(document(response).await)),
            412 => Ok(TagsWritten::TwinChanged),
            _ => match Refusal::read(response).await {
                refusal if refusal.is_about_a_missing_device() => Ok(TagsWritten::NoDevice),
                refusal => Err(self.no_twin(refusal)),
            },
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}?api-version={API_VERSION}", self.base_url)
    }

    fn no_twin(&self, refusal: Refusal) -> Error {
        match refusal.is_about_our_credential() {
            true => self.twin_gate.close(self.refused(Side::Twins, &refusal)),
            false => refusal.into_error(),
        }
    }

    /// What authorizes a request to the service side.
    pub(super) async fn authorize(&self, timeout: Duration) -> Result<HeaderValue, Error> {
        match &self.identity {
            Some(identity) => identity.authorization(timeout).await,
            None => Ok(self.credential.authorization()),
        }
    }

    async fn answer(&self, request: RequestBuilder, timeout: Duration) -> Result<Response, Error> {
        let deadline = Instant::now() + timeout;
        let request = request.header(AUTHORIZATION, self.authorize(timeout).await?);
        let request = request.timeout(deadline.saturating_duration_since(Instant::now()));
        request.send().await.map_err(|reason| unavailable(transport_failure(reason)))
    }
}

fn unavailable(what: String) -> Error {
    Error::Unavailable { peer: Peer::IotHub, what, retry: Retry::Soon }
}

/// What an answer says; `null` if that cannot be read.
async fn document(response: Response) -> Value {
    response.bytes().await.ok().and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default()
}
