"""Runs a script in one of the app's containers: the server's processes and ports are there."""

import json
from typing import Any

from .cluster import Cluster

# What all scripts begin with. The chaos token stays in the container.
PRELUDE = """
import json, os, signal, socket, sys, time, urllib.request

def get(path, port=8000, timeout=10, method="GET"):
    token = os.environ.get("CHAOS_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if port == 8000 else {}
    url = f"http://127.0.0.1:{port}{path}"
    request = urllib.request.Request(url, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=timeout) as response:
        return response.read().decode()

def post(path):
    return get(path, method="POST")

def worker():
    return json.loads(get("/api/identity"))["worker_pid"]
"""


def run(cluster: Cluster, pod: str, script: str, check: bool = True, seconds: float = 90) -> Any:
    """Run a script in a pod's container and return the JSON it prints, if it prints any."""
    command = ("exec", pod, "--", "python", "-c", PRELUDE + script)
    output = cluster.kubectl(*command, check=check, seconds=seconds).stdout
    return json.loads(output) if output else None
