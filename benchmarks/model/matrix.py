"""Admission in many situations, beside every fixed limit and stock gunicorn, in simulation.

python -m benchmarks.model.matrix [--handlers "a b"] [--quota 0.5] [--seconds N]

A cell is a handler and a load. Its yardstick is the best of the fixed limits 1, 2, 4, 8 and 16,
with the gate held open, and of gthread with 16 threads and its unbounded queue. Clients of open
loops give up after a second, those of closed loops wait for as long as it takes.
"""

import argparse
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import Any

from service.runtime.admission import Admission

from .load import Choose, Clients
from .pod import Pod, Script, Stock
from .processor import Processor, Step

LIMITS = (1, 2, 4, 8, 16)
THREADS, QUEUE_LENGTH, QUEUE_TIMEOUT = 16, 32, 0.3
PATIENCE = 1.0
FACTORS = (0.5, 0.8, 1.0, 1.5, 3.0, 10.0)
MOST = 5000  # requests a second: more take too long to simulate
STEPS = {"w": Step.SLEEP, "c": Step.RUN, "h": Step.HOLD, "f": Step.FREE}


def script(text: str) -> Script:
    """Read one as c6+w94: computes for 6 ms, then waits; h holds the interpreter, f needs none."""
    return [(STEPS[part[0]], float(part[1:]) / 1000) for part in text.split("+")]


def choose(text: str) -> Choose:
    """Read the scripts of a route, or of several, each with its share: 1:c8+w150,2:w20."""
    scripts, weights = [], []
    for each in text.split(","):
        weight, _, steps = each.rpartition(":")
        scripts.append(script(steps))
        weights.append(float(weight or 1))

    def choice(chance: random.Random) -> Script:
        return chance.choices(scripts, weights)[0]

    return choice


HANDLERS = (
    *(f"w{wait}" for wait in (5, 50, 500)),
    *(f"c{work}" for work in (1, 5, 20, 100)),
    *(f"c{work}+w{wait}" for work in (2, 5, 10, 25) for wait in (20, 100, 500)),
    "c6+w94",
    "w100+c10",
    "w50+c25",
    "c5+w50+c5+w50",
    "99:w20,1:w5000",
    "99:c20,1:w5000",
    "h100",
    "h20+w50",
    "1:c8+w150,2:w20",
    "1:c50,3:w50",
)


@dataclass(frozen=True)
class Cell:
    """A handler, a load as a multiple of stock's capacity (None: a closed loop), and CPUs."""

    handler: str
    factor: float | None
    quota: float = math.inf


@dataclass(frozen=True)
class Found:
    """Answers in time a second; share of refusals; 99th percentiles of refusals and of probes."""

    goodput: float
    refused: float
    refusal: float
    probe: float


@dataclass(frozen=True)
class Row:
    """What came of a cell."""

    cell: Cell
    capacity: float
    best: float  # goodput of the yardstick
    ours: Found

    @property
    def misses(self) -> list[str]:
        """Name the promises that it does not keep."""
        factor, share = self.cell.factor, self.ours.goodput / max(self.best, 1e-9)
        needed = 0.95 if factor is None or "c" not in self.cell.handler else 0.85
        found = []
        if share < needed and (factor is None or factor >= 3):
            found.append(f"goodput {share:.0%}")
        if (factor is None and self.ours.refused) or (factor == 0.8 and self.ours.refused > 0.001):
            found.append(f"refused {self.ours.refused:.1%}")
        if self.ours.probe > 0.05 and "h" not in self.cell.handler:
            found.append(f"probes {self.ours.probe * 1000:.0f} ms")
        return found

    def __str__(self) -> str:
        load = f"x{self.cell.factor:g}" if self.cell.factor else "closed"
        return (
            f"{self.cell.handler:16} {load:6} {self.cell.quota:4} {self.capacity:7.1f}/s "
            f"{self.ours.goodput / max(self.best, 1e-9):5.0%} of the best, refused "
            f"{self.ours.refused:6.2%}, 503 p99 {self.ours.refusal * 1000:4.0f} ms, "
            f"probes p99 {self.ours.probe * 1000:4.0f} ms  {', '.join(self.misses)}"
        )


