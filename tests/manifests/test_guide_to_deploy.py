"""The overlays that docs/deploy.md shows are rendered as it says."""

import re

import yaml

from service.version import __version__
from tests.manifests.conftest import ROOT, overlay

GUIDE = (ROOT / "docs/deploy.md").read_text()
MINE = yaml.safe_load(
    GUIDE.split("```yaml\n# k8s/overlays/mine/kustomization.yaml\n")[1].split("```")[0]
)
[ROUTE] = re.findall(r"```yaml\n(components:\n.*?)```", GUIDE, re.DOTALL)


def named(content):
    return [path.rpartition("/")[2] for path in content["components"]]


def test_overlay_of_ones_own(tmp_path):
    assert MINE["resources"] == ["../../namespace", "../../base"]
    fields = {key: MINE[key] for key in ("namespace", "images")}
    rendered = overlay(tmp_path, ".", *named(MINE), **fields)

    assert rendered.container["image"] == f"registry.example.com/hellopod:{__version__}"
    assert {"Namespace", "NetworkPolicy"} <= rendered.kinds


def test_patch_of_the_route(tmp_path):
    content = yaml.safe_load(ROUTE)
    route = overlay(tmp_path, "k8s/base", *named(content), patches=content["patches"])

    spec = route.find("HTTPRoute")["spec"]
    assert spec["parentRefs"] == [{"name": "my-gateway", "namespace": "gateways"}]
    assert spec["hostnames"] == ["pods.example.com"]


def test_another_namespace(tmp_path):
    assert "`namespace: puzzles`" in GUIDE
    rendered = overlay(tmp_path, ".", namespace="puzzles")

    metadata = [item["metadata"] for item in rendered.objects]
    assert {each.get("namespace", each["name"]) for each in metadata} == {"puzzles"}
