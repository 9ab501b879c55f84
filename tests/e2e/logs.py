"""What a pod has logged."""

import json

from kubernetes import client

from .app import SOON, App

# Loggers that say that something else is down. What a fork depends on is not in this cluster.
SAYING = ("service.dependencies", "service.outage_log")
TASKS = "service.background"


def records(app: App, pod: str) -> list[dict]:
    """Parse its log; fails for a line that is no JSON."""
    core = client.CoreV1Api(app.api)
    # Raw: the client would take a single line of JSON for a value of its own.
    log = core.read_namespaced_pod_log(pod, app.namespace, _preload_content=False, **SOON)
    return [json.loads(line) for line in log.data.decode().splitlines()]


def complaints(records: list[dict]) -> list[dict]:
    """Return what is worse than INFO, but for what others do wrong."""
    worse = [record for record in records if record["level"] not in ("DEBUG", "INFO")]
    return [record for record in worse if not is_of_others(record)]


def is_of_others(record: dict) -> bool:
    """Whether it says that something else is down. A task may say so by a traceback."""
    return record["logger"] == TASKS or (record["logger"] in SAYING and "exc_info" not in record)
