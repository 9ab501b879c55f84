"""The deployment with faults on demand and with other settings, for tests that need them."""

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .app import App
from .cluster import Cluster
from .kustomization import ROOT, relative, write
from .waiting import eventually

COMPONENTS = ROOT / "k8s/components"


@dataclass(frozen=True)
class Variant:
    """What differs from the deployment as it is shipped."""

    env: dict[str, str] = field(default_factory=dict)
    container: dict[str, Any] = field(default_factory=dict)  # other fields of the container
    # Exactly two pods, so that nothing happens but what the test does.
    scaler: dict[str, Any] = field(default_factory=lambda: {"minReplicas": 2, "maxReplicas": 2})
    components: tuple[str, ...] = ("chaos",)
    patches: tuple[dict[str, Any], ...] = ()  # of objects that the components bring
    token: str = field(default_factory=lambda: secrets.token_hex(16))  # another one restarts pods


def deploy(app: App, cluster: Cluster, directory: Path, variant: Variant) -> None:
    """Apply a variant and wait until nothing else is left."""
    apply(cluster, directory, variant)

    def variant_is_settled() -> None:
        app.settled()
        alone(app)

    eventually(variant_is_settled, seconds=240)


def scale(app: App, cluster: Cluster, pods: int) -> None:
    """Have exactly so many pods, and wait until they serve and all others have left."""
    bounds = f'{{"spec": {{"minReplicas": {pods}, "maxReplicas": {pods}}}}}'
    cluster.kubectl("patch", "hpa/hellopod", f"--patch={bounds}")
    settled(app, pods)


def settled(app: App, pods: int) -> None:
    """Wait until there are exactly so many pods and all others have left."""

    def pods_are_settled() -> None:
        assert app.deployment().spec.replicas == pods
        app.settled()
        alone(app)

    eventually(pods_are_settled, seconds=120)


def apply(cluster: Cluster, directory: Path, variant: Variant) -> list[str]:
    """Apply a variant and return what kubectl says has changed."""
    write(
        directory,
        [cluster.kustomization],
        namespace=cluster.namespace,
        components=[relative(COMPONENTS / name, directory) for name in variant.components],
        secretGenerator=[{"name": "hellopod-chaos", "literals": [f"token={variant.token}"]}],
        patches=[*(patch(*change) for change in changes(variant)), *variant.patches],
    )
    lines = cluster.kubectl("apply", "-k", directory, namespace=None).stdout.splitlines()
    return [line for line in lines if not line.endswith(" unchanged")]


def changes(variant: Variant) -> list[tuple[str, str, dict[str, Any]]]:
    env = [{"name": name, "value": value} for name, value in variant.env.items()]
    container = {"name": "hellopod", "env": env, **variant.container}
    return [
        ("apps/v1", "Deployment", {"template": {"spec": {"containers": [container]}}}),
        ("autoscaling/v2", "HorizontalPodAutoscaler", variant.scaler),
    ]


def patch(api_version: str, kind: str, spec: dict[str, Any]) -> dict[str, str]:
    target = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "hellopod"}}
    return {"patch": json.dumps({**target, "spec": spec})}


def alone(app: App) -> None:
    """Assert that pods from before have left."""
    assert set(app.pods()) == set(app.ready())
