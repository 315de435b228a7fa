"""azure-iot-device over MQTT: telemetry, the twin, cloud-to-device messages and provisioning."""

import asyncio
import pathlib

from azure.iot.device import Message
from azure.iot.device.aio import IoTHubDeviceClient, ProvisioningDeviceClient
from azure.iot.device.exceptions import ClientError, CredentialError
from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import Twin, TwinProperties

from checks import HUB, Device, ago, check, control, derived_key, eventually, sas

SDK = "azure-iot-device"
CA = pathlib.Path(HUB["caFile"]).read_text()


def connected(connection_string):
    # Without the SDK's own reconnection: a refusal is to be seen, not repeated.
    return IoTHubDeviceClient.create_from_connection_string(
        connection_string, server_verification_cert=CA, connection_retry=False
    )


def set_desired(device_id, desired):
    manager = IoTHubRegistryManager.from_connection_string(HUB["connectionString"])
    manager.update_twin(device_id, Twin(properties=TwinProperties(desired=desired)))


@check(SDK, "telemetry arrives with its body and properties, as a consumer expects them")
async def telemetry():
    device = Device("python-mqtt")
    client = connected(device.connection_string)
    message = Message('{"temp":21.375}', content_encoding="utf-8", content_type="application/json")
    message.message_id = "as:up:01ABC:uplink_message"
    message.correlation_id = "gs:uplink:01ABC"
    message.custom_properties["f-port"] = "2"
    message.custom_properties["iothub-creation-time-utc"] = "2026-11-20T10:00:00.1234567Z"
    message.custom_properties["Place & time"] = "Tür 5/7=?"
    await client.send_message(message)
    assert device.events() == [
        {
            "body": '{"temp":21.375}',
            "properties": {"f-port": "2", "Place & time": "Tür 5/7=?"},
            "systemProperties": {
                "message-id": "as:up:01ABC:uplink_message",
                "correlation-id": "gs:uplink:01ABC",
                "content-type": "application/json",
                "content-encoding": "utf-8",
                "creation-time-utc": "2026-11-20T10:00:00.1234567Z",
            },
            "authenticationScope": "device",
        }
    ], device.events()
    await client.shutdown()


@check(SDK, "the twin is read and its reported properties are patched")
async def twin():
    device = Device("python-mqtt-twin")
    await asyncio.to_thread(set_desired, device.id, {"interval": 60})
    client = connected(device.connection_string)
    read = await client.get_twin()
    assert read["desired"] == {"interval": 60, "$version": 2}, read
    await client.patch_twin_reported_properties({"battery": 88, "location": {"lat": 52.1, "lon": 4.9}})
    await client.patch_twin_reported_properties({"location": {"lat": None}})
    reported = device.twin()["properties"]["reported"]
    assert (reported["battery"], reported["location"], reported["$version"]) == (88, {"lon": 4.9}, 3), reported
    try:
        await client.patch_twin_reported_properties({"not allowed": 1})
    except ClientError:
        pass
    else:
        raise AssertionError("a key with a space was accepted")
    assert device.twin()["properties"]["reported"]["$version"] == 3
    await client.shutdown()


@check(SDK, "a change of desired properties reaches a device that listens")
async def desired():
    device = Device("python-mqtt-desired")
    client = connected(device.connection_string)
    patches = []
    await client.connect()
    # Comes back when the device listens.
    client.on_twin_desired_properties_patch_received = patches.append
    await asyncio.to_thread(set_desired, device.id, {"interval": 30})
    await eventually("patch", lambda: patches)
    assert patches == [{"interval": 30, "$version": 2}], patches
    await client.shutdown()


