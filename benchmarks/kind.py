"""A kind cluster of the benchmarks' own, with hellopod and apps beside it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.e2e import variant
from tests.e2e.app import App
from tests.e2e.cluster import Cluster, own

from . import docker
from .servers import REFERENCES

NAME = "hellopod-bench"  # not that of the tests: they may have a cluster at the same time
PODS = 2
DEPLOYMENT = REFERENCES / "tutorial" / "deployment.yaml"
IMAGES = (*docker.IMAGES, docker.BARE)


@dataclass(frozen=True)
class Deployed:
    """A Deployment of two pods behind a Service."""

    app: App
    cluster: Cluster

    @property
    def name(self) -> str:
        return self.app.name

    def restart(self) -> None:
        """Replace all pods, and wait until the old ones have left."""
        before = set(self.app.pods())
        self.cluster.kubectl("rollout", "restart", f"deployment/{self.name}")
        variant.settled(self.app, PODS)
        assert not before & set(self.app.pods())

    def scrapes(self) -> list[str]:
        """Return a scrape of each Ready pod of hellopod, through the API server."""
        pods = f"/api/v1/namespaces/{self.app.namespace}/pods"
        paths = [f"{pods}/{pod}:9000/proxy/metrics" for pod in self.app.ready()]
        get = ("get", "--raw")
        return [self.cluster.kubectl(*get, path, namespace=None).stdout for path in paths]


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Create the cluster, with all images as they are now, and delete it in the end."""
    for image in IMAGES:
        docker.build(image)
    with (
        tempfile.TemporaryDirectory() as directory,
        own(Path(directory), docker.HELLOPOD.tag, keep=False, name=NAME) as found,
    ):
        for image in IMAGES:
            found.load(image.tag)
        yield found


def ours(cluster: Cluster, **container: Any) -> Deployed:
    """Deploy hellopod as it is shipped, but for the autoscaler, so that there are always two pods,
    and for these fields of the container."""
    app = App(cluster.client(), cluster.namespace)
    with tempfile.TemporaryDirectory() as directory:
        changed = variant.Variant(components=(), container=container)
        variant.deploy(app, cluster, Path(directory), changed)
    return Deployed(app, cluster)


def reference(cluster: Cluster, image: docker.Image) -> Deployed:
    """Deploy an app as most tutorials do, in a namespace of its name."""
    place = replace(cluster, namespace=image.name)
    place.kubectl("create", "namespace", place.namespace, namespace=None)
    with tempfile.NamedTemporaryFile("w+") as file:
        file.write(DEPLOYMENT.read_text().replace(docker.TUTORIAL.name, image.name))
        file.flush()
        place.kubectl("apply", "--filename", file.name)
    app = App(place.client(), place.namespace, name=image.name, label="app.kubernetes.io/name")
    variant.settled(app, PODS)
    return Deployed(app, place)
