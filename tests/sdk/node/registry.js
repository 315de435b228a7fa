'use strict';
// azure-iothub's Registry: identities, bulk operations, twins and queries.

const { Registry } = require('azure-iothub');
const { assert, check, hub } = require('./checks');

const SDK = 'azure-iothub';
const registry = Registry.fromConnectionString(hub.connectionString);

/** The error of a call that must fail. */
async function refused(promise) {
  return promise.then(() => assert.fail('it was not refused'), (error) => error);
}

check(SDK, 'a device is created, read, updated, listed and deleted', async () => {
  const { responseBody: created } = await registry.create({ deviceId: 'node-registry' });
  assert.equal(created.status, 'enabled');
  assert.equal(Buffer.from(created.authentication.symmetricKey.primaryKey, 'base64').length, 32);
  const { responseBody: read } = await registry.get('node-registry');
  assert.deepEqual(read, created);
  const changed = { ...read, status: 'disabled', statusReason: 'maintenance' };
  const { responseBody: updated } = await registry.update(changed);
  assert.equal(updated.status, 'disabled');
  assert.equal(updated.statusReason, 'maintenance');
  assert.deepEqual(updated.authentication, created.authentication);
  const { responseBody: list } = await registry.list();
  assert.ok(list.some((device) => device.deviceId === 'node-registry'));
  await registry.delete('node-registry');
  assert.equal((await refused(registry.get('node-registry'))).name, 'DeviceNotFoundError');
});

check(SDK, 'an id with every character that is allowed is one device', async () => {
  const deviceId = "a-:.+%_#*?!(),=@;$'b";
  await registry.create({ deviceId });
  const { responseBody: read } = await registry.get(deviceId);
  assert.equal(read.deviceId, deviceId);
  await registry.delete(deviceId);
});

check(SDK, 'a device that exists, a missing one and a wrong key are told apart', async () => {
  await registry.create({ deviceId: 'node-twice' });
  assert.equal((await refused(registry.create({ deviceId: 'node-twice' }))).name, 'DeviceAlreadyExistsError');
  assert.equal((await refused(registry.getTwin('node-none'))).name, 'DeviceNotFoundError');
  assert.equal((await refused(registry.delete('node-none'))).name, 'DeviceNotFoundError');
  const wrong = hub.connectionString.replace(/SharedAccessKey=.*/, `SharedAccessKey=${Buffer.alloc(32).toString('base64')}`);
  const error = await refused(Registry.fromConnectionString(wrong).get('node-twice'));
  assert.equal(error.name, 'UnauthorizedError');
});

check(SDK, 'devices are added, updated and removed in bulk, and a failure names its device', async () => {
  const devices = ['node-bulk-1', 'node-bulk-2'].map((deviceId) => ({ deviceId, status: 'enabled' }));
  const { responseBody: added } = await registry.addDevices(devices);
  assert.deepEqual(added, { isSuccessful: true, errors: [], warnings: [] });
  const error = await refused(registry.addDevices([{ deviceId: 'node-bulk-3' }, { deviceId: 'node-bulk-1' }]));
  const { errors } = JSON.parse(error.responseBody);
  assert.deepEqual(errors.map(({ deviceId, errorCode }) => [deviceId, errorCode]), [['node-bulk-1', 'DeviceAlreadyExists']]);
  const { responseBody: updated } = await registry.updateDevices(devices.map((one) => ({ ...one, status: 'disabled' })), true);
  assert.equal(updated.isSuccessful, true);
  const { responseBody: first } = await registry.get('node-bulk-1');
  assert.equal(first.status, 'disabled');
  const all = [...devices, { deviceId: 'node-bulk-3' }];
  const { responseBody: removed } = await registry.removeDevices(all, true);
  assert.equal(removed.isSuccessful, true);
  assert.equal((await refused(registry.get('node-bulk-2'))).name, 'DeviceNotFoundError');
});

check(SDK, "a twin's tags and desired properties are patched and guarded by its etag", async () => {
  await registry.create({ deviceId: 'node-twin' });
  const { responseBody: twin } = await registry.getTwin('node-twin');
  assert.equal(twin.deviceId, 'node-twin');
  const patch = { tags: { site: 'roof' }, properties: { desired: { interval: 60, limits: { low: 1, high: 9 } } } };
  // The SDK writes the answer into the twin.
  await twin.update(patch);
  assert.deepEqual(twin.tags, { site: 'roof' });
  assert.equal(twin.properties.desired.$version, 2);
  assert.equal((await refused(registry.updateTwin('node-twin', patch, 'AAAAAAAAAAE='))).name, 'InvalidEtagError');
  const { responseBody: merged } =
    await registry.updateTwin('node-twin', { properties: { desired: { limits: { low: null } } } }, twin.etag);
  assert.deepEqual(merged.properties.desired.limits, { high: 9 });
});

check(SDK, 'a query answers twins and columns, page by page', async () => {
  for (const number of [1, 2, 3]) {
    await registry.create({ deviceId: `node-query-${number}` });
    await registry.updateTwin(`node-query-${number}`, { tags: { fleet: 'node', number } }, '*');
  }
  const twins = registry.createQuery("SELECT * FROM devices WHERE tags.fleet = 'node'", 2);
  const pages = [];
  while (twins.hasMoreResults) pages.push((await twins.nextAsTwin()).result.map((twin) => twin.deviceId));
  assert.deepEqual(pages, [['node-query-1', 'node-query-2'], ['node-query-3']]);
  const rows = registry.createQuery("SELECT deviceId, tags.number FROM devices WHERE tags.fleet = 'node' AND tags.number > 2");
  assert.deepEqual((await rows.next()).result, [{ deviceId: 'node-query-3', number: 3 }]);
});

check(SDK, 'the statistics count devices', async () => {
  const { responseBody: statistics } = await registry.getRegistryStatistics();
  assert.equal(statistics.enabledDeviceCount + statistics.disabledDeviceCount, statistics.totalDeviceCount);
});
