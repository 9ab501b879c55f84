"""What somebody would look at first after a failure: pods, events and logs of the namespace."""

import json
from collections.abc import Iterator

import urllib3
from kubernetes import client

from .app import SOON, App

LINES = 25  # of each container's log


def describe(app: App) -> Iterator[tuple[str, str]]:
    """Yield titles and texts; what cannot be read says why and hides no other."""
    core = client.CoreV1Api(app.api)
    parts = (("pods", pods), ("events", events), ("logs", logs), ("Prometheus", prometheus))
    for name, read in parts:
        try:
            text = read(core, app.namespace)
        except (client.ApiException, urllib3.exceptions.HTTPError) as error:
            text = f"cannot be read: {getattr(error, 'reason', error)}"
        yield f"{name} in {app.namespace}", text


def pods(core: client.CoreV1Api, namespace: str) -> str:
    lines = []
    for pod in core.list_namespaced_pod(namespace, **SOON).items:
        going = " terminating" if pod.metadata.deletion_timestamp else ""
        lines.append(f"{pod.metadata.name} {pod.status.phase}{going} on {pod.spec.node_name}")
        for status in pod.status.container_statuses or []:
            lines.append(
                f"    {status.name}: ready={status.ready} restarts={status.restart_count}"
                f" now {state(status.state)}, before {state(status.last_state)}"
            )
    return "\n".join(lines)


def state(state: client.V1ContainerState) -> str:
    if state.running:
        return f"running since {state.running.started_at:%H:%M:%S}"
    if ended := state.terminated:
        return f"ended with {ended.exit_code} ({ended.reason}) {ended.message or ''}"
    if state.waiting:
        return f"waiting ({state.waiting.reason}) {state.waiting.message or ''}"
    return "-"


def events(core: client.CoreV1Api, namespace: str) -> str:
    found = core.list_namespaced_event(namespace, **SOON).items
    found.sort(key=moment)
    return "\n".join(
        f"{moment(event)[11:19]} {event.type} {event.involved_object.kind}"
        f"/{event.involved_object.name} {event.reason}: {event.message}"
        for event in found
    )


def moment(event: client.CoreV1Event) -> str:
    last = event.last_timestamp or event.event_time or event.metadata.creation_timestamp
    return last.isoformat()


def logs(core: client.CoreV1Api, namespace: str) -> str:
    parts = []
    for pod in core.list_namespaced_pod(namespace, **SOON).items:
        for status in pod.status.container_statuses or []:
            for previous in (True, False) if status.restart_count else (False,):
                title = f"--- {pod.metadata.name} {status.name}{' (previous)' if previous else ''}"
                parts += [title, log(core, pod, status.name, previous)]
    return "\n".join(parts)


def log(core: client.CoreV1Api, pod: client.V1Pod, container: str, previous: bool) -> str:
    try:
        return core.read_namespaced_pod_log(
            pod.metadata.name,
            pod.metadata.namespace,
            container=container,
            previous=previous,
            tail_lines=LINES,
            **SOON,
        )
    except client.ApiException as error:
        return f"no log: {error.reason}"


def prometheus(core: client.CoreV1Api, namespace: str) -> str:
    """Return what Prometheus cannot scrape, and its alerts."""

    def ask(path: str) -> dict:
        response = core.connect_get_namespaced_service_proxy_with_path(
            "prometheus:9090", namespace, f"api/v1/{path}", _preload_content=False, **SOON
        )
        return json.loads(response.data)["data"]

    targets = ask("targets")["activeTargets"]
    lines = [f"{one['health']} {one['scrapeUrl']} {one['lastError']}" for one in targets]
    alerts = ask("alerts")["alerts"]
    return "\n".join([*lines, *(f"{one['state']} {one['labels']}" for one in alerts)])
