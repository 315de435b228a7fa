//! Queue functions: deleted on success, tried again, poison, side by side.

use std::time::Instant;

use super::*;
use crate::azurite::tests::azurite;
use crate::storage_queue::PutOptions;
use crate::storage_queue::tests::behaviours::until;

/// A script root with one queue function and these settings in host.json.
fn work(settings: Value) -> ScriptRoot {
    let trigger = json!({"type": "queueTrigger", "direction": "in", "name": "job", "queueName": "%QUEUE%"});
    let root = ScriptRoot::new(&[("work", json!({"bindings": [trigger]}))]);
    let mut json = host_json();
    json["extensions"] = json!({"queues": settings});
    root.write("host.json", &json);
    root
}

/// Options with an account in memory where a thousand seconds take one.
async fn options(root: &ScriptRoot, script: Value, texts: &[&str]) -> (Options, Queues) {
    let queues = Queues::in_memory_at(0.001);
    queues.create("jobs").await.unwrap();
    for text in texts {
        queues.put("jobs", &MessageEncoding::Base64.encode(text.as_bytes())).await.unwrap();
    }
    let mut options = root.options(&script);
    options.settings.insert("QUEUE".to_owned(), "jobs".to_owned());
    options.queues.insert("AzureWebJobsStorage".to_owned(), queues.clone());
    (options, queues)
}

fn count(queues: &Queues, queue: &str) -> usize {
    queues.all(queue).unwrap().len()
}

async fn envelopes(host: &FunctionsHost, count: usize) -> Vec<Value> {
    requests(host, count).await.into_iter().map(|request| request["body"].clone()).collect()
}

#[tokio::test]
async fn a_message_is_handed_over_in_its_envelope_and_deleted_on_success() {
    let root = work(json!({}));
    let (options, queues) = options(&root, json!({}), &["{\"op\":\"rotate\"}"]).await;
    let message = queues.peek("jobs", 1).await.unwrap().remove(0);
    let host = FunctionsHost::start(options).await.unwrap();
    let invocations = host.wait_for_invocations("work", 1, LIMIT).await.unwrap();
    assert_eq!((invocations[0].succeeded, invocations[0].retry_count), (true, 0));
    eventually(|| count(&queues, "jobs") == 0).await;
    let mut envelope = envelopes(&host, 1).await.remove(0);
    let sys = envelope["Metadata"]["sys"].take();
    assert_eq!(sys["MethodName"], "work");
    let metadata = &envelope["Metadata"];
    let expected = json!({
        "Data": {"job": "\"{\\\"op\\\":\\\"rotate\\\"}\""},
        "Metadata": {
            "DequeueCount": "1",
            "Id": format!("\"{}\"", message.id),
            "PopReceipt": metadata["PopReceipt"],
            "InsertionTime": metadata["InsertionTime"],
            "ExpirationTime": metadata["ExpirationTime"],
            "NextVisibleTime": metadata["NextVisibleTime"],
            "op": "\"rotate\"",
            "sys": null,
        },
    });
    assert_eq!(envelope, expected);
    assert_eq!(metadata["PopReceipt"].as_str().map(|receipt| receipt.starts_with('"')), Some(true));
    assert_eq!(metadata["InsertionTime"].as_str().map(|time| time.ends_with("+00:00")), Some(true));
}

#[tokio::test]
async fn a_failed_message_comes_again_after_the_visibility_timeout() {
    let root = work(json!({"visibilityTimeout": "00:05:00"}));
    let script = json!({"work": [{"status": 500}, {}]});
    let (options, queues) = options(&root, script, &["a"]).await;
    let begin = Instant::now();
    let host = FunctionsHost::start(options).await.unwrap();
    let invocations = host.wait_for_invocations("work", 2, LIMIT).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(300), "five minutes of queue time");
    let outcomes: Vec<_> = invocations.iter().map(|one| (one.retry_count, one.succeeded)).collect();
    assert_eq!(outcomes, [(0, false), (1, true)]);
    let envelopes = envelopes(&host, 2).await;
    let of_both = |name: &str| [0, 1].map(|index: usize| envelopes[index]["Metadata"][name].clone());
    assert_eq!(of_both("DequeueCount"), ["1", "2"]);
    let [first, second] = of_both("Id");
    assert_eq!(first, second);
    let [first, second] = of_both("PopReceipt");
    assert_ne!(first, second);
    eventually(|| count(&queues, "jobs") == 0).await;
}

