"""A quantity measured of hellopod and its references in turn, and whether hellopod's goal holds."""

import operator
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .results import spread, table

OURS = "hellopod"


def interleaved(
    measurements: Mapping[str, Callable[[], float]], rounds: int
) -> dict[str, list[float]]:
    """Measure each once a round, so that what disturbs the machine for a while disturbs all; every
    other round backwards, so that none always follows the same one."""
    values: dict[str, list[float]] = {name: [] for name in measurements}
    for number in range(rounds):
        for name in list(measurements)[:: -1 if number % 2 else 1]:
            values[name].append(measurements[name]())
    return values


# A server's value of a round beside that of the base in the same round.
COMPARE: Mapping[str, Callable[[float, float], float]] = {
    "ratio": operator.truediv,
    "difference": operator.sub,
    "value": lambda base, other: other,
    "growth": lambda base, other: other / base,
}


@dataclass(frozen=True)
class Goal:
    """The bound of hellopod's values: times a reference's ("ratio"), more than them ("difference"),
    or by themselves ("value"); or of how many times the base a value is ("growth")."""

    reference: str
    at_least: float | None = None
    at_most: float | None = None
    of: str = "ratio"

    def holds(self, value: float) -> bool:
        above = self.at_least is None or value >= self.at_least
        return above and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        bound = f">= {self.at_least:g}" if self.at_most is None else f"<= {self.at_most:g}"
        return f"{self.of} {bound}"


@dataclass(frozen=True)
class Comparison:
    """One quantity; `values` are lists of equal length, one value for each round."""

    what: str
    unit: str
    values: Mapping[str, Sequence[float]]
    goals: Sequence[Goal] = ()
    of: str = "ratio"  # how to compare where no goal says it
    base: str = OURS  # whose values are compared with the others'

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each server: its median and spread, ours beside it, and the goal."""
        return [self.row(name) for name in self.values]

    def row(self, name: str) -> dict[str, Any]:
        goal = next((goal for goal in self.goals if goal.reference == name), None)
        of = goal.of if goal else self.of
        pairs = zip(self.values[self.base], self.values[name], strict=True)
        compared = [COMPARE[of](*pair) for pair in pairs] if goal or name != self.base else []
        return {
            "what": self.what,
            "unit": self.unit,
            "server": name,
            **spread(self.values[name]),
            "of": of,
            "ours": spread(compared) if compared else None,
            "goal": str(goal) if goal else None,
            "holds": goal.holds(statistics.median(compared)) if goal else None,
        }


def one(what: str, unit: str, value: float, at_most: float) -> Comparison:
    """Return one value of hellopod's, and the most that it may be."""
    return Comparison(what, unit, {OURS: [value]}, (Goal(OURS, at_most=at_most, of="value"),))


def rows(comparisons: Iterable[Comparison]) -> list[dict[str, Any]]:
    """Return the rows of all."""
    return [row for comparison in comparisons for row in comparison.rows()]


def show(comparisons: Iterable[Comparison]) -> None:
    """Print one table."""
    print(table(rows(comparisons)))
