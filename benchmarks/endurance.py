"""One container through a million requests: python -m benchmarks.endurance [REQUESTS]

What does not grow with the number of requests is the same after all of them as after the first
20,000: memory, file descriptors, the scrape and what it costs. By Docker alone; a million take
about ten minutes.
"""

import sys
import time
from dataclasses import dataclass

from . import docker, exposition, load, loopback
from .comparison import OURS, Comparison, Goal, interleaved

REQUESTS, FIRST = 1_000_000, 20_000
PARTS = 10  # in which the others are sent
CONNECTIONS = 16
REST = 5  # seconds without load before each look
ROUNDS, SCRAPES = 15, 1000  # for the CPU time of one: ticks of 10 ms, and a machine that swings
FLAT = 1.1  # numbers get longer, and medians swing too
PORTS = (8000, 9000)


@dataclass(frozen=True)
class Look:
    """What a container holds, without any client but this one."""

    requests: int  # that it has answered before
    memory: float  # MiB, working set: with the file pages that were used more than once
    resident: float  # MiB, of the worker
    descriptors: int  # open in the worker
    samples: int  # in a scrape
    bytes: int  # of a scrape


def look(container: docker.Container, requests: int) -> Look:
    time.sleep(REST)
    memory = container.working_set()
    scrape = loopback.get(metrics(container)).decode()
    resident = exposition.value(scrape, "process_resident_memory_bytes") / docker.MIB
    descriptors = exposition.open_descriptors(scrape)
    return Look(requests, memory, resident, descriptors, exposition.samples(scrape), len(scrape))


def metrics(container: docker.Container) -> str:
    return f"{container.url(9000)}/metrics"


def scrape_cpu(container: docker.Container) -> float:
    """Return milliseconds of CPU for a scrape."""
    url = metrics(container)
    first, *_, last = [loopback.get(url).decode() for _ in range(SCRAPES + 1)]
    used = [exposition.value(each, "process_cpu_seconds_total") for each in (first, last)]
    return 1000 * (used[1] - used[0]) / SCRAPES


def looks(container: docker.Container, requests: int, first: int) -> list[Look]:
    """Return what there is after the first requests, and after each part of the others."""
    found: list[Look] = []
    for part in range(PARTS + 1):
        sent = found[-1].requests if found else 0
        more = first + (requests - first) * part // PARTS - sent
        load.requests(f"{container.url()}/", more, CONNECTIONS)
        found.append(look(container, sent + more))
        print(found[-1], file=sys.stderr)
    return found


def scrapes(old: docker.Container, requests: int, first: int) -> Comparison:
    """Compare what a scrape costs with that of a container that has had only the first requests."""
    young = f"after {first:,}"
    with docker.serving(docker.HELLOPOD, PORTS) as fresh:
        load.requests(f"{fresh.url()}/", first, CONNECTIONS)
        values = interleaved(
            {OURS: lambda: scrape_cpu(old), young: lambda: scrape_cpu(fresh)}, ROUNDS
        )
    goals = (Goal(young, at_most=FLAT),)
    return Comparison(f"CPU of a scrape after {requests:,} requests", "ms", values, goals)


def compared(found: list[Look]) -> list[Comparison]:
    """Return how the last look differs from the first."""
    first, last = found[0], found[-1]
    since = f"{first.requests:,} to {last.requests:,} requests"
    return [
        one(f"memory, {since}", "times", last.memory / first.memory, 1.05),
        one(f"resident memory, {since}", "times", last.resident / first.resident, 1.05),
        one(f"open file descriptors, {since}", "more", last.descriptors - first.descriptors, 0),
        one(f"samples of a scrape, {since}", "more", last.samples - first.samples, 0),
        # Counters get digits, 136 bytes of 6,345 in one run; the bound is that of `make bench`.
        one(f"bytes of a scrape, {since}", "times", last.bytes / first.bytes, 1.1),
    ]


def one(what: str, unit: str, value: float, at_most: float) -> Comparison:
    """Return one value of hellopod's, and the most that it may be."""
    return Comparison(what, unit, {OURS: [value]}, (Goal(OURS, at_most=at_most, of="value"),))


def measure(requests: int = REQUESTS, first: int = FIRST) -> list[Comparison]:
    """Return all comparisons; nothing without Docker."""
    if why_not := docker.why_not():
        print(f"endurance: left out: {why_not}", file=sys.stderr)
        return []
    first = min(first, requests)
    docker.build(docker.HELLOPOD)
    with docker.serving(docker.HELLOPOD, PORTS) as container:
        found = looks(container, requests, first)
        return [*compared(found), scrapes(container, requests, first)]


if __name__ == "__main__":
    for comparison in measure(*map(int, sys.argv[1:2])):
        print(comparison.table())
