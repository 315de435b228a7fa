//! The Functions host's side: uplinks of many devices over kept-alive connections, one after the other on each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use local::functions_host::envelope::{HttpRequest, Sys, envelope, http_data, http_metadata};
use local::functions_host::{HOST_VERSION, Payload};
use serde_json::{Map, Value};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Failure;

/// What the host sends along; the handler puts both into its log lines.
const INVOCATION_ID: &str = "0b1c2d3e-4f50-4617-8293-a4b5c6d7e8f9";
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

/// Invocations that take turns, made once, and how many the host has under way at once.
#[derive(Clone)]
pub(crate) struct Load {
    envelopes: Arc<Vec<Bytes>>,
    connections: usize,
}

impl Load {
    /// The invocation numbered `n` is always on the connection `n % connections`.
    pub(crate) fn new(envelopes: impl Iterator<Item = Bytes>, connections: usize) -> Self {
        Self { envelopes: Arc::new(envelopes.collect()), connections }
    }

    /// Sends so many uplinks, each answered with 200, and says how long that took.
    pub(crate) async fn run(&self, port: u16, uplinks: usize) -> Result<Duration, Failure> {
        let began = Instant::now();
        let mut connections = JoinSet::new();
        for first in 0..self.connections.min(uplinks) {
            connections.spawn(self.clone().connection(port, first, uplinks));
        }
        while let Some(ended) = connections.join_next().await {
            ended??;
        }
        Ok(began.elapsed())
    }

    async fn connection(self, port: u16, first: usize, uplinks: usize) -> Result<(), Failure> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        for number in (first..uplinks).step_by(self.connections) {
            let request = Request::post("/uplink")
                .header(HOST, "127.0.0.1")
                .header("X-Azure-Functions-HostVersion", HOST_VERSION)
                .header("X-Azure-Functions-InvocationId", INVOCATION_ID)
                .header("traceparent", TRACE)
                .header(CONTENT_TYPE, "application/json; charset=utf-8")
                .body(Payload::chunked(self.envelopes[number % self.envelopes.len()].clone()))?;
            sender.ready().await?;
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            if status != 200 || !body.starts_with(b"{\"Outputs\":{\"res\":{\"statusCode\":200,") {
                return Err(format!("uplink {number} was answered {status} {}", body.escape_ascii()).into());
            }
        }
        connection.abort();
        Ok(())
    }
}

/// An uplink of a device, as the Functions host hands it over.
pub(crate) fn envelope_of(uplink: &Value, device_id: &str) -> Bytes {
    let mut uplink = uplink.clone();
    uplink["end_device_ids"]["device_id"] = device_id.into();
    let rest = format!("applications/plant-a/devices/{device_id}/up");
    let request = HttpRequest {
        url: format!("https://app.azurewebsites.net/api/tts/{rest}"),
        method: "POST".to_owned(),
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        params: Map::from_iter([("rest".to_owned(), rest.into())]),
        body: Some(uplink.to_string().into_bytes()),
        query: Vec::new(),
    };
    envelope("req", http_data(&request), http_metadata(&request, &Sys::now("uplink"))).to_string().into()
}

/// The middle value.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
