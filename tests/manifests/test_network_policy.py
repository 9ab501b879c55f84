"""The component that closes the pods, and the policy beside it that docs/deploy.md shows."""

import ipaddress

import kubernetes_validate
import pytest
import yaml

from tests.manifests.conftest import ROOT, overlay, render
from tests.manifests.test_kubernetes import SUPPORTED

PLACES = ["k8s/base", "k8s/overlays/production"]
GUIDE = (ROOT / "docs/deploy.md").read_text()
SECTION = GUIDE.split("\n## Network policy\n")[1].split("\n## ")[0]


@pytest.fixture(params=PLACES)
def closed(request, tmp_path):
    """Give an overlay with the component."""
    return overlay(tmp_path, request.param, "network-policy")


@pytest.fixture(params=["shipped", "shown"])
def policies(request, tmp_path):
    if request.param == "shown":
        return [yaml.safe_load(SECTION.split("```yaml\n")[1].split("```")[0])]
    return find_policies(overlay(tmp_path, "k8s/base", "network-policy"))


def find_policies(rendering):
    """Return those of the component, but none that an overlay brings."""
    names = {"hellopod-ingress", "hellopod-egress"}
    policies = [item for item in rendering.objects if item["kind"] == "NetworkPolicy"]
    return [policy for policy in policies if policy["metadata"]["name"] in names]


def rules(policies, way):
    return [rule for policy in policies for rule in policy["spec"].get(way, [])]


@pytest.mark.parametrize("version", SUPPORTED)
def test_schema(policies, version):
    for policy in policies:
        kubernetes_validate.validate(policy, version, strict=True)


def test_are_about_the_pods_both_ways(policies):
    for policy in policies:
        assert policy["spec"]["podSelector"] == render("k8s/base").deployment["selector"]
    ways = [way for policy in policies for way in policy["spec"]["policyTypes"]]
    assert sorted(ways) == ["Egress", "Ingress"]


def test_shipped_ones_have_one_way_each(closed):
    """kube-router, and so k3s, takes the rules of one that has both for either."""
    assert all(len(policy["spec"]["policyTypes"]) == 1 for policy in find_policies(closed))


def test_let_in_at_ports_that_exist(policies):
    names = {port["name"] for port in render("k8s/base").container["ports"]}

    for rule in rules(policies, "ingress"):
        assert rule["from"]
        assert {port["port"] for port in rule["ports"]} <= names


def test_label_is_that_of_the_readme(closed):
    [_, scrapers] = rules(find_policies(closed), "ingress")
    [[label]] = [peer["podSelector"]["matchExpressions"] for peer in scrapers["from"]]
    [value] = label["values"]

    assert f'`{label["key"]}: "{value}"`' in SECTION


def test_only_names_are_asked_for(closed):
    [rule] = rules(find_policies(closed), "egress")
    pods, block = rule["to"]

    assert rule["ports"] == [{"port": 53, "protocol": name} for name in ("UDP", "TCP")]
    [label] = pods["podSelector"]["matchExpressions"]
    assert label == {"key": "k8s-app", "operator": "In", "values": ["kube-dns"]}
    # One address. It is valid on its own node alone.
    cache = ipaddress.ip_network(block["ipBlock"]["cidr"])
    assert cache.num_addresses == 1 and cache.is_link_local
    assert f"{cache.network_address}" in SECTION


def test_metrics_are_not_for_clients(closed):
    assert closed.settings.metrics_on_http is False


def test_the_policy_shown_lets_the_spans_of_the_guide_to_tracing_out():
    policy = yaml.safe_load(SECTION.split("```yaml\n")[1].split("```")[0])
    [rule] = policy["spec"]["egress"]
    [peer] = rule["to"]
    namespace = peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
    [port] = rule["ports"]

    assert f".{namespace}:{port['port']}\n" in (ROOT / "docs/observability.md").read_text()
