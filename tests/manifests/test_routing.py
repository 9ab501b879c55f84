"""The components that lead from outside to the Service, and how their timeouts fit the settings."""

import json
import re

import kubernetes_validate
import pytest

from tests.manifests.conftest import overlay, render
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
