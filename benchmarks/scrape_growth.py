"""What a scrape costs after how much traffic: python -m benchmarks.scrape_growth [REQUESTS]

CPU time of a server for one scrape, and its bytes: after a request for / and one for a path that is
none, after 20,000 and after REQUESTS for /, and after 10,000 distinct paths. A process for
each, all scraped in turn: from minute to minute the same scrape's CPU time changes by half. The
reference is the exporter as its documentation shows it, which has a series for each path.
"""

import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError

from . import load, loopback, servers
from .comparison import Comparison, Goal

REQUESTS, FEW, PATHS = 1_000_000, 20_000, 10_000
FIRST = "2 requests"
CONNECTIONS = 16
SCRAPES, ENOUGH = 200, 0.5  # scrapes or seconds for one value: the clock has ticks of 10 ms
ROUNDS = 5
TICK = os.sysconf("SC_CLK_TCK")
FLAT = 1.1  # the clock's ticks, and numbers that get longer
SERVERS = (servers.HELLOPOD, servers.EXPORTER)


@dataclass(frozen=True)
class Scraped:
    """What scrapes of a server cost, by the traffic before, round by round."""

    name: str
    milliseconds: dict[str, list[float]] = field(default_factory=dict)
    kilobytes: dict[str, list[float]] = field(default_factory=dict)

    def look(self, traffic: str, process: servers.Running) -> None:
        loopback.get(process.metrics)  # what the server before left in the core's caches
        before, used, number = cpu(process.pid), 0.0, 0
        while used < ENOUGH and number < SCRAPES:
            size = len(loopback.get(process.metrics))
            number += 1
            used = cpu(process.pid) - before
        self.milliseconds.setdefault(traffic, []).append(1000 * used / number)
        self.kilobytes.setdefault(traffic, []).append(size / 1000)


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


def loaded(stack: ExitStack, server: servers.Server, requests: int) -> dict[str, servers.Running]:
    """Start a process for each amount of traffic, and send it."""
    traffic = {FIRST: (0, 1), **{f"{n:,} requests": (n, 1) for n in (FEW, requests)}}
    found = {}
    for name, (count, paths) in {**traffic, f"{PATHS:,} paths": (0, PATHS)}.items():
        found[name] = stack.enter_context(servers.running(server))  # which asks for / once
        ask(found[name].url, range(paths))
        load.requests(f"{found[name].url}/", count, CONNECTIONS)
    return found


def growth(found: Scraped) -> list[Comparison]:
    """Compare all with what there is after the first requests."""
    goals: tuple[Goal, ...] = ()
    if found.name == servers.HELLOPOD.name:
        goals = tuple(Goal(name, at_most=FLAT, of="growth") for name in found.kilobytes)[1:]
    return [
        Comparison(f"{what} of a scrape of {found.name}", unit, values, goals, "growth", FIRST)
        for values, what, unit in (
            (found.milliseconds, "CPU", "ms"),
            (found.kilobytes, "size", "kB"),
        )
    ]


def measure(requests: int = REQUESTS) -> list[Comparison]:
    """Return CPU and bytes of a scrape by traffic, of hellopod and of the exporter."""
    scraped = [Scraped(server.name) for server in SERVERS]
    with ExitStack() as stack:
        processes = [loaded(stack, server, requests) for server in SERVERS]
        turns = [
            (each, traffic, process)
            for each, those in zip(scraped, processes, strict=True)
            for traffic, process in those.items()
        ]
        for _ in range(ROUNDS):
            for each, traffic, process in turns:
                each.look(traffic, process)
            turns.reverse()  # none always follows the same one
    return [comparison for each in scraped for comparison in growth(each)]


if __name__ == "__main__":
    for comparison in measure(*map(int, sys.argv[1:2])):
        print(comparison.table())
