"""Instructions that a request of `/` takes, which no neighbour disturbs:
python -m benchmarks.instructions

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
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from . import oha, servers
from .comparison import Comparison

INSTALL = "benchmarks: valgrind is not on PATH; most distributions have a package of that name"
FEW, MANY = 100, 700  # requests
SERVERS = (
    servers.HELLOPOD,
    servers.QUIET,
    servers.TUTORIAL,
    servers.BARE,
    servers.EXPORTER,
    servers.LOGGED,
    servers.ON_GTHREAD,
)
CALLER = Path(__file__).with_name("wsgi_calls.py")


def counting(directory: str) -> list[str]:
    """Return the command that counts what the command behind it executes."""
    options = ["--tool=callgrind", "--trace-children=yes"]
    return ["valgrind", *options, f"--callgrind-out-file={directory}/%p"]


def counted(directory: str) -> int:
    """Return the total of all processes, as callgrind writes it."""
    texts = [file.read_text() for file in Path(directory).iterdir()]
    found = re.findall(r"^totals: ([0-9]+)$", "\n".join(texts), re.MULTILINE)
    return sum(map(int, found))


def served(server: servers.Server, requests: int) -> int:
    """Return the instructions from a server's start to its end."""
    with tempfile.TemporaryDirectory() as directory:
        first, *others = counting(directory)
        command = " ".join([*others, str(server.python()), server.command])
        with servers.running(replace(server, python=lambda: first, command=command)) as process:
            oha.requests(f"{process.url}/", requests, connections=1)
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


def main() -> None:
    """Print two tables; raises SystemExit without valgrind or oha."""
    oha.available()
    if not shutil.which("valgrind"):
        sys.exit(INSTALL)
    by_server = {server.name: each(partial(served, server)) for server in SERVERS}
    calls = {
        "hellopod": partial(called, servers.HELLOPOD, "service:create_app", "yes"),
        "hellopod, no access log": partial(called, servers.HELLOPOD, "service:create_app", ""),
        "bare Flask": partial(called, servers.BARE, "bare.app:app", ""),
        "with exporter": partial(called, servers.EXPORTER, "exporter.app:app", ""),
    }
    by_app = {name: each(count) for name, count in calls.items()}
    for what, values in (("a request of /", by_server), ("a call of the app alone", by_app)):
        print(Comparison(f"instructions of {what}", "thousands", values).table())


if __name__ == "__main__":
    main()
