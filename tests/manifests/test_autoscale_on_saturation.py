"""The component that scales on saturation, and the rules that prometheus-adapter needs for it."""

import re

import kubernetes_validate
import pytest
import yaml

from tests.manifests.conftest import ROOT, overlay, render
from tests.manifests.test_kubernetes import SUPPORTED

COMPONENT = ROOT / "k8s/components/autoscale-on-saturation"
VALUES = yaml.safe_load((COMPONENT / "prometheus-adapter-values.yaml").read_text())
[RULE] = VALUES["rules"]["custom"]


@pytest.fixture(params=["k8s/base", "k8s/overlays/production"])
def saturated(request, tmp_path):
    """Give an overlay as a user writes one, and what it is an overlay of."""
    return overlay(tmp_path, request.param, COMPONENT.name), render(request.param)


@pytest.mark.parametrize("version", SUPPORTED)
def test_schema(saturated, version):
    kubernetes_validate.validate(saturated[0].find("HorizontalPodAutoscaler"), version, strict=True)


def test_only_a_metric_is_added(saturated):
    # Copies: others look at the same renderings.
    scaler, plain = (dict(one.find("HorizontalPodAutoscaler")["spec"]) for one in saturated)
    *cpu, metric = scaler.pop("metrics")

    assert cpu == plain.pop("metrics")
    assert scaler == plain
    assert metric["type"] == "Pods"
    assert metric["pods"]["metric"]["name"] == RULE["name"]["as"]
    assert len(saturated[0].objects) == len(saturated[1].objects)


def test_target_leaves_room(saturated):
    target = saturated[0].find("HorizontalPodAutoscaler")["spec"]["metrics"][-1]["pods"]["target"]
    slots = saturated[0].settings.concurrency
    mean = int(target["averageValue"].removesuffix("m")) / 1000 * slots

    # Requests in flight at a pod chosen at random vary as a Poisson distribution does.
    assert mean + 2.5 * mean**0.5 <= slots
    assert mean * 2 <= slots


def test_rule_serves_pods_of_a_namespace():
    assert RULE["resources"]["overrides"] == {
        name: {"resource": name} for name in ("namespace", "pod")
    }
    selectors = re.findall(r"\{(.*?)\}", RULE["metricsQuery"])
    assert all("<<.LabelMatchers>>" in selector for selector in selectors)
