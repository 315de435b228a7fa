"""What the checks share: the stand-in's own API, a list of checks and the way to run them."""

import asyncio
import base64
import hashlib
import hmac
import importlib.metadata
import json
import os
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request

HUB = json.loads(os.environ["IOT_HUB"])
LIMIT_SECONDS = 40

_checks = []


def check(sdk, sentence):
    """Adds a check, an ordinary or an async function; the sentence says what holds."""

    def add(run):
        _checks.append((f"{sdk} {importlib.metadata.version(sdk)}: {sentence}", run))
        return run

    return add


async def run_all():
    """Runs all checks at once: each has devices of its own."""
    await asyncio.gather(*(_run(name, run) for name, run in _checks))


async def _run(name, run):
    try:
        work = run() if asyncio.iscoroutinefunction(run) else asyncio.to_thread(run)
        await asyncio.wait_for(work, LIMIT_SECONDS)
        print(f"ok {name}", flush=True)
    except Exception as error:
        where = traceback.format_tb(error.__traceback__)[-1].strip().replace("\n", " | ")
        text = str(error).replace("\n", " | ")
        print(f"not ok {name}: {type(error).__name__}: {text} ({where})", flush=True)


def control(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{HUB['control']}/{path}", data=data, method=method)
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


class Device:
    """A device of the stand-in, made without any SDK."""

    def __init__(self, device_id):
        self.id = device_id
        self.path = f"devices/{urllib.parse.quote(device_id, safe='')}"
        created = control("PUT", self.path)
        self.connection_string = created["connectionString"]
        self.key = created["key"]

    def disable(self):
        control("POST", f"{self.path}/disable")

    def twin(self):
        return control("GET", self.path)

    def send_c2d(self, message):
        control("POST", f"{self.path}/c2d", message)

    def settled(self):
        return control("GET", f"{self.path}/c2d")

    def events(self):
        """What arrived, with the body as text."""
        events = control("GET", f"{self.path}/events")
        return [{**event, "body": base64.b64decode(event["body"]).decode()} for event in events]


async def eventually(what, ask):
    """Asks until the answer is neither None nor empty."""
    for _ in range(200):
        answer = ask()
        if answer:
            return answer
        await asyncio.sleep(0.05)
    raise AssertionError(f"no {what}")


def refused(call, *arguments):
    """The error of a call that must fail."""
    try:
        call(*arguments)
    except Exception as error:
        return error
    raise AssertionError("it was not refused")


def sas(resource, key, expiry):
    encoded = urllib.parse.quote(resource, safe="")
    signature = hmac.new(base64.b64decode(key), f"{encoded}\n{expiry}".encode(), hashlib.sha256).digest()
    signature = urllib.parse.quote(base64.b64encode(signature).decode(), safe="")
    return f"SharedAccessSignature sr={encoded}&sig={signature}&se={expiry}"


def derived_key(group_key, registration_id):
    digest = hmac.new(base64.b64decode(group_key), registration_id.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def ago(seconds):
    return int(time.time()) - seconds
