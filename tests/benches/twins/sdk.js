'use strict';
// The vendor's way in the handler's place: per uplink a client of the official SDK connects as the device, sends the
// message, updates the twin and closes. `node sdk.js FILE`, where FILE maps device ids to connection strings.

const fs = require('node:fs');
const http = require('node:http');
const { Client, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');

const connectionStrings = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const DELIVERED = '{"Outputs":{"res":{"statusCode":200,"body":"{}"}},"Logs":[],"ReturnValue":null}';

async function deliver(text) {
  const up = JSON.parse(text);
  const client = Client.fromConnectionString(connectionStrings[up.end_device_ids.device_id], Mqtt);
  client.on('error', () => {});
  await client.open();
  try {
    await client.sendEvent(message(up, text));
    await report(client, reported(up));
  } finally {
    await client.close();
  }
}

function message(up, text) {
  const one = new Message(text);
  one.messageId = `${up.correlation_ids[0]}:uplink_message`;
  one.contentType = 'application/json';
  one.contentEncoding = 'utf-8';
  one.properties.add('f-port', String(up.uplink_message.f_port));
  return one;
}

function reported(up) {
  const { decoded_payload: decodedPayload, f_port: fPort, f_cnt: fCntUp, rx_metadata: gateways } = up.uplink_message;
  const { rssi, snr } = gateways[0];
  return { lastSeenAt: up.received_at, decodedPayload, lorawan: { fPort, fCntUp, rssi, snr, gateways: gateways.length } };
}

/** There is no other way to a twin's reported properties than to get the twin first. */
async function report(client, patch) {
  const twin = await client.getTwin();
  await new Promise((resolve, reject) => {
    twin.properties.reported.update(patch, (error) => (error ? reject(error) : resolve()));
  });
}

async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

http.createServer(async (request, response) => {
  try {
    if (request.method === 'POST') await deliver(JSON.parse(await read(request)).Data.req.Body);
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(DELIVERED);
  } catch (error) {
    response.writeHead(500).end(String(error.stack ?? error));
  }
}).listen(process.env.FUNCTIONS_CUSTOMHANDLER_PORT, '127.0.0.1');
