"""The benchmarks stay small, and all of them start."""

import importlib

import pytest

from benchmarks.processes import HERE

MODULES = sorted(HERE.glob("*.py"))


def test_they_have_at_most_22_modules_and_2000_lines():
    assert len(MODULES) <= 22
    assert sum(len(file.read_text().splitlines()) for file in MODULES) <= 2000


@pytest.mark.parametrize("name", [file.stem for file in MODULES])
def test_each_can_be_imported(name):
    """Without matplotlib too."""
    importlib.import_module(f"benchmarks.{name}")
