//! Secrets on their way out.

use super::{Defect, all_are_found, defect};

const SECRETS: &str = "infra/modules/secrets.bicep";
const SETTINGS: &str = "infra/modules/app-settings.bicep";
const MAIN: &str = "infra/main.bicep";

const DEFECTS: [Defect; 9] = [
    defect(
        "E10 key in an output",
        SECRETS,
        "@description('Reference for TTS_API_KEY.",
        "@description('A key.')\noutput key string = listKeys(hub.id, '2023-06-30').value[0].primaryKey\n\n@description('Reference for TTS_API_KEY.",
        "the output `key` holds a secret",
    ),
    defect(
        "secret parameter in an output",
        SECRETS,
        "@description('Reference for TTS_API_KEY.",
        "@description('A key.')\noutput key string = 'Bearer ${stackApiKey}'\n\n@description('Reference for TTS_API_KEY.",
        "the output `key` holds a secret",
    ),
    defect(
        "key in an app setting",
        SETTINGS,
        "IOT_HUB_DEVICE_POLICY_KEY: devicePolicyKeyReference",
        "IOT_HUB_DEVICE_POLICY_KEY: listKeys(resourceId('Microsoft.Devices/IotHubs', iotHubHostName), '2023-06-30').value",
        "IOT_HUB_DEVICE_POLICY_KEY holds a secret",
    ),
    defect(
        "plain text for a reference",
        SETTINGS,
        "TTS_API_KEY: stackKeyReference",
        "TTS_API_KEY: 'NNSXS.X'",
        "expected a Key Vault reference",
    ),
    defect(
        "secret not marked in a module",
        SECRETS,
        "@secure()\nparam stackApiKey string",
        "@minLength(1)\nparam stackApiKey string",
        "takes a secret as `stackApiKey`, which is not @secure()",
    ),
    defect(
        "secret not marked in main.bicep",
        MAIN,
        "@secure()\nparam stackAPIKey",
        "param stackAPIKey",
        "sounds like a secret",
    ),
    defect(
        "secret with a default",
        MAIN,
        "param webhookSecret string = ''",
        "param webhookSecret string = 'correct horse battery'",
        "has a default that everybody can read",
    ),
    defect(
        "secret in a profile",
        "infra/s1.bicepparam",
        "readEnvironmentVariable('STACK_API_KEY')",
        "'NNSXS.XXXXXXXXXXXXXXXXXXXX'",
        "is a secret in a file",
    ),
    defect(
        "module from a registry",
        MAIN,
        "'modules/monitoring.bicep'",
        "'br/public:avm/res/insights/component:0.4.0'",
        "comes from a registry",
    ),
];

#[test]
fn secrets_that_get_out_are_found() {
    all_are_found(&DEFECTS);
}
