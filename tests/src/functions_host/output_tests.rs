//! Output rules, one table per binding type.

use serde_json::json;

use super::super::keys::AuthLevel;
use super::super::route::Route;
use super::*;
use crate::functions_host::function_json::Trigger;

fn function(http: &str) -> Function {
    Function {
        name: "f".to_owned(),
        trigger: Trigger::Http {
            binding: "req".to_owned(),
            auth_level: AuthLevel::Anonymous,
            methods: Vec::new(),
            route: Route::parse("f").unwrap(),
        },
        outputs: vec![
            Output::Http { binding: http.to_owned() },
            Output::Queue {
                binding: "parked".to_owned(),
                queue_name: "q".to_owned(),
                connection: "S".to_owned(),
                binary: false,
            },
        ],
        retry: None,
    }
}

fn outputs(http: &str, answer: &Value) -> Result<Outputs, String> {
    let answer = Answer {
        outputs: answer["Outputs"].as_object().cloned().unwrap_or_default(),
        logs: Vec::new(),
        return_value: answer["ReturnValue"].clone(),
    };
    Outputs::from_answer(&function(http), &answer)
}

fn response(http: &str, answer: &Value) -> Result<(u16, String, String), String> {
    let response = outputs(http, answer)?.response.unwrap();
    let content_type = response.headers.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let body = String::from_utf8(response.body).unwrap();
    Ok((response.status, content_type.map(|(_, value)| value).unwrap_or_default(), body))
}

#[test]
fn a_named_http_output_follows_the_documented_rules() {
    let text = "text/plain; charset=utf-8";
    for (res, expected) in [
        (json!({"statusCode": 201, "body": "x"}), (201, text, "x")),
        (json!({"statusCode": "404"}), (404, "", "")),
        (json!({"status": 404}), (200, "", "")),
        (json!({"statusCode": null}), (200, "", "")),
        (json!({"body": {"a": 1}}), (200, text, "{\n  \"a\": 1\n}")),
        (json!({"body": "{}", "headers": {"content-type": "application/json"}}), (200, "application/json", "{}")),
        (json!("{\"statusCode\":202}"), (202, "", "")),
        (json!(null), (200, "", "")),
    ] {
        let (status, content_type, body) = response("res", &json!({"Outputs": {"res": res}})).unwrap();
        assert_eq!((status, content_type.as_str(), body.as_str()), expected, "{res}");
    }
    for res in [json!("no json"), json!(1), json!({"statusCode": "x"})] {
        assert!(response("res", &json!({"Outputs": {"res": res}})).is_err(), "{res}");
    }
}

#[test]
fn the_return_value_is_the_response_of_a_return_binding_and_decoded_when_it_looks_like_base64() {
    for (return_value, status, body) in
        [(json!({"status": 204}), 204, ""), (json!("plain text"), 200, "plain text"), (json!("aGVsbG8="), 200, "hello")]
    {
        let response = response("$return", &json!({"ReturnValue": return_value})).unwrap();
        assert_eq!((response.0, response.2.as_str()), (status, body), "{return_value}");
    }
}

#[test]
fn members_of_a_return_value_are_outputs_when_nothing_is_bound_to_it() {
    let response = response("res", &json!({"ReturnValue": {"res": {"statusCode": 418}}})).unwrap();
    assert_eq!(response.0, 418);
}

#[test]
fn only_strings_in_an_array_reach_a_queue_unchanged() {
    for (value, expected) in [
        (json!(["test", "{\"a\":1}"]), vec!["test", "{\"a\":1}"]),
        (json!("dGVzdA=="), vec!["test"]),
        (json!("plain text"), vec!["plain text"]),
        (json!("{\"a\":1}"), vec!["{\n  \"a\": 1\n}"]),
        (json!("[1,\"b\"]"), vec!["1", "b"]),
        (json!({"a": 1}), vec!["{\n  \"a\": 1\n}"]),
        (json!(null), vec![]),
    ] {
        let queues = outputs("res", &json!({"Outputs": {"parked": value}})).unwrap().queues;
        let expected = QueueOutput {
            connection: "S".to_owned(),
            queue_name: "q".to_owned(),
            messages: expected.into_iter().map(|text| text.as_bytes().to_vec()).collect(),
        };
        assert_eq!(queues, [expected], "{value}");
    }
    assert_ne!(messages(&json!("hello123"), false), [b"hello123"]);
    assert_eq!(messages(&json!("hello123"), true), [b"hello123"]);
}
