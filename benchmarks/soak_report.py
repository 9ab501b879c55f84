"""What a soak found: rows with goals, and what happened when."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.e2e.generator import Load
from tests.e2e.watching import PodWatch

from . import kind, results
from .comparison import OURS, Comparison, Goal
from .endurance import one

USED = Goal(OURS, at_least=0.6, of="value")  # meant are 0.7; with less the load was another
LATE = 0.02  # of the requests may be sent late; with more the generator measured itself


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
