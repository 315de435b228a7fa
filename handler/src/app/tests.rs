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
        for name in ["IOT_HUB_CONNECTION_STRING", "TTS_BASE_URL", "TTS_APPLICATION_ID", "TTS_API_KEY"] {
            assert!(text.contains(name), "{path} {text}");
        }
    }
    for (path, body) in [("/hub_events", batch(0)), ("/redeliver", b"{}".to_vec())] {
        let (status, content_type, body) = ask(misconfigured(), "POST", path, body).await;
        assert_eq!((status, content_type.as_deref()), (StatusCode::SERVICE_UNAVAILABLE, Some("application/json")));
        assert!(String::from_utf8(body).unwrap().contains("TTS_API_KEY"), "{path}");
    }
}

/// A batch of a twin change, an unreadable event and an event that is none of ours.
fn batch(retry_count: u32) -> Vec<u8> {
    let metadata = json!({
        "PropertiesArray": r#"[{"opType":"replaceTwin","deviceId":"sensor-1"},{"opType":"replaceTwin","deviceId":"sensor-2"},{}]"#,
        "RetryContext": {"RetryCount": retry_count, "MaxRetryCount": 5},
    });
    let events = r#"["{\"tags\":{\"lorawan\":{\"appKey\":\"0011\"}}}","hello","{}"]"#;
    json!({"Data": {"events": events}, "Metadata": metadata}).to_string().into_bytes()
}

#[tokio::test]
async fn with_wrong_settings_hub_events_are_parked_after_some_tries() {
    let (status, _, body) = ask(misconfigured(), "POST", "/hub_events", batch(5)).await;
    assert_eq!(status, StatusCode::OK);
    let answer: Value = serde_json::from_slice(&body).unwrap();
    let parked = answer["Outputs"]["parked"].as_array().unwrap();
    assert_eq!(parked.len(), 2);
    let item = parked[0].as_str().unwrap();
    assert!(item.contains("misconfigured") && item.contains("sensor-1") && !item.contains("0011"), "{item}");
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
