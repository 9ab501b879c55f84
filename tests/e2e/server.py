"""A pod and what can be seen of its server from outside."""

import json
import time
from dataclasses import dataclass

import urllib3
from kubernetes import client

from .app import SOON, App, is_ready
from .waiting import eventually

GONE = (client.ApiException, urllib3.exceptions.HTTPError, OSError, ValueError)


@dataclass(frozen=True)
class Server:
    """Reads the pod, and asks its server through the API server."""

    app: App
    name: str

    def identity(self) -> dict:
        core = client.CoreV1Api(self.app.api)
        response = core.connect_get_namespaced_pod_proxy_with_path(
            f"{self.name}:8000",
            self.app.namespace,
            "api/identity",
            _preload_content=False,
            _request_timeout=3,
        )
        return json.loads(response.data)

    def pod(self) -> client.V1Pod:
        return self.app.pods()[self.name]

    def container(self) -> client.V1ContainerStatus:
        [status] = self.pod().status.container_statuses
        return status

    def events(self, reason: str) -> list[str]:
        core = client.CoreV1Api(self.app.api)
        selector = f"involvedObject.name={self.name},reason={reason}"
        found = core.list_namespaced_event(self.app.namespace, field_selector=selector, **SOON)
        return [event.message for event in found.items]

    def unhealthy(self) -> list[str]:
        """Return what the kubelet noted of its probes, but for those at its start."""
        return [text for text in self.events("Unhealthy") if not text.startswith("Startup")]

    def wait_until_back(self, before: dict, seconds: float) -> float:
        """Wait until another worker than before serves and the pod is Ready; return how long."""
        start = time.monotonic()

        def another_worker_serves() -> None:
            assert self.identity()["started_at"] != before["started_at"]
            assert is_ready(self.pod())

        eventually(another_worker_serves, seconds=seconds, also=GONE)
        return time.monotonic() - start


def quietest(app: App) -> Server:
    """Return the pod with the fewest restarts, once all are Ready."""

    def all_pods_are_ready() -> str:
        app.settled()
        return min(app.ready(), key=lambda name: Server(app, name).container().restart_count)

    return Server(app, eventually(all_pods_are_ready, seconds=60))
