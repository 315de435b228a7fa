//! The host's HTTP client: kept-alive HTTP/1.1 to the handler, bodies chunked.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use uuid::Uuid;

/// The version the stand-in claims to be.
pub const HOST_VERSION: &str = "4.1048.200.1";

const CHUNK: usize = 16 * 1024;

/// A client whose connections to the handler are shared by all invocations.
#[derive(Debug, Clone)]
pub(super) struct HandlerClient(Client<HttpConnector, Payload>);

/// What the handler answered, before anything is made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawAnswer {
    /// The HTTP status; 0 when the connection was refused or broke, `body` then says how.
    pub status: u16,
    /// The `Content-Type`, empty when there is none.
    pub content_type: String,
    /// All bytes of the body.
    pub body: Vec<u8>,
}

impl HandlerClient {
    pub(super) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self(Client::builder(TokioExecutor::new()).build(connector))
    }

    /// Whether `GET /` gets any answer at all; only a failure to connect counts as "not yet".
    pub(super) async fn is_listening(&self, port: u16) -> bool {
        let request = Request::get(format!("http://127.0.0.1:{port}/")).body(Payload::none());
        match request {
            Ok(request) => self.0.request(request).await.map_or_else(|error| !error.is_connect(), |_| true),
            Err(_) => false,
        }
    }

    /// Posts an invocation and reads the whole answer.
    pub(super) async fn post(&self, port: u16, function: &str, id: Uuid, body: Vec<u8>) -> Result<RawAnswer, String> {
        let trace = format!("00-{:032x}-{:016x}-00", Uuid::new_v4().as_u128(), fastrand::u64(1..));
        let request = Request::post(format!("http://127.0.0.1:{port}/{function}"))
            .header("X-Azure-Functions-HostVersion", HOST_VERSION)
            .header("X-Azure-Functions-InvocationId", id.to_string())
            .header(USER_AGENT, format!("Azure-Functions-Host/{HOST_VERSION}"))
            .header("traceparent", trace)
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .body(Payload::chunked(body))
            .map_err(|error| error.to_string())?;
        let answer = self.0.request(request).await.map_err(|error| with_sources(&error))?;
        let status = answer.status().as_u16();
        let content_type = answer.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let content_type = String::from_utf8_lossy(content_type).into_owned();
        let body = answer.into_body().collect().await.map_err(|error| with_sources(&error))?;
        Ok(RawAnswer { status, content_type, body: body.to_bytes().to_vec() })
    }
}

fn with_sources(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A request body; one of unknown length goes out with `Transfer-Encoding: chunked`, even when it is empty.
#[derive(Debug)]
pub struct Payload {
    rest: Bytes,
    length_known: bool,
}

impl Payload {
    fn none() -> Self {
        Self { rest: Bytes::new(), length_known: true }
    }

    /// The body of an invocation.
    pub fn chunked(body: impl Into<Bytes>) -> Self {
        Self { rest: body.into(), length_known: false }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = self.rest.len().min(CHUNK);
        let chunk = self.rest.split_to(length);
        Poll::Ready((length > 0).then(|| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.length_known && self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.length_known { SizeHint::with_exact(self.rest.len() as u64) } else { SizeHint::default() }
    }
}
