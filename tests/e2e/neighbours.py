"""Pods beside the app's: from its image, for the Python in there, and as restricted as its own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kubernetes import client

from .app import SOON, App
from .cluster import Cluster
from .waiting import eventually

# Takes connections at some ports, on and on.
LISTEN = """
import socket, sys, threading
def take(port):
    server = socket.create_server(("", port))
    while True:
        server.accept()[0].close()
for port in sys.argv[1:]:
    threading.Thread(target=take, args=(int(port),)).start()
"""
# Asks for each target at once, and prints the status, "open" where no path is given, or null for no
# connection, however that is refused.
ASK = """
import concurrent.futures, http.client, json, socket, sys
def ask(target):
    host, port, path = target
    try:
        if path is None:
            socket.create_connection((host, port), 3).close()
            return "open"
        connection = http.client.HTTPConnection(host, port, timeout=3)
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None
targets = json.loads(sys.argv[1])
with concurrent.futures.ThreadPoolExecutor(len(targets)) as pool:
    print(json.dumps(dict(zip(targets, pool.map(ask, targets.values())))))
"""
# So that it may listen where DNS does. The setting is safe: the restricted level allows it.
LOW_PORTS = client.V1Sysctl(name="net.ipv4.ip_unprivileged_port_start", value="0")

Target = tuple[str, int, str | None]  # address, port, and the path to ask for
Answer = int | str | None


@dataclass(frozen=True)
class Place:
    """A pod to ask from."""

    cluster: Cluster
    namespace: str
    pod: str

    def ask(self, targets: dict[str, Target]) -> dict[str, Answer]:
        """Return what each target answers to this pod."""
        command = ("exec", self.pod, "--", "python", "-c", ASK, json.dumps(targets))
        return json.loads(self.cluster.kubectl(*command, namespace=self.namespace).stdout)

    def reached(self, targets: dict[str, Target]) -> set[str]:
        """Return the names of those that answer."""
        return {name for name, answer in self.ask(targets).items() if answer}


@dataclass(frozen=True)
class Neighbour(Place):
    """A pod that listens, too."""

    ip: str


def pod_like(app: App, metadata: client.V1ObjectMeta, *command: str) -> client.V1Pod:
    """Describe a pod that runs a command in the app's image and has none of its labels."""
    template = app.deployment().spec.template.spec
    container = client.V1Container(
        name="neighbour",
        image=template.containers[0].image,
        image_pull_policy=template.containers[0].image_pull_policy,
        command=list(command),
        security_context=template.containers[0].security_context,
    )
    return client.V1Pod(
        metadata=metadata,
        spec=client.V1PodSpec(
            containers=[container],
            security_context=template.security_context,
            automount_service_account_token=False,
            enable_service_links=False,
            restart_policy="Never",
            # Process 1 of a script knows no SIGTERM.
            termination_grace_period_seconds=1,
        ),
    )


@contextmanager
def listening(
    app: App, cluster: Cluster, ports: tuple[int, ...], wanted: dict[tuple[str, str], dict]
) -> Iterator[dict[str, Neighbour]]:
    """Keep neighbours running, each a namespace and a name with its labels; give them by name."""
    core = client.CoreV1Api(app.api)
    try:
        for (namespace, name), labels in wanted.items():
            metadata = client.V1ObjectMeta(name=name, labels=labels)
            pod = pod_like(app, metadata, "python", "-c", LISTEN, *map(str, ports))
            pod.spec.security_context.sysctls = [LOW_PORTS]
            core.create_namespaced_pod(namespace, pod, **SOON)

        def neighbours_run() -> dict[str, Neighbour]:
            found: dict[str, Neighbour] = {}
            for namespace, name in wanted:
                status: Any = core.read_namespaced_pod(name, namespace, **SOON).status
                assert status.phase == "Running", f"{name} is {status.phase}"
                found[name] = Neighbour(cluster, namespace, name, status.pod_ip)
            return found

        yield eventually(neighbours_run, seconds=60)
    finally:
        for namespace, name in wanted:
            arguments = ("delete", "pod", name, "--ignore-not-found", "--wait=false")
            cluster.kubectl(*arguments, namespace=namespace)


@contextmanager
def namespace(cluster: Cluster, name: str) -> Iterator[str]:
    """Keep another namespace, as restricted as the app's."""
    label = "pod-security.kubernetes.io/enforce=restricted"
    # Refused if it exists: after this line the namespace is ours to delete.
    cluster.kubectl("create", "namespace", name, namespace=None)
    try:
        cluster.kubectl("label", "namespace", name, label, namespace=None)
        yield name
    finally:
        cluster.kubectl("delete", "namespace", name, namespace=None, seconds=120)
