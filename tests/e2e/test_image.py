"""The image by itself, as `docker run` shows it."""

import json
import os
import re
import shutil
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .cluster import Cluster
from .commands import CommandFailed, run
from .kustomization import ROOT, image_of
from .waiting import eventually

DOCKERFILE = (ROOT / "Dockerfile").read_text()
[OFFICIAL] = re.findall("^FROM (.*) AS python$", DOCKERFILE, re.MULTILINE)
BASE = os.environ.get("PYTHON_IMAGE", OFFICIAL)
HARDENED = (
    *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--env", "PYTHONSAFEPATH=1"),
)
FILES = """
import json, os
skip = ("/proc", "/sys", "/dev", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
paths = (os.path.join(top, name) for top, _, names in os.walk("/") for name in names)
print(json.dumps([path for path in paths if not path.startswith(skip)]))
"""
PACKAGES = """
import importlib.metadata, json, platform
names = [package.name for package in importlib.metadata.distributions()]
print(json.dumps([names, platform.python_version()]))
"""


@pytest.fixture(scope="module")
def image(cluster: Cluster, pytestconfig: pytest.Config) -> str:
    """Give the image that the suite has built and deployed."""
    if pytestconfig.getoption("image") or not cluster.kind_name:
        pytest.skip(
            "it was built elsewhere, with what arguments and on what base nobody knows here"
        )
    return image_of(cluster.kustomization)


@pytest.fixture(params=[(), HARDENED], ids=["plain", "hardened"])
def container(image: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give a running container; its port 8000 is on a free port of this machine."""
    started = run(
        "docker", "run", "--detach", "--publish", "127.0.0.1::8000", *request.param, image
    )
    container = started.stdout.strip()
    yield container
    run("docker", "rm", "--force", container)


def test_run_and_stop(container: str) -> None:
    address = run("docker", "port", container, "8000").stdout.split()[0]

    def answers() -> str:
        with urllib.request.urlopen(f"http://{address}/api/identity", timeout=5) as response:
            return json.load(response)["pod"]

    hostname = container[:12]
    assert eventually(answers, seconds=20, also=(OSError,)) == hostname
    start = time.monotonic()
    run("docker", "stop", container)
    assert time.monotonic() - start < 3
    state = json.loads(run("docker", "inspect", container).stdout)[0]["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)


def test_options_of_gunicorn_are_checked_before_it_reads_them(image: str) -> None:
    variable = "GUNICORN_CMD_ARGS=--wor 4"
    with pytest.raises(
        CommandFailed, match="^exit code 1: .*\nhellopod: GUNICORN_CMD_ARGS is not "
    ):
        run("docker", "run", "--rm", "--env", variable, image)


def test_too_few_threads_stop_the_start(image: str) -> None:
    """A pod that may not start its threads would serve until they are needed."""
    command = ("docker", "run", "--rm", "--pids-limit", "40", image)
    with pytest.raises(CommandFailed, match="64 threads are needed"):
        run(*command, seconds=60)


def test_only_locked_packages(image: str) -> None:
    printed = run("docker", "run", "--rm", image, "python", "-c", PACKAGES).stdout
    installed, version = json.loads(printed)

    assert {canonicalize_name(name) for name in installed} == locked(version)


def locked(version: str) -> set[str]:
    """Return the packages of the lock that are for Linux and a release of Python.

    A lock has those for other systems, too: psycopg needs tzdata on Windows.
    """
    lines = re.findall(r"^\w.*==.*", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    pins = [Requirement(line.rstrip(" \\")) for line in lines]
    system = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    python = {"python_full_version": version, "python_version": version.rpartition(".")[0]}
    return {
        canonicalize_name(pin.name)
        for pin in pins
        if pin.marker is None or pin.marker.evaluate({**system, **python})
    }


def test_adds_only_code_and_environment(image: str) -> None:
    def files_of(name: str) -> set[str]:
        walk = ("docker", "run", "--rm", "--user", "0", name, "python", "-c", FILES)
        return set(json.loads(run(*walk).stdout))

    added = files_of(image) - files_of(BASE)

    assert {"/".join(path.split("/")[:3]) for path in added} <= {"/app/service", "/opt/venv"}
    assert not [path for path in added if "/pip/" in path or path.endswith("/pip")]


def test_size_and_user(image: str) -> None:
    details = {name: json.loads(run("docker", "inspect", name).stdout)[0] for name in (image, BASE)}

    added = (details[image]["Size"] - details[BASE]["Size"]) / 1e6
    print(f"{image} is {added:.1f} MB larger than {BASE}")
    # begin: leaves with make rename
    assert added <= 15
    # end: leaves with make rename
    assert details[image]["Config"]["User"] == "10001:10001"
    labels = details[image]["Config"]["Labels"]
    assert labels["org.opencontainers.image.version"] == image.rpartition(":")[2]


def test_code_change_rebuilds_in_seconds(image: str, tmp_path: Path) -> None:
    for name in ("Dockerfile", ".dockerignore", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "service", tmp_path / "service")
    with (tmp_path / "service/api.py").open("a") as code:
        code.write("# edited\n")

    base = ("--build-arg", f"PYTHON_IMAGE={BASE}")
    start = time.monotonic()
    # No tag: what it makes is not kept by a name.
    run("docker", "build", "--quiet", *base, tmp_path, env={"DOCKER_BUILDKIT": "1"}, seconds=120)
    print(f"rebuilt in {time.monotonic() - start:.1f} s")
    assert time.monotonic() - start < 20
