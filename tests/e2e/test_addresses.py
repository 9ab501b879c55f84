"""A cluster of IPv6 alone, and one of both families: kind clusters of their own."""

import contextlib
import ipaddress
import json
from collections.abc import Iterator

import pytest

from .absence import missing
from .app import App
from .cluster import Cluster, own
from .commands import CommandFailed
from .diagnostics import describe
from .inside import run as run_inside
from .kustomization import build, image_of
from .waiting import eventually

# One node is enough. The API server's port is on IPv4, because Docker Desktop forwards no other.
KIND = """
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
networking: {{ipFamily: {}, apiServerAddress: 127.0.0.1}}
"""
# What one pod asks the other, and the Service.
ASK = """
def ask(host, port, path):
    host = f"[{host}]" if ":" in host else host
    with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=10) as response:
        return json.loads(response.read())

def probes(host):
    return [ask(host, port, path)["status"] for port in (8000, 9000)
            for path in ("/healthz", "/readyz")]
"""


@pytest.fixture(params=["ipv6", "dual"])
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Give a cluster of these families that has the image."""
    option = request.config.option
    if option.context:
        pytest.skip("creates kind clusters of other families")
    directory = tmp_path_factory.mktemp(request.param)
    configuration = KIND.format(request.param)
    name = f"hellopod-{request.param}"
    with contextlib.ExitStack() as stack:
        with needing_ipv6():
            cluster = stack.enter_context(
                own(directory, option.image, option.keep_cluster, name, configuration)
            )
        image = image_of(cluster.kustomization)
        if not option.image:
            build(image)
        cluster.load(image)
        with needing_ipv6():
            cluster.wait_for_nodes()
        yield cluster


@contextlib.contextmanager
def needing_ipv6() -> Iterator[None]:
    """Say what is missing where no cluster comes up."""
    try:
        yield
    except CommandFailed as failure:
        missing("ipv6", f"kind creates no such cluster: {str(failure).splitlines()[-1]}")


@pytest.fixture
def deployed(cluster: Cluster) -> App:
    """Give hellopod, deployed: the kubelet's probes get through."""
    cluster.apply()
    app = App(cluster.client(), cluster.namespace)
    try:
        eventually(app.settled, seconds=180)
    except AssertionError as failure:
        failure.add_note("\n".join(f"{title}:\n{text}" for title, text in describe(app)))
        raise
    return app


@pytest.mark.needs("ipv6")
def test_pods_and_service_answer_at_all_their_addresses(
    request: pytest.FixtureRequest, cluster: Cluster, deployed: App
) -> None:
    expected = {"ipv6": [6], "dual": [4, 6]}[request.node.callspec.params["cluster"]]
    pods = {
        name: [each.ip for each in pod.status.pod_ips] for name, pod in deployed.ready().items()
    }
    (client, its_addresses), (server, addresses) = sorted(pods.items())[:2]
    service = json.loads(cluster.kubectl("get", "service", "hellopod", "-o", "json").stdout)
    at_service = [*service["spec"]["clusterIPs"], "hellopod"]
    asked = f"""
print(json.dumps({{
    "probes": [probes(host) for host in {addresses}],
    "server": [ask(host, 8000, "/api/identity") for host in {addresses}],
    "service": [ask(host, 80, "/api/identity")["pod"] for host in {at_service}],
}}))"""
    # The network learns new addresses in its own time.
    found = eventually(
        lambda: run_inside(cluster, client, ASK + asked), seconds=30, also=(CommandFailed,)
    )

    assert families(addresses) == families(at_service[:-1]) == expected
    assert found["probes"] == [["ok", "ready"] * 2] * len(expected)
    assert {answer["pod"] for answer in found["server"]} == {server}
    assert {answer["pod_ip"] for answer in found["server"]} == {addresses[0]}
    # It has the family of the request, and no IPv4 address is written as ::ffff:...
    assert [answer["remote_addr"] for answer in found["server"]] == its_addresses
    assert set(found["service"]) <= pods.keys()


def families(addresses: list[str]) -> list[int]:
    """Return the versions of IP, in order."""
    return sorted(ipaddress.ip_address(address).version for address in addresses)
