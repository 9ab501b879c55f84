"""Goodput of `/` at three times its capacity, beside the bound that the cost of a refusal sets.

python -m benchmarks.refusal [SECONDS]     needs oha: https://github.com/hatoo/oha

Serving is cheap here, so refusing costs a share r of it, and no server keeps more than
(1 - nr) / (1 - r) of its capacity at n times the load. r is measured in CPU time of the worker.
The server has one core and the generator another.
"""

import json
import os
import shutil
import subprocess
import sys

from tests.runtime.gunicorn_process import Gunicorn
from tests.runtime.raw import get, metric

FACTOR = 3
CLIENTS = 16  # as many as there are slots, for the capacity
# Clients that may be under way at once: an ingress with a bounded pool of connections (a pod takes
# 1064 of them), and new connections for as many requests as come within the second they wait.
OPEN = {True: 1000, False: 8000}
SERVER_CORE, GENERATOR_CORE = 0, 1


class Load:
    """What oha reports, and the CPU seconds that the worker used for it."""

    def __init__(self, server, keep, seconds, clients, *options):
        before = metric(server.management, "process_cpu_seconds_total")
        keep_alive = [] if keep else ["--disable-keepalive"]
        address = f"http://127.0.0.1:{server.port}/"
        output = subprocess.run(
            ["oha", "--no-tui", "--json", "-t", "1s", "-z", f"{seconds:g}s", "-c", str(clients)]
            + [*keep_alive, *options, address],
            capture_output=True,
            check=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {GENERATOR_CORE}),
        )
        self.cpu = metric(server.management, "process_cpu_seconds_total") - before
        found = json.loads(output.stdout)
        self.seconds = found["summary"]["total"]
        self.outcomes = found["statusCodeDistribution"] | found["errorDistribution"]
        self.outcomes.pop("aborted due to deadline", None)  # under way when the time was over
        self.sent = sum(self.outcomes.values())
        self.served = self.outcomes.get("200", 0)
        self.refused = self.outcomes.get("503", 0)


def measure(server, keep, seconds):
    closed = Load(server, keep, seconds, CLIENTS)
    capacity = closed.served / closed.seconds
    serving = closed.cpu / closed.served
    load = Load(server, keep, seconds, OPEN[keep], "-q", f"{FACTOR * capacity:.0f}")
    offered = load.sent / load.seconds / capacity
    r = (load.cpu - load.served * serving) / load.refused / serving if load.refused else 0
    bound = max(0, (1 - offered * r) / (1 - r))
    goodput = load.served / load.seconds / capacity
    print(
        f"keep-alive {keep}: capacity {capacity:.0f}/s ({serving * 1e6:.0f} us each), offered "
        f"{offered:.1f} times that: goodput {goodput:.0%}, bound {bound:.0%} with r = {r:.2f}; "
        f"{load.outcomes}"
    )


def main(seconds: float = 10, rounds: int = 3) -> None:
    if not shutil.which("oha"):
        sys.exit("oha is not on PATH: cargo install oha, or https://github.com/hatoo/oha")
    with Gunicorn() as server:
        os.sched_setaffinity(server.worker, {SERVER_CORE})
        get(server.port, "/")
        for _ in range(rounds):
            for keep in (True, False):
                measure(server, keep, seconds)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
