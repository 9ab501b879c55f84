"""Load from the client that the tests use too (tests/runtime/load.py), on a core of its own.

It sends several times what a server of this comparison can answer on one core.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .cores import GENERATOR_CORE, on


@dataclass(frozen=True)
class Answers:
    """What became of the requests, by status or by what went wrong; times in seconds."""

    outcomes: Mapping[str, Mapping[str, float]]  # each with count, rate, p50, p99 and max

    def get(self, key: str, outcome: str = "200") -> float:
        return self.outcomes.get(outcome, {}).get(key, 0)

    @property
    def failed(self) -> int:
        """How many have another answer than 200, or none."""
        return int(sum(each["count"] for name, each in self.outcomes.items() if name != "200"))


def run(url: str, mode: str, amount: float, more: float, timeout: float) -> Answers:
    """Run the client; see there for its arguments."""
    parts = urlsplit(url)
    arguments: list[Any] = [parts.port, parts.path or "/", mode, amount, more]
    done = subprocess.run(
        [sys.executable, "-m", "tests.runtime.load", *map(str, arguments)],
        env={**os.environ, "CLIENT_TIMEOUT": str(timeout)},
        stdout=subprocess.PIPE,
        check=True,
        preexec_fn=on(GENERATOR_CORE),
    )
    return Answers(json.loads(done.stdout)["outcomes"])


def closed(url: str, clients: int, seconds: float) -> Answers:
    """Send what so many clients can that wait for their answers."""
    return run(url, "closed", clients, seconds, timeout=30)


def rate(url: str, rate: float, seconds: float) -> Answers:
    """Send so many requests a second, whatever becomes of the earlier ones."""
    return run(url, "open", rate, seconds, timeout=1)


def requests(url: str, number: int, clients: int) -> None:
    """Send so many requests; raises SystemExit unless all are answered with 200."""
    if not number:
        return
    found = run(url, "number", clients, number, timeout=30)
    if found.get("count") != number:
        sys.exit(f"benchmarks: of {number} requests for {url}: {found.outcomes}")
