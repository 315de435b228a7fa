"""What checkov found, against what we know and accept: judge.py FOLDER REPORT.

checkov passes over files it cannot read and says so in a number only, so silence is not enough: every file has to be
read, and at least as many resources judged as there are.
"""

import json
import re
import sys
from pathlib import Path

OPEN = "The Things Stack and its webhooks come from the internet; rights are checked by token"
CONFIG = "it takes the list of app settings for the app's configuration, which is in function-app.bicep"
# Check and file it is accepted in, with the reason.
ACCEPTED = {
    ("CKV_AZURE_13", "modules/app-settings.bicep"): CONFIG,
    ("CKV_AZURE_17", "modules/function-app.bicep"): "The Things Stack has no client certificates",
    ("CKV_AZURE_35", "modules/storage.bicep"): OPEN,
    ("CKV_AZURE_41", "modules/secrets.bicep"): "an expired secret would stop the bridge; rotation is a deployment",
    ("CKV_AZURE_43", "modules/storage.bicep"): "it cannot compute the name; the infra tests do",
    ("CKV_AZURE_59", "modules/storage.bicep"): OPEN,
    ("CKV_AZURE_63", "modules/app-settings.bicep"): CONFIG,
    ("CKV_AZURE_65", "modules/app-settings.bicep"): CONFIG,
    ("CKV_AZURE_66", "modules/app-settings.bicep"): CONFIG,
    ("CKV_AZURE_80", "modules/app-settings.bicep"): CONFIG,
    ("CKV_AZURE_88", "modules/app-settings.bicep"): CONFIG,
    ("CKV_AZURE_109", "modules/key-vault.bicep"): OPEN,
    ("CKV_AZURE_114", "modules/secrets.bicep"): "it overlooks contentType in a conditional resource",
    ("CKV_AZURE_189", "modules/key-vault.bicep"): OPEN,
    ("CKV_AZURE_206", "modules/storage.bicep"): "queues hold what is delivered within a day; the hub itself is in one region",
    ("CKV_AZURE_212", "modules/function-app.bicep"): "Flex Consumption starts instances by itself",
    ("CKV_AZURE_213", "modules/function-app.bicep"): "Flex Consumption has no health checks",
    ("CKV_AZURE_222", "modules/app-settings.bicep"): CONFIG,
    ("CKV_AZURE_222", "modules/function-app.bicep"): OPEN,
    ("CKV_AZURE_225", "modules/function-app.bicep"): "zone redundancy forces two instances that always run",
}


def main(folder, report):
    answer = json.loads(Path(report).read_text())
    if "results" not in answer:
        yield f"checkov judged nothing: {answer}"
        return
    for path in answer["results"]["parsing_errors"]:
        yield f"checkov cannot read {Path(path).name}: keep to the dialect that every parser reads"
    summary = answer["summary"]
    there = sum(len(re.findall(r"^resource ", path.read_text(), re.M)) for path in Path(folder).rglob("*.bicep"))
    if summary["parsing_errors"] or summary["resource_count"] < there:
        yield (f"{summary['parsing_errors']} files could not be read, {summary['resource_count']} resources were judged; "
               f"expected 0 files, {there} resources")
    unseen = dict(ACCEPTED)
    for check in answer["results"]["failed_checks"]:
        key = check["check_id"], check["file_path"].lstrip("/")
        unseen.pop(key, None)
        if key not in ACCEPTED:
            line = check["file_line_range"][0]
            yield f"{key[1]}:{line}: {key[0]} {check['check_name']} ({check['resource']})"
    for check, path in unseen:
        yield f"{check} is accepted in {path} but was not found: take it out of judge.py"


problems = list(main(*sys.argv[1:]))
for problem in problems:
    print(f"not ok {problem}")
if problems:
    sys.exit(1)
print("ok checkov")
