"""The components that lead from outside to the Service, and how their timeouts fit the settings."""

import itertools
import json
import re

import kubernetes_validate
import pytest

from tests.manifests.conftest import ROOT, overlay, render
from tests.manifests.custom_resources import problems
from tests.manifests.test_kubernetes import SUPPORTED

NGINX = "nginx.ingress.kubernetes.io"
# What somebody's own overlay says.
GATEWAY = {"parentRefs": [{"name": "public", "namespace": "gateways"}], "hostnames": ["a.example"]}
PATCH = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "HTTPRoute",
    "metadata": {"name": "hellopod"},
    "spec": GATEWAY,
}

every_place = pytest.mark.parametrize("place", ["k8s/base", "k8s/overlays/production"])


def route(place, folder, **fields):
    return overlay(folder, place, "gateway", **fields).find("HTTPRoute")


def ingress(place, folder):
    return overlay(folder, place, "ingress").find("Ingress")


def seconds(duration):
    return int(re.fullmatch(r"(\d+)s", duration)[1])


@every_place
def test_route_schema(place, tmp_path):
    assert problems(route(place, tmp_path)) == []


@every_place
@pytest.mark.parametrize("version", SUPPORTED)
def test_ingress_schema(place, tmp_path, version):
    kubernetes_validate.validate(ingress(place, tmp_path), version, strict=True)


@every_place
def test_lead_to_the_service(place, tmp_path):
    [port] = render(place).find("Service")["spec"]["ports"]
    [rule] = route(place, tmp_path)["spec"]["rules"]
    [path] = ingress(place, tmp_path)["spec"]["rules"][0]["http"]["paths"]

    assert rule["backendRefs"] == [{"name": "hellopod", "port": port["port"]}]
    assert path["backend"]["service"] == {"name": "hellopod", "port": {"name": port["name"]}}


@every_place
@pytest.mark.parametrize("component", ["gateway", "ingress"])
def test_metrics_stay_inside(place, component, tmp_path):
    assert overlay(tmp_path, place, component).settings.metrics_on_http is False


def test_overlay_chooses_the_gateway(tmp_path):
    shipped = route("k8s/base", tmp_path)
    chosen = route("k8s/base", tmp_path, patches=[{"patch": json.dumps(PATCH)}])

    assert chosen["spec"] == shipped["spec"] | GATEWAY
    assert problems(chosen) == []


@every_place
def test_gateway_waits_as_long_as_a_rollout_does(place, tmp_path):
    settings = render(place).settings
    [rule] = route(place, tmp_path)["spec"]["rules"]
    one, whole = (seconds(rule["timeouts"][name]) for name in ("backendRequest", "request"))

    # Longer, and a rollout would cut what the gateway still waits for; shorter, and it would cut
    # what a rollout does not.
    assert one == settings.graceful_timeout
    assert one > settings.queue_timeout
    assert whole == settings.read_timeout + one < settings.handler_timeout


@every_place
def test_ingress_waits_as_long_as_a_rollout_does(place, tmp_path):
    settings = render(place).settings
    annotations = ingress(place, tmp_path)["metadata"]["annotations"]

    assert annotations[f"{NGINX}/proxy-read-timeout"] == str(settings.graceful_timeout)
    assert annotations[f"{NGINX}/proxy-send-timeout"] == f"{settings.read_timeout:g}"


def test_only_a_failed_connection_is_tried_again(tmp_path):
    """A request that timed out or was refused costs as much once more; POST may do so twice."""
    annotations = ingress("k8s/base", tmp_path)["metadata"]["annotations"]
    [rule] = route("k8s/base", tmp_path)["spec"]["rules"]

    assert annotations[f"{NGINX}/proxy-next-upstream"] == "error"
    assert annotations[f"{NGINX}/proxy-next-upstream-tries"] == "2"
    assert "retry" not in rule


PARTS = ("gateway", "gateway-tls", "ingress", "ingress-tls", "tls")
CHOICES = [
    choice
    for length in range(1, len(PARTS) + 1)
    for choice in itertools.combinations(PARTS, length)
    if "tls" in choice or not {"gateway-tls", "ingress-tls"} & set(choice)
]
PORTS = {False: ("http", 80), True: ("https", 443)}  # of the Service, without tls and with it


def is_refused(choice):
    """Whether a way leads to where the pods do not speak HTTP any more."""
    ways = {"gateway", "ingress"} & set(choice)
    return "tls" in choice and any(f"{way}-tls" not in choice for way in ways)


def problems_of_ways(rendered):
    """Return what is wrong with the ways to the Service."""
    [port] = rendered.find("Service")["spec"]["ports"]
    secured = port["appProtocol"] == "https"
    assert (port["name"], port["port"]) == PORTS[secured]
    for item in rendered.objects:
        if item["kind"] == "HTTPRoute":
            if item["spec"]["rules"][0]["backendRefs"][0]["port"] != port["port"]:
                yield "the route leads to no port"
            if secured != ("BackendTLSPolicy" in rendered.kinds):
                yield "the gateway speaks the wrong protocol"
        if item["kind"] == "Ingress":
            [path] = item["spec"]["rules"][0]["http"]["paths"]
            if path["backend"]["service"]["port"] != {"name": port["name"]}:
                yield "the Ingress leads to no port"
            protocol = item["metadata"]["annotations"].get(f"{NGINX}/backend-protocol", "HTTP")
            if secured != (protocol == "HTTPS"):
                yield "the controller speaks the wrong protocol"


@pytest.mark.parametrize("choice", CHOICES, ids="+".join)
def test_each_choice_leads_to_the_pods_or_is_refused(choice, tmp_path):
    if is_refused(choice):
        with pytest.raises(AssertionError, match="components/tls': testing value .* failed"):
            overlay(tmp_path, "k8s/base", *choice)
    else:
        assert list(problems_of_ways(overlay(tmp_path, "k8s/base", *choice))) == []


@pytest.mark.parametrize("way", ["gateway", "ingress"])
def test_tls_comes_last(way, tmp_path):
    with pytest.raises(AssertionError, match=f"components/{way}': testing value .* failed"):
        overlay(tmp_path, "k8s/base", "tls", way, f"{way}-tls")


def test_policy_is_about_the_service(tmp_path):
    rendered = overlay(tmp_path, "k8s/base", "gateway", "gateway-tls", "tls")
    policy = rendered.find("BackendTLSPolicy")
    [target] = policy["spec"]["targetRefs"]

    assert problems(policy) == []
    assert target == {"group": "", "kind": "Service", "name": "hellopod"}


def test_documented_choices_are_those(tmp_path):
    """The table says of each choice whether it works."""
    text = (ROOT / "docs/proxies.md").read_text()
    rows = re.findall(r"^\| (`(?:gateway|ingress)`.*?`tls`) \| (yes|no)", text, re.MULTILINE)
    said = {tuple(re.findall(r"`([^`]+)`", names)): answer == "no" for names, answer in rows}

    assert len(said) == 4
    assert said == {choice: is_refused(choice) for choice in said}
