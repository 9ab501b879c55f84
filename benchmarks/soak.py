"""Load for long, with rollouts: python -m benchmarks.soak [MINUTES [REQUESTS]]

First one container through a million requests (endurance). Then, on a kind cluster, half an hour of
load with a rollout every two minutes. A request that is shed counts as failed. Writes
benchmarks/results/soak.json; exit code 1 if a goal is missed.

The load is what two pods use 70 % of their CPU request for, where the autoscaler would keep them
(k8s/base/hpa.yaml). As shipped, they have no CPU limit: with one of 150m four runs shed 143, none,
21 and 24 requests, likely because its quota stops a pod that has more than its share for a while.
They request more than the shipped 100m, but not 400m: at 389 requests a second two cores had no
idle time left when pods started, and 15 of 187,190 were shed.

Half of the requests come on connections of their own: kept ones of a pod that leaves go to the
others, where they stay for MAX_CONNECTION_AGE, so that of two pods one has up to 1.5 times its
share.
"""

import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.e2e.generator import Load
from tests.e2e.watching import PodWatch, watched

from . import cores, endurance, kind, results
from .comparison import OURS, Comparison, Goal
from .endurance import one

USED = Goal(OURS, at_least=0.6, of="value")  # meant are 0.7; with less the load was another
LATE = 0.02  # of the requests may be sent late; with more the generator measured itself
MINUTES, EVERY = 30, 2
SHARE = 0.7  # of the CPU request
PODS, CPU_REQUEST = 2, 0.25  # cores for each pod
CLIENTS = 16  # on kept connections, and as many on new ones
MEASURE = 60  # seconds
REQUESTS = [["GET", "/"], ["POST", "/api/echo"], ["GET", "/api/identity"]]
REST = 30  # seconds: the kubelet looks every ten


@dataclass(frozen=True)
class Soak:
    """A run: what was sent, what became of it, and the pods meanwhile."""

    capacity: float  # of the machine, for clients that come back at once; for a first guess
    rate: float
    used: Sequence[float]  # share of the CPU request, from the end of each rollout to the next one
    load: Load
    seen: PodWatch
    before: kind.Pods
    cycles: Sequence[kind.Pods]
    after: kind.Pods


