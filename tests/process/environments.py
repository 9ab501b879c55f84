"""Environments of what is no part of this project: apps that others wrote, each from a lock."""

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

ENVIRONMENTS = Path(__file__).parents[2] / ".venv-references"


def installed(lock: Path, name: str) -> Path:
    """Return the interpreter of an environment with what a lock names, made if it is not there."""
    folder = ENVIRONMENTS / name
    interpreter, stamp = folder / "bin" / "python", folder / "lock.sha256"
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
