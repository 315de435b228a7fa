#!/usr/bin/env python3
"""Writes types.json: what Azure takes in a resource of each type our templates use.

Run by hand, to refresh the table or after a new type in RESOURCES; needs Python and PyPI. Takes two minutes and 250 MB
in .venv-*, which may be deleted afterwards. Sources, all of them Microsoft's and under the MIT licence:

* msmcp-azure carries Bicep's own types and prints those of one resource; it lacks IoT Hub and Azure Monitor.
* azure-mgmt-iothub and azure-mgmt-monitor are the SDKs of the same interfaces. azure-mgmt-monitor left out diagnostic
  settings after 6.0.2.
"""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import azmcp

HERE = Path(__file__).resolve().parent
MONITOR = "azure-mgmt-monitor==7.0.0"
OLD_MONITOR = "azure-mgmt-monitor==6.0.2"
IOT_HUB = "azure-mgmt-iothub==4.0.0"
BICEP = "msmcp-azure==3.0.0"

# Type and version, package, and for an SDK its module and class; for Bicep's types the names to keep of a type that has
# a shape for each name.
RESOURCES = {
    "Microsoft.Authorization/roleAssignments@2022-04-01": (BICEP,),
    "Microsoft.Devices/IotHubs@2023-06-30": (IOT_HUB, "azure.mgmt.iothub.v2023_06_30.models", "IotHubDescription"),
    "Microsoft.EventHub/namespaces@2024-01-01": (BICEP,),
    "Microsoft.EventHub/namespaces/eventhubs@2024-01-01": (BICEP,),
    "Microsoft.EventHub/namespaces/eventhubs/consumergroups@2024-01-01": (BICEP,),
    "Microsoft.Insights/actionGroups@2023-01-01": (MONITOR, "azure.mgmt.monitor.models", "ActionGroupResource"),
    "Microsoft.Insights/components@2020-02-02": (BICEP,),
    "Microsoft.Insights/diagnosticSettings@2021-05-01-preview": (
        OLD_MONITOR, "azure.mgmt.monitor.v2021_05_01_preview.models", "DiagnosticSettingsResource"),
    "Microsoft.Insights/metricAlerts@2018-03-01": (MONITOR, "azure.mgmt.monitor.models", "MetricAlertResource"),
    "Microsoft.Insights/scheduledQueryRules@2023-12-01": (
        MONITOR, "azure.mgmt.monitor.models", "ScheduledQueryRuleResource"),
    "Microsoft.Insights/workbooks@2023-06-01": (BICEP,),
    "Microsoft.KeyVault/vaults@2024-11-01": (BICEP,),
    "Microsoft.KeyVault/vaults/secrets@2024-11-01": (BICEP,),
    "Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30": (BICEP,),
    "Microsoft.OperationalInsights/workspaces@2025-02-01": (BICEP,),
    "Microsoft.Storage/storageAccounts@2025-01-01": (BICEP,),
    "Microsoft.Storage/storageAccounts/blobServices@2025-01-01": (BICEP,),
    "Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01": (BICEP,),
    "Microsoft.Storage/storageAccounts/managementPolicies@2025-01-01": (BICEP,),
    "Microsoft.Storage/storageAccounts/queueServices@2025-01-01": (BICEP,),
    "Microsoft.Storage/storageAccounts/queueServices/queues@2025-01-01": (BICEP,),
    "Microsoft.Web/serverfarms@2024-11-01": (BICEP,),
    "Microsoft.Web/sites@2024-11-01": (BICEP,),
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01": (BICEP,),
    "Microsoft.Web/sites/config@2024-11-01": (BICEP, "appsettings"),
}


def environment(package):
    """Python of an environment with the package, made when it is not there."""
    root = HERE / f".venv-{package.replace('==', '-')}"
    python = root / "bin" / "python"
    if not python.exists():
        venv.create(root, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package], check=True)
    return python


def types_of(resource, package, *more):
    """All types of one resource, by name; its body is `body`."""
    python = environment(package)
    if package != BICEP:
        arguments = [python, HERE / "sdk.py", *more]
        return json.loads(subprocess.run(arguments, check=True, capture_output=True).stdout)
    (binary,) = python.parent.parent.glob("lib/*/site-packages/msmcp_azure/bin/azmcp")
    arguments = [binary, "bicepschema", "get", "--resource-type", resource.partition("@")[0]]
    quiet = os.environ | {"AZURE_MCP_COLLECT_TELEMETRY": "false"}
    answer = subprocess.run(arguments, check=True, capture_output=True, env=quiet).stdout
    return azmcp.types(json.loads(answer)["results"]["BicepSchemaResult"], resource, more)


def written(table):
    """The table as JSON with one property on a line, so that a refresh can be read as a diff."""
    lines = []
    for resource, (package, types) in sorted(table.items()):
        lines.append(f'  {json.dumps(resource)}: {{\n    "source": {json.dumps(package)},\n    "types": {{')
        lines.append(",\n".join(written_type(name, types[name]) for name in sorted(types)) + "\n    }\n  },")
    return "{\n" + "\n".join(lines).rstrip(",") + "\n}\n"


def written_type(name, parts):
    """One type; its parts are properties, and for some `additional`, `discriminator` and `variants`."""
    lines = [f"        {json.dumps(key)}: {json.dumps(value)}" for key, value in sorted(parts["properties"].items())]
    block = "{\n" + ",\n".join(lines) + "\n      }" if lines else "{}"
    rest = "".join(f", {json.dumps(key)}: {json.dumps(parts[key])}" for key in sorted(parts) if key != "properties")
    return f'      {json.dumps(name)}: {{"properties": {block}{rest}}}'


def main():
    table = {}
    for resource, source in RESOURCES.items():
        print(resource, file=sys.stderr)
        table[resource] = (source[0], types_of(resource, *source))
    (HERE.parent / "types.json").write_text(written(table))


if __name__ == "__main__":
    main()
