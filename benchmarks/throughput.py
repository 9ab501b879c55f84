"""Requests a second of / and /api/identity, and p99 of / at half load.

python -m benchmarks.throughput

One core for the server and one for its clients. For the throughput they wait for their answers, and
the servers take turns. For the p99 all servers run, and requests come at fixed moments over kept
connections: at half of the least that hellopod served in several rounds, so that it is never more
than half load, if the machine gets slow for a while. The clients go from one server to the next:
two that are compared are seconds apart, and the machine changes its speed within minutes.

A second comparison has bare Flask for its base: what its p99 becomes with features that hellopod
has, without anything of hellopod, and then with hellopod's app and log, but not its runtime.
"""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from . import goodput, load, servers
from .comparison import Comparison, Goal, interleaved

CONNECTIONS = 16  # as many as hellopod has slots: each server as busy as it can be
ROUNDS, SECONDS, WARM_UP = 3, 3, 1
PATHS = {
    "/": (*servers.ALL, servers.LOGGED, servers.ON_GTHREAD, servers.QUIET),
    "/api/identity": (servers.HELLOPOD, servers.BARE, servers.EXPORTER, servers.GRANIAN),
}
GOALS = (
    Goal(servers.TUTORIAL.name, at_least=1.5),
    Goal(servers.BARE.name, at_least=0.9),
    Goal(servers.EXPORTER.name, at_least=1.15),
    Goal(servers.MULTIPROCESS.name, at_least=1.15),
)
# Not the four workers on one core, which wait for each other.
AT_HALF_LOAD = (
    servers.HELLOPOD,
    servers.TUTORIAL,
    servers.BARE,
    servers.EXPORTER,
    servers.GRANIAN,
)
FEATURES = (servers.LOGGED, servers.ON_GTHREAD)
LATENCY_ROUNDS, CAPACITY_ROUNDS = 7, 3
LATENCY_GOALS = (Goal(servers.BARE.name, at_most=1.3),)


def rate(server: servers.Server, path: str) -> float:
    """Return answers a second; raises SystemExit if a request failed."""
    with servers.running(server) as process:
        load.closed(process.url + path, CONNECTIONS, WARM_UP)
        found = load.closed(process.url + path, CONNECTIONS, SECONDS)
    if found.failed:
        sys.exit(f"benchmarks: {server.name}: {found.failed} requests for {path} failed")
    return found.get("rate")


def measure(rounds: int = ROUNDS) -> list[Comparison]:
    """Return what each server serves, for each path."""
    return [throughput(path, rounds) for path in PATHS]


def throughput(path: str, rounds: int) -> Comparison:
    measurements = {server.name: lambda s=server: rate(s, path) for server in PATHS[path]}
    values = interleaved(measurements, rounds)
    return Comparison(f"throughput of {path}", "requests/s", values, GOALS)


def p99(running: servers.Running, offered: float) -> float:
    """Return milliseconds from a request to its answer; a refusal counts as a second, so that
    nobody gets faster by it. Raises SystemExit if a request had no answer."""
    found = load.rate(f"{running.url}/", offered, SECONDS)
    if not set(found.outcomes) <= {"200", "503"}:
        sys.exit(f"benchmarks: {running.url}: {found.outcomes}")
    refused = found.failed > 0.01 * (found.failed + found.get("count"))
    return 1000 * (goodput.PATIENCE if refused else found.get("p99"))


def half_of_the_least(rates: Sequence[float]) -> float:
    return min(rates) / 2


def latency(rounds: int = LATENCY_ROUNDS) -> list[Comparison]:
    """Return the p99 of each server beside hellopod's, and of some beside bare Flask's."""
    capacity = [rate(servers.HELLOPOD, "/") for _ in range(CAPACITY_ROUNDS)]
    offered = half_of_the_least(capacity)
    with ExitStack() as stack:
        running = {
            s.name: stack.enter_context(servers.running(s)) for s in (*AT_HALF_LOAD, *FEATURES)
        }
        values = interleaved(
            {name: partial(p99, s, offered) for name, s in running.items()}, rounds
        )
    what = f"p99 of / at {offered:.0f} requests/s, half of hellopod's capacity"
    beside = {s.name: values[s.name] for s in (servers.BARE, servers.EXPORTER, *FEATURES)}
    return [
        Comparison(what, "ms", {s.name: values[s.name] for s in AT_HALF_LOAD}, LATENCY_GOALS),
        Comparison(f"{what}: features", "ms", beside, of="growth", base=servers.BARE.name),
    ]


if __name__ == "__main__":
    for comparison in (*measure(), *latency()):
        print(comparison.table())
