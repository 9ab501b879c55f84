"""What a machine may lack: a test that needs it is skipped, and the end of the run says so.

HELLOPOD_ABSENT names programs and images, separated by spaces, that a machine lacks on purpose.
A program that is missing without being named there fails in CI, and is skipped elsewhere.
"""

import os
import shutil
from collections import Counter
from typing import NoReturn

import pytest

PROGRAMS = {  # that some tests need; what all of them need is in prerequisites.py
    "chromedriver": "apt-get install chromium-driver",
    "chromium": "apt-get install chromium",
    "curl": "your system's package manager",
    "skaffold": "https://skaffold.dev/docs/install/",
}
NOT_SEEN = "not seen here: "


def on_purpose(name: str) -> str:
    """Say why a program or an image need not be there; nothing if it has to be."""
    named = name in os.environ.get("HELLOPOD_ABSENT", "").split()
    return "HELLOPOD_ABSENT names it" if named else ""


def need(*names: str) -> None:
    """Go on if all these programs and images are there, as far as that shows before their use."""
    for name in names:
        if why := on_purpose(name):
            pytest.skip(f"{NOT_SEEN}{name} ({why})")
    for name in names:
        if name in PROGRAMS and not shutil.which(name):
            missing(name, f"not on PATH: {PROGRAMS[name]}")


def missing(name: str, what: str) -> NoReturn:
    """Fail in CI, skip elsewhere: a test needs something that is not there by mistake."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} is missing, and HELLOPOD_ABSENT does not name it: {what}", False)
    pytest.skip(f"{NOT_SEEN}{name} ({what})")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*names): programs and images that must be there")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Decide before any fixture is set up."""
    for marker in item.iter_markers("needs"):
        need(*marker.args)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what was not seen, and how many tests would have."""
    reasons = (report.longrepr[2] for report in terminalreporter.getreports("skipped"))
    unseen = Counter(reason.partition(NOT_SEEN)[2] for reason in reasons if NOT_SEEN in reason)
    if unseen:
        terminalreporter.section("not seen here")
    for what, count in sorted(unseen.items()):
        terminalreporter.line(f"{count:4} {'test ' if count == 1 else 'tests'}  {what}")
