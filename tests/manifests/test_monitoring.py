"""The components for Prometheus and Grafana, in an overlay as a user writes one."""

import json
import os
import subprocess
from functools import cache
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from openapi_schema_validator import OAS30StrictValidator

from tests.expressions import dashboard, rule_groups
from tests.manifests.conftest import ROOT, render
from tests.manifests.test_kubernetes import SUPPORTED

SCHEMAS = yaml.safe_load((Path(__file__).parent / "schemas/prometheus-operator.yaml").read_text())
LABELS = {"app.kubernetes.io/name": "hellopod", "app.kubernetes.io/part-of": "hellopod"}


@pytest.fixture(scope="module")
def added(tmp_path_factory):
    """What the two components add to the base, in a namespace of somebody's own."""
    return overlay(tmp_path_factory.mktemp("overlay"))


def overlay(folder):
    def relative(place):
        return os.path.relpath(ROOT / place, folder)

    names = ("prometheus-operator", "grafana-dashboard")
    wanted = {
        "namespace": "theirs",
        "resources": [relative("k8s/base")],
        "components": [relative(f"k8s/components/{name}") for name in names],
    }
    (folder / "kustomization.yaml").write_text(json.dumps(wanted))
    base = {item["kind"] for item in render("k8s/base").objects}
    ran = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    objects = {item["kind"]: item for item in yaml.safe_load_all(ran.stdout)}
    return {kind: item for kind, item in objects.items() if kind not in base}


def closed(schema):
    """Forbid what the schema does not name: a cluster would drop it without a word."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(part) for key, part in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        found.setdefault("additionalProperties", False)
    return found


@cache
def validator(kind):
    return OAS30StrictValidator(closed(SCHEMAS[kind]))


def test_all_is_added(added):
    assert added.keys() == {"ConfigMap", "PodMonitor", "PrometheusRule"}
    for item in added.values():
        assert item["metadata"]["namespace"] == "theirs"
        assert item["metadata"]["labels"].items() >= LABELS.items()


@pytest.mark.parametrize("kind", SCHEMAS)
def test_operators_schema(added, kind):
    item = dict(added[kind])
    assert item.pop("apiVersion") == "monitoring.coreos.com/v1"
    del item["metadata"], item["kind"]

    assert [error.message for error in validator(kind).iter_errors(item)] == []


@pytest.mark.parametrize("version", SUPPORTED)
def test_schema(added, version):
    kubernetes_validate.validate(added["ConfigMap"], version, strict=True)


def test_pod_monitor_finds_the_pods(added):
    monitor = added["PodMonitor"]["spec"]
    [endpoint] = monitor["podMetricsEndpoints"]
    base = render("k8s/base")
    labels = base.deployment["template"]["metadata"]["labels"]

    assert monitor["selector"] == base.deployment["selector"]
    assert labels[monitor["jobLabel"]] == "hellopod"  # the job that all expressions ask for
    assert endpoint["port"] in [port["name"] for port in base.container["ports"]]
    annotations = base.deployment["template"]["metadata"]["annotations"]
    assert endpoint["path"] == annotations["prometheus.io/path"]


def test_rules_arrive_as_written(added):
    assert added["PrometheusRule"]["spec"]["groups"] == rule_groups()


def test_dashboard_is_found_by_the_sidecar(added):
    config_map = added["ConfigMap"]

    assert config_map["metadata"]["name"] == "hellopod-dashboard"
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert [json.loads(text) for text in config_map["data"].values()] == [dashboard()]
