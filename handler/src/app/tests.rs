//! What the Functions host meets on our port, whatever the settings.

use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;

async fn ask(router: Router, method: &str, path: &str, body: Vec<u8>) -> (StatusCode, Option<String>, Vec<u8>) {
    let request = Request::builder().method(method).uri(path).body(Body::from(body)).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let content_type = response.headers().get(CONTENT_TYPE).map(|value| value.to_str().unwrap().to_owned());
    (response.status(), content_type, to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec())
}

fn misconfigured() -> Router {
    misconfigured_router(Settings::from_lookup(|_| None).unwrap_err())
}

#[tokio::test]
async fn the_hosts_readiness_question_is_answered_at_once_even_with_wrong_settings() {
    assert_eq!(ask(misconfigured(), "GET", "/", vec![]).await, (StatusCode::OK, None, vec![]));
}

#[tokio::test]
async fn with_wrong_settings_every_invocation_answers_503_and_names_each_of_them() {
    for path in ["/uplink", "/health"] {
        let (status, content_type, body) = ask(misconfigured(), "POST", path, b"{}".to_vec()).await;
        assert_eq!((status, content_type.as_deref()), (StatusCode::OK, Some("application/json")));
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answer["Outputs"]["res"]["statusCode"], json!(503));
        let text = answer["Outputs"]["res"]["body"].as_str().unwrap();
        for name in ["IOT_HUB_CONNECTION_STRING", "TTS_BASE_URL", "TTS_APPLICATION_ID", "TTS_API_KEY", "TTS_DELIVERY"] {
            assert!(text.contains(name), "{path} {text}");
        }
    }
    let (status, content_type, body) = ask(misconfigured(), "POST", "/hub_events", b"{}".to_vec()).await;
    assert_eq!((status, content_type.as_deref()), (StatusCode::SERVICE_UNAVAILABLE, Some("application/json")));
    assert!(String::from_utf8(body).unwrap().contains("TTS_API_KEY"));
}

#[tokio::test]
async fn an_unknown_function_answers_404_as_json() {
    let (status, content_type, _) = ask(misconfigured(), "POST", "/other", vec![]).await;
    assert_eq!((status, content_type.as_deref()), (StatusCode::NOT_FOUND, Some("application/json")));
}

#[tokio::test]
async fn a_panic_fails_one_invocation_with_json() {
    async fn panicking() {
        panic!("a fault of its own");
    }
    let router = layered(Router::new().route("/uplink", post(panicking)));
    let (status, content_type, body) = ask(router, "POST", "/uplink", vec![]).await;
    assert_eq!((status, content_type.as_deref()), (StatusCode::INTERNAL_SERVER_ERROR, Some("application/json")));
    assert!(serde_json::from_slice::<Value>(&body).unwrap().is_object());
}