#[tokio::test]
async fn a_message_that_failed_max_dequeue_count_times_is_moved_to_the_poison_queue() {
    let root = work(json!({"maxDequeueCount": 3}));
    let (options, queues) = options(&root, json!({"work": [{"status": 500}]}), &["a<b"]).await;
    let host = FunctionsHost::start(options).await.unwrap();
    eventually(|| host.output_messages("jobs-poison") == ["a<b"] && count(&queues, "jobs") == 0).await;
    assert_eq!(host.totals("work"), Totals { succeeded: 0, failed: 3 });
}

#[tokio::test]
async fn a_message_in_another_encoding_is_poison_without_reaching_the_handler() {
    let root = work(json!({}));
    let (options, queues) = options(&root, json!({}), &[]).await;
    let host = FunctionsHost::start(options).await.unwrap();
    queues.put("jobs", "{\"plain\":1}").await.unwrap();
    eventually(|| count(&queues, "jobs") == 0).await;
    assert_eq!(host.output_messages("jobs-poison"), ["{\"plain\":1}"]);
    assert_eq!(host.totals("work").finished(), 0);
}

#[tokio::test]
async fn a_message_that_cannot_be_put_into_the_poison_queue_stays_where_it_is() {
    let root = work(json!({"maxDequeueCount": 1}));
    let (options, queues) = options(&root, json!({"work": [{"status": 500}]}), &["a"]).await;
    queues.inject(PutFault::Next(1));
    let host = FunctionsHost::start(options).await.unwrap();
    eventually(|| count(&queues, "jobs-poison") == 1 && count(&queues, "jobs") == 0).await;
    assert_eq!(host.totals("work").finished(), 1, "worn out, so not tried again");
}

#[tokio::test]
async fn no_more_than_batch_size_and_new_batch_threshold_are_processed_at_once() {
    let root = work(json!({"batchSize": 3, "newBatchThreshold": 3}));
    root.write("device/function.json", &http("device", "post"));
    let (options, queues) = options(&root, json!({"work": [{"hang": true}]}), &["a"; 10]).await;
    let host = FunctionsHost::start(options).await.unwrap();
    eventually(|| requests_of(&host, "/work") == 6).await;
    // A round trip through everything: time for a seventh.
    let url = format!("{}/api/device?code={}", host.url(), host.function_key());
    assert_eq!(reqwest::Client::new().post(url).send().await.unwrap().status(), 200);
    let got = queues.all("jobs").unwrap().iter().filter(|message| message.dequeue_count > 0).count();
    assert_eq!((requests_of(&host, "/work"), got), (6, 6));
}

fn requests_of(host: &FunctionsHost, path: &str) -> usize {
    let path = format!("\"path\":\"{path}\"");
    let is_request = |text: &str| text.contains(fake_handler::REQUEST) && text.contains(&path);
    host.logs().iter().filter(|line| is_request(&line.text)).count()
}

#[tokio::test]
async fn a_message_stays_hidden_for_as_long_as_it_is_processed() {
    let root = work(json!({}));
    let (options, queues) = options(&root, json!({"work": [{"hang": true}]}), &["a"]).await;
    let host = FunctionsHost::start(options).await.unwrap();
    requests(&host, 1).await;
    // In this account a message is hidden for 4,000 seconds at a time.
    let later = PutOptions { visibility_delay: Duration::from_secs(4_500), ..PutOptions::default() };
    queues.create("later").await.unwrap();
    queues.put_with("later", "now", later).await.unwrap();
    queues.wait_for_message("later", LIMIT).await;
    assert_eq!(requests(&host, 1).await.len(), 1);
    assert_eq!(queues.all("jobs").unwrap()[0].dequeue_count, 1);
}

