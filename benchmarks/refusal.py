"""Goodput of `/` at three times its capacity, beside the bound that the cost of a refusal sets.

python -m benchmarks.refusal [SECONDS]     needs vegeta: https://github.com/tsenart/vegeta

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
SERVER_CORE, GENERATOR_CORE = 0, 1


class Load:
    """What vegeta reports, and the CPU seconds that the worker used for it."""

    def __init__(self, server, keep, seconds, *options):
        target = f"GET http://127.0.0.1:{server.port}/\n".encode()
        attack = ["vegeta", "attack", "-timeout=1s", f"-duration={seconds:g}s"]
        before = metric(server.management, "process_cpu_seconds_total")
        results = subprocess.run(
            [*attack, f"-keepalive={keep}", "-connections=1000", *options],
            input=target,
            stdout=subprocess.PIPE,
            check=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {GENERATOR_CORE}),
        )
        self.cpu = metric(server.management, "process_cpu_seconds_total") - before
        report = ["vegeta", "report", "-type=json"]
        output = subprocess.run(report, input=results.stdout, capture_output=True, check=True)
        found = json.loads(output.stdout)
        self.codes = found["status_codes"]
        self.seconds = found["duration"] / 1e9
        self.sent = found["requests"]
        self.served = self.codes.get("200", 0)
        self.refused = self.codes.get("503", 0)


def measure(server, keep, seconds):
    closed = Load(server, keep, seconds, "-rate=0", f"-max-workers={CLIENTS}")
    capacity = closed.served / closed.seconds
    serving = closed.cpu / closed.served
    load = Load(server, keep, seconds, f"-rate={FACTOR * capacity:.0f}")
    offered = load.sent / load.seconds / capacity
    r = (load.cpu - load.served * serving) / load.refused / serving if load.refused else 0
    bound = max(0, (1 - offered * r) / (1 - r))
    goodput = load.served / load.seconds / capacity
    print(
        f"keep-alive {keep}: capacity {capacity:.0f}/s ({serving * 1e6:.0f} us each), offered "
        f"{offered:.1f} times that: goodput {goodput:.0%}, bound {bound:.0%} with r = {r:.2f}; "
        f"{load.codes}"
    )


def main(seconds: float = 10, rounds: int = 3) -> None:
    if not shutil.which("vegeta"):
        sys.exit("vegeta is not on PATH: https://github.com/tsenart/vegeta#install")
    with Gunicorn() as server:
        os.sched_setaffinity(server.worker, {SERVER_CORE})
        get(server.port, "/")
        for _ in range(rounds):
            for keep in ("true", "false"):
                measure(server, keep, seconds)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
