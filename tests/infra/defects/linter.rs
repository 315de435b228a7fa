//! What the compiler's linter would not pass.

use super::{Defect, all_are_found, defect};

const MAIN: &str = "infra/main.bicep";
const STORAGE: &str = "infra/modules/storage.bicep";

const DEFECTS: [Defect; 6] = [
    defect(
        "host of one cloud",
        STORAGE,
        "account.properties.primaryEndpoints.blob",
        "'https://${account.name}.blob.core.windows.net/'",
        "core.windows.net is not the same in all of Azure's clouds",
    ),
    defect(
        "string of one insertion",
        "infra/modules/iot-hub.bicep",
        "entityPath: eventHubName",
        "entityPath: '${eventHubName}'",
        "a string of one insertion",
    ),
    defect(
        "literal location",
        "infra/modules/event-hubs.bicep",
        "location: location",
        "location: 'westeurope'",
        "does not come from a parameter",
    ),
    defect(
        "location of the group",
        "infra/modules/event-hubs.bicep",
        "location: location",
        "location: resourceGroup().location",
        "does not come from a parameter",
    ),
    defect(
        "needless dependency",
        MAIN,
        "  dependsOn: [\n    hubRoles\n  ]",
        "  dependsOn: [\n    hubRoles\n    eventHubs\n  ]",
        "dependsOn `eventHubs` is needless",
    ),
    defect(
        "secret by its name",
        "infra/modules/secrets.bicep",
        "param devicePolicyName string",
        "param devicePolicyName string\n\n@description('None.')\nparam passwordOfNobody string",
        "sounds like a secret",
    ),
];

#[test]
fn what_the_linter_would_not_pass_is_found() {
    all_are_found(&DEFECTS);
}
