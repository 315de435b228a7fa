//! All checks over one state of the files.

use crate::deployment::{Deployment, Value};
use crate::problem::Problem;
use crate::sources::{Sources, Templates};
use crate::{agreement, checks, policy};

/// What is deployed beyond the profiles as they are: every switch of main.bicep in another position.
fn deployments(sources: &Sources, templates: &Templates) -> Vec<Deployment> {
    let all_of_vendor = "RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect";
    let secret = ("webhookSecret", Value::text("sixteen-letters!"));
    let cases: [(&str, Vec<(&str, Value)>); 11] = [
        ("free", vec![]),
        ("s1", vec![]),
        ("free", vec![secret.clone()]),
        ("s1", vec![secret, ("alertEmail", Value::text("operators@example.com"))]),
        ("s1", vec![("enableColdPath", Value::Bool(true)), ("enableFallbackRoute", Value::Bool(false))]),
        ("s1", vec![("enableColdPath", Value::Bool(true)), ("coldPathEncoding", Value::text("Avro"))]),
        (
            "s1",
            vec![
                ("existingIotHubName", Value::text("their-hub")),
                ("existingIotHubResourceGroup", Value::text("theirs")),
            ],
        ),
        (
            "s1",
            vec![
                ("iotHubSku", Value::text("S2")),
                ("webhookAllowedIpRanges", Value::Array(vec![Value::text("192.0.2.0/24")])),
            ],
        ),
        ("s1", vec![("vendorPolicyRights", Value::text(all_of_vendor))]),
        ("s1", vec![("iotHubSku", Value::text("S3")), ("iotHubUnits", Value::Number(10))]),
        ("s1", further()),
    ];
    cases.into_iter().map(|(profile, set)| Deployment::of(sources, templates, profile, &set)).collect()
}

/// What an operator has on the hub beside the bridge's own.
fn further() -> Vec<(&'static str, Value)> {
    let json = serde_json::json!({
        "furtherPolicies": [{"keyName": "reader", "rights": "ServiceConnect"}],
        "furtherEndpoints": {"eventHubs": [{"name": "consumer", "endpointUri": "sb://consumer", "entityPath": "uplinks"}]},
        "furtherRoutes": [{"name": "consumer", "source": "DeviceMessages", "condition": "true",
            "endpointNames": ["consumer"], "isEnabled": true}],
    });
    ["furtherPolicies", "furtherEndpoints", "furtherRoutes"].map(|name| (name, Value::of_json(&json[name]))).to_vec()
}

/// Everything that is wrong. What cannot be read, or is made of itself, is not judged further.
pub(crate) fn problems(sources: &Sources) -> Vec<Problem> {
    let templates = Templates::of(sources);
    if !templates.problems.is_empty() {
        return templates.problems;
    }
    let cycles = checks::cycles(&templates);
    if !cycles.is_empty() {
        return cycles;
    }
    let mut problems = checks::problems(&templates);
    problems.extend(policy::of_templates(&templates));
    problems.extend(agreement::of_files(sources, &templates));
    // What a template refers to may be missing altogether.
    if templates.parameters.iter().all(|it| templates.referred(&it.path, &it.using).is_some()) {
        for deployment in deployments(sources, &templates) {
            problems.extend(policy::problems(&deployment));
            problems.extend(agreement::problems(sources, &deployment));
            problems.extend(checks::names(&deployment));
        }
    }
    problems.sort();
    problems.dedup();
    problems
}
