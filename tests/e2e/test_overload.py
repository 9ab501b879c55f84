"""Overload is shed: a pod with half a CPU keeps its goodput at 3 and at 10 times its capacity."""

import logging

import pytest
from kubernetes import client

from . import variant
from .app import SOON, App
from .cluster import Cluster
from .generator import Generator, Load
from .watching import watched

SECONDS = 20  # of each load: at 10 requests a second less would make each one count too much
MEASURE = 20  # seconds of measuring the capacity: the last requests of its clients end after that
TRIES = 3  # neighbours on the machine can only lower the goodput
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
    ("cpu?seconds=0.05", 3): 0.95,
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
    victim = max(app.ready())
    with watched(app, cluster) as seen:
        for _ in range(TRIES):
            share = goodput(Generator(app, cluster), app.pods()[victim], path, times)
            if share >= GOODPUT[path, times]:
                break

    assert share >= GOODPUT[path, times]
    assert not seen.ended, seen.ended
    assert not unhealthy(app, victim)


def goodput(generator: Generator, pod: client.V1Pod, path: str, times: int) -> float:
    """Offer a pod a multiple of what it can serve; return the share of that which it did serve."""

    def offer(seconds: int, *streams: dict) -> Load:
        requests = {"requests": [["GET", f"/chaos/{path}"], ["POST", f"/chaos/{path}"]]}
        each = [{**requests, **stream} for stream in streams]
        return generator.run(pod.status.pod_ip, 8000, seconds, timeout=1, streams=each)

    clients = CLIENTS[path]
    capacity = offer(MEASURE, {"clients": clients, "pool": clients}).rate()
    half = times * capacity / 2
    load = offer(SECONDS, {"rate": half, "pool": 100}, {"rate": half})
    load.assert_on_time()
    report(f"{path} at {times} x {capacity:.1f}/s", load, load.rate() / capacity)
    return load.rate() / capacity


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
