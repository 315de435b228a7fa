//! Sends one webhook request as the Application Server does: headers, redirects, one total timeout, no retry.

use std::error::Error;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url, redirect};
use serde_json::Value;

use super::ids::EndDeviceIds;
use super::url_template;
use super::webhook::{Delivery, Format, Webhook};
use super::{field_mask, protobuf};

const USER_AGENT: &str = "TheThingsStack/3.36.0 (linux/amd64)";
/// Headers the sender's transport writes itself, whatever a webhook says.
const TRANSPORT: [&str; 4] = ["host", "content-length", "transfer-encoding", "trailer"];

/// Follows redirects as the real sender does: 301, 302 and 303 turn the request into a GET without a body, 307 and
/// 308 repeat it.
pub(super) fn client() -> reqwest::Result<Client> {
    Client::builder().no_proxy().redirect(redirect::Policy::limited(10)).build()
}

/// A message as the webhook wants it: masked and encoded.
pub(super) fn body(webhook: &Webhook, message: &Value) -> Vec<u8> {
    let masked = webhook.field_mask.as_ref().map(|paths| field_mask::apply(message, paths));
    let message = masked.as_ref().unwrap_or(message);
    match webhook.format {
        Format::Json => message.to_string().into_bytes(),
        Format::Protobuf => protobuf::application_up(message),
    }
}

pub(super) async fn deliver(
    client: &Client,
    public_address: &str,
    webhook: &Webhook,
    path: &str,
    ids: &EndDeviceIds,
    body: Vec<u8>,
) -> Delivery {
    let prepared = url_template::target(&webhook.base_url, path, ids)
        .and_then(|url| Ok((url, headers(webhook, public_address, ids)?)));
    let (url, headers) = match prepared {
        Ok(prepared) => prepared,
        Err(reason) => return Delivery::Failed { url: webhook.base_url.clone(), reason },
    };
    match tokio::time::timeout(webhook.timeout, post(client, url.clone(), headers, body)).await {
        Ok(Ok((status, body))) => Delivery::Answered { url: url.into(), status, body },
        Ok(Err(error)) => Delivery::Failed { url: url.into(), reason: chain(&error) },
        Err(_) => Delivery::TimedOut { url: url.into() },
    }
}

async fn post(client: &Client, url: Url, headers: HeaderMap, body: Vec<u8>) -> reqwest::Result<(u16, String)> {
    let response = client.post(url).headers(headers).body(body).send().await?;
    let status = response.status().as_u16();
    Ok((status, String::from_utf8_lossy(&response.bytes().await?).into_owned()))
}

/// The webhook's own headers first; what comes later replaces them.
fn headers(webhook: &Webhook, public_address: &str, ids: &EndDeviceIds) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    set(&mut headers, "user-agent", USER_AGENT)?;
    set(&mut headers, "accept-encoding", "gzip")?;
    for (name, value) in &webhook.headers {
        if !TRANSPORT.contains(&name.to_ascii_lowercase().as_str()) {
            set(&mut headers, name, value)?;
        }
    }
    if let Some(key) = &webhook.downlink_api_key {
        let down = format!(
            "{public_address}/as/applications/{}/webhooks/{}/devices/{}/down",
            ids.application_id, webhook.webhook_id, ids.device_id
        );
        set(&mut headers, "x-downlink-apikey", key)?;
        set(&mut headers, "x-downlink-push", &format!("{down}/push"))?;
        set(&mut headers, "x-downlink-replace", &format!("{down}/replace"))?;
    }
    set(&mut headers, "x-tts-domain", domain(public_address))?;
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(match webhook.format {
            Format::Json => "application/json",
            Format::Protobuf => "application/octet-stream",
        }),
    );
    Ok(headers)
}

fn set(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), String> {
    let invalid = |what: &str| format!("header {name}: invalid {what}");
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid("name"))?;
    let value = HeaderValue::from_str(value).map_err(|_| invalid("value"))?;
    headers.insert(name, value);
    Ok(())
}

/// Host, with a port if there is one.
fn domain(public_address: &str) -> &str {
    let behind_scheme = public_address.split_once("://").map_or(public_address, |(_, rest)| rest);
    behind_scheme.split('/').next().unwrap_or_default()
}

fn chain(error: &dyn Error) -> String {
    let mut chain = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        chain = format!("{chain}: {error}");
        cause = error.source();
    }
    chain
}
