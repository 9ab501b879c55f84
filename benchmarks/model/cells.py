"""The situations of the matrix: a handler, a load and CPUs; and what each is to keep."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .load import Choose, Clients
from .pod import Script
from .processor import Processor, Step
from .servers import SLOTS, Start

PATIENCE = 1.0  # seconds after which clients of open loops give up
BURST = 45  # requests at once: nearly as many as slots and queue hold
LOADS = ("closed", "x0.8", "x3", "x10", "step", "burst")
# Requests a second, of a whole CPU: beyond it to refuse alone takes most of the CPU.
MOST = 2500
SECONDS = 6.0  # simulated, at least
ANSWERS = 300  # that are to be expected at least, five times as many where few refusals count
OVERLOAD = 4.0  # seconds, of a step and before a burst
FORGOTTEN = 2.0  # seconds after which it is to be
STEPS = {"w": Step.SLEEP, "c": Step.RUN, "h": Step.HOLD, "f": Step.FREE}

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
    "3:c10+w50,2:w20",
    "2:w50+c25,1:c1",
)


def script(text: str) -> Script:
    """Read one as c6+w94: computes for 6 ms, then waits; h holds the interpreter, f needs none."""
    return [(STEPS[part[0]], float(part[1:]) / 1000) for part in text.split("+")]


def routes(text: str) -> tuple[list[float], list[Script]]:
    """Read the scripts of a route, or of several, each with its share: 1:c8+w150,2:w20."""
    each = [part.rpartition(":") for part in text.split(",")]
    return [float(weight or 1) for weight, _, _ in each], [script(steps) for *_, steps in each]


def choose(text: str) -> Choose:
    """Return a choice of what a request does."""
    weights, scripts = routes(text)
    return lambda chance: chance.choices(scripts, weights)[0]


@dataclass(frozen=True)
class Cell:
    """A handler, a load, and CPUs. Open loops offer a multiple of stock's capacity: x0.8."""

    handler: str
    load: str
    cpus: float = 1.0

    @property
    def factor(self) -> float:
        """What an open loop offers, as a multiple of the capacity; 3 before a burst."""
        return float(self.load[1:]) if self.load[0] == "x" else 3.0

    def is_overload(self) -> bool:
        """Whether goodput is promised beside the best fixed limit's."""
        return self.load in ("x3", "x10")

    def most(self) -> float:
        """Return the requests a second beyond which nothing is simulated."""
        return MOST * min(1.0, self.cpus)

    def seconds(self, capacity: float) -> float:
        """Return for how long to simulate it: as long as it takes for chance to matter little."""
        answers = ANSWERS * (5 if self.load == "x0.8" else 1)
        return max(SECONDS, 4 * self.longest(), answers / capacity / min(1, self.factor))

    def longest(self) -> float:
        """Return the seconds that a request takes, if it is of the longest kind."""
        return max(sum(seconds for _, seconds in each) for each in routes(self.handler)[1])

    def needed(self) -> float:
        """Return the share of the best fixed limit's goodput that is promised in an overload."""
        computes = any(letter in self.handler for letter in "ch")
        waits = "w" in self.handler
        return 0.9 if computes and waits else 0.85 if computes else 0.95


@dataclass(frozen=True)
class Found:
    """Answers in time a second; share of refusals; 99th percentiles of refusals and of probes."""

    goodput: float
    refused: float
    refusal: float
    probe: float


def p99(values: Sequence[float]) -> float:
    """Return the 99th percentile; 0 of none."""
    ordered = sorted(values)
    return ordered[int(len(ordered) * 0.99)] if ordered else 0.0


def offer(clients: Clients, cell: Cell, rate: float, seconds: float) -> tuple[float, float]:
    """Have clients send; returns the time between which what they send counts."""
    choice = choose(cell.handler)
    if cell.load == "closed":
        clients.closed(SLOTS, 0, seconds, choice)
        return seconds / 3, seconds
    if cell.load == "step":
        over, calm = 2 * OVERLOAD, rate / cell.factor / 2
        seconds += over + FORGOTTEN
        step = lambda now: rate if OVERLOAD <= now < over else calm  # noqa: E731
        clients.open(step, seconds, choice)
        return over + FORGOTTEN, seconds - PATIENCE
    if cell.load == "burst":
        moment = OVERLOAD + FORGOTTEN
        clients.open(lambda _: rate, OVERLOAD, choice)
        clients.burst(moment, BURST, choice)
        return moment, moment + PATIENCE
    clients.open(lambda _: rate, seconds, choice)
    return seconds / 3, seconds - PATIENCE


def measure(start: Start, cell: Cell, rate: float, seconds: float, seed: int = 1) -> Found:
    """Return what a server makes of a cell in its steady state, or after its overload."""
    processor = Processor(seed, quota=cell.cpus if cell.cpus < 1 else math.inf)
    clients = Clients(processor, start(processor))
    first, last = offer(clients, cell, rate, seconds)
    clients.probe(last)
    processor.run(last + 3 * PATIENCE)
    closed = cell.load == "closed"
    steady = [
        each for each in clients.answers if first <= (each.ended if closed else each.sent) < last
    ]
    good = sum(each.status == 200 and (closed or each.took <= PATIENCE) for each in steady)
    refusals = [each.took for each in steady if each.status == 503]
    return Found(
        good / (last - first),
        len(refusals) / max(1, len(steady)),
        p99(refusals),
        p99(clients.probes),
    )


def misses(cell: Cell, found: Found, stock: float, best: float, fresh: float) -> list[str]:
    """Name the promises that are not kept: beside what stock and the best fixed limit serve, and
    the share that a fresh pod refuses of a burst.
    """
    missed = []
    if cell.load == "closed":
        if found.goodput < 0.95 * stock:
            missed.append("goodput")
        if found.refused:
            missed.append("refused")
    elif cell.is_overload() and found.goodput < cell.needed() * best:
        missed.append("goodput")
    elif cell.load == "x0.8" and found.refused > 0.001:
        missed.append("refused")
    elif cell.load in ("step", "burst") and found.refused > max(0.001, fresh):
        missed.append("memory")
    if found.probe > 0.05 and "h" not in cell.handler:
        missed.append("probes")
    return missed
