'use strict';
// The bridge's telemetry beside the SDKs': what a consumer of the built-in endpoint sees of either is the same, apart from
// what is listed here.

const { Client, Message } = require('azure-iot-device');
const { Http } = require('azure-iot-device-http');
const { Mqtt } = require('azure-iot-device-mqtt');
const { assert, check, device, hub } = require('./checks');

/** Each message has its own. */
const OWN = ['iothub-enqueuedtime'];
/** The bridge signs with a policy of the hub, a device with its own key. */
const SCOPES = { bridge: 'hub', device: 'device' };

function uplink(deviceId) {
  return {
    end_device_ids: {
      device_id: deviceId,
      application_ids: { application_id: 'plant-a' },
      dev_eui: '70B3D57ED0000001',
      join_eui: '70B3D57ED0FFFF00',
      dev_addr: '260B1234',
    },
    correlation_ids: ['gs:uplink:01K0GSUPLINK', 'as:up:01K0ASUPLINK'],
    received_at: '2026-11-20T10:00:00.123456789Z',
    uplink_message: { f_port: 2, f_cnt: 17, frm_payload: 'AQID', decoded_payload: { temperature: 21.5, odd: 'é~' } },
  };
}

/** What the README says becomes of the uplink, told to an SDK. */
function message(body, deviceId) {
  const one = new Message(body);
  one.messageId = '01K0ASUPLINK:uplink_message';
  one.correlationId = 'gs:uplink:01K0GSUPLINK';
  one.contentType = 'application/json';
  one.contentEncoding = 'utf-8';
  const properties = {
    'iothub-creation-time-utc': '2026-11-20T10:00:00.1234567Z',
    type: 'uplink_message',
    'application-id': 'plant-a',
    'device-id': deviceId,
    'dev-eui': '70B3D57ED0000001',
    'join-eui': '70B3D57ED0FFFF00',
    'dev-addr': '260B1234',
    'f-port': '2',
    'f-cnt': '17',
    confirmed: 'false',
  };
  Object.entries(properties).forEach(([name, value]) => one.properties.add(name, value));
  return one;
}

async function sendByBridge(body) {
  const headers = { 'content-type': 'application/json', 'x-functions-key': hub.bridge.functionKey };
  const response = await fetch(hub.bridge.webhook, { method: 'POST', headers, body });
  assert.equal(response.status, 200, await response.text());
}

/** Takes out what may differ, once it is what it is said to be. */
function comparable({ systemProperties, ...event }, sender, also = []) {
  const rest = { ...systemProperties };
  const { scope, ...method } = JSON.parse(rest['iothub-connection-auth-method']);
  assert.equal(scope, SCOPES[sender]);
  rest['iothub-connection-auth-method'] = method;
  for (const name of [...OWN, ...also]) {
    assert.ok(rest[name], `${name} is there`);
    delete rest[name];
  }
  return { ...event, systemProperties: rest };
}

const SDKS = [
  // Over HTTP the SDK says where to.
  ['azure-iot-device-http', Http, ['to']],
  ['azure-iot-device-mqtt', Mqtt, []],
];

for (const [sdk, Transport, also] of SDKS) {
  check(sdk, 'a consumer cannot tell its telemetry from the bridge\'s', async () => {
    const own = await device(`look-alike-${sdk.slice(-4)}`);
    // No number's text and no blank may get lost either.
    const body = JSON.stringify(uplink(own.id), null, 1).replace('21.5', '21.50');
    await sendByBridge(body);
    const client = Client.fromConnectionString(own.connectionString, Transport);
    await client.open();
    await client.sendEvent(message(body, own.id));
    await client.close();
    const [ours, theirs, ...others] = await own.routed();
    assert.deepEqual(others, []);
    assert.deepEqual(comparable(ours, 'bridge'), comparable(theirs, 'device', also));
    assert.equal(ours.body, body);
  });
}
