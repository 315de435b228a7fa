'use strict';
// azure-iot-device over azure-iot-device-mqtt: telemetry, the twin and cloud-to-device messages.

const { Client, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { Registry } = require('azure-iothub');
const { assert, check, device, eventually, hub, sas } = require('./checks');
const { message, EXPECTED } = require('./telemetry');

const SDK = 'azure-iot-device-mqtt';
const registry = Registry.fromConnectionString(hub.connectionString);

/** A client whose errors are seen where they matter. */
function open(connectionString) {
  const client = Client.fromConnectionString(connectionString, Mqtt);
  client.on('error', () => {});
  return client;
}

check(SDK, 'telemetry arrives with its body and properties, as a consumer expects them', async () => {
  const sender = await device('node-mqtt');
  const client = open(sender.connectionString);
  const one = message();
  one.properties.add('Place & time', 'Tür 5/7=?');
  await client.sendEvent(one);
  const [event] = await sender.events();
  const properties = { 'f-port': '2', odd: "!#$%&'*+-.^_`|~", 'Place & time': 'Tür 5/7=?' };
  assert.deepEqual(event, { ...EXPECTED, properties, authenticationScope: 'device' });
  await client.close();
});

check(SDK, 'the twin is read and its reported properties are patched', async () => {
  const own = await device('node-mqtt-twin');
  await registry.updateTwin(own.id, { properties: { desired: { interval: 60 } } }, '*');
  const client = open(own.connectionString);
  const twin = await client.getTwin();
  assert.equal(twin.properties.desired.interval, 60);
  assert.equal(twin.properties.desired.$version, 2);
  const report = (patch) => new Promise((resolve, reject) => {
    twin.properties.reported.update(patch, (error) => (error ? reject(error) : resolve()));
  });
  await report({ battery: 88, location: { lat: 52.1, lon: 4.9 } });
  await report({ location: { lat: null } });
  const { reported } = (await own.twin()).properties;
  assert.equal(reported.battery, 88);
  assert.deepEqual(reported.location, { lon: 4.9 });
  assert.equal(reported.$version, 3);
  const refusal = await report({ 'not allowed': 1 }).then(() => assert.fail('accepted'), (error) => error);
  assert.ok(refusal instanceof Error, refusal);
  assert.equal((await own.twin()).properties.reported.$version, 3);
  await client.close();
});

check(SDK, 'a change of desired properties reaches a device that listens', async () => {
  const own = await device('node-mqtt-desired');
  const client = open(own.connectionString);
  const twin = await client.getTwin();
  const changes = [];
  twin.on('properties.desired.interval', (value) => changes.push(value));
  // Nobody keeps the news for a device that does not listen yet: what is sent later is answered later.
  await client.sendEvent(new Message('listening'));
  await registry.updateTwin(own.id, { properties: { desired: { interval: 30 } } }, '*');
  assert.equal(await eventually('change', () => changes.shift()), 30);
  assert.equal(twin.properties.desired.$version, 2);
  await client.close();
});

check(SDK, 'cloud-to-device messages arrive in order, also those that waited', async () => {
  const own = await device('node-mqtt-c2d');
  const systemProperties = { 'message-id': 'c2d-1', 'correlation-id': 'order-7', 'content-type': 'application/json' };
  await own.sendC2d({ body: '{"open":true}', systemProperties, properties: { 'valve no': '3/4' } });
  const client = open(own.connectionString);
  const received = [];
  client.on('message', (one) => {
    received.push(one);
    client.complete(one);
  });
  const first = await eventually('message', () => received.shift());
  assert.equal(first.getData().toString(), '{"open":true}');
  assert.equal(first.messageId, 'c2d-1');
  assert.equal(first.correlationId, 'order-7');
  assert.equal(first.properties.getValue('valve no'), '3/4');
  await own.sendC2d({ body: 'second', systemProperties: { 'message-id': 'c2d-2' } });
  assert.equal((await eventually('second message', () => received.shift())).messageId, 'c2d-2');
  const settled = ['c2d-1', 'c2d-2'].map((messageId) => ({ messageId, outcome: 'Completed' }));
  assert.deepEqual(await own.settled(), settled);
  await client.close();
});

check(SDK, 'a bad key, a disabled device, an expired token and a missing device are unauthorized', async () => {
  const own = await device('node-mqtt-errors');
  const name = (client) => {
    client.on('error', () => {});
    return client.open().then(() => client.close().then(() => 'accepted'), (error) => error.name);
  };
  const withKey = (id, key) => open(`HostName=${hub.hostName};DeviceId=${id};SharedAccessKey=${key}`);
  const expired = sas(`${hub.hostName}/devices/${own.id}`, own.key, Math.floor(Date.now() / 1000) - 60);
  assert.equal(await name(open(own.connectionString)), 'accepted');
  assert.equal(await name(withKey(own.id, Buffer.alloc(32).toString('base64'))), 'UnauthorizedError');
  assert.equal(await name(withKey('node-mqtt-missing', own.key)), 'UnauthorizedError');
  assert.equal(await name(Client.fromSharedAccessSignature(expired, Mqtt)), 'UnauthorizedError');
  await own.disable();
  assert.equal(await name(open(own.connectionString)), 'UnauthorizedError');
});

check(SDK, 'a device that connects a second time takes the place of the first', async () => {
  const own = await device('node-mqtt-takeover');
  const first = open(own.connectionString);
  await first.open();
  first.setRetryPolicy({ shouldRetry: () => false, nextRetryTimeout: () => 0 });
  const ended = new Promise((resolve) => { first.once('disconnect', resolve); });
  const second = open(own.connectionString);
  await second.sendEvent(new Message('second'));
  await ended;
  assert.deepEqual((await own.events()).map((event) => event.body), ['second']);
  await second.close();
});
