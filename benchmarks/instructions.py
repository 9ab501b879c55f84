"""Instructions that a request takes: python -m benchmarks.instructions

valgrind counts them, and no neighbour disturbs that: in all processes of a server that gets
requests one after the other over one connection. Starting takes the same for few and for many.
"""

import compileall
import json
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from . import servers
from .comparison import OURS, Comparison, Goal, show
from .processes import HERE, ROOT, Server, running

INSTALL = "benchmarks: valgrind is not on PATH; most distributions have a package of that name"
KILLED = "benchmarks: a server was killed before valgrind could write what it counted"
FEW, MANY = 100, 700  # requests
OCCUPIED = servers.with_steps(servers.HELLOPOD, "benchmarks.apps:with_occupied()")
ECHO = "/echo"
RECORD = json.dumps({f"field_{number}": "abcdefghij" * 9 for number in range(20)})  # 2 kB
FULL = {"CONCURRENCY": "1", "QUEUE_LENGTH": "0", "HANDLER_TIMEOUT": "3600"}


def send(port: int, path: str, number: int, status: int = 200, identity: str = "") -> None:
    """Send so many over one connection; SystemExit at any other status. {} is their number."""
    headers = {"User-Agent": "benchmarks", "Accept": "*/*", "Content-Type": "application/json"}
    method, body = ("POST", RECORD) if path == ECHO else ("GET", None)
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        for count in range(number):
            if identity:
                headers["X-Request-ID"] = identity.format(count)
            connection.request(method, path.format(count), body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != status:
                sys.exit(f"benchmarks: {path} answered {answer.status}, not {status}")


@contextmanager
def occupied(port: int) -> Iterator[None]:
    """Keep a handler of benchmarks.apps busy for the length of the block."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        closing(HTTPConnection("127.0.0.1", port, timeout=60)) as client,
    ):
        listener.settimeout(60)
        client.request("GET", f"/occupy/{listener.getsockname()[1]}")
        handler, _ = listener.accept()
        with handler:
            yield
        client.getresponse().read()


def counting(directory: str) -> list[str]:
    """Return the command that counts what the command behind it executes."""
    out = f"--callgrind-out-file={directory}/%p"
    return ["valgrind", "--tool=callgrind", "--trace-children=yes", out]


def counted(directory: str) -> int:
    """Return the total of all processes, as callgrind writes it; SystemExit if all were killed."""
    texts = [file.read_text() for file in Path(directory).iterdir()]
    found = re.findall(r"^totals: ([0-9]+)$", "\n".join(texts), re.MULTILINE)
    return sum(map(int, found)) or sys.exit(KILLED)


def served(server: Server, path: str, number: int, to: str = "service", identity: str = "") -> int:
    """Return the instructions from a server's start to its end.

    `to` is "service", or "management" for that port, or "full" for a server whose slots are taken.
    """
    settings = FULL if to == "full" else {}
    with tempfile.TemporaryDirectory() as directory:
        first, *others = counting(directory)
        command = " ".join([*others, str(server.python()), server.command])
        environ = {**server.environ, "PYTHONHASHSEED": "0"}  # or starts differ by 3 million
        counted_server = replace(server, python=lambda: first, command=command, environ=environ)
        with running(counted_server, **settings) as process:
            with occupied(process.port) if settings else nullcontext():
                port = (to == "management" and urlsplit(process.metrics).port) or process.port
                send(port, path, number, 503 if settings else 200, identity)
        return counted(directory)


def each(count: Callable[[int], int]) -> list[float]:
    """Return thousands of instructions a request."""
    return [(count(MANY) - count(FEW)) / (MANY - FEW) / 1000]


def by_server(path: str, *found: Server) -> Mapping[str, Callable[[int], int]]:
    """Return what counts requests, for each server."""
    return {server.name: partial(served, server, path) for server in found}


def tables() -> dict[str, tuple[int | None, Mapping[str, Callable[[int], int]]]]:
    """Return what is counted, the most thousands that ours may take, and how to count each."""
    refusal = partial(served, OCCUPIED, to="full")
    probe = partial(served, servers.HELLOPOD, "/healthz", to="management")
    compared = servers.HELLOPOD, servers.BARE, servers.EXPORTER, servers.GRANIAN
    return {
        "a request of /": (750, by_server("/", *compared, servers.TUTORIAL)),
        "/api/identity": (850, by_server("/api/identity", *compared)),
        "2 kB of JSON echoed": (None, by_server(ECHO, OCCUPIED, servers.BARE)),
        "a refusal": (90, {OURS: partial(refusal, "/")}),
        "a refusal, each differing": (90, {OURS: partial(refusal, "/?{}")}),
        "a refusal, each header differing": (90, {OURS: partial(refusal, "/", identity="id-{}")}),
        "a probe": (90, {OURS: probe}),
    }


def main() -> None:
    """Print a table for each; raises SystemExit without valgrind."""
    if not shutil.which("valgrind"):
        sys.exit(INSTALL)
    for directory in (HERE, ROOT / "service"):  # or the first start has more to do than others
        compileall.compile_dir(directory, quiet=1)
    for what, (most, counts) in tables().items():
        values = {name: each(count) for name, count in counts.items()}
        goals = [Goal(OURS, at_most=most, of="value")] if most else []
        show([Comparison(f"instructions of {what}", "thousands", values, goals)])


if __name__ == "__main__":
    main()
