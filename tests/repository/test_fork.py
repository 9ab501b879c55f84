"""A fork on its first day, renamed and with the service of the guide, passes checks and tests."""

import sys

import pytest

from tests.repository.copying import REPOSITORY, copy, run
from tests.repository.test_guide import follow

NAME = "order-desk"  # a hyphen is legal in the name of an object, and not in that of a metric


@pytest.fixture(scope="module")
def fork(tmp_path_factory):
    directory = copy(tmp_path_factory.mktemp("fork"))
    make(directory, f"PYTHON={sys.executable}", "rename", f"NAME={NAME}")
    follow(directory)
    (directory / ".venv").symlink_to(sys.prefix)
    if (REPOSITORY / ".venv-scan").exists():  # else make check makes one
        (directory / ".venv-scan").symlink_to(REPOSITORY / ".venv-scan")
    make(directory, "fix")
    return directory


def make(directory, *arguments):
    """Run it to its end; not within the time that CI allows, as this is not all that runs."""
    result = run(directory, "make", *arguments, CI="", PYTEST="")
    assert result.returncode == 0, (result.stdout + result.stderr)[-5000:]


def test_make_check_passes(fork):
    make(fork, "check")


def test_make_test_passes(fork):
    make(fork, "test")
