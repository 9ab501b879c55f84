"""Every PromQL expression in k8s/, as a Prometheus would be asked it; never imports service."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

COMPONENTS = Path(__file__).parents[1] / "k8s/components"
RULES = COMPONENTS / "prometheus-operator/prometheusrule.yaml"
DASHBOARD = COMPONENTS / "grafana-dashboard/hellopod.json"
AUTOSCALER = COMPONENTS / "autoscale-on-saturation/scaledobject.yaml"

# What stands in a rule group and a dashboard row of its own: not everyone scrapes these two.
OUTSIDE_GROUP = "hellopod-kube-state-metrics"
OUTSIDE_ROW = "From kube-state-metrics and cAdvisor"


@dataclass(frozen=True)
class Expression:
    """One expression, and whether it needs kube-state-metrics or cAdvisor."""

    source: str  # "rule", "alert", "panel", "annotation", "variable" or "autoscaler"
    name: str
    expr: str
    needs_outside: bool = False
    text: str = ""  # what a person reads of a result; may name labels in double braces


def rule_groups() -> list[dict]:
    """Return what a rule file of Prometheus holds under `groups`."""
    groups: list[dict] = yaml.safe_load(RULES.read_text())["spec"]["groups"]
    return groups


def dashboard() -> dict:
    """Return the dashboard's JSON."""
    found: dict = json.loads(DASHBOARD.read_text())
    return found


def expressions(
    namespace: str = "hellopod", window: str = "5m", instance: str = "hellopod"
) -> Iterator[Expression]:
    """Yield all of them, the dashboard's and the autoscaler's for every pod of an instance."""
    yield from of_rules()
    values = {"__rate_interval": window, "namespace": namespace, "pod": ".*", "instance": instance}
    for found in (*of_dashboard(), *of_autoscaler()):
        expr = re.sub(r"\$(\w+)", lambda variable: values[variable[1]], found.expr)
        yield replace(found, expr=expr)


def of_rules() -> Iterator[Expression]:
    """Yield recording and alerting rules."""
    for group in rule_groups():
        outside = group["name"] == OUTSIDE_GROUP
        for rule in group["rules"]:
            source = "alert" if "alert" in rule else "rule"
            name = rule.get("alert") or rule["record"]
            text = " ".join(rule.get("annotations", {}).values())
            yield Expression(source, name, rule["expr"], outside, text)


def of_dashboard() -> Iterator[Expression]:
    """Yield what the dashboard asks, with its variables."""
    board = dashboard()
    for variable in board["templating"]["list"]:
        if match := re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]):
            yield Expression("variable", variable["name"], f"count by ({match[2]}) ({match[1]})")
    for annotation in board["annotations"]["list"]:
        text = annotation["titleFormat"]
        yield Expression("annotation", annotation["name"], annotation["expr"], text=text)
    outside = False
    for panel in board["panels"]:
        outside = outside or panel["title"] == OUTSIDE_ROW
        for target in panel.get("targets", []):
            text = target["legendFormat"]
            yield Expression("panel", panel["title"], target["expr"], outside, text)


def of_autoscaler() -> Iterator[Expression]:
    """Yield what KEDA asks for the autoscaler."""
    for trigger in yaml.safe_load(AUTOSCALER.read_text())["spec"]["triggers"]:
        if trigger["type"] == "prometheus":
            # Its namespace is the shipped one until an overlay says another.
            query = trigger["metadata"]["query"]
            expr = query.replace('namespace="hellopod"', 'namespace="$namespace"')
            yield Expression("autoscaler", AUTOSCALER.parent.name, expr)
