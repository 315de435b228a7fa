//! The script and the template it deploys, word for word.

use std::collections::BTreeSet;
use std::path::Path;

/// A file of the template.
fn template(name: &str) -> String {
    let infra = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("infra");
    std::fs::read_to_string(infra.join(name)).unwrap()
}

/// The names that stand behind a word at the beginning of a line.
fn declared<'a>(text: &'a str, word: &str) -> BTreeSet<&'a str> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(word)?.split_whitespace().next());
    lines.collect()
}

/// What stands between the first `from` and the next `to`.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    text.split_once(from).unwrap().1.split_once(to).unwrap().0
}

#[test]
fn every_parameter_and_output_the_script_names_is_the_templates() {
    let main = template("main.bicep");
    let script = include_str!("../../infra/deploy/azure.sh");
    let outputs =
        between(script, "properties.outputs.[", "]").split(", ").map(|output| output.trim_end_matches(".value"));
    let known = declared(&main, "output ");
    assert!(outputs.clone().all(|output| known.contains(output)), "{outputs:?}");
    let known = declared(&main, "output ");
    let last = between(include_str!("../../infra/deploy/last_deployment.sh"), "'properties.[", "]'");
    let read = |kind: &'static str| last.split(", ").filter_map(move |name| name.strip_prefix(kind));
    assert!(read("outputs.").count() == 3 && read("parameters.").count() == 3, "{last}");
    assert!(read("outputs.").all(|name| known.contains(name.trim_end_matches(".value"))), "{last}");
    let known = declared(&main, "param ");
    assert!(read("parameters.").all(|name| known.contains(name.trim_end_matches(".value"))), "{last}");
    for parameter in [
        "location",
        "givenParameters",
        "nameSuffix",
        "existingIotHubName",
        "existingIotHubResourceGroup",
        "handlerSettings",
    ] {
        assert!(script.contains(&format!("\"{parameter}=")) && known.contains(parameter), "{parameter}");
    }
}

#[test]
fn every_variable_the_profiles_read_is_exported_or_explained() {
    for profile in ["free.bicepparam", "s1.bicepparam"] {
        let text = template(profile);
        let read = text.split("readEnvironmentVariable('").skip(1).map(|rest| rest.split('\'').next().unwrap());
        let scripts =
            concat!(include_str!("../../infra/deploy.sh"), include_str!("../../infra/deploy/prerequisites.sh"));
        for name in read {
            let exported = scripts.lines().any(|line| line.contains("export ") && line.contains(&format!("{name}=")))
                || scripts.contains(&format!("export {name}"));
            assert!(exported || scripts.contains(&format!("\n  {name} ")), "{profile}: {name}");
        }
    }
}

#[test]
fn an_existing_hub_gets_what_a_new_one_has() {
    let (main, hub) = (template("main.bicep"), template("modules/iot-hub.bicep"));
    let script = include_str!("../../infra/deploy/existing_hub.sh");
    let condition = between(script, "twin_condition='", "'");
    assert!(hub.contains(&format!("condition: '{condition}'")), "{condition}");
    let endpoint = between(script, "hub_endpoint=", "\n");
    assert!(hub.contains(&format!("'{endpoint}'")), "{endpoint}");
    let policy = between(script, "hub_policy=", "\n");
    assert!(main.contains("param devicePolicyName string = 'device-connect'"));
    // Another name than that of a hub's own policies, which may have more rights and stays when the bridge goes.
    assert_eq!(policy, "bridge-device-connect");
}
