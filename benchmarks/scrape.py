"""What a scrape costs after how much traffic: python -m benchmarks.scrape [REQUESTS]

CPU time of a server for one scrape, and its bytes: after a request for / and one for a path that is
none, after 20,000 and after REQUESTS for /, and after 10,000 distinct paths. A process for
each, all scraped in turn: from minute to minute the same scrape's CPU time changes by half. The
reference is the exporter as its documentation shows it, with a series for each path.
"""

import os
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.error import HTTPError

from prometheus_client.parser import text_string_to_metric_families

from . import load, servers
from .comparison import Comparison, Goal, show
from .processes import Running, Server, get, running

REQUESTS, FEW, DISTINCT = 1_000_000, 20_000, 10_000
FIRST = "2 requests"
CONNECTIONS = 16
SCRAPES, ENOUGH = 200, 0.5  # scrapes or seconds for one value: the clock has ticks of 10 ms
ROUNDS = 3
TICK = os.sysconf("SC_CLK_TCK")
FLAT = 1.1  # the clock's ticks, and numbers that get longer
SERVERS = (servers.HELLOPOD, servers.EXPORTER)
Values = dict[str, list[float]]  # by the traffic before, round by round


def unlabelled(scrape: str) -> dict[str, float]:
    """Return the values of metrics without labels."""
    families = text_string_to_metric_families(scrape)
    samples = (sample for family in families for sample in family.samples)
    return {sample.name: sample.value for sample in samples if not sample.labels}


def cpu(pid: int) -> float:
    """Return seconds of CPU that a process and its children have used so far."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    total = 0.0
    for each in [str(pid), *children]:
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / TICK  # utime and stime: man 5 proc
    return total


def cost(process: Running) -> tuple[float, float]:
    """Return milliseconds of CPU for a scrape, and its kilobytes."""
    get(process.metrics)  # what the server before left in the core's caches
    before, used, number = cpu(process.pid), 0.0, 0
    while used < ENOUGH and number < SCRAPES:
        size = len(get(process.metrics))
        number += 1
        used = cpu(process.pid) - before
    return 1000 * used / number, size / 1000


def loaded(stack: ExitStack, server: Server, requests: int) -> dict[str, Running]:
    """Start a process for each amount of traffic, and send it."""
    traffic = {FIRST: (0, 1), **{f"{n:,} requests": (n, 1) for n in (FEW, requests)}}
    found = {}
    for name, (count, paths) in {**traffic, f"{DISTINCT:,} paths": (0, DISTINCT)}.items():
        found[name] = stack.enter_context(running(server))  # which asks for / once
        for number in range(paths):
            with suppress(HTTPError):
                get(f"{found[name].url}/{number}")
        load.requests(f"{found[name].url}/", count, CONNECTIONS)
    return found


def growth(name: str, milliseconds: Values, kilobytes: Values) -> list[Comparison]:
    """Compare all with what there is after the first requests."""
    ours = name == servers.HELLOPOD.name
    goals = [Goal(traffic, at_most=FLAT, of="growth") for traffic in kilobytes][1:] if ours else []
    return [
        Comparison(f"CPU of a scrape of {name}", "ms", milliseconds, goals, "growth", FIRST),
        Comparison(f"size of a scrape of {name}", "kB", kilobytes, goals, "growth", FIRST),
    ]


def measure(requests: int = REQUESTS) -> list[Comparison]:
    """Return CPU and bytes of a scrape by traffic, of hellopod and of the exporter."""
    with ExitStack() as stack:
        turns = [
            (server.name, traffic, process)
            for server in SERVERS
            for traffic, process in loaded(stack, server, requests).items()
        ]
        found: dict[str, tuple[Values, Values]] = {server.name: ({}, {}) for server in SERVERS}
        for number in range(ROUNDS):
            for name, traffic, process in turns[:: -1 if number % 2 else 1]:
                for values, value in zip(found[name], cost(process), strict=True):
                    values.setdefault(traffic, []).append(value)
    return [each for name, values in found.items() for each in growth(name, *values)]


if __name__ == "__main__":
    show(measure(*map(int, sys.argv[1:2])))
