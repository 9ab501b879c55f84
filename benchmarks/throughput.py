"""Requests a second of / and /api/identity: python -m benchmarks.throughput

Closed-loop load by wrk, one core for the server and one for wrk, the servers in turn.
"""

import sys

from . import servers, wrk
from .comparison import Comparison, Goal, interleaved

CONNECTIONS = 16  # as many as hellopod has slots: each server as busy as it can be
ROUNDS, SECONDS, WARM_UP = 3, 3, 1
SERVERS = (*servers.ALL, servers.LOGGED, servers.ON_GTHREAD, servers.QUIET)
# The tutorial's app has / alone.
PATHS = {"/": SERVERS, "/api/identity": [s for s in SERVERS if s is not servers.TUTORIAL]}
GOALS = (
    Goal(servers.TUTORIAL.name, at_least=1.5),
    Goal(servers.BARE.name, at_least=0.9),
    Goal(servers.EXPORTER.name, at_least=1.15),
    Goal(servers.MULTIPROCESS.name, at_least=1.15),
)


def rate(server: servers.Server, path: str) -> float:
    """Return answers a second; raises SystemExit if a request failed."""
    with servers.running(server) as process:
        wrk.load(process.url + path, CONNECTIONS, WARM_UP)
        found = wrk.load(process.url + path, CONNECTIONS, SECONDS)
    if found.failed:
        sys.exit(f"benchmarks: {server.name}: {found.failed} requests for {path} failed")
    return found.rate


def measure(rounds: int = ROUNDS) -> list[Comparison]:
    """Return what each server serves, for each path."""
    return [throughput(path, rounds) for path in PATHS]


def throughput(path: str, rounds: int) -> Comparison:
    measurements = {server.name: lambda s=server: rate(s, path) for server in PATHS[path]}
    values = interleaved(measurements, rounds)
    return Comparison(f"throughput of {path}", "requests/s", values, GOALS)


if __name__ == "__main__":
    for comparison in measure():
        print(comparison.table())
