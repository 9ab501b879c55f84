"""What docs/instances.md shows is what its overlays render."""

import re

import kubernetes_validate
import pytest
import yaml

from tests.manifests.conftest import ROOT, overlay, render
from tests.manifests.test_kubernetes import SUPPORTED, mebibytes

GUIDE = (ROOT / "docs/instances.md").read_text()
BLUE, SETTINGS, THEIRS = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL))


def shown(folder, content):
    """Render an overlay of the guide, as if it were in a folder beside k8s."""
    [place] = content.pop("resources")
    components = [name.rpartition("/")[2] for name in content.pop("components", [])]
    return overlay(folder, place.removeprefix("../"), *components, **content)


def test_a_copy_in_four_lines(tmp_path):
    assert len(BLUE) == 4
    copy = shown(tmp_path, dict(BLUE))

    assert copy.find("Service")["metadata"]["name"] == "blue-hellopod"
    assert copy.find("Service")["spec"]["selector"] == copy.deployment["selector"]["matchLabels"]
    assert copy.deployment["selector"]["matchLabels"] == {
        "app.kubernetes.io/name": "hellopod",
        "app.kubernetes.io/instance": "blue-hellopod",
    }


def test_a_changed_setting_is_another_config_map(tmp_path):
    changed, before = shown(tmp_path, dict(SETTINGS)), render("k8s/overlays/production")

    assert changed.settings.log_level == "debug"
    names = {r.container["envFrom"][0]["configMapRef"]["name"] for r in (changed, before)}
    assert len(names) == 2
    assert changed.settings.keepalive == before.settings.keepalive


@pytest.mark.parametrize("version", SUPPORTED)
def test_other_peoples_namespaces(tmp_path, version):
    theirs = shown(tmp_path, dict(THEIRS))

    for item in theirs.objects:
        kubernetes_validate.validate(item, version, strict=True)
    security = theirs.pod["securityContext"] | theirs.container["securityContext"]
    assert not {"runAsUser", "runAsGroup", "fsGroup"} & security.keys()
    assert security["runAsNonRoot"] is True


def test_table_of_the_quota(tmp_path):
    resources = shown(tmp_path, dict(THEIRS)).container["resources"]
    rows = re.findall(
        r"^\| `requests\.(.+?)`, `limits\.\1` \| (\S+), (\S+) \|", GUIDE, re.MULTILINE
    )

    assert {name: (wanted, most) for name, wanted, most in rows} == {
        name: (resources["requests"][name], resources["limits"][name])
        for name in ("cpu", "memory", "ephemeral-storage")
    }
    # No quota on limits refuses the pods: each that Kubernetes knows for a container is there.
    assert resources["requests"].keys() == resources["limits"].keys()
    assert mebibytes(resources["limits"]["memory"]) >= mebibytes(resources["requests"]["memory"])


def test_chain_lets_just_the_chain_through():
    objects = render("k8s/overlays/chain").objects
    policies = {
        item["metadata"]["name"]: item["spec"]
        for item in objects
        if item["kind"] == "NetworkPolicy"
    }
    hops = ("front-hellopod", "middle-hellopod", "back-hellopod")
    for caller, callee in zip(hops, hops[1:], strict=False):
        [out] = policies[f"{caller}-upstream"]["egress"]
        [let_in, _] = policies[f"{callee}-ingress"]["ingress"]
        assert instances(out["to"]) == [callee]
        assert instances(let_in["from"]) == [caller]
        assert out["ports"] == let_in["ports"] == [{"port": "http"}]
        [deployment] = [
            item
            for item in objects
            if item["kind"] == "Deployment" and item["metadata"]["name"] == caller
        ]
        env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
        assert {"name": "UPSTREAMS", "value": f"http://{callee}"} in env
    assert f"{hops[-1]}-upstream" not in policies
    for name, policy in policies.items():
        its = policy["podSelector"]["matchLabels"]["app.kubernetes.io/instance"]
        assert name.startswith(its)


def test_chain_is_removed_without_its_namespace():
    """By kind and label, as `kubectl delete -k` would take the namespace with it."""
    [(kinds, labels)] = re.findall(
        r"kubectl -n hellopod delete (\S+) \\\n +-l '.* in \((.*)\)'", GUIDE
    )
    removed = {
        {"hpa": "horizontalpodautoscaler", "pdb": "poddisruptionbudget"}.get(kind, kind)
        for kind in kinds.split(",")
    }
    objects = render("k8s/overlays/chain").objects

    assert {item["kind"].lower() for item in objects} == {*removed, "namespace"}
    assert {
        item["metadata"]["labels"]["app.kubernetes.io/instance"]
        for item in objects
        if item["kind"] != "Namespace"
    } == set(labels.split(", "))


def instances(peers):
    [peer] = peers
    [label] = peer["podSelector"]["matchExpressions"]
    assert (label["key"], label["operator"]) == ("app.kubernetes.io/instance", "In")
    return label["values"]


def test_chain_is_in_one_namespace():
    objects = render("k8s/overlays/chain").objects
    keys = [(item["kind"], item["metadata"]["name"]) for item in objects]

    assert len(keys) == len(set(keys))
    assert {item["metadata"].get("namespace") for item in objects} == {None, "hellopod"}
    for item in objects:
        for version in SUPPORTED:
            kubernetes_validate.validate(item, version, strict=True)
