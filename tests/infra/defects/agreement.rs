//! Sides that do not fit together.

use super::{Defect, all_are_found, defect};

const SETTINGS: &str = "infra/modules/app-settings.bicep";
const STORAGE: &str = "infra/modules/storage.bicep";
const HUB: &str = "infra/modules/iot-hub.bicep";
const EVENTS: &str = "infra/modules/event-hubs.bicep";
const FREE: &str = "infra/free.bicepparam";

const DEFECTS: [Defect; 34] = [
    defect(
        "setting the handler does not know",
        SETTINGS,
        "  LOG_LEVEL: 'info'",
        "  LOGLEVEL: 'info'",
        "nobody knows the setting LOGLEVEL",
    ),
    defect("setting forgotten", SETTINGS, "  TTS_DELIVERY: ttsDelivery\n", "", "setting TTS_DELIVERY is missing"),
    defect(
        "setting new in the handler",
        "handler/SETTINGS.md",
        "| `LOG_LEVEL` |",
        "| `LOG_LEVELS` |",
        "setting LOG_LEVELS is missing",
    ),
    defect(
        "default that is not the handler's",
        SETTINGS,
        "'merge'",
        "'replace'",
        "IOT_HUB_TWIN_DECODED_PAYLOAD is replace, the sample has merge",
    ),
    defect(
        "name in a binding",
        "functions/redeliver/function.json",
        "\"name\": \"item\",\n      \"queueName\": \"%PARKED_QUEUE_NAME%\"",
        "\"name\": \"item\",\n      \"queueName\": \"%PARKING_QUEUE_NAME%\"",
        "a binding needs the setting PARKING_QUEUE_NAME",
    ),
    defect(
        "connection in a binding",
        "functions/hub_events/function.json",
        "\"EVENT_HUB\"",
        "\"EVENTS\"",
        "a binding needs the setting EVENTS__fullyQualifiedNamespace",
    ),
    defect(
        "connection without identity",
        SETTINGS,
        "  EVENT_HUB__clientId: identityClientId\n",
        "",
        "needs the setting EVENT_HUB__clientId",
    ),
    defect(
        "connection string in Azure",
        SETTINGS,
        "  EVENT_HUB__credential: 'managedidentity'",
        "  EVENT_HUB: 'Endpoint=sb://…'",
        "EVENT_HUB has no place in Azure",
    ),
    defect("queue that is not made", STORAGE, "  'dead-letter'\n", "", "queue dead-letter is missing"),
    defect("poison queue under another name", STORAGE, "'parked-poison'", "'poison'", "queue parked-poison is missing"),
    defect(
        "queue under another name",
        SETTINGS,
        "PARKED_QUEUE_NAME: 'parked'",
        "PARKED_QUEUE_NAME: 'waiting'",
        "queue waiting-poison is missing",
    ),
    defect(
        "event hub of another name",
        SETTINGS,
        "EVENT_HUB_NAME: eventHubName",
        "EVENT_HUB_NAME: 'Events'",
        "EVENT_HUB_NAME is Events, the event hub is events",
    ),
    defect(
        "consumer group that is not there",
        EVENTS,
        "isBasic ? '$Default' : ownConsumerGroupName",
        "isBasic ? '$Default' : 'handlers'",
        "EVENT_HUB_CONSUMER_GROUP is handlers, which is not there",
    ),
    defect("consumer group on Basic", EVENTS, "= if (!isBasic) {", "= {", "the tier Basic has $Default alone"),
    defect(
        "endpoint that leads nowhere",
        HUB,
        "entityPath: eventHubName",
        "entityPath: 'Events'",
        "leads to Events, which is no event hub",
    ),
    defect("condition of a route", HUB, " OR IS_OBJECT($body.tags.lorawan)", "", "is missing"),
    defect(
        "condition that cannot be read",
        HUB,
        "IS_OBJECT($body.properties.desired)",
        "IS_OBJECTS($body.properties.desired)",
        "cannot be read",
    ),
    defect(
        "source of a route from elsewhere",
        HUB,
        "'TwinChangeEvents'",
        "'DeviceMessages'",
        "route to the event hub twin-changes: TwinChangeEvents",
    ),
    defect(
        "route to no endpoint",
        HUB,
        "      coldPathEndpoint\n    ]",
        "      'cold'\n    ]",
        "leads to cold, which is no endpoint",
    ),
    defect(
        "two endpoints on the free tier",
        FREE,
        "param enableColdPath = false",
        "param enableColdPath = true",
        "has 2 endpoints, the tier takes 1",
    ),
    defect(
        "two units of the free tier",
        FREE,
        "param iotHubUnits = 1",
        "param iotHubUnits = 2",
        "sku.capacity is 2, expected 1",
    ),
    defect(
        "webhook at another path",
        "functions/uplink/function.json",
        "\"tts/{*rest}\"",
        "\"webhook/{*rest}\"",
        "the function listens on /api/webhook",
    ),
    defect(
        "package into no container",
        "infra/modules/function-app.bicep",
        "'${blobEndpoint}${packageContainerName}'",
        "'${blobEndpoint}releases'",
        "which is not a container of ours",
    ),
    defect(
        "identity of the hub for the app",
        "infra/main.bicep",
        "identityClientId: identities.outputs.appClientId",
        "identityClientId: identities.outputs.hubId",
        "the setting AZURE_CLIENT_ID is",
    ),
    defect(
        "references to secrets swapped",
        SETTINGS,
        "  TTS_API_KEY: stackKeyReference",
        "  TTS_API_KEY: devicePolicyKeyReference",
        "the setting TTS_API_KEY leads to",
    ),
    defect(
        "policy of another name",
        HUB,
        "    keyName: devicePolicyName",
        "    keyName: 'device'",
        "has no policy device-connect, which the handler signs with",
    ),
    defect(
        "profile that promises less",
        "infra/s1.bicepparam",
        "alwaysReadyInstances = 1",
        "alwaysReadyInstances = 0",
        "instanceCount is not set, expected 1",
    ),
    defect(
        "uplinks a day",
        "infra/modules/iot-hub-access.bicep",
        "S1: 400000",
        "S1: 40000",
        "carries 20000 uplinks a day, it promises 200000",
    ),
    defect("tier without limits", SETTINGS, "  S1: standardLimits\n", "", "there is no `S1`"),
    defect(
        "secret that cannot be given",
        FREE,
        "param webhookSecret = readEnvironmentVariable('WEBHOOK_SECRET', '')\n",
        "",
        "`webhookSecret` is not read from the environment",
    ),
    defect(
        "parameter that no document lists",
        "infra/RESOURCES.md",
        "| `uplinkBytes` |",
        "| `bytes` |",
        "does not list `uplinkBytes`",
    ),
    defect("archive with names Azure refuses", HUB, "/{HH}/{mm}/", "/{HH}/", "fileNameFormat has no {mm}"),
    defect("queue outside the account", STORAGE, "  parent: queueService\n", "", "needs a parent of type"),
    defect(
        "alert about a function of another name",
        "infra/modules/log-alerts.bicep",
        "Name == \"uplink\"",
        "Name == \"uplinks\"",
        "asks about a function uplinks",
    ),
];

#[test]
fn sides_that_do_not_agree_are_found() {
    all_are_found(&DEFECTS);
}
