'use strict';
// azure-iot-provisioning-device over HTTPS: registration by a group's key.

const crypto = require('node:crypto');
const { Client, Message } = require('azure-iot-device');
const { Http: DeviceHttp } = require('azure-iot-device-http');
const { ProvisioningDeviceClient } = require('azure-iot-provisioning-device');
const { Http } = require('azure-iot-provisioning-device-http');
const { SymmetricKeySecurityClient } = require('azure-iot-security-symmetric-key');
const { assert, check, control, hub } = require('./checks');

const SDK = 'azure-iot-provisioning-device-http';

function derivedKey(groupKey, registrationId) {
  return crypto.createHmac('sha256', Buffer.from(groupKey, 'base64')).update(registrationId).digest('base64');
}

function provisioner(idScope, registrationId, key) {
  const security = new SymmetricKeySecurityClient(registrationId, key);
  return ProvisioningDeviceClient.create(hub.hostName, idScope, new Http(), security);
}

function register(idScope, registrationId, key) {
  return provisioner(idScope, registrationId, key).register();
}

check(SDK, "a device registers with its group's key, is assigned to the hub and sends with the derived key", async () => {
  const id = 'node-dps';
  const key = derivedKey(hub.groupKey, id);
  const first = provisioner(hub.idScope, id, key);
  first.setProvisioningPayload({ modelId: 'dtmi:example:sensor;1' });
  const result = await first.register();
  assert.equal(result.assignedHub, hub.hostName);
  assert.equal(result.deviceId, id);
  assert.equal(result.status, 'assigned');
  assert.equal(result.substatus, 'initialAssignment');
  assert.deepEqual(result.payload, { modelId: 'dtmi:example:sensor;1' });
  const connectionString = `HostName=${result.assignedHub};DeviceId=${result.deviceId};SharedAccessKey=${key}`;
  await Client.fromConnectionString(connectionString, DeviceHttp).sendEvent(new Message('provisioned'));
  assert.equal((await control('GET', `devices/${id}/events`)).length, 1);
  assert.equal((await register(hub.idScope, id, key)).substatus, 'reprovisionedToInitialAssignment');
});

check(SDK, 'a key of another group and an unknown scope are refused, and no device is created', async () => {
  const refusal = (promise) => promise.then(() => assert.fail('registered'), (error) => error);
  const foreign = derivedKey(Buffer.alloc(32).toString('base64'), 'node-dps-foreign');
  const unauthorized = await refusal(register(hub.idScope, 'node-dps-foreign', foreign));
  assert.equal(unauthorized.name, 'UnauthorizedError');
  const own = derivedKey(hub.groupKey, 'node-dps-foreign');
  const unknown = await refusal(register('0ne00FFFFFF', 'node-dps-foreign', own));
  assert.equal(unknown.response.statusCode, 404);
  const response = await fetch(`${hub.control}/devices/node-dps-foreign`);
  assert.equal(response.status, 404);
});
