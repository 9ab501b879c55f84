"""The component network-policy: each connection that it allows, and each that it denies.

The connections are real, and without the policy each of them works, between the same pods.
"""

import contextlib
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from kubernetes import client

from . import absence, variant
from .app import NAME, SOON, App
from .cluster import Cluster
from .commands import running
from .kustomization import ROOT
from .neighbours import Answer, Neighbour, Place, Target, listening, namespace
from .variant import Variant
from .waiting import eventually

DEADLINE = 60  # seconds; plugins take milliseconds to seconds until a policy is effective
UNREADY = 15  # seconds without an answer to a probe after which a pod is not Ready any more
SCRAPE = {"hellopod-scrape": "true"}
# The app's ports, and one that it does not have: number, path, and the answer if one gets there.
PORTS = {
    "http": (8000, "/version", 200),
    "management": (9000, "/metrics", 200),
    "other": (7000, None, "open"),
}
LISTEN = """
import socket, time
server = socket.create_server(("", 7000), backlog=100)
print("listening", flush=True)
time.sleep(3600)
"""
RESOLVE = """
import os, socket, sys
os.environ["RES_OPTIONS"] = "timeout:2 attempts:1"
socket.getaddrinfo(sys.argv[1], 80)
"""
# The neighbours' ports: those of DNS and OpenTelemetry, and one of nobody.
DNS, OTLP, ANY = 53, 4318, 8080
GUIDE = (ROOT / "docs/deploy.md").read_text()
[ADDED] = re.findall(r"```yaml\n(apiVersion: networking.k8s.io/v1\n.*?)```", GUIDE, re.DOTALL)
DENY = {
    "metadata": {"name": "deny-all"},
    "spec": {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "opentelemetry-collector"}}},
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Network:
    """The app's pods, their neighbours, and what the pods may want to reach."""

    pods: dict[str, client.V1Pod]
    places: list[Place]  # the same, to ask from
    neighbours: dict[str, Neighbour]
    services: dict[str, Target]
    since: float  # time.monotonic() when the policy was made

    @property
    def ports(self) -> dict[str, Target]:
        """Return the neighbours' ports."""
        return {
            f"{name}:{port}": (neighbour.ip, port, None)
            for name, neighbour in self.neighbours.items()
            for port in (DNS, OTLP, ANY)
        }

    def pods_but(self, name: str) -> dict[str, Target]:
        """Return where the pods answer, all but one: none can be kept from itself."""
        others = {pod: found for pod, found in self.pods.items() if pod != name}
        return {pod: (found.status.pod_ip, 8000, "/version") for pod, found in others.items()}

    def answers_to(self, name: str) -> dict[str, set[Answer]]:
        """Return what all pods answer to a neighbour, by port."""
        targets: dict[str, Target] = {
            f"{port} of {pod}": (found.status.pod_ip, number, path)
            for pod, found in self.pods.items()
            for port, (number, path, _) in PORTS.items()
        }
        answers = self.neighbours[name].ask(targets)
        return {port: {answers[f"{port} of {pod}"] for pod in self.pods} for port in PORTS}


@contextmanager
def policy(app: App, place: str, content: dict[str, Any]) -> Iterator[None]:
    """Keep a policy for the length of the block."""
    networking = client.NetworkingV1Api(app.api)
    networking.create_namespaced_network_policy(place, content, **SOON)
    try:
        yield
    finally:
        networking.delete_namespaced_network_policy(content["metadata"]["name"], place, **SOON)


@pytest.fixture(scope="module")
def neighbours(app: App, cluster: Cluster) -> Iterator[dict[str, Neighbour]]:
    """Give pods with and without labels, in the app's namespace and in another one."""
    with namespace(cluster, f"{app.namespace}-other") as other:
        wanted = {
            (app.namespace, "neighbour"): {},
            (app.namespace, "scraper"): SCRAPE,
            (other, "foreign-scraper"): SCRAPE,
            (other, "prometheus"): {"app.kubernetes.io/name": "prometheus"},
            (other, "collector"): {"app.kubernetes.io/name": "opentelemetry-collector"},
        }
        with listening(app, cluster, (DNS, OTLP, ANY), wanted) as found:
            yield found


