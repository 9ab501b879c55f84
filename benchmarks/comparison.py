"""A quantity measured of hellopod and its references in turn, and whether hellopod's goal holds."""

import operator
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

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


@dataclass(frozen=True)
class Goal:
    """What hellopod's values are to be, as `of` says: times a reference's ("ratio"), more than
    them ("difference"), or by themselves ("value"); or how many times the base a value is
    ("growth")."""

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

    def compared(self, name: str, of: str) -> list[float]:
        """Return how the base's value of each round compares with that of the same round, or for
        "growth" how that compares with the base's, or for "value" that itself."""
        compare: Callable[[float, float], float] = {
            "ratio": operator.truediv,
            "difference": operator.sub,
            "value": lambda ours, theirs: theirs,
            "growth": lambda ours, theirs: theirs / ours,
        }[of]
        pairs = zip(self.values[self.base], self.values[name], strict=True)
        return [compare(ours, theirs) for ours, theirs in pairs]

    def goal(self, name: str) -> Goal | None:
        return next((goal for goal in self.goals if goal.reference == name), None)

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each server: its median and spread, ours beside it, and the goal."""
        rows = []
        for name, values in self.values.items():
            goal = self.goal(name)
            of = goal.of if goal else self.of
            compared = [] if name == self.base and not goal else self.compared(name, of)
            rows.append(
                {
                    "what": self.what,
                    "unit": self.unit,
                    "server": name,
                    **spread(values),
                    "of": of,
                    "ours": spread(compared) if compared else None,
                    "goal": str(goal) if goal else None,
                    "holds": goal.holds(statistics.median(compared)) if goal else None,
                }
            )
        return rows

    def table(self) -> str:
        """Return the rows as text."""
        lines = [f"{self.what}, {self.unit}: median (least to most)"]
        for row in self.rows():
            whose = "times" if row["of"] == "growth" else f"{self.base}'s:"
            ours = f"{whose} {text(row['ours'])}" if row["ours"] else ""
            goal = f"{row['goal']}: {'holds' if row['holds'] else 'MISSED'}" if row["goal"] else ""
            lines.append(f"  {row['server']:26} {text(row):32} {ours:38} {goal}".rstrip())
        return "\n".join(lines)


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a table of rows as rows() has them: a line for each quantity."""
    lines = [
        "| Median of | hellopod, or the first | the others (hellopod compared, or their growth) |",
        "|---|---|---|",
    ]
    for (what, unit), group in groupby(rows, lambda row: (row["what"], row["unit"])):
        first, *others = group
        name = "" if first["server"] == OURS else f"{first['server']}: "
        own = name + number(first["median"]) + verdict(first)
        beside = "; ".join(
            f"{row['server']} {number(row['median'])} "
            f"({'times ' if row['of'] == 'growth' else ''}{short(row['ours'])}{verdict(row)})"
            for row in others
        )
        lines.append(f"| {what}, {unit} | {own} | {beside} |")
    return "\n".join(lines)


def verdict(row: Mapping[str, Any]) -> str:
    return f"; {row['goal']}: {'holds' if row['holds'] else '**missed**'}" if row["goal"] else ""


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def short(figures: Mapping[str, float]) -> str:
    """Return the median and, if the rounds differ, their spread."""
    median, least, most = numbers(figures)
    return median if least == most else f"{median}, {least} to {most}"


def text(figures: Mapping[str, float]) -> str:
    median, least, most = numbers(figures)
    return f"{median} ({least} to {most})"


def numbers(figures: Mapping[str, float]) -> list[str]:
    return [number(figures[key]) for key in ("median", "least", "most")]


def number(value: float) -> str:
    """Return three digits of it, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
