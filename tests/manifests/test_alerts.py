"""The alerts fire when they should, and a person who is woken finds what to do in the runbook."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.expressions import rule_groups
from tests.promtool import promtool

HERE = Path(__file__).parent
RUNBOOK = (HERE.parents[1] / "docs/runbook.md").read_text()
ALERTS = {
    rule["alert"]: rule for group in rule_groups() for rule in group["rules"] if "alert" in rule
}
FILES = ("alerts.yaml", "alerts_of_days.yaml")
CASES = [
    case
    for file in FILES
    for test in yaml.safe_load((HERE / file).read_text())["tests"]
    for case in test["alert_rule_test"]
]

every_alert = pytest.mark.parametrize("name", ALERTS)


def write_rules(folder, *, annotated):
    groups = rule_groups()
    if not annotated:
        for rule in (rule for group in groups for rule in group["rules"]):
            rule.pop("annotations", None)
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))


def test_rules_are_a_rule_file(tmp_path):
    write_rules(tmp_path, annotated=True)

    assert "SUCCESS" in promtool("check", "rules", "--lint=all", "rules.yaml", folder=tmp_path)


def test_alerts_fire_and_are_silent(tmp_path):
    write_rules(tmp_path, annotated=False)
    for file in FILES:
        shutil.copy(HERE / file, tmp_path)

    assert "SUCCESS" in promtool("test", "rules", *FILES, folder=tmp_path)


@every_alert
def test_both_is_shown(name):
    assert {bool(case["exp_alerts"]) for case in CASES if case["alertname"] == name} == {
        True,
        False,
    }


@every_alert
def test_says_what_is_wrong(name):
    rule = ALERTS[name]

    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"].endswith(f"/docs/runbook.md#{name.lower()}")
    assert "{{ $labels.namespace }}" in rule["annotations"]["description"]


def test_runbook_has_each_alert_and_no_other():
    section = RUNBOOK.split("\n## Alerts\n")[1].split("\n## ")[0]

    assert re.findall(r"^### (\w+)$", section, re.MULTILINE) == list(ALERTS)
