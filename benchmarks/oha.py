"""Open-loop load: oha, which sends at its rate whatever becomes of the earlier requests."""

import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .cores import GENERATOR_CORE, on

INSTALL = (
    "benchmarks: oha is not on PATH: cargo install --locked oha, or https://github.com/hatoo/oha"
)
UNDER_WAY = "aborted due to deadline"  # when the time was over


class Answer(NamedTuple):
    """One that came in time, whatever its status; seconds from the start of the load."""

    due: float
    sent: float  # later, if all connections were taken
    ended: float
    status: int

    @property
    def took(self) -> float:
        return self.ended - self.sent

    @property
    def waited(self) -> float:
        """With what it waited for a connection."""
        return self.ended - self.due


@dataclass(frozen=True)
class Open:
    """What became of the requests."""

    seconds: float
    outcomes: Mapping[str, int]  # by status or by what went wrong
    under_way: int = 0  # without an outcome; at low rates oha counts idle connections too
    answers: Sequence[Answer] = ()

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


def available() -> None:
    """Raise SystemExit without oha: before the measurement, not in it."""
    if not shutil.which("oha"):
        sys.exit(INSTALL)


def run(arguments: Sequence[str]) -> bytes:
    """Return the JSON that oha prints; raises SystemExit without it, or with its complaint."""
    available()
    done = subprocess.run(
        ["oha", "--no-tui", "--output-format", "json", *arguments],
        capture_output=True,
        preexec_fn=on(GENERATOR_CORE),
    )
    if done.returncode:
        sys.exit(f"benchmarks: oha: {done.stderr.decode()}")
    return done.stdout


def requests(url: str, number: int, connections: int) -> None:
    """Send so many requests, closed loop; raises SystemExit unless all are answered with 200."""
    found = parse(run(["-n", str(number), "-c", str(connections), url]))
    if found.served != number:
        sys.exit(f"benchmarks: of {number} requests for {url}: {found.outcomes}")


def load(
    url: str,
    seconds: float,
    connections: int,
    rate: float | None = None,
    timeout: float = 1,
    keep_alive: bool = True,
    headers: Sequence[str] = (),
) -> Open:
    """Send so many requests a second; without a rate, as many as the connections can.

    Latencies count from the moment a request was due, so that a slow answer does not hide those
    behind it (coordinated omission); the timeout, from when it was sent. Raises SystemExit without
    oha.
    """
    with tempfile.TemporaryDirectory() as directory:
        database = Path(directory, "answers")
        printed = run(
            ["-t", f"{timeout:g}s", "-z", f"{seconds:g}s", "-c", str(connections)]
            + ([] if keep_alive else ["--disable-keepalive"])
            + (["-q", f"{rate:.2f}", "--latency-correction"] if rate else [])
            + [argument for header in headers for argument in ("-H", header)]
            + ["--db-url", str(database), url]
        )
        return parse(printed, read(database))


def parse(text: bytes, answers: Sequence[Answer] = ()) -> Open:
    found = json.loads(text)
    outcomes = found["statusCodeDistribution"] | found["errorDistribution"]
    under_way = outcomes.pop(UNDER_WAY, 0)
    return Open(found["summary"]["total"], outcomes, under_way, answers)


def read(database: Path) -> list[Answer]:
    """Return what oha writes of each answer; of those that failed it writes none."""
    columns = 'coalesce(start_latency_correction, start), start, "end", status'
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(f"SELECT {columns} FROM oha")  # noqa: S608
        return [Answer(*row) for row in rows]
