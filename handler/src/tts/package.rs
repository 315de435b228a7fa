//! The vendor's application package for IoT Hub: one endpoint that takes hub events and does the rest. Only the paid
//! editions of The Things Stack have it.

use std::time::Duration;

use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use url::Url;

use super::api::retry_after;
use super::error_body::ApiError;
use super::id::EndDeviceIds;
use crate::circuit::Circuit;
use crate::error::{Error, OPERATOR, Peer, Retry};
use crate::http::{error_body, transport_failure};
use crate::record::PeerRecord;
use crate::secret::Secret;

/// Longest a submission may take; the host retries the batch afterwards.
const TIMEOUT: Duration = Duration::from_secs(30);

/// One event as the package takes it.
#[derive(Debug, Clone)]
pub struct PackageEvent {
    /// The device it is about.
    pub ids: EndDeviceIds,
    /// The event's body, a JSON object.
    pub body: Box<RawValue>,
    /// The event's application properties.
    pub properties: Map<String, Value>,
}

impl Serialize for PackageEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut event = serializer.serialize_struct("PackageEvent", 3)?;
        event.serialize_field(
            "end_device_ids",
            &json!({
                "device_id": self.ids.device_id(),
                "application_ids": {"application_id": self.ids.application_id()},
            }),
        )?;
        event.serialize_field("body", &self.body)?;
        event.serialize_field("properties", &self.properties)?;
        event.end()
    }
}

/// What became of a submission.
#[derive(Debug)]
pub enum Submission {
    /// The Things Stack has all of it.
    Accepted,
    /// It finds something in the request wrong, without saying what.
    Rejected(ApiError),
}

/// A client for the package.
#[derive(Debug)]
pub struct Package {
    http: Client,
    base_url: Url,
    api_key: Secret,
    circuit: Circuit,
    /// Successes and failures, for `health`.
    pub record: PeerRecord,
}

impl Package {
    /// A client for a cluster; `base_url` ends in `/api/v3`.
    #[must_use]
    pub fn new(http: Client, base_url: &Url, api_key: Secret) -> Self {
        let circuit = Circuit::new(Peer::Tts);
        Self { http, base_url: base_url.clone(), api_key, circuit, record: PeerRecord::default() }
    }

    /// The circuit's state, for `health`.
    #[must_use]
    pub fn circuit_report(&self) -> Value {
        self.circuit.report()
    }

    /// Submits events of one application's devices, in order.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the request as such could not be made or was not let in.
    pub async fn submit(&self, application_id: &str, events: &[PackageEvent]) -> Result<Submission, Error> {
        let result = self.circuit.call(self.post(application_id, events)).await;
        match &result {
            Ok(_) => self.record.succeeded(),
            Err(error) => self.record.failed(&error.to_string()),
        }
        result
    }

    async fn post(&self, application_id: &str, events: &[PackageEvent]) -> Result<Submission, Error> {
        #[derive(Serialize)]
        struct Request<'a> {
            events: &'a [PackageEvent],
        }
        let body = serde_json::to_vec(&Request { events }).expect("events hold only JSON");
        let request = self.http.post(self.url(application_id)).timeout(TIMEOUT).bearer_auth(self.api_key.expose());
        let response = request.header(CONTENT_TYPE, "application/json").body(body).send().await;
        let response = response.map_err(|reason| unavailable(transport_failure(reason), Retry::Soon))?;
        let status = response.status().as_u16();
        if status == 200 {
            return Ok(Submission::Accepted);
        }
        let retry_after = retry_after(response.headers());
        let error = ApiError::read(status, &error_body(response).await);
        match status {
            400 if error.is_about_the_token() => Err(not_let_in(&error, "TTS_API_KEY is not an API key")),
            400 if error.is_about_the_state() => {
                Err(not_let_in(&error, "check the package azure-iot-hub in the Console"))
            }
            400 | 413 | 422 => Ok(Submission::Rejected(error)),
            401 | 403 => Err(not_let_in(&error, "check TTS_API_KEY and its rights")),
            404 | 501 => Err(not_let_in(
                &error,
                "there is no such application, or this The Things Stack has no package azure-iot-hub (only Cloud and \
                 Enterprise do); check TTS_BASE_URL, TTS_APPLICATION_ID and TTS_DELIVERY",
            )),
            429 => Err(unavailable(error.to_string(), Retry::After(retry_after))),
            _ => Err(unavailable(error.to_string(), Retry::Soon)),
        }
    }

    fn url(&self, application_id: &str) -> String {
        format!("{}/as/applications/{application_id}/packages/azureiothub/events", self.base_url)
    }
}

/// An operator can mend it, so the events are worth keeping.
fn not_let_in(error: &ApiError, advice: &str) -> Error {
    unavailable(format!("{error}; {advice}"), Retry::After(OPERATOR))
}

fn unavailable(what: String, retry: Retry) -> Error {
    Error::Unavailable { peer: Peer::Tts, what, retry }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_is_built_from_a_base_url_with_or_without_a_path_before_the_api() {
        for (base_url, expected) in [
            (
                "https://eu1.example/api/v3",
                "https://eu1.example/api/v3/as/applications/plant-a/packages/azureiothub/events",
            ),
            (
                "https://x.example/tts/api/v3",
                "https://x.example/tts/api/v3/as/applications/plant-a/packages/azureiothub/events",
            ),
        ] {
            let package = Package::new(Client::new(), &Url::parse(base_url).unwrap(), Secret::new("k"));
            assert_eq!(package.url("plant-a"), expected);
        }
    }
}
