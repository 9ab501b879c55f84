"""Closed-loop load: wrk, which waits for an answer before it asks again on that connection."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

from .cores import GENERATOR_CORE, on

INSTALL = "benchmarks: wrk is not on PATH: apt install wrk, or https://github.com/wg/wrk"


@dataclass(frozen=True)
class Closed:
    """What was answered."""

    rate: float  # answers a second
    failed: int  # requests without an answer, or with one that is neither 2xx nor 3xx


def available() -> None:
    """Raise SystemExit without wrk: before the measurement, not in it."""
    if not shutil.which("wrk"):
        sys.exit(INSTALL)


def load(url: str, connections: int, seconds: int) -> Closed:
    """Send as much as that many clients can; raises SystemExit without wrk."""
    available()
    run = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", url],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        preexec_fn=on(GENERATOR_CORE),
    )
    return parse(run.stdout)


def parse(text: str) -> Closed:
    rate = re.search(r"^Requests/sec: +([\d.]+)", text, re.M)
    # "Socket errors: connect 0, read 3, write 0, timeout 0"; left out when there were none.
    errors = re.search(r"Socket errors: (.*)", text)
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    failed = sum(map(int, re.findall(r"\d+", errors[1]))) if errors else 0
    assert rate, text
    return Closed(float(rate[1]), failed + (int(wrong[1]) if wrong else 0))
