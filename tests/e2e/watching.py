"""Watches the app's pods, because what a container did is forgotten when its pod is gone."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from kubernetes import client, watch

from .app import SOON, App, is_ready
from .cluster import Cluster

# Versions to go on from while nothing happens: one that is minutes old is answered with 410.
BOOKMARKS = {"allow_watch_bookmarks": True}
RENEW = 5  # seconds after which the API server ends a watch, and it is looked whether to go on


class PodWatch:
    """What has become of each container, while it is watched."""

    def __init__(self) -> None:
        self.ended: dict[str, str] = {}  # container id: how
        self.containers: dict[str, str] = {}  # container id: pod
        self.deleted: set[str] = set()  # pods
        self.ready_at: dict[str, float] = {}  # pod: time.time() when it was first seen Ready
        self.ready: set[str] = set()
        self.least_ready = 0  # pods at any one time
        self.problem: Exception | None = None

    def see(self, kind: str, pod: client.V1Pod) -> None:
        """Note what an event of the watch says."""
        name = pod.metadata.name
        for status in pod.status.container_statuses or []:
            for state in (status.state, status.last_state):
                if state.running:
                    self.containers[status.container_id] = name
                if state.terminated and state.terminated.container_id:
                    done = state.terminated
                    self.containers[done.container_id] = name
                    self.ended[done.container_id] = f"{done.exit_code} ({done.reason})"
        if kind == "DELETED":
            self.deleted.add(name)
        if kind != "DELETED" and is_ready(pod):
            self.ready_at.setdefault(name, time.time())
            self.ready.add(name)
        else:
            self.ready.discard(name)
        self.least_ready = min(self.least_ready, len(self.ready))

    def assert_clean(self) -> None:
        """Assert that all containers that ended did so by themselves, with code 0."""
        assert self.problem is None, f"the watch broke off: {self.problem!r}"
        unseen = {
            pod
            for container, pod in self.containers.items()
            if pod in self.deleted and container not in self.ended
        }
        assert not unseen, f"deleted before anybody saw their containers end: {unseen}"
        ends = {self.containers[container]: how for container, how in self.ended.items()}
        assert set(ends.values()) <= {"0 (Completed)"}, ends


@contextmanager
def watched(app: App, cluster: Cluster) -> Iterator[PodWatch]:
    """Watch in a thread for the length of the block."""
    seen = PodWatch()
    over = threading.Event()
    core = client.CoreV1Api(cluster.client())  # of its own: an ApiClient is not for two threads
    place = (core.list_namespaced_pod, app.namespace)
    selector = {"label_selector": app.selector}
    before = core.list_namespaced_pod(app.namespace, **selector, **SOON)
    for pod in before.items:
        seen.see("ADDED", pod)
    seen.least_ready = len(seen.ready)

    def follow() -> None:
        version = before.metadata.resource_version
        try:
            while not over.is_set():
                stream = watch.Watch()
                times = {"timeout_seconds": RENEW, "_request_timeout": 2 * RENEW}
                for event in stream.stream(
                    *place, resource_version=version, **BOOKMARKS, **times, **selector
                ):
                    if event["type"] != "BOOKMARK":
                        seen.see(event["type"], event["object"])
                version = stream.resource_version or version
        except Exception as problem:  # raised in the test by assert_clean
            seen.problem = problem

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join(3 * RENEW)
