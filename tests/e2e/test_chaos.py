"""Faults on demand do what they say to one pod, and nothing to the other."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kubernetes import client

from . import inside, variant
from .app import SOON, App
from .cluster import Cluster
from .generator import Generator
from .server import GONE, Server, quietest
from .waiting import eventually
from .watching import watched

AFTERMATH = 2  # seconds: a pod can be back at once, and what harms the other one may come later
MORE_THAN_THE_LIMIT = 512 * 1024 * 1024  # bytes; a container may have 256 MiB
# Opens a connection before there is a new worker, and has it served.
KILL = """
pid = worker()
post("/chaos/kill")
killed = time.monotonic()
while os.path.exists(f"/proc/{pid}"):
    assert time.monotonic() < killed + 30
    time.sleep(0.001)
waiting = socket.create_connection(("127.0.0.1", 8000), timeout=30)
waiting.sendall(b"GET /version HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
while True:
    try:
        get("/healthz", port=9000, timeout=1)
        break
    except OSError:
        time.sleep(0.01)
healthy = time.monotonic() - killed
answer = waiting.recv(4096).decode()
metrics = dict(line.rsplit(" ", 1) for line in get("/metrics", port=9000).splitlines())
print(json.dumps({
    "healthy": healthy, "answer": answer, "served": time.monotonic() - killed,
    "restarts": float(metrics["hellopod_worker_restarts_total"]),
    "before": pid, "after": worker(),
}))
"""

log = logging.getLogger(__name__)


@pytest.fixture(scope="module", autouse=True)
def deployed(app: App, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Deploy with faults on demand, that may take more memory than there is."""
    changed = variant.Variant(env={"CHAOS_MAX_BYTES": str(MORE_THAN_THE_LIMIT)})
    variant.deploy(app, cluster, tmp_path_factory.mktemp("variant"), changed)


@pytest.fixture
def server(app: App) -> Server:
    """Give one of the pods, when all is quiet."""
    return quietest(app)


@contextmanager
def the_other_pod_serves(app: App, cluster: Cluster, server: Server) -> Iterator[None]:
    """Assert that all requests to the other pod are answered meanwhile."""
    [other] = [pod for name, pod in app.ready().items() if name != server.name]
    stream = {"rate": 20, "requests": [["GET", "/version"], ["POST", "/api/chain"]]}
    generator = Generator(app, cluster)
    with generator.running(other.status.pod_ip, 8000, streams=[stream]) as load:
        yield
        time.sleep(AFTERMATH)
    log.info("the other pod: %d requests, %s", load.sent, load.streams[0]["outcomes"])
    assert not load.failures, load.examples
    assert load.sent >= 20  # half of what is due in that time alone


def test_readiness_switch(app: App, cluster: Cluster, server: Server) -> None:
    everybody = set(app.ready())

    def only_this_pod_has_left() -> None:
        assert app.endpoints() == everybody - {server.name}

    def everybody_is_back() -> None:
        assert app.endpoints() == everybody

    eventually(everybody_is_back, seconds=30)
    inside.run(cluster, server.name, 'post("/chaos/readiness/off")')
    eventually(only_this_pod_has_left, seconds=30)
    seen = inside.run(cluster, server.name, KILL)  # the switch is the pod's, not the worker's
    assert seen["after"] != seen["before"]
    time.sleep(12)  # two readiness probes and their consequences
    only_this_pod_has_left()
    inside.run(cluster, server.name, 'post("/chaos/readiness/on")')
    eventually(everybody_is_back, seconds=30)

    assert server.container().restart_count == 0


def test_killed_worker_is_replaced(app: App, cluster: Cluster, server: Server) -> None:
    before = server.container().restart_count
    with watched(app, cluster) as pods:
        seen = inside.run(cluster, server.name, KILL)
        time.sleep(6)  # a readiness probe and its consequences

    log.info(
        "a killed worker: /healthz after %.2f s, a waiting client served after %.2f s",
        *(seen["healthy"], seen["served"]),
    )
    assert seen["before"] != seen["after"]
    assert seen["healthy"] < 2
    assert seen["answer"].startswith("HTTP/1.1 200 OK\r\n")
    assert seen["restarts"] >= 1
    assert not pods.problem and not pods.ended and pods.least_ready == 2
    assert server.container().restart_count == before
    core = client.CoreV1Api(app.api)
    assert "worker restart" in core.read_namespaced_pod_log(server.name, app.namespace, **SOON)


def test_out_of_memory_is_seen_and_recovers(app: App, cluster: Cluster, server: Server) -> None:
    before, worker = server.container().restart_count, server.identity()
    core = client.CoreV1Api(app.api)

    def the_kill_is_seen() -> str:
        container = server.container()
        if container.restart_count > before:  # cgroup v2: all processes of the container
            assert container.last_state.terminated.reason == "OOMKilled"
            return "its container was restarted"
        text = core.read_namespaced_pod_log(server.name, app.namespace, **SOON)
        assert f"Worker (pid:{worker['worker_pid']}) was sent SIGKILL!" in text  # v1: one process
        return "its worker was replaced"

    with the_other_pod_serves(app, cluster, server):
        grow = f'post("/chaos/memory?bytes={MORE_THAN_THE_LIMIT}")'
        inside.run(cluster, server.name, grow, check=False)  # there is nobody left to answer
        how = eventually(the_kill_is_seen, seconds=30, also=GONE)
        took = server.wait_until_back(worker, 60)

    log.info("out of memory: %s, serving again %.1f s after it was seen", how, took)


def test_exit_code_is_the_containers(app: App, cluster: Cluster, server: Server) -> None:
    before, worker = server.container().restart_count, server.identity()

    def the_exit_is_seen() -> None:
        container = server.container()
        assert container.restart_count == before + 1
        assert container.last_state.terminated.exit_code == 42

    with the_other_pod_serves(app, cluster, server):
        inside.run(cluster, server.name, 'post("/chaos/exit/42")', check=False)
        eventually(the_exit_is_seen, seconds=30)
        took = server.wait_until_back(worker, 60)

    log.info("a container that exited with 42 was serving again %.1f s after it was seen", took)
