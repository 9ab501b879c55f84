"""Goodput at up to ten times a server's capacity: make bench-overload

python -m benchmarks.overload [--quick] [--rounds N] [--seconds N]

The load is open loop, in multiples of each server's own capacity, measured just before and after; a
new process for each point, so that none inherits a queue. Clients give up after a second. Each
point begins with a second of the same load that does not count: it opens connections and fills
queues. / comes twice: over kept connections, and over new ones. Writes results/overload.json, .png.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from . import load, pictures, results, servers
from .comparison import OURS, Comparison, Goal, rows
from .processes import Server, check_cores, running

FACTORS = (0.5, 0.8, 1, 1.5, 2, 3, 5, 10)
QUICK = (0.5, 1, 2, 3, 10)
ROUNDS, SECONDS, WARM_UP, CAPACITY_SECONDS = 2, 4, 1, 4
SENT = 0.95  # share of the rate; with less, the client measured itself
SERVERS = (servers.HELLOPOD, servers.TUTORIAL, servers.BARE, servers.GRANIAN)


@dataclass(frozen=True, eq=False)  # hashed by identity: goals have no hash
class Load:
    """What is asked for; the goals are shares of hellopod's capacity, by factor."""

    name: str
    path: str
    goals: Mapping[float, float] = field(default_factory=dict)
    connections: str = "keep"
    most: float = 10  # times the capacity, as far as the client can send


@dataclass(frozen=True)
class Curve:
    """What one server did with one load in one round; shares of its capacity, by factor."""

    capacity: float
    sent: float  # least share of the requests of a rate that the client sent in time
    goodput: Mapping[float, float]


# Refusing costs an eighth of serving /. So at three times the capacity five sevenths are left, and
# at ten times nothing: that takes a limit in front of the pods. A tenth of it may be lost.
LOADS = (
    Load("a handler that waits for 0.1 s", "/w100", {3: 0.95, 10: 0.95}),
    Load("a handler that computes for 0.01 s", "/c10", {3: 0.95, 10: 0.85}),
    Load("/, connections kept", "/", {3: 0.64}, most=3),
    Load("/, a connection for each request", "/", {3: 0.64}, "new", most=3),
)


def offer(server: Server, asked: Load, seconds: float, rate: float = 0) -> load.Answers:
    """Offer a new process so many requests a second; without a rate, what THREADS clients can."""
    client, amount = (load.rate, rate) if rate else (load.closed, servers.THREADS)
    with running(server if asked.path == "/" else servers.with_steps(server)) as process:
        url = process.url + asked.path
        client(url, amount, WARM_UP, asked.connections)
        return client(url, amount, seconds, asked.connections)


def curve(server: Server, asked: Load, factors: Sequence[float], seconds: float) -> Curve:
    """Measure the capacity, each factor, and the capacity again."""
    before = offer(server, asked, CAPACITY_SECONDS).get("rate")
    found = {
        factor: offer(server, asked, seconds, factor * before)
        for factor in factors
        if factor <= asked.most
    }
    capacity = (before + offer(server, asked, CAPACITY_SECONDS).get("rate")) / 2
    print(f"{asked.name}, {server.name}: {capacity:.0f}/s", file=sys.stderr)
    shares = {factor: each.get("count") / seconds / capacity for factor, each in found.items()}
    late = max(each.lateness for each in found.values())
    return Curve(capacity, seconds / (seconds + late), shares)


def compared(asked: Load, curves: Mapping[str, Sequence[Curve]]) -> Iterator[Comparison]:
    """Yield the capacity, the share that was sent, and the goodput at each factor."""
    capacities = {name: [each.capacity for each in own] for name, own in curves.items()}
    yield Comparison(f"capacity: {asked.name}", "answers/s", capacities)
    sent = {name: [each.sent for each in own] for name, own in curves.items()}
    goals = [Goal(name, at_least=SENT, of="value") for name in curves]
    yield Comparison(f"load that was sent: {asked.name}", "share", sent, goals)
    for factor in curves[OURS][0].goodput:
        values = {name: [each.goodput[factor] for each in own] for name, own in curves.items()}
        least = asked.goals.get(factor)
        goals = [Goal(OURS, at_least=least, of="value")] if least else []
        what = f"goodput at {factor:g} times the capacity: {asked.name}"
        yield Comparison(what, "share", values, goals, of="value")  # of nothing no ratio


def measure(rounds: int, seconds: float, factors: Sequence[float]) -> Iterator[list[Comparison]]:
    """Yield comparisons after each round, of all rounds so far; the servers take turns in each."""
    curves: dict[Load, dict[str, list[Curve]]] = {
        asked: {server.name: [] for server in SERVERS} for asked in LOADS
    }
    for _ in range(rounds):
        for asked, own in curves.items():
            for server in SERVERS:
                own[server.name].append(curve(server, asked, factors, seconds))
        yield [each for asked, own in curves.items() for each in compared(asked, own)]


def main() -> None:
    """Print the table; write it and its picture."""
    parser = argparse.ArgumentParser(description="Goodput at up to ten times a server's capacity.")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of load for each point")
    parser.add_argument("--quick", action="store_true", help="fewer points, once: 12 minutes")
    given = parser.parse_args()
    if given.rounds < 1 or given.seconds < 1:
        parser.error("needs a round or more, of a second or more")
    pictures.available()
    check_cores()
    rounds, factors = (1, QUICK) if given.quick else (given.rounds, FACTORS)
    head = {**results.head(), "seconds": given.seconds}
    for done, found in enumerate(measure(rounds, given.seconds, factors), 1):
        # At once: the next round may fail.
        result = {**head, "rounds": done, "rows": rows(found)}
        results.write(results.RESULTS / "overload.json", result)
        pictures.goodput(result["rows"], results.RESULTS / "overload.png")
    print(results.table(result["rows"]))


if __name__ == "__main__":
    main()
