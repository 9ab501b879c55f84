"""Goodput at up to ten times a server's capacity: make bench-overload

python -m benchmarks.overload [--quick] [--rounds N] [--seconds N]

Open-loop load by oha, in multiples of each server's own capacity, which is measured just before and
after; a new process for each point, so that none inherits a queue. Clients give up after a second.

Offered as an ingress does: over at most KEPT_CONNECTIONS connections. If all are taken, requests
wait for one in oha; `sent` says how many got one, and where that is not the rate, it says so: the
server was offered less than the curve claims. For so cheap a handler as that of / this bound alone
keeps the queue of any server short; so / comes a second time, with a connection for each request,
as from clients without an ingress. Writes results/overload.json and results/overload.png.
"""

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from . import cores, goodput, oha, pictures, results, servers
from .goodput import Point, Row

FACTORS = (0.5, 0.8, 1, 1.5, 2, 3, 5, 10)
QUICK = (0.5, 1, 2, 3, 10)
# 35 minutes. But for /, two rounds of hellopod's goodput differed by 5 % of its capacity at most.
ROUNDS, SECONDS, CAPACITY_SECONDS = 2, 5, 4
KEPT_CONNECTIONS = 1000  # Envoy's default for an upstream is 1024; a hellopod takes 1064
NEW_CONNECTIONS = 8000  # under way at once; the generator's files and ports are not endless
TOKEN = "benchmarks-0123456789abcdef"  # noqa: S105
TUTORIAL = replace(servers.TUTORIAL, command=servers.TUTORIAL.command.replace(".app", ".handlers"))
SERVERS = (servers.HELLOPOD, TUTORIAL, servers.BARE, servers.GRANIAN)


@dataclass(frozen=True)
class Load:
    """What is asked for; the goals are shares of hellopod's capacity, by factor."""

    name: str
    path: str
    goals: Mapping[float, float] = field(default_factory=dict)
    keep_alive: bool = True

    def connections(self, rate: float) -> int:
        """Return as many as can be under way, each for PATIENCE seconds: no more than needed, since
        oha takes them in turn, and servers close those that are idle for a while."""
        most = KEPT_CONNECTIONS if self.keep_alive else NEW_CONNECTIONS
        return min(most, servers.THREADS + math.ceil(1.2 * rate * goodput.PATIENCE))


# Refusing costs about a seventh of serving /: benchmarks.refusal. So at three times the capacity
# two thirds of it are left, and at ten times nothing: that takes a limit in front of the pods.
LOADS = (
    Load("a handler that waits for 0.1 s", "/chaos/wait?seconds=0.1", {3: 0.95, 10: 0.95}),
    Load("a handler that computes for 0.01 s", "/chaos/cpu?seconds=0.01", {3: 0.95, 10: 0.85}),
    Load("/, connections kept", "/", {3: 0.6}),
    Load("/, a connection for each request", "/", {3: 0.6}, keep_alive=False),
)

PAIRS = [(load, server) for load in LOADS for server in SERVERS]
Curve = tuple[list[float], list[Point]]  # capacities and points


def offer(server: servers.Server, load: Load, seconds: float, rate: float | None) -> oha.Open:
    """Offer it to a new process; without a rate, what THREADS clients can ask for."""
    chaos = "/chaos/" in load.path
    with servers.running(server, **({"CHAOS_TOKEN": TOKEN} if chaos else {})) as process:
        return oha.load(
            process.url + load.path,
            seconds,
            load.connections(rate) if rate else servers.THREADS,
            rate,
            timeout=goodput.PATIENCE if rate else 30,
            keep_alive=load.keep_alive,
            headers=[f"Authorization: Bearer {TOKEN}"] if chaos else [],
        )


def capacity(server: servers.Server, load: Load) -> float:
    """Return answers 200 a second to clients who come back at once; a few may be refused."""
    found = offer(server, load, CAPACITY_SECONDS, None)
    assert set(found.outcomes) <= {"200", "503"}, f"{server.name}, {load.name}: {found.outcomes}"
    return goodput.throughput(found.answers, CAPACITY_SECONDS)


def curve(server: servers.Server, load: Load, factors: Sequence[float], seconds: float) -> Curve:
    """Return the capacity before and after, and a point for each factor."""
    before = capacity(server, load)
    found = {factor: offer(server, load, seconds, factor * before) for factor in factors}
    after = capacity(server, load)
    print(f"{load.name}, {server.name}: {before:.0f}/s, then {after:.0f}/s", file=sys.stderr)
    return [before, after], [
        Point(
            factor,
            min(1, (each.sent + each.under_way) / (factor * before * seconds)),
            goodput.rate(each.answers, seconds) / (before + after) * 2,
            goodput.p99(
                [one.took for one in goodput.steady(each.answers, seconds) if one.status == 200]
            ),
            each.outcomes,
        )
        for factor, each in found.items()
    ]


def measure(rounds: int, seconds: float, factors: Sequence[float]) -> Iterator[list[Row]]:
    """Yield rows after each round, of all rounds so far; the servers take turns in each."""
    curves: list[list[Curve]] = []
    for _ in range(rounds):
        curves.append([curve(server, load, factors, seconds) for load, server in PAIRS])
        yield list(rows(curves))


def rows(curves: Sequence[Sequence[Curve]]) -> Iterator[Row]:
    """Yield a row for each load, server and factor."""
    for (load, server), same in zip(PAIRS, zip(*curves, strict=True), strict=True):
        capacities = [each for found, _ in same for each in found]
        goals = load.goals if server is servers.HELLOPOD else {}
        for points in zip(*(found for _, found in same), strict=True):
            goal = goals.get(points[0].factor)
            yield Row(load.name, server.name, capacities, points[0].factor, points, goal)


def main() -> None:
    """Print the table; write it and its picture."""
    parser = argparse.ArgumentParser(description="Goodput at up to ten times a server's capacity.")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of load for each point")
    parser.add_argument("--quick", action="store_true", help="fewer points, shorter, once: 10 min")
    given = parser.parse_args()
    if given.rounds < 1 or given.seconds < 3:  # a third begins, the last second ends
        parser.error("needs a round or more, of 3 seconds or more")
    for needed in (pictures, oha, cores):
        needed.available()
    plan = (1, 4, QUICK) if given.quick else (given.rounds, given.seconds, FACTORS)
    head = {**results.head(), "seconds": plan[1]}
    for number, found in enumerate(measure(*plan), 1):  # written at once: the next may fail
        result = {**head, "rounds": number, "rows": [row.as_json() for row in found]}
        results.write(results.RESULTS / "overload.json", result)
        pictures.curves(found, results.RESULTS / "overload.png")
    print(goodput.table(found))


if __name__ == "__main__":
    main()
