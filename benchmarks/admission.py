"""The limiter on real processes, beside every fixed limit and stock gunicorn.

python -m benchmarks.admission [--all] [--handlers "c6+w94 c20"] [--loads "x3 x10 step burst"]
    [--fixed "1 2 4 8 16"] [--quota 0.5] [--connections new] [--seconds 5] [--output FILE]

A cell is one of benchmarks/model/cells.py. Its handler is written as in benchmarks/apps.py: c6+w94
computes for 6 ms and waits for 94; 1:c50,3:w50 are two routes, the second with three times the
requests. Its load is as many clients as slots ("closed") or a multiple of what stock serves to
these. From three times on the yardstick is the best of gthread with 16 threads and of fixed limits:
hellopod with CONCURRENCY alone, its gate held open. Server and load have a core each; with a quota
(and Docker) servers run in containers. Probes come 20 times a second.
Writes results/admission.json, or the output; benchmarks.pictures draws three of its handlers.
"""

import contextlib
import sys
import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from . import docker, results, servers
from .apps import ITEM
from .load import LONG, PATIENCE, Answers, run
from .model.cells import BURST, FORGOTTEN, HANDLERS, OVERLOAD, Cell, Found, misses, p99
from .model.servers import LIMITS
from .processes import SERVER_CORE, Server, check_cores, get, running

DEFAULT = ("w50", "c20", "c100", "c6+w94", "w100+c10", "h20+w50", "1:c8+w150,2:w20")
OURS = replace(servers.with_steps(servers.HELLOPOD), name="ours")
FIXED = servers.with_steps(servers.HELLOPOD, "benchmarks.apps:steps_without_gate()")
STOCK = replace(servers.with_steps(servers.BARE), name="stock")
PROBE_EVERY = 0.05  # seconds
MOST = 4000  # requests a second: beyond it the client itself falls behind; such cells are left out
ALL = "x0.5 x0.8 x1 x1.5 x3 x10 step burst"
FRESH = "fresh"  # a burst for a pod that has just started
ANSWERS = 100  # at least, for each load: a few are no measure
SETTINGS = ("PORT", "MANAGEMENT_PORT", "POD_NAME", "CONCURRENCY", "HOLD_ITEM")  # of containers
SHARES, REFUSED = ("closed", "x3", "x10"), ("x0.8", "step", "burst")  # columns of the table


def limited(server: Server, quota: float) -> Server:
    """Return the server in a container that may use so many CPUs; the same for no quota."""
    if not quota:
        return server
    options = f"run --rm --network=host --cpus={quota} --cpuset-cpus={SERVER_CORE}"
    place = f" --volume={server.directory}:/source:ro --workdir=/source --entrypoint=python"
    environ = "".join(f" --env={name}" for name in SETTINGS)
    command = f"{options}{place}{environ} {docker.HELLOPOD.tag} {server.command}"
    places = {**docker.DAEMON, **server.environ}
    return replace(server, python=lambda: "docker", command=command, environ=places)


@contextlib.contextmanager
def probing(url: str) -> Iterator[list[float]]:
    """Ask again and again; the list has the seconds that each took."""
    took: list[float] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.wait(PROBE_EVERY):
            began = time.monotonic()
            with contextlib.suppress(OSError):
                get(url, timeout=2)
            took.append(time.monotonic() - began)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield took
    finally:
        ended.set()
        thread.join()


def offered(url: str, cell: Cell, capacity: float, given: Namespace) -> Answers:
    """Offer what the cell has, beside a capacity in requests a second; return what counts of it."""
    if cell.load == "closed":
        return run(url, "closed", servers.THREADS, given.seconds, LONG, given.connections)
    if cell.load in ("step", "burst"):
        run(url, "open", cell.factor * capacity, OVERLOAD, PATIENCE, given.connections)
        if cell.load == "step":
            run(url, "open", capacity / 2, FORGOTTEN, PATIENCE, given.connections)
            return run(url, "open", capacity / 2, given.seconds, PATIENCE, given.connections)
        time.sleep(FORGOTTEN)
    if cell.load in ("burst", FRESH):
        return run(url, "number", BURST, BURST, PATIENCE, given.connections)
    return run(url, "open", cell.factor * capacity, given.seconds, PATIENCE, given.connections)


def measure(
    server: Server, cell: Cell, capacity: float, given: Namespace, **settings: str
) -> Found:
    """Start a server, offer the cell's load, and count."""
    with running(limited(server, given.quota), HOLD_ITEM=str(ITEM), **settings) as process:
        # Stock has no port but this one for probes.
        management = process.metrics.removesuffix("/metrics") + "/healthz"
        url = f"{process.url}/{cell.handler}"
        run(url, "closed", 2, 0.5, LONG)
        with probing(process.url if server is STOCK else management) as probes:
            found = offered(url, cell, capacity, given)
    refused = found.get("count", "503") / found.count
    goodput = min(found.get("rate"), found.get("count") / given.seconds)  # some end early
    return Found(goodput, refused, found.get("p99", "503"), p99(probes))


