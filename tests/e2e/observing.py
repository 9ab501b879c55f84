"""Puts Prometheus, and what reads it or is read by it, into the suite's namespace."""

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client

from .absence import on_purpose
from .app import SOON, App
from .cluster import Cluster
from .commands import run
from .kustomization import ROOT, reference, write

MANIFESTS = Path(__file__).with_name("manifests")
COMMON = MANIFESTS / "pod.yaml"
STATES = "kube-state-metrics"
# The variable that names another image, and the public one.
IMAGES = {
    "prometheus": ("PROMETHEUS_IMAGE", "prom/prometheus:v3.16.0"),
    STATES: (
        "KUBE_STATE_METRICS_IMAGE",
        "registry.k8s.io/kube-state-metrics/kube-state-metrics:v2.20.0",
    ),
    "keda": ("KEDA_IMAGE", "ghcr.io/kedacore/keda:2.21.0"),
    "keda-metrics-apiserver": (
        "KEDA_METRICS_APISERVER_IMAGE",
        "ghcr.io/kedacore/keda-metrics-apiserver:2.21.0",
    ),
    "postgres": ("POSTGRES_IMAGE", "postgres-debian:e2e"),  # built where it is needed
    "nginx": ("PROXIES_IMAGE", "nginx:1.30"),
    "haproxy": ("PROXIES_IMAGE", "haproxy:3.2"),
    "envoy": ("PROXIES_IMAGE", "envoyproxy/envoy:v1.40.0"),
    "traefik": ("TRAEFIK_IMAGE", "traefik:v3.7"),
}
RULES = ROOT / "k8s/components/prometheus-operator/prometheusrule.yaml"
# Shorter than anybody needs: a pod drains for 10 s, and the tests wait for scrapes.
EVERY = "2s"
# The kubelet looks at its containers about that often.
CADVISOR_EVERY = "10s"
KUBELET = 10250
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"


def scrape_configuration() -> dict[str, Any]:
    """Return the job in docs/observability.md."""
    guide = (ROOT / "docs/observability.md").read_text()
    [block] = re.findall(r"```yaml\n(scrape_configs:\n.*?)```", guide, re.DOTALL)
    [job] = yaml.safe_load(block)["scrape_configs"]
    return job


def configuration(app: App, cluster: Cluster) -> dict[str, Any]:
    """Return that job, for one namespace, and what a cluster's own Prometheus has."""
    job = scrape_configuration()
    for discovery in job["kubernetes_sd_configs"]:
        discovery["namespaces"] = {"own_namespace": True}  # it may see no other
    states = {"job_name": STATES, "honor_labels": True}
    states["static_configs"] = [{"targets": [f"{STATES}:8080"]}]
    jobs = [job]
    if not on_purpose(STATES):
        jobs.append(states)
    if cluster.kind_name:
        jobs.append(cadvisor(app))
    return {
        "global": {"scrape_interval": EVERY, "evaluation_interval": EVERY},
        "rule_files": ["rules.yaml"],
        "scrape_configs": jobs,
    }


def cadvisor(app: App) -> dict[str, Any]:
    """Return the job that asks the kubelets."""
    nodes = client.CoreV1Api(app.api).list_node(**SOON).items
    targets = [
        f"{address.address}:{KUBELET}"
        for node in nodes
        for address in node.status.addresses
        if address.type == "InternalIP"
    ]
    keep = {"source_labels": ["namespace"], "regex": app.namespace, "action": "keep"}
    return {
        "job_name": "cadvisor",
        "scheme": "https",
        "metrics_path": "/metrics/cadvisor",
        "scrape_interval": CADVISOR_EVERY,
        "authorization": {"credentials_file": TOKEN},
        "tls_config": {"insecure_skip_verify": True},  # a kind node's kubelet signs for itself
        "static_configs": [{"targets": targets}],
        "metric_relabel_configs": [keep],
    }


@contextmanager
def prometheus(app: App, cluster: Cluster, directory: Path) -> Iterator[None]:
    """Keep Prometheus running, with the shipped rules, and kube-state-metrics where it can be."""
    rules = yaml.safe_load(RULES.read_text())["spec"]
    files = {"prometheus.yaml": configuration(app, cluster), "rules.yaml": rules}
    programs = ["prometheus", *([] if on_purpose(STATES) else [STATES])]
    places = [*programs, *(["cadvisor"] if cluster.kind_name else [])]
    with deployed(cluster, directory, places, programs, files):
        yield


@contextmanager
def deployed(
    cluster: Cluster,
    directory: Path,
    places: list[str],
    names: list[str],
    files: dict[str, Any],
    images: Iterable[str] = (),
    namespace: str | None = None,
) -> Iterator[None]:
    """Apply manifests with their images and a ConfigMap, wait until all is ready; delete them.

    The images have the names of the Deployments, and the namespace is the suite's, unless told
    otherwise. With "" the objects keep theirs.
    """
    chosen = images_of(cluster, images or names)
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content, indent=2)
        (directory / name).write_text(text)
    write(
        directory,
        [MANIFESTS / place for place in places],
        namespace=cluster.namespace if namespace is None else namespace,
        images=[{"name": name, **reference(image)} for name, image in chosen.items()],
        patches=[{"patch": COMMON.read_text(), "target": {"kind": "Deployment"}}],
        configMapGenerator=[{"name": names[0], "files": list(files)}],
    )
    try:
        cluster.kubectl("apply", "-k", directory)
        for name in names:
            arguments = ("rollout", "status", f"deployment/{name}", "--timeout=180s")
            cluster.kubectl(*arguments, seconds=200)  # with a pull of the image
        yield
    finally:
        # The test of deletion may have been here before.
        cluster.kubectl("delete", "-k", directory, "--ignore-not-found", seconds=120)


def images_of(cluster: Cluster, names: Iterable[str], *built: str) -> dict[str, str]:
    """Return the images of programs.

    A kind cluster is given those that Docker has, and with them what was built here.
    """
    chosen = {name: os.environ.get(IMAGES[name][0]) or IMAGES[name][1] for name in names}
    if cluster.kind_name:
        found = [each for each in dict.fromkeys(chosen.values()) if is_here(each)]
        if found or built:
            cluster.load(*found, *built)
    return chosen


def is_here(image: str) -> bool:
    """Tell whether Docker has an image."""
    return not run("docker", "image", "inspect", image, check=False).returncode