def growth(values: Sequence[float]) -> float:
    """Return how many times the first third's median the last third's is."""
    third = max(1, len(values) // 3)
    return statistics.median(values[-third:]) / statistics.median(values[:third])


def unclean(soak: Soak) -> int:
    """Return how many of the two containers a rollout did not end by themselves, with code 0."""
    clean = sum(how.startswith("0 ") for how in soak.seen.ended.values())
    others = len(soak.seen.ended) - clean
    return others + abs(2 * len(soak.cycles) - clean)


def moments(load: Load) -> dict[int, dict[str, float]]:
    """Return the seconds in which requests failed, or the generator was late."""
    found: dict[int, dict[str, float]] = {}
    for stream in load.streams:
        for second, counts in stream["per_second"].items():
            if failed := sum(counts.values()) - counts.get("2xx", 0):
                moment = found.setdefault(int(second), {})
                moment["failed"] = moment.get("failed", 0) + failed
        for second, delay in stream["behind"].items():
            moment = found.setdefault(int(second), {})
            moment["behind"] = max(delay, moment.get("behind", 0))
    return dict(sorted(found.items()))


def compared(soak: Soak) -> list[Comparison]:
    """Return what is to stay at nothing, or as it is."""
    load, minutes = soak.load, soak.load.seconds / 60
    late = sum(stream["late"] for stream in load.streams) / load.sent
    memory = growth([statistics.mean(cycle.memory) for cycle in soak.cycles])
    descriptors = max(soak.after.descriptors) - max(soak.before.descriptors)
    during = f"in {minutes:.0f} minutes at {soak.rate:.0f}/s with {len(soak.cycles)} rollouts"
    return [
        one(f"failed {during}", f"of {load.sent:,} requests", load.sent - load.count("2xx"), 0),
        one(f"sent late {during}", "share of the requests", late, LATE),
        Comparison("CPU that the pods used", "share of the request", {OURS: soak.used}, (USED,)),
        one("containers that ended badly or unseen", "containers", unclean(soak), 0),
        one("memory of the pods, last third of the rollouts to first", "times", memory, 1.05),
        one("open file descriptors at rest, before to after", "more", descriptors, 0),
    ]


def report(
    head: Mapping[str, Any],
    comparisons: Sequence[Comparison],
    soak: Soak | None,
    path: Path = results.RESULTS / "soak.json",
) -> bool:
    """Print and write it all; return whether every goal holds."""
    rows = [row for comparison in comparisons for row in comparison.rows()]
    for comparison in comparisons:
        print(comparison.table())
    found = {**head, "rows": rows}
    if soak:
        found |= {
            "capacity": soak.capacity,
            "rate": soak.rate,
            "used": soak.used,
            "failures": soak.load.failures,
            "moments": moments(soak.load),
            "examples": soak.load.examples.splitlines(),
            "cycles": [asdict(pods) for pods in (soak.before, *soak.cycles, soak.after)],
        }
        print(soak.load.examples)
    results.write(path, found)
    return all(row["holds"] is not False for row in rows)


def run(minutes: int, every: int = EVERY) -> Soak:
    """Send the load, roll out again and again, and look at the pods before each rollout."""
    with kind.cluster() as cluster:
        deployed = kind.ours(cluster, resources={"requests": {"cpu": f"{CPU_REQUEST * 1000:.0f}m"}})
        generator, address = kind.generator(deployed), deployed.app.address()
        each = {"clients": CLIENTS, "requests": REQUESTS}
        closed = [{"pool": CLIENTS, **each}, each]
        capacity = generator.run(address, 80, MEASURE, streams=closed).rate()
        rate = capacity / 2
        for _ in range(2):  # the less often requests come, the more CPU time each takes
            before = deployed.look()
            load = generator.run(address, 80, MEASURE, streams=streams(rate))
            rate = rate_for(before, deployed.look(), load.sent)
        print(f"capacity {capacity:.0f}/s; {rate:.0f}/s for {minutes} minutes", file=sys.stderr)
        time.sleep(REST)
        before, cycles, used = deployed.look(), [], []
        plan = {"streams": streams(rate), "timeout": 10, "seconds": minutes * 60 + 300}
        with (
            watched(deployed.app, cluster) as seen,
            generator.running(address, 80, **plan) as load,
        ):
            began = time.monotonic()
            for cycle in range(1, max(1, round(minutes / every)) + 1):
                deployed.restart()
                settled = deployed.look()
                time.sleep(max(0, began + cycle * every * 60 - time.monotonic()))
                cycles.append(deployed.look())
                used.append(used_between(settled, cycles[-1]))
                print(f"cycle {cycle}: {cycles[-1]}, {used[-1]:.0%} of the CPU", file=sys.stderr)
        time.sleep(REST)
        return Soak(capacity, rate, used, load, seen, before, cycles, deployed.look())


def streams(rate: float) -> list[dict[str, Any]]:
    """Return the generator's plan for so many requests a second."""
    each = {"rate": rate / 2, "requests": REQUESTS}
    return [{"pool": 2 * CLIENTS, **each}, each]


def used_between(before: kind.Pods, after: kind.Pods) -> float:
    """Return which share of their CPU request the pods used between two looks."""
    return (sum(after.cpu) - sum(before.cpu)) / (after.at - before.at) / (PODS * CPU_REQUEST)


def rate_for(before: kind.Pods, after: kind.Pods, requests: int) -> float:
    """Return how many requests a second use SHARE of the request, if so many came between."""
    return SHARE * PODS * CPU_REQUEST / (sum(after.cpu) - sum(before.cpu)) * requests


def main(minutes: int = MINUTES, requests: int = endurance.REQUESTS) -> int:
    if why_not := kind.why_not():
        sys.exit(f"soak: {why_not}")
    cores.available()
    head, alone = results.head(), endurance.measure(requests)
    report(head, alone, None)  # half an hour before the rest
    soak = run(minutes)
    return 0 if report(head, [*alone, *compared(soak)], soak) else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:3])))
