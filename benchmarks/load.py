"""Load from the client of the tests (tests/runtime/load.py), on a core of its own.

It sends several times what a server of these comparisons can answer on one core. It has the answer
within its patience, or counts a timeout.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from .processes import LOAD_CORE, ROOT, on

PATIENCE = 1.0  # seconds that clients of an open loop wait
LONG = 30.0  # seconds that other clients wait


@dataclass(frozen=True)
class Answers:
    """What became of the requests, by status or by what went wrong; times in seconds."""

    outcomes: Mapping[str, Mapping[str, float]]  # each with count, rate, p50, p99 and max
    lateness: float = 0.0  # 99th percentile of how long after its moment a request was sent

    def get(self, key: str, outcome: str = "200") -> float:
        return self.outcomes.get(outcome, {}).get(key, 0.0)

    @property
    def count(self) -> int:
        return int(sum(each["count"] for each in self.outcomes.values()))

    @property
    def failed(self) -> int:
        """How many have another answer than 200, or none."""
        return self.count - int(self.get("count"))


def run(
    url: str, mode: str, amount: float, limit: float, wait: float, how: str = "keep", body: str = ""
) -> Answers:
    """Run the client; see there for its arguments."""
    parts = urlsplit(url)
    arguments = [parts.port, parts.path or "/", mode, amount, limit, how]
    done = subprocess.run(
        [sys.executable, "-m", "tests.runtime.load", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "CLIENT_TIMEOUT": str(wait), "REQUEST_BODY": body},
        stdout=subprocess.PIPE,
        check=True,
        preexec_fn=on(LOAD_CORE),
    )
    found = json.loads(done.stdout)
    return Answers(found["outcomes"], found["lateness"])


def closed(url: str, clients: float, seconds: float, how: str = "keep", body: str = "") -> Answers:
    """Send what so many clients can that wait for their answers; a body is posted, as JSON."""
    return run(url, "closed", clients, seconds, LONG, how, body)


def rate(url: str, rate: float, seconds: float, how: str = "keep") -> Answers:
    """Send so many requests a second, whatever becomes of the earlier ones."""
    return run(url, "open", rate, seconds, PATIENCE, how)


def requests(url: str, number: int, clients: int) -> None:
    """Send so many requests; raises SystemExit unless all are answered with 200."""
    if number:
        found = run(url, "number", clients, number, LONG)
        if found.get("count") != number:
            sys.exit(f"benchmarks: of {number} requests for {url}: {found.outcomes}")
