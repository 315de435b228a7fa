//! Event Hub functions: order, batches, retries, checkpoints.

use super::*;
use crate::event_hub::EventData;

fn events_function(retry: &Value) -> Value {
    let mut function = json!({"bindings": [{
        "type": "eventHubTrigger", "direction": "in", "name": "events", "eventHubName": "%HUB%",
        "connection": "EVENT_HUB", "cardinality": "many", "dataType": "binary",
    }]});
    if !retry.is_null() {
        function["retry"] = retry.clone();
    }
    function
}

fn fixed_delay(most: i32) -> Value {
    json!({"strategy": "fixedDelay", "maxRetryCount": most, "delayInterval": "00:00:01"})
}

fn hub(bodies: &[&str]) -> Arc<EventHub> {
    let hub = EventHub::new("events", 2);
    for body in bodies {
        hub.send(EventData { body: (*body).into(), ..EventData::default() });
    }
    hub
}

fn with_hub(mut options: Options, hub: &Arc<EventHub>) -> Options {
    options.event_hubs.insert("EVENT_HUB".to_owned(), hub.clone());
    options.settings.insert("HUB".to_owned(), "events".to_owned());
    options
}

async fn batches(host: &FunctionsHost, count: usize) -> Vec<Value> {
    let requests = requests(host, count).await;
    requests.into_iter().map(|request| request["body"]["Data"]["events"].clone()).collect()
}

#[tokio::test]
async fn events_arrive_in_batches_of_the_configured_size_and_in_order() {
    let root = ScriptRoot::new(&[("ingest", events_function(&Value::Null))]);
    let mut json = host_json();
    json["extensions"] = json!({"eventHubs": {"maxEventBatchSize": 2}});
    root.write("host.json", &json);
    let hub = hub(&["1", "2", "3"]);
    let mut options = with_hub(root.options(&json!({})), &hub);
    let connection = "Endpoint=sb://ns1.servicebus.windows.net/;SharedAccessKeyName=k;EntityPath=events";
    options.settings.insert("EVENT_HUB".to_owned(), connection.to_owned());
    let host = FunctionsHost::start(options).await.unwrap();
    host.wait_for_invocations("ingest", 2, LIMIT).await.unwrap();
    hub.send(EventData { body: "4".into(), ..EventData::default() });
    host.wait_for_invocations("ingest", 3, LIMIT).await.unwrap();
    assert_eq!(batches(&host, 3).await, ["[\"MQ==\",\"Mg==\"]", "[\"Mw==\"]", "[\"NA==\"]"]);
    let requests = requests(&host, 3).await;
    let context = &requests[0]["body"]["Metadata"]["TriggerPartitionContext"];
    assert_eq!(context["FullyQualifiedNamespace"], "ns1.servicebus.windows.net");
    assert_eq!((&context["PartitionId"], &context["ConsumerGroup"]), (&json!("0"), &json!("$Default")));
    assert_eq!(requests[0]["body"]["Metadata"].get("RetryContext"), None);
    eventually(|| host.checkpoint("ingest", 0) == 4).await;
}

#[tokio::test]
async fn a_failed_batch_is_sent_again_whole_with_a_new_invocation_id_until_it_succeeds() {
    let root = ScriptRoot::new(&[("ingest", events_function(&fixed_delay(5)))]);
    let script = json!({"ingest": [{"status": 500}, {"status": 503}, {}]});
    let host = FunctionsHost::start(with_hub(root.options(&script), &hub(&["1", "2"]))).await.unwrap();
    let invocations = host.wait_for_invocations("ingest", 3, LIMIT).await.unwrap();
    eventually(|| host.checkpoint("ingest", 0) == 2).await;
    let outcomes: Vec<_> = invocations.iter().map(|one| (one.retry_count, one.status, one.succeeded)).collect();
    assert_eq!(outcomes, [(0, Some(500), false), (1, Some(503), false), (2, Some(200), true)]);
    assert_ne!(invocations[0].invocation_id, invocations[1].invocation_id);
    assert_eq!(batches(&host, 3).await, ["[\"MQ==\",\"Mg==\"]"; 3]);
    let contexts: Vec<_> = requests(&host, 3)
        .await
        .into_iter()
        .map(|request| request["body"]["Metadata"]["RetryContext"].clone())
        .collect();
    assert_eq!(
        contexts[0],
        json!({"RetryCount": 0, "MaxRetryCount": 5, "Exception": null, "Instance": null, "State": {}})
    );
    assert_eq!((&contexts[2]["RetryCount"], contexts[2]["Exception"].is_object()), (&json!(2), true));
}

