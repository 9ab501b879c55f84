"""What an autoscaler did, beside what became of the requests meanwhile."""

import logging
import time
from collections import Counter
from dataclasses import dataclass

from .app import App
from .generator import Load
from .waiting import eventually

STEP = 5  # seconds between two lines

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Moment:
    """How many pods were wanted and how many were Ready, at a time.time()."""

    at: float
    wanted: int
    ready: int


class Timeline:
    """Moments at which a test looked, and the loads of that time."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.moments: list[Moment] = []
        self.outcomes: Counter[tuple[int, str]] = Counter()  # by second and outcome
        self.notes: dict[int, str] = {}  # by second
        self.look()

    def note(self, text: str) -> None:
        """Note what the test does now."""
        self.notes[int(time.time())] = text

    def look(self) -> Moment:
        """Note what there is now."""
        deployment = self.app.deployment()
        ready = deployment.status.ready_replicas or 0
        self.moments.append(Moment(time.time(), deployment.spec.replicas, ready))
        return self.moments[-1]

    def wait_for_pods(self, least: int, seconds: float) -> None:
        """Wait until at least so many are Ready."""

        def enough_pods_are_ready() -> None:
            assert self.look().ready >= least

        eventually(enough_pods_are_ready, seconds=seconds)

    def wait_for_calm(self, calm: float, seconds: float) -> None:
        """Wait until nothing has changed for some seconds."""

        def nothing_changes() -> None:
            now = self.look()
            moving = [one.at for one in self.moments if not one.wanted == one.ready == now.ready]
            assert now.at - max(moving, default=self.moments[0].at) > calm

        eventually(nothing_changes, seconds=seconds)

    def wait_for_end(self, seconds: float) -> None:
        """Wait until there are two pods again and all others have left."""

        def two_pods_are_left() -> None:
            now = self.look()
            assert now.wanted == now.ready == len(self.app.pods()) == 2

        eventually(two_pods_are_left, seconds=seconds)

    def add(self, *loads: Load) -> None:
        """Put loads that are over beside the others."""
        for load in loads:
            for stream in load.streams:
                for second, counts in stream["per_second"].items():
                    for outcome, number in counts.items():
                        self.outcomes[int(load.began) + int(second), outcome] += number

    def most(self) -> Moment:
        """Return the first moment at which as many pods were Ready as ever."""
        return max(self.moments, key=lambda one: (one.ready, -one.at))

    def count(self, outcome: str, start: float, end: float) -> int:
        """Return how many requests ended so between two times."""
        return sum(self.outcomes[second, outcome] for second in range(int(start), int(end)))

    def rate(self, outcome: str, start: float, end: float) -> float:
        """Return how many did so a second."""
        return self.count(outcome, start, end) / (int(end) - int(start))

    def kinds(self) -> set[str]:
        """Return all that became of requests."""
        return {outcome for _, outcome in self.outcomes}

    def report(self, title: str) -> None:
        """Print it."""
        others = self.kinds() - {"2xx", "shed"}
        lines = [f"{title}; other answers: {others or 'none'}"]
        lines.append("seconds  wanted  ready   2xx/s  shed/s  other")
        start = int(self.moments[0].at)
        for at in range(start, int(self.moments[-1].at), STEP):
            seen = [moment for moment in self.moments if moment.at < at + STEP][-1]
            good, shed = (self.rate(outcome, at, at + STEP) for outcome in ("2xx", "shed"))
            other = sum(self.count(outcome, at, at + STEP) for outcome in others)
            notes = [text for second, text in self.notes.items() if at <= second < at + STEP]
            lines.append(
                f"{at - start:7}  {seen.wanted:6}  {seen.ready:5}"
                f"  {good:6.1f}  {shed:6.1f}  {other:5}  {'; '.join(notes)}"
            )
        log.info("%s", "\n".join(lines))
