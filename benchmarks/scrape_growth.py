"""What a scrape costs after how much traffic: python -m benchmarks.scrape_growth [REQUESTS]

CPU time of a server for one scrape, and its bytes: after a first request for / and for a path that
is none, after 20,000 and after REQUESTS of them by wrk, and after 10,000 distinct paths. Its
reference is the exporter as its documentation shows it, which has a series for each path. Both run
all the time, and are loaded and looked at in turn.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError

from . import loopback, servers, wrk
from .comparison import Comparison, Goal

REQUESTS, FEW, PATHS = 1_000_000, 20_000, 10_000
CONNECTIONS = 16
SCRAPES, ENOUGH = 200, 0.5  # scrapes or seconds for one value: the clock has ticks of 10 ms
ROUNDS = 3
TICK = os.sysconf("SC_CLK_TCK")
FLAT = 1.1  # the clock's ticks, and numbers that get longer
STEPS = ("2 requests", f"{FEW:,} requests", "all requests", f"{PATHS:,} paths")
SERVERS = (servers.HELLOPOD, servers.EXPORTER)


@dataclass(frozen=True)
class Scraped:
    """A server, and what scrapes of it cost at each step, round by round."""

    name: str
    process: servers.Running
    milliseconds: dict[str, list[float]] = field(default_factory=dict)
    kilobytes: dict[str, list[float]] = field(default_factory=dict)

    def look(self, step: str) -> None:
        before, used, number = cpu(self.process.pid), 0.0, 0
        while used < ENOUGH and number < SCRAPES:
            size = len(loopback.get(self.process.metrics))
            number += 1
            used = cpu(self.process.pid) - before
        self.milliseconds.setdefault(step, []).append(1000 * used / number)
        self.kilobytes.setdefault(step, []).append(size / 1000)


def cpu(pid: int) -> float:
    """Return seconds of CPU that a process and its children have used so far."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    total = 0.0
    for each in [str(pid), *children]:
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / TICK  # utime and stime: man 5 proc
    return total


def ask(url: str, paths: range) -> None:
    """Request paths that are none."""
    for number in paths:
        try:
            loopback.get(f"{url}/{number}")
        except HTTPError as error:
            error.close()


def send(url: str, count: int) -> None:
    """Send about so many requests, as fast as they are answered."""
    sent = 0.0
    while sent < count:
        seconds = max(1, min(60, round((count - sent) / 2000)))
        sent += wrk.load(f"{url}/", CONNECTIONS, seconds).rate * seconds


def look(compared: Sequence[Scraped], step: str) -> None:
    for _ in range(ROUNDS):
        for each in compared:
            each.look(step)


def steps(compared: Sequence[Scraped], requests: int) -> None:
    """Take all steps, and look after each."""
    for each in compared:
        ask(each.process.url, range(1))  # the start asked for /
    look(compared, STEPS[0])
    for step, count in zip(STEPS[1:3], (FEW, requests - FEW), strict=True):
        for each in compared:
            send(each.process.url, count)
        look(compared, step)
    for each in compared:
        ask(each.process.url, range(1, PATHS))
    look(compared, STEPS[3])


def growth(found: Scraped) -> list[Comparison]:
    """Compare each step with the first."""
    goals = tuple(Goal(step, at_most=FLAT, of="growth") for step in STEPS[1:])
    tables = ((found.milliseconds, "CPU", "ms"), (found.kilobytes, "size", "kB"))
    return [
        Comparison(
            f"{what} of a scrape of {found.name}",
            unit,
            values,
            goals if found.name == servers.HELLOPOD.name else (),
            of="growth",
            base=STEPS[0],
        )
        for values, what, unit in tables
    ]


def measure(requests: int = REQUESTS) -> list[Comparison]:
    """Return CPU and bytes of a scrape by traffic, of hellopod and of the exporter."""
    with ExitStack() as stack:
        compared = [
            Scraped(server.name, stack.enter_context(servers.running(server))) for server in SERVERS
        ]
        steps(compared, requests)
    return [comparison for each in compared for comparison in growth(each)]


if __name__ == "__main__":
    for comparison in measure(*map(int, sys.argv[1:2])):
        print(comparison.table())
