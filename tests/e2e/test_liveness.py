"""Liveness and readiness tell the truth: what is stuck is replaced, what is busy is left alone."""

import logging

import pytest

from . import inside, variant
from .app import App
from .cluster import Cluster
from .duration import FULL
from .generator import Generator
from .server import Server, quietest
from .watching import watched

CONCURRENCY = 4
# In full length everything is as shipped; otherwise the bounds are short, so that the kubelet
# restarts a container after 10 + 2 x 2 s instead of 120 + 6 x 10 s.
SHIPPED = {"CHAOS_MAX_SECONDS": "300", "CONCURRENCY": str(CONCURRENCY)}
SHORT = {
    **SHIPPED,
    "GRACEFUL_TIMEOUT": "5",
    "HANDLER_TIMEOUT": "10",
    "DRAIN_SECONDS": "1",
}
PROBES = {} if FULL else {"livenessProbe": {"periodSeconds": 2, "failureThreshold": 2}}
BUSY = 60 if FULL else 20  # seconds with all slots taken
RESTARTED = 300 if FULL else 60  # seconds in which a wedged container is serving again

HANG = """
try:
    get("/chaos/hang", timeout=1)
except TimeoutError:
    print(json.dumps("hangs"))
"""
STOP = """
pid = worker()
os.kill(pid, signal.SIGSTOP)
print(json.dumps(pid))
"""

log = logging.getLogger(__name__)


@pytest.fixture(scope="module", autouse=True)
def deployed(app: App, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Deploy with faults on demand."""
    changed = variant.Variant(env=SHIPPED if FULL else SHORT, container=PROBES)
    variant.deploy(app, cluster, tmp_path_factory.mktemp("variant"), changed)


@pytest.fixture
def server(app: App) -> Server:
    """Give one of the pods, when all is quiet."""
    return quietest(app)


def test_busy_is_alive(app: App, cluster: Cluster, server: Server) -> None:
    requests = {"clients": CONCURRENCY, "pool": CONCURRENCY}
    requests["requests"] = [["GET", "/chaos/wait?seconds=5"]]
    unhealthy = server.unhealthy()
    address = server.pod().status.pod_ip
    with watched(app, cluster) as seen:
        load = Generator(app, cluster).run(address, 8000, BUSY, streams=[requests])

    log.info(
        "%d slots taken for %.0f s: %s", CONCURRENCY, load.seconds, load.streams[0]["outcomes"]
    )
    assert not load.failures, load.examples
    assert load.sent >= CONCURRENCY * BUSY / 5
    assert not seen.ended and seen.least_ready == 2
    assert server.unhealthy() == unhealthy


def test_wedged_is_restarted(app: App, cluster: Cluster, server: Server) -> None:
    before = server.container().restart_count
    worker = server.identity()
    assert inside.run(cluster, server.name, HANG) == "hangs"

    took = server.wait_until_back(worker, RESTARTED)

    container = server.container()
    log.info("a wedged container was serving again after %.0f s", took)
    assert container.restart_count == before + 1
    assert container.last_state.terminated.exit_code == 0
    assert any(text.startswith("Liveness probe failed") for text in server.unhealthy())


def test_stopped_worker_recovers(cluster: Cluster, server: Server) -> None:
    worker = server.identity()
    assert inside.run(cluster, server.name, STOP) == worker["worker_pid"]

    took = server.wait_until_back(worker, 60)

    log.info("a stopped worker was serving again after %.0f s", took)
    assert took < 60
