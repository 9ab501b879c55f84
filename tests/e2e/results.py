"""Keeps what the tests found, in a file that can be committed: --results FILE."""

import logging
import os
import subprocess
import time
from pathlib import Path

import pytest

from .kustomization import ROOT

STEPS = ("e2e.commands", "e2e.waiting")  # how the tests came to it


class Results:
    """A plugin: a line for each test, behind the lines that it logged."""

    def __init__(self, path: Path) -> None:
        self.handler = logging.FileHandler(path, mode="w")
        self.handler.setFormatter(logging.Formatter("    %(message)s"))
        self.handler.addFilter(lambda record: record.name.startswith("e2e."))
        self.handler.addFilter(lambda record: record.name not in STEPS)
        logging.getLogger().addHandler(self.handler)
        self.write(f"{time.strftime('%Y-%m-%d')}, {revision()}, {os.cpu_count()} CPUs")

    def write(self, line: str) -> None:
        """Write a line of our own between those of the log."""
        self.handler.stream.write(f"{line}\n")
        self.handler.flush()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how a test ended."""
        if report.when == "call" or report.outcome != "passed":
            self.write(f"{report.outcome:7} {report.duration:5.0f} s  {report.nodeid}")


def revision() -> str:
    """Return the commit that is tested."""
    command = ("git", "-C", ROOT, "describe", "--always", "--dirty")
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
