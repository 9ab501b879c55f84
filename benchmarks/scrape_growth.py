"""What a scrape costs after how much traffic: python -m benchmarks.scrape_growth [REQUESTS]

CPU time of a server for one scrape, and its bytes, at the first request, after 20,000 and after
REQUESTS of them by wrk, and after 10,000 distinct paths. Its reference is the exporter as its
documentation shows it, which has a series for each path.
"""

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

from . import servers, wrk
from .comparison import Comparison, Goal

REQUESTS, FEW, PATHS = 1_000_000, 20_000, 10_000
CONNECTIONS = 16
SCRAPES, ENOUGH = 200, 0.5  # scrapes or seconds for one value: the clock has ticks of 10 ms
ROUNDS = 3
TICK = os.sysconf("SC_CLK_TCK")
FLAT = 1.1  # the clock's ticks, and buckets whose numbers get longer
STEPS = ("first request", f"{FEW:,} requests", "all requests", f"{PATHS:,} paths")


class Scraped:
    """What scrapes of one server cost, round by round, at each step."""

    def __init__(self, process: servers.Running) -> None:
        self.process = process
        self.milliseconds: dict[str, list[float]] = {}
        self.kilobytes: dict[str, list[float]] = {}

    def look(self, step: str) -> None:
        for _ in range(ROUNDS):
            before, used, number = cpu(self.process.pid), 0.0, 0
            while used < ENOUGH and number < SCRAPES:
                size = len(get(self.process.metrics))
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


def get(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310
            return bytes(answer.read())
    except urllib.error.HTTPError as error:  # a path that is none counts too
        return bytes(error.read())


def measure_one(server: servers.Server, requests: int) -> Scraped:
    with servers.running(server) as process:
        scraped = Scraped(process)
        scraped.look(STEPS[0])
        for step, count in zip(STEPS[1:3], (FEW, requests - FEW), strict=True):
            sent = 0.0
            while sent < count:
                seconds = max(1, min(60, round((count - sent) / 2000)))
                sent += wrk.load(f"{process.url}/", CONNECTIONS, seconds).rate * seconds
            scraped.look(step)
        for number in range(PATHS):
            get(f"{process.url}/{number}")
        scraped.look(STEPS[3])
    return scraped


def compared(scraped: Scraped, name: str) -> list[Comparison]:
    """Compare the first step with each."""
    tables = ((scraped.milliseconds, "CPU", "ms"), (scraped.kilobytes, "size", "kB"))
    return [
        Comparison(f"{what} of a scrape of {name}", unit, values, goals(name), base=STEPS[0])
        for values, what, unit in tables
    ]


def goals(name: str) -> tuple[Goal, ...]:
    if name != servers.HELLOPOD.name:
        return ()
    return tuple(Goal(step, at_least=1 / FLAT) for step in STEPS[1:])


def measure(requests: int = REQUESTS) -> list[Comparison]:
    """Return CPU and bytes of a scrape by traffic, of hellopod and of the exporter."""
    return [
        comparison
        for server in (servers.HELLOPOD, servers.EXPORTER)
        for comparison in compared(measure_one(server, requests), server.name)
    ]


if __name__ == "__main__":
    for comparison in measure(*map(int, sys.argv[1:2])):
        print(comparison.table())
