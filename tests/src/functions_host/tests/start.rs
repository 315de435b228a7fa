//! What keeps the host from starting, and what it overlooks.

use super::*;

async fn failure(root: &ScriptRoot, script: &Value) -> String {
    FunctionsHost::start(root.options(script)).await.unwrap_err().to_string()
}

fn trigger(binding: Value) -> ScriptRoot {
    ScriptRoot::new(&[("ingest", json!({"bindings": [binding]}))])
}

#[tokio::test]
async fn a_name_without_an_app_setting_is_a_start_error_that_names_it() {
    let root = trigger(json!({
        "type": "eventHubTrigger", "direction": "in", "name": "events", "eventHubName": "%NO_SUCH%", "connection": "E",
    }));
    let expected = "function ingest: eventHubName names the app setting NO_SUCH, which does not exist";
    assert_eq!(failure(&root, &json!({})).await, expected);
}

#[tokio::test]
async fn bindings_that_are_not_played_and_missing_hubs_are_start_errors() {
    for (binding, expected) in [
        (json!({"type": "timerTrigger", "direction": "in", "name": "t"}), "does not play the trigger timerTrigger"),
        (json!({"type": "blob", "direction": "out", "name": "b"}), "does not play the binding blob"),
        (
            json!({"type": "eventHubTrigger", "direction": "in", "name": "e", "eventHubName": "h", "connection": "E"}),
            "no Event Hub behind connection E",
        ),
        (
            json!({"type": "queueTrigger", "direction": "in", "name": "q", "queueName": "q", "connection": "S"}),
            "function ingest: no storage account behind connection S",
        ),
        (json!({"type": "httpTrigger", "direction": "in", "name": "r", "route": "{id:int}"}), "route segment"),
    ] {
        let failure = failure(&trigger(binding.clone()), &json!({})).await;
        assert!(failure.contains(expected), "{binding}: {failure}");
    }
}

#[tokio::test]
async fn an_output_without_its_storage_account_is_a_start_error_that_names_the_connection() {
    let mut function = http("device", "get");
    let output = json!({"type": "queue", "direction": "out", "name": "o", "queueName": "q", "connection": "S"});
    function["bindings"].as_array_mut().unwrap().push(output);
    let root = ScriptRoot::new(&[("device", function)]);
    assert_eq!(failure(&root, &json!({})).await, "function device: no storage account behind connection S");
}

#[tokio::test]
async fn a_queue_trigger_with_a_retry_policy_is_a_start_error() {
    let trigger = json!({"type": "queueTrigger", "direction": "in", "name": "q", "queueName": "q"});
    let retry = json!({"strategy": "fixedDelay", "maxRetryCount": 1, "delayInterval": "00:00:01"});
    let root = ScriptRoot::new(&[("ingest", json!({"bindings": [trigger], "retry": retry}))]);
    assert!(failure(&root, &json!({})).await.contains("no retry policy"));
}

#[tokio::test]
async fn a_host_json_that_cannot_start_a_handler_is_a_start_error() {
    for (host_json, expected) in [
        (json!({"version": "2.0"}), "host.json: no customHandler"),
        (json!({"version": "2.0", "customHandler": {}}), "Missing worker Description."),
        (json!({"version": "2.0", "customHandler": {"description": {}}}), "defaultExecutablePath is empty"),
        (json!({"version": "1.0"}), "version"),
        (json!({"version": "2.0", "functionTimeout": 5}), "host.json"),
    ] {
        let root = ScriptRoot::new(&[("device", http("device", "get"))]);
        root.write("host.json", &host_json);
        let failure = failure(&root, &json!({})).await;
        assert!(failure.contains(expected), "{host_json}: {failure}");
    }
}

#[tokio::test]
async fn a_handler_that_never_listens_is_started_three_times_and_its_words_are_in_the_error() {
    let root = ScriptRoot::new(&[("device", http("device", "get"))]);
    let failure = failure(&root, &json!({"start": [{"exit": 64}]})).await;
    assert!(failure.contains("exit status: 64"), "{failure}");
    assert_eq!(failure.matches("ends before it listens").count(), 3, "{failure}");
}

#[tokio::test]
async fn a_handler_that_does_not_listen_in_time_is_a_start_error() {
    let root = ScriptRoot::new(&[("device", http("device", "get"))]);
    let mut json = host_json();
    json["customHandler"]["initializationTimeout"] = json!("00:00:00.1");
    root.write("host.json", &json);
    let failure = failure(&root, &json!({"start": [{"hang": true}]})).await;
    assert!(failure.contains("no answer to GET / within 100ms"), "{failure}");
}

#[tokio::test]
async fn disabled_functions_are_overlooked_and_without_any_function_nothing_starts() {
    let disabled = json!({"disabled": true, "bindings": []});
    let root = ScriptRoot::new(&[("device", http("device", "get")), ("old", disabled)]);
    let host = root.start(&json!({})).await;
    assert_eq!(host.handler_starts(), 1);
    let mut options = root.options(&json!({}));
    options.settings.insert("AzureWebJobs.device.Disabled".to_owned(), "true".to_owned());
    let failure = FunctionsHost::start(options).await.unwrap_err();
    assert!(matches!(failure, StartError::NoFunctions(_)), "{failure}");
}

#[tokio::test]
async fn a_handler_that_cannot_be_run_is_a_start_error_that_names_it() {
    let root = ScriptRoot::new(&[("device", http("device", "get"))]);
    root.write("handler", &json!("no program"));
    let mut json = host_json();
    json["customHandler"]["description"]["defaultExecutablePath"] = json!("handler");
    root.write("host.json", &json);
    let failure = failure(&root, &json!({})).await;
    assert!(failure.contains("/handler: Permission denied"), "{failure}");
}

#[test]
fn the_functions_of_this_repository_can_be_played() {
    let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let names = ["EVENT_HUB_NAME", "EVENT_HUB_CONSUMER_GROUP", "PARKED_QUEUE_NAME", "DEAD_LETTER_QUEUE_NAME"];
    let settings = BTreeMap::from(names.map(|name| (name.to_owned(), "x".to_owned())));
    let host_json = HostJson::read(&repository, &settings).unwrap();
    assert_eq!((host_json.route_prefix.as_str(), host_json.function_timeout), ("api", Some(Duration::from_mins(5))));
    let functions = read_functions(&repository.join("functions"), &settings, host_json.forwarding).unwrap();
    let names: Vec<_> = functions.iter().map(|function| function.name.as_str()).collect();
    assert!(["health", "hub_events", "redeliver", "uplink"].iter().all(|name| names.contains(name)), "{names:?}");
}
