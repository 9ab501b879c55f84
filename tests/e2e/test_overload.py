"""Overload is shed: a pod with half a CPU keeps its goodput at 3 and at 10 times its capacity."""

import logging
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes import client

from . import variant
from .app import SOON, App
from .cluster import Cluster
from .generator import Generator, Load
from .watching import watched

# Seconds of each load: at 10 requests a second each one counts for a percent in 10.
SECONDS = {"wait?seconds=0.1": 8, "cpu?seconds=0.05": 14}
MEASURED = 0.5  # of these, to measure the capacity before and after each load
# 10 requests that need 50 ms of CPU are served in a second on half a CPU; with 4 at once each takes
# 0.4 s, and so is done within a client's second also if it waited QUEUE_TIMEOUT.
CONCURRENCY = 4
HALF_A_CPU = {"resources": {"limits": {"cpu": "500m"}}}
# How many clients find out the capacity: those that run, and one that takes a slot as it gets free.
# Requests that compute run one by one here.
CLIENTS = {"wait?seconds=0.1": CONCURRENCY + 1, "cpu?seconds=0.05": 2}
# Share of the capacity that has to be served within 1 s, by what a request does and the overload.
GOODPUT = {
    ("wait?seconds=0.1", 3): 0.95,
    ("wait?seconds=0.1", 10): 0.95,
    ("cpu?seconds=0.05", 3): 0.85,
    ("cpu?seconds=0.05", 10): 0.85,
}

log = logging.getLogger(__name__)


@pytest.fixture(scope="module", autouse=True)
def deployed(app: App, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Deploy pods with half a CPU and endpoints that wait and burn."""
    changed = variant.Variant(env={"CONCURRENCY": str(CONCURRENCY)}, container=HALF_A_CPU)
    variant.deploy(app, cluster, tmp_path_factory.mktemp("variant"), changed)


@pytest.mark.parametrize(("path", "times"), GOODPUT)
def test_goodput(app: App, cluster: Cluster, path: str, times: int) -> None:
    """The median of three rounds counts: neighbours on the machine change its capacity."""
    victim = max(app.ready())
    offer = Offer(Generator(app, cluster), app.pods()[victim], path)
    held: list[bool] = []
    with watched(app, cluster) as seen:
        before = offer.capacity()
        while max(held.count(True), held.count(False)) < 2:
            load = offer.overload(times * before)
            before, capacity = (after := offer.capacity()), (before + after) / 2
            share = load.rate() / capacity
            report(f"{path} at {times} x {capacity:.1f}/s", load, share)
            held.append(share >= GOODPUT[path, times])

    assert held.count(True) == 2
    assert not seen.ended, seen.ended
    assert not unhealthy(app, victim)


@dataclass
class Offer:
    """Loads for one pod, all of GET and POST requests for one path."""

    generator: Generator
    pod: client.V1Pod
    path: str

    def capacity(self) -> float:
        """Return how many requests a second it serves to clients that wait for their answers."""
        clients = CLIENTS[self.path]
        return self._run(MEASURED, {"clients": clients, "pool": clients}).rate()

    def overload(self, rate: float) -> Load:
        """Offer so many requests a second, over kept and over new connections."""
        load = self._run(1, {"rate": rate / 2, "pool": 100}, {"rate": rate / 2})
        load.assert_on_time()
        return load

    def _run(self, part: float, *streams: dict[str, Any]) -> Load:
        seconds = part * SECONDS[self.path]
        requests = [["GET", f"/chaos/{self.path}"], ["POST", f"/chaos/{self.path}"]]
        each = [{"requests": requests, **stream} for stream in streams]
        return self.generator.run(self.pod.status.pod_ip, 8000, seconds, timeout=1, streams=each)


def report(name: str, load: Load, share: float) -> None:
    """Print what came of a load; the 99th percentiles over keep-alive and over new connections."""

    def slowest(outcome: str) -> list[float]:
        found = [stream["outcomes"].get(outcome) for stream in load.streams]
        return [figures["p99"] for figures in found if figures]

    log.info(
        "%s: %d sent, goodput %.1f/s (%.0f %%), shed %d, others %s; p99 of 2xx %s, of shed %s",
        *(name, load.sent, load.rate(), 100 * share, load.count("shed")),
        *({name: n for name, n in load.failures.items() if name != "shed"} or 0,),
        *(slowest("2xx"), slowest("shed")),
    )


def unhealthy(app: App, pod: str) -> list[str]:
    """Return what the kubelet had to say about a pod's probes, but for those at its start."""
    core = client.CoreV1Api(app.api)
    selector = f"involvedObject.name={pod},reason=Unhealthy"
    events = core.list_namespaced_event(app.namespace, field_selector=selector, **SOON).items
    return [event.message for event in events if not event.message.startswith("Startup")]
