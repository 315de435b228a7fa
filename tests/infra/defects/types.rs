//! Resources that Azure would not take.

use super::{Defect, all_are_found, defect};

const STORAGE: &str = "infra/modules/storage.bicep";
const HUB: &str = "infra/modules/iot-hub.bicep";
const VAULT: &str = "infra/modules/key-vault.bicep";
const EVENTS: &str = "infra/modules/event-hubs.bicep";

const DEFECTS: [Defect; 18] = [
    defect(
        "E02 string for int",
        EVENTS,
        "capacity: 1",
        "capacity: '1'",
        "`namespace.sku.capacity` is a string, expected an integer",
    ),
    defect(
        "E03 misspelt property",
        STORAGE,
        "allowBlobPublicAccess",
        "allowBlobPublicAcess",
        "no property `allowBlobPublicAcess`; did you mean `allowBlobPublicAccess`?",
    ),
    defect("E04 wrong value of a closed enumeration", STORAGE, "'Hot'", "'Warm'", "is 'Warm', expected one of"),
    defect(
        "E05 required property missing",
        HUB,
        "    endpointNames: [\n      coldPathEndpoint\n    ]\n",
        "",
        "`hub.properties.routing.routes[]` needs the property `endpointNames`",
    ),
    defect(
        "E07 version that does not exist",
        VAULT,
        "vaults@2024-11-01",
        "vaults@2024-11-31",
        "is not in the type table; did you mean",
    ),
    defect(
        "E12 read-only property set",
        HUB,
        "    capacity: units\n",
        "    capacity: units\n    tier: 'Standard'\n",
        "`hub.sku.tier` is read-only",
    ),
    defect(
        "E13 wrong source of a route, which the compiler takes",
        HUB,
        "'DeviceLifecycleEvents'",
        "'deviceLifecycleEvents'",
        "is 'deviceLifecycleEvents', expected one of",
    ),
    defect(
        "misspelt type",
        VAULT,
        "Microsoft.KeyVault/vaults@",
        "Microsoft.KeyVaults/vaults@",
        "is not in the type table",
    ),
    defect(
        "parameter of another type in a property",
        EVENTS,
        "partitionCount: partitions",
        "partitionCount: sku",
        "is a string, expected an integer",
    ),
    defect(
        "boolean as a string",
        STORAGE,
        "supportsHttpsTrafficOnly: true",
        "supportsHttpsTrafficOnly: 'true'",
        "is a string, expected a boolean",
    ),
    defect(
        "string for a list",
        HUB,
        "endpointNames: [\n          builtInEndpoint\n        ]",
        "endpointNames: builtInEndpoint",
        "is a string, expected an array",
    ),
    defect(
        "two endpoints for one route",
        HUB,
        "      coldPathEndpoint\n    ]",
        "      coldPathEndpoint\n      builtInEndpoint\n    ]",
        "has 2 items, expected 1 to 1",
    ),
    defect(
        "wrong right of a policy",
        HUB,
        "rights: 'DeviceConnect'",
        "rights: 'DeviceConnects'",
        "did you mean `DeviceConnect`?",
    ),
    defect(
        "number above the limit",
        STORAGE,
        "days: 7\n    }\n    containerDelete",
        "days: 700\n    }\n    containerDelete",
        "is 700, expected 1 to 365",
    ),
    defect(
        "name too long",
        "infra/modules/operators.bicep",
        "groupShortName: '",
        "groupShortName: 'more than twelve ",
        "characters, expected",
    ),
    defect("name that comes out wrong", VAULT, "'kv-${nameSuffix}'", "'kv_${nameSuffix}'", "does not match"),
    defect(
        "property of another kind of alert",
        "infra/modules/log-alerts.bicep",
        "timeAggregation:",
        "aggregation:",
        "has no property `aggregation`",
    ),
    defect(
        "property of another kind of criterion",
        "infra/modules/metric-alerts.bicep",
        "timeAggregation: 'Maximum'",
        "aggregation: 'Maximum'",
        "`quota.properties.criteria.allOf[]` has no property `aggregation`",
    ),
];

#[test]
fn defects_in_resources_are_found() {
    all_are_found(&DEFECTS);
}
