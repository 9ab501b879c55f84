"""Liveness and readiness tell the truth: what is stuck is replaced, what is busy is left alone."""

import json
import logging
import time
from dataclasses import dataclass

import pytest
import urllib3
from kubernetes import client

from . import inside, variant
from .app import SOON, App, is_ready
from .cluster import Cluster
from .duration import FULL
from .generator import Generator
from .waiting import eventually
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
GONE = (client.ApiException, urllib3.exceptions.HTTPError, OSError, ValueError)

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
# Also opens a connection before there is a new worker, and has it served.
KILL = """
pid = worker()
os.kill(pid, signal.SIGKILL)
killed = time.monotonic()
waiting = socket.create_connection(("127.0.0.1", 8000), timeout=30)
waiting.sendall(b"GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
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
# Fills the container's memory with processes that are each smaller than the server's, of which the
# kernel so kills one: the worker, or the master, and with that the container.
FILL = """
pid = worker()
children = []

def is_alive():
    try:
        return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

try:
    while is_alive() and len(children) < 60:
        child = os.fork()
        if not child:
            hold = bytearray(b"x") * (8 << 20)
            time.sleep(30)
            os._exit(0)
        children.append(child)
        time.sleep(0.2)
finally:
    for child in children:
        os.kill(child, signal.SIGKILL)
print(json.dumps({"killed": not is_alive(), "children": len(children)}))
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Server:
    """A pod and what can be seen of its server from outside."""

    app: App
    name: str

    def identity(self) -> dict:
        core = client.CoreV1Api(self.app.api)
        response = core.connect_get_namespaced_pod_proxy_with_path(
            f"{self.name}:8000",
            self.app.namespace,
            "api/identity",
            _preload_content=False,
            _request_timeout=3,
        )
        return json.loads(response.data)

    def pod(self) -> client.V1Pod:
        return self.app.pods()[self.name]

    def container(self) -> client.V1ContainerStatus:
        [status] = self.pod().status.container_statuses
        return status

    def events(self, reason: str) -> list[str]:
        core = client.CoreV1Api(self.app.api)
        selector = f"involvedObject.name={self.name},reason={reason}"
        found = core.list_namespaced_event(self.app.namespace, field_selector=selector, **SOON)
        return [event.message for event in found.items]

    def unhealthy(self) -> list[str]:
        """Return what the kubelet noted of its probes, but for those at its start."""
        return [text for text in self.events("Unhealthy") if not text.startswith("Startup")]

    def wait_until_back(self, before: dict, seconds: float) -> float:
        """Wait until another worker than before serves and the pod is Ready; return how long."""
        start = time.monotonic()

        def another_worker_serves() -> None:
            assert self.identity()["started_at"] != before["started_at"]
            assert is_ready(self.pod())

        eventually(another_worker_serves, seconds=seconds, also=GONE)
        return time.monotonic() - start


@pytest.fixture(scope="module", autouse=True)
def deployed(app: App, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Deploy with faults on demand."""
    changed = variant.Variant(env=SHIPPED if FULL else SHORT, container=PROBES)
    variant.deploy(app, cluster, tmp_path_factory.mktemp("variant"), changed)


@pytest.fixture
def server(app: App) -> Server:
    """Give one of the pods, when all is quiet; the one with the fewest restarts."""

    def all_pods_are_ready() -> str:
        app.settled()
        return min(app.ready(), key=lambda name: Server(app, name).container().restart_count)

    return Server(app, eventually(all_pods_are_ready, seconds=60))


def test_readiness_switch(app: App, cluster: Cluster, server: Server) -> None:
    everybody = set(app.ready())

    def only_this_pod_has_left() -> None:
        assert app.endpoints() == everybody - {server.name}

    def everybody_is_back() -> None:
        assert app.endpoints() == everybody

    eventually(everybody_is_back, seconds=30)
    inside.run(cluster, server.name, 'get("/chaos/readiness/off")')
    eventually(only_this_pod_has_left, seconds=30)
    seen = inside.run(cluster, server.name, KILL)  # the switch is the pod's, not the worker's
    assert seen["after"] != seen["before"]
    time.sleep(12)  # two readiness probes and their consequences
    only_this_pod_has_left()
    inside.run(cluster, server.name, 'get("/chaos/readiness/on")')
    eventually(everybody_is_back, seconds=30)

    assert server.container().restart_count == 0


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


def test_killed_worker_is_replaced(app: App, cluster: Cluster, server: Server) -> None:
    before = server.container().restart_count
    seen = inside.run(cluster, server.name, KILL)

    log.info(
        "a killed worker: /healthz after %.2f s, a waiting client served after %.2f s",
        *(seen["healthy"], seen["served"]),
    )
    assert seen["before"] != seen["after"]
    assert seen["healthy"] < 2
    assert seen["answer"].startswith("HTTP/1.1 200 OK\r\n")
    assert seen["restarts"] >= 1
    assert server.container().restart_count == before
    core = client.CoreV1Api(app.api)
    assert "worker restart" in core.read_namespaced_pod_log(server.name, app.namespace, **SOON)


def test_out_of_memory_recovers(cluster: Cluster, server: Server) -> None:
    before, worker = server.container().restart_count, server.identity()
    seen = inside.run(cluster, server.name, FILL, check=False)

    took = server.wait_until_back(worker, 60)

    container = server.container()
    if container.restart_count == before:  # cgroup v1: the kernel kills one process
        assert seen and seen["killed"]
        how = "its worker was replaced"
    else:  # v2: all of the container's
        assert container.last_state.terminated.reason == "OOMKilled"
        how = "its container was restarted"
    log.info("out of memory: %s, serving again after %.1f s", how, took)
