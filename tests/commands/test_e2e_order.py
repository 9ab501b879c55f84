"""The order of tests/e2e, as pytest collects it; needs no cluster."""

import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

from tests.e2e.selection import LATE, SMOKE

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def collected():
    """Give the names of all tests, each as the file's and the test's: test_up::test_again."""
    command = [sys.executable, "-m", "pytest", "tests/e2e", "--collect-only", "-q"]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
    tests = [line for line in run.stdout.splitlines() if "::" in line]
    return [test.removeprefix("tests/e2e/").replace(".py::", "::") for test in tests]


def group(test):
    """Return the number of the group that names the test, or else its file; -1 if none does."""
    for name in (test.partition("[")[0], test.partition("::")[0]):
        for number, names in enumerate(LATE):
            if name in names:
                return number
    return -1


def test_the_smoke_tests_come_first(collected):
    files = [file for file, _ in groupby(test.partition("::")[0] for test in collected)]

    assert files[0] == SMOKE
    assert files.count(SMOKE) == 1


def test_what_is_late_comes_last_and_in_this_order(collected):
    groups = [number for number, _ in groupby(map(group, collected))]

    assert groups == list(range(-1, len(LATE)))


def test_each_name_that_is_late_is_that_of_a_test(collected):
    tests = {
        name for test in collected for name in (test.partition("::")[0], test.partition("[")[0])
    }

    assert {name for names in LATE for name in names} - tests == set()
