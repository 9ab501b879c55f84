"""p99 of / at half load: python -m benchmarks.latency

Open-loop load by oha over kept connections, at half of what the slowest of the servers serves in
its slowest round: the same requests a second for all, and more than half load for nobody, if the
machine gets slow for a while. One core for the server and one for oha, the servers in turn.
"""

import sys
from collections.abc import Mapping, Sequence

from . import goodput, oha, servers, throughput
from .comparison import Comparison, Goal, interleaved

CONNECTIONS = 64  # of an ingress to a pod
ROUNDS, SECONDS = 5, 4
CAPACITY_ROUNDS = 3
# Four workers on one core wait for each other, which is no choice of theirs.
SERVERS = (
    *(server for server in servers.ALL if server is not servers.MULTIPROCESS),
    servers.LOGGED,
    servers.ON_GTHREAD,
)
GOALS = (Goal("bare Flask, gthread", at_most=1.3),)


def p99(server: servers.Server, rate: float) -> float:
    """Return milliseconds from when a request was due to its answer; a refusal counts as a second,
    so that nobody gets faster by it. Raises SystemExit if a request had no answer."""
    with servers.running(server) as process:
        found = oha.load(f"{process.url}/", SECONDS, CONNECTIONS, rate)
    if not set(found.outcomes) <= {"200", "503"}:
        sys.exit(f"benchmarks: {server.name}: {found.outcomes}")
    answers = goodput.steady(found.answers, SECONDS)
    times = [each.waited if each.status == 200 else goodput.PATIENCE for each in answers]
    return 1000 * goodput.p99(times)


def half_of_the_least(rates: Mapping[str, Sequence[float]]) -> float:
    return min(map(min, rates.values())) / 2


def measure(rounds: int = ROUNDS) -> list[Comparison]:
    """Return the p99 of each server."""
    capacity = {s.name: lambda s=s: throughput.rate(s, "/") for s in SERVERS}
    rate = half_of_the_least(interleaved(capacity, CAPACITY_ROUNDS))
    measurements = {server.name: lambda s=server: p99(s, rate) for server in SERVERS}
    what = f"p99 of / at {rate:.0f} requests/s, half the slowest's capacity"
    return [Comparison(what, "ms", interleaved(measurements, rounds), GOALS)]


if __name__ == "__main__":
    for comparison in measure():
        print(comparison.table())
