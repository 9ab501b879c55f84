"""hellopod and what a user would pick instead."""

import sys
from dataclasses import replace
from pathlib import Path

from tests.process.environments import installed

from .processes import HERE, ROOT, Server

REFERENCES = HERE / "references"
THREADS = 16  # as many as hellopod's CONCURRENCY
GTHREAD = "-m gunicorn --bind 127.0.0.1:{port} " + f"--worker-class gthread --threads {THREADS}"


def python_of(name: str) -> Path:
    """Return the interpreter of a reference's environment."""
    return installed(REFERENCES / name / "requirements.txt", name)


HELLOPOD = Server(
    "hellopod",
    lambda: sys.executable,
    "-m service",
    directory=ROOT,
    environ={
        "PORT": "{port}",
        "MANAGEMENT_PORT": "{metrics}",
        "POD_NAME": "hellopod-7d4b9c6f5-x2x7k",
    },
    metrics="{metrics}/metrics",
)
TUTORIAL = Server(
    "tutorial",
    lambda: python_of("tutorial"),
    "-m gunicorn --bind 127.0.0.1:{port}",
    "tutorial.app:app",
)
BARE = Server("bare Flask, gthread", lambda: python_of("bare"), GTHREAD, "bare.app:app")
EXPORTER = Server(
    "with exporter",
    lambda: python_of("exporter"),
    GTHREAD,
    "exporter.app:app",
    metrics="{port}/metrics",
)
GRANIAN = Server(
    "bare Flask, granian",
    lambda: python_of("granian"),
    "-m granian --interface wsgi --host 127.0.0.1 --port {port} "
    f"--workers 1 --blocking-threads {THREADS}",
    "bare.app:app",
)
ALL = (HELLOPOD, TUTORIAL, BARE, EXPORTER, GRANIAN)


def with_steps(server: Server, app: str = "") -> Server:
    """Return the server with the steps of benchmarks.apps in place of what its app has."""
    own = "benchmarks.apps:steps()" if server is HELLOPOD else "benchmarks.apps:bare_steps()"
    if server is GRANIAN:  # calls what returns an app only so
        own, server = own.removesuffix("()"), replace(server, command=f"{server.command} --factory")
    return replace(server, app=app or own, directory=ROOT)