@pytest.fixture(scope="module")
def enforced(app: App, cluster: Cluster, neighbours: dict[str, Neighbour]) -> None:
    """Go on where policies are enforced: found out with another one than the component's."""
    restart_daemons(cluster)
    asker, asked = neighbours["prometheus"], neighbours["collector"]
    target: dict[str, Target] = {"it": (asked.ip, ANY, None)}

    def neighbours_are_open() -> None:
        assert asker.reached(target)

    def policies_are_enforced() -> None:
        assert not asker.reached(target)

    eventually(neighbours_are_open, seconds=DEADLINE)
    with policy(app, asked.namespace, DENY):
        try:
            eventually(policies_are_enforced, seconds=DEADLINE)
        except AssertionError:
            absence.missing("NetworkPolicy", f"{DEADLINE} s after one was made all was open")
    eventually(neighbours_are_open, seconds=DEADLINE)


def restart_daemons(cluster: Cluster) -> None:
    """Start anew what runs on each node of our own cluster, and so whoever enforces policies.

    Some network plugins stop noticing new policies after minutes without any, on one node or on
    all. What they make of ours is tested here, not that.
    """
    if not cluster.kubeconfig:
        return
    daemons = cluster.kubectl("get", "daemonsets", "--output=name", namespace="kube-system").stdout
    log.info("%s start anew", ", ".join(daemons.split()))
    # All at once, by a label that pods of DaemonSets have: a rollout goes from node to node.
    pods = ("pods", "--selector=pod-template-generation", "--grace-period=1")
    cluster.kubectl("delete", *pods, namespace="kube-system", seconds=120)
    for daemon in daemons.split():
        cluster.kubectl("rollout", "status", daemon, namespace="kube-system", seconds=120)


@pytest.fixture(scope="module")
def services(app: App, cluster: Cluster) -> dict[str, Target]:
    """Give what every cluster has for its pods."""
    core = client.CoreV1Api(app.api)
    configuration = cluster.kubectl("exec", f"deployment/{NAME}", "--", "cat", "/etc/resolv.conf")
    [name_server] = re.findall(r"^nameserver (\S+)$", configuration.stdout, re.MULTILINE)
    api_server = core.read_namespaced_service("kubernetes", "default", **SOON).spec.cluster_ip
    found: dict[str, Target] = {
        "DNS": (name_server, DNS, None),
        "API server": (api_server, 443, None),
    }
    if cluster.kind_name:
        found["metrics of DNS"] = (name_server, 9153, None)
    return found


@pytest.fixture(scope="module")
def network(
    app: App,
    cluster: Cluster,
    neighbours: dict[str, Neighbour],
    services: dict[str, Target],
    enforced: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Network]:
    """Deploy the component, and see that all is open between the same pods without its policy."""
    directory = tmp_path_factory.mktemp("variant")
    component = Variant(components=("network-policy",))
    policies = (f"networkpolicy/{NAME}-ingress", f"networkpolicy/{NAME}-egress")
    remove = ("delete", *policies, "--ignore-not-found")
    with contextlib.ExitStack() as stack:
        stack.callback(cluster.kubectl, *remove)
        variant.deploy(app, cluster, directory, component)
        pods = app.ready()
        for pod in pods:
            kubectl = ("kubectl", "--context", cluster.context, "--namespace", app.namespace)
            listen = (*kubectl, "exec", pod, "--", "python", "-c", LISTEN)
            stack.enter_context(running(*listen, until="listening", env=cluster.env))
        cluster.kubectl(*remove)
        places = [Place(cluster, app.namespace, pod) for pod in pods]
        before = Network(pods, places, neighbours, services, 0)

        def all_is_open() -> None:
            for name in neighbours:
                answers = {port: {answer} for port, (_, _, answer) in PORTS.items()}
                assert before.answers_to(name) == answers, name
            for place in places:
                targets = services | before.ports | before.pods_but(place.pod)
                assert place.reached(targets) == targets.keys()

        eventually(all_is_open, seconds=DEADLINE)
        variant.apply(cluster, directory, component)
        yield Network(pods, places, neighbours, services, time.monotonic())


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("neighbour", {"http"}),
        ("scraper", {"http", "management"}),
        ("foreign-scraper", {"http", "management"}),
        ("prometheus", {"http"}),
        ("collector", {"http"}),
    ],
)
def test_let_in(network: Network, name: str, allowed: set[str]) -> None:
    expected = {port: {PORTS[port][2] if port in allowed else None} for port in PORTS}

    def only_that_is_let_in() -> None:
        assert network.answers_to(name) == expected

    eventually(only_that_is_let_in, seconds=DEADLINE)


