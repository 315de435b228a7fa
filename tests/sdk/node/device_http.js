'use strict';
// azure-iot-device over azure-iot-device-http: telemetry and cloud-to-device messages.

const { Client, Message } = require('azure-iot-device');
const { Http } = require('azure-iot-device-http');
const { assert, check, device, eventually, hub, sas } = require('./checks');
const { message, EXPECTED } = require('./telemetry');

const SDK = 'azure-iot-device-http';
const open = (connectionString) => Client.fromConnectionString(connectionString, Http);

check(SDK, 'telemetry arrives with its body and properties, as a consumer expects them', async () => {
  const sender = await device('node-http');
  await open(sender.connectionString).sendEvent(message());
  const [event] = await sender.events();
  // HTTP has no upper case in names, and the SDK says where to in any case.
  const system = { ...EXPECTED.systemProperties, to: '/devices/node-http/messages/events' };
  const properties = { 'f-port': '2', odd: "!#$%&'*+-.^_`|~" };
  assert.deepEqual(event, { body: EXPECTED.body, properties, systemProperties: system, authenticationScope: 'device' });
});

check(SDK, 'a value that no header can carry is refused and does not arrive', async () => {
  const sender = await device('node-http-refused');
  const wrong = new Message('{}');
  wrong.properties.add('place', 'a b/c');
  const error = await open(sender.connectionString).sendEvent(wrong).then(() => assert.fail('accepted'), (refusal) => refusal);
  assert.equal(error.name, 'ArgumentError');
  assert.deepEqual(await sender.events(), []);
});

check(SDK, 'a batch arrives as single messages, in order, names in the case they were sent', async () => {
  const sender = await device('node-http-batch');
  const batch = [1, 2, 3].map((number) => {
    const one = new Message(JSON.stringify({ number }));
    one.properties.add('devEUI', `70B3D57ED000000${number}`);
    one.properties.add('iothub-creation-time-utc', '2026-11-20T10:00:00.1234567Z');
    return one;
  });
  await open(sender.connectionString).sendEventBatch(batch);
  const events = await sender.events();
  assert.deepEqual(events.map((event) => event.body), ['{"number":1}', '{"number":2}', '{"number":3}']);
  assert.deepEqual(events[2].properties, { devEUI: '70B3D57ED0000003' });
  assert.deepEqual(events[2].systemProperties, { 'creation-time-utc': '2026-11-20T10:00:00.1234567Z' });
});

check(SDK, 'an id with every character that is allowed can send', async () => {
  const sender = await device("c-:.+%_#*?!(),=@$'d");
  await open(sender.connectionString).sendEvent(new Message('odd'));
  assert.deepEqual((await sender.events()).map((event) => event.body), ['odd']);
});

check(SDK, 'a bad key, a disabled device, an expired token and a missing device are unauthorized', async () => {
  const sender = await device('node-http-errors');
  const withKey = (id, key) => open(`HostName=${hub.hostName};DeviceId=${id};SharedAccessKey=${key}`);
  const past = Math.floor(Date.now() / 1000) - 60;
  const expired = sas(`${hub.hostName}/devices/${sender.id}`, sender.key, past);
  const name = (client) => client.sendEvent(new Message('x')).then(() => 'accepted', (error) => error.name);
  assert.equal(await name(withKey(sender.id, Buffer.alloc(32).toString('base64'))), 'UnauthorizedError');
  assert.equal(await name(withKey('node-http-missing', sender.key)), 'UnauthorizedError');
  assert.equal(await name(Client.fromSharedAccessSignature(expired, Http)), 'UnauthorizedError');
  assert.equal(await name(open(sender.connectionString)), 'accepted');
  await sender.disable();
  assert.equal(await name(open(sender.connectionString)), 'UnauthorizedError');
  assert.equal((await sender.events()).length, 1);
});

/** A client that polls for messages, and a way to wait for the next one. */
function receiver(connectionString) {
  const client = open(connectionString);
  const waiting = [];
  client.setOptions({ http: { receivePolicy: { interval: 1 } } });
  client.on('message', (received) => waiting.push(received));
  return { client, next: () => eventually('message', () => waiting.shift()) };
}

check(SDK, 'a cloud-to-device message arrives with its properties and is completed', async () => {
  const target = await device('node-http-c2d');
  const systemProperties = { 'message-id': 'c2d-1', 'correlation-id': 'order-7' };
  await target.sendC2d({ body: 'open', systemProperties, properties: { valve: '3' }, timeToLiveSeconds: 600 });
  const { client, next } = receiver(target.connectionString);
  const received = await next();
  assert.equal(received.getData().toString(), 'open');
  assert.equal(received.messageId, 'c2d-1');
  assert.equal(received.correlationId, 'order-7');
  assert.equal(received.to, '/devices/node-http-c2d/messages/deviceBound');
  assert.ok(Date.parse(received.expiryTimeUtc) > Date.now());
  assert.equal(received.properties.getValue('iothub-app-valve'), '3');
  await client.complete(received);
  assert.deepEqual(await target.settled(), [{ messageId: 'c2d-1', outcome: 'Completed' }]);
  assert.equal((await target.twin()).cloudToDeviceMessageCount, 0);
  await client.close();
});

check(SDK, 'an abandoned message comes again, a rejected one does not, and a settled one cannot be settled again', async () => {
  const target = await device('node-http-abandon');
  await target.sendC2d({ body: '1', systemProperties: { 'message-id': 'c2d-1' } });
  const { client, next } = receiver(target.connectionString);
  const first = await next();
  await client.abandon(first);
  const again = await next();
  assert.equal(again.messageId, 'c2d-1');
  assert.notEqual(again.lockToken, first.lockToken);
  await client.reject(again);
  assert.deepEqual(await target.settled(), [{ messageId: 'c2d-1', outcome: 'Rejected' }]);
  const error = await client.complete(again).then(() => assert.fail('settled twice'), (refusal) => refusal);
  assert.equal(error.response.statusCode, 412);
  assert.equal(error.response.headers['iothub-errorcode'], 'DeviceMessageLockLost');
  await client.close();
});
