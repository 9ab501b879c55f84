"""The ways to the Service: a port-forward with curl, and other pods of the cluster."""

import json
from collections.abc import Iterator

import pytest
from kubernetes import client

from .app import SOON, App
from .cluster import Cluster
from .commands import run, running
from .neighbours import pod_like
from .waiting import eventually

# What a neighbour in the cluster runs: many requests by the Service's DNS name, each on a
# connection of its own. Prints the names of the pods that answered.
NEIGHBOUR = """
import json, sys, urllib.request
answers = [urllib.request.urlopen(sys.argv[1], timeout=10).headers["X-Pod-Name"] for _ in range(30)]
print(json.dumps(answers))
"""


@pytest.mark.needs("curl")
def test_port_forward_and_curl(app: App, cluster: Cluster) -> None:
    place = ("--context", cluster.context, "--namespace", app.namespace)
    command = ("kubectl", *place, "port-forward", "service/hellopod", ":80")
    with running(*command, until=r"127\.0\.0\.1:\d+", env=cluster.env) as address:
        curl = ("curl", "--noproxy", "*", "--fail", "--silent", "--show-error", "--max-time", "10")
        body = run(*curl, f"http://{address[0]}/api/identity").stdout

    assert json.loads(body)["pod"] in app.pods()


@pytest.fixture
def neighbour(app: App) -> Iterator[str]:
    """Give the name of a pod that asks the Service from inside the cluster."""
    core = client.CoreV1Api(app.api)
    metadata = client.V1ObjectMeta(generate_name="neighbour-")
    url = f"http://hellopod.{app.namespace}.svc/version"
    described = pod_like(app, metadata, "python", "-c", NEIGHBOUR, url)
    pod = core.create_namespaced_pod(app.namespace, described, **SOON)
    yield pod.metadata.name
    core.delete_namespaced_pod(pod.metadata.name, app.namespace, grace_period_seconds=0, **SOON)


def test_reached_from_inside(app: App, neighbour: str) -> None:
    core = client.CoreV1Api(app.api)

    def neighbour_is_done() -> str:
        pod = core.read_namespaced_pod(neighbour, app.namespace, **SOON)
        assert pod.status.phase in ("Succeeded", "Failed")
        return pod.status.phase

    assert eventually(neighbour_is_done, seconds=60) == "Succeeded"

    # Raw: the client would take the JSON for a value of its own and print it another way.
    log = core.read_namespaced_pod_log(neighbour, app.namespace, _preload_content=False, **SOON)
    answered = set(json.loads(log.data))
    assert answered <= set(app.pods())
    assert len(answered) > 1
