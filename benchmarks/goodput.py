"""How much of its capacity a server keeps, as its clients see it."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .comparison import number, spread, text
from .oha import Answer

PATIENCE = 1.0  # seconds: a client gives up then, and an answer after that is worth nothing
KEPT = 0.95  # of the rate has to be sent, or the point is not one of that load


@dataclass(frozen=True)
class Point:
    """What one server did with one load in one round."""

    factor: float  # times the capacity, the rate it was offered
    sent: float  # share of those due that got a connection before the time was over
    goodput: float  # share of its capacity
    p99: float | None  # seconds, of the served, from when they were sent
    outcomes: Mapping[str, int]


def steady(answers: Sequence[Answer], seconds: float) -> list[Answer]:
    """Return those to requests that were sent while nothing began or ended.

    A third of the time fills queues and opens connections. Who was sent in the last PATIENCE
    seconds may not have had the time to be answered.
    """
    first, last = seconds / 3, seconds - PATIENCE
    return [answer for answer in answers if first <= answer.sent < last]


def rate(answers: Sequence[Answer], seconds: float) -> float:
    """Return what was served a second, in time for its client."""
    served = [answer for answer in steady(answers, seconds) if answer.status == 200]
    return sum(answer.took <= PATIENCE for answer in served) / (seconds * 2 / 3 - PATIENCE)


def throughput(answers: Sequence[Answer], seconds: float) -> float:
    """Return what was served a second, however long it took: for a load that waits for answers."""
    served = [answer for answer in answers if answer.status == 200 and answer.ended >= seconds / 3]
    return len(served) / (seconds * 2 / 3)


def p99(times: Sequence[float]) -> float | None:
    """Return the 99th percentile by nearest rank, if there are any."""
    return sorted(times)[math.ceil(0.99 * len(times)) - 1] if times else None


@dataclass(frozen=True)
class Row:
    """The rounds of a point together."""

    load: str
    server: str
    capacities: Sequence[float]  # requests a second: before and after each round
    factor: float
    points: Sequence[Point]
    at_least: float | None  # the goal, as a share of the capacity

    @property
    def capacity(self) -> dict[str, float]:
        return spread(self.capacities)

    @property
    def goodput(self) -> dict[str, float]:
        return spread([point.goodput for point in self.points])

    @property
    def sent(self) -> float:
        return statistics.median(point.sent for point in self.points)

    @property
    def kept(self) -> bool:
        """Whether it was offered that load indeed."""
        return self.sent >= KEPT

    @property
    def p99(self) -> float | None:
        times = [point.p99 for point in self.points if point.p99 is not None]
        return statistics.median(times) if times else None

    @property
    def holds(self) -> bool | None:
        """Whether the goal does; nothing without one, or if that load was not offered."""
        if self.at_least is None or not self.kept:
            return None
        return self.goodput["median"] >= self.at_least

    def as_json(self) -> dict[str, Any]:
        names = "load", "server", "capacity", "factor", "sent", "kept", "goodput", "p99"
        goal = {"goal": self.at_least, "holds": self.holds}
        rounds = {"outcomes": [point.outcomes for point in self.points]}
        return {name: getattr(self, name) for name in names} | goal | rounds

    def __str__(self) -> str:
        middle, low, high = self.goodput.values()
        late = "-" if self.p99 is None else f"{number(1000 * self.p99)} ms"
        sent = f"{self.sent:6.0%}{' ' if self.kept else '*'}"
        verdict = {True: "holds", False: "MISSED", None: "not offered"}[self.holds]
        goal = "" if self.at_least is None else f">= {self.at_least:.0%}: {verdict}"
        return (
            f"  {self.server:20} {self.factor:4g}x {sent} {middle:6.0%} ({low:.0%} to {high:.0%})"
            f"{late:>10}  {goal}"
        ).rstrip()


def table(rows: Sequence[Row]) -> str:
    """Return the rows as text, by load and server."""
    lines = [
        "Goodput: answers 200 within a second of being sent, as a share of the server's capacity;",
        "median (least to most). sent: share of the rate; * = the server was offered less than the",
        "rate: all connections were taken by requests it had not answered, or oha sent no faster.",
    ]
    for load in dict.fromkeys(row.load for row in rows):
        lines += ["", load, f"  {'':20}  load   sent goodput                  p99"]
        for row in rows:
            if row.load == load:
                first = row.factor == min(other.factor for other in rows)
                lines += [f"  {row.server}: capacity {text(row.capacity)}/s"] if first else []
                lines.append(str(row))
    return "\n".join(lines)
