"""azure-iot-hub's IoTHubRegistryManager: identities, bulk operations, twins and queries."""

import base64

from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import ExportImportDevice, QuerySpecification, Twin, TwinProperties

from checks import HUB, check, refused

SDK = "azure-iot-hub"


def manager():
    return IoTHubRegistryManager.from_connection_string(HUB["connectionString"])


def new_key():
    return base64.b64encode(bytes(range(32))).decode()


def status(error):
    return error.response.status_code


@check(SDK, "a device is created, read, updated, listed and deleted")
def lifecycle():
    registry = manager()
    created = registry.create_device_with_sas("python-registry", new_key(), new_key(), "enabled")
    assert created.authentication.symmetric_key.primary_key == new_key(), created
    read = registry.get_device("python-registry")
    assert (read.device_id, read.etag, read.status) == ("python-registry", created.etag, "enabled"), read
    updated = registry.update_device_with_sas("python-registry", read.etag, new_key(), new_key(), "disabled")
    assert updated.status == "disabled" and updated.etag != read.etag, updated
    assert "python-registry" in [device.device_id for device in registry.get_devices(1000)]
    assert registry.get_device_registry_statistics().total_device_count >= 1
    registry.delete_device("python-registry", updated.etag)
    assert status(refused(registry.get_device, "python-registry")) == 404


@check(SDK, "a device that exists, a missing one, a stale etag and a wrong key are told apart")
def errors():
    registry = manager()
    registry.create_device_with_sas("python-twice", new_key(), new_key(), "enabled")
    create = registry.create_device_with_sas
    assert status(refused(create, "python-twice", new_key(), new_key(), "enabled")) == 409
    assert status(refused(registry.get_twin, "python-none")) == 404
    assert status(refused(registry.delete_device, "python-twice", "b2xk")) == 412
    key = HUB["connectionString"].split("SharedAccessKey=")[1]
    wrong = IoTHubRegistryManager.from_connection_string(HUB["connectionString"].replace(key, new_key()))
    assert status(refused(wrong.get_device, "python-twice")) == 401


@check(SDK, "devices are created and deleted in bulk, and a failure names its device")
def bulk():
    registry = manager()
    ids = ["python-bulk-1", "python-bulk-2"]
    entries = [ExportImportDevice(id=one, import_mode="create", status="enabled") for one in ids]
    result = registry.bulk_create_or_update_devices(entries)
    assert result.is_successful and not result.errors, result
    # The SDK takes a 400 for an answer, too.
    result = registry.bulk_create_or_update_devices(entries[:1])
    failures = [(error.device_id, error.error_code) for error in result.errors]
    assert not result.is_successful and failures == [("python-bulk-1", "DeviceAlreadyExists")], failures
    deletions = [ExportImportDevice(id=one, import_mode="delete") for one in ids]
    assert registry.bulk_create_or_update_devices(deletions).is_successful
    assert status(refused(registry.get_device, ids[1])) == 404


@check(SDK, "a twin's tags and desired properties are patched, guarded by its etag and replaced")
def twin():
    registry = manager()
    registry.create_device_with_sas("python-twin", new_key(), new_key(), "enabled")
    before = registry.get_twin("python-twin")
    patch = Twin(tags={"site": "roof"}, properties=TwinProperties(desired={"interval": 60, "limits": {"low": 1}}))
    patched = registry.update_twin("python-twin", patch, before.etag)
    assert patched.tags == {"site": "roof"}, patched.tags
    assert patched.properties.desired["$version"] == 2, patched.properties.desired
    assert status(refused(registry.update_twin, "python-twin", patch, before.etag)) == 412
    replaced = registry.replace_twin("python-twin", Twin(tags={"floor": 2}, properties=TwinProperties(desired={})))
    assert replaced.tags == {"floor": 2}, replaced.tags
    assert "interval" not in replaced.properties.desired, replaced.properties.desired


@check(SDK, "a query answers twins, page by page")
def query():
    registry = manager()
    for number in (1, 2, 3):
        registry.create_device_with_sas(f"python-query-{number}", new_key(), new_key(), "enabled")
        registry.update_twin(f"python-query-{number}", Twin(tags={"fleet": "python"}))
    specification = QuerySpecification(query="SELECT * FROM devices WHERE tags.fleet = 'python'")
    first = registry.query_iot_hub(specification, None, 2)
    assert [item.device_id for item in first.items] == ["python-query-1", "python-query-2"], first.items
    second = registry.query_iot_hub(specification, first.continuation_token, 2)
    assert [item.device_id for item in second.items] == ["python-query-3"], second.items
    assert second.continuation_token is None
