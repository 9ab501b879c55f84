"""Requests a second of / and /api/identity: python -m benchmarks.throughput

Closed-loop load by wrk, one core for the server and one for wrk, the servers in turn.
"""

from . import servers, wrk
from .comparison import Comparison, Goal, interleaved

CONNECTIONS = 16  # as many as hellopod has slots: each server as busy as it can be
ROUNDS, SECONDS, WARM_UP = 3, 3, 1
PATHS = ("/", "/api/identity")
SERVERS = (*servers.ALL, servers.LOGGED, servers.QUIET)
GOALS = (
    Goal("tutorial", at_least=1.5),
    Goal("bare Flask, gthread", at_least=0.9),
    Goal("with exporter", at_least=1.15),
    Goal("with exporter, 4 workers", at_least=1.15),
)


def rate(server: servers.Server, path: str) -> float:
    """Return answers a second; of the tutorial's app, which has / alone, those of /."""
    with servers.running(server) as process:
        url = process.url + ("/" if server is servers.TUTORIAL else path)
        wrk.load(url, CONNECTIONS, WARM_UP)
        found = wrk.load(url, CONNECTIONS, SECONDS)
    assert not found.failed, f"{server.name}: {found.failed} requests failed"
    return found.rate


def measure(rounds: int = ROUNDS) -> list[Comparison]:
    """Return what each server serves, for each path."""
    return [
        Comparison(
            f"throughput of {path}",
            "requests/s",
            interleaved({s.name: lambda s=s, path=path: rate(s, path) for s in SERVERS}, rounds),
            GOALS,
        )
        for path in PATHS
    ]


if __name__ == "__main__":
    for comparison in measure():
        print(comparison.table())
