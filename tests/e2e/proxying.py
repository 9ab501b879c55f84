"""Puts proxies into the suite's namespace: nginx, HAProxy and Envoy as docs/proxies.md configures
them, and Traefik as ingress controller and as Gateway."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .app import App
from .cluster import Cluster
from .observing import MANIFESTS, deployed
from .proxy_configurations import FILES, configuration

PORTS = {"nginx": 8081, "haproxy": 8082, "envoy": 8083}
TRAEFIK = 8000  # port
GATEWAY_API = (
    "https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.6.3/standard-install.yaml"
)


@contextmanager
def proxies(app: App, cluster: Cluster, directory: Path) -> Iterator[None]:
    """Keep nginx, HAProxy and Envoy in front of the Service, each at its port."""
    service = f"hellopod.{app.namespace}.svc.cluster.local"
    files = {
        FILES[name]: configuration(name, "/tmp", port, service, []) for name, port in PORTS.items()
    }
    with deployed(cluster, directory, ["proxies"], ["proxies"], files, images=list(PORTS)):
        yield


@contextmanager
def traefik(app: App, cluster: Cluster, directory: Path) -> Iterator[None]:
    """Keep Traefik, and the kinds of the Gateway API."""
    with gateway_api(cluster):
        text = (MANIFESTS / "traefik/traefik.yaml").read_text().replace("OWNER", app.namespace)
        # Without a namespace: kustomize would put it on kinds that it does not know, too.
        place = directory / "traefik"
        place.mkdir()
        (place / "traefik.yaml").write_text(text)
        (place / "kustomization.yaml").write_text('{"resources": ["traefik.yaml"]}')
        with deployed(cluster, directory, [place], ["traefik"], {}, namespace=""):
            yield


@contextmanager
def gateway_api(cluster: Cluster) -> Iterator[None]:
    """Have the cluster know the kinds; those that somebody has installed stay as they are."""
    kind = (
        "get",
        "crd",
        "httproutes.gateway.networking.k8s.io",
        "--ignore-not-found",
        "-o",
        "name",
    )
    if cluster.kubectl(*kind, namespace=None).stdout:
        yield
        return
    folder = os.environ.get("GATEWAY_API_CRDS")
    source = ("-k", folder) if folder else ("-f", GATEWAY_API)
    cluster.kubectl("apply", "--server-side", *source, namespace=None)
    try:
        cluster.kubectl(
            *("wait", "crd", "--for=condition=Established", "--timeout=60s"),
            "httproutes.gateway.networking.k8s.io",
            namespace=None,
        )
        yield
    finally:
        cluster.kubectl("delete", *source, "--wait=false", namespace=None, check=False)
