//! The state all invocations share, and the only list of routes.

use std::sync::{Arc, Once};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use time::OffsetDateTime;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{Instrument, error_span};

use crate::error::Error;
use crate::http::Clients;
use crate::hub_event::Submitted;
use crate::invocation;
use crate::iot_hub::{IotHub, TwinAccess};
use crate::settings::{Delivery, Problems, Settings};
use crate::tts::TheThingsStack;
use crate::tts::api::Api;
use crate::tts::package::Package;
use crate::uplink::{Newest, Unchanged};
use crate::{health, hub_event, redeliver, uplink};

/// Settings and clients.
#[derive(Debug)]
pub struct App {
    pub(crate) settings: Settings,
    pub(crate) iot_hub: IotHub,
    pub(crate) tts: TheThingsStack,
    pub(crate) submitted: Submitted,
    pub(crate) unchanged: Unchanged,
    pub(crate) newest: Arc<Newest>,
    /// A message without its time was met, and it was said.
    pub(crate) no_time: Once,
}

impl App {
    /// Builds the clients the settings ask for.
    #[must_use]
    pub fn new(settings: Settings, clients: Clients, tls: Arc<rustls::ClientConfig>) -> Self {
        let twins = TwinAccess {
            port: settings.twins.mqtt_port,
            tls,
            idle: settings.twins.connection_idle,
            rates: settings.twins.rates,
        };
        let iot_hub = IotHub::new(
            &clients,
            &settings.iot_hub_access,
            settings.iot_hub_https_port,
            settings.iot_hub_registry_calls_per_minute,
            twins,
        );
        let http = clients.http;
        let (base_url, api_key) = (&settings.tts_base_url, settings.tts_api_key.clone());
        let tts = match settings.tts_delivery {
            Delivery::Api => {
                let identity_server_url = &settings.tts_identity_server_url;
                TheThingsStack::Api(Box::new(Api::new(http, base_url, identity_server_url, api_key)))
            }
            Delivery::Package => TheThingsStack::Package(Box::new(Package::new(http, base_url, api_key))),
        };
        let unchanged = Unchanged::new(settings.twins.unchanged_interval);
        Self {
            settings,
            iot_hub,
            tts,
            submitted: Submitted::new(),
            unchanged,
            newest: Arc::default(),
            no_time: Once::new(),
        }
    }
}

/// The time now.
#[expect(clippy::disallowed_methods, reason = "the journeys' only clock")]
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// All routes. A function's route is its folder's name, with `POST`; `GET /` is the host asking whether we listen.
pub fn router(app: App) -> Router {
    let routes = Router::new()
        .route(
            "/uplink",
            post(async |State(app): State<Arc<App>>, headers: HeaderMap, Envelope(envelope): Envelope| {
                uplink::receive(&app, header(&headers, TRACE), envelope).await
            }),
        )
        .route(
            "/hub_events",
            post(async |State(app): State<Arc<App>>, headers: HeaderMap, Envelope(envelope): Envelope| {
                hub_event::receive(&app, header(&headers, TRACE), &envelope).await
            }),
        )
        .route(
            "/redeliver",
            post(async |State(app): State<Arc<App>>, Envelope(envelope): Envelope| {
                redeliver::receive(&app, &envelope).await
            }),
        )
        .route("/health", post(async |State(app): State<Arc<App>>| health::answer(&app)))
        .with_state(Arc::new(app));
    layered(routes)
}

/// The same routes while settings are wrong. The process must stay up: the host gives up on a handler that ends three
/// times, and then nobody could ask `health` why.
pub fn misconfigured_router(problems: Problems) -> Router {
    let names = problems.iter().map(|problem| &*problem.name).collect::<Vec<_>>().join(", ");
    let error = Arc::new(Error::Misconfigured(format!("{names}; function health says how")));
    let (for_uplink, for_events) = (Arc::clone(&error), Arc::clone(&error));
    let routes = Router::new()
        .route("/uplink", post(async move || uplink::answer_failed(&for_uplink)))
        .route(
            "/hub_events",
            post(async move |headers: HeaderMap, Envelope(envelope): Envelope| {
                hub_event::receive_misconfigured(&for_events, header(&headers, TRACE), &envelope)
            }),
        )
        .route(
            "/redeliver",
            post(async move || {
                tracing::error!("parked item not redelivered: {error}");
                invocation::failed(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
            }),
        )
        .route("/health", post(async move || health::answer_misconfigured(&problems)));
    layered(routes)
}

fn layered(routes: Router) -> Router {
    routes
        .layer(middleware::from_fn(in_span))
        .route("/", get(async || StatusCode::OK))
        .fallback(async || invocation::failed(StatusCode::NOT_FOUND, "there is no such function"))
        .layer(DefaultBodyLimit::max(invocation::MAX_BYTES))
        .layer(CatchPanicLayer::custom(|_| {
            invocation::failed(StatusCode::INTERNAL_SERVER_ERROR, "the handler met a fault of its own; see its log")
        }))
}

/// An invocation's body. One over the limit is answered as every failed invocation, and logged.
struct Envelope(Bytes);

impl<S: Send + Sync> FromRequest<S> for Envelope {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        Bytes::from_request(request, state).await.map(Self).map_err(|rejection| {
            let limit = invocation::MAX_BYTES;
            tracing::error!("found an invocation that cannot be read, expected at most {limit} bytes: {rejection}");
            invocation::failed(rejection.status(), &rejection.body_text())
        })
    }
}

/// The W3C trace context the host sends along.
const TRACE: &str = "traceparent";

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Ties every log line of an invocation to the host's ids, at every log level.
async fn in_span(request: Request, next: Next) -> Response {
    let span = error_span!(
        "invocation",
        function = request.uri().path().trim_start_matches('/'),
        invocation_id = header(request.headers(), "X-Azure-Functions-InvocationId"),
        traceparent = header(request.headers(), TRACE),
    );
    next.run(request).instrument(span).await
}

#[cfg(test)]
mod tests;
