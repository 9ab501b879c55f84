"""Docker: images of hellopod and of apps beside it, and containers on one core of this machine."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from .processes import ROOT, SERVER_CORE, Server
from .servers import REFERENCES

BASE = os.environ.get("PYTHON_IMAGE", "python:3.13-slim")  # of all
UNITS = {"B": 2**-20, "KiB": 2**-10, "MiB": 1, "GiB": 2**10}
# Where the client finds its daemon.
DAEMON = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}


class Image(NamedTuple):
    """What an image is built from."""

    name: str
    context: Path

    @property
    def tag(self) -> str:
        return f"{self.name}:benchmark"


HELLOPOD = Image("hellopod", ROOT)
TUTORIAL = Image("tutorial", REFERENCES / "tutorial")
BARE = Image("bare", REFERENCES / "bare")
IMAGES = (HELLOPOD, TUTORIAL)


def why_not(*programs: str) -> str:
    """Say why there are no Docker and programs to measure with; empty if they are there."""
    missing = [program for program in (*programs, "docker") if not shutil.which(program)]
    if missing:
        return f"{' and '.join(missing)} not on PATH"
    if subprocess.run(["docker", "info"], capture_output=True).returncode:
        return "the Docker daemon does not answer"
    return ""


def docker(*arguments: str | Path, given: str = "") -> str:
    """Run the client and return what it prints; raises RuntimeError with its complaint."""
    environ = {**os.environ, "DOCKER_BUILDKIT": "1"}
    run = subprocess.run(
        ["docker", *arguments], input=given, capture_output=True, text=True, env=environ
    )
    if run.returncode:
        raise RuntimeError(f"docker {arguments[0]}: {run.stderr.strip()[-2000:]}")
    return run.stdout.strip()


def build(image: Image) -> None:
    docker("build", "--build-arg", f"PYTHON_IMAGE={BASE}", "--tag", image.tag, image.context)


def size(reference: str) -> float:
    """Return an image's size in MB, uncompressed."""
    return int(docker("image", "inspect", "--format", "{{.Size}}", reference)) / 1e6


def base_size() -> float:
    """Return the size of the base. A build may have pulled it without giving it a name."""
    docker("build", "--tag", "base:benchmark", "-", given=f"FROM {BASE}\n")
    return size("base:benchmark")


def container(image: Image) -> Server:
    """Return a server that is the image's container, on the core for servers."""
    run = f"run --rm --name={image.name}-benchmark --cpuset-cpus={SERVER_CORE}"
    ports = "--publish=127.0.0.1:{port}:8000 --publish=127.0.0.1:{metrics}:9000"
    command = f"{run} {ports} {image.tag}"
    metrics = "{metrics}/metrics"
    return Server(image.name, lambda: "docker", command, environ=DAEMON, metrics=metrics)


def working_set(image: Image) -> float:
    """Return the memory in MiB of its container that the kernel cannot take back for the asking.

    docker stats leaves out the inactive part of the page cache, as the kubelet does.
    """
    name = f"{image.name}-benchmark"
    return parse_memory(docker("stats", "--no-stream", "--format", "{{.MemUsage}}", name))


def parse_memory(text: str) -> float:
    """Return MiB of "38.52MiB / 1.5GiB"."""
    found = re.match(r"([\d.]+)(B|[KMG]iB) / ", text)
    assert found, text
    return float(found[1]) * UNITS[found[2]]
