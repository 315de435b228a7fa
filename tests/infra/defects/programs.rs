//! Modules, profiles, and what is read from a resource.

use super::{Defect, all_are_found, defect};

const MAIN: &str = "infra/main.bicep";
const FREE: &str = "infra/free.bicepparam";

const DEFECTS: [Defect; 19] = [
    defect(
        "E09 wrong module parameter",
        MAIN,
        "    dailyLogCapGb: dailyLogCapGb",
        "    dailyLogCapGB: dailyLogCapGb",
        "no parameter `dailyLogCapGB`; did you mean `dailyLogCapGb`?",
    ),
    defect(
        "E09 module parameter not given",
        MAIN,
        "    dailyLogCapGb: dailyLogCapGb\n",
        "",
        "needs the parameter `dailyLogCapGb`",
    ),
    defect("module that is not there", MAIN, "modules/monitoring.bicep", "modules/monitor.bicep", "is not there"),
    defect(
        "module parameter of another type",
        MAIN,
        "    units: iotHubUnits",
        "    units: iotHubSku",
        "`units` is a string, expected an integer",
    ),
    defect(
        "module parameter not allowed",
        MAIN,
        "    coldPathEncoding: coldPathEncoding",
        "    coldPathEncoding: 'Parquet'",
        "`coldPathEncoding` is 'Parquet', expected one of",
    ),
    defect(
        "unknown module output",
        MAIN,
        "identityClientId: identities.outputs.appClientId",
        "identityClientId: identities.outputs.appClient",
        "has no output `appClient`; did you mean `appClientId`?",
    ),
    defect(
        "unknown property of a resource",
        "infra/modules/storage.bicep",
        "account.properties.primaryEndpoints.blob",
        "account.propertys.primaryEndpoints.blob",
        "there is no `propertys`; did you mean `properties`?",
    ),
    defect(
        "default value of another type",
        MAIN,
        "param iotHubUnits int = 1",
        "param iotHubUnits int = '1'",
        "`iotHubUnits` is a string, expected an integer",
    ),
    defect(
        "default value not allowed",
        MAIN,
        "param iotHubSku string = 'S1'",
        "param iotHubSku string = 'S9'",
        "is 'S9', expected one of",
    ),
    defect("unbounded parameter", MAIN, "@maxLength(254)\n", "", "`alertEmail` is not bounded"),
    defect(
        "unknown parameter in a profile",
        FREE,
        "param iotHubUnits",
        "param iotHubUnit",
        "did you mean `iotHubUnits`?",
    ),
    defect(
        "required parameter missing in a profile",
        FREE,
        "param stackAPIKey = readEnvironmentVariable('STACK_API_KEY')\n",
        "",
        "needs the parameter `stackAPIKey`",
    ),
    defect(
        "parameter of another type in a profile",
        FREE,
        "param iotHubUnits = 1",
        "param iotHubUnits = '1'",
        "`iotHubUnits` is a string",
    ),
    defect(
        "value not allowed in a profile",
        FREE,
        "param iotHubSku = 'F1'",
        "param iotHubSku = 'Free'",
        "is 'Free', expected one of",
    ),
    defect(
        "unknown function in a profile",
        FREE,
        "readEnvironmentVariable('STACK_API_KEY')",
        "readEnvironment('STACK_API_KEY')",
        "no function `readEnvironment`",
    ),
    defect(
        "variable made of itself",
        MAIN,
        "var ownsIotHub = empty(existingIotHubName)",
        "var ownsIotHub = iotHubName",
        "is made of itself: iotHubName → ownsIotHub → iotHubName",
    ),
    defect(
        "conditional module taken for granted",
        "infra/modules/secrets.bicep",
        "webhookSecrets!.properties",
        "webhookSecrets.properties",
        "`webhookSecrets` is conditional",
    ),
    defect(
        "output of another type",
        "infra/modules/storage.bicep",
        "output coldPathContainerName string",
        "output coldPathContainerName int",
        "`coldPathContainerName` is a string, expected an integer",
    ),
    defect(
        "value that main.bicep allows and a module does not",
        "infra/modules/iot-hub.bicep",
        "  'S3'\n",
        "",
        "`sku` may be S3 here, which infra/modules/iot-hub.bicep does not take",
    ),
];

#[test]
fn defects_between_files_are_found() {
    all_are_found(&DEFECTS);
}
