//! HTTP functions, seen from the caller.

use super::*;

async fn send(request: reqwest::RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn a_request_reaches_the_handler_in_the_envelope_and_the_answer_comes_back() {
    let root = ScriptRoot::new(&[("device", http("devices/{id}", "post"))]);
    let answer = json!({
        "Outputs": {"res": {"statusCode": 201, "headers": {"X-Mine": "1"}, "body": "made"}},
        "Logs": ["x"],
    });
    let host = root.start(&json!({"device": [{"body": answer}]})).await;
    let response = reqwest::Client::new()
        .post(format!("{}/api/Devices/dev-7?since=5&since=6", host.url()))
        .header("x-functions-key", host.function_key())
        .header("content-type", "application/json")
        .body("{\"mode\":\"eco\"}")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["x-mine"], "1");
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(response.text().await.unwrap(), "made");

    let request = requests(&host, 1).await.pop().unwrap();
    assert_eq!((&request["method"], &request["path"]), (&json!("POST"), &json!("/device")));
    let data = &request["body"]["Data"]["req"];
    assert_eq!(data["Url"], format!("{}/api/Devices/dev-7?since=5&since=6", host.url()));
    assert_eq!(data["Params"], json!({"id": "dev-7"}));
    assert_eq!(data["Query"], json!({"since": "5,6"}));
    assert_eq!(data["Body"], "{\"mode\":\"eco\"}");
    assert_eq!(data["Headers"]["Content-Length"], json!(["14"]));
    assert_eq!(request["body"]["Metadata"]["sys"]["MethodName"], "device");
}

#[tokio::test]
async fn an_invocation_is_posted_chunked_with_the_hosts_own_headers() {
    let root = ScriptRoot::new(&[("device", http("device", "get"))]);
    let host = root.start(&json!({})).await;
    let (status, _) =
        send(reqwest::Client::new().get(format!("{}/api/device?code={}", host.url(), host.master_key()))).await;
    assert_eq!(status, 200);
    let invocation = host.invocations().pop().unwrap();
    let mut headers = requests(&host, 1).await.pop().unwrap()["headers"].as_object().unwrap().clone();
    let trace = headers.remove("traceparent").unwrap();
    let lengths: Vec<_> = trace.as_str().unwrap().split('-').map(str::len).collect();
    assert_eq!(lengths, [2, 32, 16, 2]);
    let expected = json!({
        "host": format!("127.0.0.1:{}", host.handler_port()),
        "x-azure-functions-hostversion": "4.1048.200.1",
        "x-azure-functions-invocationid": invocation.invocation_id.to_string(),
        "user-agent": "Azure-Functions-Host/4.1048.200.1",
        "content-type": "application/json; charset=utf-8",
        "transfer-encoding": "chunked",
    });
    assert_eq!(Value::Object(headers), expected);
}

#[tokio::test]
async fn wrong_keys_give_401_and_wrong_paths_or_methods_404_without_an_invocation() {
    let root = ScriptRoot::new(&[("device", http("device", "post"))]);
    let host = root.start(&json!({})).await;
    let client = reqwest::Client::new();
    let (right, wrong) = (host.function_key(), "wrong");
    for (method, path, key, expected) in [
        ("POST", "api/device", "", 401),
        ("POST", "api/device", wrong, 401),
        ("POST", "api/other", right, 404),
        ("POST", "device", right, 404),
        ("POST", "apidevice", right, 404),
        ("GET", "api/device", right, 404),
        ("POST", "admin/functions/device", right, 401),
        ("POST", "admin/functions/other", host.master_key(), 404),
    ] {
        let request = client.request(method.parse().unwrap(), format!("{}/{path}", host.url()));
        let answer = send(request.header("x-functions-key", key)).await;
        assert_eq!(answer, (expected, String::new()), "{method} {path} {key}");
    }
    assert_eq!(host.invocations(), []);
}

#[tokio::test]
async fn an_answer_the_host_does_not_accept_is_a_500_with_an_empty_body() {
    let root = ScriptRoot::new(&[("device", http("device", "post"))]);
    let steps = json!([
        {"status": 500, "body": {"Outputs": {"res": {"body": "secret"}}}},
        {"contentType": "text/plain"},
        {"body": ""},
    ]);
    let host = root.start(&json!({"device": steps})).await;
    for expected in ["does not indicate success: 500", "UnsupportedMediaType", "would hang until functionTimeout"] {
        let request = reqwest::Client::new().post(format!("{}/api/device", host.url()));
        assert_eq!(send(request.header("x-functions-key", host.function_key())).await, (500, String::new()));
        let invocation = host.invocations().pop().unwrap();
        assert!(!invocation.succeeded);
        assert!(invocation.failure.as_deref().unwrap().contains(expected), "{invocation:?}");
    }
}

#[tokio::test]
async fn a_body_sent_chunked_never_reaches_the_handler() {
    let root = ScriptRoot::new(&[("device", http("device", "post"))]);
    let host = root.start(&json!({})).await;
    let mut stream = tokio::net::TcpStream::connect(host.url().trim_start_matches("http://")).await.unwrap();
    let request = format!(
        "POST /api/device HTTP/1.1\r\nHost: me\r\nConnection: close\r\nx-functions-key: {}\r\n\
         Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n",
        host.function_key()
    );
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let request = requests(&host, 1).await.pop().unwrap();
    assert_eq!(request["body"]["Data"]["req"].get("Body"), None);
    assert_eq!(request["body"]["Data"]["req"]["Url"], "http://me/api/device");
}

