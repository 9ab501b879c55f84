"""Applying again, a rollout that must not go through, and the loss of a pod."""

import json
import re
import time

import pytest
from kubernetes import client

from .app import SOON, App, Http
from .cluster import Cluster
from .commands import CommandFailed
from .kustomization import image_of, revision
from .waiting import eventually


@pytest.fixture(autouse=True)
def settled(app: App) -> None:
    """Let no test begin in the middle of what the one before it started."""
    eventually(app.settled, seconds=120)


def test_version_is_what_was_built(cluster: Cluster, http: Http, pytestconfig) -> None:
    if pytestconfig.getoption("image"):
        pytest.skip("--image says what was built elsewhere")
    tag = image_of(cluster.kustomization).rpartition(":")[2]

    version = http.get("/version").json()

    assert version["version"] == tag
    assert version["revision"] == (revision() or None)


def test_apply_again_changes_nothing(cluster: Cluster) -> None:
    changed = [line for line in cluster.apply().splitlines() if not line.endswith(" unchanged")]
    # kubectl sends a budget's selector each time, because it is marked to be replaced as a whole,
    # and so calls any budget configured. The server changes nothing: its first version is there.
    assert changed == ["poddisruptionbudget.policy/hellopod configured"]
    assert objects(cluster)["PodDisruptionBudget"]["metadata"]["generation"] == 1

    def nothing_changes() -> None:
        before = objects(cluster)
        cluster.apply()
        assert objects(cluster) == before

    eventually(nothing_changes, seconds=60)  # again if a controller did something in between


def objects(cluster: Cluster) -> dict[str, dict]:
    """Return all rendered objects by kind, with their resourceVersions."""
    found = cluster.kubectl("get", "-k", cluster.kustomization, "-o", "json", namespace=None)
    items = {item["kind"]: item for item in json.loads(found.stdout)["items"]}
    # Its status, and so its version, changes with every sample of the metrics.
    scaler = items["HorizontalPodAutoscaler"]
    del scaler["status"], scaler["metadata"]["resourceVersion"]
    return items


def test_apply_keeps_replicas(app: App, cluster: Cluster) -> None:
    # 0, because the autoscaler leaves that alone: nobody but the apply could change it.
    cluster.kubectl("scale", "deployment/hellopod", "--replicas=0")
    try:
        cluster.apply()

        assert app.deployment().spec.replicas == 0
    finally:
        cluster.kubectl("scale", "deployment/hellopod", "--replicas=2")
    eventually(app.settled, seconds=120)


def test_bad_setting_stops_rollout(app: App, cluster: Cluster, http: Http) -> None:
    before = set(app.ready())
    cluster.kubectl("set", "env", "deployment/hellopod", "PORT=abc")
    try:

        def new_pod_says_why() -> None:
            new = name_of_failed(app.pods())
            # Not all of the time: as a container ends again, the kubelet removes the log before it.
            log = cluster.kubectl("logs", new, "--previous").stdout
            assert re.fullmatch(r"hellopod: PORT='abc' is not allowed: .+\n", log), log

        eventually(new_pod_says_why, seconds=90, also=(CommandFailed,))
        assert_rollout_stands(app, http, before)
    finally:
        cluster.kubectl("rollout", "undo", "deployment/hellopod")
    eventually(app.settled, seconds=120)
    assert len(before & set(app.ready())) >= 2


def name_of_failed(pods: dict[str, client.V1Pod]) -> str:
    """Return the pod whose container ended with code 1 and was started again."""
    for name, pod in pods.items():
        for status in pod.status.container_statuses or []:
            ended = status.last_state.terminated
            if ended and ended.exit_code == 1:
                return name
    raise AssertionError("no container has ended with code 1")


def assert_rollout_stands(app: App, http: Http, before: set[str]) -> None:
    """Assert that the rollout has got nowhere, and that the pods from before it serve."""
    deployment = app.deployment()
    wanted, status = deployment.spec.replicas, deployment.status
    assert status.available_replicas == wanted >= 2
    assert 1 <= status.updated_replicas <= status.unavailable_replicas
    assert len(before & set(app.ready())) >= 2
    answers = [http.get("/version") for _ in range(20)]
    assert {answer.status for answer in answers} == {200}
    assert {answer.headers["X-Pod-Name"] for answer in answers} <= before | set(app.ready())


def test_deleted_pod_is_replaced(app: App, http: Http) -> None:
    before = app.ready()
    victim = min(before)
    client.CoreV1Api(app.api).delete_namespaced_pod(victim, app.namespace, **SOON)
    statuses = []

    def replaced() -> None:
        end = time.monotonic() + 1
        while time.monotonic() < end:
            statuses.append(http.get("/version").status)
        assert victim not in app.pods()
        app.settled()

    eventually(replaced, seconds=120, every=0)

    assert set(app.ready()) - set(before)
    assert set(statuses) == {200}, f"of {len(statuses)} requests"
