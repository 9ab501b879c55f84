"""Namespaces of other people: users of a range, as OpenShift gives them, and a ResourceQuota."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from kubernetes import client

from . import inside
from .app import SOON, App
from .cluster import Cluster
from .instance import LITTLE, Instance, container, deployed, deployment, pods
from .neighbours import namespace
from .waiting import eventually

USER = 1000680000  # the first of a range that OpenShift gave to a project
QUOTA = {
    "requests.cpu": "2",
    "limits.cpu": "20",
    "requests.memory": "2Gi",
    "limits.memory": "4Gi",
    "requests.ephemeral-storage": "2Gi",
    "limits.ephemeral-storage": "4Gi",
}
WHO = """
body = urllib.request.Request("http://127.0.0.1:8000/api/chain", b"x" * 900000)
body.add_header("Content-Type", "application/octet-stream")
with urllib.request.urlopen(body, timeout=30) as answer:
    status = answer.status
open("/tmp/mine", "w").close()
names = ("Uid", "Gid")
fields = dict(line.split(":", 1) for line in open("/proc/1/status"))
print(json.dumps({"status": status, **{name: fields[name].split() for name in names}}))
"""


@pytest.fixture(scope="module")
def theirs(app: App, cluster: Cluster) -> Iterator[Cluster]:
    """Give a namespace that enforces restricted, with a quota of all there is to ask for."""
    with namespace(cluster, f"{app.namespace}-theirs") as name:
        core = client.CoreV1Api(app.api)
        metadata = client.V1ObjectMeta(name="theirs")
        quota = client.V1ResourceQuota(
            metadata=metadata, spec=client.V1ResourceQuotaSpec(hard=QUOTA)
        )
        core.create_namespaced_resource_quota(name, quota, **SOON)
        yield replace(cluster, namespace=name)


def copy(app: App, theirs: Cluster, directory, *components: str) -> Instance:
    """Return a copy whose user is what OpenShift's admission would have put in."""
    image = app.deployment().spec.template.spec.containers[0].image
    user = {"securityContext": {"runAsUser": USER, "fsGroup": USER}}
    patches = [pods(2), deployment(user), container(resources=LITTLE)]
    return Instance(theirs, image, directory, "own", components=components, patches=patches)


def test_without_the_component_the_quota_refuses(app: App, theirs: Cluster, tmp_path) -> None:
    without = copy(app, theirs, tmp_path, "openshift")
    try:
        without.apply()

        def it_is_said() -> None:
            events = theirs.kubectl("get", "events", "--output=json").stdout
            said = [event["message"] for event in json.loads(events)["items"]]
            assert any("must specify limits.cpu" in message for message in said), said

        eventually(it_is_said, seconds=60)
        assert not without.app.pods()
    finally:
        without.remove()


def test_serves_as_any_user_within_a_quota(app: App, theirs: Cluster, tmp_path) -> None:
    with deployed(copy(app, theirs, tmp_path, "openshift", "quota")) as found:
        for pod in found.ready():
            seen = inside.run(theirs, pod, WHO)
            # A user that the image does not know is in the group of root, as on OpenShift.
            assert seen == {"status": 200, "Uid": [str(USER)] * 4, "Gid": ["0"] * 4}
