"""Requests a second of / and /api/identity, and p99 of / at half load.

python -m benchmarks.throughput

One core for the server and one for its clients. For the throughput they wait for their answers, and
the servers take turns. For the p99 all servers run, and requests come at fixed moments over kept
connections: at half of the least that hellopod served in several rounds, so that a machine that
gets slow for a while does not make it more. The clients go from one server to the next.
"""

import sys
from contextlib import ExitStack
from functools import partial

from . import load, servers
from .comparison import Comparison, Goal, interleaved, show
from .processes import Running, Server, running

CONNECTIONS = 16  # as many as hellopod has slots: each server as busy as it can be
ROUNDS, SECONDS, WARM_UP = 3, 3, 1
PATHS = {
    "/": servers.ALL,
    "/api/identity": (servers.HELLOPOD, servers.BARE, servers.EXPORTER, servers.GRANIAN),
}
GOALS = {
    "/": (
        Goal(servers.TUTORIAL.name, at_least=1.2),
        Goal(servers.BARE.name, at_least=1.4),
        Goal(servers.EXPORTER.name, at_least=1.7),
        Goal(servers.GRANIAN.name, at_least=0.45),
    ),
    "/api/identity": (Goal(servers.BARE.name, at_least=1.3),),
}
LATENCY_ROUNDS, CAPACITY_ROUNDS = 5, 3
LATENCY_GOALS = (Goal(servers.BARE.name, at_most=1),)


def rate(server: Server, path: str) -> float:
    """Return answers a second; raises SystemExit if a request failed."""
    with running(server) as process:
        load.closed(process.url + path, CONNECTIONS, WARM_UP)
        found = load.closed(process.url + path, CONNECTIONS, SECONDS)
    if found.failed:
        sys.exit(f"benchmarks: {server.name}: {found.failed} requests for {path} failed")
    return found.get("rate")


def measure(rounds: int = ROUNDS) -> list[Comparison]:
    """Return the throughput of each server, for each path."""
    found = []
    for path, compared in PATHS.items():
        measurements = {server.name: partial(rate, server, path) for server in compared}
        values = interleaved(measurements, rounds)
        found.append(Comparison(f"throughput of {path}", "requests/s", values, GOALS[path]))
    return found


def p99(process: Running, offered: float) -> float:
    """Return milliseconds from a request to its answer; more than 1 % refused, late or broken count
    as a second, so that nobody gets faster by them."""
    found = load.rate(f"{process.url}/", offered, SECONDS)
    failed = found.failed > 0.01 * found.count
    return 1000 * (load.PATIENCE if failed else found.get("p99"))


def latency(rounds: int = LATENCY_ROUNDS) -> list[Comparison]:
    """Return the p99 of each server."""
    offered = min(rate(servers.HELLOPOD, "/") for _ in range(CAPACITY_ROUNDS)) / 2
    with ExitStack() as stack:
        processes = {server.name: stack.enter_context(running(server)) for server in servers.ALL}
        measurements = {name: partial(p99, process, offered) for name, process in processes.items()}
        values = interleaved(measurements, rounds)
    what = f"p99 of / at {offered:.0f} requests/s, half of hellopod's capacity"
    return [Comparison(what, "ms", values, LATENCY_GOALS)]


if __name__ == "__main__":
    show([*measure(), *latency()])
