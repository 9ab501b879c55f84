"""hellopod and what a user would pick instead, each as a process on one core."""

import fcntl
import hashlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from . import loopback
from .cores import SERVER_CORE, on

HERE = Path(__file__).parent
REFERENCES = HERE / "references"
ENVIRONMENTS = HERE.parent / ".venv-references"
THREADS = 16  # as many as hellopod's CONCURRENCY
STARTED = 60  # seconds that a start may take; under valgrind it does


@dataclass(frozen=True)
class Server:
    """How to start one; in its command and environment {port} and {metrics} are free ports."""

    name: str
    python: Callable[[], Path | str]
    command: str
    directory: Path = REFERENCES
    environ: Mapping[str, str] = field(default_factory=dict)
    metrics: str = ""  # where it serves its metrics, if it does: "{metrics}/metrics"


@dataclass(frozen=True)
class Running:
    """One that serves."""

    port: int
    metrics: str
    pid: int
    seconds: float  # from exec to its first answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def python_of(name: str) -> Path:
    """Return the interpreter of a reference's environment, as its lock and this Python are now."""
    return installed(REFERENCES / name / "requirements.txt", name)


def installed(lock: Path, name: str) -> Path:
    """Return the interpreter of an environment that holds what a lock does."""
    folder = ENVIRONMENTS / name
    interpreter = folder / "bin" / "python"
    stamp = folder / "lock.sha256"
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    ENVIRONMENTS.mkdir(exist_ok=True)
    with open(ENVIRONMENTS / f"{name}.lock", "w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # tests run in parallel
        if not (stamp.exists() and stamp.read_text() == digest):
            print(f"installing {name}", file=sys.stderr)
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            pip = (interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
            subprocess.run([*pip, "--require-hashes", "--requirement", lock], check=True)
            stamp.write_text(digest)
    return interpreter


def gunicorn(name: str, environment: str, arguments: str, **more: object) -> Server:
    command = "-m gunicorn --bind 127.0.0.1:{port} " + arguments
    return Server(name, lambda: python_of(environment), command, **more)  # type: ignore[arg-type]


GTHREAD = f"--worker-class gthread --threads {THREADS}"
HELLOPOD = Server(
    "hellopod",
    lambda: sys.executable,
    "-m service",
    directory=HERE.parent,
    environ={
        "PORT": "{port}",
        "MANAGEMENT_PORT": "{metrics}",
        "POD_NAME": "hellopod-7d4b9c6f5-x2x7k",
    },
    metrics="{metrics}/metrics",
)
TUTORIAL = gunicorn("tutorial", "tutorial", "tutorial.app:app")
BARE = gunicorn("bare Flask, gthread", "bare", f"{GTHREAD} bare.app:app")
EXPORTER = gunicorn(
    "with exporter", "exporter", f"{GTHREAD} exporter.app:app", metrics="{port}/metrics"
)
MULTIPROCESS = gunicorn(
    "with exporter, 4 workers",
    "exporter",
    f"{GTHREAD} --workers 4 --config python:exporter.gunicorn_conf exporter.multiprocess:app",
    environ={"METRICS_PORT": "{metrics}", "PROMETHEUS_MULTIPROC_DIR": "{directory}"},
    metrics="{metrics}/metrics",
)
# What features cost whoever serves them: gunicorn's log; hellopod's app and log on gunicorn's own
# worker; and hellopod without a log.
LOGGED = gunicorn(
    "with exporter, access log", "exporter", f"{GTHREAD} --access-logfile - exporter.app:app"
)
ON_GTHREAD = replace(
    HELLOPOD,
    name="hellopod's app on gthread",
    command="-m gunicorn --bind 127.0.0.1:{port} "
    f"--config python:benchmarks.gthread_conf --threads {THREADS}",
    metrics="",
)
QUIET = replace(
    HELLOPOD,
    name="hellopod, no access log",
    environ={**HELLOPOD.environ, "LOG_LEVEL": "warning"},
)
GRANIAN = Server(
    "bare Flask, granian",
    lambda: python_of("granian"),
    "-m granian --interface wsgi --host 127.0.0.1 --port {port} "
    f"--workers 1 --blocking-threads {THREADS} bare.app:app",
)
ALL = (HELLOPOD, TUTORIAL, BARE, EXPORTER, MULTIPROCESS, GRANIAN)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def running(server: Server, **settings: str) -> Iterator[Running]:
    """Start it on its core, wait for its first answer, end it; what it logs goes to a file."""
    python = server.python()
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryFile() as log:
        places = {"port": free_port(), "metrics": free_port(), "directory": directory}
        environ = {name: text.format(**places) for name, text in server.environ.items()}
        began = time.monotonic()
        process = subprocess.Popen(
            [python, *server.command.format(**places).split()],
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
            url = f"http://127.0.0.1:{places['port']}/"
            wait_for_answer(process, url, log)
            metrics = f"http://127.0.0.1:{server.metrics.format(**places)}"
            yield Running(places["port"], metrics, process.pid, time.monotonic() - began)
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
            loopback.get(url, timeout=1)
            return
        except OSError:
            time.sleep(0.002)
    log.seek(0)
    sys.exit(f"benchmarks: a server did not start: {log.read().decode()[-2000:]}")
