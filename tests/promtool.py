"""Prometheus' own checks: promtool from PATH, else from Prometheus' image."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

IMAGE = os.environ.get("PROMETHEUS_IMAGE", "prom/prometheus:v3.16.0")


def promtool(*arguments: str, folder: Path, text: str = "") -> str:
    """Run it in a folder; returns what it prints, and fails if it finds something."""
    ran = subprocess.run(
        [*command(folder), *arguments],
        input=text,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,  # it computes for ten seconds, on a machine that may be busy
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout + ran.stderr
    return ran.stdout


def command(folder: Path) -> list[str]:
    if shutil.which("promtool"):
        return ["promtool"]
    if image_is_there():
        # As who we are: the image's own user may not read a folder of the tests.
        options = ["--user", str(os.getuid()), "--volume", f"{folder}:/checked:ro"]
        inside = ["--workdir", "/checked", "--entrypoint", "promtool", IMAGE]
        return ["docker", "run", "--rm", "--interactive", *options, *inside]
    missing = f"promtool is not on PATH (it comes with Prometheus), and docker cannot get {IMAGE}"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


@cache
def image_is_there() -> bool:
    if not shutil.which("docker"):
        return False
    look, pull = ["docker", "image", "inspect", IMAGE], ["docker", "pull", "--quiet", IMAGE]
    return any(
        subprocess.run(attempt, capture_output=True, timeout=300).returncode == 0
        for attempt in (look, pull)
    )
