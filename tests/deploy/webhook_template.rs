//! `infra/webhook-template.yml`, as the Console makes a webhook of it.

use std::collections::BTreeMap;

use local::system::WEBHOOK_SECRET;
use local::tts::Webhook;
use local::tts::messages::{Device, MESSAGE_TYPES};
use yaml_rust2::{Yaml, YamlLoader};

use crate::run::system;

fn template() -> Yaml {
    let text = include_str!("../../infra/webhook-template.yml");
    YamlLoader::load_from_str(text).unwrap().swap_remove(0)
}

fn entries(value: &Yaml) -> Vec<(&str, &Yaml)> {
    value.as_hash().unwrap().iter().map(|(name, value)| (name.as_str().unwrap(), value)).collect()
}

/// Fills fields in, wherever `{field}` stands.
fn filled(text: &str, fields: &[(&str, &str)]) -> String {
    fields.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

#[test]
fn the_template_has_the_members_of_the_format_and_no_other() {
    let template = template();
    let names: Vec<&str> = entries(&template).iter().map(|(name, _)| *name).collect();
    let expected = [
        "template-id",
        "name",
        "description",
        "logo-url",
        "info-url",
        "documentation-url",
        "fields",
        "format",
        "headers",
        "create-downlink-api-key",
        "base-url",
        "paths",
    ];
    assert_eq!(names, expected);
    for field in template["fields"].as_vec().unwrap() {
        let names: Vec<&str> = entries(field).iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["id", "name", "description", "secret", "default-value"]);
    }
    let types: Vec<String> = entries(&template["paths"]).iter().map(|(name, _)| name.replace('-', "_")).collect();
    assert_eq!(types, MESSAGE_TYPES);
}

#[tokio::test]
async fn a_webhook_made_of_the_template_brings_every_message_type_to_iot_hub() {
    let (system, template) = (system().await, template());
    let host = system.host.url();
    let fields =
        [("host", host.trim_start_matches("http://")), ("key", system.host.function_key()), ("secret", WEBHOOK_SECRET)];
    let base_url = filled(template["base-url"].as_str().unwrap(), &fields);
    let text = |(name, value): &(&str, &Yaml)| ((*name).to_owned(), filled(value.as_str().unwrap(), &fields));
    let headers: BTreeMap<String, String> = entries(&template["headers"]).iter().map(text).collect();
    let paths = entries(&template["paths"]);
    let paths = paths.iter().map(|(name, path)| (name.replace('-', "_"), path.as_str().unwrap().to_owned())).collect();
    let webhook = Webhook { headers, paths, ..Webhook::new(base_url.replacen("https://", "http://", 1)) };
    for message_type in MESSAGE_TYPES {
        let delivery = system.tts.send(&webhook, &Device::new("plant-a", "sensor-1").message(message_type)).await;
        assert!(delivery.delivered(), "{message_type}: {delivery:?}");
    }
    assert_eq!(system.iot_hub.messages().len(), MESSAGE_TYPES.len());
}
