"""The limiter on real processes, beside every fixed limit and stock gunicorn.

python -m benchmarks.admission [--all] [--handlers "c6+w94 c20"] [--factors "3 10"]
    [--fixed "1 2 4 8 16"] [--quota 0.5] [--connections new] [--seconds 5] [--output FILE]

Each cell is a handler and a load: as many clients as slots, or a multiple of what stock serves to
these. The yardstick is the best of the fixed limits with the gate held open, and of gthread with 16
threads. Server and load have a core each; with a quota the servers run in containers that may use
so much of theirs, which needs Docker. Probes come 20 times a second.
Writes results/admission.json, or the output; prints a table, and what is missed at the end. The
picture in docs/overload.md: --fixed "" --handlers "w50 c20 c6+w94" --factors "0.5 0.8 1 1.5 3 10",
then benchmarks.pictures.
"""

import contextlib
import sys
import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from . import docker, results, servers
from .load import LONG, PATIENCE, run
from .model.cells import HANDLERS, Cell
from .model.limits import SLOTS as CLIENTS
from .model.servers import LIMITS
from .processes import SERVER_CORE, Server, check_cores, get, running

DEFAULT = ("w50", "c20", "c100", "c6+w94", "w100+c10", "h20+w50", "1:c8+w150,2:w20")
OURS = replace(servers.with_steps(servers.HELLOPOD), name="ours")
FIXED = servers.with_steps(servers.HELLOPOD, "benchmarks.apps:steps_without_gate()")
STOCK = replace(OURS, name="stock", command=servers.GTHREAD)
PROBE_EVERY = 0.05  # seconds
SETTINGS = ("PORT", "MANAGEMENT_PORT", "POD_NAME", "CONCURRENCY")  # that a container is given


class Found(NamedTuple):
    """Answers a second and the share of 503; 99th percentiles of 503 and of probes in seconds."""

    server: str
    rate: float
    refused: float
    refusal: float
    probe: float


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


def measure(
    server: Server, handler: str, rate: float | None, given: Namespace, **settings: str
) -> Found:
    """Start a server, offer so many requests a second, or a closed loop, and count."""
    mode, amount, patience = ("open", rate, PATIENCE) if rate else ("closed", CLIENTS, LONG)
    with running(limited(server, given.quota), **settings) as process:
        # Stock has no port but this one for probes.
        management = process.metrics.removesuffix("/metrics") + "/healthz"
        path = f"{process.url}/{handler}"
        run(path, "closed", 2, 0.5, LONG)
        with probing(process.url if server is STOCK else management) as probes:
            found = run(path, mode, amount, given.seconds, patience, given.connections)
    return Found(
        server.name,
        found.get("rate"),
        found.get("count", "503") / found.count,
        found.get("p99", "503"),
        sorted(probes)[int(len(probes) * 0.99)] if probes else 0.0,
    )


def misses(handler: str, factor: float | None, ours: Found, best: float) -> list[str]:
    """Name the promises that a cell does not keep."""
    share = ours.rate / max(best, 1e-9)
    needed = Cell(handler, "x3").needed() if factor else 0.95
    found = []
    if (factor is None or factor >= 3) and share < needed:
        found.append(f"goodput {share:.0%}")
    if ours.refused > (0 if factor is None else 0.001) and (factor or 0) <= 0.8:
        found.append(f"refused {ours.refused:.1%}")
    if ours.probe > 0.05 and "h" not in handler:
        found.append(f"probes {ours.probe * 1000:.0f} ms")
    return found


def cell(handler: str, factor: float | None, capacity: Found, given: Namespace) -> dict[str, Any]:
    """Measure a cell and print its line."""
    rate = factor * capacity.rate if factor else None
    others = [capacity]
    if factor:
        others = [measure(STOCK, handler, rate, given)]
        for limit in given.limits:
            fixed = replace(FIXED, name=f"limit {limit}")
            others.append(measure(fixed, handler, rate, given, CONCURRENCY=str(limit)))
    ours = measure(OURS, handler, rate, given)
    best = max(others, key=lambda each: each.rate)
    missed = misses(handler, factor, ours, best.rate)
    print(
        f"{handler:16} {f'x{factor:g}' if factor else 'closed':6} ours {ours.rate:7.1f}/s, "
        f"{ours.rate / max(best.rate, 1e-9):4.0%} of {best.server} (stock {others[0].rate:.1f}/s); "
        f"refused {ours.refused:6.2%}, 503 p99 {ours.refusal * 1000:.0f} ms; "
        f"probes {ours.probe * 1000:.0f} ms  {', '.join(missed)}",
        flush=True,
    )
    rows = [each._asdict() for each in (ours, *others)]
    return {"handler": handler, "factor": factor, "misses": missed, "servers": rows}


def main() -> None:
    """Print the table; write it."""
    parser = ArgumentParser(description="Admission on real processes.")
    parser.add_argument("--handlers", default=" ".join(DEFAULT), help="separated by spaces")
    parser.add_argument("--factors", default="3", help="multiples of the capacity")
    parser.add_argument("--all", action="store_true", help="all of the simulation's: hours")
    parser.add_argument("--fixed", default=" ".join(map(str, LIMITS)), help="limits to beat")
    parser.add_argument("--quota", type=float, default=0, help="CPUs of each server")
    parser.add_argument("--connections", choices=("keep", "new"), default="keep")
    parser.add_argument("--seconds", type=float, default=5, help="of load for each point")
    parser.add_argument("--output", type=Path, default=results.RESULTS / "admission.json")
    given = parser.parse_args()
    check_cores()
    if given.quota:
        if why := docker.why_not():
            sys.exit(f"benchmarks: --quota needs Docker: {why}")
        docker.build(docker.HELLOPOD)
    given.limits = [int(each) for each in given.fixed.split()]
    factors = "0.5 0.8 1 1.5 3 10" if given.all else given.factors
    head = {**results.head(), "quota": given.quota, "connections": given.connections}
    cells: list[dict[str, Any]] = []
    for handler in HANDLERS if given.all else given.handlers.split():
        capacity = measure(STOCK, handler, None, given)
        for factor in (None, *map(float, factors.split())):
            cells.append(cell(handler, factor, capacity, given))
            results.write(given.output, {**head, "cells": cells})
    missed = [each for each in cells if each["misses"]]
    print(f"\n{len(missed)} of {len(cells)} cells miss")
    for each in missed:
        print(each["handler"], each["factor"] or "closed", *each["misses"])


if __name__ == "__main__":
    main()
