"""No request is lost when pods go: in rollout, delete, scaling and node drain, under load."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from kubernetes import client

from . import variant
from .app import SOON, App
from .cluster import Cluster
from .duration import FULL
from .generator import Generator, Load
from .watching import PodWatch, watched

ROUNDS = 3 if FULL else 1  # how often each thing is done
SHORTEST = 90 if FULL else 25  # seconds of load in a phase
# Requests a second over both kinds of connections. On two busy cores, while three pods start, the
# generator itself was seen 0.7 s late: what comes to a pod meanwhile has to fit slots and queue.
RATE = 110 if FULL else 60
SLOW = [
    [method, f"/chaos/wait?seconds={seconds}"]
    for seconds, method in enumerate(["GET", "POST"] * 5, start=1)
]
FAST = [["GET", "/version"], ["POST", "/api/chain"], ["GET", "/api/identity"]]
# One slow request a second takes 5.5 slots on average: a third of what a pod has.
STREAMS = [
    {"rate": RATE / 2, "requests": FAST, "pool": 100},  # each is used every 2 to 3 s
    {"rate": RATE / 2, "requests": FAST},
    {"rate": 0.5, "requests": SLOW, "pool": 5},
    {"rate": 0.5, "requests": SLOW[::-1]},
]

log = logging.getLogger(__name__)


@dataclass
class Totals:
    """What the phases so far have done."""

    sent: int = 0
    failed: int = 0

    def add(self, phase: str, load: Load, seen: PodWatch) -> None:
        answered = load.count("2xx")
        self.sent += load.sent
        self.failed += load.sent - answered
        slowest = max(one["max"] for stream in load.streams for one in stream["outcomes"].values())
        log.info(
            "%s: %d requests in %.0f s, %d answered, shed %d, others %s; slowest %.1f s;"
            " %d containers ended %s; at least %d pods Ready",
            *(phase, load.sent, load.seconds, answered, load.count("shed")),
            *({k: n for k, n in load.failures.items() if k != "shed"} or 0, slowest),
            *(len(seen.ended), sorted(set(seen.ended.values())), seen.least_ready),
        )
        log.info("so far: %d requests, %d not answered with 2xx", self.sent, self.failed)


@pytest.fixture(scope="module")
def totals() -> Totals:
    """Give the counts over all phases."""
    return Totals()


@pytest.fixture(scope="module", autouse=True)
def deployed(app: App, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Deploy as shipped, with slow endpoints."""
    variant.deploy(app, cluster, tmp_path_factory.mktemp("variant"), variant.Variant())


@pytest.fixture
def phase(
    app: App, cluster: Cluster, totals: Totals, request: pytest.FixtureRequest
) -> Callable[[Callable[[], None]], PodWatch]:
    """Give a way to do something under load, after which no request may be lost."""

    def run(event: Callable[[], None]) -> PodWatch:
        start = time.monotonic()
        with (
            watched(app, cluster) as seen,
            Generator(app, cluster).running(app.address(), 80, streams=STREAMS) as load,
        ):
            for _ in range(ROUNDS):
                event()
            time.sleep(max(0, start + SHORTEST - time.monotonic()))
        totals.add(request.node.name, load, seen)
        load.assert_on_time()
        seen.assert_clean()
        assert not load.failures, load.examples
        return seen

    return run


def test_load_is_at_most_half_of_what_a_pod_serves(app: App, cluster: Cluster) -> None:
    pod = min(app.ready().values(), key=lambda pod: pod.metadata.name)
    clients = {"clients": 8, "pool": 8, "requests": FAST}

    load = Generator(app, cluster).run(pod.status.pod_ip, 8000, 5, streams=[clients])

    log.info("one pod serves %.0f requests a second; the load is %d", load.rate(), RATE)
    assert load.rate() / 2 >= RATE, "the machine is too slow or too busy for this test"


def test_rollout(app: App, cluster: Cluster, phase) -> None:
    def restart() -> None:
        before = set(app.pods())
        cluster.kubectl("rollout", "restart", "deployment/hellopod")
        variant.settled(app, 2)
        assert not before & set(app.pods())

    seen = phase(restart)

    assert len(seen.deleted) == len(seen.ended) == 2 * ROUNDS
    assert seen.least_ready == 2


def test_delete(app: App, phase) -> None:
    def delete() -> None:
        victim = min(app.ready())
        client.CoreV1Api(app.api).delete_namespaced_pod(victim, app.namespace, **SOON)
        variant.settled(app, 2)
        assert victim not in app.pods()

    seen = phase(delete)

    assert len(seen.deleted) == len(seen.ended) == ROUNDS


def test_scale(app: App, cluster: Cluster, phase) -> None:
    def scale() -> None:
        for pods in (5, 2):
            variant.scale(app, cluster, pods)

    seen = phase(scale)

    assert len(seen.deleted) == len(seen.ended) == 3 * ROUNDS
    assert seen.least_ready == 2


def test_node_drain(app: App, cluster: Cluster, phase) -> None:
    if not cluster.kind_name:
        pytest.skip("the nodes of somebody else's cluster are not to be drained")

    def drain() -> None:
        node = min(pod.spec.node_name for pod in app.ready().values())
        evicted = {name for name, pod in app.ready().items() if pod.spec.node_name == node}
        options = ("--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")
        try:
            cluster.kubectl("drain", node, *options, namespace=None, seconds=150)
            variant.settled(app, 2)
            assert not evicted & set(app.pods())
        finally:
            cluster.kubectl("uncordon", node, namespace=None)

    seen = phase(drain)

    assert len(seen.deleted) == len(seen.ended) >= ROUNDS
    assert seen.least_ready >= 1  # the budget: never more than one at a time
