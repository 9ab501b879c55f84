"""Docker: images of hellopod and the tutorial's app, and containers on one core of this machine."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import loopback
from .cores import SERVER_CORE
from .servers import HERE, REFERENCES, STARTED

BASE = os.environ.get("PYTHON_IMAGE", "python:3.13-slim")  # of both
UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
MIB = 2**20


@dataclass(frozen=True)
class Image:
    """What an image is built from."""

    name: str
    context: Path
    files: tuple[str, ...]  # all of the context that the build reads
    code: str  # the file that somebody changes all day

    @property
    def tag(self) -> str:
        return f"{self.name}:benchmark"


HELLOPOD = Image(
    "hellopod",
    HERE.parent,
    ("Dockerfile", ".dockerignore", "requirements.txt", "service"),
    "service/version.py",
)
TUTORIAL = Image(
    "tutorial", REFERENCES / "tutorial", ("Dockerfile", "requirements.txt", "app.py"), "app.py"
)
IMAGES = (HELLOPOD, TUTORIAL)


@dataclass(frozen=True)
class Container:
    """One that serves; its ports are published on the loopback address."""

    id: str

    def url(self, port: int = 8000) -> str:
        return "http://" + docker("port", self.id, str(port)).splitlines()[0]

    def working_set(self) -> float:
        """Return the memory in MiB that the kernel cannot take back for the asking.

        docker stats leaves out the inactive part of the page cache, as the kubelet does.
        """
        return parse_memory(docker("stats", "--no-stream", "--format", "{{.MemUsage}}", self.id))


def why_not() -> str:
    """Say why there is no Docker to measure with, if there is none."""
    if not shutil.which("docker"):
        return "docker is not on PATH"
    if subprocess.run(["docker", "info"], capture_output=True).returncode:
        return "the Docker daemon does not answer"
    return ""


def docker(*arguments: str | Path, given: str | None = None) -> str:
    """Run the client and return what it prints; raises RuntimeError with its complaint."""
    run = subprocess.run(
        ["docker", *arguments],
        input=given,
        stdin=None if given else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
    )
    if run.returncode:
        raise RuntimeError(f"docker {arguments[0]}: {run.stderr.strip()[-2000:]}")
    return run.stdout.strip()


def build(image: Image, context: Path | None = None, *options: str) -> float:
    """Build it, from a copy of its context if one is given; return the seconds."""
    base = ("--build-arg", f"PYTHON_IMAGE={BASE}", "--tag", image.tag)
    began = time.monotonic()
    docker("build", *base, *options, context or image.context)
    return time.monotonic() - began


def size(reference: str) -> float:
    """Return an image's size in MB, uncompressed."""
    return int(docker("image", "inspect", "--format", "{{.Size}}", reference)) / 1e6


def base_size() -> float:
    """Return the size of the base, which a build may have pulled without giving it a name."""
    docker("build", "--tag", "base:benchmark", "-", given=f"FROM {BASE}\n")
    return size("base:benchmark")


@contextmanager
def serving(image: Image, ports: tuple[int, ...] = (8000,)) -> Iterator[Container]:
    """Run a container for the length of the block, from its first answer on."""
    published = [f"--publish=127.0.0.1::{port}" for port in ports]
    core = f"--cpuset-cpus={SERVER_CORE}"
    container = Container(docker("run", "--detach", core, *published, image.tag))
    try:
        wait_for_answer(container)
        yield container
    finally:
        docker("rm", "--force", container.id)


def wait_for_answer(container: Container) -> None:
    deadline = time.monotonic() + STARTED
    while time.monotonic() < deadline:
        try:
            loopback.get(container.url() + "/", timeout=10)
        except (OSError, RuntimeError):  # RuntimeError: it ended, and its ports with it
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"a container did not start: {docker('logs', container.id)[-2000:]}")


def parse_memory(text: str) -> float:
    """Return MiB of "38.52MiB / 1.5GiB"."""
    found = re.match(r"([\d.]+)(B|[KMG]iB) / ", text)
    assert found, text
    return float(found[1]) * UNITS[found[2]] / MIB
