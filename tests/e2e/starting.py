"""How long a pod takes from its container's start to Ready."""

from kubernetes import client

from .app import SOON, App
from .cluster import Cluster
from .waiting import eventually
from .watching import watched

# When process 1 of the container began, by the clock of the nodes: they have this machine's.
# The pod's status says it too, but in whole seconds, cut off.
STARTED = """
import os, time
ticks = int(open("/proc/1/stat").read().rpartition(")")[2].split()[19])
boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
start = boot + ticks / os.sysconf("SC_CLK_TCK")
"""


def start_to_ready(app: App, cluster: Cluster) -> tuple[str, float]:
    """Have a pod replaced; return the new one and the seconds it took."""
    before = eventually(app.ready, seconds=10)
    core = client.CoreV1Api(app.api)
    with watched(app, cluster) as seen:
        core.delete_namespaced_pod(min(before), app.namespace, **SOON)

        def another_pod_is_ready() -> str:
            [new] = set(app.ready()) - set(before)
            return new

        name = eventually(another_pod_is_ready, seconds=60, also=(ValueError,))
        eventually(app.settled, seconds=120)

    started = cluster.kubectl("exec", name, "--", "python", "-c", f"{STARTED}print(start)")
    return name, seen.ready_at[name] - float(started.stdout)
