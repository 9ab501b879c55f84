"""The deployment with faults on demand and with other settings, for tests that need them."""

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .app import App
from .cluster import Cluster
from .kustomization import ROOT
from .waiting import eventually


@dataclass(frozen=True)
class Variant:
    """What differs from the deployment as it is shipped."""

    env: dict[str, str] = field(default_factory=dict)
    container: dict[str, Any] = field(default_factory=dict)  # other fields of the container
    pods: int = 2  # exactly as many, so that nothing happens but what the test does


def deploy(app: App, cluster: Cluster, directory: Path, variant: Variant) -> None:
    """Apply a variant and wait until nothing else is left."""
    literal = f"token={secrets.token_hex(16)}"
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": cluster.namespace,
        "resources": [os.path.relpath(cluster.kustomization, directory.resolve())],
        "components": [os.path.relpath(ROOT / "k8s/components/chaos", directory.resolve())],
        "secretGenerator": [{"name": "hellopod-chaos", "literals": [literal]}],
        "patches": [patch(*change) for change in changes(variant)],
    }
    (directory / "kustomization.yaml").write_text(json.dumps(content, indent=2))
    cluster.kubectl("apply", "-k", directory, namespace=None)

    def variant_is_settled() -> None:
        app.settled()
        alone(app)

    eventually(variant_is_settled, seconds=240)


def changes(variant: Variant) -> list[tuple[str, str, dict[str, Any]]]:
    env = [{"name": name, "value": value} for name, value in variant.env.items()]
    container = {"name": "hellopod", "env": env, **variant.container}
    return [
        ("apps/v1", "Deployment", {"template": {"spec": {"containers": [container]}}}),
        (
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            {"minReplicas": variant.pods, "maxReplicas": variant.pods},
        ),
    ]


def patch(api_version: str, kind: str, spec: dict[str, Any]) -> dict[str, str]:
    target = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "hellopod"}}
    return {"patch": json.dumps({**target, "spec": spec})}


def alone(app: App) -> None:
    """Assert that pods from before have left."""
    assert set(app.pods()) == set(app.ready())
