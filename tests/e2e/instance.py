"""A copy of hellopod under another name, beside the one that the suite deploys."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .app import NAME, App
from .cluster import Cluster
from .commands import run
from .kustomization import ROOT, reference, relative, write
from .waiting import eventually

KINDS = "deployments,services,hpa,pdb,serviceaccounts,configmaps,secrets,ingresses,networkpolicies"
# So that more than one copy fits on a node with two CPUs, beside Prometheus and a load.
LITTLE = {"requests": {"cpu": "20m", "memory": "64Mi"}}


def container(**fields: Any) -> dict[str, Any]:
    """Return a patch of the only container."""
    return deployment({"containers": [{"name": NAME, **fields}]})


def deployment(pod: dict[str, Any]) -> dict[str, Any]:
    """Return a patch of the pods."""
    return patch("apps/v1", "Deployment", {"template": {"spec": pod}})


def pods(number: int) -> dict[str, Any]:
    """Return a patch for exactly so many pods, so that nothing happens but what a test does."""
    bounds = {"minReplicas": number, "maxReplicas": number}
    return patch("autoscaling/v2", "HorizontalPodAutoscaler", bounds)


def patch(api_version: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": NAME}, "spec": spec}


def without_secrets(place: Path) -> dict[str, Any]:
    """Return a patch that takes out of the pods of a kustomization what comes from mounted Secrets.

    Such as the URL of a fork's database. The suite has no such Secret, and no pod would start.
    """
    rendered = yaml.safe_load_all(run("kubectl", "kustomize", place).stdout)
    [spec] = [each["spec"] for each in rendered if each["kind"] == "Deployment" and named(each)]
    pod = spec["template"]["spec"]
    volumes = {volume["name"] for volume in pod.get("volumes", []) if "secret" in volume}

    def mounts(container: dict[str, Any]) -> list[str]:
        found = container.get("volumeMounts", [])
        return [mount["mountPath"] for mount in found if mount["name"] in volumes]

    [ours] = [each for each in pod["containers"] if each["name"] == NAME]
    folders = tuple(f"{folder}/" for folder in mounts(ours))
    files = [each for each in ours.get("env", []) if each.get("value", "").startswith(folders)]
    changed = {
        "env": gone("name", *(each["name"] for each in files)),
        "volumeMounts": gone("mountPath", *mounts(ours)),
    }
    starters = [each["name"] for each in pod.get("initContainers", []) if mounts(each)]
    return deployment(
        {
            "initContainers": gone("name", *starters),
            "containers": [{"name": NAME, **changed}],
            "volumes": gone("name", *sorted(volumes)),
        }
    )


def named(manifest: dict[str, Any]) -> bool:
    return manifest["metadata"]["name"] == NAME


def gone(key: str, *values: str) -> list[dict[str, str]]:
    """Return what deletes entries of a list."""
    return [{key: value, "$patch": "delete"} for value in values]


@dataclass(frozen=True)
class Instance:
    """An overlay of a user's: a kustomization of the repository under a prefix."""

    cluster: Cluster
    image: str
    directory: Path
    prefix: str
    place: str = "k8s/base"
    components: tuple[str, ...] = ()
    patches: list[dict[str, Any]] = field(default_factory=list)

    @property
    def app(self) -> App:
        """Return the copy as the API server knows it."""
        name = f"{self.prefix}-{NAME}"
        return App(self.cluster.client(), self.cluster.namespace, least=1, name=name)

    def apply(self, **fields: Any) -> None:
        """Apply it, with more fields of kustomize's."""
        components = [ROOT / "k8s/components" / name for name in self.components]
        # The second is what the production overlay calls it.
        images = (NAME, f"registry.example.com/{NAME}")
        write(
            self.directory,
            [ROOT / self.place],
            namespace=self.cluster.namespace,
            namePrefix=f"{self.prefix}-",
            components=[relative(component, self.directory) for component in components],
            images=[{"name": name, **reference(self.image)} for name in images],
            patches=[{"patch": json.dumps(patch)} for patch in self.patches],
            **fields,
        )
        self.cluster.kubectl("apply", "-k", self.directory, namespace=None)

    def remove(self) -> None:
        """Remove what has its label; the namespace is somebody else's."""
        selector = ("--selector", self.app.selector)
        self.cluster.kubectl("delete", KINDS, *selector, "--wait=false", seconds=180)


@contextmanager
def deployed(instance: Instance, **fields: Any) -> Iterator[App]:
    """Keep a copy for the length of the block, once all its pods are Ready."""
    try:
        instance.apply(**fields)
        eventually(instance.app.settled, seconds=120)
        yield instance.app
    finally:
        instance.remove()
