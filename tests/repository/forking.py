"""Forks of this repository, made as their owners make them."""

import fcntl
import sys

from tests.copying import REPOSITORY, copy, git, run


def make(directory, *arguments, **environ):
    """Run it to its end; not within the time that CI allows, as this is not all that runs."""
    command = "make", f"PYTHON={sys.executable}", *arguments
    result = run(directory, *command, CI="", PYTEST="", **environ)
    assert result.returncode == 0, (result.stdout + result.stderr)[-5000:]
    return result.stdout


def fork(directory, name):
    """Rename a copy, commit, and clone the commit: what it lacks is on no other machine."""
    renamed = directory / "renamed"
    renamed.mkdir()
    copy(renamed)
    (renamed / ".venv").symlink_to(sys.prefix)
    make(renamed, "rename", f"NAME={name}")
    git(renamed, "commit", "--quiet", "--all", "--message=Rename")
    git(directory, "clone", "--quiet", "renamed", "fork")
    return borrow(directory / "fork")


def borrow(directory):
    """Give a copy the environments of this clone. That of checkov is made where it is missing."""
    (directory / ".venv").symlink_to(sys.prefix)
    with (REPOSITORY / "requirements-scan.txt").open() as lock:  # other tests make forks, too
        fcntl.flock(lock, fcntl.LOCK_EX)
        make(REPOSITORY, ".venv-scan/scan")
    (directory / ".venv-scan").symlink_to(REPOSITORY / ".venv-scan")
    return directory
