"""Limiters in many situations, in simulation: ours, fixed limits, stock gunicorn, and the field's.

python -m benchmarks.model.matrix [--handlers "a b"] [--loads "x3 x10"] [--cpus "1 0.5"]
                                  [--servers "ours,Vegas"] [--output FILE]

The yardstick of a cell is the best of the fixed limits, with gthread's 16 threads among them.
Writes results/limits.json if it is the output, and prints a table. Nothing in it is measured: it
comes out the same on every machine. All of it takes an hour and more of two cores.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from .cells import HANDLERS, LOADS, Cell, measure, misses
from .servers import COMPARED, YARDSTICKS

RESULT = Path(__file__).parents[1] / "results" / "limits.json"
COLUMNS = ("clients = slots", "0.8 times", "3 and 10 times", "memory", "probes")
Row = dict[str, Any]


@cache
def capacity(handler: str, cpus: float) -> float:
    """Return what stock serves to as many clients as it has threads."""
    cell = Cell(handler, "closed", cpus)
    return measure(COMPARED["gthread"], cell, 0, max(cell.seconds(10), 12)).goodput


def row(cell: Cell, names: Sequence[str] = tuple(COMPARED)) -> Row | None:
    """Return what each server makes of a cell; None where it would take too long."""
    served = capacity(cell.handler, cell.cpus)
    rate = 0.0 if cell.load == "closed" else served * cell.factor
    if rate > cell.most():
        return None
    seconds = cell.seconds(served)
    yardsticks = YARDSTICKS if cell.is_overload() else ("gthread",)
    measured = {
        name: measure(COMPARED[name], cell, rate, seconds)
        for name in dict.fromkeys((*yardsticks, *names))
    }
    best = max(yardsticks, key=lambda name: measured[name].goodput)
    stock = measured["gthread"].goodput
    servers = {}
    for name in names:
        found = measured[name]
        fresh = measure(COMPARED[name], cell, 0, seconds).refused if cell.load == "burst" else 0.0
        missed = misses(cell, found, stock, measured[best].goodput, fresh)
        servers[name] = {
            "goodput": round(found.goodput, 1),
            "refused": round(found.refused, 4),
            "probe": round(min(found.probe, 9.999), 3),
            "misses": missed,
        }
    return {
        "handler": cell.handler,
        "load": cell.load,
        "cpus": cell.cpus,
        "capacity": round(served, 1),
        "best": round(measured[best].goodput, 1),
        "servers": servers,
    }


def rows(cells: Sequence[Cell], names: Sequence[str]) -> Iterator[Row]:
    """Measure all, on all cores, and print what ours, or the first, makes of each."""
    with ProcessPoolExecutor() as pool:
        for found in pool.map(row, cells, [names] * len(cells)):
            if found:
                yield found


def line(found: Row, name: str) -> str:
    """Return a row for people, of one server."""
    server = found["servers"][name]
    return (
        f"{found['handler']:16} {found['load']:6} {found['cpus']:<3} {found['capacity']:7.1f}/s "
        f"{name} {server['goodput']:7.1f}/s of {found['best']:7.1f}, "
        f"refused {server['refused']:6.2%}, probes {server['probe'] * 1000:4.0f} ms  "
        f"{', '.join(server['misses'])}"
    )


def column(load: str, missed: str) -> str:
    """Return in which column of the table a miss counts."""
    if missed in ("memory", "probes"):
        return missed
    return {"closed": COLUMNS[0], "x0.8": COLUMNS[1]}.get(load, COLUMNS[2])


def worst(cells: Sequence[Row], name: str) -> str:
    """Name the cell with the least goodput, of those that promise it."""
    shares = {
        f"{each['handler']} {each['load']}": each["servers"][name]["goodput"] / each["best"]
        for each in cells
        if each["load"] in ("closed", "x3", "x10")
    }
    least = min(shares, key=lambda cell: shares[cell])
    return f"{least}: {shares[least]:.0%}"


def table(cells: Sequence[Row], cpus: float) -> list[str]:
    """Return the lines of a Markdown table: how many cells hold, and what the others miss."""
    own = [each for each in cells if each["cpus"] == cpus]
    lines = [
        f"| Of {len(own)} cells | hold | {' | '.join(COLUMNS)} | least goodput |",
        "|---|" + "--:|" * (len(COLUMNS) + 1) + "---|",
    ]
    for name in own[0]["servers"]:
        missed = [
            column(each["load"], miss) for each in own for miss in each["servers"][name]["misses"]
        ]
        held = sum(not each["servers"][name]["misses"] for each in own)
        counts = " | ".join(str(missed.count(each)) for each in COLUMNS)
        lines.append(f"| {name} | {held} | {counts} | {worst(own, name)} |")
    return lines


def main() -> None:
    """Print the rows, and the tables at the end."""
    parser = argparse.ArgumentParser(description="Limiters in many situations, simulated.")
    parser.add_argument("--handlers", default=" ".join(HANDLERS), help="separated by spaces")
    parser.add_argument("--loads", default=" ".join(LOADS), help="separated by spaces")
    parser.add_argument("--cpus", default="1 0.5", help="separated by spaces")
    parser.add_argument("--servers", default=",".join(COMPARED), help="separated by commas")
    parser.add_argument("--output", type=Path, help=f"write JSON, as in {RESULT.name}")
    given = parser.parse_args()
    names, cpus = given.servers.split(","), [float(each) for each in given.cpus.split()]
    cells = [
        Cell(handler, load, each)
        for each in cpus
        for handler in given.handlers.split()
        for load in given.loads.split()
    ]
    found: list[Row] = []
    for each in rows(cells, names):
        print(line(each, names[0]), flush=True)
        found.append(each)
        if given.output:
            lines = ",\n".join(map(json.dumps, found))
            given.output.write_text(f'{{"cells": [\n{lines}\n]}}\n')
    for number in cpus:
        print("", f"{number:g} CPUs", *table(found, number), sep="\n")


if __name__ == "__main__":
    main()
