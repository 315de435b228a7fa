'use strict';
// One message with everything the bridge sets, and what a consumer of it sees.

const { Message } = require('azure-iot-device');

const EXPECTED = {
  body: '{"temp":21.375}',
  systemProperties: {
    'message-id': 'as:up:01ABC:uplink_message',
    'correlation-id': 'gs:uplink:01ABC',
    'content-type': 'application/json',
    'content-encoding': 'utf-8',
  },
};

function message() {
  const one = new Message(EXPECTED.body);
  one.messageId = EXPECTED.systemProperties['message-id'];
  one.correlationId = EXPECTED.systemProperties['correlation-id'];
  one.contentType = EXPECTED.systemProperties['content-type'];
  one.contentEncoding = EXPECTED.systemProperties['content-encoding'];
  one.properties.add('f-port', '2');
  one.properties.add('odd', "!#$%&'*+-.^_`|~");
  return one;
}

module.exports = { EXPECTED, message };
