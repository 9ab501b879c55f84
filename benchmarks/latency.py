"""p99 of / at half load: python -m benchmarks.latency

Open-loop load by oha over kept connections, at half of the least that hellopod served in several
rounds: the same requests a second for all, and more than half load never, if the machine gets slow
for a while. One core for the servers, which all run, and one for oha, which goes from one to the
next: two that are compared are seconds apart, and the machine changes its speed within minutes.

A second comparison has bare Flask for its base: what its p99 becomes with features that hellopod
has, without anything of hellopod, and then with hellopod's app and log, but not its runtime.
"""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from . import goodput, oha, servers, throughput
from .comparison import Comparison, Goal, interleaved

CONNECTIONS = 64  # of an ingress to a pod
ROUNDS, SECONDS = 7, 3
CAPACITY_ROUNDS = 3
# Not the four workers on one core, which wait for each other.
SERVERS = (
    servers.HELLOPOD,
    servers.TUTORIAL,
    servers.BARE,
    servers.EXPORTER,
    servers.GRANIAN,
)
FEATURES = (servers.LOGGED, servers.ON_GTHREAD)
GOALS = (Goal(servers.BARE.name, at_most=1.3),)


def p99(running: servers.Running, rate: float) -> float:
    """Return milliseconds from when a request was due to its answer; a refusal counts as a second,
    so that nobody gets faster by it. Raises SystemExit if a request had no answer."""
    found = oha.load(f"{running.url}/", SECONDS, CONNECTIONS, rate)
    if not set(found.outcomes) <= {"200", "503"}:
        sys.exit(f"benchmarks: {running.url}: {found.outcomes}")
    answers = goodput.steady(found.answers, SECONDS)
    times = [each.waited if each.status == 200 else goodput.PATIENCE for each in answers]
    return 1000 * goodput.p99(times)


def half_of_the_least(rates: Sequence[float]) -> float:
    return min(rates) / 2


def measure(rounds: int = ROUNDS) -> list[Comparison]:
    """Return the p99 of each server beside hellopod's, and of some beside bare Flask's."""
    capacity = [throughput.rate(servers.HELLOPOD, "/") for _ in range(CAPACITY_ROUNDS)]
    rate = half_of_the_least(capacity)
    with ExitStack() as stack:
        running = {s.name: stack.enter_context(servers.running(s)) for s in (*SERVERS, *FEATURES)}
        values = interleaved({name: partial(p99, s, rate) for name, s in running.items()}, rounds)
    what = f"p99 of / at {rate:.0f} requests/s, half of hellopod's capacity"
    beside = {s.name: values[s.name] for s in (servers.BARE, servers.EXPORTER, *FEATURES)}
    return [
        Comparison(what, "ms", {s.name: values[s.name] for s in SERVERS}, GOALS),
        Comparison(f"{what}: features", "ms", beside, of="growth", base=servers.BARE.name),
    ]


if __name__ == "__main__":
    for comparison in measure():
        print(comparison.table())