def ours(processor: Processor, limit: int = THREADS, gate: bool = True) -> Pod:
    """Return our server; without the gate it has a fixed limit."""
    usage = lambda: (processor.used, 0)  # noqa: E731
    admission = Admission(limit, QUEUE_LENGTH, QUEUE_TIMEOUT, THREADS + 48, usage)
    if not gate:
        admission.gate.admits = lambda now, pressed: True  # type: ignore[method-assign]
    return Pod(processor, admission)


def stock(processor: Processor) -> Stock:
    """Return gunicorn's."""
    return Stock(processor, THREADS)


def p99(values: Sequence[float]) -> float:
    """Return the 99th percentile; 0 of none."""
    ordered = sorted(values)
    return ordered[int(len(ordered) * 0.99)] if ordered else 0.0


def measure(
    server: Callable[[Processor], Any], cell: Cell, rate: float, seconds: float, seed: int = 1
) -> Found:
    """Return what a server makes of a cell, once a third of the time has passed."""
    processor = Processor(seed, quota=cell.quota)
    clients = Clients(processor, server(processor))
    if cell.factor is None:
        clients.closed(THREADS, 0, seconds, choose(cell.handler))
    else:
        clients.open(lambda _: rate, seconds, choose(cell.handler))
    clients.probe(seconds)
    processor.run(seconds + 2 * PATIENCE)
    patience = math.inf if cell.factor is None else PATIENCE
    last = seconds if cell.factor is None else seconds - PATIENCE
    moment = (lambda each: each.ended) if cell.factor is None else (lambda each: each.sent)
    steady = [each for each in clients.answers if seconds / 3 <= moment(each) < last]
    good = sum(each.status == 200 and each.took <= patience for each in steady)
    refusals = [each.took for each in steady if each.status == 503]
    return Found(
        good / (last - seconds / 3),
        len(refusals) / max(1, len(steady)),
        p99(refusals),
        p99(clients.probes),
    )


@cache
def capacity(handler: str, quota: float, seconds: float) -> float:
    """Return what stock serves to as many clients as it has threads."""
    return measure(stock, Cell(handler, None, quota), 0, seconds).goodput


def row(cell: Cell, seconds: float) -> Row | None:
    """Measure ours and its yardstick; None where it would take too long."""
    most = capacity(cell.handler, cell.quota, seconds)
    rate = most * (cell.factor or 0)
    if rate > MOST:
        return None
    if cell.factor is None:
        return Row(cell, most, most, measure(ours, cell, 0, seconds))
    servers: list[Callable[[Processor], Any]] = [stock]
    servers += [lambda process, limit=limit: ours(process, limit, False) for limit in LIMITS]  # type: ignore[misc]
    best = max(measure(server, cell, rate, seconds).goodput for server in servers)
    return Row(cell, most, best, median_of(cell, rate, seconds))


def median_of(cell: Cell, rate: float, seconds: float) -> Found:
    """Return the middle one of three, as arrivals are random."""
    found = [measure(ours, cell, rate, seconds, seed) for seed in (1, 2, 3)]
    middle = median(each.goodput for each in found)
    return next(each for each in found if each.goodput == middle)


def main() -> None:
    """Print the rows, and the misses at the end."""
    parser = argparse.ArgumentParser(description="Admission in many situations, simulated.")
    parser.add_argument("--handlers", default=" ".join(HANDLERS), help="separated by spaces")
    parser.add_argument("--factors", default=" ".join(map(str, FACTORS)))
    parser.add_argument("--quota", type=float, default=math.inf, help="CPUs")
    parser.add_argument("--seconds", type=float, default=12, help="simulated, of each cell")
    given = parser.parse_args()
    factors = [None, *map(float, given.factors.split())]
    missed = []
    for handler in given.handlers.split():
        for factor in factors:
            if found := row(Cell(handler, factor, given.quota), given.seconds):
                print(found, flush=True)
                missed += [found] if found.misses else []
    print(f"\n{len(missed)} cells miss:", *missed, sep="\n")


if __name__ == "__main__":
    main()
