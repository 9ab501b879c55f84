"""Behind nginx, HAProxy, Envoy and Traefik, in the cluster, no request is lost in a rollout."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from . import proxying, variant
from .app import SOON, App
from .cluster import Cluster
from .generator import Generator, Load
from .test_tls import Issuer, put

HOST = "hellopod.example.com"  # that of the components
GATEWAY_HOST = "gateway.example.com"  # so that a request says which way it takes
SLOW = [["GET", "/chaos/wait?seconds=2"], ["POST", "/chaos/wait?seconds=5"]]
FAST = [["GET", "/version"], ["POST", "/api/chain"], ["GET", "/api/identity"]]
# Of each way; there are five at once.
STREAMS = [
    {"rate": 6, "requests": FAST, "pool": 20},  # each is used every 3 s
    {"rate": 4, "requests": FAST},
    {"rate": 0.3, "requests": SLOW, "pool": 3},
]

log = logging.getLogger(__name__)


def address(app: App, name: str) -> str:
    """Return the address of a Service."""
    core = client.CoreV1Api(app.api)
    return core.read_namespaced_service(name, app.namespace, **SOON).spec.cluster_ip


@pytest.fixture(scope="module")
def around(app: App, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep all the proxies."""
    with (
        proxying.proxies(app, cluster, tmp_path_factory.mktemp("proxies")),
        proxying.traefik(app, cluster, tmp_path_factory.mktemp("traefik")),
    ):
        yield


def replaced(kind: str, path: str, value: str) -> dict[str, Any]:
    """Describe a patch, as somebody's own overlay has it."""
    operation = {"op": "replace", "path": path, "value": value}
    return {"target": {"kind": kind, "name": "hellopod"}, "patch": json.dumps([operation])}


def deploy(
    app: App, cluster: Cluster, directory: Path, components: tuple[str, ...], *more: dict[str, Any]
) -> None:
    """Apply components with a class, and a host name for each way."""
    patches = (
        replaced("Ingress", "/spec/ingressClassName", app.namespace),
        replaced("HTTPRoute", "/spec/hostnames/0", GATEWAY_HOST),
        *more,
    )
    changed = variant.Variant(components=("chaos", *components), patches=patches)
    variant.deploy(app, cluster, directory, changed)


def ways(app: App) -> dict[str, dict[str, Any]]:
    """Return where each way to the service begins, as load.py takes it."""
    front, traefik = address(app, "proxies"), address(app, "traefik")
    found = {name: {"host": front, "port": port} for name, port in proxying.PORTS.items()}
    for name, authority in (("ingress", HOST), ("gateway", GATEWAY_HOST)):
        found[name] = {"host": traefik, "port": proxying.TRAEFIK, "authority": authority}
    return found


def restart(app: App, cluster: Cluster) -> None:
    before = set(app.pods())
    cluster.kubectl("rollout", "restart", "deployment/hellopod")
    variant.settled(app, 2)
    assert not before & set(app.pods())


def roll(app: App, cluster: Cluster, *names: str) -> None:
    """Replace all pods while requests come by these ways; none may be lost."""
    begins = ways(app)
    streams = [{**stream, **begins[name], "way": name} for name in names for stream in STREAMS]
    with Generator(app, cluster).running(app.address(), 80, streams=streams) as load:
        restart(app, cluster)
    load.assert_on_time()
    for name in names:
        found = Load(streams=[stream for stream in load.streams if stream["way"] == name])
        log.info("%s: %d requests, %s", name, found.sent, found.failures or "none lost")
        assert found.count("2xx") > 100, name
    assert not load.failures, load.examples


def test_rollout(around: None, app: App, cluster: Cluster, tmp_path: Path) -> None:
    deploy(app, cluster, tmp_path, ("gateway", "ingress"))

    roll(app, cluster, *ways(app))


def test_rollout_with_https_to_the_pods(
    around: None, app: App, cluster: Cluster, tmp_path: Path
) -> None:
    issuer = Issuer(app.namespace)
    secret, _ = issuer.secret()
    put(cluster, tmp_path, secret)
    put(
        cluster,
        tmp_path,
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "hellopod-ca"},
            "data": {"ca.crt": issuer.pem},
        },
    )
    deploy(
        app,
        cluster,
        tmp_path,
        ("gateway", "gateway-tls", "ingress", "ingress-tls", "tls"),
        replaced("BackendTLSPolicy", "/spec/validation/hostname", issuer.host),
    )

    roll(app, cluster, "ingress", "gateway")
