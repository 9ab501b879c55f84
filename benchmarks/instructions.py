"""Instructions that a request takes, which no neighbour disturbs: python -m benchmarks.instructions

valgrind counts them: in all processes of a server that gets requests one after the other over one
connection; and where the app is called without a server, which is what its features cost whoever
serves it. Starting takes the same for few and for many. An instruction is no unit of time, but all
of these are mostly the interpreter's.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from . import servers
from .comparison import OURS, Comparison, Goal
from .sequence import RECORD, Held, Request, send

INSTALL = "benchmarks: valgrind is not on PATH; most distributions have a package of that name"
FEW, MANY = 100, 700  # requests
CALLER = Path(__file__).with_name("wsgi_calls.py")
HANDLERS = replace(
    servers.HELLOPOD, command=f"{servers.HELLOPOD.command} benchmarks.handlers:create_app()"
)
FULL = {"CONCURRENCY": "1", "QUEUE_LENGTH": "0", "HANDLER_TIMEOUT": "3600"}


def counting(directory: str) -> list[str]:
    """Return the command that counts what the command behind it executes."""
    options = ["--tool=callgrind", "--trace-children=yes"]
    return ["valgrind", *options, f"--callgrind-out-file={directory}/%p"]


def counted(directory: str) -> int:
    """Return the total of all processes, as callgrind writes it."""
    texts = [file.read_text() for file in Path(directory).iterdir()]
    found = re.findall(r"^totals: ([0-9]+)$", "\n".join(texts), re.MULTILINE)
    return sum(map(int, found))


def served(
    server: servers.Server, request: Request, number: int, to: str = "service", **settings: str
) -> int:
    """Return the instructions from a server's start to its end.

    `to` is "service", or "management" for that port, or "full" for a server whose slots are taken.
    """
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        first, *others = counting(directory)
        command = " ".join([*others, str(server.python()), server.command])
        counted_server = replace(server, python=lambda: first, command=command)
        with servers.running(counted_server, **settings) as process:
            management = urlsplit(process.metrics).port or process.port
            if to == "full":
                stack.enter_context(Held(process.port))
            send(management if to == "management" else process.port, request, number)
            stack.close()
        return counted(directory)


def called(server: servers.Server, app: str, logged: str, requests: int) -> int:
    """Return the instructions of a process that calls a server's app."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(
            [*counting(directory), server.python(), CALLER, app, str(requests)],
            cwd=server.directory,
            env={"PATH": os.environ["PATH"], "LOGGED": logged},
            check=True,
            capture_output=True,
        )
        return counted(directory)


def each(count: Callable[[int], int]) -> list[float]:
    """Return thousands of instructions a request."""
    few = count(FEW)  # first: it may compile modules
    return [(count(MANY) - few) / (MANY - FEW) / 1000]


def by_server(request: Request, *found: servers.Server) -> Mapping[str, Callable[[int], int]]:
    """Return what counts requests, for each server."""
    return {server.name: partial(served, server, request) for server in found}


def tables() -> dict[str, tuple[int | None, Mapping[str, Callable[[int], int]]]]:
    """Return what is counted, the most thousands that ours may take, and how to count each."""
    root, identity = Request("/"), Request("/api/identity")
    compared = servers.BARE, servers.EXPORTER, servers.GRANIAN
    others = servers.QUIET, servers.TUTORIAL, servers.LOGGED, servers.ON_GTHREAD
    refused = partial(served, HANDLERS, Request("/", status=503), to="full", **FULL)
    probe = partial(served, servers.HELLOPOD, Request("/healthz"), to="management")
    app = "service:create_app"
    return {
        "a request of /": (750, by_server(root, servers.HELLOPOD, *compared, *others)),
        "/api/identity": (850, by_server(identity, servers.HELLOPOD, *compared)),
        "2 kB of JSON echoed": (
            None,
            by_server(Request("/echo", "POST", RECORD), HANDLERS, servers.BARE),
        ),
        "a refusal": (90, {OURS: refused}),
        "a probe": (90, {OURS: probe}),
        "a call of the app alone": (
            None,
            {
                OURS: partial(called, servers.HELLOPOD, app, "yes"),
                servers.QUIET.name: partial(called, servers.HELLOPOD, app, ""),
                "bare Flask": partial(called, servers.BARE, "bare.app:app", ""),
                servers.EXPORTER.name: partial(called, servers.EXPORTER, "exporter.app:app", ""),
            },
        ),
    }


def main() -> None:
    """Print a table for each; raises SystemExit without valgrind."""
    if not shutil.which("valgrind"):
        sys.exit(INSTALL)
    for what, (most, counts) in tables().items():
        values = {name: each(count) for name, count in counts.items()}
        goals = [Goal(OURS, at_most=most, of="value")] if most else []
        print(Comparison(f"instructions of {what}", "thousands", values, goals).table(), flush=True)


if __name__ == "__main__":
    main()
