"""The components for Prometheus and Grafana, in an overlay as a user writes one."""

import json

import kubernetes_validate
import pytest

from tests.expressions import dashboard, rule_groups
from tests.manifests.conftest import overlay, render
from tests.manifests.custom_resources import problems
from tests.manifests.test_kubernetes import SUPPORTED

LABELS = {"app.kubernetes.io/name": "hellopod", "app.kubernetes.io/part-of": "hellopod"}


@pytest.fixture(scope="module")
def added(tmp_path_factory):
    """What the two components add to the base, in a namespace of somebody's own."""
    components = ("prometheus-operator", "grafana-dashboard")
    place = tmp_path_factory.mktemp("overlay")
    objects = overlay(place, "k8s/base", *components, namespace="theirs").objects
    base = render("k8s/base").kinds
    return {item["kind"]: item for item in objects if item["kind"] not in base}


def test_all_is_added(added):
    assert added.keys() == {"ConfigMap", "PodMonitor", "PrometheusRule"}
    for item in added.values():
        assert item["metadata"]["namespace"] == "theirs"
        assert item["metadata"]["labels"].items() >= LABELS.items()


@pytest.mark.parametrize("kind", ["PodMonitor", "PrometheusRule"])
def test_operators_schema(added, kind):
    assert added[kind]["apiVersion"] == "monitoring.coreos.com/v1"
    assert problems(added[kind]) == []


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