def test_metrics_are_not_on_http(network: Network) -> None:
    targets: dict[str, Target] = {
        name: (pod.status.pod_ip, 8000, "/metrics") for name, pod in network.pods.items()
    }

    assert set(network.neighbours["scraper"].ask(targets).values()) == {404}


def test_pods_find_names(app: App, cluster: Cluster, network: Network) -> None:
    def only_names_are_served() -> None:
        for place in network.places:
            # Over TCP; for the API server see below.
            assert place.reached(network.services) - {"API server"} == {"DNS"}

    eventually(only_names_are_served, seconds=DEADLINE)
    for pod in network.pods:  # over UDP; fails if nothing is found
        resolve = ("exec", pod, "--", "python", "-c", RESOLVE, f"{NAME}.{app.namespace}.svc")
        cluster.kubectl(*resolve)


def test_pods_reach_no_other_pod(network: Network) -> None:
    """Not those either that let them in."""

    def no_pod_is_reached() -> None:
        for place in network.places:
            targets = network.ports | network.pods_but(place.pod)
            assert place.reached(targets) == set()

    eventually(no_pod_is_reached, seconds=DEADLINE)
    assert network.neighbours["scraper"].reached(network.ports) == network.ports.keys()


def test_pods_do_not_reach_the_api_server(app: App, network: Network) -> None:
    target = {"API server": network.services["API server"]}
    own_node = {
        name for name, pod in network.pods.items() if pod.status.host_ip in api_servers(app)
    }

    def api_server_is_not_reached() -> None:
        reached = {place.pod for place in network.places if place.reached(target)}
        if reached and reached <= own_node:
            pytest.skip("it is on the pods' own node, and this network plugin never denies that")
        assert not reached

    eventually(api_server_is_not_reached, seconds=DEADLINE)


def api_servers(app: App) -> set[str]:
    """Return the addresses of the API server."""
    discovery = client.DiscoveryV1Api(app.api)
    selector = "kubernetes.io/service-name=kubernetes"
    slices = discovery.list_namespaced_endpoint_slice("default", label_selector=selector, **SOON)
    return {address for each in slices.items for end in each.endpoints for address in end.addresses}


def test_policy_of_the_readme_adds_to_it(app: App, network: Network) -> None:
    """It lets that Prometheus in and spans out, and nothing else."""
    other = network.neighbours["prometheus"].namespace
    content = yaml.safe_load(re.sub(r"(?<=name: )monitoring$", other, ADDED, flags=re.MULTILINE))
    both = {"http": {200}, "management": {200}, "other": {None}}

    def only_these_are_added() -> None:
        assert network.answers_to("prometheus") == both
        assert network.answers_to("collector") == both | {"management": {None}}
        for place in network.places:
            assert place.reached(network.ports) == {f"collector:{OTLP}"}

    with policy(app, app.namespace, content):
        eventually(only_these_are_added, seconds=DEADLINE)


def test_probes_pass(app: App, network: Network) -> None:
    """Startup probes did, or there would be no pods; the others have had their time by now."""
    time.sleep(max(0, network.since + UNREADY + 10 - time.monotonic()))

    assert app.ready().keys() == app.pods().keys() == network.pods.keys()
    for pod in app.pods().values():
        assert [status.restart_count for status in pod.status.container_statuses] == [0]
