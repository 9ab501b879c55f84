"""Runs load.py in the cluster, as a Job on the control plane: none of the app's pods is there."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubernetes import client

from .app import SOON, App
from .cluster import Cluster
from .waiting import eventually

NAME = "hellopod-load"
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
STOP = "import os, signal; os.kill(1, signal.SIGTERM)"
LONGEST = 900  # seconds after which a load ends whatever happens, unless told otherwise


@dataclass
class Load:
    """What a load has done; complete once it is over."""

    began: float = 0.0  # time.time()
    seconds: float = 0.0
    streams: list[dict[str, Any]] = field(default_factory=list)

    def read(self, line: str) -> None:
        """Take over what the generator printed at its end."""
        seen = json.loads(line)
        self.began, self.seconds, self.streams = seen["began"], seen["seconds"], seen["streams"]

    @property
    def sent(self) -> int:
        return sum(stream["sent"] for stream in self.streams)

    def count(self, outcome: str) -> int:
        """Return how many requests ended so."""
        found = (stream["outcomes"].get(outcome, {"count": 0}) for stream in self.streams)
        return sum(figures["count"] for figures in found)

    @property
    def failures(self) -> dict[str, int]:
        """How often each outcome but success happened."""
        names = sorted({name for stream in self.streams for name in stream["outcomes"]} - {"2xx"})
        return {name: self.count(name) for name in names}

    @property
    def examples(self) -> str:
        return "\n".join(line for stream in self.streams for line in stream["examples"])

    def rate(self, outcome: str = "2xx") -> float:
        """Return how many a second ended so while requests were being sent."""
        whole = int(self.seconds)
        counts = (
            counts.get(outcome, 0)
            for stream in self.streams
            for second, counts in stream["per_second"].items()
            if int(second) < whole
        )
        return sum(counts) / whole

    def assert_on_time(self) -> None:
        """Assert that the generator kept its schedule; otherwise it measured itself."""
        late = sum(stream["late"] for stream in self.streams)
        latest = max(stream["latest"] for stream in self.streams)
        assert late <= self.sent * 0.02 and latest < 2, (
            f"the load generator sent {late} of {self.sent} requests late, by up to {latest} s:"
            " the machine is too busy for this test"
        )


@dataclass(frozen=True)
class Generator:
    """Sends load to an address in the cluster, from the app's own image."""

    app: App
    cluster: Cluster
    name: str = NAME  # of the Job; two loads at once need two

    @contextmanager
    def running(self, host: str, port: int, **plan: Any) -> Iterator[Load]:
        """Keep a load running for the length of the block; the Load is filled in at its end."""
        plan = {"host": host, "port": port, "seconds": LONGEST, "timeout": 30, **plan}
        load = Load()
        pod = self.start(plan)
        try:
            yield load
            self.stop(pod)
            load.read(self.result(pod, plan["timeout"] + 30))
        finally:
            self.delete()

    def run(self, host: str, port: int, seconds: float, **plan: Any) -> Load:
        """Send a load for some seconds."""
        plan = {"host": host, "port": port, "seconds": seconds, "timeout": 30, **plan}
        load = Load()
        pod = self.start(plan)
        try:
            load.read(self.result(pod, seconds + plan["timeout"] + 30))
        finally:
            self.delete()
        return load

    def start(self, plan: dict[str, Any]) -> str:
        """Start the Job and return the name of its pod, once that has had an answer."""
        batch = client.BatchV1Api(self.app.api)
        batch.create_namespaced_job(self.app.namespace, self.job(plan), **SOON)

        def load_has_started() -> str:
            [pod] = self.pods()
            log = self.log(pod)
            assert log.startswith("started"), f"{pod.metadata.name} is {pod.status.phase}: {log}"
            return pod.metadata.name

        try:
            return eventually(
                load_has_started, seconds=60, every=0.2, also=(client.ApiException, ValueError)
            )
        except BaseException:
            self.delete()
            raise

    def stop(self, pod: str) -> None:
        self.cluster.kubectl("exec", pod, "--", "python", "-c", STOP)

    def result(self, pod: str, seconds: float) -> str:
        core = client.CoreV1Api(self.app.api)

        def load_has_ended() -> str:
            seen = core.read_namespaced_pod(pod, self.app.namespace, **SOON)
            assert seen.status.phase in ("Succeeded", "Failed")
            lines = self.log(seen).splitlines()
            assert seen.status.phase == "Succeeded", "\n".join(lines[-10:])
            return lines[-1]

        return eventually(load_has_ended, seconds=seconds)

    def delete(self) -> None:
        """Remove the Job and wait until its pod has gone too."""
        batch = client.BatchV1Api(self.app.api)
        options = {"propagation_policy": "Background", **SOON}
        batch.delete_namespaced_job(self.name, self.app.namespace, **options)

        def load_is_gone() -> None:
            assert not self.pods()

        eventually(load_is_gone, seconds=60)

    def pods(self) -> list[client.V1Pod]:
        core = client.CoreV1Api(self.app.api)
        selector = f"app.kubernetes.io/name={self.name}"
        return core.list_namespaced_pod(self.app.namespace, label_selector=selector, **SOON).items

    def log(self, pod: client.V1Pod) -> str:
        core = client.CoreV1Api(self.app.api)
        response = core.read_namespaced_pod_log(
            pod.metadata.name, self.app.namespace, _preload_content=False, **SOON
        )
        return response.data.decode()

    def job(self, plan: dict[str, Any]) -> client.V1Job:
        """Describe the Job; its pod is as restricted as the app's."""
        template = self.app.deployment().spec.template.spec
        script = Path(__file__).with_name("load.py").read_text()
        container = client.V1Container(
            name="load",
            image=template.containers[0].image,
            image_pull_policy=template.containers[0].image_pull_policy,
            command=["python", "-c", script, json.dumps(plan)],
            env=[each for each in template.containers[0].env if each.name == "CHAOS_TOKEN"],
            security_context=template.containers[0].security_context,
        )
        pod = client.V1PodSpec(
            containers=[container],
            security_context=template.security_context,
            automount_service_account_token=False,
            enable_service_links=False,
            restart_policy="Never",
            termination_grace_period_seconds=1,
            tolerations=[client.V1Toleration(key=CONTROL_PLANE, operator="Exists")],
            affinity=client.V1Affinity(node_affinity=preferring(CONTROL_PLANE)),
        )
        labels = {"app.kubernetes.io/name": self.name}
        return client.V1Job(
            metadata=client.V1ObjectMeta(name=self.name, labels=labels),
            spec=client.V1JobSpec(
                backoff_limit=0,
                active_deadline_seconds=max(LONGEST, plan["seconds"]) + 60,
                template=client.V1PodTemplateSpec(
                    metadata=client.V1ObjectMeta(labels=labels), spec=pod
                ),
            ),
        )


def preferring(label: str) -> client.V1NodeAffinity:
    """Prefer the nodes with a label: somebody else's cluster may not show its control plane."""
    term = client.V1NodeSelectorTerm(
        match_expressions=[client.V1NodeSelectorRequirement(key=label, operator="Exists")]
    )
    preference = client.V1PreferredSchedulingTerm(weight=100, preference=term)
    return client.V1NodeAffinity(preferred_during_scheduling_ignored_during_execution=[preference])
