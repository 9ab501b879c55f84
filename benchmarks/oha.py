"""Open-loop load: oha, which sends at its rate whatever becomes of the earlier requests."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from .servers import GENERATOR_CORE

INSTALL = (
    "benchmarks: oha is not on PATH: cargo install --locked oha, or https://github.com/hatoo/oha"
)


@dataclass(frozen=True)
class Open:
    """What became of the requests."""

    seconds: float
    outcomes: Mapping[str, int]  # by status or by what went wrong
    percentiles: Mapping[str, float | None]  # seconds, of answers with 2xx: "p50", "p99", ...

    @property
    def sent(self) -> int:
        return sum(self.outcomes.values())

    @property
    def served(self) -> int:
        return self.outcomes.get("200", 0)

    @property
    def goodput(self) -> float:
        """Answers 200 a second."""
        return self.served / self.seconds


def requests(url: str, number: int, connections: int) -> None:
    """Send so many requests, closed loop; raises SystemExit unless all are answered with 200."""
    if not shutil.which("oha"):
        sys.exit(INSTALL)
    run = subprocess.run(
        ["oha", "--no-tui", "--output-format", "json", "-n", str(number), "-c", str(connections)]
        + [url],
        capture_output=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {GENERATOR_CORE}),
    )
    found = parse(run.stdout)
    if found.served != number:
        sys.exit(f"benchmarks: of {number} requests for {url}: {found.outcomes}")


def load(
    url: str,
    seconds: float,
    connections: int,
    rate: float | None = None,
    timeout: float = 1,
    keep_alive: bool = True,
) -> Open:
    """Send so many requests a second; without a rate, as many as the connections can.

    Latencies count from the moment a request was due, so that a slow answer does not hide those
    behind it (coordinated omission). Raises SystemExit without oha.
    """
    if not shutil.which("oha"):
        sys.exit(INSTALL)
    run = subprocess.run(
        ["oha", "--no-tui", "--output-format", "json", "-t", f"{timeout:g}s", "-z", f"{seconds:g}s"]
        + ["-c", str(connections), *([] if keep_alive else ["--disable-keepalive"])]
        + (["-q", f"{rate:.2f}", "--latency-correction"] if rate else [])
        + [url],
        capture_output=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {GENERATOR_CORE}),
    )
    return parse(run.stdout)


def parse(text: bytes) -> Open:
    found = json.loads(text)
    outcomes = found["statusCodeDistribution"] | found["errorDistribution"]
    outcomes.pop("aborted due to deadline", None)  # under way when the time was over
    return Open(found["summary"]["total"], outcomes, found["latencyPercentiles"])