/// A host whose function puts into two queues beside its response.
async fn with_queues(parked: Value) -> (ScriptRoot, FunctionsHost) {
    let mut function = http("device", "post");
    for (name, queue) in [("parked", "%QUEUE%"), ("other", "other")] {
        let output = json!({"type": "queue", "direction": "out", "name": name, "queueName": queue, "connection": "S"});
        function["bindings"].as_array_mut().unwrap().push(output);
    }
    let root = ScriptRoot::new(&[("device", function)]);
    let answer = json!({"Outputs": {"res": {"statusCode": 202}, "parked": parked, "other": ["o"]}});
    let mut options = root.options(&json!({"device": [{"body": answer}]}));
    options.settings.insert("QUEUE".to_owned(), "parked-items".to_owned());
    let queues = options.queues["AzureWebJobsStorage"].clone();
    options.queues.insert("S".to_owned(), queues);
    let host = FunctionsHost::start(options).await.unwrap();
    (root, host)
}

async fn status_of(host: &FunctionsHost) -> u16 {
    send(reqwest::Client::new().post(format!("{}/api/device?code={}", host.url(), host.function_key()))).await.0
}

#[tokio::test]
async fn queue_outputs_are_in_their_queues_when_the_response_arrives() {
    let (_root, host) = with_queues(json!(["{\"a\":1}", "test"])).await;
    assert_eq!(status_of(&host).await, 202);
    assert_eq!(host.output_messages("parked-items"), ["{\"a\":1}", "test"]);
    assert_eq!(host.output_messages("other"), ["o"]);
    let stored: Vec<_> = host.queues().all("parked-items").unwrap().into_iter().map(|message| message.text).collect();
    assert_eq!(stored, ["eyJhIjoxfQ==", "dGVzdA=="]);
}

#[tokio::test]
async fn a_queue_that_takes_nothing_fails_the_invocation_after_the_handler_has_answered() {
    let (_root, host) = with_queues(json!(["lost"])).await;
    host.queues().inject(PutFault::Next(1));
    assert_eq!(status_of(&host).await, 500);
    let invocation = host.invocations().pop().unwrap();
    assert_eq!((invocation.succeeded, invocation.status), (false, Some(200)));
    assert_eq!(invocation.failure.as_deref(), Some("queue parked-items: 503 ServerBusy"));
    assert_eq!(host.output_messages("other"), ["o"], "the other binding is not held up");
    host.queues().inject(PutFault::UntilCleared);
    assert_eq!((status_of(&host).await, status_of(&host).await), (500, 500));
    host.queues().clear_faults();
    assert_eq!(status_of(&host).await, 202);
    assert_eq!(host.output_messages("parked-items"), ["lost"]);
}

#[tokio::test]
async fn a_queue_message_over_64_kb_as_base64_fails_the_invocation() {
    for (length, expected) in [(48 * 1024, 202), (48 * 1024 + 1, 500)] {
        let (_root, host) = with_queues(json!(["x".repeat(length)])).await;
        assert_eq!(status_of(&host).await, expected, "{length}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_413_and_the_history_is_as_long_as_asked_for() {
    let root = ScriptRoot::new(&[("device", http("device", "post"))]);
    let mut options = root.options(&json!({}));
    options.settings.insert("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT".to_owned(), "3".to_owned());
    options.history = 1;
    let host = FunctionsHost::start(options).await.unwrap();
    let url = format!("{}/api/device?code={}", host.url(), host.function_key());
    let statuses = async |body: &'static str| send(reqwest::Client::new().post(&url).body(body)).await.0;
    assert_eq!((statuses("1234").await, statuses("123").await, statuses("12").await), (413, 200, 200));
    assert_eq!((host.invocations().len(), host.totals("device")), (1, Totals { succeeded: 2, failed: 0 }));
}

#[tokio::test]
async fn a_function_without_http_output_answers_204() {
    let mut function = http("device", "post");
    function["bindings"].as_array_mut().unwrap().pop();
    let root = ScriptRoot::new(&[("device", function)]);
    let host = root.start(&json!({})).await;
    let request = reqwest::Client::new().post(format!("{}/api/device", host.url()));
    assert_eq!(send(request.header("x-functions-key", host.function_key())).await, (204, String::new()));
}

#[tokio::test]
async fn invocations_run_in_parallel() {
    let root = ScriptRoot::new(&[("device", http("device", "post")), ("other", http("other", "post"))]);
    let host = root.start(&json!({"device": [{"hang": true}]})).await;
    let url = |function: &str| format!("{}/api/{function}?code={}", host.url(), host.function_key());
    let client = reqwest::Client::new();
    let hanging = tokio::spawn(client.post(url("device")).send());
    requests(&host, 1).await;
    assert_eq!(send(client.post(url("other"))).await.0, 200);
    host.kill_handler().await;
    assert_eq!(hanging.await.unwrap().unwrap().status(), 500);
}
