"""Runs the programs that `make up` needs: says what it does, and what to do when one fails."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
INSTALL = {
    "docker": "https://docs.docker.com/engine/install/",
    "kind": "https://kind.sigs.k8s.io/docs/user/quick-start/#installation",
    "kubectl": "https://kubernetes.io/docs/tasks/tools/",
}
DOT = 2  # seconds for each dot
TAIL = 15  # lines of what a failed program has printed


class Failure(Exception):
    """One sentence that ends with what to type next."""


def need(*programs: str) -> None:
    """Raise Failure for a program that is missing, or a Docker that does not answer."""
    for program in programs:
        if not shutil.which(program):
            raise Failure(f"{program} is not on PATH; install it: {INSTALL[program]}")
    if "docker" in programs and not works("docker", "info"):
        raise Failure("the Docker daemon does not answer; start it, and see: docker info")


def works(*command: str) -> bool:
    """Whether a command succeeds."""
    return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0


def output(*command: str, given: str | None = None) -> str:
    """Return what a command prints; empty if it fails."""
    run = subprocess.run(
        command, input=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    return run.stdout if run.returncode == 0 else ""


def step(saying: str, *command: str, failing: str, given: str | None = None) -> None:
    """Run a command with a line that grows while it runs; Failure(failing) if it fails."""
    start = time.monotonic()
    print(f"{saying} ", end="", flush=True)
    with open(os.devnull) as nothing:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=nothing if given is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "DOCKER_BUILDKIT": "1"},
        )
    try:
        printed = wait(process, given)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    print(f" {time.monotonic() - start:.0f} s", flush=True)
    if process.returncode:
        print("\n".join(printed.splitlines()[-TAIL:]), file=sys.stderr)
        raise Failure(failing)


def wait(process: subprocess.Popen[str], given: str | None) -> str:
    """Print a dot now and again until the process has ended; return what it printed."""
    while True:
        try:
            return process.communicate(given, timeout=DOT)[0]
        except subprocess.TimeoutExpired:
            given = None  # it is being written already
            print(".", end="", flush=True)