def measured(cell: Cell, capacity: Found, given: Namespace) -> dict[str, Any]:
    """Measure a cell beside what it is to be compared with, and print its line."""
    rate = capacity.goodput
    others = {"stock": capacity}
    if cell.load[0] == "x":
        others["stock"] = measure(STOCK, cell, rate, given)
    for limit in given.limits if cell.is_overload() else ():
        others[f"limit {limit}"] = measure(FIXED, cell, rate, given, CONCURRENCY=str(limit))
    if cell.load == "burst":
        others[FRESH] = measure(OURS, replace(cell, load=FRESH), rate, given)
    ours = measure(OURS, cell, rate, given)
    best = max(others, key=lambda name: others[name].goodput)
    fresh = others[FRESH].refused if FRESH in others else 0.0
    missed = misses(cell, ours, rate, others[best].goodput, fresh)
    share = ours.goodput / max(others[best].goodput, 1e-9)
    print(
        f"{cell.handler:16} {cell.load:6} {ours.goodput:7.1f}/s, "
        f"{f'{share:4.0%} of {best}' if cell.load in SHARES else '':14} "
        f"refused {ours.refused:6.2%}, 503 p99 {ours.refusal * 1000:.0f} ms, "
        f"probes {ours.probe * 1000:.0f} ms  {', '.join(missed)}",
        flush=True,
    )
    rows = [{"server": name, **asdict(each)} for name, each in {"ours": ours, **others}.items()]
    return {**asdict(cell), "share": share, "misses": missed, "servers": rows}


def table(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines of a Markdown table: a row for each handler, its worst probes at the end."""
    lines = [
        "| handler | closed | x3 | x10 | refused: x0.8 | step | burst | probes | misses |",
        "|---|--:|--:|--:|--:|--:|--:|--:|---|",
    ]
    for handler, group in groupby(cells, lambda cell: str(cell["handler"])):
        of = {str(cell["load"]): cell for cell in group}
        shares = [f"{of[load]['share']:.0%}" if load in of else "" for load in SHARES]
        ours = {load: cell["servers"][0] for load, cell in of.items()}
        refused = [f"{ours[load]['refused']:.1%}" if load in of else "" for load in REFUSED]
        probe = 1000 * max(row["probe"] for row in ours.values())
        missed = "; ".join(f"{load} {miss}" for load in of for miss in of[load]["misses"])
        row = (handler, *shares, *refused, f"{probe:.0f} ms", missed)
        lines.append(f"| {' | '.join(row)} |")
    return lines


def main() -> None:
    """Print the table; write it."""
    parser = ArgumentParser(description="Admission on real processes.")
    parser.add_argument("--handlers", default=" ".join(DEFAULT), help="separated by spaces")
    parser.add_argument("--loads", default="x3", help="beside closed: multiples, step and burst")
    parser.add_argument("--all", action="store_true", help="all of them: an hour and a half")
    parser.add_argument("--fixed", default=" ".join(map(str, LIMITS)), help="limits to beat")
    parser.add_argument("--quota", type=float, default=0, help="CPUs of each server")
    parser.add_argument("--connections", choices=("keep", "new"), default="keep")
    parser.add_argument("--seconds", type=float, default=5, help="of each load, at least")
    parser.add_argument("--output", type=Path, default=results.RESULTS / "admission.json")
    given = parser.parse_args()
    check_cores()
    if given.quota and (why := docker.why_not()):
        sys.exit(f"benchmarks: --quota needs Docker: {why}")
    if given.quota:
        docker.build(docker.HELLOPOD)
    given.limits, shortest = [int(each) for each in given.fixed.split()], given.seconds
    head = {**results.head(), "quota": given.quota, "connections": given.connections}
    cells: list[Mapping[str, Any]] = []
    for handler in HANDLERS if given.all else given.handlers.split():
        given.seconds = shortest
        capacity = measure(STOCK, closed := Cell(handler, "closed"), 0, given)
        given.seconds = max(shortest, 4 * closed.longest(), ANSWERS / capacity.goodput)
        for name in ("closed", *(ALL if given.all else given.loads).split()):
            one = Cell(handler, name, given.quota or 1)
            if name == "closed" or one.factor * capacity.goodput <= MOST:
                cells.append(measured(one, capacity, given))
                results.write(given.output, {**head, "cells": cells})
    missed = sum(bool(each["misses"]) for each in cells)
    print("", *table(cells), f"{missed} of {len(cells)} cells miss.", sep="\n")


if __name__ == "__main__":
    main()
