'use strict';
// All checks of the Node SDKs, in one process.

const { runAll } = require('./checks');

require('./registry');
require('./device_http');
require('./device_mqtt');
require('./provisioning');
require('./look_alike');

// An SDK's timers may outlive its clients.
runAll().then(() => process.exit(0));
