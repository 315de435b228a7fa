'use strict';
// What the checks share: the stand-in's own API, a list of checks and the way to run them.

const assert = require('node:assert/strict');
const crypto = require('node:crypto');

const hub = JSON.parse(process.env.IOT_HUB);
const LIMIT_MILLISECONDS = 30_000;
const checks = [];

/** Adds a check; the sentence says what holds. */
function check(sdk, sentence, run) {
  checks.push({ name: `${sdk} ${version(sdk)}: ${sentence}`, run });
}

function version(sdk) {
  return require(`${sdk}/package.json`).version;
}

/** Runs all checks at once: each has devices of its own. */
async function runAll() {
  await Promise.all(checks.map(async ({ name, run }) => {
    try {
      await within(run(), 'no end');
      console.log(`ok ${name}`);
    } catch (error) {
      console.log(`not ok ${name}: ${String(error.stack ?? error).split('\n').slice(0, 12).join(' | ')}`);
    }
  }));
}

function within(promise, what) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} after ${LIMIT_MILLISECONDS} ms`)), LIMIT_MILLISECONDS);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

async function control(method, path, body) {
  const response = await fetch(`${hub.control}/${path}`, { method, body: body && JSON.stringify(body) });
  const answer = await response.json();
  assert.equal(response.status, 200, `${method} ${path}: ${answer.error}`);
  return answer;
}

function readable(event) {
  return { ...event, body: Buffer.from(event.body, 'base64').toString() };
}

/** A device of the stand-in, made without any SDK. */
async function device(id) {
  const { connectionString, key } = await control('PUT', `devices/${encodeURIComponent(id)}`);
  const path = `devices/${encodeURIComponent(id)}`;
  return {
    id,
    connectionString,
    key,
    disable: () => control('POST', `${path}/disable`),
    twin: () => control('GET', path),
    sendC2d: (message) => control('POST', `${path}/c2d`, message),
    settled: () => control('GET', `${path}/c2d`),
    /** What arrived, with the body as text. */
    events: async () => (await control('GET', `${path}/events`)).map(readable),
    /** What a consumer of the built-in endpoint gets, with the body as text. */
    routed: async () => (await control('GET', `${path}/routed`)).map(readable),
  };
}

/** Asks until the answer is not nullish. */
async function eventually(what, ask) {
  const until = Date.now() + 10_000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== null) return answer;
    assert.ok(Date.now() < until, `no ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function sas(resource, key, expiry) {
  const encoded = encodeURIComponent(resource);
  const hmac = crypto.createHmac('sha256', Buffer.from(key, 'base64')).update(`${encoded}\n${expiry}`);
  return `SharedAccessSignature sr=${encoded}&sig=${encodeURIComponent(hmac.digest('base64'))}&se=${expiry}`;
}

module.exports = { assert, check, control, device, eventually, hub, runAll, sas, within };