@check(SDK, "cloud-to-device messages arrive, also those that waited")
async def cloud_to_device():
    device = Device("python-mqtt-c2d")
    system = {"message-id": "c2d-1", "correlation-id": "order-7", "content-type": "application/json"}
    device.send_c2d({"body": '{"open":true}', "systemProperties": system, "properties": {"valve no": "3/4"}})
    client = connected(device.connection_string)
    messages = []
    client.on_message_received = messages.append
    await client.connect()
    await eventually("message", lambda: messages)
    first = messages[0]
    assert first.data == b'{"open":true}', first.data
    assert (first.message_id, first.correlation_id, first.content_type) == tuple(system.values())
    assert first.custom_properties == {"valve no": "3/4"}, first.custom_properties
    device.send_c2d({"body": "second", "systemProperties": {"message-id": "c2d-2"}})
    await eventually("second message", lambda: len(messages) > 1)
    assert [one["outcome"] for one in device.settled()] == ["Completed", "Completed"], device.settled()
    await client.shutdown()


async def refusal(client):
    try:
        await client.connect()
    except Exception as error:
        return error
    finally:
        await client.shutdown()
    return None


@check(SDK, "a bad key, a disabled device, an expired token and a missing device are refused for their credentials")
async def errors():
    device = Device("python-mqtt-errors")
    assert await refusal(connected(device.connection_string)) is None
    foreign = derived_key(HUB["groupKey"], "somebody else")
    host = HUB["hostName"]
    bad_key = f"HostName={host};DeviceId={device.id};SharedAccessKey={foreign}"
    missing = f"HostName={host};DeviceId=python-mqtt-missing;SharedAccessKey={device.key}"
    for connection_string in (bad_key, missing):
        error = await refusal(connected(connection_string))
        assert isinstance(error, CredentialError), f"{connection_string}: {error!r}"
    # The SDK looks at a token's time itself and does not even try.
    try:
        IoTHubDeviceClient.create_from_sastoken(sas(f"{host}/devices/{device.id}", device.key, ago(60)))
    except ValueError:
        pass
    else:
        raise AssertionError("an expired token was accepted")
    device.disable()
    error = await refusal(connected(device.connection_string))
    assert isinstance(error, CredentialError), repr(error)


@check(SDK, "a client that was not told the stand-in's root does not connect")
async def untrusted():
    device = Device("python-untrusted")
    client = IoTHubDeviceClient.create_from_connection_string(device.connection_string, connection_retry=False)
    error = await refusal(client)
    assert isinstance(error, ClientError) and "TLS" in str(error), repr(error)


def provisioner(id_scope, registration_id, key):
    return ProvisioningDeviceClient.create_from_symmetric_key(
        provisioning_host=HUB["hostName"],
        registration_id=registration_id,
        id_scope=id_scope,
        symmetric_key=key,
        server_verification_cert=CA,
    )


@check(SDK, "a device registers with its group's key, is assigned to the hub and sends with the derived key")
async def provisioning():
    key = derived_key(HUB["groupKey"], "python-dps")
    client = provisioner(HUB["idScope"], "python-dps", key)
    client.provisioning_payload = {"modelId": "dtmi:example:sensor;1"}
    result = await client.register()
    assert result.status == "assigned", result
    state = result.registration_state
    assert (state.assigned_hub, state.device_id) == (HUB["hostName"], "python-dps"), state
    assert state.sub_status == "initialAssignment", state
    device = connected(f"HostName={state.assigned_hub};DeviceId={state.device_id};SharedAccessKey={key}")
    await device.send_message("provisioned")
    assert len(control("GET", "devices/python-dps/events")) == 1
    await device.shutdown()


@check(SDK, "a key of another group and an unknown scope are not registered")
async def provisioning_refused():
    own = derived_key(HUB["groupKey"], "python-dps-foreign")
    foreign = derived_key(own, "python-dps-foreign")
    for id_scope, key in ((HUB["idScope"], foreign), ("0ne00FFFFFF", own)):
        try:
            await provisioner(id_scope, "python-dps-foreign", key).register()
        except CredentialError:
            continue
        raise AssertionError(f"registered in {id_scope}")
