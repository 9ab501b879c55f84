"""Goodput of `/` at three times its capacity, beside the bound that the cost of a refusal sets.

python -m benchmarks.refusal [SECONDS]

Serving is cheap here, so refusing costs a share r of it, and no server keeps more than
(1 - nr) / (1 - r) of its capacity at n times the load. r is measured in CPU time of the worker.
"""

import sys
from urllib.parse import urlsplit

from tests.runtime.raw import metric

from . import oha, servers
from .overload import LOADS, Load

FACTOR = 3


def load(
    process: servers.Running, asked: Load, seconds: float, rate: float | None = None
) -> tuple[oha.Open, float]:
    """Return what oha reports, and the CPU seconds that the worker used for it."""
    clients = asked.connections(rate) if rate else servers.THREADS
    management = urlsplit(process.metrics).port
    before = metric(management, "process_cpu_seconds_total")
    found = oha.load(f"{process.url}/", seconds, clients, rate, keep_alive=asked.keep_alive)
    return found, metric(management, "process_cpu_seconds_total") - before


def measure(process: servers.Running, asked: Load, seconds: float) -> None:
    closed, cpu = load(process, asked, seconds)
    capacity, serving = closed.goodput, cpu / closed.served
    found, cpu = load(process, asked, seconds, FACTOR * capacity)
    offered = found.sent / found.seconds / capacity
    refused = found.outcomes.get("503", 0)
    r = (cpu - found.served * serving) / refused / serving if refused else 0
    bound = max(0, (1 - offered * r) / (1 - r))
    print(
        f"{asked.name}: capacity {capacity:.0f}/s ({serving * 1e6:.0f} us each), offered "
        f"{offered:.1f} times that: goodput {found.goodput / capacity:.0%}, bound {bound:.0%} "
        f"with r = {r:.2f}; {found.outcomes}"
    )


def main(seconds: float = 10, rounds: int = 3) -> None:
    with servers.running(servers.HELLOPOD) as process:
        for _ in range(rounds):
            for asked in LOADS:
                if asked.path == "/":
                    measure(process, asked, seconds)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
