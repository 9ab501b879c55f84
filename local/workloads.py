"""The Deployments and StatefulSets of the manifests: those that are not ready, and why."""

import json
import time
from collections.abc import Iterator
from typing import Any

from local.image import variable
from local.steps import output

SECONDS = 60  # to wait for those beside the service
EVERY = 2  # seconds between two looks
NO_IMAGE = {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"}
STARTING = {"ContainerCreating", "PodInitializing"}


def wait(
    kubectl: tuple[str, ...], manifests: str, name: str, seconds: float = SECONDS
) -> list[dict[str, Any]]:
    """Wait for all but the service's own, whose name is given; return those that are not ready."""
    left = unready(kubectl, manifests, name)
    if not left:
        return []
    print(f"Waiting for {', '.join(map(title, left))} ", end="", flush=True)
    start = time.monotonic()
    while left and time.monotonic() < start + seconds:
        time.sleep(EVERY)
        print(".", end="", flush=True)
        left = unready(kubectl, manifests, name)
    print(f" {time.monotonic() - start:.0f} s", flush=True)
    return left


def unready(kubectl: tuple[str, ...], manifests: str, name: str = "") -> list[dict[str, Any]]:
    """Return those that are not ready, without the Deployment of that name."""
    command = ("get", "--filename=-", "--ignore-not-found", "--output=json")
    found = as_json(output(*kubectl, *command, given=manifests))
    return [
        item
        for item in found.get("items", [found])
        if item.get("kind") in ("Deployment", "StatefulSet")
        and title(item) != f"deployment/{name}"
        and not is_ready(item)
    ]


def as_json(text: str) -> dict[str, Any]:
    """Return the object that kubectl printed; an empty one if it failed."""
    found: dict[str, Any] = json.loads(text.strip() or "{}")
    return found


def title(item: dict[str, Any]) -> str:
    """Return how kubectl calls it."""
    return f"{item['kind'].lower()}/{item['metadata']['name']}"


def is_ready(item: dict[str, Any]) -> bool:
    """Whether all its pods are of the latest template and ready."""
    wanted, status = item["spec"].get("replicas", 1), item.get("status", {})
    return bool(
        status.get("observedGeneration", 0) >= item["metadata"].get("generation", 0)
        and status.get("updatedReplicas", 0) >= wanted
        and status.get("readyReplicas", 0) >= wanted
        and not status.get("unavailableReplicas")
    )


def explained(kubectl: tuple[str, ...], cluster: str, items: list[dict[str, Any]]) -> Iterator[str]:
    """Say of each what its pods wait for, each reason once, and what to type."""
    for item in items:
        namespace = f"--namespace={item['metadata'].get('namespace', 'default')}"
        typed = f"{' '.join(kubectl)} {namespace}"
        labels = item["spec"]["selector"].get("matchLabels", {})
        selector = ",".join(f"{label}={value}" for label, value in labels.items())
        command = ("get", "pods", namespace, f"--selector={selector}", "--output=json")
        pods = as_json(output(*kubectl, *command)).get("items", [])
        reasons = {reason(pod, cluster): pod for pod in pods}
        reasons.pop("", None)
        for why, pod in reasons.items():
            name, init = pod["metadata"]["name"], unfinished(pod)
            log = f"\n  its log: {typed} logs {name} -c {init}" if init else ""
            yield f"{title(item)} is not ready: pod {name}: {why}{log}"
        if not reasons:
            yield f"{title(item)} is not ready: see: {typed} get events"


def reason(pod: dict[str, Any], cluster: str) -> str:
    """Return why a pod is not ready; empty if it is, or if it goes."""
    conditions = {one["type"]: one for one in pod["status"].get("conditions", [])}
    if conditions.get("Ready", {}).get("status") == "True" or pod["metadata"].get(
        "deletionTimestamp"
    ):
        return ""
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return f"{scheduled.get('reason')}: {scheduled.get('message')}"
    waiting = waiting_containers(pod)
    if not waiting:
        return "it runs, but is not Ready"
    why = min(waiting, key=lambda why: why in STARTING)
    if why in NO_IMAGE:
        image = waiting[why]["image"]
        return f"{why} {image}\n{handing_over(image, cluster)}"
    if why == "PodInitializing" and (init := unfinished(pod)):
        return f"it waits for its init container {init}"
    return f"{why} {waiting[why]['state']['waiting'].get('message', '')}".strip()


def waiting_containers(pod: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return those that have not started, by their reason; the first one of each reason."""
    status = pod["status"]
    containers = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    return {
        one["state"]["waiting"].get("reason", ""): one
        for one in reversed(containers)
        if "waiting" in one["state"]
    }


def unfinished(pod: dict[str, Any]) -> str:
    """Return the init container that has started and not succeeded; empty if there is none."""
    for one in pod["status"].get("initContainerStatuses", []):
        if not one["ready"] and ("waiting" not in one["state"] or one["restartCount"]):
            return str(one["name"])
    return ""


def handing_over(image: str, cluster: str) -> str:
    """Say how the node gets an image that it cannot pull."""
    return (
        f"  build or pull it here, then: kind load docker-image {image} --name {cluster}\n"
        "  The pod takes it by itself within minutes, unless its imagePullPolicy is Always, the\n"
        "  default of an image with the tag latest or without one.\n"
        f"  Or name another image: make up {variable(image)}=..."
    )
