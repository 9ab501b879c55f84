"""A kind cluster of the benchmarks' own, with hellopod and the tutorial's app in it."""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.e2e import variant
from tests.e2e.app import App
from tests.e2e.cluster import Cluster, own
from tests.e2e.generator import Generator
from tests.e2e.waiting import eventually

from . import docker
from .exposition import open_descriptors, value
from .servers import REFERENCES

NAME = "hellopod-bench"  # not that of the tests, which may have a cluster at the same time
TUTORIAL = REFERENCES / "tutorial" / "deployment.yaml"


@dataclass(frozen=True)
class Pods:
    """What pods of hellopod hold at a moment."""

    at: float  # time.time()
    memory: Sequence[float]  # MiB, working set
    descriptors: Sequence[int]  # open in the worker
    cpu: Sequence[float]  # seconds, of the worker so far


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
        settle(self.app)
        assert not before & set(self.app.pods())

    def working_sets(self) -> dict[str, float]:
        """Return MiB of each Ready pod, as the kubelet has them, who looks every ten seconds."""
        nodes = {pod.spec.node_name for pod in self.app.ready().values()}
        ready = set(self.app.ready())
        found = {}
        for node in nodes:
            path = f"/api/v1/nodes/{node}/proxy/stats/summary"
            summary = json.loads(self.cluster.kubectl("get", "--raw", path, namespace=None).stdout)
            found |= parse_summary(summary, self.app.namespace)
        return {pod: size for pod, size in found.items() if pod in ready}

    def metrics(self, pod: str) -> str:
        """Return a scrape of a pod of hellopod, through the API server."""
        path = f"/api/v1/namespaces/{self.app.namespace}/pods/{pod}:9000/proxy/metrics"
        return self.cluster.kubectl("get", "--raw", path, namespace=None).stdout

    def look(self) -> Pods:
        """Return what the Ready pods of hellopod hold now."""
        memory = list(self.working_sets().values())
        scrapes = [self.metrics(pod) for pod in self.app.ready()]
        cpu = [value(scrape, "process_cpu_seconds_total") for scrape in scrapes]
        return Pods(time.time(), memory, [open_descriptors(scrape) for scrape in scrapes], cpu)


def parse_summary(summary: dict, namespace: str) -> dict[str, float]:
    """Return MiB of each pod of a namespace in a kubelet's summary; of the youngest, none yet."""
    return {
        pod["podRef"]["name"]: pod["memory"]["workingSetBytes"] / docker.MIB
        for pod in summary["pods"]
        if pod["podRef"]["namespace"] == namespace and "workingSetBytes" in pod.get("memory", {})
    }


def settle(app: App) -> None:
    """Wait until there are the wanted pods and no others."""

    def settled() -> None:
        app.settled()
        variant.alone(app)

    eventually(settled, seconds=240)


def why_not() -> str:
    """Say why there can be no cluster, if there can be none."""
    missing = [program for program in ("kind", "kubectl") if not shutil.which(program)]
    return f"{' and '.join(missing)} not on PATH" if missing else docker.why_not()


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Create the cluster, with both images as they are now, and delete it in the end."""
    for image in docker.IMAGES:
        docker.build(image)
    with (
        tempfile.TemporaryDirectory() as directory,
        own(Path(directory), docker.HELLOPOD.tag, keep=False, name=NAME) as found,
    ):
        for image in docker.IMAGES:
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


def tutorial(cluster: Cluster) -> Deployed:
    """Deploy the tutorial's app as it would be."""
    place = replace(cluster, namespace="tutorial")
    place.kubectl("create", "namespace", place.namespace, namespace=None)
    place.kubectl("apply", "--filename", TUTORIAL)
    app = App(place.client(), place.namespace, name="tutorial", label="app.kubernetes.io/name")
    settle(app)
    return Deployed(app, place)


def generator(deployed: Deployed) -> Generator:
    """Return what sends load to any Service of the cluster, from a pod of hellopod's image."""
    return Generator(deployed.app, deployed.cluster)
