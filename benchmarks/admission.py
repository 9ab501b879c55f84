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

import argparse
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from . import docker, loopback, results, servers
from .cores import GENERATOR_CORE, SERVER_CORE, available, on
from .model.cells import HANDLERS, Cell
from .model.limits import SLOTS as CLIENTS
from .model.servers import LIMITS

DEFAULT = ("w50", "c20", "c100", "c6+w94", "w100+c10", "h20+w50", "1:c8+w150,2:w20")
APP = " benchmarks.steps:application"
OURS = replace(servers.HELLOPOD, name="ours", command=servers.HELLOPOD.command + APP)
FIXED = replace(
    OURS,
    command="-m gunicorn --config python:benchmarks.fixed_limit_conf benchmarks.steps:application",
)
STOCK = replace(
    OURS, name="stock", command="-m gunicorn --bind 127.0.0.1:{port} " + servers.GTHREAD + APP
)
PROBE_EVERY = 0.05  # seconds
SETTINGS = ("PORT", "MANAGEMENT_PORT", "POD_NAME", "CONCURRENCY")  # that a container is given


@dataclass(frozen=True)
class Found:
    """Answers a second and the share of 503; 99th percentiles of 503 and of probes in seconds."""

    server: str
    rate: float
    refused: float
    refusal: float
    probe: float


@dataclass(frozen=True)
class Conditions:
    """What all cells of a run have in common."""

    seconds: float = 5.0  # of load for each point
    limits: Sequence[int] = LIMITS
    quota: float = 0.0  # CPUs of a server; 0 for its core
    connections: str = "keep"

    def of(self, server: servers.Server) -> servers.Server:
        """Return the server in a container, if it has a quota."""
        if not self.quota:
            return server
        options = f"run --rm --network=host --cpus={self.quota} --cpuset-cpus={SERVER_CORE}"
        place = f" --volume={server.directory}:/source:ro --workdir=/source --entrypoint=python"
        environ = "".join(f" --env={name}" for name in SETTINGS)
        image = f" {docker.HELLOPOD.tag} "
        command = options + place + environ + image + server.command
        return replace(server, python=lambda: "docker", command=command)


@contextlib.contextmanager
def probing(url: str) -> Iterator[list[float]]:
    """Ask again and again; the list has the seconds that each took."""
    took: list[float] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.wait(PROBE_EVERY):
            began = time.monotonic()
            with contextlib.suppress(OSError):
                loopback.get(url, timeout=2)
            took.append(time.monotonic() - began)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield took
    finally:
        ended.set()
        thread.join()


def load(port: int, handler: str, arguments: list[str], patience: float) -> dict[str, Any]:
    """Run the load client of the tests on its core."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.runtime.load", str(port), f"/{handler}", *arguments],
        cwd=OURS.directory,
        env={**os.environ, "CLIENT_TIMEOUT": str(patience)},
        preexec_fn=on(GENERATOR_CORE),
        capture_output=True,
        check=True,
    )
    return dict(json.loads(done.stdout)["outcomes"])


def measure(
    server: servers.Server,
    handler: str,
    rate: float | None,
    conditions: Conditions,
    **settings: str,
) -> Found:
    """Start a server, offer so many requests a second, or a closed loop, and count."""
    offered = ["open", str(rate)] if rate else ["closed", str(CLIENTS)]
    offered += [str(conditions.seconds), conditions.connections]
    with servers.running(conditions.of(server), **settings) as process:
        # Stock has no port but this one for probes.
        url = (
            process.url
            if server is STOCK
            else process.metrics.removesuffix("/metrics") + "/healthz"
        )
        load(process.port, handler, ["closed", "2", "0.5"], 30)
        with probing(url) as probes:
            outcomes = load(process.port, handler, offered, 1 if rate else 30)
    count = sum(each["count"] for each in outcomes.values())
    refused = outcomes.get("503", {"count": 0, "p99": 0.0})
    return Found(
        server.name,
        outcomes.get("200", {"rate": 0.0})["rate"],
        refused["count"] / count,
        refused["p99"],
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


def cell(
    handler: str,
    factor: float | None,
    capacity: Found,
    conditions: Conditions,
) -> dict[str, Any]:
    """Measure a cell and print its line."""
    rate = factor * capacity.rate if factor else None
    others = [capacity]
    if factor:
        others = [measure(STOCK, handler, rate, conditions)]
        for limit in conditions.limits:
            fixed = replace(FIXED, name=f"limit {limit}")
            others.append(measure(fixed, handler, rate, conditions, CONCURRENCY=str(limit)))
    ours = measure(OURS, handler, rate, conditions)
    best = max(others, key=lambda each: each.rate)
    missed = misses(handler, factor, ours, best.rate)
    print(
        f"{handler:16} {f'x{factor:g}' if factor else 'closed':6} ours {ours.rate:7.1f}/s, "
        f"{ours.rate / max(best.rate, 1e-9):4.0%} of {best.server} (stock {others[0].rate:.1f}/s); "
        f"refused {ours.refused:6.2%}, 503 p99 {ours.refusal * 1000:.0f} ms; "
        f"probes {ours.probe * 1000:.0f} ms  {', '.join(missed)}",
        flush=True,
    )
    rows = [asdict(each) for each in (ours, *others)]
    return {"handler": handler, "factor": factor, "misses": missed, "servers": rows}


def main() -> None:
    """Print the table; write it."""
    parser = argparse.ArgumentParser(description="Admission on real processes.")
    parser.add_argument("--handlers", default=" ".join(DEFAULT), help="separated by spaces")
    parser.add_argument("--factors", default="3", help="multiples of the capacity")
    parser.add_argument("--all", action="store_true", help="all of the simulation's: hours")
    parser.add_argument("--fixed", default=" ".join(map(str, LIMITS)), help="limits to beat")
    parser.add_argument("--quota", type=float, default=0, help="CPUs of each server")
    parser.add_argument("--connections", choices=("keep", "new"), default="keep")
    parser.add_argument("--seconds", type=float, default=5, help="of load for each point")
    parser.add_argument("--output", type=Path, default=results.RESULTS / "admission.json")
    given = parser.parse_args()
    available()
    if given.quota:
        if why := docker.why_not():
            sys.exit(f"benchmarks: --quota needs Docker: {why}")
        docker.build(docker.HELLOPOD)
    limits = [int(each) for each in given.fixed.split()]
    conditions = Conditions(given.seconds, limits, given.quota, given.connections)
    factors = "0.5 0.8 1 1.5 3 10" if given.all else given.factors
    head = {**results.head(), "quota": given.quota, "connections": given.connections}
    cells: list[dict[str, Any]] = []
    for handler in HANDLERS if given.all else given.handlers.split():
        capacity = measure(STOCK, handler, None, conditions)
        for factor in (None, *map(float, factors.split())):
            cells.append(cell(handler, factor, capacity, conditions))
            results.write(given.output, {**head, "cells": cells})
    missed = [each for each in cells if each["misses"]]
    print(f"\n{len(missed)} of {len(cells)} cells miss")
    for each in missed:
        print(each["handler"], each["factor"] or "closed", *each["misses"])


if __name__ == "__main__":
    main()
