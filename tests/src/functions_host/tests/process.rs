//! The handler's life: environment, restarts, the end.

use super::*;

fn device() -> ScriptRoot {
    ScriptRoot::new(&[("device", http("device", "post"))])
}

#[tokio::test]
async fn the_handler_gets_the_documented_environment_and_nothing_else() {
    let root = device();
    let mut options = root.options(&json!({}));
    options.settings.insert("MINE".to_owned(), "1".to_owned());
    let host = FunctionsHost::start(options).await.unwrap();
    let line = host.wait_for_log(|line| line.contains("ENVIRONMENT"), LIMIT).await.unwrap();
    let names: Vec<String> = serde_json::from_str(line.text.split_once("ENVIRONMENT ").unwrap().1).unwrap();
    let inherited = |name: &String| !["PATH", "HOME", "TMPDIR"].contains(&name.as_str());
    let names: Vec<_> = names.into_iter().filter(inherited).collect();
    let expected = [
        fake_handler::SCRIPT,
        "FUNCTIONS_APP_ROOT_PATH",
        "FUNCTIONS_CUSTOMHANDLER_PORT",
        "FUNCTIONS_CUSTOMHANDLER_WORKER_ID",
        "FUNCTIONS_HTTPWORKER_ID",
        "FUNCTIONS_HTTPWORKER_PORT",
        "MINE",
    ];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn exact_bytes_can_be_posted_and_the_raw_answer_looked_at() {
    let root = device();
    let script = json!({"device": [{"status": 503, "contentType": "text/plain", "body": "no"}]});
    let host = root.start(&script).await;
    let expected = RawAnswer { status: 503, content_type: "text/plain".to_owned(), body: b"no".to_vec() };
    assert_eq!(host.invoke_raw("device", b"not json".to_vec()).await, expected);
    assert_eq!(host.invoke_raw("device", Vec::new()).await, expected);
    let bodies: Vec<_> = requests(&host, 2).await.into_iter().map(|request| request["body"].clone()).collect();
    assert_eq!(bodies, ["not json", ""]);
    assert_eq!(host.invocations(), []);
}

#[tokio::test]
async fn two_errors_are_restarts_on_the_same_port_and_the_third_ends_the_host() {
    let root = device();
    let host = root.start(&json!({"device": [{"exit": 3}]})).await;
    let port = host.handler_port();
    for starts in 2..=3 {
        assert_eq!(host.invoke_raw("device", Vec::new()).await.status, 0);
        eventually(|| host.handler_starts() == starts).await;
        eventually(|| host.handler_pid().is_some()).await;
    }
    assert_eq!(host.handler_port(), port);
    host.invoke_raw("device", Vec::new()).await;
    eventually(|| host.handler_pid().is_none()).await;
    let failure = String::from_utf8(host.invoke_raw("device", Vec::new()).await.body).unwrap();
    assert!(failure.contains("Exceeded") && failure.contains("exit status: 3"), "{failure}");
    let response = reqwest::get(format!("{}/api/device", host.url())).await.unwrap();
    assert_eq!((response.status().as_u16(), host.handler_starts()), (503, 3));
}

#[tokio::test]
async fn the_restart_limit_decides_how_often_the_handler_may_be_killed() {
    let root = device();
    let options = Options { restart_limit: 5, ..root.options(&json!({})) };
    let host = FunctionsHost::start(options).await.unwrap();
    for starts in 2..=6 {
        host.kill_handler().await;
        eventually(|| host.handler_starts() == starts && host.handler_pid().is_some()).await;
    }
    host.kill_handler().await;
    eventually(|| host.handler_port() == 0).await;
    assert_eq!(host.handler_starts(), 6);
}

#[tokio::test]
async fn a_handler_that_exits_with_0_is_not_restarted_and_every_invocation_fails() {
    let root = device();
    let host = root.start(&json!({"device": [{"exit": 0}]})).await;
    host.invoke_raw("device", Vec::new()).await;
    eventually(|| host.handler_pid().is_none()).await;
    let request = reqwest::Client::new().post(format!("{}/api/device", host.url()));
    let response = request.header("x-functions-key", host.function_key()).send().await.unwrap();
    assert_eq!((response.status().as_u16(), host.handler_starts()), (500, 1));
    let failure = host.invocations().pop().unwrap().failure.unwrap();
    assert!(failure.contains("connection refused"), "{failure}");
}

#[tokio::test]
async fn a_handler_that_asks_for_a_restart_gets_any_number_of_them() {
    let root = device();
    let host = root.start(&json!({"device": [{"exit": 200}]})).await;
    for starts in 2..=6 {
        host.invoke_raw("device", Vec::new()).await;
        eventually(|| host.handler_starts() == starts).await;
        eventually(|| host.handler_pid().is_some()).await;
    }
}

#[tokio::test]
async fn an_invocation_over_the_function_timeout_kills_the_handler_and_starts_it_again() {
    let root = device();
    let mut json = host_json();
    json["functionTimeout"] = json!("00:00:00.2");
    root.write("host.json", &json);
    let host = root.start(&json!({"device": [{"hang": true}]})).await;
    let answer = host.invoke_raw("device", Vec::new()).await;
    assert_eq!(answer.status, 0);
    assert!(String::from_utf8(answer.body).unwrap().contains("Timeout value of 200ms exceeded"));
    eventually(|| host.handler_starts() == 2 && host.handler_pid().is_some()).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn stopping_or_dropping_the_host_kills_the_handler() {
    let root = device();
    for stop in [true, false] {
        let host = root.start(&json!({})).await;
        let process = PathBuf::from(format!("/proc/{}/fd/0", host.handler_pid().unwrap()));
        assert!(process.exists());
        if stop {
            host.stop().await
        } else {
            drop(host)
        }
        eventually(|| !process.exists()).await;
    }
}
