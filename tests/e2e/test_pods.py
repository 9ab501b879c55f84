"""What a running pod is told, which pods its namespace admits, and what it logs."""

import json
import re

import pytest
from kubernetes import client

from . import logs
from .app import SOON, App
from .cluster import Cluster


def test_no_service_links(app: App, cluster: Cluster) -> None:
    for pod in app.ready():
        names = cluster.kubectl("exec", pod, "--", "env").stdout
        hosts = [
            name for name in re.findall(r"^(\w+)=", names, re.M) if name.endswith("_SERVICE_HOST")
        ]

        assert hosts == ["KUBERNETES_SERVICE_HOST"]  # which is always there


def test_namespace_admits_copy(app: App) -> None:
    try_to_create(copy_of_pod(app), app)


def test_namespace_rejects_root(app: App) -> None:
    pod = copy_of_pod(app)
    pod.spec.security_context.run_as_non_root = False
    pod.spec.security_context.run_as_user = 0

    with pytest.raises(client.ApiException) as refusal:
        try_to_create(pod, app)

    assert refusal.value.status == 403
    message = json.loads(refusal.value.body)["message"]
    assert 'violates PodSecurity "restricted' in message
    assert "runAsNonRoot" in message and "runAsUser=0" in message


def try_to_create(pod: client.V1Pod, app: App) -> None:
    """Ask admission about a pod, without starting it."""
    core = client.CoreV1Api(app.api)
    core.create_namespaced_pod(app.namespace, pod, dry_run="All", **SOON)


def copy_of_pod(app: App) -> client.V1Pod:
    """Return a running pod as one that could be created: without what others filled in."""
    pod = next(iter(app.ready().values()))
    pod.metadata = client.V1ObjectMeta(name="copy-by-e2e")
    pod.spec.node_name = None
    pod.status = None
    return pod


def test_log_is_json_without_complaints(app: App) -> None:
    for name in app.ready():
        found = logs.records(app, name)

        assert found
        assert logs.complaints(found) == []
        assert {record["pod"] for record in found} == {name}


def test_no_restarts(app: App) -> None:
    for pod in app.ready().values():
        assert [status.restart_count for status in pod.status.container_statuses] == [0]