#[tokio::test]
async fn the_checkpoint_moves_past_a_batch_that_failed_for_good() {
    for (retry, attempts) in [(Value::Null, 1), (fixed_delay(2), 3)] {
        let root = ScriptRoot::new(&[("ingest", events_function(&retry))]);
        let hub = hub(&["1"]);
        let script = json!({"ingest": [{"status": 500}]});
        let host = FunctionsHost::start(with_hub(root.options(&script), &hub)).await.unwrap();
        eventually(|| host.checkpoint("ingest", 0) == 1).await;
        assert_eq!(host.invocations().len(), attempts);
        hub.send(EventData { body: "2".into(), ..EventData::default() });
        host.wait_for_invocations("ingest", attempts + 1, LIMIT).await.unwrap();
        assert_eq!(batches(&host, attempts + 1).await.last().unwrap(), "[\"Mg==\"]");
    }
}

#[tokio::test]
async fn a_batch_that_cannot_be_encoded_fails_without_reaching_the_handler() {
    let mut function = events_function(&Value::Null);
    function["bindings"][0].as_object_mut().unwrap().remove("dataType");
    let root = ScriptRoot::new(&[("ingest", function)]);
    let host = FunctionsHost::start(with_hub(root.options(&json!({})), &hub(&["{}", "no json"]))).await.unwrap();
    let invocations = host.wait_for_invocations("ingest", 1, LIMIT).await.unwrap();
    assert_eq!((invocations[0].succeeded, invocations[0].status), (false, None));
    assert_eq!(batches(&host, 0).await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_admin_call_is_accepted_at_once_and_gives_one_event() {
    let root = ScriptRoot::new(&[("ingest", events_function(&Value::Null))]);
    let host = FunctionsHost::start(with_hub(root.options(&json!({})), &hub(&[]))).await.unwrap();
    let response = reqwest::Client::new()
        .post(format!("{}/admin/functions/ingest", host.url()))
        .header("x-functions-key", host.master_key())
        .body("{\"input\":\"1\"}")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 202);
    host.wait_for_invocations("ingest", 1, LIMIT).await.unwrap();
    assert_eq!(batches(&host, 1).await, ["[\"MQ==\"]"]);
    assert_eq!(requests(&host, 1).await[0]["body"]["Metadata"].get("TriggerPartitionContext"), None);
}

#[tokio::test]
async fn a_handler_killed_in_the_middle_of_a_batch_gets_the_batch_again() {
    let root = ScriptRoot::new(&[("ingest", events_function(&fixed_delay(5)))]);
    let script = json!({"ingest": [{"hang": true}]});
    let host = FunctionsHost::start(with_hub(root.options(&script), &hub(&["1"]))).await.unwrap();
    let request = |line: &str| line.contains(fake_handler::REQUEST);
    host.wait_for_log(request, LIMIT).await.unwrap();
    let pid = host.handler_pid();
    host.kill_handler().await;
    let invocations = host.wait_for_invocations("ingest", 1, LIMIT).await.unwrap();
    assert_eq!((invocations[0].succeeded, invocations[0].status), (false, None));
    assert_eq!(batches(&host, 2).await, ["[\"MQ==\"]"; 2]);
    assert_eq!((host.handler_starts(), host.checkpoint("ingest", 0)), (2, 0));
    assert_ne!(host.handler_pid(), pid);
}

#[tokio::test]
async fn a_second_host_resumes_where_the_first_one_stopped_and_a_batch_cut_off_comes_again() {
    let root = ScriptRoot::new(&[("ingest", events_function(&Value::Null))]);
    let hub = hub(&["1"]);
    let options = with_hub(root.options(&json!({"ingest": [{}, {"hang": true}]})), &hub);
    let first = FunctionsHost::start(options.clone()).await.unwrap();
    first.wait_for_invocations("ingest", 1, LIMIT).await.unwrap();
    hub.send(EventData { body: "2".into(), ..EventData::default() });
    assert_eq!(batches(&first, 2).await.last().unwrap(), "[\"Mg==\"]");
    first.stop().await;
    let second = FunctionsHost::start(options).await.unwrap();
    assert_eq!(batches(&second, 1).await, ["[\"Mg==\"]"]);
    eventually(|| second.checkpoint("ingest", 0) == 2).await;
}

#[tokio::test]
async fn partitions_go_side_by_side() {
    let root = ScriptRoot::new(&[("ingest", events_function(&Value::Null))]);
    let hub = hub(&["1"]);
    for key in 0..64 {
        hub.send(EventData { partition_key: Some(key.to_string()), ..EventData::default() });
    }
    let host = FunctionsHost::start(with_hub(root.options(&json!({"ingest": [{"hang": true}]})), &hub)).await.unwrap();
    let partitions = requests(&host, 2).await.into_iter();
    let partitions = partitions.map(|request| request["body"]["Metadata"]["PartitionContext"]["PartitionId"].clone());
    let mut partitions: Vec<_> = partitions.collect();
    partitions.sort_by_key(Value::to_string);
    assert_eq!(partitions, ["0", "1"]);
}
