"""Requests a second of /, /api/identity and an echo of 2 kB of JSON; p99 of / at half load.

python -m benchmarks.throughput

One core is for the servers, and one for their clients. These go from one server to the next. For
the throughput they wait for their answers. For the p99 requests come at fixed moments over kept
connections, at half of what hellopod served in the slowest of several rounds.
"""

import sys
from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial

from . import load, servers
from .comparison import OURS, Comparison, Goal, interleaved, show
from .instructions import ECHO, OCCUPIED, RECORD
from .processes import Running, Server, running

CONNECTIONS = 16  # as many as hellopod has slots: each server as busy as it can be
# Short turns, and many: what disturbs the machine for a while disturbs all servers.
ROUNDS, TURN, WARM_UP = 20, 0.5, 1
PATHS = {
    "/": servers.ALL,
    "/api/identity": (servers.HELLOPOD, servers.BARE, servers.EXPORTER, servers.GRANIAN),
    ECHO: (OCCUPIED, servers.BARE),
}
GOALS = {
    "/": (
        Goal(servers.TUTORIAL.name, at_least=1.2),
        Goal(servers.BARE.name, at_least=1.4),
        Goal(servers.EXPORTER.name, at_least=1.7),
        Goal(servers.GRANIAN.name, at_least=0.45),
    ),
    "/api/identity": (Goal(servers.BARE.name, at_least=1.3),),
    ECHO: (Goal(servers.BARE.name, at_least=1.2),),
}
LATENCY_ROUNDS, CAPACITY_ROUNDS, SECONDS = 5, 3, 3
LATENCY_GOALS = (Goal(servers.BARE.name, at_most=1),)


def rate(url: str, seconds: float) -> float:
    """Return answers a second; raises SystemExit if a request failed."""
    body = RECORD if url.endswith(ECHO) else ""
    found = load.closed(url, CONNECTIONS, seconds, body=body)
    if found.failed:
        sys.exit(f"benchmarks: {url}: {found.outcomes}")
    return found.get("rate")


def rates(path: str, compared: Iterable[Server], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Return those of each server, round by round."""
    with ExitStack() as stack:
        urls = {server.name: stack.enter_context(running(server)).url + path for server in compared}
        for url in urls.values():
            rate(url, WARM_UP)
        return interleaved({name: partial(rate, url, TURN) for name, url in urls.items()}, rounds)


def measure() -> list[Comparison]:
    """Return the throughput of each server, for each path."""
    return [
        Comparison(f"throughput of {path}", "requests/s", rates(path, compared), GOALS[path])
        for path, compared in PATHS.items()
    ]


def p99(process: Running, offered: float) -> float:
    """Return milliseconds from a request to its answer; more than 1 % refused, late or broken count
    as a second, so that nobody gets faster by them."""
    found = load.rate(f"{process.url}/", offered, SECONDS)
    failed = found.failed > 0.01 * found.count
    return 1000 * (load.PATIENCE if failed else found.get("p99"))


def latency(rounds: int = LATENCY_ROUNDS) -> list[Comparison]:
    """Return the p99 of each server."""
    offered = min(rates("/", [servers.HELLOPOD], CAPACITY_ROUNDS)[OURS]) / 2
    with ExitStack() as stack:
        processes = {server.name: stack.enter_context(running(server)) for server in servers.ALL}
        measurements = {name: partial(p99, process, offered) for name, process in processes.items()}
        values = interleaved(measurements, rounds)
    what = f"p99 of / at {offered:.0f} requests/s, half of hellopod's capacity"
    return [Comparison(what, "ms", values, LATENCY_GOALS)]


if __name__ == "__main__":
    show([*measure(), *latency()])
