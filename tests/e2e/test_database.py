"""docs/database.md: the service of the guides, with a real PostgreSQL, as `make up` deploys it."""

import json
import os
import re
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import urllib3
from kubernetes import client

from .app import SOON, App
from .cluster import Cluster
from .commands import run, running
from .kustomization import ROOT, build, reference, write
from .observing import IMAGES, images_of
from .waiting import eventually

IMAGE = "hellopod:database"
DEBIAN = "tests/e2e/postgres"  # Debian's PostgreSQL
DOWN = 25  # seconds; a readiness probe that asked for the database would have failed by then
NO_PROVISIONER = "kubernetes.io/no-provisioner"
NOWHERE = '{"spec": {"selector": {"app.kubernetes.io/name": "nowhere"}}}'
# The overlay is for a cluster of its own: there the port is free.
NO_NODE_PORT = [
    {"op": "replace", "path": "/spec/type", "value": "ClusterIP"},
    {"op": "remove", "path": "/spec/ports/0/nodePort"},
]
EXPAND = """\
\"\"\"What an order is for.\"\"\"

from alembic import op
from sqlalchemy import Column, String

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    \"\"\"Add a column that old pods need not know.\"\"\"
    op.add_column("orders", Column("note", String, nullable=False, server_default=""))
"""


@dataclass(frozen=True)
class Orders:
    """The service and its database, in a namespace of their own."""

    cluster: Cluster
    app: App
    url: str
    fork: Path
    postgres: str  # image of the database

    def deploy(self, version: int) -> None:
        """Apply the overlay with an image, and wait for the pods."""
        chosen = {"hellopod": f"{IMAGE}-{version}", "postgres": self.postgres}
        service = {"kind": "Service", "name": "hellopod"}
        write(
            self.cluster.kustomization,
            [self.fork / "k8s/overlays/local"],
            namespace=self.cluster.namespace,
            images=[{"name": name, **reference(its)} for name, its in chosen.items()],
            patches=[{"patch": json.dumps(NO_NODE_PORT), "target": service}],
            # At once, and so before their database; the autoscaler adds the second later.
            replicas=[{"name": "hellopod", "count": 2}],
        )
        self.apply()

    def apply(self) -> None:
        """Apply it, and wait until all pods are new and Ready."""
        self.cluster.apply()
        eventually(self.app.settled, seconds=120)

    def ask(self, method: str, path: str, **body: Any) -> Any:
        """Return the response of one of the pods."""
        return urllib3.request(
            method,
            self.url + path,
            json=body or None,
            headers={"Connection": "close"},
            retries=False,
            timeout=10,
        )

    def place(self) -> int:
        """Place an order that must succeed, and return its number."""
        response = self.ask("POST", "/api/orders", pieces=3)
        assert response.status == 201, response.data
        return response.json()["number"]

    def is_down(self) -> None:
        """Raise AssertionError while the database answers."""
        assert self.ask("POST", "/api/orders", pieces=3).status == 503

    def stop_database(self) -> None:
        """Refuse new connections to it, and end all that there are."""
        self.cluster.kubectl("patch", "service/postgres", "--patch", NOWHERE)
        # It starts again at once, and nobody finds it.
        command = ("exec", "deployment/postgres", "--", "sh", "-c", "kill -INT 1")
        self.cluster.kubectl(*command, check=False)

    def logs(self, container: str) -> list[str]:
        """Return the lines of one container of all pods that stay."""
        lines = []
        for pod in self.app.ready():
            lines += self.cluster.kubectl("logs", pod, "-c", container).stdout.splitlines()
        return lines


@contextmanager
def volume(cluster: Cluster, app: App) -> Iterator[None]:
    """Give the database a volume where the StorageClass makes none. That of kind makes one."""
    classes = client.StorageV1Api(app.api).list_storage_class(**SOON).items
    idle = [one.metadata.name for one in classes if one.provisioner == NO_PROVISIONER]
    if not (cluster.kind_name and idle):
        yield
        return
    node = client.CoreV1Api(app.api).list_node(**SOON).items[-1].metadata.name
    path = f"/var/local-path-provisioner/{secrets.token_hex(4)}"
    run("docker", "exec", node, "mkdir", "-m", "0777", "-p", path)
    on = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    manifest = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": cluster.namespace},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": idle[0],
            "hostPath": {"path": path},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [on]}]}},
        },
    }
    client.CoreV1Api(app.api).create_persistent_volume(manifest, **SOON)
    try:
        yield
    finally:
        cluster.kubectl("delete", "pv", cluster.namespace, "--wait=false", namespace=None)


