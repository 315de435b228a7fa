"""What checkov found, against what is accepted: judge.py FOLDER ACCEPTED REPORT.

checkov passes over files it cannot read and says so in a number only, so silence is not enough: every file has to be
read, and at least as many resources judged as there are. What is accepted has to be found, too.
"""

import json
import re
import sys
from pathlib import Path

import yaml


def problems(folder, accepted, report):
    answer = json.loads(Path(report).read_text())
    if "results" not in answer:
        yield f"checkov judged nothing: {answer}"
        return
    for path in answer["results"]["parsing_errors"]:
        yield f"checkov cannot read {Path(path).name}: keep to the dialect that every parser reads"
    yield from unread(folder, answer["summary"])
    accepted = set(yaml.safe_load(Path(accepted).read_text())["skip-check"])
    found = set()
    for check in answer["results"]["failed_checks"]:
        found.add(check["check_id"])
        if check["check_id"] not in accepted:
            place = f"infra{check['file_path']}:{check['file_line_range'][0]}"
            yield f"{place}: {check['check_id']} {check['check_name']} ({check['resource']})"
    for check in sorted(accepted - found):
        yield f"{check} is accepted but was not found: take it out of infra/.checkov.yaml"


def unread(folder, summary):
    there = sum(len(re.findall(r"^resource ", path.read_text(), re.M)) for path in Path(folder).rglob("*.bicep"))
    errors, judged = summary["parsing_errors"], summary["resource_count"]
    if errors or not there or judged < there:
        yield f"{errors} files could not be read and {judged} resources were judged, expected 0 files and {there} resources"


complaints = list(problems(*sys.argv[1:]))
for complaint in complaints:
    print(f"not ok {complaint}")
if complaints:
    sys.exit(1)
print("ok checkov")
