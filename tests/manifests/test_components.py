"""All components together: each pair is somebody's choice."""

import kubernetes_validate
import pytest

from tests.manifests.conftest import ROOT, overlay
from tests.manifests.custom_resources import SCHEMAS, problems
from tests.manifests.test_kubernetes import SUPPORTED

PLACE = "k8s/overlays/production"  # which has patches of its own
COMPONENTS = sorted(folder.name for folder in (ROOT / "k8s/components").iterdir())
LABELS = {"app.kubernetes.io/name": "hellopod", "app.kubernetes.io/part-of": "hellopod"}


# In the other order, but for these: they must be in this one.
IN_ORDER = ["gateway", "gateway-tls", "ingress", "ingress-tls", "tls"]
BACKWARDS = [*(name for name in COMPONENTS[::-1] if name not in IN_ORDER), *IN_ORDER]


@pytest.fixture(params=[COMPONENTS, BACKWARDS], ids=["a to z", "z to a"])
def together(request, tmp_path):
    """Give an overlay of everything, in a namespace of somebody's own."""
    return overlay(tmp_path, PLACE, *request.param, namespace="theirs")


def test_schemas(together):
    for item in together.objects:
        if item["apiVersion"] in SCHEMAS:
            assert problems(item) == []
        else:
            for version in SUPPORTED:
                kubernetes_validate.validate(item, version, strict=True)


def test_each_object_is_there_once(together):
    keys = [(item["kind"], item["metadata"]["name"]) for item in together.objects]

    assert len(keys) == len(set(keys))
    for item in together.objects:
        wanted = "theirs" if item["kind"] != "Namespace" else None
        assert item["metadata"].get("namespace") == wanted
        if wanted:
            assert item["metadata"]["labels"].items() >= LABELS.items()


def test_none_undoes_another(together, tmp_path):
    """What one adds alone is there among all of them."""
    replaced = {"HorizontalPodAutoscaler"}  # by the ScaledObject: that has its numbers
    for name in COMPONENTS:
        folder = tmp_path / name
        folder.mkdir()
        alone = overlay(folder, PLACE, name)
        assert alone.kinds - replaced <= together.kinds
        assert all(variable in together.container["env"] for variable in alone.container["env"])


def test_what_is_scraped_is_let_in(together):
    [endpoint] = together.find("PodMonitor")["spec"]["podMetricsEndpoints"]
    policies = [item for item in together.objects if item["kind"] == "NetworkPolicy"]
    rules = [rule for policy in policies for rule in policy["spec"].get("ingress", [])]

    assert endpoint["port"] in {port["port"] for rule in rules for port in rule["ports"]}
    assert together.settings.metrics_on_http is False
