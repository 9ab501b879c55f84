"""hellopod, or what it is compared with, as the API server knows it, and as it answers."""

from dataclasses import dataclass
from typing import Any

import urllib3
from kubernetes import client

NAME = "hellopod"
SOON = {"_request_timeout": 10}  # seconds; the client by itself would wait for ever


@dataclass(frozen=True)
class App:
    """Reads the Deployment, its pods and the Service's endpoints: all that a smoke test may do."""

    api: client.ApiClient
    namespace: str
    least: int = 2  # pods that there must be
    name: str = NAME  # of the Deployment, of the Service, and in the pods' label:
    label: str = "app.kubernetes.io/instance"

    @property
    def selector(self) -> str:
        """Return what finds its pods."""
        return f"{self.label}={self.name}"

    def deployment(self) -> client.V1Deployment:
        """Return the Deployment."""
        apps = client.AppsV1Api(self.api)
        return apps.read_namespaced_deployment(self.name, self.namespace, **SOON)

    def pods(self) -> dict[str, client.V1Pod]:
        """Return all its pods by name, those too that are starting or on their way out."""
        core = client.CoreV1Api(self.api)
        pods = core.list_namespaced_pod(self.namespace, label_selector=self.selector, **SOON)
        return {pod.metadata.name: pod for pod in pods.items}

    def ready(self) -> dict[str, client.V1Pod]:
        """Return the pods that are Ready and stay."""
        return {name: pod for name, pod in self.pods().items() if is_ready(pod)}

    def endpoints(self) -> set[str]:
        """Return the names of the pods that the Service sends requests to."""
        discovery = client.DiscoveryV1Api(self.api)
        selector = f"kubernetes.io/service-name={self.name}"
        slices = discovery.list_namespaced_endpoint_slice(
            self.namespace, label_selector=selector, **SOON
        )
        endpoints = [end for piece in slices.items for end in piece.endpoints or []]
        return {end.target_ref.name for end in endpoints if end.conditions.ready}

    def address(self) -> str:
        """Return the Service's address: its name would be a test of the cluster's DNS too."""
        core = client.CoreV1Api(self.api)
        return core.read_namespaced_service(self.name, self.namespace, **SOON).spec.cluster_ip

    def settled(self) -> None:
        """Assert that all pods that are wanted, and as many as must be, are new and Ready."""
        deployment = self.deployment()
        assert deployment.status.observed_generation == deployment.metadata.generation
        wanted, status = deployment.spec.replicas, deployment.status
        assert wanted >= self.least
        assert status.updated_replicas == status.available_replicas == status.replicas == wanted
        assert len(self.ready()) == wanted


def is_ready(pod: client.V1Pod) -> bool:
    """Tell whether a pod is Ready and not told to go."""
    conditions = {one.type: one.status for one in pod.status.conditions or []}
    return conditions.get("Ready") == "True" and not pod.metadata.deletion_timestamp


@dataclass(frozen=True)
class Http:
    """Asks the Service."""

    url: str

    def get(self, path: str, **headers: str) -> Any:
        """Return the response to a GET, whatever its status, as urllib3 gives it.

        Each request has a connection of its own, because a Service chooses a pod for a connection.
        urllib3 it is because it takes no proxy from the environment.
        """
        return urllib3.request(
            "GET",
            self.url + path,
            headers={"Connection": "close", **headers},
            retries=False,
            redirect=False,
            timeout=10,
        )