@pytest.fixture(scope="module")
def fork(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository that has followed both guides, with its dependencies locked."""
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("needs a git clone")
    folder = tmp_path_factory.mktemp("fork")
    with chdir(ROOT):
        run(sys.executable, "-m", "tests.repository.following", folder)
    (folder / ".venv").symlink_to(sys.prefix)
    with chdir(folder):
        run("make", "lock", seconds=180)
    return folder


def built(fork: Path) -> list[str]:
    """Build both versions. They go to the nodes at once: all but a file they have in common."""
    images = [f"{IMAGE}-{version}" for version in (1, 2)]
    build(images[0], folder=fork)
    (fork / "service/migrations/versions/v0002_note.py").write_text(EXPAND)
    build(images[1], folder=fork)
    return images


@pytest.fixture(scope="module")
def orders(
    cluster: Cluster, fork: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Orders]:
    if not os.environ.get("POSTGRES_IMAGE"):
        command = ["docker", "build", "--tag", IMAGES["postgres"][1], str(ROOT / DEBIAN)]
        if base := os.environ.get("PYTHON_IMAGE"):
            command += ["--build-arg", f"PYTHON_IMAGE={base}"]
        run(*command, env={"DOCKER_BUILDKIT": "1"}, seconds=300)
    postgres = images_of(cluster, ["postgres"], *built(fork))["postgres"]
    namespace = f"{cluster.namespace}-database"
    mine = replace(
        cluster, namespace=namespace, kustomization=tmp_path_factory.mktemp("overlay").resolve()
    )
    proxy = ("kubectl", "--context", cluster.context, "proxy", "--port=0")
    with running(*proxy, until=r"127\.0\.0\.1:\d+", env=cluster.env) as address:
        service = f"api/v1/namespaces/{namespace}/services/hellopod:80/proxy"
        app = App(cluster.client(), namespace)
        try:
            orders = Orders(mine, app, f"http://{address[0]}/{service}", fork, postgres)
            with volume(mine, app):
                orders.deploy(1)
                yield orders
        finally:
            mine.kubectl("delete", "namespace", namespace, "--wait=false", namespace=None)


def test_two_pods_that_start_at_once_migrate_once(orders: Orders) -> None:
    lines = orders.logs("migrate")

    done = [line for line in lines if "waits" not in line]
    assert sorted(done) == [
        "migrate: from 0000 to 0001",
        "migrate: nothing to do, 0001 is there",
    ], lines


def test_orders_outlive_the_pods_and_another_apply(orders: Orders) -> None:
    before = set(orders.app.ready())
    number = orders.place()
    orders.apply()
    assert set(orders.app.ready()) == before
    orders.cluster.kubectl("rollout", "restart", "deployment/hellopod")
    eventually(orders.app.settled, seconds=120)

    assert set(orders.app.ready()).isdisjoint(before)
    assert orders.ask("GET", f"/api/orders/{number}").json() == {"number": number, "pieces": 3}


def test_a_database_that_is_down(orders: Orders) -> None:
    ready = set(orders.app.ready())
    for _ in range(20):
        orders.place()
    orders.stop_database()
    eventually(orders.is_down, seconds=10)
    until = time.monotonic() + DOWN
    statuses = []
    while time.monotonic() < until:
        response = orders.ask("POST", "/api/orders", pieces=3)
        statuses.append(response.status)
        assert response.status == 503, response.data
        assert response.headers["Content-Type"] == "application/problem+json"
        assert int(response.headers["Retry-After"]) >= 1
        assert response.json()["detail"] == "The database does not answer."
        assert set(orders.app.ready()) == ready
        time.sleep(0.2)
    orders.cluster.apply()  # gives the Service its selector again
    eventually(orders.place, seconds=60)

    def each_pod_has_said_so() -> None:
        lines = orders.logs("hellopod")
        assert len([line for line in lines if "database works again" in line]) == len(ready)

    eventually(each_pod_has_said_so, seconds=60, every=2)
    lines = orders.logs("hellopod")
    assert len([line for line in lines if re.search("database fails: ", line)]) == len(ready)
    assert set(orders.app.ready()) == ready
    for pod in orders.app.pods().values():
        assert pod.status.container_statuses[0].restart_count == 0


def test_a_migration_while_old_pods_serve(orders: Orders) -> None:
    over = threading.Event()

    def place_orders() -> list[int]:
        statuses = []
        while not over.is_set():
            statuses.append(orders.ask("POST", "/api/orders", pieces=3).status)
        return statuses

    with ThreadPoolExecutor(1) as clients:
        placed = clients.submit(place_orders)
        try:
            orders.deploy(2)
        finally:
            over.set()

    assert "migrate: from 0001 to 0002" in orders.logs("migrate")
    assert set(placed.result()) == {201}


def test_orders_outlive_the_pod_of_their_database(orders: Orders) -> None:
    ready = set(orders.app.ready())
    number = orders.place()
    orders.cluster.kubectl("delete", "pod", "--selector", "app.kubernetes.io/name=postgres")
    eventually(orders.place, seconds=60)

    assert orders.ask("GET", f"/api/orders/{number}").json()["number"] == number
    assert set(orders.app.ready()) == ready


def test_new_pods_mend_a_database_that_came_back_empty(orders: Orders) -> None:
    def unready() -> None:
        assert not orders.app.ready()

    url = "postgresql://orders:orders@127.0.0.1/orders"
    drop = ("psql", url, "--command", "DROP TABLE orders, alembic_version")
    orders.cluster.kubectl("exec", "deployment/postgres", "--", *drop)
    response = orders.ask("POST", "/api/orders", pieces=3)
    assert (response.status, response.json()["detail"]) == (503, "The schema does not answer.")
    eventually(unready, seconds=60)
    orders.cluster.kubectl("rollout", "restart", "deployment/hellopod")
    eventually(orders.app.settled, seconds=120)

    orders.place()
