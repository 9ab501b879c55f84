"""KEDA scales on more than an autoscaler can see. Here are KEDA and the overlay that uses it."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from kubernetes import client

from . import metrics_api
from .app import NAME, SOON, App
from .cluster import Cluster
from .kustomization import ROOT, reference, relative, write
from .observing import images_of

MANIFEST = "https://github.com/kedacore/keda/releases/download/v2.21.0/keda-2.21.0.yaml"
NAMESPACE = "keda"
IMAGES = {  # by the name in its manifest, what observing.py calls them
    "ghcr.io/kedacore/keda": "keda",
    "ghcr.io/kedacore/keda-metrics-apiserver": "keda-metrics-apiserver",
}
# The release's manifest has Always. With that a node would not take the image that it was given.
PRESENT = """[{"op": "add", "path": "/spec/template/spec/containers/0/imagePullPolicy",
               "value": "IfNotPresent"}]"""
API_SERVICE = "apiservice/v1beta1.external.metrics.k8s.io"
COMPONENT = ROOT / "k8s/components/autoscale-on-saturation"
DOCUMENT = ROOT / "docs/scaling.md"
THEIRS = "http://prometheus.monitoring.svc:9090"  # the address in the document


@contextmanager
def provided(cluster: Cluster, directory: Path, keep: bool) -> Iterator[None]:
    """Install KEDA's pinned release on a kind cluster without it, while in use.

    On any other cluster that is its owner's decision. KEDA ends after the last ScaledObject of the
    suite: they wait for it when they are deleted.
    """
    api = cluster.client()
    if metrics_api.present(api, "keda.sh"):
        yield
        return
    if metrics_api.present(api, "external.metrics.k8s.io"):
        pytest.skip("somebody else serves the external metrics API of this cluster")
    if not cluster.kind_name:
        pytest.skip("this cluster has no KEDA, and is not kind's")
    place = kustomization(cluster, directory)
    try:
        # Server-side: an annotation cannot hold KEDA's definitions.
        cluster.kubectl("apply", "--server-side", "-k", place, namespace=None, seconds=120)
        ready = ("--for=condition=Available", "--timeout=180s")
        everything = ("wait", "deployment", "--all", *ready)
        cluster.kubectl(*everything, namespace=NAMESPACE, seconds=200)  # with pulls of the images
        cluster.kubectl("wait", API_SERVICE, *ready, namespace=None, seconds=200)
        yield
    finally:
        if not keep:
            cluster.kubectl("delete", "scaledobject", "--all", check=False)
            remove = ("delete", "--ignore-not-found", "-k", place)
            cluster.kubectl(*remove, namespace=None, seconds=180)


def kustomization(cluster: Cluster, directory: Path) -> Path:
    """Write what KEDA's manifest becomes with the chosen images."""
    chosen = images_of(cluster, IMAGES.values())
    manifest = os.environ.get("KEDA_MANIFEST") or MANIFEST
    return write(
        directory,
        [manifest if "://" in manifest else Path(shutil.copy(manifest, directory))],
        images=[{"name": one, **reference(chosen[IMAGES[one]])} for one in IMAGES],
        patches=[{"patch": PRESENT, "target": {"kind": "Deployment"}}],
    )


def add_component(cluster: Cluster, directory: Path, place: Path) -> None:
    """Apply the document's overlay of a kustomization."""
    [block] = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.S)
    assert block.count(THEIRS) == 1
    ours = f"http://prometheus.{cluster.namespace}.svc:9090"
    fields = yaml.safe_load(block.replace(THEIRS, ours))
    fields |= {"namespace": cluster.namespace, "components": [relative(COMPONENT, directory)]}
    del fields["resources"]
    write(directory, [place], **fields)
    cluster.kubectl("apply", "-k", directory, namespace=None)


def autoscaler(app: App) -> client.V2HorizontalPodAutoscaler:
    """Return the only autoscaler of the namespace."""
    autoscaling = client.AutoscalingV2Api(app.api)
    found = autoscaling.list_namespaced_horizontal_pod_autoscaler(app.namespace, **SOON).items
    assert [one.metadata.name for one in found] == [NAME]
    return found[0]


def has_it(app: App) -> None:
    """Assert that the only autoscaler is KEDA's, and looks at CPU and saturation."""
    found = autoscaler(app)
    assert [one.kind for one in found.metadata.owner_references or []] == ["ScaledObject"]
    assert [one.type for one in found.spec.metrics] == ["ContainerResource", "External"]


def shipped_alone(app: App) -> None:
    """Assert that the only autoscaler is nobody's, and looks at CPU alone."""
    found = autoscaler(app)
    assert not found.metadata.owner_references
    assert [one.type for one in found.spec.metrics] == ["ContainerResource"]
