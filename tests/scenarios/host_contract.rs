//! The handler as the Functions host meets it.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{LIMIT, device, eventually, messages, script_root, send, system};

fn http_envelope(body: &str) -> Vec<u8> {
    let request = json!({"Url": "http://localhost/api/tts", "Method": "POST", "Headers": {"Content-Type": ["application/json"]}, "Params": {}, "Body": body});
    json!({"Data": {"req": request}, "Metadata": {"sys": {"MethodName": "uplink"}}}).to_string().into_bytes()
}

#[tokio::test]
async fn chunked_bodies_of_40_mb_are_taken() {
    let system = system().await;
    let answer = system.host.invoke_raw("uplink", http_envelope(&"x".repeat(40 * 1024 * 1024))).await;
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/json"));
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer["Outputs"]["res"]["statusCode"], 401, "no secret, but the body was read");
}

#[tokio::test]
async fn every_answer_is_a_json_object_whatever_was_asked() {
    let system = system().await;
    let functions = ["uplink", "hub_events", "redeliver", "health", "no_such_function"];
    let bodies: [&[u8]; 4] = [b"", b"null", b"\xff\xfe", b"{}"];
    let nonsense = functions.iter().flat_map(|function| bodies.map(|body| (*function, body.to_vec())));
    let further = [
        ("uplink", http_envelope("{}")),
        ("hub_events", br#"{"Data":{"events":"%"},"Metadata":{}}"#.to_vec()),
        ("hub_events", br#"{"Data":{"events":"[]"},"Metadata":{}}"#.to_vec()),
        ("redeliver", br#"{"Data":{"item":"%"},"Metadata":{}}"#.to_vec()),
        ("redeliver", br#"{"Data":{"item":"\"hello\""},"Metadata":{"DequeueCount":"1"}}"#.to_vec()),
    ];
    for (function, body) in nonsense.chain(further) {
        let answer = system.host.invoke_raw(function, body.clone()).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.content_type, "application/json", "{function} {body:?}: {text}");
        assert!(
            serde_json::from_slice::<Value>(&answer.body).is_ok_and(|answer| answer.is_object()),
            "{function}: {text}"
        );
    }
    assert_eq!(system.host.handler_starts(), 1);
}

#[tokio::test]
async fn an_event_invoked_by_hand_reaches_the_handler_and_is_ignored_visibly() {
    let system = system().await;
    let request = reqwest::Client::new()
        .post(format!("{}/admin/functions/hub_events", system.host.url()))
        .header("x-functions-key", system.host.master_key())
        .header("Content-Type", "application/json")
        .body(r#"{"input": "{}"}"#);
    assert_eq!(request.send().await.unwrap().status(), 202);
    system.host.wait_for_log(|line| line.contains("it has no opType"), LIMIT).await.unwrap();
    let invocation = eventually(|| system.host.invocations().into_iter().next()).await;
    assert!(invocation.expect("the handler has answered").succeeded);
}

#[tokio::test]
async fn a_killed_handler_is_started_again_and_goes_on() {
    let system = system().await;
    send(&system, &device("sensor-1").uplink(2, 1, &[1])).await;
    system.host.kill_handler().await;
    assert_eq!(send(&system, &device("sensor-1").uplink(2, 2, &[1])).await.status, 200);
    assert_eq!(messages(&system, 2).await.len(), 2);
    assert_eq!(system.host.handler_starts(), 2);
}

#[tokio::test]
async fn the_handler_never_ends_with_exit_code_0() {
    let handler = script_root().await.join("handler");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_port = taken.local_addr().unwrap().port().to_string();
    let spawn = move |port: &str| {
        let mut command = Command::new(&handler);
        command.env_clear().env("FUNCTIONS_CUSTOMHANDLER_PORT", port).stdout(Stdio::piped());
        command.spawn().unwrap()
    };
    for port in [taken_port.as_str(), "none"] {
        let output = spawn(port).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(70), "{}", String::from_utf8_lossy(&output.stdout));
    }
    // A port found free may be taken a moment later by a test beside this one.
    for _ in 0..20 {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut child = spawn(&free.to_string());
        let stdout = child.stdout.take().unwrap();
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stdout)).map_while(Result::ok);
        let listening = tokio::task::spawn_blocking(move || (lines.any(|line| line.contains("\"listening\"")), lines));
        let (is_listening, _open_stdout) = listening.await.unwrap();
        if is_listening {
            Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
            return;
        }
        assert_eq!(child.wait().unwrap().code(), Some(70));
    }
    panic!("no free port in twenty tries");
}
