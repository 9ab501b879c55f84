"""What a running pod may and may not do, seen from inside it, and what it logs."""

import json

import pytest
from kubernetes import client

from .app import SOON, App
from .cluster import Cluster

# Looks at process 1, which is the server, and tries what must fail.
LOOK = r"""
import errno, json, os, pathlib

def write(folder):
    path = os.path.join(folder, "written-by-e2e")
    try:
        open(path, "w").close()
    except OSError as error:
        return errno.errorcode[error.errno]
    os.unlink(path)
    return "written"

status = dict(
    line.split(":\t", 1) for line in pathlib.Path("/proc/1/status").read_text().splitlines()
)
print(json.dumps({
    "uid": status["Uid"].split(), "gid": status["Gid"].split(), "groups": status["Groups"].split(),
    "capabilities": [status["CapEff"], status["CapBnd"]],
    "no_new_privs": status["NoNewPrivs"], "seccomp": status["Seccomp"],
    "root_read_only": bool(os.statvfs("/").f_flag & os.ST_RDONLY),
    "writes": {folder: write(folder) for folder in ("/", "/app/service", "/opt/venv", "/etc")},
    "temporary": write("/tmp"),
    "secrets": os.path.exists("/var/run/secrets"),
    "service_links": [name for name in os.environ if name.endswith("_SERVICE_HOST")],
}))
"""


@pytest.fixture(scope="module")
def inside(app: App, cluster: Cluster) -> list[dict]:
    """Give what each running container says about itself."""
    return [
        json.loads(cluster.kubectl("exec", pod, "--", "python", "-c", LOOK).stdout)
        for pod in app.ready()
    ]


def test_user(inside: list[dict]) -> None:
    for seen in inside:
        assert set(seen["uid"]) == set(seen["gid"]) == {"10001"}
        assert set(seen["groups"]) <= {"10001"}


def test_no_privileges(inside: list[dict]) -> None:
    for seen in inside:
        assert [int(mask, 16) for mask in seen["capabilities"]] == [0, 0]
        assert seen["no_new_privs"] == "1"
        assert seen["seccomp"] == "2"  # a filter


def test_root_read_only(inside: list[dict]) -> None:
    for seen in inside:
        assert seen["root_read_only"]
        assert set(seen["writes"].values()) == {"EROFS"}
        assert seen["temporary"] == "written"


def test_no_token(inside: list[dict]) -> None:
    for seen in inside:
        assert not seen["secrets"]


def test_no_service_links(inside: list[dict]) -> None:
    for seen in inside:
        assert seen["service_links"] == ["KUBERNETES_SERVICE_HOST"]  # which is always there


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
    """Create a pod as far as admission, which decides, but do not start it."""
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
    core = client.CoreV1Api(app.api)
    for name in app.ready():
        log = core.read_namespaced_pod_log(name, app.namespace, _preload_content=False, **SOON)
        records = [json.loads(line) for line in log.data.decode().splitlines()]

        assert records
        assert {record["level"] for record in records} <= {"DEBUG", "INFO"}
        assert {record["pod"] for record in records} == {name}


def test_no_restarts(app: App) -> None:
    for pod in app.ready().values():
        assert [status.restart_count for status in pod.status.container_statuses] == [0]
