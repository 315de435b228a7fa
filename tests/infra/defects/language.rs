//! Syntax and names.

use super::{Defect, all_are_found, defect};

const STORAGE: &str = "infra/modules/storage.bicep";
const HUB: &str = "infra/modules/iot-hub.bicep";
const SECRETS: &str = "infra/modules/secrets.bicep";

const DEFECTS: [Defect; 14] = [
    defect("E01 missing closing brace", HUB, "    capacity: units\n  }\n", "    capacity: units\n", "syntax error"),
    defect(
        "E06 undefined symbol",
        HUB,
        "entityPath: eventHubName",
        "entityPath: eventHubNam",
        "did you mean `eventHubName`?",
    ),
    defect(
        "E08 unused parameter",
        STORAGE,
        "param tags object",
        "param tags object\n\n@description('Nothing.')\nparam unused string",
        "parameter `unused` is not used",
    ),
    defect("E11 unknown function", STORAGE, "toLower(", "toLowr(", "no function `toLowr`; did you mean `toLower`?"),
    defect("E14 missing colon", HUB, "entityPath: eventHubName", "entityPath eventHubName", "syntax error"),
    defect("E15 unterminated string", STORAGE, "'TLS1_2'", "'TLS1_2", "syntax error"),
    defect(
        "wrong number of arguments",
        STORAGE,
        "toLower(nameSuffix)",
        "toLower(nameSuffix, 1)",
        "does not take 2 arguments",
    ),
    defect("unknown decorator", STORAGE, "@minValue(31)", "@minimum(31)", "no decorator `minimum`"),
    defect("unknown type", STORAGE, "param tags object", "param tags objekt", "type `objekt` is not declared"),
    defect(
        "unused variable",
        HUB,
        "var builtInEndpoint",
        "var unused = 1\nvar builtInEndpoint",
        "variable `unused` is not used",
    ),
    defect(
        "unused existing resource",
        SECRETS,
        "resource stackKey ",
        "resource unused 'Microsoft.KeyVault/vaults@2024-11-01' existing = {\n  name: keyVaultName\n}\n\nresource stackKey ",
        "existing resource `unused` is not used",
    ),
    defect(
        "name declared twice",
        HUB,
        "var builtInEndpoint = ",
        "var coldPathEndpoint = 1\nvar builtInEndpoint = ",
        "is declared twice",
    ),
    defect(
        "construct that checkov cannot read",
        HUB,
        "var builtInEndpoint",
        "var lambda = map([1], x => x)\nvar builtInEndpoint",
        "outside the dialect",
    ),
    defect(
        "undescribed parameter",
        STORAGE,
        "@description('Tags of every resource.')\n",
        "",
        "`tags` has no @description",
    ),
];

#[test]
fn defects_of_syntax_and_names_are_found() {
    all_are_found(&DEFECTS);
}
