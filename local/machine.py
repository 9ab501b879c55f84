"""What the CPUs of this process do while something is measured on them."""

import os
from dataclasses import dataclass
from pathlib import Path

STAT = Path("/proc/stat")
TICKS = 100  # a second: USER_HZ, on all that Linux runs on


@dataclass(frozen=True)
class Spent:
    """Seconds of these CPUs since the machine came up. Linux only: elsewhere all are 0."""

    computed: float = 0.0  # by all processes, and by other machines on the same CPUs
    idle: float = 0.0

    def since(self, before: "Spent") -> "Spent":
        """Return what was spent since then."""
        return Spent(self.computed - before.computed, self.idle - before.idle)


def spent() -> Spent:
    """Return what was spent by now.

    Interrupts count for neither: they are often those of the request that is measured.
    """
    if not STAT.exists():
        return Spent()
    ours = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    lines = [line.split() for line in STAT.read_text().splitlines()]
    ticks = [list(map(int, line[1:9])) for line in lines if line[0] in ours]
    computed = sum(user + nice + system + stolen for user, nice, system, *_, stolen in ticks)
    idle = sum(idle + waiting for _, _, _, idle, waiting, *_ in ticks)
    return Spent(computed / TICKS, idle / TICKS)
