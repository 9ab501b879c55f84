"""Servers as processes: one core for the server, the other for its load."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.request import ProxyHandler, build_opener

from tests.runtime.ports import free_port

HERE = Path(__file__).parent
ROOT = HERE.parent
SERVER_CORE, LOAD_CORE = 0, 1
STARTED = 60  # seconds that a start may take; under valgrind it does
LOOPBACK = build_opener(ProxyHandler({}))  # past any proxy that the environment names


@dataclass(frozen=True)
class Server:
    """How to start one; in its command and environment {port} and {metrics} are free ports."""

    name: str
    python: Callable[[], Path | str]
    command: str
    app: str = ""  # MODULE:APP, behind the command
    directory: Path = HERE / "references"
    environ: Mapping[str, str] = field(default_factory=dict)
    metrics: str = ""  # the port and path of its metrics, if it has any: "{metrics}/metrics"


@dataclass(frozen=True)
class Running:
    """A server with its first answer behind it."""

    port: int
    metrics: str  # URL
    pid: int
    seconds: float  # from exec to its first answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def check_cores() -> None:
    """Raise SystemExit without the two cores."""
    if not {SERVER_CORE, LOAD_CORE} <= os.sched_getaffinity(0):
        sys.exit(f"benchmarks: needs CPUs {SERVER_CORE} and {LOAD_CORE}")


def on(core: int) -> Callable[[], None]:
    """Return a preexec_fn: it takes a core and many open files. SystemExit without two cores."""
    check_cores()

    def begin() -> None:
        os.sched_setaffinity(0, {core})
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's "&" has it ignored
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    return begin


def get(url: str, timeout: float = 60) -> bytes:
    """Return a body; raises OSError. For a status of 400 or more that is an HTTPError."""
    with LOOPBACK.open(url, timeout=timeout) as response:
        return bytes(response.read())


@contextmanager
def running(server: Server, **settings: str) -> Iterator[Running]:
    """Start it on its core, wait for its first answer, end it; its log goes to a file."""
    python = server.python()
    with tempfile.TemporaryFile() as log:
        port = free_port()
        places = {"port": port, "metrics": free_port()}
        environ = {name: text.format(**places) for name, text in server.environ.items()}
        began = time.monotonic()
        process = subprocess.Popen(
            [python, *f"{server.command} {server.app}".format(**places).split()],
            cwd=server.directory,
            env={"PATH": os.environ["PATH"], "HOSTNAME": "hellopod-7d4b9c6f5-x2x7k"}
            | environ
            | settings,
            stdout=log,
            stderr=log,
            preexec_fn=on(SERVER_CORE),
            start_new_session=True,
        )
        try:
            wait_for_answer(process, f"http://127.0.0.1:{port}/", log)
            metrics = f"http://127.0.0.1:{server.metrics.format(**places)}"
            yield Running(port, metrics, process.pid, time.monotonic() - began)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # its workers too
                process.wait()


def wait_for_answer(process: subprocess.Popen[bytes], url: str, log: IO[bytes]) -> None:
    deadline = time.monotonic() + STARTED
    while time.monotonic() < deadline and process.poll() is None:
        try:
            get(url, timeout=1)
            return
        except OSError:
            time.sleep(0.002)
    log.seek(0)
    sys.exit(f"benchmarks: a server did not start: {log.read().decode()[-2000:]}")