#[tokio::test]
async fn a_second_host_goes_on_with_the_message_that_the_first_one_was_stopped_over() {
    let root = work(json!({}));
    let (options, queues) = options(&root, json!({"work": [{"hang": true}, {}]}), &["a"]).await;
    let first = FunctionsHost::start(options.clone()).await.unwrap();
    requests(&first, 1).await;
    first.stop().await;
    assert_eq!(queues.peek("jobs", 1).await.unwrap()[0].dequeue_count, 1);
    let script = json!({}).to_string();
    let settings = options.settings.clone().into_iter().chain([(fake_handler::SCRIPT.to_owned(), script)]).collect();
    let second = FunctionsHost::start(Options { settings, ..options }).await.unwrap();
    let invocations = second.wait_for_invocations("work", 1, LIMIT).await.unwrap();
    assert_eq!((invocations[0].succeeded, invocations[0].retry_count), (true, 1));
    eventually(|| count(&queues, "jobs") == 0).await;
}

#[tokio::test]
async fn a_message_goes_round_from_an_output_to_its_trigger() {
    let mut function = http("device", "post");
    let output = json!({"type": "queue", "direction": "out", "name": "parked", "queueName": "jobs"});
    function["bindings"].as_array_mut().unwrap().push(output);
    let root = work(json!({"messageEncoding": "none"}));
    root.write("device/function.json", &function);
    let script = json!({"device": [{"body": {"Outputs": {"parked": ["<b> & \"c\""]}}}]});
    let (mut options, _) = options(&root, script, &[]).await;
    options.queues.insert("AzureWebJobsStorage".to_owned(), Queues::in_memory());
    let host = FunctionsHost::start(options).await.unwrap();
    let url = format!("{}/api/device?code={}", host.url(), host.function_key());
    assert_eq!(reqwest::Client::new().post(url).send().await.unwrap().status(), 200);
    host.wait_for_invocations("work", 1, LIMIT).await.unwrap();
    assert_eq!(envelopes(&host, 2).await[1]["Data"]["job"], "\"<b> & \\\"c\\\"\"");
}

#[tokio::test]
async fn messages_of_azurite_are_tried_again_deleted_and_poisoned_as_those_in_memory() {
    let Some(azurite) = azurite().await else { return };
    let mut function = http("device", "post");
    let output = json!({"type": "queue", "direction": "out", "name": "parked", "queueName": "jobs"});
    function["bindings"].as_array_mut().unwrap().push(output);
    let root = work(json!({"maxDequeueCount": 2, "maxPollingInterval": "00:00:00.1"}));
    root.write("device/function.json", &function);
    let parked = json!({"body": {"Outputs": {"parked": ["{\"a\":1}"]}}});
    let script = json!({"device": [parked], "work": [{"status": 500}, {}, {"status": 500}]});
    let (mut options, _) = options(&root, script, &[]).await;
    let queues = azurite.queues().unwrap();
    options.queues.insert("AzureWebJobsStorage".to_owned(), queues.clone());
    let host = FunctionsHost::start(options).await.unwrap();
    let url = format!("{}/api/device?code={}", host.url(), host.function_key());
    for finished in [2, 4] {
        assert_eq!(reqwest::Client::new().post(&url).send().await.unwrap().status(), 200);
        host.wait_for_invocations("work", finished, LIMIT).await.unwrap();
        until(async || queues.approximate_count("jobs").await == Ok(0)).await;
    }
    let outcomes: Vec<_> = host.wait_for_invocations("work", 4, LIMIT).await.unwrap();
    let outcomes: Vec<_> = outcomes.into_iter().map(|one| (one.retry_count, one.succeeded)).collect();
    assert_eq!(outcomes, [(0, false), (1, true), (0, false), (1, false)]);
    let poison = queues.peek("jobs-poison", 32).await.unwrap();
    assert_eq!((poison.len(), poison[0].text.as_str()), (1, "eyJhIjoxfQ=="));
}

#[tokio::test]
async fn an_admin_call_gives_a_message_that_is_in_no_queue() {
    let root = work(json!({}));
    let (options, _) = options(&root, json!({}), &[]).await;
    let host = FunctionsHost::start(options).await.unwrap();
    let request = reqwest::Client::new().post(format!("{}/admin/functions/work", host.url()));
    let response = request.header("x-functions-key", host.master_key()).body("{\"input\":\"1\"}").send().await.unwrap();
    assert_eq!(response.status(), 202);
    let envelope = envelopes(&host, 1).await.remove(0);
    assert_eq!((&envelope["Data"]["job"], &envelope["Metadata"]["DequeueCount"]), (&json!("\"1\""), &json!("0")));
}
