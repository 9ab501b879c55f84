"""Results: numbers with their spread, one table, and the files that keep them."""

import json
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from tests.e2e.results import revision

from .processes import HERE

RESULTS = HERE / "results"
HEAD = ("what is measured", "server", "median (least to most)", "hellopod's beside it", "goal")
# How hellopod's values compare with the others'.
FORMS = {"ratio": "{} times", "difference": "by {}", "growth": "grown {} times"}


def head() -> dict[str, Any]:
    """Return when and of what a result is; ask at the start, since a run may take an hour."""
    return {"date": time.strftime("%Y-%m-%d"), "revision": revision(), "cpus": os.cpu_count()}


def write(path: Path, found: Mapping[str, Any]) -> None:
    """Write JSON."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")


def read(name: str) -> dict[str, Any]:
    """Return the last result of that name."""
    return dict(json.loads((RESULTS / f"{name}.json").read_text()))


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def number(value: float) -> str:
    """Return three digits of it, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def text(figures: Mapping[str, float]) -> str:
    """Return the median and, if the rounds differ, their spread."""
    median, least, most = (number(figures[key]) for key in ("median", "least", "most"))
    return median if least == most else f"{median} ({least} to {most})"


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows of comparisons as a table for a terminal and for Markdown alike."""
    lines: list[Sequence[str]] = [HEAD]
    for (what, unit), group in groupby(rows, lambda row: (row["what"], row["unit"])):
        for index, row in enumerate(group):
            name = "" if index else f"{what}, {unit}"
            compared = row["ours"] and row["of"] != "value"
            beside = FORMS[row["of"]].format(text(row["ours"])) if compared else ""
            goal = f"{row['goal']}: {'holds' if row['holds'] else '**missed**'}"
            lines.append((name, row["server"], text(row), beside, goal if row["goal"] else ""))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    first, *others = ("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)
    return "\n".join([first, "|-" + "-|-".join("-" * width for width in widths) + "-|", *others])
